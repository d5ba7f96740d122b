"""Collect the answers of a study."""
