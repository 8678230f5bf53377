import numpy as np
from scan_collections import scans_of_unequal_size

from skdxa.preprocessing import (
    HorizontalFlip,
)


def test_flipping_mirrors_columns_and_nothing_else():
    scans = scans_of_unequal_size()
    scans[0][3, 5] = np.nan
    flipped = HorizontalFlip().fit_transform(scans)
    for scan, mirror in zip(scans, flipped, strict=True):
        np.testing.assert_array_equal(mirror, scan[:, ::-1])
        assert mirror.flags.c_contiguous
        assert not np.shares_memory(mirror, scan)
    for scan, back in zip(scans, HorizontalFlip().inverse_transform(flipped), strict=True):
        np.testing.assert_array_equal(back, scan)
