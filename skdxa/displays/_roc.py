"""ROC curves of a repeated cross-validation, and of benchmarks beside it."""

from itertools import cycle

import numpy as np
import pandas as pd
from sklearn.metrics import auc, roc_curve

from skdxa.displays._style import (
    BLUE,
    COLUMN_WIDTH,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    ink,
    new_axes,
    style,
)
from skdxa.evaluation import default_threshold, positive_scores, response_method_of
from skdxa.validation import positive_and_known

_GRID = np.linspace(0, 1, 201)

# Four colours and five ways to dash, so that twenty benchmarks differ in one or the other
# and the first four in both.
_COLORS = (GREEN, PURPLE, ORANGE, GREY)
_DASHES = ("--", "-.", (0, (1, 1)), (0, (6, 1.5, 1, 1.5, 1, 1.5)), (0, (9, 2)))


class RepeatedRocDisplay:
    """ROC curve of the median repeat, with the range of all repeats around it.

    As figures 4 and 5 of Nissinen et al. 2021 [1]_: the repeat of the cross-validation
    whose AUC over the whole dataset is the median, and a cross at the classification
    threshold. The band covers the curves of all repeats; it shows how much the split
    matters and is no confidence interval. Benchmarks, scores that need no training such
    as a T-score, are drawn beside it as dashed lines.

    Parameters
    ----------
    fpr : ndarray of shape (n_points,)
        False positive rate, 1 - specificity, of the median repeat.
    tpr : ndarray of shape (n_points,)
        True positive rate, the sensitivity, of the median repeat.
    thresholds : ndarray of shape (n_points,)
        Threshold of each point; positive is ``score >= threshold``.
    repeat_aucs : ndarray of shape (n_repeats,)
        AUC of each repeat.
    repeat_tprs : ndarray of shape (n_repeats, n_grid)
        Sensitivity of each repeat at `grid`.
    grid : ndarray of shape (n_grid,)
        False positive rates at which `repeat_tprs` are given.
    threshold : float or None, default=None
        The classification threshold.
    threshold_point : tuple of float or None, default=None
        False and true positive rate at `threshold`.
    benchmarks : dict of str to tuple of three ndarray, or None, default=None
        False positive rate, true positive rate and thresholds of each benchmark.
    pooled : bool, default=True
        Whether a repeat's scores are those of several models, pooled over the folds;
        the legend says so.
    name : str or None, default=None
        What the legend calls the curve.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn on.
    figure_ : matplotlib Figure
        Its figure.
    line_ : matplotlib Line2D
        The curve.
    band_ : matplotlib PolyCollection or None
        The range over repeats; None of a single repeat.
    benchmark_lines_ : dict of str to matplotlib Line2D
        The benchmarks' curves.
    threshold_ : matplotlib Line2D or None
        The cross at the threshold.
    chance_level_ : matplotlib Line2D
        The diagonal.
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

    def __init__(
        self,
        *,
        fpr,
        tpr,
        thresholds,
        repeat_aucs,
        repeat_tprs,
        grid,
        threshold=None,
        threshold_point=None,
        benchmarks=None,
        pooled=True,
        name=None,
    ):
        self.fpr = fpr
        self.tpr = tpr
        self.thresholds = thresholds
        self.repeat_aucs = repeat_aucs
        self.repeat_tprs = repeat_tprs
        self.grid = grid
        self.threshold = threshold
        self.threshold_point = threshold_point
        self.benchmarks = benchmarks
        self.pooled = pooled
        self.name = name

    @property
    def roc_auc(self):
        """AUC of the scores of the median repeat."""
        return auc(self.fpr, self.tpr)

    def plot(
        self,
        ax=None,
        *,
        name=None,
        curve_kwargs=None,
        band_kwargs=None,
        benchmark_kwargs=None,
        legend_kwargs=None,
    ):
        """Draw the curves, the band, the threshold and the chance level.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure as wide as a column in print.
        name : str or None, default=None
            What the legend calls the curve; None takes the display's own name.
        curve_kwargs : dict or None, default=None
            Style of the curve, as for ``Axes.plot``.
        band_kwargs : dict or None, default=None
            Style of the band, as for ``Axes.fill_between``.
        benchmark_kwargs : dict or None, default=None
            Style of all benchmarks, as for ``Axes.plot``; what it leaves open, such as
            colour and dashes, differs from one to the next.
        legend_kwargs : dict or None, default=None
            Style and place of the legend, as for ``Axes.legend``. By default it stands at
            the lower right, or beneath if there are benchmarks and no `ax` is given.

        Returns
        -------
        display : RepeatedRocDisplay
            With the artists as attributes.
        """
        benchmarks = self.benchmarks or {}
        # A long legend would hide the curves. Only a figure made here surely has room below.
        beneath = ax is None and legend_kwargs is None and bool(benchmarks)
        height = COLUMN_WIDTH + beneath * 0.15 * (3 + len(benchmarks))
        self.figure_, self.ax_ = new_axes(ax, height=height)
        name = self.name if name is None else name
        label = f"{'pooled ' * self.pooled}AUC = {self.roc_auc:.2f}"
        label = f"{name}: {label}" if name else label
        (self.chance_level_,) = self.ax_.plot(
            [0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":", zorder=1
        )
        self.band_ = None
        if len(self.repeat_aucs) > 1:
            self.band_ = self.ax_.fill_between(
                self.grid,
                self.repeat_tprs.min(axis=0),
                self.repeat_tprs.max(axis=0),
                label=f"range of {len(self.repeat_aucs)} repeats",
                **{"color": BLUE, "alpha": 0.3, "linewidth": 0, **(band_kwargs or {})},
            )
        (self.line_,) = self.ax_.plot(
            self.fpr,
            self.tpr,
            **style({"color": BLUE, "linewidth": 1.5, "label": label}, curve_kwargs),
        )
        self.benchmark_lines_ = {}
        looks = zip(benchmarks.items(), cycle(_COLORS), cycle(_DASHES), strict=False)
        for (benchmark, (fpr, tpr, _)), color, dashes in looks:
            defaults = {
                "color": color,
                "linestyle": dashes,
                "linewidth": 1.2,
                "label": f"{benchmark}: AUC = {auc(fpr, tpr):.2f}",
                "zorder": 1.9,
            }
            (self.benchmark_lines_[benchmark],) = self.ax_.plot(
                fpr, tpr, **style(defaults, benchmark_kwargs)
            )
        self.threshold_ = None
        if self.threshold_point is not None:
            (self.threshold_,) = self.ax_.plot(
                *self.threshold_point,
                marker="x",
                markersize=8,
                markeredgewidth=2,
                linestyle="none",
                color=ink(),
                label=f"threshold {self.threshold:.2g}",
            )
        self.ax_.set(
            xlabel="1 - specificity",
            ylabel="Sensitivity",
            xlim=(-0.01, 1.01),
            ylim=(-0.01, 1.01),
            aspect="equal",
        )
        self.legend_ = (self.figure_ if beneath else self.ax_).legend(
            **{
                "loc": "outside lower center" if beneath else "lower right",
                "fontsize": "x-small" if benchmarks else "small",
                "handlelength": 3 if benchmarks else 2,
                "edgecolor": "none",
                **(legend_kwargs or {}),
            }
        )
        return self

    def frame(self):
        """Return the numbers behind the picture.

        Returns
        -------
        frame : DataFrame
            A row a point: `curve` ("model", or the benchmark's name), `repeat` ("median",
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
        cls,
        result,
        *,
        y=None,
        threshold="auto",
        benchmarks=None,
        name=None,
        ax=None,
        curve_kwargs=None,
        band_kwargs=None,
        benchmark_kwargs=None,
        legend_kwargs=None,
    ):
        """Compute the curves of a repeated cross-validation and draw them.

        Parameters
        ----------
        result : CrossValidationResult
            From `skdxa.evaluation.repeated_cross_validate`.
        y : array-like of shape (n_scans,) or None, default=None
            Other labels to score against than those trained on; NaN where unknown.
        threshold : float, "auto" or None, default="auto"
            Where to draw the cross: "auto" at the result's own threshold, 0.5 for
            probabilities and 0 for a decision function; None draws none.
        benchmarks : dict of str to array-like of shape (n_scans,), or None, default=None
            Other scores of the same scans, in the order of X; higher means more likely
            positive: negate T-scores and TBS, where lower is worse.
        name : str or None, default=None
            What the legend calls the curve.
        ax : matplotlib Axes or None, default=None
            Where to draw.
        curve_kwargs, band_kwargs, benchmark_kwargs, legend_kwargs : dict or None, default=None
            Styles, as in `plot`.

        Returns
        -------
        display : RepeatedRocDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the labels do not fit, or a benchmark has no score for a labelled scan.
        """
        positive, known = positive_and_known(
            result.y if y is None else y, result.classes, len(result.y)
        )
        return cls.from_predictions(
            np.where(known, positive, np.nan),
            [result.repeat_scores(repeat) for repeat in range(result.n_repeats)],
            threshold=_number(threshold, result.response_method),
            benchmarks=benchmarks,
            name=name,
            ax=ax,
            curve_kwargs=curve_kwargs,
            band_kwargs=band_kwargs,
            benchmark_kwargs=benchmark_kwargs,
            legend_kwargs=legend_kwargs,
        )

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        threshold="auto",
        benchmarks=None,
        name=None,
        ax=None,
        curve_kwargs=None,
        benchmark_kwargs=None,
        legend_kwargs=None,
    ):
        """Score scans with a fitted classifier and draw the curve.

        Parameters
        ----------
        estimator : fitted classifier or Pipeline
            It must not have seen these scans.
        X : array-like, list or DataFrame of shape (n_scans, ...)
            As the estimator takes it.
        y : array-like of shape (n_scans,)
            Labels as in training, or 0 and 1; NaN where unknown.
        threshold : float, "auto" or None, default="auto"
            Where to draw the cross, as in `from_result`.
        benchmarks : dict of str to array-like of shape (n_scans,), or None, default=None
            Other scores of the same scans, as in `from_result`.
        name : str or None, default=None
            What the legend calls the curve.
        ax : matplotlib Axes or None, default=None
            Where to draw.
        curve_kwargs, benchmark_kwargs, legend_kwargs : dict or None, default=None
            Styles, as in `plot`.

        Returns
        -------
        display : RepeatedRocDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the estimator cannot score, or as for `from_result`.
        """
        method = response_method_of(estimator)
        score = positive_scores(estimator, X, method)
        positive, known = positive_and_known(y, estimator.classes_, len(score))
        return cls.from_predictions(
            np.where(known, positive, np.nan),
            score,
            threshold=_number(threshold, method),
            benchmarks=benchmarks,
            name=name,
            ax=ax,
            curve_kwargs=curve_kwargs,
            benchmark_kwargs=benchmark_kwargs,
            legend_kwargs=legend_kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        y,
        scores,
        *,
        threshold=None,
        benchmarks=None,
        name=None,
        ax=None,
        curve_kwargs=None,
        band_kwargs=None,
        benchmark_kwargs=None,
        legend_kwargs=None,
    ):
        """Compute the curves of scores and draw them.

        Parameters
        ----------
        y : array-like of shape (n_scans,)
            Two labels, the larger one positive; NaN, where unknown, is left out.
        scores : array-like of shape (n_scans,) or (n_repeats, n_scans)
            Higher means more likely positive; scores of repeats are out of fold.
        threshold : float or None, default=None
            Where to draw the cross; positive is ``score >= threshold``.
        benchmarks : dict of str to array-like of shape (n_scans,), or None, default=None
            Other scores of the same scans, as in `from_result`.
        name : str or None, default=None
            What the legend calls the curve.
        ax : matplotlib Axes or None, default=None
            Where to draw.
        curve_kwargs, band_kwargs, benchmark_kwargs, legend_kwargs : dict or None, default=None
            Styles, as in `plot`.

        Returns
        -------
        display : RepeatedRocDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If `y` does not hold two labels, or a labelled scan lacks a score.
        """
        if isinstance(threshold, str):
            raise ValueError(f"threshold must be a number or None, got {threshold!r}")
        y, scores = np.asarray(y), np.asarray(scores, dtype=float)
        labels = np.unique(y[~pd.isna(y)].tolist())
        if len(labels) != 2:
            raise ValueError(
                f"y must hold both positive and negative labels, got {labels.tolist()}"
            )
        positive, known = positive_and_known(y, labels, scores.shape[-1])
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
        return display.plot(
            ax,
            curve_kwargs=curve_kwargs,
            band_kwargs=band_kwargs,
            benchmark_kwargs=benchmark_kwargs,
            legend_kwargs=legend_kwargs,
        )


def _number(threshold, response_method):
    return default_threshold(response_method) if threshold == "auto" else threshold


def _curve(positive, known, score, name):
    """ROC curve over the scans whose label is known."""
    score = np.asarray(score, dtype=float)
    if score.shape != positive.shape:
        raise ValueError(
            f"{name} must hold one number for each of {len(positive)} scans, got shape "
            f"{score.shape}"
        )
    missing = np.flatnonzero(known & ~np.isfinite(score))
    if missing.size:
        raise ValueError(
            f"{name} lacks a finite number for {missing.size} of {known.sum()} labelled scans, "
            f"the first in row {missing[0]} (counted from 0): curves are compared on the same "
            "scans, so set the labels of these to NaN in y"
        )
    return roc_curve(positive[known], score[known], drop_intermediate=False)
