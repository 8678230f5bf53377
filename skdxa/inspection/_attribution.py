"""Maps of the pixels that speak for a class."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state

from skdxa._sklearn import Interval, StrOptions, validate_params
from skdxa.inspection._model import background, batches, lend_views, prepare, sign_of
from skdxa.preprocessing import axis_weights

_COUNT = [Interval(Integral, 1, None, closed="left")]


@validate_params({"batch_size": _COUNT}, prefer_skip_nested_validation=True)
def class_score(model, X, *, target=None, batch_size=64):
    """Give the score that all maps of this package explain, before the sigmoid.

    Parameters
    ----------
    model : SpineCNNClassifier or Pipeline
        Fitted; a pipeline ends in the classifier.
    X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
        What the model predicts on.
    target : label, default=None
        The class that is scored; the positive one, ``classes_[1]``, by default. The
        other's score is the negative of it.
    batch_size : int, default=64
        Images that go through the network together; no matter for the result.

    Returns
    -------
    score : ndarray of shape (n_scans,)
        The log odds of the class. Unlike the probability they do not saturate: a scan
        that is surely positive still has gradients.

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
    classifier, images = prepare(model, X)
    sign = sign_of(classifier, target)
    with lend_views(classifier) as views:
        return sign * _scores(views, images, batch_size)


@validate_params(
    {
        "layer": [str, None],
        "variant": [StrOptions({"grad_cam", "grad_cam++", "hires_cam"})],
        "normalize": ["boolean"],
        "batch_size": _COUNT,
    },
    prefer_skip_nested_validation=True,
)
def grad_cam(
    model, X, *, layer=None, variant="grad_cam", target=None, normalize=True, batch_size=64
):
    """Give the coarse map of where a convolution found what speaks for a class.

    The layer's maps are summed, each weighed by how much it raises the class's score;
    what is below zero is cut off.

    Parameters
    ----------
    model : SpineCNNClassifier or Pipeline
        Fitted; a pipeline ends in the classifier.
    X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
        What the model predicts on.
    layer : str, default=None
        Name of the convolution, such as "conv4"; the last by default. Its maps are
        taken after ReLU and before pooling.
    variant : {"grad_cam", "grad_cam++", "hires_cam"}, default="grad_cam"
        How the maps are weighed: by the mean gradient [1]_; by the sum of the positive
        gradients, weighed in turn so that small findings count as much as large ones
        [2]_; or each pixel by its own gradient [3]_.
    target : label, default=None
        The class that is explained; the positive one, ``classes_[1]``, by default.
    normalize : bool, default=True
        Divide each map by its maximum, so that it lies in [0, 1]. False keeps the unit
        of the score, so that maps of different scans can be compared.
    batch_size : int, default=64
        Images that go through the network together; no matter for the result.

    Returns
    -------
    maps : ndarray of shape (n_scans, n_rows, n_columns), dtype float32
        Not negative, bilinearly enlarged to the shape of the image that the network
        gets, each cell of the layer's maps centred on its own pixels; `to_scan` puts it
        on the scan. All zero where nothing speaks for the class.

    Raises
    ------
    ValueError
        If there is no such layer; the message names those there are.

    Notes
    -----
    What is differentiated is the score before the sigmoid, as in [1]_: the probability's
    gradient is the same map, but vanishes for a scan that is surely positive.

    The paper's network flattens its last maps, so that what a kernel finds counts
    otherwise in one place than in another. The mean gradient does not know that: a map
    may be empty, or point elsewhere than the network looks. "hires_cam" has no such
    mean. See `localization_score` and `deletion_insertion` for how to tell.

    A map is no finer than its layer. A cell of the paper's last maps is 8 pixels, 8.4 by
    4.8 mm, and a kernel may answer a cell or two beside what it has found: networks that
    were trained alike but for the seed may point 10 mm apart.

    References
    ----------
    .. [1] Selvaraju R. R. et al., "Grad-CAM: visual explanations from deep networks via
       gradient-based localization", ICCV 2017, 618-626.
    .. [2] Chattopadhay A. et al., "Grad-CAM++: generalized gradient-based visual
       explanations for deep convolutional networks", WACV 2018, 839-847.
    .. [3] Draelos R. L., Carin L., "Use HiResCAM instead of Grad-CAM for faithful
       explanations of convolutional neural networks", 2020, arXiv:2011.08891.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.classification import SpineCNNClassifier
    >>> from skdxa.inspection import grad_cam
    >>> rng = np.random.default_rng(0)
    >>> y = np.tile([0, 1], 8)
    >>> X = rng.normal(size=(16, 16, 12)).astype("float32") + y[:, None, None]
    >>> cnn = SpineCNNClassifier(filters=(4,), epochs=1, random_state=0).fit(X, y)
    >>> grad_cam(cnn, X[:3], layer="conv1").shape
    (3, 16, 12)
    """
    classifier, images = prepare(model, X)
    sign = sign_of(classifier, target)
    heat = np.empty(images.shape, np.float32)
    with lend_views(classifier) as views:
        layer = views.check_layer(layer)
        for part in batches(len(images), batch_size):
            maps, gradients = views.maps_and_gradients(images[part], layer)
            weights = _WEIGHTS[variant](maps, sign * gradients)
            coarse = np.einsum("nijk,nijk->nij", maps, np.broadcast_to(weights, maps.shape))
            heat[part] = _enlarge(coarse.clip(min=0), images.shape[1:])
    if normalize:
        highest = heat.max(axis=(1, 2), keepdims=True)
        np.divide(heat, highest, out=heat, where=highest > 0)
    return heat


@validate_params({"batch_size": _COUNT}, prefer_skip_nested_validation=True)
def vanilla_gradients(model, X, *, target=None, batch_size=64):
    """Give the derivative of a class's score by each pixel [1]_.

    Parameters
    ----------
    model : SpineCNNClassifier or Pipeline
        Fitted; a pipeline ends in the classifier.
    X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
        What the model predicts on.
    target : label, default=None
        The class that is explained; the positive one, ``classes_[1]``, by default.
    batch_size : int, default=64
        Images that go through the network together; no matter for the result.

    Returns
    -------
    maps : ndarray of shape (n_scans, n_rows, n_columns), dtype float32
        Log odds for each unit of a pixel of the image that the network gets. Where it
        is positive, a brighter pixel speaks for the class.

    See Also
    --------
    smooth_grad : The same with less noise.
    integrated_gradients : What the pixels contribute.

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
    classifier, images = prepare(model, X)
    sign = sign_of(classifier, target)
    with lend_views(classifier) as views:
        return sign * np.concatenate(
            [views.input_gradients(images[part]) for part in batches(len(images), batch_size)]
        )


@validate_params(
    {
        "n_samples": _COUNT,
        "noise": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
        "batch_size": _COUNT,
    },
    prefer_skip_nested_validation=True,
)
def smooth_grad(
    model, X, *, n_samples=50, noise=0.15, target=None, random_state=None, batch_size=64
):
    """Give the mean gradient of noisy copies of each image [1]_.

    Parameters
    ----------
    model : SpineCNNClassifier or Pipeline
        Fitted; a pipeline ends in the classifier.
    X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
        What the model predicts on.
    n_samples : int, default=50
        Noisy copies of each image.
    noise : float, default=0.15
        Standard deviation of the noise, as a share of the image's range.
    target : label, default=None
        The class that is explained; the positive one, ``classes_[1]``, by default.
    random_state : int, RandomState instance or None, default=None
        Seeds the noise, which is the same pattern for every image, so that a map does
        not depend on which other images are in `X`.
    batch_size : int, default=64
        Images that go through the network together; no matter for the result.

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
    classifier, images = prepare(model, X)
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
        "n_steps": _COUNT,
        "batch_size": _COUNT,
    },
    prefer_skip_nested_validation=True,
)
def integrated_gradients(model, X, *, baseline="tissue", n_steps=64, target=None, batch_size=64):
    """Give what each pixel contributes to a class's score, compared with a baseline [1]_.

    Parameters
    ----------
    model : SpineCNNClassifier or Pipeline
        Fitted; a pipeline ends in the classifier.
    X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
        What the model predicts on.
    baseline : "tissue", float or array-like of shape (n_rows, n_columns), default="tissue"
        The image that has nothing to see, in the unit of the image that the network
        gets. "tissue" is even soft tissue, the lower quartile of each image.
    n_steps : int, default=64
        Steps of the way from the baseline to the image, each taken at its middle.
    target : label, default=None
        The class that is explained; the positive one, ``classes_[1]``, by default.
    batch_size : int, default=64
        Images that go through the network together; no matter for the result.

    Returns
    -------
    maps : ndarray of shape (n_scans, n_rows, n_columns), dtype float32
        Log odds. The sum of a map is the image's `class_score` less the baseline's, the
        more exactly, the larger `n_steps`: compare them before you trust the map.

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
    classifier, images = prepare(model, X)
    sign = sign_of(classifier, target)
    starts = background(images, baseline, name="baseline")
    middles = ((np.arange(n_steps) + 0.5) / n_steps).astype(np.float32)[:, None, None]
    maps = np.empty(images.shape, np.float32)
    with lend_views(classifier) as views:
        for start, image, contribution in zip(starts, images, maps, strict=True):
            total = np.zeros(image.shape)
            for part in batches(n_steps, batch_size):
                path = start + middles[part] * (image - start)
                total += views.input_gradients(path).sum(axis=0, dtype=float)
            contribution[:] = sign * total / n_steps * (image - start)
    return maps


@validate_params(
    {
        "window": [Interval(Integral, 1, None, closed="left"), tuple, None],
        "stride": [Interval(Integral, 1, None, closed="left"), tuple, None],
        "fill": [StrOptions({"tissue"}), Real, "array-like"],
        "batch_size": _COUNT,
    },
    prefer_skip_nested_validation=True,
)
def occlusion(model, X, *, window=None, stride=None, fill="tissue", target=None, batch_size=64):
    """Give how much a class's score drops when a window of the image is covered [1]_.

    Parameters
    ----------
    model : SpineCNNClassifier or Pipeline
        Fitted; a pipeline ends in the classifier.
    X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
        What the model predicts on.
    window : int or tuple of two int, default=None
        Rows and columns of the window; a tenth of the image's by default.
    stride : int or tuple of two int, default=None
        Rows and columns from one window to the next; a third of the window's by default,
        never more than the window's. The last window always ends at the image's edge.
    fill : "tissue", float or array-like of shape (n_rows, n_columns), default="tissue"
        What covers the window, in the unit of the image that the network gets. "tissue"
        is soft tissue, the lower quartile of each image.
    target : label, default=None
        The class that is explained; the positive one, ``classes_[1]``, by default.
    batch_size : int, default=64
        Images that go through the network together; no matter for the result.

    Returns
    -------
    maps : ndarray of shape (n_scans, n_rows, n_columns), dtype float32
        Log odds: for each pixel the mean drop over the windows that covered it. Positive
        where the image speaks for the class.

    Raises
    ------
    ValueError
        If the window is larger than the image, or the stride than the window.

    Notes
    -----
    It needs no gradients and sees what they cannot, but each image goes through the
    network about a thousand times.

    References
    ----------
    .. [1] Zeiler M. D., Fergus R., "Visualizing and understanding convolutional
       networks", ECCV 2014, LNCS 8689, 818-833.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.classification import SpineCNNClassifier
    >>> from skdxa.inspection import occlusion
    >>> rng = np.random.default_rng(0)
    >>> y = np.tile([0, 1], 8)
    >>> X = rng.normal(size=(16, 16, 12)).astype("float32") + y[:, None, None]
    >>> cnn = SpineCNNClassifier(filters=(4,), epochs=1, random_state=0).fit(X, y)
    >>> occlusion(cnn, X[:3], window=(4, 3), stride=2).shape
    (3, 16, 12)
    """
    classifier, images = prepare(model, X)
    sign = sign_of(classifier, target)
    shape = images.shape[1:]
    window = _pair(window, "window", [-(-size // 10) for size in shape], shape)
    stride = _pair(stride, "stride", [max(1, size // 3) for size in window], window)
    covers = background(images, fill, name="fill")
    windows = [
        (slice(top, top + window[0]), slice(left, left + window[1]))
        for top in _starts(shape[0], window[0], stride[0])
        for left in _starts(shape[1], window[1], stride[1])
    ]
    times_covered = np.zeros(shape)
    for place in windows:
        times_covered[place] += 1
    maps = np.empty(images.shape, np.float32)
    with lend_views(classifier) as views:
        scores = _scores(views, images, batch_size)
        for image, cover, score, drop in zip(images, covers, scores, maps, strict=True):
            total = np.zeros(shape)
            for part in batches(len(windows), batch_size):
                places = windows[part]
                copies = np.repeat(image[None], len(places), axis=0)
                for copy, place in zip(copies, places, strict=True):
                    copy[place] = cover[place]
                for place, rest in zip(places, views.scores(copies), strict=True):
                    total[place] += score - rest
            drop[:] = sign * total / times_covered
    return maps


def _scores(views, images, batch_size):
    parts = [views.scores(images[part]) for part in batches(len(images), batch_size)]
    return np.concatenate(parts).astype(float)


def _plus_plus_weights(maps, gradients):
    """Weigh positive gradients as in equations 10 and 19 of Chattopadhay et al.

    The exponential of the score, whose derivatives they take, scales the whole map of an
    image alike, and is left out.
    """
    squares = gradients**2
    sums = maps.sum(axis=(1, 2), keepdims=True)
    denominator = 2 * squares + sums * squares * gradients
    shares = np.divide(squares, denominator, out=np.zeros_like(squares), where=denominator != 0)
    return (shares * gradients.clip(min=0)).sum(axis=(1, 2), keepdims=True)


# Each gives weights that broadcast to the maps, (n, rows, columns, kernels).
_WEIGHTS = {
    "grad_cam": lambda maps, gradients: gradients.mean(axis=(1, 2), keepdims=True),
    "grad_cam++": _plus_plus_weights,
    "hires_cam": lambda maps, gradients: gradients,
}


def _enlarge(maps, shape):
    """Interpolate along rows, then along columns, each axis coming first in its turn."""
    for small, large in zip(maps.shape[1:], shape, strict=True):
        weights = _axis_weights(small, large)
        across = np.moveaxis(maps, 1, 0)
        longer = weights @ across.reshape(small, -1)
        maps = np.moveaxis(longer.reshape(large, *across.shape[1:]), 0, 2)
    return maps


def _axis_weights(small, large):
    """Give the matrix (large, small) that puts each cell of a map where its pixels are.

    Pooling counts its windows from the first pixel. What does not fill the last one is left
    out: 150 pixels become 75, 37 and 18 cells, of 8 pixels each, and the 18th ends with pixel
    144; stretched over all 150, it would lie 6 pixels off. What is left out gets the value of
    the last cell. Or the last window is filled up: then 150 pixels are 19 cells of 8.
    """
    covered = large
    for pixels in (large // small, -(-large // small)):
        if small in (large // pixels, -(-large // pixels)):
            covered = small * pixels
            break
    return axis_weights(small, covered)[np.arange(large).clip(max=covered - 1)].astype(np.float32)


def _pair(value, name, default, largest):
    """Give rows and columns of a parameter that is a number, two, or None."""
    if value is None:
        return tuple(default)
    pair = value if isinstance(value, tuple) else (value, value)
    whole = [isinstance(size, Integral) and size >= 1 for size in pair]
    if len(pair) != 2 or not all(whole):
        raise ValueError(f"{name} must be one or two positive whole numbers; got {value!r}.")
    if pair[0] > largest[0] or pair[1] > largest[1]:
        of = "image" if name == "window" else "window"
        raise ValueError(
            f"{name} is {pair[0]} rows by {pair[1]} columns, larger than the {of}, "
            f"{largest[0]} by {largest[1]}."
        )
    return pair


def _starts(size, window, stride):
    last = size - window
    return sorted({*range(0, last + 1, stride), last})
