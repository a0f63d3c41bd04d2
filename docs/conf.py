"""How Sphinx builds docs/ as a site: `make docs`."""

from medft import __version__

project = "medft"
author = "the medft authors"
copyright = "the medft authors, Apache-2.0"
release = __version__
extensions = ["myst_parser"]
exclude_patterns = ["*.ipynb"]
myst_heading_anchors = 3  # [text](page.md#a-heading)
html_theme = "furo"
html_title = f"medft {release}"
html_copy_source = False
html_show_sphinx = False
