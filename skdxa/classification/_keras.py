"""Keras and TensorFlow, imported in one place and with skdxa's settings.

A user may have set other defaults for all of Keras: another backend, channels first, double
precision. skdxa's networks give the same results under each of them, or raise a one-line error.
"""

import contextlib
import json
import logging
import os
import re
import sys
import tempfile
from pathlib import Path


def _check_backend():
    """Raise an ImportError if Keras would start, or has started, with another backend."""
    if "keras" in sys.modules:
        backend = sys.modules["keras"].config.backend()
    else:
        folder = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"))
        try:
            configured = json.loads((folder / "keras.json").read_text()).get("backend")
        except (OSError, ValueError, AttributeError):
            configured = None
        backend = os.environ.get("KERAS_BACKEND") or configured or "tensorflow"
    if backend != "tensorflow":
        raise ImportError(
            f"skdxa trains its networks with TensorFlow, but Keras is set to {backend!r}: set the "
            "environment variable KERAS_BACKEND to tensorflow before Python starts."
        )


class _WithoutRetracingAdvice(logging.Filter):
    """Drop the advice about retracing, which is meant for those who write tf.functions."""

    def filter(self, record):
        """Return whether a record is shown."""
        return "triggered tf.function retracing" not in record.getMessage()


@contextlib.contextmanager
def _without_start_messages():
    """Drop TensorFlow's messages about processors and GPUs; pass everything else on.

    C++ code writes these messages to the error stream before its own log level applies, so
    that no setting of TensorFlow's stops them.
    """
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:
        # The program has no error stream, for example without a console on Windows.
        yield
        return
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            caught.seek(0)
            others = [line for line in caught if not _START_MESSAGE.match(line)]
            if others:
                sys.stderr.write(b"".join(others).decode(errors="replace"))


_START_MESSAGE = re.compile(
    rb"[IWE]0000 00:00:|WARNING: All log messages before absl::InitializeLog|"
    rb"\d{4}-\d\d-\d\d \S+: [IWE] |To enable the following instructions:"
)
_check_backend()
if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
    # The user has chosen the level of messages.
    quiet = contextlib.nullcontext
else:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    quiet = _without_start_messages

with quiet():
    # Imported after the check and the setting above, which have no effect afterwards.
    import keras
    import tensorflow as tf
    from tensorflow.python.framework import ops

    _gpus = tf.config.list_physical_devices("GPU")

for _gpu in _gpus:
    # TensorFlow would otherwise take all the memory of a GPU at once, so that a second process
    # could not train on it.
    with contextlib.suppress(RuntimeError, ValueError):
        # Raised if the user has started TensorFlow, or has divided the GPU.
        tf.config.experimental.set_memory_growth(_gpu, True)

logging.getLogger("tensorflow").addFilter(_WithoutRetracingAdvice())

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


@contextlib.contextmanager
def keras_settings(precision="float32"):
    """Set the global defaults of Keras, and restore the user's settings afterwards.

    Parameters
    ----------
    precision : {"float32", "bfloat16"}, default="float32"
        Precision in which new layers calculate; their weights are float32.
    """
    policy = keras.config.dtype_policy()
    floatx, image_format = keras.config.floatx(), keras.config.image_data_format()
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy(_POLICIES[precision])
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_image_data_format(image_format)
        keras.config.set_dtype_policy(policy)


def gradient_registry():
    """Return TensorFlow's registry of gradient functions by name.

    TensorFlow offers no public way to it; where it is not found, an empty dict is returned and
    networks that are dropped keep their memory.
    """
    return getattr(getattr(ops, "gradient_registry", None), "_registry", {})


__all__ = ["gradient_registry", "keras", "keras_settings", "tf"]
