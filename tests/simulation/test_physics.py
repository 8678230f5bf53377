import numpy as np
from numpy.testing import assert_allclose

from skdxa.simulation import _physics, make_spine_scan


def test_thick_and_thin_patients_keep_the_baseline():
    bone = np.zeros((150, 300), np.float32)
    bone[:, 130:170] = 1.0
    for thickness in (15.0, 20.0, 27.0):
        scan = _physics.acquire(
            bone,
            np.random.default_rng(0),
            scanner=_physics.SCANNERS["population"],
            thickness_cm=thickness,
        )
        assert abs(scan[:, 20:110].mean()) < 0.02
        assert_allclose(scan[:, 140:160].mean(), 1.0, atol=0.03)


def test_soft_tissue_is_about_zero_and_noisy():
    scan = make_spine_scan(random_state=5).scan
    beside = scan[70:110, 40:60]
    assert abs(beside.mean()) < 0.03
    assert 0.02 < beside.std() < 0.08
    noisier = make_spine_scan(site="hospital", random_state=5).scan[70:110, 40:60]
    assert noisier.std() > 0.02


def test_precision_is_that_of_a_densitometer(body_mean):
    """The BMD of one bone, scanned repeatedly, varies by about a per cent."""
    bone = make_spine_scan(random_state=1).bone
    corners = make_spine_scan(random_state=1).endplates
    means = [
        np.mean(
            [
                body_mean(
                    _physics.acquire(
                        bone,
                        np.random.default_rng(seed),
                        scanner=_physics.SCANNERS["population"],
                        fat_fraction=0.38,
                    ),
                    corners[level],
                )
                for level in range(1, 5)
            ]
        )
        for seed in range(12)
    ]
    assert 0.0005 < np.std(means) / np.mean(means) < 0.015
