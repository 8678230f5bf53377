"""Decision curves: whether acting on predicted risks does more good than harm."""

from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import ClassVar

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.lines import Line2D

from skdxa.displays._base import RiskCurveDisplay
from skdxa.displays._scores import known_risks, predict_risks, risks_of_results
from skdxa.displays._style import GREY, ink
from skdxa.significance import net_benefit
from skdxa.validation import as_seed

_HEIGHT = 2.8
# How far the default thresholds reach, in prevalences, and the largest of them.
_REACH, _LARGEST = 3.25, 0.99
# The vertical axis, in prevalences: net benefit never exceeds one.
_LOW, _HIGH = -0.15, 1.1


@dataclass(eq=False, repr=False)
class DecisionCurveDisplay(RiskCurveDisplay):
    """Net benefit of treating by predicted risk, against the threshold risk.

    The decision curve of Vickers and Elkin [1]_. A model is useful at the thresholds at which its
    curve lies above both that of treating everyone and that of treating nobody.

    Parameters
    ----------
    curves : dict of str to DataFrame
        Results of `skdxa.significance.net_benefit` by name, all of the same scans and
        thresholds.
    prevalence : float
        Share of scans that are positive.
    level : float, default=0.95
        Confidence level of the bands, of curves that have one.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        What was drawn on.
    lines_ : dict of str to matplotlib Line2D
        The curves.
    bands_ : dict of str to matplotlib PolyCollection
        The confidence bands of the curves that have one.
    treat_all_, treat_none_ : matplotlib Line2D
        Net benefit of treating everyone, and of treating nobody, zero.
    legend_ : matplotlib Legend
        The legend.

    See Also
    --------
    skdxa.significance.net_benefit : The numbers.
    CalibrationDisplay : Whether the risks are right.

    Notes
    -----
    Net benefit is the share of true positives, less that of false positives at the odds
    of the threshold [2]_. It depends on calibration: a network whose probabilities
    are too high or too low, as after training with class weights, has a poor curve no matter how
    well it separates the classes.

    By default curves have no band, and a small difference may be chance. The band that
    `n_resamples` asks for is that of a bootstrap of patients, at each threshold. It is of one
    curve: overlapping bands do not show that two models are equal.

    References
    ----------
    .. [1] Vickers AJ, Elkin EB. Decision curve analysis: a novel method for
       evaluating prediction models. Med Decis Making 26, 565-574 (2006).
    .. [2] Vickers AJ, van Calster B, Steyerberg EW. A simple, step-by-step guide to
       interpreting decision curve analysis. Diagn Progn Res 3, 18 (2019).

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.displays import DecisionCurveDisplay
    >>> rng = np.random.default_rng(0)
    >>> risk = rng.beta(1, 9, size=1000)
    >>> y = rng.random(1000) < risk
    >>> display = DecisionCurveDisplay.from_predictions(y, risk, name="simulated risk")
    >>> display.prevalence
    0.106
    >>> display.frame()["threshold"].tolist()[-1]
    0.344
    """

    _ARTISTS: ClassVar = {
        "curves": Line2D,
        "bands": PolyCollection,
        "treat_all": Line2D,
        "treat_none": Line2D,
        "legend": None,
    }

    curves: dict
    _: KW_ONLY
    prevalence: float
    level: float = 0.95

    def plot(self, ax=None, *, style=None):
        """Draw the curves between treating everyone and treating nobody.

        Parameters
        ----------
        {ax}
        style : dict or None, default=None
            Matplotlib properties by artist: "curves" (all of them; what is left open, such
            as colour and dashes, differs from one to the next), "bands" (all of them),
            "treat_all", "treat_none" and "legend".
        {plotted}

        Notes
        -----
        The vertical axis reaches from a little below zero to a little above the
        prevalence, the highest possible net benefit; what lies below is harmful and cut off.
        """
        look = self._merger(style)
        self._set_axes(ax, height=_HEIGHT)
        self.lines_ = self._draw_risk_curves(
            {
                name: (curve["threshold"], curve["net_benefit"], name)
                for name, curve in self.curves.items()
            },
            look,
        )
        self.bands_ = self._draw_bands(
            {name: curve for name, curve in self.curves.items() if "low" in curve},
            "threshold",
            partial(look, "bands"),
        )
        # All curves are of the same scans, so that any of them holds this one.
        any_curve = next(iter(self.curves.values()))
        (self.treat_all_,) = self.ax_.plot(
            any_curve["threshold"],
            any_curve["treat_all"],
            **look("treat_all", color=GREY, label="treat all", linewidth=1.0, zorder=1.5),
        )
        self.treat_none_ = self.ax_.axhline(
            0, **look("treat_none", color=ink(), label="treat none", linewidth=1.0, zorder=1.5)
        )
        self.ax_.set_xlabel("Threshold risk")
        self.ax_.set_ylabel("Net benefit", wrap=True)
        self.ax_.set_ylim(_LOW * self.prevalence, _HIGH * self.prevalence)
        self.ax_.margins(x=0.02)
        # Inside, a legend would hide many curves, or their bands. They begin at the prevalence
        # on the left, and fall.
        self.legend_ = self._draw_legend(
            look("legend", handlelength=3),
            is_outside=len(self.curves) > 4 or bool(self.bands_),
            inside="upper right",
            grow=ax is None,
        )
        return self

    def _tables(self):
        return self.curves

    @classmethod
    def from_predictions(
        cls,
        y,
        prob,
        *,
        thresholds=None,
        groups=None,
        level=0.95,
        n_resamples=0,
        random_state=None,
        name=None,
        ax=None,
        style=None,
    ):
        """Compute the curves of predicted risks and draw them.

        Parameters
        ----------
        {predictions}
        thresholds : array-like of shape (n_thresholds,) or None, default=None
            Risks at and above which patients would be treated, strictly between 0 and 1. None uses
            evenly spaced ones, 100 to 999 of them and each a round number, from near 0 to 3.25
            times the prevalence (at most 0.99). Clinical reasons are better: the risks at which
            doctors or patients would begin to disagree.
        {groups}
        {level}
        n_resamples : int, default=0
            Resamples of patients for the bands; 2,000 are enough. By default there are none.
        random_state : int, RandomState instance or None, default=None
            Seed of the resampling.
        {name}
        {drawn}

        Raises
        ------
        ValueError
            If `y` does not hold two labels, a labelled scan has no risk, a risk is not
            between 0 and 1, or a threshold not strictly so.
        """
        positive, risks, groups = known_risks(y, prob, groups, name)
        prevalence = float(positive.mean())
        if thresholds is None:
            thresholds = _round_thresholds(prevalence)
        thresholds = np.sort(np.atleast_1d(thresholds))
        band = {"groups": groups, "level": level, "n_resamples": n_resamples}
        # One seed, so that all curves are of the same resamples.
        seed = as_seed(random_state) if n_resamples else None
        curves = {
            curve: net_benefit(positive, risk, thresholds, random_state=seed, **band)
            for curve, risk in risks.items()
        }
        return cls(curves, prevalence=prevalence, level=level).plot(ax, style=style)

    @classmethod
    def from_estimator(
        cls,
        model,
        X,
        y,
        *,
        thresholds=None,
        groups=None,
        level=0.95,
        n_resamples=0,
        random_state=None,
        name=None,
        ax=None,
        style=None,
    ):
        """Predict the risks of scans with a fitted classifier and draw its curve.

        Parameters
        ----------
        {model}
        thresholds, groups, level, n_resamples, random_state, name : as in `from_predictions`
            Where to compute the curve, its band, and what the legend calls it.
        {drawn}
        {model_errors}
        """
        band = {"level": level, "n_resamples": n_resamples, "random_state": random_state}
        drawing = {"name": name, "ax": ax, "style": style}
        return cls.from_predictions(
            *predict_risks(model, X, y), thresholds=thresholds, groups=groups, **band, **drawing
        )

    @classmethod
    def from_result(
        cls,
        result,
        y=None,
        *,
        thresholds=None,
        level=0.95,
        n_resamples=0,
        random_state=None,
        name=None,
        ax=None,
        style=None,
    ):
        """Draw the curves of repeated cross-validations.

        Each scan's risk is the one out of fold, of the repeat with the median AUC. Bands
        resample the patients of the result.

        Parameters
        ----------
        {results}
        thresholds, level, n_resamples, random_state, name : as in `from_predictions`
            Where to compute the curves, their bands, and what the legend calls a single one.
        {drawn}
        {result_errors}
        """
        labels, risks, groups = risks_of_results(result, y, name)
        band = {"level": level, "n_resamples": n_resamples, "random_state": random_state}
        options = {"thresholds": thresholds, "groups": groups, "ax": ax, "style": style}
        return cls.from_predictions(labels, risks, **band, **options)


def _round_thresholds(prevalence):
    """Return thresholds of two or three digits, to a little beyond three times the prevalence."""
    largest = min(_REACH * prevalence, _LARGEST)
    # Whole numbers over a power of ten are exactly the floats of the typed numbers: a risk of 0.07
    # reaches the threshold 0.07.
    per_unit = 10 ** (2 - int(np.floor(np.log10(largest))))
    return np.arange(1, int(largest * per_unit) + 1) / per_unit
