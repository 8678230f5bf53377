"""Simulated scans: shapes, known truth, determinism, what shows and what must not."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import roc_auc_score

from skdxa.preprocessing import find_spine_line
from skdxa.simulation import (
    _anatomy,
    _bones,
    _grid,
    _physics,
    _texture,
    make_spine_cohort,
    make_spine_scan,
)
from skdxa.simulation._patients import draw_patients

BMD = [f"bmd_L{i}" for i in range(1, 5)]


@pytest.fixture(scope="module")
def cohort():
    return make_spine_cohort(40, random_state=3)


@pytest.fixture(scope="module")
def hospital():
    return make_spine_cohort(24, site="hospital", random_state=4)


@pytest.fixture(scope="module")
def many():
    return make_spine_cohort(240, random_state=12)


def measured_cobb(corners):
    """Largest difference of tilt between the lines that join the midpoints of the sides."""
    left, right = corners[:, [0, 2]].mean(axis=1), corners[:, [1, 3]].mean(axis=1)
    line = right - left
    tilt = np.degrees(np.arctan2(line[:, 1], line[:, 0]))
    return np.ptp(tilt)


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
    assert cohort.data["scan"].dtype == object
    assert cohort.spacing_mm == (1.05, 0.60)
    assert_array_equal(cohort.groups, np.arange(40))
    assert list(cohort.excluded) == ["row", "scan", "reason"]
    assert len(cohort.excluded) == 0
    assert "do not exist" in cohort.DESCR
    assert set(cohort.data["sex"]) == {"F"}
    assert cohort.data["age"].between(62, 75).all()
    for part in (cohort.data, cohort.target, cohort.truth, cohort.ratings, cohort.pathology):
        assert_array_equal(part.index, np.arange(40))


def test_scans_are_float32_with_margins_on_both_sides_only(cohort, hospital):
    scans = [*cohort.data["scan"], *hospital.data["scan"]]
    lines = [*cohort.spine_lines, *hospital.spine_lines]
    masks = [*cohort.lesions, *hospital.lesions]
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


def test_hospital_has_both_sexes_three_raters_and_no_fractures(hospital):
    assert set(hospital.data["sex"]) == {"F", "M"}
    assert hospital.target[["fracture_ever", "fracture_5y"]].isna().all(axis=None)
    names = {
        f"{label}_r{rater}{again}"
        for label in ("scoliosis", "unreliable")
        for rater in (1, 2, 3)
        for again in ("", "_again")
    }
    assert set(hospital.ratings) == names
    for label in ("scoliosis", "unreliable"):
        votes = hospital.ratings[[f"{label}_r{rater}" for rater in (1, 2, 3)]].sum(axis=1)
        assert_array_equal(hospital.target[label], votes >= 2)


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


def test_same_seed_same_bytes_for_any_number_of_jobs(hospital):
    assert_same_cohort(hospital, make_spine_cohort(24, site="hospital", random_state=4, n_jobs=2))


def test_random_state_may_be_a_generator_and_seeds_differ():
    one = make_spine_cohort(3, random_state=7)
    assert_same_cohort(one, make_spine_cohort(3, random_state=np.random.RandomState(7)))
    other = make_spine_cohort(3, random_state=8)
    assert not np.array_equal(one.data["age"], other.data["age"])
    first, second = make_spine_cohort(1), make_spine_cohort(1)
    assert not np.array_equal(first.spine_lines[0][:150], second.spine_lines[0][:150])


@pytest.mark.parametrize("angle", [0.0, 3.0, 10.0, 37.5])
@pytest.mark.parametrize("convex", ["left", "right"])
def test_cobb_angle_of_the_endplates_is_the_one_asked_for(angle, convex):
    for seed in range(3):
        spine = make_spine_scan(angle, convex=convex, random_state=seed)
        assert_allclose(measured_cobb(spine.endplates), angle, atol=1e-6)
        assert spine.cobb_angle == angle


def test_curve_bulges_to_the_side_asked_for():
    bulge = {}
    for convex in ("left", "right"):
        bulge[convex] = [
            line[[0, -1]].mean() - line[len(line) // 2]
            for line in (
                make_spine_scan(35, convex=convex, random_state=seed).spine_line
                for seed in range(6)
            )
        ]
    assert np.mean(bulge["left"]) > 5
    assert np.mean(bulge["right"]) < -5


def test_endplates_lie_on_the_spine_line():
    spine = make_spine_scan(30, random_state=1)
    centres = spine.endplates.mean(axis=1) / np.array(spine.spacing_mm)[::-1]
    inside = (centres[:, 1] > 0) & (centres[:, 1] < spine.scan.shape[0] - 1)
    assert inside.sum() >= 4
    columns = np.interp(centres[:, 1], np.arange(len(spine.spine_line)), spine.spine_line)
    # Within half a millimetre: a body's centre is where its corners balance.
    assert_allclose(centres[inside, 0], columns[inside], atol=1.0)


def test_bodies_are_wider_than_high_in_millimetres():
    spine = make_spine_scan(random_state=0)
    top_left, top_right, bottom_left, _ = spine.endplates.transpose(1, 0, 2)
    width = np.linalg.norm(top_right - top_left, axis=1)
    height = np.linalg.norm(bottom_left - top_left, axis=1)
    assert ((width > 34) & (width < 52)).all()
    assert ((height > 20) & (height < 27)).all()


def test_spine_line_runs_inside_the_bright_vertebrae(cohort):
    for scan, line in zip(cohort.data["scan"], cohort.spine_lines, strict=True):
        rows = np.arange(len(line))
        columns = np.round(line).astype(int)
        on = np.mean([scan[rows, columns + shift] for shift in range(-8, 9)])
        # 30 mm beside the line there is soft tissue and the tip of a transverse process.
        off = np.mean([scan[rows, columns + shift] for shift in (-55, -50, 50, 55)])
        assert on > 0.45
        assert on > 3 * off


def test_soft_tissue_is_about_zero_and_noisy():
    scan = make_spine_scan(random_state=5).scan
    beside = scan[70:110, 40:60]
    assert abs(beside.mean()) < 0.03
    assert 0.02 < beside.std() < 0.08
    noisier = make_spine_scan(site="hospital", random_state=5).scan[70:110, 40:60]
    assert noisier.std() > 0.02


def test_bodies_have_exactly_the_bmd_asked_for():
    asked = np.array([0.80, 1.30, 0.90, 1.20])
    rng = np.random.default_rng(0)
    placement = _anatomy.draw_placement(rng)
    spine = _anatomy.lay_out_spine(rng, cobb_angle=15.0, convex=1, n_rows=160, placement=placement)
    grid = _grid.make_grid(160, rng)
    relative, regions = _bones.render_spine(spine, grid, rng)
    density = relative * _bones.scale_to_bmd(relative, regions, spine, grid, asked)[:, None]
    means = [_grid.region_mean(density, region) for region in regions[_anatomy.LUMBAR]]
    assert_allclose(means, asked, rtol=1e-4)


def test_scan_follows_the_bmd_asked_for():
    def box_mean(spine, vertebra):
        corners = spine.endplates[vertebra] / np.array(spine.spacing_mm)[::-1]
        (left, top), (right, bottom) = np.round(corners.min(axis=0)), corners.max(axis=0)
        return spine.scan[int(top) : int(bottom), int(left) : int(right)].mean()

    asked = np.array([0.80, 1.30, 0.90, 1.20])
    spine = make_spine_scan(bmd=asked, random_state=2)
    even = make_spine_scan(bmd=[1.0] * 4, random_state=2)
    # The box holds more than the body, alike in both scans.
    ratio = [box_mean(spine, vertebra) / box_mean(even, vertebra) for vertebra in range(1, 5)]
    assert_allclose(ratio, asked, rtol=0.03)


def test_lesions_only_where_there_is_pathology():
    assert not make_spine_scan(random_state=0).lesions.any()
    assert not make_spine_scan(40, bmd=[0.6] * 4, tbs=1.0, random_state=0).lesions.any()
    spine = make_spine_scan(cement=["L2"], random_state=0)
    rows, columns = np.nonzero(spine.lesions)
    box = spine.endplates[2] / np.array(spine.spacing_mm)[::-1]
    assert rows.min() >= box[:, 1].min() - 2
    assert rows.max() <= box[:, 1].max() + 2
    assert columns.min() >= box[:, 0].min() - 2
    assert columns.max() <= box[:, 0].max() + 2


@pytest.mark.parametrize(
    ("pathology", "brighter"),
    [
        ({"degeneration": [0.0, 2.0, 0.0, 0.0]}, 0.1),
        ({"cement": ["L2"]}, 0.5),
        ({"rods": ["L2", "L3"]}, 1.0),
        ({"button": ["L2"]}, 0.2),
        ({"clips": True}, 0.2),
    ],
)
def test_pathology_is_brighter_than_what_it_replaces(pathology, brighter):
    spine = make_spine_scan(random_state=6, **pathology)
    outside = make_spine_scan(random_state=6)
    assert spine.lesions.sum() > 5
    assert np.nanmean(spine.scan[spine.lesions]) > brighter
    assert np.nanmean(spine.scan[spine.lesions]) > np.nanmean(outside.scan)


def test_fracture_shortens_the_body_and_marks_it():
    def height(spine):
        return np.linalg.norm(spine.endplates[1, 2] - spine.endplates[1, 0])

    whole, broken = (
        make_spine_scan(random_state=9),
        make_spine_scan(fractured=["L1"], random_state=9),
    )
    assert height(broken) < 0.85 * height(whole)
    rows = np.nonzero(broken.lesions)[0] * 1.05
    centre = broken.endplates[1].mean(axis=0)[1]
    assert abs(rows.mean() - centre) < 2


def test_degeneration_grows_with_its_grade():
    areas = [
        make_spine_scan(degeneration=[grade] * 4, random_state=0).lesions.sum()
        for grade in (0.0, 0.5, 1.5, 3.0)
    ]
    assert areas[0] == 0
    assert areas == sorted(areas)
    assert areas[-1] > 2 * areas[1]


def test_thick_and_thin_patients_keep_the_baseline():
    bone = np.zeros((150, 300), np.float32)
    bone[:, 130:170] = 1.0
    for thickness in (15.0, 20.0, 27.0):
        scan = _physics.acquire(
            bone,
            np.random.default_rng(0),
            scanner=_physics.SCANNERS["population"],
            thickness_cm=thickness,
        )
        assert abs(scan[:, 20:110].mean()) < 0.02
        assert_allclose(scan[:, 140:160].mean(), 1.0, atol=0.03)


def test_size_margins_and_noise_do_not_tell_the_label():
    """Only anatomy may: everything else is drawn without looking at the labels."""
    patients = draw_patients(6000, "population", np.random.RandomState(0))
    recipes = pd.DataFrame(patients.recipes)
    apart = pd.DataFrame(
        {
            "n_rows": recipes["n_rows"],
            "thickness": recipes["thickness_cm"],
            "fat": recipes["fat_fraction"],
            "gain": recipes["gain"],
            "baseline": recipes["baseline"],
            "height": [size[0] for size in recipes["size"]],
            "width": [size[1] for size in recipes["size"]],
        }
    )
    for label in ("scoliosis", "unreliable", "fracture_ever"):
        positive = patients.target[label] == 1
        difference = apart[positive].mean() - apart[~positive].mean()
        error = apart.std() * np.sqrt(1 / positive.sum() + 1 / (~positive).sum())
        assert (np.abs(difference) < 4 * error).all()


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"osteophytes": [0, 2, 0, 0]}, "osteophytes"),
        ({"sclerosis": [0, 3, 0, 0]}, "sclerosis"),
        ({"disc_narrowing": [0, 2, 0, 0]}, "disc_narrowing"),
        ({"facet_arthrosis": [0, 3, 0, 0]}, "facet_arthrosis"),
        ({"fractured": ["L2"]}, "fracture"),
        ({"cement": ["L2"]}, "cement"),
        ({"rods": ["L2", "L3"]}, "rods"),
        ({"laminectomy": ["L2"]}, "laminectomy"),
        ({"button": ["L2"]}, "button"),
        ({"zip_fastener": ["L2"]}, "zip"),
        ({"contrast": ["L2"]}, "contrast"),
        ({"clips": True}, "clips"),
        ({"aortic_calcification": 0.9}, "aortic_calcification"),
        ({"motion_mm": 3.0}, "motion"),
    ],
)
def test_each_finding_alone_shows_in_its_mask_alone(arguments, kind):
    spine = make_spine_scan(random_state=8, **arguments)
    assert list(spine.lesion_masks) == [kind]
    mask = spine.lesion_masks[kind]
    assert mask.sum() > 5
    assert_array_equal(mask, spine.lesions)
    # Where it was drawn the bone differs; far from it, it does not.
    plain = make_spine_scan(random_state=8)
    changed = np.abs(spine.bone - plain.bone) > 0.02
    assert changed.any()
    if kind not in {"disc_narrowing", "fracture", "motion"}:
        assert changed[mask].mean() > 0.4


def test_cohort_tells_which_finding_changed_a_pixel(cohort):
    for i, (code, mask) in enumerate(zip(cohort.lesion_kinds, cohort.lesions, strict=True)):
        assert code.dtype == np.uint16
        assert_array_equal(code > 0, mask)
        shown = {name for k, name in enumerate(cohort.lesion_names) if (code >> k & 1).any()}
        for name in ("clips", "motion"):
            if not cohort.pathology[name][i]:
                assert name not in shown
        for name in ("cement", "rods", "button", "laminectomy", "zip", "contrast"):
            there = cohort.pathology.filter(regex=f"^{name}_L").iloc[i].any()
            assert there or name not in shown
    assert {"osteophytes", "sclerosis", "disc_narrowing"} <= {
        name
        for code in cohort.lesion_kinds
        for k, name in enumerate(cohort.lesion_names)
        if (code >> k & 1).any()
    }


def body_mean(image, corners):
    box = corners / np.array(_anatomy.SPACING_MM)[::-1]
    (left, top), (right, bottom) = np.round(box.min(axis=0)), np.round(box.max(axis=0))
    return image[int(top) : int(bottom), int(left) : int(right)].mean()


@pytest.mark.parametrize(
    ("arguments", "low", "high"),
    [
        ({"degeneration": [0, 2, 0, 0]}, 0.06, 0.20),
        ({"cement": ["L2"]}, 0.12, 0.30),
        ({"rods": ["L2"]}, 0.5, 1.2),
        ({"laminectomy": ["L2"]}, -0.30, -0.08),
    ],
)
def test_findings_change_the_bmd_of_their_vertebra(arguments, low, high):
    plain, spine = make_spine_scan(random_state=3), make_spine_scan(random_state=3, **arguments)
    gain = body_mean(spine.bone, spine.endplates[2]) - body_mean(plain.bone, plain.endplates[2])
    assert low < gain < high
    above = body_mean(spine.bone, spine.endplates[1]) - body_mean(plain.bone, plain.endplates[1])
    assert abs(above) < max(0.1, 0.35 * abs(gain))


def test_what_is_switched_off_is_gone():
    spine = make_spine_scan(
        texture=False, blur=False, noise=False, bowel=False, margins=False, random_state=4
    )
    assert not np.isnan(spine.scan).any()
    assert spine.scan[95:110, 25:50].std() < 0.02
    inside = spine.bone > 0.5
    # What is left of the scanner: soft tissue that is not quite even, and shared columns.
    assert np.corrcoef(spine.scan[inside], spine.bone[inside])[0, 1] > 0.97
    noisy = make_spine_scan(texture=False, blur=False, bowel=False, margins=False, random_state=4)
    assert_array_equal(noisy.bone, spine.bone)
    assert noisy.scan[95:110, 25:50].std() > 0.02
    textured = make_spine_scan(noise=False, margins=False, bowel=False, random_state=4)
    assert np.abs(textured.bone - spine.bone)[inside].mean() > 0.02
    gassy = make_spine_scan(noise=False, margins=False, random_state=4)
    assert np.abs(gassy.scan - textured.scan).max() > 0.02


def test_precision_is_that_of_a_densitometer():
    """One bone scanned again and again: BMD repeats to about a per cent."""
    bone = make_spine_scan(random_state=1).bone
    corners = make_spine_scan(random_state=1).endplates
    means = [
        np.mean(
            [
                body_mean(
                    _physics.acquire(
                        bone,
                        np.random.default_rng(seed),
                        scanner=_physics.SCANNERS["population"],
                        fat_fraction=0.38,
                    ),
                    corners[level],
                )
                for level in range(1, 5)
            ]
        )
        for seed in range(12)
    ]
    assert 0.0005 < np.std(means) / np.mean(means) < 0.015


def test_rotation_carries_the_spinous_processes_into_the_hollow():
    for convex, sign in (("left", 1), ("right", -1)):
        apex = [
            make_spine_scan(40, convex=convex, random_state=seed).rotation for seed in range(5)
        ]
        strongest = [rotation[np.abs(rotation).argmax()] for rotation in apex]
        assert np.sign(np.median(strongest)) == sign
        assert 8 < np.median(np.abs(strongest)) < 20
    assert np.abs(make_spine_scan(0, random_state=0).rotation).max() < 5


def test_slip_steps_the_line_between_two_vertebrae():
    straight = make_spine_scan(random_state=2)
    slipped = make_spine_scan(slip_mm=[0, 0, 8.0, 0], random_state=2)
    moved = (slipped.endplates - straight.endplates)[..., 0].mean(axis=1)
    assert_allclose(moved[3] - moved[4], 8.0, atol=0.2)
    assert_allclose(moved[1] - moved[3], 0.0, atol=0.2)
    assert_allclose(measured_cobb(slipped.endplates), 0, atol=1e-6)
    rows = slipped.endplates.mean(axis=1)[3:5, 1] / 1.05
    line = (slipped.spine_line - straight.spine_line) * 0.60
    assert_allclose(np.subtract(*np.interp(rows, np.arange(len(line)), line)), 8.0, atol=0.5)


def test_motion_moves_rows_and_the_line_with_them():
    still, moved = make_spine_scan(random_state=2), make_spine_scan(motion_mm=3.0, random_state=2)
    shift = moved.spine_line - still.spine_line
    assert set(np.unique(np.abs(shift).round(6))) == {0.0, 5.0}
    rows = np.flatnonzero(shift)
    assert_array_equal(np.diff(rows), 1)
    offset = int(shift[rows[0]])
    assert_array_equal(moved.bone[rows], np.roll(still.bone[rows], offset, axis=1))
    # Less than half a pixel is no motion.
    assert not make_spine_scan(motion_mm=0.2, random_state=2).lesion_masks


@pytest.mark.parametrize("slope", [0.4, 0.7, 1.1])
def test_texture_has_the_variogram_slope_asked_for(slope):
    fields = [
        _texture.trabecular_texture(np.random.default_rng(seed), 178, slope) for seed in range(8)
    ]
    for axis, spacing in enumerate(_anatomy.SPACING_MM):
        lags = np.arange(1, 6)
        gamma = []
        for lag in lags:
            first, second = [slice(None)] * 2, [slice(None)] * 2
            first[axis], second[axis] = slice(lag, None), slice(None, -lag)
            gamma.append(
                np.mean([((f[tuple(first)] - f[tuple(second)]) ** 2).mean() for f in fields])
            )
        fitted = np.polyfit(np.log(lags * spacing), np.log(gamma), 1)[0]
        # Eight fields of 40 mm range are a small sample of the steepest.
        assert abs(fitted - slope) < 0.08


def test_texture_follows_tbs_and_moves_with_the_patient():
    assert_allclose(_texture.slope_of_tbs([1.24, 1.34, 0.5, 2.0]), [0.70, 0.90, 0.20, 1.40])
    assert make_spine_scan(tbs=1.34, random_state=0).texture_slope == 0.90
    here = _texture.trabecular_texture(np.random.default_rng(0), 160, 0.7)
    there = _texture.trabecular_texture(np.random.default_rng(0), 160, 0.7, (2 * 1.05, -3 * 0.60))
    assert_array_equal(there[2:, :-3], here[:-2, 3:])


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
    own = [abs(cohort.data["bmd_L3"][a] - cohort.data["bmd_L3"][b]) for a, b in pairs]
    assert np.mean(own) < 0.06
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cobb_angle": -1}, "cobb_angle"),
        ({"convex": "up"}, "convex"),
        ({"n_rows": 149}, "n_rows"),
        ({"tbs": 9}, "tbs"),
        ({"bmd": [1, 1, 1]}, r"bmd must hold four numbers from 0\.4 to 2 \(g/cm2\)"),
        ({"bmd": [1, 1, 1, np.nan]}, "one for each of L1 to L4; got"),
        ({"degeneration": [0, 0, 0, 9]}, r"degeneration must hold four numbers from 0 to 4"),
        ({"osteophytes": [0, 0, 0, -1]}, r"osteophytes must hold four numbers"),
        ({"slip_mm": [0, 0, 0, 16]}, r"slip_mm must hold four numbers from -15 to 15 \(mm\)"),
        ({"size": [1.0, 2.0]}, "size must hold two numbers .* each of height and width"),
        ({"motion_mm": -1}, "motion_mm"),
        ({"fractured": ["L6"]}, "fractured must name vertebrae of L1 to L4; got 'L6'"),
        ({"rods": ["T12"]}, "rods must name vertebrae of L1 to L4; got 'T12'"),
    ],
)
def test_bad_scan_parameters(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_spine_scan(**arguments)
