"""Text broken into lines by its width in print."""

import textwrap
from functools import lru_cache

from matplotlib.textpath import text_to_path

# Hinting may make a line of text this much wider on a coarse screen.
_SLACK = 1.06
NO_BREAK = "\N{NO-BREAK SPACE}"


def wrap(text, width, font, indent=""):
    """Break text into lines at most `width` points wide.

    Lines end at spaces; where that is not enough also at no-break spaces, and within words last.
    All lines but the first begin with `indent`. If not even one letter fits, the result is empty.
    """
    spaced = text.replace(NO_BREAK, " ")
    mean = max(width_of(spaced, font) / max(len(spaced), 1), 1e-6)
    for words, is_cut in ((text, False), (spaced, False), (spaced, True)):
        if not is_cut and any(width_of(word, font) > width for word in words.split(" ")):
            continue
        # A line of narrow letters may hold more of them than the average.
        for n_letters in range(min(len(text), int(2 * width / mean)), 0, -1):
            lines = textwrap.wrap(
                words,
                n_letters,
                subsequent_indent=indent,
                break_on_hyphens=False,
                break_long_words=is_cut,
            )
            if all(width_of(line, font) <= width for line in lines):
                return [line.replace(NO_BREAK, " ") for line in lines]
    return []


@lru_cache(100_000)
def width_of(text, font):
    """Return the width of a line of text in points, on any screen."""
    return _SLACK * text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]
