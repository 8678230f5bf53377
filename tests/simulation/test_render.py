import numpy as np
from numpy.testing import assert_array_equal

from skdxa.simulation import make_spine_scan


def test_effects_can_be_switched_off():
    spine = make_spine_scan(
        texture=False, blur=False, noise=False, bowel=False, margins=False, random_state=4
    )
    assert not np.isnan(spine.scan).any()
    assert spine.scan[95:110, 25:50].std() < 0.02
    inside = spine.bone > 0.5
    # The rest of the scanner's effects: uneven soft tissue, and columns that share signal.
    assert np.corrcoef(spine.scan[inside], spine.bone[inside])[0, 1] > 0.97
    noisy = make_spine_scan(texture=False, blur=False, bowel=False, margins=False, random_state=4)
    assert_array_equal(noisy.bone, spine.bone)
    assert noisy.scan[95:110, 25:50].std() > 0.02
    textured = make_spine_scan(noise=False, margins=False, bowel=False, random_state=4)
    assert np.abs(textured.bone - spine.bone)[inside].mean() > 0.02
    gassy = make_spine_scan(noise=False, margins=False, random_state=4)
    assert np.abs(gassy.scan - textured.scan).max() > 0.02


def test_motion_moves_rows_and_the_line_with_them():
    still, moved = make_spine_scan(random_state=2), make_spine_scan(motion_mm=3.0, random_state=2)
    shift = moved.spine_line - still.spine_line
    assert set(np.unique(np.abs(shift).round(6))) == {0.0, 5.0}
    rows = np.flatnonzero(shift)
    assert_array_equal(np.diff(rows), 1)
    offset = int(shift[rows[0]])
    assert_array_equal(moved.bone[rows], np.roll(still.bone[rows], offset, axis=1))
    # A motion of less than half a pixel shifts nothing.
    assert not make_spine_scan(motion_mm=0.2, random_state=2).lesion_masks
