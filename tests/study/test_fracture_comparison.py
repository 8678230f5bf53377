"""The published table of fracture prediction: its rows, thresholds and intervals."""

import numpy as np
import pandas as pd
import pytest
from fractures import (
    CLINICAL,
    MIN,
    OPTIONS,
    TBS,
    WITH,
    WITHOUT,
    fold_of,
    labels,
    make_cohort,
    out_of_fold,
    risk_columns,
)
from sklearn.utils import Bunch

from skdxa.evaluation import (
    CrossValidationResult,
    Folds,
    format_table,
    performance_table,
    threshold_at_sensitivity,
)
from skdxa.study import fracture_benchmarks


def test_six_rows_without_the_network_and_ten_with_it(without, with_network):
    metrics = ("sensitivity", "specificity", "accuracy", "auc")
    columns = [name + end for name in metrics for end in ("", "_low", "_high")]
    for found, rows in ((without, WITHOUT), (with_network, WITH)):
        assert found.table.index.tolist() == found.thresholds.index.tolist() == rows
        assert found.table.columns.tolist() == [*columns, "aggregation"]
        assert found.table.index.name == found.thresholds.index.name == "experiment"
        assert found.calibration.index.tolist() == rows
        assert found.scores.columns.tolist() == found.risks.columns.tolist() == rows
        assert found.scores.index.tolist() == list(range(1000, 1240))
        assert list(found.results) == rows
        assert format_table(found.table).count("\n") == len(rows) + 1
        assert found.reference == "Finnish women (Kröger et al. 1992)"
        for result in found.results.values():
            assert isinstance(result, CrossValidationResult)
    assert without.added.empty
    assert without.added.columns.tolist() == with_network.added.columns.tolist()
    assert not with_network.table.isna().any(axis=None)


def test_the_table_is_that_of_the_results_and_passes_its_options_on(cohort, without):
    scored_y = cohort.target["fracture_5y"]
    thresholds = without.thresholds["threshold"].to_dict()
    expected = performance_table(without.results, y=scored_y, threshold=thresholds)
    pd.testing.assert_frame_equal(without.table, expected)
    options = {"interval": "delong", "level": 0.8}
    other = fracture_benchmarks(cohort, **OPTIONS, **options)
    expected = performance_table(without.results, y=scored_y, threshold=thresholds, **options)
    pd.testing.assert_frame_equal(other.table, expected)
    wide, narrow = (found.coefficients for found in (without, other))
    assert (narrow["high"] < wide["high"]).all()
    assert (narrow["coef"] == wide["coef"]).all()


@pytest.mark.parametrize("rule", ["at_least", "nearest", "interpolated"])
def test_other_thresholds_match_the_sensitivity_of_the_minimum(cohort, rule):
    found = fracture_benchmarks(cohort, rule=rule, **OPTIONS)
    _, scored_y, known = labels(cohort)
    minimum = risk_columns(cohort)["min"].to_numpy()
    wanted = np.mean(minimum[scored_y == 1] >= 2.5 - 1e-6)
    assert 0.3 < wanted < 0.95
    text = rule.replace("_", " ")
    for name, column in (("Age", "age"), (TBS, "tbs")):
        score = risk_columns(cohort)[column][known]
        expected = threshold_at_sensitivity(scored_y[known], score, wanted, rule=rule)
        assert found.thresholds.loc[name, "threshold"] == expected
        assert found.thresholds.loc[name, "rule"] == f"sensitivity {text} {wanted:.3f}"
    assert found.thresholds.loc["Age", "criterion"].startswith("age >= 6")
    assert found.thresholds.loc[TBS, "criterion"].startswith("tbs <= 1.")
    criterion = found.thresholds.loc[CLINICAL, "criterion"]
    assert criterion.startswith("probability of fracture_ever >= 0.")
    # The model's score differs between repeats, which have the sensitivity together.
    score = np.array([found.results[CLINICAL].repeat_scores(r)[known] for r in range(3)])
    expected = threshold_at_sensitivity(
        np.tile(scored_y[known], 3), score.ravel(), wanted, rule=rule
    )
    assert found.thresholds.loc[CLINICAL, "threshold"] == expected


def test_a_sensitivity_may_be_asked_for(cohort, without):
    found = fracture_benchmarks(cohort, sensitivity=0.9, **OPTIONS)
    _, scored_y, known = labels(cohort)
    score = found.scores.loc[known, TBS]
    assert np.mean(score[scored_y[known] == 1] >= found.thresholds.loc[TBS, "threshold"]) >= 0.9
    assert found.table.loc[TBS, "sensitivity"] > without.table.loc[TBS, "sensitivity"]
    assert found.table.loc[MIN].equals(without.table.loc[MIN])


def test_without_an_osteoporotic_fracture_a_sensitivity_must_be_given(cohort):
    strong = make_cohort()
    strong.data.loc[:, strong.data.columns.str.startswith("bmd")] += 1.0
    with pytest.raises(ValueError, match=r"no scan with 'fracture_5y' has .* give sensitivity"):
        fracture_benchmarks(strong, **OPTIONS)
    found = fracture_benchmarks(strong, sensitivity=0.6, **OPTIONS)
    assert found.table.loc[MIN, ["sensitivity", "sensitivity_low"]].tolist() == [0, 0]
    assert 0 < found.table.loc[MIN, "sensitivity_high"] < 0.5


def test_the_row_of_the_network_is_its_result(cohort, cnn, with_network):
    scored_y = cohort.target["fracture_5y"]
    threshold = with_network.thresholds.loc["Deep learning", "threshold"]
    expected = performance_table({"Deep learning": cnn}, y=scored_y, threshold=threshold)
    pd.testing.assert_frame_equal(with_network.table.loc[["Deep learning"]], expected)
    assert with_network.thresholds.loc["Deep learning", "criterion"].startswith("score >= 0.")
    assert with_network.results[MIN].n_folds == 5
    assert with_network.results[MIN].n_repeats == 3


@pytest.mark.parametrize("kind", [np.asarray, list, pd.Series])
def test_the_network_as_an_array_of_scores(cohort, cnn, kind):
    score = cnn.repeat_scores(0)
    given = pd.Series(score, index=cohort.data.index) if kind is pd.Series else kind(score)
    found = fracture_benchmarks(cohort, cnn=given, **OPTIONS)
    assert found.table.index.tolist() == WITH
    assert found.results["Deep learning"].n_repeats == 3
    for repeat in range(3):
        assert (found.results["Deep learning"].repeat_scores(repeat) == score).all()
    y, _, _ = labels(cohort)
    columns = risk_columns(cohort, score)[["deep_learning", "tbs"]]
    fold = fold_of(found.results[TBS], found.repeat)
    expected = out_of_fold(columns, y, fold)
    assert found.scores["Deep learning + TBS"].to_numpy() == pytest.approx(expected, abs=1e-6)


def test_three_equal_scans_of_each_patient_count_once():
    thrice = np.repeat(np.arange(240), 3)
    cohort = make_cohort()
    copies = Bunch(
        data=cohort.data.iloc[thrice].reset_index(drop=True),
        target=cohort.target.iloc[thrice].reset_index(drop=True),
    )
    score = cohort.truth + np.random.default_rng(2).normal(0, 1.5, 240)
    y = copies.target["fracture_ever"].to_numpy().astype(int)
    folds = Folds.draw(y, groups=thrice, n_splits=4, n_repeats=1, random_state=0)
    # The same folds, with the patients and without.
    clustered, plain = (
        fracture_benchmarks(
            Bunch(**copies, groups=groups),
            cnn=Folds(folds.fold_of, y, groups).with_scores(score[thrice]),
            interval="delong",
            random_state=0,
        )
        for groups in (thrice, None)
    )

    def widths(of):
        added = of.added[of.added["test"] != "likelihood ratio"]
        coefficients = np.log(of.coefficients[["low", "high"]])
        areas = np.log(of.table[["auc_low", "auc_high"]])
        return {
            "coefficients": coefficients["high"] - coefficients["low"],
            "added": added["high"] - added["low"],
            "slope": of.calibration["slope_high"] - of.calibration["slope_low"],
            "large": of.calibration["in_the_large_high"] - of.calibration["in_the_large_low"],
            "benefit": (of.net_benefit["high"] - of.net_benefit["low"])
            .groupby(of.net_benefit["experiment"], sort=False)
            .mean(),
            "auc": areas["auc_high"] - areas["auc_low"],
            "accuracy": of.table["accuracy_high"] - of.table["accuracy_low"],
        }

    by_patient, by_scan = widths(clustered), widths(plain)
    for kind, width in by_patient.items():
        np.testing.assert_allclose(width / by_scan[kind], np.sqrt(3), rtol=0.25, err_msg=kind)
    statistics = (
        of.added.set_index(["test"]).loc["likelihood ratio"] for of in (clustered, plain)
    )
    first, second = (of["statistic"].to_numpy() for of in statistics)
    np.testing.assert_allclose(second / first, 3, rtol=0.4)
    for column in ("hosmer_lemeshow", "pvalue"):
        assert clustered.calibration[column].isna().all()
        assert plain.calibration[column].notna().all()
