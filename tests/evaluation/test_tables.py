"""External tests, and tables as they are printed."""

from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score

from skdxa.evaluation import (
    external_table,
    external_test,
    format_table,
    performance_table,
    repeated_cross_validate,
)

METRICS = ["sensitivity", "specificity", "accuracy", "auc"]


@pytest.fixture(scope="module")
def hospitals():
    X, y = make_classification(300, n_features=5, flip_y=0.3, weights=[0.7], random_state=0)
    return (X[:150], y[:150]), (X[150:], y[150:])


@pytest.fixture(scope="module")
def result(hospitals):
    return repeated_cross_validate(
        LogisticRegression(),
        *hospitals[0],
        n_splits=5,
        n_repeats=3,
        random_state=0,
        return_models="median",
        progress=False,
    )


def expected_test(scores, y, threshold):
    called = [score >= threshold for score in scores]
    return {
        "sensitivity": [recall_score(y, c) for c in called],
        "specificity": [recall_score(1 - y, ~c) for c in called],
        "accuracy": [accuracy_score(y, c) for c in called],
        "auc": [roc_auc_score(y, score) for score in scores],
    }


@pytest.mark.parametrize("threshold", [None, 0.3])
def test_external_test_of_the_median_repeats_models(result, hospitals, threshold):
    X, y = hospitals[1]
    found = external_test(result.models, X, y, threshold=threshold)
    assert found.index.tolist() == METRICS
    assert found.columns.tolist() == ["mean", "minimum", "maximum", "ensemble"]
    scores = [model.predict_proba(X)[:, 1] for model in result.models.values()]
    each = expected_test(scores, y, threshold or 0.5)
    together = expected_test([np.mean(scores, axis=0)], y, threshold or 0.5)
    for name in METRICS:
        expected = [np.mean(each[name]), min(each[name]), max(each[name]), together[name][0]]
        np.testing.assert_allclose(found.loc[name], expected, rtol=1e-12)


def test_external_labels_may_be_unknown_or_of_another_kind(result, hospitals):
    X, y = hospitals[1]
    models = list(result.models.values())
    partly = y.astype(float)
    partly[:40] = np.nan
    assert external_test(models, X, partly).equals(external_test(models, X[40:], y[40:]))
    names = np.array(["healthy", "scoliosis"])
    named = [LogisticRegression().fit(hospitals[0][0], names[hospitals[0][1]])]
    assert external_test(named, X, y).equals(external_test(named, X, names[y]))


def test_external_test_by_a_decision_function(hospitals):
    (X, y), (X_external, y_external) = hospitals
    model = RidgeClassifier().fit(X, y)
    found = external_test([model], X_external, y_external)
    assert found.loc["accuracy", "mean"] == model.score(X_external, y_external)


def test_external_test_refuses(result, hospitals):
    (X, y), (X_external, y_external) = hospitals
    model = LogisticRegression().fit(X, y)
    with pytest.raises(ValueError, match=r"no model to test: .*return_models='median'"):
        external_test({}, X_external, y_external)
    with pytest.raises(ValueError, match="model 1 is scored by another method than model 0"):
        external_test([model, RidgeClassifier().fit(X, y)], X_external, y_external)
    with pytest.raises(ValueError, match=r"model 1 has the classes \[0, 2\], model 0 \[0, 1\]"):
        external_test([model, LogisticRegression().fit(X, 2 * y)], X_external, y_external)
    with pytest.raises(ValueError, match="both positive and negative"):
        external_test([model], X_external, np.zeros(150))
    with pytest.raises(ValueError, match="a label for each of 150 scans, got 149"):
        external_test([model], X_external, y_external[1:])


def test_performance_table_is_the_summary_in_a_row(result):
    later = result.y.astype(float)
    later[::9] = np.nan
    table = performance_table(
        {"Fracture": result, "Fracture in 5 years": result},
        y={"Fracture in 5 years": later},
        threshold={"Fracture": 0.3},
        level=0.9,
    )
    assert table.index.name == "experiment"
    assert table.columns.tolist() == [
        name + suffix for name in METRICS for suffix in ("", "_low", "_high")
    ]
    summaries = [result.summary(threshold=0.3, level=0.9), result.summary(later, level=0.9)]
    for (_, row), summary in zip(table.iterrows(), summaries, strict=True):
        for name in METRICS:
            found = row[[name, f"{name}_low", f"{name}_high"]].tolist()
            assert found == summary.loc[name, ["estimate", "low", "high"]].tolist()
    head = table.to_csv().splitlines()[0]
    assert head.startswith("experiment,sensitivity,sensitivity_low,sensitivity_high,specificity,")


def test_performance_table_by_another_interval_and_one_threshold(result):
    table = performance_table({"DL": result}, threshold=0.3, interval="delong")
    summary = result.summary(threshold=0.3, interval="delong")
    assert table.loc["DL", "auc_high"] == summary.loc["auc", "high"]


def test_performance_table_refuses_names_that_are_not_there(result):
    with pytest.raises(ValueError, match=r"threshold names experiments .*: \['Fractures'\]"):
        performance_table({"Fracture": result}, threshold={"Fractures": 0.15})


@pytest.fixture
def published():
    """Table 1 of Nissinen et al. 2021, its first row, and one without an interval."""
    numbers = [0.705, 0.700, 0.710, 0.976, 0.975, 0.976, 0.941, 0.940, 0.942, 0.96, 0.96, 0.97]
    columns = [name + suffix for name in METRICS for suffix in ("", "_low", "_high")]
    table = pd.DataFrame([numbers, [1, np.nan, np.nan] * 4], columns=columns)
    table.index = pd.Index(["Scoliosis: 100 % of L1_L4 | hip", "<Age> & TBS"], name="experiment")
    return table


def test_markdown(published):
    assert format_table(published).splitlines() == [
        "| Experiment | Sensitivity (%) | Specificity (%) | Accuracy (%) | AUC |",
        "| --- | --- | --- | --- | --- |",
        "| Scoliosis: 100 % of L1_L4 \\| hip | 70.5 (70.0, 71.0) | 97.6 (97.5, 97.6) "
        "| 94.1 (94.0, 94.2) | 0.96 (0.96, 0.97) |",
        "| <Age> & TBS | 100.0 (NA, NA) | 100.0 (NA, NA) | 100.0 (NA, NA) | 1.00 (NA, NA) |",
    ]


def test_latex(published):
    assert format_table(published, to="latex").splitlines() == [
        r"\begin{tabular}{lrrrr}",
        r"\hline",
        r"Experiment & Sensitivity (\%) & Specificity (\%) & Accuracy (\%) & AUC \\",
        r"\hline",
        r"Scoliosis: 100 \% of L1\_L4 | hip & 70.5 (70.0, 71.0) & 97.6 (97.5, 97.6) "
        r"& 94.1 (94.0, 94.2) & 0.96 (0.96, 0.97) \\",
        r"<Age> \& TBS & 100.0 (NA, NA) & 100.0 (NA, NA) & 100.0 (NA, NA) & 1.00 (NA, NA) \\",
        r"\hline",
        r"\end{tabular}",
    ]


def test_html(published):
    table = ElementTree.fromstring(format_table(published, to="html"))
    head, *rows = [[cell.text for cell in row] for row in table.iter("tr")]
    assert head == ["Experiment", "Sensitivity (%)", "Specificity (%)", "Accuracy (%)", "AUC"]
    intervals = [
        "70.5 (70.0, 71.0)",
        "97.6 (97.5, 97.6)",
        "94.1 (94.0, 94.2)",
        "0.96 (0.96, 0.97)",
    ]
    assert rows == [
        ["Scoliosis: 100 % of L1_L4 | hip", *intervals],
        ["<Age> & TBS", *["100.0 (NA, NA)"] * 3, "1.00 (NA, NA)"],
    ]


def test_text(published):
    assert format_table(published, to="text").splitlines() == [
        "Experiment                         Sensitivity (%)    Specificity (%)"
        "       Accuracy (%)                AUC",
        "Scoliosis: 100 % of L1_L4 | hip  70.5 (70.0, 71.0)  97.6 (97.5, 97.6)"
        "  94.1 (94.0, 94.2)  0.96 (0.96, 0.97)",
        "<Age> & TBS                         100.0 (NA, NA)     100.0 (NA, NA)"
        "     100.0 (NA, NA)      1.00 (NA, NA)",
    ]


@pytest.mark.parametrize("to", ["text", "html", "markdown", "latex"])
def test_long_names_are_not_cut(published, to):
    name = "Min T-score and deep learning" + ", and age" * 9
    assert name in format_table(published.rename({"<Age> & TBS": name}), to=to)


def test_external_table_as_printed(result, hospitals):
    test = external_test(result.models, *hospitals[1])
    table = external_table({"Scoliosis": test})
    assert table.index.name == "experiment"
    assert table.loc["Scoliosis", "specificity_minimum"] == test.loc["specificity", "minimum"]
    texts = format_table(table, to="frame")
    mean, low, high = (100 * test.loc["accuracy", ["mean", "minimum", "maximum"]]).round(1)
    assert texts.loc["Scoliosis", "Accuracy (%)"] == f"{mean:.1f} ({low:.1f}, {high:.1f})"
    assert texts.columns.tolist()[-1] == "AUC"


def test_format_table_refuses(published):
    with pytest.raises(ValueError, match=r"to must be one of .*'latex'"):
        format_table(published, to="pdf")
    with pytest.raises(ValueError, match=r"no metric with its bounds.*\['kappa'\]"):
        format_table(pd.DataFrame({"kappa": [0.73]}))
