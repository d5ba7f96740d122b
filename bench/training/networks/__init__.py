"""Trains the networks of the embedded metrics, and expression classifiers of a user's own."""
