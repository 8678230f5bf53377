"""Files of plain arrays, written completely or not at all."""

import json

import numpy as np

from skdxa.validation import replacing

_ABOUT = "about"


def write_arrays(path, arrays, about):
    """Write arrays of numbers or texts, and a dict that JSON can hold."""
    arrays = {**arrays, _ABOUT: np.array(json.dumps(about))}
    # NumPy 2.0 regards the option allow_pickle, which refuses objects, as another array.
    for name, array in arrays.items():
        if np.asarray(array).dtype.hasobject:
            raise ValueError(f"{name!r} holds objects, which are neither numbers nor texts.")
    with replacing(path) as file:
        np.savez_compressed(file, **arrays)


def read_arrays(path):
    """Read what `write_arrays` has written: the arrays and the dict."""
    # Opened here, since np.load does not close a damaged file that it has opened itself.
    with open(path, "rb") as file:
        try:
            with np.load(file, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            about = json.loads(str(arrays.pop(_ABOUT)))
            if not isinstance(about, dict):
                raise TypeError("its description is not a dict")
        except Exception as error:
            # For a damaged archive, zipfile, zlib, struct and NumPy raise nearly any error.
            problem = str(error).rstrip(".") or type(error).__name__
            raise ValueError(f"{path} is damaged, or not a file of skdxa: {problem}.") from error
    return arrays, about
