"""Maps of crops, placed on the whole scans."""

from functools import partial

import numpy as np

from skdxa.exceptions import ScanError
from skdxa.inspection._model import steps_and_classifier
from skdxa.preprocessing import HorizontalFlip, SpineCropper
from skdxa.validation import as_scans, scan_names


def to_scan(maps, X, pipeline):
    """Place the maps of cropped images on the whole scans.

    Parameters
    ----------
    maps : array-like of shape (n_scans, n_rows, n_columns)
        One map per image of the pipeline's classifier, as `grad_cam` returns them.
    X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
        The scans that the pipeline was given.
    pipeline : Pipeline
        A fitted pipeline that ends in a `SpineCNNClassifier`.

    Returns
    -------
    maps_on_scans : list of ndarray, dtype float32
        One map per scan, with the scan's shape; NaN outside the crop.

    Raises
    ------
    ValueError
        If a map does not have the shape of its image, or a step of the pipeline changes
        the scans' shapes in a way that cannot be undone.

    See Also
    --------
    skdxa.preprocessing.SpineCropper.window : The position of the crop on a scan.

    Notes
    -----
    The effects of `SpineCropper` and `HorizontalFlip` are undone. Any other step must
    leave every pixel in its place, as `IntensityScaler` does.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from skdxa.classification import SpineCNNClassifier
    >>> from skdxa.inspection import grad_cam, to_scan
    >>> from skdxa.preprocessing import SpineCropper
    >>> rng = np.random.default_rng(0)
    >>> y = np.tile([0, 1], 8)
    >>> X = rng.normal(size=(16, 20, 40)).astype("float32")
    >>> model = make_pipeline(
    ...     SpineCropper(16, 12), SpineCNNClassifier(filters=(4,), epochs=1, random_state=0)
    ... ).fit(X, y)
    >>> [heat.shape for heat in to_scan(grad_cam(model, X[:2]), X[:2], model)]
    [(20, 40), (20, 40)]
    """
    steps, _ = steps_and_classifier(pipeline)
    names = scan_names(X)
    undo = []
    for name, step in steps:
        scans = as_scans(X, column=getattr(step, "column", "scan"))
        X = step.transform(X)
        if isinstance(step, SpineCropper):
            undo.append([partial(_uncrop, scan.shape, *step.window(scan)) for scan in scans])
        elif isinstance(step, HorizontalFlip):
            undo.append([np.fliplr] * len(scans))
        elif [scan.shape for scan in as_scans(X)] != [scan.shape for scan in scans]:
            raise ValueError(
                f"The step {name!r} ({type(step).__name__}) changes the scans' shapes, so that "
                "to_scan cannot place its pixels. It can undo SpineCropper and HorizontalFlip."
            )
    images = as_scans(X)
    if len(maps) != len(images):
        raise ValueError(f"There are {len(maps)} maps for {len(images)} scans.")
    placed = [np.asarray(one, np.float32) for one in maps]
    for name, image, one in zip(names, images, placed, strict=True):
        if one.shape != image.shape:
            raise ScanError(
                f"{name} became an image of shape {image.shape}; its map has shape {one.shape}."
            )
    for actions in reversed(undo):
        placed = [action(one) for action, one in zip(actions, placed, strict=True)]
    return placed


def _uncrop(shape, on_scan, on_crop, cropped):
    """Return a cropped map on the whole scan, NaN outside the crop."""
    whole = np.full(shape, np.nan, np.float32)
    whole[on_scan] = cropped[on_crop]
    return whole
