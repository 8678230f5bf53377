import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skdxa.persistence import _checks
from skdxa.persistence._checks import Unfit
from skdxa.scan_dtype import ScanDtype


@pytest.mark.parametrize(
    ("check", "value", "expected"),
    [
        (_checks.nothing, None, None),
        (_checks.flag, np.True_, True),
        (_checks.false, False, False),
        (_checks.whole(1), np.int64(3), 3),
        (_checks.real(0, 1), np.float32(0.5), 0.5),
        (_checks.real(0, finite=False), np.inf, np.inf),
        (_checks.text, "x" * 1000, "x" * 1000),
        (_checks.one_of("adam", ignore_case=True), "Adam", "Adam"),
        (_checks.label, np.str_("a"), "a"),
        (_checks.label, np.int8(-1), -1),
        (_checks.label, True, True),
        (_checks.either(_checks.nothing, _checks.text), "a", "a"),
        (_checks.sequence(_checks.whole(0)), (1, 2), (1, 2)),
        (_checks.sequence(_checks.whole(0), as_tuple=True), np.array([1, 2]), (1, 2)),
        (_checks.mapping(_checks.text, _checks.flag), {"a": True}, {"a": True}),
        (_checks.counts, np.int64(7), 7),
        (_checks.counts, 7.0, 7.0),
        (_checks.scan_dtype, ScanDtype(None, None), ScanDtype(None, None)),
        (_checks.scan_dtype, None, None),
    ],
)
def test_what_is_accepted_becomes_plain(check, value, expected):
    found = check(value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (_checks.nothing, 0, "None"),
        (_checks.flag, 1, "True or False"),
        (_checks.false, True, "False"),
        (_checks.whole(1), True, "a whole number from 1"),
        (_checks.whole(1), 1.0, "a whole number from 1"),
        (_checks.whole(1, 5), 6, "a whole number from 1 to 5"),
        (_checks.real(), "1", "a number"),
        (_checks.real(), np.nan, "a finite number"),
        (_checks.real(0, 1), 2, "from 0 to 1"),
        (_checks.not_a_number, 1.0, "NaN"),
        (_checks.text, b"a", "a text"),
        (_checks.text, "x" * 1001, "at most 1000"),
        (_checks.identifier, "os.system", "a name of letters"),
        (_checks.one_of("a", "b"), ["a"], "one of 'a', 'b'"),
        (_checks.label, 2**60, "a number"),
        (_checks.label, (1, 2), "a number"),
        (_checks.either(_checks.nothing, _checks.flag), 1, "None or True or False"),
        (_checks.sequence(_checks.text), "ab", "a list"),
        (_checks.sequence(_checks.text, most=1), ["a", "b"], "0 to 1 values"),
        (_checks.mapping(_checks.text, _checks.text), [1], "a dict"),
        (_checks.named(_checks.text), [("a", "b", "c")], "pairs"),
        (_checks.named(_checks.text), [("a", "b"), ("a", "b")], "names differ"),
        (_checks.estimator, LogisticRegression, "an estimator"),
        (_checks.fitted_estimator, LogisticRegression(), "a fitted estimator"),
        (_checks.splitter, "a b", "a splitter"),
        (_checks.splitter, 3.5, "a splitter"),
        (_checks.floats(1), [1.0], "an array of float32 or float64"),
        (_checks.floats(1), np.zeros((1, 1)), "1 dimensions"),
        (_checks.floats(1), np.array([np.inf]), "finite"),
        (_checks.counts, np.array([-1]), "whole numbers from 0"),
        (_checks.counts, 1.5, "a whole number"),
        (_checks.two_labels, [0, 1], "an array of two labels"),
        (_checks.two_labels, np.array([0, 1, 2]), "not 3"),
        (_checks.two_labels, np.array([1, 1]), "ascending"),
        (_checks.two_labels, np.array(["a", 1], dtype=object), "ascending"),
        (_checks.column_names, ["a"], "an array of names"),
        (_checks.column_names, np.array([("a", 1), None], dtype=object)[:1], "a number"),
        (_checks.scan_dtype, "scan", "a type of scans"),
        (_checks.scan_dtype, ScanDtype((1, -1)), "positive spacings"),
        (_checks.scan_dtype, ScanDtype((1, 1), "x" * 2000), "at most 1000"),
    ],
)
def test_what_is_not_accepted(check, value, message):
    with pytest.raises(Unfit, match=message):
        check(value)
