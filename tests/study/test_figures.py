"""Titles of a study's figures."""

from types import SimpleNamespace

import pytest
from matplotlib.figure import Figure

from skdxa.study._figures import _write_title


@pytest.mark.parametrize("simulated", [True, False])
@pytest.mark.parametrize("n_panels", [1, 3])
def test_titles_fit_and_say_what_is_simulated(n_panels, simulated):
    figure = Figure(figsize=(7.2, 3), layout="constrained")
    title = "(a) Unreliable bone mineral density, labels shuffled"
    axes = figure.subplots(1, n_panels, squeeze=False)[0]
    for ax in axes:
        _write_title(SimpleNamespace(simulated=simulated), ax, title)
    figure.draw_without_rendering()
    boxes = [ax.title.get_window_extent() for ax in axes]
    assert boxes[0].x0 >= 0
    assert boxes[-1].x1 <= figure.bbox.x1
    assert not any(boxes[n].overlaps(boxes[n + 1]) for n in range(n_panels - 1))
    written = axes[0].get_title().replace("\n", " ")
    assert written == title + " (simulated)" * simulated
