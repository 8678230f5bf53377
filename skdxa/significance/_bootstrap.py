"""Intervals of any statistic, by resampling patients."""

import warnings

import numpy as np
from scipy import stats
from sklearn.utils import check_consistent_length, check_random_state

from skdxa.significance._checks import check_complete, check_option, warn
from skdxa.significance._results import Interval
from skdxa.validation import as_patients, check_aligned, check_level, fill_masked


def bootstrap_interval(
    statistic,
    arrays,
    *,
    groups=None,
    stratify=None,
    weighted=False,
    level=0.95,
    method="percentile",
    n_resamples=2000,
    random_state=None,
):
    """Compute the bootstrap interval of any statistic by resampling patients.

    Parameters
    ----------
    statistic : callable
        Takes the resampled arrays, ``statistic(*arrays)``, and returns a float, NaN
        where it is undefined; see also `weighted`.
    arrays : tuple of array-like, each of shape (n_scans, ...)
        Arrays with one row per scan, such as ``(y, score)``.
    groups : array-like of shape (n_scans,), optional
        The patient of each scan; the scans of a patient are drawn together. By
        default every scan is of another patient.
    stratify : array-like of shape (n_scans,), optional
        Resample within these strata, usually the classes, and so keep their sizes.
        All scans of a patient must be in one stratum.
    weighted : bool, default=False
        If True, the statistic takes the original arrays and the number of times that
        each scan was drawn, for many resamples at once: ``statistic(*arrays, weights)``
        with weights of shape (..., n_scans) returns an array of shape (...). This is
        many times as fast.
    level : float, default=0.95
        Confidence level.
    method : {"percentile", "bca", "basic", "normal"}, default="percentile"
        Quantiles of the resampled statistic ("percentile"); quantiles corrected for
        bias and skewness, which need one more evaluation per patient ("bca"); quantiles
        reflected about the estimate ("basic"); or a normal interval about the estimate
        minus its bootstrap bias ("normal").
    n_resamples : int, default=2000
        Number of resamples.
    random_state : int, RandomState instance or None, default=None
        Seed of the resampling.

    Returns
    -------
    Interval
        The statistic of the original data, ends and bootstrap variance.

    Raises
    ------
    ValueError
        If `arrays` is not a tuple, lengths differ, a group or stratum is missing, a
        patient is in two strata, or a stratum has fewer than two patients.

    Warns
    -----
    RuntimeWarning
        If the statistic is undefined in some resamples (both ends are NaN; resample
        within the classes with `stratify`), if it is equal in all of them, or if the
        BCa interval does not exist (an end is NaN).

    References
    ----------
    .. [1] Efron B, Tibshirani RJ. An introduction to the bootstrap. Chapman and
       Hall, 1993.
    .. [2] Field CA, Welsh AH. Bootstrapping clustered data. J R Stat Soc B 69,
       369-390 (2007).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.metrics import roc_auc_score
    >>> from skdxa.significance import bootstrap_interval
    >>> y = np.repeat([0, 1], 30)
    >>> score = np.r_[np.arange(30), np.arange(15, 45)]
    >>> interval = bootstrap_interval(
    ...     roc_auc_score, (y, score), stratify=y, n_resamples=200, random_state=0
    ... )
    >>> round(interval.estimate, 3)
    0.875
    >>> interval.low < 0.875 < interval.high
    True
    """
    check_level(level)
    methods = {
        "percentile": "bootstrap percentile",
        "bca": "bootstrap BCa",
        "basic": "basic bootstrap",
        "normal": "normal bootstrap",
    }
    check_option(method, "method", methods)
    is_several = isinstance(arrays, (tuple, list)) and len(arrays) > 0
    if not is_several or any(np.ndim(array) == 0 for array in arrays):
        raise ValueError("arrays must be a tuple of arrays, such as (y, score) or (score,).")
    numbered = {f"arrays[{number}]": array for number, array in enumerate(arrays)}
    check_aligned(**numbered, groups=groups, stratify=stratify)
    arrays = [np.asarray(fill_masked(array)) for array in arrays]
    result = resample(
        statistic,
        arrays,
        groups=groups,
        stratify=stratify,
        weighted=weighted,
        level=level,
        method="percentile" if method == "normal" else method,
        n_resamples=n_resamples,
        random_state=random_state,
    )
    n_undefined = np.isnan(result.bootstrap_distribution).sum()
    if n_undefined:
        warn(
            f"the statistic is undefined in {n_undefined} of {n_resamples} resamples, "
            "so both ends are NaN: resample within the classes with stratify=y."
        )
    elif np.ptp(result.bootstrap_distribution) == 0:
        warn("all resamples give the same value, so the bootstrap cannot estimate a variance.")
    elif np.isnan(result.confidence_interval).any():
        warn("the BCa interval does not exist for this statistic: use method='percentile'.")
    as_given = (*arrays, np.ones(len(arrays[0]))) if weighted else arrays
    estimate, ends = float(statistic(*as_given)), result.confidence_interval
    low, high = float(ends.low), float(ends.high)
    if method == "normal":
        unbiased = 2 * estimate - result.bootstrap_distribution.mean()
        low, high = stats.norm.interval(level, unbiased, result.standard_error)
    return Interval(
        estimate,
        float(low),
        float(high),
        float(level),
        methods[method],
        float(result.standard_error) ** 2,
    )


def resample(
    statistic, arrays, *, groups, stratify, weighted, level, method, n_resamples, random_state
):
    """Return the result of SciPy's bootstrap of patients.

    The parameters are those of `bootstrap_interval`, with NumPy arrays and without the method
    "normal". A weighted statistic may also return several numbers of each resample, in an
    array of shape (n_numbers, ...).
    """
    check_consistent_length(*arrays, groups, stratify)
    n_scans = len(arrays[0])
    groups = np.arange(n_scans) if groups is None else as_patients(groups, n_scans)
    _, first_row, patient = np.unique(groups, return_index=True, return_inverse=True)
    rows_of = np.split(np.argsort(patient, kind="stable"), np.bincount(patient).cumsum()[:-1])

    def statistic_of(*drawn):
        rows = np.concatenate([rows_of[index] for sample in drawn for index in sample])
        return statistic(*(array[rows] for array in arrays))

    def weighted_statistic_of(*drawn, axis):
        drawn = np.concatenate(drawn, axis=axis)
        return statistic(*arrays, _times_drawn(drawn, first_row.size)[..., patient])

    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        return stats.bootstrap(
            _strata(stratify, groups, patient, first_row),
            weighted_statistic_of if weighted else statistic_of,
            vectorized=weighted,
            n_resamples=n_resamples,
            batch=max(1, 1_000_000 // n_scans),
            confidence_level=level,
            method=method,
            random_state=check_random_state(random_state),
        )


def _times_drawn(drawn, n_patients):
    """Count how often each patient was drawn: (..., n_patients) from (..., n_drawn)."""
    resamples = drawn.reshape(-1, drawn.shape[-1])
    cells = resamples + n_patients * np.arange(len(resamples))[:, np.newaxis]
    counts = np.bincount(cells.ravel(), minlength=n_patients * len(resamples))
    return counts.reshape(*drawn.shape[:-1], n_patients).astype(float)


def _strata(stratify, groups, patient, first_row):
    """Return the patients of each stratum as indices into the list of patients."""
    if stratify is None:
        strata = [np.arange(first_row.size)]
    else:
        stratify = check_complete(stratify, "stratify")
        in_another = np.flatnonzero(stratify != stratify[first_row][patient])
        if in_another.size:
            raise ValueError(
                f"patient {groups[in_another[0]]} lies in more than one stratum (position "
                f"{in_another[0]}): "
                "stratify by a variable that is constant within each patient."
            )
        of_patient = stratify[first_row]
        strata = [np.flatnonzero(of_patient == stratum) for stratum in np.unique(of_patient)]
    if min((stratum.size for stratum in strata), default=0) < 2:
        raise ValueError("a bootstrap needs at least two patients in each stratum.")
    return strata
