import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from skdxa.exceptions import ScanError
from skdxa.preprocessing import LOW_QUALITY, find_spine_line, find_spine_region, resample
from skdxa.scans import read_scan
from skdxa.simulation import make_spine_cohort, make_spine_scan

N_ROWS, N_COLUMNS = 164, 300


def synthetic_spine(*, centre=150.0, cobb=0.0, n_rows=N_ROWS, n_columns=N_COLUMNS, seed=0):
    """Draw a spine of 40 mm wide vertebrae in the middle of noise, and tell its line.

    The line is a sine of half a period whose end tilts, in mm, differ by `cobb` degrees.
    """
    rows, columns = np.mgrid[:n_rows, :n_columns]
    height_mm = n_rows * 1.05
    slope = np.tan(np.deg2rad(cobb / 2))
    bend_mm = slope * height_mm / np.pi * (np.sin(np.pi * rows[:, 0] * 1.05 / height_mm) - 0.6)
    line = centre + bend_mm / 0.60
    beside = np.abs(columns - line[:, None])
    disc = (rows % 34) < 6
    scan = 0.15 + 0.8 * (beside < np.where(disc, 28, 33)) - 0.2 * (disc & (beside < 33))
    scan += 0.3 * (beside < 6) * ((rows % 34) > 12)
    return (scan + np.random.default_rng(seed).normal(0, 0.06, scan.shape)).astype("f4"), line


def errors_mm(scan, line):
    return np.abs(find_spine_line(scan) - line) * 0.60


def test_one_float_a_row():
    scan, _ = synthetic_spine(n_rows=157)
    line = find_spine_line(scan)
    assert line.shape == (157,)
    assert line.dtype == np.float64


@pytest.mark.parametrize("centre", [60, 120, 150, 171.5, 235])
def test_finds_a_straight_spine_wherever_it_is(centre):
    assert errors_mm(*synthetic_spine(centre=centre)).max() < 2


@pytest.mark.parametrize("cobb", [-40, -25, 12, 25, 40])
def test_follows_a_scoliosis(cobb):
    error = errors_mm(*synthetic_spine(cobb=cobb))
    assert np.median(error) < 2
    assert error.max() < 6


def test_ribs_do_not_divert_it():
    scan, line = synthetic_spine()
    rows, columns = np.mgrid[:N_ROWS, :N_COLUMNS]
    for side in (-1, 1):
        rib = np.abs(side * (columns - 150) - 40 - 1.6 * rows) < 14
        scan[rib & (rows < 50)] += 0.5
    assert errors_mm(scan, line).max() < 4


def test_iliac_crests_do_not_divert_it():
    scan, line = synthetic_spine(centre=140)
    rows, columns = np.mgrid[:N_ROWS, :N_COLUMNS]
    scan[
        (np.hypot(rows - 175, columns - 20) < 70) | (np.hypot(rows - 170, columns - 290) < 60)
    ] += 0.7
    assert errors_mm(scan, line).max() < 4


@pytest.mark.parametrize("sides", [(-26,), (26,), (-26, 26), (45,)])
@pytest.mark.parametrize("density", [2.0, 20.0])
def test_rods_and_screws_do_not_divert_it(sides, density):
    scan, line = synthetic_spine()
    for side in sides:
        start = int(150 + side)
        scan[15:150, start - 4 : start + 5] = density
        for row in (40, 74, 108):
            scan[row : row + 5, min(start, 150) : max(start, 150)] = density
    assert errors_mm(scan, line).max() < 5


def test_bowel_gas_does_not_divert_it():
    scan, line = synthetic_spine()
    rows, columns = np.mgrid[:N_ROWS, :N_COLUMNS]
    scan[np.hypot(rows - 60, columns - 225) < 22] -= 0.5
    scan[np.hypot(rows - 110, columns - 80) < 15] -= 0.5
    assert errors_mm(scan, line).max() < 4


def test_a_soft_tissue_gradient_does_not_divert_it():
    scan, line = synthetic_spine(centre=130)
    scan += np.linspace(0, 1.0, N_COLUMNS, dtype="f4") + np.linspace(0.3, 0, N_ROWS)[:, None]
    assert errors_mm(scan, line).max() < 3


def test_unscanned_margins_and_rows_take_no_part():
    scan, line = synthetic_spine(centre=140, cobb=15)
    for step, width in enumerate((45, 30, 38, 12)):
        scan[step * 41 : (step + 1) * 41, :width] = np.nan
        scan[step * 41 : (step + 1) * 41, -width // 2 :] = np.nan
    scan[70:95] = np.nan
    assert errors_mm(scan, line).max() < 4


def test_only_a_few_rows_were_scanned():
    scan, line = synthetic_spine()
    scan[:100], scan[101:] = np.nan, np.nan
    found = find_spine_line(scan)
    assert np.isfinite(found).all()
    assert abs(found[100] - line[100]) < 10


@pytest.mark.parametrize("flip", [False, True])
def test_a_scan_already_cropped_keeps_its_line(flip):
    scan, line = synthetic_spine(cobb=20)
    crop = scan[:150, 75:225]
    line = line[:150] - 75
    if flip:
        crop, line = crop[:, ::-1], 149 - line
    assert errors_mm(crop, line).max() < 4


def test_the_spacing_sets_the_expected_width_of_a_vertebra():
    """In a field of view of 40 cm, a band as wide as a quarter of it is not the spine."""
    scan, line = synthetic_spine(centre=400, n_columns=667)
    scan[:, 60:230] += 1.0
    found = find_spine_line(scan, spacing_mm=(1.05, 0.60))
    assert (np.abs(found - line) * 0.60).max() < 3


@pytest.mark.parametrize("spacing_mm", [None, (0.35, 0.20)])
def test_a_magnified_scan_has_a_magnified_line(spacing_mm):
    scan, line = synthetic_spine(cobb=20)
    magnified = resample(scan, (1.05, 0.60), to=(0.35, 0.20))
    found = find_spine_line(magnified, spacing_mm=spacing_mm)
    assert found.shape == (3 * N_ROWS,)
    # The middle one of three small pixels lies at the centre of a large one.
    assert np.abs((found[1::3] - 1) / 3 - line).max() < 4


def test_mirroring_the_scan_mirrors_the_line():
    scan, _ = synthetic_spine(centre=133, cobb=25)
    mirrored = find_spine_line(scan[:, ::-1])
    np.testing.assert_allclose(mirrored, N_COLUMNS - 1 - find_spine_line(scan), atol=1)


@pytest.mark.parametrize("shift", [-30, -7, 1, 18])
def test_shifting_the_scan_shifts_the_line(shift):
    scan, _ = synthetic_spine(cobb=15)
    canvas = np.full((2, N_ROWS, 340), np.nan)
    canvas[0, :, 60:280] = canvas[1, :, 60 + shift : 280 + shift] = scan[:, 40:260]
    unshifted, shifted = map(find_spine_line, canvas)
    np.testing.assert_allclose(shifted, unshifted + shift, atol=1)


def test_scale_and_offset_of_the_pixels_do_not_matter():
    scan, _ = synthetic_spine(cobb=15)
    np.testing.assert_allclose(find_spine_line(40 * scan - 7), find_spine_line(scan), atol=1e-2)


@pytest.mark.parametrize("shape", [(7, 9), (1, 1), (1, 300), (5, 1), (150, 300), (900, 3)])
@pytest.mark.parametrize("value", [0.0, 0.7, -3.0])
def test_a_constant_scan_gives_its_middle(shape, value):
    line = find_spine_line(np.full(shape, value))
    assert line.shape == shape[:1]
    np.testing.assert_allclose(line, (shape[1] - 1) / 2, atol=1e-6)


def test_a_constant_scan_with_margins_gives_the_middle_of_what_was_scanned():
    scan = np.full((90, 120), 0.4)
    scan[:, :31] = np.nan
    np.testing.assert_allclose(find_spine_line(scan), (31 + 119) / 2, atol=0.5)


def test_a_few_bright_pixels_are_no_reason_to_fail():
    scan = np.zeros((70, 90))
    scan[30, 40] = 1.0
    line = find_spine_line(scan)
    assert ((line >= 0) & (line <= 89)).all()


@pytest.mark.parametrize("shape", [(7, 9), (1, 300), (3, 2), (600, 40)])
def test_the_line_stays_within_a_scan_of_noise(shape):
    line = find_spine_line(np.random.default_rng(0).normal(size=shape))
    assert line.shape == shape[:1]
    assert ((line >= 0) & (line <= shape[1] - 1)).all()


def test_the_scan_is_not_changed():
    scan, _ = synthetic_spine()
    scan[:, :20] = np.nan
    before = scan.copy()
    find_spine_line(scan)
    np.testing.assert_array_equal(scan, before)


@pytest.mark.parametrize(
    ("scan", "message"),
    [
        (np.zeros(9), "two-dimensional"),
        (np.full((7, 9), np.nan), "no scanned pixel"),
        (np.full((7, 9), np.inf), "infinite"),
    ],
)
def test_a_bad_scan_is_named(scan, message):
    with pytest.raises(ScanError, match=message):
        find_spine_line(scan)


def test_a_bad_spacing_is_named():
    with pytest.raises(ScanError, match=r"spacing_mm must be two positive numbers.*got \(0, 1\)"):
        find_spine_line(np.zeros((7, 9)), spacing_mm=(0, 1))


# Scans of other pixels than the usual ones


@pytest.mark.parametrize("spacing_mm", [(0.25, 0.25), (1.05, 1.05), (2.1, 0.6), (0.5, 1.2)])
def test_the_line_does_not_depend_on_the_proportions_of_the_pixels(spacing_mm):
    for seed in range(4):
        scan = make_spine_scan(25, random_state=seed).scan
        usual = find_spine_line(scan, spacing_mm=(1.05, 0.60))
        other = resample(scan, (1.05, 0.60), to=spacing_mm)
        line = find_spine_line(other, spacing_mm=spacing_mm)
        rows_mm = (np.arange(len(line)) + 0.5) * spacing_mm[0]
        usual_mm = np.interp(rows_mm, (np.arange(len(scan)) + 0.5) * 1.05, (usual + 0.5) * 0.60)
        np.testing.assert_allclose((line + 0.5) * spacing_mm[1], usual_mm, atol=1.5)


@pytest.mark.parametrize("n_columns", [600, 900, 1200])
def test_a_wider_field_costs_no_accuracy(n_columns):
    for seed in range(4):
        spine = make_spine_scan(20, random_state=seed)
        scan, line = spine.scan, spine.spine_line
        tissue = np.random.default_rng(seed).normal(0, 0.04, (len(scan), n_columns))
        left = n_columns // 3
        scanned = ~np.isnan(scan)
        tissue[:, left : left + 300][scanned] = scan[scanned]
        found = find_spine_line(tissue, spacing_mm=(1.05, 0.60)) - left
        assert np.median(np.abs(found - line)) * 0.60 < 2
        assert np.abs(found - line).max() * 0.60 < 6


@pytest.mark.parametrize("shape", [(7, 9), (1, 300), (150, 310), (163, 590), (164, 300)])
def test_the_usual_spacing_is_the_default(shape):
    scan = np.random.default_rng(1).normal(size=shape)
    scan[:, shape[1] // 3 : shape[1] // 2] += 2
    if shape[1] <= 300:
        usual = find_spine_line(scan, spacing_mm=(1.05, 0.60))
        np.testing.assert_allclose(find_spine_line(scan), usual, atol=1e-9)
    # A field of another width of which the spine takes another part.
    vertebrae = shape[1] / min(shape[1], 300)
    scaled = 1.05 / vertebrae, 0.60 / vertebrae
    np.testing.assert_allclose(
        find_spine_line(scan), find_spine_line(scan, spacing_mm=scaled), atol=1e-9
    )


# The quality


def quality_of(scan, **options):
    line, quality = find_spine_line(scan, return_quality=True, **options)
    np.testing.assert_array_equal(line, find_spine_line(scan, **options))
    assert type(quality) is float
    assert 0 <= quality <= 1
    assert find_spine_line(scan, return_quality=True, **options)[1] == quality
    return quality


@pytest.mark.parametrize("centre", [60, 120, 171.5, 235])
@pytest.mark.parametrize("cobb", [0, 25, -40])
def test_a_spine_has_a_high_quality_wherever_it_is(centre, cobb):
    assert quality_of(synthetic_spine(centre=centre, cobb=cobb)[0]) > 0.9


ROWS, COLUMNS = np.mgrid[:N_ROWS, :N_COLUMNS]
WITHOUT_A_SPINE = {
    "blank": np.zeros((N_ROWS, N_COLUMNS)),
    "flat": np.full((N_ROWS, N_COLUMNS), 0.7),
    "slope across": COLUMNS / N_COLUMNS,
    "slope down": ROWS / N_ROWS,
    "slope both ways": (ROWS + COLUMNS) / N_COLUMNS,
    "step": 1.0 * (COLUMNS > 120),
    "wide band": 1.0 * (np.abs(COLUMNS - 150) < 95),
    "disc": 1.0 * (np.hypot(ROWS - 80, COLUMNS - 150) < 70),
    "bars across": 1.0 * (ROWS % 34 < 17),
    "one bar across": 1.0 * (np.abs(ROWS - 60) < 18),
    "checkerboard": 1.0 * ((ROWS // 20 + COLUMNS // 30) % 2),
}


@pytest.mark.parametrize("kind", WITHOUT_A_SPINE)
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_what_is_no_spine_has_a_low_quality(kind, noise):
    scan = WITHOUT_A_SPINE[kind] + np.random.default_rng(0).normal(0, noise, (N_ROWS, N_COLUMNS))
    assert quality_of(scan) < LOW_QUALITY


@pytest.mark.parametrize("seed", range(5))
def test_noise_has_a_low_quality(seed):
    noise = np.random.default_rng(seed).normal(size=(N_ROWS, N_COLUMNS))
    assert quality_of(noise) < LOW_QUALITY


@pytest.mark.parametrize("centre", [60, 82, 100])
def test_a_transposed_spine_has_a_low_quality(centre):
    scan = synthetic_spine(centre=centre, n_rows=300, n_columns=N_ROWS)[0].T
    assert scan.shape == (N_ROWS, 300)
    assert quality_of(scan) < LOW_QUALITY


def test_one_spine_of_two_has_a_low_quality():
    left, _ = synthetic_spine(centre=75)
    right, _ = synthetic_spine(centre=225, seed=1)
    assert quality_of(np.where(COLUMNS < 150, left, right)) < LOW_QUALITY


def test_quality_falls_with_noise():
    scan, _ = synthetic_spine()
    noise = np.random.default_rng(1).normal(size=scan.shape)
    qualities = [quality_of(scan + sd * noise) for sd in (0, 0.3, 1, 3, 10)]
    assert (np.diff(qualities) < 0).all()
    assert qualities[0] > 0.95
    assert qualities[-1] < LOW_QUALITY


def test_quality_is_the_same_at_any_scale_and_mirrored():
    scan, _ = synthetic_spine(centre=133, cobb=25)
    quality = quality_of(scan)
    assert quality_of(40 * scan - 7) == pytest.approx(quality, abs=1e-4)
    assert quality_of(scan[:, ::-1]) == pytest.approx(quality, abs=5e-3)
    fine = resample(scan, (1.05, 0.60), to=(0.5, 0.5))
    assert quality_of(fine, spacing_mm=(0.5, 0.5)) == pytest.approx(quality, abs=1e-2)


def test_rows_that_were_not_scanned_have_no_say_in_the_quality():
    scan, _ = synthetic_spine()
    # The last scanned rows show nothing, and all that follow are nearest to them.
    scan[76:80] = 0.15
    scan[80:] = np.nan
    assert quality_of(scan) == pytest.approx(quality_of(scan[:80]), abs=0.02)


@pytest.mark.parametrize("shape", [(7, 9), (1, 1), (1, 300), (5, 1), (3, 2), (600, 40), (900, 3)])
def test_quality_of_scans_of_any_shape(shape):
    quality_of(np.random.default_rng(0).normal(size=shape))
    assert quality_of(np.full(shape, 0.3)) == 0
    assert quality_of(np.full(shape, 0.3), spacing_mm=(2.0, 7.0)) == 0


@pytest.mark.parametrize("site", ["population", "hospital"])
def test_no_simulated_patient_is_flagged(site):
    for scan in make_spine_cohort(40, site=site, random_state=2).data["scan"]:
        assert quality_of(scan, spacing_mm=(1.05, 0.60)) > 0.8


@pytest.mark.parametrize("resampled", [False, True])
def test_within_5_mm_on_a_real_scan(real_data, resampled):
    pydicom = pytest.importorskip("pydicom")
    file = real_data / "dxa" / "1.2.840.113619.2.110.210419.20150928115733.2.2.12.1.dcm"
    scan = pydicom.dcmread(file).pixel_array.astype(np.float32)
    scan[scan == scan.max()] = np.nan
    # Read off the picture: midway between the side walls of T12 to L4.
    rows = np.arange(30, 640)
    centre = np.interp(rows, [30, 235, 340, 505, 680], [371, 361, 354, 351, 349])
    if resampled:
        small = resample(scan, (0.25, 0.25))
        line = find_spine_line(small)
        places = (np.arange(len(line)) + 0.5) * len(scan) / len(line) - 0.5
        line = (np.interp(rows, places, line) + 0.5) * scan.shape[1] / small.shape[1] - 0.5
    else:
        line = find_spine_line(scan, spacing_mm=(0.25, 0.25))[rows]
    assert (np.abs(line - centre) * 0.25).max() < 5


def lumbar_radiographs(folder, n_columns=None):
    """Generate the part of each radiograph from L1 to L4, its line and a vertebra's width.

    Resampled to `n_columns` unless None; lengths are columns of the result.
    """
    image = pytest.importorskip("PIL.Image")
    table = pd.read_csv(folder / "landmarks.csv", index_col="name")
    corners = ("TL", "TR", "BL", "BR")
    for name, landmarks in table.iterrows():
        with image.open(folder / "images" / name) as file:
            pixels = np.asarray(file.convert("L"), dtype=np.float32)
        x, y = (
            np.array([[landmarks[f"{axis}L{k}_{c}"] for c in corners] for k in (1, 2, 3, 4)])
            for axis in "xy"
        )
        x, y = x * pixels.shape[1], y * pixels.shape[0]
        width = (x[:, 1] - x[:, 0] + x[:, 3] - x[:, 2]).mean() / 2
        first, last = int(y.min()), int(y.max())
        crop = pixels[first:last]
        ratio = 1.0
        if n_columns is not None:
            ratio = crop.shape[1] / n_columns
            crop = resample(crop, (1, 1), to=(ratio, ratio))
        rows = (np.arange(len(crop)) + 0.5) * (last - first) / len(crop) + first
        line = np.interp(rows, y.mean(axis=1), x.mean(axis=1)) / ratio - 0.5
        yield crop, line, width / ratio


@pytest.mark.parametrize("n_columns", [None, 300])
def test_finds_the_lumbar_spine_in_radiographs(real_data, n_columns):
    """Another kind of image: the median row within a quarter of a vertebra in 60 %."""
    near = [
        np.median(np.abs(find_spine_line(crop) - line)) <= width / 4
        for crop, line, width in lumbar_radiographs(real_data / "radiographs", n_columns)
    ]
    assert len(near) == 22
    assert np.mean(near) >= 0.6


def test_quality_is_low_where_the_line_is_lost_in_radiographs(real_data):
    folder = real_data / "radiographs2"
    if not folder.is_dir():
        pytest.skip(f"real radiographs are not at hand: no folder {folder}")
    lost, qualities = [], []
    for crop, line, width in lumbar_radiographs(folder, 300):
        found, quality = find_spine_line(crop, return_quality=True)
        lost.append(np.median(np.abs(found - line)) > width / 2)
        qualities.append(quality)
    assert len(lost) == 98
    assert 10 < np.sum(lost) < 40
    assert roc_auc_score(np.logical_not(lost), qualities) >= 0.8
    assert np.array(qualities)[lost].max() < LOW_QUALITY


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_real_spine_scan_is_not_flagged(real_data, mirrored):
    (file,) = (real_data / "dxa").glob("*.2.2.12.1.dcm")
    scan = read_scan(file)
    pixels = scan.pixels[:, ::-1] if mirrored else scan.pixels
    assert quality_of(pixels, spacing_mm=scan.spacing) > 0.9
    assert quality_of(resample(pixels, scan.spacing)) > 0.9


# The region about the line


def middle_of(region):
    return (region * np.arange(region.shape[1])).sum(axis=1) / region.sum(axis=1)


def test_region_is_about_the_line_that_its_spacing_gives():
    # Two bright stripes: which widths are tried decides where between them the line runs.
    spacing = (1.05, 0.30)
    scan = 0.1 + 0.05 * np.random.default_rng(0).normal(size=(150, 360))
    scan[:, 20:170] += 0.8
    scan[:, 240:290] += 1.2
    found = find_spine_line(scan, spacing_mm=spacing)
    region = find_spine_region(scan, width_mm=12, spacing_mm=spacing)
    np.testing.assert_allclose(middle_of(region), found, atol=0.51)
    assert np.abs(find_spine_line(scan) - found).max() > 3


def test_region_is_a_band_about_the_line():
    scan, line = synthetic_spine(cobb=25, n_rows=157)
    scan[:, :60] = np.nan
    region = find_spine_region(scan, width_mm=24)
    assert region.shape == scan.shape
    assert region.dtype == np.uint8
    assert set(np.unique(region)) == {0, 1}
    # 24 mm are 40 columns.
    np.testing.assert_allclose(region.sum(axis=1), 40, atol=1)
    middle = middle_of(region)
    assert np.abs(middle - line).max() * 0.60 < 4
    found = find_spine_line(scan, spacing_mm=(1.05, 0.60))
    np.testing.assert_allclose(middle, found, atol=0.51)


def test_region_is_as_wide_in_mm_for_any_pixels():
    scan, _ = synthetic_spine()
    fine = resample(scan, (1.05, 0.60), to=(1.05, 0.30))
    for image, column_mm in ((scan, 0.60), (fine, 0.30)):
        region = find_spine_region(image, spacing_mm=(1.05, column_mm))
        np.testing.assert_allclose(region.sum(axis=1) * column_mm, 30, atol=0.6)


def test_region_leaves_out_what_was_not_scanned():
    scan, _ = synthetic_spine()
    scan[20:30, 140:160] = np.nan
    region = find_spine_region(scan)
    assert not region[20:30, 140:160].any()
    assert region[31:, 150].all()


@pytest.mark.parametrize("width_mm", [0, -3.0, np.inf, "wide"])
def test_region_of_no_width(width_mm):
    with pytest.raises(ValueError, match="width_mm must be a positive number; got"):
        find_spine_region(np.ones((7, 9)), width_mm=width_mm)


def test_region_of_bad_scans():
    with pytest.raises(ScanError, match="two-dimensional"):
        find_spine_region(np.ones(9))
    with pytest.raises(ScanError, match="spacing_mm must be two positive numbers"):
        find_spine_region(np.ones((7, 9)), spacing_mm=(1.05, 0))
