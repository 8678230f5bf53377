"""A hash of any value by its content."""

import copyreg
import functools
import hashlib
import pickle
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from scipy.stats.distributions import rv_frozen
from sklearn.base import BaseEstimator

from skdxa._description._code import instructions, values_referred_to
from skdxa._description._keras import plain_config
from skdxa._description._library import find, is_library, is_named

_SIMPLE = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), type(NotImplemented))
# Attributes of a class that do not affect its behaviour, or that Python adds.
_WITHOUT_EFFECT_IN_CLASS = {
    "__abstractmethods__", "__annotate__", "__annotate_func__", "__annotations__",
    "__annotations_cache__", "__dict__", "__doc__", "__firstlineno__", "__module__",
    "__orig_bases__", "__parameters__", "__qualname__", "__slotnames__", "__static_attributes__",
    "__weakref__", "_abc_impl",
}  # fmt: skip
# Attributes of an estimator that do not affect its predictions, such as times.
_WITHOUT_EFFECT_IN_ESTIMATOR = {
    "_sklearn_version", "cv_results_", "memory", "n_jobs", "refit_time_", "verbose",
}  # fmt: skip
_SLOTS = (types.MemberDescriptorType, types.GetSetDescriptorType)


class NotDescribable(ValueError):
    """A value has a part in which a change cannot be detected.

    Parameters
    ----------
    what : str
        The part and the reason.
    where : str or None, default=None
        What it is part of.
    """

    def __init__(self, what, where=None):
        super().__init__(what if where is None else f"{what} in the {where}")
        self.what = what
        self.where = where


def digest(value):
    """Return a hash of a value by its content, the same in every process.

    Functions and classes of the user's own are their code with all that it refers to, those of
    an installed package their name. Objects are their class and what `pickle` would keep of
    them.

    Parameters
    ----------
    value : object

    Returns
    -------
    str

    Raises
    ------
    NotDescribable
        If there is a part that cannot be pickled, such as a lock or an open file, naming it.
    """
    return _Digest().of(value)


def digests_of_function(function):
    """Return what distinguishes a function from others, part by part.

    Parameters
    ----------
    function : types.FunctionType

    Returns
    -------
    dict of str to (object, str)
        Values with their digests, by labels such as "code", "default units", "variable units"
        and "global SIZE".

    Raises
    ------
    NotDescribable
        As by `digest`.
    """
    walk = _Digest()
    with walk.inside(function):
        return {
            label: (value, walk.part(f"{label} of {function.__qualname__}", value))
            for label, value in _parts_of_function(function).items()
        }


def _parts_of_function(function):
    code = function.__code__
    parts = {"code": code}
    if is_named(function):
        return parts
    names = code.co_varnames[: code.co_argcount]
    defaults = function.__defaults__ or ()
    parts |= {
        f"default {name}": value
        for name, value in zip(names[len(names) - len(defaults) :], defaults, strict=True)
    }
    parts |= {f"default {name}": v for name, v in (function.__kwdefaults__ or {}).items()}
    parts |= values_referred_to(function)
    # What `functools.wraps` adds is a variable of the function too.
    parts |= {
        f"attribute {name}": value
        for name, value in sorted(vars(function).items())
        if name != "__wrapped__"
    }
    return parts


class _Digest:
    """One walk through a value.

    A value that holds itself, as a recursive function does, is named by its level in the walk.
    """

    def __init__(self):
        # With references to the values, so that their ids are not reused.
        self._done = {}
        self._open = {}

    def of(self, value):
        """Return the digest of a value."""
        if type(value) in _SIMPLE:
            text = hex(value) if type(value) is int else repr(value)
            return _hash(type(value).__name__, text)
        if id(value) in self._done:
            return self._done[id(value)][1]
        if id(value) in self._open:
            return _hash("level", str(self._open[id(value)]))
        with self.inside(value):
            try:
                found = _hash(*self._texts(value))
            except RecursionError:
                raise NotDescribable(f"a {type(value).__name__} is nested too deeply") from None
        self._done[id(value)] = value, found
        return found

    def inside(self, value):
        """Return a context in which a value is being described."""
        return _Entry(self._open, value)

    def part(self, label, value):
        """Return the digest of a part, which an error then names."""
        try:
            return self.of(value)
        except NotDescribable as error:
            raise NotDescribable(error.what, error.where or label) from None

    def _texts(self, value):
        """Return the texts that make up a value whose digest is neither known nor in progress."""
        kind = type(value)
        for types_, describe in _KINDS:
            if isinstance(value, types_):
                return describe(self, value)
        if kind in (list, tuple):
            return [kind.__name__, *map(self.of, value)]
        if kind in (dict, types.MappingProxyType):
            return ["dict", *(self.of(one) for item in value.items() for one in item)]
        if kind in (set, frozenset):
            return [kind.__name__, *sorted(map(self._alone, value))]
        if issparse(value):
            matrix = value.tocoo()
            return [
                "sparse",
                value.format,
                *map(self.of, (matrix.shape, matrix.coords, matrix.data)),
            ]
        if hasattr(value, "get_config") and not isinstance(value, BaseEstimator):
            return self._keras(value)
        return self._object(value)

    def _alone(self, value):
        """Return the digest of a member of a set, whose place in the order is not known."""
        done = dict(self._done)
        try:
            return self.of(value)
        finally:
            self._done = done

    def _number(self, value):
        item = value.item()
        text = repr(item) if type(item) in _SIMPLE else repr(value.tobytes())
        return ["scalar", value.dtype.str, text]

    def _array(self, value):
        if isinstance(value, np.ma.MaskedArray):
            parts = value.filled(), np.ma.getmaskarray(value)
            return ["masked", *map(self.of, parts)]
        texts = ["array", str(value.shape)]
        if value.dtype.names:
            # Without the bytes between the fields, which are arbitrary.
            return [*texts, *(self.of(part) for n in value.dtype.names for part in (n, value[n]))]
        if value.dtype.hasobject:
            return [*texts, *(self.of(one) for one in value.ravel())]
        content = np.ascontiguousarray(value).reshape(-1)
        content = content.view(np.uint8) if content.nbytes else b""
        return [*texts, value.dtype.str, hashlib.sha256(content).hexdigest()]

    def _frame(self, value):
        columns = [value.iloc[:, place] for place in range(value.shape[1])]
        return ["frame", *map(self.of, (value.columns, value.index, *columns))]

    def _series(self, value):
        dtype = value.dtype
        parts = dtype.str if isinstance(dtype, np.dtype) else dtype, value.name, value.to_numpy()
        index = [value.index] if isinstance(value, pd.Series) else []
        return [type(value).__name__, *map(self.of, [*parts, *index])]

    def _function(self, value):
        parts = _parts_of_function(value)
        name = f"{value.__module__}.{value.__qualname__}"
        texts = ["function", name if is_named(value) else ""]
        for label, part in parts.items():
            texts += [label, self.part(f"{label} of {value.__qualname__}", part)]
        return texts

    def _code(self, value):
        return ["code", self.of(instructions(value))]

    def _method(self, value):
        label = f"object of the method {value.__func__.__qualname__}"
        return ["method", self.of(value.__func__), self.part(label, value.__self__)]

    def _class(self, value):
        name = f"{value.__module__}.{value.__qualname__}"
        if is_named(value):
            return ["class", name]
        texts = ["class", name, *map(self.of, (type(value), *value.__bases__))]
        for label, part in sorted(vars(value).items()):
            if label not in _WITHOUT_EFFECT_IN_CLASS and not isinstance(part, _SLOTS):
                texts += [label, self.part(f"attribute {label} of {value.__qualname__}", part)]
        return texts

    def _wrapper(self, value):
        return [type(value).__name__, self.of(value.__func__)]

    def _property(self, value):
        return ["property", *map(self.of, (value.fget, value.fset, value.fdel))]

    def _cached_property(self, value):
        return ["cached property", self.of(value.func)]

    def _cached_function(self, value):
        return ["cached", self.of(value.__wrapped__)]

    def _module(self, value):
        if is_library(value.__name__):
            return ["module", value.__name__]
        try:
            content = Path(value.__file__).read_bytes()
        except (AttributeError, TypeError, OSError):
            raise NotDescribable(f"the module {value.__name__!r} has no file") from None
        return ["module", value.__name__, hashlib.sha256(content).hexdigest()]

    def _distribution(self, value):
        # The distribution itself holds the state of NumPy's global generator.
        dist = value.dist
        return ["distribution", dist.name, *map(self.of, (type(dist), value.args, value.kwds))]

    def _estimator(self, value):
        state = value.__getstate__()
        if not isinstance(state, dict):
            return ["estimator", *map(self.of, (type(value), state))]
        texts = ["estimator", self.of(type(value))]
        for name, part in sorted(state.items()):
            if name not in _WITHOUT_EFFECT_IN_ESTIMATOR:
                texts += [name, self.part(f"{name} of a {type(value).__name__}", part)]
        return texts

    def _keras(self, value):
        """Return the texts of an object of Keras, whose pickled form holds counted names."""
        name = type(value).__name__
        try:
            config = plain_config(value.get_config(), name)
            compiled = getattr(value, "get_compile_config", dict)()
            weights = value.get_weights() if hasattr(value, "get_weights") else None
        except Exception as error:
            raise NotDescribable(f"a {name} has no configuration ({error})") from None
        parts = [type(value), config, plain_config(compiled, name), weights]
        # Their code is not part of the configuration.
        parts += [(type(layer), getattr(layer, "function", None)) for layer in _layers(value)]
        return ["configured", *map(self.of, parts)]

    def _object(self, value):
        """Return the texts of an object by what `pickle` would keep of it."""
        kind = type(value)
        try:
            reduce = copyreg.dispatch_table.get(kind)
            reduced = reduce(value) if reduce else value.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        except Exception as error:  # Objects can run custom code here.
            raise NotDescribable(f"a {kind.__module__}.{kind.__qualname__} ({error})") from None
        if isinstance(reduced, str):
            if not _is_found(value, reduced):
                raise NotDescribable(f"the {kind.__name__} {reduced!r} is not found by its name")
            # Not the module: functions of NumPy have none, and several modules may have them.
            return ["name", reduced, *map(self.of, (kind, value.__doc__))]
        make, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        if isinstance(state, dict) and all(isinstance(name, str) for name in state):
            # Not the order in which attributes were set, nor what pandas has cached since.
            names = sorted(state)
            if is_library(kind.__module__):
                names = [name for name in names if name != "_cache"]
            state = [(name, state[name]) for name in names]
        held = [list(items or ()), list(pairs or ())]
        return ["object", *map(self.of, (make, arguments, state, *held))]


class _Entry:
    def __init__(self, levels, value):
        self._levels, self._value = levels, value

    def __enter__(self):
        self._levels[id(self._value)] = len(self._levels)

    def __exit__(self, *exception):
        del self._levels[id(self._value)]


_KINDS = [
    (np.generic, _Digest._number),
    (np.ndarray, _Digest._array),
    (pd.DataFrame, _Digest._frame),
    ((pd.Series, pd.Index), _Digest._series),
    (types.FunctionType, _Digest._function),
    (types.CodeType, _Digest._code),
    (types.MethodType, _Digest._method),
    (type, _Digest._class),
    ((staticmethod, classmethod), _Digest._wrapper),
    (property, _Digest._property),
    (functools.cached_property, _Digest._cached_property),
    (functools._lru_cache_wrapper, _Digest._cached_function),
    (types.ModuleType, _Digest._module),
    (rv_frozen, _Digest._distribution),
    (BaseEstimator, _Digest._estimator),
]


def _is_found(value, name):
    """Return whether an object is found under its name in its module, or in any library."""
    module = getattr(value, "__module__", None)
    if module is not None:
        return find(module, name) is value
    with warnings.catch_warnings():
        # Modules under their former names warn when they are inspected.
        warnings.simplefilter("ignore")
        modules = [module for module in list(sys.modules) if find(module, name) is value]
    return any(map(is_library, modules))


def _layers(model):
    """Return the layers of a model of Keras and of the models in it."""
    layers = list(getattr(model, "layers", ()))
    return layers + [inner for layer in layers for inner in _layers(layer)]


def _hash(*texts):
    content = repr(texts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(content).hexdigest()[:32]
