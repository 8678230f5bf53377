"""Keras under other settings, files that load elsewhere, and a silent TensorFlow."""

import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from skdxa.classification import SpineCNNClassifier

FIT = """
import numpy as np
from skdxa.classification import SpineCNNClassifier
X = np.random.default_rng(0).normal(size=(24, 12, 10)).astype("float32")
y = np.tile([0, 1], 12)
X[y == 1] += 1
for filters in ((2,), (3,), (4,), (5,), (6,), (7,)):
    cnn = SpineCNNClassifier(filters=filters, epochs=2, random_state=0).fit(X, y)
    cnn.predict(X)
cnn.set_params(filters=(2, 3)).fit(X, y)
print(" ".join(f"{p:.6f}" for p in cnn.predict_proba(X)[:, 1]))
"""


def run(code, **environment):
    settings = {k: v for k, v in os.environ.items() if not k.startswith(("TF_CPP", "KERAS"))}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**settings, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def usual():
    return run(FIT)


def test_training_prints_nothing(usual):
    assert usual.returncode == 0, usual.stderr
    assert usual.stderr == ""


def test_the_users_own_log_level_is_kept():
    code = "import os, skdxa.classification._keras; print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    assert run(code, TF_CPP_MIN_LOG_LEVEL="1").stdout == "1\n"


def test_a_gpu_is_not_taken_whole():
    # A stand-in, since the tests need no GPU: one is free, the other already in use.
    code = (
        "import tensorflow as tf\n"
        "grown = []\n"
        "def grow(gpu, enable):\n"
        "    if gpu == 'in use':\n"
        "        raise RuntimeError('Physical devices cannot be modified')\n"
        "    grown.append((gpu, enable))\n"
        "tf.config.list_physical_devices = lambda kind=None: ['in use', 'free']\n"
        "tf.config.experimental.set_memory_growth = grow\n"
        "import skdxa.classification._keras\n"
        "print(grown)\n"
    )
    assert run(code).stdout == "[('free', True)]\n"


def test_messages_of_others_are_passed_on():
    code = (
        "import sys, builtins\n"
        "real = builtins.__import__\n"
        "def spoken(name, *args, **kwargs):\n"
        "    if name == 'keras' and 'keras' not in sys.modules:\n"
        "        print('a message of a plugin', file=sys.stderr)\n"
        "    return real(name, *args, **kwargs)\n"
        "builtins.__import__ = spoken\n"
        "import skdxa.classification._keras\n"
    )
    assert run(code).stderr == "a message of a plugin\n"


@pytest.mark.parametrize(
    "settings",
    [
        {"image_data_format": "channels_first"},
        {"floatx": "float64"},
        {"image_data_format": "channels_first", "floatx": "float16"},
    ],
)
def test_other_settings_of_keras_change_nothing(usual, settings, tmp_path):
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "tensorflow", **settings}))
    ran = run(FIT, KERAS_HOME=str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == usual.stdout


def test_another_dtype_policy_changes_nothing(usual):
    code = "import keras; keras.config.set_dtype_policy('mixed_bfloat16')\n" + FIT
    code += "assert keras.config.dtype_policy().name == 'mixed_bfloat16'"
    ran = run(code)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == usual.stdout


def test_another_backend_is_one_clear_line(tmp_path):
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "torch"}))
    for environment in ({"KERAS_BACKEND": "jax"}, {"KERAS_HOME": str(tmp_path)}):
        ran = run(FIT, **environment)
        assert "ImportError: skdxa trains its networks with TensorFlow" in ran.stderr
        assert "During handling" not in ran.stderr
    (tmp_path / "keras.json").write_text("not JSON")
    code = "from skdxa.classification import _keras; print(_keras.keras.config.backend())"
    assert run(code, KERAS_HOME=str(tmp_path), KERAS_BACKEND="tensorflow").stdout == "tensorflow\n"


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(24, 17, 13)).astype(np.float32)
    cnn = SpineCNNClassifier(filters=(2, 3), epochs=2, random_state=0)
    return cnn.fit(X, np.tile([0, 1], 12)), X


# 2026-11: Keras 3.15 hands h5py variables whose __array__ lacks NumPy 2's argument copy.
KERAS_SAVES = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@KERAS_SAVES
def test_a_keras_file_loads_where_skdxa_is_not(fitted, tmp_path):
    cnn, X = fitted
    cnn.to_keras().save(tmp_path / "cnn.keras")
    np.save(tmp_path / "X.npy", X)
    code = (
        "import sys; sys.modules['skdxa'] = None\n"
        "import keras, numpy as np\n"
        f"folder = {str(tmp_path)!r}\n"
        "model = keras.saving.load_model(folder + '/cnn.keras')\n"
        "np.save(folder + '/scores.npy', model.predict(np.load(folder + '/X.npy'), verbose=0))"
    )
    ran = run(code)
    assert ran.returncode == 0, ran.stderr
    scores = np.load(tmp_path / "scores.npy")[:, 0]
    np.testing.assert_allclose(scores, cnn.predict_proba(X)[:, 1], atol=1e-6)


@KERAS_SAVES
def test_files_of_model_checkpoint_load(fitted, tmp_path):
    import keras

    _, X = fitted
    path = tmp_path / "epoch.keras"
    checkpoint = keras.callbacks.ModelCheckpoint(str(path))
    cnn = SpineCNNClassifier(
        filters=(2,), epochs=2, random_state=0, restore_best=False, callbacks=[checkpoint]
    )
    cnn.fit(X, np.tile([0, 1], 12))
    model = keras.saving.load_model(path, compile=False)
    scores = model.predict(X[..., None], verbose=0)[:, 0]
    np.testing.assert_allclose(scores, cnn.predict_proba(X)[:, 1], atol=0.02)


def test_looking_at_a_classifier_needs_no_network(fitted):
    cnn = fitted[0]
    cnn = pickle.loads(pickle.dumps(cnn))
    # A builder that cannot run, as one whose files are elsewhere.
    cnn.network = "missing"
    code = (
        "import pickle, sys, time; cnn = pickle.load(sys.stdin.buffer)\n"
        "start = time.perf_counter(); cnn._repr_html_(); repr(cnn)\n"
        "print(time.perf_counter() - start, 'tensorflow' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(cnn), capture_output=True, check=True
    )
    seconds, imported = ran.stdout.split()
    assert imported == b"False"
    # A network would take seconds; the bound is for machines under load.
    assert float(seconds) < 2
