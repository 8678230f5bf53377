"""MATLAB files of version 4, whose matrices follow each other, each behind a short header."""

import math
import struct
from functools import partial

import numpy as np

from skdxa.exceptions import ScanReadError
from skdxa.scans._content import read_numbers
from skdxa.scans._matlab import LONGEST_NAME, Damaged, Item, add_item, read_chosen
from skdxa.validation import printable

_HEADER = 20
_NUMBERS, _TEXT, _SPARSE = range(3)
_PRECISIONS = ("f8", "f4", "i4", "i2", "u2", "u1")
# The machine that wrote the file, as the thousands of the first number state it.
_BYTE_ORDERS = {0: "<", 1: ">"}
_FOREIGN = {2: "<", 3: "<", 4: ">"}


def looks_like_matlab_4(head):
    """Return whether a file's first bytes are the header of a matrix of version 4.

    The format has no signature: every number of the header must be possible, and its name
    printable and closed by a zero.
    """
    return _header(head) is not None


def read_matlab_4(file, options):
    """Return one array of a MATLAB file of version 4."""
    size = file.seek(0, 2)
    top = {}
    at = 0
    while at < size:
        file.seek(at)
        header = _header(file.read(_HEADER + LONGEST_NAME + 1))
        if header is None:
            raise Damaged("a matrix has an impossible header")
        name, item, start, length = _item(file, header, at)
        if start + length > size:
            raise Damaged(f"'{name}' is longer than the file")
        add_item(top, name, item)
        at = start + length
    return read_chosen(top, options, "MATLAB 4")


def _header(head):
    """Return a matrix's header, and the byte order; None if it is impossible."""
    for machine, order in (_BYTE_ORDERS | _FOREIGN).items():
        if len(head) < _HEADER:
            return None
        kind, n_rows, n_columns, has_imaginary, length = struct.unpack_from(order + "5i", head)
        if kind // 1000 != machine or kind // 100 % 10 or kind % 10 > _SPARSE:
            continue
        if kind // 10 % 10 >= len(_PRECISIONS) or min(n_rows, n_columns) < 0:
            continue
        if has_imaginary not in (0, 1) or not 2 <= length <= LONGEST_NAME + 1:
            continue
        name = head[_HEADER : _HEADER + length]
        if len(name) < length or name[-1] or not name[:-1].decode("latin-1").isprintable():
            continue
        return kind, (n_rows, n_columns), has_imaginary, name[:-1].decode("latin-1")
    return None


def _item(file, header, at):
    """Return the name of a matrix, its `Item`, where its numbers start and their length."""
    kind, shape, has_imaginary, name = header
    order = _BYTE_ORDERS.get(kind // 1000)
    if order is None:
        raise ScanReadError(
            "the MATLAB file of version 4 holds numbers in the format of a VAX or Cray, which "
            "is not read. Save it again with a current MATLAB.",
            reason="unknown format",
        )
    dtype = np.dtype(order + _PRECISIONS[kind // 10 % 10])
    start = at + _HEADER + len(name) + 1
    length = math.prod(shape) * dtype.itemsize * (1 + has_imaginary)
    if kind % 10 == _TEXT:
        item = Item(shape, "text")
    elif kind % 10 == _SPARSE:
        # A row for each element that is not zero: its row, column and value.
        item = Item(None, "sparse")
    elif has_imaginary:
        item = Item(shape, "complex double")
    else:
        item = Item(shape, "double", partial(_read, file, start, dtype, shape))
    return printable(name), item, start, length


def _read(file, start, dtype, shape):
    # All numbers of this version are doubles to MATLAB, which stores whole ones as integers.
    file.seek(start)
    return read_numbers(file.read, dtype, shape, by_columns=True)
