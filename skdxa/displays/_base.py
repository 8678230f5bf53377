"""What all displays share: axes, styles by artist, legends and docstrings."""

import inspect
from functools import partial
from itertools import cycle
from operator import itemgetter
from typing import ClassVar

import numpy as np
import pandas as pd
from matplotlib import cbook
from matplotlib.transforms import ScaledTranslation

from skdxa.displays._style import BLUE, COLUMN_WIDTH, DASHES, GREEN, ORANGE, PURPLE

# What replaces a placeholder in the docstrings of a display's methods, so that a parameter of
# several methods is described once. `{drawn}` ends the parameters of class methods, `{plotted}`
# and `{returned}` those of `plot`. A text may hold the placeholders that follow it.
_DOCSTRINGS = {
    "{drawn}": """{options} : as in `plot`
    Where and how to draw.

Returns
-------
display : {display}
    The display, drawn.""",
    "{plotted}": """{returned}

Raises
------
ValueError
    If there is no such artist.""",
    "{returned}": """
Returns
-------
display : {display}
    With the artists as attributes.""",
    "{ax}": """ax : matplotlib Axes or None, default=None
    Where to draw; None makes a figure as wide as a column in print.""",
    "{predictions}": """{y}
prob : array-like of shape (n_scans,), or dict of str to such
    Predicted risk of the positive label, of scans that the model was not trained
    on; a dict holds those of several models by name.""",
    "{y}": """y : array-like of shape (n_scans,)
    Two labels, the larger one positive; NaN, where unknown, is left out.""",
    "{groups}": """groups : array-like of shape (n_scans,), optional
    The patient of each scan, where patients have several.""",
    "{level}": """level : float, default=0.95
    Confidence level of the bands.""",
    "{name}": """name : str or None, default=None
    What the legend calls a single curve; None calls it "model".""",
    "{model}": """model : fitted classifier or Pipeline
    With `predict_proba`. It must not have seen these scans.
{scans}""",
    "{scans}": """X : array-like, list or DataFrame of shape (n_scans, ...)
    In the form that the model expects.
y : array-like of shape (n_scans,)
    Labels as in training, or 0 and 1; NaN where unknown.""",
    "{results}": """result : CrossValidationResult, or dict of str to such
    From `skdxa.evaluation.repeated_cross_validate`, of classifiers that predict
    probabilities; a dict holds several, of the same scans, by name.
y : array-like of shape (n_scans,) or None, default=None
    Labels to evaluate by, if other than those trained on; NaN where unknown.""",
    "{model_errors}": """
Raises
------
ValueError
    If the model gives no probabilities, or as for `from_predictions`.""",
    "{result_errors}": """
Raises
------
ValueError
    If the scores are not probabilities, the results are not of the same scans and
    labels, or as for `from_predictions`.""",
}
_OPTIONS = ("ax", "figure", "n_columns", "title", "digits", "style")


class BaseDisplay:
    """Axes, styles and docstrings of a display.

    A subclass names its artists in `_ARTISTS`, each with the Matplotlib class whose short
    property names (such as ``lw``) are understood, or None where there are none.
    """

    _ARTISTS: ClassVar = {}

    def __init_subclass__(cls):
        """Replace the placeholders in the docstrings of the subclass's methods."""
        for method in vars(cls).values():
            method = getattr(method, "__func__", method)
            docstring = inspect.getdoc(method) if inspect.isfunction(method) else None
            if docstring is None:
                continue
            options = [
                name
                for name in _OPTIONS
                if name in inspect.signature(method).parameters and f"\n{name} :" not in docstring
            ]
            own = {"{options}": ", ".join(options), "{display}": cls.__name__}
            for placeholder, text in (_DOCSTRINGS | own).items():
                docstring = docstring.replace(placeholder, text)
            method.__doc__ = docstring

    def _set_axes(self, ax, width=COLUMN_WIDTH, height=COLUMN_WIDTH):
        """Draw on the given axes, or on those of a new figure of a size in inches."""
        if ax is None:
            from matplotlib import pyplot

            ax = pyplot.subplots(figsize=(width, height), layout="constrained")[1]
        self.figure_, self.ax_ = ax.figure, ax

    def _merger(self, style):
        """Check a style and return a function that merges it into an artist's defaults."""
        style = {} if style is None else style
        unknown = [artist for artist in style if artist not in self._ARTISTS]
        if unknown:
            raise ValueError(
                f"style has no artist {unknown[0]!r}; the artists of a {type(self).__name__} are "
                f"{list(self._ARTISTS)}."
            )
        for artist, given in style.items():
            if not isinstance(given, dict):
                raise ValueError(
                    f"style[{artist!r}] must be a dict of Matplotlib properties, got {given!r}."
                )

        def merge(artist, **defaults):
            given, kind = style.get(artist, {}), self._ARTISTS[artist]
            return defaults | (given if kind is None else cbook.normalize_kwargs(given, kind))

        return merge

    def _draw_curves(self, curves, colors, dashes, wanted):
        """Draw curves, given as (x, y, label) by name, that differ in colour or dashes.

        `wanted` merges the style of these curves into defaults.
        """
        lines = {}
        looks = zip(curves.items(), cycle(colors), cycle(dashes), strict=False)
        for (name, (x, y, label)), color, linestyle in looks:
            look = wanted(color=color, linestyle=linestyle, label=label, marker=marker_of(x))
            (lines[name],) = self.ax_.plot(x, y, **look)
        return lines

    def _draw_bands(self, bands, across, wanted):
        """Draw confidence bands in the colours of the curves of the same names, in `lines_`.

        Each has the columns `low`, `high` and the one called `across`; `wanted` merges the
        style of bands into defaults. The legend names the first for all.
        """
        label = f"{100 * self.level:g} % band{'s' * (len(bands) > 1)}"
        drawn = {}
        for name, band in bands.items():
            color = self.lines_[name].get_color()
            look = wanted(color=color, alpha=0.3, linewidth=0, zorder=1.2)
            look = ({} if drawn else {"label": label}) | look
            ends = band[across], band["low"], band["high"]
            drawn[name] = self.ax_.fill_between(*ends, **look)
        return drawn

    def _draw_legend(self, wanted, *, is_outside=True, inside="best", grow=False):
        """Draw a legend outside the axes: at their right if they are wide, else below.

        `wanted` holds its properties; a place among them is kept. Without `is_outside`, or where
        the figure has no layout that makes room, it is placed at `inside` if it hides no curve
        there; otherwise the figure gets a constrained layout. With `grow` the height of the figure
        increases by that of a legend below the axes. The font is smaller where the axes would lose
        much of their size.
        """
        sizes = [wanted["fontsize"]] if "fontsize" in wanted else ["small", "x-small", "xx-small"]
        wanted = {"edgecolor": "none", "fontsize": sizes[0]} | wanted
        if "loc" in wanted:
            return self.ax_.legend(**wanted)
        if not (is_outside and self._has_layout()):
            legend = self.ax_.legend(**wanted, loc=inside)
            if not self._hides_curves(legend) or not self._can_have_layout():
                return legend
            if not self._has_layout():
                self.figure_.figure.set_layout_engine("constrained")
        room = self.ax_.get_position(original=True).transformed(self.figure_.transSubfigure)
        # Ticks, labels and a colour bar are between the axes and the legend.
        around, axes, dpi = self.ax_.get_tightbbox(), self.ax_.bbox, self.figure_.dpi
        right, below = around.x1 - axes.x1, around.y0 - axes.y0
        scale, across = self.figure_.dpi_scale_trans, self.ax_.transAxes
        at_right = {
            "loc": "upper left",
            "bbox_to_anchor": (1, 1),
            "bbox_transform": across + ScaledTranslation(right / dpi, 0, scale),
        }
        beneath = {
            "loc": "upper center",
            "bbox_to_anchor": (0.5, 0),
            "bbox_transform": across + ScaledTranslation(0, below / dpi, scale),
        }
        wide, tried = min(axes.width, room.height), []
        for fontsize in sizes:
            # The size that each place leaves for the axes; the first that leaves enough is used.
            options = wanted | {"fontsize": fontsize} | at_right
            left = room.width - right - self._size_of_legend(options)[0]
            if left >= wide:
                break
            tried.append((min(left + self._slack_of(room, around), room.height), options))
            for ncols in (3, 2, 1):
                options = {"ncols": ncols} | wanted | {"fontsize": fontsize} | beneath
                width, height = self._size_of_legend(options)
                if width <= room.width or ncols == 1:
                    break
            left = min(room.width, room.height - height)
            if width <= room.width and (grow or height <= room.height / 3):
                break
            tried.append((left, options))
        else:
            options = options if grow else max(tried, key=itemgetter(0))[1]
        legend = self.ax_.legend(**options)
        if grow and options["loc"] == "upper center":
            self._grow(legend.get_window_extent().height)
        return legend

    def _slack_of(self, room, around):
        """Return by how much a layout may widen the room of axes, in pixels."""
        place = self.ax_.get_subplotspec()
        if place is None:
            return 0
        share = len(place.colspan) / place.get_gridspec().ncols
        return share * self.figure_.bbox.width - room.width - (self.ax_.bbox.x0 - around.x0)

    def _size_of_legend(self, options):
        return self.ax_.legend(**options).get_window_extent().size

    def _hides_curves(self, legend):
        """Return whether a legend overlaps a line of the axes."""
        box = legend.get_window_extent()
        paths = [line.get_transform().transform_path(line.get_path()) for line in self.ax_.lines]
        return any(path.intersects_bbox(box, filled=False) for path in paths if len(path.vertices))

    def _grow(self, height):
        """Make the figure higher, by pixels."""
        self.figure_.set_figheight(self.figure_.get_figheight() + height / self.figure_.dpi)

    def _has_layout(self):
        """Return whether the figure has a layout that makes room around its axes."""
        return self.figure_.figure.get_layout_engine() is not None

    def _can_have_layout(self):
        """Return whether the axes have a constrained layout or can get one.

        It could not move a colour bar that was drawn without a layout.
        """
        mapped = (one for ax in self.figure_.figure.axes for one in (*ax.images, *ax.collections))
        is_free = self._has_layout() or all(one.colorbar is None for one in mapped)
        return is_free and self.ax_.get_subplotspec() is not None


class RiskCurveDisplay(BaseDisplay):
    """Curves of predicted risks by name, each with a table behind it that `_tables` returns."""

    def _draw_risk_curves(self, curves, look):
        """Draw curves, given as (x, y, label) by name; twenty of them look different."""
        wanted = partial(look, "curves", linewidth=1.5)
        return self._draw_curves(curves, (BLUE, ORANGE, GREEN, PURPLE), ("-", *DASHES[:4]), wanted)

    def frame(self):
        """Return the numbers behind the picture.

        Returns
        -------
        frame : DataFrame
            One row per curve and predicted risk that occurs, or threshold: `curve`, its name,
            then the columns of `skdxa.significance.CalibrationCurve.curve`, or of
            `skdxa.significance.net_benefit`.
        """
        tables = [table.assign(curve=name) for name, table in self._tables().items()]
        frame = pd.concat(tables, ignore_index=True)
        return frame[["curve", *frame.columns.drop("curve")]]


def marker_of(points):
    """Return the marker of a curve: a line needs two points to be seen."""
    return "o" if len(points) == 1 else ""


def title_of(name):
    """Return the name of a metric as the label of an axis."""
    name = name.replace("_", " ")
    return "AUC" if name == "auc" else name[:1].upper() + name[1:]


def format_estimate(estimate, low, high, *, digits=2, without=""):
    """Write an estimate with its interval, or `without` after it if an end is missing."""
    if np.isnan(estimate):
        return "undefined"
    # Rounded first, and zero added, so that no -0.00 is printed.
    estimate, low, high = (f"{round(x, digits) + 0.0:.{digits}f}" for x in (estimate, low, high))
    return estimate + (without if "nan" in (low, high) else f" ({low} to {high})")
