"""Colours and sizes that all displays share."""

from pathlib import Path

from matplotlib import rc_context, rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito's colours (Wong, Nature Methods 8, 2011, 441) can be distinguished by colour-blind
# readers. The first five have a contrast of three or more to white and to black, so that they
# serve light and dark figures alike; the others are for scans, which are dark regardless of the
# figure's background.
PALETTE = {
    "blue": "#0072B2",
    "orange": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "grey": "#7F7F7F",
    "sky": "#56B4E9",
    "amber": "#E69F00",
    "yellow": "#F0E442",
}
BLUE, ORANGE, GREEN, PURPLE, GREY, SKY, AMBER, YELLOW = PALETTE.values()
# Bone is bright.
SCAN_COLORMAP = "gray"

# Five dash patterns besides a solid line: combined with four colours, twenty curves differ.
DASHES = ("--", "-.", (0, (1, 1)), (0, (6, 1.5, 1, 1.5, 1, 1.5)), (0, (9, 2)))

# Widths in inches of a figure in print: one column, and both.
COLUMN_WIDTH, PAGE_WIDTH = 3.5, 7.2


def paper_figure(width=COLUMN_WIDTH, height=COLUMN_WIDTH):
    """Return a figure to be saved, which leaves pyplot and its backend alone.

    Parameters
    ----------
    width : float, default=3.5
        Width in inches; 3.5 is a column in print, 7.2 a page.
    height : float, default=3.5
        Height in inches.

    Returns
    -------
    figure : matplotlib Figure
        Empty, with constrained layout.

    Examples
    --------
    >>> from skdxa.displays import paper_figure
    >>> ax = paper_figure(width=7.2, height=3).subplots()
    >>> ax.figure.get_size_inches().tolist()
    [7.2, 3.0]
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_display(display, path, *, dpi=200):
    """Save the figure of a display, and close it so that its memory is free.

    The same figure gives the same file: an SVG holds neither the time nor random names.

    Parameters
    ----------
    display : Display
        Drawn, with its `figure_`.
    path : str or path-like
        The file; its suffix is the format.
    dpi : float, default=200
        Dots per inch.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skdxa.displays import ScanDisplay, save_display
    >>> scan = np.linspace(0, 1, 63).reshape(7, 9)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_display(ScanDisplay.from_scan(scan), Path(folder) / "scan.png")
    """
    from matplotlib import pyplot

    metadata = {"Date": None} if Path(path).suffix == ".svg" else None
    with rc_context({"svg.hashsalt": "skdxa"}):
        display.figure_.savefig(path, dpi=dpi, metadata=metadata)
    pyplot.close(display.figure_)


def ink():
    """Return the colour of text: dark on a light figure, light on a dark one."""
    return rcParams["text.color"]
