"""A result in words, as a paper states it."""

import numpy as np

_METHODS = {
    "stability": "a stability interval, which allows for chance in the choice of both the "
    "training scans and the scored scans",
    "corrected": "corrected resampled t",
    "t": "Student's t, which takes folds for independent and is too narrow",
    "delong": "DeLong's",
    "bootstrap": "bootstrap of patients",
}


def sentence_of(result, name, summary, *, positive, known, threshold, interval, level):
    """Return the performance of a result in a sentence; see `CrossValidationResult.sentence`.

    Parameters
    ----------
    result : CrossValidationResult
    name : str
        The subject of the sentence.
    summary : DataFrame
        The summary of the result by `interval` at `level` and `threshold`.
    positive, known : ndarray of bool of shape (n_scans,)
        Which labels are positive, and which are known.
    threshold : float
    interval : str
    level : float
    """
    n_patients = known.sum() if result.groups is None else len(np.unique(result.groups[known]))
    auc = summary.loc["auc"]
    where = f"{result.n_folds} folds"
    if result.n_repeats > 1:
        where += f" of {result.n_repeats} repeats"
    mean = "mean AUC" if interval in ("stability", "corrected", "t") else "AUC"
    method = _METHODS[interval]
    if interval == "stability" and result.n_repeats == 1:
        # With one repeat the part of the training scans is unknown.
        method = _METHODS["corrected"]
    whom = f"{known.sum()} scans"
    if n_patients != known.sum():
        whom += f" of {n_patients} patients"
    others = ", ".join(
        f"{metric} {100 * row['estimate']:.1f} %{_ends(row, 100, 1, ' %')}"
        for metric, row in summary.drop("auc").iterrows()
    )
    return (
        f"{name} reached a {mean} of {auc['estimate']:.2f}{_ends(auc, 1, 2, '', level, method)} "
        f"in {where}, on {whom}, {(positive & known).sum()} of them positive; at the threshold of "
        f"{threshold:.3g}: {others}."
    )


def _ends(row, factor, digits, unit, level=None, method=None):
    """Return the interval of a row in brackets; nothing where it is undefined."""
    if not np.isfinite([row["low"], row["high"]]).all():
        return "" if level is None else " (no interval: too few folds or patients)"
    ends = f"{factor * row['low']:.{digits}f} to {factor * row['high']:.{digits}f}{unit}"
    if level is None:
        return f" ({ends})"
    return f" ({100 * level:g} % interval {ends}, {method})"
