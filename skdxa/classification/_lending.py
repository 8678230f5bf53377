"""One compiled network for each architecture, lent to the classifier that fits or predicts.

Tracing a network takes about a second and ten megabytes, too much for each of a thousand fits.
Here a network is traced once in a process; for each fit its weights, its optimiser and its
random states are reset; a user's builder is called for each fit, so that the weights that it
loads are correct. The penalty, the dropout rate and the learning rate are variables of the traced
network. The networks used last are kept; the memory of the others is released.
"""

import contextlib
import ctypes
import functools
import gc
import json
import os
import random
import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from pathlib import Path

import cloudpickle
import numpy as np

from skdxa.classification._adam import with_fused_update
from skdxa.classification._builders import forget_builders, identify
from skdxa.classification._keras import gradient_registry, keras, keras_settings, tf
from skdxa.classification._layers import VariableDropout
from skdxa.classification._network import EpochNetwork, fast_spine_network

# Networks of a search that varies its architecture, for training and for prediction; each
# takes five to ten megabytes.
_MOST_NETWORKS = 8

_loans = OrderedDict()
# One lock for all networks: TensorFlow uses every core for one of them anyway, and several
# locks could be taken in different orders by callbacks that predict.
_lock = threading.RLock()


@dataclass(frozen=True)
class Architecture:
    """The properties that distinguish one compiled network from another."""

    image_shape: tuple
    filters: tuple
    kernel_size: int
    dense_units: int
    optimizer: str | None
    metrics: tuple
    builder_key: str | None
    precision: str
    builder: object = field(compare=False)

    @classmethod
    def of(cls, estimator, image_shape, precision):
        """Return the architecture that a classifier trains for images of a shape."""
        return replace(
            cls.for_prediction(estimator, image_shape),
            optimizer=optimizer_settings(estimator.optimizer, estimator.learning_rate)[0],
            metrics=tuple(_metric_config(metric) for metric in estimator.metrics or ()),
            precision=precision,
        )

    @classmethod
    def for_prediction(cls, estimator, image_shape):
        """Return the architecture that a classifier predicts with."""
        builder = estimator.network
        key, content = (None, None) if builder is None else identify(builder)
        return cls(
            image_shape=tuple(image_shape),
            filters=() if builder else tuple(int(n) for n in estimator.filters),
            kernel_size=0 if builder else int(estimator.kernel_size),
            dense_units=0 if builder else int(estimator.dense_units),
            optimizer=None,
            metrics=(),
            builder_key=key,
            precision="float32",
            builder=content,
        )

    def build_model(self, seed=None):
        """Build a new model, not compiled, with its own weights.

        Parameters
        ----------
        seed : int or None, default=None
            Seeds the weights and the dropout, as far as the builder has not seeded them.
        """
        with _lock, keras_settings(self.precision), _seeded(seed) as seeded:
            if self.builder is not None:
                # A copy for each call: a model that the builder holds must not be trained on
                # from one fit to the next.
                builder = self.builder
                builder = cloudpickle.loads(builder) if isinstance(builder, bytes) else builder
                # Seed again, since unpickling may draw numbers.
                seeded()
                model = builder(self.image_shape)
            else:
                model = fast_spine_network(
                    self.image_shape,
                    filters=self.filters,
                    kernel_size=self.kernel_size,
                    dense_units=self.dense_units,
                )
        _check_model(model, self.image_shape)
        return model


class _Loan:
    """A compiled network, and the data that reset it to its initial state."""

    def __init__(self, architecture):
        self.architecture = architecture
        self.model = architecture.build_model()
        inputs, outputs = self.model.inputs[0], self.model.outputs[0]
        # In the type of its input, so that images are kept in that and not cast for each batch.
        with keras_settings("bfloat16" if inputs.dtype == "bfloat16" else "float32"):
            self.network = EpochNetwork(inputs, outputs, name="spine_cnn")
        self.optimizer_state = []
        if architecture.optimizer is not None:
            optimizer = keras.optimizers.deserialize(json.loads(architecture.optimizer))
            optimizer = with_fused_update(optimizer)
            self.network.compile(optimizer, "binary_crossentropy", jit_compile=False)
            optimizer.build(self.network.trainable_variables)
            self.optimizer_state = [variable.numpy() for variable in optimizer.variables]
        self.network.compile_epochs(
            keras.metrics.deserialize(json.loads(metric)) for metric in architecture.metrics
        )
        self.settings = self.current_settings()
        self.gradients = set()
        self.depth = 0

    @property
    def variables(self):
        """All variables that a fit changes."""
        optimizer = getattr(self.network, "optimizer", None)
        return [*self.model.variables, *(optimizer.variables if optimizer else ())]

    def current_settings(self):
        """Return the settings that a callback can change and `reset` does not restore."""
        trainable = [layer.trainable for layer in self.network._flatten_layers()]
        optimizer = getattr(self.network, "optimizer", None)
        config = optimizer.get_config() if optimizer else {}
        return trainable, {k: v for k, v in config.items() if k != "learning_rate"}


@contextlib.contextmanager
def lend(architecture):
    """Lend the network of an architecture, with a lock: no other thread uses a network.

    Parameters
    ----------
    architecture : Architecture
        The architecture of the network.

    Yields
    ------
    network : EpochNetwork
        Its weights are those of the last fit or prediction: set them.

    Examples
    --------
    >>> from skdxa.classification import Architecture, SpineCNNClassifier, lend
    >>> architecture = Architecture.for_prediction(SpineCNNClassifier(filters=(2, 3)), (12, 14))
    >>> with lend(architecture) as network:
    ...     network.output_shape
    ...
    (None, 1)
    """
    with _lock, keras_settings():
        before = _registered_gradients()
        if architecture not in _loans:
            _loans[architecture] = _Loan(architecture)
        loan = _loans[architecture]
        _loans.move_to_end(architecture)
        # A callback may train another classifier of the architecture that is being trained.
        values = [variable.numpy() for variable in loan.variables] if loan.depth else None
        loan.depth += 1
        try:
            yield loan.network
        finally:
            loan.depth -= 1
            loan.gradients |= _registered_gradients() - before
            if values is not None:
                _assign(loan.variables, values)
            elif loan.current_settings() != loan.settings:
                _drop(architecture)
            _drop_oldest(_MOST_NETWORKS)


def reset(architecture, *, learning_rate, seed, l2=0.0, dropout=0.0):
    """Reset a lent network to the beginning of a training.

    Parameters
    ----------
    architecture : Architecture
        The architecture of the network.
    learning_rate : float or None
        The optimiser's learning rate; None keeps its own.
    seed : int
        Seeds the weights and the dropout, as far as the builder has not seeded them.
    l2 : float, default=0.0
        Weight of the penalty on the squares of the convolution kernels.
    dropout : float, default=0.0
        Share of the features left out at random in training.

    Examples
    --------
    >>> from skdxa.classification import Architecture, SpineCNNClassifier, lend, reset
    >>> classifier = SpineCNNClassifier(filters=(2, 3))
    >>> architecture = Architecture.of(classifier, (12, 14), "float32")
    >>> with lend(architecture) as network:
    ...     reset(architecture, learning_rate=0.01, seed=0)
    ...     round(float(network.optimizer.learning_rate), 3)
    ...
    0.01
    """
    loan = _loans[architecture]
    if architecture.builder is None:
        values = _initial_values(loan.model, seed)
    else:
        values = _values_of_builder(architecture, loan, seed)
    _assign(loan.variables, [*values, *loan.optimizer_state])
    loan.network.set_knobs(l2=l2, dropout=dropout)
    if learning_rate is not None:
        loan.network.optimizer.learning_rate = learning_rate


def training_values(architecture):
    """Return all values that a training changes in a lent network.

    Parameters
    ----------
    architecture : Architecture
        The architecture of the network.

    Returns
    -------
    values : list of ndarray
        Weights, random states of layers and the optimiser's variables.
    """
    return [variable.numpy() for variable in _loans[architecture].variables]


def set_training_values(architecture, values):
    """Set what `training_values` has returned, so that a lent network trains on from there.

    Parameters
    ----------
    architecture : Architecture
        The architecture of the network, which `reset` has prepared.
    values : list of ndarray
        The values.
    """
    _assign(_loans[architecture].variables, values)


def _initial_values(model, seed):
    """Return the initial values of a new network of skdxa.

    They are those of ``build_model(seed)``, drawn in the order of its layers. Building a
    Keras model costs 0.06 megabytes that are never released, which adds up over a thousand fits.
    """
    # Not from Python's own generator, as Keras does, since other threads, such as those of a dask
    # worker, draw from that too.
    generator = random.Random(seed)

    def draw():
        return generator.randint(1, int(1e9))

    values = {}
    for layer in model.layers:
        if isinstance(layer, VariableDropout):
            state = layer.seed_generator.state
            values[id(state)] = keras.random.SeedGenerator(draw()).state.numpy()
        elif layer.weights:
            for name in ("kernel", "bias"):
                variable = getattr(layer, name)
                initializer = getattr(layer, f"{name}_initializer")
                settings = initializer.get_config()
                if "seed" in settings:
                    initializer = type(initializer).from_config({**settings, "seed": draw()})
                values[id(variable)] = np.asarray(initializer(variable.shape, variable.dtype))
    return [values[id(variable)] for variable in model.variables]


def _values_of_builder(architecture, loan, seed):
    """Return the initial values of a new network from the user's builder."""
    model = architecture.build_model(seed)
    values = [variable.numpy() for variable in model.variables]
    if [value.shape for value in values] != [tuple(v.shape) for v in loan.model.variables]:
        raise ValueError(
            "network built a different model from that of its first call. Give its settings as "
            "arguments, for example with functools.partial, instead of changing global ones."
        )
    ours = {id(variable) for variable in loan.model.trainable_variables}
    if any(id(variable) in ours for variable in model.trainable_variables):
        raise ValueError(
            "network returned a model that shares trainable weights with that of an earlier call, "
            "so that a fit would continue where the last one ended. Build new layers in each "
            "call, or freeze the shared ones (layer.trainable = False)."
        )
    return values


def clear_networks():
    """Release the memory of all compiled networks that no thread is using.

    Fitted classifiers remain fitted: they hold arrays, and a network is compiled again when one
    of them next predicts.

    Examples
    --------
    >>> from skdxa.classification import clear_networks
    >>> clear_networks()
    """
    with _lock:
        _drop_oldest(0)
        forget_builders()


def has_bfloat16():
    """Return whether this processor multiplies bfloat16 in hardware.

    Returns
    -------
    bool
        True on Linux with AVX512-BF16 or AMX and without a GPU that TensorFlow uses.

    Examples
    --------
    >>> from skdxa.classification import has_bfloat16
    >>> has_bfloat16() in (True, False)
    True
    """
    if tf.config.list_physical_devices("GPU"):
        return False
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text().split() if cpuinfo.exists() else []
    return "avx512_bf16" in flags or "amx_bf16" in flags


def optimizer_settings(optimizer, learning_rate):
    """Return a text from which an optimiser is rebuilt, and the learning rate to set.

    A constant learning rate is not part of the text, so that another rate does not need
    another network. The rate is None if a schedule of the optimiser sets it.

    Parameters
    ----------
    optimizer : str or keras.optimizers.Optimizer
        Keras's name of an optimiser, or an optimiser.
    learning_rate : float or None
        Replaces the optimiser's own rate if given.

    Returns
    -------
    config : str
        The optimiser as JSON.
    learning_rate : float or None
        The rate.
    """
    with keras_settings():
        if isinstance(optimizer, str):
            optimizer = _optimizer_named(optimizer)
        config = keras.optimizers.serialize(optimizer)
    # Keras counts the optimisers of a process in their names.
    del config["config"]["name"]
    if learning_rate is None and isinstance(config["config"]["learning_rate"], float):
        learning_rate = config["config"]["learning_rate"]
    if learning_rate is not None:
        config["config"]["learning_rate"] = 1e-3
    return json.dumps(config, sort_keys=True), learning_rate


def _metric_config(metric):
    """Return a text from which a metric is rebuilt; a metric given by name keeps that name."""
    config = keras.metrics.serialize(keras.metrics.get(metric))
    if isinstance(metric, str):
        config["config"]["name"] = metric
    return json.dumps(config, sort_keys=True)


# Every optimiser that is made leaves some kilobytes behind in Keras.
_optimizer_named = functools.cache(keras.optimizers.get)


@contextlib.contextmanager
def _seeded(seed):
    """Seed Python's own generator, from which Keras draws the seeds of its layers."""
    state = random.getstate()

    def seeded():
        if seed is not None:
            random.seed(seed)

    seeded()
    try:
        yield seeded
    finally:
        random.setstate(state)


def _registered_gradients():
    """Return the names under which TensorFlow has registered gradients of traced functions."""
    return {name for name in gradient_registry() if name.startswith("CustomGradient")}


def _drop_oldest(most):
    """Release the networks used longest ago until at most so many are kept."""
    idle = [architecture for architecture, loan in _loans.items() if not loan.depth]
    for architecture in idle[: max(len(_loans) - most, 0)]:
        _drop(architecture)


def _drop(architecture):
    """Release a network.

    TensorFlow registers the gradient function of each trace for the life of the process. The
    function keeps the whole traced graph alive, which would be five megabytes a network.
    """
    loan = _loans.pop(architecture)
    for name in loan.gradients:
        gradient_registry().pop(name, None)
    del loan
    gc.collect()


def trim_memory():
    """Return memory that was freed to the system, where the C library keeps it (glibc).

    The buffers of a fit are large and freed by several threads; glibc keeps the memory
    between them, so that a process grows by tens of megabytes over hundreds of fits.
    """
    if _malloc_trim is not None:
        _malloc_trim(0)


_malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _check_model(model, image_shape):
    expected = (None, *image_shape, 1)
    inputs, outputs = (
        [tuple(tensor.shape) for tensor in getattr(model, side, None) or ()]
        for side in ("inputs", "outputs")
    )
    if inputs != [expected] or outputs != [(None, 1)]:
        given = f"a model from {inputs} to {outputs}" if inputs else f"a {type(model).__name__}"
        raise ValueError(
            "network(image_shape) must return a functional or sequential keras.Model from images "
            f"of shape {expected} to one probability (None, 1); it returned {given}."
        )
    last = model.layers[-1]
    if isinstance(last, keras.layers.Dense) and last.activation is keras.activations.linear:
        raise ValueError(
            f"The last layer of network, {last.name!r}, has no activation, so that its outputs "
            "are not probabilities: end the network in Dense(1, activation='sigmoid')."
        )
