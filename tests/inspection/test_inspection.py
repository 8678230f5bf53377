import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage, special
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils._param_validation import InvalidParameterError

from skdxa.classification import SpineCNNClassifier
from skdxa.classification._lending import Architecture, lend
from skdxa.exceptions import ScanError
from skdxa.inspection import (
    class_score,
    feature_maps,
    grad_cam,
    integrated_gradients,
    maximize_activation,
    occlusion,
    smooth_grad,
    to_scan,
    vanilla_gradients,
)
from skdxa.preprocessing import HorizontalFlip, IntensityScaler, SpineCropper

# All different, and odd after the first pooling, which then drops a row and a column.
N, ROWS, COLUMNS = 5, 14, 10


def tiny(**changes):
    settings = {
        "filters": (3, 4),
        "kernel_size": 3,
        "dense_units": 6,
        "epochs": 1,
        "validation_fraction": 0,
        "precision": "float32",
        "random_state": 0,
    }
    return SpineCNNClassifier(**{**settings, **changes})


def with_random_weights(classifier, seed):
    rng = np.random.default_rng(seed)
    classifier.weights_ = [
        rng.normal(scale=0.5, size=w.shape).astype(np.float32) for w in classifier.weights_
    ]
    return classifier


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(N, ROWS, COLUMNS)).astype(np.float32)


@pytest.fixture(scope="module")
def cnn(X):
    return with_random_weights(tiny().fit(X, [0, 1, 0, 1, 0]), 1)


@pytest.fixture(scope="module")
def truth(cnn, X):
    return [Reference(cnn.weights_, image) for image in X]


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
    """Hand each derivative to the first pixel of its window that is the highest."""
    d_maps = np.zeros_like(maps)
    for i, j, k in np.ndindex(d_pooled.shape):
        window = maps[2 * i : 2 * i + 2, 2 * j : 2 * j + 2, k]
        row, column = np.unravel_index(window.argmax(), window.shape)
        d_maps[2 * i + row, 2 * j + column, k] = d_pooled[i, j, k]
    return d_maps


def enlarge(coarse, shape):
    """Bilinear, pixels being squares whose outer edges coincide."""
    at = [
        (np.arange(large) + 0.5) * small / large - 0.5
        for small, large in zip(coarse.shape, shape, strict=True)
    ]
    return ndimage.map_coordinates(
        coarse, np.meshgrid(*at, indexing="ij"), order=1, mode="nearest"
    )


def heat_of(maps, gradients, variant):
    if variant == "grad_cam":
        weights = gradients.mean(axis=(0, 1))
    elif variant == "grad_cam++":
        weights = np.zeros(maps.shape[2])
        for i, j, k in np.ndindex(maps.shape):
            g = gradients[i, j, k]
            if g > 0:
                weights[k] += g * g**2 / (2 * g**2 + maps[..., k].sum() * g**3)
    else:
        weights = gradients
    return enlarge((weights * maps).sum(axis=2).clip(min=0), (ROWS, COLUMNS))


def test_the_reference_is_the_network(cnn, X, truth):
    probability = special.expit([reference.score for reference in truth])
    np.testing.assert_allclose(probability, cnn.predict_proba(X)[:, 1], atol=1e-6)


def test_class_score_is_what_the_sigmoid_is_taken_of(cnn, X, truth):
    expected = [reference.score for reference in truth]
    np.testing.assert_allclose(class_score(cnn, X), expected, atol=1e-4)
    np.testing.assert_allclose(class_score(cnn, X, target=0), -np.array(expected), atol=1e-4)


@pytest.mark.parametrize("layer", [None, "conv1", "conv2"])
@pytest.mark.parametrize("target", [None, 0, 1])
@pytest.mark.parametrize("variant", ["grad_cam", "grad_cam++", "hires_cam"])
def test_grad_cam_equals_the_formula(cnn, X, truth, variant, target, layer):
    sign = -1 if target == 0 else 1
    expected = [
        heat_of(r.conv1, sign * r.d_conv1, variant)
        if layer == "conv1"
        else heat_of(r.conv2, sign * r.d_conv2, variant)
        for r in truth
    ]
    options = {"layer": layer, "target": target, "variant": variant}
    heat = grad_cam(cnn, X, normalize=False, **options)
    assert heat.shape == X.shape
    assert heat.dtype == np.float32
    assert heat.max() > 0
    np.testing.assert_allclose(heat, expected, rtol=1e-4, atol=1e-4)
    highest = heat.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(
        grad_cam(cnn, X, **options), heat / np.where(highest > 0, highest, 1), atol=1e-6
    )


def test_vanilla_gradients_equal_backpropagation_by_hand(cnn, X, truth):
    expected = np.stack([reference.d_image for reference in truth])
    gradients = vanilla_gradients(cnn, X)
    assert gradients.dtype == np.float32
    np.testing.assert_allclose(gradients, expected, atol=1e-4)
    np.testing.assert_array_equal(vanilla_gradients(cnn, X, target=0), -gradients)


def test_vanilla_gradients_equal_finite_differences(cnn, X):
    gradients = vanilla_gradients(cnn, X[:2])
    step = 1e-6
    for image, gradient in zip(X[:2], gradients, strict=True):
        for pixel in [(0, 0), (3, 8), (7, 4), (13, 9), (12, 1)]:
            bump = np.zeros(image.shape)
            bump[pixel] = step
            up, down = (Reference(cnn.weights_, image + s * bump).score for s in (1, -1))
            assert gradient[pixel] == pytest.approx((up - down) / (2 * step), abs=1e-3)


def test_smooth_grad_is_the_mean_gradient_of_noisy_copies(cnn, X):
    np.testing.assert_allclose(
        smooth_grad(cnn, X, noise=0, n_samples=3), vanilla_gradients(cnn, X), atol=1e-6
    )
    maps = smooth_grad(cnn, X, n_samples=400, noise=0.1, random_state=0)
    rng = np.random.default_rng(7)
    noisy = X[2] + 0.1 * np.ptp(X[2]) * rng.normal(size=(4000, ROWS, COLUMNS))
    gradients = vanilla_gradients(cnn, noisy)
    error = gradients.std(axis=0) * np.sqrt(1 / 400 + 1 / 4000)
    assert (np.abs(maps[2] - gradients.mean(axis=0)) < 5 * error + 1e-6).all()
    np.testing.assert_array_equal(
        smooth_grad(cnn, X, n_samples=4, target=0, random_state=0),
        -smooth_grad(cnn, X, n_samples=4, random_state=0),
    )


@pytest.mark.parametrize("baseline", ["tissue", 0.25, "image"])
def test_integrated_gradients_sum_to_the_difference_of_scores(cnn, X, baseline):
    if baseline == "image":
        baseline = np.linspace(-1, 1, ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    maps = integrated_gradients(cnn, X, baseline=baseline, n_steps=1000)
    if isinstance(baseline, str):
        level = [np.sort(image.ravel())[(image.size - 1) // 4] for image in X]
        without = np.broadcast_to(np.array(level)[:, None, None], X.shape)
    else:
        without = np.broadcast_to(baseline, X.shape)
    difference = class_score(cnn, X) - class_score(cnn, without)
    assert np.abs(difference).min() > 0.02
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), difference, atol=5e-3)
    other = integrated_gradients(cnn, X, baseline=baseline, n_steps=1000, target=0)
    np.testing.assert_array_equal(other, -maps)


@pytest.mark.parametrize(
    ("window", "stride", "size", "steps"),
    [((5, 3), (4, 2), (5, 3), (4, 2)), (4, 3, (4, 4), (3, 3)), (None, None, (2, 1), (1, 1))],
)
def test_occlusion_is_the_mean_drop_of_the_windows_over_a_pixel(
    cnn, X, window, stride, size, steps
):
    maps = occlusion(cnn, X[:2], window=window, stride=stride, fill=0.5)
    for image, found in zip(X[:2], maps, strict=True):
        whole = Reference(cnn.weights_, image).score
        drops = [[[] for _ in range(COLUMNS)] for _ in range(ROWS)]
        tops = [*range(0, ROWS - size[0], steps[0]), ROWS - size[0]]
        lefts = [*range(0, COLUMNS - size[1], steps[1]), COLUMNS - size[1]]
        for top in tops:
            for left in lefts:
                covered = image.copy()
                covered[top : top + size[0], left : left + size[1]] = 0.5
                drop = whole - Reference(cnn.weights_, covered).score
                for i in range(top, top + size[0]):
                    for j in range(left, left + size[1]):
                        drops[i][j].append(drop)
        expected = [[np.mean(pixel) for pixel in row] for row in drops]
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_occlusion_of_the_other_class_and_with_tissue(cnn, X):
    maps = occlusion(cnn, X, window=4)
    np.testing.assert_allclose(occlusion(cnn, X, window=4, target=0), -maps, atol=1e-6)
    uniform = np.full((1, ROWS, COLUMNS), 0.7)
    np.testing.assert_allclose(occlusion(cnn, uniform, window=4), 0, atol=1e-5)


@pytest.mark.parametrize(("layer", "name"), [(None, "conv2"), ("conv1", "conv1")])
def test_feature_maps_are_those_before_pooling(cnn, X, truth, layer, name):
    expected = np.moveaxis(np.stack([getattr(reference, name) for reference in truth]), -1, 1)
    maps = feature_maps(cnn, X, layer=layer, n_maps=None)
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps, expected, atol=1e-4)
    np.testing.assert_array_equal(feature_maps(cnn, X, layer=layer, units=[2, 0]), maps[:, [2, 0]])
    drawn = feature_maps(cnn, X, layer=layer, n_maps=2, random_state=3)
    assert drawn.shape == (N, 2, *maps.shape[2:])
    same = [(maps[0] == one).all(axis=(1, 2)).argmax() for one in drawn[0]]
    assert same == sorted(set(same))


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


@pytest.mark.parametrize("method", METHODS)
def test_the_batch_and_the_company_do_not_matter(cnn, X, method):
    expected = METHODS[method](cnn, X)
    for batch_size in (1, 2, 3):
        np.testing.assert_allclose(
            METHODS[method](cnn, X, batch_size=batch_size), expected, atol=1e-5
        )
    np.testing.assert_allclose(METHODS[method](cnn, X[3:4])[0], expected[3], atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_kinds_of_input_give_the_same(cnn, X, method):
    expected = METHODS[method](cnn, X)
    table = pd.DataFrame({"age": range(N), "scan": list(X)}, index=range(5, 5 + N))
    for kind in (list(X), table, table["scan"], X.astype(float)):
        np.testing.assert_array_equal(METHODS[method](cnn, kind), expected)


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def pipeline(scans):
    steps = make_pipeline(IntensityScaler(), HorizontalFlip(), SpineCropper(ROWS, COLUMNS), tiny())
    return steps.fit(scans, [0, 1, 0, 1, 0, 1])


@pytest.mark.parametrize("method", METHODS)
def test_a_pipeline_explains_what_its_classifier_gets(pipeline, scans, method):
    images = pipeline[:-1].transform(scans)
    expected = METHODS[method](pipeline[-1], images)
    np.testing.assert_array_equal(METHODS[method](pipeline, scans), expected)
    nested = make_pipeline(pipeline[0], None, "passthrough", pipeline[1:])
    np.testing.assert_array_equal(METHODS[method](nested, scans), expected)
    np.testing.assert_array_equal(METHODS[method](make_pipeline(pipeline[-1]), images), expected)


def test_maps_go_back_to_where_their_pixels_were(pipeline, scans):
    """The images themselves, put on the scans, are the scans where they were cropped."""
    images = pipeline[:-1].transform(scans)
    placed = to_scan(images, scans, pipeline)
    scaled = pipeline[0].transform(scans)["scan"]
    for scan, on_scan in zip(scaled, placed, strict=True):
        assert on_scan.dtype == np.float32
        assert on_scan.shape == scan.shape
        # The fourth spine stands at the edge, and the third scan is lower than the crop.
        assert 0.6 * ROWS * COLUMNS < np.isfinite(on_scan).sum() <= ROWS * COLUMNS
        seen = np.isfinite(on_scan) & np.isfinite(scan)
        np.testing.assert_array_equal(on_scan[seen], scan[seen])
        np.testing.assert_array_equal(
            np.isfinite(on_scan).any(axis=1).sum(), min(ROWS, scan.shape[0])
        )
    nested = make_pipeline(pipeline[0], pipeline[1:])
    for one, other in zip(to_scan(images, scans, nested), placed, strict=True):
        np.testing.assert_array_equal(one, other)


def test_maps_without_a_crop_stay(cnn, X):
    for one, image in zip(to_scan(X, X, make_pipeline(cnn)), X, strict=True):
        np.testing.assert_array_equal(one, image)


class Halve(IntensityScaler):
    """A step of one's own that drops rows."""

    def transform(self, X):
        return X[:, ::2]


def test_a_step_that_cannot_be_undone_is_one_clear_error(cnn, X):
    big = np.repeat(X, 2, axis=1)
    model = make_pipeline(Halve().fit(big), cnn)
    assert grad_cam(model, big).shape == X.shape
    with pytest.raises(ValueError, match=r"The step 'halve' \(Halve\) changes the scans' shapes"):
        to_scan(X, big, model)


def test_maps_that_do_not_fit_are_one_clear_error(pipeline, scans):
    heat = np.zeros((6, ROWS, COLUMNS))
    with pytest.raises(ValueError, match="There are 5 maps for 6 scans"):
        to_scan(heat[:5], scans, pipeline)
    message = r"The scan of row 'a' became an image of shape \(14, 10\); its map .* \(10, 14\)"
    with pytest.raises(ScanError, match=message):
        to_scan(heat.swapaxes(1, 2), scans, pipeline)


def test_maximized_pictures_excite_their_kernels(cnn):
    units = [3, 1]
    options = {"units": units, "learning_rate": 0.2, "n_steps": 60}
    pictures = maximize_activation(cnn, random_state=0, **options)
    assert pictures.shape == (2, ROWS, COLUMNS)
    assert pictures.dtype == np.float32
    excited = feature_maps(cnn, pictures, n_maps=None).mean(axis=(2, 3))
    rng = np.random.default_rng(0)
    spread = np.sqrt((pictures**2).mean(axis=(1, 2)))
    assert (spread < 4).all()
    for picture, unit in enumerate(units):
        noise = spread[picture] * rng.normal(size=(50, ROWS, COLUMNS))
        by_noise = feature_maps(cnn, noise, units=[unit]).mean(axis=(2, 3))
        assert excited[picture, unit] > 1.5 * by_noise.max()


def test_one_step_goes_uphill_and_decays(cnn):
    """Against the ascent written out with the reference's derivatives."""
    options = {"units": [2], "learning_rate": 0.2, "layer": "conv1", "random_state": 0}
    (picture,) = maximize_activation(cnn, n_steps=1, l2=0.25, **options)
    kernel, bias = (np.asarray(w, float) for w in cnn.weights_[:2])
    start = np.random.RandomState(0).normal(scale=0.4, size=(ROWS, COLUMNS))
    linear = convolve(start[..., None], kernel, bias)[..., 2]
    uphill = np.where(linear > 0, 1.0, 0.1)[..., None] * np.eye(3)[2]
    gradient = convolve_back(uphill, kernel)[..., 0]
    gradient /= np.sqrt((gradient**2).mean())
    np.testing.assert_allclose(picture, 0.75 * (start + 0.2 * gradient), atol=1e-4)

    sharp = maximize_activation(cnn, n_steps=4, l2=0, blur=0, **options)
    smooth = maximize_activation(cnn, n_steps=4, l2=0, blur=0.8, **options)
    np.testing.assert_allclose(smooth[0], ndimage.gaussian_filter(sharp[0], 0.8), atol=1e-5)


def test_maximized_pictures_do_not_depend_on_the_batch(cnn):
    options = {"n_units": None, "learning_rate": 1, "n_steps": 8, "random_state": 0}
    together = maximize_activation(cnn, **options)
    assert together.shape == (4, ROWS, COLUMNS)
    np.testing.assert_allclose(
        maximize_activation(cnn, batch_size=3, **options), together, atol=1e-5
    )


def test_the_same_kernels_are_drawn_for_maps_and_pictures(cnn, X):
    rng = np.random.RandomState(5)
    units = sorted(rng.permutation(4)[:2])
    np.testing.assert_array_equal(
        feature_maps(cnn, X, n_maps=2, random_state=5), feature_maps(cnn, X, units=units)
    )
    options = {"learning_rate": 1, "n_steps": 3}
    np.testing.assert_array_equal(
        maximize_activation(cnn, n_units=2, random_state=5, **options),
        maximize_activation(cnn, units=units, random_state=rng, **options),
    )


def test_a_kernel_that_nothing_excites_is_reported(X):
    dead = with_random_weights(tiny().fit(X, [0, 1, 0, 1, 0]), 1)
    dead.weights_[3][1] = -100
    with pytest.warns(RuntimeWarning, match=r"excites the kernels \[1\] of conv2: their"):
        maximize_activation(dead, units=[0, 1], n_steps=3, random_state=0)


@pytest.mark.parametrize(
    "method",
    [
        lambda cnn, X, seed: smooth_grad(cnn, X, n_samples=3, random_state=seed),
        lambda cnn, X, seed: feature_maps(cnn, X, n_maps=2, random_state=seed),
        lambda cnn, X, seed: maximize_activation(cnn, n_units=2, n_steps=3, random_state=seed),
    ],
    ids=["smooth_grad", "feature_maps", "maximize_activation"],
)
def test_the_seed_decides(cnn, X, method):
    first = method(cnn, X, 0)
    np.testing.assert_array_equal(method(cnn, X, 0), first)
    np.testing.assert_array_equal(method(cnn, X, np.random.RandomState(0)), first)
    assert any(not np.array_equal(method(cnn, X, seed), first) for seed in (1, 2, 3))


def test_other_weights_give_other_maps_and_back_again(cnn, X):
    first = grad_cam(cnn, X)
    other = with_random_weights(tiny().fit(X, [0, 1, 0, 1, 0]), 2)
    assert not np.allclose(grad_cam(other, X), first)
    np.testing.assert_array_equal(grad_cam(cnn, X), first)


def test_float32_whatever_the_precision_of_training(cnn, X):
    other = tiny(precision="bfloat16").fit(X, [0, 1, 0, 1, 0])
    other.weights_ = cnn.weights_
    for method in METHODS.values():
        np.testing.assert_array_equal(method(other, X), method(cnn, X))


def test_float32_whatever_keras_is_set_to(X):
    """A shape and a layer that nothing else has asked for, so that all is built now."""
    wide = np.pad(X, [(0, 0), (0, 0), (0, 2)])
    classifier = with_random_weights(tiny().fit(wide, [0, 1, 0, 1, 0]), 1)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        maps = feature_maps(classifier, wide, n_maps=None)
        gradients = vanilla_gradients(classifier, wide)
    finally:
        keras.config.set_dtype_policy(policy)
    references = [Reference(classifier.weights_, image) for image in wide]
    np.testing.assert_allclose(np.moveaxis(maps, 1, -1), [r.conv2 for r in references], atol=1e-4)
    np.testing.assert_allclose(gradients, [r.d_image for r in references], atol=1e-4)


def test_nothing_is_traced_twice(cnn, X):
    def ask(images, batch_size):
        grad_cam(cnn, images, batch_size=batch_size)
        vanilla_gradients(cnn, images, batch_size=batch_size)
        maximize_activation(cnn, n_units=2, n_steps=2, random_state=0)

    ask(X, 2)
    with lend(Architecture.for_prediction(cnn, cnn.image_shape_)) as network:
        functions = dict(network.views._functions)
    ask(list(X[:3]), 3)
    ask(X.astype(float), 1)
    with lend(Architecture.for_prediction(cnn, cnn.image_shape_)) as network:
        assert network.views._functions == functions
    for function in functions.values():
        assert function.experimental_get_tracing_count() == 1


def sequential(shape):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((*shape, 1)),
            layers.Conv2D(3, 3, padding="same", activation="relu", name="first"),
            layers.MaxPooling2D(2, name="pool1"),
            layers.Conv2D(4, 3, padding="same", activation="relu", name="second"),
            layers.MaxPooling2D(2, name="pool2"),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(6, activation="relu"),
            layers.Dense(1),
            layers.Activation("sigmoid"),
        ]
    )


def test_a_network_of_ones_own_gives_the_same(cnn, X):
    """The paper's layers, built of Keras's own."""
    own = tiny(network=sequential).fit(X, [0, 1, 0, 1, 0])
    own.weights_ = cnn.weights_
    for name, method in METHODS.items():
        np.testing.assert_allclose(method(own, X), method(cnn, X), atol=1e-4, err_msg=name)
    np.testing.assert_allclose(
        grad_cam(own, X, layer="first"), grad_cam(cnn, X, layer="conv1"), atol=1e-4
    )
    pooled = feature_maps(own, X, layer="pool2", n_maps=None)
    assert pooled.shape == (N, 4, 3, 2)
    with pytest.raises(
        ValueError, match="no convolution layer 'conv1'; it has first, pool1, seco"
    ):
        grad_cam(own, X, layer="conv1")
    pictures = maximize_activation(own, learning_rate=1, n_steps=3, random_state=0)
    assert pictures.shape == (4, ROWS, COLUMNS)


def branching(shape):
    inputs = keras.Input((*shape, 1))
    maps = keras.layers.Conv2D(3, 3, padding="same", name="entry")(inputs)
    maps = keras.layers.ReLU(name="entry_relu")(maps)
    side = keras.layers.Conv2D(3, 1, name="side")(maps)
    maps = keras.layers.Add(name="sum")([maps, side])
    features = keras.layers.GlobalAveragePooling2D(keepdims=True, name="mean")(maps)
    features = keras.layers.Flatten()(features)
    evidence = keras.layers.Dense(1, activation="softplus", name="evidence")(features)
    return keras.Model(inputs, evidence / (1 + evidence))


def test_a_network_with_branches_and_without_a_sigmoid(X):
    own = tiny(network=branching).fit(X, [0, 1, 0, 1, 0])
    probability = own.predict_proba(X)[:, 1]
    np.testing.assert_allclose(class_score(own, X), special.logit(probability), atol=1e-4)
    np.testing.assert_array_equal(
        grad_cam(own, X), grad_cam(own, X, layer="sum"), "the last maps are those of the sum"
    )
    step = np.zeros((1, ROWS, COLUMNS), np.float32)
    step[0, 6, 4] = 1e-2
    slope = (class_score(own, X + step) - class_score(own, X - step)) / 2e-2
    np.testing.assert_allclose(vanilla_gradients(own, X)[:, 6, 4], slope, atol=1e-3)


def flat(shape):
    """In double precision at the end, so that a cast stands behind the sigmoid."""
    inputs = keras.Input((*shape, 1))
    output = keras.layers.Dense(1, activation="sigmoid", dtype="float64")
    probability = output(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, keras.ops.cast(probability, "float32"))


def pooled_only(shape):
    inputs = keras.Input((*shape, 1))
    features = keras.layers.Flatten()(keras.layers.MaxPooling2D(2, name="pool")(inputs))
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(features))


def test_a_network_without_convolutions(X):
    linear = tiny(network=flat).fit(X, [0, 1, 0, 1, 0])
    np.testing.assert_allclose(
        vanilla_gradients(linear, X),
        np.broadcast_to(linear.weights_[0].reshape(ROWS, COLUMNS), X.shape),
        atol=1e-6,
    )
    bright = 1000 * np.abs(linear.weights_[0].reshape(1, ROWS, COLUMNS))
    linear.weights_[0] = np.abs(linear.weights_[0])
    assert linear.predict_proba(bright)[0, 1] == 1
    assert 100 < class_score(linear, bright)[0] < np.inf
    with pytest.raises(ValueError, match="The network has no layer that returns maps"):
        grad_cam(linear, X)
    pooled = tiny(network=pooled_only).fit(X, [0, 1, 0, 1, 0])
    assert feature_maps(pooled, X).shape == (N, 1, ROWS // 2, COLUMNS // 2)


def test_labels_of_any_kind_are_targets(cnn, X):
    named = tiny().fit(X, np.array(["healthy", "scoliosis"])[[0, 1, 0, 1, 0]])
    score = class_score(named, X)
    np.testing.assert_array_equal(class_score(named, X, target="scoliosis"), score)
    np.testing.assert_array_equal(class_score(named, X, target="healthy"), -score)
    message = r"target must be one of the classes \['healthy', 'scoliosis'\]; got 1\."
    with pytest.raises(ValueError, match=message):
        grad_cam(named, X, target=1)


def test_an_image_without_evidence_has_an_empty_map(cnn, X):
    blind = with_random_weights(tiny().fit(X, [0, 1, 0, 1, 0]), 1)
    blind.weights_[6] = -np.abs(blind.weights_[6])
    blind.weights_[4] = np.abs(blind.weights_[4])
    np.testing.assert_array_equal(grad_cam(blind, X), 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda cnn, X: grad_cam(cnn, X, layer="conv9"), "layer 'conv9'; it has conv1, conv2\\."),
        (lambda cnn, X: feature_maps(cnn, X, layer="dense"), "layer 'dense'; it has conv1, conv2"),
        (lambda cnn, X: maximize_activation(cnn, layer="x"), "layer 'x'; it has conv1, conv2"),
        (
            lambda cnn, X: feature_maps(cnn, X, units=[4]),
            "between 0 and 3, as conv2 has 4 kernels",
        ),
        (lambda cnn, X: feature_maps(cnn, X, units=[-1]), r"between 0 and 3.*got \[-1\]"),
        (lambda cnn, X: maximize_activation(cnn, units=[]), r"one or more whole.*got \[\]"),
        (lambda cnn, X: maximize_activation(cnn, units=[0.5]), r"whole numbers; got \[0.5\]"),
        (
            lambda cnn, X: occlusion(cnn, X, window=(3, 12)),
            "3 rows by 12 columns, larger than the",
        ),
        (lambda cnn, X: occlusion(cnn, X, window=3, stride=4), "stride is 4 .* window, 3 by 3"),
        (lambda cnn, X: occlusion(cnn, X, window=(3, 0)), r"window must be one or two.*\(3, 0\)"),
        (lambda cnn, X: occlusion(cnn, X, window=(3,)), "window must be one or two positive"),
        (lambda cnn, X: occlusion(cnn, X, fill=[1, 2]), r"fill must be 'tissue'.*shape \(2,\)"),
        (
            lambda cnn, X: integrated_gradients(cnn, X, baseline=np.nan),
            r"baseline must be 'tissue', a number or an image of shape \(14, 10\) without NaN",
        ),
        (lambda cnn, X: grad_cam(cnn, X[:, :9]), r"Scan 0 has shape \(9, 10\)"),
        (lambda cnn, X: grad_cam(cnn, X[0]), "single scan into a list"),
    ],
)
def test_bad_input_is_one_clear_error(cnn, X, call, message):
    with pytest.raises(ValueError, match=message):
        call(cnn, X)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        (grad_cam, {"variant": "cam"}),
        (grad_cam, {"batch_size": 0}),
        (grad_cam, {"normalize": "yes"}),
        (grad_cam, {"layer": 4}),
        (vanilla_gradients, {"batch_size": 2.5}),
        (smooth_grad, {"noise": -0.1}),
        (smooth_grad, {"n_samples": 0}),
        (integrated_gradients, {"n_steps": 0}),
        (integrated_gradients, {"baseline": "black"}),
        (occlusion, {"window": 2.5}),
        (feature_maps, {"n_maps": 0}),
    ],
)
def test_a_bad_parameter_is_told_in_scikit_learns_words(cnn, X, method, options):
    (name,) = options
    message = f"The '{name}' parameter of {method.__name__} must be"
    with pytest.raises(InvalidParameterError, match=message):
        method(cnn, X, **options)


@pytest.mark.parametrize(
    "options", [{"l2": 1.0}, {"learning_rate": 0}, {"blur": -1}, {"n_steps": 0}, {"n_units": 0}]
)
def test_a_bad_parameter_of_the_ascent(cnn, options):
    (name,) = options
    with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter of maximize_activ"):
        maximize_activation(cnn, **options)


def test_models_that_cannot_be_explained(cnn, X):
    with pytest.raises(NotFittedError):
        grad_cam(tiny(), X)
    with pytest.raises(TypeError, match=r"SpineCNNClassifier or a Pipeline .*; got Logist"):
        grad_cam(LogisticRegression(), X)
    pipeline = make_pipeline(HorizontalFlip(), LogisticRegression())
    with pytest.raises(TypeError, match="got a Pipeline that ends in LogisticRegression"):
        maximize_activation(pipeline)
    search = GridSearchCV(tiny(), {"epochs": [1]})
    search.best_estimator_ = cnn
    with pytest.raises(TypeError, match=r"got GridSearchCV\. Pass its best_estimator_\."):
        grad_cam(search, X)


def test_import_loads_no_tensorflow():
    code = "import sys, skdxa.inspection; print({'tensorflow', 'keras'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
