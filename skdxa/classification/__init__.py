"""The network as a scikit-learn classifier.

Keras and TensorFlow are imported when a network is first fitted or asked to
predict, so that a pipeline is built, or a saved one read, without loading them.
"""

import importlib

from skdxa.classification._cnn import SpineCNNClassifier
from skdxa.classification._column_scores import ColumnScores
from skdxa.classification._hyperband import (
    PAPER_SEARCH_SPACE,
    HyperbandSearchCV,
)
from skdxa.classification._hyperband_table import hyperband_table
from skdxa.classification._patient_folds import StratifiedPatientKFold
from skdxa.classification._stacking import make_stack
from skdxa.classification._threads import get_threads, set_threads, trains_network

__all__ = [
    "PAPER_SEARCH_SPACE",
    "Architecture",
    "ColumnScores",
    "ConvReLUPool",
    "HyperbandSearchCV",
    "KerasClassifier",
    "SpineCNNClassifier",
    "StratifiedPatientKFold",
    "clear_networks",
    "get_threads",
    "has_bfloat16",
    "hyperband_table",
    "lend",
    "make_stack",
    "reset",
    "set_threads",
    "spine_network",
    "trains_network",
]

_KERAS_MODULES = {
    "Architecture": "_lending",
    "ConvReLUPool": "_layers",
    "KerasClassifier": "_scikeras",
    "clear_networks": "_lending",
    "has_bfloat16": "_lending",
    "lend": "_lending",
    "reset": "_lending",
    "spine_network": "_network",
}


def __getattr__(name):
    if name in _KERAS_MODULES:
        module = importlib.import_module(f"skdxa.classification.{_KERAS_MODULES[name]}")
        return getattr(module, name)
    raise AttributeError(f"module 'skdxa.classification' has no attribute '{name}'")
