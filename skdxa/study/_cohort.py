"""The parts of a cohort, checked."""

import numpy as np

from skdxa.exceptions import CohortError
from skdxa.validation import as_patients, check_same_rows


def check_cohort(cohort):
    """Return the table of predictors, the table of labels and the patients of a cohort."""
    missing = [part for part in ("data", "target") if part not in cohort]
    if missing:
        raise CohortError(f"The cohort has no {missing[0]!r}; it has {list(cohort)}.")
    data, target, groups = cohort["data"], cohort["target"], cohort.get("groups")
    try:
        check_same_rows(data, target, ("data", "target"))
        groups = None if groups is None else as_patients(groups, len(data))
    except ValueError as error:
        raise CohortError(f"The cohort's parts do not fit together: {error}") from error
    return data, target, groups


def table_rows(cohort):
    """Return the row of each scan in the user's table, or the index in the cohort without one."""
    sources = cohort.get("sources")
    return list(cohort.data.index if sources is None else sources["row"])


def check_target(protocol, cohort, target):
    """Raise a `CohortError` if a cohort has too few labels of a target for a protocol."""
    if target not in cohort.target.columns:
        raise CohortError(
            f"The cohort has no target {target!r}; it has {list(cohort.target.columns)}."
        )
    for label in (0, 1):
        n_patients = len(np.unique(cohort.groups[cohort.target[target] == label]))
        # Without the patients of one fold, two must be left if the epoch is chosen on one.
        needed = max(protocol.n_splits, 3 if protocol.validation_fraction else 2)
        if n_patients < needed:
            raise CohortError(
                f"{target}: {n_patients} patients have the label {label}, but {protocol.n_splits} "
                f"folds need at least {needed}. Use fewer folds, or a larger cohort."
            )
