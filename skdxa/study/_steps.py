"""Steps of a study: their requirements, and the handling of those that cannot be run."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from sklearn.utils import Bunch

from skdxa.study._protocol import Protocol


class LeftOut(Exception):
    """Raised by a step that does not apply to a study, with the reason."""


@dataclass(frozen=True)
class Step:
    """One part of a study.

    Attributes
    ----------
    name : str
        What progress and report call the step.
    run : callable
        Called with the `StudyState`, to which it adds results, tables and figures.
    needs : tuple of str
        Names of steps whose results it takes; if one was left out, so is this step.
    trainings : int
        Number of models that it trains.
    """

    name: str
    run: Callable
    needs: tuple = ()
    trainings: int = 0


@dataclass(frozen=True)
class Picture:
    """A figure of the report: the stem of its file, its caption and its alternative text."""

    stem: str
    title: str
    caption: str
    alternative: str


@dataclass(frozen=True)
class ReportTable:
    """A table of the report.

    `shown` is printed in the report instead of the numbers that the CSV file holds.
    """

    name: str
    title: str
    caption: str
    numbers: pd.DataFrame
    shown: pd.DataFrame


@dataclass
class StudyState:
    """The state that the steps of a study share."""

    protocol: Protocol
    cohort: Bunch
    external: Bunch | None
    tasks: list
    models: dict
    work: Path
    folder: Path
    n_jobs: int | None
    progress: bool
    say: Callable
    left_out: dict = field(default_factory=dict)
    results: dict = field(default_factory=dict)
    fitted: dict = field(default_factory=dict)
    clinical: dict = field(default_factory=dict)
    external_tests: dict = field(default_factory=dict)
    external_labels: dict = field(default_factory=dict)
    external_scores: pd.DataFrame | None = None
    stacks: dict = field(default_factory=dict)
    raters: dict = field(default_factory=dict)
    tables: dict = field(default_factory=dict)
    figures: dict = field(default_factory=dict)
    sentences: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)
    audit: list = field(default_factory=list)
    primary: dict | None = None
    seconds: dict = field(default_factory=dict)

    @property
    def simulated(self):
        """Whether the patients are simulated."""
        return bool(self.cohort.get("simulated", False))

    @property
    def who(self):
        """Name of the patients in figures."""
        return "simulated patients" if self.simulated else "patients"

    def add_table(self, name, title, numbers, *, caption="", shown=None):
        """Add a table to the report; `shown` is what it prints, in place of the numbers."""
        shown = readable(numbers) if shown is None else shown
        self.tables[name] = ReportTable(name, title, caption, numbers, shown)

    def say_of(self, topic, sentence):
        """Add a sentence to what the report says of a topic."""
        self.sentences.setdefault(topic, []).append(sentence)


def run_steps(steps, state):
    """Run steps in order; those that do not apply, or need one that did not, are left out.

    Warnings of a step become notes of the report.
    """
    missing = set()
    per_training, remaining = None, sum(step.trainings for step in steps)
    for number, step in enumerate(steps, start=1):
        lacking = [name for name in step.needs if name in missing]
        start = time.perf_counter()
        left = (
            ""
            if per_training is None or not remaining
            else (f" (about {duration(per_training * remaining)} of training left)")
        )
        state.say(f"[{number}/{len(steps)}] {step.name} ...{left}")
        try:
            if lacking:
                raise LeftOut(f"It needs {lacking[0]!r}, which was left out.")
            with warnings.catch_warnings(record=True) as raised:
                warnings.simplefilter("always")
                step.run(state)
            for text in dict.fromkeys(str(one.message) for one in raised if _is_for_users(one)):
                state.notes.append(f"{step.name}: {text}")
                state.say(f"    note: {text}")
        except LeftOut as reason:
            missing.add(step.name)
            state.left_out[step.name] = str(reason)
            state.say(f"    left out: {reason}")
        took = time.perf_counter() - start
        state.seconds[step.name] = took
        remaining -= step.trainings
        if step.trainings and step.name not in missing:
            per_training = took / step.trainings


def _is_for_users(warning):
    return not issubclass(warning.category, (DeprecationWarning, ResourceWarning))


def duration(seconds):
    """Return a time in words: seconds, minutes, hours or days."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 1.5 * size:
            return (
                f"{seconds / size:.0f} {unit}"
                if seconds >= 10 * size
                else (f"{seconds / size:.1f} {unit}")
            )
    return f"{seconds:.0f} seconds"


def readable(numbers):
    """Return a table of texts: numbers with three digits, flags as words."""
    shown = numbers.reset_index() if numbers.index.name else numbers
    return shown.map(_text)


def _text(value):
    if isinstance(value, str):
        return value
    if value is None or pd.isna(value):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if value == round(value) and abs(value) >= 10 else f"{value:.3g}"
    return str(value)


def p_text(pvalue):
    """Return a p-value as a paper prints it."""
    if pd.isna(pvalue):
        return "p not defined"
    return "p < 0.001" if pvalue < 0.001 else f"p = {pvalue:.2g}"
