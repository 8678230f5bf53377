"""Test whether a model adds anything to clinical columns, by labels redrawn from these alone."""

import sys
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import effective_n_jobs
from scipy.special import expit, logit
from tqdm import tqdm

from skdxa._sklearn import Interval, validate_params
from skdxa.evaluation._checkpoint import Checkpoint, describe_run, described_once
from skdxa.evaluation._cross_validate import FITTING, repeated_cross_validate, seed_of_run
from skdxa.evaluation._folds import DRAWING, Folds
from skdxa.evaluation._result import CrossValidationResult
from skdxa.evaluation._stability import cells_of
from skdxa.significance import logistic_table
from skdxa.validation import check_aligned, fill_masked, has_repeated_patients, patient_codes

_METHOD = "labels redrawn from the clinical risk"
# Probabilities of 0 and 1, as of a saturated network, have no log odds.
_SMALLEST = 1e-6
# Deviations from the fold mean below this share of a score are rounding errors, and so is the part
# that the clinical columns do not explain below this share of the variance of the score.
_ROUNDING = 1e-10


@dataclass(frozen=True, eq=False)
class AddedValueTest:
    """The gain of a model over clinical columns, and the gains without information in it.

    Attributes
    ----------
    estimate : float
        Gain in AUC: that of a logistic model of the clinical columns and the model's
        out-of-fold score, minus that of the clinical columns, both fitted to all scans.
    statistic : float
        Signed root of the likelihood ratio of the score added to the clinical columns; negative
        if a higher score goes with a lower risk.
    pvalue : float
        Share of the redrawn labels, with the true ones, whose statistic is at least as large.
    interval : None
        There is none.
    method : str
        Name of the test.
    null : pandas.DataFrame of shape (n_draws, 2)
        `statistic` and `estimate` of each draw of labels.
    result : CrossValidationResult
        The cross-validation with the true labels.
    n_trainings : int
        Trainings that the test took.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdxa.evaluation import added_value_test
    >>> rng = np.random.default_rng(1)
    >>> age, scan = rng.normal(size=(90, 1)), rng.normal(size=(90, 4))  # simulated
    >>> y = (rng.random(90) < 1 / (1 + np.exp(1 - age[:, 0]))).astype(int)
    >>> test = added_value_test(
    ...     LogisticRegression(), scan, y, age, n_draws=19, n_splits=3, random_state=0,
    ...     progress=False,
    ... )
    >>> test.null.shape, test.result.n_repeats
    ((19, 2), 1)
    """

    estimate: float
    statistic: float
    pvalue: float
    interval: None
    method: str
    null: pd.DataFrame
    result: CrossValidationResult
    n_trainings: int


@validate_params(
    {
        **DRAWING,
        **FITTING,
        "clinical": ["array-like"],
        "n_draws": [Interval(Integral, 1, None, closed="left")],
        "n_exceeding": [Interval(Integral, 1, None, closed="left"), None],
    },
    prefer_skip_nested_validation=True,
)
def added_value_test(
    estimator,
    X,
    y,
    clinical,
    *,
    groups=None,
    n_draws=99,
    n_exceeding=None,
    n_splits=10,
    n_repeats=1,
    random_state=None,
    n_jobs=None,
    checkpoint=None,
    params=None,
    progress=True,
):
    """Test whether a model adds anything to clinical columns, with retrained models.

    The estimator is cross-validated, and its out-of-fold score is added to a logistic model of
    the clinical columns. The gain is compared with the gains of the same procedure, trainings
    included, for labels that are drawn at random from the risk that the clinical columns give:
    with these, a scan has no information beyond the clinical columns. It costs
    ``(n_draws + 1) * n_splits * n_repeats`` trainings; how many, and how long they take, is
    written to the standard error stream before the draws start.

    Parameters
    ----------
    estimator : classifier or Pipeline
        As for `repeated_cross_validate`.
    X : array-like, list or DataFrame of shape (n_scans, ...)
        Scans or a table, one row per scan.
    y : array-like of shape (n_scans,)
        Two labels of any type; the second, sorted, is positive.
    clinical : DataFrame or array-like of shape (n_scans, n_columns)
        Clinical columns: numbers, without gaps. See the Notes on curved effects.
    groups : array-like of shape (n_scans,), optional
        The patient of each scan, where patients have several.
    n_draws : int, default=99
        Draws of labels. The smallest p-value possible is ``1 / (n_draws + 1)``.
    n_exceeding : int, optional
        Stop as soon as this many draws have a statistic as large as the true labels', 10 for
        example: without a gain that is after about 20 draws. All draws are made by default.
    n_splits, n_repeats : int, default=10, 1
        Folds and repeats of each cross-validation. The scores of several repeats are averaged.
    random_state : int, RandomState instance or None, default=None
        Seeds labels, folds and fits. None draws a seed, or uses that of the checkpoint if
        there is one.
    n_jobs : int, optional
        Splits in parallel, within one cross-validation.
    checkpoint : str or path-like, optional
        Folder for finished splits, with one folder in it per draw. Called again with the same
        arguments, the function resumes where it was killed; `n_draws` may be raised.
    params : dict, optional
        Passed to `fit`, as by `repeated_cross_validate`.
    progress : bool, default=True
        Write the number of trainings and their duration to the standard error stream, and show a
        progress bar.

    Returns
    -------
    AddedValueTest
        Gain, statistic, one-sided p-value, and the gains of the draws.

    Raises
    ------
    ValueError
        If a class has fewer scans or patients than `n_splits`; if a clinical column has gaps or
        text, is constant, depends on others, or separates the classes; or as for
        `repeated_cross_validate`. An error in a draw names the draw.
    CheckpointError
        As for `repeated_cross_validate`.

    See Also
    --------
    compare : Whether two cross-validated models differ, without further trainings.
    skdxa.significance.likelihood_ratio_test : The same gain with the score regarded as given.

    Notes
    -----
    *What is tested.* The hypothesis is that the risk depends on the clinical columns alone, by
    the logistic model that is fitted to them, whatever the scan shows of these columns. The
    likelihood ratio of an out-of-fold score does not have its usual distribution: each score was
    made with the labels of the other scans, so that a test that regards scores as given finds an
    added value too often. Here the scores are recomputed for each draw of labels, and the
    findings are counted. How often the test claims a gain without and with one, in simulated
    cohorts: :ref:`added_value_by_redrawing`.

    *Curved effects.* If age has a curved effect and enters linearly, a model that can estimate the
    age from the scan adds the curvature. That is a gain over the logistic model, but not one
    that needs a scan: add splines, squares or products as further columns.

    *Labels.* Each draw has as many positive labels as the true ones, in expectation with the
    fitted risks; with patients of one scan each, exactly as many. Scans of a patient whose
    labels are always equal get equal labels. If they are not, scans of a patient get their
    labels from a common random number as often as reproduces the number of pairs of positive
    scans of one patient.

    *Scores.* Probabilities are converted to log odds, and scores are centred within each
    fold, since models differ in level. The test is one-sided: the score must raise the risk.
    With `n_exceeding`, the p-value is that of Besag and Clifford [2]_.

    References
    ----------
    .. [1] Davison AC, Hinkley DV. Bootstrap methods and their application. Cambridge University
       Press, 1997, section 4.2.
    .. [2] Besag J, Clifford P. Sequential Monte Carlo p-values. Biometrika 78, 301-304 (1991).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdxa.evaluation import added_value_test
    >>> rng = np.random.default_rng(0)
    >>> age, scan = rng.normal(size=(120, 1)), rng.normal(size=(120, 4))  # simulated
    >>> y = (rng.random(120) < 1 / (1 + np.exp(1 - age[:, 0] - scan[:, 0]))).astype(int)
    >>> test = added_value_test(
    ...     LogisticRegression(), scan, y, age, n_draws=19, n_splits=5, random_state=0,
    ...     progress=False,
    ... )
    >>> test.pvalue
    0.05
    >>> test.n_trainings
    100
    """
    check_aligned(X=X, y=y, clinical=clinical, groups=groups)
    seed = seed_of_run(random_state, checkpoint)
    folds = Folds.draw(y, groups=groups, n_splits=n_splits, n_repeats=1, random_state=seed)
    y, groups, classes = folds.y, folds.groups, folds.classes
    positive = y == classes[1]
    patient = patient_codes(groups) if has_repeated_patients(groups) else None
    columns = clinical_columns(clinical)
    redrawn = RedrawnLabels(clinical_risk(positive, columns), positive, patient, n_splits)
    described = None
    if checkpoint is not None:
        settings = {"test": _METHOD, "n_splits": n_splits, "n_repeats": n_repeats}
        described = describe_run(
            estimator,
            X,
            settings | {"random_state": seed},
            {"y": y, "groups": groups, "clinical": columns.to_numpy()},
            params,
            folds.fold_of,
        )
        # Raises an error for the folder of another run.
        Checkpoint(checkpoint, described)
    n_each = n_splits * n_repeats

    def say(text):
        if progress:
            tqdm.write(text, file=sys.stderr)

    def cross_validate(labels, number):
        name = f"draw-{number:04d}" if number else "true-labels"
        fitted = repeated_cross_validate(
            estimator,
            X,
            classes[labels.astype(int)],
            groups=groups,
            n_splits=n_splits,
            n_repeats=n_repeats,
            random_state=_seed_of(seed, number),
            n_jobs=n_jobs,
            checkpoint=None if checkpoint is None else Path(checkpoint) / name,
            params=params,
            progress=False,
        )
        bar.update(n_each)
        return fitted, gain_of(labels, columns, centred_score(fitted), patient)

    say(
        f"{n_draws} draws of labels and the true ones, {n_splits} folds x {n_repeats}: "
        f"{(n_draws + 1) * n_each:,} trainings."
    )
    bar = tqdm(desc="added value", total=(n_draws + 1) * n_each, unit="fit", disable=not progress)
    with described_once(estimator, described), bar:
        result, (statistic, estimate) = cross_validate(positive, 0)
        seconds = result.folds[["fit_time", "score_time"]].to_numpy().sum()
        seconds *= n_draws / min(effective_n_jobs(n_jobs), n_each)
        say(f"The {n_draws * n_each:,} trainings of the draws take about {_duration(seconds)}.")
        gains = []
        for number in range(1, n_draws + 1):
            rng = np.random.default_rng(_seed_of(seed, number, "labels"))
            labels = redrawn.draw(rng)
            try:
                gains.append(cross_validate(labels, number)[1])
            except ValueError as error:
                raise ValueError(f"draw {number} of labels: {str(error).rstrip('.')}.") from error
            if sum(gain[0] >= statistic for gain in gains) == n_exceeding:
                break
    null = pd.DataFrame(gains, columns=["statistic", "estimate"])
    n_as_large = int(np.sum(null["statistic"] >= statistic))
    if n_as_large == n_exceeding:
        pvalue = n_as_large / len(null)
    else:
        pvalue = (1 + n_as_large) / (1 + len(null))
    return AddedValueTest(
        estimate,
        statistic,
        float(pvalue),
        None,
        _METHOD,
        null,
        result,
        (len(null) + 1) * n_each,
    )


def clinical_columns(clinical):
    """Return clinical columns as a table with text names."""
    if isinstance(clinical, pd.Series):
        clinical = clinical.to_frame()
    if isinstance(clinical, pd.DataFrame):
        return clinical.rename(columns=str).reset_index(drop=True)
    clinical = np.asarray(fill_masked(clinical))
    clinical = clinical[:, np.newaxis] if clinical.ndim == 1 else clinical
    return pd.DataFrame(clinical).rename(columns=lambda number: f"column {number}")


def clinical_risk(positive, columns):
    """Return the risk by a logistic model of the clinical columns, (n_scans,).

    Its sum is the number of positive scans.
    """
    coef = logistic_table(positive.astype(int), columns)["coef"].to_numpy()
    return expit(coef[0] + columns.to_numpy(float) @ coef[1:])


class RedrawnLabels:
    """Labels that are drawn at random from the risks.

    Draws are discarded that have another number of positive labels than the true ones or, where
    patients have several scans, too few patients of a class for the folds.

    Parameters
    ----------
    risk : ndarray of shape (n_scans,)
    positive : ndarray of bool of shape (n_scans,)
        The true labels.
    patient : ndarray of int of shape (n_scans,) or None
        Number of each scan's patient, if any has several.
    n_splits : int
        Folds.
    """

    def __init__(self, risk, positive, patient, n_splits):
        self._risk, self._n_positive, self._patient = risk, positive.sum(), patient
        self._n_splits, self._in_common = n_splits, 1.0
        if patient is None:
            return
        n_scans, n_positive = np.bincount(patient), np.bincount(patient, positive)
        if ((n_positive == 0) | (n_positive == n_scans)).all():
            self._risk = (np.bincount(patient, risk) / n_scans)[patient]
        else:
            # Both scans of a pair depend on the patient's random number.
            self._in_common = np.sqrt(_share_of_pairs(risk, positive, patient))

    def draw(self, rng):
        """Draw labels, ndarray of bool of shape (n_scans,), by a NumPy generator."""
        while True:
            drawn = self._chance(rng) < self._risk
            if self._is_usable(drawn):
                return drawn

    def _chance(self, rng):
        if self._patient is None:
            return rng.random(self._risk.size)
        chance = rng.random(self._patient.max() + 1)[self._patient]
        if self._in_common == 1:
            return chance
        shares = rng.random(chance.size) < self._in_common
        return np.where(shares, chance, rng.random(chance.size))

    def _is_usable(self, drawn):
        if self._patient is None:
            return drawn.sum() == self._n_positive
        n_patients = [np.unique(self._patient[drawn == label]).size for label in (False, True)]
        return min(n_patients) >= self._n_splits


def _share_of_pairs(risk, positive, patient):
    """Return the share of a patient's pairs of scans whose labels depend on one random number."""
    first, second = _pairs(patient)
    independent = risk[first] * risk[second]
    both = np.minimum(risk[first], risk[second])
    excess = np.sum((positive[first] & positive[second]) - independent)
    return float(np.clip(excess / np.sum(both - independent), 0, 1))


def _pairs(patient):
    """Return the rows of all pairs of scans of one patient."""
    ends = np.bincount(patient).cumsum()[:-1]
    rows_of = np.split(np.argsort(patient, kind="stable"), ends)
    return np.hstack([rows[np.array(np.triu_indices(len(rows), 1))] for rows in rows_of])


def centred_score(result):
    """Return the mean score of each scan over the repeats, centred within each fold."""
    score = np.stack([result.repeat_scores(repeat) for repeat in range(result.n_repeats)])
    if result.response_method == "predict_proba":
        score = logit(np.clip(score, _SMALLEST, 1 - _SMALLEST))
    cell = cells_of(result.fold_assignment.fold_of, result.n_folds)
    means = np.bincount(cell.ravel(), score.ravel()) / np.bincount(cell.ravel())
    centred = score - means[cell]
    # Scores that are equal within a fold differ from their mean by rounding alone.
    centred[np.abs(centred) <= _ROUNDING * np.abs(score)] = 0.0
    return centred.mean(axis=0)


def gain_of(positive, columns, score, patient):
    """Return the signed root of the likelihood ratio of a score, and its gain in AUC.

    Parameters
    ----------
    positive : ndarray of bool of shape (n_scans,)
    columns : DataFrame of shape (n_scans, n_columns)
        The clinical columns.
    score : ndarray of shape (n_scans,)
    patient : ndarray of int of shape (n_scans,) or None
        Number of each scan's patient, if any has several.

    Returns
    -------
    statistic, gain : float
    """
    y = positive.astype(int)
    smaller = logistic_table(y, columns).attrs
    design = np.column_stack([np.ones(y.size), columns.to_numpy(float)])
    rest = score - design @ np.linalg.lstsq(design, score)[0]
    if np.sum(rest**2) <= _ROUNDING * max(np.sum(score**2), np.finfo(float).tiny):
        return 0.0, 0.0
    # The part of the score that the columns do not explain gives the same model, on one scale.
    larger_columns = columns.assign(**{_unused_name(columns): rest / rest.std()})
    try:
        larger = logistic_table(y, larger_columns)
    except ValueError:
        # The columns alone have been fitted: with the score, they separate the classes.
        return np.inf, 1 - smaller["auc"]
    ratio = max(2 * (larger.attrs["llf"] - smaller["llf"]), 0.0)
    statistic = np.sign(larger["coef"].iloc[-1]) * np.sqrt(ratio)
    if patient is not None:
        clustered = logistic_table(y, larger_columns, groups=patient)
        statistic *= larger["std_err"].iloc[-1] / clustered["std_err"].iloc[-1]
    return float(statistic), larger.attrs["auc"] - smaller["auc"]


def _unused_name(columns):
    """Return a name for the score that is not the name of a column."""
    name = "score"
    while name in columns:
        name += "_"
    return name


def _seed_of(seed, number, use="fits"):
    """Return the seed of one draw: of its labels, or of its folds and fits."""
    key = (number, int(use == "labels"))
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1)[0])


def _duration(seconds):
    """Write a duration in its largest unit."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"
