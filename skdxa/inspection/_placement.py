"""Maps put back where their pixels were on the scan."""

from functools import partial

import numpy as np

from skdxa.exceptions import ScanError
from skdxa.inspection._model import steps_and_classifier
from skdxa.preprocessing import HorizontalFlip, SpineCropper
from skdxa.validation import as_scans, scan_names


def to_scan(maps, X, pipeline):
    """Put the maps of cropped images back on the scans.

    Parameters
    ----------
    maps : array-like of shape (n_scans, n_rows, n_columns)
        A map for each image that the pipeline's classifier got, such as `grad_cam`
        gives.
    X : DataFrame, Series, list, ndarray of object, or ndarray of shape (n, rows, columns)
        The scans that the pipeline got.
    pipeline : Pipeline
        Fitted; it ends in a `SpineCNNClassifier`.

    Returns
    -------
    maps_on_scans : list of ndarray, dtype float32
        For each scan a map of its own shape, NaN where the crop left it out.

    Raises
    ------
    ValueError
        If a map has not the shape of the image, or a step of the pipeline changes the
        scans' shapes in a way that cannot be undone.

    See Also
    --------
    skdxa.preprocessing.SpineCropper.window : Where on a scan its crop lies.

    Notes
    -----
    What `SpineCropper` and `HorizontalFlip` did is undone. Any other step must leave
    every pixel where it is, as `IntensityScaler` does.

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
                "to_scan cannot say where a pixel was. It can undo SpineCropper and "
                "HorizontalFlip."
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
    whole = np.full(shape, np.nan, np.float32)
    whole[on_scan] = cropped[on_crop]
    return whole
