"""What the last layer of a network sees."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from skdxa.classification import SpineCNNClassifier
from skdxa.inspection import network_features
from skdxa.preprocessing import SpineCropper


@pytest.fixture(scope="module")
def data():
    y = np.tile([0, 1], 8)
    X = np.random.default_rng(0).normal(size=(16, 20, 40)).astype(np.float32)
    return X + y[:, None, None], y


def test_the_last_layer_turns_features_into_the_probability(data):
    X, y = data
    cnn = SpineCNNClassifier(
        filters=(4,), dense_units=5, epochs=2, precision="float32", random_state=0
    )
    model = make_pipeline(SpineCropper(16, 12), cnn).fit(X, y)
    features = network_features(model, X, batch_size=5)
    assert features.shape == (16, 5)
    assert features.dtype == np.float32
    kernel, bias = model[-1].weights_[-2:]
    probability = 1 / (1 + np.exp(-(features @ kernel + bias)[:, 0]))
    np.testing.assert_allclose(probability, model.predict_proba(X)[:, 1], atol=1e-5)
    np.testing.assert_allclose(network_features(model, X[:3]), features[:3], atol=1e-5)


def test_models_without_a_network(data):
    with pytest.raises(TypeError, match="model must be a fitted SpineCNNClassifier"):
        network_features(SpineCropper(), data[0])
