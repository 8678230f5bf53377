"""Parts that contradict each other are refused, also where each alone would do."""

import inspect

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator

from skdxa.exceptions import ModelFileError
from skdxa.persistence import load_model
from skdxa.persistence._checks import Unfit
from skdxa.persistence._classes import KINDS
from skdxa.preprocessing import SpineCropper


def node_of(tree, name):
    nodes = [node for node in tree["objects"] if node["class"] == name]
    return [node for node in nodes if node["fitted"] is not None][-1]


@pytest.mark.parametrize(
    ("model", "name", "key", "value", "message"),
    [
        ("pipeline", "SpineCNNClassifier", "best_epoch_", 3, "a history with the best epoch"),
        (
            "pipeline",
            "SpineCNNClassifier",
            "history_",
            {"dict": [["loss", [1.0, 2.0]], ["val_loss", [1.0]]]},
            "one value per epoch",
        ),
        ("pipeline", "IntensityScaler", "mean_", None, "mean_ in the file must be"),
        ("pipeline", "IntensityScaler", "mean_", "drop", "a scaler with mean_ and scale_"),
        ("texture", "StandardScaler", "n_features_in_", 3, "a scaler with 3 values"),
        ("texture", "StandardScaler", "scale_", "negative", "a positive scale_"),
        ("texture", "SimpleImputer", "n_features_in_", 3, "an imputer with 3 values"),
        ("texture", "LogisticRegression", "n_features_in_", 3, "with 3 coefficients"),
        ("stack", "StackingClassifier", "stack_method_", ["predict"], "one fitted estimator and"),
        (
            "stack",
            "StackingClassifier",
            "stack_method_",
            ["predict_proba"] * 3,
            "ColumnScores has predict_proba",
        ),
        ("vote", "VotingClassifier", "classes_", ["only"], "two"),
        ("calibrated, sigmoid", "CalibratedClassifierCV", "pairs", [1], "a pair of an estimator"),
        (
            "calibrated, isotonic",
            "CalibratedClassifierCV",
            "pairs",
            "descending",
            "ascends in x, with y from 0 to 1",
        ),
    ],
)
def test_contradictions(saved, forger, tmp_path, model, name, key, value, message):
    parts = forger(saved[model])
    tree = parts.tree
    fitted = node_of(tree, name)["fitted"]
    if value == "drop":
        del fitted[key]
    elif value in ("negative", "descending"):
        # Change the array, not the description.
        node = fitted[key]
        if value == "descending":
            node = dict(fitted[key][0]["tuple"][1]["dict"])["x"]
        member = f"arrays/{node['array']}.npy"
        content = parts.members[member]
        array = -np.frombuffer(content[128:], "<f8")
        parts.members[member] = content[:128] + array.tobytes()
    else:
        fitted[key] = value
    parts.tree = tree
    (tmp_path / "m.skdxa").write_bytes(parts.pack())
    with pytest.raises(ModelFileError, match=message):
        load_model(tmp_path / "m.skdxa")


@pytest.mark.parametrize("name", KINDS)
def test_every_parameter_is_in_the_table(name):
    """A parameter that skdxa or scikit-learn adds must be thought about."""
    kind = KINDS[name]
    parameters = set(inspect.signature(kind.cls).parameters)
    assert parameters == set(kind.params) | set(kind.machine)


@pytest.mark.parametrize("name", KINDS)
def test_defaults_can_be_stored(name):
    for key, parameter in KINDS[name].params.items():
        default = inspect.signature(KINDS[name].cls).parameters[key].default
        if default is not inspect.Parameter.empty and not (
            name == "CalibratedClassifierCV" and key == "estimator"
        ):
            assert repr(parameter.check(default)) == repr(default)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"estimators": []}, "a list of pairs of a name and a step"),
        ({"weights": [1.0]}, "one weight for each member"),
        ({"estimators": [("a", FrozenEstimator(SpineCropper()))]}, "has predict_proba"),
        ({"estimators": [("a", SpineCropper())]}, "frozen"),
    ],
)
def test_votes_that_cannot_be(models, changes, message):
    kind = KINDS["VotingClassifier"]
    params = models["vote"].get_params(deep=False) | {"weights": None} | changes
    with pytest.raises(Unfit, match=message):
        kind.build(
            params | {"estimators": kind.params["estimators"].check(params["estimators"])},
            {"classes_": ["healthy", "scoliosis"]},
        )


def test_a_parameter_that_is_gone_is_dropped():
    kind = KINDS["LogisticRegression"]
    made = kind.build({"C": 2.0, "multi_class": "ovr"}, None)
    assert made.get_params()["C"] == 2.0
