import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from scan_collections import KINDS, scans_of_unequal_size, spine
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline

from skdxa.exceptions import ScanError
from skdxa.preprocessing import (
    HorizontalFlip,
    IntensityScaler,
    SpineCropper,
)
from skdxa.validation import as_scans


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_collection_is_understood(kind):
    scans = [np.eye(7, 9, k=shift, dtype=np.float32) for shift in range(3)]
    result = as_scans(KINDS[kind](scans))
    assert isinstance(result, list)
    for scan, expected in zip(result, scans, strict=True):
        assert scan.dtype == np.float32
        np.testing.assert_array_equal(scan, expected)


def test_another_column_may_hold_the_scans():
    table = pd.DataFrame({"image": scans_of_unequal_size()})
    for transformer in (HorizontalFlip, SpineCropper, IntensityScaler):
        with pytest.raises(ScanError, match=r"no column 'scan'.*its columns are \['image'\]"):
            transformer().fit(table)
    flipped = HorizontalFlip(column="image").fit_transform(table)
    np.testing.assert_array_equal(flipped["image"][1], table["image"][1][:, ::-1])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([], "X holds no scans"),
        (np.zeros((0, 7, 9)), "X holds no scans"),
        (pd.DataFrame({"scan": []}), "X holds no scans"),
        (pd.DataFrame({"age": [61]}), r"no column 'scan'.*its columns are \['age'\]"),
        (np.zeros((7, 9)), r"X must be a DataFrame.*shape \(7, 9\).*single scan into a list"),
        (np.zeros((2, 7, 9, 1)), r"X must be a DataFrame.*shape \(2, 7, 9, 1\)"),
        (np.zeros(7), r"X must be a DataFrame.*shape \(7,\)"),
        ("scan.dcm", "X must be a DataFrame.*the text 'scan.dcm'"),
        (3.0, "X must be a DataFrame.*a float"),
        ([np.zeros((7, 9)), np.zeros(9)], r"Scan 1 must be a two-dimensional.*\(9,\)"),
        (
            [np.zeros((7, 9)), np.zeros((2, 7, 9))],
            r"Scan 1 must be a two-dimensional.*\(2, 7, 9\)",
        ),
        ([np.zeros((7, 9)), "b.dcm"], "Scan 1 must be a two-dimensional.*the text 'b.dcm'"),
        ([np.zeros((7, 9)), None], r"Scan 1 is missing \(it is None\). Leave this row out"),
        ([np.zeros((7, 9)), pd.NA], "Scan 1 is missing"),
        ([np.full((7, 9), np.inf)], "Scan 0 holds infinite pixels"),
        ([np.zeros((7, 0))], r"Scan 0 has no pixels: its shape is \(7, 0\)"),
        (np.full((1, 7, 9), np.nan), "Scan 0 holds no scanned pixel: all are NaN"),
        (
            pd.DataFrame({"scan": [np.zeros((7, 9)), np.nan]}, index=["P01", "P02"]),
            r"The scan at index 'P02' is missing \(it is nan\)",
        ),
        (
            pd.Series([np.full((7, 9), np.nan)], index=[41]),
            "The scan at index 41 holds no scanned",
        ),
    ],
)
@pytest.mark.parametrize(
    "transformer", [SpineCropper(5, 5), HorizontalFlip(), IntensityScaler("per_scan")]
)
def test_bad_input_is_one_clear_error(transformer, X, message):
    with pytest.raises(ScanError, match=message):
        transformer.fit(X)
    with pytest.raises(ScanError, match=message):
        transformer.transform(X)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "transformer", [HorizontalFlip(), IntensityScaler(), IntensityScaler("per_scan")]
)
def test_the_kind_of_collection_is_kept(transformer, kind):
    X = KINDS[kind]([np.eye(7, 9, k=shift, dtype=np.float32) for shift in range(3)])
    result = transformer.fit_transform(X)
    assert type(result) is (list if isinstance(X, tuple) else type(X))
    if isinstance(X, np.ndarray):
        assert result.shape == X.shape
        assert result.dtype == (object if X.ndim == 1 else np.float32)
    if isinstance(X, pd.Series):
        assert result.name == "scan"
    if isinstance(X, pd.DataFrame | pd.Series):
        assert result.index.equals(X.index)
    if isinstance(X, pd.DataFrame):
        assert list(result["age"]) == [61, 72, 70]
        result = result["scan"]
    assert all(scan.dtype == np.float32 and scan.shape == (7, 9) for scan in as_scans(result))


def test_the_table_that_was_passed_is_not_changed():
    table = pd.DataFrame({"scan": scans_of_unequal_size(), "age": [61, 72, 70]})
    first = table["scan"][0].copy()
    HorizontalFlip().fit_transform(table)
    IntensityScaler().fit_transform(table)
    np.testing.assert_array_equal(table["scan"][0], first)


@pytest.mark.parametrize(
    "transformer",
    [
        SpineCropper(height=0),
        SpineCropper(height=15.0),
        SpineCropper(width=-3),
        SpineCropper(fill_value="tissue"),
        SpineCropper(fill_value=np.inf),
        SpineCropper(column=None),
        HorizontalFlip(column=3),
        IntensityScaler("minmax"),
    ],
    ids=str,
)
def test_a_bad_parameter_fails_in_fit(transformer):
    message = f"The '.*' parameter of {type(transformer).__name__} must be"
    with pytest.raises(sklearn.utils._param_validation.InvalidParameterError, match=message):
        transformer.fit(scans_of_unequal_size())


TRANSFORMERS = [SpineCropper(20, 30, fill_value=0.2), HorizontalFlip(), IntensityScaler()]


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=str)
def test_clones_and_pickles_do_the_same(transformer):
    scans = np.stack([spine(centre=28), spine(centre=33)])
    expected = clone(transformer).fit(scans).transform(scans)
    copy = pickle.loads(pickle.dumps(clone(transformer).fit(scans)))
    np.testing.assert_array_equal(copy.transform(scans), expected)


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=str)
def test_the_attributes_of_fit(transformer):
    transformer = clone(transformer).fit(
        pd.DataFrame({"scan": scans_of_unequal_size(), "age": [61, 72, 70]})
    )
    assert transformer.n_features_in_ == 2
    assert list(transformer.feature_names_in_) == ["scan", "age"]
    transformer.fit(scans_of_unequal_size())
    assert transformer.n_features_in_ == 1
    assert not hasattr(transformer, "feature_names_in_")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=str)
def test_pandas_output_is_a_table_of_scans(transformer, kind):
    X = KINDS[kind]([spine(centre=centre) for centre in (28, 31, 33)])
    expected = as_scans(clone(transformer).fit_transform(X))
    transformer = clone(transformer).set_output(transform="pandas")
    table = transformer.fit_transform(X)
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == list(transformer.get_feature_names_out())
    assert "scan" in table
    if isinstance(X, pd.DataFrame | pd.Series):
        assert table.index.equals(X.index)
    for scan, same in zip(as_scans(table), expected, strict=True):
        np.testing.assert_array_equal(scan, same)


def test_pandas_output_goes_through_a_pipeline():
    table = pd.DataFrame({"age": [61, 72, 70], "scan": scans_of_unequal_size()}, index=[5, 3, 9])
    steps = make_pipeline(HorizontalFlip(), SpineCropper(20, 30), IntensityScaler())
    expected = steps.fit_transform(table)
    result = clone(steps).set_output(transform="pandas").fit_transform(table)
    assert list(result.columns) == ["scan"]
    assert list(result.index) == [5, 3, 9]
    np.testing.assert_array_equal(np.stack(result["scan"]), expected)


def test_feature_names_without_a_table():
    assert list(SpineCropper().get_feature_names_out()) == ["scan"]
    flip = HorizontalFlip(column="image")
    with pytest.raises(sklearn.exceptions.NotFittedError):
        flip.get_feature_names_out()
    assert list(flip.fit([spine()]).get_feature_names_out()) == ["image"]


class BrighterThanMean(ClassifierMixin, BaseEstimator):
    """Calls a stack's scan positive if it is brighter than the mean training scan."""

    def fit(self, X, y):
        assert X.ndim == 3
        self.classes_ = np.unique(y)
        self.threshold_ = X.mean()
        return self

    def predict(self, X):
        return self.classes_[(X.mean(axis=(1, 2)) > self.threshold_).astype(int)]


@pytest.mark.parametrize("kind", ["table", "list", "stack"])
def test_works_in_pipelines_cross_validation_and_search(kind):
    y = np.tile([0, 1], 10)
    scans = [spine(24, 60, centre=25 + i % 7) * (1 + label) for i, label in enumerate(y)]
    X = {
        "table": pd.DataFrame({"scan": scans}, index=[f"P{i}" for i in range(20)]),
        "list": scans,
        "stack": np.stack(scans),
    }[kind]
    pipeline = make_pipeline(SpineCropper(20, 30), IntensityScaler(), BrighterThanMean())
    scores = cross_validate(pipeline, X, y, cv=4, error_score="raise")["test_score"]
    np.testing.assert_array_equal(scores, 1.0)
    search = GridSearchCV(pipeline, {"spinecropper__width": [20, 40]}, cv=2, error_score="raise")
    assert search.fit(X, y).best_score_ == 1.0
