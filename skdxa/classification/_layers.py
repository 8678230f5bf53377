"""The layers that take most of the time of a training step.

Convolution, bias, ReLU and max-pooling are written as one function with its own
gradient. It is the same function as Keras's ``Conv2D`` followed by ``MaxPooling2D``;
only the order of the backward pass differs: where the pooled output is zero no gradient
passes, so ReLU's gradient and the bias's are taken on the pooled map, a quarter
of the full one's size. ``benchmarks/training.py`` measures what that is worth, and
``benchmarks/README.md`` lists the time of each step.
"""

from skdxa.classification._keras import keras, tf

# A vector register of a processor with AVX-512 holds 16 float32 or, in the product
# instructions, 16 pairs of bfloat16: a convolution with 8 output channels leaves half
# of it empty.
_VECTOR_LANES = 16


@keras.saving.register_keras_serializable(package="skdxa")
class ConvReLUPool(keras.layers.Layer):
    """Convolution ('same'), bias, ReLU and max-pooling by two in each direction.

    A direction of a single pixel is not pooled, so that small images pass too.

    Parameters
    ----------
    filters : int
        Number of kernels.
    kernel_size : int
        Height and width of the kernels, odd.
    kernel_regularizer : keras.regularizers.Regularizer or None, default=None
        Penalty on the kernels.
    trainable, name, dtype : as in `keras.layers.Layer`
        What every layer has.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.classification import ConvReLUPool
    >>> tuple(ConvReLUPool(4, 3)(np.ones((2, 6, 8, 1))).shape)
    (2, 3, 4, 4)
    """

    def __init__(
        self,
        filters,
        kernel_size,
        *,
        kernel_regularizer=None,
        trainable=True,
        name=None,
        dtype=None,
    ):
        super().__init__(trainable=trainable, name=name, dtype=dtype)
        self.filters = filters
        self.kernel_size = kernel_size
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.kernel_initializer = keras.initializers.GlorotUniform()
        self.bias_initializer = keras.initializers.Zeros()

    def build(self, input_shape):
        """Make the weights for an input of shape (n, rows, columns, channels)."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.kernel_size, self.kernel_size, input_shape[-1], self.filters),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.filters,), initializer=self.bias_initializer
        )
        self.window = tuple(min(2, size) for size in input_shape[1:3])

    def call(self, inputs):
        """Return the pooled maps, (n, rows // 2, columns // 2, filters)."""
        kernel, bias = (tf.cast(weight, inputs.dtype) for weight in (self.kernel, self.bias))
        return _conv_relu_pool(inputs, kernel, bias, self.window)

    def compute_output_shape(self, input_shape):
        """Return the shape of the pooled maps."""
        n, rows, columns, _ = input_shape
        return (n, rows // self.window[0], columns // self.window[1], self.filters)

    def get_config(self):
        """Return the configuration that rebuilds the layer."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }


@keras.saving.register_keras_serializable(package="skdxa")
class VariableDropout(keras.layers.Dropout):
    """Dropout whose rate is a variable, so that one traced network serves any rate."""

    def __init__(self, rate=0.5, **kwargs):
        super().__init__(rate, **kwargs)
        self.variable_rate = tf.Variable(rate, trainable=False, dtype=tf.float32)

    def call(self, inputs, training=False):
        """Return the features, in training without a random share of them."""
        if not training:
            return inputs
        # 16 random bits for each feature; TensorFlow's own dropout draws 32, and keeps 7 of them
        # in bfloat16.
        n, n_features = tf.shape(inputs)[0], inputs.shape[1]
        words = tf.random.stateless_uniform(
            (n, -(-n_features // 2)), self.seed_generator.next(), None, None, tf.int32
        )
        numbers = tf.reshape(tf.bitcast(words, tf.int16), (n, -1))[:, :n_features]
        lowest_kept = tf.minimum(tf.round(self.variable_rate * 2**16), 2**16 - 1) - 2**15
        scale = tf.cast(1 / (1 - self.variable_rate), inputs.dtype)
        kept = numbers >= tf.cast(lowest_kept, tf.int16)
        return tf.where(kept, inputs * scale, tf.zeros_like(inputs))


def _conv_relu_pool(inputs, kernel, bias, window):
    ksize = [1, *window, 1]

    @tf.custom_gradient
    def function(inputs, kernel, bias):
        maps = _convolve(inputs, kernel, bias)
        pooled = tf.nn.max_pool2d(maps, window, window, "VALID")

        def gradient(upstream):
            upstream = tf.raw_ops.ReluGrad(gradients=upstream, features=pooled)
            d_maps = tf.raw_ops.MaxPoolGrad(
                orig_input=maps,
                orig_output=pooled,
                grad=upstream,
                ksize=ksize,
                strides=ksize,
                padding="VALID",
            )
            d_kernel = _kernel_gradient(inputs, d_maps, kernel)
            return _input_gradient(d_maps, kernel), d_kernel, _sum_over_pixels(upstream)

        return pooled, gradient

    return function(inputs, kernel, bias)


def _convolve(inputs, kernel, bias):
    """Convolve ('same'), add the bias, and set negative values to zero."""
    if not _in_pairs(inputs, kernel.shape[3]):
        return tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(inputs, kernel, 1, "SAME"), bias))
    pairs = tf.nn.bias_add(_convolve_pairs(inputs, kernel), tf.tile(bias, [2]))
    return _unpair(tf.nn.relu(pairs), inputs.shape[2])


def _kernel_gradient(inputs, d_maps, kernel):
    height, width, _, n_kernels = kernel.shape
    paired = _in_pairs(inputs, n_kernels) and _pairs_fit(inputs, kernel)
    if paired:
        inputs, d_maps = _pair_columns(inputs), _pair_columns(d_maps)
        width = (width + 1) // 2
    d_kernel = tf.raw_ops.Conv2DBackpropFilter(
        input=inputs,
        filter_sizes=(height, width, inputs.shape[3], d_maps.shape[3]),
        out_backprop=d_maps,
        strides=[1, 1, 1, 1],
        padding="SAME",
    )
    if not paired:
        return d_kernel
    d_twice = tf.reshape(d_kernel, (height, 2 * width, -1, 2 * n_kernels))
    return d_twice[:, :-1, :, :n_kernels] + d_twice[:, 1:, :, n_kernels:]


def _input_gradient(d_maps, kernel):
    if not _in_pairs(d_maps, kernel.shape[2]):
        shape = tf.concat([tf.shape(d_maps)[:3], [kernel.shape[2]]], axis=0)
        return tf.raw_ops.Conv2DBackpropInput(
            input_sizes=shape,
            filter=kernel,
            out_backprop=d_maps,
            strides=[1, 1, 1, 1],
            padding="SAME",
        )
    # The gradient of a 'same' convolution with an odd kernel is itself a convolution, with
    # that kernel rotated by 180 degrees.
    turned = tf.transpose(kernel[::-1, ::-1], (0, 1, 3, 2))
    return _unpair(_convolve_pairs(d_maps, turned), d_maps.shape[2])


def _in_pairs(inputs, n_channels):
    """Return whether to calculate two neighbouring columns at once.

    This is faster if the output channels fill at most half of a vector register. With a single
    column, oneDNN 3.7 reads beyond the end of the map.
    """
    return 2 * n_channels <= _VECTOR_LANES and inputs.shape[2] > 1


def _convolve_pairs(inputs, kernel):
    """Convolve ('same'), giving two neighbouring columns side by side in the channels.

    A kernel one column wider holds the same weights twice, once shifted by a column.
    Moved in steps of two columns it gives columns 2j and 2j + 1 at once, which lie in
    memory as in the map that is wanted.
    """
    height, width, n_channels, n_kernels = kernel.shape
    left = tf.pad(kernel, [[0, 0], [0, 1], [0, 0], [0, 0]])
    right = tf.pad(kernel, [[0, 0], [1, 0], [0, 0], [0, 0]])
    twice = tf.concat([left, right], axis=3)
    if _pairs_fit(inputs, kernel):
        shape = (height, (width + 1) // 2, 2 * n_channels, 2 * n_kernels)
        return tf.nn.conv2d(_pair_columns(inputs), tf.reshape(twice, shape), 1, "SAME")
    rows, columns = height // 2, width // 2
    odd = inputs.shape[2] % 2
    padding = [[0, 0], [rows, rows], [columns, columns + odd], [0, 0]]
    return tf.nn.conv2d(inputs, twice, (1, 2), padding)


def _pairs_fit(inputs, kernel):
    """Return whether pairs of columns can be channels of the input as well.

    For that the map must have an even number of columns, and the wider kernel must begin at an
    even column.
    """
    return inputs.shape[2] % 2 == 0 and kernel.shape[1] // 2 % 2 == 0


def _pair_columns(maps):
    """Return two neighbouring columns as channels of one, as they lie in memory."""
    rows, columns, n_channels = maps.shape[1:]
    return tf.reshape(maps, (-1, rows, columns // 2, 2 * n_channels))


def _unpair(pairs, n_columns):
    rows, half, twice = pairs.shape[1:]
    maps = tf.reshape(pairs, (-1, rows, 2 * half, twice // 2))
    return maps if n_columns % 2 == 0 else maps[:, :, :n_columns]


def _sum_over_pixels(maps):
    """Sum over scans, rows and columns, most of it as a matrix product.

    In bfloat16 TensorFlow's own reduction takes ten times as long, and the product
    adds up in float32.
    """
    columns, filters = maps.shape[2:]
    rows = tf.reshape(maps, (-1, columns * filters))
    sums = tf.matmul(tf.ones((1, tf.shape(rows)[0]), maps.dtype), rows)
    sums = tf.reduce_sum(tf.cast(tf.reshape(sums, (columns, filters)), tf.float32), axis=0)
    return tf.cast(sums, maps.dtype)
