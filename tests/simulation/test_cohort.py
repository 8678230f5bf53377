"""Simulated cohorts: shapes, known truth, determinism and leaks of the labels."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.metrics import roc_auc_score
from sklearn.utils._param_validation import InvalidParameterError

from skdxa.preprocessing import find_spine_line
from skdxa.scan_dtype import ScanDtype
from skdxa.simulation import make_spine_cohort

BMD = [f"bmd_L{i}" for i in range(1, 5)]


@pytest.fixture(scope="module")
def cohort():
    return make_spine_cohort(40, random_state=3)


@pytest.fixture(scope="module")
def hospital_cohort():
    return make_spine_cohort(24, site="hospital", random_state=4)


@pytest.fixture(scope="module")
def many():
    return make_spine_cohort(240, random_state=12)


def test_cohort_columns_types_and_lengths(cohort):
    assert list(cohort.data) == ["scan", "age", "sex", *BMD, "bmd_neck", "bmd_total_hip", "tbs"]
    assert list(cohort.target) == ["scoliosis", "unreliable", "fracture_ever", "fracture_5y"]
    assert set(cohort.target.dtypes) == {np.dtype(float)}
    affected = [f"affected_L{i}" for i in range(1, 5)]
    assert list(cohort.truth) == ["cobb_angle", *BMD, *affected, "risk", "texture_slope"]
    assert set(cohort.truth[affected].dtypes) == {np.dtype(bool)}
    assert sorted(cohort.ratings) == [
        "scoliosis_r1",
        "scoliosis_r2",
        "unreliable_r1",
        "unreliable_r2",
    ]
    assert cohort.data["scan"].dtype == ScanDtype((1.05, 0.60), "g/cm2")
    assert cohort.simulated is True
    assert cohort.spacing_mm == (1.05, 0.60)
    assert_array_equal(cohort.groups, np.arange(40))
    assert list(cohort.excluded) == ["row", "scan", "reason", "kind"]
    assert len(cohort.excluded) == 0
    assert "do not exist" in cohort.DESCR
    assert set(cohort.data["sex"]) == {"F"}
    assert cohort.data["age"].between(62, 75).all()
    for part in (cohort.data, cohort.target, cohort.truth, cohort.ratings, cohort.pathology):
        assert_array_equal(part.index, np.arange(40))


def test_scans_are_float32_with_margins_on_both_sides_only(cohort, hospital_cohort):
    scans = [*cohort.data["scan"], *hospital_cohort.data["scan"]]
    lines = [*cohort.spine_lines, *hospital_cohort.spine_lines]
    masks = [*cohort.lesions, *hospital_cohort.lesions]
    for scan, line, mask in zip(scans, lines, masks, strict=True):
        assert scan.dtype == np.float32
        assert scan.shape[1] == 300
        assert 150 <= scan.shape[0] <= 178
        assert line.shape == (scan.shape[0],)
        assert mask.shape == scan.shape
        assert mask.dtype == bool
        unscanned = np.isnan(scan)
        assert not unscanned[:, 20:-20].any()
        assert 0 < unscanned.mean() < 0.15
        assert not (mask & unscanned).any()
        # Each row is scanned without a gap.
        edges = np.abs(np.diff(unscanned.astype(int), axis=1)).sum(axis=1)
        assert edges.max() <= 2
    assert any(np.isnan(scan)[:, 0].any() for scan in scans)
    assert any(np.isnan(scan)[:, -1].any() for scan in scans)


def test_hospital_has_both_sexes_three_raters_and_no_fractures(hospital_cohort):
    assert set(hospital_cohort.data["sex"]) == {"F", "M"}
    assert hospital_cohort.target[["fracture_ever", "fracture_5y"]].isna().all(axis=None)
    names = {
        f"{label}_r{rater}{again}"
        for label in ("scoliosis", "unreliable")
        for rater in (1, 2, 3)
        for again in ("", "_again")
    }
    assert set(hospital_cohort.ratings) == names
    for label in ("scoliosis", "unreliable"):
        votes = hospital_cohort.ratings[[f"{label}_r{rater}" for rater in (1, 2, 3)]].sum(axis=1)
        assert_array_equal(hospital_cohort.target[label], votes >= 2)


def test_population_label_needs_both_raters(cohort):
    for label in ("scoliosis", "unreliable"):
        both = cohort.ratings[f"{label}_r1"] * cohort.ratings[f"{label}_r2"]
        assert_array_equal(cohort.target[label], both)


def assert_same_cohort(one, other):
    for name in ("target", "truth", "ratings"):
        pd.testing.assert_frame_equal(one[name], other[name])
    pd.testing.assert_frame_equal(one.data.drop(columns="scan"), other.data.drop(columns="scan"))
    for a, b in zip(one.data["scan"], other.data["scan"], strict=True):
        assert a.tobytes() == b.tobytes()
    for name in ("lesions", "lesion_kinds", "spine_lines"):
        for a, b in zip(one[name], other[name], strict=True):
            assert_array_equal(a, b)


def test_same_seed_same_bytes_for_any_number_of_jobs(hospital_cohort):
    assert_same_cohort(
        hospital_cohort, make_spine_cohort(24, site="hospital", random_state=4, n_jobs=2)
    )


def test_random_state_may_be_a_generator_and_seeds_differ():
    one = make_spine_cohort(3, random_state=7)
    assert_same_cohort(one, make_spine_cohort(3, random_state=np.random.RandomState(7)))
    other = make_spine_cohort(3, random_state=8)
    assert not np.array_equal(one.data["age"], other.data["age"])
    first, second = make_spine_cohort(1), make_spine_cohort(1)
    assert not np.array_equal(first.spine_lines[0][:150], second.spine_lines[0][:150])


def test_spine_line_runs_inside_the_bright_vertebrae(cohort):
    for scan, line in zip(cohort.data["scan"], cohort.spine_lines, strict=True):
        rows = np.arange(len(line))
        columns = np.round(line).astype(int)
        on = np.mean([scan[rows, columns + shift] for shift in range(-8, 9)])
        # 30 mm beside the line lie soft tissue and the tip of a transverse process.
        off = np.mean([scan[rows, columns + shift] for shift in (-55, -50, 50, 55)])
        assert on > 0.45
        assert on > 3 * off


def test_cohort_records_which_finding_changed_a_pixel(cohort):
    for i, (code, mask) in enumerate(zip(cohort.lesion_kinds, cohort.lesions, strict=True)):
        assert code.dtype == np.uint16
        assert_array_equal(code > 0, mask)
        shown = {name for k, name in enumerate(cohort.lesion_names) if (code >> k & 1).any()}
        for name in ("clips", "motion"):
            if not cohort.pathology[name][i]:
                assert name not in shown
        for name in ("cement", "rods", "button", "laminectomy", "zip", "contrast"):
            present = cohort.pathology.filter(regex=f"^{name}_L").iloc[i].any()
            assert present or name not in shown
    assert {"osteophytes", "sclerosis", "disc_narrowing"} <= {
        name
        for code in cohort.lesion_kinds
        for k, name in enumerate(cohort.lesion_names)
        if (code >> k & 1).any()
    }


def test_scans_of_one_patient_share_bones_and_labels_of_the_patient():
    cohort = make_spine_cohort(6, n_scans_per_subject=1.5, random_state=1)
    groups = cohort.groups
    assert 6 < len(groups) < 12
    assert_array_equal(np.unique(groups), np.arange(6))
    pairs = [np.flatnonzero(groups == g) for g in np.unique(groups) if (groups == g).sum() == 2]
    for one, other in pairs:
        for table in (cohort.truth, cohort.target[["fracture_ever", "fracture_5y"]]):
            pd.testing.assert_series_equal(table.iloc[one], table.iloc[other], check_names=False)
        assert cohort.data["age"][one] == cohort.data["age"][other]
        assert cohort.data["bmd_L3"][one] != cohort.data["bmd_L3"][other]
        assert not np.array_equal(cohort.data["scan"][one], cohort.data["scan"][other])
    differences = [abs(cohort.data["bmd_L3"][a] - cohort.data["bmd_L3"][b]) for a, b in pairs]
    assert np.mean(differences) < 0.06
    assert len(make_spine_cohort(2, n_scans_per_subject=3, random_state=1).groups) == 6


def test_spine_line_can_be_found(many):
    error = np.concatenate(
        [
            np.abs(find_spine_line(scan) - line) * 0.60
            for scan, line in zip(many.data["scan"], many.spine_lines, strict=True)
        ]
    )
    assert np.median(error) < 1.0
    assert np.quantile(error, 0.95) < 3.0


def test_brightness_and_size_of_a_scan_hardly_tell_its_label(many):
    """With 240 scans an area that is 0.5 in truth has a standard error of 0.04 or more."""
    scans = many.data["scan"]
    simple = {
        "rows": [len(scan) for scan in scans],
        "margins": [np.isnan(scan).mean() for scan in scans],
        "mean": [np.nanmean(scan) for scan in scans],
        "variance": [np.nanvar(scan) for scan in scans],
    }
    for label, most in (("scoliosis", 0.68), ("unreliable", 0.65), ("fracture_ever", 0.68)):
        for name, values in simple.items():
            area = roc_auc_score(many.target[label], values)
            assert abs(area - 0.5) < most - 0.5, (label, name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_subjects": 0}, "n_subjects"),
        ({"site": "clinic"}, "'site' parameter .* must be a str among"),
        ({"random_state": "zero"}, "random_state"),
        ({"n_jobs": 1.5}, "n_jobs"),
        ({"n_scans_per_subject": 0.5}, "n_scans_per_subject"),
    ],
)
def test_bad_cohort_parameters(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_spine_cohort(**{"n_subjects": 1, **arguments})


@pytest.mark.parametrize("image_risk", [-0.01, 0.2])
def test_bad_image_risk(image_risk):
    with pytest.raises(InvalidParameterError, match="'image_risk' parameter"):
        make_spine_cohort(3, image_risk=image_risk)
