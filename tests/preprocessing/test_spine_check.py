import numpy as np
import pytest

from skdxa.exceptions import ScanError
from skdxa.preprocessing import looks_like_spine, resample
from skdxa.scans import read_scan
from skdxa.simulation import make_spine_cohort, make_spine_scan

N_ROWS, N_COLUMNS = 164, 300
ROWS, COLUMNS = np.mgrid[:N_ROWS, :N_COLUMNS]


def noise(seed=0, n_rows=N_ROWS):
    return np.random.default_rng(seed).normal(0, 0.05, (n_rows, N_COLUMNS))


def bone(centre=150.0, *, lean=0.0, n_rows=N_ROWS):
    """Draw a spine that moves `lean` columns per row."""
    rows, columns = np.mgrid[:n_rows, :N_COLUMNS]
    beside = np.abs(columns - centre - lean * (rows - n_rows / 2))
    vertebra = np.where(rows % 33 < 8, 0.6, 1.0)
    return 0.1 + 0.9 * vertebra * (beside < 36) + noise(n_rows=n_rows)


def knee():
    """Draw two shafts that widen towards the gap between them."""
    from_gap = np.abs(ROWS - 80)
    half_width = 28 + 35 * np.exp(-((from_gap / 25) ** 2))
    inside = (np.abs(COLUMNS - 150) < half_width) & (from_gap > 2)
    return 0.1 + (1.0 - 0.4 * np.exp(-((from_gap / 25) ** 2))) * inside + noise()


def reasons(scan, **options):
    spine, found = looks_like_spine(scan, return_reasons=True, **options)
    assert spine is (not found)
    assert looks_like_spine(scan, **options) is spine
    return found


@pytest.mark.parametrize("lean", [-0.25, 0.0, 0.2])
@pytest.mark.parametrize("centre", [110.0, 150.0])
def test_a_spine_gives_no_reason(centre, lean):
    assert reasons(bone(centre, lean=lean)) == []


def test_nothing_stands_out_of_noise_or_a_blank_scan():
    for scan in (noise(), np.zeros((N_ROWS, N_COLUMNS)), ROWS + 0.3 * COLUMNS):
        (reason,) = reasons(scan)
        assert reason.startswith("no spine stands out (the line has a quality of 0.")


@pytest.mark.parametrize("site", ["population", "hospital"])
def test_a_scan_upside_down_is_no_spine(site):
    cohort = make_spine_cohort(12, site=site, random_state=3)
    for scan in cohort.data["scan"]:
        assert reasons(scan) == []
        (reason,) = reasons(np.asarray(scan)[::-1])
        assert reason.startswith("the bone narrows downwards by ")
        assert reason.endswith(" mm: perhaps upside down")


def test_the_narrowing_is_in_mm():
    # The half width falls from 36 to 26 columns; the parts are 98 rows apart, of 164.
    half = np.linspace(36, 26, N_ROWS)[:, np.newaxis]
    vertebra = np.where(ROWS % 33 < 8, 0.6, 1.0)
    scan = 0.1 + 0.9 * vertebra * (np.abs(COLUMNS - 150) < half) + noise()
    (reason,) = reasons(scan)
    assert reason == "the bone narrows downwards by 7 mm: perhaps upside down"


def test_a_leaning_bone_is_no_spine():
    (reason,) = reasons(bone(lean=0.75))
    # 0.75 columns of 0.60 mm per row of 1.05 mm.
    assert reason == "the line leans by 23 degrees"


def test_a_knee_is_no_spine():
    (reason,) = reasons(knee())
    assert reason.startswith("no vertebrae follow one another along the line (correlation ")


def test_a_bone_with_another_beside_it_is_seen_from_the_side():
    scan = bone() + 0.9 * (np.abs(COLUMNS - 150 - 48) < 12) - 0.4 * (COLUMNS < 114)
    (reason,) = reasons(scan)
    assert reason.startswith("left and right of the line differ (")


@pytest.mark.parametrize(("n_rows", "height"), [(90, "9"), (340, "36")])
def test_the_height_of_a_scan(n_rows, height):
    found = reasons(bone(n_rows=n_rows))
    assert found[0] == f"the scan is {height} cm high"
    # 34 cm are no reason.
    assert reasons(bone(n_rows=324)) == []


@pytest.mark.parametrize("spacing_mm", [(0.25, 0.25), (2.1, 1.2), (0.7, 1.2)])
def test_a_spine_is_one_at_any_spacing(spacing_mm):
    for scan, spine in ((bone(), True), (bone(lean=0.75), False), (knee(), False)):
        fine = resample(scan, (1.05, 0.60), to=spacing_mm)
        assert looks_like_spine(fine, spacing_mm=spacing_mm) is spine


def test_scale_and_offset_of_the_pixels_do_not_matter():
    for scan in (bone(), knee()):
        assert looks_like_spine(250 * scan - 40) is looks_like_spine(scan)


def test_unscanned_margins_do_not_matter():
    scan = bone(130)
    scan[:60, :50] = np.nan
    scan[:, 270:] = np.nan
    scan[100:106] = np.nan
    assert reasons(scan) == []


@pytest.mark.parametrize("shape", [(7, 9), (1, 1), (1, 300), (164, 1)])
def test_small_scans_are_no_spines(shape):
    assert not looks_like_spine(np.random.default_rng(0).normal(size=shape))


def test_a_scan_of_next_to_nothing():
    scan = np.full((30, 40), np.nan)
    scan[3, 5] = 1.0
    found = reasons(scan, spacing_mm=(0.25, 0.25))
    assert found == ["the scan is 1 cm high", "hardly any of it was scanned"]


@pytest.mark.parametrize("site", ["population", "hospital"])
def test_simulated_patients_look_like_spines(site):
    scans = make_spine_cohort(40, site=site, random_state=4).data["scan"]
    assert all(looks_like_spine(scan) for scan in scans)


@pytest.mark.parametrize(
    "finding",
    [
        {"cobb_angle": 45.0},
        {"rods": ["L2", "L3", "L4"]},
        {"cement": ["L2"]},
        {"fractured": ["L1", "L3"]},
        {"contrast": ["L3"]},
        {"laminectomy": ["L2", "L3", "L4"]},
        {"disc_narrowing": (2.0, 2.0, 2.0, 2.0)},
    ],
)
def test_findings_do_not_matter(finding):
    for seed in range(3):
        assert reasons(make_spine_scan(random_state=seed, **finding).scan) == []


def test_a_transposed_spine_is_none():
    scan = np.nan_to_num(make_spine_scan(random_state=0).scan)
    assert not looks_like_spine(scan.T, spacing_mm=(0.60, 1.05))


def test_bad_input_is_named():
    with pytest.raises(ScanError, match="two-dimensional"):
        looks_like_spine(np.zeros(9))
    with pytest.raises(ScanError, match="spacing_mm must be two positive numbers"):
        looks_like_spine(np.zeros((7, 9)), spacing_mm=(1.05, 0))


def test_real_scans_of_other_sites_are_distinguished_from_the_spine(real_data):
    files = sorted((real_data / "dxa").glob("*.dcm"))
    assert len(files) == 8
    for file in files:
        scan = read_scan(file)
        spine = looks_like_spine(scan.pixels, spacing_mm=scan.spacing)
        mirrored = looks_like_spine(scan.pixels[:, ::-1], spacing_mm=scan.spacing)
        assert spine is mirrored is file.name.endswith(".2.2.12.1.dcm"), file.name


def test_a_real_lateral_spine_is_recognised_by_its_sides(real_data):
    (file,) = (real_data / "dxa").glob("*.1.7.12.1.dcm")
    scan = read_scan(file)
    n_rows = round(200 / scan.spacing[0])
    for first in range(0, len(scan.pixels) - n_rows, n_rows // 4):
        found = reasons(scan.pixels[first : first + n_rows], spacing_mm=scan.spacing)
        assert any(reason.startswith("left and right of the line differ") for reason in found)
