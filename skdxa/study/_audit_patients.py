"""Check whether a patient was both trained on and scored, in another fold or another hospital."""

import numpy as np

from skdxa.exceptions import ScanError
from skdxa.study._audit import FAULT, FINE, OPEN, AuditItem
from skdxa.study._cohort import table_rows
from skdxa.study._similar import similar_across, similar_pairs
from skdxa.validation import (
    check_spacing,
    has_repeated_patients,
    patient_codes,
    scan_dtype_of,
    split_patients,
)


def audit_patients(cohort, folds):
    """Look for scans of one patient in several folds, under one name or under several.

    Parameters
    ----------
    cohort : Bunch
        All scans of the study.
    folds : dict of str to ndarray of int of shape (n_repeats, n_scans)
        The folds of each task that was cross-validated, by its title; -1 for scans that have
        no label in it.

    Returns
    -------
    AuditItem
    """
    question = "Are the scans of a patient, and copies of a scan, always in one fold?"
    name = "Patients apart"
    groups = np.asarray(cohort.groups)
    for title, fold_of in folds.items():
        labelled = (fold_of >= 0).all(axis=0)
        split = split_patients(fold_of[:, labelled], groups[labelled])
        if len(split):
            return AuditItem(
                name,
                question,
                FAULT,
                f"{title}: {_number(split, 'patient has', 'patients have')} scans in several "
                f"folds, the first being {split[0]}.",
            )
    try:
        pairs = similar_pairs(cohort.data["scan"], groups)
    except (ScanError, ValueError) as error:
        return AuditItem(name, question, OPEN, f"The scans could not be compared: {error}")
    crossing = {pair: _crossed(folds, *pair[:2]) for pair in pairs}
    crossing = {pair: titles for pair, titles in crossing.items() if titles}
    if crossing:
        one, other, alike = next(iter(crossing))
        row = table_rows(cohort)
        listed = ", ".join(
            f"{row[first]} and {row[second]}" for first, second, _ in [*crossing][:5]
        )
        titles = [title for title in folds if any(title in found for found in crossing.values())]
        return AuditItem(
            name,
            question,
            FAULT,
            f"{_number(crossing, 'pair')} of scans listed for different patients show bones as "
            f"similar as those of one patient, and lie in different folds ({', '.join(titles)}): "
            f"rows {listed}{' and more' if len(crossing) > 5 else ''}. The most similar, "
            f"{row[one]} and {row[other]}, correlate by {alike:.2f}. Look at them; if "
            "they are twins, give both one patient.",
        )
    several = "some have several scans" if has_repeated_patients(groups) else "one scan each"
    return AuditItem(
        name,
        question,
        FINE,
        f"{len(np.unique(patient_codes(groups)))} patients, {several}; no patient is in two "
        f"folds of a repeat, and of all {len(groups)} scans, each compared with every other, "
        + (
            "no two of different patients look like scans of one."
            if not pairs
            else _number(
                pairs,
                "pair of different patients looks like scans of one but lies in the same fold in "
                "every repeat, or lacks a label.",
                "pairs of different patients look like scans of one but lie in the same fold in "
                "every repeat, or lack a label.",
            )
        ),
    )


def audit_external(cohort, external, labels):
    """Look for patients of an external cohort among those that its models were trained on.

    Parameters
    ----------
    cohort : Bunch
        All scans of the study.
    external : Bunch
        All scans of the other hospital.
    labels : dict of str to str
        By the target that models were trained on, the label that they are scored by there.

    Returns
    -------
    AuditItem
    """
    name, question = "Hospitals apart", "Is a patient of the external hospital trained on as well?"
    names = _shared_names(cohort.groups, external.groups)
    try:
        spacings = [_spacing_of(of) for of in (cohort, external)]
        if None not in spacings and not np.allclose(*spacings, rtol=1e-3):
            here, there = (f"{row:g} x {column:g} mm" for row, column in spacings)
            raise ScanError(
                f"those of the cohort have pixels of {here}, those of the external hospital "
                f"{there}."
            )
        pairs = similar_across(cohort.data["scan"], external.data["scan"])
    except (ScanError, TypeError, ValueError) as error:
        finding = f"The scans of the two hospitals could not be compared: {error}{names}"
        return AuditItem(name, question, OPEN, finding)
    known = _labelled_patients(cohort, list(labels))
    tested = _labelled_patients(external, list(labels.values()))
    used = [pair for pair in pairs if (known[pair[0]] & tested[pair[1]]).any()]
    if used:
        rows, other_rows = table_rows(cohort), table_rows(external)
        listed = [f"row {rows[one]} and row {other_rows[other]} there" for one, other, _ in used]
        return AuditItem(
            name,
            question,
            FAULT,
            f"{_number(used, 'pair')} of a scan of a patient that models were trained on and a "
            "scan of the external hospital show bones as similar as those of one patient: "
            f"{'; '.join(listed[:5])}{'; and more' if len(used) > 5 else ''}. The most similar, "
            f"{listed[0]}, correlate by {used[0][2]:.2f}. Look at them; if they are of one "
            f"patient, leave the patient out of one of the two cohorts.{names}",
        )
    alike = "no two look like scans of one patient"
    if pairs:
        alike = _number(
            pairs,
            "pair looks like scans of one patient, but one lacks a label",
            "pairs look like scans of one patient, but one of each pair lacks a label",
        )
    return AuditItem(
        name,
        question,
        FINE,
        f"Of {len(external.data)} scans of the external hospital, each compared with the "
        f"{len(cohort.data)} of the cohort, {alike}.{names}",
    )


def _spacing_of(cohort):
    """Return the height and width of a pixel in mm, None where nothing states them."""
    dtype = scan_dtype_of(cohort.data["scan"])
    stated = cohort.get("spacing_mm") if dtype is None else dtype.spacing_mm
    return None if stated is None else check_spacing(stated)


def _labelled_patients(cohort, targets):
    """Return for each scan and target whether its patient has a scan whose label is known."""
    known = cohort.target[targets].notna().reset_index(drop=True)
    return known.groupby(patient_codes(np.asarray(cohort.groups))).transform("any").to_numpy()


def _shared_names(groups, others):
    """Report how many patients of two cohorts have the same name; empty if none."""
    names = [np.unique(np.asarray(of)) for of in (groups, others)]
    for of in names:
        # Consecutive numbers were assigned because there were no names.
        if of.dtype.kind in "iu" and of[0] in (0, 1) and of[-1] - of[0] == len(of) - 1:
            return ""
    shared = np.intersect1d(*(of.astype(str) for of in names))
    if not len(shared):
        return ""
    return (
        f" {_number(shared, 'patient has', 'patients have')} the same name in both, the first "
        f"being {shared[0]}, which is meaningless if each hospital has its own numbering."
    )


def _number(found, one, several=None):
    """Return how many there are, in words for one or for several."""
    return f"{len(found)} {one if len(found) == 1 else several or f'{one}s'}"


def _crossed(folds, one, other):
    """Return the titles of the tasks in which two scans lie in different folds of a repeat."""
    return [
        title
        for title, fold_of in folds.items()
        if (fold_of[:, [one, other]] >= 0).all() and (fold_of[:, one] != fold_of[:, other]).any()
    ]
