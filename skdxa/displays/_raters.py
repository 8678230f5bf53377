"""Agreement of raters: who called what, and how far beyond chance they agree."""

import re
from dataclasses import KW_ONLY, dataclass
from itertools import combinations, pairwise, product
from numbers import Real
from typing import ClassVar

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.text import Text

from skdxa.displays._base import BaseDisplay, format_estimate
from skdxa.displays._style import BLUE, COLUMN_WIDTH, GREY, ink
from skdxa.exceptions import CohortError
from skdxa.significance import rater_agreement
from skdxa.validation import fill_masked

# The darkest cell is lighter than the colour itself, so that its number can be read.
_DARKEST = 0.7
# Inches: a row, and text above and below all rows.
_ROW, _AROUND = 0.36, 1.0
# Left edge and width, in shares of the axes, of the table and of the kappas.
_TABLE, _KAPPAS = (0.0, 0.58), (0.61, 0.39)


@dataclass(eq=False, repr=False)
class RaterAgreementDisplay(BaseDisplay):
    """Ratings of each pair of raters, their agreement, and kappa with its interval.

    One row per pair of raters, and one for all if there are more than two. The table on the
    left counts the scans by both raters' ratings, shaded by their share, and shows the
    agreement; where nearly all lie in one cell, kappa is low though raters agree. On the
    right are Cohen's kappa of each pair and Fleiss' kappa of all raters.

    Parameters
    ----------
    agreement : DataFrame of shape (n_pairs + 1, 5)
        From `skdxa.significance.rater_agreement`.
    crosstabs : dict of str to DataFrame of shape (n_categories, n_categories)
        For each pair of `agreement`, the scans by the first rater's rating (rows) and the
        second one's (columns).
    level : float, default=0.95
        Confidence level of the intervals.
    name : str or None, default=None
        Title.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        What was drawn on; the axes hold those of the table and the kappas.
    table_ax_, kappa_ax_ : matplotlib Axes
        The table, and the kappas.
    image_ : matplotlib AxesImage
        The shades of the table: shares of the scans, NaN in the row of all.
    text_ : ndarray of shape (n_rows, n_columns), dtype=object
        The numbers in the table, as matplotlib Text.
    kappa_, kappa_text_ : matplotlib ErrorbarContainer and list of matplotlib Text
        Kappas and intervals, drawn and as numbers.

    See Also
    --------
    skdxa.significance.rater_agreement : The numbers.
    skdxa.significance.consensus : One label from several raters.

    References
    ----------
    .. [1] Feinstein AR, Cicchetti DV. High agreement but low kappa: I. The problems of
       two paradoxes. J Clin Epidemiol 43, 543-549 (1990).

    Examples
    --------
    >>> from skdxa.displays import RaterAgreementDisplay
    >>> ratings = [[0, 0, 0], [1, 1, 0], [1, 1, 1], [0, 1, 0], [0, 0, 0], [1, 1, 1]]
    >>> display = RaterAgreementDisplay.from_ratings(ratings)
    >>> display.frame()[["agreement", "kappa"]].round(2)
         agreement  kappa
    1-2       0.83   0.67
    1-3       0.83   0.67
    2-3       0.67   0.40
    all       0.78   0.56
    >>> display.crosstabs["1-2"].to_numpy().tolist()
    [[2, 1], [0, 3]]
    """

    _ARTISTS: ClassVar = {"image": AxesImage, "text": Text, "kappa": Line2D}

    agreement: pd.DataFrame
    crosstabs: dict
    _: KW_ONLY
    level: float = 0.95
    name: str | None = None

    def plot(self, ax=None, *, style=None):
        """Draw the table and the kappas.

        Parameters
        ----------
        {ax}
        style : dict or None, default=None
            Matplotlib properties by artist: "image" (the shades), "text" (all numbers) and
            "kappa", as for ``Axes.errorbar``.
        {plotted}
        """
        look = self._merger(style)
        # Two raters are a single pair, and have no row for all.
        shown = self.agreement if len(self.crosstabs) > 1 else self.agreement.drop("all")
        counts = self._counts().reindex(shown.index)
        self._set_axes(ax, COLUMN_WIDTH, _AROUND + _ROW * len(shown))
        self.ax_.set_axis_off()
        self.table_ax_, self.kappa_ax_ = (
            self.ax_.inset_axes((left, 0, width, 1)) for left, width in (_TABLE, _KAPPAS)
        )
        self._plot_table(counts, shown["agreement"], look)
        self._turn_headings(grow=ax is None)
        self._plot_kappas(shown, look)
        self.ax_.set_title(self.name or "", fontsize="medium")
        return self

    def _plot_table(self, counts, agreement, look):
        # Clear where there are no scans, so that the shades suit a light and a dark figure.
        blue = to_rgb(BLUE)
        shades = LinearSegmentedColormap.from_list("shades", [(*blue, 0), (*blue, _DARKEST)])
        self.image_ = self.table_ax_.imshow(
            counts.div(counts.sum(axis=1), axis=0),
            **look("image", cmap=shades, vmin=0, vmax=1, aspect="auto"),
        )
        words = counts.map(lambda count: "" if np.isnan(count) else f"{count:.0f}")
        words["alike"] = [f"{100 * share:.1f} %" for share in agreement]
        # The last column is not a count: it is set apart, without a shade.
        places = [*range(counts.shape[1]), counts.shape[1] + 0.3]
        number = self._number_style(look, verticalalignment="center")
        self.text_ = np.empty(words.shape, dtype=object)
        for (row, column), word in np.ndenumerate(words.to_numpy()):
            self.text_[row, column] = self.table_ax_.text(places[column], row, word, **number)
        self.table_ax_.set_xticks(places, words.columns)
        self.table_ax_.set_xlim(-0.5, places[-1] + 0.7)
        self.table_ax_.set_yticks(range(len(words)), words.index)
        several = len(next(iter(self.crosstabs.values()))) > 2
        heading = "Scans that both call" if several else "Scans by first, second rating"
        self.table_ax_.set_xlabel(heading, fontsize="small")
        self.table_ax_.set_ylabel("Raters", fontsize="small")
        self.table_ax_.xaxis.set_label_position("top")
        self.table_ax_.tick_params(
            labelsize="small", length=0, top=True, labeltop=True, labelbottom=False
        )
        self.table_ax_.spines[:].set_visible(False)

    def _turn_headings(self, *, grow):
        """Turn the columns' headings if they would meet; with `grow` the figure makes room."""
        level = self._extents_of_headings()
        if any(one.x1 >= other.x0 for one, other in pairwise(level)):
            self.table_ax_.tick_params(axis="x", rotation=90)
            if grow:
                turned = self._extents_of_headings()
                self._grow(max(box.height for box in turned) - level[0].height)

    def _extents_of_headings(self):
        self.table_ax_.get_tightbbox()  # places the headings
        return [heading.get_window_extent() for heading in self.table_ax_.get_xticklabels()]

    def _plot_kappas(self, shown, look):
        kappa, low, high = (shown[name].to_numpy(float) for name in ("kappa", "low", "high"))
        rows = np.arange(len(shown))
        self.kappa_ax_.axvline(0, color=GREY, linewidth=0.8, linestyle=":")
        points = look("kappa", color=BLUE, linestyle="none", marker="o", markersize=3, capsize=2.5)
        # Lists, since NumPy 2.0 warns where an array of a single length is used as a number.
        lengths = [(kappa - low).tolist(), (high - kappa).tolist()]
        self.kappa_ = self.kappa_ax_.errorbar(kappa, rows + 0.2, xerr=lengths, **points)
        # In the middle of the axes and above the whisker, wherever it lies.
        number = self._number_style(
            look,
            transform=self.kappa_ax_.get_yaxis_transform(),
            verticalalignment="bottom",
            bbox={"facecolor": self.kappa_ax_.get_facecolor(), "linewidth": 0, "pad": 0.5},
        )
        self.kappa_text_ = [
            self.kappa_ax_.text(0.5, row, format_estimate(*numbers), **number)
            for row, numbers in zip(rows, zip(kappa, low, high, strict=True), strict=True)
        ]
        self.kappa_ax_.set(
            xlim=(np.nanmin([0, *low]) - 0.05, np.nanmax([1, *high]) + 0.05),
            ylim=(len(shown) - 0.5, -0.5),
            yticks=[],
        )
        self.kappa_ax_.set_xlabel(f"Kappa, {100 * self.level:g} % interval", fontsize="small")
        self.kappa_ax_.tick_params(labelsize="small")
        self.kappa_ax_.spines[["left", "right", "top"]].set_visible(False)

    @staticmethod
    def _number_style(look, **defaults):
        return look(
            "text", fontsize="x-small", color=ink(), horizontalalignment="center", **defaults
        )

    def _counts(self):
        """Count the scans of each pair by both ratings, or the differing ones in one."""
        counts = {}
        for pair, table in self.crosstabs.items():
            names = [f"{name:g}" if isinstance(name, Real) else str(name) for name in table.index]
            cells = table.to_numpy()
            if len(names) <= 2:
                rated = [f"{first}, {second}" for first, second in product(names, repeat=2)]
                counts[pair] = dict(zip(rated, cells.ravel(), strict=True))
            else:
                counts[pair] = dict(zip(names, cells.diagonal(), strict=True))
                counts[pair]["differ"] = cells.sum() - cells.trace()
        return pd.DataFrame.from_dict(counts, orient="index")

    def frame(self):
        """Return the numbers behind the picture.

        Returns
        -------
        frame : DataFrame of shape (n_pairs + 1, 5)
            As from `skdxa.significance.rater_agreement`; the counts are `crosstabs`.
        """
        return self.agreement.copy()

    @classmethod
    def from_ratings(cls, ratings, *, level=0.95, name=None, ax=None, style=None):
        """Compute the agreement of raters and draw it.

        Parameters
        ----------
        ratings : DataFrame or array-like of shape (n_scans, n_raters)
            One column per rater, one row per scan; two or more categories.
        level : float, default=0.95
            Confidence level of the intervals.
        name : str or None, default=None
            Title.
        {drawn}

        Raises
        ------
        ValueError
            As for `skdxa.significance.rater_agreement`.

        Warns
        -----
        RuntimeWarning
            As for `skdxa.significance.rater_agreement`.
        """
        agreement = rater_agreement(ratings, level=level)
        values = np.asarray(fill_masked(ratings))
        categories = np.unique(values)
        codes, k = np.searchsorted(categories, values), categories.size
        crosstabs = {}
        for first, second in combinations(range(values.shape[1]), 2):
            cells = np.bincount(k * codes[:, first] + codes[:, second], minlength=k * k)
            crosstabs[f"{first + 1}-{second + 1}"] = pd.DataFrame(
                cells.reshape(k, k),
                index=pd.Index(categories, name=f"rater {first + 1}"),
                columns=pd.Index(categories, name=f"rater {second + 1}"),
            )
        return cls(agreement, crosstabs, level=level, name=name).plot(ax, style=style)

    @classmethod
    def from_cohort(cls, cohort, target, *, level=0.95, ax=None, style=None):
        """Compute the agreement of a cohort's raters on a target and draw it under its name.

        Parameters
        ----------
        cohort : Bunch
            With `ratings`, a DataFrame that holds each rater's first reading of the target
            as ``<target>_r1``, ``<target>_r2`` and so on, in any order. Rater 1 of the picture
            is the one of the lowest number.
        target : str
            What was rated, such as "scoliosis". Scans that a rater left out are left out.
        level : float, default=0.95
            Confidence level of the intervals.
        {drawn}

        Raises
        ------
        CohortError
            If the cohort has no ratings of the target by two raters.
        """
        present = list(cohort.get("ratings", ()))
        columns = [
            column for column in present if re.fullmatch(rf"{re.escape(target)}_r[0-9]+", column)
        ]
        columns.sort(key=lambda column: int(column.removeprefix(f"{target}_r")))
        if len(columns) < 2:
            raise CohortError(
                f"the cohort has no ratings of {target!r} by two raters, columns '{target}_r1' "
                f"and '{target}_r2' of cohort.ratings; it has {present}."
            )
        name = target.replace("_", " ") + (
            " (simulated)" if cohort.get("simulated", False) else ""
        )
        ratings = cohort.ratings[columns].dropna()
        return cls.from_ratings(ratings, level=level, name=name, ax=ax, style=style)
