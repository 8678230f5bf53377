"""The tasks of a study: the labels for training and scoring, and their names."""

import difflib
from dataclasses import dataclass

import numpy as np
from sklearn.utils import Bunch

from skdxa.exceptions import CohortError
from skdxa.study._cohort import check_target
from skdxa.study._protocol import PAPER_TARGETS

_TITLES = {
    "scoliosis": "Scoliosis",
    "unreliable": "Unreliable BMD",
    "fracture_ever": "Fracture",
    "fracture_5y": "Fracture within 5 years",
}


@dataclass(frozen=True)
class Task:
    """A label that models are trained on, and the label that they are scored by."""

    target: str
    scored_on: str

    @property
    def title(self):
        """Name of the task in tables and figures."""
        return title_of(self.target)

    @property
    def in_text(self):
        """Name of the task in a sentence."""
        return self.title[:1].lower() + self.title[1:]

    @property
    def is_prediction(self):
        """Whether another label is scored than trained on."""
        return self.scored_on != self.target


def title_of(target):
    """Return the name of a label in tables and figures."""
    return _TITLES.get(target, target.replace("_", " ").capitalize())


def find_tasks(protocol, cohort):
    """Return the tasks that a cohort allows, and why others are left out.

    Parameters
    ----------
    protocol : Protocol
    cohort : Bunch
        With patients in `groups`.

    Returns
    -------
    tasks : list of Task
    left_out : dict of str to str
        The reason by the name of the task.

    Raises
    ------
    CohortError
        If a target that the protocol names is missing or has too few labels, or no task is left.
    """
    tasks, left_out = [], {}
    for target in PAPER_TARGETS if protocol.targets is None else protocol.targets:
        try:
            check_target(protocol, cohort, target)
        except CohortError as error:
            if protocol.targets is not None:
                raise
            left_out[title_of(target)] = str(error)
            continue
        scored_on = protocol.scored_on.get(target, target)
        if scored_on != target and scored_on not in cohort.target:
            left_out[f"{title_of(target)}: scoring by {scored_on}"] = (
                f"The cohort has no target {scored_on!r}, so that {target!r} itself is scored."
            )
            scored_on = target
        elif scored_on != target:
            known = cohort.target.loc[cohort.target[target].notna(), scored_on].dropna()
            if known.nunique() < 2:
                left_out[f"{title_of(target)}: scoring by {scored_on}"] = (
                    f"{scored_on!r} has only one value where {target!r} is known, so that "
                    f"{target!r} itself is scored."
                )
                scored_on = target
        tasks.append(Task(target, scored_on))
    if not tasks:
        raise CohortError(
            "The cohort has none of the targets of the protocol: " + " ".join(left_out.values())
        )
    return tasks, left_out


def rename_columns(cohort, columns, *, may_lack=False):
    """Return a cohort whose columns have skdxa's names.

    Parameters
    ----------
    cohort : Bunch
    columns : dict of str to str
        The user's name by that of skdxa.
    may_lack : bool, default=False
        Whether the cohort may be without some of these columns, as another hospital's may.

    Returns
    -------
    Bunch

    Raises
    ------
    CohortError
        If the cohort has no such column, or has both names.
    """
    if not columns:
        return cohort
    present = [*cohort.data.columns, *cohort.target.columns]
    for ours, theirs in columns.items():
        if theirs not in present:
            if ours in present or may_lack:
                continue
            near = difflib.get_close_matches(theirs, map(str, present), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise CohortError(
                f"The cohort has no column {theirs!r}, which the protocol's columns name for "
                f"{ours!r}; it has {present}.{hint}"
            )
        if ours in present and ours != theirs:
            raise CohortError(
                f"The cohort has a column {ours!r} in addition to {theirs!r}, which the "
                "protocol's columns name for it. Rename or drop one of them."
            )
    names = {theirs: ours for ours, theirs in columns.items()}
    return Bunch(
        **{
            **cohort,
            "data": cohort.data.rename(columns=names),
            "target": cohort.target.rename(columns=names),
        }
    )


def label_columns(protocol, columns, *, may_lack=False):
    """Return the columns of a table that hold the labels of a protocol.

    Parameters
    ----------
    protocol : Protocol
        With its `columns`, the user's names are looked for.
    columns : sequence of str
        Of the table.
    may_lack : bool, default=False
        Whether targets that the protocol names may be missing, as in the table of another
        hospital. Those that it does not name, and labels to score by, always may.

    Returns
    -------
    list of str
        As the table calls them.

    Examples
    --------
    >>> from skdxa.study import Protocol, label_columns
    >>> label_columns(Protocol.quick(columns={"unreliable": "bad"}), ["scan", "bad", "age"])
    ['bad']
    """
    columns = [str(column) for column in columns]
    found = []
    for target in PAPER_TARGETS if protocol.targets is None else protocol.targets:
        scored_on = protocol.scored_on.get(target)
        for name in (target, scored_on):
            if name is None:
                continue
            theirs = protocol.columns.get(name, name)
            named = protocol.targets is not None and name == target and not may_lack
            if (theirs in columns or named) and theirs not in found:
                found.append(theirs)
    return found


def known_rows(cohort, target):
    """Return which scans have a label, as an array of bool."""
    return cohort.target[target].notna().to_numpy()


def positions(mask):
    """Return the positions at which a mask is true."""
    return np.flatnonzero(np.asarray(mask))
