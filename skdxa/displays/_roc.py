"""ROC curves of a repeated cross-validation."""

import numpy as np
import pandas as pd
from sklearn.metrics import auc, roc_curve

from skdxa.displays._style import BLUE, GREY, ORANGE, new_axes, style
from skdxa.evaluation._result import positive_and_known

_GRID = np.linspace(0, 1, 201)


class RepeatedRocDisplay:
    """ROC curve of the median repeat, with the range of all repeats around it.

    As figures 4 and 5 of Nissinen et al. 2021 [1]_: the repeat of the cross-validation
    whose AUC over the whole dataset is the median, and a cross at the classification
    threshold. The band covers the curves of all repeats; it shows how much the split
    matters and is no confidence interval.

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
    threshold_ : matplotlib Line2D or None
        The cross at the threshold.
    chance_level_ : matplotlib Line2D
        The diagonal.

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
    >>> display = RepeatedRocDisplay.from_result(result, name="simulated")
    >>> display.frame().columns.tolist()
    ['repeat', 'fpr', 'tpr', 'threshold']
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
        self.name = name

    @property
    def roc_auc(self):
        """AUC of the pooled scores of the median repeat."""
        return auc(self.fpr, self.tpr)

    def plot(self, ax=None, *, name=None, curve_kwargs=None, band_kwargs=None):
        """Draw the curve, the band, the threshold and the chance level.

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

        Returns
        -------
        display : RepeatedRocDisplay
            With the artists as attributes.
        """
        self.figure_, self.ax_ = new_axes(ax)
        name = self.name if name is None else name
        n_repeats = len(self.repeat_aucs)
        label = f"pooled AUC = {self.roc_auc:.2f}"
        label = f"{name}: {label}" if name else label
        (self.chance_level_,) = self.ax_.plot(
            [0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":", zorder=1
        )
        self.band_ = None
        if n_repeats > 1:
            self.band_ = self.ax_.fill_between(
                self.grid,
                self.repeat_tprs.min(axis=0),
                self.repeat_tprs.max(axis=0),
                label=f"range of {n_repeats} repeats",
                **{"color": BLUE, "alpha": 0.2, "linewidth": 0, **(band_kwargs or {})},
            )
        (self.line_,) = self.ax_.plot(
            self.fpr,
            self.tpr,
            **style({"color": BLUE, "linewidth": 1.5, "label": label}, curve_kwargs),
        )
        self.threshold_ = None
        if self.threshold_point is not None:
            (self.threshold_,) = self.ax_.plot(
                *self.threshold_point,
                marker="x",
                markersize=8,
                markeredgewidth=2,
                linestyle="none",
                color=ORANGE,
                label=f"threshold {self.threshold:.2g}",
            )
        self.ax_.set(
            xlabel="1 - specificity",
            ylabel="Sensitivity",
            xlim=(-0.01, 1.01),
            ylim=(-0.01, 1.01),
            aspect="equal",
        )
        self.ax_.legend(loc="lower right", fontsize="small", frameon=False)
        return self

    def frame(self):
        """Give the numbers behind the picture.

        Returns
        -------
        frame : DataFrame
            A row a point: `repeat` ("median", or the number of the repeat), `fpr`,
            `tpr`, and `threshold`, which is NaN on the grid that repeats share.
        """
        median = pd.DataFrame(
            {"repeat": "median", "fpr": self.fpr, "tpr": self.tpr, "threshold": self.thresholds}
        )
        others = [
            pd.DataFrame({"repeat": number, "fpr": self.grid, "tpr": tpr, "threshold": np.nan})
            for number, tpr in enumerate(self.repeat_tprs)
        ]
        return pd.concat([median, *others], ignore_index=True)

    @classmethod
    def from_result(
        cls,
        result,
        *,
        y=None,
        threshold="auto",
        name=None,
        ax=None,
        curve_kwargs=None,
        band_kwargs=None,
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
        name : str or None, default=None
            What the legend calls the curve.
        ax : matplotlib Axes or None, default=None
            Where to draw.
        curve_kwargs, band_kwargs : dict or None, default=None
            Styles, as in `plot`.

        Returns
        -------
        display : RepeatedRocDisplay
            The display, drawn.
        """
        labels = result.y if y is None else y
        positive, known = positive_and_known(labels, result.classes, len(result.y))
        curves = [
            roc_curve(
                positive[known], result.repeat_scores(repeat)[known], drop_intermediate=False
            )
            for repeat in range(result.n_repeats)
        ]
        fpr, tpr, thresholds = curves[result.median_repeat(y)]
        point = None
        if threshold == "auto":
            threshold = 0.5 if result.response_method == "predict_proba" else 0.0
        if threshold is not None:
            # The last point whose threshold still lies at or above the one asked for.
            last = np.searchsorted(-thresholds, -threshold, side="right") - 1
            point = (float(fpr[last]), float(tpr[last]))
        display = cls(
            fpr=fpr,
            tpr=tpr,
            thresholds=thresholds,
            repeat_aucs=np.array([auc(*curve[:2]) for curve in curves]),
            repeat_tprs=np.stack([np.interp(_GRID, *curve[:2]) for curve in curves]),
            grid=_GRID,
            threshold=threshold,
            threshold_point=point,
            name=name,
        )
        return display.plot(ax, curve_kwargs=curve_kwargs, band_kwargs=band_kwargs)
