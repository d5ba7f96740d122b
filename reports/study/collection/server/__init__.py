"""The lab's own server: hands out forms, and takes each answer once.

``collection`` keeps the answers, ``commits`` writes them together, ``limits`` slows down who asks too often,
``app`` speaks HTTP, and ``run`` listens.
"""
