"""Fitted objects of scikit-learn, rebuilt through its own public `fit`.

A `StackingClassifier`, a `CalibratedClassifierCV` or a `TunedThresholdClassifierCV` keeps private
attributes in addition to the public ones, and other versions keep different ones. A file holds
only the public ones. Here the installed version fits a new object to classifiers that stand in
for the real ones, on a few numbers, which sets the private attributes that this version needs;
the real parts then replace the stand-ins.
"""

import inspect
import warnings

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.utils import Bunch

from skdxa.exceptions import ModelFileError
from skdxa.persistence._checks import Unfit

_X = np.array([[0.1], [0.4], [0.6], [0.9]])
_ROWS = np.arange(len(_X))


class _Decides(ClassifierMixin, BaseEstimator):
    """Replaces a classifier with a decision function."""

    def fit(self, X, y):
        """Note the labels."""
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X):
        """Return the one column of `X`."""
        return np.asarray(X)[:, 0] - 0.5


class _Estimates(_Decides):
    """Replaces a classifier with probabilities."""

    def predict_proba(self, X):
        """Return the one column of `X` as a probability."""
        return np.column_stack([1 - np.asarray(X)[:, 0], np.asarray(X)[:, 0]])


class _Predicts(ClassifierMixin, BaseEstimator):
    """Replaces a classifier that only predicts labels."""

    def fit(self, X, y):
        """Note the labels."""
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        """Return labels."""
        return self.classes_[(np.asarray(X)[:, 0] > 0.5).astype(int)]


_BY_METHOD = {
    "predict_proba": _Estimates,
    "decision_function": _Decides,
    "predict": _Predicts,
}


def rebuild_stack(params, fitted):
    """Return a fitted `StackingClassifier`."""
    y = np.repeat(fitted["classes_"], 2)
    methods = fitted["stack_method_"]
    names = [name for name, step in params["estimators"] if not isinstance(step, str)]
    standins = [
        (name, _BY_METHOD[method]().fit(_X, y))
        for name, method in zip(names, methods, strict=True)
    ]
    stack = StackingClassifier(standins, _Estimates(), cv="prefit")
    _fit(stack, y)
    set_parameters(stack, params)
    set_attributes(stack, fitted)
    members = iter(fitted["estimators_"])
    stack.named_estimators_ = Bunch(
        **{
            name: step if isinstance(step, str) else next(members)
            for name, step in params["estimators"]
        }
    )
    return stack


def rebuild_voting(params, fitted):
    """Return a fitted `VotingClassifier`, whose frozen members are not fitted again."""
    voting = VotingClassifier(params["estimators"])
    _fit(voting, np.repeat(fitted["classes_"], 2))
    set_parameters(voting, params)
    return voting


def rebuild_tuned(params, fitted):
    """Return a fitted `TunedThresholdClassifierCV`."""
    y = np.repeat(fitted["estimator_"].classes_, 2)
    method = params.get("response_method", "auto")
    standin = _BY_METHOD["predict_proba" if method == "auto" else method]().fit(_X, y)
    tuned = TunedThresholdClassifierCV(
        standin,
        scoring=params.get("scoring", "balanced_accuracy"),
        response_method=method,
        cv="prefit",
        refit=False,
    )
    _fit(tuned, y)
    set_parameters(tuned, params)
    set_attributes(tuned, fitted)
    return tuned


def read_calibrated(model):
    """Return the fitted attributes of a `CalibratedClassifierCV` as plain values."""
    if not hasattr(model, "calibrated_classifiers_"):
        return {}
    pairs = []
    for pair in model.calibrated_classifiers_:
        # Two classes have one calibrator; that there are two is checked next.
        calibrator = pair.calibrators[0]
        if model.method == "isotonic":
            parameters = {
                "increasing": bool(calibrator.increasing_),
                "x": np.asarray(calibrator.X_thresholds_),
                "y": np.asarray(calibrator.y_thresholds_),
            }
        elif model.method == "temperature":
            parameters = {"inverse_temperature": float(calibrator.beta_)}
        else:
            parameters = {"slope": float(calibrator.a_), "intercept": float(calibrator.b_)}
        pairs.append((pair.estimator, parameters))
    fitted = {"classes_": model.classes_, "pairs": pairs}
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(model, name):
            fitted[name] = getattr(model, name)
    return fitted


def rebuild_calibrated(params, fitted):
    """Return a fitted `CalibratedClassifierCV`."""
    fitted = dict(fitted)
    pairs = fitted.pop("pairs")
    y = np.repeat(fitted["classes_"], 2)
    method = params.get("method", "sigmoid")
    model = CalibratedClassifierCV(
        _Decides(), method=method, cv=[(_ROWS, _ROWS)] * len(pairs), ensemble=True
    )
    _fit(model, y)
    for made, (estimator, numbers) in zip(model.calibrated_classifiers_, pairs, strict=True):
        made.estimator = estimator
        if method == "isotonic":
            made.calibrators = [_rebuild_isotonic(**numbers)]
        elif method == "temperature":
            made.calibrators[0].beta_ = numbers["inverse_temperature"]
        else:
            made.calibrators[0].a_ = numbers["slope"]
            made.calibrators[0].b_ = numbers["intercept"]
    set_parameters(model, params)
    set_attributes(model, fitted)
    return model


def _rebuild_isotonic(increasing, x, y):
    """Return an isotonic regression with the given steps: fitted to them, it returns them."""
    made = IsotonicRegression(increasing=increasing, out_of_bounds="clip").fit(x, y)
    same = np.array_equal(made.X_thresholds_, x) and np.array_equal(made.y_thresholds_, y)
    if not same:
        raise ModelFileError("the calibration curve in the file is not monotone.")
    return made


def rebuild_imputer(params, fitted):
    """Return a fitted `SimpleImputer`: fitted to one row, it fills gaps with that row."""
    imputer = SimpleImputer(**params)
    values = fitted["statistics_"][np.newaxis]
    names = fitted.get("feature_names_in_")
    if names is not None:
        values = pd.DataFrame(values, columns=names)
    imputer.fit(values)
    if not np.array_equal(imputer.statistics_, fitted["statistics_"]):
        raise ModelFileError("the values of an imputer in the file contradict its parameters.")
    return imputer


def set_parameters(model, params):
    """Set every parameter that the installed version of the class has, the others to defaults."""
    for name, setting in inspect.signature(type(model)).parameters.items():
        setattr(model, name, params.get(name, setting.default))


def set_attributes(model, fitted):
    """Set public fitted attributes."""
    for name, value in fitted.items():
        setattr(model, name, value)


def _fit(model, y):
    # The user's settings for all of scikit-learn are not meant for the stand-ins.
    settings = {"enable_metadata_routing": False, "transform_output": "default"}
    with warnings.catch_warnings(), config_context(**settings):
        # A metric may be undefined on the few numbers; the result is discarded.
        warnings.simplefilter("ignore")
        try:
            model.fit(_X, y)
        except (TypeError, ValueError) as error:
            raise Unfit(f"settings that scikit-learn accepts ({error})") from None
