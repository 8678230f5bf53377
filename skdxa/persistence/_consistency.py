"""Check that the parameters and the fitted attributes of a stored object agree."""

from skdxa.persistence._checks import Unfit, flag, floats, real, two_labels


def check_spine_cnn(params, fitted):
    rows, columns = fitted["image_shape_"]
    size = params["kernel_size"]
    if size % 2 == 0:
        raise Unfit("a network with an odd kernel_size")
    shapes, n_channels = [], 1
    for n_kernels in params["filters"]:
        shapes += [(size, size, n_channels, n_kernels), (n_kernels,)]
        # A direction of a single pixel is not pooled.
        rows, columns, n_channels = max(rows // 2, 1), max(columns // 2, 1), n_kernels
    n_units = params["dense_units"]
    shapes += [(rows * columns * n_channels, n_units), (n_units,), (n_units, 1), (1,)]
    stored = [weight.shape for weight in fitted["weights_"]]
    if stored != shapes:
        raise Unfit(f"weights of the shapes {shapes}, as the parameters say, not {stored}")
    lengths = {len(values) for values in fitted["history_"].values()}
    if len(lengths) > 1 or fitted["best_epoch_"] > max(lengths, default=0):
        raise Unfit("a history with the best epoch in it and one value per epoch and curve")


def check_intensity(params, fitted):
    if params["method"] == "standard" and not {"mean_", "scale_"} <= fitted.keys():
        raise Unfit("a scaler with mean_ and scale_")


def check_scaler(params, fitted):
    n = fitted["n_features_in_"]
    for name, wanted in (("mean_", params["with_mean"]), ("scale_", params["with_std"])):
        values = fitted[name]
        if (values is None and wanted) or (values is not None and values.shape != (n,)):
            raise Unfit(f"a scaler with {n} values in {name}")
    if fitted["scale_"] is not None and not (fitted["scale_"] > 0).all():
        raise Unfit("a scaler with a positive scale_")


def check_imputer(params, fitted):
    if fitted["statistics_"].shape != (fitted["n_features_in_"],):
        raise Unfit(f"an imputer with {fitted['n_features_in_']} values")


def check_logistic(params, fitted):
    n = fitted["n_features_in_"]
    if fitted["coef_"].shape != (1, n) or fitted["intercept_"].shape != (1,):
        raise Unfit(f"a logistic model of two classes with {n} coefficients")


def check_stack(params, fitted):
    members = [step for _, step in params["estimators"] if not isinstance(step, str)]
    if not len(members) == len(fitted["estimators_"]) == len(fitted["stack_method_"]):
        raise Unfit("a stack with one fitted estimator and one method for each that is not 'drop'")
    for member, method in zip(fitted["estimators_"], fitted["stack_method_"], strict=True):
        if not hasattr(member, method):
            raise Unfit(f"a stack whose {type(member).__name__} has {method}")
        _check_two_classes(member)


def check_voting(params, fitted):
    members = [member for _, member in params["estimators"]]
    weights = params.get("weights")
    if weights is not None and len(weights) != len(members):
        raise Unfit("a vote with one weight for each member, or none")
    for member in members:
        if not hasattr(member, "predict_proba"):
            raise Unfit(f"a vote whose {type(member.estimator).__name__} has predict_proba")
        _check_two_classes(member)


def check_calibrated(params, fitted):
    floats_of = {
        "sigmoid": {"slope": real(), "intercept": real()},
        "temperature": {"inverse_temperature": real(0)},
        "isotonic": {"increasing": flag, "x": floats(1), "y": floats(1)},
    }[params["method"]]
    for member, numbers in fitted["pairs"]:
        _check_two_classes(member)
        if numbers.keys() != floats_of.keys():
            raise Unfit(f"a calibration with {', '.join(floats_of)}")
        for name, check in floats_of.items():
            check(numbers[name])
        if "x" in numbers:
            x, y = numbers["x"], numbers["y"]
            if x.shape != y.shape or not ((x[1:] > x[:-1]).all() and (abs(y - 0.5) <= 0.5).all()):
                raise Unfit("a calibration curve that ascends in x, with y from 0 to 1")


def check_threshold(params, fitted):
    _check_two_classes(fitted["estimator_"])


def _check_two_classes(member):
    two_labels(getattr(member, "classes_", None))
