"""Out-of-fold scores, and the metrics computed from them."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from skdxa.evaluation import _summary
from skdxa.evaluation._folds import Folds
from skdxa.evaluation._metrics import METRICS, grouped_metrics, threshold_at_sensitivity
from skdxa.evaluation._pairs import pairs_within_folds, variance_of_patients
from skdxa.evaluation._result_file import read_result, write_result
from skdxa.evaluation._scores import default_threshold, mean_score
from skdxa.evaluation._sentence import sentence_of
from skdxa.evaluation._stability import (
    cells_of,
    has_same_folds,
    stability_of,
    training_variance,
    why_unknown,
)
from skdxa.evaluation._summary import INTERVALS
from skdxa.validation import check_both_labels, check_level, fill_masked, positive_and_known


@dataclass(eq=False)
class CrossValidationResult:
    """Out-of-fold scores of a repeated cross-validation, and their metrics.

    No method trains or predicts: metrics by another threshold, other labels or another
    interval are functions of the scores and take milliseconds.

    Parameters
    ----------
    scores : pandas.DataFrame of shape (n_repeats * n_scans, 4)
        Columns `repeat`, `fold`, `row`, `score`. Repeats, folds and rows count from 0;
        `row` is the position in X. Every row occurs once per repeat.
    folds : pandas.DataFrame of shape (n_repeats * n_folds, n_columns)
        One row per fold: `repeat`, `fold`, `n_train`, `n_test`, `fit_time` and
        `score_time` in seconds, `best_epoch` (NaN if the classifier has none) and `n_threads`.
        Only the first four are necessary.
    y : array-like of shape (n_scans,)
        Labels trained on.
    groups : array-like of shape (n_scans,), optional
        The patient of each scan.
    histories : pandas.DataFrame, optional
        Learning curves: `repeat`, `fold`, `epoch` (from 1), then one column per curve,
        such as `loss` and `val_loss`. Empty if the classifier keeps none.
    models : dict, optional
        Fitted estimators that were kept, by (repeat, fold).
    response_method : {"predict_proba", "decision_function"}, default="predict_proba"
        The method that gave the scores.

    Attributes
    ----------
    classes : ndarray of shape (2,)
        The labels of `y`, sorted; the second is the positive one.

    See Also
    --------
    repeated_cross_validate : The function that returns such a result.

    Notes
    -----
    The parameter `y` of a method holds labels to score against other than those trained on, such
    as fractures within 5 years of the scan: 0 and 1 (or the labels of `classes`), and NaN where
    unknown. Rows with NaN are left out.

    With the parameter `threshold` of a method, positive is ``score >= threshold``; None means
    0.5 for probabilities and 0 for the values of a decision function.

    A predictor that needs no training, such as a T-score, is evaluated on the same folds by
    ``result.fold_assignment.with_scores(-t_score)``.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdxa.evaluation import CrossValidationResult
    >>> scores = pd.DataFrame(
    ...     {
    ...         "repeat": 0,
    ...         "fold": [0, 0, 0, 0, 1, 1, 1, 1],
    ...         "row": range(8),
    ...         "score": [0.1, 0.3, 0.6, 0.8, 0.2, 0.3, 0.7, 0.9],
    ...     }
    ... )
    >>> folds = pd.DataFrame({"repeat": 0, "fold": [0, 1], "n_train": 4, "n_test": 4})
    >>> result = CrossValidationResult(scores, folds, [0, 1, 0, 1, 0, 0, 1, 1])
    >>> result.summary(interval="corrected").estimate.tolist()
    [0.75, 0.75, 0.75, 0.875]
    """

    scores: pd.DataFrame
    folds: pd.DataFrame
    y: np.ndarray
    groups: np.ndarray | None = None
    histories: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame({"repeat": [], "fold": [], "epoch": []}, dtype=int)
    )
    models: dict = field(default_factory=dict)
    response_method: str = "predict_proba"

    def __post_init__(self):
        scores = self.scores.sort_values(["repeat", "row"], ignore_index=True)
        n_repeats, n_scans = scores["repeat"].nunique(), len(self.y)
        if not np.array_equal(scores["row"], np.tile(np.arange(n_scans), n_repeats)):
            raise ValueError(f"scores must hold each of the {n_scans} rows of y once per repeat.")
        bad = np.flatnonzero(~np.isfinite(scores["score"].to_numpy(float)))
        if bad.size:
            first = scores.iloc[bad[0]]
            raise ValueError(
                f"scores must be finite; {bad.size} are not, the first in repeat "
                f"{first['repeat']:g}, position {first['row']:g}."
            )
        self._score = scores["score"].to_numpy(float).reshape(n_repeats, n_scans)
        fold_of = scores["fold"].to_numpy(int).reshape(n_repeats, n_scans)
        self._folds = Folds(fold_of, self.y, self.groups)
        self.y, self.groups = self._folds.y, self._folds.groups
        self.classes = self._folds.classes
        self.scores = scores.sort_values(["repeat", "fold", "row"], ignore_index=True)
        self.folds = self.folds.sort_values(["repeat", "fold"], ignore_index=True)
        grid = np.indices((n_repeats, self.n_folds)).reshape(2, -1).T
        if not np.array_equal(self.folds[["repeat", "fold"]], grid):
            raise ValueError("folds must hold each fold of each repeat once, counted from 0.")

    def __repr__(self):
        return (
            f"{type(self).__name__}({self.n_repeats} repeats x {self.n_folds} folds, "
            f"{len(self.y)} scans)"
        )

    @property
    def n_repeats(self):
        """Number of repeats."""
        return self._folds.n_repeats

    @property
    def n_folds(self):
        """Number of folds per repeat."""
        return self._folds.n_folds

    @property
    def fold_assignment(self):
        """The `Folds` of this result: other scores can be evaluated on them."""
        return self._folds

    def summary(
        self,
        y=None,
        *,
        threshold=None,
        interval="stability",
        level=0.95,
        n_resamples=2000,
        random_state=None,
        other_seeds=None,
    ):
        """Return sensitivity, specificity, accuracy and AUC with their intervals.

        Parameters
        ----------
        y : array-like of shape (n_scans,), optional
            Other labels to score against; see the Notes of the class.
        threshold : float, optional
            Positive is ``score >= threshold``.
        interval : {"stability", "corrected", "t", "delong", "bootstrap"}, default="stability"
            "stability", "corrected" and "t" are intervals of the mean over all folds of all
            repeats. The first takes account of the patients' noise in training, the second,
            by the corrected resampled t, does not, and Student's t treats folds as
            independent and is far too narrow: it allows comparison with studies that report
            it. "delong" and "bootstrap" are intervals of the pooled scores of the median
            repeat, in which each scan counts once: DeLong's of the AUC, on the logit scale,
            and Wilson's of the proportions, or a bootstrap of patients within classes. Both
            take account of patients with several scans, and neither of the noise in training.
        level : float, default=0.95
            Confidence level.
        n_resamples : int, default=2000
            Resamples of the bootstrap.
        random_state : int, RandomState instance or None, default=None
            Seeds the bootstrap.
        other_seeds : CrossValidationResult, optional
            A second fit with other seeds on the same folds, as of `stability`; for the interval
            "stability" alone.

        Returns
        -------
        pandas.DataFrame of shape (4, 9)
            Rows `sensitivity`, `specificity`, `accuracy`, `auc`; columns `estimate`,
            `low`, `high`, `level`, `n_folds` (folds in which the metric is defined),
            `method`; by "stability" alone and NaN elsewhere, `q` (of the AUC) and `g`,
            the factor by which the noise of the training scans widens the standard error:
            see `stability`; and `aggregation`, what the estimate is: "mean of
            folds" (of all repeats), or "pooled" (over the folds of the median repeat).

        Raises
        ------
        ValueError
            If `y` does not fit the scans, `interval` is not one of the five, or `other_seeds` is
            given with another interval than "stability".

        Warns
        -----
        RuntimeWarning
            If a metric is undefined in some folds, which are left out; if a metric has no
            interval, whose ends are NaN then, because it is defined in fewer than two folds,
            a class has a single patient, or, for the AUC by "stability" and all metrics by
            "corrected" and "t", it is the same in all folds; if the stability is unknown, as
            with one repeat, and a class has fewer than 20 patients.

        Notes
        -----
        A mean over folds and a pooled estimate are two numbers: the pooled AUC compares
        scores of different folds, whose models differ in level. The ends of the intervals
        of means are limited to 0 and 1. Numbers of scans in the correction are means over
        the folds, rows without a label in `y` included.

        *The interval by stability* of the AUC has DeLong's variance, from the shares of pairs
        within folds of each scan averaged over the repeats and clustered by patient, times
        ``g ** 2``, plus the variance between repeats; see :ref:`stability_derivation`. It is
        symmetric on the logit scale, with Student's t on as many degrees of freedom as the
        smaller class has patients, less one. Below 0.5 the squared distance from 0.5 is added to
        the variance: training is not expected to make a model worse than chance, but a model that
        has almost no signal has a much lower AUC in some cohorts, since the scans that are scored
        are missing in training. (Scores without training, whose `q` is 0, are left as they are.)
        An AUC of 0 or 1 in all folds has Wilson's interval for the patients of the smaller class.
        Those of sensitivity, specificity and accuracy are Wilson's for as many patients as their
        variance is worth [2]_, at most those that there are; their variance is that of the
        corrected resampled t [1]_ plus that of the models' shares, which is estimated from how
        much the scans of one fold move together from repeat to repeat. With one repeat `q` and `g`
        are unknown; the standard error is that of the corrected resampled t, on as many degrees of
        freedom as there are folds or patients, less one.

        The level refers to cohorts with these numbers of positive and negative patients.
        How often the intervals hold in simulated cohorts is measured by
        ``experiments/coverage.py`` and tabulated in :ref:`coverage_of_intervals`.

        References
        ----------
        .. [1] Nadeau C, Bengio Y. Inference for the generalization error. Machine Learning 52
           (2003) 239-281.
        .. [2] Dean N, Pagano M. Evaluating confidence interval methods for binomial proportions
           in clustered surveys. Journal of Survey Statistics and Methodology 3 (2015) 484-503.

        Examples
        --------
        >>> from sklearn.datasets import make_classification
        >>> from sklearn.naive_bayes import GaussianNB
        >>> from skdxa.evaluation import INTERVALS, METRICS, repeated_cross_validate
        >>> X, y = make_classification(200, n_features=9, flip_y=0.3, random_state=4)
        >>> result = repeated_cross_validate(
        ...     GaussianNB(), X, y, n_splits=5, n_repeats=3, random_state=0, progress=False
        ... )
        >>> result.summary().index.tolist() == list(METRICS)
        True
        >>> for name in INTERVALS:
        ...     auc = result.summary(interval=name, random_state=0).loc["auc"]
        ...     print(f"{name}: {auc['low']:.2f} to {auc['high']:.2f}")
        stability: 0.72 to 0.87
        corrected: 0.74 to 0.87
        t: 0.78 to 0.84
        delong: 0.73 to 0.86
        bootstrap: 0.73 to 0.86
        """
        if interval not in INTERVALS:
            raise ValueError(f"interval must be one of {list(INTERVALS)}, got {interval!r}.")
        check_level(level)
        if other_seeds is not None and interval != "stability":
            raise ValueError(
                f"other_seeds has no effect on interval={interval!r}: it needs "
                "interval='stability'."
            )
        threshold = self._threshold(threshold)
        if interval in ("stability", "corrected", "t"):
            metrics = self.fold_metrics(y, threshold=threshold)
            if has_same_folds(self._folds.fold_of):
                # Further repeats of the same folds add no information about other patients.
                metrics = metrics.groupby("fold").mean()
            metrics = metrics[list(METRICS)]
            options = {"level": level, "sizes": self._mean_sizes()}
            if interval == "stability":
                noise = self._noise(y, threshold, other_seeds)
                rows, stabilities = _summary.by_stability(metrics, noise, **options)
                return _summary.tabulate(rows, level, stabilities)
            return _summary.tabulate(_summary.over_folds(metrics, interval, **options), level)
        positive, known = self._positive_and_known(y)
        rows = _summary.of_pooled_scores(
            positive[known],
            self._score[self.median_repeat(y), known],
            None if self.groups is None else self.groups[known],
            interval=interval,
            threshold=threshold,
            level=level,
            n_resamples=n_resamples,
            random_state=random_state,
        )
        rows = [(found, self.n_folds, reasons) for found, reasons in rows]
        return _summary.tabulate(rows, level, aggregation="pooled")

    def stability(self, y=None, *, other_seeds=None):
        """Estimate how stable the scores are from the agreement of the repeats.

        Parameters
        ----------
        y : array-like of shape (n_scans,), optional
            Other labels to score against; the scores of the scans of the larger class are
            compared.
        other_seeds : CrossValidationResult, optional
            For a model whose fits differ by their seeds, such as a network: the result of a
            second fit of the same model, with another `random_state`, on the folds of all
            repeats, or of the first ones (``cv=result.fold_assignment.first(1)``). What changes
            with the seed alone is then not mistaken for noise of the training scans.

        Returns
        -------
        Stability
            The share `q` of the variance of the scores within a class that is noise of the
            training scans, from 0, for a predictor without training, to 1, for a model that
            has found nothing; and the factor `g` by which it widens the standard error of
            the AUC, from 1 to 1.41. Both are NaN with one repeat, if all repeats have the same
            folds, or if no fold holds three scans of the larger class.

        Notes
        -----
        With the mean over folds and repeats of the squared correlation of a repeat's scores with
        the mean scores of the others, ``R2`` (Spearman's rho, turned into Pearson's by
        ``2 sin(pi rho / 6)``, and 0 where negative), `n` folds and `r` repeats,
        ``q = (n - 1) (1 - R2) / R2 (r - 1) / r``, at most 1, and
        ``g = (1 + q) sqrt(1 - q / 2)``; the derivation is in :ref:`stability_derivation`. A model
        whose fits also differ by their seeds, such as a network, or that changes abruptly, such as
        a tree, has too large a `q` without `other_seeds`. The interval of `summary` averages the
        scans' shares over the repeats, which removes most of the noise of seeds, and is too wide
        rather than too narrow. With the mean correlation `c` of the two fits within folds, and
        ``x = (1 - R2) / R2 (r - 1) / r``, `other_seeds` has
        ``q = (n - 1) (x - (1 - c) (1 + x))``, from 0 to 1, where one standard error is added to
        `c`, since few second fits leave it uncertain.

        Examples
        --------
        >>> from sklearn.datasets import make_classification
        >>> from sklearn.linear_model import LogisticRegression
        >>> from skdxa.evaluation import repeated_cross_validate
        >>> X, y = make_classification(200, n_features=9, random_state=0)
        >>> result = repeated_cross_validate(
        ...     LogisticRegression(), X, y, n_repeats=3, random_state=0, progress=False
        ... )
        >>> q, g = result.stability()
        >>> print(f"{q:.2f}, {g:.2f}")
        0.24, 1.16
        """
        positive, known = self._positive_and_known(y)
        of_larger = known & (positive == (2 * positive.sum() > known.sum()))
        again = None
        if other_seeds is not None:
            self._check_same_folds(other_seeds)
            again = other_seeds._score[:, of_larger]
        return stability_of(
            self._score[:, of_larger], self._folds.fold_of[:, of_larger], self.n_folds, again
        )

    def _check_same_folds(self, other):
        """Raise unless another result is of the folds of the first repeats of this one."""
        mine, theirs = self._folds.fold_of, other._folds.fold_of
        if not np.array_equal(self.y, other.y) or not np.array_equal(mine[: len(theirs)], theirs):
            raise ValueError(
                "other_seeds must be of the same labels and of the folds of the first repeats: "
                "call repeated_cross_validate with cv=result.fold_assignment, or "
                "result.fold_assignment.first(n_repeats), and another random_state."
            )

    def sentence(
        self,
        name="The model",
        y=None,
        *,
        threshold=None,
        interval="stability",
        level=0.95,
        random_state=None,
    ):
        """Return the performance in a sentence, with its intervals, as a paper states it.

        Parameters
        ----------
        name : str, default="The model"
            The subject of the sentence.
        y, threshold, interval, level, random_state : as in `summary`

        Returns
        -------
        str

        Examples
        --------
        >>> from sklearn.datasets import make_classification
        >>> from sklearn.linear_model import LogisticRegression
        >>> from skdxa.evaluation import repeated_cross_validate
        >>> X, y = make_classification(100, flip_y=0.2, random_state=0)
        >>> result = repeated_cross_validate(
        ...     LogisticRegression(), X, y, n_splits=5, n_repeats=2, random_state=0, progress=False
        ... )
        >>> print(result.sentence("Logistic regression")[:52])
        Logistic regression reached a mean AUC of 0.81 (95 %
        """
        summary = self.summary(
            y, threshold=threshold, interval=interval, level=level, random_state=random_state
        )
        positive, known = self._positive_and_known(y)
        return sentence_of(
            self,
            name,
            summary,
            positive=positive,
            known=known,
            threshold=self._threshold(threshold),
            interval=interval,
            level=level,
        )

    def fold_metrics(self, y=None, *, threshold=None):
        """Return sensitivity, specificity, accuracy and AUC of every fold.

        Parameters
        ----------
        y : array-like of shape (n_scans,), optional
            Other labels to score against.
        threshold : float, optional
            Positive is ``score >= threshold``.

        Returns
        -------
        pandas.DataFrame of shape (n_repeats * n_folds, 6)
            Columns `repeat`, `fold`, `sensitivity`, `specificity`, `accuracy`, `auc`;
            NaN where a fold lacks the scans that define a metric.
        """
        cell = cells_of(self._folds.fold_of, self.n_folds)
        metrics = self._metrics(y, threshold, cell, self.n_repeats * self.n_folds)
        return self.folds[["repeat", "fold"]].assign(**metrics)

    def repeat_metrics(self, y=None, *, threshold=None):
        """Return the metrics of every repeat, the scores of its folds pooled.

        Parameters
        ----------
        y : array-like of shape (n_scans,), optional
            Other labels to score against.
        threshold : float, optional
            Positive is ``score >= threshold``.

        Returns
        -------
        pandas.DataFrame of shape (n_repeats, 5)
            Columns `repeat`, `sensitivity`, `specificity`, `accuracy`, `auc`.
        """
        cell = np.repeat(np.arange(self.n_repeats)[:, np.newaxis], len(self.y), axis=1)
        metrics = self._metrics(y, threshold, cell, self.n_repeats)
        return pd.DataFrame({"repeat": np.arange(self.n_repeats), **metrics})

    def thresholds(self, sensitivity, y=None, *, rule="at_least", confidence=0.95):
        """Find the threshold of each repeat at which the scores have the wanted sensitivity.

        Parameters
        ----------
        sensitivity : float
            Wanted sensitivity, above 0 and at most 1.
        y : array-like of shape (n_scans,), optional
            Other labels to score against.
        rule : {"at_least", "nearest", "interpolated", "guaranteed"}, default="at_least"
            As in `threshold_at_sensitivity`.
        confidence : float, default=0.95
            Of the rule "guaranteed", for which the patients are those of the result.

        Returns
        -------
        pandas.DataFrame of shape (n_repeats, 4)
            Columns `repeat`, `threshold`, and `sensitivity` and `specificity` of the repeat's
            scores at that threshold. For a model that is trained on all scans, use the median
            threshold; the spread over the repeats shows how much it depends on the folds.

        Raises
        ------
        ValueError
            As `threshold_at_sensitivity`.

        Notes
        -----
        Out-of-fold scores are of models that have not seen the patient, but not of the model
        trained on all scans. In simulated cohorts, the median threshold of the rule "guaranteed"
        held for that model as well: see :ref:`guaranteed sensitivity <guaranteed_threshold>`.

        Examples
        --------
        >>> from sklearn.datasets import make_classification
        >>> from sklearn.linear_model import LogisticRegression
        >>> from skdxa.evaluation import repeated_cross_validate
        >>> X, y = make_classification(200, n_features=9, random_state=0)
        >>> result = repeated_cross_validate(
        ...     LogisticRegression(), X, y, n_repeats=3, random_state=0, progress=False
        ... )
        >>> result.thresholds(0.8, rule="guaranteed")["threshold"].round(2).tolist()
        [0.65, 0.68, 0.71]
        """
        positive, known = self._positive_and_known(y)
        labels = positive[known].astype(int)
        options = {"rule": rule}
        if rule == "guaranteed":
            options |= {"confidence": confidence}
            if self.groups is not None:
                options |= {"groups": self.groups[known]}
        rows = []
        for repeat, scores in enumerate(self._score[:, known]):
            threshold = threshold_at_sensitivity(labels, scores, sensitivity, **options)
            called = scores >= threshold
            rows.append(
                (repeat, threshold, called[labels == 1].mean(), 1 - called[labels == 0].mean())
            )
        return pd.DataFrame(rows, columns=["repeat", "threshold", "sensitivity", "specificity"])

    def median_repeat(self, y=None):
        """Find the repeat with the median AUC over the whole dataset.

        Parameters
        ----------
        y : array-like of shape (n_scans,), optional
            Other labels to score against.

        Returns
        -------
        int
            The repeat; of an even number of repeats the lower of the two middle ones, and
            of equal ones the first.
        """
        self._check_scorable(y)
        return int(_median_position(self.repeat_metrics(y)["auc"]))

    def median_fold(self, y=None):
        """Find the fold with the median AUC, of all repeats.

        Parameters
        ----------
        y : array-like of shape (n_scans,), optional
            Other labels to score against.

        Returns
        -------
        repeat, fold : int
            Folds without an AUC are left out; ties as in `median_repeat`.
        """
        self._check_scorable(y)
        areas = self.fold_metrics(y)["auc"]
        if areas.isna().all():
            raise ValueError("no fold holds both a positive and a negative scan.")
        repeat, fold = divmod(int(_median_position(areas)), self.n_folds)
        return repeat, fold

    def repeat_scores(self, repeat=None):
        """Return the out-of-fold score of each scan in one repeat, in the order of X.

        Parameters
        ----------
        repeat : int, optional
            The repeat, from 0; the median one if not given.

        Returns
        -------
        ndarray of shape (n_scans,)
            Scores.
        """
        repeat = self.median_repeat() if repeat is None else repeat
        if not 0 <= repeat < self.n_repeats:
            raise ValueError(
                f"there are repeats 0 to {self.n_repeats - 1}, but no repeat {repeat!r}."
            )
        return self._score[repeat].copy()

    def oof_scores(self):
        """Return the out-of-fold score of each scan, averaged over the repeats.

        Returns
        -------
        ndarray of shape (n_scans,)
            Scores, in the order of X.

        Notes
        -----
        It is the score of an ensemble of as many models as there are repeats, which
        usually separates better than one model does: report the performance of one model
        from `summary` or `repeat_scores`.
        """
        return mean_score(self._score)

    def confusion_matrix(self, y=None, *, repeat=None, threshold=None):
        """Count actual against predicted labels in one repeat.

        Parameters
        ----------
        y : array-like of shape (n_scans,), optional
            Other labels to score against.
        repeat : int, optional
            The repeat, from 0; the median one (by `y`) if not given.
        threshold : float, optional
            Positive is ``score >= threshold``.

        Returns
        -------
        pandas.DataFrame of shape (2, 2)
            Rows `actual`, columns `predicted`; the negative label first. The labels are
            `classes`.
        """
        positive, known = self._positive_and_known(y)
        repeat = self.median_repeat(y) if repeat is None else repeat
        called = self.repeat_scores(repeat) >= self._threshold(threshold)
        counts = np.bincount(2 * positive[known] + called[known], minlength=4).reshape(2, 2)
        return pd.DataFrame(
            counts,
            index=pd.Index(self.classes, name="actual"),
            columns=pd.Index(self.classes, name="predicted"),
        )

    def frame(self, y=None):
        """Return the scores as one long table with the labels.

        Parameters
        ----------
        y : array-like of shape (n_scans,), optional
            Other labels.

        Returns
        -------
        pandas.DataFrame of shape (n_repeats * n_scans, 5)
            Columns `repeat`, `fold`, `row`, `score`, and `y` as given.
        """
        self._positive_and_known(y)
        labels = self.y if y is None else np.asarray(fill_masked(y))
        return self.scores.assign(y=labels[self.scores["row"]])

    def save(self, path):
        """Write all but the models to one file.

        Parameters
        ----------
        path : str or path-like
            The file, usually ``.npz``; an existing one is replaced.

        Notes
        -----
        The file is a NumPy archive of plain arrays and a JSON text. It holds scores,
        folds, learning curves, labels and patients' identifiers as given in `groups`,
        but neither scans nor fitted models.
        """
        write_result(self, path)

    @classmethod
    def load(cls, path):
        """Read a file that `save` has written; no code in the file is run.

        Parameters
        ----------
        path : str or path-like
            The file.

        Returns
        -------
        CrossValidationResult
            The result, with no models.

        Raises
        ------
        ValueError
            If the file was not written by `save`, or by a later version of it.
        """
        parts = read_result(path)
        try:
            return cls(**parts)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is damaged: {error}") from error

    def _positive_and_known(self, y):
        if y is None:
            return self.y == self.classes[1], np.ones(len(self.y), dtype=bool)
        return positive_and_known(y, self.classes, len(self.y))

    def _check_scorable(self, y):
        positive, known = self._positive_and_known(y)
        check_both_labels(positive[known])

    def _mean_sizes(self):
        return self.folds[["n_train", "n_test"]].mean().to_dict()

    def _noise(self, y, threshold, other_seeds):
        """Return what the intervals by stability need besides the metrics of the folds."""
        positive, known = self._positive_and_known(y)
        n_patients = _summary.count_patients(positive, known, self.groups)
        among = {"sensitivity": known & positive, "specificity": known & ~positive}
        right = ((self._score >= threshold) == positive).astype(float)
        training = {
            name: training_variance(
                right[:, of],
                self._folds.fold_of[:, of],
                self.n_folds,
                n_patients["auc"],
                None if self.groups is None else self.groups[of],
            )
            for name, of in {**among, "accuracy": known}.items()
        }
        stability = self.stability(y, other_seeds=other_seeds)
        auc_variance = np.nan
        if not np.isnan(stability.q) and n_patients["auc"] > 1:
            auc_variance = self._auc_variance(positive, known, n_patients["auc"])
        unknown = why_unknown(self._folds.fold_of) if np.isnan(stability.q) else None
        return _summary.Noise(stability, training, n_patients, auc_variance, self.n_folds, unknown)

    def _auc_variance(self, positive, known, n_smaller):
        """Return the variance of the mean AUC that comes from the patients who are scored."""
        _, influence = pairs_within_folds(
            self._score[:, known], self._folds.fold_of[:, known], self.n_folds, positive[known]
        )
        if influence is None:
            return np.nan
        groups = None if self.groups is None else self.groups[known]
        return variance_of_patients(influence, groups, n_smaller)

    def _threshold(self, threshold):
        return default_threshold(self.response_method) if threshold is None else threshold

    def _metrics(self, y, threshold, cell, n_cells):
        positive, known = self._positive_and_known(y)
        return grouped_metrics(
            np.tile(positive[known], self.n_repeats),
            self._score[:, known].ravel(),
            cell[:, known].ravel(),
            n_cells,
            self._threshold(threshold),
        )


def _median_position(areas):
    """Return the position of the median: the lower of two, the first of equals, without NaN."""
    areas = areas.dropna()
    return areas.index[np.argsort(areas.to_numpy(), kind="stable")[(len(areas) - 1) // 2]]
