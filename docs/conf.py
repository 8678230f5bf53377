"""Configuration of the documentation."""

import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import skdxa

# For the gallery's sort function, which is given by name because Sphinx cannot cache functions.
sys.path.insert(0, str(Path(__file__).parent))

project = "skdxa"
author = "The skdxa developers"
copyright = "2026, the skdxa developers"
release = version = skdxa.__version__

extensions = [
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "auto_examples/**/*.ipynb"]
templates_path = ["_templates"]
html_theme = "pydata_sphinx_theme"
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False}
html_title = f"skdxa {version}"

autosummary_generate = True
numpydoc_show_class_members = False
autodoc_typehints = "none"
# 2026-11: docstrings inherited from scikit-learn refer to its glossary, which is not part of
# these pages.
suppress_warnings = ["ref.term"]

# The pictures of the guide, which the scripts in plots/ draw in a second or two each.
plot_formats = [("png", 150)]
plot_html_show_formats = False
plot_html_show_source_link = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "backreferences_dir": "api/backreferences",
    "doc_module": ("skdxa",),
    "filename_pattern": "/plot_",
    "within_subsection_order": "gallery.position",
    "matplotlib_animations": False,
    "remove_config_comments": True,
    "show_memory": False,
    "abort_on_example_error": True,
}
# The examples run as the tests do: a warning is an error.
warnings.filterwarnings("error", module="skdxa")
