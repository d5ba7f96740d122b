"""Procedural paired faces, NumPy only."""
