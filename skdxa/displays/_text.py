"""Text broken into lines by its width in print."""

import textwrap
from functools import lru_cache

from matplotlib.textpath import text_to_path

# Hinting may make a line of text this much wider on a coarse screen.
_SLACK = 1.06


def wrap(text, width, font, indent=""):
    """Break text into lines at most `width` points wide, within words only if they are too long.

    All lines but the first begin with `indent`. If not even a letter fits, there is no line.
    """
    mean = max(_width_of(text, font) / max(len(text), 1), 1e-6)
    # A line of narrow letters may hold more of them than the average.
    for n_letters in range(min(len(text), int(2 * width / mean)), 0, -1):
        lines = textwrap.wrap(text, n_letters, subsequent_indent=indent, break_on_hyphens=False)
        if all(_width_of(line, font) <= width for line in lines):
            return lines
    return []


@lru_cache(100_000)
def _width_of(text, font):
    return _SLACK * text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]
