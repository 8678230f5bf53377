"""Round trips, what is refused or left out, and how files are written."""

import hashlib
import os
import pickle
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer, recall_score
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    StratifiedKFold,
    StratifiedShuffleSplit,
    TunedThresholdClassifierCV,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdxa
from skdxa.classification import ColumnScores, SpineCNNClassifier, StratifiedPatientKFold
from skdxa.exceptions import ModelFileError
from skdxa.persistence import load_model, read_card, save_model
from skdxa.preprocessing import SpineCropper
from skdxa.texture import VariogramSlope

COMPOSITIONS = [
    "bare network",
    "pipeline",
    "frozen",
    "texture",
    "stack",
    "stack without network",
    "vote",
    "fixed threshold",
    "tuned threshold",
    "tuned stack",
    "calibrated in folds",
    "calibrated columns",
    "calibrated, sigmoid",
    "calibrated, isotonic",
    "calibrated, temperature",
]


def write(tmp_path, content):
    path = tmp_path / "model.skdxa"
    path.write_bytes(content)
    return path


def input_of(name, X):
    return _crops(X) if name == "bare network" else X


def _crops(X):
    return SpineCropper(7, 9).fit_transform(X)


def test_every_composition_is_tested(models):
    assert set(models) == set(COMPOSITIONS)


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_round_trip(models, saved, cohort, tmp_path, name):
    model, X = models[name], input_of(name, cohort[0])
    path = write(tmp_path, saved[name])
    loaded, data = load_model(path, return_data=True)
    assert type(loaded) is type(model)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.predict(X).dtype == model.predict(X).dtype
    np.testing.assert_array_equal(loaded.classes_, model.classes_)
    assert data.keys() == {"scores"}
    np.testing.assert_array_equal(data["scores"], np.linspace(0, 1, 7))
    assert read_card(path) == f"A {name}."
    # Saved again, the loaded model is the same file.
    again = tmp_path / "again.skdxa"
    save_model(loaded, again, card=f"A {name}.", data=data)
    assert again.read_bytes() == saved[name]


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_the_parameters_come_back(models, saved, tmp_path, name):
    def plain(model):
        return {
            key: value
            for key, value in model.get_params().items()
            if not hasattr(value, "get_params") and not isinstance(value, list)
        }

    loaded = load_model(write(tmp_path, saved[name]))
    before, after = plain(models[name]), plain(loaded)
    assert repr(after) == repr(before)
    if name != "frozen":
        clone(loaded)
    pickle.loads(pickle.dumps(loaded))


def test_the_history_of_a_training_comes_back(models, saved, tmp_path):
    cnn, loaded = models["pipeline"][-1], load_model(write(tmp_path, saved["pipeline"]))[-1]
    assert loaded.history_ == cnn.history_
    assert (loaded.best_epoch_, loaded.image_shape_) == (cnn.best_epoch_, (7, 9))
    assert [weight.dtype for weight in loaded.weights_] == [np.float32] * 6
    assert all(weight.flags.writeable for weight in loaded.weights_)


def test_scans_of_another_spacing_are_refused_after_loading(saved, cohort, tmp_path):
    X = cohort[0]
    other = pd.DataFrame(
        {"scan": skdxa.scan_dtype.ScanArray(list(X["scan"]), (0.5, 0.5), "g/cm2")}
    )
    loaded = load_model(write(tmp_path, saved["pipeline"]))
    with pytest.raises(skdxa.exceptions.ScanError, match=r"0\.5 x 0\.5 mm"):
        loaded.predict(other)


def test_one_object_that_is_held_twice_is_one_after_loading(saved, tmp_path):
    loaded = load_model(write(tmp_path, saved["tuned threshold"]))
    assert loaded.estimator_ is loaded.estimator


def test_a_loaded_model_is_trained_again_like_the_original(models, saved, cohort, tmp_path):
    X, y = cohort
    model, loaded = models["pipeline"], load_model(write(tmp_path, saved["pipeline"]))
    expected = clone(model).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(clone(loaded).fit(X, y).predict_proba(X), expected, atol=1e-6)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_same_predictions_in_another_process(network, cohort, tmp_path, precision):
    X, y = cohort
    model = network(precision=precision).fit(X, y)
    scans = np.stack([scan[:8] for scan in X["scan"]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Plain arrays do not state their spacing.
        expected = model.predict_proba(scans)
    save_model(model, tmp_path / "m.skdxa")
    np.save(tmp_path / "scans.npy", scans)
    code = (
        "import sys, numpy as np; from skdxa.persistence import load_model;"
        "model = load_model('m.skdxa');"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules;"
        "np.save('scores.npy', model.predict_proba(np.load('scans.npy')))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(skdxa.__file__).parents[1])}
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=tmp_path, env=environment, check=True
    )
    np.testing.assert_allclose(np.load(tmp_path / "scores.npy"), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("labels", [[0, 1], [-1, 1], [False, True], [1.0, 2.0], ["a", "b"]])
def test_labels_of_any_type(cohort, tmp_path, labels):
    X = cohort[0]
    y = np.array(labels)[np.arange(len(X)) % 2]
    for labelled in (y, y.astype(object)) if isinstance(labels[0], str) else (y,):
        model = ColumnScores("age").fit(X, labelled)
        save_model(model, tmp_path / "m.skdxa")
        loaded = load_model(tmp_path / "m.skdxa")
        assert loaded.classes_.dtype == model.classes_.dtype
        assert loaded.predict(X).tolist() == model.predict(X).tolist()


# scikit-learn 1.8.0 warns in `fit` that infinity ignores `C` (2026-12).
@pytest.mark.filterwarnings("ignore:Setting penalty=None will ignore:UserWarning")
def test_class_weights_infinite_values_and_numpy_scalars(cohort, tmp_path):
    X, y = cohort
    weights = {np.str_("healthy"): np.float32(1), "scoliosis": 2}
    model = make_pipeline(
        VariogramSlope(lags_mm=np.array([0, 3.2])),
        StandardScaler(),
        LogisticRegression(C=np.inf, class_weight=weights, tol=np.float64(1e-5)),
    ).fit(X, y)
    save_model(model, tmp_path / "m.skdxa")
    loaded = load_model(tmp_path / "m.skdxa")
    assert loaded[-1].get_params() == model[-1].get_params()
    assert loaded[0].lags_mm == [0, 3.2]
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_the_spine_as_the_region_of_a_texture(cohort, tmp_path):
    rng = np.random.default_rng(0)
    scans = [rng.normal(size=(40, 60)) for _ in range(2)]
    model = VariogramSlope(regions=skdxa.preprocessing.find_spine_region).fit(scans)
    save_model(model, tmp_path / "m.skdxa")
    loaded = load_model(tmp_path / "m.skdxa")
    assert loaded.regions is skdxa.preprocessing.find_spine_region
    np.testing.assert_array_equal(loaded.transform(scans), model.transform(scans))


def test_a_model_takes_the_fixed_order_of_bytes(models, tmp_path):
    for name in ("a", "b"):
        save_model(models["stack"], tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_other_programs_read_the_numbers(models, saved, tmp_path):
    path = write(tmp_path, saved["pipeline"])
    with np.load(path, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["arrays/0"], models["pipeline"][-1].weights_[0])
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        digest = archive.comment.decode().removeprefix("sha256:")
    assert hashlib.sha256(path.read_bytes()[:-64]).hexdigest() == digest


def test_no_scan_and_nothing_of_single_patients_is_stored(models, saved, forger):
    tree = forger(saved["pipeline"]).tree
    cropper = next(node for node in tree["objects"] if node["class"] == "SpineCropper")
    assert hasattr(models["pipeline"][0], "quality_")
    assert set(cropper["fitted"]) == {"scan_dtype_", "n_features_in_", "feature_names_in_"}


# What cannot be saved, and what is left out.


class OwnCropper(SpineCropper):
    pass


def builder(shape):
    import keras

    return keras.Sequential(
        [keras.Input((*shape, 1)), keras.layers.Flatten(), keras.layers.Dense(1, "sigmoid")]
    )


def test_a_network_of_ones_own_is_refused(network, cohort, tmp_path):
    model = network(network=builder).fit(*cohort)
    with pytest.raises(ModelFileError, match=r"m\.skdxa: SpineCNNClassifier\.network.*to_keras"):
        save_model(model, tmp_path / "m.skdxa")
    assert os.listdir(tmp_path) == []


def test_estimators_that_are_not_in_the_list_are_refused(cohort, tmp_path):
    X, y = cohort
    age = X[["age"]]
    search = GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=2).fit(age, y)
    scorer = make_scorer(recall_score, pos_label="scoliosis")
    tuned = TunedThresholdClassifierCV(ColumnScores("age"), scoring=scorer, cv=2).fit(X, y)
    deep = ColumnScores("age").fit(X, y)
    for _ in range(31):
        deep = FrozenEstimator(deep)
    itself = FixedThresholdClassifier(ColumnScores("age"), threshold=1.0).fit(X, y)
    itself.estimator = itself
    neighbors = KNeighborsClassifier().fit(age, y)
    refused = {
        "KNeighborsClassifier cannot be stored. A model file may hold Cal": neighbors,
        "GridSearchCV cannot be stored. Save its best_estimator_": search,
        "OwnCropper cannot be stored. Subclasses contain custom": OwnCropper(7, 9).fit(X),
        "TunedThresholdClassifierCV.scoring must be a name.*FixedThresholdClassifier": tuned,
        "holds itself": itself,
        "within each other more than 30 deep": deep,
    }
    for message, model in refused.items():
        with pytest.raises(ModelFileError, match=message):
            save_model(model, tmp_path / "m.skdxa")
    with pytest.raises(ModelFileError, match="dict cannot be stored"):
        save_model({}, tmp_path / "m.skdxa")
    with pytest.raises(ModelFileError, match="regions must be"):
        save_model(
            VariogramSlope(regions=lambda scan: np.ones(scan.shape)).fit(X), tmp_path / "m.skdxa"
        )
    assert os.listdir(tmp_path) == []


def test_an_unfitted_model_is_refused(tmp_path):
    with pytest.raises(NotFittedError):
        save_model(ColumnScores("age"), tmp_path / "m.skdxa")
    half = ColumnScores("age")
    half.feature_names_in_ = np.array(["age"])
    with pytest.raises(ModelFileError, match="not fitted"):
        save_model(half, tmp_path / "m.skdxa")


def test_a_network_whose_weights_are_not_finite_is_refused(network, cohort, tmp_path):
    model = network().fit(*cohort)
    model[-1].weights_[0][0, 0, 0, 0] = np.nan
    with pytest.raises(ModelFileError, match="weights_ must be an array of finite numbers"):
        save_model(model, tmp_path / "m.skdxa")


def test_what_only_a_fit_needs_is_left_out_with_a_warning(network, cohort, tmp_path):
    import keras

    X, y = cohort
    cnn = {
        "callbacks": [lambda: keras.callbacks.TerminateOnNaN()],
        "optimizer": keras.optimizers.SGD(0.01),
        "metrics": [keras.metrics.AUC()],
        "random_state": np.random.RandomState(0),
        "augmenter": OwnCropper(7, 9),
    }
    model = CalibratedClassifierCV(
        network(**cnn), cv=StratifiedShuffleSplit(2, test_size=0.5, random_state=0)
    ).fit(X, y)
    with pytest.warns(UserWarning, match="Not stored") as caught:
        save_model(model, tmp_path / "m.skdxa")
    (warning,) = caught
    assert warning.filename == __file__
    assert str(warning.message).count("SpineCNNClassifier.callbacks") == 3
    for name in (*cnn, "cv"):
        assert f".{name}" in str(warning.message)
    loaded = load_model(tmp_path / "m.skdxa")
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert loaded.cv is None
    assert loaded.estimator[-1].optimizer == "adam"


def test_the_machines_parameters_are_not_stored(cohort, tmp_path):
    model = make_pipeline(ColumnScores("age"), memory=str(tmp_path / "cache")).fit(*cohort)
    save_model(model, tmp_path / "m.skdxa")
    assert load_model(tmp_path / "m.skdxa").memory is None


def test_splitters_come_back(cohort, tmp_path):
    for cv in (StratifiedKFold(3, shuffle=True, random_state=1), StratifiedPatientKFold(3)):
        model = CalibratedClassifierCV(ColumnScores("age"), cv=cv).fit(*cohort)
        save_model(model, tmp_path / "m.skdxa")
        loaded = load_model(tmp_path / "m.skdxa").cv
        assert type(loaded) is type(cv)
        assert vars(loaded) == vars(cv)


# Cards and data.


def test_no_card_and_no_data(models, tmp_path):
    save_model(models["texture"], tmp_path / "m.skdxa")
    assert read_card(tmp_path / "m.skdxa") is None
    assert load_model(tmp_path / "m.skdxa", return_data=True)[1] == {}


def test_data_beside_a_model(models, tmp_path):
    data = {
        "scores": np.array([[0.1, np.nan], [0.2, 0.3], [0.4, 0.5]], dtype=np.float32),
        "labels": [0, 1, 1],
        "threshold": 0.4,
        "big": np.array([1.5, 2], dtype=">f8"),
        "turned": np.arange(6.0).reshape(2, 3).T,
    }
    save_model(models["texture"], tmp_path / "m.skdxa", data=data)
    loaded = load_model(tmp_path / "m.skdxa", return_data=True)[1]
    assert list(loaded) == list(data)
    for name, values in data.items():
        np.testing.assert_array_equal(loaded[name], np.asarray(values))
    assert loaded["scores"].dtype == np.float32
    assert loaded["labels"].dtype == np.float64


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1, 2], "data must be a dict"),
        ({"../x": [1.0]}, "letters, digits and underscores"),
        ({1: [1.0]}, "letters, digits and underscores"),
        ({"a": []}, "not empty"),
        ({"a": ["x"]}, "array of numbers"),
        ({"a": [1j]}, "array of numbers"),
        ({"a": [np.inf]}, "infinite"),
    ],
)
def test_data_that_are_refused(models, tmp_path, data, message):
    with pytest.raises(ModelFileError, match=message):
        save_model(models["texture"], tmp_path / "m.skdxa", data=data)
    assert os.listdir(tmp_path) == []


# Files.


def test_writing_is_all_or_nothing(models, saved, tmp_path, monkeypatch):
    path = write(tmp_path, saved["texture"])

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("skdxa.validation._file.os.fsync", full)
    with pytest.raises(ModelFileError, match=r"cannot be written \(No space left on device\)"):
        save_model(models["pipeline"], path)
    assert path.read_bytes() == saved["texture"]
    assert os.listdir(tmp_path) == ["model.skdxa"]


def test_paths_that_cannot_be_written(models, tmp_path):
    model = models["texture"]
    with pytest.raises(ModelFileError, match="its folder does not exist"):
        save_model(model, tmp_path / "no" / "m.skdxa")
    with pytest.raises(ModelFileError, match="this is a folder"):
        save_model(model, tmp_path)
    with pytest.raises(ModelFileError, match=r"m\\x00: the file cannot be written"):
        save_model(model, str(tmp_path / "m\0"))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ModelFileError, match="this is a named pipe"):
            save_model(model, tmp_path / "pipe")
    save_model(model, str(tmp_path / "m.skdxa"))
    save_model(model, os.fsencode(tmp_path / "n.skdxa").decode())
    assert load_model(tmp_path / "m.skdxa").classes_.tolist() == ["healthy", "scoliosis"]


def test_a_model_that_would_be_too_large_is_refused(models, tmp_path, monkeypatch):
    monkeypatch.setattr("skdxa.persistence._model_file.MOST_BYTES", 1000)
    with pytest.raises(ModelFileError, match="more than the 0 MiB that load_model accepts"):
        save_model(models["texture"], tmp_path / "m.skdxa")


def test_loading_needs_neither_keras_nor_matplotlib():
    code = (
        "import sys, skdxa.persistence;"
        "print(sorted({'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_the_papers_network_fits_into_two_megabytes(tmp_path):
    cnn = SpineCNNClassifier(epochs=1, validation_fraction=0, random_state=0)
    cnn.fit(np.random.default_rng(0).normal(size=(4, 150, 150)).astype(np.float32), [0, 1, 0, 1])
    save_model(cnn, tmp_path / "m.skdxa")
    assert (tmp_path / "m.skdxa").stat().st_size < 2_000_000
