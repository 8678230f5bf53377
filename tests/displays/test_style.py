"""Colours and figures."""

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_rgb

from skdxa.displays import ScanDisplay, _style, save_display


@pytest.mark.parametrize("name", ["BLUE", "ORANGE", "GREEN", "PURPLE", "GREY"])
def test_colours_show_on_white_and_on_black(name):
    """Contrast as the Web Content Accessibility Guidelines define it; graphics need 3."""
    rgb = np.array(to_rgb(getattr(_style, name)))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    assert 1.05 / (luminance + 0.05) >= 3
    assert (luminance + 0.05) / 0.05 >= 3


def test_no_colour_was_forgotten():
    colours = {
        name for name, value in vars(_style).items() if name.isupper() and str(value)[:1] == "#"
    }
    assert colours == {"BLUE", "ORANGE", "GREEN", "PURPLE", "GREY"}


def test_a_saved_figure_is_closed(tmp_path):
    display = ScanDisplay.from_scan(np.eye(7, 9))
    assert pyplot.fignum_exists(display.figure_.number)
    save_display(display, tmp_path / "scan.png", dpi=50)
    assert pyplot.imread(tmp_path / "scan.png").shape == (175, 175, 4)
    assert not pyplot.fignum_exists(display.figure_.number)


def test_the_same_figure_gives_the_same_svg(tmp_path):
    for name in ("a.svg", "b.svg"):
        save_display(ScanDisplay.from_scan(np.eye(7, 9)), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert b"<dc:date>" not in (tmp_path / "a.svg").read_bytes()
