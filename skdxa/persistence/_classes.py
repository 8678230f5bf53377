"""The closed list of classes that a model file may hold, and what is kept of each.

Every class has a table of its parameters and one of its fitted attributes, each with a check.
All attributes are public ones, so that a file does not depend on a version of scikit-learn.
What is not in the tables is not stored:

- parameters that concern a fit alone and cannot be written as numbers and texts (callbacks,
  optimiser objects, custom splitters, generators of random numbers) are left out with a
  warning, and the loaded model has the default;
- `n_jobs` and `memory` belong to the machine. The latter names a folder whose pickles scikit-learn
  loads, so that it must never come from a file;
- attributes with one value per training scan (`SpineCropper.quality_`, `middle_`), which no
  prediction uses.
"""

from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    TunedThresholdClassifierCV,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skdxa.classification import ColumnScores, SpineCNNClassifier, StratifiedPatientKFold
from skdxa.persistence._checks import (
    Unfit,
    any_floats,
    column_names,
    counts,
    either,
    estimator,
    false,
    fitted_estimator,
    flag,
    floats,
    identifier,
    label,
    mapping,
    named,
    not_a_number,
    nothing,
    one_of,
    real,
    scan_dtype,
    sequence,
    splitter,
    text,
    two_labels,
    whole,
)
from skdxa.persistence._consistency import (
    check_calibrated,
    check_imputer,
    check_intensity,
    check_logistic,
    check_scaler,
    check_spine_cnn,
    check_stack,
    check_threshold,
    check_voting,
)
from skdxa.persistence._kinds import Kind, Parameter, for_fit
from skdxa.persistence._standins import (
    read_calibrated,
    rebuild_calibrated,
    rebuild_imputer,
    rebuild_stack,
    rebuild_tuned,
    rebuild_voting,
)
from skdxa.preprocessing import (
    HorizontalFlip,
    IntensityScaler,
    SpineCropper,
    find_spine_region,
)
from skdxa.scans import UNITS, ScanReader
from skdxa.texture import VariogramSlope

# Functions that a parameter may name.
FUNCTIONS = {"find_spine_region": find_spine_region}

_MOST_PIXELS = 10_000
_OPTIMIZERS = (
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "ftrl",
    "lamb",
    "lion",
    "muon",
    "nadam",
    "rmsprop",
    "sgd",
)


def _pair_of_calibration(value):
    if not isinstance(value, list | tuple) or len(value) != 2 or not isinstance(value[1], dict):
        raise Unfit("a pair of an estimator and the numbers of its calibration")
    return (fitted_estimator(value[0]), value[1])


def _kept_steps(value):
    """Check the steps of a pipeline, all but the last of which are transformers."""
    steps = named(either(nothing, one_of("passthrough"), estimator))(value)
    for name, step in steps[:-1]:
        if not (step is None or isinstance(step, str) or hasattr(step, "transform")):
            raise Unfit(f"steps that transform, except for the last; {name!r} does not")
    return steps


def _frozen(value):
    if not isinstance(value, FrozenEstimator):
        raise Unfit("estimators that are frozen, so that they need no fit")
    return value


def _named_function(value):
    if value not in FUNCTIONS.values():
        raise Unfit("a function of skdxa: " + ", ".join(FUNCTIONS))
    return value


_SEEN_COLUMNS = {"feature_names_in_": column_names}
_N_FEATURES = {"n_features_in_": whole(1, 1_000_000)}
_SCAN_STEP = {"scan_dtype_": scan_dtype, **_N_FEATURES, **_SEEN_COLUMNS}
_LABELS = {"classes_": two_labels}

_SEED = for_fit(either(nothing, whole(0, 2**32 - 1)))
_VERBOSE = for_fit(either(flag, whole(0, 100)))
_FLAG = Parameter(flag)
_COLUMN = Parameter(text)
_MODEL = Parameter(estimator)
_SPLITTER = for_fit(either(nothing, whole(2, 10_000), one_of("prefit"), real(0, 1), splitter))
_RESPONSE = Parameter(one_of("auto", "predict_proba", "decision_function"))
_WEIGHTS = for_fit(either(nothing, one_of("balanced"), mapping(label, real(0))))
_FOLDS = {"n_splits": Parameter(whole(2, 10_000)), "random_state": _SEED}

_KINDS = (
    Kind(
        ScanReader,
        {
            "spacing_mm": Parameter(sequence(real(0), least=2, most=2, as_tuple=True)),
            "array_spacing_mm": Parameter(
                either(nothing, sequence(real(0), least=2, most=2, as_tuple=True))
            ),
            "unit": Parameter(either(nothing, one_of(*UNITS))),
            "variable": Parameter(either(nothing, text)),
            "column": _COLUMN,
        },
        optional=_SCAN_STEP,
        has_output=True,
    ),
    Kind(
        SpineCropper,
        {
            "height": Parameter(whole(1, _MOST_PIXELS)),
            "width": Parameter(whole(1, _MOST_PIXELS)),
            "fill_value": Parameter(either(nothing, real())),
            "column": _COLUMN,
        },
        optional=_SCAN_STEP,
        has_output=True,
    ),
    Kind(HorizontalFlip, {"column": _COLUMN}, optional=_SCAN_STEP, has_output=True),
    Kind(
        IntensityScaler,
        {"method": Parameter(one_of("standard", "per_scan")), "column": _COLUMN},
        required=_N_FEATURES,
        optional={"mean_": real(), "scale_": real(0), **_SCAN_STEP},
        consistent=check_intensity,
        has_output=True,
    ),
    Kind(
        VariogramSlope,
        {
            "lags_mm": Parameter(sequence(real(0), least=2, most=2)),
            "axis": Parameter(one_of("both", "mean", "rows", "columns", "all")),
            "spacing_mm": Parameter(sequence(real(0), least=2, most=2)),
            "column": _COLUMN,
            "regions": Parameter(
                either(
                    nothing,
                    text,
                    mapping(
                        text, sequence(whole(0, _MOST_PIXELS), least=4, most=4, as_tuple=True)
                    ),
                    _named_function,
                ),
                remedy="Use a column of labels, boxes or find_spine_region itself.",
            ),
        },
        required={"region_names_": sequence(text, most=1000)},
        optional=_SCAN_STEP,
        has_output=True,
    ),
    Kind(
        SpineCNNClassifier,
        {
            "filters": Parameter(sequence(whole(1, 65_536), least=1, most=32, as_tuple=True)),
            "kernel_size": Parameter(whole(1, 1001)),
            "dense_units": Parameter(whole(1, 1_000_000)),
            "l2": Parameter(real(0)),
            "dropout": Parameter(real(0, 1)),
            "optimizer": for_fit(one_of(*_OPTIMIZERS, ignore_case=True)),
            "learning_rate": for_fit(either(nothing, real(0))),
            "epochs": for_fit(whole(1)),
            "batch_size": for_fit(whole(1)),
            "augmenter": for_fit(either(nothing, estimator)),
            "validation_fraction": for_fit(real(0, 1)),
            "restore_best": for_fit(flag),
            "precision": for_fit(one_of("auto", "float32", "bfloat16")),
            "class_weight": _WEIGHTS,
            "callbacks": for_fit(nothing),
            "checkpoint": for_fit(nothing),
            "metrics": for_fit(either(nothing, sequence(identifier, most=100))),
            "patience": for_fit(either(nothing, whole(1))),
            "verbose": _VERBOSE,
            "random_state": _SEED,
            "column": _COLUMN,
            "network": Parameter(
                nothing,
                remedy="A custom network is code, which a file of numbers cannot hold: "
                "export it with to_keras() and save that with Keras.",
            ),
        },
        required={
            **_LABELS,
            "image_shape_": sequence(whole(1, _MOST_PIXELS), least=2, most=2, as_tuple=True),
            "weights_": sequence(any_floats, least=1, most=100),
            "history_": mapping(text, sequence(real(finite=False))),
            "best_epoch_": whole(1),
        },
        consistent=check_spine_cnn,
    ),
    Kind(
        ColumnScores,
        {"column": _COLUMN, "lower_is_worse": _FLAG},
        required=_LABELS,
        optional={**_N_FEATURES, **_SEEN_COLUMNS},
    ),
    Kind(
        StratifiedPatientKFold,
        {**_FOLDS, "group_column": Parameter(either(nothing, text))},
    ),
    Kind(KFold, {**_FOLDS, "shuffle": _FLAG}),
    Kind(StratifiedKFold, {**_FOLDS, "shuffle": _FLAG}),
    Kind(StratifiedGroupKFold, {**_FOLDS, "shuffle": _FLAG}),
    Kind(
        Pipeline,
        {
            "steps": Parameter(_kept_steps),
            "transform_input": for_fit(either(nothing, sequence(text, most=100))),
            "verbose": _VERBOSE,
        },
        machine=("memory",),
    ),
    Kind(
        StandardScaler,
        {"copy": _FLAG, "with_mean": _FLAG, "with_std": _FLAG},
        required={
            "mean_": either(nothing, floats(1)),
            "var_": either(nothing, floats(1)),
            "scale_": either(nothing, floats(1)),
            "n_samples_seen_": counts,
            **_N_FEATURES,
        },
        optional=_SEEN_COLUMNS,
        consistent=check_scaler,
        has_output=True,
    ),
    Kind(
        SimpleImputer,
        {
            "missing_values": Parameter(not_a_number, remedy="Mark gaps as NaN."),
            "strategy": Parameter(one_of("mean", "median", "most_frequent", "constant")),
            "fill_value": Parameter(either(nothing, real())),
            "copy": _FLAG,
            "keep_empty_features": _FLAG,
            "add_indicator": Parameter(
                false,
                remedy="Compute the indicator of gaps as a separate column.",
            ),
        },
        required={"statistics_": floats(1), **_N_FEATURES},
        optional=_SEEN_COLUMNS,
        consistent=check_imputer,
        rebuild=rebuild_imputer,
        has_output=True,
    ),
    Kind(
        LogisticRegression,
        {
            "C": for_fit(real(0, finite=False)),
            "class_weight": _WEIGHTS,
            "dual": for_fit(flag),
            "fit_intercept": for_fit(flag),
            "intercept_scaling": for_fit(real()),
            "l1_ratio": for_fit(either(nothing, real(0, 1))),
            "max_iter": for_fit(whole(0)),
            "penalty": for_fit(either(nothing, one_of("deprecated", "l1", "l2", "elasticnet"))),
            "random_state": _SEED,
            "solver": for_fit(
                one_of("lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga")
            ),
            "tol": for_fit(real(0)),
            "verbose": _VERBOSE,
            "warm_start": for_fit(flag),
        },
        required={**_LABELS, "coef_": floats(2), "intercept_": floats(1), **_N_FEATURES},
        optional={"n_iter_": counts, **_SEEN_COLUMNS},
        machine=("n_jobs",),
        consistent=check_logistic,
    ),
    Kind(
        StackingClassifier,
        {
            "estimators": Parameter(named(either(one_of("drop"), estimator))),
            "final_estimator": Parameter(either(nothing, estimator)),
            "cv": _SPLITTER,
            "stack_method": Parameter(
                one_of("auto", "predict_proba", "decision_function", "predict")
            ),
            "passthrough": _FLAG,
            "verbose": _VERBOSE,
        },
        required={
            **_LABELS,
            "estimators_": sequence(fitted_estimator, least=1, most=1000),
            "final_estimator_": fitted_estimator,
            "stack_method_": sequence(
                one_of("predict_proba", "decision_function", "predict"), most=1000
            ),
        },
        optional=_SEEN_COLUMNS,
        machine=("n_jobs",),
        consistent=check_stack,
        rebuild=rebuild_stack,
    ),
    Kind(
        VotingClassifier,
        {
            "estimators": Parameter(
                named(_frozen),
                remedy="Save VotingClassifier of FrozenEstimator(member) for each fitted member.",
            ),
            "voting": Parameter(one_of("hard", "soft")),
            "weights": Parameter(either(nothing, sequence(real(0), most=1000))),
            "flatten_transform": for_fit(flag),
            "verbose": _VERBOSE,
        },
        required=_LABELS,
        machine=("n_jobs",),
        consistent=check_voting,
        rebuild=rebuild_voting,
    ),
    Kind(
        CalibratedClassifierCV,
        {
            "estimator": Parameter(estimator),
            "method": Parameter(one_of("sigmoid", "isotonic", "temperature")),
            "cv": _SPLITTER,
            "ensemble": Parameter(either(one_of("auto"), flag)),
        },
        required={**_LABELS, "pairs": sequence(_pair_of_calibration, least=1, most=1000)},
        optional={**_N_FEATURES, **_SEEN_COLUMNS},
        machine=("n_jobs",),
        consistent=check_calibrated,
        read=read_calibrated,
        rebuild=rebuild_calibrated,
    ),
    Kind(
        FixedThresholdClassifier,
        {
            "estimator": _MODEL,
            "threshold": Parameter(either(one_of("auto"), real())),
            "pos_label": Parameter(either(nothing, label)),
            "response_method": _RESPONSE,
        },
        required={"estimator_": fitted_estimator},
        optional={**_N_FEATURES, **_SEEN_COLUMNS},
        consistent=check_threshold,
    ),
    Kind(
        TunedThresholdClassifierCV,
        {
            "estimator": _MODEL,
            "scoring": Parameter(
                identifier,
                remedy="Save FixedThresholdClassifier(FrozenEstimator(model.estimator_), "
                "threshold=model.best_threshold_) in its place, fitted.",
            ),
            "response_method": _RESPONSE,
            "thresholds": for_fit(either(whole(1, 1_000_000), sequence(real()))),
            "cv": _SPLITTER,
            "refit": for_fit(flag),
            "random_state": _SEED,
            "store_cv_results": for_fit(flag),
        },
        required={
            "estimator_": fitted_estimator,
            "best_threshold_": real(),
            "best_score_": real(finite=False),
        },
        optional={**_N_FEATURES, **_SEEN_COLUMNS},
        machine=("n_jobs",),
        consistent=check_threshold,
        rebuild=rebuild_tuned,
    ),
    Kind(FrozenEstimator, {"estimator": _MODEL}),
)


KINDS = {kind.cls.__name__: kind for kind in _KINDS}
