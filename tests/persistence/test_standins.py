"""Fitted objects of scikit-learn of several versions are rebuilt from public attributes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.utils.validation import check_is_fitted

from skdxa.classification import ColumnScores
from skdxa.exceptions import ModelFileError
from skdxa.persistence import load_model, save_model
from skdxa.persistence._standins import rebuild_calibrated, rebuild_imputer
from skdxa.scan_dtype import ScanArray

SAVED = Path(__file__).resolve().parents[1] / "data" / "persistence"


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
@pytest.mark.parametrize("version", ["1_8", "1_9"])
def test_files_of_other_versions_predict_the_same(version, method):
    model, data = load_model(SAVED / f"sklearn_{version}_{method}.skdxa", return_data=True)
    X = pd.DataFrame({"scan": ScanArray(list(data["scans"]), (1.05, 0.60), "g/cm2")})
    X["age"] = data["age"]
    np.testing.assert_allclose(model.predict_proba(X), data["probability"], rtol=0, atol=1e-6)
    assert np.ptp(data["probability"]) > 0.01
    np.testing.assert_array_equal(model.predict(X) == "scoliosis", data["positive"])


def test_a_rebuilt_stack_has_all_its_public_parts(models, saved, tmp_path, cohort):
    (tmp_path / "m.skdxa").write_bytes(saved["stack"])
    stack, loaded = models["stack"], load_model(tmp_path / "m.skdxa")
    assert list(loaded.named_estimators_) == list(stack.named_estimators_)
    assert loaded.named_estimators_["cnn"] is loaded.estimators_[1]
    assert loaded.stack_method_ == stack.stack_method_
    assert loaded.get_feature_names_out().tolist() == stack.get_feature_names_out().tolist()
    X = cohort[0]
    np.testing.assert_array_equal(loaded.transform(X), stack.transform(X))


def test_a_dropped_member_stays_dropped(models, saved, tmp_path):
    (tmp_path / "m.skdxa").write_bytes(saved["stack without network"])
    loaded = load_model(tmp_path / "m.skdxa")
    assert loaded.named_estimators_["cnn"] == "drop"
    assert len(loaded.estimators_) == 1


def test_no_stand_in_is_left(models, saved, tmp_path):
    for name, content in saved.items():
        (tmp_path / "m.skdxa").write_bytes(content)
        assert "_Decides" not in repr(load_model(tmp_path / "m.skdxa")), name
        assert b"_Decides" not in content


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
def test_calibrations_far_from_the_training_scores(cohort, tmp_path, method):
    X, y = cohort
    model = CalibratedClassifierCV(ColumnScores("age"), method=method, cv=3).fit(X, y)
    save_model(model, tmp_path / "m.skdxa")
    wide = X.assign(age=np.linspace(-1000, 1000, len(X)))
    expected = model.predict_proba(wide)
    np.testing.assert_array_equal(load_model(tmp_path / "m.skdxa").predict_proba(wide), expected)


@pytest.mark.parametrize("increasing", [True, False])
def test_isotonic_steps(increasing):
    rng = np.random.default_rng(1)
    for n in (1, 2, 50):
        x = np.round(rng.normal(size=n), 1)
        fitted = IsotonicRegression(increasing=increasing, out_of_bounds="clip").fit(
            x, rng.random(n)
        )
        numbers = {
            "increasing": increasing,
            "x": fitted.X_thresholds_,
            "y": fitted.y_thresholds_,
        }
        member = ColumnScores("age").fit(pd.DataFrame({"age": [1.0, 2.0]}), [0, 1])
        model = rebuild_calibrated(
            {"method": "isotonic"}, {"classes_": np.array([0, 1]), "pairs": [(member, numbers)]}
        )
        (pair,) = model.calibrated_classifiers_
        grid = np.linspace(-3, 3, 97)
        np.testing.assert_array_equal(pair.calibrators[0].predict(grid), fitted.predict(grid))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"strategy": "median"},
        {"strategy": "most_frequent"},
        {"strategy": "constant", "fill_value": -1.5},
    ],
)
def test_imputers(settings):
    X = pd.DataFrame({"a": [1.0, np.nan, 2.0, 2.0], "b": [np.nan, 0.1, 0.2, 7.0]})
    for data in (X, X.to_numpy()):
        imputer = SimpleImputer(**settings).fit(data)
        fitted = {"statistics_": imputer.statistics_, "n_features_in_": 2}
        if data is X:
            fitted["feature_names_in_"] = imputer.feature_names_in_
        rebuilt = rebuild_imputer(imputer.get_params(), fitted)
        check_is_fitted(rebuilt)
        np.testing.assert_array_equal(rebuilt.transform(data), imputer.transform(data))
    with pytest.raises(ModelFileError, match="contradict"):
        rebuild_imputer({"strategy": "constant", "fill_value": 3.0}, fitted)


def test_a_metric_that_does_not_exist_is_refused(models, saved, forger, tmp_path):
    parts = forger(saved["tuned threshold"])
    tree = parts.tree
    tree["objects"][-1]["params"]["scoring"] = "no_such_metric"
    parts.tree = tree
    (tmp_path / "m.skdxa").write_bytes(parts.pack())
    with pytest.raises(ModelFileError, match="settings that scikit-learn accepts"):
        load_model(tmp_path / "m.skdxa")


@pytest.mark.parametrize("response", ["predict_proba", "decision_function"])
@pytest.mark.parametrize("scoring", ["balanced_accuracy", "f1"])
def test_thresholds_by_either_response(cohort, tmp_path, response, scoring):
    X, y = cohort[0], np.arange(len(cohort[0])) % 2
    inner = ColumnScores("age")
    if response == "predict_proba":
        inner = CalibratedClassifierCV(inner, cv=2)
    model = TunedThresholdClassifierCV(
        inner, scoring=scoring, response_method=response, cv=2, thresholds=7
    ).fit(X, y)
    save_model(model, tmp_path / "m.skdxa")
    loaded = load_model(tmp_path / "m.skdxa")
    assert (loaded.best_threshold_, loaded.cv) == (model.best_threshold_, 2)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
