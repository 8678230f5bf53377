import warnings

import numpy as np
import pytest
from fractures import (
    CLINICAL,
    HIP,
    MIN,
    OPTIONS,
    SPINE,
    TBS,
    VARIABLES,
    WITH,
    WITHOUT,
    fold_of,
    labels,
    out_of_fold,
    risk_columns,
)

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
        expected = net_benefit(
            scored_y[known], prob.to_numpy(), risks, n_resamples=1000, random_state=0
        )
        assert curve.iloc[:, 1:].reset_index(drop=True).equals(expected)
    assert without.net_benefit.columns[0] == "experiment"
    default = without.net_benefit.loc[without.net_benefit["experiment"] == MIN, "threshold"]
    assert default.tolist() == pytest.approx(np.linspace(0.01, 0.10, 19))
    # The risks are on the right scale up to a tenth of log odds.
    assert without.calibration["in_the_large"].abs().max() < 0.1
