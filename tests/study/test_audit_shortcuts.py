"""Shortcuts and machines that tell the label, planted and found, and clean data without any."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import Bunch
from study_cohorts import folds_of, small_cohort

from skdxa.significance import Interval
from skdxa.study import _audit_shortcuts as audit_shortcuts


def shortcut_of(cohort, features, network_auc):
    y = cohort.target["scoliosis"].to_numpy() == 1
    found = audit_shortcuts.out_of_fold_logistic(features, y, folds_of(cohort)[0])
    return audit_shortcuts.audit_shortcut(
        "name", "question?", found, network_auc, what="It", remedy="Look."
    )


def test_a_label_in_the_margin_is_found():
    cohort = small_cohort()
    clean = audit_shortcuts.margin_features(cohort.data["scan"], cohort.spacing_mm, 30.0)
    assert clean.shape == (90, 72)
    assert shortcut_of(cohort, clean, 0.9).verdict == "nothing found"
    marked = []
    for scan, label in zip(cohort.data["scan"], cohort.target["scoliosis"], strict=True):
        scan = scan.copy()
        if label:
            scan[2:6, -7:-3] = 3.0
        marked.append(scan)
    found = shortcut_of(
        cohort, audit_shortcuts.margin_features(marked, cohort.spacing_mm, 30.0), 0.9
    )
    assert found.verdict == "fault"
    assert found.finding.startswith("It alone reach an AUC of 1.00")
    assert found.finding.endswith("Look.")


def test_a_label_told_by_brightness_is_found():
    cohort = small_cohort()
    bright = [
        scan + label
        for scan, label in zip(cohort.data["scan"], cohort.target["scoliosis"], strict=True)
    ]
    features = audit_shortcuts.brightness_features(bright, cohort.spacing_mm)
    assert shortcut_of(cohort, features, 0.9).verdict == "fault"
    # A scan that was hardly scanned has no margins to look at.
    empty = np.full((40, 60), np.nan)
    empty[:, 29:31] = 1.0
    assert np.isfinite(audit_shortcuts.margin_features([empty], (1.05, 0.6), 60.0)).all()


@pytest.mark.parametrize(
    ("auc", "low", "network", "verdict"),
    [
        (0.60, 0.50, 0.95, "nothing found"),
        (0.75, 0.65, 0.95, "look at this"),
        (0.60, 0.56, 0.58, "look at this"),
        (0.80, 0.70, 0.80, "fault"),
    ],
)
def test_a_shortcut_is_judged_beside_the_network(auc, low, network, verdict):
    found = audit_shortcuts.audit_shortcut(
        "name", "?", Interval(auc, low, 0.9, 0.95, "DeLong"), network, what="It", remedy="Look."
    )
    assert found.verdict == verdict
    assert ("Look." in found.finding) == (verdict != "nothing found")


def scanned_by(cohort, tells_label):
    """Coarsen the grain of half of the scans, by a scanner that tells the label or does not."""
    rng = np.random.default_rng(3)
    label = cohort.target["scoliosis"].to_numpy() == 1
    likely = np.where(label, 0.9, 0.2) if tells_label else 0.5
    new = rng.random(len(label)) < likely
    cohort.data["scanner"] = np.where(new, "new", "old")
    cohort.data["scan"] = pd.Series(
        [
            scan + 0.2 * rng.normal(size=scan.shape).astype(np.float32) * is_new
            for scan, is_new in zip(cohort.data["scan"], new, strict=True)
        ],
        dtype=object,
    )
    return cohort


@pytest.mark.parametrize(("tells_label", "verdict"), [(True, "fault"), (False, "nothing found")])
def test_a_scanner_that_tells_the_label_is_found(tells_label, verdict):
    cohort = scanned_by(small_cohort(), tells_label)
    features = audit_shortcuts.machine_features(cohort.data["scan"], cohort.spacing_mm)
    (found,) = audit_shortcuts.audit_machines(cohort, cohort.target["scoliosis"] == 1, features)
    assert found.name == "Predictable from the scanner"
    assert found.verdict == verdict
    assert "it can be predicted from the image with an AUC of 1.00" in found.finding
    assert ("balance the labels within each" in found.finding) == tells_label


def test_years_and_files_tell_too_and_without_any_the_question_is_open():
    cohort = small_cohort(30)
    y = cohort.target["scoliosis"] == 1
    features = audit_shortcuts.machine_features(cohort.data["scan"], cohort.spacing_mm)
    assert audit_shortcuts.audit_machines(cohort, y, features)[0].verdict == "open"
    cohort.data["Year"] = [2000] * 29 + [2001]
    cohort.sources = pd.DataFrame({"unit": ["g/cm2", "grey level"] * 15, "format": "NumPy"})
    columns = audit_shortcuts.machine_columns(cohort)
    assert list(columns) == ["Year", "file unit"]
    assert sum(columns["Year"] == "late") == 1
    found = audit_shortcuts.audit_machines(cohort, y, features)
    assert "too few patients of a kind to predict it from the image" in found[0].finding


@pytest.mark.parametrize(
    "late",
    [
        [2018, 2020],
        [20180305, 20200907],
        ["05.03.2018", "07.09.2020"],
        ["2018-03-05", "2020-09-07 10:00"],
        [pd.Timestamp("2018-03-05"), pd.Timestamp("2020-09-07")],
    ],
)
def test_years_are_read_from_dates_too(late):
    cohort = small_cohort()
    y = cohort.target["scoliosis"].to_numpy() == 1
    cohort.data["year"] = pd.Series([late[int(label)] for label in y])
    assert audit_shortcuts.machine_columns(cohort)["year"].tolist() == [
        "late" if label else "early" for label in y
    ]


def test_a_column_of_years_without_years_is_told():
    cohort = small_cohort()
    cohort.data["year"] = ["before", "after"] * 45
    y = cohort.target["scoliosis"].to_numpy() == 1
    features = np.random.default_rng(0).normal(size=(90, 2))
    (item,) = audit_shortcuts.audit_machines(cohort, y, features)
    assert (item.name, item.verdict) == ("Predictable from the year", "open")
    assert item.finding.startswith("The column 'year' holds 'before' and other values that are")


def test_scans_of_a_patient_are_no_independent_evidence_of_a_scanner():
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(40), 5)
    n_remarks = 0
    for _ in range(40):
        scanner, label = rng.integers(0, 2, (2, 40))
        # Features that are alike within a patient, and tell neither.
        features = rng.normal(size=(40, 3))[patients] + 0.1 * rng.normal(size=(200, 3))
        cohort = Bunch(
            data=pd.DataFrame({"scanner": np.where(scanner == 1, "A", "B")[patients]}),
            groups=patients,
        )
        (item,) = audit_shortcuts.audit_machines(cohort, label[patients] == 1, features)
        n_remarks += item.verdict != "nothing found"
        image = float(re.search(r"image with an AUC of ([0-9.]+)", item.finding).group(1))
        assert image < 0.9
    # p < 0.01 in one of a hundred, and in every fourth if scans are counted as independent.
    assert n_remarks <= 3


def test_a_table_that_names_no_scanner_for_some_scans_is_looked_at_without_them():
    cohort = small_cohort()
    y = cohort.target["scoliosis"].to_numpy() == 1
    cohort.data["scanner"] = pd.Series(np.where(y, "A", "B"), dtype=object)
    cohort.data.loc[:9, "scanner"] = None
    cohort.data["year"] = np.where(np.arange(90) < 10, np.nan, 2010 + np.arange(90) % 4)
    columns = audit_shortcuts.machine_columns(cohort)
    assert pd.isna(columns["scanner"]).tolist() == [True] * 10 + [False] * 80
    assert columns["scanner"][10] == ("A" if y[10] else "B")
    assert pd.isna(columns["year"]).sum() == 10
    features = np.random.default_rng(0).normal(size=(90, 2))
    found = audit_shortcuts.audit_machines(cohort, y, features)
    assert [item.name for item in found] == [
        "Predictable from the scanner",
        "Predictable from the year",
    ]
    for item in found:
        assert "10 scans have no value and were left out." in item.finding
    assert "A: 100 %, B: 0 %" in found[0].finding


def test_a_scanner_that_is_known_for_one_label_alone_is_told():
    cohort = small_cohort()
    y = cohort.target["scoliosis"].to_numpy() == 1
    scanner = pd.Series(np.where(np.arange(90) % 2, "A", "B"), dtype=object)
    cohort.data["scanner"] = scanner.where(y, None)
    features = np.random.default_rng(0).normal(size=(90, 2))
    (item,) = audit_shortcuts.audit_machines(cohort, y, features)
    assert item.verdict == "look at this"
    assert item.finding.startswith("scanner is known for scans of one label alone")
