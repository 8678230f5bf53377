"""Values that several steps of a study need: labels, thresholds, risks and ratings of a task."""

import re

import numpy as np
import pandas as pd

from skdxa.study._fracture_models import can_be_scaled, finite_odds, predict_out_of_fold
from skdxa.study._tasks import known_rows
from skdxa.validation import has_repeated_patients

NETWORK_ROW = "Deep learning"


def is_fracture(task):
    """Return whether a task predicts something that happens after the scan."""
    return task.is_prediction or task.target.startswith("fracture")


def network_threshold(state, task):
    """Return the threshold of a task's network, and the rule by which it was chosen."""
    clinical = state.clinical.get(task.target)
    if clinical is not None and is_fracture(task):
        row = clinical.thresholds.loc[NETWORK_ROW]
        return float(row["threshold"]), row["rule"]
    return state.protocol.threshold, "fixed"


def scored_labels(state, task):
    """Return the labels that a task is scored by, of the scans that were cross-validated."""
    if not task.is_prediction:
        # As trained on, so that models of shuffled labels are evaluated on the shuffled labels.
        result = state.results[task.target]
        return (result.y == result.classes[1]).astype(float)
    known = known_rows(state.cohort, task.target)
    return state.cohort.target.loc[known, task.scored_on].to_numpy(dtype=float)


def is_pooled(protocol):
    """Return whether the numbers of a study are of pooled scores, in place of means over folds."""
    return protocol.stated_interval in ("delong", "bootstrap")


def numbers_in_words(protocol):
    """Say what the numbers of the main tables are."""
    what = "Pooled scores of the median repeat of" if is_pooled(protocol) else "Means over"
    return (
        f"{what} {protocol.n_splits} folds x {protocol.n_repeats}, with 95 % intervals "
        f"({protocol.stated_interval})"
    )


def ratings_of(cohort, target):
    """Return the ratings of the scans that all raters have rated, or None.

    One column per rater, in the order of the raters' numbers, since the rows of an agreement are
    named by the columns' positions. A rater who has rated nothing is left out.
    """
    for table in (cohort.get("ratings"), cohort.data):
        if table is None:
            continue
        numbers = {
            name: int(name.removeprefix(f"{target}_r"))
            for name in table.columns
            if re.fullmatch(rf"{re.escape(target)}_r[0-9]+", str(name))
        }
        ratings = table[sorted(numbers, key=numbers.get)].dropna(axis="columns", how="all")
        if ratings.shape[1] > 1:
            return ratings.dropna()
    return None


def raters_in_words(ratings):
    """Return which columns the raters are, where their numbers do not count from 1, else ""."""
    if all(str(name).endswith(f"_r{n}") for n, name in enumerate(ratings.columns, start=1)):
        return ""
    columns = ", ".join(f"{n} is {name}" for n, name in enumerate(ratings.columns, start=1))
    return f" Rater {columns}."


def risk_of(state, task):
    """Return labels, the network's risks of them and patients, or None without probabilities.

    All are of the same scans; without patients who have several, the last is None.
    """
    clinical, result = state.clinical.get(task.target), state.results.get(task.target)
    if result is None:
        return None
    patients = result.groups if has_repeated_patients(result.groups) else None
    if task.is_prediction and clinical is not None:
        # Recalibrated to the label that is scored.
        risk = clinical.risks[NETWORK_ROW].to_numpy()
        return clinical.labels, risk, None if patients is None else patients[clinical.kept]
    if result.response_method != "predict_proba":
        return None
    labels = scored_labels(state, task)
    repeat = result.median_repeat(labels)
    risk = result.repeat_scores(repeat)
    if task.is_prediction:
        fold = result.fold_assignment.fold_of[repeat]
        if not can_be_scaled(fold[np.newaxis], labels):
            return None
        table = pd.DataFrame({NETWORK_ROW: risk})
        risk = predict_out_of_fold(table, result.y, fold, labels)
    return labels, finite_odds(risk), patients
