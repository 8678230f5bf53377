"""Scores, maps and gradients of a network, computed in TensorFlow.

Only this module of the package imports TensorFlow. Images and results are NumPy arrays
in float32.
"""

import contextlib

import keras
import tensorflow as tf

from skdxa.classification import Architecture, ConvReLUPool, lend

# Layers that only pool or pass on the maps of the layer before them.
_POOLING_LAYERS = (
    keras.layers.AveragePooling2D,
    keras.layers.Dropout,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.MaxPooling2D,
)

# Slope below zero, so that the ascent also reaches a kernel that is inactive at its start.
_LEAK = 0.1

# Closer to 0 or 1 than this, the logit of a float32 probability is not finite.
_NEAREST = 1e-7


@contextlib.contextmanager
def lend_views(classifier):
    """Lend the views of a fitted classifier's network, in float32, with its weights.

    Parameters
    ----------
    classifier : SpineCNNClassifier
        Fitted.

    Yields
    ------
    views : Views
        No other caller has them at the same time.
    """
    with lend(Architecture.for_prediction(classifier, classifier.image_shape_)) as network:
        network.set_weights(classifier.weights_)
        # Kept with the network, which is lent many times, so that nothing is traced twice.
        if not hasattr(network, "views"):
            network.views = Views(network)
        yield network.views


class Views:
    """Functions of one network, each traced at its first call.

    Parameters
    ----------
    network : keras.Model
        From images (n, rows, columns, 1) to one probability (n, 1).

    Attributes
    ----------
    n_maps : dict of str to int
        For each layer that returns maps, from first to last, the number of its maps.
    last_layer : str or None
        The last of these layers that does more than pool or pass on maps.
    """

    def __init__(self, network):
        self._network = network
        self._images = tf.TensorSpec((None, *network.input_shape[1:]), tf.float32)
        self._functions = {}
        self.n_maps = {}
        self.last_layer = None
        _rerun(network, self._record_maps)

    def check_layer(self, layer):
        """Return the name of a layer with maps; the last one for None."""
        if not self.n_maps:
            raise ValueError(
                "The network has no layer that returns maps (rows, columns, kernels)."
            )
        if layer is not None and layer not in self.n_maps:
            raise ValueError(
                f"The network has no convolution layer {layer!r}; it has {', '.join(self.n_maps)}."
            )
        return layer or self.last_layer or next(reversed(self.n_maps))

    def scores(self, images):
        """Compute the positive class's score before the sigmoid, (n,)."""
        return self._call(_scores, None, images)

    def features(self, images):
        """Compute the input of the last layer, (n, features)."""
        return self._call(_features, None, images)

    def input_gradients(self, images):
        """Compute the score's derivative by each pixel, (n, rows, columns)."""
        return self._call(_input_gradients, None, images)

    def maps(self, images, layer):
        """Compute a layer's maps before pooling, (n, rows, columns, kernels)."""
        return self._call(_maps, layer, images)

    def maps_and_gradients(self, images, layer):
        """Compute a layer's maps and the score's derivative by each of their pixels."""
        return self._call(_maps_and_gradients, layer, images)

    def ascent(self, images, layer, units):
        """Compute, for one kernel per image, (gradient by pixel, mean activation)."""
        return self._call(_ascent, layer, images, tf.constant(units, tf.int32))

    def _record_maps(self, layer, *args, **kwargs):
        outputs = layer(*args, **kwargs)
        if isinstance(outputs, keras.KerasTensor) and len(outputs.shape) == 4:
            self.n_maps[layer.name] = outputs.shape[-1]
            if not isinstance(layer, _POOLING_LAYERS):
                self.last_layer = layer.name
        return outputs

    def _call(self, make, layer, images, *units):
        if (make, layer) not in self._functions:
            source = self._network if layer is None else _open(self._network, layer)
            self._functions[make, layer] = tf.function(
                make(source),
                input_signature=[self._images, *(tf.TensorSpec((None,), tf.int32) for _ in units)],
                autograph=False,
            )
        results = self._functions[make, layer](tf.constant(images[..., None]), *units)
        return tf.nest.map_structure(lambda result: result.numpy(), results)


def _rerun(network, call):
    """Run a network's layers once more on its symbolic input, each through `call`."""
    return keras.models.clone_model(
        network, clone_function=lambda layer: layer, call_function=call
    )


def _open(network, name):
    """Return a model with the same weights and three outputs: maps, drive, probability.

    Maps are those after ReLU and before pooling. The drive is the quantity that the ascent
    maximises: the maps with a leaky ReLU in place of ReLU.
    """
    opened = {}

    def call(layer, *args, **kwargs):
        if layer.name != name:
            return layer(*args, **kwargs)
        if not isinstance(layer, ConvReLUPool):
            opened["maps"] = opened["drive"] = maps = layer(*args, **kwargs)
            return maps
        (inputs,) = args
        linear = keras.ops.conv(inputs, layer.kernel, padding="same") + layer.bias
        opened["maps"] = keras.ops.relu(linear)
        opened["drive"] = keras.ops.leaky_relu(linear, _LEAK)
        return keras.ops.max_pool(opened["maps"], layer.window, layer.window)

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        whole = _rerun(network, call)
        return keras.Model(whole.inputs[0], [opened["maps"], opened["drive"], whole.outputs[0]])
    finally:
        keras.config.set_dtype_policy(policy)


def _scores(network):
    return lambda images: _logit(network(images, training=False))


def _features(network):
    before_last = keras.Model(network.inputs[0], network.layers[-1].input)

    def function(images):
        features = before_last(images, training=False)
        return tf.cast(tf.reshape(features, (tf.shape(images)[0], -1)), tf.float32)

    return function


def _input_gradients(network):
    def function(images):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            score = _logit(network(images, training=False))
        return tape.gradient(score, images)[..., 0]

    return function


def _maps(opened):
    return lambda images: opened(images, training=False)[0]


def _maps_and_gradients(opened):
    def function(images):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            maps, _, probability = opened(images, training=False)
            score = _logit(probability)
        return maps, tape.gradient(score, maps, unconnected_gradients="zero")

    return function


def _ascent(opened):
    def function(images, units):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(images)
            _, drive, _ = opened(images, training=False)
            # Each image has its own kernel, so that the gradients do not mix.
            objective = tf.gather(tf.reduce_mean(drive, axis=(1, 2)), units, axis=1, batch_dims=1)
        active = tf.reduce_mean(tf.nn.relu(drive), axis=(1, 2))
        activation = tf.gather(active, units, axis=1, batch_dims=1)
        return tape.gradient(objective, images)[..., 0], activation

    return function


def _logit(probability):
    """Return the argument of the sigmoid, (n,)."""
    last = probability
    while last.op.type in ("Identity", "Cast"):
        last = last.op.inputs[0]
    if last.op.type == "Sigmoid":
        return tf.cast(last.op.inputs[0], tf.float32)[:, 0]
    bounded = tf.clip_by_value(probability[:, 0], _NEAREST, 1 - _NEAREST)
    return tf.math.log(bounded) - tf.math.log1p(-bounded)
