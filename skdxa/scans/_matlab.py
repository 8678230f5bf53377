"""Arrays in a MATLAB file, of any version: at its top level, in structs and in cells."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import numpy as np

from skdxa.exceptions import ScanReadError
from skdxa.scans._content import Content, check_size
from skdxa.scans._variables import choose_variable

NUMERIC = frozenset(
    ["double", "single"] + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)
# Other classes can have any name, which is not quoted.
_KNOWN_OBJECTS = frozenset(
    ["string", "table", "timetable", "datetime", "duration", "calendarDuration", "categorical"]
)
# Far above MATLAB's own longest name, of 63 characters.
LONGEST_NAME = 255
MOST_VARIABLES = 10_000
# Elements of a cell or fields of a struct; each needs a step when one is looked up.
MOST_CHILDREN = 500_000
MOST_FIELDS = 10_000

# Limits on what is inspected for the list in an error message: values, each of which takes as
# long as some names of fields.
_MOST_NAMES = 20_000
_NAMES_PER_VALUE = 10
_DEEPEST = 12

# One step into a variable: {2} or {1,2} of a cell, .bmd or (2).bmd of a struct.
_STEP = re.compile(r"\{([\d, ]{1,40})\}|(?:\(([\d, ]{1,40})\))?\.([^.(){}]+)")


@dataclass(frozen=True, eq=False)
class Item:
    """One value in a MATLAB file; only its description has been read.

    Parameters
    ----------
    shape : tuple of int, or None
        As MATLAB shows it; None where the file does not say.
    kind : str
        The class in words.
    read : callable, default=None
        For an array of real numbers: returns it, in any type that holds its numbers in single
        precision. Its own type is `kind`.
    open : callable, default=None
        For a struct or a cell: returns the names of the fields, none for a cell, and an
        iterator over the values as functions that return an `Item`. Field by field for the
        first element of a struct, then for the second, in MATLAB's order.
    """

    shape: tuple[int, ...] | None
    kind: str
    read: Callable | None = None
    open: Callable | None = None

    @property
    def description(self):
        """Shape, kind and whether this is an array of real numbers."""
        return self.shape, self.kind, self.read is not None


class Damaged(ScanReadError):
    """A MATLAB file is inconsistent."""

    def __init__(self, detail):
        super().__init__(
            f"the MATLAB file is damaged or cut short: {detail}. Export or copy it again.",
            reason="damaged file",
        )


def object_kind(name):
    """Return the kind of an object, in words, from the name of its class."""
    return name if name in _KNOWN_OBJECTS else "object"


def add_item(top, name, item):
    """Add a variable to those of a file, in which each name must occur once."""
    if name in top:

        def ambiguous():
            raise ScanReadError(
                f"the MATLAB file holds two variables named '{name}'. Save it again.",
                reason="damaged file",
            )

        item = Item(item.shape, item.kind, item.read and ambiguous, item.open and ambiguous)
    top[name] = item
    if len(top) > MOST_VARIABLES:
        raise ScanReadError(
            f"the MATLAB file holds more than {MOST_VARIABLES:,} variables. Save the scan alone.",
            reason="too large",
        )


def read_chosen(top, options, source):
    """Return the array that the caller names, or else the only one that can be the scan.

    Parameters
    ----------
    top : dict of str to Item
        The file's variables.
    options
        Of `read_scan`: `variable`, `max_pixels`.
    source : str
        Name of the format.

    Returns
    -------
    content : Content
    """
    items = dict(top)
    if options.variable is not None and options.variable not in items:
        item = _resolve(top, options.variable)
        if item is not None:
            items[options.variable] = item
    name = choose_variable(
        {name: item.description for name, item in items.items()},
        options.variable,
        what="the MATLAB file",
        beneath=lambda: _numeric_beneath(top),
    )
    check_size(items[name].shape, options.max_pixels, what=f"the variable '{name}'")
    return Content(items[name].read(), source, number_type=np.dtype(items[name].kind))


def _resolve(top, variable):
    """Return the value that a name such as ``s(2).cells{3}`` denotes, or None."""
    root = re.match(r"[^.(){}]*", variable)[0]
    item, rest = top.get(root), variable[len(root) :]
    while rest and item is not None:
        step = _STEP.match(rest)
        item = _child(item, *step.groups()) if step else None
        rest = rest[step.end() :] if step else ""
    return item


def _child(item, in_braces, in_parentheses, field):
    if item.open is None:
        return None
    fields, values = item.open()
    index = in_braces or in_parentheses
    position = _position(index, item.shape) if index else 0
    if position is None or not (index or math.prod(item.shape) == 1):
        return None
    # A cell has no fields and is opened by braces.
    if bool(fields) != (field is not None) or (fields and field not in fields):
        return None
    if fields.count(field) > 1:
        raise ScanReadError(
            f"a struct of the MATLAB file has two fields named '{field}'. Save it again.",
            reason="damaged file",
        )
    if fields:
        position = position * len(fields) + fields.index(field)
    make = next(islice(values, position, None), None)
    return make and make()


def _position(index, shape):
    """Return the position, in MATLAB's order and from 0, of an index from 1; None outside."""
    try:
        indices = [int(part) - 1 for part in index.split(",")]
    except ValueError:
        return None
    if len(indices) == 1:
        shape = (math.prod(shape),)
    elif len(indices) != len(shape):
        return None
    if not all(0 <= index < size for index, size in zip(indices, shape, strict=True)):
        return None
    return sum(index * math.prod(shape[:axis]) for axis, index in enumerate(indices))


def _numeric_beneath(top):
    """Return the descriptions of the arrays of numbers in structs and cells, by name."""
    found = {}
    allowance = _Allowance(_MOST_NAMES)
    for name, item in top.items():
        # A variable that cannot be opened is not a candidate, and must not hide the others.
        try:
            _collect(item, name, found, allowance, _DEEPEST)
        except ScanReadError:
            continue
    return found


def _collect(item, name, found, allowance, depth):
    if item.open is None or depth == 0 or not allowance.take(0):
        return
    fields, values = item.open()
    n_elements = math.prod(item.shape)
    if not allowance.take(len(fields)):
        return
    for number, make in enumerate(values):
        if not allowance.take(_NAMES_PER_VALUE):
            return
        if fields:
            element, field = divmod(number, len(fields))
            index = "" if n_elements == 1 else f"({element + 1})"
            label = f"{name}{index}.{fields[field]}"
        else:
            label = f"{name}{{{number + 1}}}"
        child = make()
        # Ages and other single numbers would only lengthen the list.
        if child.read is not None and math.prod(child.shape) != 1:
            found[label] = child.description
        _collect(child, label, found, allowance, depth - 1)


class _Allowance:
    """Remaining number of values to inspect."""

    def __init__(self, left):
        self._left = left

    def take(self, amount):
        """Return whether there was enough left."""
        self._left -= amount
        return self._left >= 0
