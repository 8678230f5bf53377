"""Python values as JSON and arrays, and back.

Numbers, texts and lists are stored as they are. Everything else is an object of one key, which
names its kind: ``{"tuple": [...]}``, ``{"dict": [[key, value], ...]}``, ``{"float": "inf"}``,
``{"values": [...], "dtype": "<U9"}`` (labels, names and counts), ``{"array": 3}`` (the member
``arrays/3.npy``), ``{"scan_dtype": [[1.05, 0.6], "g/cm2"]}``, ``{"function": name}`` and
``{"object": 3}``. Nothing is imported by a name in the file, and nothing is evaluated.
"""

import json
import math
import re
from numbers import Integral, Real

import numpy as np

from skdxa.exceptions import ModelFileError
from skdxa.persistence._checks import LARGEST_INT, Unfit, label
from skdxa.scan_dtype import ScanDtype

_MOST_DEPTH = 20
_INLINE_DTYPE = re.compile(r"[<|]([iu][1248]|U[0-9]{1,4})|\|b1|object")
_FLOATS = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


class Encoder:
    """Turns values into JSON and collects the arrays and objects that they hold.

    Parameters
    ----------
    refer : callable
        Returns the number of an object, which it writes first.
    functions : dict of str to callable
        Functions that may be stored by name.
    """

    def __init__(self, refer, functions):
        self._refer = refer
        self._functions = {function: name for name, function in functions.items()}
        self.arrays = []

    def encode(self, value):
        """Return a value as JSON."""
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, Integral):
            return int(value)
        if isinstance(value, Real):
            value = float(value)
            return value if math.isfinite(value) else {"float": str(value)}
        if isinstance(value, list):
            return [self.encode(item) for item in value]
        if isinstance(value, tuple):
            return {"tuple": [self.encode(item) for item in value]}
        if isinstance(value, dict):
            return {"dict": [[self.encode(key), self.encode(value[key])] for key in value]}
        if isinstance(value, np.ndarray):
            return self._encode_array(value)
        if isinstance(value, ScanDtype):
            spacing = None if value.spacing_mm is None else list(value.spacing_mm)
            return {"scan_dtype": [spacing, value.unit]}
        if callable(value) and value in self._functions:
            return {"function": self._functions[value]}
        return {"object": self._refer(value)}

    def _encode_array(self, value):
        if value.dtype in (np.float32, np.float64):
            self.arrays.append(value)
            return {"array": len(self.arrays) - 1}
        dtype = "object" if value.dtype == object else value.dtype.newbyteorder("<").str
        return {"values": [label(item) for item in value.tolist()], "dtype": dtype}


class Decoder:
    """Turns JSON back into values.

    Parameters
    ----------
    array : callable
        Returns the array of a number.
    functions : dict of str to callable
        Functions by their names in the file.
    """

    def __init__(self, array, functions):
        self._array = array
        self._functions = functions
        # The objects read so far: one may hold only those before it, so there are no cycles.
        self.objects = []
        self.seen_arrays = set()

    def decode(self, node, depth=0):
        """Return the value that JSON represents, and note which objects the value holds."""
        if depth > _MOST_DEPTH:
            raise ModelFileError(f"model.json is nested more than {_MOST_DEPTH} deep.")
        if isinstance(node, list):
            return [self.decode(item, depth + 1) for item in node]
        if not isinstance(node, dict):
            return node
        kinds = {
            ("tuple",): self._tuple,
            ("dict",): self._dict,
            ("float",): self._float,
            ("values", "dtype"): self._values,
            ("array",): self._numbered_array,
            ("scan_dtype",): self._scan_dtype,
            ("function",): self._function,
            ("object",): self._object,
        }
        kind = kinds.get(tuple(node))
        if kind is None:
            raise ModelFileError(f"model.json holds a value of an unknown kind, {_shown(node)}.")
        return kind(*node.values(), depth + 1)

    def _tuple(self, items, depth):
        return tuple(self.decode(item, depth) for item in _list(items))

    def _dict(self, pairs, depth):
        decoded = {}
        for pair in _list(pairs):
            key, value = (self.decode(part, depth) for part in _list(pair, 2))
            try:
                key = label(key)
            except Unfit:
                raise ModelFileError(
                    "a dict in model.json has a key that is not a label."
                ) from None
            if key in decoded:
                raise ModelFileError(f"a dict in model.json has the key {key!r} twice.")
            decoded[key] = value
        return decoded

    def _float(self, name, depth):
        if not isinstance(name, str) or name not in _FLOATS:
            raise ModelFileError(f"model.json holds {_shown(name)} in place of a number.")
        return _FLOATS[name]

    def _values(self, values, dtype, depth):
        if not isinstance(dtype, str) or not _INLINE_DTYPE.fullmatch(dtype):
            raise ModelFileError(f"model.json holds values of the type {_shown(dtype)}.")
        try:
            values = [label(value) for value in _list(values)]
        except Unfit as unfit:
            raise ModelFileError(f"model.json holds a label that must be {unfit}.") from None
        kind = np.dtype(dtype).kind
        right = {"b": bool, "i": int, "u": int, "U": str}.get(kind, object)
        if not all(type(value) is right or kind == "O" for value in values):
            raise ModelFileError(f"model.json holds values that are not of the type {dtype}.")
        if kind == "U" and any(len(value) > np.dtype(dtype).itemsize // 4 for value in values):
            raise ModelFileError(f"model.json holds a text that is too long for {dtype}.")
        return np.array(values, dtype=dtype)

    def _numbered_array(self, number, depth):
        # Convert at once, since a file could otherwise request the memory of an array many times.
        if _number(number) in self.seen_arrays:
            raise ModelFileError(f"model.json refers to the array {number} twice.")
        self.seen_arrays.add(number)
        return self._array(number)

    def _scan_dtype(self, parts, depth):
        spacing, unit = _list(parts, 2)
        if spacing is not None:
            spacing = _list(spacing, 2)
            if not all(type(mm) in (int, float) for mm in spacing):
                raise ModelFileError("a pixel spacing in model.json is not two numbers.")
        return ScanDtype(spacing, unit)

    def _function(self, name, depth):
        if not isinstance(name, str) or name not in self._functions:
            raise ModelFileError(
                f"model.json names the function {_shown(name)}, which is not among those that "
                "may be used. Do not use this file."
            )
        return self._functions[name]

    def _object(self, number, depth):
        if _number(number) >= len(self.objects):
            raise ModelFileError(f"model.json refers to the object {number}, which is not there.")
        return self.objects[number]


def held_objects(node):
    """Return the numbers of the objects to which some JSON refers, each as often as it does."""
    if isinstance(node, list):
        return [number for item in node for number in held_objects(item)]
    if isinstance(node, dict):
        if tuple(node) == ("object",):
            return [node["object"]]
        return [number for item in node.values() for number in held_objects(item)]
    return []


def to_json(tree):
    """Return a tree as JSON, one object per line."""
    lines = []
    for key, value in tree.items():
        if isinstance(value, list):
            items = ",\n".join(f"  {_dumps(item)}" for item in value)
            lines.append(f" {_dumps(key)}: [\n{items}\n ]")
        else:
            lines.append(f" {_dumps(key)}: {_dumps(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def from_json(text):
    """Return JSON as a tree; constants, double keys and huge numbers are refused."""
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse, parse_int=_parse_int
        )
    except RecursionError:
        raise ModelFileError("model.json is nested too deeply. Do not use this file.") from None
    except ValueError as error:
        raise ModelFileError(f"model.json is not JSON ({error}). Do not use this file.") from None


def _dumps(value):
    return json.dumps(value, allow_nan=False)


def _unique(pairs):
    tree = dict(pairs)
    if len(tree) < len(pairs):
        raise ValueError("a key occurs twice")
    return tree


def _refuse(constant):
    raise ValueError(f"{constant} is not a number in JSON")


def _parse_int(digits):
    if len(digits) > 20 or abs(int(digits)) > LARGEST_INT:
        raise ValueError("a whole number is too large")
    return int(digits)


def _list(node, n=None):
    if not isinstance(node, list) or (n is not None and len(node) != n):
        raise ModelFileError(f"model.json holds {_shown(node)} in place of a list.")
    return node


def _number(node):
    if type(node) is not int or node < 0:
        raise ModelFileError(f"model.json holds {_shown(node)} in place of a number of a part.")
    return node


def _shown(node):
    shown = ascii(node)
    return shown if len(shown) <= 60 else f"{shown[:60]}..."
