"""Variograms and their slopes, against R, closed forms and surfaces of known roughness."""

import json
import pickle
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from sklearn.base import clone

from skdxa.exceptions import ScanError
from skdxa.preprocessing import find_spine_region
from skdxa.texture import VariogramSlope, variogram

DATA = Path(__file__).parents[1] / "data" / "densitometry"
RECORDS = json.loads((DATA / "reference.json").read_text())["records"]
IN_R = [record for record in RECORDS if record["file"] and record["case"] != "tscore"]
AXES = {"axis_pooled": "both", "rows": "rows", "cols": "columns", "mean_of_axes": "mean"}


def field_of(record):
    return np.genfromtxt(DATA / record["file"], delimiter=",")


def of_statistic(*statistics):
    records = [record for record in IN_R if record["statistic"] in statistics]
    assert records
    return pytest.mark.parametrize("record", records, ids=lambda record: record["id"])


def close(found, record, key):
    expected = np.array(record["value"][key], dtype=float)
    np.testing.assert_allclose(found, expected, rtol=record["rtol"], atol=record["atol"])


def slope(field, **parameters):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "1 of 1 variograms have no slope")
        return VariogramSlope(**parameters).fit_transform([field])[0, 0]


# Against R


@of_statistic("variogram_fields", "variogram_fields_spacing_1.05_0.6", "variogram_gstat")
def test_variogram_agrees_with_r(record):
    field, value = field_of(record), record["value"]
    spacing = (1.05, 0.60) if "1.05" in record["statistic"] else (1, 1)
    found = variogram(field, spacing_mm=spacing, axis="all", max_lag_mm=value["d"][-1] + 1e-6)
    close(found.lag_mm, record, "d")
    close(found.gamma, record, "gamma")
    if "n" in value:
        assert found.n_pairs.tolist() == value["n"]
    for axis, name in (("rows", "rows"), ("columns", "cols")):
        largest = value[f"{name}_d"][-1] + 1e-6
        found = variogram(field, spacing_mm=spacing, axis=axis, max_lag_mm=largest)
        close(found.lag_mm, record, f"{name}_d")
        close(found.gamma, record, f"{name}_gamma")
        assert found.n_pairs.tolist() == value[f"{name}_n"]


@of_statistic("loglog_slope")
@pytest.mark.parametrize("most", range(2, 7))
@pytest.mark.parametrize("name", AXES)
def test_slope_agrees_with_r(record, most, name):
    found = slope(field_of(record), lags_mm=(1, most), axis=AXES[name], spacing_mm=(1, 1))
    expected = record["value"][f"lags1to{most}"][name]
    expected = np.nan if expected == "NA" else expected
    np.testing.assert_allclose(found, expected, rtol=record["rtol"], atol=record["atol"])


@of_statistic("loglog_slope")
@pytest.mark.parametrize("most", [2, 4])
def test_slope_in_all_directions_agrees_with_r(record, most):
    found = slope(field_of(record), lags_mm=(0, most), axis="all", spacing_mm=(1, 1))
    expected = record["value"][f"all_directions_d_le_{most}"]
    expected = np.nan if expected == "NA" else expected
    np.testing.assert_allclose(found, expected, rtol=record["rtol"], atol=record["atol"])


def test_ramp_is_exact():
    record = next(r for r in IN_R if r["statistic"] == "variogram_exact")
    field = field_of(record)
    down = variogram(field, spacing_mm=(1, 1), axis="rows")
    np.testing.assert_allclose(down.gamma, 2 * down.lag_mm**2, rtol=1e-12)
    assert not variogram(field, spacing_mm=(1, 1), axis="columns").gamma.any()
    assert slope(field, axis="rows") == pytest.approx(2, rel=1e-12)


@pytest.mark.parametrize("hurst", [0.2, 0.5, 0.8])
def test_brownian_surfaces_have_twice_their_hurst_exponent(hurst):
    record = next(r for r in RECORDS if r["id"] == f"field_fbm_H0{10 * hurst:.0f}/ensemble_slope")
    points = np.argwhere(np.ones((32, 32))) + 1.0
    power = 2 * hurst
    from_origin = np.linalg.norm(points, axis=1) ** power
    covariance = from_origin[:, None] + from_origin - cdist(points, points) ** power
    root = np.linalg.cholesky(covariance / 2 + 1e-10 * np.eye(len(points)))
    noise = np.random.default_rng(0).normal(size=(len(points), 200))
    surfaces = (root @ noise).T.reshape(200, 32, 32)
    slopes = VariogramSlope(lags_mm=(1, 4), spacing_mm=(1, 1)).fit_transform(surfaces)
    assert slopes.mean() == pytest.approx(record["value"]["theory"], abs=record["atol"])
    assert slopes.std() == pytest.approx(record["value"]["sd_of_200"], rel=0.2)
    error = record["value"]["sd_of_200"] * np.sqrt(2 / 200)
    assert abs(slopes.mean() - record["value"]["mean_of_200"]) < 4 * error


# The variogram


@pytest.mark.parametrize("axis", ["both", "rows", "columns", "all"])
def test_missing_pixels_drop_their_pairs(axis):
    rng = np.random.default_rng(0)
    field = rng.normal(size=(7, 9))
    field[rng.random(field.shape) < 0.3] = np.nan
    places = np.argwhere(~np.isnan(field))
    sums = {}
    for first in range(len(places)):
        for second in range(first):
            steps = places[first] - places[second]
            if {"both": steps.all(), "rows": steps[1], "columns": steps[0], "all": False}[axis]:
                continue
            lag = round(float(np.hypot(*(steps * (1.05, 0.60)))), 6)
            gap = field[tuple(places[first])] - field[tuple(places[second])]
            sums.setdefault(lag, []).append(gap**2 / 2)
    found = variogram(field, spacing_mm=(1.05, 0.60), axis=axis, max_lag_mm=3.0)
    expected = {lag: gaps for lag, gaps in sorted(sums.items()) if lag <= 3.0}
    np.testing.assert_allclose(found.lag_mm, list(expected), atol=1e-6)
    np.testing.assert_allclose(found.gamma, [np.mean(gaps) for gaps in expected.values()])
    assert found.n_pairs.tolist() == [len(gaps) for gaps in expected.values()]


def test_lags_end_where_the_scan_ends():
    field = np.arange(63.0).reshape(7, 9) ** 2
    whole = variogram(field, spacing_mm=(1.05, 0.60), axis="rows", max_lag_mm=1000)
    np.testing.assert_allclose(whole.lag_mm, 1.05 * np.arange(1, 7))
    assert whole.n_pairs.tolist() == [54, 45, 36, 27, 18, 9]
    half = variogram(field, spacing_mm=(1.05, 0.60), axis="columns")
    np.testing.assert_allclose(half.lag_mm, [0.6, 1.2, 1.8, 2.4])
    assert variogram(field, spacing_mm=(1.05, 0.60)).lag_mm.max() == pytest.approx(2.4)
    field[:, 1::2] = np.nan
    gappy = variogram(field, spacing_mm=(1, 1), axis="columns", max_lag_mm=2)
    assert gappy.n_pairs.tolist() == [0, 28]
    assert np.isnan(gappy.gamma).tolist() == [True, False]


def test_variogram_refuses_what_it_cannot_use():
    field = np.zeros((7, 9))
    with pytest.raises(
        ScanError, match=r"field must be a two-dim.* of shape \(7,\) and type float64"
    ):
        variogram(field[:, 0], spacing_mm=(1, 1))
    with pytest.raises(ScanError, match=r"field must be a two-dimensional .* it is the text"):
        variogram("scan.dcm", spacing_mm=(1, 1))
    with pytest.raises(ScanError, match="field holds infinite pixels"):
        variogram(field + np.inf, spacing_mm=(1, 1))
    with pytest.raises(ValueError, match=r"axis must be one of .* got 'mean'"):
        variogram(field, spacing_mm=(1, 1), axis="mean")
    with pytest.raises(ValueError, match=r"max_lag_mm=0\.5 is less than .* 0\.6 mm"):
        variogram(field, spacing_mm=(1.05, 0.60), max_lag_mm=0.5)
    with pytest.raises(ValueError, match="max_lag_mm must be a positive number; got -1"):
        variogram(field, spacing_mm=(1.05, 0.60), max_lag_mm=-1)


# The transformer


@pytest.fixture(scope="module")
def table():
    """Three scans of unequal size, each with labels of two regions."""
    rng = np.random.default_rng(0)
    scans, labels = [], []
    for number in range(3):
        scans.append(rng.normal(size=(30 + number, 40 + 2 * number)).cumsum(axis=1))
        regions = np.zeros(scans[-1].shape)
        regions[2:14, 5:25] = 1
        regions[16:28, 8:30] = 2
        regions[0] = np.nan
        labels.append(regions)
    scans = [scan.astype(np.float32) for scan in scans]
    return pd.DataFrame({"scan": scans, "age": [60, 70, 80], "labels": labels}, index=[7, 8, 9])


def test_every_kind_of_collection_gives_the_same(table):
    scans = table["scan"].tolist()
    expected = VariogramSlope().fit_transform(scans)
    assert expected.shape == (3, 1)
    assert expected.dtype == np.float64
    for X in (table, table["scan"], table["scan"].to_numpy(), tuple(scans)):
        np.testing.assert_array_equal(VariogramSlope().fit_transform(X), expected)
    np.testing.assert_array_equal(
        VariogramSlope().fit_transform(np.stack(scans[:1])), expected[:1]
    )
    renamed = table.rename(columns={"scan": "image"})
    np.testing.assert_array_equal(VariogramSlope(column="image").fit_transform(renamed), expected)


def test_lags_are_in_mm_on_each_axis():
    field = np.random.default_rng(1).normal(size=(40, 50)).cumsum(axis=0).cumsum(axis=1)
    for axis, lags in (("rows", [1.05, 2.10, 3.15]), ("columns", [0.6, 1.2, 1.8, 2.4, 3.0])):
        found = variogram(field, spacing_mm=(1.05, 0.60), axis=axis, max_lag_mm=3.2)
        np.testing.assert_allclose(found.lag_mm, lags)
        expected = np.polyfit(np.log(lags), np.log(found.gamma), 1)[0]
        assert slope(field, axis=axis) == pytest.approx(expected)
        # The same lags, the axes swapped with the picture.
        other = "columns" if axis == "rows" else "rows"
        assert slope(field.T, axis=other, spacing_mm=(0.60, 1.05)) == pytest.approx(expected)


def test_levels_that_differ_between_axes_do_not_tilt_the_mean():
    rng = np.random.default_rng(0)
    field = rng.normal(size=(60, 90)) + 3 * rng.normal(size=(60, 1))
    per_axis = [slope(field, axis=axis) for axis in ("rows", "columns")]
    assert slope(field, axis="mean") == pytest.approx(np.mean(per_axis))
    np.testing.assert_allclose(per_axis, 0, atol=0.2)
    # The longest lags are of the rows, whose level is ten times as high.
    assert slope(field, axis="both") > 0.3


def test_labels_and_boxes_cut_the_same_regions(table):
    by_label = VariogramSlope(regions="labels").fit(table)
    boxes = {"upper": (2, 14, 5, 25), "lower": (16, 28, 8, 30)}
    by_box = VariogramSlope(regions=boxes).fit(table)
    slopes = by_label.transform(table)
    assert slopes.shape == (3, 2)
    np.testing.assert_array_equal(slopes, by_box.transform(table))
    np.testing.assert_array_equal(slopes, by_box.transform(table["scan"].tolist()))
    assert by_label.get_feature_names_out().tolist() == ["variogram_slope_1", "variogram_slope_2"]
    assert by_box.region_names_ == ["upper", "lower"]
    lower = table["scan"].iloc[1][16:28, 8:30]
    assert slopes[1, 1] == pytest.approx(slope(lower), rel=1e-12)


def halves(scan):
    """Label the left half 1 and the right half 2."""
    return np.where(np.arange(scan.shape[1]) < 20, 1, 2) * np.ones((len(scan), 1))


def test_regions_may_be_found_by_a_function(table):
    model = clone(VariogramSlope(regions=halves)).fit(table["scan"].tolist())
    slopes = model.transform(table)
    assert slopes.shape == (3, 2)
    for number, scan in enumerate(table["scan"]):
        assert slopes[number, 0] == pytest.approx(slope(scan[:, :20]))
        assert slopes[number, 1] == pytest.approx(slope(scan[:, 20:]))
    assert model.get_feature_names_out().tolist() == ["variogram_slope_1", "variogram_slope_2"]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).transform(table), slopes)


def test_a_function_is_given_each_scan_as_it_is_and_may_not_change_it(table):
    seen = []

    def first_rows(scan):
        seen.append(scan.copy())
        scan[:] = 0
        return np.arange(len(scan))[:, np.newaxis] < np.full(scan.shape[1], 12)

    scans = [scan.astype(float) for scan in table["scan"]]
    scans[1][3, 4] = np.nan
    before = [scan.copy() for scan in scans]
    slopes = VariogramSlope(regions=first_rows).fit(scans).transform(scans)
    for number, scan in enumerate(before):
        np.testing.assert_array_equal(scans[number], scan)
        np.testing.assert_array_equal(seen[number], scan)
        assert slopes[number, 0] == pytest.approx(slope(scan[:12]))


def test_the_spine_is_found_where_it_is():
    rng = np.random.default_rng(0)
    scans = []
    for middle in (110, 190):
        scan = 0.1 + 0.02 * rng.normal(size=(160, 300))
        # A rough spine of 42 mm in smooth tissue.
        scan[:, middle - 35 : middle + 35] = 1 + rng.normal(size=(160, 70)).cumsum(axis=0) / 50
        scans.append(scan)
    for scan in scans:
        for width_mm in (20, 30):
            finder = partial(find_spine_region, width_mm=width_mm)
            spine = np.where(finder(scan), scan, np.nan)
            found = slope(scan, axis="rows", regions=finder)
            assert found == pytest.approx(slope(spine, axis="rows"), rel=1e-12)
            # A random walk down the columns.
            assert found == pytest.approx(1, abs=0.05)
        assert abs(slope(scan, axis="rows") - 1) > 0.1
        assert slope(scan, axis="rows", regions=find_spine_region) == found


def test_what_a_function_finds_is_checked(table):
    def refuse(scan):
        if len(scan) == 31:
            raise ScanError("no spine here.")
        return np.ones_like(scan)

    with pytest.raises(ScanError, match=r"The scan at index 8: no spine here\."):
        VariogramSlope(regions=refuse).fit(table)
    with pytest.raises(
        ScanError, match="index 7: the image of labels that regions found has the s"
    ):
        VariogramSlope(regions=lambda scan: scan[1:]).fit(table)
    with pytest.raises(ScanError, match="No label that regions found is above 0"):
        VariogramSlope(regions=np.zeros_like).fit(table)
    with pytest.raises(IndexError) as failed:
        VariogramSlope(regions=lambda scan: scan[99]).fit(table)
    assert failed.value.__notes__[0].startswith("The scan at index 7: regions failed to find")
    model = VariogramSlope(regions=np.ones_like).fit(table)
    with pytest.raises(ScanError, match="Scan 1 holds infinite pixels"):
        model.transform([np.zeros((7, 9)), np.full((7, 9), np.inf)])


def test_a_region_is_not_compared_with_what_lies_beside_it(table):
    changed = table.copy()
    changed["scan"] = [
        np.where(labels == 2, scan, scan + 1000)
        for scan, labels in zip(table["scan"], table["labels"], strict=True)
    ]
    before, after = (VariogramSlope(regions="labels").fit_transform(X) for X in (table, changed))
    np.testing.assert_array_equal(before[:, 1], after[:, 1])


def test_flat_regions_are_nan_and_named(table):
    flat = table.copy()
    flat["scan"] = [
        np.where(np.nan_to_num(labels) == 2, 0.5, scan)
        for scan, labels in zip(table["scan"], table["labels"], strict=True)
    ]
    model = VariogramSlope(regions="labels").fit(table)
    with pytest.warns(RuntimeWarning, match="3 of 6 variograms .* scan at index 7, region 2"):
        slopes = model.transform(flat)
    assert np.isnan(slopes).tolist() == [[False, True]] * 3
    flat["labels"] = [np.where(labels == 2, 0, labels) for labels in table["labels"]]
    with pytest.warns(RuntimeWarning, match="region that is too small"):
        assert np.isnan(model.transform(flat)[:, 1]).all()
    with pytest.warns(RuntimeWarning, match=r"1 of 2 variograms .* The first: Scan 1\."):
        VariogramSlope().fit_transform([table["scan"].iloc[0], np.full((7, 9), 0.5)])
    with pytest.raises(ScanError, match="Scan 1 holds no scanned pixel"):
        VariogramSlope().fit([table["scan"].iloc[0], np.full((7, 9), np.nan)])
    # An image of labels may be empty: the scan then has no such region.
    empty = table.copy()
    empty["labels"] = [*table["labels"].iloc[:2], np.full(table["labels"].iloc[2].shape, np.nan)]
    with pytest.warns(RuntimeWarning, match="2 of 6 variograms"):
        assert np.isnan(model.transform(empty)[2]).all()


def test_pandas_output_keeps_the_index(table):
    model = VariogramSlope(regions="labels").set_output(transform="pandas")
    result = model.fit_transform(table)
    assert result.index.tolist() == [7, 8, 9]
    assert result.columns.tolist() == ["variogram_slope_1", "variogram_slope_2"]
    whole = VariogramSlope().set_output(transform="pandas").fit_transform(table["scan"].tolist())
    assert whole.columns.tolist() == ["variogram_slope"]
    assert whole.index.tolist() == [0, 1, 2]


def test_fit_keeps_the_columns_of_the_last_table(table):
    model = VariogramSlope().fit(table)
    assert model.feature_names_in_.tolist() == ["scan", "age", "labels"]
    assert model.n_features_in_ == 3
    model.fit(table["scan"].tolist())
    assert model.n_features_in_ == 1
    assert not hasattr(model, "feature_names_in_")
    assert clone(VariogramSlope(regions={"a": (0, 7, 0, 9)})).regions == {"a": (0, 7, 0, 9)}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"axis": "diagonal"}, "The 'axis' parameter of VariogramSlope must be a str among"),
        ({"lags_mm": (0, 1.5), "axis": "rows"}, r"lags_mm=\(0, 1\.5\) holds 1 of axis 'rows'"),
        ({"lags_mm": (0, 1.5), "axis": "mean"}, r"lags_mm=\(0, 1\.5\) holds 1 of axis 'rows'"),
        ({"lags_mm": (1, 2, 3)}, r"lags_mm must be the smallest and the largest.*\(1, 2, 3\)"),
        ({"lags_mm": (3, 1)}, "lags_mm must be the smallest and the largest"),
        ({"spacing_mm": (1.05, -0.6)}, "spacing_mm must be two positive numbers"),
        (
            {"column": "image"},
            r"no column 'image' .*; its columns are \['scan', 'age', 'labels'\]",
        ),
        ({"regions": {}}, "regions is an empty dict"),
        ({"regions": {"L1": (0, 5, 3)}}, r"regions\['L1'\] must be four whole numbers"),
        ({"regions": {"L1": (5, 5, 0, 9)}}, r"regions\['L1'\] must be four whole numbers"),
        ({"regions": {"L1": (0.5, 5, 0, 9)}}, r"regions\['L1'\] must be four whole numbers"),
        ({"regions": "age"}, "The age at index 7 must be a two-dimensional array"),
    ],
)
def test_bad_parameters(table, parameters, message):
    with pytest.raises(ValueError, match=message):
        VariogramSlope(**parameters).fit(table)


def test_bad_labels(table):
    def relabelled(change):
        return table.assign(labels=[change(labels) for labels in table["labels"]])

    model = VariogramSlope(regions="labels").fit(table)
    with pytest.raises(
        ScanError, match=r"labels at index 7 has the shape \(29, 40\); its scan has"
    ):
        model.transform(relabelled(lambda labels: labels[1:]))
    with pytest.raises(ScanError, match="labels at index 7 must hold whole numbers from 0"):
        model.transform(relabelled(lambda labels: labels / 2))
    with pytest.raises(ScanError, match="scan at index 7: label 3 is above 2, the largest in fit"):
        model.transform(relabelled(lambda labels: labels + 1))
    with pytest.raises(ScanError, match="No label in the column 'labels' is above 0"):
        VariogramSlope(regions="labels").fit(relabelled(lambda labels: 0 * labels))
    with pytest.raises(ScanError, match="names a column of labels: X must be a DataFrame"):
        model.transform(table["scan"].tolist())


def test_a_refit_may_find_more_regions(table):
    fewer = table.assign(labels=[np.where(labels == 2, 0, labels) for labels in table["labels"]])
    model = VariogramSlope(regions="labels").fit(fewer)
    assert model.region_names_ == ["1"]
    assert model.fit(table).region_names_ == ["1", "2"]


def test_bad_scans(table):
    model = VariogramSlope(regions={"lower": (16, 28, 8, 41)}).fit(table)
    with pytest.raises(
        ScanError, match="index 7 has 30 rows and 40 columns; region 'lower' reaches"
    ):
        model.transform(table)
    with pytest.raises(ScanError, match=r"X must be a DataFrame.*Put a single scan into a list"):
        VariogramSlope().fit(table["scan"].iloc[0])
    with pytest.raises(ScanError, match=r"X must be a DataFrame with a column of scans"):
        VariogramSlope().fit("scans")
    with pytest.raises(ScanError, match="X holds no scans"):
        VariogramSlope().fit([])
    with pytest.raises(ScanError, match="The scan at index 8 is missing"):
        VariogramSlope().fit(table.assign(scan=[table["scan"].iloc[0], None, np.nan]))
    with pytest.raises(ScanError, match="Scan 1 holds infinite pixels"):
        VariogramSlope().fit([np.zeros((7, 9)), np.full((7, 9), np.inf)])
