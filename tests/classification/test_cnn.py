import pickle
import sys
import threading

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import RocCurveDisplay
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.utils._param_validation import InvalidParameterError
from small_network import COLUMNS, ROWS, N, small

from skdxa.classification import SpineCNNClassifier
from skdxa.exceptions import ScanError
from skdxa.preprocessing import SpineCropper


@pytest.fixture(scope="module")
def cohort():
    """A table of scans that need a crop, with a clinical column beside them."""
    rng = np.random.default_rng(1)
    y = np.arange(N) % 2
    scans = pd.Series(
        [rng.normal(size=(ROWS + i % 3, 30)).astype(np.float32) + y[i] for i in range(N)]
    )
    return pd.DataFrame({"scan": scans, "age": rng.normal(68, 3, size=N)}), y


def test_learns_and_describes_itself(stack):
    X, y = stack
    labels = np.array(["healthy", "scoliosis"])[y]
    cnn = small(epochs=40).fit(X, labels)
    assert cnn.classes_.tolist() == ["healthy", "scoliosis"]
    assert cnn.image_shape_ == (ROWS, COLUMNS)
    assert cnn.score(X, labels) >= 0.95
    assert list(cnn.history_) == ["loss", "val_loss"]
    assert len(cnn.history_["loss"]) == 40
    assert cnn.best_epoch_ == 1 + int(np.argmin(cnn.history_["val_loss"]))
    assert [w.shape for w in cnn.weights_[:2]] == [(5, 5, 1, 4), (4,)]

    probability = cnn.predict_proba(X)
    assert probability.shape == (N, 2)
    np.testing.assert_allclose(probability.sum(axis=1), 1)
    assert cnn.predict_proba(X[:1]).shape == (1, 2)
    np.testing.assert_array_equal(cnn.predict(X) == "scoliosis", probability[:, 1] >= 0.5)


def test_default_network_is_the_papers():
    X = np.zeros((8, 150, 150), np.float32)
    y = np.arange(8) % 2
    cnn = SpineCNNClassifier(epochs=1, validation_fraction=0).fit(X, y)
    shapes = [w.shape for w in cnn.weights_[::2]]
    assert shapes == [
        (5, 5, 1, 8),
        (5, 5, 8, 16),
        (5, 5, 16, 32),
        (5, 5, 32, 64),
        (5184, 64),
        (64, 1),
    ]


def test_same_seed_same_numbers_other_seed_others(stack):
    X, y = stack
    first = small().fit(X, y).predict_proba(X)
    small(filters=(3, 5)).fit(X, y)
    np.testing.assert_array_equal(small().fit(X, y).predict_proba(X), first)
    assert not np.allclose(small(random_state=1).fit(X, y).predict_proba(X), first)
    unseeded = [small(random_state=None).fit(X, y).weights_[0] for _ in range(2)]
    assert not np.allclose(*unseeded)
    passed_on = np.random.RandomState(3)
    assert not np.allclose(*[small(random_state=passed_on).fit(X, y).weights_[0] for _ in "ab"])


def test_every_network_starts_from_its_own_seed(stack):
    """A lent network keeps nothing of the last fit: weights, optimiser, dropout."""
    X, y = stack
    once = small(epochs=1, dropout=0.5, validation_fraction=0)
    before = once.fit(X, y).weights_
    small(epochs=3, dropout=0.5, random_state=5, learning_rate=0.1).fit(X, y)
    for ours, theirs in zip(before, clone(once).fit(X, y).weights_, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_kinds_of_input_give_the_same(stack):
    X, y = stack
    cnn = small(epochs=2).fit(X, y)
    expected = cnn.predict_proba(X)
    table = pd.DataFrame({"scan": pd.Series(list(X), index=range(5, 5 + N))})
    for kind in (list(X), table, table["scan"], X.astype(np.float64)):
        np.testing.assert_array_equal(cnn.predict_proba(kind), expected)
    np.testing.assert_array_equal(small(epochs=2).fit(table, y).predict_proba(X), expected)


def test_predictions_do_not_depend_on_other_scans(stack):
    X, y = stack
    cnn = small(epochs=2).fit(X, y)
    alone = np.concatenate([cnn.predict_proba(X[i : i + 1]) for i in range(N)])
    np.testing.assert_allclose(alone, cnn.predict_proba(np.concatenate([X] * 3))[:N], atol=1e-6)


def test_validation_data_of_ones_own(stack):
    X, y = stack
    cnn = small(epochs=5, restore_best=False).fit(X[:30], y[:30], X_val=X[30:], y_val=y[30:])
    assert cnn.best_epoch_ == 5
    scores = np.clip(cnn.predict_proba(X[30:])[:, 1], 1e-7, 1 - 1e-7)
    error = -np.mean(np.where(y[30:] == 1, np.log(scores), np.log(1 - scores)))
    penalty = cnn.l2 * float(np.sum(cnn.weights_[0].astype(float) ** 2))
    # The network trains, and measures its validation error, in reduced precision.
    assert cnn.history_["val_loss"][-1] == pytest.approx(error + penalty, rel=0.02, abs=0.01)


def test_no_validation_trains_on_everything(stack):
    X, y = stack
    cnn = small(epochs=3, validation_fraction=0.0).fit(X, y)
    assert list(cnn.history_) == ["loss"]
    assert cnn.best_epoch_ == 3


def test_weights_of_classes_and_scans(stack):
    X, _ = stack
    y = (np.arange(N) % 10 == 0).astype(int)
    X = np.random.default_rng(3).normal(size=X.shape).astype(np.float32)
    plain, balanced, double = (
        small(epochs=6, class_weight=weight).fit(X, y).predict_proba(X)[:, 1].mean()
        for weight in (None, "balanced", {0: 1, 1: 50})
    )
    assert plain < balanced < double
    by_scan = small(epochs=6).fit(X, y, sample_weight=np.where(y, 9.0, 1.0))
    assert by_scan.predict_proba(X)[:, 1].mean() > plain


# Nothing wrong in silence


def without_activation(image_shape):
    import keras

    inputs = keras.Input((*image_shape, 1))
    return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Flatten()(inputs)))


def doubled(image_shape):
    import keras

    model = build_network(image_shape)
    return keras.Model(model.inputs, keras.layers.Rescaling(2.0, 0.5)(model.outputs[0]))


def test_a_network_that_returns_no_probabilities_is_refused(stack):
    with pytest.raises(ValueError, match=r"last layer of network, .* has no activation"):
        small(network=without_activation).fit(*stack)
    with pytest.raises(ValueError, match=r"returned .* for scan 0, which is not a probability"):
        small(network=doubled).fit(*stack)
    X, y = stack
    cnn = small(network=build_network, epochs=1).fit(X, y)
    cnn.network = doubled
    with pytest.raises(ValueError, match="which is not a probability"):
        cnn.predict_proba(X)


def test_weights_that_are_not_finite_never_predict(stack):
    X, y = stack
    cnn = small(epochs=1).fit(X, y)
    cnn.weights_[2] = np.full_like(cnn.weights_[2], np.nan)
    for broken in (cnn, pickle.loads(pickle.dumps(cnn))):
        with pytest.raises(ValueError, match="weights of the network are not finite"):
            broken.predict(X)


def test_errors_state_the_remedy(stack):
    import keras

    X, y = stack
    with pytest.raises(ValueError, match=r"the class Adam\. Call it: Adam\(\)"):
        small(optimizer=keras.optimizers.Adam).fit(X, y)
    with pytest.raises(ValueError, match=r"network must be a function that builds .*Functional"):
        small(network=build_network((ROWS, COLUMNS))).fit(X, y)
    with pytest.raises(ScanError, match=r"Leave out the last axis: X\[\.\.\., 0\]"):
        small().fit(X[..., None], y)
    with pytest.raises(ValueError, match="OneVsRestClassifier"):
        small().fit(X, np.arange(N) % 3)


def test_images_in_a_column_of_another_name(stack):
    X, y = stack
    table = pd.DataFrame({"crop__scan": pd.Series(list(X)), "age": 60})
    expected = small(epochs=2).fit(X, y).predict_proba(X)
    cnn = small(epochs=2, column="crop__scan").fit(table, y)
    np.testing.assert_array_equal(cnn.predict_proba(table), expected)
    with pytest.raises(ScanError, match="no column 'scan'"):
        small(epochs=1).fit(table, y)


def test_a_patient_who_is_missing_is_an_error(stack):
    X, y = stack
    groups = np.arange(N).astype(float)
    groups[3] = np.nan
    with pytest.raises(ValueError, match="groups is missing for 1 of 40 scans"):
        small(epochs=1).fit(X, y, groups=groups)


def test_threads_share_the_network_in_turn(stack):
    X, y = stack
    expected = {seed: small(random_state=seed).fit(X, y).predict_proba(X) for seed in (1, 2)}
    got = {}

    def work(seed):
        got[seed] = small(random_state=seed).fit(X, y).predict_proba(X)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, probability in expected.items():
        np.testing.assert_array_equal(got[seed], probability)


def test_one_network_an_architecture(stack):
    from skdxa.classification import _lending

    X, y = stack
    small(epochs=1).fit(X, y).predict(X)
    n_loans = len(_lending._loans)
    for seed, rate in ((1, 0.01), (2, 0.02)):
        cnn = small(epochs=1, random_state=seed, learning_rate=rate, batch_size=7)
        cnn.fit(X[seed:], y[seed:]).predict(X)
    assert len(_lending._loans) == n_loans
    networks = [loan.network for loan in _lending._loans.values()]
    for network in networks:
        for name in ("_train", "_error", "_forward"):
            assert getattr(network, name).experimental_get_tracing_count() <= 1


def test_pickles_as_arrays(stack):
    X, y = stack
    cnn = small().fit(X, y)
    pickled = pickle.dumps(cnn)
    assert len(pickled) < 60_000
    assert b"keras" not in pickled
    np.testing.assert_array_equal(pickle.loads(pickled).predict_proba(X), cnn.predict_proba(X))


def build_network(image_shape):
    import keras

    inputs = keras.Input((*image_shape, 1))
    maps = keras.layers.Conv2D(3, 3, activation="relu")(inputs)
    maps = keras.layers.BatchNormalization()(maps)
    features = keras.layers.GlobalAveragePooling2D()(maps)
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(features))


def test_a_network_of_ones_own(stack):
    X, y = stack
    cnn = small(network=build_network).fit(X, y)
    assert len(cnn.weights_) == 8
    np.testing.assert_array_equal(
        clone(cnn).fit(X, y).predict_proba(X), pickle.loads(pickle.dumps(cnn)).predict_proba(X)
    )
    with pytest.raises(ValueError, match=r"sequential keras\.Model from images .* returned a str"):
        small(network=lambda shape: "nothing").fit(X, y)

    def two_outputs(image_shape):
        import keras

        inputs = keras.Input((*image_shape, 1))
        return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs)))

    with pytest.raises(ValueError, match=r"one probability \(None, 1\); it returned a model from"):
        small(network=two_outputs).fit(X, y)


def test_network_of_a_fitted_classifier(stack):
    X, y = stack
    cnn = small(precision="bfloat16").fit(X, y)
    network = cnn.to_keras()
    assert network.compute_dtype == "float32"
    assert [layer.name for layer in network.layers][1:2] == ["conv1"]
    assert {type(layer).__module__.partition(".")[0] for layer in network.layers} == {"keras"}
    expected = cnn.predict_proba(X)
    scores = network(X[..., None], training=False).numpy()[:, 0]
    np.testing.assert_allclose(scores, expected[:, 1], atol=1e-6)
    network.set_weights([np.zeros_like(w) for w in network.get_weights()])
    np.testing.assert_array_equal(cnn.predict_proba(X), expected)


def frozen_network(image_shape):
    import keras

    inputs = keras.Input((*image_shape, 1))
    first = keras.layers.SeparableConv2D(2, 3)
    second = keras.layers.SeparableConv2D(3, 3)
    maps = second(first(inputs))
    first.set_weights([np.full_like(w, 0.125) for w in first.get_weights()])
    first.trainable = False
    features = keras.layers.GlobalMaxPooling2D()(maps)
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(features))


def test_loaded_and_frozen_weights_stay_and_others_follow_the_seed(stack):
    X, y = stack
    first, again, other = (
        small(network=frozen_network, random_state=seed, epochs=2).fit(X, y).weights_
        for seed in (0, 0, 1)
    )
    places = [i for i, w in enumerate(first) if (w == 0.125).all()]
    assert len(places) == 3
    for i, (a, b, c) in enumerate(zip(first, again, other, strict=True)):
        np.testing.assert_array_equal(a, b)
        assert (i in places) == np.array_equal(a, c)


WIDTH = 2


def build_by_global(image_shape):
    import keras

    inputs = keras.Input((*image_shape, 1))
    features = keras.layers.GlobalMaxPooling2D()(keras.layers.Conv2D(WIDTH, 3)(inputs))
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(features))


def test_a_builder_whose_global_changes_is_another_builder(stack, monkeypatch):
    X, y = stack
    for width in (2, 3, 2):
        monkeypatch.setattr(sys.modules[__name__], "WIDTH", width)
        cnn = small(network=build_by_global, epochs=1).fit(X, y)
        assert cnn.weights_[0].shape[-1] == width


def test_a_builder_that_builds_another_model_is_refused(stack, monkeypatch):
    X, y = stack
    lock = threading.Lock()

    def build(image_shape):
        # A lock cannot be described, so that only the object says which builder it is.
        with lock:
            return build_by_global(image_shape)

    cnn = small(network=build, epochs=1).fit(X, y)
    monkeypatch.setattr(sys.modules[__name__], "WIDTH", 3)
    with pytest.raises(ValueError, match="network built a different model from that of its first"):
        cnn.fit(X, y)


def test_a_builder_may_ask_a_fitted_classifier(stack):
    X, y = stack
    teacher = small(epochs=1).fit(X, y)

    def taught(image_shape):
        assert teacher.predict_proba(X[:2]).shape == (2, 2)
        return build_network(image_shape)

    assert small(network=taught, epochs=1).fit(X, y).best_epoch_ == 1


# In scikit-learn's company


@pytest.fixture
def pipeline():
    return Pipeline([("crop", SpineCropper(height=16, width=12)), ("cnn", small(epochs=3))])


def test_pipeline_and_cross_validation_with_workers(cohort, pipeline):
    X, y = cohort
    scores = [
        cross_validate(pipeline, X, y, cv=3, scoring="roc_auc", n_jobs=n_jobs)["test_score"]
        for n_jobs in (1, 2)
    ]
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(*scores)
    scores = cross_val_predict(pipeline, X, y, cv=2, method="predict_proba")
    assert scores.shape == (N, 2)


def test_grid_search_over_crop_and_network(cohort, pipeline):
    X, y = cohort
    grid = {"cnn__filters": [(2,), (2, 3)], "crop__width": [8, 12]}
    search = GridSearchCV(pipeline, grid, cv=2, scoring="roc_auc").fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_["cnn"].image_shape_ == (16, search.best_params_["crop__width"])


def test_stacking_and_calibration(cohort, pipeline):
    X, y = cohort
    stacking = StackingClassifier(
        [("cnn", pipeline)], LogisticRegression(), stack_method="predict_proba", cv=2
    ).fit(X, y)
    assert stacking.predict_proba(X).shape == (N, 2)
    calibrated = CalibratedClassifierCV(pipeline, cv=2).fit(X, y)
    assert calibrated.predict_proba(X).shape == (N, 2)


def test_roc_curve_display(stack):
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    X, y = stack
    display = RocCurveDisplay.from_estimator(small(epochs=20).fit(X, y), X, y)
    assert display.roc_auc > 0.9
    pyplot.close("all")


# Bad input


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "'epochs' parameter of SpineCNNClassifier must be an int in the range"),
        ({"validation_fraction": 1.0}, "'validation_fraction' parameter"),
        ({"precision": "half"}, "'precision' parameter"),
        ({"network": "paper"}, "'network' parameter"),
    ],
)
def test_parameters_out_of_range(stack, changes, message):
    with pytest.raises(InvalidParameterError, match=message):
        small(**changes).fit(*stack)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"filters": ()}, r"filters must be one or more whole numbers, .* got \(\)"),
        ({"filters": (2.5,)}, "filters must be one or more whole numbers"),
        ({"filters": (4, 0)}, r"filters must all be at least 1; got \(4, 0\)"),
        ({"kernel_size": 4}, "kernel_size must be odd; got 4"),
    ],
)
def test_impossible_architectures_are_refused(stack, changes, message):
    with pytest.raises(ValueError, match=message):
        small(**changes).fit(*stack)


def test_bad_images(stack):
    X, y = stack
    with_nan = X.copy()
    with_nan[3, 0, 2] = np.nan
    with pytest.raises(ScanError, match=r"Scan 3 holds NaN pixels\. SpineCropper fills"):
        small().fit(with_nan, y)
    table = pd.DataFrame({"scan": pd.Series(list(with_nan), index=[f"p{i}" for i in range(N)])})
    with pytest.raises(ScanError, match="at index 'p3' holds NaN pixels"):
        small().fit(table, y)
    with pytest.raises(ScanError, match=r"Scan 1 has shape \(17, 14\), not the first scan's"):
        small().fit([X[0], X[1][1:], *X[2:]], y)
    cnn = small(epochs=1).fit(X, y)
    with pytest.raises(ScanError, match=r"has shape \(18, 13\), not that of the scans in fit"):
        cnn.predict(X[:, :, 1:])
    with pytest.raises(ScanError, match="Put a single scan into a list"):
        cnn.predict(X[0])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(N), r"only one class, .*0.0.*; a classifier needs"),
        (np.arange(N) % 3, "Only binary classification is supported"),
        (np.where(np.arange(N) == 7, np.nan, np.arange(N) % 2), "NaN for 1 of 40 .* position 7"),
        (np.arange(N) == 4, r"Class .*True.* 1 scan to train on.*validation_fraction=0"),
    ],
)
def test_bad_labels(stack, labels, message):
    with pytest.raises(ValueError, match=message):
        small().fit(stack[0], labels)


def test_arguments_that_do_not_fit_together_are_refused(stack):
    X, y = stack
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        small().fit(X, y[1:])
    with pytest.raises(ValueError, match="X_val and y_val must be given together"):
        small().fit(X, y, X_val=X)
    with pytest.raises(ValueError, match=r"y_val holds .*2.*, which is not one of the classes"):
        small().fit(X, y, X_val=X, y_val=y + 1)
    with pytest.raises(ValueError, match="1 patient to train on"):
        small().fit(X, y, groups=y)
    with pytest.raises(ValueError, match=r"from \(36, 18, 14\) it made \(36, 9, 14\)"):
        small(augmenter=SpineCropper(height=9, width=14)).fit(X, y)
