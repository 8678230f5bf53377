"""Fracture prediction beside T-score, texture and age: the published table from one call."""

import warnings
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.utils import Bunch

from skdxa._sklearn import Interval, StrOptions, validate_params
from skdxa.densitometry import FINNISH_WOMEN, ReferencePopulation
from skdxa.evaluation._cross_validate import _seed
from skdxa.evaluation._fracture_cohort import (
    NETWORK,
    check_cohort,
    check_varying,
    folds_of,
    new_folds,
    read_labels,
    read_predictors,
    with_network,
)
from skdxa.evaluation._metrics import threshold_at_sensitivity
from skdxa.evaluation._result import INTERVALS, CrossValidationResult
from skdxa.evaluation._tables import performance_table
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

_T_SCORES = ("spine_t_score", "hip_t_score", "min_t_score")
_OSTEOPOROSIS = -2.5
# Risks at which one may think of treating: 1 % to 10 % in 5 years.
_RISKS = np.arange(2, 21) / 200


@validate_params(
    {
        "cohort": [dict],
        "cnn": [CrossValidationResult, "array-like", None],
        "trained_on": [str],
        "scored_on": [str],
        "texture": [str],
        "reference": [ReferencePopulation],
        "sensitivity": [Interval(Real, 0, 1, closed="right"), None],
        "rule": [StrOptions({"at_least", "nearest", "interpolated"})],
        "interval": [StrOptions(set(INTERVALS))],
        "level": [Interval(Real, 0, 1, closed="neither")],
        "risks": ["array-like", None],
        "n_splits": [Interval(Integral, 2, None, closed="left")],
        "n_repeats": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def fracture_benchmarks(
    cohort,
    *,
    cnn=None,
    trained_on="fracture_ever",
    scored_on="fracture_5y",
    texture="tbs",
    reference=FINNISH_WOMEN,
    sensitivity=None,
    rule="at_least",
    interval="corrected",
    level=0.95,
    risks=None,
    n_splits=10,
    n_repeats=10,
    random_state=None,
):
    """Compare predictors of fractures: T-scores, texture, age, the network, and together.

    The rows are those of the fracture part of Table 1 in Nissinen et al. 2021 [1]_: six
    without the network, ten with it.

    Parameters
    ----------
    cohort : Bunch
        From `make_spine_cohort` or `load_cohort`; the scans are not looked at. `data` has
        `age`, `bmd_L1` to `bmd_L4`, `bmd_neck`, `bmd_total_hip` (g/cm2) and the texture,
        without gaps; `target` has the two labels; `groups`, where given, the patients.
    cnn : CrossValidationResult or array-like of shape (n_scans,), optional
        Out-of-fold scores of a network for these scans, a result of
        `repeated_cross_validate` on the label `trained_on`, or one score a scan by any
        scheme in which no network has seen the patients that it scores.
    trained_on, scored_on : str, default="fracture_ever", "fracture_5y"
        Columns of `target`: the label that models are trained on, known for every scan,
        and the one that everything is judged by. Scans with NaN in the second are trained
        on, but not judged by.
    texture : str, default="tbs"
        Column of the texture, of which lower is worse.
    reference : ReferencePopulation, default=FINNISH_WOMEN
        Of the T-scores.
    sensitivity : float, optional
        Sensitivity wanted of all predictors but T-scores; that of the minimum T-score at
        -2.5 if not given.
    rule : {"at_least", "nearest", "interpolated"}, default="at_least"
        How it is matched: see `threshold_at_sensitivity`.
    interval : {"corrected", "t", "delong", "bootstrap"}, default="corrected"
        Intervals of the table: see `CrossValidationResult.summary`.
    level : float, default=0.95
        Confidence level of all intervals.
    risks : array-like of shape (n_risks,), optional
        Risks from which one would treat, for the net benefit; 1 % to 10 % in steps of half
        a per cent if not given.
    n_splits, n_repeats : int, default=10
        Folds, and repeats with other folds. A `cnn` that is a CrossValidationResult brings
        its own.
    random_state : int, RandomState instance or None, default=None
        Seeds folds and bootstrap.

    Returns
    -------
    benchmarks : :class:`~sklearn.utils.Bunch`
        With the attributes:

        table : DataFrame of shape (n_experiments, 12)
            As from `performance_table`; `format_table` prints it.
        thresholds : DataFrame
            A row an experiment: `threshold` (positive is ``score >= threshold``),
            `criterion` (the same in the predictor's own unit and direction) and `rule`.
        coefficients : DataFrame
            Logistic models of `scored_on`, a row a variable: `experiment`, `variable`,
            `coef`, `std_err`, `z`, `pvalue`, `odds_ratio`, `low`, `high`, per standard
            deviation (column `sd`) towards the worse; `pvalue_holm` is adjusted for all
            rows.
        added : DataFrame
            What the network adds to each `experiment` (empty without it): by `test`, which
            is "likelihood ratio" (`estimate` is chi-square), "DeLong" (gain in AUC),
            "continuous NRI" or "IDI", the columns `estimate`, `low`, `high`, `statistic`,
            `pvalue`, and `pvalue_holm`, adjusted for the experiments.
        calibration : DataFrame
            Of the risks, a row an experiment: `in_the_large`, `slope`, each with `_low` and
            `_high`, `brier`, `scaled_brier`, `hosmer_lemeshow` and its `pvalue`.
        net_benefit : DataFrame
            The decision curves: `experiment` and the columns of
            :func:`~skdxa.significance.net_benefit`.
        scores, risks : DataFrame of shape (n_scans, n_experiments)
            Of the repeat below, higher is worse: scores for ROC curves (T-scores and
            texture negated, age, the network's score, the combined models' probability of
            `trained_on`), and risks of `scored_on`.
        results : dict of str to CrossValidationResult
            All repeats of each experiment, for displays and other intervals.
        repeat : int
            The repeat that everything but `table` and `thresholds` comes from: the median
            one by the network's AUC, or by that of "Min T-score + TBS + age".
        reference : str
            Name of the reference population.

    Raises
    ------
    CohortError
        If a column is missing, or has a gap, text, one value only or a label that is not 0
        or 1, naming column and row; if `data`, `target` and `groups` don't fit together.
    ValueError
        If `cnn` is of other scans, trained on other labels, or has torn a patient's scans
        apart; if a label has fewer scans than `n_splits`; if nobody with a fracture has a
        minimum T-score of -2.5 or below and `sensitivity` is not given; or as for
        `logistic_table`.

    Warns
    -----
    RuntimeWarning
        If patients have several scans, which all tests take for independent; or as for
        `CrossValidationResult.summary`.

    See Also
    --------
    skdxa.classification.make_stack : Network and columns in one nested model.
    performance_table : The table of any results.

    Notes
    -----
    *Predictors.* T-scores are the lowest of single vertebrae and of neck and total hip, for
    research only; at -2.5 they are compared by the rule of `is_osteoporotic`. Combined rows
    are logistic regressions without penalty, trained on nine folds in ten. Folds keep the
    shares of both labels jointly, and patients together. Single predictors are judged on
    the same folds as they are, so that folds matter to their intervals alone.

    *Thresholds* other than a T-score's are set on the scores of all repeats that they are
    then judged by, as published, which flatters a little. The sensitivity matched is that
    of all scans; the table's, a mean over folds, differs in the last digit.

    *The network as a predictor.* The model of a fold sees, of the same repeat, the scores
    that the network gave to its training scans out of their folds. No network has seen the
    scan that it scores, but those that scored the training scans have seen the scan being
    predicted. An honest figure for the combination as a product comes from
    `make_stack` in `repeated_cross_validate`, which costs as many trainings again
    as it has inner folds.

    *Risks.* Three and a half times as many break a bone ever as within five years, and a
    T-score is no probability at all. Within the training folds, scores are therefore put on
    the scale of `scored_on` by a logistic model with one slope, and the scans of the fold
    left out get its risk. Calibration, NRI, IDI and net benefit are of these risks, and so
    say nothing of how far the network's own probabilities can be believed.

    *P-values* are of one repeat, and of the scans whose label is known. They take the
    network's scores for given, though each was made with the labels of the others. In 200
    simulated cohorts of 2,949 with nothing to learn, p < 0.05 spoke for the network by
    DeLong's test in at most 2 %, by the likelihood ratio in 7 to 8 % (either way), by the NRI
    in 5 to 10 % and by the IDI in 3 to 5 %; with a classifier trained on `scored_on` itself,
    in 3 to 6, 15 to 16, 14 to 16 and 12 to 14 %.

    References
    ----------
    .. [1] T. Nissinen et al., "Detecting pathological features and predicting fracture
       risk from dual-energy X-ray absorptiometry images using deep learning", Bone
       Reports 14, 2021, 101070. https://doi.org/10.1016/j.bonr.2021.101070

    Examples
    --------
    >>> from skdxa.evaluation import fracture_benchmarks
    >>> from skdxa.simulation import make_spine_cohort
    >>> cohort = make_spine_cohort(300, random_state=0)
    >>> benchmarks = fracture_benchmarks(cohort, n_splits=5, n_repeats=2, random_state=0)
    >>> benchmarks.table.index.tolist()[:2]
    ['Spine T-score (min L1-L4)', 'Hip T-score (min neck/total)']
    >>> benchmarks.thresholds["criterion"].iloc[0]
    'T-score <= -2.5'
    >>> benchmarks.reference
    'Finnish women (Kröger et al. 1992)'
    """
    data, target, groups = check_cohort(cohort)
    y, later = read_labels(target, trained_on, scored_on)
    predictors = read_predictors(data, texture, reference)
    seed = _seed(random_state, None)
    if isinstance(cnn, CrossValidationResult):
        folds = folds_of(cnn, y, groups, trained_on)
    else:
        folds = new_folds(y, later, groups, n_splits, n_repeats, seed)
    # One table a repeat, for the network's scores differ.
    tables = with_network(predictors, cnn, data.index, folds.n_repeats)
    known = ~np.isnan(later)
    check_varying(tables, known)
    if groups is not None and len(np.unique(groups)) < len(groups):
        warnings.warn(
            "the tests take a patient's several scans for independent, and their p-values are "
            "too low: keep one scan a patient for them",
            RuntimeWarning,
            stacklevel=3,
        )
    experiments = _experiments(texture, with_network=cnn is not None)
    results = {
        name: _cross_validated(folds, tables, variables) for name, variables in experiments.items()
    }
    if sensitivity is None:
        sensitivity = _sensitivity_of_min_t(later, predictors["min_t_score"], scored_on)
    thresholds = _thresholds(
        results, experiments, later, sensitivity=sensitivity, rule=rule, trained_on=trained_on
    )
    deciding = "Deep learning" if cnn is not None else list(experiments)[-1]
    repeat = results[deciding].median_repeat(later)
    table, fold = tables[repeat], folds._fold[repeat]
    scores = pd.DataFrame({name: of.repeat_scores(repeat) for name, of in results.items()})
    risk = pd.DataFrame(
        {
            name: _out_of_fold(table[[*variables]], y, fold, later)
            for name, variables in experiments.items()
        }
    )
    judged, outcome = table[known], later[known]
    curves = {
        name: net_benefit(outcome, risk[name][known], _RISKS if risks is None else risks)
        for name in experiments
    }
    added = {
        name: _tests(table, variables, y, later, fold, scores[name], risk[name], level)
        for name, variables in experiments.items()
        if cnn is not None and _is_extended(variables)
    }
    return Bunch(
        table=performance_table(
            results,
            y=later,
            threshold=thresholds["threshold"].to_dict(),
            interval=interval,
            level=level,
            random_state=seed,
        ),
        thresholds=thresholds,
        coefficients=_coefficients(outcome, judged, experiments, level),
        added=_tabulate_tests(added),
        calibration=_calibrations(outcome, risk[known], level),
        net_benefit=_stack(curves),
        scores=scores.set_index(data.index),
        risks=risk.set_index(data.index),
        results=results,
        repeat=repeat,
        reference=reference.name,
    )


def _experiments(texture, *, with_network):
    """Variables of each row of the table, in its order."""
    alone, short = ("TBS (avg L1-L4)", "TBS") if texture == "tbs" else (texture, texture)
    rows = {
        "Deep learning": (NETWORK,),
        "Spine T-score (min L1-L4)": ("spine_t_score",),
        "Hip T-score (min neck/total)": ("hip_t_score",),
        "Min T-score (min spine/hip)": ("min_t_score",),
        "Age": ("age",),
        alone: (texture,),
        f"Min T-score + {short} + age": ("min_t_score", texture, "age"),
        "Spine T-score + deep learning": ("spine_t_score", NETWORK),
        "Min T-score + deep learning": ("min_t_score", NETWORK),
        f"Deep learning + {short}": (NETWORK, texture),
    }
    return {
        name: variables
        for name, variables in rows.items()
        if with_network or NETWORK not in variables
    }


def _is_extended(variables):
    """Tell whether the network is added to a row: not to itself, the hip or age."""
    return NETWORK not in variables and variables not in (("hip_t_score",), ("age",))


def _cross_validated(folds, tables, variables):
    """Give a row's scores of all repeats: a single predictor as it is, a model out of fold."""
    if len(variables) == 1:
        score = np.array([table[variables[0]] for table in tables])
    else:
        score = np.array(
            [
                _out_of_fold(table[[*variables]], folds.y, fold)
                for table, fold in zip(tables, folds._fold, strict=True)
            ]
        )
    at = folds.scores["repeat"], folds.scores["row"]
    method = "decision_function" if len(variables) == 1 else "predict_proba"
    return replace(folds, scores=folds.scores.assign(score=score[at]), response_method=method)


def _out_of_fold(table, y, fold, later=None):
    """Predict each fold by a logistic model of the others.

    Parameters
    ----------
    table : DataFrame of shape (n_scans, n_variables)
    y : ndarray of shape (n_scans,)
        Label trained on.
    fold : ndarray of int of shape (n_scans,)
    later : ndarray of shape (n_scans,), optional
        Label, NaN where unknown, on whose scale the risks are put, in the same folds.

    Returns
    -------
    ndarray of shape (n_scans,)
        Probability of `y`; risk of `later` if given.
    """
    columns = table.to_numpy()
    # Without a penalty the scale does not matter to the model, but it does to its search.
    columns = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    predicted = np.empty(len(y))
    for test in (fold == number for number in np.unique(fold)):
        log_odds = columns[:, 0]
        if columns.shape[1] > 1:
            log_odds = _fitted(columns[~test], y[~test]).decision_function(columns)
        if later is not None:
            rows = ~test & ~np.isnan(later)
            scale = _fitted(log_odds[rows, np.newaxis], later[rows])
            log_odds = scale.decision_function(log_odds[:, np.newaxis])
        predicted[test] = expit(log_odds[test])
    return predicted


def _fitted(columns, y):
    return LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-8).fit(columns, y)


def _sensitivity_of_min_t(later, min_t, scored_on):
    found = np.mean(min_t[later == 1] >= -_OSTEOPOROSIS)
    if found == 0:
        raise ValueError(
            f"no scan with {scored_on!r} has a minimum T-score of {_OSTEOPOROSIS} or below, so "
            "that there is no sensitivity to match: give sensitivity"
        )
    return float(found)


def _thresholds(results, experiments, later, *, sensitivity, rule, trained_on):
    """Threshold of each row, the same in words, and why it is there."""
    known = ~np.isnan(later)
    rows = {}
    for name, variables in experiments.items():
        first, *others = variables
        if not others and first in _T_SCORES:
            rows[name] = -_OSTEOPOROSIS, f"T-score <= {_OSTEOPOROSIS}", "osteoporosis"
            continue
        result = results[name]
        score = result._score[:, known]
        labels = np.tile(later[known], len(score))
        threshold = threshold_at_sensitivity(labels, score.ravel(), sensitivity, rule=rule)
        if others:
            criterion = f"probability of {trained_on} >= {threshold:.3g}"
        elif first in ("age", NETWORK):
            criterion = f"{'age' if first == 'age' else 'score'} >= {threshold:.4g}"
        else:
            criterion = f"{first} <= {-threshold:.4g}"
        matched = rule.replace("_", " ")
        rows[name] = threshold, criterion, f"sensitivity {matched} {sensitivity:.3f}"
    return pd.DataFrame.from_dict(
        rows, orient="index", columns=["threshold", "criterion", "rule"]
    ).rename_axis("experiment")


def _coefficients(outcome, judged, experiments, level):
    spread = judged.std(ddof=0)
    models = {
        name: logistic_table(outcome, judged[[*variables]] / spread[[*variables]], level=level)
        .drop(index="const")
        .rename_axis("variable")
        .reset_index()
        for name, variables in experiments.items()
    }
    table = _stack(models)
    table["sd"] = table["variable"].map(spread)
    return table.assign(pvalue_holm=adjust_pvalues(table["pvalue"]))


def _tests(table, variables, y, later, fold, score, risk, level):
    """Test a row against the same with the network."""
    larger = table[[*variables, NETWORK]]
    known = ~np.isnan(later)
    outcome = later[known]
    its_score, its_risk = (_out_of_fold(larger, y, fold, label)[known] for label in (None, later))
    moved = reclassification(outcome, risk[known].to_numpy(), its_risk, level=level)
    return {
        "likelihood ratio": likelihood_ratio_test(
            outcome, table.loc[known, [*variables]], larger[known]
        ),
        "DeLong": delong_test(outcome, its_score, score[known].to_numpy(), level=level),
        "continuous NRI": moved.nri,
        "IDI": moved.idi,
    }


def _tabulate_tests(added):
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


def _calibrations(outcome, risk, level):
    rows = {}
    for name, values in risk.items():
        found = calibration(outcome, values.to_numpy(), level=level)
        fit = hosmer_lemeshow(outcome, values.to_numpy(), out_of_fold=True)
        rows[name] = {
            "in_the_large": found.in_the_large,
            "in_the_large_low": found.in_the_large_interval.low,
            "in_the_large_high": found.in_the_large_interval.high,
            "slope": found.slope,
            "slope_low": found.slope_interval.low,
            "slope_high": found.slope_interval.high,
            "brier": found.brier,
            "scaled_brier": found.scaled_brier,
            "hosmer_lemeshow": fit.statistic,
            "pvalue": fit.pvalue,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("experiment")


def _stack(tables):
    """One table under the other, the experiment in the first column."""
    return (
        pd.concat(tables, names=["experiment", None])
        .reset_index("experiment")
        .reset_index(drop=True)
    )
