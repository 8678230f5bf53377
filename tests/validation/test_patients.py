"""One patient, however written."""

import unicodedata

import numpy as np
import pandas as pd
import pytest

from skdxa import validation

SAME = [
    (1000.0, "1000"),
    ("12", "12.0"),
    (12, "12.00"),
    (unicodedata.normalize("NFC", "Särkkä"), unicodedata.normalize("NFD", "Särkkä")),
    ("P\u200b1", "P1"),
    ("\ufeffP1", "P1"),
    (" P1 ", "P1"),
    (True, "1"),
]


@pytest.mark.parametrize(("one", "two"), SAME)
def test_one_patient_however_written(one, two):
    patients = validation.as_patients(np.array([one, two], dtype=object), 2)
    assert patients[0] == patients[1]


@pytest.mark.parametrize(
    ("one", "two"), [("007", "7"), ("p1", "P1"), ("P  1", "P 1"), ("P 1", "P1")]
)
def test_patients_that_look_alike_stay_two_and_are_warned_of(one, two):
    with pytest.warns(UserWarning, match="count as different patients: .*Write each patient"):
        patients = validation.as_patients([one, two], 2)
    assert patients[0] != patients[1]


def test_a_long_list_of_lookalikes_is_cut():
    groups = [f"{letter}{number}" for number in range(8) for letter in "pP"]
    with pytest.warns(UserWarning, match="; and 3 more"):
        validation.as_patients(groups, 16)


def test_numbers_stay_numbers_and_large_ones_stay_apart():
    assert validation.as_patients([3, 1], 2).dtype.kind == "i"
    assert validation.as_patients(np.array([3, 1], dtype=object), 2).dtype.kind == "i"
    assert validation.as_patients([3.0, 1.0], 2).tolist() == [3, 1]
    assert validation.as_patients([3.5, 1.0], 2).tolist() == ["3.5", "1"]
    large = pd.array([2**53, 2**53 + 1], dtype="Int64")
    assert len(set(validation.as_patients(large, 2).tolist())) == 2
    with pytest.warns(UserWarning, match=r"2\*\*53 or more, which may have merged"):
        validation.as_patients([2.0**53, 1.0], 2)


def test_an_identity_of_many_digits_is_no_crash():
    patients = validation.as_patients(["1" * 100_000, "2", "1" * 100_000], 3)
    assert patients[0] == patients[2] != patients[1]
    patients = validation.as_patients([10**5000, 10**5000 + 1, 10**5000], 3)
    assert patients[0] == patients[2] != patients[1]
    assert patients.itemsize < 1000


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, "", " ", "\u200b"])
def test_a_patient_that_is_missing_is_an_error(missing):
    with pytest.raises(ValueError, match="missing for 1 of 3 scans, the first in position 1"):
        validation.as_patients(np.array(["a", missing, "b"], dtype=object), 3)


def test_patients_of_another_kind_are_refused():
    groups = np.empty(2, dtype=object)
    groups[:] = [(1, 2), (3, 4)]
    with pytest.raises(ValueError, match="holds a tuple in position 0"):
        validation.as_patients(groups, 2)
    with pytest.raises(ValueError, match=r"each of 3 scans, got an array of shape \(2,\)"):
        validation.as_patients([1, 2], 3)


def test_patients_of_whom_scans_lie_in_two_folds_are_found():
    fold_of = np.array([[0, 0, 1, 1], [0, 1, 1, 0]])
    assert validation.split_patients(fold_of, np.array(["a", "a", "b", "c"])).tolist() == ["a"]
    assert validation.split_patients(fold_of[:1], np.array(["a", "a", "b", "c"])).size == 0
    assert validation.patient_codes(["b", "a", "b"]).tolist() == [1, 0, 1]
    assert validation.has_repeated_patients(["b", "a", "b"])
    assert not validation.has_repeated_patients(None)
