"""Analyse the answers of a study."""
