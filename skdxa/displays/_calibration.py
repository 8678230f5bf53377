"""Calibration curves: the observed risk against the predicted one."""

from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import ClassVar

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from skdxa.displays._base import RiskCurveDisplay
from skdxa.displays._scores import known_risks, predict_risks, risks_of_results
from skdxa.displays._style import COLUMN_WIDTH, GREY, ink
from skdxa.significance import calibration_curve

_N_BINS = 50
# The axes reach a little beyond the largest risk, below which a histogram has this share.
_MARGIN, _STRIP = 1.04, 0.17


@dataclass(eq=False, repr=False)
class CalibrationDisplay(RiskCurveDisplay):
    """Observed against predicted risk, with the histogram of the predicted risks.

    The smooth calibration curve of Harrell [1]_ with its confidence band. Where it lies above
    the diagonal, risks are too low. Below the axis of zero risk are the histograms of the
    predicted risks: scans with the outcome upwards, those without it downwards, each as a share
    of its class.

    Parameters
    ----------
    curves : dict of str to skdxa.significance.CalibrationCurve
        Results of `skdxa.significance.calibration_curve` by name, all of the same level.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        What was drawn on.
    lines_ : dict of str to matplotlib Line2D
        The curves.
    bands_ : dict of str to matplotlib PolyCollection
        Their confidence bands.
    ideal_ : matplotlib Line2D
        The diagonal.
    histograms_ : dict of str to tuple of two matplotlib BarContainer
        The histograms: of scans with the outcome, and of the others.
    legend_ : matplotlib Legend
        The legend, with the integrated calibration index (ICI), the mean distance between
        curve and diagonal.

    See Also
    --------
    skdxa.significance.calibration_curve : The numbers.
    skdxa.significance.calibration : Calibration-in-the-large and slope.
    DecisionCurveDisplay : The net benefit of acting on the risks.

    Notes
    -----
    The band is pointwise. A curve is least certain at high risks, which few scans have, and is
    drawn as far as there is a scan; axes end a little beyond the largest risk. Chance
    makes the ICI larger than 0 even if the risks are right [2]_.

    References
    ----------
    .. [1] Harrell FE. Regression modeling strategies. 2nd ed., Springer, 2015.
    .. [2] Austin PC, Steyerberg EW. The Integrated Calibration Index (ICI) and related
       metrics for quantifying the calibration of logistic regression models. Stat Med 38,
       4051-4065 (2019).

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.displays import CalibrationDisplay
    >>> rng = np.random.default_rng(0)
    >>> risk = rng.beta(2, 8, size=1000)
    >>> y = rng.random(1000) < risk
    >>> display = CalibrationDisplay.from_predictions(y, risk / 2, name="simulated, too low")
    >>> display.legend_.get_texts()[0].get_text()
    'simulated, too low: ICI = 0.110'
    """

    _ARTISTS: ClassVar = {
        "curves": Line2D,
        "bands": PolyCollection,
        "ideal": Line2D,
        "histograms": Rectangle,
        "legend": None,
    }

    curves: dict
    _: KW_ONLY

    @property
    def level(self):
        """Confidence level of the bands."""
        return next(iter(self.curves.values())).level

    def plot(self, ax=None, *, style=None):
        """Draw the curves, their bands, the diagonal and the histograms.

        Parameters
        ----------
        {ax}
            By default the legend is below the axes or at their right. In a figure without a layout
            engine it is inside them, and where it would hide a curve the figure gets a constrained
            layout.
        style : dict or None, default=None
            Matplotlib properties by artist: "curves", "bands" and "histograms" (all of them;
            what is left open, such as colour and dashes, differs from one to the next),
            "ideal" and "legend".
        {plotted}
        """
        look = self._merger(style)
        n_curves = len(self.curves)
        # The axes are five sixths as wide as the figure.
        self._set_axes(ax, height=COLUMN_WIDTH * (1 + n_curves * _STRIP * 5 / 6))
        tables = self._tables()
        largest = max(table[["risk", "observed"]].max(axis=None) for table in tables.values())
        self.lines_ = self._draw_risk_curves(
            {
                name: (
                    table["risk"],
                    table["observed"],
                    f"{name}: ICI = {self.curves[name].ici:.3f}",
                )
                for name, table in tables.items()
            },
            look,
        )
        self.bands_ = self._draw_bands(tables, "risk", partial(look, "bands"))
        diagonal = look(
            "ideal", color=GREY, label="ideal", linewidth=0.8, linestyle=":", zorder=1.1
        )
        (self.ideal_,) = self.ax_.plot([0, 1], [0, 1], **diagonal)
        limit = min(_MARGIN * largest, 1.01)
        self.histograms_ = {
            name: self._draw_histograms(
                table,
                limit,
                -(number + 0.5) * _STRIP * limit,
                partial(look, "histograms", color=self.lines_[name].get_color()),
            )
            for number, (name, table) in enumerate(tables.items())
        }
        self.ax_.axhline(0, color=ink(), linewidth=0.8, zorder=1)
        self.ax_.set(
            xlabel="Predicted risk",
            xlim=(0, limit),
            ylim=(-n_curves * _STRIP * limit, limit),
            aspect="equal",
            # Anchored at the lower edge, so that constrained layout reserves the space below.
            anchor="S",
        )
        # The label is beside the curves alone, since histograms have no risk on this axis.
        self.ax_.set_ylabel("Observed risk", y=(n_curves * _STRIP + 0.5) / (n_curves * _STRIP + 1))
        ticks = self.ax_.get_yticks()
        self.ax_.set_yticks(ticks[(ticks >= 0) & (ticks <= limit)])
        legend = look("legend", handlelength=3)
        self.legend_ = self._draw_legend(legend, grow=ax is None)
        return self

    def _tables(self):
        return {name: curve.curve for name, curve in self.curves.items()}

    def _draw_histograms(self, table, limit, middle, wanted):
        """Draw risks of scans with the outcome above a line, those of the others below it."""
        edges = np.linspace(0, min(limit, 1), _N_BINS + 1)
        n_of_class = (table["events"], table["n"] - table["events"])
        shares = [
            np.histogram(table["risk"], edges, weights=n_scans)[0] / n_scans.sum()
            for n_scans in n_of_class
        ]
        # The highest bar has the full height that is available.
        unit = 0.42 * _STRIP * limit / np.max(shares)
        self.ax_.axhline(middle, color=GREY, linewidth=0.5, zorder=1)
        for side, which in (("bottom", "positive"), ("top", "negative")):
            self.ax_.annotate(
                which,
                (1, middle),
                (-3, 2 if side == "bottom" else -2),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                ha="right",
                va=side,
                color=GREY,
                fontsize="xx-small",
            )
        return tuple(
            self.ax_.bar(
                edges[:-1],
                direction * unit * share,
                np.diff(edges),
                bottom=middle,
                align="edge",
                **wanted(alpha=alpha, linewidth=0),
            )
            for direction, alpha, share in zip((1, -1), (1.0, 0.5), shares, strict=True)
        )

    @classmethod
    def from_predictions(
        cls, y, prob, *, n_knots=4, groups=None, level=0.95, name=None, ax=None, style=None
    ):
        """Compute the calibration curves of predicted risks and draw them.

        Parameters
        ----------
        {predictions}
            The risks lie strictly between 0 and 1.
        n_knots : int, default=4
            Number of knots of the spline, from 3 to 7. More knots need more events.
        {groups}
        {level}
        {name}
        {drawn}

        Raises
        ------
        ValueError
            If `y` does not hold two labels, a labelled scan has no risk, or as for
            `skdxa.significance.calibration_curve`; the curve is then named.
        """
        positive, risks, groups = known_risks(y, prob, groups, name)
        curves = {}
        for curve, risk in risks.items():
            try:
                curves[curve] = calibration_curve(
                    positive, risk, n_knots=n_knots, groups=groups, level=level
                )
            except ValueError as error:
                raise ValueError(f"{curve!r}: {error}") from error
        return cls(curves).plot(ax, style=style)

    @classmethod
    def from_estimator(
        cls, model, X, y, *, n_knots=4, groups=None, level=0.95, name=None, ax=None, style=None
    ):
        """Predict the risks of scans with a fitted classifier and draw its curve.

        Parameters
        ----------
        {model}
        n_knots, groups, level, name : as in `from_predictions`
            The knots of the spline, the patients, the level of the band, and what the legend
            calls the curve.
        {drawn}
        {model_errors}
        """
        options = {"n_knots": n_knots, "level": level, "ax": ax, "style": style}
        risks = predict_risks(model, X, y)
        return cls.from_predictions(*risks, groups=groups, name=name, **options)

    @classmethod
    def from_result(cls, result, y=None, *, n_knots=4, level=0.95, name=None, ax=None, style=None):
        """Draw the calibration curves of repeated cross-validations.

        Each scan's risk is the one out of fold, of the repeat with the median AUC. Bands
        take the patients of the result into account.

        Parameters
        ----------
        {results}
        n_knots, level, name : as in `from_predictions`
            The knots of the splines, the level of the bands, and what the legend calls a
            single curve.
        {drawn}
        {result_errors}
        """
        options = {"n_knots": n_knots, "level": level, "ax": ax, "style": style}
        labels, risks, groups = risks_of_results(result, y, name)
        return cls.from_predictions(labels, risks, groups=groups, **options)
