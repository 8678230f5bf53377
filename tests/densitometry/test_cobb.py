"""Cobb angles from corners and from a line."""

import numpy as np
import pandas as pd
import pytest

from skdxa.densitometry import cobb_angle, is_scoliotic
from skdxa.exceptions import ScanError
from skdxa.preprocessing import find_spine_line
from skdxa.simulation import make_spine_cohort

SPACING = (1.05, 0.60)
LEVELS = [f"T{number}" for number in range(1, 13)] + [f"L{number}" for number in range(1, 6)]


def vertebra(tilt, *, middle, size=(20.0, 15.0), spacing=SPACING):
    """Corners, in pixels, of a rectangle in mm that is tilted by so many degrees."""
    angle = np.radians(tilt)
    along = np.array([np.cos(angle), np.sin(angle)]) * size[0]
    down = np.array([-np.sin(angle), np.cos(angle)]) * size[1]
    corners = [middle + (side * along + end * down) / 2 for end in (-1, 1) for side in (-1, 1)]
    return np.array(corners) / (spacing[1], spacing[0])


# From corners


def test_the_largest_difference_of_tilt_with_pixels_that_are_not_square():
    tilts = [3.0, -7.0, 12.5, 4.0, -1.0]
    corners = [vertebra(t, middle=(60 + 3 * i, 20 * i)) for i, t in enumerate(tilts)]
    assert cobb_angle(corners, spacing_mm=SPACING) == pytest.approx(19.5)
    assert cobb_angle(corners[:2], spacing_mm=SPACING) == pytest.approx(10.0)
    assert abs(cobb_angle(corners, spacing_mm=SPACING[::-1]) - 19.5) > 5
    mirrored = np.array(corners)[:, [1, 0, 3, 2]] * (-1, 1)
    assert cobb_angle(mirrored, spacing_mm=SPACING) == pytest.approx(19.5)


def test_an_incomplete_vertebra_is_left_out():
    corners = np.array([vertebra(t, middle=(60, 20 * t)) for t in (0.0, 30.0, 8.0)])
    corners[1, 2, 0] = np.nan
    assert cobb_angle(corners, spacing_mm=SPACING) == pytest.approx(8.0)
    with pytest.raises(ScanError, match="needs two vertebrae with all corners; there are 1"):
        cobb_angle(corners[:2], spacing_mm=SPACING)


def test_corners_in_another_order_are_refused():
    corners = np.array([vertebra(0.0, middle=(60, 20 * i)) for i in range(3)])
    corners[1] = corners[1][[1, 0, 2, 3]]
    corners[2] = corners[2][[1, 0, 3, 2]]
    with pytest.raises(ScanError, match=r"Vertebra 1 .* right corners left of its left ones"):
        cobb_angle(corners, spacing_mm=SPACING)


@pytest.mark.parametrize("shape", [(4, 2), (3, 2, 4), (3, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ScanError, match=r"spine must be corners .* its shape is"):
        cobb_angle(np.zeros(shape), spacing_mm=SPACING)


@pytest.mark.parametrize("spacing", [(1.05,), (1.05, 0), 1.05, ("a", "b")])
def test_bad_spacings_are_refused(spacing):
    with pytest.raises(ScanError, match="spacing_mm must be two positive numbers"):
        cobb_angle(np.zeros(150), spacing_mm=spacing)


def test_published_angles_of_radiographs(real_data):
    folder = real_data / "radiographs"
    landmarks = pd.read_csv(folder / "landmarks.csv", index_col="name")
    angles = pd.read_csv(folder / "cobb_angles.csv", index_col="name")
    assert len(angles) == 22
    for name, row in angles.iterrows():
        places = [f"{level}_{corner}" for level in LEVELS for corner in ("TL", "TR", "BL", "BR")]
        x, y = (landmarks.loc[name, [f"{axis}{place}" for place in places]] for axis in "xy")
        corners = np.stack([x * row.w, y * row.h], axis=-1).reshape(17, 4, 2)
        whole, upper_four = cobb_angle(corners, spacing_mm=(1, 1)), corners[12:16]
        published = row[["cobb_MT", "cobb_PT", "cobb_TL"]].max()
        assert whole == pytest.approx(published, abs=0.01)
        lumbar = cobb_angle(corners[12:], spacing_mm=(1, 1))
        assert lumbar == pytest.approx(row.lumbar_cobb_L1_L5, abs=0.001)
        lumbar = cobb_angle(upper_four, spacing_mm=(1, 1))
        assert lumbar == pytest.approx(row.lumbar_cobb_L1_L4, abs=0.001)


# From a line


def test_two_straight_legs_meet_at_their_angle():
    rows = np.arange(160) * 1.05
    legs = np.where(rows < rows[80], rows * np.tan(np.radians(8)), 0)
    legs[80:] = legs[79] - (rows[80:] - rows[79]) * np.tan(np.radians(5))
    assert cobb_angle(100 + legs / 0.60, spacing_mm=SPACING) == pytest.approx(13.0)
    assert cobb_angle(100 + 0.1 * rows, spacing_mm=SPACING) == pytest.approx(0, abs=1e-9)


def test_a_sine_is_levelled_out_by_as_much_as_calculated():
    wavelength, amplitude, window = 160.0, 8.0, 35.0
    rows = np.arange(320) * 1.05
    line = 150 + amplitude * np.sin(2 * np.pi * rows / wavelength) / 0.60
    # Slope of the least-squares line through a stretch of a sine, at its steepest.
    half = np.pi * window / wavelength
    kept = 3 * (np.sin(half) - half * np.cos(half)) / half**3
    steepest = np.degrees(np.arctan(kept * 2 * np.pi * amplitude / wavelength))
    assert kept < 0.96
    assert cobb_angle(line, spacing_mm=SPACING) == pytest.approx(2 * steepest, rel=0.005)


def test_lines_that_cannot_be_used():
    line = np.full(150, 75.0)
    line[7] = np.nan
    with pytest.raises(ScanError, match="no column in row 7"):
        cobb_angle(line, spacing_mm=SPACING)
    with pytest.raises(ScanError, match=r"has 40 rows, 42 mm; an angle needs .* 70 mm"):
        cobb_angle(np.zeros(40), spacing_mm=SPACING)


def test_lines_found_in_simulated_scans_rank_the_curves():
    cohort = make_spine_cohort(40, random_state=3)
    angles = [cobb_angle(find_spine_line(s), spacing_mm=SPACING) for s in cohort.data["scan"]]
    truth = cohort.truth["cobb_angle"]
    assert np.corrcoef(angles, truth)[0, 1] > 0.7
    assert abs(np.mean(angles - truth)) < 3


# The rule


def test_the_rule_decides_at_ten_degrees():
    angles = pd.Series([9.99, 10.0, 10.01, np.nan])
    decided = is_scoliotic(angles)
    assert decided.tolist() == [False, False, True, pd.NA]
    assert decided.attrs["rule"] == "Cobb angle >10 degrees"
    assert is_scoliotic(angles, rule=">=10").tolist() == [False, True, True, pd.NA]
    # Rounding decides neither way.
    assert is_scoliotic(0.1 * 3 / 0.03) is False
    assert is_scoliotic(10 - 1e-12, rule=">=10") is True
    with pytest.raises(ValueError, match="rule must be one of"):
        is_scoliotic(12, rule="<10")
    with pytest.raises(ValueError, match="angle must not be negative"):
        is_scoliotic(-12)
