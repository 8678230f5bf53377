"""Checks of a study for causes of optimistic results."""

from dataclasses import dataclass

import numpy as np

from skdxa.study._tasks import known_rows

FINE, LOOK, FAULT, OPEN = "nothing found", "look at this", "fault", "open"

# Standard deviations of chance above which shuffled labels are predicted.
_CHANCE = 3.0
_FEW_EVENTS = 10


@dataclass(frozen=True)
class AuditItem:
    """One question that the audit asks about a study.

    Attributes
    ----------
    name : str
        A few words.
    question : str
        What could be wrong.
    verdict : {"nothing found", "look at this", "fault", "open"}
        "open" is what a run cannot know.
    finding : str
        What was found, in a sentence.

    Examples
    --------
    >>> from skdxa.study import AuditItem
    >>> item = AuditItem("twins", "Is a scan there twice?", "nothing found", "No two are alike.")
    >>> print(f"{item.question} {item.verdict}: {item.finding}")
    Is a scan there twice? nothing found: No two are alike.
    """

    name: str
    question: str
    verdict: str
    finding: str


def audit_shuffled(result):
    """Assess the AUC that was reached with shuffled labels.

    The chance range is that of as many independent scans as there are patients of each class,
    since the scans of a patient have similar scores and the same label.
    """
    areas = result.repeat_metrics()["auc"]
    positive = result.y == result.classes[1]
    patients = np.arange(len(positive)) if result.groups is None else result.groups
    n_one, n_other = (len(np.unique(patients[of])) for of in (positive, ~positive))
    spread = np.sqrt((n_one + n_other + 1) / (12 * n_one * n_other))
    reach = 1.96 * spread
    area = areas.mean()
    finding = (
        f"With labels shuffled among the patients the AUC was {area:.2f}; by chance it lies "
        f"between {0.5 - reach:.2f} and {0.5 + reach:.2f} in 95 %."
    )
    verdict = FAULT if area > 0.5 + _CHANCE * spread else FINE
    if verdict == FAULT:
        finding += " The labels of the scored scans have leaked into training."
    return AuditItem(
        "Labels shuffled", "Does the AUC fall to 0.5 where there is nothing to learn?", verdict,
        finding,
    )  # fmt: skip


def audit_epoch(on_scored_fold, within_training):
    """Report how optimistic choosing the epoch on the scored fold is, from AUCs by fold."""
    optimism = float(np.mean(on_scored_fold) - np.mean(within_training))
    return AuditItem(
        "Choice of the epoch",
        "How optimistic is choosing the epoch on the scored fold?",
        FINE,
        f"The epoch was chosen within the training folds: mean AUC {np.mean(within_training):.3f} "
        f"over the {len(within_training)} folds of the first repeat. Chosen on the fold that is "
        f"then scored, as in the paper, it was {np.mean(on_scored_fold):.3f}: an optimism of "
        f"{optimism:+.3f}, which is not part of the results of this report.",
    )


def audit_raters(title, agreement, accuracy):
    """Compare the accuracy of a network with the agreement of the raters of its labels."""
    pair = agreement.loc["all"]
    finding = (
        f"{title}: raters agree on {100 * pair['agreement']:.1f} % (kappa {pair['kappa']:.2f}); "
        f"the network's accuracy is {100 * accuracy:.1f} %."
    )
    above = accuracy > pair["agreement"]
    if above:
        finding += (
            " An accuracy above the raters' agreement is not superiority over raters: their "
            "consensus is easier to match than any one of them."
        )
    return AuditItem(
        f"Ceiling: {title}",
        "Is the network more accurate than the labels allow?",
        LOOK if above else FINE,
        finding,
    )


def audit_events(tasks, outcomes, n_variables):
    """Count the events per variable of the largest logistic model of each task.

    Parameters
    ----------
    tasks : list of Task
    outcomes : dict of str to tuple
        By target, what was observed (ndarray of bool) and the patients of the same scans.
    n_variables : int

    Returns
    -------
    AuditItem
        An event is a patient with a scan of the rarer class.
    """
    parts, verdict = [], FINE
    for task in tasks:
        observed, patients = outcomes[task.target]
        events = min(len(np.unique(patients[of])) for of in (observed, ~observed))
        if events / n_variables < _FEW_EVENTS:
            verdict = LOOK
        parts.append(
            f"{task.title}: {events} patients in the rarer class, {events / n_variables:.0f} each"
        )
    return AuditItem(
        "Events per variable",
        "Are there enough events for the models?",
        verdict,
        f"For the largest logistic model, of {n_variables} variables: {'; '.join(parts)}. Fewer "
        f"than {_FEW_EVENTS} are too few for stable coefficients; a network needs many more.",
    )


def audit_missing(cohort, columns, gaps, unfillable=()):
    """Report what is missing in clinical columns and labels, and how it was handled.

    Parameters
    ----------
    cohort : Bunch
    columns : list of str
        Of the data, which may lack some.
    gaps : {"leave_out", "impute"}
    unfillable : sequence of str, default=()
        Predictors that were left out because their gaps could not be filled.

    Returns
    -------
    AuditItem
    """
    parts, n_gaps = [], 0
    for name in columns:
        if name in cohort.data:
            n_missing = int(cohort.data[name].isna().sum())
            n_gaps += n_missing
            if n_missing:
                parts.append(f"{name} in {n_missing}")
    unknown = {name: int(column.isna().sum()) for name, column in cohort.target.items()}
    labels = ", ".join(f"{name} in {number}" for name, number in unknown.items() if number)
    rule = {
        "leave_out": "left out of the comparison with clinical predictors and of the stack",
        "impute": "filled by the median of the training folds (of all scans in the models that "
        "the tables of coefficients show)",
    }[gaps]
    finding = f"Of {len(cohort.data)} scans, clinical columns are "
    finding += f"missing {', '.join(parts)}; they were {rule}. " if parts else "complete. "
    if unfillable:
        finding += f"{', '.join(unfillable)} could not be filled in every fold and was left out. "
    finding += f"Labels are unknown: {labels}." if labels else "All labels are known."
    excluded = cohort.get("excluded")
    if excluded is not None and len(excluded):
        finding += f" {len(excluded)} scans could not be used."
    return AuditItem(
        "Missing data",
        "What is missing, and how was it handled?",
        LOOK if n_gaps > 0.1 * len(cohort.data) else FINE,
        finding,
    )


def audit_geometry(cohort):
    """Report the spacings and units of the files, and where they are stated."""
    question = "Do files differ in spacing or unit?"
    sources = cohort.get("sources")
    if sources is None:
        simulated = cohort.get("simulated", False)
        finding = (
            "Simulated scans: all are in g/cm2 at one spacing."
            if simulated
            else "The cohort does not state where its scans come from."
        )
        return AuditItem("Spacing and unit", question, FINE if simulated else OPEN, finding)
    spacings = sources.groupby(["row_mm", "column_mm"], dropna=False).size()
    units = sources["unit"].value_counts(dropna=False)
    stated = sources["spacing_source"].value_counts()
    row_mm, column_mm = cohort.spacing_mm
    listed = ", ".join(
        f"{row:g} x {column:g} mm ({number})" for (row, column), number in spacings.items()
    )
    finding = (
        f"Spacing of the files: {listed}; stated by "
        f"{', '.join(f'{name} ({number})' for name, number in stated.items())}; all were "
        f"resampled to {row_mm:g} x {column_mm:g} mm. Unit: "
        f"{', '.join(f'{name} ({number})' for name, number in units.items())}."
    )
    assumed = "assumed" in stated.index
    return AuditItem(
        "Spacing and unit", question, LOOK if len(units) > 1 or assumed else FINE, finding
    )


def task_cohort(cohort, task):
    """Return the scans of a cohort whose label is known."""
    known = known_rows(cohort, task.target)
    sources = cohort.get("sources")
    return type(cohort)(
        **{
            **cohort,
            "data": cohort.data[known].reset_index(drop=True),
            "target": cohort.target[known].reset_index(drop=True),
            "groups": cohort.groups[known],
            "sources": None if sources is None else sources[known].reset_index(drop=True),
        }
    )
