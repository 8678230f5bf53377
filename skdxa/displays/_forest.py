"""Forest plots: estimates and their intervals, one below the other."""

import textwrap
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.text import Text

from skdxa.displays._base import BaseDisplay, format_estimate, title_of
from skdxa.displays._style import BLUE, GREY, ink
from skdxa.evaluation import METRICS
from skdxa.significance import Interval

_COLUMNS = ("estimate", "low", "high", "level", "method")
_RANGE = "minimum to maximum"
_REFERENCES = {"auc": 0.5, "o_e": 1.0, "slope": 1.0}
_TITLES = {"o_e": "Observed / expected events", "slope": "Calibration slope"}

# Inches: the axis below the rows, a line of text, and the gap between rows.
_MARGIN, _LINE, _GAP = 0.55, 0.12, 0.12
_FONT_SIZE = "x-small"
# Characters after which the names of rows and of the axis are wrapped.
_NAME_WIDTH, _LABEL_WIDTH = 22, 44
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(eq=False, repr=False)
class ForestDisplay(BaseDisplay):
    """Estimates with their intervals, one row per model or predictor, beside their numbers.

    It resembles the forest plots of meta-analyses [1]_, but nothing is pooled. It draws
    performance tables, such as table 1 of Nissinen et al. 2021 [2]_.

    Parameters
    ----------
    estimates : DataFrame of shape (n_rows, 5)
        The index names the rows, from the top; columns `estimate`, `low`, `high` (NaN
        where undefined), `level` (NaN where unknown) and `method` (None where unknown).
    metric : str, default="auc"
        What is estimated, for the label of the axis.
    reference : float, "auto" or None, default="auto"
        Where to draw a vertical line: "auto" at 0.5, chance, for the metric "auc", at 1 for
        "o_e" and "slope", and nowhere for others; None draws none.
    aggregation : str or None, default=None
        How the estimates were made, such as "mean of folds" or "pooled", for the label of the
        axis.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        What was drawn on.
    points_ : matplotlib Line2D
        The estimates.
    whiskers_ : matplotlib LineCollection
        The intervals, of the rows that have both ends.
    texts_ : list of matplotlib Text
        The numbers at the right, from the top.
    reference_ : matplotlib Line2D or None
        The line at the reference.

    See Also
    --------
    skdxa.evaluation.performance_table : Makes the table that `from_table` draws.

    Notes
    -----
    Overlapping intervals do not show whether two models differ: on the same scans, test it
    with `skdxa.significance.delong_test` or `skdxa.significance.corrected_t_test`.

    References
    ----------
    .. [1] Lewis S, Clarke M. Forest plots: trying to see the wood and the trees. BMJ 322,
       1479-1480 (2001).
    .. [2] Nissinen et al., Bone Reports 14, 2021, 101070.
       https://doi.org/10.1016/j.bonr.2021.101070

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.displays import ForestDisplay
    >>> from skdxa.significance import delong_interval
    >>> rng = np.random.default_rng(0)
    >>> y = np.tile([0, 1], 100)
    >>> scores = {"strong": y + rng.normal(size=200), "weak": 0.3 * y + rng.normal(size=200)}
    >>> display = ForestDisplay.from_intervals(
    ...     {f"{name} (simulated)": delong_interval(y, score) for name, score in scores.items()}
    ... )
    >>> [text.get_text() for text in display.texts_]
    ['0.80 (0.74 to 0.86)', '0.60 (0.52 to 0.68)']
    >>> display.ax_.get_xlabel().splitlines()
    ['AUC', '95 % interval (DeLong, logit scale)']
    """

    _ARTISTS: ClassVar = {"points": Line2D, "whiskers": Line2D, "reference": Line2D, "texts": Text}

    estimates: pd.DataFrame
    _: KW_ONLY
    metric: str = "auc"
    reference: float | str | None = "auto"
    aggregation: str | None = None

    def plot(self, ax=None, *, digits=2, style=None):
        """Draw a row for each estimate, the first at the top.

        Parameters
        ----------
        {ax}
            It is as high as the rows need. Names and numbers are outside the axes, so that a
            figure passed in should have ``layout="constrained"``.
        digits : int, default=2
            Decimals of the numbers.
        style : dict or None, default=None
            Matplotlib properties by artist: "points", "whiskers", "reference" and "texts".
        {plotted}

        Notes
        -----
        An estimate without an interval, or with only one end of it, is drawn as a point. If
        intervals differ in level or method, superscript numbers refer to these below the axis.
        """
        look = self._merger(style)
        names, label = self._names_and_label()
        # Heights in inches, and in data coordinates too: a name of several lines has room.
        heights = [_GAP + (1 + name.count("\n")) * _LINE for name in names]
        rows = np.cumsum(heights) - np.divide(heights, 2)
        below = _MARGIN + label.count("\n") * _LINE
        self._set_axes(ax, height=sum(heights) + below)
        table, has_interval = self.estimates, self._has_interval()
        self.whiskers_ = self.ax_.hlines(
            rows[has_interval],
            table["low"][has_interval],
            table["high"][has_interval],
            **look("whiskers", color=BLUE, linewidth=1.2),
        )
        squares = look("points", color=BLUE, marker="s", markersize=5, linestyle="none")
        (self.points_,) = self.ax_.plot(table["estimate"], rows, **squares)
        self.reference_, reference = None, self.reference
        if isinstance(reference, str):
            reference = _REFERENCES.get(self.metric)
        if reference is not None:
            dotted = look("reference", color=GREY, linewidth=0.8, linestyle=":", zorder=1)
            self.reference_ = self.ax_.axvline(reference, **dotted)
        numbers = table[["estimate", "low", "high"]].to_numpy(float)
        right = look(
            "texts",
            color=ink(),
            fontsize=_FONT_SIZE,
            verticalalignment="center_baseline",
            transform=self.ax_.get_yaxis_transform(),
        )
        self.texts_ = [
            self.ax_.text(
                1.04,
                row,
                format_estimate(*of_row, digits=digits, without=" (no interval)"),
                **right,
            )
            for row, of_row in zip(rows, numbers, strict=True)
        ]
        self.ax_.set_yticks(rows, names, fontsize=_FONT_SIZE)
        self.ax_.set_ylim(sum(heights), 0)
        self.ax_.tick_params(axis="y", length=0)
        self.ax_.tick_params(axis="x", labelsize=_FONT_SIZE)
        self.ax_.spines[["left", "right", "top"]].set_visible(False)
        self.ax_.set_xlabel(label, fontsize=_FONT_SIZE)
        return self

    def _has_interval(self):
        return self.estimates[["low", "high"]].notna().all(axis=1).to_numpy()

    def _names_and_label(self):
        """Return the names of the rows and the label of the axis, wrapped."""
        names = [_wrap(str(name), _NAME_WIDTH) for name in self.estimates.index]
        kinds = {}
        for row in np.flatnonzero(self._has_interval()):
            level, method = self.estimates[["level", "method"]].iloc[row]
            kinds.setdefault(_kind(level, method), []).append(row)
        title = _TITLES.get(self.metric) or title_of(self.metric)
        label = [f"{title}, {self.aggregation}".removesuffix(", None")]
        for number, (kind, rows) in enumerate(kinds.items(), start=1):
            mark = str(number).translate(_SUPERSCRIPTS) if len(kinds) > 1 else ""
            label.append(_wrap(f"{mark} {kind}".strip(), _LABEL_WIDTH))
            for row in rows:
                names[row] += mark
        return names, "\n".join(label)

    def frame(self):
        """Return the numbers behind the picture.

        Returns
        -------
        frame : DataFrame of shape (n_rows, 5)
            The index `name`; columns `estimate`, `low`, `high`, `level` and `method`.
        """
        return self.estimates.copy()

    @classmethod
    def from_intervals(
        cls,
        intervals,
        *,
        metric="auc",
        reference="auto",
        aggregation=None,
        ax=None,
        digits=2,
        style=None,
    ):
        """Draw intervals of any kind.

        Parameters
        ----------
        intervals : dict of str to skdxa.significance.Interval
            Intervals by the name of the row.
        metric : str, default="auc"
            What is estimated, for the label of the axis.
        reference, aggregation : as in the constructor
            Where to draw the vertical line, 0 for differences, and how the estimates were made.
        {drawn}

        Raises
        ------
        TypeError
            If a value is not an interval.
        ValueError
            If nothing is given.
        """
        if not intervals:
            raise ValueError("there is no row to draw.")
        for name, interval in intervals.items():
            if not all(hasattr(interval, column) for column in _COLUMNS):
                hint = " Give its interval." if hasattr(interval, "interval") else ""
                raise TypeError(
                    f"{name!r} must be an Interval of skdxa.significance, with estimate, low, "
                    f"high, level and method; got {type(interval).__name__}.{hint}"
                )
        rows = [
            [getattr(interval, column) for column in _COLUMNS] for interval in intervals.values()
        ]
        table = pd.DataFrame(rows, index=pd.Index([*intervals], name="name"), columns=_COLUMNS)
        table = table.astype(dict.fromkeys(_COLUMNS[:4], float))
        labels = {"metric": metric, "reference": reference, "aggregation": aggregation}
        return cls(table, **labels).plot(ax, digits=digits, style=style)

    @classmethod
    def from_table(
        cls,
        table,
        *,
        metric="auc",
        level=None,
        method=None,
        reference="auto",
        ax=None,
        digits=2,
        style=None,
    ):
        """Draw one metric of a table of performance.

        Parameters
        ----------
        table : DataFrame
            From `skdxa.evaluation.performance_table`, `external_table` or `subgroup_table`, or
            read from the ``table1.csv`` of a study. The column `experiment` or else the index
            names the rows. Of the metric "auc" there must be the columns `auc`, `auc_low` and
            `auc_high`, or `auc_minimum` and `auc_maximum`. The label of the axis says how the
            estimates were made if the column `aggregation` does.
        metric : str, default="auc"
            What to draw.
        level, method : float and str, or None, default=None
            Confidence level and method of the intervals, which the table does not hold, for
            the label of the axis.
        reference : as in the constructor
            Where to draw the vertical line.
        {drawn}

        Raises
        ------
        ValueError
            If the table lacks a column or has no rows.
        """
        if "experiment" in table:
            table = table.set_index("experiment")
        if {f"{metric}_minimum", f"{metric}_maximum"} <= {*table.columns}:
            columns = [metric, f"{metric}_minimum", f"{metric}_maximum"]
            method = _RANGE if method is None else method
        else:
            columns = [metric, f"{metric}_low", f"{metric}_high"]
        missing = [column for column in columns if column not in table]
        if missing:
            raise ValueError(
                f"the table has no column {missing[0]!r}; to draw {metric!r} it needs {columns}, "
                f"and has {list(table.columns)}."
            )
        intervals = {
            name: Interval(*row, level, method)
            for name, row in zip(table.index, table[columns].to_numpy(float), strict=True)
        }
        kinds = set(table["aggregation"]) if "aggregation" in table else set()
        aggregation = kinds.pop() if len(kinds) == 1 else None
        labels = {"metric": metric, "reference": reference, "aggregation": aggregation}
        return cls.from_intervals(intervals, **labels, ax=ax, digits=digits, style=style)

    @classmethod
    def from_results(
        cls,
        results,
        *,
        metric="auc",
        y=None,
        threshold=None,
        interval="stability",
        level=0.95,
        n_resamples=2000,
        random_state=None,
        reference="auto",
        ax=None,
        digits=2,
        style=None,
    ):
        """Compute one metric of several cross-validations and draw it.

        Parameters
        ----------
        results : dict of str to CrossValidationResult
            Results by the name of the row.
        metric : {"auc", "sensitivity", "specificity", "accuracy"}, default="auc"
            What to draw.
        y, threshold, interval, level, n_resamples, random_state : as in `summary`
            Other labels, the threshold and the kind of interval, the same for all; see
            `skdxa.evaluation.CrossValidationResult`.
        reference : as in the constructor
            Where to draw the vertical line.
        {drawn}

        Raises
        ------
        ValueError
            If there is no such metric or no result, or as for `summary`.
        """
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {list(METRICS)}, got {metric!r}.")
        options = {"interval": interval, "level": level, "n_resamples": n_resamples}
        options |= {"threshold": threshold, "random_state": random_state}
        intervals = {
            name: result.summary(y, **options).loc[metric] for name, result in results.items()
        }
        kinds = {row["aggregation"] for row in intervals.values()}
        aggregation = kinds.pop() if kinds else None
        labels = {"metric": metric, "reference": reference, "aggregation": aggregation}
        return cls.from_intervals(intervals, **labels, ax=ax, digits=digits, style=style)


def _kind(level, method):
    """Describe the kind of an interval."""
    if pd.isna(level):
        return "interval" if method is None else method
    interval = f"{100 * level:g} % interval"
    return interval if method is None else f"{interval} ({method})"


def _wrap(text, width):
    """Wrap long lines, and keep existing line breaks."""
    return "\n".join(textwrap.fill(line, width) for line in text.split("\n"))
