"""Learning curves: training and validation error over the epochs."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from matplotlib.collections import PolyCollection
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from sklearn.utils.validation import check_is_fitted

from skdxa._sklearn import final_step
from skdxa.displays._base import BaseDisplay, marker_of, title_of
from skdxa.displays._style import BLUE, GREY, ORANGE

_HEIGHT = 2.6
# Both lines are solid, since dashes would hide noise; their widths differ in grey print too.
_CURVES = (("training", BLUE, 1.8), ("validation", ORANGE, 0.9))
_INDEX_COLUMNS = ("repeat", "fold", "epoch")


@dataclass(eq=False, repr=False)
class TrainingCurveDisplay(BaseDisplay):
    """Error of training and validation over the epochs, and the epoch that was kept.

    As figure 7 of Nissinen et al. 2021 [1]_: mean error of the training scans (blue) and
    of the validation scans (red), of the fold with the median AUC. A dashed line marks
    the epoch whose weights the classifier kept, and a point the error there.

    Parameters
    ----------
    epochs, training : ndarray of shape (n_epochs,)
        Numbers of the epochs, the first being 1, and the training error after each.
    validation : ndarray of shape (n_epochs,) or None, default=None
        Validation error; None where no scans were held out.
    best_epoch : int or None, default=None
        Epoch whose weights were kept; None marks none.
    ranges : DataFrame or None, default=None
        Lowest and highest error of all folds, by epoch: index `epoch`, columns
        `training_low`, `training_high`, those of `validation` if there is any, and
        `n_folds`, the number of folds that reached the epoch.
    metric : str, default="loss"
        Name of what the curves show.
    repeat, fold : int or None, default=None
        The repeat and fold of a cross-validation that the curves are of.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        What was drawn on.
    training_, validation_ : matplotlib Line2D
        The curves; the second may be None.
    best_epoch_, best_point_ : matplotlib Line2D or None
        The vertical line at the epoch that was kept, and the point there, on the validation
        curve if there is one, else on the training curve.
    bands_ : dict of str to matplotlib PolyCollection
        The ranges over all folds, "training" and "validation"; empty without `ranges`.
    legend_ : matplotlib Legend
        The legend.

    See Also
    --------
    skdxa.evaluation.CrossValidationResult : Holds the curves of every fold in `histories`.
    sklearn.model_selection.LearningCurveDisplay : Scores by the number of training scans.

    Notes
    -----
    The error of `skdxa.classification.SpineCNNClassifier` is the cross-entropy, and the
    penalty on the weights is part of it. Dropout is active while the
    training error is computed, and not while the validation error is, so that the first
    curve may lie above the second.

    References
    ----------
    .. [1] Nissinen et al., Bone Reports 14, 2021, 101070.
       https://doi.org/10.1016/j.bonr.2021.101070

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.classification import SpineCNNClassifier
    >>> from skdxa.displays import TrainingCurveDisplay
    >>> rng = np.random.default_rng(0)
    >>> y = np.tile([0, 1], 20)
    >>> X = rng.normal(size=(40, 16, 12)).astype("float32") + y[:, None, None]
    >>> cnn = SpineCNNClassifier(filters=(4,), epochs=5, random_state=0).fit(X, y)
    >>> display = TrainingCurveDisplay.from_estimator(cnn)
    >>> title = display.ax_.set_title("simulated")
    >>> display.frame().columns.tolist()
    ['epoch', 'training', 'validation']
    """

    _ARTISTS: ClassVar = {
        "training": Line2D,
        "validation": Line2D,
        "best_epoch": Line2D,
        "best_point": Line2D,
        "bands": PolyCollection,
        "legend": None,
    }

    _: KW_ONLY
    epochs: np.ndarray
    training: np.ndarray
    validation: np.ndarray | None = None
    best_epoch: int | None = None
    ranges: pd.DataFrame | None = None
    metric: str = "loss"
    repeat: int | None = None
    fold: int | None = None

    def plot(self, ax=None, *, style=None):
        """Draw the curves, the epoch that was kept and the ranges.

        Parameters
        ----------
        {ax}
        style : dict or None, default=None
            Matplotlib properties by artist: "training", "validation", "best_epoch",
            "best_point", "bands" (both ranges) and "legend".
        {plotted}
        """
        look = self._merger(style)
        self._set_axes(ax, height=_HEIGHT)
        self.bands_, curves = {}, {"training": None, "validation": None}
        for name, color, linewidth in _CURVES:
            if self.ranges is not None and f"{name}_low" in self.ranges:
                self.bands_[name] = self.ax_.fill_between(
                    self.ranges.index,
                    self.ranges[f"{name}_low"],
                    self.ranges[f"{name}_high"],
                    **look("bands", color=color, alpha=0.25, linewidth=0),
                )
            if getattr(self, name) is not None:
                line = {"color": color, "linewidth": linewidth, "label": name}
                line = look(name, **line, marker=marker_of(self.epochs))
                (curves[name],) = self.ax_.plot(self.epochs, getattr(self, name), **line)
        self.training_, self.validation_ = curves.values()
        self.best_epoch_ = self.best_point_ = None
        if self.best_epoch is not None:
            dashed = {"color": GREY, "linewidth": 1.0, "linestyle": "--", "zorder": 1.5}
            dashed = look("best_epoch", **dashed, label=f"epoch kept: {self.best_epoch}")
            self.best_epoch_ = self.ax_.axvline(self.best_epoch, **dashed)
            last = self.validation_ or self.training_
            point = last.get_xydata()[np.asarray(self.epochs) == self.best_epoch]
            dot = look("best_point", marker="o", markersize=5, color=last.get_color())
            (self.best_point_,) = self.ax_.plot(*point.T, **dot)
        name = "Mean error (loss)" if self.metric == "loss" else title_of(self.metric)
        self.ax_.set_xlabel("Epoch")
        self.ax_.set_ylabel(name, wrap=True)
        self.ax_.xaxis.set_major_locator(
            MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)
        )
        lines = (self.training_, self.validation_, self.best_epoch_)
        handles = {line.get_label(): line for line in lines if line is not None}
        if self.bands_:
            handles[f"range of {self.ranges['n_folds'].max()} folds"] = (*self.bands_.values(),)
        legend = look(
            "legend",
            handles=handles.values(),
            labels=handles,
            handler_map={tuple: HandlerTuple(ndivide=None, pad=0)},
        )
        self.legend_ = self._draw_legend(legend, grow=ax is None)
        return self

    def frame(self):
        """Return the numbers behind the picture.

        Returns
        -------
        frame : DataFrame
            One row per epoch: `epoch`, `training`, `validation` (NaN without validation
            scans) and, where ranges are drawn, their columns.
        """
        frame = pd.DataFrame(
            {
                "epoch": self.epochs,
                "training": self.training,
                "validation": np.nan if self.validation is None else self.validation,
            }
        )
        if self.ranges is None:
            return frame
        return frame.merge(self.ranges, how="outer", left_on="epoch", right_index=True)

    @classmethod
    def from_estimator(cls, model, *, metric="loss", ax=None, style=None):
        """Draw the curves of a fitted classifier.

        Parameters
        ----------
        model : SpineCNNClassifier, or a Pipeline or search that ends in one
            Fitted. Any classifier is accepted whose `history_` is a dict of curves by name, lists
            of equal length.
        metric : str, default="loss"
            Name of the training curve; with ``val_`` before it, that of the validation.
        {drawn}

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the model is not fitted.
        ValueError
            If it keeps no history, or has no such metric.
        """
        classifier = final_step(model)
        check_is_fitted(classifier)
        history = getattr(classifier, "history_", None)
        if not isinstance(history, dict) or not history:
            raise ValueError(
                f"{type(classifier).__name__} keeps no learning curves: it has no history_ such "
                "as a fitted SpineCNNClassifier has."
            )
        _check_metric(metric, history)
        training = np.asarray(history[metric], dtype=float)
        display = cls(
            epochs=np.arange(1, len(training) + 1),
            training=training,
            validation=_curve_of(history, f"val_{metric}"),
            best_epoch=getattr(classifier, "best_epoch_", None),
            metric=metric,
        )
        return display.plot(ax, style=style)

    @classmethod
    def from_result(
        cls, result, *, repeat=None, fold=None, metric="loss", band=False, ax=None, style=None
    ):
        """Draw the curves of one fold of a repeated cross-validation.

        Parameters
        ----------
        result : CrossValidationResult
            From `skdxa.evaluation.repeated_cross_validate`, of a classifier that keeps a
            history.
        repeat, fold : int or None, default=None
            The fold, both numbers counted from 0; None selects the one with the median AUC. A
            single repeat need not be named.
        metric : str, default="loss"
            Name of the training curve; with ``val_`` before it, that of the validation.
        band : bool, default=False
            Whether to show the range of all folds of all repeats behind the curves; later
            epochs show the range of the folds that had not stopped.
        {drawn}

        Raises
        ------
        ValueError
            If the result has no learning curves, no such metric or no such fold.
        """
        histories = result.histories
        names = histories.columns.difference(_INDEX_COLUMNS)
        if histories.empty or names.empty:
            raise ValueError(
                "the result holds no learning curves: its classifier kept no history_ such as "
                "a SpineCNNClassifier keeps."
            )
        _check_metric(metric, names)
        repeat, fold = _fold_of(result, repeat, fold)
        curves = histories.rename(columns={metric: "training", f"val_{metric}": "validation"})
        of_fold = _rows_of(curves, repeat, fold).sort_values("epoch")
        if of_fold.empty:
            raise ValueError(f"repeat {repeat}, fold {fold} has no learning curve.")
        best_epoch = np.nan
        if "best_epoch" in result.folds:
            best_epoch = _rows_of(result.folds, repeat, fold)["best_epoch"].item()
        display = cls(
            epochs=of_fold["epoch"].to_numpy(),
            training=of_fold["training"].to_numpy(float),
            validation=_curve_of(of_fold, "validation"),
            best_epoch=None if np.isnan(best_epoch) else int(best_epoch),
            ranges=_ranges(curves) if band else None,
            metric=metric,
            repeat=repeat,
            fold=fold,
        )
        return display.plot(ax, style=style)


def _curve_of(curves, name):
    """Return a curve as an array, or None where there is none."""
    curve = np.asarray(curves.get(name, np.nan), dtype=float)
    return None if np.isnan(curve).all() else curve


def _check_metric(metric, names):
    known = sorted(name for name in names if not name.startswith("val_"))
    if metric not in known:
        raise ValueError(f"metric must be one of {known}, whose curves were kept, got {metric!r}.")


def _fold_of(result, repeat, fold):
    """Return the repeat and fold whose curves to draw."""
    if repeat is None and fold is None:
        return result.median_fold()
    if repeat is None and result.n_repeats == 1:
        repeat = 0
    if repeat is None or fold is None:
        raise ValueError(
            "repeat and fold must be given together, or neither for the fold with the median "
            f"AUC; got repeat={repeat!r}, fold={fold!r}."
        )
    for name, value, size in (
        ("repeat", repeat, result.n_repeats),
        ("fold", fold, result.n_folds),
    ):
        if value not in range(size):
            raise ValueError(f"there are {name}s 0 to {size - 1}, but no {name} {value!r}.")
    return repeat, fold


def _rows_of(table, repeat, fold):
    return table[(table["repeat"] == repeat) & (table["fold"] == fold)]


def _ranges(curves):
    """Return the lowest and highest error of all folds, by epoch."""
    each = curves.groupby("epoch")
    ranges = {}
    for name in ("training", "validation"):
        if name in curves:
            ranges[f"{name}_low"] = each[name].min()
            ranges[f"{name}_high"] = each[name].max()
    return pd.DataFrame({**ranges, "n_folds": each.size()})
