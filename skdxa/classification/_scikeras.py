"""The classifier of SciKeras, adapted to current scikit-learn."""

# Imported first, since this module checks Keras's backend and silences TensorFlow.
from skdxa.classification import _keras  # noqa: F401

# isort: split
import numpy as np
from scikeras.wrappers import KerasClassifier as _KerasClassifier
from sklearn.base import BaseEstimator
from sklearn.utils import ClassifierTags

from skdxa.validation import as_stack


class KerasClassifier(_KerasClassifier):
    """SciKeras's classifier for any Keras model, usable in current scikit-learn.

    SciKeras 0.13 is not recognised as a classifier by scikit-learn 1.6 and newer: folds are
    not stratified, ``scoring="roc_auc"`` is NaN, and `predict_proba` of one image has the
    shape (2,). This class corrects these three and accepts scans like the other estimators of
    skdxa: as a stack, a list or a table. Its parameters, attributes and callbacks are
    SciKeras's [1]_.

    Parameters
    ----------
    model : callable or keras.Model, default=None
        Builds the network, such as :func:`spine_network`.
    **kwargs : dict
        Parameters of ``scikeras.wrappers.KerasClassifier``, such as ``loss``,
        ``optimizer``, ``epochs``, ``batch_size``, ``random_state`` or ``model__filters``.

    See Also
    --------
    SpineCNNClassifier : The network of the paper, with a split-off validation set.
    spine_network : A builder for `model`.

    References
    ----------
    .. [1] SciKeras, https://adriangb.com/scikeras

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.classification import KerasClassifier, spine_network
    >>> X, y = np.random.default_rng(0).normal(size=(12, 16, 12)), np.tile([0, 1], 6)
    >>> cnn = KerasClassifier(
    ...     model=spine_network,
    ...     model__filters=(4,),
    ...     loss="binary_crossentropy",
    ...     verbose=0,
    ...     random_state=0,
    ... )
    >>> cnn.fit(X, y).predict_proba(X[:1]).shape
    (1, 2)
    """

    def fit(self, X, y, sample_weight=None, **kwargs):
        """Train the network.

        Parameters
        ----------
        X : ndarray of shape (n_scans, n_rows, n_columns), list, Series or DataFrame
            Images of one shape, without NaN, as `SpineCropper` makes them.
        y : array-like of shape (n_scans,)
            Labels.
        sample_weight : array-like of shape (n_scans,), default=None
            Weights of the scans.
        **kwargs : dict
            Passed on to ``keras.Model.fit``.

        Returns
        -------
        self : KerasClassifier
            The fitted classifier.
        """
        return super().fit(as_stack(X), y, sample_weight=sample_weight, **kwargs)

    def predict_proba(self, X, **kwargs):
        """Return the probability of each class.

        Parameters
        ----------
        X : as in `fit`
            Images of the shape seen in `fit`.
        **kwargs : dict
            Passed on to ``keras.Model.predict``.

        Returns
        -------
        probability : ndarray of shape (n_scans, n_classes)
            Columns in the order of `classes_`.
        """
        images = as_stack(X)
        return np.reshape(super().predict_proba(images, **kwargs), (len(images), -1))

    def predict(self, X, **kwargs):
        """Return the most probable class.

        Parameters
        ----------
        X : as in `fit`
            Images of the shape seen in `fit`.
        **kwargs : dict
            Passed on to ``keras.Model.predict``.

        Returns
        -------
        label : ndarray of shape (n_scans,)
            Labels from `classes_`.
        """
        probability = self.predict_proba(X, **kwargs)
        if probability.shape[1] == 2:
            return self.classes_[(probability[:, 1] >= 0.5).astype(int)]
        return self.classes_[probability.argmax(axis=1)]

    def __sklearn_tags__(self):
        tags = BaseEstimator.__sklearn_tags__(self)
        tags.estimator_type = "classifier"
        tags.classifier_tags = ClassifierTags()
        tags.target_tags.required = True
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags
