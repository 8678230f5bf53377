"""A network that trains in a second, and the shape of its images."""

from skdxa.classification import SpineCNNClassifier

# Numbers of scans, rows and columns are all different, so that no swap can pass.
N, ROWS, COLUMNS = 40, 18, 14


def small(**changes):
    """Return the classifier, with parameters other than these."""
    settings = {"filters": (4,), "dense_units": 8, "epochs": 12, "dropout": 0.1, "random_state": 0}
    return SpineCNNClassifier(**{**settings, **changes})
