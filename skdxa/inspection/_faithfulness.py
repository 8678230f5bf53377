"""Tests of a map's faithfulness: against known truth, the network and random weights."""

import copy
from numbers import Real

import numpy as np
import pandas as pd
from scipy import ndimage, special, stats
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch, check_random_state

from skdxa._sklearn import Interval, StrOptions, validate_params
from skdxa.inspection._model import (
    COUNT,
    background,
    batches,
    lend_views,
    prepare_images,
    sign_of,
    steps_and_classifier,
)
from skdxa.validation import check_spacing


@validate_params(
    {"tolerance_mm": [Interval(Real, 0, None, closed="left")]},
    prefer_skip_nested_validation=True,
)
def localization_score(maps, masks, *, tolerance_mm=0.0, spacing_mm=(1.05, 0.60)):
    """Compute how well maps locate known findings.

    Parameters
    ----------
    maps : array-like of shape (n_scans, n_rows, n_columns), or list of arrays
        One map per scan; positive values are evidence, negative ones are not counted.
        Pixels outside the map are NaN, as `to_scan` returns them.
    masks : array-like of bool, shaped as `maps`
        True on the findings, for example the lesions of a simulated cohort.
    tolerance_mm : float, default=0
        Largest distance from the mask at which the peak still counts as a hit, mm.
    spacing_mm : tuple of float, default=(1.05, 0.60)
        Height and width of a pixel, in mm.

    Returns
    -------
    scores : DataFrame
        One row per scan, with the columns

        - `hit`: the pointing game [1]_: 1 if the map's highest pixel lies in the mask or
          within the tolerance, else 0. If several pixels share the maximum, the share of
          them that hit.
        - `energy`: the share of the map's positive values that lies in the mask [2]_.
        - `hit_by_chance`, `energy_by_chance`: the expectation of a random map: the share
          of the pixels that hit, and that lie in the mask.

        `hit` and `energy` are 0 for a map without positive values. All columns are NaN
        where the mask is empty on the map, so that means over the rows omit such scans.

    Raises
    ------
    ValueError
        If maps and masks do not match; the message names the scan.

    References
    ----------
    .. [1] Zhang J. et al., "Top-down neural attention by excitation backprop",
       International Journal of Computer Vision 126, 2018, 1084-1102.
    .. [2] Wang H. et al., "Score-CAM: score-weighted visual explanations for
       convolutional neural networks", CVPR workshops 2020, 111-119.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.inspection import localization_score
    >>> heat = np.array([[[0, 1, 3, 0]]])
    >>> localization_score(heat, heat > 2)
       hit  energy  hit_by_chance  energy_by_chance
    0  1.0    0.75           0.25              0.25
    """
    spacing_mm = check_spacing(spacing_mm)
    if len(maps) != len(masks):
        raise ValueError(f"There are {len(maps)} maps and {len(masks)} masks.")
    rows = []
    for number, (heat, mask) in enumerate(zip(maps, masks, strict=True)):
        heat, mask = np.asarray(heat, float), np.asarray(mask)
        if heat.ndim != 2 or heat.shape != mask.shape:
            raise ValueError(
                f"Map {number} has shape {heat.shape} and its mask {mask.shape}; they must have "
                "the same rows and columns."
            )
        if not np.isin(mask, (0, 1)).all():
            raise ValueError(f"Mask {number} must hold True and False (or 1 and 0) only.")
        rows.append(_localize(heat, mask.astype(bool), tolerance_mm, spacing_mm))
    return pd.DataFrame(rows, columns=["hit", "energy", "hit_by_chance", "energy_by_chance"])


@validate_params(
    {
        "n_steps": COUNT,
        "fill": [StrOptions({"tissue"}), Real, "array-like"],
        "random_state": ["random_state"],
        "batch_size": COUNT,
    },
    prefer_skip_nested_validation=True,
)
def deletion_insertion(
    model,
    X,
    maps,
    *,
    n_steps=50,
    fill="tissue",
    target=None,
    random_state=None,
    batch_size=64,
):
    """Compute the probability as pixels are deleted and inserted in a map's order [1]_.

    Parameters
    ----------
    model : SpineCNNClassifier or Pipeline
        A fitted classifier, or a fitted pipeline that ends in one.
    X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
        The scans, as the model takes them.
    maps : array-like of shape (n_scans, n_rows, n_columns)
        One map per image of the network's input; the highest pixel is taken first.
    n_steps : int, default=50
        Steps from the whole image to an image without any of its pixels.
    fill : "tissue", float or array-like of shape (n_rows, n_columns), default="tissue"
        Value of the deleted pixels, in the unit of the network's input. "tissue" is
        soft tissue, the lower quartile of each image.
    target : label, default=None
        The class that the maps explain; by default the positive one, ``classes_[1]``.
    random_state : int, RandomState instance or None, default=None
        Orders pixels of equal value, such as the zeros of `grad_cam`, at random.
    batch_size : int, default=64
        Images that go through the network together; it does not affect the result.

    Returns
    -------
    result : :class:`~sklearn.utils.Bunch`
        share : ndarray of shape (n_steps + 1,)
            Share of the pixels that are deleted, or inserted: 0 to 1.
        deletion, insertion : ndarray of shape (n_scans, n_steps + 1)
            The class's probability.
        deletion_auc, insertion_auc : ndarray of shape (n_scans,)
            Areas under these curves, from 0 to 1. A faithful map has a small deletion
            area and a large insertion area, compared with random maps.

    Raises
    ------
    ValueError
        If the maps do not have the shape of the images, or hold NaN.

    References
    ----------
    .. [1] Petsiuk V., Das A., Saenko K., "RISE: randomized input sampling for explanation
       of black-box models", BMVC 2018, arXiv:1806.07421.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.classification import SpineCNNClassifier
    >>> from skdxa.inspection import deletion_insertion, grad_cam
    >>> rng = np.random.default_rng(0)
    >>> y = np.tile([0, 1], 8)
    >>> X = rng.normal(size=(16, 16, 12)).astype("float32") + y[:, None, None]
    >>> cnn = SpineCNNClassifier(filters=(4,), epochs=1, random_state=0).fit(X, y)
    >>> result = deletion_insertion(cnn, X, grad_cam(cnn, X), n_steps=10, random_state=0)
    >>> result.deletion.shape, result.deletion_auc.shape
    ((16, 11), (16,))
    """
    classifier, images = prepare_images(model, X)
    sign = sign_of(classifier, target)
    maps = np.asarray(maps, np.float32)
    if maps.shape != images.shape or not np.isfinite(maps).all():
        raise ValueError(
            f"maps must have the shape of the images that the network takes, {images.shape}, and "
            f"no NaN; got shape {maps.shape}."
        )
    fillings = background(images, fill, name="fill")
    random_state = check_random_state(random_state)
    n_pixels = maps[0].size
    n_deleted = np.round(np.linspace(0, n_pixels, n_steps + 1)).astype(int)
    curves = np.empty((2, len(images), n_steps + 1))
    with lend_views(classifier) as views:
        for number, (image, filling, heat) in enumerate(zip(images, fillings, maps, strict=True)):
            # lexsort takes the last key as the primary one.
            order = np.lexsort((random_state.permutation(n_pixels), -heat.ravel()))
            rank = np.empty(n_pixels, int)
            rank[order] = np.arange(n_pixels)
            rank = rank.reshape(image.shape)
            for part in batches(n_steps + 1, batch_size):
                first = rank < n_deleted[part, None, None]
                for curve, original, replacing in zip(
                    curves, (image, filling), (filling, image), strict=True
                ):
                    scores = views.scores(np.where(first, replacing, original))
                    curve[number, part] = special.expit(sign * scores.astype(float))
    share = n_deleted / n_pixels
    deletion, insertion = curves
    return Bunch(
        share=share,
        deletion=deletion,
        insertion=insertion,
        deletion_auc=np.trapezoid(deletion, share, axis=1),
        insertion_auc=np.trapezoid(insertion, share, axis=1),
    )


@validate_params(
    {"layers": ["array-like", None], "random_state": ["random_state"]},
    prefer_skip_nested_validation=True,
)
def randomized(model, *, layers=None, random_state=None):
    """Return a copy of a model whose network has random weights.

    A map that stays the same for a network with random weights does not show what the
    network has learned, but for instance the edges of the image [1]_.

    Parameters
    ----------
    model : SpineCNNClassifier or Pipeline
        A fitted classifier, or a fitted pipeline that ends in one.
    layers : list of str, default=None
        Names of the layers whose weights are redrawn, for example from the output
        backwards: ["output"], ["output", "dense"], ... By default all layers.
    random_state : int, RandomState instance or None, default=None
        Seed of the weights, which are drawn as at the beginning of training.

    Returns
    -------
    copy : SpineCNNClassifier or Pipeline
        A fitted model that shares its preprocessing with `model`, which is unchanged.

    Raises
    ------
    ValueError
        If there is no such layer.

    References
    ----------
    .. [1] Adebayo J. et al., "Sanity checks for saliency maps", NeurIPS 2018, 9505-9515.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.classification import SpineCNNClassifier
    >>> from skdxa.inspection import map_similarity, randomized, vanilla_gradients
    >>> rng = np.random.default_rng(0)
    >>> y = np.tile([0, 1], 8)
    >>> X = rng.normal(size=(16, 16, 12)).astype("float32") + y[:, None, None]
    >>> cnn = SpineCNNClassifier(filters=(4,), epochs=1, random_state=0).fit(X, y)
    >>> untrained = randomized(cnn, random_state=0)
    >>> map_similarity(vanilla_gradients(cnn, X), vanilla_gradients(untrained, X)).shape
    (16,)
    """
    _, classifier = steps_and_classifier(model)
    other = copy.copy(classifier)
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    other.weights_ = _redraw(classifier, layers, seed)
    return _with_classifier(model, other)


@validate_params({"absolute": ["boolean"]}, prefer_skip_nested_validation=True)
def map_similarity(maps, others, *, absolute=False):
    """Compute Spearman's rank correlation between two maps of each scan.

    Parameters
    ----------
    maps, others : array-like of shape (n_scans, n_rows, n_columns), or lists of arrays
        Two maps of each scan. Pixels that are NaN in either are left out.
    absolute : bool, default=False
        Compare absolute values.

    Returns
    -------
    correlation : ndarray of shape (n_scans,)
        From -1 to 1; NaN where one of the maps is constant.

    Raises
    ------
    ValueError
        If the maps do not match; the message names the scan.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.inspection import map_similarity
    >>> heat = np.arange(12.0).reshape(1, 4, 3)
    >>> map_similarity(heat, np.exp(heat))
    array([1.])
    """
    if len(maps) != len(others):
        raise ValueError(f"There are {len(maps)} maps and {len(others)} others.")
    correlations = []
    for number, (one, other) in enumerate(zip(maps, others, strict=True)):
        one, other = np.asarray(one, float), np.asarray(other, float)
        if one.shape != other.shape:
            raise ValueError(f"The maps of scan {number} have shapes {one.shape}, {other.shape}.")
        known = ~(np.isnan(one) | np.isnan(other))
        pair = np.stack([one[known], other[known]])
        if absolute:
            pair = np.abs(pair)
        varying = pair.size > 0 and (np.ptp(pair, axis=1) > 0).all()
        correlations.append(stats.spearmanr(*pair).statistic if varying else np.nan)
    return np.array(correlations)


def _localize(heat, mask, tolerance_mm, spacing_mm):
    """Compute one row of `localization_score`."""
    inside = ~np.isnan(heat)
    mask = mask & inside
    if not mask.any():
        return [np.nan] * 4
    near = ndimage.distance_transform_edt(~mask, sampling=spacing_mm) <= tolerance_mm
    evidence = np.where(inside, heat, 0).clip(min=0)
    by_chance = [near[inside].mean(), mask[inside].mean()]
    if evidence.max() == 0:
        return [0.0, 0.0, *by_chance]
    hit = near[evidence == evidence.max()].mean()
    return [hit, evidence[mask].sum() / evidence.sum(), *by_chance]


def _redraw(classifier, layers, seed):
    """Return the classifier's weights, with those of some layers redrawn."""
    from skdxa.classification import Architecture, lend, reset

    architecture = Architecture.for_prediction(classifier, classifier.image_shape_)
    with lend(architecture) as network:
        network.set_weights(classifier.weights_)
        learned = {layer.name: layer.get_weights() for layer in network.layers if layer.weights}
        unknown = sorted(set(layers or ()) - set(learned))
        if unknown:
            raise ValueError(
                f"The network has no layer {unknown[0]!r} with weights; it has "
                f"{', '.join(learned)}."
            )
        reset(architecture, learning_rate=None, seed=seed)
        for name, weights in learned.items():
            if layers is not None and name not in layers:
                network.get_layer(name).set_weights(weights)
        return network.get_weights()


def _with_classifier(model, classifier):
    """Return a copy of a pipeline that ends in another classifier."""
    if not isinstance(model, Pipeline):
        return classifier
    other = copy.copy(model)
    name, last = model.steps[-1]
    other.steps = [*model.steps[:-1], (name, _with_classifier(last, classifier))]
    return other
