"""Sphinx: the documentation from Markdown."""

project = "Portlore"
copyright = "the Portlore authors"  # noqa: A001
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "Portlore"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
