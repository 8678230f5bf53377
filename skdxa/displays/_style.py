"""Colours and sizes that all displays share."""

# Okabe and Ito's colours (Wong, Nature Methods 8, 2011, 441) are told apart by
# colour-blind readers and in grey print.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#7F7F7F"

# Width in inches of a one-column figure in print.
COLUMN_WIDTH = 3.5


def new_axes(ax, width=COLUMN_WIDTH, height=COLUMN_WIDTH):
    """Give the axes to draw on, and their figure: the caller's, or new ones."""
    if ax is None:
        from matplotlib import pyplot

        figure, ax = pyplot.subplots(figsize=(width, height), layout="constrained")
        return figure, ax
    return ax.figure, ax


def paper_figure(width=COLUMN_WIDTH, height=COLUMN_WIDTH):
    """Give a figure to be saved, which leaves the caller's pyplot and its backend alone."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def style(defaults, given):
    """Merge a user's style into the default one; short and long names do not collide."""
    from matplotlib import cbook
    from matplotlib.lines import Line2D

    return {**defaults, **cbook.normalize_kwargs(given or {}, Line2D)}
