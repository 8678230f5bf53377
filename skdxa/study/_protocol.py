"""The choices of a study, declared before it is run."""

import difflib
import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from numbers import Integral, Real
from pathlib import Path
from typing import ClassVar

from sklearn.pipeline import Pipeline

from skdxa._sklearn import Interval, StrOptions, validate_parameter_constraints
from skdxa.classification import SpineCNNClassifier
from skdxa.densitometry import FINNISH_WOMEN, NHANES_2005_WOMEN, NHANES_III_WOMEN
from skdxa.evaluation import INTERVALS
from skdxa.preprocessing import HorizontalFlip, SpineCropper

PAPER_EPOCHS = 100
PAPER_TARGETS = ("scoliosis", "unreliable", "fracture_ever")
REFERENCES = {
    "finnish_women": FINNISH_WOMEN,
    "nhanes_iii_women": NHANES_III_WOMEN,
    "nhanes_2005_women": NHANES_2005_WOMEN,
}
GAPS = ("leave_out", "impute")

_AT_LEAST_0 = [Interval(Integral, 0, None, closed="left")]
_AT_LEAST_1 = [Interval(Integral, 1, None, closed="left")]
_PRIMARY = {"target", "model", "against"}


@dataclass(frozen=True)
class Protocol:
    """The choices of a study; the defaults run in minutes on two cores.

    Parameters
    ----------
    targets : tuple of str or None, default=("scoliosis",)
        Columns of the cohort's `target`, one task each. None takes the paper's three,
        "scoliosis", "unreliable" and "fracture_ever", as far as the cohort has them, and the
        report says which are missing.
    scored_on : dict of str to str, default={"fracture_ever": "fracture_5y"}
        For a target that models are trained on, the label that they are scored by, where the
        cohort has it.
    n_subjects : int, default=600
        Patients to simulate if no cohort is given.
    n_splits : int, default=5
        Folds; the paper has 10.
    n_repeats : int, default=1
        Repeats of the cross-validation with other splits; the paper has 100.
    epochs : int, default=30
        Passes over the training images; the paper has 100.
    height, width : int, default=150
        Rows and columns of the crop.
    interval : {"stability", "corrected", "t", "delong", "bootstrap"}, default="stability"
        Kind of the table's confidence intervals. "stability" takes account of the noise of
        the training scans from two repeats on, and is the corrected resampled t with one;
        the paper's is "t", which is too narrow.
    threshold : float, default=0.5
        Positive is ``score >= threshold``; for fractures, where another label is scored than
        trained on, the threshold matches the sensitivity of the minimum T-score instead.
    validation_fraction : float, default=0.1
        Share of the training scans on which the epoch is chosen; 0 keeps the last epoch.
    shuffle_labels : bool, default=False
        Shuffle the labels among the scans, to check for leaks: the AUC must be near 0.5.
    primary : dict or None, default=None
        The comparison stated before the data are seen: `target`, `model` (an experiment of
        the tables; "Deep learning" if left out) and `against` (another experiment; the chance
        level if left out). All other tests are then exploratory. None makes all exploratory.
    columns : dict of str to str, default={}
        The user's name of a column, by the name that skdxa has for it, such as
        ``{"bmd_L1": "L1 BMD"}``. Further names are "scanner" and "year", which the audit uses.
    gaps : {"leave_out", "impute"}, default="leave_out"
        Handling of patients with a gap in a clinical column: they are left out of the
        comparison with clinical predictors, or the gap is filled by the median of the
        training folds.
    texture : str, default="tbs"
        Clinical column of the texture; lower values are worse.
    reference : {"finnish_women", "nhanes_iii_women", "nhanes_2005_women"}, \
default="finnish_women"
        Reference population of the T-scores.
    stack_folds : int, default=0
        Inner folds of the stack of network and clinical columns, which costs
        ``stack_folds + 1`` trainings per fold; 0 leaves the stack out.
    added_value_draws : int, default=0
        Draws of labels for the test, with retrained models, whether the network for fractures
        adds anything to the clinical columns: ``n_splits`` trainings for each draw, 99 draws for
        p-values down to 0.01. 0 leaves the test out.
    audit : bool, default=True
        Whether the audit trains additional networks: with shuffled labels, and with the epoch
        chosen on the scored fold, one repeat of each for the first task. The other checks
        are always made.
    random_state : int, default=0
        Seeds the simulation, the splits and the networks.
    n_threads : int or None, default=None
        Threads that TensorFlow uses for one fit, on which the scores depend; None uses
        TensorFlow's default. The manifest of a report states the number used.

    Raises
    ------
    ValueError
        If a choice is of the wrong type or out of range.

    Examples
    --------
    >>> from skdxa.study import Protocol
    >>> paper = Protocol.paper(interval="t")
    >>> paper.n_trainings
    1000
    """

    targets: tuple[str, ...] | None = ("scoliosis",)
    scored_on: dict = field(default_factory=lambda: {"fracture_ever": "fracture_5y"})
    n_subjects: int = 600
    n_splits: int = 5
    n_repeats: int = 1
    epochs: int = 30
    height: int = 150
    width: int = 150
    interval: str = "stability"
    threshold: float = 0.5
    validation_fraction: float = 0.1
    shuffle_labels: bool = False
    primary: dict | None = None
    columns: dict = field(default_factory=dict)
    gaps: str = "leave_out"
    texture: str = "tbs"
    reference: str = "finnish_women"
    stack_folds: int = 0
    added_value_draws: int = 0
    audit: bool = True
    random_state: int = 0
    n_threads: int | None = None

    _parameter_constraints: ClassVar[dict] = {
        "targets": [tuple, list, None],
        "scored_on": [dict],
        "n_subjects": _AT_LEAST_1,
        "n_splits": [Interval(Integral, 2, None, closed="left")],
        "n_repeats": _AT_LEAST_1,
        "epochs": _AT_LEAST_1,
        "height": _AT_LEAST_1,
        "width": _AT_LEAST_1,
        "interval": [StrOptions(set(INTERVALS))],
        "threshold": [Real],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "shuffle_labels": ["boolean"],
        "primary": [dict, None],
        "columns": [dict],
        "gaps": [StrOptions(set(GAPS))],
        "texture": [str],
        "reference": [StrOptions(set(REFERENCES))],
        "stack_folds": _AT_LEAST_0,
        "added_value_draws": _AT_LEAST_0,
        "audit": ["boolean"],
        "random_state": [Interval(Integral, 0, 2**32 - 1, closed="both")],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __post_init__(self):
        validate_parameter_constraints(self._parameter_constraints, vars(self), "Protocol")
        targets = self.targets
        if targets is not None:
            if not targets or not all(isinstance(target, str) for target in targets):
                raise ValueError(f"targets must be one or more column names; got {targets!r}.")
            # A TOML file and a caller's list hold the same choice as a tuple.
            object.__setattr__(self, "targets", tuple(targets))
        for name in ("scored_on", "columns"):
            for key, value in getattr(self, name).items():
                if not (isinstance(key, str) and isinstance(value, str)):
                    raise ValueError(f"{name} must hold names of columns; got {key!r}: {value!r}.")
        if self.stack_folds == 1:
            raise ValueError("stack_folds must be 0, for no stack, or at least 2; got 1.")
        if self.primary is not None:
            self._check_primary()

    def _check_primary(self):
        unknown = set(self.primary) - _PRIMARY
        if unknown or "target" not in self.primary:
            raise ValueError(
                "primary must name a target, and may name a model and what it is compared "
                f"against; got {self.primary!r}."
            )
        if self.targets is not None and self.primary["target"] not in self.targets:
            raise ValueError(
                f"primary names the target {self.primary['target']!r}, which is none of the "
                f"protocol's: {list(self.targets)}."
            )

    @classmethod
    def quick(cls, **changes):
        """Return the protocol of a first look: all three tasks in minutes on two cores.

        Parameters
        ----------
        **changes : choices of the protocol
            Choices that replace those of the quick protocol.

        Returns
        -------
        protocol : Protocol
            500 simulated patients, 3 folds, 1 repeat and 20 epochs, and a stack with two inner
            folds. Its results show that everything works; they are too uncertain for a paper.

        Examples
        --------
        >>> from skdxa.study import Protocol
        >>> Protocol.quick().n_trainings
        3
        """
        quick = {
            "targets": None,
            "n_subjects": 500,
            "n_splits": 3,
            "epochs": 20,
            "stack_folds": 2,
        }
        return cls(**{**quick, **changes})

    @classmethod
    def paper(cls, **changes):
        """Return the protocol of the paper: 10 folds, 100 repeats and 100 epochs.

        Parameters
        ----------
        **changes : choices of the protocol
            Choices that replace those of the paper.

        Returns
        -------
        protocol : Protocol
            As published, except for two choices: the epoch is chosen within the training folds,
            and intervals take account of overlapping training folds.

        Examples
        --------
        >>> from skdxa.study import PAPER_EPOCHS, Protocol
        >>> Protocol.paper().epochs == PAPER_EPOCHS
        True
        >>> small = Protocol.paper(n_splits=3, n_repeats=3, epochs=2)
        >>> small.n_trainings, small.stack_folds
        (9, 5)
        """
        paper = {
            "targets": None,
            "n_subjects": 2949,
            "n_splits": 10,
            "n_repeats": 100,
            "epochs": PAPER_EPOCHS,
            "stack_folds": 5,
        }
        return cls(**{**paper, **changes})

    @classmethod
    def from_toml(cls, path, **changes):
        """Read a protocol from a TOML file.

        Parameters
        ----------
        path : str or path-like
            The file: the choices by name, and `protocol`, "quick" or "paper", on which they
            are based.
        **changes : choices of the protocol
            Choices that replace those of the file.

        Returns
        -------
        protocol : Protocol

        Raises
        ------
        ValueError
            If the file is not TOML, or holds an unknown choice or one that is out of range; the
            message names the file.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from skdxa.study import Protocol
        >>> text = '''
        ... protocol = "paper"
        ... n_repeats = 10
        ... primary = { target = "scoliosis" }
        ... columns = { bmd_L1 = "L1 BMD" }
        ... '''
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "study.toml"
        ...     _ = path.write_text(text)
        ...     protocol = Protocol.from_toml(path)
        >>> protocol.n_trainings, protocol.columns
        (100, {'bmd_L1': 'L1 BMD'})
        """
        try:
            choices = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is not a TOML file: {error}.") from error
        base = choices.pop("protocol", None)
        bases = {None: cls, "quick": cls.quick, "paper": cls.paper}
        if base not in bases:
            raise ValueError(f"{path}: protocol must be 'quick' or 'paper'; got {base!r}.")
        known = [one.name for one in fields(cls)]
        for name in choices:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise ValueError(
                    f"{path}: a protocol has no choice {name!r}; there are "
                    f"{', '.join(known)}.{hint}"
                )
        try:
            return bases[base](**{**choices, **changes})
        except ValueError as error:
            raise ValueError(f"{path}: {str(error).rstrip('.')}.") from error

    def with_changes(self, **changes):
        """Return the protocol with other choices.

        Parameters
        ----------
        **changes : choices of the protocol

        Returns
        -------
        protocol : Protocol
        """
        return replace(self, **changes)

    @property
    def n_trainings(self):
        """Number of networks trained for each target, without stack and audit."""
        return self.n_splits * self.n_repeats

    @property
    def stated_interval(self):
        """Kind of interval that tables state: with one repeat the stability is unknown."""
        one_repeat = self.interval == "stability" and self.n_repeats == 1
        return "corrected" if one_repeat else self.interval

    def pipeline(self):
        """Return the estimator: crop, then the paper's network with flipped copies.

        Returns
        -------
        pipeline : sklearn.pipeline.Pipeline
            Steps `crop` and `cnn`, not fitted.
        """
        return Pipeline(
            [
                ("crop", SpineCropper(height=self.height, width=self.width)),
                (
                    "cnn",
                    SpineCNNClassifier(
                        epochs=self.epochs,
                        augmenter=HorizontalFlip(),
                        validation_fraction=self.validation_fraction,
                    ),
                ),
            ]
        )

    def as_dict(self):
        """Return the choices as plain values, for a report."""
        return {**asdict(self), "targets": self.targets and list(self.targets)}
