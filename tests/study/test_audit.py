"""Planted faults that the audit finds and names, and clean data in which it finds none."""

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import Bunch
from study_cohorts import cheap_model, small_cohort

from skdxa.evaluation import Folds, repeated_cross_validate
from skdxa.significance import Interval, rater_agreement
from skdxa.simulation import make_spine_cohort
from skdxa.study import _audit as audit
from skdxa.study._similar import similar_across, similar_pairs
from skdxa.study._step_audit import _kept_area
from skdxa.study._tasks import Task

TASK = Task("scoliosis", "scoliosis")


def folds_of(cohort, n_splits=3, n_repeats=1):
    y = cohort.target["scoliosis"].astype(int)
    return Folds.draw(y, n_splits=n_splits, n_repeats=n_repeats, random_state=0).fold_of


def shortcut_of(cohort, features, network_auc):
    y = cohort.target["scoliosis"].to_numpy() == 1
    found = audit.out_of_fold_logistic(features, y, folds_of(cohort)[0])
    return audit.audit_shortcut("name", "question?", found, network_auc, what="It", remedy="Look.")


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
    found = audit.audit_patients(cohort, {"scoliosis": drawn})
    assert found.verdict == "fault"
    assert "pairs of scans listed for different patients show bones as alike" in found.finding
    # All in one fold: no twin is trained on while the other is scored.
    found = audit.audit_patients(cohort, {"scoliosis": np.zeros((1, n_scans), int)})
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

    found = audit.audit_external(cohort, external, ["scoliosis"])
    one, other, alike = pairs[0]
    assert (found.name, found.verdict) == ("Hospitals apart", "fault")
    assert f"{len(pairs)} pairs of a scan of a patient that models were trained" in found.finding
    assert f": row {one} and row {other} there; row" in found.finding
    assert "; and more" in found.finding
    assert f"The most alike, row {one} and row {other} there, correlate by {alike:.2f}." in (
        found.finding
    )


def test_what_is_neither_trained_on_nor_tested_is_no_fault(hospitals):
    cohort, external = hospitals
    cohort = Bunch(**{**cohort, "target": cohort.target.assign(scoliosis=np.nan)})
    found = audit.audit_external(cohort, external, ["scoliosis"])
    assert found.verdict == "nothing found"
    assert "pairs look like scans of one patient, but one of each pair lacks a label" in (
        found.finding
    )
    assert audit.audit_external(cohort, external, ["scoliosis", "unreliable"]).verdict == "fault"


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
    found = audit.audit_external(one, other, ["scoliosis"])
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
    assert audit.audit_external(one, other, ["scoliosis"]).finding.endswith("of one patient.")


def test_a_patient_is_trained_on_whose_other_scan_has_a_label():
    cohort = small_cohort(5)
    one, other = part_of(cohort, np.arange(5) < 4), part_of(cohort, np.arange(5) == 3)
    one.sources = pd.DataFrame({"row": [2, 4, 6, 8]})
    one.target.loc[3, "scoliosis"] = np.nan
    found = audit.audit_external(one, other, ["scoliosis"])
    assert found.verdict == "nothing found"
    assert "1 pair looks like scans of one patient, but one lacks a label." in found.finding
    one.groups = np.array(["A", "B", "C", "C"])
    found = audit.audit_external(one, other, ["scoliosis"])
    assert found.verdict == "fault"
    assert ": row 8 and row 0 there. The most alike" in found.finding


@pytest.mark.parametrize("spacing_mm", [np.array([1.05, 0.6]), [1.0500001, 0.6], None])
def test_spacings_that_are_equal_or_not_stated_are_compared(hospitals, spacing_mm):
    cohort, external = hospitals
    plain = external.data.assign(scan=pd.Series([*external.data["scan"]], dtype=object))
    other = Bunch(**{**external, "data": plain, "spacing_mm": spacing_mm})
    assert audit.audit_external(cohort, other, ["scoliosis"]).verdict == "fault"
    del other["spacing_mm"]
    assert audit.audit_external(cohort, other, ["scoliosis"]).verdict == "fault"


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
    found = audit.audit_external(
        Bunch(**{**cohort, "groups": cohort.groups.astype(str)}), external, ["scoliosis"]
    )
    assert found.verdict == "open"
    assert found.finding.startswith(f"The scans of the two hospitals could not be compared: {why}")
    assert "patients have the same name in both" in found.finding
    tiny = plain.head(1).assign(scan=pd.Series([np.full((4, 4), np.nan)], dtype=object))
    found = audit.audit_external(cohort, Bunch(**{**hospitals[1], "data": tiny}), ["scoliosis"])
    assert found.verdict == "open"


def test_scans_without_a_label_of_the_first_task_are_compared_too():
    cohort = small_cohort(40)
    cohort.data.at[39, "scan"] = cohort.data.at[2, "scan"].copy()
    drawn = folds_of(cohort)
    drawn[:, [2, 39]] = 0, 1
    # The first task has labels for the first half alone, the second one for all.
    half = np.where(np.arange(40) < 20, drawn, -1)
    found = audit.audit_patients(cohort, {"scoliosis": half, "fracture": drawn})
    assert found.verdict == "fault"
    assert "and lie in different folds (fracture): rows 2 and 39. The" in found.finding
    found = audit.audit_patients(cohort, {"scoliosis": half})
    assert found.verdict == "nothing found"
    assert "of all 40 scans, each compared with every other, 1 pair of different" in found.finding
    # A patient's scans in two folds of the second task.
    cohort.groups[39] = cohort.groups[2]
    found = audit.audit_patients(cohort, {"scoliosis": half, "fracture": drawn})
    assert found.verdict == "fault"
    assert found.finding.startswith("fracture: 1 patient has scans in several folds, the first")


def test_copies_of_scans_are_found_and_patients_in_two_folds_are_named():
    cohort = small_cohort(40)
    fold_of = folds_of(cohort)
    folds = {"scoliosis": fold_of}
    found = audit.audit_patients(cohort, folds)
    assert found.verdict == "nothing found"
    assert found.finding.endswith("no two of different patients look like scans of one.")
    other = np.flatnonzero(fold_of[0] != fold_of[0, 0])[0]
    cohort.data.at[other, "scan"] = cohort.data.at[0, "scan"].copy()
    found = audit.audit_patients(cohort, folds)
    assert found.verdict == "fault"
    assert "1 pair of scans listed for different patients" in found.finding
    assert f"rows 0 and {other}. The most alike, 0 and {other}, correlate by 1.00" in found.finding
    # With a table, scans are named by their rows there.
    cohort.sources = pd.DataFrame({"row": np.arange(len(fold_of[0])) + 2})
    found = audit.audit_patients(cohort, folds)
    assert f"rows 2 and {other + 2}. The most alike, 2 and {other + 2}, corr" in found.finding
    cohort.groups[other] = cohort.groups[0]
    found = audit.audit_patients(cohort, folds)
    assert found.verdict == "fault"
    assert found.finding.startswith("scoliosis: 1 patient has scans in several folds, the first")


def test_scans_that_cannot_be_compared_leave_the_question_open():
    cohort = small_cohort(30)
    cohort.data.at[3, "scan"] = np.full((5, 5), np.inf, dtype=np.float32)
    assert audit.audit_patients(cohort, {"scoliosis": folds_of(cohort)}).verdict == "open"


def test_a_label_in_the_margin_is_found():
    cohort = small_cohort()
    clean = audit.margin_features(cohort.data["scan"], cohort.spacing_mm, 30.0)
    assert clean.shape == (90, 72)
    assert shortcut_of(cohort, clean, 0.9).verdict == "nothing found"
    marked = []
    for scan, label in zip(cohort.data["scan"], cohort.target["scoliosis"], strict=True):
        scan = scan.copy()
        if label:
            scan[2:6, -7:-3] = 3.0
        marked.append(scan)
    found = shortcut_of(cohort, audit.margin_features(marked, cohort.spacing_mm, 30.0), 0.9)
    assert found.verdict == "fault"
    assert found.finding.startswith("It alone reach an AUC of 1.00")
    assert found.finding.endswith("Look.")


def test_a_label_told_by_brightness_is_found():
    cohort = small_cohort()
    bright = [
        scan + label
        for scan, label in zip(cohort.data["scan"], cohort.target["scoliosis"], strict=True)
    ]
    features = audit.brightness_features(bright, cohort.spacing_mm)
    assert shortcut_of(cohort, features, 0.9).verdict == "fault"
    # A scan that was hardly scanned has no margins to look at.
    empty = np.full((40, 60), np.nan)
    empty[:, 29:31] = 1.0
    assert np.isfinite(audit.margin_features([empty], (1.05, 0.6), 60.0)).all()


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
    found = audit.audit_shortcut(
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
    features = audit.machine_features(cohort.data["scan"], cohort.spacing_mm)
    (found,) = audit.audit_machines(cohort, cohort.target["scoliosis"] == 1, features)
    assert found.name == "Predictable from the scanner"
    assert found.verdict == verdict
    assert "it can be predicted from the image with an AUC of 1.00" in found.finding
    assert ("balance the labels within each" in found.finding) == tells_label


def test_years_and_files_tell_too_and_without_any_the_question_is_open():
    cohort = small_cohort(30)
    y = cohort.target["scoliosis"] == 1
    features = audit.machine_features(cohort.data["scan"], cohort.spacing_mm)
    assert audit.audit_machines(cohort, y, features)[0].verdict == "open"
    cohort.data["Year"] = [2000] * 29 + [2001]
    cohort.sources = pd.DataFrame({"unit": ["g/cm2", "grey level"] * 15, "format": "NumPy"})
    columns = audit.machine_columns(cohort)
    assert list(columns) == ["Year", "file unit"]
    assert sum(columns["Year"] == "late") == 1
    found = audit.audit_machines(cohort, y, features)
    assert "too few scans of a kind to predict it from the image" in found[0].finding


def test_shuffled_labels_that_are_predicted_mean_a_leak():
    cohort = small_cohort()
    y = cohort.target["scoliosis"].astype(int).to_numpy()
    run = {"n_splits": 3, "n_repeats": 1, "random_state": 0, "progress": False}
    shuffled = np.random.RandomState(0).permutation(y)
    clean = audit.audit_shuffled(
        repeated_cross_validate(cheap_model(), cohort.data, shuffled, **run)
    )
    assert clean.verdict == "nothing found"
    # Labels written into the scans before the study.
    cohort.data["scan"] = pd.Series(
        [scan + label for scan, label in zip(cohort.data["scan"], shuffled, strict=True)],
        dtype=object,
    )
    leaked = audit.audit_shuffled(
        repeated_cross_validate(cheap_model(), cohort.data, shuffled, **run)
    )
    assert leaked.verdict == "fault"
    assert leaked.finding.endswith("have leaked into training.")


def test_what_else_is_told():
    ratings = pd.DataFrame({"r1": [0, 1, 1, 0, 1, 0, 1, 0], "r2": [0, 1, 1, 0, 1, 0, 0, 0]})
    agreement = rater_agreement(ratings)
    assert audit.audit_raters("Scoliosis", agreement, 0.8).verdict == "nothing found"
    above = audit.audit_raters("Scoliosis", agreement, 0.9)
    assert (above.verdict, "no superiority" in above.finding) == ("look at this", True)

    events = audit.audit_events([TASK], {"scoliosis": np.arange(90) < 60}, 3)
    assert (events.verdict, "30 in the rarer class, 10 each" in events.finding) == (
        "nothing found",
        True,
    )
    few = audit.audit_events([TASK], {"scoliosis": np.arange(90) < 20}, 3)
    assert few.verdict == "look at this"

    flattered = audit.audit_epoch([0.9, 0.8], [0.8, 0.8])
    assert "an optimism of +0.050" in flattered.finding

    cohort = small_cohort(40)
    cohort.data.loc[:9, "tbs"] = np.nan
    missing = audit.audit_missing(cohort, ["age", "tbs", "no such column"], "impute")
    assert missing.verdict == "look at this"
    assert "missing tbs in 10; they were filled by the median" in missing.finding
    assert "1 scans could not be used" in missing.finding


def test_spacing_and_unit_are_counted():
    cohort = small_cohort(4)
    cohort.sources = pd.DataFrame(
        {
            "unit": ["g/cm2"] * 3 + ["grey level"],
            "row_mm": [1.05, 1.05, 1.0, 1.0],
            "column_mm": 0.6,
            "spacing_source": "table",
        }
    )
    found = audit.audit_geometry(cohort)
    assert found.verdict == "look at this"
    assert "1 x 0.6 mm (2), 1.05 x 0.6 mm (2); stated by table (4)" in found.finding
    cohort.sources["unit"] = "g/cm2"
    assert audit.audit_geometry(cohort).verdict == "nothing found"
    cohort.sources["spacing_source"] = "assumed"
    assert audit.audit_geometry(cohort).verdict == "look at this"
    del cohort["sources"]
    assert audit.audit_geometry(cohort).verdict == "open"
    cohort.simulated = True
    assert audit.audit_geometry(cohort).verdict == "nothing found"


@pytest.mark.parametrize(
    ("content", "area"),
    [
        ('{"auc": 0.75}', 0.75),
        ('{"auc": NaN}', None),
        ('{"auc": 1.5}', None),
        ('{"auc": "x"}', None),
        ('{"area": 0.75}', None),
        ("[0.75]", None),
        ('{"auc": 0.7', None),
        (None, None),
    ],
)
def test_a_damaged_area_is_computed_again(tmp_path, content, area):
    path = tmp_path / "fold.json"
    if content is not None:
        path.write_text(content)
    assert _kept_area(path) == area


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
    assert audit.machine_columns(cohort)["year"].tolist() == [
        "late" if label else "early" for label in y
    ]


def test_a_column_of_years_without_years_is_told():
    cohort = small_cohort()
    cohort.data["year"] = ["before", "after"] * 45
    y = cohort.target["scoliosis"].to_numpy() == 1
    features = np.random.default_rng(0).normal(size=(90, 2))
    (item,) = audit.audit_machines(cohort, y, features)
    assert (item.name, item.verdict) == ("Predictable from the year", "open")
    assert item.finding.startswith("The column 'year' holds 'before' and other values that are no")
