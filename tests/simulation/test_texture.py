import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skdxa.simulation import _anatomy, _texture, make_spine_cohort, make_spine_scan


@pytest.mark.parametrize("slope", [0.4, 0.7, 1.1])
def test_texture_has_the_given_variogram_slope(slope):
    fields = [
        _texture.trabecular_texture(np.random.default_rng(seed), 178, slope) for seed in range(8)
    ]
    for axis, spacing in enumerate(_anatomy.SPACING_MM):
        lags = np.arange(1, 6)
        gamma = []
        for lag in lags:
            first, second = [slice(None)] * 2, [slice(None)] * 2
            first[axis], second[axis] = slice(lag, None), slice(None, -lag)
            gamma.append(
                np.mean([((f[tuple(first)] - f[tuple(second)]) ** 2).mean() for f in fields])
            )
        fitted = np.polyfit(np.log(lags * spacing), np.log(gamma), 1)[0]
        # Eight fields of 40 mm range are a small sample of the steepest slope.
        assert abs(fitted - slope) < 0.08


def test_texture_follows_tbs_and_moves_with_the_patient():
    assert_allclose(_texture.slope_of_tbs([1.24, 1.34, 0.5, 2.0]), [0.70, 0.90, 0.20, 1.40])
    assert make_spine_scan(tbs=1.34, random_state=0).texture_slope == 0.90
    central = _texture.trabecular_texture(np.random.default_rng(0), 160, 0.7)
    shifted = _texture.trabecular_texture(
        np.random.default_rng(0), 160, 0.7, (2 * 1.05, -3 * 0.60)
    )
    assert_array_equal(shifted[2:, :-3], central[:-2, 3:])


def test_contrast_of_streaks_follows_striation_and_brightness_does_not():
    plain = make_spine_cohort(30, random_state=1)
    planted = make_spine_cohort(30, image_risk=0.1, random_state=1)
    striation = planted.truth["striation"]
    changed, mean = [], []
    for before, after in zip(plain.data["scan"], planted.data["scan"], strict=True):
        ratio = after / before
        bone = before > np.nanpercentile(before, 85)
        # Across the streaks.
        changed.append(np.abs(np.diff(ratio, axis=1))[bone[:, 1:] & bone[:, :-1]].mean())
        mean.append(after[bone].mean() / before[bone].mean())
    assert np.corrcoef(changed, striation)[0, 1] > 0.7
    assert_allclose(mean, 1, atol=0.05)
