"""Descriptions and warnings of what a cohort holds and lacks."""

import warnings

import numpy as np
import pandas as pd

from skdxa.scans._rows import MOST_LISTED

_MANY_EXCLUDED = 0.1


def describe(cohort, n_assumed, *, has_patients):
    n_scans, n_excluded = len(cohort.data), len(cohort.excluded)
    n_patients = len(pd.unique(cohort.groups))
    shapes = np.array([scan.shape for scan in cohort.data["scan"]])
    sides = (
        f"{low}" if low == high else f"{low}-{high}"
        for low, high in zip(shapes.min(axis=0), shapes.max(axis=0), strict=True)
    )
    row_mm, column_mm = cohort.spacing_mm
    spacing = f"The spacing is stated by: {_counted(cohort.sources['spacing_source'])}"
    if n_assumed:
        spacing = (
            f"The files do not state their spacing; all are taken to be at {row_mm:g} x "
            f"{column_mm:g} mm already"
        )
    elif (cohort.sources["spacing_source"] == "ImagerPixelSpacing").any():
        spacing += "; ImagerPixelSpacing is at the detector, so lengths are too large"
    lines = [
        f"Cohort of {n_scans} scans"
        + (f" of {n_patients} patients" if has_patients else ", each taken as its own patient"),
        f"Pixels: {row_mm:g} x {column_mm:g} mm; scans of {' x '.join(sides)} pixels",
        spacing,
        f"Unit: {_counted(cohort.sources['unit'])}",
    ]
    for name, labels in cohort.target.items():
        lines.append(
            f"{name}: {(labels == 1).sum()} positive, {(labels == 0).sum()} negative, "
            f"{labels.isna().sum()} unknown"
        )
    lines.append(f"Excluded: {n_excluded} of {n_scans + n_excluded} scans")
    return "\n".join(lines)


def warn_of_cohort(cohort):
    """Warn of what can bias a study of the cohort."""
    sources, n_excluded = cohort.sources, len(cohort.excluded)
    n_listed = len(sources) + n_excluded
    if sources["unit"].nunique() > 1:
        counts = ", ".join(f"{n} in {unit}" for unit, n in sources["unit"].value_counts().items())
        warnings.warn(
            f"the scans differ in unit: {counts}. A network may learn the scanner in place of "
            "the disease. Export all in one unit, or study them apart.",
            UserWarning,
            stacklevel=3,
        )
    if n_excluded > _MANY_EXCLUDED * n_listed:
        kinds = ", ".join(
            f"{n} x {kind}" for kind, n in cohort.excluded["kind"].value_counts().items()
        )
        warnings.warn(
            f"{n_excluded} of {n_listed} scans are left out ({kinds}). Those kept may not "
            "be representative: look at what is left out.",
            UserWarning,
            stacklevel=3,
        )
    same = sources.assign(group=cohort.groups)[sources["sha256"].duplicated(keep=False)]
    copies = [
        f"rows {', '.join(map(str, rows['row']))}"
        for _, rows in same.groupby("sha256", sort=False)
        if rows["group"].nunique() > 1
    ]
    if copies:
        more = f" and {len(copies) - MOST_LISTED} more" if len(copies) > MOST_LISTED else ""
        warnings.warn(
            f"files of the same content belong to different patients: "
            f"{'; '.join(copies[:MOST_LISTED])}{more}. One scan in two folds makes scores too "
            "high: correct the paths or the patients.",
            UserWarning,
            stacklevel=3,
        )


def list_excluded(excluded, n_scans, on_error):
    listed = [f"  row {one.row}: {one.reason}" for one in excluded.head(MOST_LISTED).itertuples()]
    if len(excluded) > MOST_LISTED:
        listed.append(f"  and {len(excluded) - MOST_LISTED} more")
    advice = (
        "Correct them, or leave them out with on_error='exclude'."
        if on_error == "raise" and len(excluded) < n_scans
        else "No scan is left."
    )
    return "\n".join([f"{len(excluded)} of {n_scans} scans cannot be used:", *listed, advice])


def _counted(values):
    counts = values.value_counts().sort_index()
    return ", ".join(f"{value} ({n})" for value, n in counts.items())
