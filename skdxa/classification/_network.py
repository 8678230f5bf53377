"""Networks: the paper's, or a user's own, trained an epoch at a time."""

import keras
import numpy as np
import tensorflow as tf

from skdxa.classification._layers import ConvReLUPool

# Scans that predict together: enough to keep two cores busy, few enough for any memory.
_PREDICTION_BATCH = 64


def spine_network(image_shape, *, filters, kernel_size, dense_units, l2, dropout):
    """Build the network of Nissinen et al. 2021 for images of one channel.

    For each number in `filters` a convolution, ReLU and max-pooling; then dropout, one
    fully connected layer and one sigmoid.

    Parameters
    ----------
    image_shape : tuple of int
        Rows and columns.
    filters : sequence of int
        Number of kernels of each convolution.
    kernel_size : int
        Height and width of the kernels, odd.
    dense_units : int
        Width of the fully connected layer.
    l2 : float
        Weight of the penalty on the kernels' squares.
    dropout : float
        Share of the flattened maps that are left out at random in training.

    Returns
    -------
    model : keras.Model
        Not compiled, in the precision of Keras's present policy.
    """
    inputs = keras.Input((*image_shape, 1))
    maps = inputs
    for number, n_kernels in enumerate(filters, start=1):
        maps = ConvReLUPool(
            n_kernels,
            kernel_size,
            kernel_regularizer=keras.regularizers.L2(l2),
            name=f"conv{number}",
        )(maps)
    features = keras.layers.Dropout(dropout, name="dropout")(keras.layers.Flatten()(maps))
    features = keras.layers.Dense(dense_units, activation="relu", name="dense")(features)
    outputs = keras.layers.Dense(1, activation="sigmoid", name="output", dtype="float32")(features)
    return keras.Model(inputs, outputs)


class EpochNetwork(keras.Model):
    """A functional model whose epochs run inside TensorFlow.

    One call into TensorFlow runs a whole epoch over images that stay in the network's
    precision, which spares the work that ``keras.Model.fit`` does for each batch. The
    functions are traced for any number of scans, so they are compiled once. Callbacks
    see epochs, not batches.
    """

    def compile_epochs(self):
        """Trace nothing yet; fix the signatures, so that no later call traces again."""
        images = tf.TensorSpec((None, *self.input_shape[1:]), self.compute_dtype)
        values = tf.TensorSpec((None,), tf.float32)
        rows = tf.TensorSpec((None,), tf.int32)
        size = tf.TensorSpec((), tf.int32)
        self._train = tf.function(
            self._train_epoch, input_signature=[images, values, values, rows, size]
        )
        self._error = tf.function(
            self._validation_error, input_signature=[images, values, values, size]
        )
        self._forward = tf.function(
            lambda batch: tf.cast(self(batch, training=False), tf.float32)[:, 0],
            input_signature=[images],
        )

    def fit(
        self,
        x,
        y,
        *,
        epochs,
        batch_size,
        shuffle_seed,
        sample_weight=None,
        validation_data=None,
        callbacks=None,
        verbose=0,
        initial_epoch=0,
        shuffle=True,
        validation_split=0.0,
        validation_batch_size=None,
    ):
        """Train, with Keras's callbacks and history; the arguments are those of Keras.

        `shuffle_seed` orders the scans of each epoch. `shuffle`, `validation_split`
        and `validation_batch_size` are what SciKeras passes on; here scans are always
        shuffled and never split.
        """
        images, labels, weights = self._as_tensors(x, y, sample_weight)
        held_out = None if validation_data is None else self._as_tensors(*validation_data)
        rng = np.random.default_rng(shuffle_seed)
        self.stop_training = False
        calls = keras.callbacks.CallbackList(
            callbacks,
            add_history=True,
            add_progbar=verbose != 0,
            verbose=verbose,
            epochs=epochs,
            steps=1,
            model=self,
        )
        calls.on_train_begin()
        logs = {}
        for epoch in range(initial_epoch, epochs):
            calls.on_epoch_begin(epoch)
            order = tf.constant(rng.permutation(len(y)), tf.int32)
            logs = {"loss": float(self._train(images, labels, weights, order, batch_size))}
            if held_out is not None:
                logs["val_loss"] = float(self._error(*held_out, _PREDICTION_BATCH))
            calls.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        calls.on_train_end(logs)
        return self.history

    def scores(self, images):
        """Give the probability of the second class for each image, (n,) float32."""
        batches = range(0, len(images), _PREDICTION_BATCH)
        return np.concatenate(
            [
                self._forward(tf.cast(images[i : i + _PREDICTION_BATCH], self.compute_dtype))
                for i in batches
            ]
        )

    def _as_tensors(self, x, y, sample_weight=None):
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        return (
            tf.cast(x, self.compute_dtype),
            tf.cast(tf.reshape(y, (-1,)), tf.float32),
            tf.cast(weights, tf.float32),
        )

    # TensorFlow traces a rewritten copy of the functions below, which coverage cannot see.

    def _train_epoch(self, images, labels, weights, order, batch_size):  # pragma: no cover
        n = tf.size(order)
        total = 0.0
        for start in tf.range(0, n, batch_size):
            rows = order[start : start + batch_size]
            batch = tf.gather(images, rows)
            with tf.GradientTape() as tape:
                loss = self._loss(
                    batch, tf.gather(labels, rows), tf.gather(weights, rows), training=True
                )
            trainable = self.trainable_weights
            self.optimizer.apply(tape.gradient(loss, trainable), trainable)
            total += loss * tf.cast(tf.size(rows), tf.float32)
        return total / tf.cast(n, tf.float32)

    def _validation_error(self, images, labels, weights, batch_size):  # pragma: no cover
        n = tf.size(labels)
        total = 0.0
        for start in tf.range(0, n, batch_size):
            rows = slice(start, start + batch_size)
            loss = self._loss(images[rows], labels[rows], weights[rows], training=False)
            total += loss * tf.cast(tf.size(labels[rows]), tf.float32)
        return total / tf.cast(n, tf.float32)

    def _loss(self, images, labels, weights, *, training):  # pragma: no cover
        scores = tf.cast(self(images, training=training), tf.float32)
        return self.compute_loss(
            y=labels[:, None], y_pred=scores, sample_weight=weights, training=training
        )


class KeepBestEpoch(keras.callbacks.Callback):
    """Keep the weights of the epoch with the lowest validation error.

    Attributes
    ----------
    epoch : int
        The number of that epoch, the first being 1.
    weights : list of ndarray
        Its weights.
    """

    def __init__(self):
        super().__init__()
        self.lowest = np.inf

    def on_epoch_end(self, epoch, logs=None):
        """Look at the validation error of an epoch."""
        error = logs["val_loss"]
        # The first epoch counts even if its error is not a number, so that there are
        # weights to return.
        if error < self.lowest or epoch == 0:
            self.lowest = error if error == error else np.inf
            self.epoch = epoch + 1
            self.weights = self.model.get_weights()
