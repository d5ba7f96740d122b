"""Reads finished runs: verification, claims, comparison, queries, robustness."""
