"""MATLAB files of version 7.3, which are HDF5 with MATLAB's classes as attributes."""

import math
import struct
from contextlib import contextmanager
from functools import partial

import numpy as np

from skdxa.exceptions import ScanReadError
from skdxa.scans import _hdf5, _hdf5_messages
from skdxa.scans._content import two_axes
from skdxa.scans._matlab import (
    MOST_CHILDREN,
    NUMERIC,
    Damaged,
    Item,
    add_item,
    object_kind,
    read_chosen,
)
from skdxa.validation import printable

_CLASSES = {"char": "text", "function_handle": "function handle", "canonical empty": "nothing"}
_TYPES = {"float64": "double", "float32": "single"}
_MOST_AXES = 32


def looks_like_hdf5(head):
    """Return whether a file's first bytes announce HDF5, also behind MATLAB's own header."""
    return _hdf5.SIGNATURE in (head[:8], head[512:520]) or head.startswith(b"MATLAB 7.3")


def read_matlab_73(file, options):
    """Return one array of a MATLAB file of version 7.3."""
    with _reported("the file"):
        archive = _Archive(_hdf5.Hdf5(file), options.suffix == ".mat")
        top = {}
        for name, item in archive.top():
            add_item(top, name, item)
    return read_chosen(top, options, "MATLAB 7.3")


@contextmanager
def _reported(what):
    """Convert faults of an HDF5 file to an error for the user."""
    try:
        yield
    except _hdf5_messages.Unsupported as error:
        raise ScanReadError(
            f"{what} {error}, which is not read. Save the array itself, from MATLAB or as .npy.",
            reason="no scan",
        ) from None
    except _hdf5_messages.Damaged as error:
        raise Damaged(str(error)) from None
    # Raised if an address in the file leads to less content than it should.
    except (struct.error, IndexError):
        raise Damaged("a part of it is too short") from None


class _Archive:
    """The variables of an HDF5 file as MATLAB sees them."""

    def __init__(self, hdf5, is_mat):
        self._hdf5 = hdf5
        # If nothing else states it, MATLAB's header or the name of the file shows who wrote it.
        self._by_matlab = is_mat or hdf5.base > 0

    def top(self):
        """Yield the names of the file's variables, and what they are."""
        root = self._hdf5.node(self._hdf5.root)
        if not root.is_group:
            raise _hdf5_messages.Damaged("it holds no variables")
        for name, address in self._hdf5.links(root).items():
            # MATLAB's internal group, which holds the content of cells and objects.
            if not name.startswith("#"):
                yield printable(name), self._item(address)

    def _item(self, address):
        if address is None:
            return Item(None, "a link to another file or object")
        try:
            node = self._hdf5.node(address)
        except _hdf5_messages.Unsupported:
            return Item(None, "of an unknown kind")
        kind = node.attributes.get("MATLAB_class")
        return self._group(node, kind) if node.is_group else self._array(node, kind)

    def _group(self, node, kind):
        if "MATLAB_sparse" in node.attributes:
            return Item(None, "sparse")
        if kind not in (None, "struct"):
            return Item(None, _CLASSES.get(kind) or object_kind(kind))
        links = {
            name: address
            for name, address in self._hdf5.links(node).items()
            if not name.startswith("#")
        }
        shape = self._shape_of_structs(links)
        if shape is None:
            return Item((1, 1), "struct", open=partial(self._open_struct, links))
        return Item(shape[::-1], "struct", open=partial(self._open_structs, links, shape))

    def _shape_of_structs(self, links):
        """Return the shape of an array of structs, None if it is a single one."""
        if not links or None in links.values():
            return None
        try:
            first = self._hdf5.node(next(iter(links.values())))
        except _hdf5_messages.Unsupported:
            return None
        return first.shape if _is_field_of_array(first) else None

    def _open_struct(self, links):
        fields = tuple(printable(name) for name in links)
        return fields, (partial(self._value, address) for address in links.values())

    def _open_structs(self, links, shape):
        with _reported("a struct"):
            nodes = [self._hdf5.node(address) for address in links.values()]
            if not all(_is_field_of_array(node) and node.shape == shape for node in nodes):
                raise _hdf5_messages.Damaged("the fields of a struct differ in size")
            self._check_count(math.prod(shape) * len(nodes), "struct")
            columns = [self._hdf5.array(node).ravel() for node in nodes]
        fields = tuple(printable(name) for name in links)
        return fields, (
            partial(self._value, int(column[position]))
            for position in range(math.prod(shape))
            for column in columns
        )

    def _open_cell(self, node):
        with _reported("a cell"):
            self._check_count(math.prod(node.shape), "cell")
            references = self._hdf5.array(node).ravel()
        return (), (partial(self._value, int(address)) for address in references)

    def _check_count(self, n_values, what):
        if n_values > MOST_CHILDREN:
            raise _hdf5_messages.Unsupported(f"has more than {MOST_CHILDREN:,} elements")

    def _value(self, address):
        with _reported("the array"):
            # A reference to nothing.
            return self._item(address) if address != 0 else Item((0, 0), "nothing")

    def _array(self, node, kind):
        stored = node.type.kind
        shape = node.shape[::-1]
        if node.attributes.get("MATLAB_empty"):
            shape = self._empty_shape(node)
            if kind in NUMERIC:
                return Item(shape, kind, read=partial(np.empty, shape))
        if kind == "cell" and stored == "reference":
            return Item(shape, kind, open=partial(self._open_cell, node))
        if kind is None:
            kind = "of an unknown kind" if stored == "other" else stored
            if stored == "number":
                kind = _TYPES.get(node.type.dtype.name, node.type.dtype.name)
        elif stored == "complex":
            kind = f"complex {kind}"
        elif kind in NUMERIC and stored != "number":
            kind = "of an unknown kind"
        elif kind not in NUMERIC and kind not in ("cell", "logical", "struct"):
            kind = _CLASSES.get(kind) or object_kind(kind)
        is_numeric = stored == "number" and (
            kind in NUMERIC or "MATLAB_class" not in node.attributes
        )
        return Item(shape, kind, read=partial(self._read, node) if is_numeric else None)

    def _empty_shape(self, node):
        """Return the size of an empty array, which is all that is stored of it."""
        if node.type.kind != "number" or math.prod(node.shape) > _MOST_AXES:
            return (0, 0)
        sizes = self._hdf5.array(node).ravel()
        return tuple(int(size) for size in sizes) if 0 in sizes else (0, 0)

    def _read(self, node):
        if not (self._by_matlab or "MATLAB_class" in node.attributes):
            raise ScanReadError(
                "the file is HDF5, but nothing says that MATLAB wrote it, so rows and columns "
                "cannot be distinguished. Save the scan as .npy.",
                reason="unknown format",
            )
        two_axes(node.shape[::-1])
        with _reported("the array"):
            # MATLAB writes column after column, which HDF5 takes for rows.
            return self._hdf5.pixels(node).T


def _is_field_of_array(node):
    """Return whether a field is one of an array of structs: a reference for each of them."""
    return (
        not node.is_group
        and node.type.kind == "reference"
        and "MATLAB_class" not in node.attributes
    )
