"""The columns of a table that skdxa knows by name, and what each is used for."""

from dataclasses import dataclass

import pandas as pd

VERTEBRAE = ("bmd_L1", "bmd_L2", "bmd_L3", "bmd_L4")
HIP = {"bmd_neck": "femoral_neck", "bmd_total_hip": "total_hip"}
SCANNER_NAMES = ("scanner", "device", "site", "hospital", "centre", "center")
YEAR_NAMES = ("year", "scan_year", "exam_year")


@dataclass(frozen=True)
class KnownColumn:
    """A column by the name that skdxa has for it."""

    name: str
    unit: str
    meaning: str
    used_for: str
    kind: str = "clinical"
    other_names: tuple[str, ...] = ()


_LABEL = "0 or 1"
_SPINE = "T-scores of the spine and the minimum, compared with the network; the stack; subgroups"
_HIP_USES = "T-scores of the hip and the minimum, compared with the network; the stack; subgroups"

KNOWN_COLUMNS = (
    KnownColumn(
        "scan", "path", "File of the scan; --scan-column names another column", "reading", "file"
    ),
    KnownColumn(
        "row_mm", "mm", "Height of a pixel; overrides what the file states", "reading", "file"
    ),
    KnownColumn(
        "column_mm", "mm", "Width of a pixel; overrides what the file states", "reading", "file"
    ),
    KnownColumn("scoliosis", _LABEL, "The spine is curved sideways", "a task", "label"),
    KnownColumn("unreliable", _LABEL, "The BMD of the scan is not reliable", "a task", "label"),
    KnownColumn(
        "fracture_ever",
        _LABEL,
        "A fracture at any time of the follow-up",
        "a task: the label that networks are trained on",
        "label",
    ),
    KnownColumn(
        "fracture_5y",
        _LABEL,
        "A fracture within 5 years of the scan",
        "the task fracture_ever: the label that its networks are scored by",
        "label",
    ),
    KnownColumn(
        "scoliosis_r1, scoliosis_r2, ...",
        _LABEL,
        "Rating of each reader; likewise for another label, as in unreliable_r1",
        "agreement between readers, from two of them on; the ceiling in the audit",
        "rating",
    ),
    KnownColumn(
        "age",
        "years",
        "Age at the scan",
        "a predictor compared with the network; the stack; subgroups",
    ),
    *(KnownColumn(name, "g/cm2", f"BMD of vertebra {name[-2:]}", _SPINE) for name in VERTEBRAE),
    KnownColumn("bmd_neck", "g/cm2", "BMD of the femoral neck", _HIP_USES),
    KnownColumn("bmd_total_hip", "g/cm2", "BMD of the total hip", _HIP_USES),
    KnownColumn(
        "tbs",
        "",
        "Trabecular bone score, mean of L1 to L4; the protocol's texture names another column",
        "a predictor compared with the network",
    ),
    KnownColumn("sex", "any", "Such as F and M", "the description of the patients; subgroups"),
    KnownColumn(
        "scanner",
        "any",
        "Scanner or site of the scan",
        "the audit: whether the image predicts it, and whether it predicts the label; subgroups",
        "audit",
        SCANNER_NAMES[1:],
    ),
    KnownColumn(
        "year",
        "year",
        "When the scan was made",
        "the audit, as for scanner",
        "audit",
        YEAR_NAMES[1:],
    ),
)


def known_columns():
    """Return the columns of a table that skdxa knows by name.

    A table needs only the column of the scans; steps that need a column that the table lacks
    are left out of a study. If a table has another name for a column, give it in the `columns`
    of `Protocol`, or in the command's ``--column``. There is no predefined name for the patient
    column: give your table's name for it as `group_column`.

    Returns
    -------
    columns : DataFrame
        One row per column: `name`; `unit`; `meaning`; `used_for`, the steps that use it; `kind`,
        "file", "label", "rating", "clinical" or "audit"; `other_names`, which are also
        recognised, in upper or lower case.

    See Also
    --------
    Protocol : The choices of a study.

    Examples
    --------
    >>> from skdxa.study import known_columns
    >>> columns = known_columns().set_index("name")
    >>> columns.loc["bmd_neck", ["unit", "meaning"]].tolist()
    ['g/cm2', 'BMD of the femoral neck']
    """
    table = pd.DataFrame([vars(column) for column in KNOWN_COLUMNS])
    table["other_names"] = table["other_names"].map(", ".join)
    return table
