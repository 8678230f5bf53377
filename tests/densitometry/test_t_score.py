"""T-scores."""

import copy
import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skdxa.densitometry import (
    FINNISH_WOMEN,
    NHANES_2005_WOMEN,
    NHANES_III_WOMEN,
    ReferencePopulation,
    is_osteoporotic,
    t_score,
)

DATA = Path(__file__).parents[1] / "data" / "densitometry"


@pytest.fixture(scope="module")
def cases():
    """The table of densities, and what R says of it."""
    records = json.loads((DATA / "reference.json").read_text())["records"]
    expected = {r["statistic"]: r["value"] for r in records if r["case"] == "tscore"}
    return pd.read_csv(DATA / "tscore.csv"), expected


def scores_of(table):
    parts = [t_score(group.bmd, FINNISH_WOMEN, site=site) for site, group in table.groupby("site")]
    return pd.concat(parts).loc[table.index]


def test_t_scores_agree_with_r(cases):
    table, expected = cases
    np.testing.assert_allclose(scores_of(table), expected["tscore"], rtol=0, atol=1e-12)


def test_osteoporosis_agrees_with_exact_decimals(cases):
    table, expected = cases
    scores = scores_of(table)
    assert is_osteoporotic(scores).astype(int).tolist() == expected["osteoporotic_exact"]
    assert (scores.to_numpy() <= -2.5).astype(int).tolist() != expected["osteoporotic_exact"]


@pytest.mark.parametrize("narrow", ["bmd", "scores"])
def test_float32_decides_like_float64(cases, narrow):
    table, expected = cases
    if narrow == "bmd":
        scores = scores_of(table.astype({"bmd": np.float32}))
        assert scores.dtype == np.float64
    else:
        scores = scores_of(table).astype(np.float32)
    assert is_osteoporotic(scores).astype(int).tolist() == expected["osteoporotic_exact"]


def test_no_density_of_four_decimals_falls_on_the_wrong_side():
    units = np.arange(6000, 15000)
    for site, limit in (("spine", 9000), ("hip", 6800)):
        decided = is_osteoporotic(t_score(units / 10000, FINNISH_WOMEN, site=site))
        np.testing.assert_array_equal(decided, units <= limit)


@pytest.mark.parametrize(
    ("score", "as_it_is", "on_a_report"),
    [
        (-2.5, True, True),
        (-2.4999999999999996, True, True),
        (-2.499, False, True),
        (-2.46, False, True),
        (-2.45, False, True),
        (-2.4499, False, False),
        (-2.4, False, False),
        (-2.55, True, True),
        (2.5, False, False),
    ],
)
def test_rounding_to_a_tenth_is_another_rule(score, as_it_is, on_a_report):
    assert is_osteoporotic(score) is as_it_is
    assert is_osteoporotic(score, rounded=True) is on_a_report
    assert is_osteoporotic(np.float32(score), rounded=True) is on_a_report


def test_osteopenia_has_another_threshold():
    assert is_osteoporotic([-0.9, -1.0], threshold=-1.0).tolist() == [False, True]
    with pytest.raises(ValueError, match=r"threshold must be a T-score such as -2\.5; got nan"):
        is_osteoporotic(-2.0, threshold=float("nan"))


def test_the_unknown_stays_unknown():
    for missing in (np.nan, None, pd.NA):
        assert is_osteoporotic(missing) is pd.NA
    with pytest.raises(TypeError, match="boolean value of NA is ambiguous"):
        bool(is_osteoporotic(np.nan))
    assert is_osteoporotic([-3.0, -1.0]).dtype == bool
    np.testing.assert_array_equal(is_osteoporotic([-3.0, np.nan, -1.0]), [1, np.nan, 0])
    series = is_osteoporotic(pd.Series([-3.0, None, -1.0], index=["a", "b", "c"], name="spine"))
    pd.testing.assert_series_equal(
        series,
        pd.Series([True, pd.NA, False], index=["a", "b", "c"], name="spine", dtype="boolean"),
    )
    frame = is_osteoporotic(pd.DataFrame({"L1": [-3.0, None], "L2": [0.0, -2.5]}))
    assert frame.dtypes.astype(str).tolist() == ["boolean", "boolean"]
    assert frame["L1"].isna().tolist() == [False, True]


def test_the_kind_and_the_labels_of_the_input_are_kept():
    assert t_score(1.08, FINNISH_WOMEN, site="spine") == pytest.approx(-1)
    assert isinstance(t_score(np.float32(1.08), FINNISH_WOMEN, site="spine"), float)
    assert np.isnan(t_score(None, FINNISH_WOMEN, site="spine"))
    stack = np.full((2, 3, 4), 1.2, dtype=np.float32)
    assert t_score(stack, FINNISH_WOMEN, site="spine").shape == (2, 3, 4)
    series = pd.Series([1.2, np.nan], index=[7, 9], name="bmd_L1")
    result = t_score(series, FINNISH_WOMEN, site="spine")
    pd.testing.assert_series_equal(result, pd.Series([0, np.nan], index=[7, 9], name="bmd_L1"))
    nullable = t_score(pd.Series([1.2, pd.NA], dtype="Float64"), FINNISH_WOMEN, site="spine")
    np.testing.assert_array_equal(nullable, [0, np.nan])
    table = pd.DataFrame({"bmd_L1": [1.2], "bmd_L2": [1.08]}, index=["p"])
    expected = pd.DataFrame({"bmd_L1": [0.0], "bmd_L2": [-1.0]}, index=["p"])
    pd.testing.assert_frame_equal(t_score(table, FINNISH_WOMEN, site="spine"), expected)


def test_tables_say_by_which_reference_and_rule():
    scores = t_score(pd.Series([0.6]), NHANES_III_WOMEN, site="neck")
    assert scores.attrs == {"reference": NHANES_III_WOMEN.name, "site": "neck"}
    assert is_osteoporotic(scores, rounded=True).attrs == {
        "reference": NHANES_III_WOMEN.name,
        "site": "neck",
        "rule": "T-score rounded to a tenth <= -2.5",
    }


@pytest.mark.parametrize(
    ("bmd", "where"),
    [
        (
            pd.DataFrame({"a": [1.0, 1.0], "b": [1.0, 0.0]}, index=["x", "y"]),
            "index 'y', column 'b'",
        ),
        (pd.Series([1.0, -1.0], index=["x", "y"]), "index 'y'"),
        ([1.0, np.inf], "position 1"),
        ([[1.0, 1.0], [980.0, 1.0]], r"position \(1, 0\)"),
    ],
)
def test_impossible_densities_are_named(bmd, where):
    with pytest.raises(ValueError, match=rf"bmd must be in g/cm2.* at {where}"):
        t_score(bmd, FINNISH_WOMEN, site="spine")


def test_a_single_impossible_density_and_text_are_refused():
    with pytest.raises(ValueError, match=r"got 980\. Divide mg/cm2 by 1000"):
        t_score(980, FINNISH_WOMEN, site="hip")
    with pytest.raises(ValueError, match="bmd must hold numbers: could not convert"):
        t_score(["0,98"], FINNISH_WOMEN, site="hip")


def test_published_figures():
    assert FINNISH_WOMEN.mean_and_sd("lumbar") == (1.20, 0.12)
    for site in ("hip", "neck", "femoral_neck", "total_hip"):
        assert FINNISH_WOMEN.mean_and_sd(site) == (0.98, 0.12)
    # The limits of osteoporosis at the hip that go with NHANES III are 0.558 and 0.637 g/cm2.
    for site, limit in (("femoral_neck", 0.558), ("total_hip", 0.637)):
        mean, sd = NHANES_III_WOMEN.mean_and_sd(site)
        assert mean - 2.5 * sd == pytest.approx(limit)
    # The limit of osteoporosis that the source prints beside mean and SD.
    mean, sd = NHANES_2005_WOMEN.mean_and_sd("lumbar_spine")
    assert mean - 2.5 * sd == pytest.approx(0.799)


def test_an_unknown_site_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"no figures for the site 'hip'; .* femoral_neck, total"):
        t_score(0.9, NHANES_III_WOMEN, site="hip")
    with pytest.raises(ValueError, match=r"no figures for the site \['spine'\]"):
        t_score(0.9, FINNISH_WOMEN, site=["spine"])
    with pytest.raises(ValueError, match="reference must be a ReferencePopulation"):
        t_score(0.9, (1.20, 0.12), site="spine")


def test_a_population_of_ones_own():
    mine = ReferencePopulation("mine", "M", {"lumbar_spine": (1.1, 0.1)}, "any", "a report")
    assert mine.sites == {"spine": (1.1, 0.1)}
    assert t_score(1.0, mine, site="lumbar") == pytest.approx(-1)
    assert pickle.loads(pickle.dumps(mine)) == mine == copy.deepcopy(mine)
    assert len({mine, FINNISH_WOMEN, FINNISH_WOMEN}) == 2
    with pytest.raises(AttributeError):
        mine.name = "another"
    with pytest.raises(ValueError, match=r'sex must be "F" or "M"; got \'women\''):
        ReferencePopulation("mine", "women", {}, "", "")
    for figures in (1.2, (0.12, 1.20), (1200, 120), (1.2, 0), ("a", "b")):
        with pytest.raises(ValueError, match=r"mine, spine: must be \(mean, standard deviation"):
            ReferencePopulation("mine", "F", {"spine": figures}, "", "")
