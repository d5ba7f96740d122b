"""Writes the packets of a human study."""
