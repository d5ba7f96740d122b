"""The lab's own server: assigns forms and stores each answer once.

``collection`` stores the answers, ``commits`` groups them into transactions, ``limits`` limits the rate of
requests, ``hosts`` the names that are answered for, ``connections`` how many there are and how slow they may
be; ``app`` is the HTTP application, and ``run`` runs it.
"""
