"""Bootstrap: known variances, patients with several scans, and undefined statistics."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from skdxa.significance import bootstrap_interval


def test_bootstrap_of_a_mean_has_its_known_variance():
    values = np.random.default_rng(1).normal(size=40)
    interval = bootstrap_interval(np.mean, (values,), n_resamples=4000, random_state=0)
    assert interval.estimate == values.mean()
    assert interval.variance == pytest.approx(values.var() / 40, rel=0.08)
    half = stats.norm.ppf(0.975) * values.std() / np.sqrt(40)
    assert interval.high - interval.low == pytest.approx(2 * half, rel=0.08)


def test_copies_of_a_patient_bring_no_precision():
    values = np.random.default_rng(2).normal(size=30)
    copies, patient = np.tile(values, 9), np.tile([f"p{i}" for i in range(30)], 9)
    options = {"n_resamples": 1000, "random_state": 0}
    grouped = bootstrap_interval(np.mean, (copies,), groups=patient, **options)
    naive = bootstrap_interval(np.mean, (copies,), **options)
    assert grouped.variance == pytest.approx(values.var() / 30, rel=0.15)
    assert naive.variance == pytest.approx(values.var() / 270, rel=0.15)


@pytest.mark.parametrize("method", ["percentile", "bca", "basic", "normal"])
@pytest.mark.parametrize("grouped", [False, True])
def test_weights_say_the_same_as_resampled_rows(method, grouped):
    rng = np.random.default_rng(5)
    values, other = rng.normal(size=37), rng.normal(size=37)
    groups = rng.integers(0, 15, 37) if grouped else None
    sex = None if groups is None else groups % 2
    options = {
        "groups": groups,
        "stratify": sex,
        "method": method,
        "n_resamples": 300,
        "random_state": 0,
    }
    plain = bootstrap_interval(
        lambda a, b: np.sum(a * b) / np.sum(a**2), (values, other), **options
    )
    weighted = bootstrap_interval(
        lambda a, b, w: np.sum(w * a * b, axis=-1) / np.sum(w * a**2, axis=-1),
        (values, other),
        weighted=True,
        **options,
    )
    for name in ("estimate", "low", "high", "variance"):
        assert getattr(weighted, name) == pytest.approx(getattr(plain, name), rel=1e-9)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_strata_keep_their_size(method):
    y = np.repeat([0, 1], [25, 7])
    seen = set()

    def sensitivity(y, hit):
        seen.add((len(y), y.sum()))
        return hit[y == 1].mean()

    hit = np.tile([1, 0, 1, 1], 8)
    interval = bootstrap_interval(
        sensitivity, (y, hit), stratify=y, method=method, n_resamples=200, random_state=0
    )
    # The jackknife of BCa leaves one patient out.
    left_out = {(31, 6), (31, 7)} if method == "bca" else set()
    assert seen == {(32, 7)} | left_out
    assert interval.low < interval.estimate < interval.high


def test_same_seed_same_interval():
    arguments = (np.median, (np.arange(20.0),))
    first, second, other = (
        bootstrap_interval(*arguments, n_resamples=99, random_state=seed) for seed in (3, 3, 4)
    )
    assert first == second
    assert first.variance != other.variance


def test_undefined_resamples_are_not_hidden():
    y, hit = np.repeat([0, 1], [18, 2]), np.tile([0, 1], 10)

    def sensitivity(y, hit):
        return hit[y == 1].mean() if y.any() else np.nan

    with pytest.warns(RuntimeWarning, match=r"undefined in \d+ of 200 resamples"):
        interval = bootstrap_interval(sensitivity, (y, hit), n_resamples=200, random_state=0)
    assert np.isnan([interval.low, interval.high]).all()


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_constant_bootstrap_warns(method):
    with pytest.warns(RuntimeWarning, match="all resamples give the same"):
        bootstrap_interval(np.mean, (np.ones(9),), method=method, n_resamples=50, random_state=0)


@pytest.mark.parametrize("arrays", [np.ones(5), [0.1, 0.2], pd.Series([0.1, 0.2]), ()])
def test_bootstrap_takes_a_tuple(arrays):
    with pytest.raises(ValueError, match="arrays must be a tuple of arrays"):
        bootstrap_interval(np.mean, arrays, n_resamples=9)


def test_missing_bca_interval_is_not_hidden():
    # No single patient moves the median of six zeros and three ones: no acceleration.
    with pytest.warns(RuntimeWarning, match="BCa interval does not exist"):
        interval = bootstrap_interval(
            np.median,
            (np.repeat([0, 1], [6, 3]),),
            method="bca",
            n_resamples=200,
            random_state=0,
        )
    assert np.isnan([interval.low, interval.high]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "BCa"}, "method must be one of"),
        ({"groups": ["a", "b", None, "a"]}, "groups is missing for 1 of 4 scans.* position 2"),
        ({"stratify": [0, 1, np.nan, 1]}, "stratify is missing"),
        ({"stratify": [0, 1, 1, 1]}, "at least two patients in each stratum"),
        (
            {"groups": ["a", "b", "b", "c"], "stratify": [0, 0, 1, 1]},
            r"patient b .*\(position 2\)",
        ),
        ({"groups": ["a", "b"]}, r"arrays\[0\] and groups must have the same rows"),
    ],
)
def test_bad_bootstrap(options, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(np.mean, ([1.0, 2.0, 3.0, 4.0],), n_resamples=9, **options)


@pytest.mark.parametrize("options", [{}, {"stratify": []}, {"groups": []}])
def test_a_bootstrap_of_nothing_is_refused(options):
    with pytest.raises(ValueError, match="needs at least two patients in each stratum"):
        bootstrap_interval(np.mean, ([],), n_resamples=9, **options)


def test_arrays_of_other_rows_are_refused():
    y, score = pd.Series([0, 1, 0, 1, 1, 0]), pd.Series([0.2, 0.7, 0.4, 0.3, 0.9, 0.1])
    mixed = score.sample(frac=1, random_state=1)
    options = {"n_resamples": 9, "random_state": 0}
    with pytest.raises(ValueError, match=r"arrays\[0\] and arrays\[1\] have different indices"):
        bootstrap_interval(roc_auc_score, (y, mixed), **options)
    with pytest.raises(ValueError, match=r"arrays\[1\] and groups have different indices"):
        bootstrap_interval(roc_auc_score, (y.to_numpy(), score), groups=mixed, **options)
