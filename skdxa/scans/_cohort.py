"""Load a table and its folder of scans as a cohort."""

from numbers import Integral
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from skdxa.exceptions import CohortError, ScanError
from skdxa.scan_dtype import ScanArray
from skdxa.scans._anonymize import Pseudonyms
from skdxa.scans._batch import Job, read_all, settle_unstated
from skdxa.scans._columns import check_table, given_spacing
from skdxa.scans._describe import describe, list_excluded, warn_of_cohort
from skdxa.scans._labels import check_meanings
from skdxa.scans._read import UNITS
from skdxa.scans._table import read_table
from skdxa.validation import check_spacing, printable


def load_cohort(
    table,
    *,
    scans=".",
    scan_column="scan",
    target_columns=None,
    group_column=None,
    labels=None,
    variable=None,
    unit=None,
    spacing_mm=(1.05, 0.60),
    default_spacing_mm=None,
    min_columns=None,
    sheet=None,
    anonymize=False,
    on_error="raise",
    n_jobs=None,
    progress=True,
):
    """Load a table and the scans it names as a cohort.

    Parameters
    ----------
    table : str, path-like or DataFrame
        One row per scan. A file is CSV as spreadsheets write it (commas, semicolons or tabs;
        decimal points or commas; UTF-8, UTF-16 or Windows-1252), Excel (``.xlsx``) or
        Parquet. Empty rows are skipped. Optional columns ``row_mm`` and ``column_mm`` give
        the height and width of a scan's pixels in mm, which override what its file says.
    scans : str or path-like, default="."
        Folder that the paths in `scan_column` are relative to.
    scan_column : str, default="scan"
        Column of the scans' paths. Absolute paths are used as they are.
    target_columns : str, list of str or None, default=None
        Columns of labels: 0, 1, or empty where unknown. None loads scans without labels, to
        predict on.
    group_column : str, default=None
        Column of patients: scans with the same value are of one patient. Numbers and texts are
        read as by `skdxa.validation.as_patients`: ``1000``, ``1000.0`` and ``" 1000"`` are one
        patient, ``007`` and ``7`` are two. None: each scan is a separate patient.
    labels : dict, default=None
        What the words in the target columns mean, such as ``{"Yes": 1, "No": 0, "unclear":
        None}``, where None is unknown. Case is ignored. Unless a key is a number, 0 and 1
        keep their meaning.
    variable : str, default=None
        Name of the scan in MATLAB files and NumPy archives, as in `read_scan`.
    unit : {"g/cm2", "grey level"}, default=None
        What the pixels of all scans are, as in `read_scan`.
    spacing_mm : tuple of float, default=(1.05, 0.60)
        Height and width of a pixel, in mm, that all scans are resampled to. The
        default is that of a GE Lunar Prodigy spine scan.
    default_spacing_mm : tuple of float, default=None
        Height and width of a pixel, in mm, of scans for which neither the table nor the file
        states it. None: where no scan states a spacing and none is DICOM, all are assumed
        to be at `spacing_mm` already, and ``DESCR`` says so; otherwise those scans cannot be
        used.
    min_columns : int, default=None
        Fewest columns that a scan must have after resampling, such as the width of
        `skdxa.preprocessing.SpineCropper`; a narrower scan cannot be used.
    sheet : str, default=None
        Sheet of an Excel file; None takes the only one that is not empty.
    anonymize : bool or str, default=False
        Replace patients and paths by salted hashes. A text of at least 8 characters is the
        salt, and the same salt yields the same hashes; True draws one that is not kept.
        Other columns of the table stay as they are: leave out those that identify patients.
    on_error : {"raise", "exclude"}, default="raise"
        What to do about scans that cannot be used: raise one error that lists
        them, or leave them out and list them in ``excluded``. Errors of the table
        itself are always raised, all at once.
    n_jobs : int, default=None
        Processes that read, as in joblib; None is one. On Linux they are copies of this
        process unless a backend of joblib has been chosen or TensorFlow, JAX or PyTorch has
        been imported, which can deadlock in copies. Other processes take a second or
        two to start, in which one reads about 100 files.
    progress : bool, default=True
        Whether to show a progress bar where the standard error is a terminal.

    Returns
    -------
    cohort : Bunch
        With the attributes:

        data : DataFrame of n_scans rows
            The table without the targets, numbered from 0. The column ``scan``
            holds the resampled arrays and replaces `scan_column`; its type states their
            spacing, and their unit if it is the same for all. Later errors about a scan
            name its row and path.
        target : DataFrame of shape (n_scans, n_targets)
            0.0, 1.0, or NaN where unknown.
        groups : ndarray of shape (n_scans,)
            The patient of each scan.
        spacing_mm : tuple of float
            The spacing of all scans.
        simulated : bool
            False.
        sources : DataFrame of n_scans rows
            Where each scan comes from: its row in the table (``row``), ``path``,
            ``format``, ``unit``, ``rows`` and ``columns`` in the file, ``row_mm`` and
            ``column_mm`` there, what states them (``spacing_source``: "table", an element of
            the DICOM header, "default_spacing_mm" or "assumed"), and the file's ``sha256``.
        excluded : DataFrame
            One row per scan left out: its row in the table (``row``), its path
            (``scan``), the ``reason``, its ``kind`` in a few words, for a flow chart, and
            its patient (``group``) if `group_column` is given.
        DESCR : str
            Summary of the cohort in figures.

    Raises
    ------
    CohortError
        If the table cannot be used (a column is missing, a label is unknown, a
        scan or a patient is not given, a file is listed twice), if scans cannot be
        used and `on_error` is "raise", or if none is left. Rows are numbered as a
        spreadsheet shows them: the header is row 1.
    ScanError
        If `spacing_mm` or `default_spacing_mm` is not a pair of positive numbers, or `unit`
        is unknown.

    Warns
    -----
    UserWarning
        If scans differ in unit, more than a tenth of the scans are left out, files with the
        same content belong to different patients, or a table is not in Unicode.

    See Also
    --------
    read_scan : What is done with each file.

    Notes
    -----
    Nothing but the pixels and their spacing is taken from the scans' files, so a
    cohort contains only what the table states about a patient.

    Scans in g/cm2 and scans in grey levels can be combined in one cohort, though a
    network may then learn the scanner instead of the disease.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skdxa.scans import load_cohort
    >>> table = pd.DataFrame(
    ...     {"scan": ["a.npy", "b.npy"], "patient": ["p1", "p2"], "scoliosis": [0, 1]}
    ... ).assign(row_mm=1.05, column_mm=0.60)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for density, name in enumerate(table["scan"]):
    ...         np.save(Path(folder) / name, np.full((7, 9), 0.5 + density))
    ...     cohort = load_cohort(
    ...         table, scans=folder, target_columns="scoliosis", group_column="patient"
    ...     )
    >>> cohort.data["scan"][0].shape
    (7, 9)
    >>> print(cohort.DESCR)
    Cohort of 2 scans of 2 patients
    Pixels: 1.05 x 0.6 mm; scans of 7 x 9 pixels
    The spacing is stated by: table (2)
    Unit: g/cm2 (2)
    scoliosis: 1 positive, 1 negative, 0 unknown
    Excluded: 0 of 2 scans
    """
    _check_options(on_error, unit, min_columns)
    spacing_mm = check_spacing(spacing_mm)
    if default_spacing_mm is not None:
        default_spacing_mm = check_spacing(default_spacing_mm, name="default_spacing_mm")
    meanings = check_meanings(labels)
    pseudonyms = Pseudonyms(anonymize)
    targets = [target_columns] if isinstance(target_columns, str) else list(target_columns or ())
    table = read_table(
        table,
        text_columns={scan_column, group_column},
        sheet=sheet,
        words={name: set(meanings) for name in targets},
    )
    paths, target, groups = check_table(
        table, Path(scans), scan_column, targets, group_column, meanings
    )
    if groups is not None:
        groups = pseudonyms.of_patients(groups)
        table[group_column] = groups

    shown = {row: pseudonyms.of_path(table.at[row, scan_column]) for row in paths}
    jobs = [
        Job(
            row,
            path,
            given_spacing(table, row),
            default_spacing_mm,
            # With its folder, so that a message states where the file was searched for.
            shown[row] if anonymize else printable(path),
        )
        for row, path in paths.items()
    ]
    read = read_all(
        jobs,
        n_jobs=n_jobs,
        progress=progress,
        spacing_mm=spacing_mm,
        variable=variable,
        unit=unit,
        min_columns=min_columns,
    )
    n_assumed = settle_unstated(read, spacing_mm)
    kept = [item.row for item in read if item.pixels is not None]
    excluded = pd.DataFrame(
        [
            {
                "row": item.row,
                "scan": shown[item.row],
                "reason": item.fault,
                "kind": item.kind,
            }
            for item in read
            if item.pixels is None
        ],
        columns=["row", "scan", "reason", "kind"],
    ).astype({"row": int})
    if groups is not None:
        excluded["group"] = groups.loc[excluded["row"]].to_numpy()
    if len(excluded) and (on_error == "raise" or not kept):
        raise CohortError(list_excluded(excluded, len(paths), on_error), excluded=excluded)

    data = table.drop(columns=targets).loc[kept].reset_index(drop=True)
    data = data.rename(columns={scan_column: "scan"})
    sources = pd.DataFrame([item.facts for item in read if item.pixels is not None])
    sources.insert(0, "row", kept)
    sources.insert(1, "path", [shown[row] for row in kept])
    units = sources["unit"].unique()
    data["scan"] = pd.Series(
        ScanArray(
            [item.pixels for item in read if item.pixels is not None],
            spacing_mm,
            units[0] if len(units) == 1 else None,
            [f"row {row} of the table, {shown[row]}" for row in kept],
        )
    )
    cohort = Bunch(
        data=data,
        target=target.loc[kept].reset_index(drop=True),
        groups=np.arange(len(kept)) if groups is None else groups.loc[kept].to_numpy(),
        spacing_mm=spacing_mm,
        sources=sources,
        excluded=excluded,
        simulated=False,
    )
    cohort.DESCR = describe(cohort, n_assumed, has_patients=groups is not None)
    warn_of_cohort(cohort)
    return cohort


def _check_options(on_error, unit, min_columns):
    if on_error not in ("raise", "exclude"):
        raise CohortError(f"on_error must be 'raise' or 'exclude'; got {on_error!r}.")
    if unit is not None and unit not in UNITS:
        raise ScanError(f"unit must be 'g/cm2', 'grey level' or None; got {unit!r}.")
    if min_columns is not None and not (isinstance(min_columns, Integral) and min_columns > 0):
        raise CohortError(f"min_columns must be a positive whole number; got {min_columns!r}.")
