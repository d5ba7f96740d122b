"""Finds, aligns and crops faces in photos."""
