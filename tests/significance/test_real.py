"""A real table, NHANES 2017-2020, against R 4.2.2 and pROC 1.18.0."""

import numpy as np
import pandas as pd
import pytest

from skdxa.significance import (
    delong_interval,
    delong_test,
    delong_test_unpaired,
    likelihood_ratio_test,
    logistic_table,
)


@pytest.fixture(scope="module")
def patients(real_data):
    """The 1,930 of 4,593 with four vertebrae, hip and fracture history; 253 had a fracture."""
    table = pd.read_csv(real_data / "tables" / "nhanes_2017_2020_dxa_fracture.csv")
    spine = table[["DXXL1BMD", "DXXL2BMD", "DXXL3BMD", "DXXL4BMD"]].min(axis=1, skipna=False)
    hip = table[["DXXNKBMD", "DXXOFBMD"]].min(axis=1, skipna=False)
    return pd.DataFrame(
        {
            "fracture": table.fx_any,
            "min_t": np.minimum((spine - 1.20) / 0.12, (hip - 0.98) / 0.12),
            "age": table.RIDAGEYR,
            "female": (table.RIAGENDR == 2).astype(int),
        }
    ).dropna()


def test_logistic_table(patients):
    # R: glm(fx_any ~ min_t + age + female, binomial, epsilon = 1e-14); confint.default
    table = logistic_table(patients.fracture, patients[["min_t", "age", "female"]])
    expected = pd.DataFrame(
        {
            "coef": [
                -3.519565302188952,
                -0.191688285704255,
                0.020034671203183,
                -0.271304433538213,
            ],
            "std_err": [
                0.49724323746872995,
                0.06059217082233723,
                0.00776612499789401,
                0.14468584523013739,
            ],
            "pvalue": [
                1.46085019803237e-12,
                1.55840578290493e-03,
                9.88714862946443e-03,
                6.07751601385849e-02,
            ],
            "low": [0.011174240118000, 0.733119355922012, 1.004824948665849, 0.574139156417230],
            "high": [0.0784741141054321, 0.9296660780720005, 1.0358848577559989, 1.0123502544139],
        },
        index=["const", "min_t", "age", "female"],
    )
    pd.testing.assert_frame_equal(table[expected.columns], expected, rtol=1e-7, atol=1e-14)
    assert table.attrs["llf"] == pytest.approx(-739.069470901109, rel=1e-12)
    assert table.attrs["aic"] == pytest.approx(1486.13894180222, rel=1e-12)
    assert table.attrs["auc"] == pytest.approx(0.587619997124547, rel=1e-10)
    assert (table.attrs["n"], table.attrs["events"]) == (1930, 253)


def test_likelihood_ratio(patients):
    # R: anova(glm(fx_any ~ min_t), glm(fx_any ~ min_t + age + female), test = "LRT")
    test = likelihood_ratio_test(
        patients.fracture, patients[["min_t"]], patients[["min_t", "age", "female"]]
    )
    assert test.statistic == pytest.approx(10.3169095670448, rel=1e-9)
    assert (test.df, test.pvalue) == (2, pytest.approx(0.0057506, rel=1e-5))


def test_delong(patients):
    # pROC: ci.auc(roc(fx_any, -min_t, levels = c(0, 1), direction = "<"))
    y = patients.fracture
    interval = delong_interval(y, -patients.min_t, scale="identity")
    assert interval.estimate == pytest.approx(0.563257605219183, rel=1e-10)
    assert interval.variance == pytest.approx(0.000351613973522994, rel=1e-10)
    assert interval.low == pytest.approx(0.526505590307491, rel=1e-9)
    assert interval.high == pytest.approx(0.600009620130874, rel=1e-9)

    table = logistic_table(y, patients[["min_t", "age", "female"]])
    log_odds = patients[["min_t", "age", "female"]] @ table.coef[1:]
    model = delong_interval(y, log_odds, scale="identity")
    assert model.low == pytest.approx(0.550480337275657, rel=1e-9)
    assert model.high == pytest.approx(0.624759656973437, rel=1e-9)


def test_delong_tests(patients):
    # pROC: roc.test(method = "delong"), paired for two scores, unpaired for women and men
    paired = delong_test(patients.fracture, -patients.min_t, patients.age)
    assert paired.statistic == pytest.approx(0.181428159795118, rel=1e-8)
    assert paired.pvalue == pytest.approx(0.856031517314048, rel=1e-8)
    assert paired.interval.low == pytest.approx(-0.0435296561524915, rel=1e-8)

    women, men = patients[patients.female == 1], patients[patients.female == 0]
    unpaired = delong_test_unpaired(women.fracture, -women.min_t, men.fracture, -men.min_t)
    assert unpaired.statistic == pytest.approx(-1.26656454174932, rel=1e-8)
    assert unpaired.df == pytest.approx(1923.1902095282, rel=1e-8)
    assert unpaired.pvalue == pytest.approx(0.205464412074433, rel=1e-8)
