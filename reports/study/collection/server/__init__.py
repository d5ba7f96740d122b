"""The lab's own server: assigns forms and stores each answer once.

``collection`` stores the answers, ``commits`` groups them into transactions, ``limits`` limits the rate of
requests, ``app`` is the HTTP application, and ``run`` runs it.
"""
