"""Many scans on one page."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from skdxa.displays import ContactSheetDisplay
from skdxa.exceptions import ScanError
from skdxa.scan_dtype import ScanArray

SCANS = [np.linspace(0, 1, 63).reshape(7, 9), np.full((8, 9), np.nan), np.ones((7, 10))]
SCANS[1][2, 3] = 0.5


def test_a_page_of_scans():
    display = ContactSheetDisplay.from_scans(
        SCANS,
        names=["row 2\na.npy", "row 3\na_very_long_name_of_a.npy", "row 4\nc.npy"],
        remarks=["", "saturated: 10 % at the largest value", ""],
        title="Simulated scans",
        n_columns=2,
    )
    assert len(display.axes_) == len(display.images_) == 3
    for image, scan in zip(display.images_, SCANS, strict=True):
        shown = np.ma.filled(image.get_array().astype(float), np.nan)
        np.testing.assert_allclose(shown, scan, rtol=1e-6)
    texts = [label.get_text() for label in display.labels_]
    assert texts[0] == "row 2\na.npy"
    assert texts[1].splitlines()[:2] == ["row 3", "a_very_\u2026of_a.npy"]
    assert max(map(len, texts[1].splitlines())) <= 17
    assert display.axes_[1].spines["left"].get_linewidth() == 2
    assert display.axes_[0].spines["left"].get_linewidth() < 2
    assert display.figure_.get_suptitle() == "Simulated scans"
    frame = display.frame()
    assert frame["remark"].tolist() == ["", "saturated: 10 % at the largest value", ""]
    assert frame["median"].tolist() == [0.5, 0.5, 1.0]


def test_scans_keep_their_proportions_and_spacing():
    table = pd.DataFrame({"scan": ScanArray([np.ones((7, 9))] * 2, (2.0, 0.5), "g/cm2")})
    display = ContactSheetDisplay.from_scans(table, figure=Figure(), style={"label": {"size": 9}})
    assert display.images_[0].get_extent() == [0, 4.5, 14, 0]
    assert display.labels_[0].get_fontsize() == 9
    assert [label.get_text() for label in display.labels_] == ["0", "1"]


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="remarks has 1 texts for 3 scans"):
        ContactSheetDisplay.from_scans(SCANS, remarks=["odd"])
    with pytest.raises(ValueError, match="style has no artist 'images'"):
        ContactSheetDisplay.from_scans(SCANS, style={"images": {}})
    with pytest.raises(ScanError, match="Scan 1 must be a two-dimensional array"):
        ContactSheetDisplay.from_scans([np.ones((7, 9)), np.ones(7)])
