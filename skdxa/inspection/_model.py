"""A fitted model taken apart: steps, classifier, images; and what its images lack."""

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skdxa.classification import SpineCNNClassifier
from skdxa.preprocessing import tissue_level


def steps_and_classifier(model):
    """Give the named steps before a fitted classifier, and the classifier.

    Parameters
    ----------
    model : SpineCNNClassifier or Pipeline
        Fitted; a pipeline ends in the classifier or in such a pipeline.

    Returns
    -------
    steps : list of tuple
        Name and transformer, without those that pass everything through.
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
        hint = " Give its best_estimator_." if hasattr(model, "best_estimator_") else ""
        raise TypeError(
            "model must be a fitted SpineCNNClassifier or a Pipeline that ends in one; "
            f"got {where}{found}.{hint}"
        )
    check_is_fitted(last)
    return steps, last


def prepare(model, X):
    """Give the classifier and the images as it gets them: float32 (n, rows, columns)."""
    steps, classifier = steps_and_classifier(model)
    for _, step in steps:
        X = step.transform(X)
    return classifier, classifier._check_images(X, classifier.image_shape_)


def lend_views(classifier):
    """Lend the views of a classifier's network; see `skdxa.inspection._gradients`."""
    from skdxa.inspection import _gradients

    return _gradients.lend_views(classifier)


def sign_of(classifier, target):
    """Give 1 for the positive class, which None means too, and -1 for the other."""
    if target is None:
        return 1
    classes = classifier.classes_.tolist()
    if target not in classes:
        raise ValueError(f"target must be one of the classes {classes}; got {target!r}.")
    return 1 if target == classes[1] else -1


def batches(n, size):
    """Give the slices that cut `n` things into batches."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def background(images, value, *, name):
    """Give, for each image, the image without anything to see.

    Parameters
    ----------
    images : ndarray of shape (n, rows, columns)
        Images.
    value : "tissue", float or array-like of shape (rows, columns)
        "tissue" is each image's own soft-tissue level.
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
