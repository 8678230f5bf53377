"""What is odd about a scan."""

import numpy as np
import pytest

from skdxa.exceptions import ScanError
from skdxa.preprocessing import scan_features, scan_remarks
from skdxa.simulation import make_spine_cohort


@pytest.fixture(scope="module")
def scan():
    return make_spine_cohort(1, random_state=5).data["scan"][0]


def test_a_sound_scan_has_no_remark(scan):
    assert scan_remarks(scan, unit="g/cm2") == []
    grey = np.nan_to_num((scan / np.nanmax(scan)).clip(0) * 255).round()
    assert scan_remarks(grey, unit="grey level") == []


def test_features_are_in_mm_and_in_the_unit_of_the_scan():
    scan = np.full((100, 300), 0.1)
    scan[:, 200:240] = 1.0
    scan[:10] = np.nan
    features = scan_features(scan, spacing_mm=(2.0, 0.5))
    assert features["height_mm"] == 200
    assert features["width_mm"] == 150
    assert features["unscanned"] == pytest.approx(0.1)
    assert features["low"] == features["median"] == pytest.approx(0.1)
    assert features["high"] == 1
    assert features["saturated"] == pytest.approx(40 / 300)
    assert features["spine_mm"] == pytest.approx(150 - 110, abs=3)


@pytest.mark.parametrize(
    ("change", "remark"),
    [
        (lambda scan: np.full_like(scan, 0.3), "empty: all pixels are equal"),
        (lambda scan: 1.5 - scan, "bone dark: perhaps inverted"),
        (
            lambda scan: np.random.default_rng(0).normal(size=scan.shape),
            "unlike a lumbar spine: no spine stands out",
        ),
        (lambda scan: np.minimum(scan, 0.7), "saturated: "),
        (lambda scan: scan[40:120], "unlike a lumbar spine: the scan is 8 cm high"),
        (lambda scan: np.vstack([scan, scan, scan]), "the scan is "),
        (lambda scan: np.where(np.arange(300) < 160, np.nan, scan), "not scanned"),
        (lambda scan: scan * 4, "unusual density: 99 % of pixels below "),
        (lambda scan: scan[:, 105:], "mm from the side"),
        # 140 x 8 pixels of 1.05 x 0.60 mm.
        (lambda scan: with_rod(scan, 8), "7 cm2 above 2.5 g/cm2: perhaps metal"),
    ],
)
def test_unusual_scans(scan, change, remark):
    assert any(remark in found for found in scan_remarks(change(scan), unit="g/cm2"))


def with_rod(scan, n_columns):
    scan = scan.copy()
    scan[10:150, 120 : 120 + n_columns] = 3.0
    return scan


def test_little_metal_and_grey_levels_are_not_remarked_on(scan):
    assert scan_remarks(with_rod(scan, 5), unit="g/cm2") == []
    found = scan_remarks(with_rod(scan, 8), unit="grey level")
    assert not any("metal" in remark for remark in found)


def test_no_scan():
    with pytest.raises(ScanError, match="no scanned pixel"):
        scan_features(np.full((7, 9), np.nan))
