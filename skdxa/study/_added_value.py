"""Coefficients, calibration, net benefit, and what the network adds to each experiment."""

import warnings

import numpy as np
import pandas as pd

from skdxa.significance import (
    adjust_pvalues,
    calibration,
    delong_test,
    hosmer_lemeshow,
    likelihood_ratio_test,
    logistic_table,
    net_benefit,
    reclassification,
)
from skdxa.study._fracture_models import predict_out_of_fold
from skdxa.study._fracture_predictors import NETWORK

_N_RESAMPLES = 1000


def tabulate_coefficients(outcome, predictors, experiments, level, groups=None):
    """Return the logistic model of each experiment, per standard deviation.

    Parameters
    ----------
    outcome : ndarray of shape (n_scored,)
        Label scored on, known for all.
    predictors : DataFrame of shape (n_scored, n_variables)
    experiments : dict of str to tuple of str
        Variables of each experiment.
    level : float
        Confidence level.
    groups : ndarray of shape (n_scored,), optional
        The patient of each scan, if any has several.

    Returns
    -------
    DataFrame
        One row per experiment and variable.
    """
    spread = predictors.std(ddof=0)
    models = {
        name: logistic_table(
            outcome,
            predictors[[*variables]] / spread[[*variables]],
            groups=groups,
            level=level,
        )
        .drop(index="const")
        .rename_axis("variable")
        .reset_index()
        for name, variables in experiments.items()
    }
    table = _stack(models)
    table["sd"] = table["variable"].map(spread)
    return table.assign(pvalue_holm=adjust_pvalues(table["pvalue"]))


def compare_with_network(table, variables, y, scored_y, fold, score, risk, level, groups=None):
    """Test an experiment against the same variables with the network.

    Parameters
    ----------
    table : DataFrame of shape (n_scans, n_variables)
        All predictors of one repeat.
    variables : tuple of str
        Those of the experiment.
    y, scored_y : ndarray of shape (n_scans,)
        Label trained on, and label scored on with NaN where unknown.
    fold : ndarray of int of shape (n_scans,)
    score, risk : Series of shape (n_scans,)
        Of the experiment, out of fold.
    level : float
        Confidence level.
    groups : ndarray of shape (n_scored,), optional
        The patient of each scan whose label is known, if any has several.

    Returns
    -------
    dict of str to HypothesisTest
    """
    larger = table[[*variables, NETWORK]]
    known = ~np.isnan(scored_y)
    outcome = scored_y[known]
    larger_score, larger_risk = (
        predict_out_of_fold(larger, y, fold, label)[known] for label in (None, scored_y)
    )
    filled = larger.fillna(larger.median())[known]
    options = {"groups": groups, "level": level}
    moved = reclassification(outcome, risk[known].to_numpy(), larger_risk, **options)
    return {
        "likelihood ratio": likelihood_ratio_test(
            outcome, filled[[*variables]], filled, groups=groups
        ),
        "DeLong": delong_test(outcome, larger_score, score[known].to_numpy(), **options),
        "continuous NRI": moved.nri,
        "IDI": moved.idi,
    }


def tabulate_tests(added):
    """Return one row per experiment and test, p-values adjusted for the experiments."""
    rows = [
        {
            "experiment": name,
            "test": kind,
            "estimate": test.estimate,
            "low": test.interval.low if test.interval else np.nan,
            "high": test.interval.high if test.interval else np.nan,
            "statistic": test.statistic,
            "pvalue": test.pvalue,
        }
        for name, tests in added.items()
        for kind, test in tests.items()
    ]
    columns = ["experiment", "test", "estimate", "low", "high", "statistic", "pvalue"]
    table = pd.DataFrame(rows, columns=columns)
    adjusted = table.groupby("test")["pvalue"].transform(adjust_pvalues)
    return table.assign(pvalue_holm=adjusted)


def tabulate_calibration(outcome, risk, level, groups=None):
    """Return the calibration of the risks, one row per experiment.

    With `groups`, for patients with several scans, there is no Hosmer-Lemeshow test, since it
    assumes independent scans.
    """
    rows = {}
    for name, values in risk.items():
        found = calibration(outcome, values.to_numpy(), groups=groups, level=level)
        with warnings.catch_warnings():
            # Of rare fractures the lowest tenth nearly always has fewer than 5 expected, as
            # the documentation of the column says.
            warnings.filterwarnings("ignore", r".*fewer than 5 expected", RuntimeWarning)
            fit = hosmer_lemeshow(outcome, values.to_numpy(), out_of_fold=True)
        has_test = groups is None
        rows[name] = {
            "in_the_large": found.in_the_large,
            "in_the_large_low": found.in_the_large_interval.low,
            "in_the_large_high": found.in_the_large_interval.high,
            "slope": found.slope,
            "slope_low": found.slope_interval.low,
            "slope_high": found.slope_interval.high,
            "brier": found.brier,
            "scaled_brier": found.scaled_brier,
            "hosmer_lemeshow": fit.statistic if has_test else np.nan,
            "pvalue": fit.pvalue if has_test else np.nan,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("experiment")


def tabulate_net_benefit(outcome, risk, thresholds, *, level, seed, groups=None):
    """Return the decision curves of the risks and their bands, one below the other."""
    options = {"n_resamples": _N_RESAMPLES, "level": level, "random_state": seed}
    return _stack(
        {
            name: net_benefit(outcome, risk[name], thresholds, groups=groups, **options)
            for name in risk
        }
    )


def _stack(tables):
    """Put one table below the other, the experiment in the first column."""
    return (
        pd.concat(tables, names=["experiment", None])
        .reset_index("experiment")
        .reset_index(drop=True)
    )
