from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdxa.classification import ColumnScores, KerasClassifier, spine_network
from skdxa.exceptions import ModelFileError
from skdxa.persistence import load_model, save_model
from skdxa.persistence._classes import KINDS
from skdxa.persistence._objects import parts_of, write_objects
from skdxa.preprocessing import SpineCropper


def test_objects_stand_before_what_holds_them(models):
    objects, arrays, left_out = write_objects(models["tuned stack"])
    assert [node["class"] for node in objects][-1] == "TunedThresholdClassifierCV"
    assert left_out == []
    assert len(arrays) == len({id(array) for array in arrays})
    # The network is there fitted and as the template of its kind.
    assert sum(node["class"] == "SpineCNNClassifier" for node in objects) == 2
    assert parts_of(models["tuned stack"])[-1] is models["tuned stack"]


def test_the_container_of_results_comes_back(cohort, tmp_path):
    X, y = cohort
    table = pd.DataFrame({"a": X["age"], "b": X["age"] ** 2})
    model = make_pipeline(StandardScaler(), LogisticRegression()).set_output(transform="pandas")
    save_model(model.fit(table, y), tmp_path / "m.skdxa")
    # Without it, the logistic model would warn of missing names of columns.
    expected = model.predict_proba(table)
    loaded = load_model(tmp_path / "m.skdxa")
    np.testing.assert_array_equal(loaded.predict_proba(table), expected)
    assert loaded[0].transform(table).columns.tolist() == ["a", "b"]


def test_polars_tables_are_refused(cohort, tmp_path):
    scaler = StandardScaler().fit([[1.0], [2.0]]).set_output(transform="polars")
    with pytest.raises(ModelFileError, match="returns polars tables"):
        save_model(scaler, tmp_path / "m.skdxa")
    with config_context(transform_output="pandas"):
        save_model(SpineCropper(7, 9).fit(cohort[0]), tmp_path / "m.skdxa")
    assert isinstance(load_model(tmp_path / "m.skdxa").transform(cohort[0]), pd.DataFrame)


def test_a_stack_of_predicted_labels(cohort, tmp_path):
    X = cohort[0]
    model = StackingClassifier(
        [("age", ColumnScores("age"))], LogisticRegression(), stack_method="predict", cv=2
    )
    table = pd.DataFrame({"age": X["age"] - 68})
    model.fit(table, np.arange(len(X)) % 2)
    save_model(model, tmp_path / "m.skdxa")
    np.testing.assert_array_equal(
        load_model(tmp_path / "m.skdxa").predict_proba(table), model.predict_proba(table)
    )


def test_names_of_columns_that_are_no_labels_are_left_out(cohort, tmp_path):
    X, y = cohort
    names = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])
    scores = ColumnScores("age").fit(X, y)
    scores.feature_names_in_ = names.to_numpy()
    save_model(scores, tmp_path / "m.skdxa")
    assert not hasattr(load_model(tmp_path / "m.skdxa"), "feature_names_in_")


def test_an_object_that_is_half_fitted_is_refused(cohort, tmp_path):
    model = FixedThresholdClassifier(ColumnScores("age"), threshold=68).fit(*cohort)
    scaler = StandardScaler().fit([[1.0], [2.0]])
    del scaler.mean_
    with pytest.raises(ModelFileError, match="not completely fitted: it has no mean_"):
        save_model(make_pipeline(scaler, "passthrough"), tmp_path / "m.skdxa")
    model.estimator_.classes_ = np.array(["a", "b", "c"])
    with pytest.raises(ModelFileError, match="classes_ must be two labels"):
        save_model(model, tmp_path / "m.skdxa")


def test_a_parameter_of_a_newer_scikit_learn(cohort, tmp_path, monkeypatch):
    X, y = cohort

    class Newer(LogisticRegression):
        def __init__(self, *, C=1.0, curved=False):
            super().__init__(C=C)
            self.curved = curved

    monkeypatch.setitem(KINDS, "Newer", replace(KINDS["LogisticRegression"], cls=Newer))
    model = Newer().fit(X[["age"]], y)
    write_objects(model)
    model.curved = True
    with pytest.raises(ModelFileError, match="the parameter curved, which this version of skdxa"):
        save_model(model, tmp_path / "m.skdxa")


def test_the_classifier_of_scikeras_is_refused(tmp_path):
    X = np.random.default_rng(0).normal(size=(8, 16, 12))
    cnn = KerasClassifier(
        model=spine_network,
        model__filters=(4,),
        loss="binary_crossentropy",
        verbose=0,
        random_state=0,
    ).fit(X, np.arange(8) % 2)
    with pytest.raises(
        ModelFileError, match=r"KerasClassifier cannot be stored\. Save its network"
    ):
        save_model(cnn, tmp_path / "m.skdxa")


def test_an_object_of_model_json_that_is_none(saved, forger, tmp_path):
    for node in (7, {}, {"class": "SpineCropper", "params": [], "fitted": {}}):
        parts = forger(saved["frozen"])
        tree = parts.tree
        tree["objects"].insert(0, node)
        parts.tree = tree
        (tmp_path / "m.skdxa").write_bytes(parts.pack())
        with pytest.raises(ModelFileError, match="must"):
            load_model(tmp_path / "m.skdxa")


def test_three_classes_are_refused(cohort, tmp_path):
    age, y = cohort[0][["age"]], np.arange(len(cohort[0])) % 3
    logistic = LogisticRegression(max_iter=1000).fit(age, y)
    calibrated = CalibratedClassifierCV(LogisticRegression(max_iter=1000), cv=2).fit(age, y)
    for model in (logistic, calibrated):
        with pytest.raises(ModelFileError, match="two labels, since models have two classes, not"):
            save_model(model, tmp_path / "m.skdxa")


def test_settings_of_all_of_scikit_learn(models, saved, cohort, tmp_path):
    for name in ("stack", "calibrated in folds", "tuned threshold"):
        (tmp_path / "m.skdxa").write_bytes(saved[name])
        with config_context(enable_metadata_routing=True, transform_output="pandas"):
            loaded = load_model(tmp_path / "m.skdxa")
        np.testing.assert_array_equal(
            loaded.predict_proba(cohort[0]), models[name].predict_proba(cohort[0])
        )
