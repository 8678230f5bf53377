"""Results written to files and read again."""

import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from skdxa.evaluation import CrossValidationResult, repeated_cross_validate


@pytest.mark.parametrize("labels", [[0, 1], ["healthy", "fracture"], [False, True], [1.0, 2.0]])
@pytest.mark.parametrize("with_groups", [False, True])
def test_saved_and_loaded_is_the_same(tmp_path, labels, with_groups):
    y = pd.Series(np.tile([0, 0, 1], 14)).map(dict(enumerate(labels)))
    groups = pd.Series([f"patient {number}" for number in range(42)]) if with_groups else None
    X = np.random.default_rng(0).normal(size=(42, 2))
    saved = repeated_cross_validate(
        RandomForestClassifier(2),
        X,
        y,
        groups=groups,
        n_splits=3,
        n_repeats=2,
        return_models="all",
        progress=False,
    )
    path = tmp_path / "scoliosis.scores"
    saved.save(path)
    saved.save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["scoliosis.scores"]
    loaded = CrossValidationResult.load(path)
    for table in ("scores", "folds", "histories"):
        pd.testing.assert_frame_equal(
            getattr(loaded, table), getattr(saved, table), check_exact=True
        )
    np.testing.assert_array_equal(loaded.y, saved.y)
    np.testing.assert_array_equal(loaded.classes, sorted(labels))
    assert loaded.models == {}
    assert loaded.response_method == "predict_proba"
    if with_groups:
        np.testing.assert_array_equal(loaded.groups, groups)
    else:
        assert loaded.groups is None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert loaded.summary().equals(saved.summary())


def test_learning_curves_are_saved(tmp_path, result):
    curves = pd.DataFrame({"repeat": 0, "fold": 1, "epoch": [1, 2], "loss": [0.7, 0.6]})
    dataclasses.replace(result, histories=curves).save(tmp_path / "result.npz")
    loaded = CrossValidationResult.load(tmp_path / "result.npz")
    pd.testing.assert_frame_equal(loaded.histories, curves)


def test_foreign_files_are_refused(tmp_path):
    text = tmp_path / "text.npz"
    text.write_text("sensitivity,specificity\n")
    objects = tmp_path / "objects.npz"
    np.savez(objects, y=np.array([LogisticRegression()]), about=np.array("{}"))
    array = tmp_path / "array.npz"
    with array.open("wb") as file:
        np.save(file, np.zeros(3))
    plain = tmp_path / "plain.npz"
    np.savez(plain, y=np.zeros(3))
    for path in (text, objects, array, plain):
        with pytest.raises(ValueError, match=rf"{path.name} is damaged, or not a file of skdxa"):
            CrossValidationResult.load(path)
    newer = tmp_path / "newer.npz"
    np.savez(newer, y=np.zeros(3), about=np.array('{"format": 99}'))
    with pytest.raises(ValueError, match="not a cross-validation result that this version"):
        CrossValidationResult.load(newer)


def test_results_without_a_part_or_with_scores_that_are_not_finite_are_damaged(tmp_path, result):
    path = tmp_path / "result.npz"
    result.save(path)
    with np.load(path) as archive:
        arrays = dict(archive)
    scores = arrays["scores/score"].copy()
    scores[3] = np.nan
    np.savez(path, **arrays | {"scores/score": scores})
    with pytest.raises(ValueError, match=r"npz is damaged: scores must be finite; 1 are not, the"):
        CrossValidationResult.load(path)
    del arrays["scores/fold"]
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=r"result\.npz is damaged: 'fold'"):
        CrossValidationResult.load(path)
