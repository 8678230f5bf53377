"""The geometry of the spine: Cobb angle, curve, endplates, rotation and slips."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skdxa.simulation import make_spine_scan


def measured_cobb(corners):
    """Largest difference of tilt between the lines that join the midpoints of the sides."""
    left, right = corners[:, [0, 2]].mean(axis=1), corners[:, [1, 3]].mean(axis=1)
    line = right - left
    tilt = np.degrees(np.arctan2(line[:, 1], line[:, 0]))
    return np.ptp(tilt)


@pytest.mark.parametrize("angle", [0.0, 3.0, 10.0, 37.5])
@pytest.mark.parametrize("convex", ["left", "right"])
def test_cobb_angle_of_the_endplates_is_the_one_given(angle, convex):
    for seed in range(3):
        spine = make_spine_scan(angle, convex=convex, random_state=seed)
        assert_allclose(measured_cobb(spine.endplates), angle, atol=1e-6)
        assert spine.cobb_angle == angle


def test_curve_bulges_to_the_side_given():
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


def test_rotation_carries_the_spinous_processes_into_the_concavity():
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
