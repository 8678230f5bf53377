"""A model for scans to come: fitted, saved, applied, explained and compared."""

import errno
from copy import copy

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from scipy.spatial.distance import mahalanobis
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.covariance import LedoitWolf
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_curve
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from skdxa.classification import SpineCNNClassifier
from skdxa.evaluation import Folds, conformal_p_values
from skdxa.exceptions import CohortError
from skdxa.inspection import network_features
from skdxa.persistence import load_model, save_model
from skdxa.preprocessing import SpineCropper
from skdxa.scan_dtype import ScanArray
from skdxa.scans import Scan
from skdxa.simulation import make_spine_cohort
from skdxa.study import (
    Protocol,
    compare_with_training,
    explain_scans,
    fit_model,
    predict_scans,
)
from skdxa.study._model import _averaged, _thresholds, distance


@pytest.fixture(scope="module")
def files(fitted, tmp_path_factory):
    """Write new scans of simulated patients, of which some cannot or should not be used."""
    folder = tmp_path_factory.mktemp("new")
    scans = list(make_spine_cohort(6, random_state=9).data["scan"])
    scans[3] = 1.5 - scans[3]
    scans[4] = scans[4][:, :30]
    scans[5] = (np.nan_to_num(scans[5]).clip(0) * 150).astype(np.uint8)
    for number, scan in enumerate(scans):
        np.save(folder / f"{number}.npy", scan)
    (folder / "6.npy").write_bytes(b"")
    return [folder / f"{number}.npy" for number in range(7)]


def test_what_is_kept_beside_the_model(fitted):
    data, result = fitted.data, fitted.result
    assert data["oof_score"].shape == (1, 39)
    assert data["oof_label"].tolist() == result.y.tolist()
    score = result.scores.sort_values("row")["score"].to_numpy()
    np.testing.assert_array_equal(data["oof_score"][0], score)
    false_rate, true_rate, thresholds = roc_curve(result.y, score)
    assert fitted.threshold == thresholds[np.argmax(true_rate - false_rate)]
    assert data["novelty_distance"].shape == (39,)
    fold = result.scores.sort_values("row")["fold"].to_numpy()
    assert data["oof_fold"].tolist() == fold.tolist()
    # Each scan is as far as it is from the training scans of the network that left it out.
    X = fitted.cohort.data[:39]
    for number in (0, 1):
        network = result.models[0, number]
        features, out = network_features(network, X).astype(float), fold == number
        trained = LedoitWolf().fit(features[~out])
        np.testing.assert_allclose(
            data["novelty_distance"][out], np.sqrt(trained.mahalanobis(features[out])), rtol=1e-4
        )
    assert data["scan_features"].shape[0] == 39


def test_the_networks_of_the_folds_predict_on_new_scans(fitted):
    model, data, result = fitted.model, fitted.data, fitted.result
    new = make_spine_cohort(5, random_state=8)
    scans = [Scan(np.asarray(one), (1.05, 0.60), "g/cm2", "new") for one in new.data["scan"]]
    scores = [result.models[0, fold].predict_proba(new.data)[:, 1] for fold in (0, 1)]
    table = predict_scans(model, scans, data=data)
    probability = table["probability"].astype(float)
    np.testing.assert_allclose(probability, np.mean(scores, axis=0), atol=1e-6)
    np.testing.assert_allclose(model.predict_proba(scans)[:, 1], probability, atol=1e-6)
    expected = conformal_p_values(
        data["oof_label"], data["oof_score"], scores, fold=data["oof_fold"]
    )
    for name in ("negative", "positive"):
        np.testing.assert_allclose(table[f"p_{name}"].astype(float), expected[name])


def test_one_network_may_be_fitted_to_all_scans(fitted):
    protocol = Protocol(
        n_splits=2, n_repeats=2, epochs=1, height=60, width=40, validation_fraction=0
    )
    refitted = fit_model(protocol, fitted.cohort, final="refit", progress=False)
    network = refitted.model.estimator_.estimator[-1]
    assert isinstance(network, SpineCNNClassifier)
    assert refitted.data["oof_score"].shape == (2, 39)
    assert "oof_fold" not in refitted.data
    assert len(refitted.data["novelty_mean"]) == 1
    arrays = [np.asarray(scan) for scan in fitted.cohort.data["scan"][:4]]
    table = predict_scans(refitted.model, arrays, data=refitted.data)
    expected = conformal_p_values(
        refitted.data["oof_label"], refitted.data["oof_score"], table["probability"].astype(float)
    )
    np.testing.assert_allclose(table["p_positive"].astype(float), expected["positive"])
    with pytest.raises(ValueError, match="final must be one of folds, refit; got 'both'"):
        fit_model(protocol, fitted.cohort, final="both")


def test_a_calibrated_model_keeps_its_probabilities(fitted):
    scans, y = fitted.cohort.data[:39], fitted.data["oof_label"].astype(int)
    pipeline = fitted.model.estimator_.estimator
    calibrated = CalibratedClassifierCV(FrozenEstimator(pipeline), cv=2).fit(scans, y)
    few = [Scan(np.asarray(one), (1.05, 0.60), "g/cm2", "new") for one in scans["scan"][:4]]
    table = predict_scans(calibrated, few, data=fitted.data)
    np.testing.assert_allclose(
        table["probability"].astype(float), calibrated.predict_proba(few)[:, 1], atol=1e-6
    )
    plain = predict_scans(fitted.model, few, data=fitted.data)
    assert (table["probability"] - plain["probability"]).abs().max() > 1e-3
    assert table["p_positive"].tolist() == plain["p_positive"].tolist()


def test_the_threshold_rules():
    y = np.array([0, 0, 0, 1, 1, 1])
    scores = np.array([[0.1, 0.2, 0.5, 0.4, 0.6, 0.9], [0.1, 0.2, 0.3, 0.4, 0.7, 0.9]])
    result = Folds(np.tile([0, 1, 2], (2, 2)), y).with_scores(scores)
    assert _thresholds(result, "sensitivity", 0.6, 0.9).tolist() == [0.6, 0.7]
    assert _thresholds(result, "sensitivity", 1.0, 0.9).tolist() == [0.4, 0.4]
    assert _thresholds(result, "guaranteed", 0.1, 0.9).tolist() == [0.6, 0.7]
    assert _thresholds(result, "guaranteed", 0.4, 0.9).tolist() == [0.4, 0.4]
    assert _thresholds(result, "youden", 0.9, 0.9)[1] == 0.4


def test_the_threshold_of_a_mean_of_networks_is_chosen_on_means():
    # Networks differ from each other by their seeds as much as scans of a class do.
    rng = np.random.default_rng(0)
    y, n_folds = np.repeat([0, 1], [150, 90]), 5
    reached = {"mean": [], "single": []}
    for _ in range(15):
        signal = rng.normal(size=240) + 2 * y
        fold_of = np.stack([rng.permutation(240) % n_folds for _ in range(10)])
        folds = Folds(fold_of, y)
        scores = expit(signal + rng.normal(size=(10, 240)) - 1)
        result = folds.with_scores(scores, response_method="predict_proba")
        new = rng.normal(size=(400, 1)) + 1 + rng.normal(size=(400, n_folds))
        for name, judged in (("mean", _averaged(result)), ("single", result)):
            threshold = np.median(_thresholds(judged, "sensitivity", 0.8, 0.95))
            reached[name].append(np.mean(expit(new).mean(axis=1) >= threshold))
    assert np.mean(reached["mean"]) == pytest.approx(0.8, abs=0.02)
    assert np.mean(reached["single"]) > 0.85
    averaged = _averaged(result)
    assert averaged.n_repeats == 2
    np.testing.assert_allclose(averaged.repeat_scores(1), scores[5:].mean(axis=0))
    one = _averaged(folds.first(1).with_scores(scores[:1], response_method="predict_proba"))
    np.testing.assert_array_equal(one.repeat_scores(0), scores[0])


def test_the_distance_is_mahalanobiss():
    rng = np.random.default_rng(0)
    features, mean = rng.normal(size=(7, 3)), rng.normal(size=3)
    precision = np.diag([1.0, 2.0, 3.0]) + 0.2
    expected = [mahalanobis(row, mean, precision) for row in features]
    np.testing.assert_allclose(distance(features, mean, precision), expected)


def test_predictions_on_files(fitted, files):
    table = predict_scans(fitted.model, files, data=fitted.data)
    assert table["scan"].tolist() == [str(path) for path in files]
    assert table["error"].notna().tolist() == [True] * 7
    # Nothing states how large the pixels of these files are.
    assert "nothing states how large the pixels are" in table["error"][0]

    table = predict_scans(fitted.model, files, data=fitted.data, spacing_mm=(1.05, 0.60))
    assert table["error"].notna().tolist() == [False, False, False, False, True, True, True]
    assert "has 30 columns, fewer than the crop's width of 40" in table["error"][4]
    assert "in grey level, those seen in fit in g/cm2" in table["error"][5]
    assert "the file is empty" in table["error"][6]
    good = table.iloc[:4]
    assert good["probability"].between(0, 1).all()
    assert (good["threshold"] == fitted.threshold).all()
    assert (good["class"] == (good["probability"] >= fitted.threshold)).all()
    assert good[["p_negative", "p_positive"]].gt(0).all(axis=None)
    assert set(good["call"]) <= {"positive", "negative", "cannot say"}
    assert "bone dark: perhaps inverted" in good["remarks"][3]
    assert "outside the" in good["remarks"][3]
    assert table["probability"][4:].isna().all()


def test_files_scans_arrays_and_cohorts_are_predicted_alike(fitted, files, tmp_path):
    save_model(fitted.model, tmp_path / "model", data=fitted.data)
    model, data = load_model(tmp_path / "model", return_data=True)
    arrays = [np.load(path) for path in files[:3]]
    scans = [Scan(array, (1.05, 0.60), "g/cm2", "NumPy") for array in arrays]
    from_files = predict_scans(model, files[:3], data=data, spacing_mm=(1.05, 0.60))
    for given in (arrays, scans):
        table = predict_scans(model, given, data=data, names=["a", "b", "c"])
        assert table["scan"].tolist() == ["a", "b", "c"]
        pd.testing.assert_frame_equal(table.drop(columns="scan"), from_files.drop(columns="scan"))
    np.testing.assert_allclose(
        model.predict_proba(scans)[:, 1], from_files["probability"].astype(float), atol=1e-6
    )
    known = fitted.cohort.data.iloc[:5]
    np.testing.assert_allclose(
        model.predict_proba(known), fitted.model.predict_proba(known), atol=1e-6
    )
    plain = predict_scans(model, arrays)
    assert plain["call"].isna().all()
    assert predict_scans(model, arrays)["scan"].tolist() == ["scan 0", "scan 1", "scan 2"]


def test_the_spacing_of_a_scan_overrides_that_of_its_file(fitted, tmp_path):
    scans = fitted.cohort.data["scan"][:3]
    fine = [np.repeat(np.repeat(scan, 2, axis=0), 2, axis=1) for scan in scans]
    paths = [tmp_path / f"{number}.npy" for number in range(3)]
    for path, pixels in zip(paths, fine, strict=True):
        np.save(path, pixels)
    stated = [(0.525, 0.30), None, (0.525, 0.30)]
    wrong = (1.05, 0.60)
    found = predict_scans(fitted.model, paths, spacing_mm=wrong, scan_spacings_mm=stated)
    one, other = (
        predict_scans(fitted.model, [Scan(pixels, spacing, "g/cm2", "NumPy") for pixels in fine])
        for spacing in ((0.525, 0.30), wrong)
    )
    expected = one["probability"].where([True, False, True], other["probability"])
    np.testing.assert_allclose(found["probability"].astype(float), expected.astype(float))
    assert abs(one["probability"] - other["probability"]).min() > 1e-4
    as_scans = [Scan(pixels, (9.0, 9.0), "g/cm2", "NumPy") for pixels in fine]
    for given in (fine, as_scans):
        again = predict_scans(
            fitted.model, given, spacing_mm=wrong, scan_spacings_mm=[(0.525, 0.30)] * 3
        )
        np.testing.assert_allclose(
            again["probability"].astype(float), one["probability"].astype(float), rtol=1e-5
        )
    found = predict_scans(fitted.model, paths, scan_spacings_mm=[(0.525, np.nan)] * 3)
    assert found["error"].str.startswith("(row_mm, column_mm) must be two positive").all()
    with pytest.raises(ValueError, match="scan_spacings_mm has 1 spacings for 3 scans"):
        predict_scans(fitted.model, paths, scan_spacings_mm=[None])


def test_scans_unlike_those_trained_on_are_far(fitted):
    rng = np.random.default_rng(0)
    noise = [rng.normal(0.5, 0.4, size=(160, 300)) * 8 for _ in range(3)]
    table = predict_scans(fitted.model, noise, data=fitted.data)
    assert table["remarks"].str.contains("unlike the scans trained on, to the network").all()
    sound = list(fitted.cohort.data["scan"])
    table = predict_scans(fitted.model, sound, data=fitted.data)
    assert table["remarks"].str.contains("to the network").mean() < 0.1


def test_pictures_of_single_scans(fitted, files, tmp_path):
    table = explain_scans(
        fitted.model,
        [files[0], files[6]],
        out=tmp_path / "pictures",
        data=fitted.data,
        positive="brightness",
        spacing_mm=(1.05, 0.60),
    )
    assert table["picture"][0] == str(tmp_path / "pictures" / "0.png")
    assert table["picture"].isna().tolist() == [False, True]
    assert pyplot.imread(table["picture"][0]).std() > 0.1


def test_a_picture_that_finds_no_space_is_named(fitted, files, tmp_path, monkeypatch):
    def full(figure, path, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*pictures/0\.png'$"):
        explain_scans(
            fitted.model, files[:1], out=tmp_path / "pictures", data=fitted.data,
            spacing_mm=(1.05, 0.60),
        )  # fmt: skip


def test_drift(fitted):
    same = compare_with_training(fitted.cohort, fitted.data)
    assert same["outside"].max() < 0.06
    assert same["pvalue"].min() > 0.5
    brighter = make_spine_cohort(20, random_state=3)
    brighter.data["scan"] = [3 * scan for scan in brighter.data["scan"]]
    drift = compare_with_training(brighter, fitted.data)
    assert drift.loc["high", "outside"] > 0.8
    assert drift.loc["high", "pvalue"] < 1e-6
    assert drift.loc["height_mm", "outside"] < 0.3
    assert drift.attrs["n_outside"] > 15
    with pytest.raises(ValueError, match="data hold no 10 features"):
        compare_with_training(brighter, {})


def test_without_an_evaluation(fitted):
    protocol = Protocol(
        targets=("scoliosis",), epochs=1, height=60, width=40, validation_fraction=0
    )
    plain = fit_model(protocol, fitted.cohort, evaluate=False, progress=False)
    assert plain.result is None
    assert plain.threshold == 0.5
    assert list(plain.data) == ["scan_features"]
    table = predict_scans(plain.model, list(fitted.cohort.data["scan"][:2]), data=plain.data)
    assert table["call"].isna().all()
    assert table["probability"].notna().all()


@pytest.mark.parametrize(
    ("changes", "options", "error", "reason"),
    [
        ({"targets": ("a", "b")}, {}, ValueError, "A model has one target"),
        ({"targets": None}, {}, ValueError, "A model has one target; the protocol has None"),
        ({}, {"rule": "best"}, ValueError, "rule must be one of fixed, youden, sensitivity"),
        ({}, {"rule": "youden", "evaluate": False}, ValueError, "needs evaluate=True"),
        ({}, {"rule": "guaranteed"}, ValueError, "positive patients: 29 are needed"),
        ({"targets": ("a",)}, {"evaluate": False}, CohortError, "has no target 'a'"),
        ({"n_splits": 30}, {}, CohortError, "30 folds need at least 30"),
    ],
)
def test_what_cannot_be_fitted(fitted, changes, options, error, reason):
    protocol = Protocol(**{"targets": ("scoliosis",), "height": 60, "width": 40, **changes})
    with pytest.raises(error, match=reason):
        fit_model(protocol, fitted.cohort, progress=False, **options)


def test_models_of_another_kind(fitted):
    with pytest.raises(TypeError, match="must hold a pipeline that begins with a ScanReader"):
        predict_scans(SpineCropper(), [])
    pipeline = fitted.model.estimator_.estimator
    with pytest.raises(TypeError, match="begins with a SpineCropper"):
        predict_scans(pipeline[1:], [])
    assert predict_scans(pipeline, []).empty
    with pytest.raises(ValueError, match="error_rate must lie between 0 and 1; got 10"):
        predict_scans(pipeline, [], error_rate=10)
    hard = Pipeline([*pipeline.steps[:-1], ("cnn", copy(pipeline[-1]).set_params(voting="hard"))])
    with pytest.raises(TypeError, match=r"voting='soft'.; it has voting='hard'"):
        predict_scans(hard, [])
    with pytest.raises(ValueError, match="names has 1 names for 2 scans"):
        predict_scans(pipeline, [np.ones((7, 9))] * 2, names=["a"])


def test_the_class_is_that_of_the_model_or_the_model_is_refused(fitted):
    scans, labels = list(fitted.cohort.data["scan"][:5]), [0, 1, 0, 1, 0]
    frozen = FrozenEstimator(fitted.model.estimator_)
    scores = predict_scans(frozen.estimator, scans)["probability"]
    low, high = np.sort(scores)[[1, 3]]

    def decide(model, threshold, **settings):
        model = FixedThresholdClassifier(
            model, threshold=threshold, response_method="predict_proba", **settings
        )
        return model.fit(fitted.cohort.data["scan"][:5], labels)

    inner = decide(frozen, high)
    # Of two thresholds, the outer one decides.
    for model in (inner, decide(FrozenEstimator(inner), low), decide(frozen, low, pos_label=1)):
        expected = model.predict(fitted.cohort.data["scan"][:5]).tolist()
        assert predict_scans(model, scans)["class"].tolist() == expected
    with pytest.raises(TypeError, match=r"probability of 0, .* class, \S*1\S*\. Give Fixed"):
        predict_scans(decide(frozen, 0.3, pos_label=0), scans)
    tuned = TunedThresholdClassifierCV(frozen, cv="prefit", refit=False)
    with pytest.raises(TypeError, match=r"TunedThresholdClassifierCV is not taken over\. Give"):
        predict_scans(tuned.fit(fitted.cohort.data["scan"][:5], labels), scans)


def test_a_model_of_scans_in_several_units_takes_scans_in_any(fitted):
    scans = fitted.cohort.data["scan"][:24]
    data = fitted.cohort.data[:24].assign(
        scan=ScanArray(list(scans), (1.05, 0.60), None, scans.index)
    )
    cohort = Bunch(**{**fitted.cohort, "data": data, "groups": np.arange(24)})
    cohort.target = fitted.cohort.target[:24]
    protocol = Protocol(epochs=1, height=60, width=40, validation_fraction=0)
    mixed = fit_model(protocol, cohort, evaluate=False)
    arrays = [np.asarray(scan) for scan in scans[:3]]
    as_trained = mixed.model.predict_proba(data[:3])[:, 1]
    for unit in ("g/cm2", "grey level", None):
        given = [Scan(array, (1.05, 0.60), unit, "test") for array in arrays]
        table = predict_scans(mixed.model, given, data=mixed.data)
        assert table["error"].isna().all()
        np.testing.assert_allclose(table["probability"].astype(float), as_trained, atol=1e-6)
