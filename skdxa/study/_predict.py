"""Predictions on new scans, each with the reasons to be careful."""

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from skdxa.evaluation import conformal_calls, conformal_p_values
from skdxa.exceptions import ScanError
from skdxa.inspection import network_features
from skdxa.preprocessing import scan_features, scan_remarks
from skdxa.scan_dtype import ScanArray
from skdxa.study._model import distance

# Of the training scans, fewer than this share may lie so far away.
_FAR = 0.005
# Beyond the range of the training scans by this share of it.
_OUTSIDE = 0.25
_RANGE = (0.005, 0.995)
_COLUMNS = (
    "scan",
    "probability",
    "threshold",
    "class",
    "p_negative",
    "p_positive",
    "call",
    "remarks",
    "error",
)


def predict_scans(model, scans, *, data=None, names=None, error_rate=0.1):
    """Predict on new scans; a scan that cannot be used does not stop the others.

    Parameters
    ----------
    model : classifier
        From `fit_model` or `skdxa.persistence.load_model`: a pipeline that begins with a
        `ScanReader` and ends in a `SpineCNNClassifier`, as it is or within scikit-learn's
        `FixedThresholdClassifier`, `CalibratedClassifierCV` or `FrozenEstimator`.
    scans : list
        Paths, `Scan` objects or arrays, one per scan.
    data : dict of str to ndarray or None, default=None
        As `fit_model` returns it; None leaves out p-values, calls and comparisons with the
        training scans.
    names : list of str or None, default=None
        How to name the scans; None takes paths, and numbers for other scans.
    error_rate : float, default=0.1
        Share of the scans of each class for which the other class alone may be named.

    Returns
    -------
    predictions : DataFrame
        One row per scan, in their order: `scan`, its name; `probability` of the positive
        class; `threshold`; `class`, 1 where the probability reaches it and 0 otherwise;
        `p_negative` and `p_positive`, conformal p-values (see
        `skdxa.evaluation.conformal_p_values`); `call`, "positive", "negative" or "cannot
        say"; `remarks`, the reasons to be careful, separated by semicolons; and `error`, why
        the scan could not be used, with all but the name missing.

    Raises
    ------
    TypeError
        If the model is of another kind.
    ValueError
        If `names` are not one per scan, or `error_rate` does not lie between 0 and 1.

    Notes
    -----
    A scan is remarked on as in `skdxa.preprocessing.scan_remarks`; if its percentiles lie
    beyond those of the training scans by more than a quarter of their range; or if the
    network's features lie farther from those of the training scans than the features of all
    but 0.5 % of scans that were not trained on.

    Examples
    --------
    >>> from skdxa.study import predict_scans
    >>> predict_scans(model, ["a.dcm", "b.dcm"])  # doctest: +SKIP
    """
    parts = _parts(model)
    names = [_name(scan, n) for n, scan in enumerate(scans)] if names is None else list(names)
    if len(names) != len(scans):
        raise ValueError(f"names has {len(names)} names for {len(scans)} scans.")
    rows, usable = [], []
    for scan, name in zip(scans, names, strict=True):
        row = {"scan": name}
        try:
            usable.append(_usable(parts, scan))
        except ScanError as error:
            row["error"] = str(error)
        rows.append(row)
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    good = np.flatnonzero(table["error"].isna())
    if not len(good):
        return table
    # One column of scans that state their type, as the steps of the pipeline expect.
    X = pd.concat([one.column for one in usable], ignore_index=True)
    probability = model.predict_proba(X)[:, 1]
    table.loc[good, "probability"] = probability
    table.loc[good, "threshold"] = parts.threshold
    table.loc[good, "class"] = (probability >= parts.threshold).astype(int)
    remarks = [list(one.remarks) for one in usable]
    if data is not None:
        for found, one in zip(remarks, usable, strict=True):
            found += _outside(one.features, data["scan_features"])
        if "oof_score" in data:
            # The network's own scores, which calibrate the p-values.
            score = parts.pipeline.predict_proba(X)[:, 1]
            p_values = conformal_p_values(
                data["oof_label"], data["oof_score"], score, groups=data["oof_patient"]
            )
            table.loc[good, "p_negative"] = p_values["negative"].to_numpy()
            table.loc[good, "p_positive"] = p_values["positive"].to_numpy()
            table.loc[good, "call"] = conformal_calls(p_values, error_rate=error_rate)
            for found, is_far in zip(remarks, _is_far(parts.pipeline, X, data), strict=True):
                if is_far:
                    found.append("unlike the scans trained on, to the network")
    table.loc[good, "remarks"] = ["; ".join(found) for found in remarks]
    return table.astype({"class": "Int64"})


def _name(scan, position):
    return f"scan {position}" if hasattr(scan, "pixels") or hasattr(scan, "shape") else str(scan)


def _parts(model):
    """Return the pipeline within a model, its reader and cropper, and the threshold."""
    threshold, inner = 0.5, model
    while not hasattr(inner, "steps"):
        if hasattr(inner, "threshold"):
            threshold = inner.threshold
        for name in ("estimator_", "estimator"):
            if hasattr(inner, name):
                inner = getattr(inner, name)
                break
        else:
            raise TypeError(
                f"model must hold a pipeline that begins with a ScanReader; it holds a "
                f"{type(inner).__name__}."
            )
    reader, crop = inner.steps[0][1], inner.named_steps.get("crop")
    if not hasattr(reader, "array_spacing_mm"):
        raise TypeError(
            f"model must begin with a ScanReader; it begins with a {type(reader).__name__}."
        )
    threshold = 0.5 if threshold == "auto" else float(threshold)
    return Bunch(pipeline=inner, reader=reader, crop=crop, threshold=threshold)


def _usable(parts, scan):
    """Return one scan as a column, with its features and remarks; a `ScanError` if it is not."""
    read = parts.reader.transform([scan])
    dtype = getattr(read, "dtype", None)
    pixels = read[0]
    if not isinstance(read, pd.Series):
        # A plain array is taken to be of the type trained on.
        dtype = parts.reader.scan_dtype_
        spacing_mm, unit = (None, None) if dtype is None else (dtype.spacing_mm, dtype.unit)
        read = pd.Series(ScanArray([np.asarray(pixels)], spacing_mm, unit))
    for _, step in parts.pipeline.steps[1:-1]:
        if step not in (None, "passthrough"):
            step.transform(read)
            break
    spacing_mm = parts.reader.spacing_mm
    features = scan_features(pixels, spacing_mm=spacing_mm)
    width = 150 if parts.crop is None else parts.crop.width
    remarks = scan_remarks(
        pixels,
        spacing_mm=spacing_mm,
        unit=None if dtype is None else dtype.unit,
        width_mm=width * spacing_mm[1],
        features=features,
    )
    return Bunch(column=read, features=features, remarks=remarks)


def _outside(features, trained):
    """Return which features lie outside the range of the training scans."""
    low, high = np.quantile(trained, _RANGE, axis=0)
    margin = _OUTSIDE * (high - low)
    values = np.array(list(features.values()))
    outside = (values < low - margin) | (values > high + margin)
    return [
        f"{name} of {value:.3g} outside the {least:.3g} to {most:.3g} trained on"
        for name, value, least, most, is_outside in zip(
            features, values, low, high, outside, strict=True
        )
        if is_outside and name in ("low", "median", "high", "height_mm", "width_mm")
    ]


def _is_far(pipeline, X, data):
    """Return for which scans the network's features are far from those of the training scans."""
    found = distance(
        network_features(pipeline, X), data["novelty_mean"], data["novelty_precision"]
    )
    usual = data["novelty_distance"]
    farther = len(usual) - np.searchsorted(usual, found, side="left")
    return (1 + farther) / (1 + len(usual)) <= max(_FAR, 1 / (1 + len(usual)))
