"""The raster of bones and lesions, and the shapes that are drawn on it."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ._anatomy import N_COLUMNS, SPACING_MM

# The scan is drawn on rows of half height, whose pixels are nearly square, then averaged.
_ROWS_PER_PIXEL = 2
_EDGE_MM = 0.7
# Outlines deviate from the planned geometry: SD in mm, and waves down and across the scan.
_WANDER_MM, _WANDER_WAVES = 0.45, (20, 22)


class Grid(NamedTuple):
    """Coordinates of the raster, and the deviation of outlines at each of its pixels."""

    y: np.ndarray  # (n, 1), mm
    x: np.ndarray  # (1, 300), mm
    wander: tuple  # two arrays (n, 300), mm across and along

    @property
    def shape(self):
        """Rows and columns."""
        return self.y.size, self.x.size


class Region(NamedTuple):
    """The share of each pixel that a vertebral body covers, inside a window."""

    rows: slice
    columns: slice
    cover: np.ndarray


def make_grid(n_rows, rng):
    """Return the raster of a scan of `n_rows`, float32, and draw the deviation of outlines."""
    n_fine = n_rows * _ROWS_PER_PIXEL
    y = (np.arange(n_fine) + 0.5) / _ROWS_PER_PIXEL - 0.5
    x = np.arange(N_COLUMNS) * SPACING_MM[1]
    wander = tuple(
        np.float32(_WANDER_MM) * smooth_field(rng, n_fine, _WANDER_WAVES, exponent=0.5)
        for _ in range(2)
    )
    return Grid(
        (y[:, None] * SPACING_MM[0]).astype(np.float32), x[None, :].astype(np.float32), wander
    )


def smooth_field(rng, n_rows, n_waves, exponent=1.0):
    """Draw a smooth random field of unit variance, shape (n_rows, 300), from a few cosines."""
    waves_y, waves_x = n_waves
    weight = 1 / (1 + np.hypot(*np.mgrid[:waves_y, :waves_x])) ** exponent
    weight[0, 0] = 0.0
    coefficients = rng.normal(size=(waves_y, waves_x)) * weight
    coefficients /= np.sqrt((weight**2).sum() / 4)
    down, across = _cosines(n_rows, waves_y), _cosines(N_COLUMNS, waves_x)
    return down @ coefficients.astype(np.float32) @ across.T


@lru_cache(maxsize=256)
def _cosines(n, n_waves):
    """Compute cosines of 0, 1/2, 1, ... periods over n pixels: (n, n_waves), float32."""
    angles = np.pi * np.outer(np.arange(n) + 0.5, np.arange(n_waves)) / n
    return np.cos(angles).astype(np.float32)


def pool(fine):
    """Average rows of half height to the rows of the scan."""
    total = fine[::_ROWS_PER_PIXEL].copy()
    for offset in range(1, _ROWS_PER_PIXEL):
        total += fine[offset::_ROWS_PER_PIXEL]
    return total / np.float32(_ROWS_PER_PIXEL)


def window(grid, centre, half_width, half_height, tilt):
    """Return the slices around a tilted box, and coordinates of its pixels in the tilted frame.

    Returns
    -------
    rows, columns : slice
        Part of the raster that holds the box.
    u, v : ndarray, float32
        Across (to the last columns) and along (downwards) the tilted axis, in mm.
    """
    sine, cosine = np.float32(np.sin(tilt)), np.float32(np.cos(tilt))
    reach_x = half_width * abs(cosine) + half_height * abs(sine)
    reach_y = half_width * abs(sine) + half_height * abs(cosine)
    rows = slice(*np.searchsorted(grid.y[:, 0], [centre[1] - reach_y, centre[1] + reach_y]))
    columns = slice(*np.searchsorted(grid.x[0], [centre[0] - reach_x, centre[0] + reach_x]))
    dx = grid.x[:, columns] - np.float32(centre[0]) + grid.wander[0][rows, columns]
    dy = grid.y[rows] - np.float32(centre[1]) + grid.wander[1][rows, columns]
    return rows, columns, dx * cosine - dy * sine, dx * sine + dy * cosine


def step(distance, width=_EDGE_MM):
    """Rise from 0 outside to 1 inside over `width` mm: the anti-aliased edge of a shape."""
    share = distance * np.float32(1 / width)
    share += np.float32(0.5)
    np.maximum(share, 0, out=share)
    return np.minimum(share, 1, out=share)


def ridge(distance, width):
    """Fall from 1 at a distance of 0 like a Gaussian of this half width: a bright line."""
    t = distance * np.float32(1 / width)
    t *= t
    return np.exp(np.negative(t, out=t), out=t)


def body_half_width(spine, level, v):
    """Return the half width of a body `v` mm below its centre: wide endplates and a waist."""
    t = np.clip(v / spine.height[level], -0.5, 0.5)
    straight = spine.upper[level] * (0.5 - t) + spine.lower[level] * (0.5 + t)
    return (straight * (0.78 + 0.22 * np.abs(2 * t) ** 2.2)).astype(np.float32)


def region_mean(density, region):
    """Compute the mean of a density over a vertebral body."""
    return (density[region.rows, region.columns] * region.cover).sum() / region.cover.sum()
