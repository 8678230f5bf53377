"""Configuration of the documentation."""

import os
import sys
import warnings
from pathlib import Path

from numpydoc.xref import DEFAULT_LINKS

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import skdxa

HERE = Path(__file__).parent
# `gallery` too is imported by its name, because Sphinx cannot cache functions.
sys.path[:0] = [str(HERE), str(HERE / "_ext")]

from short_names import classes_in, classes_of_skdxa

project = "skdxa"
author = "The skdxa developers"
copyright = "2026, the skdxa developers"
release = version = skdxa.__version__

extensions = [
    "command_line",
    "matplotlib.sphinxext.plot_directive",
    "mathml",
    "myst_parser",
    "numpydoc",
    "short_names",
    "sources",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "auto_examples/**/*.ipynb", "inventories"]
templates_path = ["_templates"]
default_role = "short_name"

html_theme = "pydata_sphinx_theme"
html_title = f"skdxa {version}"
# Without it the theme reports an error where a browser has stored no choice yet.
html_context = {"default_mode": "auto"}
html_static_path = ["_static"]
html_css_files = ["skdxa.css"]
html_math_renderer = "mathml"
# Summaries are read from other pages, which browsers refuse where the pages are files.
html_show_search_summary = False
html_theme_options = {
    "header_links_before_dropdown": 8,
    "logo": {"text": "skdxa"},
    "navigation_with_keys": False,
    "pygments_dark_style": "github-dark",
    "pygments_light_style": "tango",
    "search_bar_text": "Search",
    "show_toc_level": 2,
}
# A page without parts has nothing to show on its left.
html_sidebars = {
    name: []
    for name in (
        "index",
        "changelog",
        "citing",
        "command_line",
        "faq",
        "glossary",
        "limits",
        "simulation",
    )
}

autosummary_generate = True
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
# 2026-11: docstrings inherited from scikit-learn refer to its glossary, of which the inventories
# beside this file have no terms.
suppress_warnings = ["ref.term"]

# The pictures of the guide, which the scripts in plots/ draw in a second or two each.
plot_formats = [("png", 150)]
plot_html_show_formats = False
plot_html_show_source_link = False

# The prompts and the output of an example are not copied.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"

# The inventory of each site is tried first; where there is no network, that beside this file
# serves, which has the names that these pages refer to. A link is then the same with or without.
intersphinx_mapping = {
    name: (url, (None, f"inventories/{name}.inv"))
    for name, url in {
        "matplotlib": "https://matplotlib.org/stable/",
        "numpy": "https://numpy.org/doc/stable/",
        "pandas": "https://pandas.pydata.org/docs/",
        "sklearn": "https://scikit-learn.org/stable/",
        "statsmodels": "https://www.statsmodels.org/stable/",
    }.items()
}
intersphinx_timeout = 5

# Types of Python itself are no links, which would distract.
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"
numpydoc_xref_aliases = {
    **{word: word for word in DEFAULT_LINKS},
    **classes_in(HERE / "inventories"),
    **classes_of_skdxa(),
}

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
    # The page of times would load scripts from the network; benchmarks/gallery.py prints them.
    "write_computation_times": False,
    "abort_on_example_error": True,
}
# The examples run as the tests do: a warning is an error.
warnings.filterwarnings("error", module="skdxa")
