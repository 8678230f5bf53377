"""The number of threads of a fit, set before TensorFlow starts or not at all."""

import subprocess
import sys

import pytest

from skdxa.classification import set_threads

FIT = """
import numpy as np
from skdxa.classification import SpineCNNClassifier, set_threads
{before}
X = np.random.default_rng(0).normal(size=(24, 12, 10))
SpineCNNClassifier(filters=(2,), epochs=1).fit(X, np.tile([0, 1], 12))
{after}
import os
import tensorflow as tf
at_once = os.environ.get("TF_NUM_INTEROP_THREADS")
print(tf.config.threading.get_intra_op_parallelism_threads(), at_once)
"""


def run(before="", after=""):
    code = FIT.format(before=before, after=after)
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )


def test_threads_are_set_before_tensorflow_is_imported():
    code = "import os, sys; set_threads(1, fits_at_once=3); assert 'tensorflow' not in sys.modules"
    code += "\nimport tensorflow as tf; set_threads(1)"
    assert run(code, "set_threads(1)").stdout == "1 3\n"


def test_threads_cannot_change_later():
    ran = run(after="set_threads(7)")
    assert "RuntimeError: TensorFlow has started already" in ran.stderr


@pytest.mark.parametrize("n_threads", [0, -1, 1.5, True, "2"])
def test_what_is_no_number_of_threads_is_refused(n_threads):
    with pytest.raises(ValueError, match="n_threads must be a whole number of at least 1"):
        set_threads(n_threads)
    with pytest.raises(ValueError, match="fits_at_once must be a whole number of at least 1"):
        set_threads(1, fits_at_once=n_threads)
