"""T-scores, vertebrae that count, and precision."""

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
    evaluable_vertebrae,
    is_osteoporotic,
    least_significant_change,
    minimum_t_score,
    precision_error,
    spine_t_score,
    t_score,
)

DATA = Path(__file__).parents[1] / "data" / "densitometry"
VERTEBRAE = ["L1", "L2", "L3", "L4"]


@pytest.fixture(scope="module")
def cases():
    """The table of densities, and what R says of it."""
    records = json.loads((DATA / "reference.json").read_text())["records"]
    expected = {r["statistic"]: r["value"] for r in records if r["case"] == "tscore"}
    return pd.read_csv(DATA / "tscore.csv"), expected


def scores_of(table):
    parts = [t_score(group.bmd, FINNISH_WOMEN, site=site) for site, group in table.groupby("site")]
    return pd.concat(parts).loc[table.index]


# T-scores


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
            "row 'y', column 'b'",
        ),
        (pd.Series([1.0, -1.0], index=["x", "y"]), "row 'y'"),
        ([1.0, np.inf], "position 1"),
        ([[1.0, 1.0], [980.0, 1.0]], r"position \(1, 0\)"),
    ],
)
def test_impossible_densities_are_named(bmd, where):
    with pytest.raises(ValueError, match=rf"bmd must be in g/cm2.* in {where}|at {where}"):
        t_score(bmd, FINNISH_WOMEN, site="spine")


def test_a_single_impossible_density_and_text_are_refused():
    with pytest.raises(ValueError, match=r"got 980\. Divide mg/cm2 by 1000"):
        t_score(980, FINNISH_WOMEN, site="hip")
    with pytest.raises(ValueError, match="bmd must hold numbers: could not convert"):
        t_score(["0,98"], FINNISH_WOMEN, site="hip")


# Reference populations


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
        with pytest.raises(ValueError, match="mine, spine: give the mean and the standard dev"):
            ReferencePopulation("mine", "F", {"spine": figures}, "", "")


# Vertebrae


@pytest.mark.parametrize(
    ("scores", "reasons"),
    [
        ([-2.0, -2.1, -2.2, -1.9], ["", "", "", ""]),
        # Exactly 1.0 is not more than 1.0, although -1.2 + 2.2 is 1.0000000000000002.
        ([-2.2, -1.2, -0.2, 0.8], ["", "", "", ""]),
        ([-2.2, -1.19, -1.2, -1.2], ["discordant", "", "", ""]),
        ([-2.0, -2.1, -2.2, -0.5], ["", "", "", "discordant"]),
        ([-2.0, -0.2, -2.1, -2.2], ["", "discordant", "", ""]),
        ([-2.0, -2.1, -3.9, -2.2], ["", "", "discordant", ""]),
        # A step in the middle: the denser part is the odd one.
        ([-2.5, -2.4, -0.9, -0.8], ["", "", "discordant", "discordant"]),
        ([-0.8, -0.9, -2.4, -2.5], ["discordant", "discordant", "", ""]),
        ([-4.0, -2.8, -1.6, -0.4], ["too few left", "discordant", "discordant", "discordant"]),
        ([np.nan, -2.0, np.nan, -0.5], ["not measured", "too few left", "not measured", "discor"]),
        ([np.nan, -2.0, np.nan, -1.5], ["not measured", "", "not measured", ""]),
        ([np.nan] * 4, ["not measured"] * 4),
    ],
)
def test_which_vertebrae_count(scores, reasons):
    chosen = evaluable_vertebrae(scores)
    assert [reason[:6] for reason in chosen.reason] == [reason[:6] for reason in reasons]
    assert chosen.evaluable.tolist() == [reason == "" for reason in reasons]
    assert chosen.diagnosable is ("" in reasons)


def test_the_mirrored_spine_gives_the_mirrored_choice():
    scores = np.random.default_rng(0).normal(-1.5, 1, (500, 4))
    chosen = evaluable_vertebrae(scores)
    mirrored = evaluable_vertebrae(scores[:, ::-1])
    np.testing.assert_array_equal(chosen.evaluable, mirrored.evaluable[:, ::-1])
    kept = chosen.evaluable.sum(axis=1)
    assert set(kept) == {0, 2, 3, 4}
    np.testing.assert_array_equal(chosen.diagnosable, kept >= 2)
    # What is left goes together.
    for row, count in zip(scores, chosen.evaluable, strict=True):
        assert np.abs(np.diff(row[count])).max(initial=0) <= 1


def test_abnormal_vertebrae_are_left_out_whatever_their_score():
    scores = pd.DataFrame([[-2.0] * 4, [-2.0] * 4], index=["a", "b"], columns=VERTEBRAE)
    abnormal = pd.DataFrame(False, index=["a", "b"], columns=VERTEBRAE)
    abnormal.loc["a", "L2"] = True
    abnormal.loc["b", ["L1", "L2", "L4"]] = True
    chosen = evaluable_vertebrae(scores, abnormal=abnormal)
    assert chosen.reason.loc["a"].tolist() == ["", "abnormal", "", ""]
    assert chosen.reason.loc["b"].tolist() == ["abnormal", "abnormal", "too few left", "abnormal"]
    assert chosen.diagnosable.to_dict() == {"a": True, "b": False}
    assert chosen.evaluable.dtypes.tolist() == [bool] * 4
    assert "1.0 T-score" in chosen.rule
    assert "at least 2" in chosen.rule


def test_the_limit_between_neighbours_can_be_set():
    scores = [-2.0, -2.0, -2.0, -0.5]
    assert evaluable_vertebrae(scores, max_difference=1.5).evaluable.all()
    with pytest.raises(ValueError, match="max_difference must be a positive number; got 0"):
        evaluable_vertebrae(scores, max_difference=0)


def test_tables_of_vertebrae_must_fit():
    with pytest.raises(ValueError, match=r"four columns, L1, L2, L3, L4 .* shape is \(2, 3\)"):
        evaluable_vertebrae(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="t_scores and abnormal must have the same rows"):
        evaluable_vertebrae(np.zeros((2, 4)), abnormal=np.zeros((1, 4)))
    scores = pd.DataFrame(np.zeros((2, 4)), index=["a", "b"])
    with pytest.raises(ValueError, match="t_scores and abnormal have different indices"):
        evaluable_vertebrae(scores, abnormal=scores.iloc[::-1])
    unsure = scores.copy()
    unsure.loc["b", 3] = np.nan
    with pytest.raises(
        ValueError, match=r"abnormal must hold true and false only.* 'b', column 3"
    ):
        evaluable_vertebrae(scores, abnormal=unsure)


def test_spine_t_score_is_that_of_the_mean_density():
    bmd = [0.90, 0.94, 0.92, 1.30]
    expected = (np.mean([0.90, 0.94, 0.92]) - 1.20) / 0.12
    assert spine_t_score(bmd, FINNISH_WOMEN) == pytest.approx(expected)
    everything = spine_t_score(bmd, FINNISH_WOMEN, evaluable=[True] * 4)
    assert everything == pytest.approx((np.mean(bmd) - 1.20) / 0.12)


def test_areas_give_the_density_of_the_region():
    bmd = pd.DataFrame([[0.90, 0.94, 0.92, 1.30]], index=["a"], columns=VERTEBRAE)
    areas = pd.DataFrame([[12.0, 13.0, 15.0, np.nan]], index=["a"], columns=VERTEBRAE)
    content = 0.90 * 12 + 0.94 * 13 + 0.92 * 15
    score = spine_t_score(bmd, FINNISH_WOMEN, areas=areas)
    assert score["a"] == pytest.approx((content / 40 - 1.20) / 0.12)
    assert score.attrs["reference"] == FINNISH_WOMEN.name
    with pytest.raises(ValueError, match=r"areas must be positive.* in row 'a', column 'L4'"):
        spine_t_score(bmd, FINNISH_WOMEN, areas=areas, evaluable=bmd > 0)


def test_one_vertebra_gives_no_spine_t_score():
    alone = np.array([[True, False, False, False], [True, True, False, False]])
    bmd = [[0.9, 0.9, 0.9, 0.9], [0.9, np.nan, 0.9, 0.9]]
    assert np.isnan(spine_t_score(bmd, FINNISH_WOMEN, evaluable=alone)).all()
    assert np.isnan(spine_t_score([0.6, 0.9, 1.2, 1.5], FINNISH_WOMEN))


def test_minimum_is_of_the_known_unless_asked_otherwise():
    table = pd.DataFrame({"neck": [-1.0, np.nan, np.nan], "total": [-2.0, -3.0, np.nan]})
    lowest = minimum_t_score(table)
    np.testing.assert_array_equal(lowest, [-2, -3, np.nan])
    assert lowest.attrs["rule"] == "lowest of several; research only"
    np.testing.assert_array_equal(
        minimum_t_score(table.to_numpy(), missing="propagate"), [-2, np.nan, np.nan]
    )
    assert minimum_t_score([-1.0, -2.6, 0.3]) == -2.6
    with pytest.raises(ValueError, match='missing must be "ignore" or "propagate"; got \'drop\''):
        minimum_t_score(table, missing="drop")
    with pytest.raises(ValueError, match=r"row per patient .* its shape is \(\)"):
        minimum_t_score(-2.0)


def test_real_regions_are_their_vertebrae_weighted_by_area(real_data):
    nhanes = pd.read_csv(real_data / "tables" / "nhanes_2017_2020_dxa_fracture.csv")
    bmd, content, areas = (
        nhanes[[f"DXX{v}{what}" for v in VERTEBRAE]] for what in ("BMD", "BMC", "A")
    )
    # Some regions leave vertebrae out; these have the mineral of all four.
    valid = (bmd > 0).all(axis=1) & (np.abs(content.sum(axis=1) - nhanes.DXXOSBMC) < 0.05)
    assert valid.sum() > 2000
    bmd, areas = bmd[valid].to_numpy(), areas[valid].to_numpy()
    scores = spine_t_score(bmd, FINNISH_WOMEN, areas=areas, evaluable=np.ones(bmd.shape))
    whole = nhanes.DXXOSBMC[valid] / nhanes.DXXOSA[valid]
    expected = t_score(whole, FINNISH_WOMEN, site="spine")
    # The densities of the vertebrae are printed to three decimals.
    np.testing.assert_allclose(scores, expected, atol=0.001 / 0.12 + 1e-9)


def test_real_osteoporosis_of_the_hip_is_as_common_as_published(real_data):
    nhanes = pd.read_csv(real_data / "tables" / "nhanes_2017_2020_dxa_fracture.csv")
    women = nhanes[(nhanes.RIAGENDR == 2) & nhanes.DXXNKBMD.notna()]
    decided = is_osteoporotic(t_score(women.DXXNKBMD, NHANES_III_WOMEN, site="femoral_neck"))
    # 9.8 % of women in 2013-2014 (Looker et al. 2017, the survey before).
    assert np.average(decided, weights=women.WTMECPRP) == pytest.approx(0.098, abs=0.015)


def test_real_spines_lie_on_the_scale_of_their_reference(real_data):
    nhanes = pd.read_csv(real_data / "tables" / "nhanes_2017_2020_dxa_fracture.csv")
    fifties = nhanes[(nhanes.RIAGENDR == 2) & (nhanes.RIDRETH3 == 3) & (nhanes.RIDAGEYR < 60)]
    fifties = fifties.dropna(subset="DXXOSBMD")
    scores = t_score(fifties.DXXOSBMD, NHANES_2005_WOMEN, site="spine")
    # A decade before, women of 51 to 60 years had 0.993 g/cm2 on average (Varatharajan et al.
    # 2026, Table 3): a T-score of -0.67. That checks the make's scale, not the last digit.
    assert np.average(scores, weights=fifties.WTMECPRP) == pytest.approx(-0.67, abs=0.25)


# Precision


def test_precision_error_by_hand():
    # Glüer et al.: the root of the mean variance; SD of a pair is |difference| / sqrt(2).
    pairs = np.array([[1.00, 1.02], [0.90, 0.90], [1.10, 1.07]])
    error = precision_error(pairs)
    spread = np.abs(np.diff(pairs)[:, 0]) / np.sqrt(2)
    assert error.sd == pytest.approx(np.sqrt((spread**2).mean()))
    relative = spread / pairs.mean(axis=1)
    assert error.percent_cv == pytest.approx(100 * np.sqrt((relative**2).mean()))
    assert (error.n_patients, error.degrees_of_freedom) == (3, 3)


def test_precision_error_recovers_a_known_one_from_unequal_repeats():
    rng = np.random.default_rng(0)
    values = rng.normal(1.0, 0.1, (4000, 1)) + rng.normal(0, 0.012, (4000, 3))
    values[:1500, 2] = np.nan
    values[:100, 1:] = np.nan
    error = precision_error(pd.DataFrame(values))
    assert error.degrees_of_freedom == 2 * 2500 + 1400
    assert error.n_patients == 3900
    assert error.sd == pytest.approx(0.012, rel=0.03)


def test_precision_error_refuses_what_says_nothing():
    with pytest.raises(ValueError, match="no patient who was measured at least twice"):
        precision_error([[1.0, np.nan], [np.nan, 1.0]])
    with pytest.raises(ValueError, match=r"repeated must be positive; .* position \(0, 1\)"):
        precision_error([[1.0, 0.0]])
    with pytest.raises(ValueError, match=r"row per patient .* its shape is \(2,\)"):
        precision_error([1.0, 1.1])


def test_least_significant_change_has_the_factors_of_the_iscd():
    for level, factor in ((0.80, 1.81), (0.90, 2.33), (0.95, 2.77)):
        assert least_significant_change(1.0, level=level) == factor
    assert least_significant_change([0.01, 0.02]).tolist() == pytest.approx([0.0277, 0.0554])
    with pytest.raises(ValueError, match=r"level must lie between 0 and 1 .* got 95"):
        least_significant_change(0.01, level=95)
    with pytest.raises(ValueError, match=r"precision_sd must be zero or positive .* position 1"):
        least_significant_change([0.01, -0.01])
