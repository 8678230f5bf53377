"""Tables of performance, and the texts they are printed as."""

from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from skdxa.evaluation import (
    external_table,
    external_test,
    format_table,
    performance_table,
)

METRICS = ["sensitivity", "specificity", "accuracy", "auc"]


def test_performance_table_is_the_summary_in_a_row(fitted_result):
    scored_y = fitted_result.y.astype(float)
    scored_y[::9] = np.nan
    table = performance_table(
        {"Fracture": fitted_result, "Fracture in 5 years": fitted_result},
        y={"Fracture in 5 years": scored_y},
        threshold={"Fracture": 0.3},
        level=0.9,
    )
    assert table.index.name == "experiment"
    assert table.columns.tolist() == [
        *(name + suffix for name in METRICS for suffix in ("", "_low", "_high")),
        "aggregation",
    ]
    summaries = [
        fitted_result.summary(threshold=0.3, level=0.9),
        fitted_result.summary(scored_y, level=0.9),
    ]
    for (_, row), summary in zip(table.iterrows(), summaries, strict=True):
        for name in METRICS:
            found = row[[name, f"{name}_low", f"{name}_high"]].tolist()
            assert found == summary.loc[name, ["estimate", "low", "high"]].tolist()
    head = table.to_csv().splitlines()[0]
    assert head.startswith("experiment,sensitivity,sensitivity_low,sensitivity_high,specificity,")


def test_performance_table_by_another_interval_and_one_threshold(fitted_result):
    table = performance_table({"DL": fitted_result}, threshold=0.3, interval="delong")
    summary = fitted_result.summary(threshold=0.3, interval="delong")
    assert table.loc["DL", "auc_high"] == summary.loc["auc", "high"]


def test_the_table_states_which_auc_it_holds(fitted_result):
    for interval, kind in (
        ("stability", "mean of folds"),
        ("corrected", "mean of folds"),
        ("t", "mean of folds"),
        ("delong", "pooled"),
        ("bootstrap", "pooled"),
    ):
        table = performance_table({"DL": fitted_result}, interval=interval, random_state=0)
        assert table["aggregation"].tolist() == [kind]
        assert format_table(table, to="frame").columns[-1] == f"AUC, {kind}"
        by = fitted_result.fold_metrics() if "folds" in kind else fitted_result.repeat_metrics()
        expected = by["auc"].mean() if "folds" in kind else by["auc"].median()
        assert table.loc["DL", "auc"] == pytest.approx(expected, rel=1e-12)
    both = pd.concat([table, table.assign(aggregation="mean of folds")])
    assert format_table(both, to="frame").columns[-1] == "AUC"


def test_performance_table_refuses_names_that_are_not_there(fitted_result):
    with pytest.raises(ValueError, match=r"threshold names experiments .*: \['Fractures'\]"):
        performance_table({"Fracture": fitted_result}, threshold={"Fractures": 0.15})


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


def test_external_table_as_printed(fitted_result, hospitals):
    test = external_test(fitted_result.models, *hospitals[1])
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
