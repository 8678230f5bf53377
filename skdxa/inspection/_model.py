"""The parts of a fitted model: its steps, its classifier and the images it predicts on."""

from numbers import Integral

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skdxa._sklearn import Interval
from skdxa.classification import SpineCNNClassifier
from skdxa.preprocessing import tissue_level
from skdxa.validation import as_stack

# Constraint of a parameter that is a positive whole number, for `validate_params`.
COUNT = [Interval(Integral, 1, None, closed="left")]


def steps_and_classifier(model):
    """Return the named steps before a fitted classifier, and the classifier.

    Parameters
    ----------
    model : SpineCNNClassifier or Pipeline
        A fitted classifier, or a fitted pipeline that ends in one or in such a pipeline.

    Returns
    -------
    steps : list of tuple
        Name and transformer of each step but "passthrough" and None.
    classifier : SpineCNNClassifier
        Fitted.
    """
    steps = []
    last = model
    while isinstance(last, Pipeline):
        steps += [
            (name, step) for name, step in last.steps[:-1] if step not in (None, "passthrough")
        ]
        last = last.steps[-1][1]
    if not isinstance(last, SpineCNNClassifier):
        found = type(last).__name__
        where = "a Pipeline that ends in " if isinstance(model, Pipeline) else ""
        hint = " Pass its best_estimator_." if hasattr(model, "best_estimator_") else ""
        raise TypeError(
            "model must be a fitted SpineCNNClassifier or a Pipeline that ends in one; "
            f"got {where}{found}.{hint}"
        )
    check_is_fitted(last)
    return steps, last


def prepare_images(model, X):
    """Return a model's classifier, and the images that it predicts on.

    Parameters
    ----------
    model : SpineCNNClassifier or Pipeline
        A fitted classifier, or a fitted pipeline that ends in one.
    X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
        The scans, as the model takes them.

    Returns
    -------
    classifier : SpineCNNClassifier
        The fitted classifier at the end of the model.
    images : ndarray of shape (n_scans, n_rows, n_columns), dtype float32
        The scans after all steps before the classifier, in its `image_shape_`.

    Raises
    ------
    TypeError
        If the model is neither a `SpineCNNClassifier` nor a pipeline that ends in one.
    ValueError
        If an image does not have the shape that the classifier was fitted on.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from skdxa.classification import SpineCNNClassifier
    >>> from skdxa.inspection import prepare_images
    >>> from skdxa.preprocessing import SpineCropper
    >>> y = np.tile([0, 1], 8)
    >>> X = np.random.default_rng(0).normal(size=(16, 20, 40)).astype("float32")
    >>> model = make_pipeline(
    ...     SpineCropper(16, 12), SpineCNNClassifier(filters=(4,), epochs=1, random_state=0)
    ... ).fit(X, y)
    >>> classifier, images = prepare_images(model, X[:3])
    >>> images.shape
    (3, 16, 12)
    """
    steps, classifier = steps_and_classifier(model)
    for _, step in steps:
        X = step.transform(X)
    return classifier, as_stack(X, column=classifier.column, shape=classifier.image_shape_)


def lend_views(classifier):
    """Lend the views of a classifier's network; see `skdxa.inspection._views`."""
    # Imported here, so that importing the package does not load TensorFlow.
    from skdxa.inspection import _views

    return _views.lend_views(classifier)


def sign_of(classifier, target):
    """Return 1 for the positive class, which is the default, and -1 for the other."""
    if target is None:
        return 1
    classes = classifier.classes_.tolist()
    if target not in classes:
        raise ValueError(f"target must be one of the classes {classes}; got {target!r}.")
    return 1 if target == classes[1] else -1


def batches(n, size):
    """Return the slices that divide `n` rows into batches."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def background(images, value, *, name):
    """Return for each image the background that replaces its pixels.

    Parameters
    ----------
    images : ndarray of shape (n, rows, columns)
        Images.
    value : "tissue", float or array-like of shape (rows, columns)
        "tissue" is the soft-tissue level of each image.
    name : str
        The parameter's name, for an error message.

    Returns
    -------
    backgrounds : ndarray of shape (n, rows, columns), dtype float32
        Read-only.
    """
    if isinstance(value, str):
        value = np.array([tissue_level(image) for image in images])[:, None, None]
    else:
        value = np.asarray(value, np.float32)
        if value.shape not in ((), images.shape[1:]) or not np.isfinite(value).all():
            raise ValueError(
                f"{name} must be 'tissue', a number or an image of shape {images.shape[1:]} "
                f"without NaN; got an array of shape {value.shape}."
            )
    return np.broadcast_to(value, images.shape)
