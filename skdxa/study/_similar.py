"""Scans of different patients that look like scans of one."""

import numpy as np
from scipy import ndimage

from skdxa.preprocessing import SpineCropper

# The crop that is compared, in pixels of 1.05 x 0.60 mm. The more bone, the better are scans of
# one patient told from others: nearly all of a scan's height.
_HEIGHT, _WIDTH = 150, 100
# Standard deviations of Gaussians in pixels, between which detail tells bones apart.
_FINE, _COARSE = (1.5, 2.0), (10.0, 14.0)
# Rows by which two scans of one patient may be placed differently.
_SHIFT, _STEP = 24, 1
# From experiments/twins.py: of simulated patients scanned again, with new placement, noise and
# bowel, 92 % are above it, and in two cohorts of 1,000 no pair of different ones.
ALIKE = 0.91
_MOST_SCANS = 4000


def similar_pairs(scans, groups, *, limit=ALIKE):
    """Find pairs of scans of different patients whose bones look alike.

    Parameters
    ----------
    scans : Series or DataFrame
        What `SpineCropper` takes.
    groups : ndarray of shape (n_scans,)
        The patient of each scan.
    limit : float, default=0.91
        Correlation from which two scans are alike.

    Returns
    -------
    pairs : list of (int, int, float)
        Positions of both scans and their correlation, the most alike first. Beyond 4000
        scans only the first 4000 are compared.

    Notes
    -----
    The crop about the spine is filtered, so that neither brightness nor noise counts, and
    clipped, so that metal does not outweigh bone. The correlation is the largest over shifts of
    up to 25 mm along the spine, as the scan is or mirrored.
    """
    scans, groups = scans[:_MOST_SCANS], np.asarray(groups)[:_MOST_SCANS]
    crops = SpineCropper(height=_HEIGHT, width=_WIDTH).fit_transform(scans)
    crops = np.asarray(crops, dtype=np.float32)
    detail = np.stack(
        [
            ndimage.gaussian_filter(crop, _FINE) - ndimage.gaussian_filter(crop, _COARSE)
            for crop in crops
        ]
    )[:, 5:-5, 15:-15]
    limits = np.quantile(np.abs(detail), 0.98, axis=(1, 2), keepdims=True)
    detail = detail.clip(-limits, limits)
    middle = detail[:, _SHIFT:-_SHIFT]
    both_ways = _unit(middle), _unit(middle[:, :, ::-1])
    best = np.full((len(detail), len(detail)), -1, dtype=np.float32)
    for shift in range(-_SHIFT, _SHIFT + 1, _STEP):
        moved = _unit(detail[:, _SHIFT + shift : detail.shape[1] - _SHIFT + shift])
        for still in both_ways:
            np.maximum(best, still @ moved.T, out=best)
    best = np.maximum(best, best.T)
    first, second = np.nonzero(np.triu(best >= limit, k=1))
    apart = groups[first] != groups[second]
    pairs = [
        (int(one), int(other), float(best[one, other]))
        for one, other in zip(first[apart], second[apart], strict=True)
    ]
    return sorted(pairs, key=lambda pair: -pair[2])


def _unit(detail):
    """Return every second pixel of each image as a vector of length one, without its mean."""
    flat = detail[:, ::2, ::2].reshape(len(detail), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return flat / np.where(length > 0, length, 1)
