"""The choices of a study, declared before it is run."""

from dataclasses import asdict, dataclass
from numbers import Integral, Real
from typing import ClassVar

from sklearn.pipeline import Pipeline

from skdxa._sklearn import Interval, StrOptions, validate_parameter_constraints
from skdxa.classification import SpineCNNClassifier
from skdxa.evaluation import INTERVALS
from skdxa.preprocessing import HorizontalFlip, SpineCropper

PAPER_EPOCHS = 100

_AT_LEAST_1 = [Interval(Integral, 1, None, closed="left")]


@dataclass(frozen=True)
class Protocol:
    """The choices of a study; the defaults run in minutes on two cores.

    Parameters
    ----------
    targets : tuple of str, default=("scoliosis",)
        Columns of the cohort's `target`, one experiment each.
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
        Positive is ``score >= threshold``.
    validation_fraction : float, default=0.1
        Share of the training scans on which the epoch is chosen; 0 keeps the last epoch.
    shuffle_labels : bool, default=False
        Shuffle the labels among the scans, to check for leaks: the AUC must be near 0.5.
    random_state : int, default=0
        Seeds the simulation, the splits and the networks.
    n_threads : int or None, default=None
        Threads that TensorFlow uses for one fit, on which the scores depend; None leaves it
        TensorFlow's own number. The manifest of a report states the number used.

    Raises
    ------
    ValueError
        If a choice is of the wrong type or out of range.

    Examples
    --------
    >>> from skdxa.study import Protocol
    >>> paper = Protocol(n_splits=10, n_repeats=100, epochs=100, interval="t")
    >>> paper.n_trainings
    1000
    """

    targets: tuple[str, ...] = ("scoliosis",)
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
    random_state: int = 0
    n_threads: int | None = None

    _parameter_constraints: ClassVar[dict] = {
        "targets": [tuple, list],
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
        "random_state": [Interval(Integral, 0, 2**32 - 1, closed="both")],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __post_init__(self):
        validate_parameter_constraints(self._parameter_constraints, vars(self), "Protocol")
        if not self.targets or not all(isinstance(target, str) for target in self.targets):
            raise ValueError(f"targets must be one or more column names; got {self.targets!r}.")

    @property
    def n_trainings(self):
        """Number of networks trained for each target."""
        return self.n_splits * self.n_repeats

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
        return {**asdict(self), "targets": list(self.targets)}
