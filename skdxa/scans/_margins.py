"""Find the white margins that some scanners draw where they did not scan."""

import numpy as np

# The scanner moves in strips, so a margin keeps its width over a strip's height
# (8 % of the rows or more on a GE Lunar iDXA), whereas the outline of a saturated
# bone or implant wanders from row to row.
_SHORTEST_STEP = 0.05
_LEAST_STEPPED_SHARE = 0.75


def unscanned_margins(pixels):
    """Return a mask of the stair-step margins at the left and right edge.

    Parameters
    ----------
    pixels : ndarray of shape (n_rows, n_columns)
        An image for display, bone bright.

    Returns
    -------
    mask : ndarray of bool of shape (n_rows, n_columns)
        True where the scanner did not scan; all False if there is no margin.

    Notes
    -----
    In each row the run of pixels that equal the image's maximum is followed from
    the edge inwards. Rows with such a run that follow each other form a band. A
    band is a margin if at least three quarters of its rows belong to steps: runs
    of rows of exactly the same width, at least 5 % of the image's rows high (at
    least two rows), that meet another such run or an end of the band. Rows
    between steps count up to the width of the wider neighbouring step, so that
    saturated bone that touches a margin stays.

    Saturated pixels away from the edges, and saturated pixels at an edge with an
    outline that is not a staircase, are never unscanned. An image that would be
    unscanned throughout is left as it is.
    """
    white = pixels == pixels.max()
    if white.all():
        return np.zeros_like(white)
    mask = _from_left(white) | _from_left(white[:, ::-1])[:, ::-1]
    return mask if not mask.all() else np.zeros_like(mask)


def _from_left(white):
    n_rows, n_columns = white.shape
    widths = np.where(white.all(axis=1), n_columns, white.argmin(axis=1))
    margin = np.zeros_like(widths)
    shortest = max(2, round(_SHORTEST_STEP * n_rows))
    for band in _runs(widths > 0, shortest):
        if widths[band][0] > 0:
            margin[band] = _stepped(widths[band], shortest)
    return np.arange(n_columns) < margin[:, None]


def _stepped(widths, shortest):
    """Return the width of the margin in each row of a band, or 0 if the band is not a margin."""
    high = _runs(widths, shortest)
    stops = [0, *(run.stop for run in high)]
    starts = [*(run.start for run in high), len(widths)]
    # A step meets the next one, but for a row that blends the two, or ends the band;
    # the widest part of a bone that touches the margin does neither.
    steps = [
        run
        for run, stop_above, start_below in zip(high, stops[:-1], starts[1:], strict=True)
        if min(run.start - stop_above, start_below - run.stop) <= 1
    ]
    if sum(step.stop - step.start for step in steps) < _LEAST_STEPPED_SHARE * len(widths):
        return np.zeros_like(widths)
    above, below = np.zeros_like(widths), np.zeros_like(widths)
    for step in steps:
        above[step.start :] = widths[step.start]
    for step in reversed(steps):
        below[: step.stop] = widths[step.start]
    return np.minimum(widths, np.maximum(above, below))


def _runs(values, shortest):
    """Return the slices of the longest runs of equal neighbours above the minimum length."""
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    stops = np.r_[starts[1:], len(values)]
    long = stops - starts >= shortest
    return [slice(*ends) for ends in zip(starts[long], stops[long], strict=True)]
