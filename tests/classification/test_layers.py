import keras
import numpy as np
import pytest
import tensorflow as tf

from skdxa.classification._layers import ConvReLUPool, VariableDropout


@pytest.mark.parametrize("filters", [3, 20])
@pytest.mark.parametrize(
    ("shape", "kernel_size"),
    [
        ((2, 10, 9, 1), 5),
        ((2, 7, 10, 1), 5),
        ((3, 9, 6, 3), 5),
        ((2, 8, 12, 1), 3),
        ((3, 7, 12, 8), 3),
        ((2, 9, 8, 16), 1),
        ((2, 11, 12, 2), 9),
        ((2, 1, 7, 2), 5),
        ((2, 1, 8, 1), 5),
        ((2, 7, 1, 1), 5),
        ((2, 9, 2, 1), 5),
    ],
)
def test_same_function_and_gradients_as_kerass_layers(shape, kernel_size, filters):
    rng = np.random.default_rng(0)
    layer = ConvReLUPool(filters, kernel_size)
    layer.build(shape)
    layer.bias.assign(rng.normal(scale=0.1, size=filters))
    window = tuple(min(2, size) for size in shape[1:3])
    convolution = keras.layers.Conv2D(filters, kernel_size, padding="same", activation="relu")
    convolution.build(shape)
    convolution.set_weights(layer.get_weights())
    pooling = keras.layers.MaxPooling2D(window)

    inputs = tf.constant(rng.normal(size=shape).astype(np.float32))
    upstream = rng.normal(size=layer.compute_output_shape(shape)).astype(np.float32)
    results = []
    for function, own in ((layer, layer), (lambda x: pooling(convolution(x)), convolution)):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            pooled = function(inputs)
            total = tf.reduce_sum(pooled * upstream)
        gradients = tape.gradient(total, [inputs, own.kernel.value, own.bias.value])
        results.append([pooled, *gradients])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_layer_is_rebuilt_from_its_config():
    layer = ConvReLUPool(4, 3, kernel_regularizer=keras.regularizers.L2(0.1), name="conv")
    again = ConvReLUPool.from_config(layer.get_config())
    assert (again.filters, again.kernel_size, again.name) == (4, 3, "conv")
    assert float(again.kernel_regularizer.l2) == pytest.approx(0.1)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("rate", [0.0, 0.3, 0.9])
def test_dropout_leaves_out_the_given_share_and_scales_the_rest(rate, dtype):
    layer = VariableDropout(seed=0, dtype=dtype)
    layer.variable_rate.assign(rate)
    features = tf.ones((300, 401), dtype)
    with tf.GradientTape() as tape:
        tape.watch(features)
        kept = layer(features, training=True)
    gradient = tape.gradient(kept, features)
    again = layer(features, training=True)
    kept, gradient, again = (np.asarray(array, np.float32) for array in (kept, gradient, again))
    # A share of 120,300 features, within four standard errors.
    assert (kept == 0).mean() == pytest.approx(rate, abs=4 * np.sqrt(rate * (1 - rate) / 120_300))
    np.testing.assert_allclose(kept[kept != 0], 1 / (1 - rate), rtol=1 / 128)
    np.testing.assert_array_equal(gradient, kept)
    assert (rate == 0) == np.array_equal(kept, again)
    np.testing.assert_array_equal(layer(features, training=False), features)
