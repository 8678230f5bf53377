"""Values that several steps of a study need: labels, thresholds, risks and ratings of a task."""

import re

from skdxa.study._fracture_models import finite_odds
from skdxa.study._tasks import known_rows

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


def ratings_of(cohort, target):
    """Return the ratings of a target, one column per rater, or None."""
    for table in (cohort.get("ratings"), cohort.data):
        if table is not None:
            names = [
                name for name in table.columns if re.fullmatch(rf"{re.escape(target)}_r\d+", name)
            ]
            if len(names) > 1:
                return table[names]
    return None


def risk_of(state, task):
    """Return a task's labels and the network's risk of them, or None without probabilities."""
    clinical = state.clinical.get(task.target)
    if task.is_prediction and clinical is not None:
        # Recalibrated to the label that is scored.
        return clinical.labels, clinical.risks[NETWORK_ROW].to_numpy()
    result = state.results.get(task.target)
    if result is None or result.response_method != "predict_proba":
        return None
    labels = scored_labels(state, task)
    return labels, finite_odds(result.repeat_scores(result.median_repeat(labels)))
