"""The convolutional network of Nissinen et al. 2021 as a scikit-learn classifier."""

from numbers import Integral, Real
from os import PathLike
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state, compute_sample_weight
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
)

from skdxa._sklearn import (
    CallbackSupportMixin,
    HasMethods,
    Interval,
    StrOptions,
    check_sample_weight,
    fit_context,
    with_callbacks,
)
from skdxa.classification._training_data import add_copies, split_off
from skdxa.validation import as_patients, as_stack, check_two_classes, fill_masked


class SpineCNNClassifier(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """Convolutional network for cropped DXA scans, trained as in Nissinen et al. 2021 [1]_.

    Four blocks of a 5 x 5 convolution, ReLU and 2 x 2 max-pooling are followed by dropout, one
    fully connected layer and one sigmoid. The paper gives the shape of the network, the 64 kernels
    of the last convolution, the 100 epochs and the restored epoch; it leaves open the other
    numbers of kernels, the dense width, L2, dropout, the optimiser and the batch size, for which
    the defaults here are choices of skdxa.

    Unlike the paper, the epoch is chosen on images split off from the training part
    (`validation_fraction`), never on the fold that is scored.

    Parameters
    ----------
    filters : tuple of int, default=(8, 16, 32, 64)
        Number of kernels of each convolution.

    kernel_size : int, default=5
        Height and width of the kernels in pixels; odd.

    dense_units : int, default=64
        Width of the fully connected layer.

    l2 : float, default=1e-4
        Weight of the penalty on the squares of the convolution kernels.

    dropout : float, default=0.5
        Share of the flattened feature maps left out at random in training.

    optimizer : str or keras.optimizers.Optimizer, default="adam"
        Keras's name of an optimiser, or an optimiser whose settings are used.

    learning_rate : float or None, default=None
        The optimiser's learning rate; None keeps the optimiser's own, which is 0.001 for
        "adam".

    epochs : int, default=100
        Passes over the training images.

    batch_size : int, default=32
        Images in a training step.

    augmenter : transformer or None, default=None
        Makes transformed copies of the training images, which keep their labels and are
        added to the originals after the validation images have been split off.
        `skdxa.preprocessing.HorizontalFlip` is the paper's.

    validation_fraction : float, default=0.1
        Share of the scans, stratified (and by patient where `groups` are given), on
        which the best epoch is chosen. 0 trains on everything and keeps the last epoch.

    restore_best : bool, default=True
        Keep the weights of the epoch with the lowest validation error, the penalty
        included; otherwise those of the last epoch.

    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Precision of the training's arithmetic; weights are float32, and so is all
        prediction. "auto" uses bfloat16 where the processor multiplies it in hardware
        (AVX512-BF16 or AMX, on Linux) and no GPU is used, float32 elsewhere.

    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in training, as in scikit-learn.

    callbacks : list or None, default=None
        Instances of ``keras.callbacks.Callback``, or callables that return one, such as
        ``lambda: keras.callbacks.EarlyStopping(patience=5)``. A callable is called for each
        fit. An instance is used as it is, and its own `on_train_begin` must reset it, as
        Keras's callbacks do. Epochs run inside TensorFlow, so there are no calls for batches,
        and a callback cannot change layers or the optimiser other than its learning rate.

    metrics : list or None, default=None
        Keras's names of metrics, or ``keras.metrics.Metric`` instances, that `history_` and
        the callbacks get for each epoch, such as ``["auc"]`` for "auc" and "val_auc".

    patience : int or None, default=None
        End the training after so many epochs without a lower validation error. The weights
        kept are those of the whole training, unless a later epoch would have been better.

    verbose : int, default=0
        0 prints nothing, 1 a progress bar, 2 one line per epoch.

    random_state : int, RandomState instance or None, default=None
        Seeds the split, the weights, the order of the scans and the dropout. A fit also
        depends on the number of threads that TensorFlow uses; see the Notes.

    column : str, default="scan"
        The column of a DataFrame that holds the images.

    network : callable or None, default=None
        A function that builds a custom network: called with the image shape (rows, columns),
        it returns a `keras.Model`, not compiled, from images (n, rows, columns, 1) to one
        probability (n, 1). It is called for each fit, so weights that it loads and layers
        that it freezes stay so. `filters`, `kernel_size`, `dense_units`, `l2` and
        `dropout` are then unused.

    checkpoint : str, path-like or None, default=None
        Folder in which the state of the training is kept at its end. A fit with more epochs,
        and otherwise the same parameters, scans and labels, continues from there and ends with
        the same weights, bit for bit, as one uninterrupted training. Needs a number as
        `random_state`, since another seed is a different training, and no `callbacks`, whose own
        state is not kept. The file holds arrays and no pickle, of about four times the size of
        the weights. A `network` builder is recognised only if it uses nothing that cannot
        be pickled, such as an open file; a training with any other builder starts again.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The two labels, sorted; the second is the positive one.

    image_shape_ : tuple of int
        Rows and columns of the images seen in `fit`.

    weights_ : list of ndarray
        The network's weights, in Keras's order.

    history_ : dict of str to list of float
        "loss" and, with validation images, "val_loss" of each epoch, penalty included.

    best_epoch_ : int
        The epoch whose weights are kept; the first is 1.

    See Also
    --------
    skdxa.preprocessing.SpineCropper : Makes a stack of equal images from scans.

    Notes
    -----
    Training goes through ``scikeras.wrappers.KerasClassifier``. A fitted classifier
    holds arrays, no Keras object: it is cheap to pickle and to send to a worker. One compiled
    network for each architecture lives in a process and is lent to the classifier that fits or
    predicts. A different learning rate, `l2`, `dropout`, batch size or number of epochs does not
    need another network. The networks used last are kept; `clear_networks` releases them.

    The same seed gives the same fit only with the same number of threads: with
    another number, TensorFlow adds in another order, and the differences grow in training. With
    one thread instead of two, scores of single simulated patients moved by up to 0.41 and the AUC
    by up to 0.03 (``experiments/threads.py``); `set_threads` fixes the number.

    References
    ----------
    .. [1] Nissinen et al., "Detecting pathological features and predicting fracture
       risk from dual-energy X-ray absorptiometry images using deep learning", Bone
       Reports 14, 2021, 101070. https://doi.org/10.1016/j.bonr.2021.101070

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.classification import SpineCNNClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.tile([0, 1], 20)
    >>> X = rng.normal(size=(40, 16, 12)).astype("float32") + y[:, None, None]
    >>> cnn = SpineCNNClassifier(filters=(4,), epochs=10, random_state=0).fit(X, y)
    >>> cnn.predict_proba(X[:3]).shape
    (3, 2)
    """

    _parameter_constraints: ClassVar[dict] = {
        "filters": ["array-like"],
        "kernel_size": [Interval(Integral, 1, None, closed="left")],
        "dense_units": [Interval(Integral, 1, None, closed="left")],
        "l2": [Interval(Real, 0, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "optimizer": [str, HasMethods(["get_config", "apply"])],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), None],
        "epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "augmenter": [HasMethods(["fit_transform"]), None],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "restore_best": ["boolean"],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "callbacks": [list, None],
        "metrics": [list, None],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "column": [str],
        "network": [callable, None],
        "checkpoint": [str, PathLike, None],
    }

    def __init__(
        self,
        *,
        filters=(8, 16, 32, 64),
        kernel_size=5,
        dense_units=64,
        l2=1e-4,
        dropout=0.5,
        optimizer="adam",
        learning_rate=None,
        epochs=100,
        batch_size=32,
        augmenter=None,
        validation_fraction=0.1,
        restore_best=True,
        precision="auto",
        class_weight=None,
        callbacks=None,
        metrics=None,
        patience=None,
        verbose=0,
        random_state=None,
        column="scan",
        network=None,
        checkpoint=None,
    ):
        self.filters = filters
        self.kernel_size = kernel_size
        self.dense_units = dense_units
        self.l2 = l2
        self.dropout = dropout
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.augmenter = augmenter
        self.validation_fraction = validation_fraction
        self.restore_best = restore_best
        self.precision = precision
        self.class_weight = class_weight
        self.callbacks = callbacks
        self.metrics = metrics
        self.patience = patience
        self.verbose = verbose
        self.random_state = random_state
        self.column = column
        self.network = network
        self.checkpoint = checkpoint

    @with_callbacks
    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, *, groups=None, sample_weight=None, X_val=None, y_val=None):
        """Train the network.

        Parameters
        ----------
        X : ndarray of shape (n_scans, n_rows, n_columns), list, Series or DataFrame
            Images of one shape, without NaN, as `SpineCropper` makes them.
        y : array-like of shape (n_scans,)
            Two labels of any type.
        groups : array-like of shape (n_scans,), default=None
            The patient of each scan; keeps a patient's scans on one side of the inner
            split.
        sample_weight : array-like of shape (n_scans,), default=None
            Weights of the scans in training and in the validation error.
        X_val, y_val : as `X` and `y`, default=None
            Images on which the epoch is chosen instead of a split of `X`. Choosing on the
            images that are scored later, as the paper did, biases the score upwards.

        Returns
        -------
        self : SpineCNNClassifier
            The fitted classifier.

        Raises
        ------
        ScanError
            If an image has NaN or infinite pixels, or another shape than the first; the
            message names the scan.
        ValueError
            If `y` has not exactly two classes or holds NaN, a patient is missing in
            `groups`, or a class is too small to be split.
        TrainingError
            If the loss is no longer finite, naming the epoch.
        CheckpointError
            If a file in `checkpoint` is damaged, naming it.
        """
        self._check_architecture()
        images = self._check_images(X)
        shape = images.shape[1:]
        classes, labels = check_two_classes(y, len(images))
        if groups is not None:
            groups = as_patients(groups, len(images))
        if sample_weight is None:
            sample_weight = np.ones(len(images), np.float32)
        else:
            sample_weight = check_sample_weight(
                sample_weight, images, dtype=np.float32, ensure_non_negative=True
            )
        random_state = check_random_state(self.random_state)
        split_seed, weight_seed, order_seed = random_state.randint(np.iinfo(np.int32).max, size=3)
        training, held_out = self._hold_out(
            (images, labels, sample_weight), classes, groups, X_val, y_val, int(split_seed)
        )
        images, labels, weights = add_copies(self.augmenter, *training)
        weights = weights * compute_sample_weight(self.class_weight, classes[labels])
        # Imported here, since Keras takes seconds to load.
        from skdxa.classification._training import train

        trained = train(
            self, (images, labels, weights), held_out, int(weight_seed), int(order_seed)
        )
        # Set all at once: an interrupted fit must not leave new labels on old weights.
        self.classes_, self.image_shape_ = classes, shape
        self.weights_, self.history_, self.best_epoch_ = trained
        return self

    def predict_proba(self, X):
        """Return the probability of each class, in float32 arithmetic.

        Parameters
        ----------
        X : as in `fit`
            Images of the shape seen in `fit`.

        Returns
        -------
        probability : ndarray of shape (n_scans, 2)
            Columns in the order of `classes_`.

        Raises
        ------
        ScanError
            As in `fit`.
        ValueError
            If the weights are not finite, or the user's network returns anything but
            probabilities.
        """
        check_is_fitted(self)
        images = self._check_images(X, self.image_shape_)
        if not all(np.isfinite(weight).all() for weight in self.weights_):
            raise ValueError(
                "The weights of the network are not finite, so that it cannot predict. Fit it "
                "again with a lower learning_rate or with pixels on a common scale."
            )
        from skdxa.classification._lending import Architecture, lend
        from skdxa.classification._network import check_probabilities

        with lend(Architecture.for_prediction(self, self.image_shape_)) as network:
            network.set_weights(self.weights_)
            positive = network.scores(images[..., np.newaxis]).astype(np.float64)
        check_probabilities(positive)
        return np.column_stack([1 - positive, positive])

    def predict(self, X):
        """Return the more probable class; the second at 0.5.

        Parameters
        ----------
        X : as in `fit`
            Images of the shape seen in `fit`.

        Returns
        -------
        label : ndarray of shape (n_scans,)
            Labels from `classes_`.
        """
        positive = self.predict_proba(X)[:, 1] >= 0.5
        return self.classes_[positive.astype(int)]

    def to_keras(self):
        """Build a plain Keras model with the weights of this classifier.

        Returns
        -------
        model : keras.Model
            From images (n, rows, columns, 1) to one probability (n, 1), in float32 and not
            compiled. The paper's network consists of Keras's own layers, so that a file
            saved as ``.keras`` loads where skdxa is not installed; a custom network is
            what its builder returns.

        Examples
        --------
        >>> import numpy as np
        >>> from skdxa.classification import SpineCNNClassifier
        >>> X, y = np.random.default_rng(0).normal(size=(12, 16, 12)), np.tile([0, 1], 6)
        >>> cnn = SpineCNNClassifier(filters=(4,), epochs=1, random_state=0).fit(X, y)
        >>> cnn.to_keras().output_shape
        (None, 1)
        """
        check_is_fitted(self)
        from skdxa.classification._keras import keras_settings
        from skdxa.classification._lending import Architecture
        from skdxa.classification._network import spine_network

        if self.network is not None:
            model = Architecture.for_prediction(self, self.image_shape_).build_model()
        else:
            with keras_settings():
                model = spine_network(
                    self.image_shape_,
                    filters=self.filters,
                    kernel_size=self.kernel_size,
                    dense_units=self.dense_units,
                    l2=self.l2,
                    dropout=self.dropout,
                )
        model.set_weights(self.weights_)
        return model

    def _check_architecture(self):
        filters = np.asarray(self.filters)
        if filters.ndim != 1 or filters.size == 0 or filters.dtype.kind not in "iu":
            raise ValueError(
                f"filters must be one or more whole numbers, one number of kernels per "
                f"convolution; got {self.filters!r}."
            )
        if filters.min() < 1:
            raise ValueError(f"filters must all be at least 1; got {self.filters!r}.")
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd; got {self.kernel_size}.")
        if isinstance(self.optimizer, type):
            raise ValueError(
                f"optimizer must be a name or an instance; got the class "
                f"{self.optimizer.__name__}. Call it: {self.optimizer.__name__}()."
            )
        # A Keras model is callable and would be mistaken for a builder.
        if hasattr(self.network, "get_weights"):
            raise ValueError(
                "network must be a function that builds a keras.Model for each fit; got a "
                f"{type(self.network).__name__}. Pass a function of the image shape that returns "
                "a new model, which may load weights."
            )
        if self.checkpoint is not None and self.callbacks:
            raise ValueError(
                "checkpoint cannot be combined with callbacks, whose own state is not kept. Set "
                "one of them to None."
            )
        for number, callback in enumerate(self.callbacks or []):
            if not (callable(callback) or hasattr(callback, "on_epoch_end")):
                raise ValueError(
                    "callbacks must hold callbacks of Keras or callables that return one; "
                    f"callback {number} is a {type(callback).__name__}."
                )

    def _check_images(self, X, shape=None):
        return as_stack(X, column=self.column, shape=shape)

    def _hold_out(self, data, classes, groups, X_val, y_val, seed):
        """Split off the images on which the epoch is chosen: (training, held out or None).

        `data` is a tuple of images, labels and weights.
        """
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val must be given together.")
        images, labels, _ = data
        if X_val is not None:
            return data, self._check_held_out(X_val, y_val, classes, images.shape[1:])
        if self.validation_fraction > 0:
            parts = split_off(labels, groups, classes, self.validation_fraction, seed)
            return tuple(tuple(array[part] for array in data) for part in parts)
        if self.patience is not None:
            raise ValueError(
                "patience needs validation images: set validation_fraction above 0, or give "
                "X_val and y_val."
            )
        return data, None

    def _check_held_out(self, X_val, y_val, classes, shape):
        held_out = self._check_images(X_val, shape)
        y_val = column_or_1d(fill_masked(y_val))
        check_consistent_length(held_out, y_val)
        unseen = ~np.isin(y_val, classes)
        if unseen.any():
            raise ValueError(
                f"y_val holds {y_val[unseen][0].item()!r}, which is not one of the classes in y: "
                f"{classes.tolist()}."
            )
        labels = np.searchsorted(classes, y_val)
        return held_out, labels, np.ones(len(labels), np.float32)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "weights_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.non_deterministic = False
        return tags
