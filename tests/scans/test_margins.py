"""Stair-step margins were not scanned; saturated bone was."""

import numpy as np
from scan_files import PIXELS, write_dicom

from skdxa.scans import read_scan


def staircase(n_rows, n_columns):
    """Make a noisy image with stair-step margins on both sides; and where they are."""
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 200, (n_rows, n_columns)).astype(np.uint8)
    unscanned = np.zeros(pixels.shape, dtype=bool)
    left, right = [9, 4, 7, 0], [3, 0, 8, 5]
    for step, rows in enumerate(np.array_split(np.arange(n_rows), 4)):
        unscanned[rows, : left[step]] = True
        unscanned[rows, n_columns - right[step] :] = True
    pixels[unscanned] = 255
    return pixels, unscanned


def test_stair_step_margins_are_unscanned(file):
    pixels, unscanned = staircase(80, 60)
    scan = read_scan(write_dicom(file, pixels))
    np.testing.assert_array_equal(np.isnan(scan.pixels), unscanned)
    np.testing.assert_array_equal(scan.pixels[~unscanned], pixels[~unscanned])
    write_dicom(file, 255 - pixels, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(read_scan(file).pixels, scan.pixels)


def test_margins_of_a_tiny_scan(file):
    pixels = PIXELS.copy()
    pixels[:3, :2] = pixels[3:5, :1] = pixels[2:, 8:] = 255
    unscanned = pixels == 255
    scan = read_scan(write_dicom(file, pixels))
    np.testing.assert_array_equal(np.isnan(scan.pixels), unscanned)


def test_row_between_two_steps_is_unscanned(file):
    pixels, unscanned = staircase(80, 60)
    # The blend of a step 4 wide and one 7 wide.
    pixels[40, :7], pixels[40, :5] = 100, 255
    unscanned[40, :7], unscanned[40, :5] = False, True
    scan = read_scan(write_dicom(file, pixels))
    np.testing.assert_array_equal(np.isnan(scan.pixels), unscanned)


def test_saturated_bone_stays(file):
    pixels, unscanned = staircase(80, 60)
    pixels[20:60, 25:35] = 255
    # Saturated bone that touches a margin.
    rows = np.arange(80)[:, None]
    pixels[(np.hypot(rows - 12, np.arange(60) - 12) < 6) & ~unscanned] = 255
    scan = read_scan(write_dicom(file, pixels))
    np.testing.assert_array_equal(np.isnan(scan.pixels), unscanned)


def test_saturated_bone_at_the_edge_stays(file):
    pixels, _ = staircase(80, 60)
    pixels[pixels == 255] = 100
    # The rounded outline of a pelvis that leaves the picture on the left.
    rows = np.arange(80)[:, None]
    pixels[np.hypot(rows - 80, np.arange(60)) < 30] = 255
    scan = read_scan(write_dicom(file, pixels))
    np.testing.assert_array_equal(scan.pixels, pixels)


def test_constant_picture_is_not_all_margin(file):
    pixels = np.full((7, 9), 80, dtype=np.uint8)
    np.testing.assert_array_equal(read_scan(write_dicom(file, pixels)).pixels, pixels)


def test_rows_never_scanned(file):
    pixels = np.tile(PIXELS, (5, 1))
    pixels[:6] = 255
    nan_rows = np.isnan(read_scan(write_dicom(file, pixels)).pixels)
    assert nan_rows[:6].all()
    assert not nan_rows[6:].any()
