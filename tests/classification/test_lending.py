"""Compiled networks: which fits share one, how many are kept, and what is released."""

import random
from pathlib import Path

import numpy as np
import pytest

from skdxa.classification import SpineCNNClassifier, _lending, clear_networks
from skdxa.classification._adam import FusedAdam


@pytest.fixture
def images():
    X = np.random.default_rng(0).normal(size=(24, 12, 10)).astype(np.float32)
    return X, np.tile([0, 1], 12)


def small(**changes):
    settings = {"filters": (2,), "dense_units": 3, "epochs": 2, "random_state": 0}
    return SpineCNNClassifier(**{**settings, **changes})


def n_networks():
    return len(_lending._loans)


def test_penalty_dropout_and_learning_rate_need_no_other_network(images):
    X, y = images
    clear_networks()
    small().fit(X, y).predict(X)
    expected = n_networks()
    weights = []
    for changes in (
        {"l2": 0.1},
        {"dropout": 0.1},
        {"learning_rate": 0.1},
        {"l2": 0, "dropout": 0},
    ):
        weights.append(small(**changes).fit(X, y).weights_[0])
        assert n_networks() == expected
    assert len({w.tobytes() for w in weights}) == 4
    # The knobs of one fit do not reach the next.
    again = small().fit(X, y)
    clear_networks()
    np.testing.assert_array_equal(again.predict_proba(X), small().fit(X, y).predict_proba(X))


@pytest.mark.parametrize("seed", [0, 7])
def test_a_fit_begins_with_the_weights_of_a_new_network(seed):
    cnn = small(filters=(2, 3))
    architecture = _lending.Architecture.of(cnn, (12, 10), "float32")
    expected = [variable.numpy() for variable in architecture.build_model(seed).variables]
    with _lending.lend(architecture):
        _lending.reset(architecture, learning_rate=None, seed=seed)
        found = [variable.numpy() for variable in _lending._loans[architecture].model.variables]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_other_threads_that_draw_random_numbers_do_not_change_a_fit(images, monkeypatch):
    alone = small(filters=(2, 3)).fit(*images)
    zeros = _lending.keras.initializers.Zeros.__call__

    def beside_another_thread(self, *args, **kwargs):
        random.random()
        return zeros(self, *args, **kwargs)

    monkeypatch.setattr(_lending.keras.initializers.Zeros, "__call__", beside_another_thread)
    for one, other in zip(
        alone.weights_, small(filters=(2, 3)).fit(*images).weights_, strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_the_penalty_is_that_of_keras(images):
    X, y = images
    cnn = small(
        l2=0.05, dropout=0, validation_fraction=0, epochs=1, batch_size=24, learning_rate=1e-9
    )
    loss = cnn.fit(X, y).history_["loss"][0]
    scores = np.clip(cnn.predict_proba(X)[:, 1], 1e-7, 1 - 1e-7)
    entropy = -np.mean(np.where(y == 1, np.log(scores), np.log(1 - scores)))
    penalty = 0.05 * np.sum(cnn.weights_[0].astype(float) ** 2)
    assert loss == pytest.approx(entropy + penalty, rel=0.01)
    model = cnn.to_keras()
    assert float(sum(model.losses)) == pytest.approx(penalty, rel=1e-4)


def test_networks_used_longest_ago_are_released(images):
    X, y = images
    clear_networks()
    registered = len(_lending._registered_gradients())
    fitted = [small(dense_units=2 + number).fit(X, y) for number in range(12)]
    expected = [cnn.predict_proba(X) for cnn in fitted]
    assert n_networks() == _lending._MOST_NETWORKS
    clear_networks()
    assert n_networks() == 0
    assert len(_lending._registered_gradients()) == registered
    for cnn, probability in zip(fitted, expected, strict=True):
        np.testing.assert_array_equal(cnn.predict_proba(X), probability)


def builder_over(model):
    """Return an ordinary transfer-learning builder: a closure over a Keras model."""

    def build(image_shape):
        import keras

        inputs = keras.Input((*image_shape, 1))
        features = keras.layers.GlobalAveragePooling2D()(model(inputs))
        return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(features))

    return build


def test_a_builder_that_holds_a_model_has_one_network_and_is_not_trained(images):
    import keras

    X, y = images
    inputs = keras.Input((None, None, 1))
    base = keras.Model(inputs, keras.layers.Conv2D(2, 3)(inputs))
    before = base.get_weights()
    clear_networks()
    cnn = small(network=builder_over(base), learning_rate=0.1)
    first = cnn.fit(X, y).predict_proba(X)
    count = n_networks()
    for _ in range(3):
        np.testing.assert_allclose(cnn.fit(X, y).predict_proba(X), first, atol=1e-6)
    assert n_networks() == count == 2
    for ours, original in zip(base.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, original)


def test_a_builder_that_cannot_be_pickled_works(images):
    import threading

    import keras

    X, y = images
    lock = threading.Lock()

    def build(image_shape):
        with lock:
            inputs = keras.Input((*image_shape, 1))
            flat = keras.layers.Flatten()(inputs)
            return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(flat))

    clear_networks()
    cnn = small(network=build).fit(X, y)
    cnn.fit(X, y).predict(X)
    assert n_networks() == 2


def test_weights_that_a_builder_shares_between_its_calls_are_refused(images):
    import threading

    import keras

    X, y = images
    lock = threading.Lock()
    shared = keras.layers.Dense(1, activation="sigmoid")

    def build(image_shape):
        with lock:
            inputs = keras.Input((*image_shape, 1))
            maps = keras.layers.Conv2D(2, 3)(inputs)
            features = keras.layers.GlobalAveragePooling2D()(maps)
            return keras.Model(inputs, shared(features))

    with pytest.raises(ValueError, match="shares trainable weights with that of an earlier call"):
        small(network=build).fit(X, y)
    shared.trainable = False
    assert small(network=build).fit(X, y).predict(X).shape == (24,)


def test_precision_follows_the_processor(monkeypatch):
    import tensorflow as tf

    from skdxa.classification._lending import has_bfloat16

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    for flags, has_it in (("fma avx512_bf16", True), ("amx_bf16", True), ("avx512f", False)):
        monkeypatch.setattr(Path, "read_text", lambda self, flags=flags: f"flags : {flags}\n")
        monkeypatch.setattr(Path, "exists", lambda self: True)
        assert has_bfloat16() is has_it
    monkeypatch.setattr(Path, "exists", lambda self: False)
    assert has_bfloat16() is False
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a GPU"])
    assert has_bfloat16() is False


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_images_are_kept_in_the_precision_of_the_network(precision, images):
    X, y = images
    architecture = _lending.Architecture.of(small(), X.shape[1:], precision)
    with _lending.lend(architecture) as network:
        kept, *_ = network._as_tensors(X[..., None], y)
    assert kept.dtype.name == precision
    # Keras casts the images of a batch where this type is another.
    assert network.inputs[0].dtype == network.compute_dtype == precision


def test_adam_is_replaced_by_the_fused_one(images):
    X, _ = images
    architecture = _lending.Architecture.of(small(optimizer="adam"), X.shape[1:], "float32")
    with _lending.lend(architecture) as network:
        assert type(network.optimizer) is FusedAdam
