"""Logistic tables: closed forms, and columns that allow no estimate."""

import numpy as np
import pandas as pd
import pytest

from skdxa.significance import delong_interval, likelihood_ratio_test, logistic_table

Y = np.array([0, 1, 0, 1, 0, 0, 0, 1])
X = pd.DataFrame(
    {
        "min_t": [-0.4, -3.1, -1.0, -2.2, -2.6, 0.3, -1.9, -2.0],
        "age": [65, 70, 68, 66, 64, 71, 69, 63],
    }
)


def simulated(n=200):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"min_t": rng.normal(-1.5, 1, n), "age": rng.normal(68, 2, n)})
    log_odds = -1 - 0.8 * X.min_t + 0.2 * (X.age - 68)
    return (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(int), X


def test_two_by_two_table_has_its_closed_form():
    # 30 of 50 exposed and 12 of 45 others: the odds ratio is a product of counts and the
    # variance of its logarithm the sum of their reciprocals.
    exposed = np.repeat([1, 1, 0, 0], [30, 20, 12, 33])
    y = np.repeat([1, 0, 1, 0], [30, 20, 12, 33])
    row = logistic_table(y, pd.Series(exposed, name="exposed")).loc["exposed"]
    assert row.odds_ratio == pytest.approx(30 * 33 / (20 * 12))
    assert row.std_err == pytest.approx(np.sqrt(1 / 30 + 1 / 20 + 1 / 12 + 1 / 33))
    assert row.low == pytest.approx(np.exp(row.coef - 1.959963984540054 * row.std_err))
    assert row.z == pytest.approx(row.coef / row.std_err)


def test_agrees_with_r():
    # R: coef(glm(y ~ min_t, binomial)); anova(small, large, test = "LRT")
    table = logistic_table(Y, X[["min_t"]])
    assert table.coef.tolist() == pytest.approx([-4.37720790111961, -2.02156155297609])
    test = likelihood_ratio_test(Y, X[["min_t"]], X)
    assert test.statistic == pytest.approx(0.1605569849394)
    assert test.pvalue == pytest.approx(0.68864, rel=1e-5)
    assert (test.df, test.estimate, test.interval) == (1, test.statistic, None)


def test_shape_and_attributes():
    table = logistic_table(Y, X)
    assert table.index.tolist() == ["const", "min_t", "age"]
    assert table.columns.tolist() == [
        *("coef", "std_err", "z", "pvalue", "odds_ratio", "low", "high")
    ]
    attrs = table.attrs
    assert (attrs["n"], attrs["events"], attrs["level"]) == (8, 3, 0.95)
    assert attrs["aic"] == 6 - 2 * attrs["llf"]
    assert attrs["llf_null"] == pytest.approx(3 * np.log(3 / 8) + 5 * np.log(5 / 8))
    log_odds = X @ table.coef[1:]
    assert attrs["auc"] == delong_interval(Y, log_odds).estimate


def test_level_moves_the_ends_alone():
    wide, narrow = logistic_table(Y, X), logistic_table(Y, X, level=0.5)
    assert (wide.low < narrow.low).all()
    assert (wide.high > narrow.high).all()
    pd.testing.assert_frame_equal(
        wide.drop(columns=["low", "high"]), narrow.drop(columns=["low", "high"])
    )


def test_units_of_a_variable_do_not_matter():
    y, X = simulated()
    table = logistic_table(y, X)
    scaled = logistic_table(y, X.assign(min_t=X.min_t * 1e9, age=X.age * 1e-7 + 4))
    assert scaled.z[1:].tolist() == pytest.approx(table.z[1:].tolist(), rel=1e-6)
    assert scaled.coef["min_t"] == pytest.approx(table.coef["min_t"] * 1e-9)
    assert scaled.attrs["llf"] == pytest.approx(table.attrs["llf"], rel=1e-8)


def test_recovers_simulated_coefficients():
    y, X = simulated(4000)
    table = logistic_table(y, X)
    miss = (table.coef[["min_t", "age"]] - [-0.8, 0.2]) / table.std_err[["min_t", "age"]]
    assert (miss.abs() < 3).all()
    assert (table.std_err[["min_t", "age"]] < 0.06).all()


def test_kinds_of_table_agree():
    table = logistic_table(Y, X)
    plain = logistic_table(Y.tolist(), X.to_numpy())
    assert plain.index.tolist() == ["const", "x1", "x2"]
    np.testing.assert_array_equal(plain, table)
    nullable = logistic_table(pd.Series(Y, dtype="boolean"), X.astype("Float64"))
    np.testing.assert_array_equal(nullable, table)
    assert logistic_table(Y, X.age.to_numpy()).index.tolist() == ["const", "x1"]
    assert logistic_table(Y, X.age).index.tolist() == ["const", "age"]
    assert logistic_table(Y, pd.Series(X.age.to_numpy())).index.tolist() == ["const", "x1"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"tbs": [1.2, np.nan, 1.3, 1.1, np.nan, 1.2, 1.3, 1.1]}, "'tbs' has 2 .* at index 1"),
        ({"tbs": [1.2, np.inf, 1.3, 1.1, 1.1, 1.2, 1.3, 1.1]}, "'tbs' has 1 missing or inf"),
        ({"sex": list("FMFMFFMF")}, "'sex' must hold numbers .* 0 and 1"),
        ({"site": [2] * 8}, "'site' is constant"),
        ({"cut": [-2.5] * 7 + [(0.90 - 1.20) / 0.12]}, "'cut' is constant"),
        ({"sum": X.age * 2 - 3 * X.min_t + 5}, "'sum' is a linear comb.* of 'min_t', 'age'"),
        ({"again": X.age + 1}, "'again' is a linear combination of 'age': leave one"),
        ({"hint": [0, 2, 1, 3, 0, 1, 1, 4]}, "'hint' separates the classes of y"),
        ({"quasi": [0, 1, 0, 0, 0, 0, 0, 1]}, "'quasi' separates the classes of y"),
        ({"back": [5, 2, 5, 1, 3, 4, 3, 0]}, "'back' separates the classes of y"),
        ({"const": np.arange(8)}, "more than one column 'const'"),
    ],
)
def test_useless_column_is_named(columns, message):
    with pytest.raises(ValueError, match=message):
        logistic_table(Y, X.assign(**columns))


def test_columns_that_separate_together_are_named():
    rng = np.random.default_rng(3)
    X = pd.DataFrame(rng.normal(size=(60, 3)), columns=["a", "b", "c"])
    y = (X.a + X.b > 0).astype(int)
    with pytest.raises(ValueError, match=r"columns 'a', 'b'.* together separate the classes"):
        logistic_table(y, X)


def test_quasi_separation_by_two_columns_is_found():
    # No event where both are 1, and events and others everywhere else.
    a, b = np.repeat([0, 0, 1, 1], 8), np.repeat([0, 1, 0, 1], 8)
    y = np.where(a & b, 0, np.tile([0, 1], 16))
    X = pd.DataFrame({"a": a, "b": b, "both": a & b})
    with pytest.raises(ValueError, match="'both'"):
        logistic_table(y, X)
    assert np.isfinite(logistic_table(y, X[["a", "b"]])).all(axis=None)


def test_almost_separated_classes_do_not_converge():
    x = np.r_[-np.ones(20), np.ones(20), -1e-9, 1e-9]
    y = np.r_[np.zeros(20), np.ones(20), 1, 0]
    with pytest.raises(ValueError, match="did not converge: its columns almost separate"):
        logistic_table(y, x)


def test_twice_the_same_column_name():
    twice = pd.concat([X, X.age], axis=1)
    with pytest.raises(ValueError, match="X has more than one column 'age'"):
        logistic_table(Y, twice)


@pytest.mark.parametrize(
    ("y", "X", "message"),
    [
        (np.zeros(8), X, "y must hold both 0 and 1, got only 0"),
        (Y[:7], X, "y and X must have the same rows, got 7 and 8"),
        (pd.Series(Y, index=range(1, 9)), X, "y and X have different indices"),
        ([0, 1, 0], [[1, 2], [2, 1], [3, 5]], "3 patients are too few for 2 variables"),
        (Y, np.zeros((8, 2, 2)), "X must be a table"),
        (Y, X[[]], "X is empty: it has 8 rows and 0 columns"),
    ],
)
def test_bad_rows(y, X, message):
    with pytest.raises(ValueError, match=message):
        logistic_table(y, X)


def test_likelihood_ratio_against_the_constant():
    y, X = simulated()
    table = logistic_table(y, X)
    test = likelihood_ratio_test(y, None, X)
    assert test.df == 2
    assert test.statistic == pytest.approx(2 * (table.attrs["llf"] - table.attrs["llf_null"]))


def test_likelihood_ratio_holds_its_level():
    rng = np.random.default_rng(4)
    pvalues = []
    for _ in range(200):
        X = rng.normal(size=(120, 2))
        y = (rng.random(120) < 1 / (1 + np.exp(-X[:, 0]))).astype(int)
        pvalues.append(likelihood_ratio_test(y, X[:, :1], X).pvalue)
    assert 0.02 < np.mean(np.array(pvalues) < 0.05) < 0.09


def test_nesting_is_of_models_not_of_names():
    y, X = simulated()
    recoded = pd.DataFrame({"years_over_65": X.age - 65})
    test = likelihood_ratio_test(y, recoded, X)
    assert test.statistic == pytest.approx(likelihood_ratio_test(y, X[["age"]], X).statistic)
    with pytest.raises(ValueError, match="not nested: column 'age' of X_small is not in X_large"):
        likelihood_ratio_test(y, X, X[["min_t"]].assign(other=np.arange(200)))
    with pytest.raises(ValueError, match="no variable beyond those of X_small"):
        likelihood_ratio_test(y, X, X)
    with pytest.raises(ValueError, match="y and X_small must have the same rows"):
        likelihood_ratio_test(y, X[["age"]][:100], X)


def simulated_visits(rng, n_patients=80):
    """Three to seven scans of each patient, whose outcomes are correlated."""
    patient = np.repeat(np.arange(n_patients), rng.integers(3, 8, n_patients))
    X = pd.DataFrame({"age": rng.normal(size=n_patients)[patient]})
    X["min_t"] = rng.normal(size=patient.size)
    # A logistic model of the mean risk, with a common random number in most scans.
    chance = rng.random(n_patients)[patient]
    chance = np.where(rng.random(patient.size) < 0.8, chance, rng.random(patient.size))
    risk = 1 / (1 + np.exp(0.5 - 0.6 * X.age - 0.4 * X.min_t))
    return (chance < risk).astype(int), X, patient


def test_clustered_intervals_cover():
    rng = np.random.default_rng(5)
    inside = naive = 0
    for _ in range(250):
        y, X, patient = simulated_visits(rng)
        clustered, plain = logistic_table(y, X, groups=patient), logistic_table(y, X)
        assert clustered.coef.equals(plain.coef)
        inside += clustered.low.age < np.exp(0.6) < clustered.high.age
        naive += plain.low.age < np.exp(0.6) < plain.high.age
    assert 0.91 < inside / 250 < 0.985
    assert naive / 250 < 0.85


def test_patients_with_one_scan_and_copies():
    y, X = simulated(4000)
    plain, clustered = logistic_table(y, X), logistic_table(y, X, groups=np.arange(4000))
    np.testing.assert_allclose(clustered.std_err, plain.std_err, rtol=0.05)
    y, X, patient = simulated_visits(np.random.default_rng(6))
    table = logistic_table(y, X, groups=patient)
    twice = np.repeat(np.arange(y.size), 2)
    copies = logistic_table(y[twice], X.iloc[twice], groups=patient[twice])
    np.testing.assert_allclose(copies, table, rtol=1e-6)
    assert (table.attrs["n_patients"], table.attrs["n"]) == (80, y.size)
    assert plain.attrs["n_patients"] == 4000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": list("abcdefg")}, "y and groups must have the same rows, got 8 and 7"),
        ({"groups": [*"abcdefg", None]}, "groups is missing for 1 of 8 scans"),
        ({"groups": list("aabbccaa")}, "3 patients are too few for 2 variables"),
        ({"groups": range(8), "interval": "profile"}, "'profile' assumes independent scans"),
    ],
)
def test_bad_patients(options, message):
    with pytest.raises(ValueError, match=message):
        logistic_table(Y, X, **options)


def clustered(seed, n=120):
    """Outcomes and columns of patients with three similar scans each, and the patients."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(n), 3)
    shared, own = rng.normal(size=(n, 4))[patient], rng.normal(size=(3 * n, 3))
    X = 0.95 * shared[:, :3] + 0.3 * own
    log_odds = 0.7 * X[:, 0] + 2.5 * shared[:, 3] - 0.5
    return (rng.random(3 * n) < 1 / (1 + np.exp(-log_odds))).astype(int), X, patient


def test_likelihood_ratio_of_one_variable_is_divided_by_the_ratio_of_its_variances():
    y, X, patient = clustered(0)
    plain, found = (likelihood_ratio_test(y, X[:, :2], X, groups=of) for of in (None, patient))
    model, sandwich = (logistic_table(y, X, groups=of).std_err["x3"] for of in (None, patient))
    assert found.statistic == pytest.approx(plain.statistic * (model / sandwich) ** 2)
    assert (found.df, found.method) == (1, "clustered likelihood ratio")
    assert found.estimate == found.statistic < plain.statistic
    # The models may be nested by other columns than those of the same names.
    mixed = X @ [[1, 1, 0], [1, -2, 1], [0, 0, 3]]
    again = likelihood_ratio_test(y, X[:, :2], mixed, groups=patient)
    assert again.statistic == pytest.approx(found.statistic, rel=1e-6)


def test_likelihood_ratio_of_copies_is_that_of_one_scan_each():
    y, X = simulated()
    thrice = np.repeat(np.arange(200), 3)
    of_copies = likelihood_ratio_test(y[thrice], None, X.to_numpy()[thrice], groups=thrice)
    of_one = likelihood_ratio_test(y, None, X, groups=np.arange(200))
    assert of_copies.statistic == pytest.approx(of_one.statistic, rel=1e-6)
    assert of_copies.df == pytest.approx(of_one.df, rel=1e-6)
    assert 1.9 < of_copies.df <= 2
    plain = likelihood_ratio_test(y, None, X)
    assert of_one.statistic == pytest.approx(plain.statistic, rel=0.2)


def test_clustered_likelihood_ratio_holds_its_level():
    pvalues = []
    for seed in range(120):
        y, X, patient = clustered(seed)
        options = {} if seed % 2 else {"groups": patient}
        pvalues.append(likelihood_ratio_test(y, X[:, :1], X, **options).pvalue)
    claimed = np.array(pvalues) < 0.05
    assert claimed[::2].mean() < 0.11
    assert claimed[1::2].mean() > 0.15


@pytest.mark.parametrize(
    "column", [pd.date_range("2020", periods=30), pd.timedelta_range(0, periods=30)]
)
def test_dates_are_no_numbers(column):
    table = pd.DataFrame({"scanned": column})
    with pytest.raises(ValueError, match="column 'scanned' holds dates or times"):
        logistic_table(np.tile([0, 1, 1], 10), table)
