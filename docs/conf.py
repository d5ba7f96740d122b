"""How Sphinx builds these pages: Markdown only, warnings are errors."""

project = "fesbench"
author = copyright = "The fesbench authors"
extensions = ["myst_parser"]
myst_heading_anchors = 3
html_theme = "alabaster"
