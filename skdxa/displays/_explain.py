"""What an explanation shows of a model: its kernels, their patterns, titles and masks."""

import warnings

import numpy as np
import pandas as pd
from scipy import special

from skdxa import inspection
from skdxa.displays._pictures import check_masks


def find_patterns(classifier, layer, units, n_steps, random_state):
    """Return the pattern of each kernel, all zero where none was found that excites it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No starting image activated", RuntimeWarning)
        patterns = inspection.maximize_activation(
            classifier, layer=layer, units=units, n_steps=n_steps, random_state=random_state
        )
    responses = inspection.feature_maps(classifier, patterns, layer=layer, units=units)
    kernel = np.arange(len(patterns))
    patterns[responses[kernel, kernel].max(axis=(1, 2)) <= 0] = 0
    return patterns


def choose_kernels(maps, n_maps, random_state):
    """Draw kernels at random, inactive ones only if there are not enough others."""
    drawn = random_state.permutation(maps.shape[1])
    inactive = maps.max(axis=(0, 2, 3))[drawn] == 0
    return np.sort(drawn[np.argsort(inactive, kind="stable")][:n_maps])


def titles_of(X, y, classifier, images, target):
    """Name each scan, its class, the class's probability and its label."""
    probability = special.expit(inspection.class_score(classifier, images, target=target))
    names = X.index if isinstance(X, pd.DataFrame | pd.Series) else range(len(images))
    target = classifier.classes_[1] if target is None else target
    titles = [
        f"Scan {name}: class {target} with probability {share:.2f}"
        for name, share in zip(names, probability, strict=True)
    ]
    if y is None:
        return titles
    if len(y) != len(titles):
        raise ValueError(f"There are {len(y)} labels in y for {len(titles)} scans.")
    return [f"{title}, labelled {label}" for title, label in zip(titles, y, strict=True)]


def crop_masks(masks, X, model, shape):
    """Return masks of whole scans as those of the images that a model makes of them."""
    if not masks:
        return None
    n_scans, *shape = shape
    # Every pixel of an image gets a number, which is then located on the scan.
    numbers = np.arange(np.prod(shape)).reshape(shape)
    placed = inspection.to_scan([numbers] * n_scans, X, model)
    cropped = {}
    for name, of_scans in check_masks(masks, [where.shape for where in placed]).items():
        cropped[name] = np.zeros((n_scans, *shape), bool)
        for scan, (mask, where) in enumerate(zip(of_scans, placed, strict=True)):
            seen = np.isfinite(where)
            cropped[name][scan].flat[where[seen].astype(int)] = mask[seen]
    return cropped
