"""Variances of means to which a patient may contribute several values."""

import numpy as np

from skdxa.significance._checks import warn
from skdxa.significance._wald import deviations

# Variances by patients fail where the scans are, in effect, those of fewer patients than this.
_FEWEST = 10


def patients_of_classes(patient, y):
    """Return the patients of the events and of the other rows.

    `patient` is the number of each row's patient, or None where every row is of another.
    """
    if patient is None:
        patient = np.arange(y.size)
    classes = patient[y == 1], patient[y == 0]
    for name, of_class in zip(("positive", "negative"), classes, strict=True):
        warn_of_dominance(np.bincount(of_class), f"{name} scans")
    return classes


def warn_of_dominance(sizes, what):
    """Warn if a few of many patients have most of the scans.

    Their share of the variance is then left out, since the mean is nearly their own.

    Parameters
    ----------
    sizes : ndarray of int
        Number of scans of each patient.
    what : str
        What the scans are called.
    """
    n_patients = np.count_nonzero(sizes)
    # Kish's number of patients with equally many scans.
    equal = sizes.sum() ** 2 / max(np.sum(sizes.astype(float) ** 2), 1)
    if equal < min(_FEWEST, n_patients / 2):
        warn(
            f"{sizes.max()} of {sizes.sum()} {what} are of one of {n_patients} patients, as if "
            f"there were {equal:.1f} patients: the interval is too narrow. Use the same "
            "number of scans of each patient, such as the first."
        )


def n_patients_of_classes(patients):
    """Return the number of different patients in each class."""
    return tuple(np.count_nonzero(np.bincount(of_class)) for of_class in patients)


def variances_of_two_means(classes, patients, *, ddof=1, centred=True):
    """Return the variance of the sum of the means of two classes, and that of each mean.

    The variances are those of ratio estimators, which Obuchowski (1997) uses for the area
    under the ROC curve; a patient may have rows of both classes. They are NaN if the rows of a
    class are of a single patient.

    Parameters
    ----------
    classes : tuple of ndarray
        Values of the rows of the first and of the second class.
    patients : tuple of ndarray of int
        Numbers of the patients of these rows.
    ddof : {0, 1}, default=1
        Whether variances are divided by the number of patients, or by one less.
    centred : bool, default=True
        False for second moments about zero in place of variances.
    """
    counts = n_patients_of_classes(patients)
    if min(counts) < 2:
        return np.nan, np.nan, np.nan
    n_patients = 1 + max(of_class.max() for of_class in patients)
    sums = [
        np.bincount(of_class, deviations(values) if centred else values, minlength=n_patients)
        / values.size
        for of_class, values in zip(patients, classes, strict=True)
    ]
    of_classes = [
        n / (n - ddof) * np.sum(sums_of_class**2)
        for n, sums_of_class in zip(counts, sums, strict=True)
    ]
    both = 2 * n_patients / (n_patients - ddof) * np.sum(sums[0] * sums[1])
    total = sum(of_classes) + both
    # Rounding leaves this much where the classes cancel exactly within each patient.
    if total <= 1e-14 * sum(of_classes):
        total = 0.0
    return float(total), *map(float, of_classes)
