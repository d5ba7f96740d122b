"""Collects the answers of a human study."""
