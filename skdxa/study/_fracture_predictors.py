"""What fracture benchmarks are made from: labels, predictors, folds; all checked."""

import numpy as np
import pandas as pd

from skdxa.densitometry import minimum_t_score, t_score
from skdxa.evaluation._cross_validate import _assign_folds, _check_labels, _check_sizes
from skdxa.evaluation._result import CrossValidationResult
from skdxa.exceptions import CohortError
from skdxa.validation import check_known

NETWORK = "deep_learning"
_VERTEBRAE = ("bmd_L1", "bmd_L2", "bmd_L3", "bmd_L4")
_HIP = {"bmd_neck": "femoral_neck", "bmd_total_hip": "total_hip"}


def check_cohort(cohort):
    """Give predictors' table, labels' table and patients, if they have the same rows."""
    missing = [part for part in ("data", "target") if part not in cohort]
    if missing:
        raise CohortError(f"The cohort has no {missing[0]!r}; it has {list(cohort)}.")
    data, target, groups = cohort["data"], cohort["target"], cohort.get("groups")
    if not data.index.equals(target.index):
        raise CohortError(
            f"data ({len(data)} rows) and target ({len(target)} rows) of the cohort have "
            "different indices: give both the same rows in the same order."
        )
    if groups is None:
        return data, target, None
    if len(groups) != len(data):
        raise CohortError(f"groups names {len(groups)} patients for {len(data)} rows of data.")
    check_known(groups, "groups")
    return data, target, np.asarray(groups)


def read_labels(target, trained_on, scored_on):
    """Give the label trained on, known for all, and the one scored on, NaN where unknown."""
    y, later = (_numbers(target, column, "target") for column in (trained_on, scored_on))
    for labels, column in ((y, trained_on), (later, scored_on)):
        odd = np.flatnonzero(~np.isin(labels, (0, 1)) & ~np.isnan(labels))
        if odd.size:
            raise CohortError(
                f"Label {column!r} must be 0, 1 or unknown; it is {labels[odd[0]]:g} in row "
                f"{target.index.tolist()[odd[0]]!r}."
            )
        for value, kind in ((1, "positive"), (0, "negative")):
            if not (labels == value).any():
                raise CohortError(f"Label {column!r} is {kind} for no scan.")
    unknown = np.flatnonzero(np.isnan(y))
    if unknown.size:
        raise CohortError(
            f"Label {trained_on!r}, which models are trained on, is unknown in {unknown.size} of "
            f"{len(y)} rows, the first being row {target.index.tolist()[unknown[0]]!r}: leave "
            "these scans out of the cohort."
        )
    return y, later


def read_predictors(data, texture, reference):
    """Give T-scores, age and texture, a column each, turned so that higher is worse."""

    def column(name):
        values = _numbers(data, name, "data")
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            raise CohortError(
                f"Column {name!r} is {values[bad[0]]} in {bad.size} of {len(values)} rows, the "
                f"first being row {data.index.tolist()[bad[0]]!r}: leave these scans out of the "
                "cohort, or fill the gaps."
            )
        # A table of one column, so that t_score can name it.
        return pd.DataFrame({name: values}, index=data.index)

    def lowest(columns):
        # At six decimals a T-score of -2.5 is -2.5, as for is_osteoporotic.
        return minimum_t_score(np.column_stack(columns)).round(6)

    spine = lowest([t_score(column(name), reference, site="spine") for name in _VERTEBRAE])
    hip = lowest([t_score(column(name), reference, site=site) for name, site in _HIP.items()])
    return pd.DataFrame(
        {
            "spine_t_score": -spine,
            "hip_t_score": -hip,
            "min_t_score": -lowest([spine, hip]),
            "age": column("age").to_numpy()[:, 0],
            texture: -column(texture).to_numpy()[:, 0],
        }
    )


def with_network(predictors, cnn, index, n_repeats):
    """Give the predictors of each repeat, the network's score among them if there is one."""
    if cnn is None:
        return [predictors] * n_repeats
    if isinstance(cnn, CrossValidationResult):
        scores = [cnn.repeat_scores(repeat) for repeat in range(n_repeats)]
    else:
        if isinstance(cnn, pd.Series) and not cnn.index.equals(index):
            raise ValueError(
                "cnn and the cohort's data have different indices: align them first, or pass cnn "
                "as a NumPy array if the order of the rows is what pairs them"
            )
        scores = [np.asarray(cnn, dtype=float)] * n_repeats
    for score in scores:
        if score.shape != (len(predictors),):
            raise ValueError(
                f"cnn must have a score for each of the cohort's {len(predictors)} scans, got "
                f"shape {score.shape}"
            )
        check_known(np.where(np.isfinite(score), score, np.nan), "cnn")
    return [predictors.assign(**{NETWORK: score}) for score in scores]


def check_varying(tables, known):
    """Refuse a predictor that is the same for all who are judged."""
    for table in tables:
        varying = table[known].nunique() > 1
        if not varying.all():
            raise CohortError(
                f"{varying.idxmin()} is the same for all scans whose label is known: it predicts "
                "nothing."
            )


def folds_of(cnn, y, groups, trained_on):
    """Give the network's own folds, if they are those of this cohort."""
    if len(cnn.y) != len(y):
        raise ValueError(
            f"cnn has scored {len(cnn.y)} scans, but the cohort has {len(y)}: train and score it "
            f"on all of them, by the label {trained_on!r}"
        )
    different = np.flatnonzero((cnn.y == cnn.classes[1]) != (y == 1))
    if different.size:
        raise ValueError(
            f"cnn was trained on other labels than {trained_on!r}, or on other scans: "
            f"{different.size} labels differ, the first in position {different[0]} (counted from "
            "0). Scores of a network trained on another label can be given as an array."
        )
    if groups is not None:
        _, first, patient = np.unique(groups, return_index=True, return_inverse=True)
        torn = np.flatnonzero((cnn._fold != cnn._fold[:, first[patient]]).any(axis=0))
        if torn.size:
            raise ValueError(
                f"cnn has scored scans of patient {groups[torn[0]]} by networks that had seen "
                "other scans of the same patient: cross-validate it with groups"
            )
    folds = cnn.folds[["repeat", "fold", "n_train", "n_test"]]
    return CrossValidationResult(cnn.scores, folds, y, groups)


def new_folds(y, later, groups, n_splits, n_repeats, seed):
    """Draw folds that keep the shares of both labels jointly, and patients together."""
    labels = np.column_stack([y, later])
    y, groups, strata = _check_labels(labels, y, groups, labels)
    several = groups is not None and len(np.unique(groups)) < len(groups)
    patients = groups if several else None
    _check_sizes(strata, patients, labels, n_splits)
    fold_of = _assign_folds(y, patients, strata, n_splits, n_repeats, seed)
    repeat, row = (place.ravel() for place in np.indices(fold_of.shape))
    scores = pd.DataFrame({"repeat": repeat, "fold": fold_of.ravel(), "row": row, "score": 0.0})
    folds = scores.groupby(["repeat", "fold"], as_index=False).agg(n_test=("row", "size"))
    return CrossValidationResult(scores, folds.assign(n_train=len(y) - folds["n_test"]), y, groups)


def _numbers(table, column, what):
    """Give a column as float64, what is unknown as NaN."""
    if column not in table:
        raise CohortError(f"The cohort's {what} has no column {column!r}; it has {[*table]}.")
    try:
        return table[column].to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise CohortError(f"Column {column!r} must hold numbers: {error}.") from error
