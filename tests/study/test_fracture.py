"""The published table of fracture prediction, from one call."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.naive_bayes import GaussianNB
from sklearn.utils import Bunch

from skdxa.densitometry import FINNISH_WOMEN, ReferencePopulation, is_osteoporotic
from skdxa.evaluation import (
    CrossValidationResult,
    format_table,
    performance_table,
    repeated_cross_validate,
    threshold_at_sensitivity,
)
from skdxa.exceptions import CohortError
from skdxa.significance import (
    adjust_pvalues,
    calibration,
    delong_test,
    hosmer_lemeshow,
    likelihood_ratio_test,
    logistic_table,
    net_benefit,
    reclassification,
)
from skdxa.study import fracture_benchmarks

SPINE, HIP, MIN = (
    "Spine T-score (min L1-L4)",
    "Hip T-score (min neck/total)",
    "Min T-score (min spine/hip)",
)
TBS, CLINICAL = "TBS (avg L1-L4)", "Min T-score + TBS + age"
WITHOUT = [SPINE, HIP, MIN, "Age", TBS, CLINICAL]
WITH = [
    "Deep learning",
    *WITHOUT,
    "Spine T-score + deep learning",
    "Min T-score + deep learning",
    "Deep learning + TBS",
]
VARIABLES = {
    "Deep learning": ["deep_learning"],
    SPINE: ["spine"],
    HIP: ["hip"],
    MIN: ["min"],
    "Age": ["age"],
    TBS: ["tbs"],
    CLINICAL: ["min", "tbs", "age"],
    "Spine T-score + deep learning": ["spine", "deep_learning"],
    "Min T-score + deep learning": ["min", "deep_learning"],
    "Deep learning + TBS": ["deep_learning", "tbs"],
}
OPTIONS = {"n_splits": 4, "n_repeats": 3, "random_state": 0}


def make_cohort(n=240, seed=0):
    """Return a cohort, its index from 1000; every fifth scan's 5-year label is unknown."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"age": rng.normal(68, 3, n).round(1)}, index=np.arange(n) + 1000)
    risk = rng.normal(size=n)
    for number in range(1, 5):
        data[f"bmd_L{number}"] = (0.95 - 0.08 * risk + rng.normal(0, 0.1, n)).round(3)
    data["bmd_neck"] = (0.80 - 0.05 * risk + rng.normal(0, 0.1, n)).round(3)
    data["bmd_total_hip"] = (0.90 - 0.05 * risk + rng.normal(0, 0.1, n)).round(3)
    data["tbs"] = (1.25 - 0.04 * risk + rng.normal(0, 0.1, n)).round(3)
    ever = risk + rng.normal(0, 1.5, n) > 0.6
    soon = ever & (rng.uniform(size=n) < 0.5)
    target = pd.DataFrame({"fracture_ever": ever, "fracture_5y": soon}, index=data.index)
    target = target.astype(float)
    target.iloc[::5, 1] = np.nan
    return Bunch(data=data, target=target, groups=np.arange(n), truth=risk)


def risk_columns(cohort, cnn=None):
    """Compute the predictors independently; higher is worse."""
    bmd = cohort.data
    spine = (1.20 - bmd[[f"bmd_L{number}" for number in range(1, 5)]].min(axis=1)) / 0.12
    hip = (0.98 - bmd[["bmd_neck", "bmd_total_hip"]].min(axis=1)) / 0.12
    columns = {
        "spine": spine,
        "hip": hip,
        "min": np.maximum(spine, hip),
        "tbs": -bmd["tbs"],
        "age": bmd["age"],
    }
    if cnn is not None:
        columns["deep_learning"] = cnn
    # Equal T-scores are ties, which floating-point errors would break.
    return pd.DataFrame(columns).round(9)


def labels(cohort):
    target = cohort.target
    scored_y = target["fracture_5y"].to_numpy()
    return target["fracture_ever"].to_numpy(), scored_y, ~np.isnan(scored_y)


def logit_model(X, y):
    return LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(X, y)


def out_of_fold(X, y, fold, scored_y=None):
    """Return the probability by the other folds' model; the 5-year risk if `scored_y` is given."""
    X = (X - X.mean()).to_numpy() / X.std().to_numpy()
    found = np.zeros(len(y))
    for test in (fold == number for number in range(fold.max() + 1)):
        score = X[:, 0]
        if X.shape[1] > 1:
            score = logit_model(X[~test], y[~test]).decision_function(X)
        if scored_y is not None:
            use = ~test & ~np.isnan(scored_y)
            score = logit_model(score[use, None], scored_y[use]).decision_function(score[:, None])
        found[test] = expit(score[test])
    return found


def fold_of(result, repeat):
    scores = result.scores[result.scores["repeat"] == repeat].sort_values("row")
    return scores["fold"].to_numpy()


@pytest.fixture(scope="module")
def cohort():
    return make_cohort()


@pytest.fixture(scope="module")
def cnn(cohort):
    """Return a stand-in for the network, cross-validated on three repeats of five folds."""
    rng = np.random.default_rng(5)
    X = np.column_stack([cohort.truth, rng.normal(size=240)]) + rng.normal(size=(240, 2))
    ever = cohort.target["fracture_ever"].map({0.0: "whole", 1.0: "zbroken"}).to_numpy()
    return repeated_cross_validate(
        GaussianNB(),
        X,
        ever,
        groups=cohort.groups,
        stratify=cohort.target,
        n_splits=5,
        n_repeats=3,
        random_state=1,
        progress=False,
    )


@pytest.fixture(scope="module")
def without(cohort):
    return fracture_benchmarks(cohort, **OPTIONS)


@pytest.fixture(scope="module")
def with_network(cohort, cnn):
    return fracture_benchmarks(cohort, cnn=cnn, random_state=0)


def test_six_rows_without_the_network_and_ten_with_it(without, with_network):
    metrics = ("sensitivity", "specificity", "accuracy", "auc")
    columns = [name + end for name in metrics for end in ("", "_low", "_high")]
    for found, rows in ((without, WITHOUT), (with_network, WITH)):
        assert found.table.index.tolist() == found.thresholds.index.tolist() == rows
        assert found.table.columns.tolist() == columns
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


def test_the_auc_of_each_row_is_scikit_learns_by_fold(cohort, with_network, cnn):
    y, scored_y, known = labels(cohort)
    for name, variables in VARIABLES.items():
        areas = []
        for repeat in range(3):
            columns = risk_columns(cohort, cnn.repeat_scores(repeat))[variables]
            fold = fold_of(cnn, repeat)
            single = len(variables) == 1
            score = columns.to_numpy()[:, 0] if single else out_of_fold(columns, y, fold)
            assert with_network.results[name].repeat_scores(repeat) == pytest.approx(
                score, abs=1e-6
            )
            areas += [
                roc_auc_score(scored_y[test], score[test])
                for test in (known & (fold == number) for number in range(5))
            ]
        assert with_network.table.loc[name, "auc"] == pytest.approx(np.mean(areas), abs=1e-9)


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


def test_scans_of_unknown_label_are_trained_on_but_not_judged_by(cohort, without):
    y, _, known = labels(cohort)
    columns = risk_columns(cohort)[["min", "tbs", "age"]]
    fold = fold_of(without.results[CLINICAL], without.repeat)
    found = without.scores[CLINICAL]
    assert found.to_numpy() == pytest.approx(out_of_fold(columns, y, fold), abs=1e-6)
    # Training on scans of known label alone would give other probabilities.
    least = out_of_fold(columns[known], y[known], fold[known])
    assert np.abs(found[known] - least).max() > 1e-3
    # Their columns change the models, but not the metrics of single predictors.
    other = make_cohort()
    other.data.loc[~known, "tbs"] = 1.9 - other.data.loc[~known, "tbs"]
    moved = fracture_benchmarks(other, **OPTIONS)
    assert moved.table.loc[TBS].equals(without.table.loc[TBS])
    assert moved.table.loc[CLINICAL, "auc"] != without.table.loc[CLINICAL, "auc"]
    assert without.coefficients.attrs == {}
    assert moved.coefficients.equals(without.coefficients)


def test_risks_are_put_on_the_scale_of_five_years_out_of_fold(cohort, with_network, cnn):
    y, scored_y, known = labels(cohort)
    repeat = with_network.repeat
    assert repeat == cnn.median_repeat(scored_y)
    columns = risk_columns(cohort, cnn.repeat_scores(repeat))
    for name, variables in VARIABLES.items():
        expected = out_of_fold(columns[variables], y, fold_of(cnn, repeat), scored_y)
        assert with_network.risks[name].to_numpy() == pytest.approx(expected, abs=1e-6)
        # Fractures ever are twice as many: their probabilities would be far too high.
        assert with_network.risks[name][known].mean() == pytest.approx(
            scored_y[known].mean(), rel=0.1
        )
    assert with_network.scores[CLINICAL].mean() > 1.5 * scored_y[known].mean()


def test_the_risk_of_a_scan_does_not_depend_on_its_label(cohort, without):
    changed = make_cohort()
    label = changed.target.loc[1001, "fracture_5y"]
    assert changed.target.loc[1001, "fracture_ever"] == label == 0
    folds = without.results[CLINICAL]
    fold = fold_of(folds, without.repeat)
    same = np.flatnonzero(fold == fold[1])
    # Every scan of that fold gets the other label; the folds stay.
    y, scored_y, _ = labels(cohort)
    soon = scored_y.copy()
    soon[same] = 1 - soon[same]
    columns = risk_columns(cohort)[["min", "tbs", "age"]]
    before, after = (out_of_fold(columns, y, fold, label) for label in (scored_y, soon))
    assert (before[same] == after[same]).all()
    assert without.risks[CLINICAL].to_numpy()[same] == pytest.approx(after[same], abs=1e-6)


def test_coefficients_are_those_of_logistic_tables_per_standard_deviation(
    cohort, with_network, cnn
):
    _, scored_y, known = labels(cohort)
    columns = risk_columns(cohort, cnn.repeat_scores(with_network.repeat))[known]
    found = with_network.coefficients
    assert found.columns.tolist() == [
        *("experiment", "variable", "coef", "std_err", "z", "pvalue", "odds_ratio"),
        *("low", "high", "sd", "pvalue_holm"),
    ]
    assert found["experiment"].unique().tolist() == WITH
    for name, variables in VARIABLES.items():
        rows = found[found["experiment"] == name]
        table = logistic_table(scored_y[known], columns[variables]).drop(index="const")
        sd = columns[variables].std(ddof=0).to_numpy()
        for column in ("z", "pvalue"):
            assert rows[column].to_numpy() == pytest.approx(table[column].to_numpy(), rel=1e-4)
        assert rows["sd"].to_numpy() == pytest.approx(sd, rel=1e-6)
        assert rows["coef"].to_numpy() == pytest.approx(table["coef"].to_numpy() * sd, rel=1e-4)
        for end in ("odds_ratio", "low", "high"):
            expected = table[end].to_numpy() ** sd
            assert rows[end].to_numpy() == pytest.approx(expected, rel=1e-4)
    # Higher is worse, so that the risk rises with the predictor.
    assert (found.loc[found["experiment"].isin([SPINE, HIP, MIN, TBS]), "odds_ratio"] > 1).all()
    assert found["pvalue_holm"].tolist() == adjust_pvalues(found["pvalue"]).tolist()


@pytest.mark.parametrize("name", [SPINE, MIN, TBS, CLINICAL])
def test_what_the_network_adds_by_direct_calls(cohort, with_network, cnn, name):
    y, scored_y, known = labels(cohort)
    repeat = with_network.repeat
    columns = risk_columns(cohort, cnn.repeat_scores(repeat))
    smaller, larger = VARIABLES[name], [*VARIABLES[name], "deep_learning"]
    found = with_network.added.set_index(["experiment", "test"]).loc[name]
    outcome = scored_y[known]
    test = likelihood_ratio_test(outcome, columns[smaller][known], columns[larger][known])
    row = found.loc["likelihood ratio"]
    assert (row["estimate"], row["pvalue"]) == pytest.approx(
        (test.estimate, test.pvalue), rel=1e-4
    )
    assert np.isnan([row["low"], row["high"]]).all()
    fold = fold_of(cnn, repeat)
    score = out_of_fold(columns[larger], y, fold)[known]
    test = delong_test(outcome, score, with_network.scores.loc[known, name])
    expected = [test.estimate, test.interval.low, test.interval.high, test.statistic, test.pvalue]
    numbers = ["estimate", "low", "high", "statistic", "pvalue"]
    assert found.loc["DeLong", numbers].tolist() == pytest.approx(expected, abs=1e-9)
    old, new = (out_of_fold(columns[v], y, fold, scored_y)[known] for v in (smaller, larger))
    moved = reclassification(outcome, old, new)
    for label, test in (("continuous NRI", moved.nri), ("IDI", moved.idi)):
        expected = [test.estimate, test.interval.low, test.interval.high]
        assert found.loc[label, numbers[:3]].tolist() == pytest.approx(expected, abs=1e-6)
        assert found.loc[label, "pvalue"] == pytest.approx(test.pvalue, rel=1e-3)


def test_what_the_network_adds_is_adjusted_test_by_test(with_network):
    added = with_network.added
    assert added["experiment"].unique().tolist() == [SPINE, MIN, TBS, CLINICAL]
    for _, rows in added.groupby("test"):
        assert rows["pvalue_holm"].tolist() == adjust_pvalues(rows["pvalue"]).tolist()
    assert len(added) == 16


def test_calibration_and_net_benefit_are_of_the_risks(cohort, without):
    _, scored_y, known = labels(cohort)
    risks = [0.05, 0.2, 0.33]
    found = fracture_benchmarks(cohort, risks=risks, **OPTIONS)
    for name in WITHOUT:
        prob = without.risks.loc[known, name]
        row = without.calibration.loc[name]
        direct = calibration(scored_y[known], prob.to_numpy())
        assert row["in_the_large"] == direct.in_the_large
        assert row["slope"] == direct.slope
        assert row["slope_low"] == direct.slope_interval.low
        assert row["in_the_large_high"] == direct.in_the_large_interval.high
        assert row["scaled_brier"] == direct.scaled_brier
        assert row["brier"] == pytest.approx(np.mean((prob - scored_y[known]) ** 2))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*fewer than 5 expected", RuntimeWarning)
            test = hosmer_lemeshow(scored_y[known], prob.to_numpy(), out_of_fold=True)
        assert row[["hosmer_lemeshow", "pvalue"]].tolist() == [test.statistic, test.pvalue]
        curve = found.net_benefit[found.net_benefit["experiment"] == name]
        expected = net_benefit(scored_y[known], prob.to_numpy(), risks)
        assert curve.iloc[:, 1:].reset_index(drop=True).equals(expected)
    assert without.net_benefit.columns[0] == "experiment"
    default = without.net_benefit.loc[without.net_benefit["experiment"] == MIN, "threshold"]
    assert default.tolist() == pytest.approx(np.linspace(0.01, 0.10, 19))
    # The risks are on the right scale up to a tenth of log odds.
    assert without.calibration["in_the_large"].abs().max() < 0.1


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


def test_patients_stay_together_and_a_warning_tells_of_too_low_p_values(cohort):
    twins = make_cohort()
    twins.groups = np.arange(240) // 2
    for column in twins.target:
        twins.target[column] = np.repeat(twins.target[column].to_numpy()[::2], 2)
    with pytest.warns(RuntimeWarning, match="several scans as independent"):
        found = fracture_benchmarks(twins, **OPTIONS)
    for repeat in range(3):
        fold = fold_of(found.results[MIN], repeat)
        assert (fold[::2] == fold[1::2]).all()
    assert (found.results[MIN].groups == twins.groups).all()


def test_a_cohort_without_patients_takes_each_scan_for_one(cohort, without, cnn, with_network):
    alone = Bunch(data=cohort.data, target=cohort.target)
    pd.testing.assert_frame_equal(fracture_benchmarks(alone, **OPTIONS).table, without.table)
    ungrouped = Bunch(data=cohort.data, target=cohort.target, groups=None)
    found = fracture_benchmarks(ungrouped, cnn=cnn)
    assert found.results[MIN].groups is None
    pd.testing.assert_frame_equal(found.table, with_network.table)


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
        ({"bmd_neck": (1007, np.nan)}, "Column 'bmd_neck' is nan in 1 of 240 rows, .* row 1007"),
        ({"tbs": (1003, None)}, "Column 'tbs' is nan in 1 of 240 rows, .* row 1003"),
        ({"age": (1009, np.inf)}, "Column 'age' is inf in 1 .* row 1009"),
        ({"age": (1009, "old")}, "Column 'age' must hold numbers: .*old"),
        ({"bmd_L2": (1004, 950)}, "must be in g/cm2.* 950 in row .*1004.*, column 'bmd_L2'"),
        (
            {"fracture_ever": (1011, 2)},
            "'fracture_ever' must be 0, 1 or unknown; it is 2 in row 1011",
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
