"""Colours and figures."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_rgb

from skdxa.displays import PALETTE, RepeatedRocDisplay, ScanDisplay, _style, save_display


@pytest.mark.parametrize("name", ["BLUE", "ORANGE", "GREEN", "PURPLE", "GREY"])
def test_colours_show_on_white_and_on_black(name):
    """Contrast as the Web Content Accessibility Guidelines define it; graphics need 3."""
    rgb = np.array(to_rgb(getattr(_style, name)))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    assert 1.05 / (luminance + 0.05) >= 3
    assert (luminance + 0.05) / 0.05 >= 3


def test_no_colour_was_forgotten():
    colours = {value for value in vars(_style).values() if str(value)[:1] == "#"}
    assert colours == set(PALETTE.values())
    folder = Path(_style.__file__).parent
    others = [
        path.name for path in folder.glob("*.py") if re.search("#[0-9A-F]{6}", path.read_text())
    ]
    assert others == ["_style.py"]


# Linear sRGB as a dichromat sees it (Machado, Oliveira and Fernandes, 2009).
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}
XYZ = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]


def seen(colour, sight):
    """Return a colour in CIELAB, where a distance of about 2 is just noticed."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = XYZ @ np.clip(SIGHT[sight] @ linear, 0, 1) / np.sum(XYZ, axis=1)
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHT)
def test_colour_blind_readers_tell_the_colours_apart(sight):
    lab = {name: seen(colour, sight) for name, colour in PALETTE.items()}
    for one, other in combinations(lab, 2):
        # Grey is for lines of reference, which are dotted or thin too.
        least = 9 if "grey" in (one, other) else 16
        assert np.linalg.norm(lab[one] - lab[other]) > least, (one, other)


@pytest.mark.parametrize("sight", SIGHT)
def test_colour_blind_readers_tell_benchmarks_apart(sight):
    score = np.linspace(0, 1, 8)
    display = RepeatedRocDisplay.from_predictions(
        np.tile([0, 1], 4), score, benchmarks=dict.fromkeys("abcd", score)
    )
    lines = [display.line_, *display.benchmark_lines_.values()]
    lab = [seen(line.get_color(), sight) for line in lines]
    assert min(np.linalg.norm(one - other) for one, other in combinations(lab, 2)) > 16


def test_red_and_green_would_not_be_told_apart():
    apart = np.subtract(seen("#C44E52", "deuteranopia"), seen("#8C7A2E", "deuteranopia"))
    assert np.linalg.norm(apart) < 16


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
