"""The published table of fracture prediction, from one call."""

import warnings

import numpy as np
import pandas as pd
import pytest
from fractures import (
    CLINICAL,
    MIN,
    OPTIONS,
    SPINE,
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
from skdxa.exceptions import CohortError
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


def test_folds_follow_from_the_seed(cohort, without):
    again = fracture_benchmarks(cohort, **OPTIONS)
    pd.testing.assert_frame_equal(again.risks, without.risks)
    other = fracture_benchmarks(cohort, **{**OPTIONS, "random_state": 7})
    assert not other.risks.equals(without.risks)
    assert other.scores[SPINE].equals(without.scores[SPINE])


def test_folds_keep_the_shares_of_both_labels_and_their_gaps(cohort, without):
    strata = cohort.target.assign(fold=fold_of(without.results[MIN], 1))
    counts = strata.groupby(["fracture_ever", "fracture_5y", "fold"], dropna=False).size()
    counts = counts.unstack()
    assert counts.shape == (5, 4)
    assert (counts.max(axis=1) - counts.min(axis=1) <= 1).all()


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


def test_other_labels_may_be_trained_on_and_scored(cohort):
    other = make_cohort()
    other.target = other.target.rename(columns={"fracture_ever": "any", "fracture_5y": "hip"})
    other.target["any"] = other.target["any"].astype("boolean")
    other.target["hip"] = other.target["hip"].astype("Int64")
    found = fracture_benchmarks(other, trained_on="any", scored_on="hip", **OPTIONS)
    pd.testing.assert_frame_equal(found.table, fracture_benchmarks(cohort, **OPTIONS).table)
    same = fracture_benchmarks(other, trained_on="any", scored_on="any", **OPTIONS)
    assert same.thresholds.loc[CLINICAL, "criterion"].startswith("probability of any")
    assert not same.risks.equals(found.risks)


def test_patients_stay_together(cohort):
    twins = make_cohort()
    twins.groups = np.arange(240) // 2
    for column in twins.target:
        twins.target[column] = np.repeat(twins.target[column].to_numpy()[::2], 2)
    found = fracture_benchmarks(twins, **OPTIONS)
    for repeat in range(3):
        fold = fold_of(found.results[MIN], repeat)
        assert (fold[::2] == fold[1::2]).all()
    assert (found.results[MIN].groups == twins.groups).all()


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


def test_a_cohort_without_patients_takes_each_scan_for_one(cohort, without, cnn, with_network):
    alone = Bunch(data=cohort.data, target=cohort.target)
    pd.testing.assert_frame_equal(fracture_benchmarks(alone, **OPTIONS).table, without.table)
    ungrouped = Bunch(data=cohort.data, target=cohort.target, groups=None)
    found = fracture_benchmarks(ungrouped, cnn=cnn)
    assert found.results[MIN].groups is None
    pd.testing.assert_frame_equal(found.table, with_network.table)


def test_a_cohort_must_fit_together(cohort):
    with pytest.raises(CohortError, match="The cohort has no 'target'; it has"):
        fracture_benchmarks(Bunch(data=cohort.data))
    shuffled = Bunch(data=cohort.data, target=cohort.target.iloc[::-1])
    with pytest.raises(CohortError, match="fit together: data and target have different indices"):
        fracture_benchmarks(shuffled)
    short = Bunch(data=cohort.data, target=cohort.target, groups=cohort.groups[1:])
    with pytest.raises(CohortError, match=r"patient of each of 240 scans, got .* \(239,\)"):
        fracture_benchmarks(short)
    gap = np.where(cohort.groups == 4, np.nan, cohort.groups)
    with pytest.raises(CohortError, match="groups is missing for 1 of 240 scans"):
        fracture_benchmarks(Bunch(data=cohort.data, target=cohort.target, groups=gap))


def test_the_network_must_be_of_this_cohort(cohort, cnn):
    score = cnn.repeat_scores(0)
    with pytest.raises(ValueError, match=r"cohort's 240 scans, got shape \(239,\)"):
        fracture_benchmarks(cohort, cnn=score[1:], **OPTIONS)
    score[7] = np.inf
    with pytest.raises(ValueError, match=r"cnn is missing for 1 of 240 scans, .* position 7"):
        fracture_benchmarks(cohort, cnn=score, **OPTIONS)
    with pytest.raises(ValueError, match="cnn and the cohort's data have different indices"):
        fracture_benchmarks(cohort, cnn=pd.Series(cnn.repeat_scores(0)), **OPTIONS)
    with pytest.raises(CohortError, match="deep_learning is the same for all scans"):
        fracture_benchmarks(cohort, cnn=np.full(240, 0.3), **OPTIONS)
    smaller = make_cohort(160)
    with pytest.raises(ValueError, match="cnn has scored 240 scans, but the cohort has 160"):
        fracture_benchmarks(smaller, cnn=cnn)
    other = make_cohort(seed=3)
    with pytest.raises(
        ValueError, match=r"other labels than 'fracture_ever', .* \d+ labels differ"
    ):
        fracture_benchmarks(other, cnn=cnn)


def test_a_network_trained_on_patients_that_it_scores_is_refused(cohort, cnn):
    twins = Bunch(**cohort)
    twins.groups = np.arange(240) // 2
    with pytest.raises(ValueError, match="scans of patient 0 by networks that had seen"):
        fracture_benchmarks(twins, cnn=cnn)


def test_folds_are_no_more_than_the_rarest_label_has_scans(cohort):
    with pytest.raises(ValueError, match=r"fewer scans .* than n_splits=40"):
        fracture_benchmarks(cohort, n_splits=40)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rule": "about"},
        {"interval": "exact"},
        {"sensitivity": 0},
        {"level": 95},
        {"n_splits": 1},
        {"reference": "Finnish"},
    ],
)
def test_bad_options_are_refused(cohort, wrong):
    with pytest.raises(ValueError, match=f"The '{next(iter(wrong))}' parameter"):
        fracture_benchmarks(cohort, **wrong)


def test_nothing_given_is_changed(cohort, cnn):
    before = cohort.data.copy(), cohort.target.copy(), cnn.scores.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fracture_benchmarks(cohort, cnn=cnn, random_state=0)
    for old, new in zip(before, (cohort.data, cohort.target, cnn.scores), strict=True):
        pd.testing.assert_frame_equal(old, new)
