"""Writes tables as LaTeX, Markdown, CSV, JSON and plain text."""
