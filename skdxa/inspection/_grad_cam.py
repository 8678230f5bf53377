"""Grad-CAM and its variants: where a convolution found evidence for a class."""

import numpy as np

from skdxa._sklearn import StrOptions, validate_params
from skdxa.inspection._model import COUNT, batches, lend_views, prepare_images, sign_of
from skdxa.preprocessing import axis_weights


@validate_params(
    {
        "layer": [str, None],
        "variant": [StrOptions({"grad_cam", "grad_cam++", "hires_cam"})],
        "normalize": ["boolean"],
        "batch_size": COUNT,
    },
    prefer_skip_nested_validation=True,
)
def grad_cam(
    model, X, *, layer=None, variant="grad_cam", target=None, normalize=True, batch_size=64
):
    """Compute coarse maps of where a convolution found evidence for a class.

    The layer's maps are summed, each weighted by how much it raises the class's score;
    negative values are set to zero.

    Parameters
    ----------
    model : SpineCNNClassifier or Pipeline
        A fitted classifier, or a fitted pipeline that ends in one.
    X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
        The scans, as the model takes them.
    layer : str, default=None
        Name of the convolution, such as "conv4"; by default the last one. Its
        maps are taken after ReLU and before pooling.
    variant : {"grad_cam", "grad_cam++", "hires_cam"}, default="grad_cam"
        How the maps are weighted: by the mean gradient [1]_; by a weighted sum of the
        positive gradients, in which small findings count as much as large ones [2]_; or
        each pixel by its own gradient [3]_.
    target : label, default=None
        The class to explain; by default the positive one, ``classes_[1]``.
    normalize : bool, default=True
        Divide each map by its maximum, so that it lies in [0, 1]. False keeps the unit
        of the score, in which maps of different scans can be compared.
    batch_size : int, default=64
        Images that go through the network together; it does not affect the result.

    Returns
    -------
    maps : ndarray of shape (n_scans, n_rows, n_columns), dtype float32
        Non-negative, bilinearly enlarged to the shape of the network's input, each cell
        of the layer's maps centred on the pixels that it covers; `to_scan` places a map
        on its scan. All zero where the layer found no evidence for the class.

    Raises
    ------
    ValueError
        If there is no such layer; the message names the layers of the network.

    Notes
    -----
    The score before the sigmoid is differentiated, as in [1]_. The gradient of the
    probability is proportional to it, but vanishes where the network is certain.

    The paper's network flattens its last maps, so that the effect of a kernel's finding
    depends on its position. The mean gradient ignores the position: a map may be empty,
    or highlight pixels that the network does not use. "hires_cam" takes no such mean.
    `localization_score` and `deletion_insertion` measure whether a map can be trusted.

    A map is no finer than its layer. A cell of the paper's last maps is 8 pixels, 8.4 by
    4.8 mm, and a kernel may respond a cell or two next to its finding: the maps of
    networks that differ only in their seed may peak 10 mm apart.

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
    classifier, images = prepare_images(model, X)
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


def _plus_plus_weights(maps, gradients):
    """Compute the kernels' weights by equations 10 and 19 of Chattopadhay et al.

    They differentiate the exponential of the score; as a factor common to the whole map
    of an image, the exponential is left out.
    """
    squares = gradients**2
    sums = maps.sum(axis=(1, 2), keepdims=True)
    denominator = 2 * squares + sums * squares * gradients
    shares = np.divide(squares, denominator, out=np.zeros_like(squares), where=denominator != 0)
    return (shares * gradients.clip(min=0)).sum(axis=(1, 2), keepdims=True)


# Functions that return weights which broadcast to the maps, (n, rows, columns, kernels).
_WEIGHTS = {
    "grad_cam": lambda maps, gradients: gradients.mean(axis=(1, 2), keepdims=True),
    "grad_cam++": _plus_plus_weights,
    "hires_cam": lambda maps, gradients: gradients,
}


def _enlarge(maps, shape):
    """Interpolate maps (n, rows, columns) bilinearly to another shape, axis by axis."""
    for small, large in zip(maps.shape[1:], shape, strict=True):
        weights = _axis_weights(small, large)
        across = np.moveaxis(maps, 1, 0)
        longer = weights @ across.reshape(small, -1)
        maps = np.moveaxis(longer.reshape(large, *across.shape[1:]), 0, 2)
    return maps


def _axis_weights(small, large):
    """Return the matrix (large, small) that interpolates cells of a map to their pixels.

    Pooling counts its windows from the first pixel and drops an incomplete last one: 150
    pixels become 75, 37 and 18 cells, of 8 pixels each, and the 18th ends with pixel 144;
    stretched over all 150, it would lie 6 pixels off. The dropped pixels get the value of
    the last cell. With padding, the last window is filled up: then 150 pixels are 19 cells
    of 8.
    """
    covered = large
    for pixels in (large // small, -(-large // small)):
        if small in (large // pixels, -(-large // pixels)):
            covered = small * pixels
            break
    return axis_weights(small, covered)[np.arange(large).clip(max=covered - 1)].astype(np.float32)
