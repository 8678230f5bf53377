import numpy as np
import pytest
from scan_collections import scans_of_unequal_size
from sklearn.exceptions import NotFittedError

from skdxa.preprocessing import (
    IntensityScaler,
)


def test_standard_scaling_uses_the_training_pixels():
    rng = np.random.default_rng(0)
    train = [rng.normal(3, 2, (7, 9)), rng.normal(5, 1, (11, 4))]
    train[0][2, :5] = np.nan
    scaler = IntensityScaler().fit(train)
    pixels = np.concatenate([scan.ravel() for scan in train])
    assert scaler.mean_ == pytest.approx(np.nanmean(pixels), rel=1e-6)
    assert scaler.scale_ == pytest.approx(np.nanstd(pixels), rel=1e-6)
    test = rng.normal(8, 4, (7, 9))
    scaled = scaler.transform([test])[0]
    np.testing.assert_allclose(scaled, (test - scaler.mean_) / scaler.scale_, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(np.isnan(scaler.transform(train)[0]), np.isnan(train[0]))


def test_per_scan_scaling_uses_the_scan_itself():
    rng = np.random.default_rng(0)
    scans = [rng.normal(3, 2, (7, 9)), rng.normal(50, 10, (11, 4))]
    scans[1][0] = np.nan
    for scaled in IntensityScaler("per_scan").fit_transform(scans):
        assert np.nanmean(scaled) == pytest.approx(0, abs=1e-5)
        assert np.nanstd(scaled) == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("method", ["standard", "per_scan"])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_constant_scans_become_zero(method, value):
    scaled = IntensityScaler(method).fit_transform(np.full((2, 7, 9), value))
    np.testing.assert_allclose(scaled, 0, atol=1e-3)


def test_standard_scaling_needs_fit_and_per_scan_scaling_does_not():
    scans = scans_of_unequal_size()
    with pytest.raises(NotFittedError):
        IntensityScaler().transform(scans)
    per_scan = IntensityScaler("per_scan")
    per_scan.transform(scans)
    with pytest.raises(NotFittedError):
        per_scan.fit(scans).set_params(method="standard").transform(scans)


def test_a_refit_with_another_method_removes_the_old_numbers():
    scaler = IntensityScaler().fit(scans_of_unequal_size())
    scaler.set_params(method="per_scan").fit(scans_of_unequal_size())
    assert not hasattr(scaler, "mean_")
    assert not hasattr(scaler, "scale_")
