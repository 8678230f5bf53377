"""Patients in two folds or two hospitals, planted and found, and clean data without any."""

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import Bunch
from study_cohorts import folds_of, small_cohort

from skdxa.simulation import make_spine_cohort
from skdxa.study import _audit_patients as audit_patients
from skdxa.study._similar import similar_across, similar_pairs

# The label that models are trained on, and that they are scored by at the other hospital.
SCOLIOSIS = {"scoliosis": "scoliosis"}


def test_twins_under_other_names_are_found_and_other_patients_are_not():
    cohort = make_spine_cohort(24, n_scans_per_subject=1.5, random_state=0)
    n_scans = len(cohort.data)
    # Every scan listed as that of a patient of its own.
    same = cohort.groups[:, np.newaxis] == cohort.groups
    n_twins = np.triu(same, k=1).sum()
    # Some in another brightness, some mirrored.
    cohort.data["scan"] = pd.Series(
        [
            (scan, 0.3 + scan.clip(0) ** 0.8, scan[:, ::-1])[number % 3]
            for number, scan in enumerate(cohort.data["scan"])
        ],
        dtype=object,
    )
    pairs = similar_pairs(cohort.data["scan"], np.arange(n_scans))
    right = [cohort.groups[one] == cohort.groups[other] for one, other, _ in pairs]
    assert all(right)
    assert len(pairs) > 0.8 * n_twins
    assert similar_pairs(cohort.data["scan"], cohort.groups) == []

    cohort.groups = np.arange(n_scans)
    drawn = np.random.RandomState(0).randint(0, 3, (1, n_scans))
    found = audit_patients.audit_patients(cohort, {"scoliosis": drawn})
    assert found.verdict == "fault"
    assert "pairs of scans listed for different patients show bones as similar" in found.finding
    # All in one fold: no twin is trained on while the other is scored.
    found = audit_patients.audit_patients(cohort, {"scoliosis": np.zeros((1, n_scans), int)})
    assert found.verdict == "nothing found"
    assert f"{len(pairs)} pairs of different patients look like scans of one" in found.finding


@pytest.mark.parametrize("block", [7, 8, 40])
def test_all_scans_are_compared_with_all_others(monkeypatch, block):
    cohort = small_cohort(40)
    scans = cohort.data["scan"].copy()
    for one, other in ((0, 39), (6, 7), (36, 20)):
        scans[one] = scans[other].copy()
    expected = similar_pairs(scans, np.arange(40))
    monkeypatch.setattr("skdxa.study._similar._BLOCK", block)
    pairs = similar_pairs(scans, np.arange(40))
    assert {pair[:2] for pair in pairs} >= {(0, 39), (6, 7), (20, 36)}
    assert sorted(pair[:2] for pair in pairs) == sorted(pair[:2] for pair in expected)
    assert sorted(pair[2] for pair in pairs) == pytest.approx(sorted(pair[2] for pair in expected))


def part_of(cohort, rows):
    return Bunch(
        data=cohort.data[rows].reset_index(drop=True),
        target=cohort.target[rows].reset_index(drop=True),
        groups=cohort.groups[rows],
        spacing_mm=cohort.spacing_mm,
    )


@pytest.fixture(scope="module")
def hospitals():
    """First scans of patients, and second scans of half of them beside scans of others."""
    cohort = make_spine_cohort(30, n_scans_per_subject=1.5, random_state=0)
    first = ~pd.Series(cohort.groups).duplicated().to_numpy()
    other = np.isin(cohort.groups, cohort.groups[first][20:])
    return part_of(cohort, first & ~other), part_of(cohort, ~first | other)


def test_patients_of_an_external_hospital_who_were_trained_on_are_found(hospitals):
    cohort, external = hospitals
    n_shared = np.isin(external.groups, cohort.groups).sum()
    pairs = similar_across(cohort.data["scan"], external.data["scan"])
    assert all(cohort.groups[one] == external.groups[other] for one, other, _ in pairs)
    assert 0.8 * n_shared <= len(pairs) <= n_shared
    turned = similar_across(external.data["scan"], cohort.data["scan"])
    assert sorted((other, one, value) for one, other, value in turned) == sorted(pairs)

    found = audit_patients.audit_external(cohort, external, SCOLIOSIS)
    one, other, alike = pairs[0]
    assert (found.name, found.verdict) == ("Hospitals apart", "fault")
    assert f"{len(pairs)} pairs of a scan of a patient that models were trained" in found.finding
    assert f": row {one} and row {other} there; row" in found.finding
    assert "; and more" in found.finding
    assert f"The most similar, row {one} and row {other} there, correlate by {alike:.2f}." in (
        found.finding
    )


def test_what_is_neither_trained_on_nor_tested_is_no_fault(hospitals):
    cohort, external = hospitals
    cohort = Bunch(**{**cohort, "target": cohort.target.assign(scoliosis=np.nan)})
    found = audit_patients.audit_external(cohort, external, SCOLIOSIS)
    assert found.verdict == "nothing found"
    assert "pairs look like scans of one patient, but one of each pair lacks a label" in (
        found.finding
    )
    labels = SCOLIOSIS | {"unreliable": "unreliable"}
    assert audit_patients.audit_external(cohort, external, labels).verdict == "fault"


@pytest.mark.parametrize(
    ("groups", "told"),
    [
        (["A1", "B2"], " 2 patients have the same name in both, the first being A1, which"),
        (["A1", "C3"], " 1 patient has the same name in both, the first being A1, which"),
        ([0, 1], ""),
    ],
)
def test_the_same_names_in_two_hospitals_are_told(groups, told):
    cohort = small_cohort(4)
    one, other = part_of(cohort, np.arange(4) < 2), part_of(cohort, np.arange(4) >= 2)
    one.groups, other.groups = np.array(groups), np.array(["A1", "B2"])
    found = audit_patients.audit_external(one, other, SCOLIOSIS)
    assert found.verdict == "nothing found"
    expected = (
        "Of 2 scans of the external hospital, each compared with the 2 of the cohort, no two look "
        f"like scans of one patient.{told}"
    )
    assert found.finding.startswith(expected)
    assert told or found.finding == expected


@pytest.mark.parametrize("first", [0, 1])
def test_counted_patients_have_no_names(first):
    cohort = small_cohort(4)
    one, other = part_of(cohort, np.arange(4) < 2), part_of(cohort, np.arange(4) >= 2)
    one.groups, other.groups = np.array([first, first]), np.array([first, first + 1])
    assert audit_patients.audit_external(one, other, SCOLIOSIS).finding.endswith("of one patient.")


def test_a_patient_is_trained_on_whose_other_scan_has_a_label():
    cohort = small_cohort(5)
    one, other = part_of(cohort, np.arange(5) < 4), part_of(cohort, np.arange(5) == 3)
    one.sources = pd.DataFrame({"row": [2, 4, 6, 8]})
    one.target.loc[3, "scoliosis"] = np.nan
    found = audit_patients.audit_external(one, other, SCOLIOSIS)
    assert found.verdict == "nothing found"
    assert "1 pair looks like scans of one patient, but one lacks a label." in found.finding
    one.groups = np.array(["A", "B", "C", "C"])
    found = audit_patients.audit_external(one, other, SCOLIOSIS)
    assert found.verdict == "fault"
    assert ": row 8 and row 0 there. The most similar" in found.finding


@pytest.mark.parametrize("spacing_mm", [np.array([1.05, 0.6]), [1.0500001, 0.6], None])
def test_spacings_that_are_equal_or_not_stated_are_compared(hospitals, spacing_mm):
    cohort, external = hospitals
    plain = external.data.assign(scan=pd.Series([*external.data["scan"]], dtype=object))
    other = Bunch(**{**external, "data": plain, "spacing_mm": spacing_mm})
    assert audit_patients.audit_external(cohort, other, SCOLIOSIS).verdict == "fault"
    del other["spacing_mm"]
    assert audit_patients.audit_external(cohort, other, SCOLIOSIS).verdict == "fault"


@pytest.mark.parametrize(
    ("spacing_mm", "why"),
    [
        (
            (2.1, 1.2),
            "those of the cohort have pixels of 1.05 x 0.6 mm, those of the",
        ),
        (1.05, "spacing_mm must be two positive numbers"),
    ],
)
def test_hospitals_whose_scans_cannot_be_compared_leave_the_question_open(
    hospitals, spacing_mm, why
):
    cohort, external = hospitals
    plain = external.data.assign(scan=pd.Series([*external.data["scan"]], dtype=object))
    external = Bunch(**{**external, "data": plain, "spacing_mm": spacing_mm})
    external.groups = external.groups.astype(str)
    found = audit_patients.audit_external(
        Bunch(**{**cohort, "groups": cohort.groups.astype(str)}), external, SCOLIOSIS
    )
    assert found.verdict == "open"
    assert found.finding.startswith(f"The scans of the two hospitals could not be compared: {why}")
    assert "patients have the same name in both" in found.finding
    tiny = plain.head(1).assign(scan=pd.Series([np.full((4, 4), np.nan)], dtype=object))
    found = audit_patients.audit_external(
        cohort, Bunch(**{**hospitals[1], "data": tiny}), SCOLIOSIS
    )
    assert found.verdict == "open"


def test_scans_without_a_label_of_the_first_task_are_compared_too():
    cohort = small_cohort(40)
    cohort.data.at[39, "scan"] = cohort.data.at[2, "scan"].copy()
    drawn = folds_of(cohort)
    drawn[:, [2, 39]] = 0, 1
    # The first task has labels for the first half alone, the second one for all.
    half = np.where(np.arange(40) < 20, drawn, -1)
    found = audit_patients.audit_patients(cohort, {"scoliosis": half, "fracture": drawn})
    assert found.verdict == "fault"
    assert "and lie in different folds (fracture): rows 2 and 39. The" in found.finding
    found = audit_patients.audit_patients(cohort, {"scoliosis": half})
    assert found.verdict == "nothing found"
    assert "of all 40 scans, each compared with every other, 1 pair of different" in found.finding
    # A patient's scans in two folds of the second task.
    cohort.groups[39] = cohort.groups[2]
    found = audit_patients.audit_patients(cohort, {"scoliosis": half, "fracture": drawn})
    assert found.verdict == "fault"
    assert found.finding.startswith("fracture: 1 patient has scans in several folds, the first")


def test_copies_of_scans_are_found_and_patients_in_two_folds_are_named():
    cohort = small_cohort(40)
    fold_of = folds_of(cohort)
    folds = {"scoliosis": fold_of}
    found = audit_patients.audit_patients(cohort, folds)
    assert found.verdict == "nothing found"
    assert found.finding.endswith("no two of different patients look like scans of one.")
    other = np.flatnonzero(fold_of[0] != fold_of[0, 0])[0]
    cohort.data.at[other, "scan"] = cohort.data.at[0, "scan"].copy()
    found = audit_patients.audit_patients(cohort, folds)
    assert found.verdict == "fault"
    assert "1 pair of scans listed for different patients" in found.finding
    assert (
        f"rows 0 and {other}. The most similar, 0 and {other}, correlate by 1.00" in found.finding
    )
    # With a table, scans are named by their rows there.
    cohort.sources = pd.DataFrame({"row": np.arange(len(fold_of[0])) + 2})
    found = audit_patients.audit_patients(cohort, folds)
    assert f"rows 2 and {other + 2}. The most similar, 2 and {other + 2}, corr" in found.finding
    cohort.groups[other] = cohort.groups[0]
    found = audit_patients.audit_patients(cohort, folds)
    assert found.verdict == "fault"
    assert found.finding.startswith("scoliosis: 1 patient has scans in several folds, the first")


def test_scans_that_cannot_be_compared_leave_the_question_open():
    cohort = small_cohort(30)
    cohort.data.at[3, "scan"] = np.full((5, 5), np.inf, dtype=np.float32)
    assert audit_patients.audit_patients(cohort, {"scoliosis": folds_of(cohort)}).verdict == "open"
