"""Data sets: samples, splits, edits."""
