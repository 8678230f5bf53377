"""How long a study takes, measured before it begins."""

from dataclasses import replace

import pytest
from study_cohorts import cheap_model

from skdxa.study import Protocol, StudyEstimate, count_trainings, estimate_study
from skdxa.study._steps import duration


def test_trainings_are_counted():
    tasks = ["scoliosis", "unreliable", "fracture_ever"]
    # Three tasks, a stack of two inner folds, and two checks of the audit, in three folds.
    assert count_trainings(Protocol.quick(), tasks) == 9 + 9 + 6
    assert count_trainings(Protocol.quick(audit=False, stack_folds=0), tasks) == 9
    assert count_trainings(Protocol.quick(), tasks[:2]) == 6 + 6
    assert count_trainings(Protocol.quick(added_value_draws=9), tasks) == 24 + 30
    # 1000 a task, the models of the median repeats, stack and audit.
    assert count_trainings(Protocol.paper(), tasks) == 3000 + 30 + 60 + 20


def test_an_estimate_grows_with_the_study():
    model = cheap_model()
    small = estimate_study(Protocol.quick(), n_scans=100, model=model)
    large = estimate_study(Protocol.paper(), model=model)
    assert small.n_trainings == 24
    assert 0 < small.seconds_per_training < large.seconds_per_training
    assert small.seconds < large.seconds
    assert small.memory_mib < large.memory_mib
    assert small.disk_mib < large.disk_mib


def test_the_time_of_a_network_is_that_of_its_epochs(monkeypatch):
    now = [0.0]

    def fit(cnn, X, y):
        # 2 seconds to start, and half a second for each epoch on 128 images.
        assert len(X) == 128
        now[0] += 2 + 0.5 * cnn.epochs
        return cnn

    monkeypatch.setattr("skdxa.study._estimate.time.perf_counter", lambda: now[0])
    monkeypatch.setattr("skdxa.classification.SpineCNNClassifier.fit", fit)
    protocol = Protocol(epochs=40, height=32, width=24, n_splits=4, audit=False)
    estimate = estimate_study(protocol, n_scans=400)
    # On three quarters of 400 scans.
    assert estimate.seconds_per_training == pytest.approx(2 + 0.5 * 300 / 128 * 40)
    assert estimate.seconds > 4 * estimate.seconds_per_training


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_network_is_measured_in_as_many_processes_as_train(n_jobs):
    protocol = Protocol(epochs=40, height=32, width=24, n_splits=3, audit=False)
    estimate = estimate_study(protocol, targets=["scoliosis"], n_scans=400, n_jobs=n_jobs)
    assert estimate.seconds_per_training > 0
    # Three fits take three rounds in one process, and two in two.
    rest = estimate.seconds - {1: 3, 2: 2}[n_jobs] * n_jobs * estimate.seconds_per_training
    # On ten workers all fits run at the same time.
    on_ten = estimate.seconds_on[10] - n_jobs * estimate.seconds_per_training
    assert on_ten == pytest.approx(rest)


def test_in_words():
    estimate = StudyEstimate(3110, 480.0, 1_500_000.0, 2048.0, 512.0, 2)
    text = estimate.text()
    assert text.startswith("3110 trainings of about 8.0 minutes each; the whole study about 17 da")
    assert "on this machine (2 cores), 2.0 GiB of memory and 0.50 GiB of disk." in text
    assert text.endswith("disk.")
    estimate = replace(estimate, seconds_on={1: 1_500_000.0, 10: 160_000.0, 100: 30_000.0})
    assert estimate.text().endswith("cores like these: 1: 17 days, 10: 1.9 days, 100: 8.3 hours.")


def test_workers_share_the_fits_of_a_step():
    estimate = estimate_study(Protocol.paper(), n_scans=200, model=cheap_model())
    each = estimate.seconds_per_training
    rest = estimate.seconds - 3110 * each
    # On ten workers all steps are shared but the audit's choice of the epoch, of ten fits.
    on_ten = 3 * (100 + 1) + 6 + 1 + 10
    assert estimate.seconds_on[10] == pytest.approx(rest + on_ten * each)
    # On a hundred, steps of ten folds take as long as on ten.
    on_hundred = 3 * (10 + 1) + 6 + 1 + 10
    assert estimate.seconds_on[100] == pytest.approx(rest + on_hundred * each)
    assert estimate.seconds_on[1] == estimate.seconds


def test_comparing_all_scans_takes_time_by_the_square_of_their_number():
    protocol = Protocol(targets=("scoliosis",), n_splits=3, audit=False)
    few, many = (
        estimate_study(protocol, n_scans=n_scans, model=cheap_model())
        for n_scans in (1000, 10_000)
    )
    rest = [one.seconds - one.n_trainings * one.seconds_per_training for one in (few, many)]
    assert rest[1] - rest[0] == pytest.approx(3e-6 * (10_000**2 - 1000**2) / few.n_cores)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3, "3 seconds"), (89, "89 seconds"), (90, "1.5 minutes"), (5400, "1.5 hours"),
     (36000, "10 hours"), (1e6, "12 days")],
)  # fmt: skip
def test_durations(seconds, words):
    assert duration(seconds) == words
