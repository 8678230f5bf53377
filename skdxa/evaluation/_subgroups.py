"""Performance of one model in the subgroups of its patients."""

import warnings
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import expit, logit

from skdxa.evaluation._pairs import pairs_within_folds
from skdxa.evaluation._scores import default_threshold
from skdxa.evaluation._stability import Stability, stability_of, training_variance, why_unknown
from skdxa.evaluation._summary import ALLOWANCE, auc_ends, score_interval
from skdxa.significance import adjust_pvalues
from skdxa.validation import check_level, fill_masked, patient_codes, positive_and_known

_MEASURES = ("auc", "o_e", "slope", "sensitivity", "specificity")
_MOST_GROUPS = 20
# Newton's method for a logistic model of one variable; it converges in about six steps.
_MOST_STEPS, _TOLERANCE = 50, 1e-10


def subgroup_table(
    result, by, *, min_events=10, y=None, threshold=None, interaction="auc", level=0.95
):
    """Tabulate how well one cross-validated model does in subgroups of the patients.

    Parameters
    ----------
    result : CrossValidationResult
        Scores of a model that was trained on patients of all subgroups.
    by : array-like of shape (n_scans,), Series, or DataFrame of shape (n_scans, n_variables)
        The subgroup of each scan, such as sex, site or scanner; the columns of a DataFrame are
        used one after the other. Missing values form a separate subgroup. Categories without a
        scan are listed too.
    min_events : int, default=10
        Patients of either class that a subgroup must have to be evaluated; for smaller ones only
        the numbers are shown.
    y : array-like of shape (n_scans,), optional
        Other labels to score against, NaN where unknown; see `CrossValidationResult`.
    threshold : float, optional
        Positive is ``score >= threshold``, in all subgroups; None means 0.5 for probabilities
        and 0 for the values of a decision function.
    interaction : {"auc", "o_e", "slope", "sensitivity", "specificity"}, default="auc"
        What is tested for a difference between the subgroups of a variable.
    level : float, default=0.95
        Confidence level.

    Returns
    -------
    pandas.DataFrame of shape (1 + n_subgroups, 23)
        The first row, `all`, is of all scans. Columns `variable` and `group`; `n`,
        `patients` and `events` (scans, patients, scans with the outcome); `auc`, `o_e`
        (observed over expected events), `slope` (of the calibration), `sensitivity` and
        `specificity`, each with `_low` and `_high`; `interaction_p` and
        `interaction_p_holm`, the same in all rows of a variable; and `note`, why a subgroup is not
        evaluated, empty otherwise. `o_e` and `slope` are NaN where scores are not probabilities,
        and `slope` also where a probability is 0 or 1.

    Raises
    ------
    ValueError
        If `by` has another length, more than 20 subgroups, or subgroups or columns of the same
        name, `interaction` or `level` is out of range, or `y` does not fit the scans.

    Warns
    -----
    RuntimeWarning
        With one repeat, or several with the same folds, and if no fold holds three scans of the
        larger class: the noise of the training scans is then unknown, and the intervals leave
        it out.

    See Also
    --------
    skdxa.displays.ForestDisplay : Draws a column of this table by ``from_table``.

    Notes
    -----
    Scans are compared only with scans of the same fold, which the same model has scored. The
    AUC of a subgroup is the share of such pairs that are in the right order, averaged over the
    repeats.

    The variance of the AUC is DeLong's, from the shares of each scan averaged over the
    repeats, clustered by patient [1]_, times :math:`g_s^2`. Of the noise of the training scans, a
    subgroup has only its part `s` in common with its own test scans, and

    .. math::

        g_s^2 = (1 - q)(1 + 2 q s + q^2 s) + q [1 + s - 2 (1 - q) s + (1 - q)^2 s / 2] ,

    which is 1 for a very small subgroup and :math:`g^2` of `CrossValidationResult.stability`
    for all scans; `q` is estimated within the subgroup, or, where that cannot be done, in all
    scans. The allowance of `CrossValidationResult.summary` is added. With one repeat `q` is
    unknown and the factor 1. The interval is symmetric on the logit scale, with Student's t on
    as many degrees of freedom as the smaller class has patients, less one. An AUC below 0.5 and
    sensitivity and specificity have the interval of `CrossValidationResult.summary`. The interval
    of the slope, a mean over the repeats, has the same factor, and that of observed over expected
    events is symmetric on the logarithmic scale. The slope of a model with almost no signal has
    too narrow an interval: in simulated cohorts without signal it contained the slope in 85 % of
    them (``experiments/coverage.py subgroups``).

    The test of an interaction is a Wald test of equal values (AUC, sensitivity and
    specificity on the logit scale, observed over expected events on the logarithmic one) in the
    subgroups that are evaluated, by F with the degrees of freedom of Welch and Satterthwaite.
    Patients who belong to two subgroups are taken into account. There is no test, and
    `interaction_p` is NaN, if fewer than two subgroups are evaluated, or if the measure has no
    variance on its scale in one of them, as a sensitivity of 1. `interaction_p_holm` is adjusted
    for the number of variables by Holm's method. A subgroup that is not significantly different
    from the others has not been shown to be alike.

    References
    ----------
    .. [1] Obuchowski NA. Nonparametric analysis of clustered ROC curve data. Biometrics 53
       (1997) 567-578.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdxa.evaluation import repeated_cross_validate, subgroup_table
    >>> rng = np.random.default_rng(0)
    >>> y, sex = (rng.random(400) < 0.3).astype(int), rng.choice(["F", "M"], 400, p=[0.95, 0.05])
    >>> X = rng.normal(size=(400, 2)) + y[:, np.newaxis]
    >>> result = repeated_cross_validate(
    ...     LogisticRegression(), X, y, n_splits=5, n_repeats=3, random_state=0, progress=False
    ... )
    >>> table = subgroup_table(result, sex)
    >>> table[["n", "events", "auc", "interaction_p"]].round(2).rename_axis(None)
           n  events   auc  interaction_p
    all  400     105  0.84            NaN
    F    380     102  0.84            NaN
    M     20       3   NaN            NaN
    >>> table.loc["M", "note"]
    '3 patients with the outcome, fewer than 10'
    """
    if interaction not in _MEASURES:
        raise ValueError(f"interaction must be one of {list(_MEASURES)}, got {interaction!r}.")
    check_level(level)
    variables = _variables(by, len(result.y))
    scored = _Scored.of(result, y, threshold)
    if np.isnan(scored.stability.q):
        reason, remedy = why_unknown(scored.fold_of)
        warnings.warn(
            f"{reason.capitalize()} the noise of the training scans is unknown, and the intervals "
            f"of the subgroups leave it out: they are too narrow. {remedy}",
            RuntimeWarning,
            stacklevel=2,
        )
    whole = scored.evaluate("", "all", np.ones(len(result.y), dtype=bool), min_events, level)
    lines, pvalues = [whole.line], {}
    for name, groups in variables.items():
        evaluated = [
            scored.evaluate(name, label, members, min_events, level)
            for label, members in groups.items()
        ]
        pvalues[name] = _interaction(
            interaction,
            [group.terms.get(interaction) for group in evaluated if not group.line["note"]],
        )
        lines += [group.line | {"interaction_p": pvalues[name]} for group in evaluated]
    table = pd.DataFrame(lines)
    known = {name: pvalue for name, pvalue in pvalues.items() if not np.isnan(pvalue)}
    adjusted = dict(zip(known, adjust_pvalues([*known.values()]), strict=True)) if known else {}
    table.insert(len(table.columns) - 1, "interaction_p_holm", table["variable"].map(adjusted))
    table["interaction_p_holm"] = table["interaction_p_holm"].astype(float)
    names = [
        line["group"]
        if len(variables) == 1 or not line["variable"]
        else f"{line['variable']}: {line['group']}"
        for line in lines
    ]
    table.index = pd.Index(names, name="subgroup")
    return table


@dataclass
class _Group:
    """A line of the table, and the terms of each measure for the test of an interaction."""

    line: dict
    terms: dict


@dataclass
class _Term:
    """An estimate on the scale of its interval.

    `influence` is of each patient, and the sum of its squares the variance.
    """

    estimate: float
    influence: np.ndarray
    df: int
    stability: Stability | None = None


@dataclass
class _Scored:
    """Scores and labels of each scan in each repeat."""

    score: np.ndarray
    fold_of: np.ndarray
    n_folds: int
    positive: np.ndarray
    known: np.ndarray
    patient: np.ndarray
    right: np.ndarray
    is_risk: bool
    stability: tuple

    @classmethod
    def of(cls, result, y, threshold):
        folds = result.fold_assignment
        if y is None:
            positive, known = result.y == result.classes[1], np.ones(len(result.y), dtype=bool)
        else:
            positive, known = positive_and_known(y, result.classes, len(result.y))
        score = np.stack([result.repeat_scores(repeat) for repeat in range(result.n_repeats)])
        limit = default_threshold(result.response_method) if threshold is None else threshold
        patient = np.arange(len(result.y))
        if result.groups is not None:
            patient = patient_codes(result.groups)
        return cls(
            score,
            folds.fold_of,
            result.n_folds,
            positive,
            known,
            patient,
            ((score >= limit) == positive).astype(float),
            result.response_method == "predict_proba",
            result.stability(y),
        )

    def evaluate(self, variable, label, members, min_events, level):
        """Return the line of one subgroup and its terms."""
        of = np.flatnonzero(members & self.known)
        positive, patient = self.positive[of], self.patient[of]
        counts = [len(np.unique(patient[positive])), len(np.unique(patient[~positive]))]
        line = {
            "variable": variable,
            "group": label,
            "n": of.size,
            "patients": len(np.unique(patient)),
            "events": int(positive.sum()),
        }
        measures = dict.fromkeys(
            (f"{name}{end}" for name in _MEASURES for end in ("", "_low", "_high")), np.nan
        )
        note = _note(of.size, counts, min_events)
        terms = {} if note else self._terms(of, counts)
        for name, term in terms.items():
            measures |= _line_of(name, term, level, counts)
        return _Group(line | measures | {"interaction_p": np.nan, "note": note}, terms)

    def _terms(self, of, counts):
        score, fold_of, positive = self.score[:, of], self.fold_of[:, of], self.positive[of]
        larger = positive == (counts[0] > counts[1])
        q = stability_of(score[:, larger], fold_of[:, larger], self.n_folds).q
        q = self.stability.q if np.isnan(q) else q
        in_all = [
            len(np.unique(self.patient[self.known & (self.positive == label)]))
            for label in (True, False)
        ]
        share = sum(1 / n for n in in_all) / sum(1 / n for n in counts)
        factor, stability = 1.0, Stability(q, 1.0)
        if not np.isnan(q):
            stability = Stability(q, np.sqrt(_squared_factor(q, min(share, 1.0))))
            factor = stability.g * np.sqrt(ALLOWANCE * (1 + q / (self.n_folds - 1)))
        df = min(counts) - 1
        terms = {}
        area, influence = pairs_within_folds(score, fold_of, self.n_folds, positive)
        if not np.isnan(area):
            terms["auc"] = self._term(area, influence, of, factor, df, counts)
            terms["auc"].stability = stability
        if self.is_risk:
            expected = score.mean(axis=0)
            ratio = positive.sum() / expected.sum()
            influence = positive / positive.sum() - expected / expected.sum()
            terms["o_e"] = self._term(ratio, influence, of, 1.0, df, counts)
            slope, influence = _slope(score, positive)
            if not np.isnan(slope):
                terms["slope"] = self._term(slope, influence, of, factor, df, counts)
        for name, label in (("sensitivity", True), ("specificity", False)):
            terms[name] = self._share(of[positive == label], counts, df)
        return terms

    def _term(self, estimate, influence, of, factor, df, counts):
        by_patient = np.bincount(self.patient[of], influence, minlength=self.patient.max() + 1)
        correction = np.sqrt(min(counts) / (min(counts) - 1))
        return _Term(float(estimate), by_patient * factor * correction, df)

    def _share(self, of, counts, df):
        """Return the term of the share of scans that are classified correctly."""
        right = self.right[:, of]
        share = right.mean()
        by_patient = np.bincount(
            self.patient[of],
            (right.mean(axis=0) - share) / of.size,
            minlength=self.patient.max() + 1,
        )
        n_patients = len(np.unique(self.patient[of]))
        variance = np.sum(by_patient**2) * n_patients / (n_patients - 1)
        training = training_variance(
            right,
            self.fold_of[:, of],
            self.n_folds,
            min(counts),
            self.patient[of],
        )
        total = variance + (0.0 if np.isnan(training) else training)
        scale = np.sqrt(total / variance) if variance > 0 else 1.0
        return _Term(float(share), by_patient * scale, df)


def _variables(by, n_scans):
    """Return the members of each subgroup, by variable and label."""
    if isinstance(by, pd.DataFrame):
        columns = [(str(name), column) for name, column in by.items()]
    else:
        name = getattr(by, "name", None)
        columns = [("group" if name is None else str(name), by)]
    if not columns:
        raise ValueError("by has no column.")
    variables = {}
    for name, column in columns:
        if name in variables:
            raise ValueError(f"by has several columns {name!r}: rename all but one.")
        column = column if isinstance(column, pd.Series) else pd.Series(_one_dimensional(column))
        if len(column) != n_scans:
            raise ValueError(
                f"by must have a value for each of {n_scans} scans, got {len(column)} for "
                f"{name!r}."
            )
        if isinstance(column.dtype, pd.CategoricalDtype):
            labels = list(column.cat.categories)
        else:
            labels = sorted(column.dropna().unique(), key=lambda label: (str(type(label)), label))
        if len(labels) > _MOST_GROUPS:
            raise ValueError(
                f"by has {len(labels)} different values of {name!r}, more than {_MOST_GROUPS}: "
                "form groups, for example with pandas.cut."
            )
        # Codes count from 0 in the order of the labels; that of a missing value is -1.
        codes = pd.Categorical(column, categories=labels).codes
        names = [*map(str, labels), *["missing"] * bool((codes < 0).any())]
        alike = [text for text, count in Counter(names).items() if count > 1]
        if alike:
            raise ValueError(
                f"by has several values of {name!r} that are called {alike[0]!r} in the table "
                '(those that are missing are called "missing"): rename all but one.'
            )
        variables[name] = dict(
            zip(names, [codes == code for code in (*range(len(labels)), -1)], strict=False)
        )
    return variables


def _one_dimensional(column):
    if isinstance(column, pd.api.extensions.ExtensionArray):
        return column
    column = np.asarray(fill_masked(column))
    if column.ndim != 1:
        raise ValueError(
            f"by must be one-dimensional or a DataFrame, got an array of shape {column.shape}."
        )
    return column


def _note(n_scans, counts, min_events):
    """Return why a subgroup is not evaluated."""
    if n_scans == 0:
        return "no scans"
    for count, what in zip(counts, ("with the outcome", "without the outcome"), strict=True):
        if count == 0:
            return f"no patient {what}"
    for count, what in zip(counts, ("with the outcome", "without the outcome"), strict=True):
        if count < max(min_events, 2):
            return f"{count} patients {what}, fewer than {max(min_events, 2)}"
    return ""


def _squared_factor(q, share):
    """Return how much training widens the variance of an AUC in a part of the patients."""
    return (1 - q) * (1 + 2 * q * share + q**2 * share) + q * (
        1 + share - 2 * (1 - q) * share + (1 - q) ** 2 * share / 2
    )


def _slope(score, positive):
    """Return the mean over the repeats of the calibration slope, and the scans' influence."""
    if ((score <= 0) | (score >= 1)).any():
        return np.nan, None
    log_odds = logit(score)
    # Standardised, so that the start is near the solution for risks of any level and spread.
    middle, spread = log_odds.mean(axis=1), log_odds.std(axis=1)
    if (spread <= 1e-12 * np.abs(log_odds).max()).any():
        return np.nan, None
    x = (log_odds - middle[:, np.newaxis]) / spread[:, np.newaxis]
    x = np.stack([np.ones_like(x), x], axis=-1)
    coef = np.zeros((len(x), 2))
    coef[:, 0] = logit(positive.mean())
    for _ in range(_MOST_STEPS):
        risk = expit(np.einsum("rnk,rk->rn", x, coef))
        information = np.einsum("rnk,rn,rnl->rkl", x, risk * (1 - risk), x)
        if np.linalg.cond(information).max() > 1 / _TOLERANCE:
            return np.nan, None  # the risks separate the classes
        scores = x * (positive - risk)[:, :, np.newaxis]
        step = np.linalg.solve(information, scores.sum(axis=1)[:, :, np.newaxis])[:, :, 0]
        coef += step
        if np.abs(step).max() < _TOLERANCE:
            break
    influence = np.linalg.solve(information, scores.transpose(0, 2, 1))[:, 1]
    return np.mean(coef[:, 1] / spread), np.mean(influence / spread[:, np.newaxis], axis=0)


def _line_of(name, term, level, counts):
    """Return the estimate and the ends of one measure."""
    quantile = stats.t.ppf((1 + level) / 2, term.df)
    variance = float(np.sum(term.influence**2))
    error, estimate = np.sqrt(variance), term.estimate
    if name in ("sensitivity", "specificity"):
        n_patients = counts[0] if name == "sensitivity" else counts[1]
        spread = estimate * (1 - estimate)
        worth = min(n_patients, spread / variance) if min(variance, spread) > 0 else n_patients
        low, high = score_interval(estimate, worth, quantile)
    elif name == "auc":
        low, high = auc_ends(estimate, variance, min(counts), term.stability, quantile)
    elif name == "o_e":
        low, high = estimate * np.exp(np.array([-1, 1]) * quantile * error)
    else:
        low, high = estimate - quantile * error, estimate + quantile * error
    return {name: estimate, f"{name}_low": float(low), f"{name}_high": float(high)}


def _interaction(name, terms):
    """Return the p-value of Wald's test that all subgroups have the same value.

    `terms` are those of the subgroups that are evaluated, None where the measure is undefined.
    """
    scales = {
        "auc": (logit, lambda value: 1 / (value * (1 - value))),
        "o_e": (np.log, lambda value: 1.0),
        "slope": (float, lambda value: 1.0),
    }
    scales |= dict.fromkeys(("sensitivity", "specificity"), scales["auc"])
    to_scale, derivative = scales[name]
    has_ends = name not in ("o_e", "slope")
    if len(terms) < 2 or any(
        term is None or not term.influence.any() or (has_ends and term.estimate in (0, 1))
        for term in terms
    ):
        # Without the subgroup, the test would be of the others alone.
        return np.nan
    values = np.array([to_scale(term.estimate) for term in terms])
    influence = np.stack([term.influence * derivative(term.estimate) for term in terms])
    covariance = influence @ influence.T
    difference = values[1:] - values[0]
    contrast = np.hstack([-np.ones((len(terms) - 1, 1)), np.eye(len(terms) - 1)])
    spread = contrast @ covariance @ contrast.T
    if np.linalg.eigvalsh(spread)[0] <= _TOLERANCE * covariance.max():
        # The same scores of the same patients in two subgroups differ by nothing.
        return np.nan
    n_contrasts = len(difference)
    statistic = difference @ np.linalg.solve(spread, difference) / n_contrasts
    variances = np.diag(covariance)
    df = variances.sum() ** 2 / np.sum(variances**2 / [term.df for term in terms])
    return float(stats.f.sf(statistic, n_contrasts, df))
