"""The site: ``python -m sphinx -W --keep-going -b html docs docs/_build/html`` builds it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the package beside these pages

import gruforecast

project = "gruforecast"
release = version = gruforecast.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc", "sphinx_copybutton"]
exclude_patterns = ["_build"]
nitpicky = True  # a name that leads nowhere is an error
default_role = "py:obj"
smartquotes = False  # "gru" is code

myst_enable_extensions = ["dollarmath"]  # $x$ and $$x$$, as on GitHub
myst_fence_as_directive = ["math"]
myst_heading_anchors = 4

# Docstrings tell types in words; those of the signatures are for the type checker.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 88
numpydoc_show_class_members = False  # autodoc lists them

html_theme = "furo"
html_title = f"gruforecast {release}"
html_static_path = ["_static"]
html_show_copyright = False
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
