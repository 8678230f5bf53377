"""Text broken into lines by its width."""

import pytest
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.text import Text

from skdxa.displays._text import wrap


@pytest.fixture
def font():
    return Text(fontsize=8).get_fontproperties()


@pytest.mark.parametrize("text", ["a scan was lost on its way", "illil " * 9, "MWMW " * 9])
@pytest.mark.parametrize("width", [40, 90])
@pytest.mark.parametrize("dpi", [72, 100, 300])
def test_lines_are_at_most_so_wide_and_keep_all_words(font, text, width, dpi):
    lines = wrap(text, width, font)
    drawn = RendererAgg(1, 1, dpi)
    widths = [drawn.get_text_width_height_descent(line, font, ismath=False)[0] for line in lines]
    assert max(widths) * 72 / dpi <= width
    assert " ".join(lines).split() == text.split()
    # Another word would not fit, if text were as wide as on the coarsest screen.
    assert len(lines) == 1 or max(widths) * 72 / dpi > 0.5 * width


def test_long_words_are_cut_and_others_hang(font):
    lines = wrap("x" * 40, 50, font, "  ")
    assert "".join(lines).replace(" ", "") == "x" * 40
    assert [line.startswith("  ") for line in lines] == [False] + [True] * (len(lines) - 1)


def test_there_must_be_room_for_a_letter(font):
    assert wrap("", 1, font) == []
    assert wrap("W", 1, font) == []


def test_no_break_spaces_and_words_are_broken_last(font):
    text = "unknown:\N{NO-BREAK SPACE}3 of\N{NO-BREAK SPACE}all"
    assert wrap(text, 60, font) == ["unknown: 3", "of all"]
    assert wrap(text, 45, font) == ["unknown:", "3 of all"]
    assert wrap(text, 20, font)[0] in ("unk", "unkn")
