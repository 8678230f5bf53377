"""Calibration curves: known curves, patients with several scans, and too few risks."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from statsmodels.api import Logit

from skdxa.significance import calibration_curve
from skdxa.significance._calibration_curve import restricted_cubic_spline


def simulated(n, seed=0):
    """Outcomes, predicted risks, and true risks that bend away from them."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-1, 1, n)
    truth = expit(log_odds + 0.3 * np.sin(2 * log_odds))
    return (rng.random(n) < truth).astype(int), expit(log_odds), truth


def test_spline_is_linear_outside_and_smooth_at_its_knots():
    knots = np.array([-2.0, -0.5, 0.3, 1.5])
    at, step = np.linspace(-4, 4, 8001), 0.001
    basis = restricted_cubic_spline(at, knots)
    assert basis.shape == (8001, 3)
    np.testing.assert_array_equal(basis[:, 0], at)
    second = np.diff(basis[:, 1:], n=2, axis=0) / step**2
    middle = at[1:-1]
    outside = (middle < -2.01) | (middle > 1.51)
    np.testing.assert_allclose(second[outside], 0, atol=1e-6)
    # Second derivatives have no jump, and third ones jump at the knots alone.
    assert np.abs(np.diff(second, axis=0)).max() < 0.01
    third = np.diff(second, axis=0) / step
    jumps = middle[1:-1][np.abs(np.diff(third, axis=0)).max(axis=1) > 0.05]
    assert np.abs(jumps[:, np.newaxis] - knots).min(axis=1).max() < 0.005
    assert np.abs(jumps[:, np.newaxis] - knots).min(axis=0).max() < 0.005


def test_the_curve_is_a_logistic_model_of_the_spline():
    y, prob, _ = simulated(700)
    result = calibration_curve(y, prob, n_knots=5, level=0.9)
    log_odds = logit(prob)
    knots = np.quantile(log_odds, [0.05, 0.275, 0.5, 0.725, 0.95])
    np.testing.assert_allclose(result.knots, expit(knots))
    # Truncated powers, of which two are fixed by linearity beyond the outermost knots.
    powers = np.maximum(log_odds[:, np.newaxis] - knots, 0) ** 3
    last = np.stack([np.ones(5), knots])
    free = np.eye(5)[:, :3]
    free[3:] = -np.linalg.solve(last[:, 3:], last[:, :3])
    design = np.column_stack([np.ones(700), log_odds, powers @ free])
    fit = Logit(y, design).fit(disp=0, tol=1e-12)
    observed = fit.predict()
    order = np.argsort(prob)
    np.testing.assert_allclose(result.curve.observed, observed[order], rtol=1e-6)
    error = np.sqrt(np.einsum("ij,jk,ik->i", design, fit.cov_params(), design))
    low = expit(logit(observed) - 1.6448536269514722 * error)
    np.testing.assert_allclose(result.curve.low, low[order], rtol=1e-5)
    distance = np.abs(observed - prob)
    summaries = (result.ici, result.e50, result.e90, result.emax)
    expected = (distance.mean(), np.median(distance), np.quantile(distance, 0.9), distance.max())
    assert summaries == pytest.approx(expected, rel=1e-6)


def test_a_bent_curve_is_found():
    y, prob, truth = simulated(40_000)
    result = calibration_curve(y, prob, n_knots=6)
    order = np.argsort(prob)
    central = slice(1000, -1000)
    miss = np.abs(result.curve.observed.to_numpy() - truth[order])[central]
    assert miss.max() < 0.025
    assert result.ici == pytest.approx(np.abs(truth - prob).mean(), abs=0.005)


def test_the_band_covers():
    rng = np.random.default_rng(1)
    inside = np.zeros(3)
    for _ in range(200):
        prob = expit(rng.normal(-0.5, 1, 300))
        curve = calibration_curve((rng.random(300) < prob).astype(int), prob, n_knots=3).curve
        rows = curve.iloc[[30, 150, 270]]
        inside += (rows.low < rows.risk) & (rows.risk < rows.high)
    assert (inside / 200 > 0.91).all()
    assert (inside / 200 < 0.985).all()


def test_ties_weigh_as_scans():
    y, prob, _ = simulated(400)
    prob = np.round(prob, 2)
    result = calibration_curve(pd.Series(y), pd.Series(prob))
    assert len(result.curve) == np.unique(prob).size < 400
    curve = result.curve.set_index("risk")
    observed = curve.observed[prob].to_numpy()
    assert curve.n.to_dict() == pd.Series(prob).value_counts().to_dict()
    assert curve.events.to_dict() == pd.Series(y).groupby(prob).sum().to_dict()
    assert result.ici == pytest.approx(np.abs(observed - prob).mean())


def test_patients_of_a_curve():
    y, prob, _ = simulated(3000)
    plain, clustered = calibration_curve(y, prob), calibration_curve(y, prob, groups=range(3000))
    assert clustered.ici == plain.ici
    width, sandwich = (r.curve.high - r.curve.low for r in (plain, clustered))
    np.testing.assert_allclose(sandwich, width, rtol=0.25)
    twice = np.repeat(np.arange(3000), 2)
    copies = calibration_curve(y[twice], prob[twice], groups=twice)
    # The knots are quantiles, which copies move a little.
    columns = ["risk", "observed", "low", "high"]
    np.testing.assert_allclose(copies.curve[columns], clustered.curve[columns], rtol=5e-3)
    counts = ["n", "events"]
    np.testing.assert_array_equal(copies.curve[counts], 2 * clustered.curve[counts])
    naive = calibration_curve(y[twice], prob[twice])
    assert ((naive.curve.high - naive.curve.low) < 0.8 * width).all()


def test_knots_of_few_scans_are_the_fifth_values():
    y, prob, _ = simulated(60)
    result = calibration_curve(y, prob, n_knots=3)
    expected = [np.sort(prob)[4], expit(np.median(logit(prob))), np.sort(prob)[-5]]
    np.testing.assert_allclose(result.knots, expected)


Y, PROB, _ = simulated(200)


@pytest.mark.parametrize(
    ("y", "prob", "options", "message"),
    [
        (Y, PROB, {"n_knots": 2}, "n_knots must be a whole number from 3 to 7, got 2"),
        (Y, PROB, {"n_knots": 4.5}, "n_knots must be a whole number from 3 to 7, got 4.5"),
        (Y, np.full(200, 0.3), {}, "prob has 1 distinct values, too few"),
        (Y, np.where(PROB < 0.3, 0.2, 0.4), {}, "prob has 2 distinct values, too few"),
        (Y, np.where(PROB < 0.3, 0.0, PROB), {}, "prob is exactly 0"),
        (Y[1:], PROB, {}, "y and prob must have the same rows, got 199 and 200"),
        (Y * 0, PROB, {}, "y must hold both 0 and 1"),
        (Y, PROB, {"level": 95}, "level must lie between 0 and 1"),
        (Y, PROB, {"groups": range(199)}, "y and groups must have the same rows"),
        (Y, PROB, {"groups": [None, *range(199)]}, "groups is missing for 1 of 200 scans"),
        ((PROB > 0.3).astype(int), PROB, {}, "separates the classes of y"),
    ],
)
def test_bad_input(y, prob, options, message):
    with pytest.raises(ValueError, match=message):
        calibration_curve(y, prob, **options)
