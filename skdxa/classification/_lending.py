"""One compiled network for each architecture, lent to whoever fits or predicts.

Tracing a network costs about a second and ten megabytes that never come back, which a
thousand fits do not survive. Here a network is traced once in a process; for each fit its
weights, its optimiser and its random states are set anew. The values come from a model that
is built for the purpose, which takes milliseconds, and so are right for any builder.
"""

import contextlib
import functools
import json
import random
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import cloudpickle
import keras
import tensorflow as tf

from skdxa.classification._network import EpochNetwork, spine_network

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}

_loans = {}
# One lock for all networks: TensorFlow uses every core for one of them anyway, and several
# locks could be taken in different orders by callbacks that predict.
_lock = threading.RLock()


@dataclass(frozen=True)
class Architecture:
    """What distinguishes one compiled network from another."""

    image_shape: tuple
    filters: tuple
    kernel_size: int
    dense_units: int
    l2: float
    dropout: float
    optimizer: str | None
    builder: bytes | None
    precision: str

    @classmethod
    def of(cls, estimator, image_shape, precision):
        """Give the architecture that a classifier trains for images of a shape."""
        predicts = cls.for_prediction(estimator, image_shape)
        return replace(
            predicts,
            l2=float(estimator.l2),
            dropout=float(estimator.dropout),
            optimizer=_optimizer_config(estimator.optimizer, estimator.learning_rate),
            precision=precision,
        )

    @classmethod
    def for_prediction(cls, estimator, image_shape):
        """Give the one that it predicts with, whatever was set for training alone."""
        return cls(
            image_shape=tuple(image_shape),
            filters=tuple(int(n) for n in estimator.filters),
            kernel_size=int(estimator.kernel_size),
            dense_units=int(estimator.dense_units),
            l2=0.0,
            dropout=0.0,
            optimizer=None,
            # By its content: a worker process gets a new copy with every task.
            builder=None if estimator.network is None else cloudpickle.dumps(estimator.network),
            precision="float32",
        )

    def build_model(self):
        """Build a new model, not compiled, with weights of its own."""
        with _lock:
            policy = keras.config.dtype_policy()
            keras.config.set_dtype_policy(_POLICIES[self.precision])
            try:
                model = self._call_builder()
            finally:
                keras.config.set_dtype_policy(policy)
        _check_model(model, self.image_shape)
        return model

    def _call_builder(self):
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
    """A compiled network, and what brings it back to its beginning."""

    def __init__(self, architecture):
        self.model = architecture.build_model()
        self.network = EpochNetwork(self.model.inputs[0], self.model.outputs[0], name="spine_cnn")
        self.optimizer_state = []
        if architecture.optimizer is not None:
            optimizer = keras.optimizers.deserialize(json.loads(architecture.optimizer))
            self.network.compile(optimizer, "binary_crossentropy", jit_compile=False)
            optimizer.build(self.network.trainable_variables)
            self.optimizer_state = [variable.numpy() for variable in optimizer.variables]
        self.network.compile_epochs()
        self.settings = self.current_settings()
        self.depth = 0

    @property
    def variables(self):
        optimizer = getattr(self.network, "optimizer", None)
        return [*self.model.variables, *(optimizer.variables if optimizer else ())]

    def current_settings(self):
        """Give what a callback could change and no reset would bring back."""
        trainable = [layer.trainable for layer in self.network._flatten_layers()]
        optimizer = getattr(self.network, "optimizer", None)
        config = optimizer.get_config() if optimizer else {}
        return trainable, {k: v for k, v in config.items() if k != "learning_rate"}


@contextlib.contextmanager
def lend(architecture):
    """Lend the network of an architecture; nobody else has any meanwhile.

    Parameters
    ----------
    architecture : Architecture
        Which network.

    Yields
    ------
    network : EpochNetwork
        Its weights are whatever the last borrower left: set them.
    """
    with _lock:
        if architecture not in _loans:
            _loans[architecture] = _Loan(architecture)
        loan = _loans[architecture]
        # A callback may train another classifier of the architecture that is being trained.
        before = [variable.numpy() for variable in loan.variables] if loan.depth else None
        loan.depth += 1
        try:
            yield loan.network
        finally:
            loan.depth -= 1
            if before is not None:
                _assign(loan.variables, before)
            elif loan.current_settings() != loan.settings:
                del _loans[architecture]


def reset(architecture, *, learning_rate, seed):
    """Bring a lent network to the beginning of a training.

    Parameters
    ----------
    architecture : Architecture
        The network's.
    learning_rate : float or None
        The optimiser's learning rate; None keeps its own.
    seed : int
        Seeds the weights and the dropout, as far as the builder has not seeded them.
    """
    loan = _loans[architecture]
    # Keras takes the seeds of initialisers and dropout from Python's own generator.
    state = random.getstate()
    random.seed(seed)
    try:
        model = architecture.build_model()
    finally:
        random.setstate(state)
    values = [variable.numpy() for variable in model.variables]
    if [value.shape for value in values] != [tuple(v.shape) for v in loan.model.variables]:
        raise ValueError(
            "network built another model than at its first call. Give its settings as arguments, "
            "for example with functools.partial, instead of changing global ones."
        )
    _assign(loan.variables, [*values, *loan.optimizer_state])
    if learning_rate is not None:
        loan.network.optimizer.learning_rate = learning_rate


def bfloat16_pays():
    """Say whether this processor multiplies bfloat16 in hardware (Linux, x86-64)."""
    if tf.config.list_physical_devices("GPU"):
        return False
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text().split() if cpuinfo.exists() else []
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _optimizer_config(optimizer, learning_rate):
    """Give what rebuilds an optimiser, as text."""
    if isinstance(optimizer, str):
        optimizer = _optimizer_named(optimizer)
    config = keras.optimizers.serialize(optimizer)
    # Keras counts the optimisers of a process in their names.
    del config["config"]["name"]
    if learning_rate is not None:
        # Set for each fit, so that another learning rate needs no other network.
        config["config"]["learning_rate"] = 1e-3
    return json.dumps(config, sort_keys=True)


# Every optimiser that is made leaves some kilobytes behind in Keras.
_optimizer_named = functools.cache(keras.optimizers.get)


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
            "network(image_shape) must give a functional or sequential keras.Model from images "
            f"of shape {expected} to one probability (None, 1); it gave {given}."
        )
