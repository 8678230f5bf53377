"""MATLAB files: version 5 to 7 through SciPy, version 7.3 through h5py."""

import difflib

import h5py
import numpy as np
from scipy.io import loadmat, whosmat

from skdxa.exceptions import ScanReadError

_HDF5 = b"\x89HDF\r\n\x1a\n"
_NUMERIC = frozenset(
    ["double", "single", "float32", "float64"]
    + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)


def looks_like_hdf5(head):
    """Tell whether a file's first 520 bytes announce HDF5, also behind MATLAB's own header."""
    return _HDF5 in (head[:8], head[512:520]) or head.startswith(b"MATLAB 7.3")


def looks_like_matlab_5(head):
    """Tell whether a file's first bytes are those of a MATLAB file of version 5 to 7."""
    return head.startswith(b"MATLAB 5.0") or head[124:128] in (b"\x00\x01IM", b"\x01\x00MI")


def read_matlab_5(path, *, variable):
    """Read one array of a MATLAB file of version 5 to 7."""
    try:
        held = {name: (shape, kind) for name, shape, kind in whosmat(path, appendmat=False)}
    # A damaged file makes SciPy fail in ways it does not list.
    except Exception as error:
        raise _damaged(path, error) from error
    variable = _choose(path, held, variable)
    try:
        array = loadmat(path, appendmat=False, variable_names=[variable])[variable]
    except Exception as error:
        raise _damaged(path, error) from error
    # MATLAB stores doubles that are whole numbers as integers.
    return array if np.iscomplexobj(array) else array.astype(held[variable][1])


def read_matlab_73(path, *, variable):
    """Read one array of a MATLAB file of version 7.3."""
    try:
        with h5py.File(path) as file:
            arrays = {name: item for name, item in file.items() if isinstance(item, h5py.Dataset)}
            held = {name: (item.shape[::-1], _kind(item)) for name, item in arrays.items()}
            variable = _choose(path, held, variable)
            by_matlab = file.userblock_size or "MATLAB_class" in arrays[variable].attrs
            if not by_matlab and path.suffix.lower() != ".mat":
                raise ScanReadError(
                    f"{path}: the file is HDF5, but nothing says that MATLAB wrote it, so rows "
                    "and columns cannot be told apart. Save the scan as .npy.",
                    reason="unknown format",
                )
            if arrays[variable].attrs.get("MATLAB_empty", 0):
                return np.empty((0, 0))
            # MATLAB writes column after column, which HDF5 takes for rows.
            array = arrays[variable][()].T
    except ScanReadError:
        raise
    # A damaged file makes h5py fail in ways it does not list.
    except Exception as error:
        raise _damaged(path, error) from error
    if array.dtype.names == ("real", "imag"):
        return array["real"] + 1j * array["imag"]
    return array


def _kind(item):
    kind = item.attrs.get("MATLAB_class", item.dtype.name)
    return kind.decode() if isinstance(kind, bytes) else str(kind)


def _choose(path, held, variable):
    """Return the name of the array to read."""
    listing = ", ".join(
        f"'{name}' ({' x '.join(map(str, shape))} {kind})" for name, (shape, kind) in held.items()
    )
    if variable is None:
        suited = [
            name
            for name, (shape, kind) in held.items()
            if kind in _NUMERIC and len(shape) == 2 and min(shape) > 1
        ]
        if len(suited) == 1:
            return suited[0]
        count = "no two-dimensional numeric array" if not suited else "more than one array"
        raise ScanReadError(
            f"{path}: the MATLAB file holds {count} that could be the scan. It holds "
            f"{listing or 'nothing'}. Name the scan's with variable=.",
            reason="no scan",
        )
    if variable not in held:
        near = difflib.get_close_matches(variable, held, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise ScanReadError(
            f"{path}: the MATLAB file has no variable '{variable}'. It holds "
            f"{listing or 'nothing'}.{hint}",
            reason="no such variable",
        )
    _, kind = held[variable]
    if kind not in _NUMERIC:
        raise ScanReadError(
            f"{path}: the variable '{variable}' is {kind}, not numbers. The file holds {listing}.",
            reason="no scan",
        )
    return variable


def _damaged(path, error):
    return ScanReadError(
        f"{path}: the MATLAB file is damaged or cut short ({error}). Copy or export it again.",
        reason="damaged file",
    )
