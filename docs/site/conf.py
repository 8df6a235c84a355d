"""Sphinx's configuration of the docs site; docs/build/docs_site.py writes the pages."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "bnrun"
html_title = "bnrun"
extensions = ["myst_parser", "sphinx.ext.autodoc", "mathml", "plain_docstrings"]

# GitHub's anchors, so that a link works on both.
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False
add_module_names = False
python_display_short_literal_types = True
python_maximum_signature_line_length = 80

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_math_renderer = "mathml"
# Nothing is fetched from elsewhere: formulas are MathML, the search runs in the browser.
html_permalinks_icon = "#"
highlight_language = "text"
pygments_style = "friendly"
pygments_dark_style = "github-dark"
