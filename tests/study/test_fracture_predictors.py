import numpy as np
import pandas as pd
import pytest
from fractures import HIP, MIN, OPTIONS, SPINE, TBS, WITHOUT, make_cohort, risk_columns

from skdxa.densitometry import FINNISH_WOMEN, ReferencePopulation, is_osteoporotic
from skdxa.study import fracture_benchmarks
from skdxa.study._fracture_predictors import unfillable_columns


def test_a_t_score_of_exactly_minus_2_5_is_osteoporotic():
    cohort = make_cohort(160)
    # (0.90 - 1.20) / 0.12 and (0.68 - 0.98) / 0.12 are not -2.5 in floating point.
    assert (0.90 - 1.20) / 0.12 > -2.5
    low_spine, low_hip = np.random.default_rng(1).uniform(size=(2, 160)) < 0.4
    for number in range(1, 5):
        cohort.data[f"bmd_L{number}"] = np.where(low_spine, 0.90, 0.901)
    cohort.data["bmd_neck"], cohort.data["bmd_total_hip"] = np.where(low_hip, 0.68, 0.681), 0.95
    found = fracture_benchmarks(cohort, n_splits=3, n_repeats=1, interval="delong")
    for name, low in ((SPINE, low_spine), (HIP, low_hip), (MIN, low_spine | low_hip)):
        called = found.scores[name] >= found.thresholds.loc[name, "threshold"]
        assert called.tolist() == low.tolist()
    called = (found.scores[MIN] >= found.thresholds.loc[MIN, "threshold"]).to_numpy()
    t_scores = -risk_columns(cohort)["min"]
    assert called.tolist() == is_osteoporotic(t_scores.to_numpy()).tolist()
    assert (found.thresholds.loc[[SPINE, HIP, MIN], "criterion"] == "T-score <= -2.5").all()
    assert (found.thresholds.loc[[SPINE, HIP, MIN], "rule"] == "osteoporosis").all()
    scored_y = cohort.target["fracture_5y"].to_numpy()
    missed, hit = found.results[MIN].confusion_matrix(scored_y, threshold=2.5).loc[1.0]
    assert hit == (called & (scored_y == 1)).sum()
    assert missed == (~called & (scored_y == 1)).sum()


def test_another_texture_and_reference(cohort, without):
    other = make_cohort()
    other.data["slope"] = other.data.pop("tbs")
    denser = {"spine": (1.23, 0.12), "femoral_neck": (1.01, 0.12), "total_hip": (1.01, 0.12)}
    reference = ReferencePopulation("denser", "F", denser, "none", "none")
    found = fracture_benchmarks(other, texture="slope", reference=reference, **OPTIONS)
    assert found.table.index.tolist() == [
        *WITHOUT[:4],
        "slope",
        "Min T-score + slope + age",
    ]
    assert found.reference == "denser"
    assert found.scores[MIN].to_numpy() == pytest.approx(without.scores[MIN].to_numpy() + 0.25)
    assert found.table.loc["slope", "auc"] == without.table.loc[TBS, "auc"]
    assert found.thresholds.loc["slope", "criterion"].startswith("slope <= 1.")
    assert "slope" in found.coefficients["variable"].tolist()


def test_each_hip_site_has_its_own_reference(cohort):
    sites = {**FINNISH_WOMEN.sites, "femoral_neck": (0.858, 0.120), "total_hip": (0.942, 0.122)}
    reference = ReferencePopulation("two sites", "F", sites, "none", "none")
    found = fracture_benchmarks(cohort, reference=reference, **OPTIONS)
    neck = (0.858 - cohort.data["bmd_neck"]) / 0.120
    total = (0.942 - cohort.data["bmd_total_hip"]) / 0.122
    expected = np.maximum(neck, total).to_numpy()
    assert found.scores[HIP].to_numpy() == pytest.approx(expected, abs=1e-6)


def broken(**changes):
    """Return a cohort with changed cells: column=(row, value), or column=None to drop it."""
    cohort = make_cohort()
    for column, change in changes.items():
        table = cohort.data if column in cohort.data else cohort.target
        if change is None:
            del table[column]
        else:
            table[column] = table[column].astype(object)
            table.loc[change[0], column] = change[1]
    return cohort


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bmd_L3": None}, "data has no column 'bmd_L3'; it has .*'bmd_L4'"),
        ({"fracture_5y": None}, "target has no column 'fracture_5y'; it has .*'fracture_ever'"),
        ({"bmd_neck": (1007, np.nan)}, "Column 'bmd_neck' is nan in 1 of 240 rows, .* index 1007"),
        ({"tbs": (1003, None)}, "Column 'tbs' is nan in 1 of 240 rows, .* index 1003"),
        ({"age": (1009, np.inf)}, "Column 'age' is inf in 1 .* index 1009"),
        ({"age": (1009, "old")}, "Column 'age' must hold numbers: .*old"),
        ({"bmd_L2": (1004, 950)}, "must be in g/cm2.* 950 at index .*1004.*, column 'bmd_L2'"),
        (
            {"fracture_ever": (1011, 2)},
            "'fracture_ever' must be 0, 1 or unknown; it is 2 at index 1011",
        ),
        ({"fracture_5y": (1011, 0.5)}, r"'fracture_5y' must be 0, 1 or unknown; it is 0\.5"),
        (
            {"fracture_ever": (1011, np.nan)},
            "'fracture_ever', which models are trained on, is unknown in 1 of 240 rows.* 1011",
        ),
        ({"fracture_5y": (slice(None), 0)}, "Label 'fracture_5y' is positive for no scan"),
        ({"fracture_5y": (slice(None), np.nan)}, "Label 'fracture_5y' is positive for no scan"),
        ({"fracture_ever": (slice(None), 1)}, "Label 'fracture_ever' is negative for no scan"),
        ({"age": (slice(None), 68)}, "age is the same for all scans"),
    ],
)
def test_bad_columns_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        fracture_benchmarks(broken(**changes), **OPTIONS)


def test_columns_whose_values_all_lie_in_one_fold_cannot_be_filled():
    fold_of = np.array([[0, 0, 1, 1, 2, 2], [0, 1, 2, 0, 1, 2]])
    gap = np.nan
    table = pd.DataFrame(
        {
            "whole": [1.0, 2, 3, 4, 5, 6],
            "two folds": [1, gap, 2, gap, gap, gap],
            "first repeat": [1, 2, gap, gap, gap, gap],
            "second repeat": [gap, 2, gap, gap, 5, gap],
            "one value": [gap, gap, gap, gap, gap, 1],
            "empty": gap,
        }
    )
    assert unfillable_columns(table, fold_of) == [
        "first repeat",
        "second repeat",
        "one value",
        "empty",
    ]
