"""Estimate how long a study takes, from a few steps measured beforehand."""

import sys
import time
from dataclasses import dataclass, field
from functools import partial
from math import ceil

import numpy as np
from joblib import Parallel, cpu_count, delayed, effective_n_jobs
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from skdxa.classification import SpineCNNClassifier, set_threads
from skdxa.simulation import make_spine_cohort
from skdxa.study._protocol import PAPER_TARGETS
from skdxa.study._steps import duration

# Scans that are measured, and how often they are repeated to fill some batches.
_N_SCANS, _COPIES = 16, 8
_EPOCHS = (1, 5)
# The fastest of so many rounds counts, since other programs only make a round slower.
_ROUNDS = 3
# Sizes in MiB of a simulated scan at the paper's spacing, of a saved model and of a report, and in
# bytes of a compressed score in a checkpoint.
_SCAN_MIB, _MODEL_MIB, _REPORT_MIB, _SCORE_BYTES = 164 * 300 * 4 / 2**20, 1.6, 12, 14
_WORKERS = (1, 10, 100)
# Processes that are started to measure a training; further ones would take about as long.
_MOST_PROCESSES = 4
# Steps other than training, per task: clinical comparison, figures, audit.
_FIXED_SECONDS = 45
# Processor time for comparing one scan with another in the audit, measured with 10,000 scans.
_PAIR_SECONDS = 3e-6


@dataclass(frozen=True)
class StudyEstimate:
    """Time, memory and disk that a study takes.

    Attributes
    ----------
    n_trainings : int
        Models trained, those of stack and audit among them.
    seconds_per_training : float
        Of one training on this machine, all cores at work.
    seconds : float
        Of the whole study on this machine.
    memory_mib : float
        Of one process; each further worker takes about the same.
    disk_mib : float
        Of report, models and checkpoint.
    n_cores : int
        Cores of this machine.
    seconds_on : dict of int to float
        Of the whole study by the number of workers that train, each with cores like these. Fits
        of one step run in parallel; steps, and work other than training, run one after the other.

    Examples
    --------
    >>> from skdxa.study import StudyEstimate
    >>> estimate = StudyEstimate(1000, 60.0, 60000.0, 1024.0, 512.0, n_cores=2)
    >>> estimate.text().split(";")[0]
    '1000 trainings of about 60 seconds each'
    """

    n_trainings: int
    seconds_per_training: float
    seconds: float
    memory_mib: float
    disk_mib: float
    n_cores: int
    seconds_on: dict = field(default_factory=dict)

    def text(self):
        """Return the estimate in words."""
        shared = ", ".join(f"{n}: {duration(took)}" for n, took in self.seconds_on.items())
        shared = f" With as many workers as named, each with cores like these: {shared}."
        return (
            f"{self.n_trainings} trainings of about {duration(self.seconds_per_training)} each; "
            f"the whole study about {duration(self.seconds)} on this machine ({self.n_cores} "
            f"cores), {self.memory_mib / 1024:.1f} GiB of memory and "
            f"{self.disk_mib / 1024:.2f} GiB of disk.{shared if self.seconds_on else ''}"
        )


def estimate_study(protocol, *, targets=None, n_scans=None, model=None, n_jobs=None):
    """Measure a few steps, and estimate time, memory and disk of a study.

    Parameters
    ----------
    protocol : Protocol
        The choices of the study.
    targets : sequence of str or None, default=None
        Those that the cohort has; None uses all of the protocol.
    n_scans : int or None, default=None
        Scans of the cohort; None uses the number of patients to simulate.
    model : classifier or None, default=None
        As in `run_study`; None measures the paper's network.
    n_jobs : int or None, default=None
        Processes that train at the same time, as in `run_study`. A network is measured in as
        many processes, but at most four.

    Returns
    -------
    estimate : StudyEstimate

    Notes
    -----
    The model is fitted on a few simulated scans, a network with one epoch and with five, so that
    the cost of an epoch is known apart from that of the start. Other programs running
    at the same time, and a processor that slows down when it is hot, make the study take longer.
    With several workers, a step of ten folds keeps no more than ten of them busy.

    Examples
    --------
    >>> from skdxa.study import Protocol, estimate_study
    >>> estimate_study(Protocol.paper()).n_trainings  # doctest: +SKIP
    3110
    """
    n_simulated = protocol.n_subjects if n_scans is None else n_scans
    if targets is None:
        targets = PAPER_TARGETS if protocol.targets is None else protocol.targets
    cohort = make_spine_cohort(_N_SCANS, random_state=0)
    y = np.arange(_N_SCANS) % 2
    pipeline = protocol.pipeline() if model is None else model
    n_train = n_simulated * (1 - 1 / protocol.n_splits)
    if isinstance(pipeline, Pipeline) and isinstance(pipeline[-1], SpineCNNClassifier):
        n_processes = effective_n_jobs(n_jobs)
        n_threads = protocol.n_threads or max(cpu_count() // n_processes, 1)
        timed = _time_network(pipeline, cohort.data, y, n_processes, n_threads)
        one_training = timed.of_training(n_simulated, n_train)
    else:
        n_processes = 1
        start = time.perf_counter()
        clone(pipeline).fit(cohort.data, y)
        one_training = (time.perf_counter() - start) * n_train / _N_SCANS
    parts = _trainings_of_steps(protocol, targets)
    simulation = 0.0
    if n_scans is None:
        start = time.perf_counter()
        make_spine_cohort(_N_SCANS, random_state=1)
        simulation = (time.perf_counter() - start) / _N_SCANS * n_simulated
    splits = len(targets) * protocol.n_trainings
    pairs = _PAIR_SECONDS * n_simulated**2 / cpu_count()
    rest = simulation + _FIXED_SECONDS * len(targets) + pairs
    seconds_on = {
        workers: rest
        + one_training * sum(ceil(fits / (workers * n_processes)) * each for fits, each in parts)
        for workers in _WORKERS
    }
    return StudyEstimate(
        n_trainings=sum(fits * each for fits, each in parts),
        seconds_per_training=one_training / n_processes,
        seconds=seconds_on[1],
        memory_mib=_memory_mib() + 3 * _SCAN_MIB * n_simulated,
        disk_mib=_REPORT_MIB
        + _MODEL_MIB * 2 * protocol.n_splits * len(targets)
        + splits * (n_simulated / protocol.n_splits * _SCORE_BYTES + 6000) / 2**20,
        n_cores=cpu_count(),
        seconds_on=seconds_on,
    )


def count_trainings(protocol, targets):
    """Return how many models a study trains, those of stack and audit among them.

    Parameters
    ----------
    protocol : Protocol
        The choices of the study.
    targets : sequence of str
        Those that the cohort has.

    Returns
    -------
    n_trainings : int
        The number.

    Examples
    --------
    >>> from skdxa.study import Protocol, count_trainings
    >>> count_trainings(Protocol.quick(), ["scoliosis", "fracture_ever"])
    21
    """
    return sum(fits * each for fits, each in _trainings_of_steps(protocol, targets))


def _trainings_of_steps(protocol, targets):
    """Return how many fits run side by side, and how many trainings each has, step by step."""
    n_splits = protocol.n_splits
    parts = [(protocol.n_trainings, 1)] * len(targets)
    if protocol.n_repeats > 3:
        # The models of the median repeat are trained once more.
        parts += [(n_splits, 1)] * len(targets)
    if any(target.startswith("fracture") for target in targets):
        if protocol.stack_folds:
            parts.append((n_splits, protocol.stack_folds + 1))
        if protocol.added_value_draws:
            parts += [(n_splits, 1)] * (protocol.added_value_draws + 1)
    if protocol.audit:
        # Shuffled labels; the choice of the epoch, which is trained fold by fold.
        parts += [(n_splits, 1), (1, n_splits)]
    return parts


@dataclass(frozen=True)
class _Timed:
    """Seconds of the parts of a training.

    Attributes
    ----------
    crop : float
        Of one scan.
    start : float
        Of a fit, beside its epochs.
    image : float
        Of one image in one epoch.
    epochs : int
        That are planned.
    """

    crop: float
    start: float
    image: float
    epochs: int

    def of_training(self, n_scans, n_train):
        """Return the seconds of a training; the fold that is scored is cropped too."""
        return self.start + self.image * n_train * self.epochs + self.crop * n_scans


def _time_network(pipeline, scans, y, n_processes, n_threads):
    """Return how long the parts of a training take where so many run at the same time."""
    if n_processes == 1:
        return _time_fits(pipeline, scans, y)
    n_started = min(n_processes, _MOST_PROCESSES)
    workers = Parallel(
        n_jobs=n_started,
        initializer=partial(set_threads, fits_at_once=1),
        initargs=(n_threads,),
    )
    timed = workers(delayed(_time_fits)(pipeline, scans, y) for _ in range(n_started))
    means = {
        name: float(np.mean([getattr(one, name) for one in timed]))
        for name in ("crop", "start", "image")
    }
    return _Timed(**means, epochs=timed[0].epochs)


def _time_fits(pipeline, scans, y):
    """Time fits of one and of five epochs; the fastest of several rounds counts."""
    pipeline = clone(pipeline)
    start = time.perf_counter()
    images = pipeline[:-1].fit_transform(scans)
    crop = (time.perf_counter() - start) / _N_SCANS
    images, y = np.tile(np.asarray(images), (_COPIES, 1, 1)), np.tile(y, _COPIES)
    planned = pipeline[-1].epochs
    cnn = pipeline[-1].set_params(random_state=0)
    # The first fit compiles the network.
    cnn.set_params(epochs=1).fit(images, y)
    rounds = np.empty((_ROUNDS, len(_EPOCHS)))
    for place in np.ndindex(rounds.shape):
        start = time.perf_counter()
        cnn.set_params(epochs=_EPOCHS[place[1]]).fit(images, y)
        rounds[place] = time.perf_counter() - start
    one, several = map(float, rounds.min(axis=0))
    per_epoch = max(several - one, 0) / (_EPOCHS[1] - _EPOCHS[0])
    return _Timed(crop, max(one - per_epoch, 0), per_epoch / len(images), planned)


def _memory_mib():
    """Return the largest memory that this process has taken."""
    try:
        import resource
    except ImportError:  # pragma: no cover - Windows
        return 1500.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
