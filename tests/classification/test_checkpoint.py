import sys

import numpy as np
import pytest

from skdxa.classification import SpineCNNClassifier, clear_networks
from skdxa.exceptions import CheckpointError


def fitted_to(epochs, folder, X, y, **settings):
    settings = {"filters": (2,), "dense_units": 3, "random_state": 0, **settings}
    return SpineCNNClassifier(epochs=epochs, checkpoint=folder, **settings).fit(X, y)


def same_training(one, other):
    weights = zip(one.weights_, other.weights_, strict=True)
    return (
        all((ours == theirs).all() for ours, theirs in weights)
        and one.history_ == other.history_
        and one.best_epoch_ == other.best_epoch_
    )


@pytest.fixture
def noise():
    X = np.random.default_rng(0).normal(size=(30, 9, 7)).astype(np.float32)
    return X, np.tile([0, 1], 15)


def test_checkpoint_continues_to_the_same_weights(tmp_path, noise):
    fitted_to(2, tmp_path, *noise)
    at_once = fitted_to(5, None, *noise)
    assert same_training(fitted_to(5, tmp_path, *noise), at_once)
    # Once more without training, and with fewer epochs than the file has.
    assert same_training(fitted_to(5, tmp_path, *noise), at_once)
    assert same_training(fitted_to(3, tmp_path, *noise), fitted_to(3, None, *noise))


def test_checkpoint_of_a_training_that_patience_has_ended(tmp_path, noise):
    settings = {"patience": 1, "learning_rate": 0.05}
    early = fitted_to(20, tmp_path, *noise, **settings)
    assert len(early.history_["loss"]) < 20
    assert same_training(fitted_to(40, tmp_path, *noise, **settings), early)


@pytest.mark.parametrize(
    "other",
    [
        {"random_state": 1},
        {"learning_rate": 0.01},
        {"l2": 0.1},
        {"dropout": 0.1},
        {"batch_size": 5},
        {"filters": (3,)},
        {"optimizer": "sgd"},
        {"class_weight": {0: 1, 1: 3}},
        {"validation_fraction": 0.3},
        {"restore_best": False},
    ],
    ids=str,
)
def test_checkpoint_of_another_training_is_not_used(tmp_path, noise, other):
    fitted_to(1, tmp_path, *noise)
    assert same_training(
        fitted_to(2, tmp_path, *noise, **other), fitted_to(2, None, *noise, **other)
    )
    assert len(list(tmp_path.iterdir())) == 2


def test_checkpoint_of_other_scans_is_not_used(tmp_path, noise):
    X, y = noise
    fitted_to(1, tmp_path, X, y)
    changed = X.copy()
    changed[3, 2, 1] += 1
    assert same_training(fitted_to(2, tmp_path, changed, y), fitted_to(2, None, changed, y))


def test_damaged_checkpoint_is_named(tmp_path, noise):
    fitted_to(1, tmp_path, *noise)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(CheckpointError, match=f"{path.name} is damaged"):
        fitted_to(2, tmp_path, *noise)


def test_checkpoint_with_callbacks_is_refused(tmp_path, noise):
    with pytest.raises(ValueError, match="checkpoint cannot be combined with callbacks"):
        fitted_to(2, tmp_path, *noise, callbacks=[lambda: None])


ACTIVATION = "relu"


def build_by_global(image_shape):
    import keras

    inputs = keras.Input((*image_shape, 1))
    features = keras.layers.Dense(3, activation=ACTIVATION)(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(features))


def test_checkpoint_of_another_builder_is_not_used(tmp_path, noise, monkeypatch):
    settings = {"network": build_by_global}
    first = fitted_to(2, tmp_path, *noise, **settings)
    assert same_training(fitted_to(2, tmp_path, *noise, **settings), first)
    assert len(list(tmp_path.iterdir())) == 1
    # Of the same shape, and under the same name.
    monkeypatch.setattr(sys.modules[__name__], "ACTIVATION", "tanh")
    found = fitted_to(2, tmp_path, *noise, **settings)
    assert len(list(tmp_path.iterdir())) == 2
    clear_networks()
    assert same_training(found, fitted_to(2, None, *noise, **settings))
    assert not same_training(found, first)
