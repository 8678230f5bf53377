import numpy as np
import pytest
from sklearn.utils._param_validation import InvalidParameterError

from skdxa.inspection import occlusion


@pytest.mark.parametrize(
    ("window", "stride", "size", "steps"),
    [((5, 3), (4, 2), (5, 3), (4, 2)), (4, 3, (4, 4), (3, 3)), (None, None, (2, 1), (1, 1))],
)
def test_occlusion_is_the_mean_drop_of_the_windows_over_a_pixel(
    cnn, X, reference, window, stride, size, steps
):
    n_rows, n_columns = X.shape[1:]
    maps = occlusion(cnn, X[:2], window=window, stride=stride, fill=0.5)
    for image, found in zip(X[:2], maps, strict=True):
        whole = reference(cnn.weights_, image).score
        drops = [[[] for _ in range(n_columns)] for _ in range(n_rows)]
        tops = [*range(0, n_rows - size[0], steps[0]), n_rows - size[0]]
        lefts = [*range(0, n_columns - size[1], steps[1]), n_columns - size[1]]
        for top in tops:
            for left in lefts:
                covered = image.copy()
                covered[top : top + size[0], left : left + size[1]] = 0.5
                drop = whole - reference(cnn.weights_, covered).score
                for i in range(top, top + size[0]):
                    for j in range(left, left + size[1]):
                        drops[i][j].append(drop)
        expected = [[np.mean(pixel) for pixel in row] for row in drops]
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_occlusion_of_the_other_class_and_with_tissue(cnn, X):
    maps = occlusion(cnn, X, window=4)
    np.testing.assert_allclose(occlusion(cnn, X, window=4, target=0), -maps, atol=1e-6)
    uniform = np.full((1, *X.shape[1:]), 0.7)
    np.testing.assert_allclose(occlusion(cnn, uniform, window=4), 0, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": (3, 12)}, "3 rows by 12 columns, larger than the image, 14 by 10"),
        ({"window": 3, "stride": 4}, "stride is 4 .* window, 3 by 3"),
        ({"window": (3, 0)}, r"window must be one or two.*\(3, 0\)"),
        ({"window": (3,)}, "window must be one or two positive"),
        ({"fill": [1, 2]}, r"fill must be 'tissue'.*shape \(2,\)"),
    ],
)
def test_bad_input_is_one_clear_error(cnn, X, options, message):
    with pytest.raises(ValueError, match=message):
        occlusion(cnn, X, **options)


def test_a_bad_parameter_raises_scikit_learns_error(cnn, X):
    with pytest.raises(InvalidParameterError, match="The 'window' parameter of occlusion must be"):
        occlusion(cnn, X, window=2.5)
