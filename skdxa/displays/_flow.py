"""Flow chart of a cohort: how many scans were listed, left out and kept, with what labels."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from skdxa.displays._chart import FONT_SIZE, fitting_chart, size_of
from skdxa.displays._style import COLUMN_WIDTH, PAGE_WIDTH, ink, new_axes, style
from skdxa.exceptions import CohortError

_LABELS = {"positive": "1", "negative": "0", "unknown": "unknown"}

# An aside, and asides within it.
_BRACKETS = re.compile(r" \((?:[^()]|\([^()]*\))*\)")


class CohortFlowDisplay:
    """Flow chart from the scans listed to the labels of those kept.

    As figure 2 of Nissinen et al. 2021 [1]_ and the diagrams that STARD [2]_ asks for:
    scans listed, those left out by reason, those kept with the number of their patients,
    and for each target how many are positive (1), negative (0) and unknown. Several
    cohorts stand side by side.

    Parameters
    ----------
    counts : DataFrame
        What `frame` gives.
    names : dict of str to str, or None, default=None
        What the chart calls targets; others go by their column.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn on.
    figure_ : matplotlib Figure
        Its figure.
    boxes_ : list of matplotlib Rectangle
        The boxes, row by row.
    texts_ : list of matplotlib Text
        The lines in the boxes, and the cohorts' names.
    arrows_ : list of matplotlib FancyArrowPatch
        Arrows, and the lines that they branch from.

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

    def __init__(self, counts, *, names=None):
        self.counts = counts
        self.names = names

    def plot(
        self, ax=None, *, max_reasons=8, box_kwargs=None, text_kwargs=None, arrow_kwargs=None
    ):
        """Draw the chart.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure as high as the chart, and as wide as a
            column in print for one cohort or a page for several. In given axes the chart
            is made for the size that they have now, from the top down; letters shrink to
            as little as 5 points to fit.
        max_reasons : int, default=8
            Most reasons that a box lists, the most frequent first; the scans of all
            others are summed up.
        box_kwargs : dict or None, default=None
            Style of the boxes, as for ``matplotlib.patches.Rectangle``.
        text_kwargs : dict or None, default=None
            Style of the text, as for ``Axes.text``.
        arrow_kwargs : dict or None, default=None
            Style of the arrows, as for ``matplotlib.patches.FancyArrowPatch``.

        Returns
        -------
        display : CohortFlowDisplay
            With the artists as attributes.

        Raises
        ------
        ValueError
            If the chart does not fit into the axes.
        """
        from matplotlib import rcParams
        from matplotlib.text import Text

        text_kwargs = style({"fontsize": FONT_SIZE, "color": ink()}, text_kwargs, Text)
        columns = self._columns(max_reasons)
        if ax is None:
            # A figure's layout leaves these margins, in inches.
            across, along = (rcParams[f"figure.constrained_layout.{side}_pad"] for side in "wh")
            width = COLUMN_WIDTH if len(columns) == 1 else PAGE_WIDTH
            chart = fitting_chart(columns, text_kwargs, 72 * (width - 2 * across))
            ax = new_axes(None, width, chart.height / 72 + 2 * along)[1]
        else:
            chart = fitting_chart(columns, text_kwargs, *size_of(ax))
        self.figure_, self.ax_ = new_axes(ax)
        self.ax_.set_axis_off()
        self.boxes_, self.texts_, self.arrows_ = chart.draw(self.ax_, box_kwargs, arrow_kwargs)
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
    def from_cohort(cls, cohort, *, targets=None, names=None, ax=None):
        """Count what a cohort holds and draw the chart.

        Parameters
        ----------
        cohort : Bunch
            From `skdxa.scans.load_cohort` or `skdxa.simulation.make_spine_cohort`. If its
            `excluded` has a column `group`, the patients of the scans left out are
            counted too.
        targets : str, list of str or None, default=None
            Columns of `cohort.target`; None takes all with a known label.
        names : dict of str to str, or None, default=None
            What the chart calls targets.
        ax : matplotlib Axes or None, default=None
            Where to draw.

        Returns
        -------
        display : CohortFlowDisplay
            The display, drawn.

        Raises
        ------
        CohortError
            If a target or a name of one does not exist.
        """
        name = "Simulated cohort" if "truth" in cohort else "Cohort"
        return cls.from_cohorts({name: cohort}, targets=targets, names=names, ax=ax)

    @classmethod
    def from_cohorts(cls, cohorts, *, targets=None, names=None, ax=None):
        """Count what several cohorts hold and draw their charts side by side.

        Parameters
        ----------
        cohorts : dict of str to Bunch
            What the chart calls each cohort, and the cohort; "(simulated)" is added to
            the name of one that is.
        targets : str, list of str or None, default=None
            Targets to show, of each cohort those that it has; None takes all with a known
            label.
        names : dict of str to str, or None, default=None
            What the chart calls targets.
        ax : matplotlib Axes or None, default=None
            Where to draw.

        Returns
        -------
        display : CohortFlowDisplay
            The display, drawn.

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
            if "truth" in cohort and "simulated" not in name.lower():
                name = f"{name} (simulated)"
            if targets is None:
                shown = cohort.target.columns[cohort.target.notna().any()]
            else:
                shown = [target for target in targets if target in cohort.target]
            counts += [{"cohort": name, **row} for row in _count(cohort, shown)]
        columns = ["cohort", "step", "reason", "target", "scans", "patients", "share"]
        frame = pd.DataFrame(counts, columns=columns).astype({"patients": "Int64", "share": float})
        return cls(frame, names=names).plot(ax)

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
    """Rows of a cohort's table."""
    groups = pd.Series(np.asarray(cohort.groups))
    excluded = cohort.excluded
    n_kept, n_listed = len(groups), len(groups) + len(excluded)
    left_out = excluded.get("group")
    if excluded.empty:
        listed_patients = groups.nunique()
    else:
        listed_patients = None if left_out is None else pd.concat([groups, left_out]).nunique()
    yield {"step": "listed", "scans": n_listed, "patients": listed_patients}
    reasons = pd.Series(
        [_short(*row) for row in zip(excluded["reason"], excluded["scan"], strict=True)],
        index=excluded.index,
        dtype=object,
    )
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


def _short(reason, scan):
    """Why a scan was left out, in a few words that are the same for all of a kind.

    `load_cohort` says which file it is, what is wrong, in brackets how, and what to do. A
    file's name, which may identify a patient, has no place in a chart.
    """
    if pd.isna(reason):
        return "no reason given"
    name = Path(str(scan)).name
    _, is_message, rest = str(reason).partition(f"{name}: ") if name else ("", "", "")
    if is_message:
        reason = re.split(r"[.;](?: |$)", _BRACKETS.sub("", rest))[0]
    return " ".join(str(reason).split())


def _plural(number, noun):
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def _scans_of(row):
    of = "" if pd.isna(row["patients"]) else f" of {_plural(row['patients'], 'patient')}"
    return f"{_plural(row['scans'], 'scan')}{of}"


def _share_of(row):
    share = ""
    if row.scans:
        share = f" ({100 * row.share:.1f} %{' of all' * (row.step == 'unknown')})"
    return f"{_LABELS[row.step]}: {row.scans:,}{share}"
