"""Intervals, paired tests, ranks and the summary of a run."""
