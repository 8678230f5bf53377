"""Fracture prediction by the network, T-scores, texture and age: the published table."""

from numbers import Integral, Real

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from skdxa._sklearn import Interval, StrOptions, validate_params
from skdxa.densitometry import FINNISH_WOMEN, ReferencePopulation
from skdxa.evaluation import (
    INTERVALS,
    CrossValidationResult,
    Folds,
    performance_table,
    threshold_at_sensitivity,
)
from skdxa.study._added_value import (
    compare_with_network,
    tabulate_calibration,
    tabulate_coefficients,
    tabulate_net_benefit,
    tabulate_tests,
)
from skdxa.study._cohort import check_cohort
from skdxa.study._fracture_models import finite_odds, predict_out_of_fold, score_on_folds
from skdxa.study._fracture_predictors import (
    NETWORK,
    check_varying,
    folds_of,
    predictors_of_repeats,
    read_labels,
    read_predictors,
)
from skdxa.validation import as_seed, has_repeated_patients

_T_SCORES = ("spine_t_score", "hip_t_score", "min_t_score")
_OSTEOPOROSIS = -2.5
# Risks at which treatment may be considered: 1 % to 10 % in 5 years.
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
    interval="stability",
    level=0.95,
    risks=None,
    n_splits=10,
    n_repeats=10,
    random_state=None,
):
    """Compare T-scores, texture, age, a network and their combinations as fracture predictors.

    The rows are those of the fracture part of Table 1 in Nissinen et al. 2021 [1]_: six
    without the network, ten with it.

    Parameters
    ----------
    cohort : Bunch
        From `make_spine_cohort` or `load_cohort`; its scans are not used. `data` has
        `age`, `bmd_L1` to `bmd_L4`, `bmd_neck`, `bmd_total_hip` (g/cm2) and the texture,
        without gaps; `target` has the two labels; `groups`, where given, the patients.
    cnn : CrossValidationResult or array-like of shape (n_scans,), optional
        Out-of-fold scores of a network for these scans, a result of
        `repeated_cross_validate` on the label `trained_on`, or one score per scan by any
        scheme in which no network has seen the patients that it scores.
    trained_on, scored_on : str, default="fracture_ever", "fracture_5y"
        Columns of `target`: the label that models are trained on, known for every scan,
        and the one that scores are judged by. Scans with NaN in the second are used for
        training alone.
    texture : str, default="tbs"
        Column of the texture, of which lower is worse.
    reference : ReferencePopulation, default=FINNISH_WOMEN
        Reference population of the T-scores.
    sensitivity : float, optional
        Sensitivity wanted of all predictors but T-scores; that of the minimum T-score at
        -2.5 if not given.
    rule : {"at_least", "nearest", "interpolated"}, default="at_least"
        How the sensitivity is matched: see `threshold_at_sensitivity`.
    interval : {"stability", "corrected", "t", "delong", "bootstrap"}, default="stability"
        Intervals of the table: see `CrossValidationResult.summary`.
    level : float, default=0.95
        Confidence level of all intervals.
    risks : array-like of shape (n_risks,), optional
        Risks from which patients would be treated, for the net benefit; 1 % to 10 % in
        steps of half a per cent if not given.
    n_splits, n_repeats : int, default=10
        Folds, and repeats with other folds. The folds of a `cnn` that is a
        CrossValidationResult take their place.
    random_state : int, RandomState instance or None, default=None
        Seeds folds and bootstrap.

    Returns
    -------
    benchmarks : :class:`~sklearn.utils.Bunch`
        With the attributes:

        table : DataFrame of shape (n_experiments, 12)
            As from `performance_table`; `format_table` returns it as text.
        thresholds : DataFrame
            One row per experiment: `threshold` (positive is ``score >= threshold``),
            `criterion` (the same in the predictor's unit and direction) and `rule`.
        coefficients : DataFrame
            Logistic models of `scored_on`, one row per variable: `experiment`, `variable`,
            `coef`, `std_err`, `z`, `pvalue`, `odds_ratio`, `low`, `high`, per standard
            deviation (column `sd`) towards the worse; `pvalue_holm` is adjusted for all
            rows.
        added : DataFrame
            What the network adds to each `experiment` (empty without it): by `test`, which
            is "likelihood ratio" (`estimate` is chi-square), "DeLong" (gain in AUC),
            "continuous NRI" or "IDI", the columns `estimate`, `low`, `high`, `statistic`,
            `pvalue`, and `pvalue_holm`, adjusted for the experiments.
        calibration : DataFrame
            Of the risks, one row per experiment: `in_the_large`, `slope`, each with `_low` and
            `_high`, `brier`, `scaled_brier`, `hosmer_lemeshow` and its `pvalue`, which is
            inaccurate where a tenth of the patients has fewer than 5 expected fractures; both
            are NaN where patients have several scans, which the test takes as independent.
        net_benefit : DataFrame
            The decision curves: `experiment` and the columns of
            :func:`~skdxa.significance.net_benefit`, with the band of 1,000 resamples of patients.
        scores, risks : DataFrame of shape (n_scans, n_experiments)
            Of the `repeat` below, higher is worse: scores for ROC curves (T-scores and
            texture negated, age, the network's score, the combined models' probability of
            `trained_on`), and risks of `scored_on`.
        results : dict of str to CrossValidationResult
            All repeats of each experiment, for displays and other intervals.
        repeat : int
            The repeat from which all attributes but `table`, `thresholds` and `results`
            come: the median one by the network's AUC, or by that of "Min T-score + TBS +
            age".
        reference : str
            Name of the reference population.

    Raises
    ------
    CohortError
        If a column is missing, or has a gap, text, one value only or a label that is not 0
        or 1, naming column and row; if `data`, `target` and `groups` do not fit together.
    ValueError
        If `cnn` is of other scans, was trained on other labels, or has a patient's scans in
        several folds; if a label has fewer scans than `n_splits`; if no scan with a fracture has a
        minimum T-score of -2.5 or below and `sensitivity` is not given; or as for
        `logistic_table`.

    Warns
    -----
    RuntimeWarning
        As for `CrossValidationResult.summary`.

    See Also
    --------
    skdxa.classification.make_stack : Network and columns in one nested model.
    skdxa.evaluation.performance_table : The table of any results.

    Notes
    -----
    *Predictors.* T-scores are the lowest of single vertebrae and of neck and total hip, for
    research only; at -2.5 they are compared by the rule of `is_osteoporotic`. Combined rows
    are logistic regressions without penalty, trained on nine folds in ten. Folds keep the
    shares of both labels jointly, and patients together. Single predictors are judged on
    the same folds without training, so that the folds affect their intervals alone.

    *Thresholds* other than a T-score's are set on the scores of all repeats that they are
    then judged by, as published, which is slightly optimistic. The sensitivity matched is
    that of all scans; the table's, a mean over folds, differs in the last digit.

    *The network as a predictor.* The model of a fold sees, of the same repeat, the scores
    that the network gave to its training scans out of their folds. No network has seen the
    scan that it scores, but those that scored the training scans have seen the scan being
    predicted. An unbiased figure for the combination comes from `make_stack` in
    `repeated_cross_validate`, which takes one more training for each inner fold.

    *Risks.* Three and a half times as many patients break a bone ever as within five
    years, and a T-score is no probability. Within the training folds, scores are therefore put on
    the scale of `scored_on` by a logistic model with one slope, and the scans of the fold
    left out get its risk. Calibration, NRI, IDI and net benefit are of these risks, and do not
    tell whether the network's probabilities themselves are calibrated.

    *P-values* are of one repeat, and of the scans whose label is known. They take the
    network's scores as given, though each was made with the labels of other patients. Intervals
    and tests take a patient's scans as correlated. How
    often the tests claim something that is not there, in simulated cohorts:
    :ref:`fracture_error_rates`.

    References
    ----------
    .. [1] T. Nissinen et al., "Detecting pathological features and predicting fracture
       risk from dual-energy X-ray absorptiometry images using deep learning", Bone
       Reports 14, 2021, 101070. https://doi.org/10.1016/j.bonr.2021.101070

    Examples
    --------
    >>> from skdxa.study import fracture_benchmarks
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
    y, scored_y = read_labels(target, trained_on, scored_on)
    predictors = read_predictors(data, texture, reference)
    seed = as_seed(random_state)
    if isinstance(cnn, CrossValidationResult):
        folds = folds_of(cnn, y, groups, trained_on)
    else:
        folds = Folds.draw(
            y,
            groups=groups,
            stratify=np.column_stack([y, scored_y]),
            n_splits=n_splits,
            n_repeats=n_repeats,
            random_state=seed,
        )
    return compare_predictors(
        folds,
        scored_y,
        predictors,
        cnn=cnn,
        index=data.index,
        labels=(trained_on, scored_on),
        texture=texture,
        sensitivity=sensitivity,
        rule=rule,
        interval=interval,
        level=level,
        risks=risks,
        seed=seed,
        reference=reference,
    )


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
