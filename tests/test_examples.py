"""Figures of the gallery: narrow, so that type reads on a phone, and described in words."""

import ast
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").rglob("plot_*.py"))
# Inches: on a page 400 pixels wide, type of 10 points is then about 9 pixels high.
WIDEST = 6


def calls_of(path, method):
    """Return the calls of a method in an example."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in calls if getattr(call.func, "attr", None) == method]


def keyword_of(call, name):
    """Return the value of a keyword of a call, or None."""
    return next((word.value for word in call.keywords if word.arg == name), None)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_figure_has_an_alternative_text(path):
    # Sphinx-Gallery takes it from the title of the figure, which is not drawn.
    hidden = [
        call
        for call in calls_of(path, "suptitle")
        if getattr(keyword_of(call, "visible"), "value", None) is False
    ]
    n_shown = len(calls_of(path, "show"))
    assert n_shown > 0
    assert len(hidden) == n_shown


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_figures_are_narrow(path):
    made = [keyword_of(call, "figsize") for call in calls_of(path, "subplots")]
    made += [keyword_of(call, "figsize") for call in calls_of(path, "figure")]
    widths = [size.elts[0].value for size in made if size is not None]
    assert max(widths, default=0) <= WIDEST
