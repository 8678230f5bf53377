"""The parts of a cohort, checked."""

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
