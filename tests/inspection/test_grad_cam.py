import keras
import numpy as np
import pytest
from scipy import ndimage
from sklearn.pipeline import make_pipeline
from sklearn.utils._param_validation import InvalidParameterError

from skdxa.classification import SpineCNNClassifier
from skdxa.inspection import grad_cam, localization_score, randomized
from skdxa.preprocessing import HorizontalFlip, SpineCropper
from skdxa.simulation import make_spine_scan

SIZE = 150
N_TRAIN, N = 600, 700


def enlarge(coarse, shape):
    """Bilinear, pixels being squares whose outer edges coincide."""
    at = [
        (np.arange(large) + 0.5) * small / large - 0.5
        for small, large in zip(coarse.shape, shape, strict=True)
    ]
    return ndimage.map_coordinates(
        coarse, np.meshgrid(*at, indexing="ij"), order=1, mode="nearest"
    )


def heat_of(maps, gradients, variant, shape):
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
    return enlarge((weights * maps).sum(axis=2).clip(min=0), shape)


@pytest.mark.parametrize("layer", [None, "conv1", "conv2"])
@pytest.mark.parametrize("target", [None, 0, 1])
@pytest.mark.parametrize("variant", ["grad_cam", "grad_cam++", "hires_cam"])
def test_grad_cam_equals_the_formula(cnn, X, truth, variant, target, layer):
    sign = -1 if target == 0 else 1
    expected = [
        heat_of(r.conv1, sign * r.d_conv1, variant, X.shape[1:])
        if layer == "conv1"
        else heat_of(r.conv2, sign * r.d_conv2, variant, X.shape[1:])
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


def test_other_weights_give_other_maps_and_back_again(cnn, X, tiny, with_random_weights):
    first = grad_cam(cnn, X)
    other = with_random_weights(tiny().fit(X, [0, 1, 0, 1, 0]), 2)
    assert not np.allclose(grad_cam(other, X), first)
    np.testing.assert_array_equal(grad_cam(cnn, X), first)


def test_an_image_without_evidence_has_an_empty_map(X, tiny, with_random_weights):
    blind = with_random_weights(tiny().fit(X, [0, 1, 0, 1, 0]), 1)
    blind.weights_[6] = -np.abs(blind.weights_[6])
    blind.weights_[4] = np.abs(blind.weights_[4])
    np.testing.assert_array_equal(grad_cam(blind, X), 0)


def test_a_missing_layer_is_one_clear_error(cnn, X):
    with pytest.raises(ValueError, match=r"layer 'conv9'; it has conv1, conv2\."):
        grad_cam(cnn, X, layer="conv9")


@pytest.mark.parametrize(
    "options", [{"variant": "cam"}, {"batch_size": 0}, {"normalize": "yes"}, {"layer": 4}]
)
def test_a_bad_parameter_raises_scikit_learns_error(cnn, X, options):
    (name,) = options
    with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter of grad_cam must be"):
        grad_cam(cnn, X, **options)


def fit_to_anything(shape, **settings):
    """Return a fitted network, whose weights may be set."""
    X = np.random.default_rng(0).normal(size=(4, *shape)).astype(np.float32)
    cnn = SpineCNNClassifier(
        epochs=1, validation_fraction=0, precision="float32", random_state=0, **settings
    )
    return cnn.fit(X, [0, 1, 0, 1])


@pytest.fixture(scope="module")
def passing_on():
    """The paper's network with kernels that copy their input, all of it evidence for class 1."""
    cnn = fit_to_anything((SIZE, SIZE), filters=(1, 1, 1, 1), dense_units=1)
    cnn.weights_ = [np.zeros_like(weights) for weights in cnn.weights_]
    for kernel in cnn.weights_[:8:2]:
        kernel[2, 2] = 1
    for dense in cnn.weights_[8::2]:
        dense[:] = 1
    return cnn


def image_of(shape, *points):
    image = np.zeros((1, *shape), np.float32)
    for point in points:
        image[0][point] = 1
    return image


def peak(heat):
    assert heat.max() > 0
    return np.argwhere(heat == heat.max()).mean(axis=0)


@pytest.mark.parametrize("point", [(43, 75), (75, 20), (100, 120), (131, 131), (8, 130)])
@pytest.mark.parametrize(
    ("layer", "pixels"), [("conv1", 1), ("conv2", 2), ("conv3", 4), (None, 8)]
)
def test_a_cell_lies_on_its_own_pixels(passing_on, layer, pixels, point):
    heat = grad_cam(passing_on, image_of((SIZE, SIZE), point), layer=layer)[0]
    first = np.array(point) // pixels * pixels
    np.testing.assert_allclose(peak(heat), first + (pixels - 1) / 2)


def test_pixels_that_pooling_leaves_out_get_the_last_cell(passing_on):
    # 18 cells of 8 pixels end at pixel 144; from the middle of the last one nothing changes.
    heat = grad_cam(passing_on, image_of((SIZE, SIZE), (137, 50), (141, 142)))[0]
    np.testing.assert_array_equal(heat[140:], np.broadcast_to(heat[140], (10, SIZE)))
    np.testing.assert_array_equal(heat[:, 140:], np.broadcast_to(heat[:, 140:141], (SIZE, 10)))
    assert heat[145, 147] == 1
    assert heat[145, 100] == 0


def network_of(first):
    """Return a builder of a network that starts with a layer and averages its maps."""

    def build(shape):
        inputs = keras.Input((*shape, 1))
        maps = keras.layers.Conv2D(1, 1, name="last")(first()(inputs))
        outputs = keras.layers.Dense(1, "sigmoid")(keras.layers.GlobalAveragePooling2D()(maps))
        return keras.Model(inputs, outputs)

    return build


def fit_network(first):
    cnn = fit_to_anything((15, 9), network=network_of(first))
    cnn.weights_ = [
        np.ones_like(weights) if weights.ndim > 1 else np.zeros_like(weights)
        for weights in cnn.weights_
    ]
    return cnn


@pytest.mark.parametrize(("point", "centre"), [((4, 2), (4.5, 2.5)), ((11, 5), (10.5, 4.5))])
def test_windows_that_are_filled_up_count_from_the_first_pixel(point, centre):
    cnn = fit_network(lambda: keras.layers.MaxPooling2D(2, padding="same"))
    np.testing.assert_allclose(peak(grad_cam(cnn, image_of((15, 9), point))[0]), centre)


def test_a_map_of_no_whole_windows_is_stretched():
    # Each pixel of a 3 x 3 convolution without padding sees three pixels: 15 x 9 become 13 x 7.
    cnn = fit_network(lambda: keras.layers.Conv2D(1, 3))
    image = np.random.default_rng(1).uniform(size=(1, 15, 9)).astype(np.float32)
    coarse = sum(image[0, i : i + 13, j : j + 7] for i in range(3) for j in range(3))
    expected = enlarge(coarse, (15, 9))
    np.testing.assert_allclose(grad_cam(cnn, image)[0], expected / expected.max(), rtol=1e-4)


def worn_spine(number):
    """Draw a worn spine; every second one has a vertebra without laminae."""
    rng = np.random.default_rng(number)
    worn = rng.normal(1.0, 0.8) + rng.normal(0, 0.5, 4)
    level = f"L{rng.integers(1, 5)}"
    return make_spine_scan(
        min(rng.gamma(2.2, 1.5), 20),
        bmd=np.clip(rng.normal(1.0, 0.15) + np.array([-0.07, -0.01, 0.04, 0.04]), 0.5, 1.7),
        degeneration=worn.clip(0, 3.5),
        laminectomy=[level] if number % 2 else [],
        thickness_cm=np.clip(rng.normal(20, 3), 13, 29),
        random_state=number,
    )


@pytest.mark.slow
def test_grad_cam_points_at_the_missing_bone():
    spines = [worn_spine(number) for number in range(N)]
    y = np.arange(N) % 2
    scans = [spine.scan for spine in spines]
    model = make_pipeline(
        SpineCropper(), SpineCNNClassifier(epochs=15, augmenter=HorizontalFlip(), random_state=0)
    ).fit(scans[:N_TRAIN], y[:N_TRAIN])
    called = model.predict(scans[N_TRAIN:]) == 1
    correct = N_TRAIN + np.flatnonzero(called & (y[N_TRAIN:] == 1))
    assert len(correct) > 40
    seen = [scans[i] for i in correct]
    masks = np.zeros((len(correct), SIZE, SIZE), bool)
    for i, mask in zip(correct, masks, strict=True):
        on_scan, on_crop = model[0].window(scans[i])
        mask[on_crop] = spines[i].lesion_masks["laminectomy"][on_scan]
    scores = localization_score(grad_cam(model, seen), masks, tolerance_mm=5)
    random_weights = [
        localization_score(
            grad_cam(randomized(model, random_state=k), seen), masks, tolerance_mm=5
        )
        for k in range(20)
    ]
    assert scores["hit_by_chance"].mean() < 0.10
    assert scores["hit"].mean() >= 0.70
    assert scores["energy"].mean() > 2 * scores["energy_by_chance"].mean()
    assert np.mean([one["hit"].mean() for one in random_weights]) < 0.30
