"""Flow chart of a cohort: how many scans were listed, left out and kept, with what labels."""

from dataclasses import KW_ONLY, dataclass
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pandas as pd
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.text import Text

from skdxa.displays._base import BaseDisplay
from skdxa.displays._chart import draw_chart, size_of
from skdxa.displays._style import COLUMN_WIDTH, PAGE_WIDTH
from skdxa.exceptions import CohortError

# Lines of text may be so much higher on a coarse screen.
_SLACK = 1.05
_LABELS = {"positive": "1", "negative": "0", "unknown": "unknown"}


@dataclass(eq=False, repr=False)
class CohortFlowDisplay(BaseDisplay):
    """Flow chart from the scans listed to the labels of those kept.

    As figure 2 of Nissinen et al. 2021 [1]_ and the diagrams that STARD [2]_ asks for:
    scans listed, those left out by reason, those kept with the number of their patients,
    and for each target how many are positive (1), negative (0) and unknown. Several cohorts are
    side by side.

    Parameters
    ----------
    counts : DataFrame
        As `frame` returns it.
    names : dict of str to str, or None, default=None
        What the chart calls targets; others go by their column.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
        What was drawn on.
    boxes_, arrows_ : list of matplotlib FancyBboxPatch and of FancyArrowPatch
        The boxes, row by row, and the arrows with the lines that they branch from.
    texts_ : list of matplotlib Text
        The heads of the boxes, the text below them, and the cohorts' names.

    See Also
    --------
    skdxa.scans.load_cohort : Lists in `excluded` which scans were left out and why.

    Notes
    -----
    Shares of positive and negative are of the scans whose label is known; those of
    unknown are of all scans kept.

    References
    ----------
    .. [1] Nissinen et al., Bone Reports 14, 2021, 101070.
       https://doi.org/10.1016/j.bonr.2021.101070
    .. [2] Bossuyt PM et al. STARD 2015: an updated list of essential items for reporting
       diagnostic accuracy studies. BMJ 351, h5527 (2015).

    Examples
    --------
    >>> from skdxa.displays import CohortFlowDisplay
    >>> from skdxa.simulation import make_spine_cohort
    >>> cohort = make_spine_cohort(8, random_state=0)
    >>> display = CohortFlowDisplay.from_cohort(cohort, targets=["scoliosis"])
    >>> display.frame()[["cohort", "step", "scans"]]
                 cohort      step  scans
    0  Simulated cohort    listed      8
    1  Simulated cohort      kept      8
    2  Simulated cohort  positive      1
    3  Simulated cohort  negative      7
    4  Simulated cohort   unknown      0
    """

    _ARTISTS: ClassVar = {"boxes": FancyBboxPatch, "texts": Text, "arrows": FancyArrowPatch}

    counts: pd.DataFrame
    _: KW_ONLY
    names: dict | None = None

    def plot(self, ax=None, *, max_reasons=8, style=None):
        """Draw the chart.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure as high as the chart, and as wide as a
            column in print for one cohort or a page for several. In given axes the chart
            is fitted to their present size, from the top down, with letters of at least
            5 points.
        max_reasons : int, default=8
            Number of reasons that a box lists, the most frequent first; the scans left out
            for other reasons are counted together.
        style : dict or None, default=None
            Matplotlib properties by artist: "boxes", "texts" and "arrows".
        {returned}

        Raises
        ------
        ValueError
            If there is no such artist, or the chart does not fit into the axes.
        """
        look = self._merger(style)
        columns = self._columns(max_reasons)
        if ax is None:
            self._set_axes(None, COLUMN_WIDTH if len(columns) == 1 else PAGE_WIDTH, 1.0)
            # The layout leaves these margins, in inches.
            margins = self.figure_.get_layout_engine().get()
            width, height = 72 * (self.figure_.get_figwidth() - 2 * margins["w_pad"]), np.inf
        else:
            self._set_axes(ax)
            width, height = size_of(ax)
        self.ax_.set_axis_off()
        chart = draw_chart(self.ax_, columns, look, width, height)
        if ax is None:
            self.figure_.set_figheight(_SLACK * chart.height / 72 + 2 * margins["h_pad"])
        self.boxes_, self.texts_, self.arrows_ = chart.boxes, chart.texts, chart.arrows
        return self

    def frame(self):
        """Return the numbers behind the picture.

        Returns
        -------
        frame : DataFrame
            Columns `cohort`, `step` ("listed", "excluded", "kept", "positive",
            "negative", "unknown"), `reason` of those excluded, `target` of labels,
            `scans`, `patients` (missing where unknown) and `share` of labels.
        """
        return self.counts.copy()

    @classmethod
    def from_cohort(cls, cohort, *, targets=None, names=None, ax=None, style=None):
        """Count what a cohort holds and draw the chart.

        Parameters
        ----------
        cohort : Bunch
            From `skdxa.scans.load_cohort` or `skdxa.simulation.make_spine_cohort`. Scans
            left out are grouped by the column `kind` of its `excluded`, or by `reason` if
            there is none. If it has a column `group`, their patients are counted too.
        targets : str, list of str or None, default=None
            Columns of `cohort.target`; None uses all with a known label.
        names : dict of str to str, or None, default=None
            What the chart calls targets.
        {drawn}

        Raises
        ------
        CohortError
            If a target or a name of one does not exist.
        """
        name = "Simulated cohort" if cohort.get("simulated", False) else "Cohort"
        return cls.from_cohorts({name: cohort}, targets=targets, names=names, ax=ax, style=style)

    @classmethod
    def from_cohorts(cls, cohorts, *, targets=None, names=None, ax=None, style=None):
        """Count what several cohorts hold and draw their charts side by side.

        Parameters
        ----------
        cohorts : dict of str to Bunch
            What the chart calls each cohort, and the cohort; "(simulated)" is added to
            the name of one that is.
        targets : str, list of str or None, default=None
            Targets to show, of each cohort those that it has; None uses all with a known label.
        names : as in `from_cohort`
            What the chart calls targets.
        {drawn}

        Raises
        ------
        CohortError
            If there is no cohort, or a target or a name of one does not exist.
        """
        if not cohorts:
            raise CohortError("there is no cohort to draw.")
        targets = [targets] if isinstance(targets, str) else targets
        known = {target for cohort in cohorts.values() for target in cohort.target}
        for target in (*(targets or ()), *(names or ())):
            if target not in known:
                raise CohortError(
                    f"no cohort has the target {target!r}; there are {sorted(known)}."
                )
        counts = []
        for name, cohort in cohorts.items():
            if cohort.get("simulated", False) and "simulated" not in name.lower():
                name = f"{name} (simulated)"
            if targets is None:
                shown = cohort.target.columns[cohort.target.notna().any()]
            else:
                shown = [target for target in targets if target in cohort.target]
            counts += [{"cohort": name, **row} for row in _count(cohort, shown)]
        columns = ["cohort", "step", "reason", "target", "scans", "patients", "share"]
        frame = pd.DataFrame(counts, columns=columns).astype({"patients": "Int64", "share": float})
        return cls(frame, names=names).plot(ax, style=style)

    def _columns(self, max_reasons):
        """Return the words of each cohort's column of the chart."""
        columns = []
        for name, rows in self.counts.groupby("cohort", sort=False):
            listed, kept = (rows[rows["step"] == step].iloc[0] for step in ("listed", "kept"))
            excluded = rows[rows["step"] == "excluded"]
            reasons = [
                f"{row.scans:,}: {row.reason}" for row in excluded.head(max_reasons).itertuples()
            ]
            if len(excluded) > max_reasons:
                reasons.append(f"{excluded['scans'].iloc[max_reasons:].sum():,}: other reasons")
            targets = [
                (
                    (self.names or {}).get(target, target.replace("_", " ")),
                    [_share_of(row) for row in labels.itertuples()],
                )
                for target, labels in rows[rows["step"].isin(_LABELS)].groupby(
                    "target", sort=False
                )
            ]
            columns.append(
                SimpleNamespace(
                    name=name,
                    listed=_scans_of(listed),
                    excluded=f"Excluded: {_plural(excluded['scans'].sum(), 'scan')}",
                    reasons=reasons,
                    kept=_scans_of(kept),
                    targets=targets,
                )
            )
        return columns


def _count(cohort, targets):
    """Yield the rows of a cohort's table."""
    groups = pd.Series(np.asarray(cohort.groups))
    excluded = cohort.excluded
    n_kept, n_listed = len(groups), len(groups) + len(excluded)
    left_out = excluded.get("group")
    if excluded.empty:
        listed_patients = groups.nunique()
    else:
        listed_patients = None if left_out is None else pd.concat([groups, left_out]).nunique()
    yield {"step": "listed", "scans": n_listed, "patients": listed_patients}
    # A kind is the same for all files that fail alike; a message names the file.
    reasons = excluded["kind" if "kind" in excluded else "reason"].astype(object)
    reasons = reasons.where(reasons.notna(), "no reason given").map(str)
    reasons = reasons.str.split().str.join(" ")
    by_reason = reasons.groupby(reasons, sort=False).size()
    for reason, n_scans in by_reason.sort_values(ascending=False, kind="stable").items():
        patients = None if left_out is None else left_out[reasons == reason].nunique()
        yield {"step": "excluded", "reason": reason, "scans": n_scans, "patients": patients}
    yield {"step": "kept", "scans": n_kept, "patients": groups.nunique()}
    for target in targets:
        label = cohort.target[target].to_numpy(dtype=float)
        unknown = np.isnan(label)
        for step, where, of in (
            ("positive", label == 1, ~unknown),
            ("negative", label == 0, ~unknown),
            ("unknown", unknown, np.ones(n_kept)),
        ):
            yield {
                "step": step,
                "target": target,
                "scans": int(where.sum()),
                "patients": groups[where].nunique(),
                "share": where.sum() / of.sum() if of.any() else np.nan,
            }


def _plural(number, noun):
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def _scans_of(row):
    """Write how many scans, of how many patients, a step holds."""
    of = "" if pd.isna(row["patients"]) else f" of {_plural(row['patients'], 'patient')}"
    return f"{_plural(row['scans'], 'scan')}{of}"


def _share_of(row):
    """Write how many scans have a label, and their share."""
    share = ""
    if row.scans:
        share = f" ({100 * row.share:.1f} %{' of all' * (row.step == 'unknown')})"
    return f"{_LABELS[row.step]}: {row.scans:,}{share}"
