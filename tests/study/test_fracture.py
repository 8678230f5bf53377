"""Fracture prediction from a cohort: folds, patients, and what is refused."""

import warnings

import numpy as np
import pandas as pd
import pytest
from fractures import CLINICAL, MIN, OPTIONS, SPINE, fold_of, make_cohort
from sklearn.utils import Bunch

from skdxa.exceptions import CohortError
from skdxa.study import fracture_benchmarks


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


def test_patients_stay_together(cohort):
    twins = make_cohort()
    twins.groups = np.arange(240) // 2
    for column in twins.target:
        twins.target[column] = np.repeat(twins.target[column].to_numpy()[::2], 2)
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
