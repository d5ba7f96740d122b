"""Writes tables as LaTeX, Markdown, CSV, JSON and plain text."""

FORMATS = ("html", "latex", "md", "csv", "json", "figures")
"""What ``bench report`` writes, in this order: the keys of ``run.report.WRITERS``."""
