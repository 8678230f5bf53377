"""Feature maps of single kernels, and the images that activate them most."""

import warnings
from numbers import Real

import numpy as np
from scipy import ndimage
from sklearn.utils import check_random_state

from skdxa._sklearn import Interval, validate_params
from skdxa.inspection._model import (
    COUNT,
    batches,
    lend_views,
    prepare_images,
    steps_and_classifier,
)

# Standard deviation of the noise that the ascent starts from, in steps.
_START_SD = 2


@validate_params(
    {
        "layer": [str, None],
        "n_maps": [*COUNT, None],
        "units": ["array-like", None],
        "random_state": ["random_state"],
        "batch_size": COUNT,
    },
    prefer_skip_nested_validation=True,
)
def feature_maps(model, X, *, layer=None, n_maps=8, units=None, random_state=None, batch_size=64):
    """Compute the feature maps of a convolution's kernels for each image [1]_.

    Parameters
    ----------
    model : SpineCNNClassifier or Pipeline
        A fitted classifier, or a fitted pipeline that ends in one.
    X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
        The scans, as the model takes them.
    layer : str, default=None
        Name of the convolution, such as "conv4"; by default the last one.
    n_maps : int or None, default=8
        How many kernels are drawn at random; all of them for None or if there are fewer.
    units : array-like of int, default=None
        Indices of the kernels, from 0, in place of random ones.
    random_state : int, RandomState instance or None, default=None
        Seed of the choice of kernels, which is the same in `maximize_activation`.
    batch_size : int, default=64
        Images that go through the network together; it does not affect the result.

    Returns
    -------
    maps : ndarray of shape (n_scans, n_maps, n_rows, n_columns), dtype float32
        After ReLU and before pooling, with the layer's number of rows and columns.
        Kernels drawn at random are in ascending order.

    Raises
    ------
    ValueError
        If there is no such layer or kernel.

    References
    ----------
    .. [1] Yosinski J. et al., "Understanding neural networks through deep visualization",
       ICML deep learning workshop 2015, arXiv:1506.06579.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.classification import SpineCNNClassifier
    >>> from skdxa.inspection import feature_maps
    >>> rng = np.random.default_rng(0)
    >>> y = np.tile([0, 1], 8)
    >>> X = rng.normal(size=(16, 16, 12)).astype("float32") + y[:, None, None]
    >>> cnn = SpineCNNClassifier(filters=(4, 6), epochs=1, random_state=0).fit(X, y)
    >>> feature_maps(cnn, X[:3], n_maps=5, random_state=0).shape
    (3, 5, 8, 6)
    """
    classifier, images = prepare_images(model, X)
    with lend_views(classifier) as views:
        layer = views.check_layer(layer)
        units = _choose(units, n_maps, views.n_maps[layer], layer, random_state)
        maps = [
            views.maps(images[part], layer)[..., units]
            for part in batches(len(images), batch_size)
        ]
    return np.ascontiguousarray(np.moveaxis(np.concatenate(maps), -1, 1))


@validate_params(
    {
        "layer": [str, None],
        "units": ["array-like", None],
        "n_units": [*COUNT, None],
        "n_steps": COUNT,
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "l2": [Interval(Real, 0, 1, closed="left")],
        "blur": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
        "batch_size": COUNT,
    },
    prefer_skip_nested_validation=True,
)
def maximize_activation(
    model,
    *,
    layer=None,
    units=None,
    n_units=8,
    n_steps=200,
    learning_rate=0.05,
    l2=0.05,
    blur=0.5,
    random_state=None,
    batch_size=64,
):
    """Compute the images that activate kernels of a convolution most [1]_.

    An image starts as noise and follows the gradient of its kernel's mean activation.
    Decay and blur keep it from growing without limit and from filling with fine noise
    [2]_.

    Parameters
    ----------
    model : SpineCNNClassifier or Pipeline
        A fitted classifier, or a fitted pipeline that ends in one.
    layer : str, default=None
        Name of the convolution, such as "conv4"; by default the last one.
    units : array-like of int, default=None
        Indices of the kernels, from 0, in place of random ones.
    n_units : int or None, default=8
        How many kernels are drawn at random; all of them for None or if there are fewer.
    n_steps : int, default=200
        Steps of the ascent.
    learning_rate : float, default=0.05
        Root mean square of a step, in the unit of the network's input.
    l2 : float, default=0.05
        Share of the image that decays in every step, less than 1. It keeps the root mean
        square of the image below about ``learning_rate / l2``.
    blur : float, default=0.5
        Standard deviation, in pixels, of the Gaussian blur after every fourth step; 0
        means no blur.
    random_state : int, RandomState instance or None, default=None
        Seed of the choice of kernels, which is the same in `feature_maps`, and of the
        noise.
    batch_size : int, default=64
        Images that go through the network together; it does not affect the result.

    Returns
    -------
    pictures : ndarray of shape (n_units, n_rows, n_columns), dtype float32
        With the shape and unit of the network's input and values about zero: a pattern,
        not a scan. Kernels drawn at random are in ascending order.

    Raises
    ------
    ValueError
        If there is no such layer or kernel.

    Warns
    -----
    RuntimeWarning
        If a kernel stays inactive throughout; its image is then meaningless.

    References
    ----------
    .. [1] Erhan D. et al., "Visualizing higher-layer features of a deep network",
       technical report 1341, University of Montreal, 2009.
    .. [2] Yosinski J. et al., "Understanding neural networks through deep visualization",
       ICML deep learning workshop 2015, arXiv:1506.06579.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.classification import SpineCNNClassifier
    >>> from skdxa.inspection import maximize_activation
    >>> rng = np.random.default_rng(0)
    >>> y = np.tile([0, 1], 8)
    >>> X = rng.normal(size=(16, 16, 12)).astype("float32") + y[:, None, None]
    >>> cnn = SpineCNNClassifier(filters=(4,), epochs=1, random_state=0).fit(X, y)
    >>> maximize_activation(cnn, units=[0, 2], n_steps=20, random_state=0).shape
    (2, 16, 12)
    """
    _, classifier = steps_and_classifier(model)
    random_state = check_random_state(random_state)
    with lend_views(classifier) as views:
        layer = views.check_layer(layer)
        units = _choose(units, n_units, views.n_maps[layer], layer, random_state)
        pictures = random_state.normal(
            scale=_START_SD * learning_rate, size=(len(units), *classifier.image_shape_)
        ).astype(np.float32)
        activations = np.empty(len(units))
        for part in batches(len(units), batch_size):
            for step in range(1, n_steps + 1):
                gradient, _ = views.ascent(pictures[part], layer, units[part])
                length = np.sqrt((gradient**2).mean(axis=(1, 2), keepdims=True))
                np.divide(gradient, length, out=gradient, where=length > 0)
                pictures[part] = (1 - l2) * (pictures[part] + learning_rate * gradient)
                if blur and step % 4 == 0:
                    pictures[part] = ndimage.gaussian_filter(pictures[part], (0, blur, blur))
            activations[part] = views.ascent(pictures[part], layer, units[part])[1]
    silent = units[activations <= 0].tolist()
    if silent:
        warnings.warn(
            f"No starting image activated the kernels {silent} of {layer}; their pictures are not "
            "meaningful. A larger learning_rate may reach more of them.",
            RuntimeWarning,
            stacklevel=3,
        )
    return pictures


def _choose(units, n, n_available, layer, random_state):
    """Return the indices of the requested kernels, or of random ones."""
    if units is None:
        n = n_available if n is None else min(n, n_available)
        return np.sort(check_random_state(random_state).permutation(n_available)[:n])
    units = np.asarray(units)
    if units.ndim != 1 or units.size == 0 or units.dtype.kind not in "iu":
        raise ValueError(f"units must be one or more whole numbers; got {units.tolist()}.")
    if units.min() < 0 or units.max() >= n_available:
        raise ValueError(
            f"units must lie between 0 and {n_available - 1}, as {layer} has {n_available} "
            f"kernels; got {units.tolist()}."
        )
    return units
