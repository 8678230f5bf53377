"""Texture of bone as the slope of its variogram near the origin."""

import warnings
from numbers import Integral
from typing import ClassVar

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from skdxa._sklearn import StrOptions
from skdxa.exceptions import ScanError
from skdxa.preprocessing import ScanTransformer
from skdxa.texture._variogram import AXES, Lags, halve
from skdxa.validation import as_scans, check_image, check_spacing, scan_names


class VariogramSlope(ScanTransformer):
    """Slope of log variogram against log lag near the origin. This is not TBS.

    **It is not the trabecular bone score.** TBS is a proprietary, calibrated product. This is
    the open quantity beneath it, the initial slope of the log-log variogram [1]_, and its
    numbers must not be called TBS, nor compared with thresholds for TBS. Its link with the
    strength of vertebrae has been called into question [2]_.

    Parameters
    ----------
    lags_mm : tuple of float, default=(0, 3.2)
        Smallest and largest lag in mm, both included. The default takes in three rows and
        five columns of the usual pixels.
    axis : {"both", "mean", "rows", "columns", "all"}, default="both"
        ``"rows"`` compares pixels down the rows, ``"columns"`` along a row. ``"both"``
        pools the pairs of the two at equal lags and puts one line through all lags, and
        ``"mean"`` takes the mean of the two slopes. ``"all"`` pools every direction.
    spacing_mm : tuple of float, default=(1.05, 0.60)
        Height and width of a pixel in mm, the same for all scans.
    column : str, default="scan"
        The column of a DataFrame that holds the scans.
    regions : None, str, callable or dict, default=None
        Where to look. None takes the whole scan. A str names the column of a DataFrame that
        holds an image of labels for every scan, of the scan's shape: 0 (or NaN) outside, 1
        for the first region (not 255), 2 for the second; L1 to L4, say. A callable finds such
        an image, in `fit` and in `transform` alike: it is called with a scan and nothing
        else, as `skdxa.preprocessing.find_spine_region` may be; a spacing other than the
        usual one, or another parameter, is given to it with :func:`functools.partial`. A dict
        names the same boxes in all scans, in pixels from 0, the ends excluded: ``{"L1":
        (first_row, end_row, first_column, end_column)}``.

    Attributes
    ----------
    region_names_ : list of str
        Names of the regions; empty for the whole scan.
    n_features_in_ : int
        Number of columns of the table seen in `fit`; 1 for other kinds of input.
    feature_names_in_ : ndarray of shape (n_columns,)
        The columns of the table seen in `fit`; only there if it was a table.

    See Also
    --------
    variogram : The variogram itself, of one scan.
    skdxa.preprocessing.find_spine_region : The spine of a scan, as a region.

    Notes
    -----
    The slope is that of the least-squares line through (log d, log gamma(d)), every lag
    counting once. It depends on lags and axis: state them. It is about 2H for a surface like
    fractional Brownian motion with Hurst exponent H, rough for a small slope; a single image
    of 32 x 32 pixels scatters by 0.05 to 0.12. Noise lowers the slope, blur raises it, and an
    edge within the region, such as the rim of a vertebra, shows in it too.

    With pixels that are not square the two axes have different lags. ``"both"`` then also
    sees any difference in level between the axes; ``"mean"`` does not.

    A region gets NaN, and a warning says so, where gamma is zero at some lag (flat or
    periodic pictures) or a lag has no pair (small regions, few scanned pixels).

    References
    ----------
    .. [1] L. Pothuaud, P. Carceller, D. Hans, "Correlations between grey-level variations in
       2D projection images (TBS) and 3D microarchitecture: applications in the study of human
       trabecular bone microarchitecture", Bone 42, 775-787, 2008.
    .. [2] G. Maquer et al., "The initial slope of the variogram, foundation of the trabecular
       bone score, is not or is poorly associated with vertebral strength", Journal of Bone
       and Mineral Research 31, 341-346, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.texture import VariogramSlope
    >>> rng = np.random.default_rng(0)
    >>> rough = rng.normal(size=(150, 300))
    >>> smoother = rough.cumsum(axis=0).cumsum(axis=1)
    >>> for slope in VariogramSlope().fit_transform([rough, smoother]).ravel():
    ...     print(f"{abs(slope):.1f}")
    0.0
    1.0
    """

    _parameter_constraints: ClassVar[dict] = {
        **ScanTransformer._parameter_constraints,
        "lags_mm": ["array-like"],
        "axis": [StrOptions({*AXES, "mean"})],
        "spacing_mm": ["array-like"],
        "regions": [None, str, callable, dict],
    }
    _dtype = np.float64

    def __init__(
        self,
        *,
        lags_mm=(0, 3.2),
        axis="both",
        spacing_mm=(1.05, 0.60),
        column="scan",
        regions=None,
    ):
        self.lags_mm = lags_mm
        self.axis = axis
        self.spacing_mm = spacing_mm
        self.column = column
        self.regions = regions

    def __sklearn_is_fitted__(self):
        return hasattr(self, "region_names_")

    def get_feature_names_out(self, input_features=None):
        """Name the columns of the result.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Ignored; here for scikit-learn.

        Returns
        -------
        names : ndarray of str
            ``variogram_slope``, followed by the region's name or number if there are regions.
        """
        check_is_fitted(self, "region_names_")
        names = [f"variogram_slope_{name}" for name in self.region_names_]
        return np.array(names or ["variogram_slope"], dtype=object)

    def _learn(self, scans, X):
        self._check_lags()
        stated = self.scan_dtype_.spacing_mm if self.scan_dtype_ is not None else None
        if stated is not None and not np.allclose(stated, self.spacing_mm, rtol=1e-3):
            raise ScanError(
                f"The scans have pixels of {stated[0]:g} x {stated[1]:g} mm, but spacing_mm is "
                f"{tuple(self.spacing_mm)}. Set spacing_mm to the spacing of the scans."
            )
        if self.regions is None:
            self.region_names_ = []
        elif isinstance(self.regions, dict):
            if not self.regions:
                raise ValueError("regions is an empty dict; None takes the whole scan.")
            for name, box in self.regions.items():
                _check_box(name, box)
            self.region_names_ = [str(name) for name in self.regions]
        else:
            largest = max(labels.max() for labels in self._labels(scans, X))
            if largest == 0:
                where = "that regions found"
                if isinstance(self.regions, str):
                    where = f"in the column {self.regions!r}"
                raise ScanError(f"No label {where} is above 0.")
            self.region_names_ = [str(number) for number in range(1, int(largest) + 1)]

    def _transform_scans(self, scans, X):
        parts = self._check_lags()
        names = scan_names(X, column=self.column)
        labels = [None] * len(scans)
        if isinstance(self.regions, str) or callable(self.regions):
            labels = self._labels(scans, X)
            for name, label in zip(names, labels, strict=True):
                if label.max() > len(self.region_names_):
                    raise ScanError(
                        f"{name}: label {label.max():g} is above {len(self.region_names_)}, the "
                        "largest in fit."
                    )
        slopes = np.array(
            [
                [_mean_slope(field, parts) for field in self._fields(scan, label, name)]
                for scan, label, name in zip(scans, labels, names, strict=True)
            ]
        )
        if np.isnan(slopes).any():
            scan, region = np.argwhere(np.isnan(slopes))[0]
            where = f", region {self.region_names_[region]}" if self.region_names_ else ""
            warnings.warn(
                f"{np.isnan(slopes).sum()} of {slopes.size} variograms have no slope and are "
                "NaN: flat or periodic pixels, or a region that is too small for the largest "
                f"lag. The first: {names[scan]}{where}.",
                RuntimeWarning,
                stacklevel=3,
            )
        return slopes

    def _as_table(self, changed, X):
        index = X.index if isinstance(X, pd.DataFrame | pd.Series) else None
        return pd.DataFrame(changed, index=index, columns=self.get_feature_names_out())

    def _fields(self, scan, labels, name):
        """Yield the pixels of every region, NaN outside."""
        if self.regions is None:
            yield scan
        elif isinstance(self.regions, dict):
            for region, (top, bottom, left, right) in self.regions.items():
                if bottom > scan.shape[0] or right > scan.shape[1]:
                    raise ScanError(
                        f"{name} has {scan.shape[0]} rows and {scan.shape[1]} columns; region "
                        f"{region!r} reaches to row {bottom} and column {right}."
                    )
                yield scan[top:bottom, left:right]
        else:
            for number in range(1, len(self.region_names_) + 1):
                yield _cut_out(scan, labels == number)

    def _labels(self, scans, X):
        """Return the image of labels of every scan, without NaN."""
        names = scan_names(X, column=self.column)
        if callable(self.regions):
            images = [self._found(scan, name) for name, scan in zip(names, scans, strict=True)]
            names = [f"{name}: the image of labels that regions found" for name in names]
        elif isinstance(X, pd.DataFrame):
            images = as_scans(X, column=self.regions, check=check_image)
            names = scan_names(X, column=self.regions)
        else:
            raise ScanError(
                f"regions={self.regions!r} names a column of labels: X must be a DataFrame."
            )
        checked = []
        for name, scan, image in zip(names, scans, images, strict=True):
            labels = np.nan_to_num(check_image(image, name=name))
            if labels.shape != np.shape(scan):
                raise ScanError(
                    f"{name} has the shape {labels.shape}; its scan has {np.shape(scan)}."
                )
            if (labels < 0).any() or (labels % 1 != 0).any():
                raise ScanError(f"{name} must hold whole numbers from 0.")
            checked.append(labels)
        return checked

    def _found(self, scan, name):
        try:
            # A copy, since the function may write into the array that it is given.
            return self.regions(scan.copy())
        except ScanError as error:
            raise ScanError(f"{name}: {error}") from error
        except Exception as error:
            error.add_note(f"{name}: regions failed to find an image of labels.")
            raise

    def _check_lags(self):
        """Return the lags of each line to fit: one, or two for the mean of the axes."""
        spacing = check_spacing(self.spacing_mm)
        try:
            low, high = (float(lag) for lag in self.lags_mm)
        except (TypeError, ValueError):
            low = high = np.nan
        if not 0 <= low < high < np.inf:
            raise ValueError(
                "lags_mm must be the smallest and the largest lag in mm, such as (0, 3.2); "
                f"got {self.lags_mm!r}."
            )
        parts = []
        for axis in ("rows", "columns") if self.axis == "mean" else (self.axis,):
            lags = Lags(spacing, axis, low, high)
            if lags.mm.size < 2:
                raise ValueError(
                    f"A slope needs two lags; lags_mm=({low:g}, {high:g}) holds {lags.mm.size} "
                    f"of axis {axis!r} with pixels {spacing[0]:g} mm high and {spacing[1]:g} mm "
                    "wide. Widen it."
                )
            parts.append(lags)
        return parts

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = True
        tags.transformer_tags.preserves_dtype = ["float64"]
        return tags


def _check_box(name, box):
    whole = isinstance(box, tuple | list) and len(box) == 4
    whole = whole and all(isinstance(edge, Integral) and edge >= 0 for edge in box)
    if not (whole and box[0] < box[1] and box[2] < box[3]):
        raise ValueError(
            f"regions[{name!r}] must be four whole numbers from 0, (first_row, end_row, "
            f"first_column, end_column), the ends excluded; got {box!r}."
        )


def _cut_out(scan, mask):
    """Return the scan within the bounding box of the mask, with NaN outside the mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return np.full((1, 1), np.nan)
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.where(mask[box], scan[box], np.nan)


def _mean_slope(field, parts):
    """Return the mean of the log-log slopes of one region; NaN where one is undefined."""
    slopes = []
    for lags in parts:
        gamma = halve(*lags.sums(field))
        if not (gamma > 0).all():
            return np.nan
        distance = np.log(lags.mm) - np.log(lags.mm).mean()
        slopes.append(distance @ np.log(gamma) / (distance @ distance))
    return np.mean(slopes)
