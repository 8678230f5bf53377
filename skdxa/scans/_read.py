"""One file to one scan."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skdxa.exceptions import ScanReadError
from skdxa.scans._dicom import looks_like_dicom, read_dicom
from skdxa.scans._matlab import (
    looks_like_hdf5,
    looks_like_matlab_5,
    read_matlab_5,
    read_matlab_73,
)
from skdxa.validation import check_spacing

_READABLE = "skdxa reads DICOM, MATLAB .mat (version 5 to 7.3) and NumPy .npy files"

# What people try, so that the refusal can name it.
_REFUSED = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"II*\x00": "a TIFF picture",
    b"MM\x00*": "a TIFF picture",
    b"BM": "a BMP picture",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive (as .npz files are)",
    b"\x80": "a Python pickle, which could run code when loaded",
}

# No bone is denser; a larger floating-point pixel is a grey level.
_DENSEST_G_CM2 = 10


@dataclass(frozen=True, eq=False)
class Scan:
    """A scan as `read_scan` gives it.

    Parameters
    ----------
    pixels : ndarray of shape (n_rows, n_columns), dtype float32
        Row 0 is at the head and bone is bright; NaN where the scanner did not
        scan.
    spacing : tuple of float, or None
        Height and width of a pixel in mm, ``(row_mm, column_mm)``; None when the
        file does not say.
    unit : {"g/cm2", "grey level"}
        What the pixels are: areal density, or the grey levels of an export for
        display, on which no density can be measured.
    source : {"DICOM", "MATLAB 5", "MATLAB 7.3", "NumPy"}
        The file's format. It holds neither name nor path: these often name the
        patient.

    See Also
    --------
    read_scan : Read a file.
    """

    pixels: np.ndarray
    spacing: tuple[float, float] | None
    unit: str
    source: str


def read_scan(path, *, spacing_mm=None, variable=None):
    """Read one file as a scan.

    The format is found from the content: DICOM, MATLAB (version 5 to 7.3) or
    NumPy. Values are never rescaled to some range.

    Parameters
    ----------
    path : str or path-like
        The file.
    spacing_mm : tuple of float, default=None
        Height and width of a pixel in mm, ``(row_mm, column_mm)``. It overrides
        what the file says.
    variable : str, default=None
        Name of the array in a MATLAB file. None takes the only two-dimensional
        numeric array of at least 2 x 2. Ignored for other formats.

    Returns
    -------
    scan : Scan
        Pixels, spacing, unit and format; nothing that identifies the patient.

    Raises
    ------
    ScanReadError
        If the file cannot be read as a scan: it is missing, empty, cut short, of
        another format, in colour or of several frames, or holds no usable pixels.
    ScanError
        If `spacing_mm` is not a pair of positive numbers.

    Notes
    -----
    **DICOM.** Only the elements that describe the image are parsed; names, numbers
    and dates of birth are never read. A file whose header says that identifying
    text is burned into the pixels is refused, but not every such file says so:
    look at your exports.

    - ``MONOCHROME1`` is inverted within the range that can be stored, then the
      rescale slope and intercept are applied. An image whose bone is dark although
      its header says ``MONOCHROME2`` cannot be told safely from one with dark
      surroundings and is left as it is: invert it before use.
    - Where the header gives a ``PatientOrientation`` with the head at the bottom,
      the rows are reversed; one lying on its side is refused. Left and right stay.
    - Unscanned pixels are those that the header declares as padding, and
      stair-step margins of the image's maximum at the left and right edge: runs of
      the maximum from the edge inwards whose width stays the same over steps of
      at least 5 % of the rows (two rows at the least), these making up at least
      three quarters of a band. Saturated bone away from the edges is kept, and so
      is saturated bone at an edge whose outline is not a staircase. Margins drawn
      in black cannot be told from soft tissue and stay.
    - The spacing is ``PixelSpacing``, else ``ImagerPixelSpacing`` (at the
      detector), else ``ExposedArea``, width and height in mm, divided by columns
      and rows. GE Lunar gives only the last, in whole millimetres, which is true to
      about 1 %: 0.2526 x 0.2514 mm for an iDXA spine scan whose pixels are 0.25 mm.
    - The unit is a grey level unless ``RescaleType`` says g/cm2.

    **MATLAB and NumPy.** The array is taken as it is, MATLAB's as MATLAB shows it:
    row 0 must be at the head and bone bright, and NaN marks what was not scanned.
    An HDF5 file is taken as MATLAB's, which turns the axes round, if it has MATLAB's
    header or array class or, for want of both, the suffix ``.mat``; others are refused.
    These formats state no unit. Floating-point pixels of at most 10 are taken to
    be areal density in g/cm2, all others to be grey levels. The spacing is unknown
    unless given. Pickled objects are refused.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skdxa.scans import read_scan
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "scan.npy"
    ...     np.save(path, np.linspace(0, 1.5, 63).reshape(7, 9))
    ...     scan = read_scan(path, spacing_mm=(1.05, 0.60))
    >>> scan.pixels.shape, scan.spacing, scan.unit, scan.source
    ((7, 9), (1.05, 0.6), 'g/cm2', 'NumPy')
    """
    if spacing_mm is not None:
        spacing_mm = check_spacing(spacing_mm)
    path = Path(path)
    head = _head(path)
    in_file, unit = None, None
    if looks_like_hdf5(head):
        source, array = "MATLAB 7.3", read_matlab_73(path, variable=variable)
    elif looks_like_matlab_5(head):
        source, array = "MATLAB 5", read_matlab_5(path, variable=variable)
    elif head.startswith(b"\x93NUMPY"):
        source, array = "NumPy", _read_numpy(path)
    elif looks_like_dicom(head):
        source, (array, in_file, unit) = "DICOM", read_dicom(path)
    else:
        names = (name for magic, name in _REFUSED.items() if head.startswith(magic))
        raise ScanReadError(
            f"{path}: the file is {next(names, 'of an unknown format')}; {_READABLE}.",
            reason="unknown format",
        )
    pixels = _check_pixels(path, array)
    return Scan(
        pixels=pixels,
        spacing=spacing_mm or in_file,
        unit=unit or _guess_unit(array, pixels),
        source=source,
    )


def _head(path):
    """First bytes of a file, enough to tell every format by."""
    if path.is_dir():
        raise ScanReadError(
            f"{path}: this is a folder. Give the path of one scan's file.",
            reason="file not opened",
        )
    try:
        with path.open("rb") as file:
            head = file.read(520)
    except FileNotFoundError as error:
        raise ScanReadError(f"{path}: there is no such file.", reason="missing file") from error
    except OSError as error:
        raise ScanReadError(
            f"{path}: the file cannot be opened ({error.strerror}).", reason="file not opened"
        ) from error
    if not head:
        raise ScanReadError(
            f"{path}: the file is empty. Export or copy it again.", reason="empty file"
        )
    return head


def _read_numpy(path):
    try:
        return np.load(path, allow_pickle=False)
    # A damaged header is parsed as Python text, with errors of every kind.
    except Exception as error:
        if "allow_pickle" in str(error):
            raise ScanReadError(
                f"{path}: the array holds pickled Python objects, which could run code when "
                "loaded. Save it as a two-dimensional array of numbers.",
                reason="no scan",
            ) from error
        raise ScanReadError(
            f"{path}: the NumPy file is damaged or cut short ({error}). Copy or save it again.",
            reason="damaged file",
        ) from error


def _check_pixels(path, array):
    """Return the array as float32 pixels, or raise a `ScanReadError`."""
    shape = " x ".join(map(str, array.shape)) or "a single number"
    if array.dtype.kind not in "iuf":
        raise ScanReadError(
            f"{path}: a scan's pixels are real numbers; the array's are {array.dtype.name}.",
            reason="no scan",
        )
    if array.ndim != 2 or min(array.shape) < 2:
        raise ScanReadError(
            f"{path}: a scan has two dimensions, rows and columns, of at least 2 pixels each; "
            f"the array is {shape}.",
            reason="no scan",
        )
    # Beyond float32, a number becomes infinite and is reported as such.
    with np.errstate(over="ignore"):
        pixels = np.ascontiguousarray(array, dtype=np.float32)
    if np.isinf(pixels).any():
        raise ScanReadError(
            f"{path}: {np.isinf(pixels).sum()} of the pixels are infinite. Set unscanned pixels "
            "to NaN and correct the others.",
            reason="no scan",
        )
    if np.isnan(pixels).all():
        raise ScanReadError(
            f"{path}: all pixels are NaN, so nothing was scanned.", reason="nothing scanned"
        )
    return pixels


def _guess_unit(array, pixels):
    dense = array.dtype.kind == "f" and np.nanmax(pixels) <= _DENSEST_G_CM2
    return "g/cm2" if dense else "grey level"
