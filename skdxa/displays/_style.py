"""Colours and sizes that all displays share."""

# Okabe and Ito's colours (Wong, Nature Methods 8, 2011, 441) are told apart by
# colour-blind readers and in grey print. These have a contrast of three or more to white
# and to black, so that they serve light and dark figures alike.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#7F7F7F"

# Widths in inches of a figure in print: one column, and both.
COLUMN_WIDTH, PAGE_WIDTH = 3.5, 7.2


def new_axes(ax, width=COLUMN_WIDTH, height=COLUMN_WIDTH):
    """Return the axes to draw on, and their figure: the caller's, or new ones."""
    if ax is None:
        from matplotlib import pyplot

        figure, ax = pyplot.subplots(figsize=(width, height), layout="constrained")
        return figure, ax
    return ax.figure, ax


def paper_figure(width=COLUMN_WIDTH, height=COLUMN_WIDTH):
    """Make a figure to be saved, which leaves the caller's pyplot and its backend alone.

    Parameters
    ----------
    width, height : float, default=3.5
        Size in inches; the default is one column of a journal.

    Returns
    -------
    figure : matplotlib Figure
        An empty figure with a constrained layout.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def ink():
    """Return the colour that text has here: dark on a light figure, light on a dark one."""
    from matplotlib import rcParams

    return rcParams["text.color"]


def style(defaults, given, artist=None):
    """Merge a user's style into the default one; short and long names do not collide.

    `artist` is the class whose short names count, a line's by default.
    """
    from matplotlib import cbook
    from matplotlib.lines import Line2D

    return {**defaults, **cbook.normalize_kwargs(given or {}, artist or Line2D)}
