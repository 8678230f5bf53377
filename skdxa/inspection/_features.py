"""The features of a scan from which a network computes its score."""

import numpy as np

from skdxa._sklearn import validate_params
from skdxa.inspection._model import COUNT, batches, lend_views, prepare_images


@validate_params({"batch_size": COUNT}, prefer_skip_nested_validation=True)
def network_features(model, X, *, batch_size=64):
    """Compute the input of a network's last layer for each scan.

    Scans that the network treats similarly are near each other in these features, even if they
    look different. A scan far from the training scans is unlike them to the network.

    Parameters
    ----------
    model : SpineCNNClassifier or Pipeline
        A fitted classifier, or a fitted pipeline that ends in one.
    X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
        The scans, as the model takes them.
    batch_size : int, default=64
        Images that go through the network together; it does not affect the result.

    Returns
    -------
    features : ndarray of shape (n_scans, n_features), dtype float32
        The input of the last layer; `dense_units` numbers for the paper's network.

    Raises
    ------
    TypeError
        If the model is neither a `SpineCNNClassifier` nor a pipeline that ends in one.
    ValueError
        If an image does not have the shape that the classifier was fitted on.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.classification import SpineCNNClassifier
    >>> from skdxa.inspection import network_features
    >>> rng = np.random.default_rng(0)
    >>> y = np.tile([0, 1], 8)
    >>> X = rng.normal(size=(16, 16, 12)).astype("float32") + y[:, None, None]
    >>> cnn = SpineCNNClassifier(
    ...     filters=(4,), dense_units=5, epochs=1, random_state=0
    ... ).fit(X, y)
    >>> network_features(cnn, X[:3]).shape
    (3, 5)
    """
    classifier, images = prepare_images(model, X)
    with lend_views(classifier) as views:
        parts = [views.features(images[part]) for part in batches(len(images), batch_size)]
    return np.concatenate(parts)
