import numpy as np
import pandas as pd
import pytest
from fractures import (
    CLINICAL,
    OPTIONS,
    TBS,
    VARIABLES,
    fold_of,
    labels,
    make_cohort,
    out_of_fold,
    risk_columns,
)
from sklearn.metrics import roc_auc_score

from skdxa.study import fracture_benchmarks
from skdxa.study._fracture_models import finite_odds


def test_the_auc_of_each_row_is_scikit_learns_by_fold(cohort, with_network, cnn):
    y, scored_y, known = labels(cohort)
    for name, variables in VARIABLES.items():
        areas = []
        for repeat in range(3):
            columns = risk_columns(cohort, cnn.repeat_scores(repeat))[variables]
            fold = fold_of(cnn, repeat)
            single = len(variables) == 1
            score = columns.to_numpy()[:, 0] if single else out_of_fold(columns, y, fold)
            assert with_network.results[name].repeat_scores(repeat) == pytest.approx(
                score, abs=1e-6
            )
            areas += [
                roc_auc_score(scored_y[test], score[test])
                for test in (known & (fold == number) for number in range(5))
            ]
        assert with_network.table.loc[name, "auc"] == pytest.approx(np.mean(areas), abs=1e-9)


def test_scans_of_unknown_label_are_trained_on_but_not_judged_by(cohort, without):
    y, _, known = labels(cohort)
    columns = risk_columns(cohort)[["min", "tbs", "age"]]
    fold = fold_of(without.results[CLINICAL], without.repeat)
    found = without.scores[CLINICAL]
    assert found.to_numpy() == pytest.approx(out_of_fold(columns, y, fold), abs=1e-6)
    # Training on scans of known label alone would give other probabilities.
    least = out_of_fold(columns[known], y[known], fold[known])
    assert np.abs(found[known] - least).max() > 1e-3
    # Their columns change the models, but not the metrics of single predictors.
    other = make_cohort()
    other.data.loc[~known, "tbs"] = 1.9 - other.data.loc[~known, "tbs"]
    moved = fracture_benchmarks(other, **OPTIONS)
    assert moved.table.loc[TBS].equals(without.table.loc[TBS])
    assert moved.table.loc[CLINICAL, "auc"] != without.table.loc[CLINICAL, "auc"]
    assert without.coefficients.attrs == {}
    assert moved.coefficients.equals(without.coefficients)


def test_risks_are_put_on_the_scale_of_five_years_out_of_fold(cohort, with_network, cnn):
    y, scored_y, known = labels(cohort)
    repeat = with_network.repeat
    assert repeat == cnn.median_repeat(scored_y)
    columns = risk_columns(cohort, cnn.repeat_scores(repeat))
    for name, variables in VARIABLES.items():
        expected = out_of_fold(columns[variables], y, fold_of(cnn, repeat), scored_y)
        assert with_network.risks[name].to_numpy() == pytest.approx(expected, abs=1e-6)
        # Fractures ever are twice as many: their probabilities would be far too high.
        assert with_network.risks[name][known].mean() == pytest.approx(
            scored_y[known].mean(), rel=0.1
        )
    assert with_network.scores[CLINICAL].mean() > 1.5 * scored_y[known].mean()


def test_the_risk_of_a_scan_does_not_depend_on_its_label(cohort, without):
    changed = make_cohort()
    label = changed.target.loc[1001, "fracture_5y"]
    assert changed.target.loc[1001, "fracture_ever"] == label == 0
    folds = without.results[CLINICAL]
    fold = fold_of(folds, without.repeat)
    same = np.flatnonzero(fold == fold[1])
    # Every scan of that fold gets the other label; the folds stay.
    y, scored_y, _ = labels(cohort)
    soon = scored_y.copy()
    soon[same] = 1 - soon[same]
    columns = risk_columns(cohort)[["min", "tbs", "age"]]
    before, after = (out_of_fold(columns, y, fold, label) for label in (scored_y, soon))
    assert (before[same] == after[same]).all()
    assert without.risks[CLINICAL].to_numpy()[same] == pytest.approx(after[same], abs=1e-6)


def test_certain_risks_get_finite_odds():
    risk = pd.DataFrame({"a": [0.2, 1.0], "b": [0.0, 0.4]})
    with pytest.warns(RuntimeWarning, match=r"2 risks are below 1e-06 or above 1 - 1e-06, "):
        found = finite_odds(risk)
    pd.testing.assert_frame_equal(found, pd.DataFrame({"a": [0.2, 1 - 1e-6], "b": [1e-6, 0.4]}))
    assert finite_odds(found) is found
    # A network's probabilities have single precision, in which 1 - 1e-6 is not 1.
    with pytest.warns(RuntimeWarning, match="1 risks"):
        assert 0.99 < finite_odds(np.ones(1, dtype=np.float32))[0] < 1


def test_all_risks_beyond_the_limits_are_counted_and_keep_their_order():
    risk = np.array([0.0, 1e-9, 5e-7, 1e-6, 0.2, 1 - 1e-6, 1 - 1e-9])
    with pytest.warns(RuntimeWarning, match="4 risks are below"):
        found = finite_odds(risk)
    assert found.tolist() == [1e-6, 1e-6, 1e-6, 1e-6, 0.2, 1 - 1e-6, 1 - 1e-6]
    # The same without a risk of exactly 0 beside them.
    with pytest.warns(RuntimeWarning, match="3 risks are below"):
        assert finite_odds(risk[1:]).tolist() == found.tolist()[1:]
    single = np.array([1e-6, 0.5, 1 - 1e-6], dtype=np.float32)
    assert finite_odds(single) is single
