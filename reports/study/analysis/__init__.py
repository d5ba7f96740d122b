"""Analyses the answers of a human study."""
