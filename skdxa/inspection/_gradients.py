"""Maps from the derivative of a class's score by each pixel."""

from numbers import Real

import numpy as np
from sklearn.utils import check_random_state

from skdxa._sklearn import Interval, StrOptions, validate_params
from skdxa.inspection._model import (
    COUNT,
    background,
    batches,
    lend_views,
    prepare_images,
    sign_of,
)


@validate_params({"batch_size": COUNT}, prefer_skip_nested_validation=True)
def vanilla_gradients(model, X, *, target=None, batch_size=64):
    """Compute the derivative of a class's score by each pixel [1]_.

    Parameters
    ----------
    model : SpineCNNClassifier or Pipeline
        A fitted classifier, or a fitted pipeline that ends in one.
    X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
        The scans, as the model takes them.
    target : label, default=None
        The class to explain; by default the positive one, ``classes_[1]``.
    batch_size : int, default=64
        Images that go through the network together; it does not affect the result.

    Returns
    -------
    maps : ndarray of shape (n_scans, n_rows, n_columns), dtype float32
        Log odds per unit of a pixel of the network's input. Where a map is positive, a
        brighter pixel raises the score of the class.

    See Also
    --------
    smooth_grad : The same derivative with less noise.
    integrated_gradients : The contribution of each pixel.

    References
    ----------
    .. [1] Simonyan K., Vedaldi A., Zisserman A., "Deep inside convolutional networks:
       visualising image classification models and saliency maps", ICLR workshop 2014,
       arXiv:1312.6034.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.classification import SpineCNNClassifier
    >>> from skdxa.inspection import vanilla_gradients
    >>> rng = np.random.default_rng(0)
    >>> y = np.tile([0, 1], 8)
    >>> X = rng.normal(size=(16, 16, 12)).astype("float32") + y[:, None, None]
    >>> cnn = SpineCNNClassifier(filters=(4,), epochs=1, random_state=0).fit(X, y)
    >>> vanilla_gradients(cnn, X[:3]).shape
    (3, 16, 12)
    """
    classifier, images = prepare_images(model, X)
    sign = sign_of(classifier, target)
    with lend_views(classifier) as views:
        return sign * np.concatenate(
            [views.input_gradients(images[part]) for part in batches(len(images), batch_size)]
        )


@validate_params(
    {
        "n_samples": COUNT,
        "noise": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
        "batch_size": COUNT,
    },
    prefer_skip_nested_validation=True,
)
def smooth_grad(
    model, X, *, n_samples=50, noise=0.15, target=None, random_state=None, batch_size=64
):
    """Compute the mean gradient over noisy copies of each image [1]_.

    Parameters
    ----------
    model : SpineCNNClassifier or Pipeline
        A fitted classifier, or a fitted pipeline that ends in one.
    X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
        The scans, as the model takes them.
    n_samples : int, default=50
        Noisy copies of each image.
    noise : float, default=0.15
        Standard deviation of the noise, as a share of the image's range.
    target : label, default=None
        The class to explain; by default the positive one, ``classes_[1]``.
    random_state : int, RandomState instance or None, default=None
        Seed of the noise. Every image gets the same noise pattern, so that a map does
        not depend on the other images in `X`.
    batch_size : int, default=64
        Images that go through the network together; it does not affect the result.

    Returns
    -------
    maps : ndarray of shape (n_scans, n_rows, n_columns), dtype float32
        In the unit of `vanilla_gradients`.

    References
    ----------
    .. [1] Smilkov D. et al., "SmoothGrad: removing noise by adding noise", 2017,
       arXiv:1706.03825.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.classification import SpineCNNClassifier
    >>> from skdxa.inspection import smooth_grad
    >>> rng = np.random.default_rng(0)
    >>> y = np.tile([0, 1], 8)
    >>> X = rng.normal(size=(16, 16, 12)).astype("float32") + y[:, None, None]
    >>> cnn = SpineCNNClassifier(filters=(4,), epochs=1, random_state=0).fit(X, y)
    >>> smooth_grad(cnn, X[:3], random_state=0).shape
    (3, 16, 12)
    """
    classifier, images = prepare_images(model, X)
    sign = sign_of(classifier, target)
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    maps = np.empty(images.shape, np.float32)
    with lend_views(classifier) as views:
        for image, mean in zip(images, maps, strict=True):
            rng = np.random.default_rng(seed)
            spread = noise * np.ptp(image)
            total = np.zeros(image.shape)
            for part in batches(n_samples, batch_size):
                draws = rng.standard_normal(
                    (part.stop - part.start, *image.shape), dtype=np.float32
                )
                total += views.input_gradients(image + spread * draws).sum(axis=0, dtype=float)
            mean[:] = sign * total / n_samples
    return maps


@validate_params(
    {
        "baseline": [StrOptions({"tissue"}), Real, "array-like"],
        "n_steps": COUNT,
        "batch_size": COUNT,
    },
    prefer_skip_nested_validation=True,
)
def integrated_gradients(model, X, *, baseline="tissue", n_steps=64, target=None, batch_size=64):
    """Compute the contribution of each pixel to a class's score against a baseline [1]_.

    Parameters
    ----------
    model : SpineCNNClassifier or Pipeline
        A fitted classifier, or a fitted pipeline that ends in one.
    X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
        The scans, as the model takes them.
    baseline : "tissue", float or array-like of shape (n_rows, n_columns), default="tissue"
        The image without findings, in the unit of the network's input. "tissue" is
        uniform soft tissue, the lower quartile of each image.
    n_steps : int, default=64
        Steps from the baseline to the image, each evaluated at its midpoint.
    target : label, default=None
        The class to explain; by default the positive one, ``classes_[1]``.
    batch_size : int, default=64
        Images that go through the network together; it does not affect the result.

    Returns
    -------
    maps : ndarray of shape (n_scans, n_rows, n_columns), dtype float32
        Log odds. The sum of a map approaches the `class_score` of the image minus that
        of the baseline as `n_steps` grows: compare the two before trusting the map.

    References
    ----------
    .. [1] Sundararajan M., Taly A., Yan Q., "Axiomatic attribution for deep networks",
       ICML 2017, PMLR 70, 3319-3328.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.classification import SpineCNNClassifier
    >>> from skdxa.inspection import class_score, integrated_gradients
    >>> rng = np.random.default_rng(0)
    >>> y = np.tile([0, 1], 8)
    >>> X = rng.normal(size=(16, 16, 12)).astype("float32") + y[:, None, None]
    >>> cnn = SpineCNNClassifier(filters=(4,), epochs=1, random_state=0).fit(X, y)
    >>> maps = integrated_gradients(cnn, X, baseline=0, n_steps=500)
    >>> difference = class_score(cnn, X) - class_score(cnn, 0 * X)
    >>> np.allclose(maps.sum(axis=(1, 2)), difference, atol=0.01)
    True
    """
    classifier, images = prepare_images(model, X)
    sign = sign_of(classifier, target)
    starts = background(images, baseline, name="baseline")
    midpoints = ((np.arange(n_steps) + 0.5) / n_steps).astype(np.float32)[:, None, None]
    maps = np.empty(images.shape, np.float32)
    with lend_views(classifier) as views:
        for start, image, contribution in zip(starts, images, maps, strict=True):
            total = np.zeros(image.shape)
            for part in batches(n_steps, batch_size):
                path = start + midpoints[part] * (image - start)
                total += views.input_gradients(path).sum(axis=0, dtype=float)
            contribution[:] = sign * total / n_steps * (image - start)
    return maps
