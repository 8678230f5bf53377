"""One compiled network for each architecture, lent to whoever fits or predicts.

A new Keras model for every fit costs more than a second of tracing and more than ten
megabytes that never come back. Here a network is compiled once in a process; for each
fit its weights, its optimiser and its random states are set anew.
"""

import contextlib
import json
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cloudpickle
import keras
import numpy as np
import tensorflow as tf

from skdxa.classification._network import EpochNetwork, spine_network

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}

_loans = {}
_registry_lock = threading.Lock()


@dataclass(frozen=True)
class Architecture:
    """What distinguishes one compiled network from another."""

    image_shape: tuple
    filters: tuple
    kernel_size: int
    dense_units: int
    l2: float
    dropout: float
    optimizer: str
    builder: bytes | None
    precision: str

    @classmethod
    def of(cls, estimator, image_shape, precision):
        """Give the architecture of a classifier for images of a shape."""
        builder = estimator.network
        return cls(
            image_shape=tuple(image_shape),
            filters=tuple(int(n) for n in estimator.filters),
            kernel_size=int(estimator.kernel_size),
            dense_units=int(estimator.dense_units),
            l2=float(estimator.l2),
            dropout=float(estimator.dropout),
            optimizer=_optimizer_config(estimator),
            # By its content: a worker process gets a new copy with every task.
            builder=None if builder is None else cloudpickle.dumps(builder),
            precision=precision,
        )

    def build(self):
        """Build a new network, compiled, with some weights."""
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy(_POLICIES[self.precision])
        try:
            model = self._build_model()
            _check_model(model, self.image_shape)
            network = EpochNetwork(model.inputs[0], model.outputs[0], name="spine_cnn")
        finally:
            keras.config.set_dtype_policy(policy)
        optimizer = keras.optimizers.deserialize(json.loads(self.optimizer))
        network.compile(optimizer, "binary_crossentropy", jit_compile=False)
        optimizer.build(network.trainable_variables)
        network.compile_epochs()
        return network

    def _build_model(self):
        if self.builder is not None:
            return cloudpickle.loads(self.builder)(self.image_shape)
        return spine_network(
            self.image_shape,
            filters=self.filters,
            kernel_size=self.kernel_size,
            dense_units=self.dense_units,
            l2=self.l2,
            dropout=self.dropout,
        )


class _Loan:
    """A network, its lock, and the state it was built with."""

    def __init__(self, architecture):
        self.architecture = architecture
        self.lock = threading.RLock()
        self.depth = 0

    @cached_property
    def network(self):
        # Keras's precision policy is global to the process while a network is built.
        with _registry_lock:
            return self.architecture.build()

    @cached_property
    def first_state(self):
        return [variable.numpy() for variable in _state(self.network)]


@contextlib.contextmanager
def lend(architecture):
    """Lend the network of an architecture; nobody else has it meanwhile.

    Parameters
    ----------
    architecture : Architecture
        Which network.

    Yields
    ------
    network : EpochNetwork
        Its weights are whatever the last borrower left: set them.
    """
    with _registry_lock:
        loan = _loans.setdefault(architecture, _Loan(architecture))
    with loan.lock:
        network = loan.network
        # A callback may predict with the network that is being trained.
        before = [variable.numpy() for variable in _state(network)] if loan.depth else None
        loan.depth += 1
        try:
            yield network
        finally:
            loan.depth -= 1
            if before is not None:
                _assign(_state(network), before)


def reset(architecture, network, *, learning_rate, random_state):
    """Set a lent network to the beginning of a training.

    Weights whose layer names their initialiser are drawn anew; all others, and the
    optimiser, get the values they were built with.

    Parameters
    ----------
    architecture : Architecture
        The network's.
    network : EpochNetwork
        What `lend` gave.
    learning_rate : float or None
        The optimiser's learning rate; None keeps its own.
    random_state : numpy.random.RandomState
        Draws the weights and seeds the dropout.
    """
    loan = _loans[architecture]
    _assign(_state(network), loan.first_state)
    if learning_rate is not None:
        network.optimizer.learning_rate = learning_rate
    for layer in network._flatten_layers(include_self=False):
        for attribute, initializer in list(vars(layer).items()):
            weight = getattr(layer, attribute.removesuffix("_initializer"), None)
            if (
                attribute.endswith("_initializer")
                and isinstance(weight, keras.Variable)
                and isinstance(initializer, keras.initializers.Initializer)
            ):
                config = initializer.get_config()
                if "seed" in config:
                    config["seed"] = _seed(random_state)
                weight.assign(type(initializer).from_config(config)(weight.shape, weight.dtype))
        for generator in getattr(layer, "_seed_generators", ()):
            generator.state.assign(np.array([_seed(random_state), 0], generator.state.dtype))


def bfloat16_pays():
    """Say whether this processor multiplies bfloat16 in hardware (Linux, x86-64)."""
    if tf.config.list_physical_devices("GPU"):
        return False
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text().split() if cpuinfo.exists() else []
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _optimizer_config(estimator):
    optimizer = keras.optimizers.serialize(keras.optimizers.get(estimator.optimizer))
    # Keras counts the optimisers of a process in their names.
    del optimizer["config"]["name"]
    if estimator.learning_rate is not None:
        # Set for each fit, so that another learning rate needs no other network.
        optimizer["config"]["learning_rate"] = 1e-3
    return json.dumps(optimizer, sort_keys=True)


def _state(network):
    return [*network.variables, *network.optimizer.variables]


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _seed(random_state):
    return int(random_state.randint(np.iinfo(np.int32).max))


def _check_model(model, image_shape):
    expected = (None, *image_shape, 1)
    if (
        not isinstance(model, keras.Model)
        or [tuple(x.shape) for x in model.inputs] != [expected]
        or [tuple(x.shape) for x in model.outputs] != [(None, 1)]
    ):
        given = (
            f"a model from {[tuple(x.shape) for x in model.inputs]} to "
            f"{[tuple(x.shape) for x in model.outputs]}"
            if isinstance(model, keras.Model)
            else f"a {type(model).__name__}"
        )
        raise ValueError(
            f"network(image_shape) must give a keras.Model from images of shape {expected} to "
            f"one probability (None, 1); it gave {given}."
        )
