"""Optuna stops a bad training early, by a callback of the classifier."""

import numpy as np
import pytest

from skdxa.classification import SpineCNNClassifier

optuna = pytest.importorskip("optuna", reason="Optuna, which is optional, is not installed")


def test_optuna_prunes_trainings():
    import keras

    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 20)
    X = rng.normal(size=(40, 9, 7)).astype("float32") + y[:, None, None]

    class Report(keras.callbacks.Callback):
        def __init__(self, trial):
            super().__init__()
            self.trial = trial

        def on_epoch_end(self, epoch, logs=None):
            self.trial.report(logs["val_loss"], epoch)
            if self.trial.should_prune():
                raise optuna.TrialPruned

    def objective(trial):
        cnn = SpineCNNClassifier(
            filters=(2,),
            dense_units=4,
            epochs=6,
            validation_fraction=0.25,
            learning_rate=trial.suggest_float("learning_rate", 1e-6, 1e-1, log=True),
            callbacks=[lambda: Report(trial)],
            random_state=0,
        )
        return min(cnn.fit(X, y).history_["val_loss"])

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(pruner=optuna.pruners.MedianPruner(n_startup_trials=1))
    study.enqueue_trial({"learning_rate": 0.05})
    study.enqueue_trial({"learning_rate": 1e-6})
    study.optimize(objective, n_trials=2)
    good, bad = study.trials
    assert (good.state.name, bad.state.name) == ("COMPLETE", "PRUNED")
    assert len(bad.intermediate_values) < 6
    # The network that was lent to the training that ended in an error is as good as new.
    again = SpineCNNClassifier(
        filters=(2,),
        dense_units=4,
        epochs=6,
        validation_fraction=0.25,
        learning_rate=0.05,
        random_state=0,
    ).fit(X, y)
    assert min(again.history_["val_loss"]) == good.value
