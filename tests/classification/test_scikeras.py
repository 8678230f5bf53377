"""SciKeras's classifier in the company of scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import is_classifier
from sklearn.model_selection import GridSearchCV, StratifiedKFold, check_cv, cross_validate
from sklearn.pipeline import Pipeline

from skdxa.classification import KerasClassifier, spine_network
from skdxa.exceptions import ScanError
from skdxa.preprocessing import SpineCropper

N = 30


@pytest.fixture
def cohort():
    rng = np.random.default_rng(0)
    y = (np.arange(N) % 3 == 0).astype(int)
    scans = [rng.normal(size=(18 + i % 3, 30)).astype(np.float32) + 2 * y[i] for i in range(N)]
    return pd.DataFrame({"scan": pd.Series(scans), "age": 66}), y


def pipeline(**settings):
    cnn = KerasClassifier(
        model=spine_network,
        model__filters=(2,),
        model__dense_units=4,
        loss="binary_crossentropy",
        optimizer="adam",
        epochs=3,
        verbose=0,
        random_state=0,
        **settings,
    )
    return Pipeline([("crop", SpineCropper(height=16, width=12)), ("cnn", cnn)])


def test_is_a_classifier_whose_folds_are_stratified(cohort):
    X, y = cohort
    model = pipeline()
    assert is_classifier(model)
    assert isinstance(check_cv(3, y, classifier=is_classifier(model)), StratifiedKFold)
    found = cross_validate(model, X, y, cv=3, scoring=["roc_auc", "accuracy"])
    assert np.isfinite(found["test_roc_auc"]).all()
    assert np.isfinite(found["test_accuracy"]).all()


def test_grid_search_reaches_the_builder(cohort):
    X, y = cohort
    search = GridSearchCV(
        pipeline(), {"cnn__model__filters": [(2,), (3, 2)]}, cv=2, scoring="roc_auc"
    )
    search.fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    model = search.best_estimator_["cnn"].model_
    n_convolutions = sum("conv" in layer.name for layer in model.layers)
    assert n_convolutions == len(search.best_params_["cnn__model__filters"])


def test_one_scan_has_two_probabilities(cohort):
    X, y = cohort
    fitted = pipeline().fit(X, np.array(["healthy", "scoliosis"])[y])
    probability = fitted.predict_proba(X[:1])
    assert probability.shape == (1, 2)
    assert probability.sum() == pytest.approx(1)
    labels = fitted.predict(X)
    assert labels.shape == (N,)
    expected = fitted.classes_[(fitted.predict_proba(X)[:, 1] >= 0.5).astype(int)]
    assert labels.tolist() == expected.tolist()


def three_classes(meta):
    import keras

    inputs = keras.Input((*meta["X_shape_"][1:], 1))
    flat = keras.layers.Flatten()(inputs)
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(flat))


def test_more_classes_and_images_as_a_list(cohort):
    X, _ = cohort
    images = list(SpineCropper(8, 6).fit_transform(X))
    y = np.arange(N) % 3
    cnn = KerasClassifier(
        model=three_classes, loss="sparse_categorical_crossentropy", verbose=0, random_state=0
    ).fit(images, y)
    assert cnn.predict_proba(images[:1]).shape == (1, 3)
    assert set(cnn.predict(images)) <= {0, 1, 2}


def test_bad_images_are_named():
    images = [np.zeros((8, 6))] * 3
    with pytest.raises(ScanError, match=r"Scan 1 has shape \(7, 6\), not the first scan's"):
        pipeline()["cnn"].fit([images[0], images[1][1:], images[2]], [0, 1, 0])
    unscanned = images[0].copy()
    unscanned[0] = np.nan
    with pytest.raises(ScanError, match="Scan 2 holds NaN pixels"):
        pipeline()["cnn"].fit([*images[:2], unscanned], [0, 1, 0])
    with pytest.raises(ValueError, match="spine_network needs image_shape"):
        spine_network()
