import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skdxa.inspection import class_score, grad_cam, maximize_activation, prepare_images
from skdxa.preprocessing import HorizontalFlip


def test_the_batch_and_the_other_images_do_not_matter(cnn, X, method):
    expected = method(cnn, X)
    for batch_size in (1, 2, 3):
        np.testing.assert_allclose(method(cnn, X, batch_size=batch_size), expected, atol=1e-5)
    np.testing.assert_allclose(method(cnn, X[3:4])[0], expected[3], atol=1e-5)


def test_kinds_of_input_give_the_same_maps(cnn, X, method):
    expected = method(cnn, X)
    table = pd.DataFrame({"age": range(len(X)), "scan": list(X)}, index=range(5, 5 + len(X)))
    for kind in (list(X), table, table["scan"], X.astype(float)):
        np.testing.assert_array_equal(method(cnn, kind), expected)


def test_a_pipeline_explains_what_its_classifier_gets(pipeline, scans, method):
    images = pipeline[:-1].transform(scans)
    expected = method(pipeline[-1], images)
    np.testing.assert_array_equal(method(pipeline, scans), expected)
    nested = make_pipeline(pipeline[0], None, "passthrough", pipeline[1:])
    np.testing.assert_array_equal(method(nested, scans), expected)
    np.testing.assert_array_equal(method(make_pipeline(pipeline[-1]), images), expected)


def test_prepared_images_are_the_input_of_the_classifier(pipeline, scans):
    classifier, images = prepare_images(pipeline, scans)
    assert classifier is pipeline[-1]
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images, pipeline[:-1].transform(scans))


def test_labels_of_any_kind_are_targets(X, tiny):
    named = tiny().fit(X, np.array(["healthy", "scoliosis"])[[0, 1, 0, 1, 0]])
    score = class_score(named, X)
    np.testing.assert_array_equal(class_score(named, X, target="scoliosis"), score)
    np.testing.assert_array_equal(class_score(named, X, target="healthy"), -score)
    message = r"target must be one of the classes \['healthy', 'scoliosis'\]; got 1\."
    with pytest.raises(ValueError, match=message):
        grad_cam(named, X, target=1)


@pytest.mark.parametrize(
    ("crop", "message"),
    [
        (lambda X: X[:, :9], r"Scan 0 has shape \(9, 10\)"),
        (lambda X: X[0], "single scan into a list"),
    ],
)
def test_images_of_another_shape_are_one_clear_error(cnn, X, crop, message):
    with pytest.raises(ValueError, match=message):
        grad_cam(cnn, crop(X))


def test_models_that_cannot_be_explained(cnn, X, tiny):
    with pytest.raises(NotFittedError):
        grad_cam(tiny(), X)
    with pytest.raises(TypeError, match=r"SpineCNNClassifier or a Pipeline .*; got Logist"):
        grad_cam(LogisticRegression(), X)
    pipeline = make_pipeline(HorizontalFlip(), LogisticRegression())
    with pytest.raises(TypeError, match="got a Pipeline that ends in LogisticRegression"):
        maximize_activation(pipeline)
    search = GridSearchCV(tiny(), {"epochs": [1]})
    search.best_estimator_ = cnn
    with pytest.raises(TypeError, match=r"got GridSearchCV\. Pass its best_estimator_\."):
        grad_cam(search, X)


def test_import_loads_no_tensorflow():
    code = "import sys, skdxa.inspection; print({'tensorflow', 'keras'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
