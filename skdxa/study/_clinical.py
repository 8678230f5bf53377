"""The network compared with T-scores, texture and age, for any task of a study."""

import numpy as np
import pandas as pd

from skdxa.evaluation import Folds
from skdxa.exceptions import CohortError
from skdxa.study._cohort import table_rows
from skdxa.study._fracture_comparison import compare_predictors
from skdxa.study._fracture_models import can_be_scaled
from skdxa.study._fracture_predictors import read_predictors, unfillable_columns
from skdxa.study._known_columns import HIP, VERTEBRAE
from skdxa.study._protocol import REFERENCES
from skdxa.study._steps import LeftOut
from skdxa.study._tasks import known_rows

# Ages above this limit, in years, are regarded as errors.
_OLDEST = 120
# Used if none of the scored scans is osteoporotic: the T-score then has no sensitivity to match.
_SENSITIVITY = 0.6


def clinical_columns(protocol):
    """Return the clinical columns that a study knows, in the order of the tables."""
    return ["age", *VERTEBRAE, *HIP, protocol.texture]


def check_clinical(protocol, cohort, targets):
    """Raise a `CohortError` if a clinical column cannot be used, before anything is trained.

    Parameters
    ----------
    protocol : Protocol
    cohort : Bunch
    targets : list of str
        Rows without a label of any of these are not checked.
    """
    used = cohort.target[targets].notna().any(axis=1).to_numpy()
    data = cohort.data.set_axis(pd.Index(table_rows(cohort)), axis=0)[used]
    try:
        predictors = read_predictors(
            data, protocol.texture, REFERENCES[protocol.reference], gaps=True
        )
        if "age" in predictors:
            age = predictors["age"].to_numpy()
            wrong = np.flatnonzero((age < 0) | (age > _OLDEST))
            if wrong.size:
                raise CohortError(
                    f"Column 'age' is {age[wrong[0]]:g} at index {data.index[wrong[0]]}; ages are "
                    f"in years, from 0 to {_OLDEST}. Correct the cell, or leave it empty."
                )
    except ValueError as error:
        known = clinical_columns(protocol)
        renamed = [
            f"{name!r} is {column!r} of the table"
            for name, column in protocol.columns.items()
            if name in known and name != column
        ]
        rows = "" if cohort.get("sources") is None else " An index is a row of the table."
        names = f" Columns have skdxa's names: {', '.join(renamed)}." if renamed else ""
        raise CohortError(f"{error}{rows}{names}") from error


def compare_clinical(protocol, cohort, task, result):
    """Compare a network with the clinical predictors that a cohort has.

    Parameters
    ----------
    protocol : Protocol
    cohort : Bunch
    task : Task
    result : CrossValidationResult
        Of the network, for the scans whose label is known.

    Returns
    -------
    benchmarks : Bunch
        As of `fracture_benchmarks`, with `labels` (scored on, of the scans compared), `n_gaps`
        and `n_scans`, which the comparison is of, and `unfillable`, the predictors that are
        left out because their gaps cannot be filled.

    Raises
    ------
    LeftOut
        If the cohort has no clinical predictor, or too few scans without gaps.
    """
    known = known_rows(cohort, task.target)
    data = cohort.data[known]
    scored_y = cohort.target.loc[known, task.scored_on].to_numpy(dtype=float)
    reference = REFERENCES[protocol.reference]
    predictors = read_predictors(data, protocol.texture, reference, gaps=True)
    varying = predictors.columns[predictors.nunique() > 1]
    predictors = predictors[varying]
    unfillable = []
    if protocol.gaps == "impute":
        unfillable = unfillable_columns(predictors, result.fold_assignment.fold_of)
        predictors = predictors.drop(columns=unfillable)
    if predictors.empty:
        raise LeftOut(
            "The cohort has none of the clinical columns "
            f"{', '.join(clinical_columns(protocol))}, or they are empty or all in one fold."
        )
    gaps = predictors.isna().any(axis=1).to_numpy()
    kept = ~gaps if protocol.gaps == "leave_out" else np.ones(len(gaps), dtype=bool)
    y, labels = result.y[kept], scored_y[kept]
    for values, what in ((y, task.target), (labels[~np.isnan(labels)], task.scored_on)):
        if len(np.unique(values)) < 2:
            raise LeftOut(
                f"Of the scans without gaps in clinical columns, all have the same {what!r}. "
                'Choose gaps = "impute".'
            )
    try:
        folds = Folds(result.fold_assignment.fold_of[:, kept], y, _of(result.groups, kept))
    except ValueError as error:
        raise LeftOut(
            f"Without the {gaps.sum()} scans with gaps in clinical columns, a fold is empty: "
            f"{error}"
        ) from error
    if not can_be_scaled(folds.fold_of, labels):
        raise LeftOut(
            f"Of the scans without gaps in clinical columns, all with one of the values of "
            f"{task.scored_on!r} are in one fold, so that no model can learn it there."
        )
    scores = np.stack([result.repeat_scores(repeat)[kept] for repeat in range(result.n_repeats)])
    network = folds.with_scores(scores, response_method=result.response_method)
    follows_the_paper = task.is_prediction or task.target.startswith("fracture")
    sensitivity, threshold = None, None
    if not follows_the_paper:
        threshold = protocol.threshold
        pooled = network.repeat_metrics(labels, threshold=threshold)["sensitivity"].mean()
        sensitivity = float(pooled) or _SENSITIVITY
    elif (
        "min_t_score" not in predictors
        or not (predictors.loc[kept & (scored_y == 1), "min_t_score"] >= 2.5).any()
    ):
        sensitivity = _SENSITIVITY
    try:
        found = compare_predictors(
            folds,
            labels,
            predictors[kept].reset_index(drop=True),
            cnn=network,
            index=data.index[kept],
            labels=(task.target, task.scored_on),
            texture=protocol.texture,
            sensitivity=sensitivity,
            rule="at_least",
            interval=protocol.interval,
            level=0.95,
            risks=None,
            seed=protocol.random_state,
            reference=reference,
            network_threshold=threshold,
        )
    except CohortError as error:
        raise LeftOut(str(error)) from error
    return found.__class__(
        **found,
        labels=labels,
        n_gaps=int(gaps.sum()),
        n_scans=int(kept.sum()),
        kept=kept,
        unfillable=unfillable,
    )


def _of(groups, kept):
    return None if groups is None else groups[kept]
