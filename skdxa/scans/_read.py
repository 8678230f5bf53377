"""Read one scan from one file."""

import logging
import os
import re
import threading
import warnings
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from skdxa.exceptions import ScanError, ScanReadError
from skdxa.scans._content import MAX_PIXELS, two_axes
from skdxa.scans._dicom import has_dicom_prefix, looks_like_dicom, read_dicom
from skdxa.scans._file import open_regular
from skdxa.scans._matlab_4 import looks_like_matlab_4, read_matlab_4
from skdxa.scans._matlab_5 import looks_like_matlab_5, read_matlab_5
from skdxa.scans._matlab_73 import looks_like_hdf5, read_matlab_73
from skdxa.scans._numpy import looks_like_npy, looks_like_npz, read_npy, read_npz
from skdxa.scans._picture import looks_like_picture, read_picture
from skdxa.validation import check_spacing, printable

UNITS = ("g/cm2", "grey level")

# In the order in which a file's first bytes are compared. A DICOM file may begin with the header
# of a TIFF picture, for which its preamble leaves room. Neither a version 4 MATLAB file nor an
# old DICOM file has a signature; a header of the former cannot be one of the latter.
_READERS = (
    (has_dicom_prefix, read_dicom, "DICOM"),
    (looks_like_hdf5, read_matlab_73, "HDF5 or MATLAB 7.3"),
    (looks_like_matlab_5, read_matlab_5, "MATLAB"),
    (looks_like_npy, read_npy, "NumPy"),
    (looks_like_npz, read_npz, "NumPy"),
    (looks_like_picture, read_picture, "picture"),
    (looks_like_matlab_4, read_matlab_4, "MATLAB"),
    (looks_like_dicom, read_dicom, "DICOM"),
)
_READABLE = (
    "skdxa reads DICOM, MATLAB .mat, NumPy .npy and .npz files, and PNG, TIFF, BMP and JPEG "
    "pictures"
)
_ACCESS = (".mdb", ".accdb")
_LUNAR = (
    b"\x00\x01\x00\x00Standard",
    "a Microsoft Access database, as GE Lunar software keeps its patients in",
    "Export the scans from enCORE as DICOM.",
)
# Formats often tried by mistake, with the remedy.
_REFUSED = (
    (b"%PDF", "a PDF document", "Export the scan's image from the densitometer's software."),
    _LUNAR,
    (b"SQLite format", "a database", "Export the scans from the densitometer's software."),
    (b"\xd0\xcf\x11\xe0", "an Office document", "Export the scan's image."),
    (b"PK\x03\x04", "a ZIP archive", "Unpack it and name the scans in it."),
    (b"\x1f\x8b", "a gzip archive", "Unpack it."),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "Unpack it."),
    (b"Rar!", "a RAR archive", "Unpack it."),
    (b"GIF8", "a GIF picture", "Export the scan as PNG or DICOM."),
    (
        b"\x80",
        "a Python pickle, which could run code when loaded",
        "Save the pixels with numpy.save.",
    ),
)
# Hologic keeps patients in files such as A0512120.P01 and scans in A0512120.R01.
_HOLOGIC = re.compile(r"\.[pr]\d{0,3}", re.IGNORECASE)

# No bone is denser; a larger value is a grey level.
_DENSEST_G_CM2 = 10
_HEAD_BYTES = 1024


@dataclass(frozen=True, eq=False)
class Scan:
    """A scan as `read_scan` returns it.

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
    source : str
        The file's format: "DICOM", "MATLAB 4", "MATLAB 5", "MATLAB 7.3", "NumPy", "PNG",
        "TIFF", "BMP" or "JPEG". It holds neither name nor path: these often name the
        patient.
    spacing_source : str or None, default=None
        Where the spacing comes from: "caller", or the DICOM element that states it,
        such as "PixelSpacing"; None where it is unknown. "ImagerPixelSpacing" is measured
        at the detector, which lies behind the patient, so lengths are too large.

    See Also
    --------
    read_scan : Read a file.

    Examples
    --------
    >>> import numpy as np
    >>> from skdxa.scans import UNITS, Scan
    >>> UNITS
    ('g/cm2', 'grey level')
    >>> Scan(np.ones((7, 9), np.float32), (1.05, 0.60), UNITS[0], "NumPy").spacing
    (1.05, 0.6)
    """

    pixels: np.ndarray
    spacing: tuple[float, float] | None
    unit: str
    source: str
    spacing_source: str | None = None


@dataclass(frozen=True)
class _Options:
    """What the caller of `read_scan` states, for the decoders."""

    variable: str | None
    frame: int | None
    max_pixels: int
    # Whether a spacing of the file's would be used.
    needs_spacing: bool
    suffix: str


def read_scan(
    path, *, spacing_mm=None, unit=None, variable=None, frame=None, max_pixels=MAX_PIXELS
):
    """Read one file as a scan.

    The format is detected from the content: DICOM, MATLAB (version 4 to 7.3), NumPy
    (``.npy``, ``.npz``) or a greyscale picture (PNG, TIFF, BMP, JPEG). Values are never
    rescaled to a fixed range.

    Parameters
    ----------
    path : str or path-like
        The file.
    spacing_mm : tuple of float, default=None
        Height and width of a pixel in mm, ``(row_mm, column_mm)``. It overrides
        what the file says.
    unit : {"g/cm2", "grey level"}, default=None
        What the pixels are. It overrides what the file says or the values suggest.
    variable : str, default=None
        Name of the array in a MATLAB file or a NumPy archive; ``"s.bmd"`` is the field
        ``bmd`` of the struct ``s``, and ``"c{2}"`` the second element of the cell array
        ``c``. None takes the only two-dimensional numeric array of at least 2 x 2. Ignored
        for other formats.
    frame : int, default=None
        Number of the frame of a DICOM file, or of the page of a TIFF picture, counted from
        0. None takes the only one, and refuses a file that has several. Ignored for other
        formats.
    max_pixels : int, default=64,000,000
        Largest number of pixels. The size that a file states is compared with it before any
        memory of that size is used.

    Returns
    -------
    scan : Scan
        Pixels, spacing, unit and format, and where the spacing comes from; nothing that
        identifies the patient.

    Raises
    ------
    ScanReadError
        If the file cannot be read as a scan: it is missing, empty, cut short, of
        another format, in colour or of several frames, too large, or holds no usable
        pixels. Only regular files are opened, and each by itself: links from one file to
        another are refused. The message does not quote a file's header.
    ScanError
        If `spacing_mm` is not a pair of positive numbers, or `unit`, `frame` or `max_pixels`
        is not one of the values above.

    Notes
    -----
    **DICOM.** Only the elements that describe the image are parsed; names, numbers
    and dates of birth are never read. An element whose value cannot be used is named, and
    refused unless it is not needed: a faulty spacing does not matter where `spacing_mm` is
    given.

    - *Values* are those of the first of these that a file has: a real-world value mapping to
      g/cm2 (UCUM ``g/cm2`` or ``g.cm-2``; pixels outside of its range become NaN, and mappings
      to other units are ignored), a modality lookup table, and the rescale slope and
      intercept. Functional groups of the frame come before the shared ones, and these before
      the top level.
    - *Polarity.* ``MONOCHROME1`` and the ``PresentationLUTShape`` ``INVERSE`` say how an image
      is displayed. Either inverts grey levels, once, within the range that can be stored and
      before they are rescaled. They do not change a density, values of a modality table, or
      values that ``RescaleType`` gives another unit than ``US`` (unspecified) or ``OD``
      (optical density). An image whose bone is dark although its header says
      ``MONOCHROME2`` cannot be distinguished reliably from one with dark surroundings and is
      left as it is: invert it before use.
    - *Unit.* A grey level unless ``RescaleType``, ``ModalityLUTType`` or a real-world value
      mapping says g/cm2.
    - *Frames.* One of several is read if `frame` names it, also where the header does not
      declare them. Fewer bytes than stated are refused, more are refused unless they are
      zeros that fill a block.
    - *Orientation.* Where the header gives a ``PatientOrientation`` with the head at the
      bottom, the rows are reversed; a scan lying on its side is refused. Left and right are kept.
    - *Unscanned* pixels are those that the header declares as padding, and
      stair-step margins of the image's maximum at the left and right edge: runs of
      the maximum from the edge inwards whose width stays the same over steps of
      at least 5 % of the rows (at least two rows), which make up at least three
      quarters of a band. Saturated bone away from the edges is kept, and so
      is saturated bone at an edge whose outline is not a staircase. Margins drawn
      in black cannot be distinguished from soft tissue and remain.
    - *Spacing* is ``PixelSpacing``, else ``ImagerPixelSpacing`` (at the detector), else
      ``NominalScannedPixelSpacing`` (of a digitized film), else ``ExposedArea``, width and
      height in mm, divided by columns and rows. A ``PixelSpacing`` that repeats the
      ``ImagerPixelSpacing`` without a ``PixelSpacingCalibrationType`` is the latter. Two
      numbers that are not both positive state no spacing. GE Lunar gives only
      ``ExposedArea``, in whole millimetres, which is true to about 1 %: 0.2526 x 0.2514 mm
      for an iDXA spine scan whose pixels are 0.25 mm.
    - *Encodings.* Uncompressed, deflated, run-length encoded and 8-bit JPEG pixels, and JPEG
      2000, are read as installed; lossless and 12-bit JPEG, JPEG-LS and high-throughput JPEG
      2000 need ``pip install "skdxa[compressed]"``, part of which is GPL-licensed.
    - *Reports* are refused: colour, structured reports and documents, files whose header says
      that text identifying the patient is burned into the pixels, and secondary captures of
      the modality ``OT`` (other) that do not state the contrary. Not every such file says so:
      look at your exports.

    **MATLAB and NumPy.** The array is used as it is, MATLAB's as MATLAB shows it:
    row 0 must be at the head and bone bright, and NaN marks what was not scanned.
    An HDF5 file is read as MATLAB's, which reverses the axes, if it has MATLAB's
    header or array class or, without either, the suffix ``.mat``; others are refused.
    These formats state no unit. Floating-point pixels of at most 10 are
    interpreted as areal density in g/cm2, all others as grey levels. The spacing is unknown
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
    spacing_mm = None if spacing_mm is None else check_spacing(spacing_mm)
    _check_options(unit, frame, max_pixels)
    options = _Options(
        variable=variable,
        frame=frame,
        max_pixels=max_pixels,
        needs_spacing=spacing_mm is None,
        suffix=os.path.splitext(printable(path))[1].lower(),
    )
    try:
        with open_regular(path) as file, _QUIET:
            content = _decode(file, options)
        pixels = _check_pixels(content.array)
        unit = _checked_unit(pixels, content, unit)
    except ScanReadError as error:
        # Without the cause, whose text may quote the header, and with it the patient.
        raise ScanReadError(f"{printable(path)}: {error}", reason=error.reason) from None
    except (MemoryError, OSError) as error:
        # Errors outside the decoders: of the conversion, or of a disk.
        what = "cannot be read to its end" if isinstance(error, OSError) else "needs more memory"
        raise ScanReadError(
            f"{printable(path)}: the file {what}. Copy it again, or export the scan alone.",
            reason="damaged file" if isinstance(error, OSError) else "too large",
        ) from None
    return Scan(
        pixels=pixels,
        spacing=spacing_mm or content.spacing,
        unit=unit,
        source=content.source,
        spacing_source="caller" if spacing_mm else content.spacing_source,
    )


def _check_options(unit, frame, max_pixels):
    if unit is not None and unit not in UNITS:
        raise ScanError(f"unit must be 'g/cm2', 'grey level' or None; got {unit!r}.")
    if frame is not None and not (isinstance(frame, Integral) and frame >= 0):
        raise ScanError(f"frame must be a whole number from 0, or None; got {frame!r}.")
    if not (isinstance(max_pixels, Integral) and max_pixels >= 1):
        raise ScanError(f"max_pixels must be a whole number from 1; got {max_pixels!r}.")


# Loggers of decoders. Pillow's prints the texts of a TIFF picture at the debug level.
_LOGGERS = ("pydicom", "PIL", "pylibjpeg", "libjpeg", "openjpeg")


class _Quiet:
    """Silence decoders, whose warnings and log records quote headers that break a rule.

    Warnings and loggers are of the whole process, so they are silent from the first of several
    threads that read to the last.
    """

    def __init__(self):
        self._lock, self._n_inside = threading.Lock(), 0
        self._loggers = [logging.getLogger(name) for name in _LOGGERS]
        self._nothing = logging.NullHandler()

    def __enter__(self):
        with self._lock:
            self._n_inside += 1
            if self._n_inside > 1:
                return
            self._warnings = warnings.catch_warnings()
            self._warnings.__enter__()
            warnings.simplefilter("ignore")
            self._before = [(logger.disabled, logger.propagate) for logger in self._loggers]
            for logger in self._loggers:
                # Records of its child loggers pass it by on their way to the root's handlers.
                logger.disabled, logger.propagate = True, False
                # Without any handler on their way, warnings would be printed.
                logger.addHandler(self._nothing)

    def __exit__(self, *error):
        with self._lock:
            self._n_inside -= 1
            if self._n_inside:
                return
            for logger, before in zip(self._loggers, self._before, strict=True):
                logger.disabled, logger.propagate = before
                logger.removeHandler(self._nothing)
            self._warnings.__exit__(*error)


_QUIET = _Quiet()


def _decode(file, options):
    """Return the content of an open file."""
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    for looks_like, read, kind in _READERS:
        if not looks_like(head):
            continue
        try:
            return read(file, options)
        except ScanReadError:
            raise
        except MemoryError:
            raise ScanReadError(
                f"the {kind} file needs more memory than there is. Export the scan alone.",
                reason="too large",
            ) from None
        # A damaged file makes decoders fail in ways that they do not list.
        except Exception as error:
            raise ScanReadError(
                f"the {kind} file is damaged or cut short ({type(error).__name__}). Export or "
                "copy it again.",
                reason="damaged file",
            ) from None
    raise _unknown(head, options.suffix)


def _unknown(head, suffix):
    what, remedy = "of an unknown format", "Export the scan in one of these."
    named = [refusal for refusal in _REFUSED if head.startswith(refusal[0])]
    if _HOLOGIC.fullmatch(suffix):
        what = "of an unknown format, perhaps a Hologic patient or scan file"
        remedy = "Export the scan from the Hologic software as DICOM."
    elif suffix in _ACCESS:
        _, what, remedy = _LUNAR
    elif named:
        _, what, remedy = named[0]
    return ScanReadError(f"the file is {what}; {_READABLE}. {remedy}", reason="unknown format")


def _check_pixels(array):
    """Return the array as float32 pixels, or raise a `ScanReadError`."""
    if array.dtype.kind not in "iuf":
        raise ScanReadError(
            f"a scan's pixels are real numbers; the array's are {array.dtype.name}.",
            reason="no scan",
        )
    array = array.reshape(two_axes(array.shape))
    # Beyond float32, a number becomes infinite and is reported as infinite.
    with np.errstate(over="ignore"):
        pixels = np.ascontiguousarray(array, dtype=np.float32)
    if np.isinf(pixels).any():
        raise ScanReadError(
            f"{np.isinf(pixels).sum()} of the pixels are infinite. Set unscanned pixels to NaN "
            "and correct the others.",
            reason="no scan",
        )
    if np.isnan(pixels).all():
        raise ScanReadError(
            "all pixels are NaN, so nothing was scanned.", reason="nothing scanned"
        )
    return pixels


def _checked_unit(pixels, content, stated):
    """Return the unit that the caller, the file or else the values state."""
    densest = np.nanmax(pixels)
    unit = stated or content.unit
    if unit is None:
        dense = content.is_real and densest <= _DENSEST_G_CM2
        return "g/cm2" if dense else "grey level"
    if unit == "g/cm2" and densest > _DENSEST_G_CM2:
        raise ScanReadError(
            f"the pixels reach {densest:g}, but no bone exceeds {_DENSEST_G_CM2} g/cm2, which "
            f"{'is given' if stated else 'the file states'} as their unit. Give "
            "unit='grey level' if they are grey levels, or scale them to g/cm2.",
            reason="implausible density",
        )
    return unit
