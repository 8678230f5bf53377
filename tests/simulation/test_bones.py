import numpy as np
from numpy.testing import assert_allclose

from skdxa.simulation import _anatomy, _bones, _grid, make_spine_scan


def test_bodies_have_exactly_the_given_bmd():
    bmd = np.array([0.80, 1.30, 0.90, 1.20])
    rng = np.random.default_rng(0)
    placement = _anatomy.draw_placement(rng)
    spine = _anatomy.lay_out_spine(rng, cobb_angle=15.0, convex=1, n_rows=160, placement=placement)
    grid = _grid.make_grid(160, rng)
    relative, regions = _bones.render_spine(spine, grid, rng)
    density = relative * _bones.scale_to_bmd(relative, regions, spine, grid, bmd)[:, None]
    means = [_grid.region_mean(density, region) for region in regions[_anatomy.LUMBAR]]
    assert_allclose(means, bmd, rtol=1e-4)


def test_scan_follows_the_given_bmd(body_mean):
    bmd = np.array([0.80, 1.30, 0.90, 1.20])
    spine = make_spine_scan(bmd=bmd, random_state=2)
    even = make_spine_scan(bmd=[1.0] * 4, random_state=2)
    # The box holds more than the body, equally in both scans.
    ratio = [
        body_mean(spine.scan, spine.endplates[vertebra])
        / body_mean(even.scan, even.endplates[vertebra])
        for vertebra in range(1, 5)
    ]
    assert_allclose(ratio, bmd, rtol=0.03)
