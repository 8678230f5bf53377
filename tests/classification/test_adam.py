import keras
import numpy as np
import pytest
import tensorflow as tf

from skdxa.classification._adam import FusedAdam, with_fused_update


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3},
        {"learning_rate": keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)},
        {"clipnorm": 0.1, "weight_decay": 0.1},
        {"amsgrad": True},
        {"use_ema": True, "ema_overwrite_frequency": 2},
    ],
)
def test_same_weights_and_variables_as_kerass_adam(settings):
    rng = np.random.default_rng(0)
    shapes = [(3, 5), (7,)]
    start = [rng.normal(size=shape) for shape in shapes]
    gradients = [[rng.normal(size=shape) for shape in shapes] for _ in range(4)]
    ended = []
    for optimizer in (keras.optimizers.Adam(**settings), FusedAdam(**settings)):
        weights = [keras.Variable(value, dtype="float32") for value in start]
        optimizer.build(weights)
        apply = tf.function(lambda *step, optimizer=optimizer: optimizer.apply(step))
        for step in gradients:
            apply(*(tf.constant(gradient, tf.float32) for gradient in step))
        ended.append([variable.numpy() for variable in (*weights, *optimizer.variables)])
    for theirs, ours in zip(*ended, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_rows_of_an_embedding_are_updated_too():
    ended = []
    for optimizer in (keras.optimizers.Adam(0.1), FusedAdam(0.1)):
        table = keras.Variable(np.ones((5, 2)), dtype="float32")
        optimizer.build([table])
        gradient = tf.IndexedSlices(tf.ones((2, 2)), tf.constant([1, 3]), tf.constant([5, 2]))
        optimizer.apply([gradient], [table])
        ended.append(table.numpy())
    np.testing.assert_allclose(*ended)
    assert ended[1][1, 0] < ended[1][0, 0] == 1


def test_only_kerass_own_adam_is_replaced():
    class Slower(keras.optimizers.Adam):
        pass

    others = [Slower(), keras.optimizers.SGD(), keras.optimizers.AdamW()]
    assert [with_fused_update(optimizer) for optimizer in others] == others
    adam = with_fused_update(keras.optimizers.Adam(0.5, beta_1=0.7, name="mine"))
    assert isinstance(adam, FusedAdam)
    assert float(adam.learning_rate) == 0.5
    assert (adam.beta_1, adam.name) == (0.7, "mine")
