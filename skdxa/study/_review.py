"""Check a cohort before a study: what would be read, what is unusual, what is missing."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from skdxa.exceptions import CohortError
from skdxa.preprocessing import scan_remarks
from skdxa.study._clinical import check_clinical
from skdxa.study._cohort import check_cohort, check_target
from skdxa.study._output import (
    base_names,
    check_out,
    excluded_records,
    naming,
    new_folder,
    write_csv,
)
from skdxa.study._protocol import PAPER_TARGETS, Protocol
from skdxa.study._tasks import rename_columns

_REVIEW_FILE = re.compile(r"scans\.csv|flow\.png|contact_sheet_\d+\.png")
_PER_SHEET = 48
_MOST_SHEETS = 10


def review_cohort(cohort, protocol=None, *, out=None, overwrite=False):
    """Check a cohort before a study: every scan, and whether the study could start.

    Parameters
    ----------
    cohort : Bunch
        From `skdxa.scans.load_cohort`, with ``on_error="exclude"`` so that the scans that
        cannot be used are listed too.
    protocol : Protocol or None, default=None
        The choices of the study; targets, names of columns, folds and the size of the crop are
        used here. None checks only the scans.
    out : str, path-like or None, default=None
        Folder to create, with ``scans.csv`` (the table `scans`), ``flow.png`` (the flow chart)
        and ``contact_sheet_1.png`` and so on (every scan, those with a remark first; at most
        480).
    overwrite : bool, default=False
        Whether `out` may exist and be replaced, if it holds nothing but a review.

    Returns
    -------
    review : Bunch
        With the attributes:

        scans : DataFrame
            One row per scan listed, in the order of the table: `row`, `scan`, `usable`, the
            `kind` and `reason` of a scan left out, what its file states (as in
            ``cohort.sources``), the features of its pixels (as
            `skdxa.preprocessing.scan_features` returns them), and the `remarks`.
        problems : list of str
            Why the study could not start; empty if it could.
        out : Path or None
            The folder made.

    Raises
    ------
    CohortError
        If the parts of the cohort do not fit together.
    FileExistsError
        If `out` exists and must not be replaced.

    See Also
    --------
    run_study : Run the study.

    Examples
    --------
    >>> from skdxa.simulation import make_spine_cohort
    >>> from skdxa.study import Protocol, review_cohort
    >>> cohort = make_spine_cohort(60, random_state=0)
    >>> review = review_cohort(cohort, Protocol(n_splits=2))
    >>> review.problems
    []
    >>> int((review.scans["remarks"] == "").sum()) > 50
    True
    """
    out = None if out is None else Path(out)
    if out is not None:
        _check_out(out, overwrite)
    cohort = Bunch(**{**cohort, "groups": check_cohort(cohort)[2]})
    scans = _scans(cohort, Protocol.width if protocol is None else protocol.width)
    problems = []
    named = cohort
    if protocol is not None:
        try:
            named = rename_columns(cohort, protocol.columns)
        except CohortError as error:
            problems.append(str(error))
    targets = _targets(protocol, named)
    for target in targets:
        try:
            check_target(protocol, named, target)
        except CohortError as error:
            problems.append(str(error))
    if protocol is not None:
        try:
            check_clinical(protocol, named, [name for name in targets if name in named.target])
        except CohortError as error:
            problems.append(str(error))
    if out is not None:
        with new_folder(
            out, overwrite=overwrite, check=lambda: _check_out(out, overwrite)
        ) as folder:
            write_csv(_without_folders(scans), folder.path / "scans.csv", index=False)
            _draw(cohort, scans, folder.path)
        out = folder.out
    return Bunch(scans=scans, problems=problems, out=out)


def _targets(protocol, cohort):
    """Return the targets of a study; those that a protocol does not name are the paper's."""
    if protocol is None:
        return ()
    if protocol.targets is None:
        return [target for target in PAPER_TARGETS if target in cohort.target]
    return protocol.targets


def _check_out(out, overwrite):
    check_out(out, overwrite=overwrite, files=_REVIEW_FILE, what="review")


def _scans(cohort, width):
    """Return the table of all scans listed."""
    rows, seen = [], {}
    sources = cohort.get("sources")
    for position, scan in enumerate(cohort.data["scan"]):
        # A simulated cohort has no files.
        source = {"row": position, "path": f"row {position}"}
        if sources is not None:
            source = sources.iloc[position].to_dict()
        source["scan"] = source.pop("path")
        remarks, features = scan_remarks(
            scan,
            spacing_mm=cohort.spacing_mm,
            unit=source.get("unit"),
            width_mm=width * cohort.spacing_mm[1],
            return_features=True,
        )
        pixels = np.ascontiguousarray(scan)
        key = pixels.shape, hashlib.sha256(pixels).digest()
        same = seen.setdefault(key, source["row"])
        if same != source["row"]:
            remarks = [*remarks, f"has the same pixels as row {same}"]
        rows.append({**source, "usable": True, **features, "remarks": "; ".join(remarks)})
    excluded = cohort.excluded.drop(columns="group", errors="ignore")
    rows += [
        {**row, "usable": False, "remarks": row.get("kind", "")}
        for row in excluded.to_dict("records")
    ]
    table = pd.DataFrame(rows).sort_values("row", kind="stable", ignore_index=True)
    first = ["row", "scan", "usable", "remarks", "kind", "reason"]
    return table.reindex(columns=[*first, *table.columns.drop(first, errors="ignore")])


def _without_folders(scans):
    """Return the table as it is written, without folders, whose names can identify patients."""
    left_out = excluded_records(scans.loc[~scans["usable"], ["scan", "reason"]])
    written = scans.assign(scan=base_names(scans["scan"]))
    written.loc[~scans["usable"], "reason"] = [record["reason"] for record in left_out]
    return written


def _draw(cohort, scans, folder):
    from skdxa.displays import CohortFlowDisplay, ContactSheetDisplay, save_display

    with naming(folder / "flow.png") as path:
        save_display(CohortFlowDisplay.from_cohort(cohort), path, dpi=200)
    usable = scans[scans["usable"]].reset_index(drop=True)
    # Those with a remark come first.
    order = np.argsort(usable["remarks"] == "", kind="stable")[: _PER_SHEET * _MOST_SHEETS]
    title = "Simulated scans" if cohort.get("simulated", False) else None
    for page, start in enumerate(range(0, len(order), _PER_SHEET), start=1):
        shown = order[start : start + _PER_SHEET].to_numpy()
        sheet = ContactSheetDisplay.from_scans(
            cohort.data.iloc[shown],
            names=[f"row {usable.at[n, 'row']}\n{Path(usable.at[n, 'scan']).name}" for n in shown],
            remarks=usable["remarks"][shown].tolist(),
            title=title,
        )
        with naming(folder / f"contact_sheet_{page}.png") as path:
            save_display(sheet, path, dpi=150)
