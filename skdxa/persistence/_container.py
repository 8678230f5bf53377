"""The archive: an uncompressed ZIP of JSON, Markdown and NumPy files, with one SHA-256.

Nothing in it is compressed, so that a file can never unpack to more than its own size. The
comment at the archive's end holds the SHA-256 of everything before the digest, so that a single
changed bit is detected, wherever it is. The digest detects damage; it is not a signature.
"""

import hashlib
import io
import math
import re
import struct
import zipfile
from contextlib import contextmanager

import numpy as np

from skdxa.exceptions import ModelFileError
from skdxa.validation import open_regular

MOST_BYTES = 256 * 2**20
MOST_JSON_BYTES = 4 * 2**20
MOST_CARD_BYTES = 2**20
_MOST_MEMBERS = 4096
_MOST_DIRECTORY_BYTES = 2**20
_MOST_DIMENSIONS = 8
_MOST_HEADER_BYTES = 512
_CHUNK = 2**20

DTYPES = ("<f4", "<f8")

_COMMENT = b"sha256:"
_DIGEST_BYTES = 64
_END = struct.Struct("<4s4H2LH")
_TAIL_BYTES = _END.size + len(_COMMENT) + _DIGEST_BYTES
_LOCAL_HEADER_BYTES = 30
_ZIP64_LOCATOR = b"PK\x06\x07"
_ZIP64_LOCATOR_BYTES = 20

# The header that every version of NumPy writes; it is matched, not evaluated.
_HEADER = re.compile(
    rb"\{'descr': '(<f4|<f8)', 'fortran_order': False, 'shape': "
    rb"\(((?:[0-9]{1,12}, ?)*(?:[0-9]{1,12})?)\), \} *\n"
)

_OTHER_FORMATS = (
    (
        b"\x80",
        "a pickle, which could run any code when it is loaded. Ask for a file that save_model "
        "has written.",
    ),
    (
        b"\x89HDF",
        "an HDF5 file, perhaps of Keras. Load it with keras.models.load_model if you trust it.",
    ),
)
_DAMAGED = "the file is damaged or cut short. Copy or save it again."


def pack(members):
    """Return an archive as bytes.

    Parameters
    ----------
    members : dict of str to bytes
        Content by name, in the order in which it is written.

    Returns
    -------
    content : bytes
        The same for the same members, on any machine and at any time.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.comment = _COMMENT + bytes(_DIGEST_BYTES)
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            archive.writestr(info, content)
    content = buffer.getvalue()[:-_DIGEST_BYTES]
    return content + hashlib.sha256(content).hexdigest().encode()


def pack_array(array):
    """Return an array of floats as the content of a NumPy file."""
    array = np.asarray(array)
    buffer = io.BytesIO()
    np.lib.format.write_array(
        buffer,
        np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C"),
        version=(1, 0),
        allow_pickle=False,
    )
    return buffer.getvalue()


class Archive:
    """An archive that is open and whose structure and digest have been checked.

    Attributes
    ----------
    names : list of str
        Names of the members in their order.
    sha256 : str
        The digest.
    """

    def __init__(self, archive, sha256):
        self._archive = archive
        self._infos = {info.filename: info for info in archive.infolist()}
        self.names = list(self._infos)
        self.sha256 = sha256

    def text(self, name, most):
        """Return a member of at most so many bytes as text."""
        size = self._infos[name].file_size
        if size > most:
            raise ModelFileError(
                f"{name} in the file has {size} bytes, more than the {most} allowed. Do not use "
                "this file."
            )
        with self._opened(name) as stream:
            return stream.read().decode("utf-8")

    def array(self, name):
        """Return a member as an array of floats."""
        with self._opened(name) as stream:
            magic, n_header = struct.unpack("<8sH", stream.read(10))
            if magic != b"\x93NUMPY\x01\x00" or n_header > _MOST_HEADER_BYTES:
                raise ModelFileError(f"{name} in the file is not a NumPy file of version 1.0.")
            header = _HEADER.fullmatch(stream.read(n_header))
            if header is None:
                raise ModelFileError(
                    f"{name} in the file is not an array of {' or '.join(DTYPES)} in C order."
                )
            shape = tuple(int(size) for size in re.findall(rb"[0-9]+", header[2]))
            dtype = np.dtype(header[1].decode())
            n_bytes = math.prod(shape) * dtype.itemsize
            n_content = self._infos[name].file_size - 10 - n_header
            if len(shape) > _MOST_DIMENSIONS or n_bytes != n_content:
                raise ModelFileError(
                    f"{name} in the file states the shape {shape}, which does not fit its "
                    f"{n_content} bytes."
                )
            array = np.empty(shape, dtype)
            filled = array.reshape(-1).view(np.uint8)
            start = 0
            while chunk := stream.read(_CHUNK):
                filled[start : start + len(chunk)] = np.frombuffer(chunk, np.uint8)
                start += len(chunk)
            if start != n_bytes:
                raise ModelFileError(_DAMAGED)
        return array

    def _opened(self, name):
        return self._archive.open(self._infos[name])


@contextmanager
def open_archive(path):
    """Open an archive at a path; see `read_archive`."""
    with open_regular(path, _not_opened) as file, read_archive(file) as archive:
        yield archive


@contextmanager
def read_archive(file):
    """Check an archive, and turn every fault of its content into a `ModelFileError`.

    Parameters
    ----------
    file : binary file object
        The archive.

    Yields
    ------
    archive : Archive
        To read from.
    """
    try:
        sha256 = _check_file(file)
        with zipfile.ZipFile(file) as archive:
            _check_members(archive)
            yield Archive(archive, sha256)
    except ModelFileError:
        raise
    except MemoryError:
        raise ModelFileError("the file needs more memory than there is.") from None
    # A forged file can make the standard library and scikit-learn raise errors of any type.
    except Exception as error:
        raise ModelFileError(
            f"the file is damaged, or was not written by save_model ({type(error).__name__}). "
            "Copy or save it again."
        ) from error


def _not_opened(message, reason):
    return ModelFileError(message)


def _check_file(file):
    """Check size, kind, end and digest of a file, and return the digest."""
    size = file.seek(0, io.SEEK_END)
    if size > MOST_BYTES:
        raise ModelFileError(
            f"the file has {size / 2**20:.0f} MiB, more than the {MOST_BYTES // 2**20} MiB that a "
            "model may have. Save parts of it separately."
        )
    file.seek(0)
    start = file.read(4)
    for signature, what in _OTHER_FORMATS:
        if start.startswith(signature):
            raise ModelFileError(f"the file is not a model of skdxa but {what}")
    if start != b"PK\x03\x04":
        raise ModelFileError(
            "the file is not a model of skdxa, or its beginning is damaged. Use a file that "
            "save_model has written."
        )
    if size < _TAIL_BYTES:
        raise ModelFileError(_DAMAGED)
    file.seek(size - _TAIL_BYTES)
    tail = file.read(_TAIL_BYTES)
    signature, disk, first_disk, n_here, n_members, n_directory, offset, n_comment = (
        _END.unpack_from(tail)
    )
    comment = tail[_END.size :]
    if signature != b"PK\x05\x06" or not comment.startswith(_COMMENT):
        raise ModelFileError(
            "the file is a ZIP archive but no complete model of skdxa. Copy it again, or use a "
            "file that save_model has written; a .keras file is loaded with "
            "keras.models.load_model."
        )
    digest = comment[len(_COMMENT) :]
    if _digest(file, size - _DIGEST_BYTES).encode() != digest:
        raise ModelFileError(
            "the file has been changed or damaged since it was saved: its SHA-256 is another. "
            "Copy or save it again."
        )
    whole = (
        disk == first_disk == 0
        and n_here == n_members <= _MOST_MEMBERS
        and n_directory <= _MOST_DIRECTORY_BYTES
        and offset + n_directory + _TAIL_BYTES == size
        and n_comment == len(comment)
    )
    file.seek(max(size - _TAIL_BYTES - _ZIP64_LOCATOR_BYTES, 0))
    # With such a locator zipfile would follow another directory than the one just checked.
    if not whole or file.read(len(_ZIP64_LOCATOR)) == _ZIP64_LOCATOR:
        raise ModelFileError("the file's list of members is forged. Do not use this file.")
    file.seek(0)
    return digest.decode()


def _digest(file, n_bytes):
    file.seek(0)
    digest = hashlib.sha256()
    for start in range(0, n_bytes, _CHUNK):
        digest.update(file.read(min(n_bytes - start, _CHUNK)))
    return digest.hexdigest()


def _check_members(archive):
    """Refuse members that are compressed, hidden, overlapping, repeated or named irregularly."""
    position, seen = 0, set()
    for info in archive.infolist():
        name = info.filename
        plain = (
            info.compress_type == zipfile.ZIP_STORED
            and info.compress_size == info.file_size
            and info.flag_bits == 0
            and not info.extra
            and not info.comment
        )
        if not plain:
            raise ModelFileError(
                f"the member {name[:60]!a} of the file is compressed or encrypted, as save_model "
                "never writes it. Do not use this file."
            )
        if name in seen:
            raise ModelFileError(
                f"the member {name[:60]!a} is in the file twice. Do not use this file."
            )
        seen.add(name)
        if info.header_offset != position:
            raise ModelFileError(
                f"the member {name[:60]!a} of the file overlaps others or hides some content. Do "
                "not use this file."
            )
        position += _LOCAL_HEADER_BYTES + len(info.orig_filename.encode()) + info.file_size
    if position != archive.start_dir:
        raise ModelFileError("the file hides some content. Do not use this file.")
