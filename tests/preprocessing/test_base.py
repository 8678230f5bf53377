"""Columns by name, and scans of another spacing or unit, on the transformers as shipped."""

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdxa.exceptions import ScanError
from skdxa.preprocessing import HorizontalFlip, IntensityScaler, SpineCropper
from skdxa.scan_dtype import ScanArray, ScanDtype
from skdxa.texture import VariogramSlope

SHIPPED = [
    HorizontalFlip(),
    IntensityScaler(),
    IntensityScaler("per_scan"),
    SpineCropper(6, 20),
    VariogramSlope(),
]
SAME_KIND = SHIPPED[:3]


def table(n=6, spacing_mm=(1.05, 0.60), unit="g/cm2"):
    rng = np.random.default_rng(0)
    scans = []
    for _ in range(n):
        scan = rng.normal(0.1, 0.02, size=(24, 60))
        scan[:, 25:40] += 1
        scans.append(scan.astype(np.float32))
    columns = {"age": np.arange(60, 60 + n), "tbs": np.linspace(1.1, 1.4, n)}
    return pd.DataFrame({"scan": ScanArray(scans, spacing_mm, unit), **columns})


@pytest.mark.parametrize("transformer", SAME_KIND)
@pytest.mark.parametrize("by", ["method", "option"])
def test_other_columns_keep_their_own_names(transformer, by):
    X = table()
    with sklearn.config_context(transform_output="pandas" if by == "option" else "default"):
        transformer = sklearn.clone(transformer)
        if by == "method":
            transformer.set_output(transform="pandas")
        transformer.fit(X[["scan", "age", "tbs"]])
        changed = transformer.transform(X[["scan", "tbs", "age"]])
        narrower = transformer.transform(X[["age", "scan"]])
    pd.testing.assert_series_equal(changed["age"], X["age"])
    pd.testing.assert_series_equal(changed["tbs"], X["tbs"])
    pd.testing.assert_series_equal(narrower["age"], X["age"])


@pytest.mark.parametrize("transformer", SHIPPED)
def test_polars_is_refused_by_name(transformer):
    with pytest.raises(ValueError, match="'default' or 'pandas'"):
        transformer.set_output(transform="polars")
    with (
        sklearn.config_context(transform_output="polars"),
        pytest.raises(ValueError, match=r"set_output.*polars.*not supported"),
    ):
        sklearn.clone(transformer).fit_transform(table())


def test_set_output_without_a_choice_changes_nothing():
    flip = HorizontalFlip().set_output(transform="pandas")
    assert isinstance(flip.set_output().transform([np.eye(7, 9)]), pd.DataFrame)


@pytest.mark.parametrize("transformer", [SpineCropper(6, 20), IntensityScaler(), VariogramSlope()])
def test_scans_of_another_spacing_or_unit_are_refused(transformer):
    fitted = sklearn.clone(transformer).fit(table())
    assert fitted.scan_dtype_ == ScanDtype((1.05, 0.60), "g/cm2")
    with pytest.raises(ScanError, match=r"those seen in fit of type .*1.05 x 0.6 mm, g/cm2"):
        fitted.transform(table(spacing_mm=(0.25, 0.25)))
    with pytest.raises(ScanError, match=r"in grey level, those seen in fit in g/cm2\. One cannot"):
        fitted.transform(table(unit="grey level"))
    fitted.transform(table(unit=None))
    fitted.transform(table(spacing_mm=None))


def test_quality_is_of_scans_of_the_type_seen_in_fit():
    fitted = SpineCropper(6, 20).fit(table())
    np.testing.assert_array_equal(fitted.quality(table()), fitted.quality_)
    with pytest.raises(ScanError, match=r"those seen in fit of type .*1.05 x 0.6 mm, g/cm2"):
        fitted.quality(table(spacing_mm=(0.25, 0.25)))
    with pytest.warns(UserWarning, match=r"state neither.*taken to be of type") as caught:
        fitted.quality(list(table()["scan"]))
    assert caught[0].filename == __file__


@pytest.mark.parametrize("transformer", [SpineCropper(6, 20), IntensityScaler(), VariogramSlope()])
def test_assumptions_about_plain_arrays_are_reported(transformer):
    fitted = sklearn.clone(transformer).fit(table())
    with pytest.warns(UserWarning, match=r"state neither.*taken to be of type .*g/cm2") as caught:
        fitted.transform(list(table()["scan"]))
    assert caught[0].filename == __file__
    unstated = sklearn.clone(transformer).fit(list(table()["scan"]))
    assert unstated.scan_dtype_ is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        unstated.transform(list(table()["scan"]))


def test_a_flip_accepts_scans_of_any_type_and_keeps_it():
    flip = HorizontalFlip().fit(table())
    assert flip.transform(table(unit="grey level"))["scan"].dtype.unit == "grey level"
    scaled = IntensityScaler().fit_transform(table())["scan"].dtype
    assert scaled == ScanDtype((1.05, 0.60), "standard deviations")
    crops = SpineCropper(6, 20).set_output(transform="pandas").fit_transform(table())
    assert crops["scan"].dtype == ScanDtype((1.05, 0.60), "g/cm2")


def test_the_spine_is_searched_at_the_spacing_that_scans_state():
    rng = np.random.default_rng(0)
    scan = rng.normal(0.1, 0.01, size=(60, 120))
    scan[:, 40:52] += 1
    scans = pd.Series(ScanArray([scan], (2.6, 3.0), "g/cm2"))
    crop = SpineCropper(40, 21).fit_transform(scans)[0]
    bright = np.flatnonzero(crop[20] > 0.5)
    assert abs(bright.mean() - 10) <= 1


def test_a_texture_needs_the_spacing_of_its_scans():
    with pytest.raises(ScanError, match=r"pixels of 0.25 x 0.25 mm, but spacing_mm is \(1.05"):
        VariogramSlope().fit(table(spacing_mm=(0.25, 0.25)))
    named = VariogramSlope().set_output(transform="pandas").fit_transform(table())
    assert named.columns.tolist() == ["variogram_slope"]
    assert named.index.tolist() == list(range(6))


def test_bagging_gives_scans_as_a_table_of_objects():
    X = table(20)[["scan"]]
    y = np.tile([0, 1], 10)
    flatten = FunctionTransformer(lambda stack: stack.reshape(len(stack), -1))
    model = make_pipeline(SpineCropper(6, 20), flatten, LogisticRegression())
    bagging = BaggingClassifier(model, n_estimators=2, random_state=0).fit(X, y)
    assert bagging.predict_proba(X).shape == (20, 2)
