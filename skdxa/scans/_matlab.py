"""MATLAB files: version 4 to 7 through SciPy, version 7.3 through h5py."""

import h5py
import numpy as np
from scipy.io import loadmat, whosmat

from skdxa.exceptions import ScanReadError
from skdxa.scans._content import Content, check_size
from skdxa.scans._variables import choose_variable

_HDF5 = b"\x89HDF\r\n\x1a\n"
_NUMERIC = frozenset(
    ["double", "single", "float32", "float64"]
    + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)


def looks_like_hdf5(head):
    """Return whether a file's first bytes announce HDF5, also behind MATLAB's own header."""
    return _HDF5 in (head[:8], head[512:520]) or head.startswith(b"MATLAB 7.3")


def looks_like_matlab_5(head):
    """Return whether a file's first bytes are those of a MATLAB file of version 5 to 7."""
    return head.startswith(b"MATLAB 5.0") or head[124:128] in (b"\x00\x01IM", b"\x01\x00MI")


def looks_like_matlab_4(head):
    """Return whether a file's first bytes can be those of a MATLAB file of version 4."""
    return False


def read_matlab_4(file, options):
    """Return one array of a MATLAB file of version 4."""
    raise NotImplementedError


def read_matlab_5(file, options):
    """Return one array of a MATLAB file of version 5 to 7."""
    held = {
        name: (shape, kind, kind in _NUMERIC)
        for name, shape, kind in whosmat(file, appendmat=False)
    }
    name = choose_variable(held, options.variable, what="the MATLAB file")
    check_size(held[name][0], options.max_pixels, what=f"the variable '{name}'")
    file.seek(0)
    array = loadmat(file, appendmat=False, variable_names=[name])[name]
    # MATLAB stores doubles that are whole numbers as integers.
    return Content(array if np.iscomplexobj(array) else array.astype(held[name][1]), "MATLAB 5")


def read_matlab_73(file, options):
    """Return one array of a MATLAB file of version 7.3."""
    with h5py.File(file) as archive:
        arrays = {name: item for name, item in archive.items() if isinstance(item, h5py.Dataset)}
        held = {
            name: (item.shape[::-1], _kind(item), _kind(item) in _NUMERIC)
            for name, item in arrays.items()
        }
        name = choose_variable(held, options.variable, what="the MATLAB file")
        check_size(held[name][0], options.max_pixels, what=f"the variable '{name}'")
        by_matlab = archive.userblock_size or "MATLAB_class" in arrays[name].attrs
        if not by_matlab and options.suffix != ".mat":
            raise ScanReadError(
                "the file is HDF5, but nothing says that MATLAB wrote it, so rows and columns "
                "cannot be told apart. Save the scan as .npy.",
                reason="unknown format",
            )
        if arrays[name].attrs.get("MATLAB_empty", 0):
            return Content(np.empty((0, 0)), "MATLAB 7.3")
        # MATLAB writes column after column, which HDF5 takes for rows.
        return Content(arrays[name][()].T, "MATLAB 7.3")


def _kind(item):
    kind = item.attrs.get("MATLAB_class", item.dtype.name)
    return kind.decode() if isinstance(kind, bytes) else str(kind)
