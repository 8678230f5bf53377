"""Checks that any image estimator should pass, in addition to scikit-learn's.

scikit-learn's checks create tables, so that they skip almost everything for estimators of scans.
The checks here create scans. They accept unmodified estimators: transformers of scans,
classifiers of images, and pipelines of both.
"""

import pickle
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import clone, is_classifier
from sklearn.utils import estimator_html_repr

from skdxa.scan_dtype import ScanArray
from skdxa.validation import as_series

__all__ = ["check_image_estimator", "image_checks", "parametrize_with_image_checks"]

_N_SCANS, _N_ROWS, _N_COLUMNS = 24, 22, 40


def parametrize_with_image_checks(estimators, *, expected_failed_checks=None):
    """Parametrize a test with the checks of image estimators.

    Parameters
    ----------
    estimators : list of estimators
        Instances, set up for scans of 22 rows and 40 columns: a cropper to at most this size,
        a classifier with few epochs. A classifier or pipeline must be deterministic, which
        ``random_state=0`` makes a `SpineCNNClassifier`.
    expected_failed_checks : callable, default=None
        Called with an estimator, it returns a dict from the names of the checks that the
        estimator fails to the reasons. These checks must fail, otherwise the test does.

    Returns
    -------
    decorator : pytest.MarkDecorator
        Passes the arguments `estimator` and `check` to a test.

    See Also
    --------
    check_image_estimator : Run all checks of one estimator, without pytest.
    sklearn.utils.estimator_checks.parametrize_with_checks : The checks with tables.

    Examples
    --------
    >>> from skdxa.preprocessing import HorizontalFlip
    >>> from skdxa.testing import parametrize_with_image_checks
    >>> @parametrize_with_image_checks([HorizontalFlip()])
    ... def test_image_checks(estimator, check):
    ...     check(estimator)
    """
    import pytest

    cases = []
    for estimator in estimators:
        reasons = expected_failed_checks(estimator) if expected_failed_checks else {}
        for check in image_checks(estimator):
            name = check.__name__
            marks = ()
            if name in reasons:
                marks = pytest.mark.xfail(reason=reasons[name], strict=True)
            cases.append(
                pytest.param(
                    estimator, check, id=f"{type(estimator).__name__}-{name}", marks=marks
                )
            )
    return pytest.mark.parametrize(("estimator", "check"), cases)


def check_image_estimator(estimator):
    """Run all checks that apply to an image estimator; the first failure is raised.

    Parameters
    ----------
    estimator : estimator
        An instance, as for `parametrize_with_image_checks`.

    Raises
    ------
    AssertionError
        If a check fails.

    Examples
    --------
    >>> from skdxa.preprocessing import SpineCropper
    >>> from skdxa.testing import check_image_estimator
    >>> check_image_estimator(SpineCropper(height=20, width=30))
    """
    for check in image_checks(estimator):
        check(estimator)


def image_checks(estimator):
    """List the checks that apply to an image estimator.

    Parameters
    ----------
    estimator : estimator
        A transformer of scans, a classifier, or a pipeline.

    Returns
    -------
    checks : list of callable
        Each takes the estimator, which it clones, and raises an AssertionError if it fails.

    Examples
    --------
    >>> from skdxa.preprocessing import HorizontalFlip
    >>> from skdxa.testing import image_checks
    >>> image_checks(HorizontalFlip())[0].__name__
    'check_kinds_of_collections'
    """
    return [*_COMMON, *(_OF_CLASSIFIERS if is_classifier(estimator) else _OF_TRANSFORMERS)]


def _scans(seed=0, dtype=np.float32):
    """Return scans with a bright spine, brighter and wider in every second of them."""
    rng = np.random.default_rng(seed)
    stack = rng.normal(0.2, 0.02, size=(_N_SCANS, _N_ROWS, _N_COLUMNS))
    stack[:, :, 14:26] += 0.8
    stack[1::2, :, 10:30] += 0.8
    return stack.astype(dtype)


def _labels():
    return np.tile([0, 1], _N_SCANS // 2)


def _objects(stack):
    return as_series(list(stack), None).to_numpy()


def _table(stack):
    return pd.DataFrame(
        {
            "age": np.arange(len(stack)) + 60,
            "scan": as_series(list(stack), None),
            "tbs": np.linspace(1.1, 1.4, len(stack)),
        }
    )


def _fit(estimator, X=None, y=None):
    X = _scans() if X is None else X
    return clone(estimator).fit(X, _labels() if y is None else y)


def _apply(estimator, X):
    """Return the output of an estimator for scans, as one array of numbers."""
    if is_classifier(estimator):
        return estimator.predict_proba(X)
    return _pixels(estimator.transform(X))


def _pixels(result):
    if isinstance(result, pd.DataFrame):
        result = result["scan"] if "scan" in result else result.to_numpy()
    if isinstance(result, np.ndarray) and result.dtype != object:
        return result
    result = result.ravel() if isinstance(result, np.ndarray) else result
    return np.stack(list(result))


def _assert_same(found, expected, what):
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6, err_msg=what)


def _assert_refused(estimator, X, y, what, *words):
    """Assert that fit raises one clear ValueError or TypeError that has some words in it."""
    try:
        clone(estimator).fit(X, y)
    except (ValueError, TypeError) as error:
        missing = [word for word in words if word not in str(error)]
        if missing:
            raise AssertionError(
                f"the error for {what} does not mention {missing}: {error}"
            ) from error
    else:
        raise AssertionError(f"{what} was accepted in fit.")


def check_kinds_of_collections(estimator):
    """Check that lists, Series, object arrays, DataFrames and stacks give the same result."""
    stack = _scans()
    fitted = _fit(estimator)
    expected = _apply(fitted, stack)
    kinds = {
        "a list": list(stack),
        "a tuple": tuple(stack),
        "a Series": as_series(list(stack), None),
        "an object array": _objects(stack),
        "a table of one column of objects": _objects(stack)[:, np.newaxis],
        "a DataFrame": _table(stack),
    }
    for kind, X in kinds.items():
        _assert_same(_apply(fitted, X), expected, f"{kind} in transform or predict")
        _assert_same(_apply(_fit(estimator, X), stack), expected, f"{kind} in fit")


def check_typed_column(estimator):
    """Check that a column that states spacing and unit is accepted, and other rows of it too."""
    X = _table(_scans())
    X["scan"] = ScanArray(list(_scans()), (1.05, 0.60), "g/cm2")
    fitted = _fit(estimator, X)
    _assert_same(_apply(fitted, X[:5]), _apply(fitted, X)[:5], "the first rows")


def check_order_of_columns(estimator):
    """Check that columns are taken by name: their order and the other columns do not matter."""
    X = _table(_scans())
    fitted = _fit(estimator, X)
    expected = _apply(fitted, X)
    _assert_same(_apply(fitted, X[["tbs", "scan", "age"]]), expected, "columns in another order")
    _assert_same(_apply(fitted, X[["scan"]]), expected, "the column of scans alone")


def check_feature_names(estimator):
    """Check that `feature_names_in_` is there for a DataFrame, and goes with a refit on arrays."""
    fitted = _fit(estimator, _table(_scans()))
    first = fitted[0] if hasattr(fitted, "steps") else fitted
    if hasattr(first, "feature_names_in_"):
        assert first.feature_names_in_.tolist() == ["age", "scan", "tbs"]
    fitted.fit(_scans(), _labels())
    assert not hasattr(first, "feature_names_in_"), "names of a former fit are left"


def check_dtypes(estimator):
    """Check that integers, half and double precision give the result of float32."""
    whole = (_scans() * 100).round()
    fitted = _fit(estimator, whole)
    expected = _apply(fitted, whole)
    for dtype in (np.float64, np.float16, np.int16, np.uint8):
        _assert_same(_apply(fitted, whole.astype(dtype)), expected, f"scans of {dtype.__name__}")
        _assert_same(
            _apply(_fit(estimator, whole.astype(dtype)), whole), expected, f"{dtype.__name__} fit"
        )


def check_memory_layout(estimator):
    """Check that read-only, column-major, strided and memory-mapped arrays are accepted."""
    stack = _scans()
    fitted = _fit(estimator)
    expected = _apply(fitted, stack)
    strided = np.zeros((2 * _N_SCANS, _N_ROWS, _N_COLUMNS), np.float32)
    strided[::2] = stack
    read_only = stack.copy()
    read_only.flags.writeable = False
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "stack.npy", stack)
        mapped = np.load(Path(folder) / "stack.npy", mmap_mode="r")
        layouts = {
            "a read-only array": read_only,
            "a column-major array": np.asfortranarray(stack),
            "a strided array": strided[::2],
            "a memory-mapped array": mapped,
            "a list of read-only arrays": list(read_only),
        }
        for what, X in layouts.items():
            _assert_same(_apply(fitted, X), expected, what)
            _assert_same(_apply(_fit(estimator, X), stack), expected, f"{what} in fit")
        # A file that is still mapped cannot be removed on Windows.
        mapped._mmap.close()


def check_input_is_unchanged(estimator):
    """Check that neither fit nor transform nor predict writes into the scans of the user."""
    X = _table(_scans())
    before = [scan.copy() for scan in X["scan"]]
    _apply(_fit(estimator, X), X)
    for scan, copy in zip(X["scan"], before, strict=True):
        np.testing.assert_array_equal(scan, copy, err_msg="a scan was changed")
    assert X.columns.tolist() == ["age", "scan", "tbs"], "the table was changed"


def check_rows_are_independent(estimator):
    """Check that a scan's result depends neither on the other scans nor on their order."""
    stack = _scans()
    fitted = _fit(estimator)
    expected = _apply(fitted, stack)
    _assert_same(_apply(fitted, stack[::-1]), expected[::-1], "scans in another order")
    _assert_same(_apply(fitted, stack[3:4]), expected[3:4], "one scan by itself")


def check_clone_refit_and_pickle(estimator):
    """Check that a clone, a second fit and a pickled copy give the same result."""
    stack = _scans()
    parameters = {name: repr(value) for name, value in estimator.get_params().items()}
    fitted = _fit(estimator)
    expected = _apply(fitted, stack)
    _assert_same(_apply(_fit(fitted), stack), expected, "a clone of a fitted estimator")
    _assert_same(_apply(pickle.loads(pickle.dumps(fitted)), stack), expected, "a pickled copy")
    fitted.fit(_scans(seed=1)[:, :, ::-1], _labels())
    _assert_same(_apply(fitted.fit(stack, _labels()), stack), expected, "a second fit")
    after = {name: repr(value) for name, value in fitted.get_params().items()}
    assert after == parameters, "fit changed a parameter"


def check_threads(estimator):
    """Check that several threads that transform or predict at once do not disturb each other."""
    fitted = _fit(estimator)
    inputs = [_scans(seed) for seed in range(4)]
    expected = [_apply(fitted, X) for X in inputs]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda X: _apply(fitted, X), inputs))
    for one, other in zip(found, expected, strict=True):
        _assert_same(one, other, "in several threads")


def check_html_representation(estimator):
    """Check that the HTML representation of a fitted estimator needs no TensorFlow."""
    fitted = _fit(estimator)
    assert type(fitted).__name__ in estimator_html_repr(fitted)
    code = (
        "import pickle, sys; fitted = pickle.load(sys.stdin.buffer); "
        "assert fitted._repr_html_(); print('tensorflow' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(fitted), capture_output=True, check=False
    )
    assert ran.returncode == 0, ran.stderr.decode()
    assert ran.stdout.decode().strip() == "False", "the representation imported TensorFlow"


def check_bad_scans(estimator):
    """Check that unusable scans raise one clear error, which names the scan."""
    stack, y = _scans(), _labels()
    infinite = stack.copy()
    infinite[3, 0, 0] = np.inf
    unscanned = stack.copy()
    unscanned[3] = np.nan
    _assert_refused(estimator, infinite, y, "an infinite pixel", "Scan 3")
    _assert_refused(estimator, unscanned, y, "a scan without scanned pixels", "Scan 3")
    _assert_refused(estimator, [*stack[:3], None, *stack[4:]], y, "a missing scan", "Scan 3")
    _assert_refused(estimator, [*stack[:3], "a.dcm", *stack[4:]], y, "a path", "Scan 3")
    _assert_refused(estimator, stack[0], y, "a single scan", "list")
    _assert_refused(estimator, stack[..., np.newaxis], y, "a channel axis", "axis")
    _assert_refused(estimator, stack[:0], y[:0], "no scans")
    _assert_refused(estimator, _table(stack).drop(columns="scan"), y, "no column", "'scan'")
    labelled = pd.DataFrame({"scan": as_series(list(unscanned), [f"P{i}" for i in range(24)])})
    _assert_refused(estimator, labelled, y, "an unusable scan of a table", "'P3'")


def check_masked_pixels(estimator):
    """Check that a masked pixel counts as one that was not scanned (NaN)."""
    mask = np.zeros((_N_SCANS, _N_ROWS, _N_COLUMNS), dtype=bool)
    mask[3, :2] = True
    masked = np.ma.masked_array(_scans(), mask=mask)
    with_nan = np.where(mask, np.nan, _scans())
    try:
        expected = _apply(_fit(estimator, with_nan), with_nan)
    except ValueError:
        _assert_refused(estimator, masked, _labels(), "a masked pixel", "Scan 3")
    else:
        _assert_same(_apply(_fit(estimator, masked), masked), expected, "masked pixels")


def check_set_output(estimator):
    """Check that ``set_output`` names columns after the table that is transformed."""
    X = _table(_scans())
    transformer = clone(estimator).set_output(transform="pandas").fit(X, _labels())
    for columns in (["age", "scan", "tbs"], ["tbs", "scan", "age"], ["scan"]):
        result = transformer.transform(X[columns])
        assert isinstance(result, pd.DataFrame), "not a DataFrame"
        assert result.index.equals(X.index), "another index"
        for name in result.columns.intersection(["age", "tbs"]):
            pd.testing.assert_series_equal(result[name], X[name])
    try:
        clone(estimator).set_output(transform="polars").fit(X).transform(X)
    except ValueError as error:
        if "pandas" not in str(error):
            raise AssertionError(f"the error does not say what to take: {error}") from error


def check_names_out(estimator):
    """Check that `get_feature_names_out` names the columns of the transformed table."""
    X = _table(_scans())
    transformer = clone(estimator).set_output(transform="pandas").fit(X, _labels())
    names = transformer.get_feature_names_out().tolist()
    assert names == transformer.transform(X).columns.tolist()


def check_probabilities(estimator):
    """Check that probabilities are (n, 2), lie in [0, 1] and agree with the labels."""
    fitted = _fit(estimator)
    for X in (_scans(), _scans()[:1]):
        probability = fitted.predict_proba(X)
        assert probability.shape == (len(X), 2), f"shape {probability.shape}"
        assert ((probability >= 0) & (probability <= 1)).all(), "a probability outside [0, 1]"
        _assert_same(probability.sum(axis=1), 1, "the sum of probabilities")
        expected = fitted.classes_[(probability[:, 1] >= 0.5).astype(int)]
        assert fitted.predict(X).tolist() == expected.tolist(), "labels and probabilities differ"


def check_kinds_of_labels(estimator):
    """Check that texts, booleans and any two numbers are labels; their sorted order decides."""
    X = _scans()
    expected = _apply(_fit(estimator), X)
    for low, high in (("healthy", "scoliosis"), (False, True), (-1, 1), (2.0, 5.0)):
        y = np.where(_labels() == 1, high, low)
        fitted = _fit(estimator, X, y)
        assert fitted.classes_.tolist() == [low, high]
        assert set(fitted.predict(X).tolist()) <= {low, high}
        _assert_same(_apply(fitted, X), expected, f"labels {low!r} and {high!r}")
    as_series_of_labels = pd.Series(_labels(), index=np.arange(_N_SCANS)[::-1])
    _assert_same(_apply(_fit(estimator, X, as_series_of_labels), X), expected, "a Series")


def check_bad_labels(estimator):
    """Check that unknown, single, three or too few labels are one clear error."""
    X, y = _scans(), _labels().astype(float)
    unknown = y.copy()
    unknown[5] = np.nan
    _assert_refused(estimator, X, unknown, "an unknown label", "NaN")
    masked = np.ma.masked_array(_labels(), mask=np.arange(_N_SCANS) == 5)
    _assert_refused(estimator, X, masked, "a masked label", "NaN")
    _assert_refused(estimator, X, np.zeros(_N_SCANS), "one class", "class")
    _assert_refused(estimator, X, np.arange(_N_SCANS) % 3, "three classes", "inary")
    _assert_refused(estimator, X, y[:-1], "a label too few")


_COMMON = [
    check_kinds_of_collections,
    check_typed_column,
    check_order_of_columns,
    check_feature_names,
    check_dtypes,
    check_memory_layout,
    check_input_is_unchanged,
    check_rows_are_independent,
    check_clone_refit_and_pickle,
    check_threads,
    check_html_representation,
    check_bad_scans,
    check_masked_pixels,
]
_OF_TRANSFORMERS = [check_set_output, check_names_out]
_OF_CLASSIFIERS = [check_probabilities, check_kinds_of_labels, check_bad_labels]
