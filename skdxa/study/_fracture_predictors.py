"""Labels, predictors and folds of the fracture benchmarks, read from a cohort and checked."""

import numpy as np
import pandas as pd

from skdxa.densitometry import minimum_t_score, t_score
from skdxa.evaluation import CrossValidationResult, Folds
from skdxa.exceptions import CohortError
from skdxa.study._known_columns import HIP, VERTEBRAE
from skdxa.validation import check_known, check_same_rows, fill_masked, split_patients

NETWORK = "deep_learning"


def read_labels(target, trained_on, scored_on):
    """Return the label trained on, known for all, and the one scored on, NaN where unknown."""
    y, scored_y = (_float_column(target, column, "target") for column in (trained_on, scored_on))
    for labels, column in ((y, trained_on), (scored_y, scored_on)):
        invalid = np.flatnonzero(~np.isin(labels, (0, 1)) & ~np.isnan(labels))
        if invalid.size:
            raise CohortError(
                f"Label {column!r} must be 0, 1 or unknown; it is {labels[invalid[0]]:g} at index "
                f"{target.index.tolist()[invalid[0]]!r}."
            )
        for value, kind in ((1, "positive"), (0, "negative")):
            if not (labels == value).any():
                raise CohortError(f"Label {column!r} is {kind} for no scan.")
    unknown = np.flatnonzero(np.isnan(y))
    if unknown.size:
        raise CohortError(
            f"Label {trained_on!r}, which models are trained on, is unknown in {unknown.size} of "
            f"{len(y)} rows, the first at index {target.index.tolist()[unknown[0]]!r}: leave "
            "these scans out of the cohort."
        )
    return y, scored_y


def read_predictors(data, texture, reference, *, gaps=False):
    """Return T-scores, age and texture, one column each, in which higher is worse.

    Parameters
    ----------
    data : DataFrame of shape (n_scans, n_columns)
    texture : str
    reference : ReferencePopulation
    gaps : bool, default=False
        Whether columns may have gaps, which are then NaN, and may be missing, so that the
        predictors made of them are missing too. Otherwise both are errors.

    Returns
    -------
    DataFrame of shape (n_scans, n_predictors)
        Numbered from 0.
    """

    def column(name):
        values = _float_column(data, name, "data")
        bad = np.flatnonzero(np.isinf(values) if gaps else ~np.isfinite(values))
        if bad.size:
            raise CohortError(
                f"Column {name!r} is {values[bad[0]]} in {bad.size} of {len(values)} rows, the "
                f"first at index {data.index.tolist()[bad[0]]!r}: leave these scans out of the "
                "cohort, or fill the gaps."
            )
        # A table of one column, so that t_score can name it.
        return pd.DataFrame({name: values}, index=data.index)

    def lowest(columns):
        # At six decimals a T-score of -2.5 is -2.5, as for is_osteoporotic.
        # The lowest of some vertebrae is another predictor than that of all.
        return minimum_t_score(np.column_stack(columns), missing="propagate").round(6)

    def has(*names):
        return not gaps or all(name in data for name in names)

    found = {}
    if has(*VERTEBRAE):
        spine = lowest([t_score(column(name), reference, site="spine") for name in VERTEBRAE])
        found["spine_t_score"] = -spine
    if has(*HIP):
        hip = lowest([t_score(column(name), reference, site=site) for name, site in HIP.items()])
        found["hip_t_score"] = -hip
    if has(*VERTEBRAE, *HIP):
        found["min_t_score"] = -lowest([spine, hip])
    if has("age"):
        found["age"] = column("age").to_numpy()[:, 0]
    if has(texture):
        found[texture] = -column(texture).to_numpy()[:, 0]
    return pd.DataFrame(found, index=range(len(data)))


def unfillable_columns(table, fold_of):
    """Return the columns whose gaps the training scans of some fold have no median to fill by.

    Parameters
    ----------
    table : DataFrame of shape (n_scans, n_columns)
    fold_of : ndarray of int of shape (n_repeats, n_scans)

    Returns
    -------
    list of str
        Those whose values all lie in one fold of a repeat.
    """
    known = table.notna().to_numpy().T
    return [
        name
        for name, rows in zip(table.columns, known, strict=True)
        if any(len(np.unique(fold[rows])) < 2 for fold in fold_of)
    ]


def predictors_of_repeats(predictors, cnn, index, n_repeats):
    """Return one table of predictors per repeat, with the network's scores where given."""
    if cnn is None:
        return [predictors] * n_repeats
    if isinstance(cnn, CrossValidationResult):
        scores = [cnn.repeat_scores(repeat) for repeat in range(n_repeats)]
    else:
        score = np.asarray(fill_masked(cnn), dtype=float)
        if score.shape != (len(index),):
            raise ValueError(
                f"cnn must have a score for each of the cohort's {len(index)} scans, got shape "
                f"{score.shape}."
            )
        check_same_rows(cnn, pd.Series(0, index=index), ("cnn", "the cohort's data"))
        scores = [score] * n_repeats
    for score in scores:
        check_known(np.where(np.isfinite(score), score, np.nan), "cnn")
    return [predictors.assign(**{NETWORK: score}) for score in scores]


def check_varying(tables, known):
    """Refuse a predictor that has one value only in the scans that are scored."""
    for table in tables:
        varying = table[known].nunique() > 1
        if not varying.all():
            raise CohortError(
                f"{varying.idxmin()} is the same for all scans whose label is known: it predicts "
                "nothing."
            )


def folds_of(cnn, y, groups, trained_on):
    """Return the folds of a network's result, if it is a result for these scans."""
    if len(cnn.y) != len(y):
        raise ValueError(
            f"cnn has scored {len(cnn.y)} scans, but the cohort has {len(y)}: train and score it "
            f"on all of them, by the label {trained_on!r}."
        )
    different = np.flatnonzero((cnn.y == cnn.classes[1]) != (y == 1))
    if different.size:
        raise ValueError(
            f"cnn was trained on other labels than {trained_on!r}, or on other scans: "
            f"{different.size} labels differ, the first in position {different[0]} (counted from "
            "0). Scores of a network trained on another label can be given as an array."
        )
    fold_of = cnn.fold_assignment.fold_of
    apart = [] if groups is None else split_patients(fold_of, groups)
    if len(apart):
        raise ValueError(
            f"cnn has scored scans of patient {apart[0]} by networks that had seen other scans "
            "of the same patient: cross-validate it with groups."
        )
    return Folds(fold_of, y, groups)


def _float_column(table, column, what):
    """Return a column as float64, NaN where unknown."""
    if column not in table:
        raise CohortError(f"The cohort's {what} has no column {column!r}; it has {[*table]}.")
    try:
        return table[column].to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        numbers = pd.to_numeric(table[column], errors="coerce")
        wrong = table[column][numbers.isna() & table[column].notna()]
        where = f" at index {wrong.index[0]}" if len(wrong) else ""
        raise CohortError(f"Column {column!r} must hold numbers: {error}{where}.") from error
