import pickle

import numpy as np
import pandas as pd
import pytest
from scan_collections import KINDS, scans_of_unequal_size, spine
from sklearn.pipeline import make_pipeline

from skdxa.exceptions import ScanError
from skdxa.preprocessing import (
    LOW_QUALITY,
    HorizontalFlip,
    IntensityScaler,
    SpineCropper,
    find_spine_line,
)
from skdxa.validation import as_scans


def a_spine_and_noise():
    noise = np.random.default_rng(0).normal(size=(27, 71))
    return [spine(22, 60), noise, spine(24, 66, centre=40)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_crop_is_a_stack_with_the_spine_in_the_middle(kind):
    scans = [spine(24, 60, centre=centre) for centre in (25, 30, 36)]
    crops = SpineCropper(height=12, width=31).fit_transform(KINDS[kind](scans))
    assert crops.shape == (3, 12, 31)
    assert crops.dtype == np.float32
    for crop in crops:
        bright = np.flatnonzero(crop[5] > 0.5)
        assert abs(bright.mean() - 15) <= 1


def test_scans_of_unequal_size_become_equal():
    assert SpineCropper(20, 30).fit_transform(scans_of_unequal_size()).shape == (3, 20, 30)


def test_the_default_crop_is_150_by_150():
    crops = SpineCropper().fit_transform([spine(178, 300, 160, 37), spine(150, 310, 140, 37)])
    assert crops.shape == (2, 150, 150)


@pytest.mark.parametrize(("n_rows", "first_row"), [(24, 6), (25, 6), (12, 0)])
def test_the_middle_rows_of_a_tall_scan_are_kept(n_rows, first_row):
    scan = spine(n_rows) + 0.01 * np.arange(n_rows, dtype=np.float32)[:, None]
    crop = SpineCropper(12, 60).fit_transform([scan])[0]
    start = np.flatnonzero(np.isclose(scan[:, 30], crop[0, 30]))
    assert start == [first_row]


def test_a_short_scan_is_padded_above_and_below():
    crop = SpineCropper(12, 20, fill_value=-1).fit_transform([spine(n_rows=7)])[0]
    np.testing.assert_array_equal((crop == -1).all(axis=1), [True] * 3 + [False] * 7 + [True] * 2)


@pytest.mark.parametrize("centre", [4, 55])
def test_columns_beyond_the_edge_are_padded(centre):
    crop = SpineCropper(12, 40, fill_value=-1).fit_transform([spine(centre=centre)])[0]
    padded = (crop == -1).all(axis=0)
    assert 0 < padded.sum() < 24
    assert padded[0 if centre == 4 else -1]
    assert not padded[20]


def test_padding_and_unscanned_pixels_take_the_soft_tissue_level():
    scan = spine(7)
    scan[:4, :22] = np.nan
    crop = SpineCropper(12, 31).fit_transform([scan])[0]
    assert set(np.unique(crop)) == {np.float32(0.1), np.float32(1.0)}


def test_a_given_fill_value_is_used():
    scan = spine(12)
    scan[:4, :25] = np.nan
    crop = SpineCropper(12, 60, fill_value=0.25).fit_transform([scan])[0]
    assert (crop == 0.25).sum() >= np.isnan(scan).sum()
    assert not np.isnan(crop).any()


@pytest.mark.parametrize("centre", [4, 30, 55])
@pytest.mark.parametrize("n_rows", [7, 24, 25])
def test_the_window_is_where_the_crop_was_cut(n_rows, centre):
    scan = spine(n_rows, centre=centre) + np.float32(0.01) * np.arange(n_rows)[:, None]
    cropper = SpineCropper(12, 40, fill_value=-1)
    on_scan, on_crop = cropper.window(scan.tolist())
    expected = np.full((12, 40), -1, np.float32)
    expected[on_crop] = scan[on_scan]
    np.testing.assert_array_equal(cropper.fit_transform([scan])[0], expected)
    with pytest.raises(ScanError, match="scan must be a two-dimensional array"):
        cropper.window([scan])


def test_a_curved_spine_stays_curved():
    shift = (12 * np.sin(np.pi * np.arange(90) / 90)).astype(int)
    scan = np.stack([np.roll(spine(1, 100, 45, 12)[0], s) for s in shift])
    crop = SpineCropper(90, 60).fit_transform([scan])[0]
    centres = [np.flatnonzero(row > 0.5).mean() for row in crop]
    np.testing.assert_array_equal(np.diff(centres), np.diff(shift))


def test_a_scan_narrower_than_the_crop_is_one_clear_error():
    scans = [spine(), spine(n_columns=40, centre=20)]
    message = r"Scan 1 has 40 columns, fewer than the crop's width of 50\. Choose a smaller width"
    with pytest.raises(ScanError, match=message):
        SpineCropper(20, 50).fit_transform(scans)
    table = pd.DataFrame({"scan": scans}, index=["P01", "P02"])
    with pytest.raises(ScanError, match=r"^The scan at index 'P02' has 40 columns"):
        SpineCropper(20, 50).fit_transform(table)


@pytest.mark.parametrize("centre", [0, 59])
@pytest.mark.parametrize("shape", [(1, 60), (24, 60), (200, 61)])
def test_the_crop_never_fails_at_an_edge(centre, shape):
    crop = SpineCropper(30, 60).fit_transform([spine(*shape, centre=centre, half_width=2)])
    assert crop.shape == (1, 30, 60)
    assert np.isfinite(crop).all()


def test_what_is_done_to_a_scan_depends_on_that_scan_alone():
    scans = scans_of_unequal_size()
    together = SpineCropper(20, 30).fit_transform(scans)
    alone = SpineCropper(20, 30).transform([scans[2]])
    np.testing.assert_array_equal(together[2], alone[0])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "stack" not in kind])
def test_the_quality_of_each_training_scan_is_kept(kind):
    scans = KINDS[kind](a_spine_and_noise())
    cropper = SpineCropper(20, 30).fit(scans)
    expected = [
        find_spine_line(scan, spacing_mm=(1.05, 0.60), return_quality=True)
        for scan in a_spine_and_noise()
    ]
    np.testing.assert_allclose(cropper.quality_, [quality for _, quality in expected], atol=1e-6)
    np.testing.assert_allclose(cropper.middle_, [line.mean() for line, _ in expected], atol=1e-4)
    assert list(cropper.quality_ < LOW_QUALITY) == [False, True, False]
    np.testing.assert_array_equal(cropper.quality(scans), cropper.quality_)
    np.testing.assert_array_equal(SpineCropper(20, 30).quality(scans), cropper.quality_)


def test_the_quality_of_later_scans_changes_nothing():
    cropper = SpineCropper(20, 30).fit(a_spine_and_noise())
    before = pickle.dumps(cropper)
    new_scans = [spine(30, 80, centre=35)]
    (quality,) = cropper.quality(new_scans)
    cropper.transform(new_scans)
    assert quality > LOW_QUALITY
    assert pickle.dumps(cropper) == before
    unfitted = SpineCropper(20, 30)
    unfitted.transform(new_scans)
    unfitted.quality(new_scans)
    assert vars(unfitted) == vars(SpineCropper(20, 30))
    assert len(cropper.fit(new_scans).quality_) == 1


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_fitting_and_transforming_searches_each_scan_once(output, monkeypatch):
    searched = []

    def count(scan, **options):
        searched.append(scan.shape)
        return find_spine_line(scan, **options)

    monkeypatch.setattr("skdxa.preprocessing._crop.find_spine_line", count)
    scans = scans_of_unequal_size()
    cropper = SpineCropper(20, 30).set_output(transform=output)
    together = cropper.fit_transform(scans)
    assert searched == [scan.shape for scan in scans]
    in_turn = SpineCropper(20, 30).set_output(transform=output).fit(scans).transform(scans)
    assert type(together) is type(in_turn)
    np.testing.assert_array_equal(np.stack(as_scans(together)), np.stack(as_scans(in_turn)))
    assert cropper.quality_.shape == (3,)


def test_a_pipeline_keeps_the_quality_of_its_training_scans():
    scans = scans_of_unequal_size()
    steps = make_pipeline(HorizontalFlip(), SpineCropper(20, 30), IntensityScaler()).fit(scans)
    np.testing.assert_array_equal(
        steps["spinecropper"].quality_,
        SpineCropper(20, 30).quality([scan[:, ::-1] for scan in scans]),
    )


def test_quality_names_a_bad_scan():
    with pytest.raises(ScanError, match=r"Scan 1 holds no scanned pixel"):
        SpineCropper(20, 30).quality([spine(), np.full((7, 9), np.nan)])
