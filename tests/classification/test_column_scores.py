import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import RocCurveDisplay
from sklearn.model_selection import FixedThresholdClassifier, cross_validate
from sklearn.utils import get_tags
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import validate_data

from skdxa.classification import ColumnScores
from skdxa.exceptions import CohortError


class FirstColumnScores(ColumnScores):
    """The classifier, for arrays: it reads the first column whatever its name."""

    def __init__(self, column="first", *, lower_is_worse=False):
        super().__init__(column, lower_is_worse=lower_is_worse)

    def _read(self, X, *, reset=False):
        return validate_data(self, X, reset=reset, dtype=np.float64)[:, 0]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


# No check is exempted. That a pass-through learns nothing its tag `poor_score` tells.
@parametrize_with_checks([FirstColumnScores(), FirstColumnScores(lower_is_worse=True)])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.fixture
def table():
    return pd.DataFrame(
        {"age": [66, 70, 68, 71, 64], "tbs": [1.3, 1.1, 1.25, 1.3, 1.4], "sex": list("FFMFM")},
        index=[11, 13, 17, 19, 23],
    )


Y = np.array(["no", "yes", "no", "yes", "no"])


def test_the_shipped_class_tells_scikit_learn_that_it_takes_no_arrays(table):
    assert not get_tags(ColumnScores("age")).input_tags.two_d_array
    with pytest.raises(CohortError, match="must be a DataFrame with the column 'age'"):
        ColumnScores("age").fit(table[["age"]].to_numpy(), Y)


def test_hands_the_column_on_and_turns_the_sign(table):
    age = ColumnScores("age").fit(table, Y)
    tbs = ColumnScores("tbs", lower_is_worse=True).fit(table, Y)
    np.testing.assert_array_equal(age.decision_function(table), [66.0, 70, 68, 71, 64])
    np.testing.assert_array_equal(tbs.decision_function(table), [-1.3, -1.1, -1.25, -1.3, -1.4])
    assert age.decision_function(table.iloc[:1]).shape == (1,)
    assert age.classes_.tolist() == ["no", "yes"]
    assert age.n_features_in_ == 3
    assert age.feature_names_in_.tolist() == ["age", "tbs", "sex"]
    assert not hasattr(age, "predict_proba")
    # The column's own array must not come out: the caller may write into the result.
    age.decision_function(table)[:] = 0
    assert table["age"].tolist() == [66, 70, 68, 71, 64]


def test_roc_clone_pickle_and_cross_validation(table):
    tbs = ColumnScores("tbs", lower_is_worse=True)
    again = pickle.loads(pickle.dumps(clone(tbs).fit(table, Y)))
    # Of the 2 x 3 pairs one is a tie and one is the wrong way round: (4 + 0.5) / 6.
    assert RocCurveDisplay.from_estimator(again, table, Y).roc_auc == pytest.approx(4.5 / 6)
    found = cross_validate(tbs, table, Y, cv=2, scoring="roc_auc", error_score="raise")
    # Stratified: rows 11, 13, 17 are scored first, then 19 and 23.
    np.testing.assert_allclose(found["test_score"], [1, 1])
    backwards = ColumnScores("tbs").fit(table, Y)
    assert RocCurveDisplay.from_estimator(backwards, table, Y).roc_auc == pytest.approx(1.5 / 6)


def test_threshold_in_the_columns_own_unit(table):
    table["min_t_score"] = [-0.4, -2.5, -2.4, -3.0, 0.2]
    t_score = ColumnScores("min_t_score", lower_is_worse=True)
    osteoporosis = FixedThresholdClassifier(
        t_score, threshold=2.5, response_method="decision_function"
    ).fit(table, Y)
    assert osteoporosis.predict(table).tolist() == ["no", "yes", "no", "yes", "no"]
    assert t_score.fit(table, Y).predict(table).tolist() == ["yes"] * 4 + ["no"]


def test_kinds_of_numbers(table):
    wanted = [1.0, 0.0, 0.0, 1.0, 1.0]
    for kind in (bool, "boolean", "Int64", "float32", object, "category"):
        table["kind"] = pd.Series([1, 0, 0, 1, 1], index=table.index).astype(kind)
        score = ColumnScores("kind").fit(table, Y).decision_function(table)
        assert score.dtype == np.float64
        assert score.tolist() == wanted


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("bmi", None, r"no column 'bmi'; its columns are \['age', 'tbs', 'sex'\]"),
        ("sex", None, r"Column 'sex' holds 'F' at index 11, where a number is required"),
        (
            "tbs",
            [1, 1, None, 1, None],
            r"Column 'tbs' is nan in 2 of 5 rows, the first at index 17",
        ),
        (
            "tbs",
            [1, 1, 1, np.inf, 1],
            r"Column 'tbs' is inf in 1 of 5 rows, the first at index 19",
        ),
        ("tbs", [1, pd.NA, 1, None, 2], r"is nan in 2 of 5 rows, the first at index 13"),
        ("tbs", [1, None, "1,2", 1, 1], r"Column 'tbs' holds '1,2' at index 17"),
        ("tbs", [1, np.zeros((7, 9)), 1, 1, 1], r"holds a ndarray at index 13"),
    ],
)
def test_a_bad_column_is_named_with_its_first_row(table, column, values, message):
    if values is not None:
        table[column] = pd.Series(values, index=table.index)
    with pytest.raises(CohortError, match=message):
        ColumnScores(column).fit(table, Y)


def test_a_gap_in_new_data_is_named_as_well(table):
    tbs = ColumnScores("tbs").fit(table, Y)
    table.loc[19, "tbs"] = np.nan
    with pytest.raises(CohortError, match="'tbs' is nan in 1 of 5 rows, the first at index 19"):
        tbs.decision_function(table)


def test_only_tables_with_one_such_column(table):
    with pytest.raises(CohortError, match="must be a DataFrame with the column 'age'; it is a nd"):
        ColumnScores("age").fit(table.to_numpy(), Y)
    twice = pd.concat([table, table[["age"]]], axis=1)
    with pytest.raises(CohortError, match="2 columns named 'age'"):
        ColumnScores("age").fit(twice, Y)


def test_labels_and_parameters_are_checked(table):
    age = ColumnScores("age")
    with pytest.raises(NotFittedError):
        age.decision_function(table)
    with pytest.raises(ValueError, match=r"Input y contains NaN for 1 of 5 scans.*position 3"):
        age.fit(table, [0, 1, 0, np.nan, 1])
    with pytest.raises(ValueError, match=r"Only binary classification is supported.*multiclass"):
        age.fit(table, [0, 1, 2, 0, 1])
    with pytest.raises(ValueError, match="only one class, 0"):
        age.fit(table, [0] * 5)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        age.fit(table, [0, 1])
    with pytest.raises(InvalidParameterError, match="'column' parameter of ColumnScores"):
        ColumnScores(["age"]).fit(table, Y)
    with pytest.raises(InvalidParameterError, match="'lower_is_worse' parameter of ColumnSc"):
        ColumnScores("age", lower_is_worse="age").fit(table, Y)
