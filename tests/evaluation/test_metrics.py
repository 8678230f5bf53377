"""Sensitivity, specificity, and thresholds by three rules against R, guaranteed sensitivities."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer, recall_score, roc_auc_score
from sklearn.model_selection import KFold, cross_val_score

from skdxa.evaluation import sensitivity_score, specificity_score, threshold_at_sensitivity
from skdxa.evaluation._metrics import grouped_metrics
from skdxa.significance import proportion_interval

ASAH = Path(__file__).parents[1] / "data" / "significance" / "asah.csv"

# R 4.2.2 and pROC 1.18.0 on S100b: by enumeration of all scores, and for the interpolated
# specificity coords(roc, x, input = "sensitivity").
R_THRESHOLDS = {
    0.5: {
        "at_least": (0.30, 0.51219512195122, 0.833333333333333),
        "nearest": (0.32, 0.48780487804878, 0.833333333333333),
        "interpolated specificity": 0.833333333333333,
    },
    0.6: {
        "at_least": (0.23, 0.609756097560976, 0.805555555555556),
        "nearest": (0.23, 0.609756097560976, 0.805555555555556),
        "interpolated specificity": 0.805555555555556,
    },
    0.8: {
        "at_least": (0.10, 0.829268292682927, 0.388888888888889),
        "nearest": (0.11, 0.780487804878049, 0.486111111111111),
        "interpolated specificity": 0.447222222222222,
    },
    0.9: {
        "at_least": (0.08, 0.902439024390244, 0.222222222222222),
        "nearest": (0.08, 0.902439024390244, 0.222222222222222),
        "interpolated specificity": 0.230555555555556,
    },
}


@pytest.fixture(scope="module")
def asah():
    table = pd.read_csv(ASAH)
    return table["y"], table["s100b"]


@pytest.mark.parametrize("rule", ["at_least", "nearest"])
@pytest.mark.parametrize("wanted", R_THRESHOLDS)
def test_thresholds_are_those_of_r(asah, wanted, rule):
    y, score = asah
    threshold, sensitivity, specificity = R_THRESHOLDS[wanted][rule]
    found = threshold_at_sensitivity(y, score, wanted, rule=rule)
    assert found == pytest.approx(threshold, abs=1e-12)
    assert sensitivity_score(y, score >= found) == pytest.approx(sensitivity, abs=1e-9)
    assert specificity_score(y, score >= found) == pytest.approx(specificity, abs=1e-9)


@pytest.mark.parametrize("wanted", R_THRESHOLDS)
def test_interpolated_threshold_divides_the_roc_curve_as_proc_does(asah, wanted):
    y, score = asah
    found = threshold_at_sensitivity(y, score, wanted, rule="interpolated")
    lower = threshold_at_sensitivity(y, score, wanted)
    upper = score[score > lower].min()
    assert lower <= found <= upper
    specificities = [specificity_score(y, score >= end) for end in (lower, upper)]
    assert np.interp(found, [lower, upper], specificities) == pytest.approx(
        R_THRESHOLDS[wanted]["interpolated specificity"], abs=1e-9
    )
    sensitivities = [sensitivity_score(y, score >= end) for end in (lower, upper)]
    assert np.interp(found, [lower, upper], sensitivities) == pytest.approx(wanted, abs=1e-9)


def test_threshold_with_as_many_positives_as_in_the_paper():
    # 92 fractures in five years: 60 % lies between 55 and 56 of them.
    score = np.arange(92, 0, -1.0)
    y, score = np.r_[np.ones(92), np.zeros(30)], np.r_[score, np.full(30, 0.5)]

    def sensitivity(rule):
        return np.mean(score[:92] >= threshold_at_sensitivity(y, score, 0.6, rule=rule))

    assert sensitivity("at_least") == 56 / 92
    assert sensitivity("nearest") == 55 / 92
    # Position 55.2 from the top, where the threshold falls by one per position.
    assert threshold_at_sensitivity(y, score, 0.6, rule="interpolated") == pytest.approx(37.8)


@pytest.mark.parametrize("rule", ["at_least", "nearest", "interpolated"])
def test_threshold_of_a_sensitivity_that_occurs(rule):
    y, score = [1, 0, 1, 0, 1, 1, 1], [7, 6, 5, 4, 3, 2, 1]
    # In floating point, 0.1 * 6 is slightly above the 3 / 5 that occur.
    assert threshold_at_sensitivity(y, score, 0.1 * 6, rule=rule) == 3
    assert threshold_at_sensitivity(y, score, 1, rule=rule) == 1
    assert threshold_at_sensitivity(y, score, 0.05, rule=rule) == 7


def test_nearest_of_several_equally_near_is_the_most_specific():
    y, score = [1, 0, 1, 0, 1, 1], [6, 5, 4, 3, 2, 1]
    # 2 or 3 of 4 positives are found: 0.625 lies in the middle between 0.5 and 0.75.
    assert threshold_at_sensitivity(y, score, 0.625, rule="nearest") == 4
    assert threshold_at_sensitivity(y, score, 0.63, rule="nearest") == 2
    # Half of the positives are found at 4 and at 3.
    assert threshold_at_sensitivity(y, score, 0.55, rule="nearest") == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], [1, 2], 0), "sensitivity must lie above 0 and not above 1, got 0"),
        (([0, 1], [1, 2], 60), "sensitivity must lie above 0"),
        (([0, 1], [1, 2], np.nan), "sensitivity must lie above 0"),
        (([0, 0], [1, 2], 0.5), "must hold both 0 and 1"),
        (([0, np.nan], [1, 2], 0.5), "leave these rows out"),
    ],
)
def test_threshold_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        threshold_at_sensitivity(*arguments)


def test_threshold_refuses_an_unknown_rule():
    with pytest.raises(ValueError, match=r"rule must be one of \['at_least', 'nearest', "):
        threshold_at_sensitivity([0, 1], [1, 2], 0.5, rule="closest")


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize(("wanted", "n_positives"), [(0.6, 92), (0.9, 92), (0.9, 29), (0.8, 17)])
def test_a_guaranteed_sensitivity_is_clopper_and_pearsons_lower_end(
    wanted, n_positives, confidence
):
    rng = np.random.default_rng(0)
    y, score = np.repeat([1, 0], [n_positives, 30]), rng.normal(size=n_positives + 30)
    found = threshold_at_sensitivity(y, score, wanted, rule="guaranteed", confidence=confidence)

    def lower_end(threshold):
        # One-sided at `confidence` is two-sided at 2 confidence - 1.
        hits = int(np.sum(score[:n_positives] >= threshold))
        level = 2 * confidence - 1
        return proportion_interval(hits, n_positives, level=level, method="exact").low

    assert lower_end(found) >= wanted > lower_end(np.nextafter(found, np.inf))


def test_a_guaranteed_sensitivity_holds_as_often_as_stated():
    rng = np.random.default_rng(0)
    wanted, confidence, held = 0.85, 0.9, []
    for _ in range(400):
        score = rng.normal(size=60)
        found = threshold_at_sensitivity(
            np.repeat([1, 0], [50, 10]), score, wanted, rule="guaranteed", confidence=confidence
        )
        held.append(stats.norm.sf(found) >= wanted)
    # Exactly: the chance that a binomial variable reaches the order of the score.
    order = max(k for k in range(1, 51) if stats.binom.sf(k - 1, 50, 0.15) >= confidence)
    expected = stats.binom.sf(order - 1, 50, 0.15)
    assert confidence <= expected < 0.96
    assert np.mean(held) == pytest.approx(expected, abs=3 * np.sqrt(expected * 0.1 / 400))


def test_of_a_patient_with_several_positive_scans_the_lowest_score_counts():
    rng = np.random.default_rng(0)
    y, score, patient = np.repeat([1, 0], [120, 9]), rng.normal(size=129), np.arange(129) // 3
    found = threshold_at_sensitivity(y, score, 0.9, rule="guaranteed", groups=patient)
    lowest = score[:120].reshape(40, 3).min(axis=1)
    expected = threshold_at_sensitivity(
        [1] * 40 + [0], [*lowest, 0], 0.9, rule="guaranteed", groups=None
    )
    assert found == expected
    assert found < threshold_at_sensitivity(y, score, 0.9, rule="guaranteed")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sensitivity": 0.9}, "confidence of 0.95 by 20 positive patients: 29 are needed"),
        ({"sensitivity": 0.8, "groups": np.arange(30) // 2}, "by 10 positive patients: 14"),
        ({"sensitivity": 1.0}, "sensitivity of 1 cannot be guaranteed"),
        ({"sensitivity": 0.8, "confidence": 95}, "confidence must lie between 0 and 1, got 95"),
        ({"sensitivity": 0.8, "rule": "nearest", "groups": [0] * 30}, "'guaranteed' alone"),
        ({"sensitivity": 0.8, "groups": [0] * 29}, "y and groups must have the same rows"),
    ],
)
def test_guarantees_that_are_refused(options, message):
    y, score = np.repeat([1, 0], [20, 10]), np.arange(30.0)
    with pytest.raises(ValueError, match=message):
        threshold_at_sensitivity(y, score, **{"rule": "guaranteed", **options})


def test_guarantees_need_as_many_positives_as_they_say():
    for n_positives, wanted in ((29, 0.9), (14, 0.8), (59, 0.95)):
        y, score = np.repeat([1, 0], [n_positives, 5]), np.arange(n_positives + 5.0)
        assert threshold_at_sensitivity(y, score, wanted, rule="guaranteed") == 0
        with pytest.raises(ValueError, match=f"{n_positives} are needed"):
            threshold_at_sensitivity(y[1:], score[1:], wanted, rule="guaranteed")


@pytest.mark.parametrize("labels", [(0, 1), ("healthy", "fracture"), (False, True)])
def test_sensitivity_and_specificity_count(labels):
    negative, positive = labels
    y_true = np.array([positive] * 4 + [negative] * 3)
    y_pred = np.array([positive] * 3 + [negative] * 3 + [positive])
    assert sensitivity_score(y_true, y_pred, pos_label=positive) == 3 / 4
    assert specificity_score(list(y_true), pd.Series(y_pred), pos_label=positive) == 2 / 3
    assert sensitivity_score(y_true, y_pred, pos_label=positive) == recall_score(
        y_true, y_pred, pos_label=positive
    )


def test_undefined_metrics_are_nan_with_a_warning():
    with pytest.warns(UndefinedMetricWarning, match="sensitivity is undefined .* no positive"):
        assert np.isnan(sensitivity_score([0, 0], [0, 1]))
    with pytest.warns(UndefinedMetricWarning, match="specificity is undefined .* no negative"):
        assert np.isnan(specificity_score([1, 1], [0, 1]))


def test_missing_labels_are_not_taken_for_negatives():
    with pytest.raises(ValueError, match=r"y_true is missing for 1 of 3 scans.*position 1"):
        specificity_score([0, np.nan, 1], [0, 0, 1])


def test_scores_serve_as_scorers():
    X, y = np.arange(-20.0, 20).reshape(-1, 1), np.repeat(["no", "yes"], 20)
    scorer = make_scorer(specificity_score, pos_label="yes")
    found = cross_val_score(
        LogisticRegression(), X, y, scoring=scorer, cv=KFold(4, shuffle=True, random_state=0)
    )
    assert found.min() > 0.7


def test_grouped_metrics_are_those_of_each_group():
    rng = np.random.default_rng(0)
    n_cells, n_scores = 7, 900
    cell = rng.integers(n_cells, size=n_scores)
    positive = rng.random(n_scores) < 0.3
    # Two decimals: many ties, within a class and across.
    score = (rng.normal(size=n_scores) + positive).round(1)
    found = grouped_metrics(positive, score, cell, n_cells, 0.4)
    for number in range(n_cells):
        y, called = positive[cell == number], score[cell == number] >= 0.4
        expected = {
            "sensitivity": recall_score(y, called),
            "specificity": recall_score(~y, ~called),
            "accuracy": accuracy_score(y, called),
            "auc": roc_auc_score(y, score[cell == number]),
        }
        for name, value in expected.items():
            assert found[name][number] == pytest.approx(value, rel=1e-12)


def test_grouped_metrics_without_positives_or_scans():
    positive = np.array([False, False, True])
    found = grouped_metrics(positive, np.array([0.2, 0.7, 0.9]), np.array([0, 0, 1]), 3, 0.5)
    np.testing.assert_array_equal(found["sensitivity"], [np.nan, 1, np.nan])
    np.testing.assert_array_equal(found["specificity"], [0.5, np.nan, np.nan])
    np.testing.assert_array_equal(found["accuracy"], [0.5, 1, np.nan])
    np.testing.assert_array_equal(found["auc"], [np.nan] * 3)


@pytest.mark.parametrize("score", [sensitivity_score, specificity_score])
@pytest.mark.parametrize("empty", [[], np.array([]), pd.Series([], dtype=object)])
def test_no_labels_raise(score, empty):
    with pytest.raises(ValueError, match=r"^y_true and y_pred are empty\.$"):
        score(empty, empty)


@pytest.mark.parametrize("score", [sensitivity_score, specificity_score])
def test_a_positive_label_that_is_none_of_the_labels_raises(score):
    texts = ["healthy", "fracture", "healthy", "fracture"]
    with pytest.raises(
        ValueError, match=r"pos_label=1 is not a valid label.*'fracture', 'healthy'"
    ):
        score(texts, texts)
    with pytest.raises(ValueError, match=r"pos_label=1 is not a valid label.*\['healthy'\]"):
        score(["healthy"] * 3, ["healthy"] * 3)
    with pytest.raises(ValueError, match=r"pos_label=1 is not a valid label.*\[2, 3\]"):
        score([2, 3], [2, 3])
    assert score(texts, texts, pos_label="fracture") == 1


def test_scans_have_weights():
    y_true, y_pred, weight = [1, 1, 0, 0], [1, 0, 0, 1], [3, 1, 1, 1]
    assert sensitivity_score(y_true, y_pred, sample_weight=weight) == 0.75
    assert specificity_score(y_true, y_pred, sample_weight=[1, 1, 4, 1]) == 0.8
