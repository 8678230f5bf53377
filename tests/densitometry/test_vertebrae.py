"""Which vertebrae count, and the T-scores of several."""

import numpy as np
import pandas as pd
import pytest

from skdxa.densitometry import (
    FINNISH_WOMEN,
    NHANES_2005_WOMEN,
    NHANES_III_WOMEN,
    evaluable_vertebrae,
    is_osteoporotic,
    minimum_t_score,
    spine_t_score,
    t_score,
)

VERTEBRAE = ["L1", "L2", "L3", "L4"]


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


def test_abnormal_vertebrae_are_left_out_at_any_score():
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


def test_columns_in_another_order_are_refused_by_their_names():
    names = ["bmd_L1", "bmd_L2", "bmd_L3", "bmd_L4"]
    bmd = pd.DataFrame([[0.90, 0.94, 0.92, 1.30]], columns=names)
    other = bmd[["bmd_L2", "bmd_L1", "bmd_L3", "bmd_L4"]]
    areas = other.rename(columns=lambda name: name.replace("bmd", "area")) * 10
    marks = pd.DataFrame(False, index=[0], columns=["l4", "l3", "l2", "l1"])
    for refused in (
        lambda: evaluable_vertebrae(other),
        lambda: evaluable_vertebrae(bmd, abnormal=marks),
        lambda: spine_t_score(other, FINNISH_WOMEN),
        lambda: spine_t_score(bmd, FINNISH_WOMEN, areas=areas),
        lambda: spine_t_score(bmd, FINNISH_WOMEN, evaluable=marks),
    ):
        with pytest.raises(ValueError, match=r"columns of L1, L2, L3, L4 in this order; they are"):
            refused()
    # Other names say nothing about the order.
    expected = spine_t_score(bmd.to_numpy(), FINNISH_WOMEN)
    for columns in (names, ["DXXL1", "DXXL2", "DXXL3", "DXXL4"], list("dcba"), ["L1"] * 4):
        found = spine_t_score(bmd.set_axis(columns, axis=1), FINNISH_WOMEN)
        assert found.tolist() == expected.tolist()


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
    with pytest.raises(ValueError, match=r"areas must be positive.* at index 'a', column 'L4'"):
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
