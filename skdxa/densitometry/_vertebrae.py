"""Which of L1 to L4 are evaluable, and their combined T-score."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from skdxa.densitometry._numbers import (
    ROUNDING,
    as_floats,
    check_same_index,
    first_place,
    one_per_row,
    same_kind,
)
from skdxa.densitometry._t_score import t_score

_VERTEBRAE = ("L1", "L2", "L3", "L4")
_FEWEST = 2
_LEVEL = re.compile(r"[Ll]([1-4])(?!\d)")


@dataclass(frozen=True)
class EvaluableVertebrae:
    """The evaluable vertebrae, and why the others are excluded.

    Attributes
    ----------
    evaluable : ndarray or DataFrame of bool, shape (n_patients, 4)
        True for every evaluable vertebra. All four are False if fewer than two would remain,
        so that they allow no diagnosis.
    reason : ndarray or DataFrame of str, shape (n_patients, 4)
        ``""`` for an evaluable vertebra; otherwise ``"not measured"``, ``"abnormal"``,
        ``"discordant"`` or, for the one left over, ``"too few left"``.
    diagnosable : ndarray or Series of bool, shape (n_patients,)
        Whether the spine may be used at all.
    rule : str
        The rule in words, to be printed.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.densitometry import evaluable_vertebrae
    >>> found = evaluable_vertebrae(np.array([[-1.0, -0.8, 1.4, -0.9]]))
    >>> found.reason.tolist()
    [['', '', 'discordant', '']]
    """

    evaluable: object
    reason: object
    diagnosable: object
    rule: str


def evaluable_vertebrae(t_scores, *, abnormal=None, max_difference=1.0):
    """Choose the evaluable vertebrae of L1 to L4 by the rule of the ISCD.

    Parameters
    ----------
    t_scores : array-like or DataFrame of shape (n_patients, 4), or (4,) for one patient
        T-scores of L1 to L4 in this order; NaN where a vertebra was not measured.
    abnormal : array-like or DataFrame of bool, of the same shape, default=None
        Vertebrae that a reader found abnormal and not assessable: fractured, operated on,
        with osteophytes or artefacts. By default none is.
    max_difference : float, default=1.0
        Largest difference in T-score between neighbours.

    Returns
    -------
    EvaluableVertebrae
        The choice, the reason for every vertebra that is left out, and whether at least two
        remain.

    Raises
    ------
    ValueError
        If there are not four columns, their names state another order, or `abnormal` has other
        rows, or values that are neither true nor false.

    See Also
    --------
    spine_t_score : T-score of the evaluable vertebrae.

    Notes
    -----
    The rule [1]_: use all evaluable vertebrae of L1 to L4. A vertebra may be left out if it
    is clearly abnormal and not assessable, or if its T-score differs by more than 1.0 from
    that of the adjacent one. At least two must remain; otherwise the diagnosis must be based on
    another site.

    The rule does not state which of two neighbours is discordant. Here, among the vertebrae that
    differ too much from a neighbour, the one farthest from the median of those remaining is left
    out; of two equally far ones the higher, since wear, fracture and calcification raise density;
    then the rest is examined again, where neighbours are the next remaining ones. A vertebra *may*
    be left out: a reader who looks at the scan decides.

    The L1 of a healthy woman is less dense than her L4. Where your densitometer prints
    T-scores by vertebra, from references by vertebra, pass those.

    References
    ----------
    .. [1] International Society for Clinical Densitometry, "2019 ISCD Official Positions:
       Adult".

    Examples
    --------
    >>> from skdxa.densitometry import evaluable_vertebrae
    >>> chosen = evaluable_vertebrae([[-2.0, -2.1, -2.2, -0.5], [-2.0, -0.4, 1.5, 3.0]])
    >>> chosen.reason[0].tolist()
    ['', '', '', 'discordant']
    >>> chosen.diagnosable.tolist()
    [True, False]
    """
    if not 0 < max_difference < np.inf:
        raise ValueError(f"max_difference must be a positive number; got {max_difference!r}.")
    scores = _four_columns(t_scores, "t_scores")
    marked = np.zeros(scores.shape, dtype=bool)
    if abnormal is not None:
        marked = _truths(abnormal, t_scores, ("t_scores", "abnormal"))
    rows = np.atleast_2d(scores)
    reasons = np.full(rows.shape, "", dtype=object)
    reasons[np.atleast_2d(marked)] = "abnormal"
    reasons[np.isnan(rows)] = "not measured"
    for row, reason in zip(rows, reasons, strict=True):
        _leave_out_discordant(row, reason, max_difference)
    diagnosable = (reasons == "").any(axis=1)
    reasons, diagnosable = reasons.reshape(scores.shape), diagnosable.reshape(scores.shape[:-1])
    return EvaluableVertebrae(
        evaluable=same_kind((reasons == "").astype(bool), t_scores),
        reason=same_kind(reasons, t_scores),
        diagnosable=one_per_row(diagnosable, t_scores),
        rule=(
            "ISCD 2019: a vertebra is left out if abnormal or more than "
            f"{max_difference:.1f} T-score from its neighbour; at least {_FEWEST} must remain"
        ),
    )


def _leave_out_discordant(scores, reasons, max_difference):
    """Write into `reasons` which vertebrae of one patient are discordant with the others."""
    while (left := np.flatnonzero(reasons == "")).size >= _FEWEST:
        kept = scores[left]
        jumps = np.abs(np.diff(kept)) > max_difference + ROUNDING
        if not jumps.any():
            return
        in_jump = np.append(jumps, False) | np.append(False, jumps)
        distance = np.abs(kept - np.median(kept)).round(6)
        worst = max(np.flatnonzero(in_jump), key=lambda i: (distance[i], kept[i]))
        reasons[left[worst]] = "discordant"
    reasons[left] = "too few left"


def spine_t_score(bmd, reference, *, site="spine", evaluable=None, areas=None):
    """Compute the T-score of the spine from the evaluable vertebrae.

    Parameters
    ----------
    bmd : array-like or DataFrame of shape (n_patients, 4), or (4,) for one patient
        Areal densities of L1 to L4 in g/cm2; NaN where not measured.
    reference : ReferencePopulation
        The population to compare with.
    site : str, default="spine"
        The reference's site.
    evaluable : array-like or DataFrame of bool, of the same shape, default=None
        Which vertebrae count: `evaluable_vertebrae(...).evaluable`, or a reader's choice. By
        default `evaluable_vertebrae` chooses, with nothing marked as abnormal.
    areas : array-like or DataFrame of the same shape, default=None
        Projected areas of the vertebrae in cm2. With them the densities are weighted by area,
        which is bone mineral content over area, the density that a densitometer prints for
        the region. Without, it is their plain mean.

    Returns
    -------
    t_scores : float, ndarray or Series of shape (n_patients,)
        NaN if fewer than two vertebrae are evaluable: the spine then allows no diagnosis.

    Raises
    ------
    ValueError
        If shapes or rows do not match, the names of columns state another order than L1 to L4, a
        density is not in g/cm2, or the area of an evaluable vertebra is missing or not positive.

    See Also
    --------
    evaluable_vertebrae : The rule, with the reasons.
    minimum_t_score : The lowest of single vertebrae, for research only.

    Notes
    -----
    ISCD 2019: the T-score is that of the density of the vertebrae that remain, not the mean
    of their T-scores nor the lowest of them. Manufacturers have references by combination of
    vertebrae; here the same mean and standard deviation are used for all.

    Examples
    --------
    >>> from skdxa.densitometry import FINNISH_WOMEN, spine_t_score
    >>> bmd = [[0.90, 0.94, 0.92, 1.30], [0.90, 1.10, 1.30, 1.50]]
    >>> spine_t_score(bmd, FINNISH_WOMEN).round(2).tolist()
    [-2.33, nan]
    """
    density = _four_columns(bmd, "bmd")
    single = t_score(bmd, reference, site=site)
    if evaluable is None:
        counts = np.asarray(evaluable_vertebrae(single).evaluable)
    else:
        counts = _truths(evaluable, bmd, ("bmd", "evaluable")) & ~np.isnan(density)
    weights = np.ones(density.shape)
    if areas is not None:
        check_same_index(bmd, areas, ("bmd", "areas"))
        weights = _four_columns(areas, "areas")
        bad = counts & ~((weights > 0) & (weights < np.inf))
        if bad.any():
            raise ValueError(
                "areas must be positive, in cm2, for every vertebra that counts; "
                f"the first that is not is{first_place(areas, bad)}."
            )
    weights = np.where(counts, weights, 0)
    enough = counts.sum(axis=-1) >= _FEWEST
    total = np.where(enough, weights.sum(axis=-1), np.nan)
    mean = (weights * np.where(counts, density, 0)).sum(axis=-1) / total
    return t_score(one_per_row(mean, bmd), reference, site=site)


def minimum_t_score(t_scores, *, missing="ignore"):
    """Compute the lowest T-score of several vertebrae or sites (for research only).

    Parameters
    ----------
    t_scores : array-like or DataFrame of shape (n_patients, n_values), or (n_values,)
        T-scores, such as those of L1 to L4, or of femoral neck and total hip.
    missing : {"ignore", "propagate"}, default="ignore"
        Whether the lowest of those known counts, or a patient with any NaN gets NaN.

    Returns
    -------
    t_scores : float, ndarray or Series of shape (n_patients,)
        NaN where none is known.

    Raises
    ------
    ValueError
        If `missing` is another word, or `t_scores` has no values or more than two dimensions.

    See Also
    --------
    spine_t_score : T-score for a diagnosis.

    Notes
    -----
    The lowest of L1 to L4 is how [1]_ compares T-scores with a network. It depends on a single
    vertebra, which the ISCD does not allow for a diagnosis, and is lower than the T-score of the
    spine by construction. The lowest of femoral neck and total hip is in clinical use.

    References
    ----------
    .. [1] T. Nissinen et al., "Detecting pathological features and predicting fracture risk
       from dual-energy X-ray absorptiometry images using deep learning", Bone Reports 14,
       101070, 2021.

    Examples
    --------
    >>> from skdxa.densitometry import minimum_t_score
    >>> minimum_t_score([[-1.0, -2.6, -1.2, -0.9], [-1.0, float("nan"), -1.2, -0.9]]).tolist()
    [-2.6, -1.2]
    """
    if missing not in ("ignore", "propagate"):
        raise ValueError(f'missing must be "ignore" or "propagate"; got {missing!r}.')
    scores = as_floats(t_scores, "t_scores")
    if scores.ndim not in (1, 2) or scores.shape[-1] == 0:
        raise ValueError(
            "t_scores must have one row per patient and one column per vertebra or site; "
            f"its shape is {scores.shape}."
        )
    lowest = (np.fmin if missing == "ignore" else np.minimum).reduce(scores, axis=-1)
    lowest = one_per_row(np.asarray(lowest), t_scores)
    if isinstance(lowest, pd.Series):
        lowest.attrs = {**t_scores.attrs, "rule": "lowest of several; research only"}
    return lowest


def _four_columns(values, name):
    array = as_floats(values, name)
    if array.ndim not in (1, 2) or array.shape[-1] != len(_VERTEBRAE):
        raise ValueError(
            f"{name} must have four columns, {', '.join(_VERTEBRAE)} from the head down, with a "
            f"row per patient; its shape is {array.shape}."
        )
    if isinstance(values, pd.DataFrame):
        # Names such as "bmd_L1" that state another order than that of the values.
        found = [_LEVEL.findall(str(column))[-1:] for column in values.columns]
        if found != sorted(found) and sorted(found) == [["1"], ["2"], ["3"], ["4"]]:
            raise ValueError(
                f"{name} must have the columns of {', '.join(_VERTEBRAE)} in this order; they are "
                f"{values.columns.tolist()}. Put them in order first."
            )
    return array


def _truths(marks, table, names):
    """Return marks of the shape of a table as bool, and refuse all but true and false."""
    check_same_index(table, marks, names)
    array = _four_columns(marks, names[1])
    invalid = (array != 0) & (array != 1)
    if invalid.any():
        raise ValueError(
            f"{names[1]} must hold true and false only; it does not{first_place(marks, invalid)}."
        )
    return array.astype(bool)
