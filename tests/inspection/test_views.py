import keras
import numpy as np
import pytest
from scipy import special

from skdxa.classification import Architecture, lend
from skdxa.inspection import (
    class_score,
    feature_maps,
    grad_cam,
    maximize_activation,
    vanilla_gradients,
)


def test_the_reference_is_the_network(cnn, X, truth):
    probability = special.expit([reference.score for reference in truth])
    np.testing.assert_allclose(probability, cnn.predict_proba(X)[:, 1], atol=1e-6)


def test_float32_after_training_in_any_precision(cnn, X, tiny, method):
    other = tiny(precision="bfloat16").fit(X, [0, 1, 0, 1, 0])
    other.weights_ = cnn.weights_
    np.testing.assert_array_equal(method(other, X), method(cnn, X))


def test_float32_under_any_setting_of_keras(X, tiny, with_random_weights, reference):
    """A shape and a layer that no other test uses, so that they are built here."""
    wide = np.pad(X, [(0, 0), (0, 0), (0, 2)])
    classifier = with_random_weights(tiny().fit(wide, [0, 1, 0, 1, 0]), 1)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        maps = feature_maps(classifier, wide, n_maps=None)
        gradients = vanilla_gradients(classifier, wide)
    finally:
        keras.config.set_dtype_policy(policy)
    references = [reference(classifier.weights_, image) for image in wide]
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


@pytest.fixture(scope="module")
def user_network(cnn, X, tiny):
    """The paper's layers, built of Keras's own, with the weights of `cnn`."""
    classifier = tiny(network=sequential).fit(X, [0, 1, 0, 1, 0])
    classifier.weights_ = cnn.weights_
    return classifier


def test_a_network_of_the_user_gives_the_same_maps(user_network, cnn, X, method):
    np.testing.assert_allclose(method(user_network, X), method(cnn, X), atol=1e-4)


def test_layers_of_a_network_of_the_user(user_network, cnn, X):
    np.testing.assert_allclose(
        grad_cam(user_network, X, layer="first"), grad_cam(cnn, X, layer="conv1"), atol=1e-4
    )
    pooled = feature_maps(user_network, X, layer="pool2", n_maps=None)
    assert pooled.shape == (len(X), 4, 3, 2)
    with pytest.raises(
        ValueError, match="no convolution layer 'conv1'; it has first, pool1, seco"
    ):
        grad_cam(user_network, X, layer="conv1")
    pictures = maximize_activation(user_network, learning_rate=1, n_steps=3, random_state=0)
    assert pictures.shape == (4, *X.shape[1:])


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


def test_a_network_with_branches_and_without_a_sigmoid(X, tiny):
    branched = tiny(network=branching).fit(X, [0, 1, 0, 1, 0])
    probability = branched.predict_proba(X)[:, 1]
    np.testing.assert_allclose(class_score(branched, X), special.logit(probability), atol=1e-4)
    np.testing.assert_array_equal(
        grad_cam(branched, X),
        grad_cam(branched, X, layer="sum"),
        "the last maps are those of the sum",
    )
    step = np.zeros((1, *X.shape[1:]), np.float32)
    step[0, 6, 4] = 1e-2
    slope = (class_score(branched, X + step) - class_score(branched, X - step)) / 2e-2
    np.testing.assert_allclose(vanilla_gradients(branched, X)[:, 6, 4], slope, atol=1e-3)


def flat(shape):
    """In double precision at the end, so that a cast follows the sigmoid."""
    inputs = keras.Input((*shape, 1))
    output = keras.layers.Dense(1, activation="sigmoid", dtype="float64")
    probability = output(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, keras.ops.cast(probability, "float32"))


def pooled_only(shape):
    inputs = keras.Input((*shape, 1))
    features = keras.layers.Flatten()(keras.layers.MaxPooling2D(2, name="pool")(inputs))
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(features))


def test_a_network_without_convolutions(X, tiny):
    linear = tiny(network=flat).fit(X, [0, 1, 0, 1, 0])
    np.testing.assert_allclose(
        vanilla_gradients(linear, X),
        np.broadcast_to(linear.weights_[0].reshape(X.shape[1:]), X.shape),
        atol=1e-6,
    )
    bright = 1000 * np.abs(linear.weights_[0].reshape(1, *X.shape[1:]))
    linear.weights_[0] = np.abs(linear.weights_[0])
    assert linear.predict_proba(bright)[0, 1] == 1
    assert 100 < class_score(linear, bright)[0] < np.inf
    with pytest.raises(ValueError, match="The network has no layer that returns maps"):
        grad_cam(linear, X)
    pooled = tiny(network=pooled_only).fit(X, [0, 1, 0, 1, 0])
    assert feature_maps(pooled, X).shape == (5, 1, 7, 5)
