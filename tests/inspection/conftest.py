"""A tiny network and its derivatives in NumPy, scans and a pipeline."""

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from small_network import tiny_network

from skdxa.inspection import (
    class_score,
    feature_maps,
    grad_cam,
    integrated_gradients,
    occlusion,
    smooth_grad,
    vanilla_gradients,
)
from skdxa.preprocessing import HorizontalFlip, IntensityScaler, SpineCropper

# All different, and odd after the first pooling, which then drops a row and a column.
N, ROWS, COLUMNS = 5, 14, 10


METHODS = {
    "class_score": class_score,
    "grad_cam": grad_cam,
    "grad_cam++": lambda *a, **k: grad_cam(*a, variant="grad_cam++", **k),
    "vanilla_gradients": vanilla_gradients,
    "smooth_grad": lambda *a, **k: smooth_grad(*a, n_samples=7, random_state=0, **k),
    "integrated_gradients": lambda *a, **k: integrated_gradients(*a, n_steps=7, **k),
    "occlusion": lambda *a, **k: occlusion(*a, window=5, **k),
    "feature_maps": lambda *a, **k: feature_maps(*a, n_maps=3, random_state=0, **k),
}


def set_random_weights(classifier, seed):
    rng = np.random.default_rng(seed)
    classifier.weights_ = [
        rng.normal(scale=0.5, size=w.shape).astype(np.float32) for w in classifier.weights_
    ]
    return classifier


@pytest.fixture(scope="session")
def tiny():
    """Function that builds the small classifier of these tests."""
    return tiny_network


@pytest.fixture(scope="session")
def with_random_weights():
    """Function that gives a fitted classifier random weights, in place."""
    return set_random_weights


@pytest.fixture(scope="session")
def reference():
    """The network of `tiny` written out in NumPy, a class of (weights, image)."""
    return Reference


@pytest.fixture(scope="session")
def X():
    return np.random.default_rng(0).normal(size=(N, ROWS, COLUMNS)).astype(np.float32)


@pytest.fixture(scope="session")
def cnn(X):
    return set_random_weights(tiny_network().fit(X, [0, 1, 0, 1, 0]), 1)


@pytest.fixture(scope="session")
def truth(cnn, X):
    return [Reference(cnn.weights_, image) for image in X]


@pytest.fixture(scope="session")
def scans():
    """Scans of unequal size with a bright spine and unscanned corners."""
    rng = np.random.default_rng(2)
    scans = []
    for n_rows, centre in zip((18, 21, 12, 19, 20, 18), (12, 16, 14, 4, 15, 13), strict=True):
        scan = rng.normal(0.1, 0.02, size=(n_rows, 30)).astype(np.float32)
        scan[:, centre - 3 : centre + 4] += 1
        scan[:3, :2] = np.nan
        scans.append(scan)
    return pd.DataFrame({"scan": scans, "age": range(6)}, index=list("abcdef"))


@pytest.fixture(scope="session")
def pipeline(scans):
    steps = make_pipeline(
        IntensityScaler(), HorizontalFlip(), SpineCropper(ROWS, COLUMNS), tiny_network()
    )
    return steps.fit(scans, [0, 1, 0, 1, 0, 1])


@pytest.fixture(params=METHODS)
def method(request):
    """Each function that explains images, called as method(model, X)."""
    return METHODS[request.param]


class Reference:
    """The network and its derivatives in float64, written out for one image."""

    def __init__(self, weights, image):
        k1, b1, k2, b2, w1, c1, w2, c2 = (np.asarray(w, float) for w in weights)
        image = np.asarray(image, float)[..., None]
        self.conv1 = convolve(image, k1, b1).clip(min=0)
        pooled1 = pool(self.conv1)
        self.conv2 = convolve(pooled1, k2, b2).clip(min=0)
        pooled2 = pool(self.conv2)
        hidden = pooled2.ravel() @ w1 + c1
        self.score = float((hidden.clip(min=0) @ w2 + c2)[0])

        d_pooled2 = (w1 @ (w2[:, 0] * (hidden > 0))).reshape(pooled2.shape)
        self.d_conv2 = unpool(self.conv2, d_pooled2)
        d_pooled1 = convolve_back(self.d_conv2 * (self.conv2 > 0), k2)
        self.d_conv1 = unpool(self.conv1, d_pooled1)
        self.d_image = convolve_back(self.d_conv1 * (self.conv1 > 0), k1)[..., 0]

    @staticmethod
    def convolve(maps, kernel, bias):
        """Convolve maps (rows, columns, channels), padded with zeros, and add the bias."""
        return convolve(maps, kernel, bias)

    @staticmethod
    def convolve_back(d_result, kernel):
        """Propagate derivatives back through `convolve`."""
        return convolve_back(d_result, kernel)


def convolve(maps, kernel, bias):
    reach = kernel.shape[0] // 2
    padded = np.pad(maps, [(reach, reach), (reach, reach), (0, 0)])
    result = np.zeros((*maps.shape[:2], kernel.shape[3])) + bias
    for i in range(maps.shape[0]):
        for j in range(maps.shape[1]):
            patch = padded[i : i + kernel.shape[0], j : j + kernel.shape[1]]
            result[i, j] += np.einsum("abc,abck->k", patch, kernel)
    return result


def convolve_back(d_result, kernel):
    reach = kernel.shape[0] // 2
    rows, columns = d_result.shape[:2]
    padded = np.zeros((rows + 2 * reach, columns + 2 * reach, kernel.shape[2]))
    for i in range(rows):
        for j in range(columns):
            padded[i : i + kernel.shape[0], j : j + kernel.shape[1]] += kernel @ d_result[i, j]
    return padded[reach : reach + rows, reach : reach + columns]


def pool(maps):
    rows, columns, kernels = maps.shape
    even = maps[: rows // 2 * 2, : columns // 2 * 2]
    return even.reshape(rows // 2, 2, columns // 2, 2, kernels).max(axis=(1, 3))


def unpool(maps, d_pooled):
    """Assign each derivative to the first highest pixel of its window."""
    d_maps = np.zeros_like(maps)
    for i, j, k in np.ndindex(d_pooled.shape):
        window = maps[2 * i : 2 * i + 2, 2 * j : 2 * j + 2, k]
        row, column = np.unravel_index(window.argmax(), window.shape)
        d_maps[2 * i + row, 2 * j + column, k] = d_pooled[i, j, k]
    return d_maps
