"""Single scans with chosen anatomy and pathology."""

import numpy as np
import pytest

from skdxa.simulation import make_spine_scan


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cobb_angle": -1}, "cobb_angle"),
        ({"convex": "up"}, "convex"),
        ({"n_rows": 149}, "n_rows"),
        ({"tbs": 9}, "tbs"),
        ({"bmd": [1, 1, 1]}, r"bmd must hold four numbers from 0\.4 to 2 \(g/cm2\)"),
        ({"bmd": [1, 1, 1, np.nan]}, "one for each of L1 to L4; got"),
        ({"degeneration": [0, 0, 0, 9]}, r"degeneration must hold four numbers from 0 to 4"),
        ({"osteophytes": [0, 0, 0, -1]}, r"osteophytes must hold four numbers"),
        ({"slip_mm": [0, 0, 0, 16]}, r"slip_mm must hold four numbers from -15 to 15 \(mm\)"),
        ({"size": [1.0, 2.0]}, "size must hold two numbers .* each of height and width"),
        ({"motion_mm": -1}, "motion_mm"),
        ({"fractured": ["L6"]}, "fractured must name vertebrae of L1 to L4; got 'L6'"),
        ({"rods": ["T12"]}, "rods must name vertebrae of L1 to L4; got 'T12'"),
    ],
)
def test_bad_scan_parameters(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_spine_scan(**arguments)
