import numpy as np
import pytest
from scipy import ndimage
from sklearn.utils._param_validation import InvalidParameterError

from skdxa.inspection import feature_maps, maximize_activation


@pytest.mark.parametrize(("layer", "name"), [(None, "conv2"), ("conv1", "conv1")])
def test_feature_maps_are_those_before_pooling(cnn, X, truth, layer, name):
    expected = np.moveaxis(np.stack([getattr(reference, name) for reference in truth]), -1, 1)
    maps = feature_maps(cnn, X, layer=layer, n_maps=None)
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps, expected, atol=1e-4)
    np.testing.assert_array_equal(feature_maps(cnn, X, layer=layer, units=[2, 0]), maps[:, [2, 0]])
    drawn = feature_maps(cnn, X, layer=layer, n_maps=2, random_state=3)
    assert drawn.shape == (len(X), 2, *maps.shape[2:])
    same = [(maps[0] == one).all(axis=(1, 2)).argmax() for one in drawn[0]]
    assert same == sorted(set(same))


def test_maximized_pictures_excite_their_kernels(cnn, X):
    units = [3, 1]
    options = {"units": units, "learning_rate": 0.2, "n_steps": 60}
    pictures = maximize_activation(cnn, random_state=0, **options)
    assert pictures.shape == (2, *X.shape[1:])
    assert pictures.dtype == np.float32
    excited = feature_maps(cnn, pictures, n_maps=None).mean(axis=(2, 3))
    rng = np.random.default_rng(0)
    spread = np.sqrt((pictures**2).mean(axis=(1, 2)))
    assert (spread < 4).all()
    for picture, unit in enumerate(units):
        noise = spread[picture] * rng.normal(size=(50, *X.shape[1:]))
        by_noise = feature_maps(cnn, noise, units=[unit]).mean(axis=(2, 3))
        assert excited[picture, unit] > 1.5 * by_noise.max()


def test_one_step_goes_uphill_and_decays(cnn, X, reference):
    """Compare with the ascent written out with the reference's derivatives."""
    options = {"units": [2], "learning_rate": 0.2, "layer": "conv1", "random_state": 0}
    (picture,) = maximize_activation(cnn, n_steps=1, l2=0.25, **options)
    kernel, bias = (np.asarray(w, float) for w in cnn.weights_[:2])
    start = np.random.RandomState(0).normal(scale=0.4, size=X.shape[1:])
    linear = reference.convolve(start[..., None], kernel, bias)[..., 2]
    uphill = np.where(linear > 0, 1.0, 0.1)[..., None] * np.eye(3)[2]
    gradient = reference.convolve_back(uphill, kernel)[..., 0]
    gradient /= np.sqrt((gradient**2).mean())
    np.testing.assert_allclose(picture, 0.75 * (start + 0.2 * gradient), atol=1e-4)

    sharp = maximize_activation(cnn, n_steps=4, l2=0, blur=0, **options)
    smooth = maximize_activation(cnn, n_steps=4, l2=0, blur=0.8, **options)
    np.testing.assert_allclose(smooth[0], ndimage.gaussian_filter(sharp[0], 0.8), atol=1e-5)


def test_maximized_pictures_do_not_depend_on_the_batch(cnn, X):
    options = {"n_units": None, "learning_rate": 1, "n_steps": 8, "random_state": 0}
    together = maximize_activation(cnn, **options)
    assert together.shape == (4, *X.shape[1:])
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


def test_a_kernel_that_nothing_excites_is_reported(X, tiny, with_random_weights):
    dead = with_random_weights(tiny().fit(X, [0, 1, 0, 1, 0]), 1)
    dead.weights_[3][1] = -100
    with pytest.warns(RuntimeWarning, match=r"activated the kernels \[1\] of conv2; their"):
        maximize_activation(dead, units=[0, 1], n_steps=3, random_state=0)


@pytest.mark.parametrize(
    "function",
    [
        lambda cnn, X, seed: feature_maps(cnn, X, n_maps=2, random_state=seed),
        lambda cnn, X, seed: maximize_activation(cnn, n_units=2, n_steps=3, random_state=seed),
    ],
    ids=["feature_maps", "maximize_activation"],
)
def test_the_seed_decides(cnn, X, function):
    first = function(cnn, X, 0)
    np.testing.assert_array_equal(function(cnn, X, 0), first)
    np.testing.assert_array_equal(function(cnn, X, np.random.RandomState(0)), first)
    assert any(not np.array_equal(function(cnn, X, seed), first) for seed in (1, 2, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda cnn, X: feature_maps(cnn, X, layer="dense"), "layer 'dense'; it has conv1, conv2"),
        (lambda cnn, X: maximize_activation(cnn, layer="x"), "layer 'x'; it has conv1, conv2"),
        (
            lambda cnn, X: feature_maps(cnn, X, units=[4]),
            "between 0 and 3, as conv2 has 4 kernels",
        ),
        (lambda cnn, X: feature_maps(cnn, X, units=[-1]), r"between 0 and 3.*got \[-1\]"),
        (lambda cnn, X: maximize_activation(cnn, units=[]), r"one or more whole.*got \[\]"),
        (lambda cnn, X: maximize_activation(cnn, units=[0.5]), r"whole numbers; got \[0.5\]"),
    ],
)
def test_bad_input_is_one_clear_error(cnn, X, call, message):
    with pytest.raises(ValueError, match=message):
        call(cnn, X)


def test_a_bad_number_of_maps(cnn, X):
    message = "The 'n_maps' parameter of feature_maps must be"
    with pytest.raises(InvalidParameterError, match=message):
        feature_maps(cnn, X, n_maps=0)


@pytest.mark.parametrize(
    "options", [{"l2": 1.0}, {"learning_rate": 0}, {"blur": -1}, {"n_steps": 0}, {"n_units": 0}]
)
def test_a_bad_parameter_of_the_ascent(cnn, options):
    (name,) = options
    with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter of maximize_activ"):
        maximize_activation(cnn, **options)
