"""Wrapped text of charts."""

from types import SimpleNamespace

import pytest
from matplotlib.text import Text

from skdxa.displays._chart import FONT_SIZE, Chart, _width_of


@pytest.fixture
def font():
    return Text(fontsize=FONT_SIZE).get_fontproperties()


@pytest.fixture
def chart(font):
    column = SimpleNamespace(name="Cohort", reasons=[], kept="7 scans", targets=[])
    return Chart([column], 100, font)


@pytest.mark.parametrize("text", ["a scan was lost on its way", "illil " * 9, "MWMW " * 9])
@pytest.mark.parametrize("width", [40, 90])
def test_lines_are_at_most_so_wide_and_keep_all_words(chart, font, text, width):
    lines = chart._wrap(text, width, font)
    assert max(_width_of(line, font) for line in lines) <= width
    assert " ".join(lines).split() == text.split()
    assert chart.is_wide_enough


def test_long_words_are_cut_and_others_hang(chart, font):
    lines = chart._wrap("x" * 40, 50, font, "  ")
    assert "".join(lines).replace(" ", "") == "x" * 40
    assert [line.startswith("  ") for line in lines] == [False] + [True] * (len(lines) - 1)


def test_a_chart_must_have_room_for_a_letter(chart, font):
    assert chart._wrap("", 1, font) == []
    assert chart.is_wide_enough
    assert chart._wrap("W", 1, font) == []
    assert not chart.is_wide_enough
