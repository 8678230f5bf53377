"""Occlusion: how a class's score drops where a window covers the image."""

from numbers import Integral, Real

import numpy as np

from skdxa._sklearn import StrOptions, validate_params
from skdxa.inspection._class_score import score_in_batches
from skdxa.inspection._model import (
    COUNT,
    background,
    batches,
    lend_views,
    prepare_images,
    sign_of,
)


@validate_params(
    {
        "window": [*COUNT, tuple, None],
        "stride": [*COUNT, tuple, None],
        "fill": [StrOptions({"tissue"}), Real, "array-like"],
        "batch_size": COUNT,
    },
    prefer_skip_nested_validation=True,
)
def occlusion(model, X, *, window=None, stride=None, fill="tissue", target=None, batch_size=64):
    """Compute how much a class's score drops when a window covers the image [1]_.

    Parameters
    ----------
    model : SpineCNNClassifier or Pipeline
        A fitted classifier, or a fitted pipeline that ends in one.
    X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
        The scans, as the model takes them.
    window : int or tuple of two int, default=None
        Rows and columns of the window; by default a tenth of the image's.
    stride : int or tuple of two int, default=None
        Rows and columns from one window to the next; by default a third of the window's,
        and never more than the window's. The last window ends at the image's edge.
    fill : "tissue", float or array-like of shape (n_rows, n_columns), default="tissue"
        Value of the covered pixels, in the unit of the network's input. "tissue" is
        soft tissue, the lower quartile of each image.
    target : label, default=None
        The class to explain; by default the positive one, ``classes_[1]``.
    batch_size : int, default=64
        Images that go through the network together; it does not affect the result.

    Returns
    -------
    maps : ndarray of shape (n_scans, n_rows, n_columns), dtype float32
        Log odds: for each pixel the mean drop over the windows that covered it. Positive
        where the image supports the class.

    Raises
    ------
    ValueError
        If the window is larger than the image, or the stride than the window.

    Notes
    -----
    Occlusion measures the effect of a finite change, which gradients do not, but each
    image goes through the network about a thousand times.

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
    classifier, images = prepare_images(model, X)
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
        scores = score_in_batches(views, images, batch_size)
        for image, cover, score, drop in zip(images, covers, scores, maps, strict=True):
            total = np.zeros(shape)
            for part in batches(len(windows), batch_size):
                places = windows[part]
                copies = np.repeat(image[None], len(places), axis=0)
                for copy, place in zip(copies, places, strict=True):
                    copy[place] = cover[place]
                for place, covered_score in zip(places, views.scores(copies), strict=True):
                    total[place] += score - covered_score
            drop[:] = sign * total / times_covered
    return maps


def _pair(value, name, default, largest):
    """Return (rows, columns) from a parameter that is one number, two numbers or None."""
    if value is None:
        return tuple(default)
    pair = value if isinstance(value, tuple) else (value, value)
    valid = [isinstance(size, Integral) and size >= 1 for size in pair]
    if len(pair) != 2 or not all(valid):
        raise ValueError(f"{name} must be one or two positive whole numbers; got {value!r}.")
    if pair[0] > largest[0] or pair[1] > largest[1]:
        whole = "image" if name == "window" else "window"
        raise ValueError(
            f"{name} is {pair[0]} rows by {pair[1]} columns, larger than the {whole}, "
            f"{largest[0]} by {largest[1]}."
        )
    return pair


def _starts(size, window, stride):
    """Return the first pixels of the windows along one axis."""
    last = size - window
    return sorted({*range(0, last + 1, stride), last})
