"""Sample sizes: published examples, the authors' programs, and simulation."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from skdxa.significance import (
    calibration,
    delong_interval,
    sample_size_development,
    sample_size_validation,
)


def development(prevalence, n_parameters, r2, **options):
    return sample_size_development(prevalence, None, n_parameters, r2_cox_snell=r2, **options)


def test_the_diagnostic_model_of_chagas_disease():
    # Riley et al. 2019, and pmsampsize 0.1.0 for Python by Whittle and Ensor:
    # pmsampsize(type="b", csrsquared=0.288, parameters=24, prevalence=0.174).
    needed = development(0.174, 24, 0.288)
    assert needed.table["n"].iloc[:3].tolist() == [623, 662, 221]
    assert needed.table["events_per_parameter"].iloc[1].round(1) == 4.8
    assert needed.r2_max == pytest.approx(0.6032087, abs=1e-7)
    assert needed.table["n"].iloc[3] == needed.n == 801
    # pmsampsize 0.1.0 for larger models; R's version 1.1.3 rounds the second shrinkage.
    assert development(0.174, 36, 0.288).table["n"].iloc[0] == 934
    assert development(0.25, 24, 0.288).table["n"].iloc[2] == 289


def test_the_model_of_pre_eclampsia():
    # Riley et al., BMJ 2020: 30 parameters, 5 %, R2 of 0.05.
    needed = development(0.05, 30, 0.05)
    assert needed.table["n"].loc[["shrinkage", "prevalence", "absolute_error"]].tolist() == [
        5249,
        73,
        544,
    ]
    assert (needed.n, needed.events) == (5249, 263)
    assert development(0.5, 20, 0.1).table["n"].iloc[0] == 1699  # 1698 in Riley et al. 2019


@pytest.mark.parametrize(
    ("n_parameters", "r2_nagelkerke", "n", "events"),
    [(90, 0.05, 50174, 2409), (76, 0.15, 13867, 666), (108, 0.15, 19706, 946)],
)
def test_the_models_of_falls(n_parameters, r2_nagelkerke, n, events):
    # Published by the eFalls study (supplement S2.1; Health Technology Assessment, table 3),
    # with R2 of Cox and Snell rounded to three decimals and events rounded.
    largest = development(0.048, 1, 0.01).r2_max
    assert largest == pytest.approx(0.31966, abs=5e-6)
    needed = development(0.048, n_parameters, round(r2_nagelkerke * largest, 3))
    assert (needed.n, needed.events) == (n, events)
    assert needed.table["n"].isna().tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    ("prevalence", "c_statistic", "n_parameters", "r2", "sizes"),
    [
        (0.174, 0.89, 24, 0.2908, [615, 660, 221]),
        (0.039, 0.65, 5, 0.0110, [4066, 352, 58]),
        (0.1, 0.75, 12, 0.0749, [1382, 477, 139]),
    ],
)
def test_r2_from_the_c_statistic(prevalence, c_statistic, n_parameters, r2, sizes):
    # pmsampsize 0.1.0, which simulates a million patients.
    needed = sample_size_development(prevalence, c_statistic, n_parameters)
    assert needed.r2_cox_snell == pytest.approx(r2, abs=4e-4)
    np.testing.assert_allclose(needed.table["n"].iloc[:3].astype(float), sizes, rtol=0.005)


def test_r2_by_simulation():
    rng = np.random.default_rng(0)
    prevalence, c_statistic, n = 0.2, 0.8, 200_000
    y = (rng.random(n) < prevalence).astype(int)
    spread = np.sqrt(2) * stats.norm.ppf(c_statistic)
    x = (rng.normal(size=n) + spread * y)[:, np.newaxis]
    risk = LogisticRegression(C=1e9).fit(x, y).predict_proba(x)[:, 1]
    assert roc_auc_score(y, risk) == pytest.approx(c_statistic, abs=0.005)
    r2 = 1 - np.exp(2 * (log_loss(y, risk) - log_loss(y, np.full(n, y.mean()))))
    found = sample_size_development(prevalence, c_statistic, 10).r2_cox_snell
    assert found == pytest.approx(r2, rel=0.03)


def test_events_are_not_rounded_up_for_the_rounding_of_a_product():
    # In floating point, 100 * 0.07 is 7.000000000000001.
    margin = 1.96 * np.sqrt(0.07 * 0.93 / 99.5)
    options = {"shrinkage": 0.3, "optimism": 0.9, "absolute_error": 0.5}
    found = sample_size_development(0.07, 0.9, 1, risk_margin=margin, **options)
    assert (found.n, found.events) == (100, 7)
    assert found.table.loc["prevalence", "events"] == 7


def test_an_auc_close_to_1_needs_few_patients():
    assert sample_size_validation(0.5, 0.9999).table.loc["c_statistic", "n"] == 1
    assert sample_size_validation(0.5, 0.99).table.loc["c_statistic", "n"] > 10


def test_stricter_limits_need_more_patients():
    loose = sample_size_development(0.1, 0.7, 10)
    strict = sample_size_development(
        0.1, 0.7, 10, shrinkage=0.95, optimism=0.01, risk_margin=0.02, absolute_error=0.03
    )
    assert (strict.table["n"] > loose.table["n"]).all()
    assert sample_size_development(0.1, 0.7, 20).n > loose.n
    assert sample_size_development(0.1, 0.8, 10).n < loose.n


@pytest.mark.parametrize(
    ("prevalence", "c_statistic", "n"),
    [
        (0.1, 0.7, 1154),
        (0.5, 0.8, 302),
        (0.018, 0.80, 4252),
        (0.018, 0.75, 5125),
        (0.048, 0.743, 2027),
    ],
)
def test_published_sizes_for_the_c_statistic(prevalence, c_statistic, n):
    # Riley et al. 2021; the last is that of the eFalls study.
    assert sample_size_validation(prevalence, c_statistic).table.loc["c_statistic", "n"] == n


@pytest.mark.parametrize(
    ("prevalence", "c_statistic", "options", "sizes"),
    [
        (0.018, 0.8, {"o_e_width": 1, "log_odds": (-5, 2.5)}, [905, 4544, 4252]),
        (0.031, 0.74, {"log_odds": (-4.02, 1.17), "threshold": 0.08}, [12018, 11329, 3110, 3743]),
        (0.2, 0.6, {"log_odds": (-1.47, 0.5), "threshold": 0.2}, [1538, 10868, 763, 955]),
    ],
)
def test_sizes_of_the_authors_program(prevalence, c_statistic, options, sizes):
    # pmvalsampsize 0.2.1 for Python by Whittle and Ensor, which simulates a million log odds and
    # finds standard errors in steps; the first is an example of Riley et al. 2021.
    table = sample_size_validation(prevalence, c_statistic, **options).table
    np.testing.assert_allclose(table["n"].astype(float), sizes, rtol=0.004)
    assert table.loc["c_statistic", "n"] == sizes[2]


def test_the_intervals_of_a_validation_are_as_wide_as_planned():
    prevalence, c_statistic = 0.3, 0.75
    needed = sample_size_validation(
        prevalence, c_statistic, o_e_width=0.3, slope_width=0.6, c_statistic_width=0.15
    )
    spread = np.sqrt(2) * stats.norm.ppf(c_statistic)
    low = np.log(prevalence / (1 - prevalence)) - spread**2 / 2
    for criterion, width in (("o_e", 0.3), ("slope", 0.6), ("c_statistic", 0.15)):
        n, widths = int(needed.table.loc[criterion, "n"]), []
        for seed in range(60):
            rng = np.random.default_rng(seed)
            y = (rng.random(n) < prevalence).astype(int)
            risk = expit(low + spread**2 * y + spread * rng.normal(size=n))
            found = calibration(y, risk)
            interval = {
                "o_e": found.observed_over_expected,
                "slope": found.slope_interval,
                "c_statistic": delong_interval(y, risk, scale="identity"),
            }[criterion]
            widths.append(interval.high - interval.low)
        # The published formula for observed over expected events leaves out that the risks
        # explain a part of the events.
        lower = 0.8 if criterion == "o_e" else 0.95
        assert lower * width < np.mean(widths) < 1.05 * width


def test_net_benefit_of_treating_all_and_none():
    needed = sample_size_validation(0.2, 0.8, threshold=1e-9)
    assert needed.table.loc["net_benefit", "value"] == pytest.approx(1)
    assert needed.table.loc["net_benefit", "n"] == 1
    assert sample_size_validation(0.2, 0.8, threshold=1 - 1e-9).table["value"].iloc[
        -1
    ] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((0, 0.7, 5), {}, "prevalence must lie between 0 and 1, got 0"),
        ((0.1, 0.5, 5), {}, "c_statistic must lie between 0.5 and 1, got 0.5"),
        ((0.1, 0.7, 2.5), {}, "n_parameters must be a whole number of 1 or more, got 2.5"),
        ((0.1, 0.7, 0), {}, "n_parameters must be"),
        ((0.1, 0.7, 5), {"r2_cox_snell": 0.1}, "and not both"),
        ((0.1, None, 5), {}, "either c_statistic or r2_cox_snell must be given"),
        ((0.1, None, 5), {"r2_cox_snell": 0.6}, "between 0 and 0.478, its maximum"),
        ((0.5, None, 5), {"r2_cox_snell": 0.6, "shrinkage": 0.5}, "below the shrinkage of 0.5"),
        ((0.1, 0.7, 5), {"optimism": 5}, "optimism must lie between 0 and 1, got 5"),
    ],
)
def test_developments_that_cannot_be_planned(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        sample_size_development(*arguments, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slope_width": 0}, "slope_width must be above 0, got 0"),
        ({"threshold": 1}, "threshold must lie between 0 and 1, got 1"),
        ({"log_odds": (0, 0)}, "log_odds must be a finite mean and a standard deviation above 0"),
        ({"level": 95}, "level must lie between 0 and 1"),
    ],
)
def test_validations_that_cannot_be_planned(options, message):
    with pytest.raises(ValueError, match=message):
        sample_size_validation(0.1, 0.7, **options)
