"""Collects the scores of a run from its parts."""
