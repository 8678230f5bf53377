"""The images on which a network is trained, and those on which its best epoch is chosen."""

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import StratifiedShuffleSplit

from skdxa.validation import patient_codes


def split_off(labels, groups, classes, fraction, seed):
    """Return the positions of the scans to train on and of those held out.

    Parameters
    ----------
    labels : ndarray of int of shape (n_scans,)
        0 or 1.
    groups : ndarray of shape (n_scans,) or None
        The patient of each scan, whose scans stay together.
    classes : ndarray of shape (2,)
        The labels as the user gave them.
    fraction : float
        Share of the scans, or patients, that is held out: at least two, and all but two at
        most.
    seed : int

    Returns
    -------
    train, held_out : ndarray of int
    """
    sizes = _class_sizes(labels, groups)
    if sizes.min() < 2:
        raise ValueError(
            f"Class {classes[sizes.argmin()].item()!r} has {sizes.min()} "
            f"{'scan' if groups is None else 'patient'} to train on, so none can be split off "
            "to choose the epoch on. Set validation_fraction=0 or give X_val and y_val."
        )
    if groups is None:
        units, strata = np.arange(len(labels)), labels
    else:
        # A patient with a positive scan is positive.
        units = patient_codes(groups)
        strata = np.zeros(units.max() + 1, dtype=int)
        np.maximum.at(strata, units, labels)
        if np.bincount(strata, minlength=2).min() < 2:
            # Every patient, or all but one, has scans of both classes.
            strata = np.zeros_like(strata)
    n = len(strata)
    n_held_out = min(max(round(fraction * n), 2), n - 2)
    splitter = StratifiedShuffleSplit(1, test_size=n_held_out, random_state=seed)
    _, held_out = next(splitter.split(strata, strata))
    is_held_out = np.isin(units, held_out)
    return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)


def add_copies(augmenter, images, labels, weights):
    """Add the images that an augmenter makes of these, with the same labels and weights.

    Parameters
    ----------
    augmenter : transformer or None
    images : ndarray of shape (n_scans, n_rows, n_columns)
    labels, weights : ndarray of shape (n_scans,)

    Returns
    -------
    images, labels, weights : ndarray
        Of 2 * n_scans, the originals first; as given without an augmenter.
    """
    if augmenter is None:
        return images, labels, weights
    augmenter = clone(augmenter)
    if hasattr(augmenter, "set_output"):
        augmenter.set_output(transform="default")
    copies = np.asarray(augmenter.fit_transform(images), dtype=np.float32)
    if copies.shape != images.shape:
        raise ValueError(
            f"augmenter must return one image of the same shape for each image; from "
            f"{images.shape} it made {copies.shape}."
        )
    return (
        np.concatenate([images, copies]),
        np.concatenate([labels, labels]),
        np.concatenate([weights, weights]),
    )


def _class_sizes(labels, groups):
    """Count the scans of each class or, where patients are given, the patients who have one."""
    if groups is None:
        return np.bincount(labels, minlength=2)
    return np.array([len(np.unique(groups[labels == label])) for label in (0, 1)])
