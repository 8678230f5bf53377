"""Descriptions of functions and values: what they notice, and what does not matter to them."""

import collections
import dataclasses
import enum
import functools
import logging
import subprocess
import sys
import textwrap
import threading

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, special, stats
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from skdxa._description import NotDescribable, digest, digests_of_function

X = np.arange(14.0).reshape(7, 2)
Y = np.array([0, 1, 0, 1, 0, 1, 1])


def function_of(source, **names):
    """Return the function `f` of a source text, as in a module of its own."""
    namespace = {"__name__": "of_ones_own", **names}
    exec(textwrap.dedent(source), namespace)
    return namespace["f"]


BASE = """
def inner(x, by=2):
    return x * by

def f(x, *, side="left"):
    "Doc."
    return inner(x) + SIZE
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("* by", "+ by"),
        ("by=2", "by=3"),
        ('side="left"', 'side="right"'),
        ("inner(x) +", "inner(x) -"),
        ("side=", "where="),
        ("+ SIZE", "+ SIZE2"),
    ],
)
def test_changed_code_of_a_function_or_of_one_that_it_calls_is_noticed(old, new):
    names = {"SIZE": 1, "SIZE2": 1}
    assert digest(function_of(BASE, **names)) != digest(
        function_of(BASE.replace(old, new), **names)
    )


def test_place_comments_docstrings_and_annotations_do_not_matter():
    moved = "\n\n# Moved.\n" + BASE.replace('"Doc."', '"Another."\n    # Why.')
    moved = moved.replace("by=2", "by: int = 2")
    found = digest(function_of(moved, SIZE=1, unused=2))
    assert found == digest(function_of(BASE, SIZE=1, unused=3))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 2),
        (1, 1.0),
        (1, True),
        (np.arange(3), np.arange(3) + 1),
        (np.zeros(6), np.zeros((2, 3))),
        (np.zeros(2), np.zeros(2, dtype=np.float32)),
        (np.array([1, None]), np.array([1, 2], dtype=object)),
        (np.float32(0.5), np.float64(0.5)),
        (LogisticRegression(C=1), LogisticRegression(C=2)),
        (LogisticRegression(), LogisticRegression().fit(X, Y)),
        (LogisticRegression().fit(X, Y).predict, LogisticRegression().fit(X, 1 - Y).predict),
        (pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [1, 3]})),
        (pd.DataFrame({"a": [1], "b": [1]}), pd.DataFrame({"b": [1], "a": [1]})),
        (sparse.csr_matrix(X), sparse.csr_matrix(2 * X)),
        (np.ma.masked_invalid([1, np.nan]), np.ma.masked_invalid([2, np.nan])),
        (stats.uniform(0, 1), stats.uniform(0, 2)),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({1, 2}, {1, 3}),
        (np.log, np.exp),
        (functools.partial(max, 1), functools.partial(max, 2)),
        (np.random.default_rng(0), np.random.default_rng(1)),
        (function_of("def f(): return 1"), function_of("def f(): return 2")),
        (
            functools.cache(function_of("def f(): return 1")),
            functools.cache(function_of("def f(): return 2")),
        ),
        (function_of("class f: n = 1"), function_of("class f: n = 2")),
        (
            function_of("class f:\n def g(self): return 1"),
            function_of("class f:\n def g(self): return 2"),
        ),
        (
            function_of("class f:\n @property\n def g(self): return 1")(),
            function_of("class f:\n @property\n def g(self): return 2")(),
        ),
    ],
)
def test_another_value_is_noticed_also_where_a_function_refers_to_it(one, other):
    assert digest(one) != digest(other)

    def variable_is(value):
        return lambda: value

    assert digest(variable_is(one)) != digest(variable_is(other))
    source = "def f(): return VALUE"
    assert digest(function_of(source, VALUE=one)) != digest(function_of(source, VALUE=other))


def even(n):
    return n == 0 or odd(n - 1)


def odd(n):
    return n != 0 and even(n - 1)


class Shift(TransformerMixin, BaseEstimator):
    names = frozenset({"one", "two", "three"})

    def __init__(self, by=1):
        self.by = by

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X + self.by if self.name in {"one", "two", "three", "four"} else X

    @staticmethod
    def of(value):
        return Shift(value)

    @functools.cached_property
    def name(self):
        return "one"


class Side(enum.Enum):
    LEFT = 1
    RIGHT = 2


Point = collections.namedtuple("Point", "x y")


@dataclasses.dataclass
class Setting:
    size: int = 1
    names: list = dataclasses.field(default_factory=list)


def imports_inside(x):
    import numpy

    from skdxa import exceptions

    return numpy, exceptions, Side.LEFT


def values():
    """Return values of many kinds, all made anew."""
    return {
        "recursive": even,
        "set of functions": {even, odd, len, imports_inside},
        "class": Shift,
        "estimator": Shift(3),
        "method": Shift(3).transform,
        "enum": Side.LEFT,
        "tuple": Point(1, "2"),
        "dataclass": Setting(2),
        "fitted": StandardScaler().fit(X),
        "forest": RandomForestClassifier(3, random_state=0).fit(X, Y),
        "table": pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": pd.array([1, None])}),
        "categories": pd.Series(["u", "v"], dtype="category"),
        "distribution": stats.loguniform(1, 10),
        "generator": np.random.default_rng(0),
        "logger": logging.getLogger("x"),
        "ufunc": special.expit,
        "built in": "abc".upper,
        "imports": imports_inside,
        "empty": np.array([], dtype="U1"),
        "module": np,
    }


def test_descriptions_are_the_same_in_a_process_with_other_hashes_of_texts():
    here = {name: digest(value) for name, value in values().items()}
    assert len(set(here.values())) == len(here)
    program = (
        "import sys; from importlib.util import module_from_spec, spec_from_file_location\n"
        f"spec = spec_from_file_location({__name__!r}, {__file__!r})\n"
        "module = sys.modules[spec.name] = module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "for name, value in reversed(module.values().items()):\n"
        "    print(name, module.digest(value), sep=':')\n"
    )
    for seed in ("1", "2"):
        found = subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(filter(None, sys.path))},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        assert dict(line.split(":") for line in found.splitlines()) == here


def test_what_pandas_keeps_of_a_dtype_does_not_matter():
    column = pd.Series(pd.array([1, None], dtype="Int32"))
    before = digest(column)
    assert column.dtype.kind == "i"
    assert column.dtype.itemsize == 4
    assert digest(column) == before


def test_a_copy_from_another_process_is_the_same():
    def build(x):
        return even(x), Shift(x), SIZES

    for value in (build, even, Shift(2), Point(1, 2), lambda x: build(x)):
        assert digest(cloudpickle.loads(cloudpickle.dumps(value))) == digest(value)


SIZES = {"first": 1, "second": [2, 3]}


def test_a_module_of_ones_own_is_followed_and_an_installed_one_is_a_name(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_helpers.py").write_text("N = 1\nUNUSED = 1\ndef cut(x):\n    return x + N\n")
    import own_helpers

    used = {
        "global": function_of("def f(x): return h.cut(x)", h=own_helpers),
        "import": function_of("def f(x):\n import own_helpers as h\n return h.cut(x)"),
        "from": function_of("def f(x):\n from own_helpers import cut\n return cut(x)"),
        "nested": function_of("def f(x): return [lambda: h.cut(y) for y in x]", h=own_helpers),
    }
    before = {name: digest(function) for name, function in used.items()}
    monkeypatch.setattr(own_helpers, "UNUSED", 2)
    assert {name: digest(function) for name, function in used.items()} == before
    monkeypatch.setattr(own_helpers, "N", 2)
    assert all(digest(function) != before[name] for name, function in used.items())

    source = "def f(x): return np.sum(x)"
    before = digest(function_of(source, np=np))
    monkeypatch.setattr(np, "sum", None)
    assert digest(function_of(source, np=np)) == before


def test_what_an_estimator_has_measured_does_not_matter():
    first, second = (
        GridSearchCV(
            RandomForestClassifier(2, random_state=0), {"max_depth": [1, 2]}, cv=2, n_jobs=n_jobs
        ).fit(X, Y)
        for n_jobs in (None, 1)
    )
    assert first.refit_time_ != second.refit_time_
    assert digest(first) == digest(second)


def test_what_was_called_before_does_not_matter():
    @functools.cache
    def doubled(x):
        return 2 * x

    shift, before = Shift(), (digest(doubled), digest(Shift))
    doubled(3)
    shift.__reduce_ex__(2)
    assert (digest(doubled), digest(Shift)) == before


LOCK = threading.Lock()


def locked(x):
    with LOCK:
        return x


def calls_locked(x):
    return locked(x)


class Locked:
    def __init__(self):
        self.lock = threading.Lock()

    def method(self):
        return self.lock


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (locked, r"a _thread\.lock \(cannot pickle .* in the global LOCK of locked$"),
        (calls_locked, r"a _thread\.lock \(cannot pickle .* in the global LOCK of locked$"),
        (Locked().method, r"a _thread\.lock .* in the object of the method Locked\.method$"),
        ([{"a": Locked()}], r"a _thread\.lock \(cannot pickle '_thread.lock' object\)$"),
        (np.frompyfunc(even, 1, 1), r"the ufunc 'even \(vectorized\)' is not found by its name"),
        ((n for n in ()), r"a builtins\.generator \(cannot pickle"),
        (functools.reduce(lambda held, _: [held], range(9000), []), r"a list is nested too deep"),
    ],
)
def test_what_cannot_be_described_is_refused_and_named(value, message):
    with pytest.raises(NotDescribable, match=message):
        digest(value)


def test_the_parts_of_a_function_are_named():
    units = 3

    def build(shape, width=2, *, depth=4):
        return units, shape, width, depth, SIZES, textwrap.dedent

    parts = digests_of_function(build)
    assert list(parts) == [
        "code",
        "default width",
        "default depth",
        "variable units",
        "global SIZES",
        "global textwrap",
    ]
    assert parts["variable units"] == (3, digest(3))


def test_names_that_keras_counts_do_not_matter():
    import keras

    def model(units=2, offset=1.0):
        inputs = keras.Input((3,))
        shifted = keras.layers.Lambda(lambda x: x + offset)(inputs)
        outputs = keras.layers.Dense(units, kernel_initializer="ones")(shifted)
        built = keras.Sequential([keras.Model(inputs, outputs), keras.layers.Dense(1)])
        built.set_weights([np.full_like(weight, 0.5) for weight in built.get_weights()])
        return built

    first = model()
    assert first.layers[0].name != model().layers[0].name
    assert digest(first) == digest(model())
    found = {digest(one) for one in (first, model(units=4), model(offset=2.0))}
    first.set_weights([weight + 1 for weight in first.get_weights()])
    assert len(found | {digest(first)}) == 4

    optimizers = [keras.optimizers.Adam(rate) for rate in (0.1, 0.1, 0.2)]
    same, again, other = map(digest, optimizers)
    assert same == again != other
    named = [digest(keras.optimizers.Adam(0.1, name=name)) for name in ("mine", "yours")]
    assert len({same, *named}) == 3
