import pickle
import threading
from importlib.util import find_spec

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from small_network import N, small

from skdxa.exceptions import TrainingError


def test_callbacks_are_made_for_each_fit(stack):
    import keras

    class Stop(keras.callbacks.Callback):
        epochs_seen = 0

        def on_epoch_end(self, epoch, logs=None):
            self.epochs_seen += 1
            if self.epochs_seen == 2:
                self.model.stop_training = True

    X, y = stack
    cnn = small(callbacks=[Stop])
    for _ in range(2):
        cnn.fit(X, y)
        assert len(cnn.history_["loss"]) == 2


def test_a_callback_instance_is_used_and_released(stack):
    import keras

    class Locked(keras.callbacks.Callback):
        """Holds what cannot be copied, as a study of optuna or an open file does."""

        def __init__(self):
            super().__init__()
            self.lock = threading.Lock()
            self.losses = []

        def on_epoch_end(self, epoch, logs=None):
            with self.lock:
                self.losses.append(logs["loss"])

    X, y = stack
    callback = Locked()
    cnn = small(epochs=3, callbacks=[callback]).fit(X, y)
    assert callback.losses == pytest.approx(cnn.history_["loss"])
    assert callback.model is None

    stopping = keras.callbacks.EarlyStopping(patience=1, min_delta=10)
    cnn = small(callbacks=[stopping])
    lengths = [len(cnn.fit(X, y).history_["loss"]) for _ in range(2)]
    assert lengths == [2, 2]
    assert pickle.loads(pickle.dumps(cnn)).predict(X).shape == (N,)


def test_metrics_reach_the_history_and_the_callbacks(stack):
    import keras
    from sklearn.metrics import roc_auc_score

    X, y = stack
    settings = {"validation_fraction": 0.25, "restore_best": False, "epochs": 5}
    cnn = small(metrics=["auc", keras.metrics.BinaryAccuracy(name="accuracy")], **settings)
    cnn.fit(X, y)
    names = ["loss", "auc", "accuracy", "val_loss", "val_auc", "val_accuracy"]
    assert set(cnn.history_) == set(names)
    plain = small(**settings).fit(X, y)
    assert plain.history_["loss"] == cnn.history_["loss"]

    own = small(metrics=["auc"], epochs=4, restore_best=False)
    own.fit(X[:20], y[:20], X_val=X[20:], y_val=y[20:])
    area = roc_auc_score(y[20:], own.predict_proba(X[20:])[:, 1])
    assert own.history_["val_auc"][-1] == pytest.approx(area, abs=0.03)

    def stop():
        return keras.callbacks.EarlyStopping(monitor="val_auc", mode="max", patience=2)

    stopped = small(metrics=["auc"], callbacks=[stop], epochs=60).fit(X, y)
    assert len(stopped.history_["loss"]) < 60


def test_patience_ends_a_training_and_keeps_its_best_epoch(stack):
    X, y = stack
    noise = np.random.default_rng(5).permutation(y)
    whole = small(epochs=30, learning_rate=0.02).fit(X, noise)
    patient = small(epochs=30, learning_rate=0.02, patience=4).fit(X, noise)
    n_epochs = len(patient.history_["loss"])
    assert n_epochs < 30
    assert patient.history_["loss"] == whole.history_["loss"][:n_epochs]
    assert patient.best_epoch_ == n_epochs - 4
    assert patient.best_epoch_ == 1 + int(np.argmin(whole.history_["val_loss"][:n_epochs]))
    if whole.best_epoch_ == patient.best_epoch_:
        for one, other in zip(whole.weights_, patient.weights_, strict=True):
            np.testing.assert_array_equal(one, other)
    last = small(epochs=30, learning_rate=0.02, patience=4, restore_best=False).fit(X, noise)
    assert last.best_epoch_ == len(last.history_["loss"]) == n_epochs
    with pytest.raises(ValueError, match="patience needs validation images"):
        small(validation_fraction=0, patience=3).fit(X, y)


def test_callbacks_of_scikit_learn_follow_the_epochs(stack):
    callback = pytest.importorskip("sklearn.callback")

    class Count:
        """Follows scikit-learn's protocol of callbacks."""

        def __init__(self):
            self.tasks = []

        def setup(self, estimator, context):
            self.tasks.append("setup")

        def on_fit_task_begin(self, estimator, context):
            self.tasks.append(context.task_name)

        def on_fit_task_end(self, estimator, context):
            return len(self.tasks) >= 5

        def teardown(self, estimator, context):
            self.tasks.append("teardown")

    X, y = stack
    count = Count()
    cnn = small(epochs=10).set_callbacks(count).fit(X, y)
    assert count.tasks[:3] == ["setup", "fit", "epoch"]
    assert count.tasks[-1] == "teardown"
    assert len(cnn.history_["loss"]) == 3
    bar = small(epochs=2).set_callbacks(callback.ProgressBar())
    if find_spec("rich"):
        assert len(bar.fit(X, y).history_["loss"]) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"callbacks": ["early"]}, "callback 0 is a str"),
        ({"callbacks": [lambda: "early"]}, "callback 0 of callbacks returned a str"),
    ],
)
def test_what_is_no_callback_is_named(stack, changes, message):
    with pytest.raises(ValueError, match=message):
        small(**changes).fit(*stack)


@pytest.mark.parametrize(
    ("scale", "changes"), [(1e30, {}), (1.0, {"learning_rate": 1e30}), (1e30, {"patience": 2})]
)
def test_a_training_that_diverges_raises(stack, scale, changes):
    X, y = stack
    with pytest.raises(TrainingError, match=r"diverged in epoch \d+: (val_)?loss is (nan|inf)"):
        small(epochs=5, **changes).fit(X * np.float32(scale), y)


def test_a_callback_may_predict_with_the_same_architecture(stack):
    import keras

    X, y = stack
    other = small(precision="float32", random_state=9).fit(X, y)

    class Predict(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            other.predict_proba(X[:2])

    kwargs = {"precision": "float32"}
    plain = small(**kwargs).fit(X, y)
    interrupted = small(**kwargs, callbacks=[Predict()]).fit(X, y)
    np.testing.assert_array_equal(interrupted.predict_proba(X), plain.predict_proba(X))


def test_layers_frozen_by_a_callback_train_in_the_next_fit(stack):
    import keras

    class Freeze(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.model.layers[1].trainable = False
            self.model.optimizer.weight_decay = 0.5

    X, y = stack
    clean = small(filters=(5,)).fit(X, y).weights_
    small(filters=(5,), callbacks=[Freeze()]).fit(X, y)
    for kept, trained in zip(clean, small(filters=(5,)).fit(X, y).weights_, strict=True):
        np.testing.assert_array_equal(kept, trained)


def test_an_interrupted_fit_leaves_the_last_one_unchanged(stack):
    import keras

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    X, y = stack
    cnn = small().fit(X, y)
    before = cnn.predict(X)
    cnn.set_params(callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        cnn.fit(X, np.array(["b", "a"])[y])
    np.testing.assert_array_equal(cnn.predict(X), before)
    with pytest.raises(KeyboardInterrupt):
        clone(cnn).fit(X, y)
    with pytest.raises(NotFittedError):
        clone(cnn).predict(X)


def test_verbose_prints_a_line_an_epoch(stack, capsys):
    X, y = stack
    small(epochs=2, verbose=2).fit(X, y)
    assert capsys.readouterr().out.count("val_loss") == 2
    small(epochs=2, verbose=0).fit(X, y)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
def test_optimisers_by_name(stack, optimizer):
    X, y = stack
    assert small(epochs=1, optimizer=optimizer).fit(X, y).history_["loss"][0] < 2


def test_optimiser_with_its_own_schedule(stack):
    import keras

    X, y = stack
    schedule = keras.optimizers.schedules.ExponentialDecay(0.01, 2, 0.9)
    own = small(epochs=2, optimizer=keras.optimizers.SGD(schedule), learning_rate=None).fit(X, y)
    set_here = clone(own).set_params(learning_rate=0.5).fit(X, y)
    assert not np.allclose(own.weights_[0], set_here.weights_[0])


def test_best_epoch_is_restored(stack):
    X, y = stack
    noise = np.random.default_rng(5).permutation(y)
    best = small(epochs=15, learning_rate=0.02).fit(X, noise)
    last = small(epochs=15, learning_rate=0.02, restore_best=False).fit(X, noise)
    assert best.history_ == last.history_
    assert best.best_epoch_ < last.best_epoch_ == 15
    shorter = small(epochs=best.best_epoch_, learning_rate=0.02, restore_best=False).fit(X, noise)
    for kept, trained in zip(best.weights_, shorter.weights_, strict=True):
        np.testing.assert_array_equal(kept, trained)
