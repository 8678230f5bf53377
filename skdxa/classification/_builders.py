"""Recognise the same builder of a network, in one process and in others."""

import io
import json
from collections import OrderedDict

import cloudpickle

from skdxa._description import NotDescribable, digest
from skdxa.classification._keras import keras

# Four builders for each network that is kept.
_MOST_HELD = 32

# Builders that cannot be described and are identified by their address in memory.
_held = OrderedDict()


def identify(builder):
    """Return a text that is the same for the same builder, and the builder to call.

    A worker process gets a new copy of a builder with every task, so that what it does decides,
    with all that it refers to. A pickled builder would not do as its description: one from a
    module is pickled by its name, whatever has changed in the module. Where a builder cannot be
    described, the object itself decides.

    Parameters
    ----------
    builder : callable

    Returns
    -------
    key : str
        Begins with "object" where only this process knows the builder.
    content : bytes or callable
        The pickled builder, or the builder where it cannot be pickled.
    """
    try:
        key = digest(builder)
    except NotDescribable:
        key = f"object {id(builder)}"
        known, content = _held.get(key, (None, None))
        if known is builder:
            return key, content
    try:
        content = _pickled(builder)
    except Exception:
        # A closure can hold anything that pickle refuses, each with an error of its own. The
        # builder is then called as it is; `reset` refuses weights that are shared by its calls.
        content = builder
    if key.startswith("object "):
        # Keep a reference, so that its id is not reused.
        _held[key] = builder, content
        while len(_held) > _MOST_HELD:
            _held.popitem(last=False)
    return key, content


def forget_builders():
    """Release the stored builders."""
    _held.clear()


class _Pickler(cloudpickle.Pickler):
    """Pickles a Keras model as its configuration and weights, which are the same each time."""

    def reducer_override(self, obj):
        """Return how an object is rebuilt."""
        if isinstance(obj, keras.Model):
            config = json.dumps(keras.saving.serialize_keras_object(obj), sort_keys=True)
            return _rebuilt_model, (config, obj.get_weights())
        return super().reducer_override(obj)


def _pickled(builder):
    file = io.BytesIO()
    _Pickler(file).dump(builder)
    return file.getvalue()


def _rebuilt_model(config, weights):
    model = keras.saving.deserialize_keras_object(json.loads(config))
    model.set_weights(weights)
    return model
