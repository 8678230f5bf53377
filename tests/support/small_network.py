"""A network that trains in a second, and the shape of its images."""

from skdxa.classification import SpineCNNClassifier

# Numbers of scans, rows and columns are all different, so that no swap can pass.
N, ROWS, COLUMNS = 40, 18, 14


def small(**changes):
    """Return the classifier, with parameters other than these."""
    settings = {"filters": (4,), "dense_units": 8, "epochs": 12, "dropout": 0.1, "random_state": 0}
    return SpineCNNClassifier(**{**settings, **changes})


def tiny_network(**changes):
    """Return a classifier with two layers, for what a network's numbers are compared with."""
    settings = {
        "filters": (3, 4),
        "kernel_size": 3,
        "dense_units": 6,
        "epochs": 1,
        "validation_fraction": 0,
        "precision": "float32",
        "random_state": 0,
    }
    return SpineCNNClassifier(**{**settings, **changes})
