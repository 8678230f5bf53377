"""Fracture prediction by the network, T-scores, texture and age: the published table."""

from numbers import Integral, Real

import numpy as np

from skdxa._sklearn import Interval, StrOptions, validate_params
from skdxa.densitometry import FINNISH_WOMEN, ReferencePopulation
from skdxa.evaluation import INTERVALS, CrossValidationResult, Folds
from skdxa.study._cohort import check_cohort
from skdxa.study._fracture_comparison import compare_predictors
from skdxa.study._fracture_predictors import folds_of, read_labels, read_predictors
from skdxa.validation import as_seed


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
        and the one that scores are evaluated by. Scans with NaN in the second are used for
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
    shares of both labels jointly, and patients together. Single predictors are evaluated on
    the same folds without training, so that the folds affect their intervals alone.

    *Thresholds* other than a T-score's are set on the scores of all repeats that they are
    then evaluated by, as published, which is slightly optimistic. The sensitivity matched is
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
