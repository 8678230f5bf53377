"""What a study does, written down before it is run."""

from dataclasses import asdict, dataclass

from sklearn.pipeline import Pipeline

from skdxa.classification import SpineCNNClassifier
from skdxa.evaluation import INTERVALS
from skdxa.preprocessing import HorizontalFlip, SpineCropper

PAPER_EPOCHS = 100


@dataclass(frozen=True)
class Protocol:
    """A study's choices; the defaults run in minutes on two cores.

    Parameters
    ----------
    targets : tuple of str, default=("scoliosis",)
        Columns of the cohort's `target`, an experiment each.
    n_subjects : int, default=600
        Patients to simulate, where no cohort is given.
    n_splits : int, default=5
        Folds; the paper has 10.
    n_repeats : int, default=1
        Repeats of the cross-validation with other splits; the paper has 100.
    epochs : int, default=30
        Passes over the training images; the paper has 100.
    height, width : int, default=150
        Rows and columns of the crop.
    interval : {"corrected", "t", "delong", "bootstrap"}, default="corrected"
        Which confidence interval the table gives; the paper's is "t", which is too narrow.
    threshold : float, default=0.5
        Positive is ``score >= threshold``.
    validation_fraction : float, default=0.1
        Share of the training scans on which the epoch is chosen; 0 keeps the last epoch.
    shuffle_labels : bool, default=False
        Shuffle the labels over the scans, to see that nothing leaks: the AUC must come
        out near 0.5.
    random_state : int, default=0
        Seeds the simulation, the splits and the networks.

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
    interval: str = "corrected"
    threshold: float = 0.5
    validation_fraction: float = 0.1
    shuffle_labels: bool = False
    random_state: int = 0

    def __post_init__(self):
        for name, lowest in (
            ("n_subjects", 1),
            ("n_splits", 2),
            ("n_repeats", 1),
            ("epochs", 1),
            ("height", 1),
            ("width", 1),
        ):
            if getattr(self, name) < lowest:
                raise ValueError(f"{name} must be at least {lowest}; got {getattr(self, name)}.")
        if self.interval not in INTERVALS:
            raise ValueError(f"interval must be one of {list(INTERVALS)}; got {self.interval!r}.")
        if not 0 <= self.validation_fraction < 1:
            raise ValueError(
                f"validation_fraction must be at least 0 and below 1; got "
                f"{self.validation_fraction}."
            )
        if isinstance(self.targets, str) or not self.targets:
            raise ValueError(f"targets must be one or more column names; got {self.targets!r}.")

    @property
    def n_trainings(self):
        """Networks that a target takes."""
        return self.n_splits * self.n_repeats

    def pipeline(self):
        """Give the estimator: crop, then the paper's network with flipped copies.

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
        """Give the choices as plain values, for a report."""
        return {**asdict(self), "targets": list(self.targets)}
