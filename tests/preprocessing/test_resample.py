import numpy as np
import pytest

from skdxa.exceptions import ScanError
from skdxa.preprocessing import resample


@pytest.fixture
def scan():
    return np.random.default_rng(0).uniform(0, 1.5, (7, 9)).astype(np.float32)


def test_same_spacing_returns_the_same_pixels_in_new_memory(scan):
    result = resample(scan, (1.05, 0.60))
    np.testing.assert_array_equal(result, scan)
    assert not np.shares_memory(result, scan)


@pytest.mark.parametrize(
    ("shape", "spacing_mm", "to", "expected"),
    [
        ((780, 716), (0.25, 0.25), (1.05, 0.60), (186, 298)),
        ((7, 9), (2.0, 1.0), (1.0, 1.0), (14, 9)),
        ((7, 9), (1.0, 2.0), (1.0, 1.0), (7, 18)),
        ((7, 9), (1.0, 1.0), (3.0, 2.0), (2, 4)),
        ((7, 9), (0.01, 0.01), (1.0, 1.0), (1, 1)),
    ],
)
def test_shape(shape, spacing_mm, to, expected):
    result = resample(np.ones(shape), spacing_mm, to)
    assert result.shape == expected
    assert result.dtype == np.float32


@pytest.mark.parametrize("to", [(2.0, 3.0), (1.3, 1.7), (7.0, 9.0), (1.0, 2.2)])
def test_shrinking_keeps_the_mean(scan, to):
    assert resample(scan, (1, 1), to).mean() == pytest.approx(scan.mean(), rel=1e-6)


def test_shrinking_averages_the_ground_that_a_pixel_covers():
    scan = np.arange(12.0).reshape(2, 6)
    np.testing.assert_allclose(resample(scan, (1, 1), (2, 3)), [[4.0, 7.0]])
    # Three pixels on the ground of two: each takes two thirds of a pixel's neighbour.
    np.testing.assert_allclose(
        resample([[0.0, 3.0, 9.0]], (1, 1), (1, 1.5)), [[1.0, 7.0]], rtol=1e-6
    )


def test_a_pattern_too_fine_for_the_grid_becomes_its_mean():
    stripes = np.tile([0.0, 1.0], (8, 150))
    np.testing.assert_allclose(resample(stripes, (1, 0.3), (1, 0.6)), 0.5)


@pytest.mark.parametrize("to", [0.25, 0.4, 2.0, 2.5])
def test_a_ramp_stays_where_it_is(to):
    """Edges are aligned: a value stays at its place in mm, whatever the grid."""
    ramp = np.tile(np.arange(40) + 0.5, (3, 1))
    result = resample(ramp, (1, 1), (1, to))
    centres = (np.arange(result.shape[1]) + 0.5) * 40 / result.shape[1]
    inside = (centres > 0.5) & (centres < 39.5)
    np.testing.assert_allclose(result[0, inside], centres[inside], atol=0.06)


@pytest.mark.parametrize("to", [(1.0, 0.7), (1.9, 2.3), (0.6, 3.0)])
def test_mirroring_and_resampling_commute(scan, to):
    np.testing.assert_allclose(
        resample(scan[::-1, ::-1], (1, 1), to),
        resample(scan, (1, 1), to)[::-1, ::-1],
        rtol=1e-5,
    )


@pytest.mark.parametrize("to", [(0.5, 0.5), (2.0, 2.0), (1.4, 0.6)])
def test_unscanned_pixels_do_not_bleed(to):
    scan = np.full((12, 16), 0.8, dtype=np.float32)
    scan[:5, :6] = np.nan
    result = resample(scan, (1, 1), to)
    unscanned = np.isnan(result)
    np.testing.assert_allclose(result[~unscanned], 0.8, rtol=1e-6)
    # The unscanned ground keeps its size, up to half a pixel on each of two sides.
    rows, columns = unscanned.any(axis=1).sum(), unscanned.any(axis=0).sum()
    assert abs(rows * to[0] - 5) <= to[0] / 2
    assert abs(columns * to[1] - 6) <= to[1] / 2
    assert unscanned.sum() == rows * columns


def test_a_pixel_of_which_half_was_scanned_counts_as_scanned():
    result = resample([[np.nan, 1.0, 1.0, np.nan, np.nan, np.nan]], (1, 1), (1, 2))
    np.testing.assert_array_equal(result, [[1.0, 1.0, np.nan]])


def test_the_input_is_not_changed(scan):
    scan[2, 3] = np.nan
    before = scan.copy()
    resample(scan, (1, 1), (2, 2))
    np.testing.assert_array_equal(scan, before)


@pytest.mark.parametrize(
    "spacing_mm", [0.6, (1.05,), (1.05, 0.6, 1.0), (0, 0.6), (1.05, -0.6), (np.nan, 1), "ab", None]
)
def test_a_bad_spacing_is_named(scan, spacing_mm):
    with pytest.raises(ScanError, match=r"^spacing_mm must be two positive numbers, the height"):
        resample(scan, spacing_mm)
    with pytest.raises(ScanError, match=r"^to must be two positive numbers, the height"):
        resample(scan, (1, 1), spacing_mm)


@pytest.mark.parametrize(
    ("scan", "message"),
    [
        (np.zeros(9), r"two-dimensional.*shape \(9,\)"),
        (np.zeros((2, 7, 9)), r"two-dimensional.*shape \(2, 7, 9\)"),
        ([["a", "b"]], "two-dimensional array of numbers.*list"),
        ("scan.dcm", "two-dimensional array of numbers.*'scan.dcm'"),
        (np.zeros((0, 9)), r"no pixels: its shape is \(0, 9\)"),
        ([[1.0, np.inf]], "infinite"),
        ([[1.0, 1e300]], "infinite"),
        ([[np.nan, np.nan]], "no scanned pixel"),
    ],
)
def test_a_bad_scan_is_named(scan, message):
    with pytest.raises(ScanError, match=f"^scan .*{message}"):
        resample(scan, (1, 1))


@pytest.mark.parametrize("to", [(3.0, 2.0), (0.4, 0.3), (3.0, 0.3), (0.4, 2.0)])
def test_large_scans_are_resampled_in_strips_to_the_same_pixels(scan, monkeypatch, to):
    scan[2:4, :3] = np.nan
    expected = resample(scan, (1.0, 1.0), to)
    for most in (20, 1):
        monkeypatch.setattr("skdxa.preprocessing._resample._MOST_AT_ONCE", most)
        np.testing.assert_array_equal(resample(scan, (1.0, 1.0), to), expected)
