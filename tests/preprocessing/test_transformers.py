import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline

from skdxa.exceptions import ScanError
from skdxa.preprocessing import (
    LOW_QUALITY,
    HorizontalFlip,
    IntensityScaler,
    SpineCropper,
    find_spine_line,
)
from skdxa.validation import as_scans


def spine(n_rows=24, n_columns=60, centre=30, half_width=8):
    columns = np.arange(n_columns)
    row = np.where(np.abs(columns - centre) <= half_width, 1.0, 0.1)
    return np.tile(row, (n_rows, 1)).astype(np.float32)


def scans_of_unequal_size():
    return [spine(22, 60), spine(27, 71, centre=38), spine(24, 66, centre=30)]


def object_array(scans):
    result = np.empty(len(scans), dtype=object)
    result[:] = scans
    return result


KINDS = {
    "list": lambda scans: scans,
    "tuple": tuple,
    "nested lists": lambda scans: [scan.tolist() for scan in scans],
    "object array": object_array,
    "Series": lambda scans: pd.Series(scans, index=["a", "b", "c"], name="scan"),
    "DataFrame": lambda scans: pd.DataFrame({"age": [61, 72, 70], "scan": scans}),
    "stack": np.stack,
    "stack of objects": lambda scans: np.stack(scans).astype(object),
    "stack of integers": lambda scans: np.stack(scans).round().astype(np.uint8),
}


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
            r"The scan of row 'P02' is missing \(it is nan\)",
        ),
        (pd.Series([np.full((7, 9), np.nan)], index=[41]), "The scan of row 41 holds no scanned"),
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
def test_the_crop_is_a_stack_with_the_spine_in_the_middle(kind):
    scans = [spine(24, 60, centre=centre) for centre in (25, 30, 36)]
    crops = SpineCropper(height=12, width=31).fit_transform(KINDS[kind](scans))
    assert crops.shape == (3, 12, 31)
    assert crops.dtype == np.float32
    for crop in crops:
        bright = np.flatnonzero(crop[5] > 0.5)
        assert abs(bright.mean() - 15) <= 1


def test_scans_of_unequal_size_become_equal():
    assert SpineCropper(20, 30).fit_transform(scans_of_unequal_size()).shape == (3, 20, 30)


def test_the_default_crop_is_150_by_150():
    crops = SpineCropper().fit_transform([spine(178, 300, 160, 37), spine(150, 310, 140, 37)])
    assert crops.shape == (2, 150, 150)


@pytest.mark.parametrize(("n_rows", "first_row"), [(24, 6), (25, 6), (12, 0)])
def test_the_middle_rows_of_a_tall_scan_are_kept(n_rows, first_row):
    scan = spine(n_rows) + 0.01 * np.arange(n_rows, dtype=np.float32)[:, None]
    crop = SpineCropper(12, 60).fit_transform([scan])[0]
    start = np.flatnonzero(np.isclose(scan[:, 30], crop[0, 30]))
    assert start == [first_row]


def test_a_short_scan_is_padded_above_and_below():
    crop = SpineCropper(12, 20, fill_value=-1).fit_transform([spine(n_rows=7)])[0]
    np.testing.assert_array_equal((crop == -1).all(axis=1), [True] * 3 + [False] * 7 + [True] * 2)


@pytest.mark.parametrize("centre", [4, 55])
def test_columns_beyond_the_edge_are_padded(centre):
    crop = SpineCropper(12, 40, fill_value=-1).fit_transform([spine(centre=centre)])[0]
    padded = (crop == -1).all(axis=0)
    assert 0 < padded.sum() < 24
    assert padded[0 if centre == 4 else -1]
    assert not padded[20]


def test_padding_and_unscanned_pixels_take_the_soft_tissue_level():
    scan = spine(7)
    scan[:4, :22] = np.nan
    crop = SpineCropper(12, 31).fit_transform([scan])[0]
    assert set(np.unique(crop)) == {np.float32(0.1), np.float32(1.0)}


def test_a_given_fill_value_is_used():
    scan = spine(12)
    scan[:4, :25] = np.nan
    crop = SpineCropper(12, 60, fill_value=0.25).fit_transform([scan])[0]
    assert (crop == 0.25).sum() >= np.isnan(scan).sum()
    assert not np.isnan(crop).any()


@pytest.mark.parametrize("centre", [4, 30, 55])
@pytest.mark.parametrize("n_rows", [7, 24, 25])
def test_the_window_says_where_the_crop_was_cut(n_rows, centre):
    scan = spine(n_rows, centre=centre) + np.float32(0.01) * np.arange(n_rows)[:, None]
    cropper = SpineCropper(12, 40, fill_value=-1)
    on_scan, on_crop = cropper.window(scan.tolist())
    expected = np.full((12, 40), -1, np.float32)
    expected[on_crop] = scan[on_scan]
    np.testing.assert_array_equal(cropper.fit_transform([scan])[0], expected)
    with pytest.raises(ScanError, match="scan must be a two-dimensional array"):
        cropper.window([scan])


def test_a_curved_spine_stays_curved():
    shift = (12 * np.sin(np.pi * np.arange(90) / 90)).astype(int)
    scan = np.stack([np.roll(spine(1, 100, 45, 12)[0], s) for s in shift])
    crop = SpineCropper(90, 60).fit_transform([scan])[0]
    centres = [np.flatnonzero(row > 0.5).mean() for row in crop]
    np.testing.assert_array_equal(np.diff(centres), np.diff(shift))


def test_a_scan_narrower_than_the_crop_is_one_clear_error():
    scans = [spine(), spine(n_columns=40, centre=20)]
    message = r"Scan 1 has 40 columns, fewer than the crop's width of 50\. Choose a smaller width"
    with pytest.raises(ScanError, match=message):
        SpineCropper(20, 50).fit_transform(scans)
    table = pd.DataFrame({"scan": scans}, index=["P01", "P02"])
    with pytest.raises(ScanError, match=r"^The scan of row 'P02' has 40 columns"):
        SpineCropper(20, 50).fit_transform(table)


@pytest.mark.parametrize("centre", [0, 59])
@pytest.mark.parametrize("shape", [(1, 60), (24, 60), (200, 61)])
def test_the_crop_never_fails_at_an_edge(centre, shape):
    crop = SpineCropper(30, 60).fit_transform([spine(*shape, centre=centre, half_width=2)])
    assert crop.shape == (1, 30, 60)
    assert np.isfinite(crop).all()


def test_what_is_done_to_a_scan_depends_on_that_scan_alone():
    scans = scans_of_unequal_size()
    together = SpineCropper(20, 30).fit_transform(scans)
    alone = SpineCropper(20, 30).transform([scans[2]])
    np.testing.assert_array_equal(together[2], alone[0])


def a_spine_and_noise():
    noise = np.random.default_rng(0).normal(size=(27, 71))
    return [spine(22, 60), noise, spine(24, 66, centre=40)]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "stack" not in kind])
def test_the_quality_of_each_training_scan_is_kept(kind):
    scans = KINDS[kind](a_spine_and_noise())
    cropper = SpineCropper(20, 30).fit(scans)
    expected = [
        find_spine_line(scan, spacing_mm=(1.05, 0.60), return_quality=True)
        for scan in a_spine_and_noise()
    ]
    np.testing.assert_allclose(cropper.quality_, [quality for _, quality in expected], atol=1e-6)
    np.testing.assert_allclose(cropper.middle_, [line.mean() for line, _ in expected], atol=1e-4)
    assert list(cropper.quality_ < LOW_QUALITY) == [False, True, False]
    np.testing.assert_array_equal(cropper.quality(scans), cropper.quality_)
    np.testing.assert_array_equal(SpineCropper(20, 30).quality(scans), cropper.quality_)


def test_the_quality_of_later_scans_changes_nothing():
    cropper = SpineCropper(20, 30).fit(a_spine_and_noise())
    before = pickle.dumps(cropper)
    later = [spine(30, 80, centre=35)]
    (quality,) = cropper.quality(later)
    cropper.transform(later)
    assert quality > LOW_QUALITY
    assert pickle.dumps(cropper) == before
    unfitted = SpineCropper(20, 30)
    unfitted.transform(later)
    unfitted.quality(later)
    assert vars(unfitted) == vars(SpineCropper(20, 30))
    assert len(cropper.fit(later).quality_) == 1


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_fitting_and_transforming_searches_each_scan_once(output, monkeypatch):
    searched = []

    def count(scan, **options):
        searched.append(scan.shape)
        return find_spine_line(scan, **options)

    monkeypatch.setattr("skdxa.preprocessing._crop.find_spine_line", count)
    scans = scans_of_unequal_size()
    cropper = SpineCropper(20, 30).set_output(transform=output)
    together = cropper.fit_transform(scans)
    assert searched == [scan.shape for scan in scans]
    in_turn = SpineCropper(20, 30).set_output(transform=output).fit(scans).transform(scans)
    assert type(together) is type(in_turn)
    np.testing.assert_array_equal(np.stack(as_scans(together)), np.stack(as_scans(in_turn)))
    assert cropper.quality_.shape == (3,)


def test_a_pipeline_keeps_the_quality_of_its_training_scans():
    scans = scans_of_unequal_size()
    steps = make_pipeline(HorizontalFlip(), SpineCropper(20, 30), IntensityScaler()).fit(scans)
    np.testing.assert_array_equal(
        steps["spinecropper"].quality_,
        SpineCropper(20, 30).quality([scan[:, ::-1] for scan in scans]),
    )


def test_quality_names_a_bad_scan():
    with pytest.raises(ScanError, match=r"Scan 1 holds no scanned pixel"):
        SpineCropper(20, 30).quality([spine(), np.full((7, 9), np.nan)])


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


def test_flipping_mirrors_columns_and_nothing_else():
    scans = scans_of_unequal_size()
    scans[0][3, 5] = np.nan
    flipped = HorizontalFlip().fit_transform(scans)
    for scan, mirror in zip(scans, flipped, strict=True):
        np.testing.assert_array_equal(mirror, scan[:, ::-1])
        assert mirror.flags.c_contiguous
        assert not np.shares_memory(mirror, scan)
    for scan, back in zip(scans, HorizontalFlip().inverse_transform(flipped), strict=True):
        np.testing.assert_array_equal(back, scan)


def test_the_table_that_was_passed_is_not_changed():
    table = pd.DataFrame({"scan": scans_of_unequal_size(), "age": [61, 72, 70]})
    first = table["scan"][0].copy()
    HorizontalFlip().fit_transform(table)
    IntensityScaler().fit_transform(table)
    np.testing.assert_array_equal(table["scan"][0], first)


def test_standard_scaling_uses_the_training_pixels():
    rng = np.random.default_rng(0)
    train = [rng.normal(3, 2, (7, 9)), rng.normal(5, 1, (11, 4))]
    train[0][2, :5] = np.nan
    scaler = IntensityScaler().fit(train)
    pixels = np.concatenate([scan.ravel() for scan in train])
    assert scaler.mean_ == pytest.approx(np.nanmean(pixels), rel=1e-6)
    assert scaler.scale_ == pytest.approx(np.nanstd(pixels), rel=1e-6)
    test = rng.normal(8, 4, (7, 9))
    scaled = scaler.transform([test])[0]
    np.testing.assert_allclose(scaled, (test - scaler.mean_) / scaler.scale_, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(np.isnan(scaler.transform(train)[0]), np.isnan(train[0]))


def test_per_scan_scaling_uses_the_scan_itself():
    rng = np.random.default_rng(0)
    scans = [rng.normal(3, 2, (7, 9)), rng.normal(50, 10, (11, 4))]
    scans[1][0] = np.nan
    for scaled in IntensityScaler("per_scan").fit_transform(scans):
        assert np.nanmean(scaled) == pytest.approx(0, abs=1e-5)
        assert np.nanstd(scaled) == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("method", ["standard", "per_scan"])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_constant_scans_become_zero(method, value):
    scaled = IntensityScaler(method).fit_transform(np.full((2, 7, 9), value))
    np.testing.assert_allclose(scaled, 0, atol=1e-3)


def test_standard_scaling_needs_fit_and_per_scan_scaling_does_not():
    scans = scans_of_unequal_size()
    with pytest.raises(sklearn.exceptions.NotFittedError):
        IntensityScaler().transform(scans)
    per_scan = IntensityScaler("per_scan")
    per_scan.transform(scans)
    with pytest.raises(sklearn.exceptions.NotFittedError):
        per_scan.fit(scans).set_params(method="standard").transform(scans)


def test_a_refit_with_another_method_forgets_the_old_numbers():
    scaler = IntensityScaler().fit(scans_of_unequal_size())
    scaler.set_params(method="per_scan").fit(scans_of_unequal_size())
    assert not hasattr(scaler, "mean_")
    assert not hasattr(scaler, "scale_")


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
