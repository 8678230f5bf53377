import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from skdxa.exceptions import ScanError
from skdxa.inspection import grad_cam, to_scan
from skdxa.preprocessing import IntensityScaler


def test_maps_go_back_to_where_their_pixels_were(pipeline, scans):
    """Cropped images, placed on the scans, equal the scans inside the crop."""
    images = pipeline[:-1].transform(scans)
    n_rows, n_columns = images.shape[1:]
    placed = to_scan(images, scans, pipeline)
    scaled = pipeline[0].transform(scans)["scan"]
    for scan, on_scan in zip(scaled, placed, strict=True):
        assert on_scan.dtype == np.float32
        assert on_scan.shape == scan.shape
        # The fourth spine stands at the edge, and the third scan is lower than the crop.
        assert 0.6 * n_rows * n_columns < np.isfinite(on_scan).sum() <= n_rows * n_columns
        seen = np.isfinite(on_scan) & np.isfinite(scan)
        np.testing.assert_array_equal(on_scan[seen], scan[seen])
        np.testing.assert_array_equal(
            np.isfinite(on_scan).any(axis=1).sum(), min(n_rows, scan.shape[0])
        )
    nested = make_pipeline(pipeline[0], pipeline[1:])
    for one, other in zip(to_scan(images, scans, nested), placed, strict=True):
        np.testing.assert_array_equal(one, other)


def test_maps_without_a_crop_stay(cnn, X):
    for one, image in zip(to_scan(X, X, make_pipeline(cnn)), X, strict=True):
        np.testing.assert_array_equal(one, image)


class Halve(IntensityScaler):
    """A step of the user's that drops rows."""

    def transform(self, X):
        return X[:, ::2]


def test_a_step_that_cannot_be_undone_is_one_clear_error(cnn, X):
    big = np.repeat(X, 2, axis=1)
    model = make_pipeline(Halve().fit(big), cnn)
    assert grad_cam(model, big).shape == X.shape
    with pytest.raises(ValueError, match=r"The step 'halve' \(Halve\) changes the scans' shapes"):
        to_scan(X, big, model)


def test_maps_that_do_not_fit_are_one_clear_error(pipeline, scans):
    heat = np.zeros((6, 14, 10))
    with pytest.raises(ValueError, match="There are 5 maps for 6 scans"):
        to_scan(heat[:5], scans, pipeline)
    message = r"The scan at index 'a' became an image of shape \(14, 10\); its map .* \(10, 14\)"
    with pytest.raises(ScanError, match=message):
        to_scan(heat.swapaxes(1, 2), scans, pipeline)
