"""Compare new scans with those that a model was trained on."""

import numpy as np
import pandas as pd
from scipy.stats import ks_2samp

from skdxa.preprocessing import scan_features

_RANGE = (0.005, 0.995)


def compare_with_training(cohort, data):
    """Compare scans with those that a model was trained on, feature by feature.

    Parameters
    ----------
    cohort : Bunch
        The new scans, at the spacing of the training scans.
    data : dict of str to ndarray
        As `fit_model` returns it and `skdxa.persistence.load_model` loads it.

    Returns
    -------
    drift : DataFrame
        One row per feature of `skdxa.preprocessing.scan_features`: the range (`low`, `high`)
        that held 99 % of the training scans and their `median`; the `new_median`; the share of
        the new scans outside the range (`outside`), 1 % where nothing has changed; and the
        `pvalue` of Kolmogorov and Smirnov's test that both come from one distribution.
        ``drift.attrs["n_outside"]`` is the number of new scans that lie outside in any feature.

    Raises
    ------
    ValueError
        If `data` holds no features, or of another number.

    Notes
    -----
    With many scans the test finds differences that do not matter: go by `outside`, and by the
    medians.

    Examples
    --------
    >>> from skdxa.study import compare_with_training
    >>> compare_with_training(cohort, data)  # doctest: +SKIP
    """
    found = pd.DataFrame(
        [scan_features(scan, spacing_mm=cohort.spacing_mm) for scan in cohort.data["scan"]]
    )
    trained = np.asarray(data.get("scan_features", np.empty((0, 0))), dtype=float)
    if trained.ndim != 2 or trained.shape[1] != found.shape[1] or not len(trained):
        raise ValueError(
            f"The model's data hold no {found.shape[1]} features of training scans. Save the "
            "model together with the data that fit_model returns."
        )
    low, median, high = np.quantile(trained, (_RANGE[0], 0.5, _RANGE[1]), axis=0)
    outside = (found < low) | (found > high)
    drift = pd.DataFrame(
        {
            "low": low,
            "median": median,
            "high": high,
            "new_median": found.median(),
            "outside": outside.mean(),
            "pvalue": [
                ks_2samp(found[name], of_trained).pvalue
                for name, of_trained in zip(found, trained.T, strict=True)
            ],
        },
        index=pd.Index(found.columns, name="feature"),
    )
    drift.attrs["n_outside"] = int(outside.any(axis=1).sum())
    return drift
