"""The score of a class that all maps of this package explain."""

import numpy as np

from skdxa._sklearn import validate_params
from skdxa.inspection._model import COUNT, batches, lend_views, prepare_images, sign_of


@validate_params({"batch_size": COUNT}, prefer_skip_nested_validation=True)
def class_score(model, X, *, target=None, batch_size=64):
    """Compute the score of a class before the sigmoid, which all maps of this package explain.

    Parameters
    ----------
    model : SpineCNNClassifier or Pipeline
        A fitted classifier, or a fitted pipeline that ends in one.
    X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
        The scans, as the model takes them.
    target : label, default=None
        The class to score; by default the positive one, ``classes_[1]``. The score of
        the other class is its negative.
    batch_size : int, default=64
        Images that go through the network together; it does not affect the result.

    Returns
    -------
    score : ndarray of shape (n_scans,)
        The log odds of the class. Unlike the probability, they do not saturate, so that
        gradients do not vanish where the network is certain.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.classification import SpineCNNClassifier
    >>> from skdxa.inspection import class_score
    >>> rng = np.random.default_rng(0)
    >>> y = np.tile([0, 1], 8)
    >>> X = rng.normal(size=(16, 16, 12)).astype("float32") + y[:, None, None]
    >>> cnn = SpineCNNClassifier(filters=(4,), epochs=1, random_state=0).fit(X, y)
    >>> score = class_score(cnn, X)
    >>> np.allclose(1 / (1 + np.exp(-score)), cnn.predict_proba(X)[:, 1])
    True
    """
    classifier, images = prepare_images(model, X)
    sign = sign_of(classifier, target)
    with lend_views(classifier) as views:
        return sign * score_in_batches(views, images, batch_size)


def score_in_batches(views, images, batch_size):
    """Compute the positive class's scores of all images, float64 (n,)."""
    parts = [views.scores(images[part]) for part in batches(len(images), batch_size)]
    return np.concatenate(parts).astype(float)
