"""Mark the pixels of the spine in an anteroposterior scan."""

from numbers import Real

import numpy as np

from skdxa.preprocessing._spine_line import find_spine_line
from skdxa.validation import check_scan, check_spacing


def find_spine_region(scan, *, width_mm=30.0, spacing_mm=(1.05, 0.60)):
    """Find the pixels of a scan that lie within the spine.

    Parameters
    ----------
    scan : array-like of shape (n_rows, n_columns)
        Anteroposterior scan, head up, bone bright; NaN where the scanner did not scan.
    width_mm : float, default=30.0
        Width of the region. A lumbar vertebra is about 45 mm wide: the default leaves its
        rims out, whose edges would show in a texture.
    spacing_mm : tuple of float, default=(1.05, 0.60)
        Height and width of a pixel, in mm.

    Returns
    -------
    region : ndarray of shape (n_rows, n_columns), dtype uint8
        An image of labels: 1 in the band of `width_mm` about the spine's centre line, where
        it was scanned; 0 elsewhere.

    Raises
    ------
    ScanError
        As for `find_spine_line`.
    ValueError
        If `width_mm` is not a positive number.

    See Also
    --------
    find_spine_line : The centre line of the band.
    skdxa.texture.VariogramSlope : Texture, which takes this function as its `regions`.

    Notes
    -----
    Discs and arches lie within the band as well as bodies; vertebrae are not separated.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.preprocessing import find_spine_region
    >>> scan = np.full((150, 300), 0.1)
    >>> scan[:, 121:196] = 1.0
    >>> region = find_spine_region(scan)
    >>> region.shape, int(region.sum())
    ((150, 300), 7500)
    """
    scan = check_scan(scan)
    column_mm = check_spacing(spacing_mm)[1]
    if not (isinstance(width_mm, Real) and 0 < width_mm < np.inf):
        raise ValueError(f"width_mm must be a positive number; got {width_mm!r}.")
    line = find_spine_line(scan, spacing_mm=spacing_mm)
    aside_mm = np.abs(np.arange(scan.shape[1]) - line[:, np.newaxis]) * column_mm
    return ((aside_mm <= width_mm / 2) & ~np.isnan(scan)).astype(np.uint8)
