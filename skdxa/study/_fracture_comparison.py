"""Predictors and their combinations, compared on the folds of a cross-validation."""

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from skdxa.evaluation import performance_table, threshold_at_sensitivity
from skdxa.study._added_value import (
    compare_with_network,
    tabulate_calibration,
    tabulate_coefficients,
    tabulate_net_benefit,
    tabulate_tests,
)
from skdxa.study._fracture_models import finite_odds, predict_out_of_fold, score_on_folds
from skdxa.study._fracture_predictors import NETWORK, check_varying, predictors_of_repeats
from skdxa.validation import has_repeated_patients

_T_SCORES = ("spine_t_score", "hip_t_score", "min_t_score")
_OSTEOPOROSIS = -2.5
# Risks at which treatment may be considered: 1 % to 10 % in 5 years.
_RISKS = np.arange(2, 21) / 200


def compare_predictors(
    folds,
    scored_y,
    predictors,
    *,
    cnn,
    index,
    labels,
    texture,
    sensitivity,
    rule,
    interval,
    level,
    risks,
    seed,
    reference,
    network_threshold=None,
):
    """Compare predictors and their combinations on the folds of a cross-validation.

    Parameters
    ----------
    folds : Folds
        With the labels trained on.
    scored_y : ndarray of shape (n_scans,)
        Label scored on, NaN where unknown.
    predictors : DataFrame of shape (n_scans, n_variables)
        As `read_predictors` returns them, or some of its columns. Gaps are filled by the
        medians of the training folds, and in models of all scans by the median of all.
    cnn : CrossValidationResult, array-like of shape (n_scans,) or None
    index : Index
        Of the cohort's data.
    labels : tuple of str
        Names of the labels trained on and scored on.
    texture, sensitivity, rule, interval, level, risks, reference
        As in `fracture_benchmarks`.
    seed : int
        Seeds the bootstrap.
    network_threshold : float or None, default=None
        Threshold of the network alone; None matches the sensitivity.

    Returns
    -------
    benchmarks : Bunch
        As of `fracture_benchmarks`.
    """
    y = folds.y
    # One table per repeat, since the network's scores differ.
    tables = predictors_of_repeats(predictors, cnn, index, folds.n_repeats)
    known = ~np.isnan(scored_y)
    check_varying(tables, known)
    experiments = _experiments(texture, available={*tables[0]})
    results = {
        name: score_on_folds(folds, tables, variables) for name, variables in experiments.items()
    }
    if sensitivity is None:
        sensitivity = _sensitivity_of_min_t(scored_y, predictors["min_t_score"], labels[1])
    thresholds = _thresholds(
        results,
        experiments,
        scored_y,
        sensitivity=sensitivity,
        rule=rule,
        trained_on=labels[0],
        network_threshold=network_threshold,
    )
    deciding = "Deep learning" if cnn is not None else list(experiments)[-1]
    repeat = results[deciding].median_repeat(scored_y)
    table, fold = tables[repeat], folds.fold_of[repeat]
    scores = pd.DataFrame({name: of.repeat_scores(repeat) for name, of in results.items()})
    risk = pd.DataFrame(
        {
            name: predict_out_of_fold(table[[*variables]], y, fold, scored_y)
            for name, variables in experiments.items()
        }
    )
    risk = finite_odds(risk)
    outcome = scored_y[known]
    repeated = has_repeated_patients(folds.groups)
    patients = folds.groups[known] if repeated else None
    added = {
        name: compare_with_network(
            table, variables, y, scored_y, fold, scores[name], risk[name], level, patients
        )
        for name, variables in experiments.items()
        if cnn is not None and _is_extended(variables)
    }
    filled = table.fillna(table.median())
    return Bunch(
        table=performance_table(
            results,
            y=scored_y,
            threshold=thresholds["threshold"].to_dict(),
            interval=interval,
            level=level,
            random_state=seed,
        ),
        thresholds=thresholds,
        coefficients=tabulate_coefficients(outcome, filled[known], experiments, level, patients),
        added=tabulate_tests(added),
        calibration=tabulate_calibration(outcome, risk[known], level, patients),
        net_benefit=tabulate_net_benefit(
            outcome,
            risk[known],
            _RISKS if risks is None else risks,
            level=level,
            seed=seed,
            groups=patients,
        ),
        scores=scores.set_index(index),
        risks=risk.set_index(index),
        results=results,
        repeat=repeat,
        reference=reference.name,
    )


def experiment_names(texture):
    """Return the names of all experiments, the network's among them."""
    variables = {"spine_t_score", "hip_t_score", "min_t_score", "age", texture, NETWORK}
    return [*_experiments(texture, available=variables)]


def _experiments(texture, *, available):
    """Return the variables of each experiment, in the order of the table."""
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
    return {name: variables for name, variables in rows.items() if available.issuperset(variables)}


def _is_extended(variables):
    """Return whether the network is added to an experiment: not to itself, the hip or age."""
    return NETWORK not in variables and variables not in (("hip_t_score",), ("age",))


def _sensitivity_of_min_t(scored_y, min_t, scored_on):
    found = np.mean(min_t[scored_y == 1].dropna() >= -_OSTEOPOROSIS)
    if found == 0:
        raise ValueError(
            f"no scan with {scored_on!r} has a minimum T-score of {_OSTEOPOROSIS} or below, so "
            "that there is no sensitivity to match: give sensitivity."
        )
    return float(found)


def _thresholds(
    results, experiments, scored_y, *, sensitivity, rule, trained_on, network_threshold
):
    """Return the threshold of each experiment, the same in words, and its rule."""
    known = ~np.isnan(scored_y)
    rows = {}
    for name, variables in experiments.items():
        first, *others = variables
        if not others and first in _T_SCORES:
            rows[name] = -_OSTEOPOROSIS, f"T-score <= {_OSTEOPOROSIS}", "osteoporosis"
            continue
        if variables == (NETWORK,) and network_threshold is not None:
            rows[name] = network_threshold, f"score >= {network_threshold:.4g}", "fixed"
            continue
        result = results[name]
        score = [result.repeat_scores(repeat)[known] for repeat in range(result.n_repeats)]
        labels = np.tile(scored_y[known], len(score))
        threshold = threshold_at_sensitivity(labels, np.concatenate(score), sensitivity, rule=rule)
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
