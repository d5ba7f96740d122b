"""How Sphinx builds these pages: Markdown, warnings are errors; the references come from the code."""

project = "fesbench"
author = copyright = "The fesbench authors"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
autodoc_typehints = "description"
autodoc_member_order = "bysource"
autoclass_content = "both"
smartquotes = False
nb_execution_mode = "off"  # the outputs are stored, see run_notebook.py
html_theme = "furo"
html_title = "fesbench"
html_static_path = ["static"]
html_css_files = ["tables.css"]
exclude_patterns = ["images"]
