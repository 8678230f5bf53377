"""One training of a network, from its checkpoint if there is one."""

from contextlib import contextmanager

import numpy as np
from sklearn import config_context

from skdxa.classification._checkpoint import TrainingCheckpoint, TrainingState
from skdxa.classification._keras import keras
from skdxa.classification._lending import (
    Architecture,
    has_bfloat16,
    lend,
    optimizer_settings,
    reset,
    set_training_values,
    training_values,
    trim_memory,
)
from skdxa.classification._network import KeepBestEpoch, check_probabilities

# isort: split
# After the modules above, which check Keras's backend and quieten TensorFlow.
from scikeras.wrappers import KerasClassifier

# Images that are scored before training, to see whether a user's network returns probabilities.
_CHECKED_AT_START = 64


def train(classifier, training, held_out, weight_seed, order_seed):
    """Train the network of a classifier.

    Parameters
    ----------
    classifier : SpineCNNClassifier
        Whose parameters are used; nothing in it is changed.
    training : tuple of ndarray
        Images (n_scans, n_rows, n_columns), labels 0 or 1, and weights of the scans.
    held_out : tuple of ndarray or None
        The same of the scans on which the epoch is chosen.
    weight_seed, order_seed : int
        Seeds of the weights and of the order of the scans.

    Returns
    -------
    weights : list of ndarray
    history : dict of str to list of float
    best_epoch : int
        The epoch whose weights are returned; the first is 1.
    """
    images, labels, weights = training
    precision = classifier.precision
    if precision == "auto":
        precision = "bfloat16" if has_bfloat16() else "float32"
    architecture = Architecture.of(classifier, images.shape[1:], precision)
    callbacks = _make_callbacks(classifier.callbacks)
    keeper = None
    if held_out is not None:
        val_images, val_labels, val_weights = held_out
        held_out = (val_images[..., np.newaxis], val_labels, val_weights)
        if classifier.restore_best or classifier.patience is not None:
            keeper = KeepBestEpoch(classifier.restore_best, classifier.patience)
    checkpoint, state = _open_checkpoint(
        classifier, architecture, (weight_seed, order_seed), training, held_out
    )
    n_done = 0 if state is None else state.n_epochs
    history = {} if state is None else state.history
    with lend(architecture) as network, _following_epochs(classifier) as following:
        reset(
            architecture,
            learning_rate=optimizer_settings(classifier.optimizer, classifier.learning_rate)[1],
            seed=weight_seed,
            l2=classifier.l2,
            dropout=classifier.dropout,
        )
        if classifier.network is not None:
            check_probabilities(network.scores(images[:_CHECKED_AT_START, ..., np.newaxis]))
        if state is not None:
            set_training_values(architecture, state.values)
            if keeper is not None:
                keeper.resume(state)
        if n_done < classifier.epochs and not (state is not None and state.ended):
            trainer = KerasClassifier(
                model=network,
                loss="binary_crossentropy",
                epochs=classifier.epochs - n_done,
                batch_size=classifier.batch_size,
                callbacks=[*callbacks, *([keeper] if keeper else []), *following],
                verbose=int(classifier.verbose),
            )
            try:
                # SciKeras uses transformers internally, which must still return arrays.
                with config_context(transform_output="default"):
                    trainer.fit(
                        images[..., np.newaxis],
                        labels,
                        # If weights are given, SciKeras copies all images.
                        sample_weight=None if np.all(weights == 1) else weights,
                        validation_data=held_out,
                        shuffle_seed=order_seed,
                        initial_epoch=n_done,
                    )
            finally:
                # The user's callbacks must not keep the lent network.
                for callback in callbacks:
                    callback.set_model(None)
            # SciKeras uses its own spelling of some names of metrics.
            history = {
                name: [*history.get(name, ()), *values]
                for name, values in network.history.history.items()
            }
            del trainer
            ended = keeper is not None and keeper.ended
            # A callback of scikit-learn can stop a training; its reasons are not kept.
            if checkpoint is not None and (ended or len(history["loss"]) == classifier.epochs):
                best = {} if keeper is None else keeper.kept()
                values = training_values(architecture)
                checkpoint.write(TrainingState(history, ended, values, **best))
        trim_memory()
        if keeper is not None and classifier.restore_best:
            return keeper.weights, history, keeper.epoch
        return network.get_weights(), history, len(history["loss"])


def _open_checkpoint(classifier, architecture, seeds, training, held_out):
    """Return the file of this training and the state in it, or None for each."""
    # A builder that is identified by its address in memory differs in the next process.
    if classifier.checkpoint is None or (architecture.builder_key or "").startswith("object "):
        return None, None
    settings = {
        "learning_rate": optimizer_settings(classifier.optimizer, classifier.learning_rate)[1],
        "l2": float(classifier.l2),
        "dropout": float(classifier.dropout),
        "batch_size": int(classifier.batch_size),
        "restore_best": bool(classifier.restore_best),
        "patience": classifier.patience,
        "seeds": seeds,
    }
    arrays = [*training, *(() if held_out is None else held_out)]
    checkpoint = TrainingCheckpoint(classifier.checkpoint, architecture, settings, arrays)
    return checkpoint, checkpoint.read(classifier.epochs)


def _make_callbacks(given):
    """Return the callbacks of one fit, each an instance of Keras's class."""
    callbacks = []
    for number, callback in enumerate(given or []):
        made = callback if isinstance(callback, keras.callbacks.Callback) else callback()
        if not isinstance(made, keras.callbacks.Callback):
            raise ValueError(
                f"callback {number} of callbacks returned a {type(made).__name__}, not a "
                "keras.callbacks.Callback."
            )
        callbacks.append(made)
    return callbacks


@contextmanager
def _following_epochs(estimator):
    """Report each epoch to the callbacks that scikit-learn has set, by a callback of Keras."""
    # Older versions of scikit-learn have no callbacks.
    if not hasattr(estimator, "_init_callback_context"):
        yield []
        return
    context = estimator._init_callback_context(max_subtasks=estimator.epochs)
    context.call_on_fit_task_begin(estimator=estimator)

    class Follow(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.task = context.subcontext(task_name="epoch")
            self.task.call_on_fit_task_begin(estimator=estimator)

        def on_epoch_end(self, epoch, logs=None):
            if self.task.call_on_fit_task_end(estimator=estimator):
                self.model.stop_training = True

    yield [Follow()]
    context.call_on_fit_task_end(estimator=estimator)
