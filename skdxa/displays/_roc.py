"""ROC curves of a repeated cross-validation, and of benchmarks beside it."""

from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd
from matplotlib.collections import PolyCollection
from matplotlib.lines import Line2D
from sklearn.metrics import auc, roc_curve

from skdxa.displays._base import BaseDisplay
from skdxa.displays._scores import known_scores, result_labels, score_scans, split_labels
from skdxa.displays._style import BLUE, DASHES, GREEN, GREY, ORANGE, PURPLE, ink
from skdxa.evaluation import default_threshold
from skdxa.validation import fill_masked

_GRID = np.linspace(0, 1, 201)


@dataclass(eq=False, repr=False)
class RepeatedRocDisplay(BaseDisplay):
    """ROC curve of the median repeat, with the range of all repeats around it.

    As figures 4 and 5 of Nissinen et al. 2021 [1]_: the repeat of the cross-validation
    whose AUC over the whole dataset is the median, and a cross at the classification
    threshold. The band covers the curves of all repeats; it shows how much the split matters and
    is not a confidence interval. Benchmarks, scores that need no training such as a T-score, are
    drawn beside it as dashed lines.

    Parameters
    ----------
    fpr, tpr, thresholds : ndarray of shape (n_points,)
        False positive rate (1 - specificity) and true positive rate (sensitivity) of the
        median repeat at each threshold; positive is ``score >= threshold``.
    repeat_aucs : ndarray of shape (n_repeats,)
        AUC of each repeat.
    repeat_tprs : ndarray of shape (n_repeats, n_grid)
        Sensitivity of each repeat at the false positive rates in `grid`.
    grid : ndarray of shape (n_grid,)
        False positive rates.
    threshold, threshold_point : float and tuple of float, or None, default=None
        The classification threshold, and the false and true positive rate there.
    benchmarks : dict of str to tuple of three ndarray, or None, default=None
        False positive rate, true positive rate and thresholds of each benchmark.
    pooled : bool, default=True
        Whether a repeat's scores are those of several models, pooled over the folds, which
        the legend then says.
    name : str or None, default=None
        What the legend calls the curve.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        What was drawn on.
    line_, chance_level_ : matplotlib Line2D
        The curve and the diagonal.
    benchmark_lines_ : dict of str to matplotlib Line2D
        The benchmarks' curves.
    band_ : matplotlib PolyCollection or None
        The range over repeats; None of a single repeat.
    threshold_ : matplotlib Line2D or None
        The cross at the threshold.
    legend_ : matplotlib Legend
        The legend.

    See Also
    --------
    sklearn.metrics.RocCurveDisplay : One curve of one prediction.

    References
    ----------
    .. [1] Nissinen et al., Bone Reports 14, 2021, 101070.
       https://doi.org/10.1016/j.bonr.2021.101070

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdxa.displays import RepeatedRocDisplay
    >>> from skdxa.evaluation import repeated_cross_validate
    >>> X, y = make_classification(random_state=0)
    >>> result = repeated_cross_validate(
    ...     LogisticRegression(), X, y, n_splits=5, n_repeats=3, random_state=0, progress=False
    ... )
    >>> display = RepeatedRocDisplay.from_result(
    ...     result, name="simulated", benchmarks={"first column": X[:, 0]}
    ... )
    >>> display.frame()["curve"].unique().tolist()
    ['model', 'first column']
    """

    _ARTISTS: ClassVar = {
        "curve": Line2D,
        "band": PolyCollection,
        "benchmarks": Line2D,
        "threshold": Line2D,
        "chance": Line2D,
        "legend": None,
    }

    _: KW_ONLY
    fpr: np.ndarray
    tpr: np.ndarray
    thresholds: np.ndarray
    repeat_aucs: np.ndarray
    repeat_tprs: np.ndarray
    grid: np.ndarray
    threshold: float | None = None
    threshold_point: tuple | None = None
    benchmarks: dict | None = None
    pooled: bool = True
    name: str | None = None

    @property
    def roc_auc(self):
        """AUC of the scores of the median repeat."""
        return auc(self.fpr, self.tpr)

    def plot(self, ax=None, *, name=None, style=None):
        """Draw the curves, the band, the threshold and the chance level.

        Parameters
        ----------
        {ax}
        name : str or None, default=None
            What the legend calls the curve; None uses the name of the display.
        style : dict or None, default=None
            Matplotlib properties by artist: "curve", "band", "benchmarks" (all of them;
            what is left open, such as colour and dashes, differs from one to the next),
            "threshold", "chance" and "legend". By default the legend is below the axes or at their
            right. In a figure without a layout engine it is inside them, and where it would hide a
            curve the figure gets a constrained layout.
        {plotted}
        """
        look = self._merger(style)
        benchmarks = self.benchmarks or {}
        self._set_axes(ax)
        name = self.name if name is None else name
        label = f"{'pooled ' * self.pooled}AUC = {self.roc_auc:.2f}"
        label = f"{name}: {label}" if name else label
        diagonal = look("chance", color=GREY, linewidth=0.8, linestyle=":", zorder=1)
        (self.chance_level_,) = self.ax_.plot([0, 1], [0, 1], **diagonal)
        self.band_ = None
        if len(self.repeat_aucs) > 1:
            self.band_ = self.ax_.fill_between(
                self.grid,
                self.repeat_tprs.min(axis=0),
                self.repeat_tprs.max(axis=0),
                label=f"range of {len(self.repeat_aucs)} repeats",
                **look("band", color=BLUE, alpha=0.3, linewidth=0),
            )
        (self.line_,) = self.ax_.plot(
            self.fpr, self.tpr, **look("curve", color=BLUE, linewidth=1.5, label=label)
        )
        self.benchmark_lines_ = self._draw_curves(
            {
                benchmark: (fpr, tpr, f"{benchmark}: AUC = {auc(fpr, tpr):.2f}")
                for benchmark, (fpr, tpr, _) in benchmarks.items()
            },
            (GREEN, PURPLE, ORANGE, ink()),
            DASHES,
            partial(look, "benchmarks", linewidth=1.2, zorder=1.9),
        )
        self.threshold_ = None
        if self.threshold_point is not None:
            cross = look(
                "threshold",
                marker="x",
                markersize=8,
                markeredgewidth=2,
                linestyle="none",
                color=ink(),
                label=f"threshold {self.threshold:.2g}",
            )
            (self.threshold_,) = self.ax_.plot(*self.threshold_point, **cross)
        self.ax_.set(
            xlabel="1 - specificity",
            ylabel="Sensitivity",
            xlim=(-0.01, 1.01),
            ylim=(-0.01, 1.01),
            aspect="equal",
            # Anchored at the lower edge, so that constrained layout reserves the space below.
            anchor="S",
        )
        # Inside, it would hide the curves of small axes.
        self.legend_ = self._draw_legend(
            look("legend", handlelength=3 if benchmarks else 2),
            grow=ax is None,
        )
        return self

    def frame(self):
        """Return the numbers behind the picture.

        Returns
        -------
        frame : DataFrame
            One row per point: `curve` ("model", or the benchmark's name), `repeat` ("median",
            the number of the repeat, or None of a benchmark), `fpr`, `tpr`, and
            `threshold`, which is NaN on the grid that repeats share.
        """
        rows = [("model", "median", self.fpr, self.tpr, self.thresholds)]
        rows += [
            ("model", number, self.grid, tpr, np.nan)
            for number, tpr in enumerate(self.repeat_tprs)
        ]
        rows += [(name, None, *curve) for name, curve in (self.benchmarks or {}).items()]
        columns = ["curve", "repeat", "fpr", "tpr", "threshold"]
        frames = [pd.DataFrame(dict(zip(columns, row, strict=True)), dtype=object) for row in rows]
        return pd.concat(frames, ignore_index=True).astype(dict.fromkeys(columns[2:], float))

    @classmethod
    def from_result(
        cls, result, *, y=None, threshold="auto", benchmarks=None, name=None, ax=None, style=None
    ):
        """Compute the curves of a repeated cross-validation and draw them.

        Parameters
        ----------
        result : CrossValidationResult
            From `skdxa.evaluation.repeated_cross_validate`.
        y : array-like of shape (n_scans,) or None, default=None
            Labels to score against, if other than those trained on; NaN where unknown.
        threshold : float, "auto" or None, default="auto"
            Where to draw the cross: "auto" at the default threshold of the result, 0.5 for
            probabilities and 0 for a decision function; None draws none.
        benchmarks : dict of str to array-like of shape (n_scans,), or None, default=None
            Other scores of the same scans, in the order of X; higher means more likely
            positive: negate T-scores and TBS, where lower is worse.
        name : str or None, default=None
            What the legend calls the curve.
        {drawn}

        Raises
        ------
        ValueError
            If the labels do not fit, or a benchmark has no score for a labelled scan.
        """
        labels = result_labels(result, y)
        threshold = _threshold_of(threshold, result.response_method)
        scores = [result.repeat_scores(repeat) for repeat in range(result.n_repeats)]
        options = {"benchmarks": benchmarks, "name": name, "ax": ax, "style": style}
        return cls.from_predictions(labels, scores, threshold=threshold, **options)

    @classmethod
    def from_estimator(
        cls, estimator, X, y, *, threshold="auto", benchmarks=None, name=None, ax=None, style=None
    ):
        """Score scans with a fitted classifier and draw the curve.

        Parameters
        ----------
        estimator : fitted classifier or Pipeline
            It must not have seen these scans.
        {scans}
        threshold : float, "auto" or None, default="auto"
            Where to draw the cross, as in `from_result`.
        benchmarks, name : as in `from_result`
            Other scores of the same scans, and what the legend calls the curve.
        {drawn}

        Raises
        ------
        ValueError
            If the estimator cannot score, or as for `from_result`.
        """
        labels, score, method = score_scans(estimator, X, y)
        threshold = _threshold_of(threshold, method)
        options = {"benchmarks": benchmarks, "name": name, "ax": ax, "style": style}
        return cls.from_predictions(labels, score, threshold=threshold, **options)

    @classmethod
    def from_predictions(
        cls, y, scores, *, threshold=None, benchmarks=None, name=None, ax=None, style=None
    ):
        """Compute the curves of scores and draw them.

        Parameters
        ----------
        {y}
        scores : array-like of shape (n_scans,) or (n_repeats, n_scans)
            Higher means more likely positive; scores of repeats are out of fold.
        threshold : float or None, default=None
            Where to draw the cross; positive is ``score >= threshold``.
        benchmarks, name : as in `from_result`
            Other scores of the same scans, and what the legend calls the curve.
        {drawn}

        Raises
        ------
        ValueError
            If `y` does not hold two labels, or a labelled scan lacks a score.
        """
        if isinstance(threshold, str):
            raise ValueError(f"threshold must be a number or None, got {threshold!r}.")
        if isinstance(scores, list | tuple):
            scores = [fill_masked(score) for score in scores]
        scores = np.asarray(fill_masked(scores), dtype=float)
        positive, known = split_labels(y, scores.shape[-1])
        curves = [
            _curve(positive, known, score, f"the score of repeat {repeat}")
            for repeat, score in enumerate(np.atleast_2d(scores))
        ]
        aucs = np.array([auc(fpr, tpr) for fpr, tpr, _ in curves])
        # Equal areas differ in their last digits by the order of summation.
        order = np.argsort(aucs.round(12), kind="stable")
        fpr, tpr, thresholds = curves[order[(len(order) - 1) // 2]]
        point = None
        if threshold is not None:
            # The last point whose threshold still lies at or above the one asked for.
            last = np.searchsorted(-thresholds, -threshold, side="right") - 1
            point = (float(fpr[last]), float(tpr[last]))
        display = cls(
            fpr=fpr,
            tpr=tpr,
            thresholds=thresholds,
            repeat_aucs=aucs,
            repeat_tprs=np.stack([np.interp(_GRID, *curve[:2]) for curve in curves]),
            grid=_GRID,
            threshold=threshold,
            threshold_point=point,
            benchmarks={
                benchmark: _curve(positive, known, score, f"benchmark {benchmark!r}")
                for benchmark, score in (benchmarks or {}).items()
            },
            pooled=scores.ndim == 2,
            name=name,
        )
        return display.plot(ax, style=style)


def _threshold_of(threshold, response_method):
    """Return the threshold, or the default of the classifier for "auto"."""
    return default_threshold(response_method) if threshold == "auto" else threshold


def _curve(positive, known, score, name):
    """Return the ROC curve of the scans whose label is known."""
    return roc_curve(positive[known], known_scores(score, known, name), drop_intermediate=False)
