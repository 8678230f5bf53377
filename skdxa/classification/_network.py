"""The network of the paper or a custom one, trained one epoch at a time."""

from types import SimpleNamespace

import numpy as np

from skdxa.classification._keras import keras, tf
from skdxa.classification._layers import ConvReLUPool, VariableDropout
from skdxa.exceptions import TrainingError

# Number of scans in one batch of a prediction: enough for two cores, few enough for any memory.
_PREDICTION_BATCH = 64
_VECTOR_LANES = 16


def spine_network(
    image_shape=None,
    *,
    filters=(8, 16, 32, 64),
    kernel_size=5,
    dense_units=64,
    l2=1e-4,
    dropout=0.5,
    meta=None,
):
    """Build the network of Nissinen et al. 2021 [1]_ from Keras's own layers.

    For each number in `filters` a convolution, ReLU and max-pooling; then dropout, one
    fully connected layer and one sigmoid.

    Parameters
    ----------
    image_shape : tuple of int, default=None
        Rows and columns; taken from `meta` if not given.
    filters : tuple of int, default=(8, 16, 32, 64)
        Number of kernels of each convolution.
    kernel_size : int, default=5
        Height and width of the kernels in pixels, odd.
    dense_units : int, default=64
        Width of the fully connected layer.
    l2 : float, default=1e-4
        Weight of the penalty on the squares of the kernels.
    dropout : float, default=0.5
        Share of the flattened maps left out at random in training.
    meta : dict, default=None
        What SciKeras passes to a builder: ``meta["X_shape_"]`` is the shape of the training
        images, (n, rows, columns) or (n, rows, columns, 1).

    Returns
    -------
    model : keras.Model
        From images (n, rows, columns, 1) to one probability (n, 1); not compiled.

    Raises
    ------
    ValueError
        If neither `image_shape` nor `meta` is given.

    See Also
    --------
    SpineCNNClassifier : Trains the same network, faster.
    KerasClassifier : Trains any Keras model as a classifier of scikit-learn.

    References
    ----------
    .. [1] Nissinen et al., "Detecting pathological features and predicting fracture
       risk from dual-energy X-ray absorptiometry images using deep learning", Bone
       Reports 14, 2021, 101070. https://doi.org/10.1016/j.bonr.2021.101070

    Examples
    --------
    >>> from skdxa.classification import spine_network
    >>> spine_network((150, 150)).output_shape
    (None, 1)
    """
    if image_shape is None:
        if meta is None:
            raise ValueError("spine_network needs image_shape, the rows and columns of an image.")
        image_shape = meta["X_shape_"][1:3]
    inputs = keras.Input((*image_shape, 1), dtype="float32")
    maps = inputs
    for number, n_kernels in enumerate(filters, start=1):
        maps = keras.layers.Conv2D(
            n_kernels,
            kernel_size,
            padding="same",
            activation="relu",
            data_format="channels_last",
            kernel_regularizer=keras.regularizers.L2(l2),
            name=f"conv{number}",
        )(maps)
        # A direction of a single pixel is not pooled, so that small images are accepted as well.
        window = tuple(min(2, size) for size in maps.shape[1:3])
        maps = keras.layers.MaxPooling2D(
            window, data_format="channels_last", name=f"pool{number}"
        )(maps)
    features = keras.layers.Flatten(data_format="channels_last", name="flatten")(maps)
    features = keras.layers.Dropout(dropout, name="dropout")(features)
    return _with_head(inputs, features, dense_units)


def fast_spine_network(image_shape, *, filters, kernel_size, dense_units):
    """Build the same network from layers that train faster.

    Its dropout rate is a variable, and its penalty is added by `EpochNetwork`, so that one
    traced network serves all values of both.

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

    Returns
    -------
    model : keras.Model
        Not compiled, in the precision of Keras's present policy; its weights have the order
        and shapes of those of `spine_network`.
    """
    # Keras would cast images of another type than that of the input.
    compute_dtype = keras.config.dtype_policy().compute_dtype
    inputs = keras.Input((*image_shape, 1), dtype=compute_dtype)
    maps = inputs
    for number, n_kernels in enumerate(filters, start=1):
        maps = ConvReLUPool(n_kernels, kernel_size, name=f"conv{number}")(maps)
    features = keras.layers.Flatten(data_format="channels_last")(maps)
    return _with_head(inputs, VariableDropout(name="dropout")(features), dense_units)


def _with_head(inputs, features, dense_units):
    features = keras.layers.Dense(dense_units, activation="relu", name="dense")(features)
    outputs = keras.layers.Dense(1, activation="sigmoid", name="output", dtype="float32")(features)
    return keras.Model(inputs, outputs)


@keras.saving.register_keras_serializable(package="skdxa")
class EpochNetwork(keras.Model):
    """A functional model whose epochs run inside TensorFlow.

    One call into TensorFlow runs a whole epoch over images that stay in the network's
    precision, which spares the work that ``keras.Model.fit`` does for each batch. The
    functions are traced for any number of scans, so they are compiled once. Callbacks
    see epochs, not batches.
    """

    def compile_epochs(self, metrics=()):
        """Fix the signatures of the functions, so that none is traced twice.

        Parameters
        ----------
        metrics : sequence of keras.metrics.Metric, default=()
            Calculated for each epoch in addition to the loss.
        """
        layers = list(self._flatten_layers())
        # Keras would count the parts of a list as further weights of the network.
        self._knobs = SimpleNamespace(
            l2=tf.Variable(0.0, trainable=False),
            penalised=[layer.kernel for layer in layers if isinstance(layer, ConvReLUPool)],
            dropouts=[layer for layer in layers if isinstance(layer, VariableDropout)],
            metrics=list(metrics),
        )
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

        `shuffle_seed` orders the scans of each epoch; the first `initial_epoch` orders are those
        of an earlier call with the same seed. `shuffle`, `validation_split` and
        `validation_batch_size` are what SciKeras passes on; here scans are always shuffled and
        never split.
        """
        images, labels, weights = self._as_tensors(x, y, sample_weight)
        held_out = None if validation_data is None else self._as_tensors(*validation_data)
        rng = np.random.default_rng(shuffle_seed)
        for _ in range(initial_epoch):
            rng.permutation(len(y))
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
            loss, scores = self._train(images, labels, weights, order, batch_size)
            logs = {"loss": float(loss), **self._measure(tf.gather(labels, order), scores)}
            if held_out is not None:
                logs["val_loss"] = float(self._error(*held_out, _PREDICTION_BATCH))
                if self._knobs.metrics:
                    found = self._measure(held_out[1], self.scores(held_out[0]))
                    logs.update({f"val_{name}": value for name, value in found.items()})
            _check_finite(epoch + 1, logs)
            calls.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        calls.on_train_end(logs)
        return self.history

    def set_knobs(self, *, l2=0.0, dropout=0.0):
        """Set the weight of the penalty and the dropout rate; a user's network has neither."""
        self._knobs.l2.assign(l2)
        for layer in self._knobs.dropouts:
            layer.variable_rate.assign(dropout)

    def _measure(self, labels, scores):
        """Return the metrics of an epoch by name."""
        found = {}
        for metric in self._knobs.metrics:
            metric.reset_state()
            metric.update_state(labels[:, None], tf.convert_to_tensor(scores)[:, None])
            found[metric.name] = float(metric.result())
        return found

    def scores(self, images):
        """Return the probability of the second class for each image, (n,) float32."""
        scores = []
        for start in range(0, len(images), _PREDICTION_BATCH):
            batch = tf.cast(images[start : start + _PREDICTION_BATCH], self.compute_dtype)
            # The last images of a batch that does not fill vector registers are calculated by
            # other instructions, whose last bit can differ.
            missing = -batch.shape[0] % _VECTOR_LANES
            padded = tf.pad(batch, [[0, missing], [0, 0], [0, 0], [0, 0]])
            scores.append(self._forward(padded)[: batch.shape[0]])
        return np.concatenate(scores)

    def _as_tensors(self, x, y, sample_weight=None):
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        # TensorFlow's own cast would first copy all images in their own precision.
        images = np.asarray(x, tf.as_dtype(self.compute_dtype).as_numpy_dtype)
        return (
            tf.convert_to_tensor(images),
            tf.cast(tf.reshape(y, (-1,)), tf.float32),
            tf.cast(weights, tf.float32),
        )

    # TensorFlow traces a rewritten copy of the functions below, which coverage cannot see.

    def _train_epoch(self, images, labels, weights, order, batch_size):  # pragma: no cover
        n = tf.size(order)
        total = 0.0
        kept = tf.TensorArray(tf.float32, 0, dynamic_size=True, infer_shape=False)
        for start in tf.range(0, n, batch_size):
            rows = order[start : start + batch_size]
            batch = tf.gather(images, rows)
            with tf.GradientTape() as tape:
                loss, scores = self._loss(
                    batch, tf.gather(labels, rows), tf.gather(weights, rows), training=True
                )
            trainable = self.trainable_weights
            self.optimizer.apply(tape.gradient(loss, trainable), trainable)
            total += loss * tf.cast(tf.size(rows), tf.float32)
            kept = kept.write(start // batch_size, scores)
        return total / tf.cast(n, tf.float32), kept.concat()

    def _validation_error(self, images, labels, weights, batch_size):  # pragma: no cover
        n = tf.size(labels)
        total = 0.0
        for start in tf.range(0, n, batch_size):
            rows = slice(start, start + batch_size)
            loss, _ = self._loss(images[rows], labels[rows], weights[rows], training=False)
            total += loss * tf.cast(tf.size(labels[rows]), tf.float32)
        return total / tf.cast(n, tf.float32)

    def _loss(self, images, labels, weights, *, training):  # pragma: no cover
        scores = tf.cast(self(images, training=training), tf.float32)
        loss = self.compute_loss(
            y=labels[:, None], y_pred=scores, sample_weight=weights, training=training
        )
        half_squares = [tf.nn.l2_loss(tf.convert_to_tensor(k)) for k in self._knobs.penalised]
        if half_squares:
            loss += 2 * self._knobs.l2 * tf.add_n(half_squares)
        return loss, scores[:, 0]


def _check_finite(epoch, logs):
    """Stop a training that diverged: its weights would classify every scan as negative."""
    for name in ("loss", "val_loss"):
        if not np.isfinite(logs.get(name, 0.0)):
            raise TrainingError(
                f"Training diverged in epoch {epoch}: {name} is {logs[name]}. Lower the "
                "learning_rate, or bring the pixels to a common scale, for example with "
                "skdxa.preprocessing.IntensityScaler."
            )


def check_probabilities(positive):
    """Raise an error if the scores of a network are not probabilities.

    Parameters
    ----------
    positive : ndarray of shape (n_scans,)
        Scores of the positive class.

    Raises
    ------
    ValueError
        If a score is not from 0 to 1, naming the first.
    """
    outside = np.flatnonzero(~((positive >= 0) & (positive <= 1)))
    if outside.size:
        raise ValueError(
            f"The network returned {positive[outside[0]]:g} for scan {outside[0]}, which is not "
            "a probability: end the network in Dense(1, activation='sigmoid')."
        )


class KeepBestEpoch(keras.callbacks.Callback):
    """Keep the weights of the epoch with the lowest validation error.

    Parameters
    ----------
    restore_best : bool, default=True
        Whether to keep weights at all.
    patience : int or None, default=None
        End the training after so many epochs without a lower validation error.

    Attributes
    ----------
    epoch : int
        The number of that epoch, the first being 1.
    weights : list of ndarray
        Its weights, if they are kept.
    lowest : float
        Its validation error.
    ended : bool
        Whether `patience` has ended the training.
    """

    def __init__(self, restore_best=True, patience=None):
        super().__init__()
        self.restore_best, self.patience = restore_best, patience
        self.lowest, self.epoch, self.weights = np.inf, None, []
        self.ended = False

    def kept(self):
        """Return the best epoch so far, in the form that `resume` accepts."""
        return {"best_epoch": self.epoch, "lowest": self.lowest, "best": self.weights}

    def resume(self, state):
        """Continue from the best epoch of an earlier training."""
        self.epoch, self.lowest, self.weights = state.best_epoch, state.lowest, state.best

    def on_epoch_end(self, epoch, logs=None):
        """Compare the validation error of an epoch with the lowest so far."""
        if logs["val_loss"] < self.lowest:
            self.lowest = logs["val_loss"]
            self.epoch = epoch + 1
            if self.restore_best:
                self.weights = self.model.get_weights()
        elif self.patience is not None and epoch + 1 - self.epoch >= self.patience:
            self.ended = self.model.stop_training = True
