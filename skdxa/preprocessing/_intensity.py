"""Bring the pixel values of scans to a common scale."""

from typing import ClassVar

import numpy as np

from skdxa._sklearn import StrOptions
from skdxa.preprocessing._base import SameKindTransformer


class IntensityScaler(SameKindTransformer):
    """Standardise the pixel values of scans.

    Areal density in g/cm2 is a measurement with a zero and a unit, so this package rescales
    it only on request. Put this step into a pipeline where the scale carries no information,
    as in exports whose grey levels differ from scan to scan, or where a network trains better
    on standardised input.

    Parameters
    ----------
    method : {"standard", "per_scan"}, default="standard"
        ``"standard"`` subtracts the mean of all pixels of the training scans and divides
        by their standard deviation: differences of density between patients remain.
        ``"per_scan"`` does the same with each scan's own mean and standard deviation: it
        removes the brightness and contrast of the export, and with them the density. Do not
        use it for a question that depends on density, such as fracture.
    column : str, default="scan"
        The column of a DataFrame that holds the scans.

    Attributes
    ----------
    mean_ : float
        Mean of the scanned pixels of the training scans; only for ``"standard"``.
    scale_ : float
        Their standard deviation, or 1 if all are equal; only for ``"standard"``.
    n_features_in_ : int
        Number of columns of the table seen in `fit`; 1 for other kinds of input.
    feature_names_in_ : ndarray of shape (n_columns,)
        The columns of the table seen in `fit`; only there if it was a table.

    See Also
    --------
    SpineCropper : Cut all scans to one size about the spine.

    Notes
    -----
    Unscanned pixels (NaN) are left out of both and stay NaN. A constant scan becomes zero. The
    result is float32 and of the kind of the input, as in `HorizontalFlip`.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.preprocessing import IntensityScaler
    >>> scan = np.array([[0.0, 1.0, 2.0], [2.0, 1.0, np.nan]])
    >>> scaler = IntensityScaler().fit([scan])
    >>> print(f"{scaler.mean_:.2f} {scaler.scale_:.2f}")
    1.20 0.75
    """

    _parameter_constraints: ClassVar[dict] = {
        **SameKindTransformer._parameter_constraints,
        "method": [StrOptions({"standard", "per_scan"})],
    }

    _unit = "standard deviations"

    def __init__(self, method="standard", *, column="scan"):
        self.method = method
        self.column = column

    def _learn(self, scans, X):
        if self.method == "standard":
            self.mean_, self.scale_ = _mean_and_scale(scans)
        else:
            # A refit with another method must not keep the old values.
            for name in ("mean_", "scale_"):
                vars(self).pop(name, None)

    def _transform_scans(self, scans, X):
        if self.method == "standard":
            return [_standardise(scan, self.mean_, self.scale_) for scan in scans]
        return [_standardise(scan, *_mean_and_scale([scan])) for scan in scans]

    def __sklearn_is_fitted__(self):
        # Used only if the tags below require a fit.
        return hasattr(self, "scale_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = self.method == "standard"
        return tags


def _mean_and_scale(scans):
    """Compute the mean and standard deviation of all scanned pixels in double precision."""
    n_pixels = sum(np.count_nonzero(~np.isnan(scan)) for scan in scans)
    mean = sum(np.nansum(scan, dtype=float) for scan in scans) / n_pixels
    variance = sum(np.nansum((scan - mean) ** 2, dtype=float) for scan in scans) / n_pixels
    scale = float(np.sqrt(variance))
    # What remains of a constant scan is rounding error; dividing by it would amplify noise.
    return float(mean), scale if scale > 1e-6 * abs(mean) else 1.0


def _standardise(scan, mean, scale):
    return ((scan - mean) / scale).astype(np.float32, copy=False)
