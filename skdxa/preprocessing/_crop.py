"""Cut all scans to one size about the spine."""

from numbers import Integral, Real
from typing import ClassVar

import numpy as np

from skdxa._sklearn import Interval
from skdxa.exceptions import ScanError
from skdxa.preprocessing._base import ScanTransformer
from skdxa.preprocessing._spine_line import find_spine_line
from skdxa.validation import as_scans, check_scan, scan_names

# The spine fills a quarter to a half of a scan's width, so that this quantile of the
# pixels lies in soft tissue.
_TISSUE_QUANTILE = 0.25
_USUAL_SPACING = (1.05, 0.60)


class SpineCropper(ScanTransformer):
    """Cut every scan to one size, the spine in the middle.

    The mean column of the spine's centre line becomes the middle of the crop. The scan is not
    straightened along the line, so that a curved spine stays curved.

    Parameters
    ----------
    height : int, default=150
        Rows of the crop. The middle rows of a taller scan are kept; a shorter scan is
        padded equally above and below.
    width : int, default=150
        Columns of the crop. Columns beyond the edge of the scan are padded.
    fill_value : float, default=None
        Value of padding and of unscanned pixels, in the unit of the scan. By default
        each scan's own soft-tissue level, the lower quartile of its scanned pixels, so
        that neither the zero of an export nor the size of a scan appears as an edge.
    column : str, default="scan"
        The column of a DataFrame that holds the scans.

    Attributes
    ----------
    quality_ : ndarray of shape (n_scans,)
        How clearly the spine line of each training scan stands out, 0 to 1; below
        `LOW_QUALITY` the crop may have missed the spine.
    middle_ : ndarray of shape (n_scans,)
        Mean column of the spine line of each training scan.
    n_features_in_ : int
        Number of columns of the table seen in `fit`; 1 for other kinds of input.
    feature_names_in_ : ndarray of shape (n_columns,)
        The columns of the table seen in `fit`; only there if it was a table.

    See Also
    --------
    find_spine_line : The centre line of one scan, and what its quality means.
    looks_like_spine : Whether a scan shows a lumbar spine at all.
    HorizontalFlip : Mirror scans left to right.

    Notes
    -----
    The result is a stack of shape (n_scans, height, width), float32, without NaN. With
    ``set_output(transform="pandas")`` it is a DataFrame of one column whose cells are
    the crops.

    A scan narrower than the crop is an error: the network would mostly see padding. All
    that is done to a scan depends on that scan alone: nothing that `fit` finds changes a
    crop, and `transform` works without it.

    `fit` searches the training scans for their spines to store the quality of each line.
    `fit_transform`, which a pipeline calls, searches each scan once. For other scans,
    `quality` returns what `transform` does not store.

    The default size keeps 75 pixels of 0.60 mm on both sides of the spine, as in [1]_.

    References
    ----------
    .. [1] T. Nissinen et al., "Detecting pathological features and predicting fracture
       risk from dual-energy X-ray absorptiometry images using deep learning", Bone
       Reports 14, 101070, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.preprocessing import SpineCropper
    >>> scan = np.zeros((8, 60))
    >>> scan[:, 30:44] = 1.0
    >>> crop = SpineCropper(height=6, width=20).fit_transform([scan])
    >>> crop.shape
    (1, 6, 20)
    >>> print(crop[0, 0].astype(int))
    [0 0 0 1 1 1 1 1 1 1 1 1 1 1 1 1 1 0 0 0]
    """

    _parameter_constraints: ClassVar[dict] = {
        **ScanTransformer._parameter_constraints,
        "height": [Interval(Integral, 1, None, closed="left")],
        "width": [Interval(Integral, 1, None, closed="left")],
        "fill_value": [Interval(Real, None, None, closed="neither"), None],
    }

    def __init__(self, height=150, width=150, *, fill_value=None, column="scan"):
        self.height = height
        self.width = width
        self.fill_value = fill_value
        self.column = column

    def window(self, scan):
        """Return where on a scan its crop lies.

        Parameters
        ----------
        scan : array-like of shape (n_rows, n_columns)
            A scan that `transform` accepts.

        Returns
        -------
        on_scan : tuple of slice
            Rows and columns of the scan that are in the crop.
        on_crop : tuple of slice
            Where they are in the crop; the rest of the crop is padding.

        Raises
        ------
        ScanError
            If the scan cannot be used.

        Examples
        --------
        >>> import numpy as np
        >>> from skdxa.preprocessing import SpineCropper
        >>> scan = np.zeros((8, 60))
        >>> scan[:, 30:44] = 1.0
        >>> on_scan, on_crop = SpineCropper(height=10, width=20).window(scan)
        >>> on_scan
        (slice(0, 8, None), slice(27, 47, None))
        >>> on_crop
        (slice(1, 9, None), slice(0, 20, None))
        """
        scan = check_scan(scan)
        middle = find_spine_line(scan, spacing_mm=self._spacing_mm()).mean()
        return self._window(scan, middle)

    def fit_transform(self, X, y=None):
        """Fit to the scans and crop them, searching each scan for its spine once.

        Parameters
        ----------
        X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
            The scans.
        y : None
            Ignored; here so that the transformer works in a pipeline.

        Returns
        -------
        X_new : ndarray of shape (n_scans, height, width), or DataFrame
            The crops, as `transform` returns them.

        Raises
        ------
        ScanError
            If a scan cannot be used; the message names it.
        """
        self.fit(X, y)
        scans = as_scans(X, column=self.column, dtype=self._dtype)
        return self._contain(self._crop_scans(scans, X, self.middle_), X)

    def quality(self, X):
        """Compute how clearly the spine line of each scan stands out.

        Parameters
        ----------
        X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
            Scans that `transform` accepts.

        Returns
        -------
        quality : ndarray of shape (n_scans,)
            0 to 1, as `find_spine_line` returns it; a crop with less than `LOW_QUALITY` may
            have missed the spine.

        Raises
        ------
        ScanError
            If a scan cannot be used, naming it; if the scans have another pixel spacing or
            unit than those seen in `fit`.

        Warns
        -----
        UserWarning
            If the scans seen in `fit` stated their spacing and unit, but those of `X` do not.

        Examples
        --------
        >>> import numpy as np
        >>> from skdxa.preprocessing import LOW_QUALITY, SpineCropper
        >>> blank, spine = np.zeros((2, 8, 60))
        >>> spine[:, 20:30] = 1.0
        >>> quality = SpineCropper(height=6, width=20).quality([blank, spine])
        >>> quality < LOW_QUALITY
        array([ True, False])
        """
        return self._search(self._check_scans(X))[1]

    def _learn(self, scans, X):
        self.middle_, self.quality_ = self._search(scans)

    def _search(self, scans):
        """Find the mean column of the spine line of each scan, and the quality of the line."""
        spacing_mm = self._spacing_mm()
        found = np.empty((2, len(scans)))
        for number, scan in enumerate(scans):
            line, quality = find_spine_line(scan, spacing_mm=spacing_mm, return_quality=True)
            found[:, number] = line.mean(), quality
        return found

    def _spacing_mm(self):
        dtype = getattr(self, "scan_dtype_", None)
        return _USUAL_SPACING if dtype is None or dtype.spacing_mm is None else dtype.spacing_mm

    def _transform_scans(self, scans, X):
        spacing_mm = self._spacing_mm()
        middles = (find_spine_line(scan, spacing_mm=spacing_mm).mean() for scan in scans)
        return self._crop_scans(scans, X, middles)

    def _crop_scans(self, scans, X, middles):
        for scan, name in zip(scans, scan_names(X, column=self.column), strict=True):
            if scan.shape[1] < self.width:
                raise ScanError(
                    f"{name} has {scan.shape[1]} columns, fewer than the crop's width of "
                    f"{self.width}. Choose a smaller width, resample the scan to smaller "
                    "pixels, or leave it out."
                )
        crops = np.empty((len(scans), self.height, self.width), dtype=np.float32)
        for scan, middle, crop in zip(scans, middles, crops, strict=True):
            self._crop(scan, middle, crop)
        return crops

    def _window(self, scan, middle):
        """Return the part of the scan in its crop about a column, and its place in the crop."""
        top = (scan.shape[0] - self.height) // 2
        left = round(middle - (self.width - 1) / 2)
        rows, rows_kept = _overlap(top, self.height, scan.shape[0])
        columns, columns_kept = _overlap(left, self.width, scan.shape[1])
        return (rows, columns), (rows_kept, columns_kept)

    def _crop(self, scan, middle, crop):
        """Write the part of `scan` about a column into `crop`."""
        crop.fill(tissue_level(scan) if self.fill_value is None else self.fill_value)
        on_scan, on_crop = self._window(scan, middle)
        kept = scan[on_scan]
        np.copyto(crop[on_crop], kept, where=~np.isnan(kept))


def tissue_level(scan):
    """Return the level of a scan's soft tissue, the lower quartile of its scanned pixels.

    Parameters
    ----------
    scan : ndarray of shape (n_rows, n_columns)
        Scan, NaN where the scanner did not scan.

    Returns
    -------
    level : float
        Level in the unit of the scan.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.preprocessing import tissue_level
    >>> scan = np.repeat([[0.1, 0.1, 1.0, 1.2, np.nan]], 3, axis=0)
    >>> print(f"{tissue_level(scan):.1f} g/cm2")
    0.1 g/cm2
    """
    scanned = scan[~np.isnan(scan)]
    rank = int(_TISSUE_QUANTILE * (scanned.size - 1))
    return np.partition(scanned, rank)[rank]


def _overlap(start, length, size):
    """Return the slices of the scan and of a crop from `start` in which they overlap."""
    first, last = max(start, 0), min(start + length, size)
    return slice(first, last), slice(first - start, last - start)
