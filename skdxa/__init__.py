"""Deep learning on DXA scans of the lumbar spine, the scikit-learn way.

Importing skdxa loads neither TensorFlow nor Matplotlib: each subpackage is
imported when it is first used.
"""

import importlib

__version__ = "0.1.0"

_SUBPACKAGES = (
    "classification",
    "densitometry",
    "displays",
    "evaluation",
    "exceptions",
    "inspection",
    "persistence",
    "preprocessing",
    "scan_dtype",
    "scans",
    "significance",
    "simulation",
    "study",
    "testing",
    "texture",
    "validation",
)

__all__ = [*_SUBPACKAGES, "__version__"]


def __getattr__(name):
    if name in _SUBPACKAGES:
        return importlib.import_module(f"skdxa.{name}")
    raise AttributeError(f"module 'skdxa' has no attribute '{name}'")


def __dir__():
    return sorted(__all__)
