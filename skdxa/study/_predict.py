"""Predictions on new scans, each with the reasons for caution."""

import os
from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from skdxa.evaluation import conformal_calls, conformal_p_values
from skdxa.exceptions import ScanError
from skdxa.inspection import network_features, prepare_images
from skdxa.preprocessing import SpineCropper, scan_remarks
from skdxa.scan_dtype import ScanArray
from skdxa.scans import Scan, ScanReader, read_scan
from skdxa.study._model import distance
from skdxa.study._protocol import Protocol
from skdxa.validation import check_scan, check_spacing, printable

# Fewer than this share of the training scans may lie so far away.
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


def predict_scans(
    model,
    scans,
    *,
    data=None,
    names=None,
    spacing_mm=None,
    scan_spacings_mm=None,
    error_rate=0.1,
):
    """Predict on new scans; a scan that cannot be used does not stop the others.

    Parameters
    ----------
    model : classifier
        From `fit_model` or `skdxa.persistence.load_model`: a pipeline that begins with a
        `ScanReader` and ends in a `SpineCNNClassifier`, or in a `VotingClassifier` of several,
        as it is or within scikit-learn's `FixedThresholdClassifier`, `CalibratedClassifierCV` or
        `FrozenEstimator`.
    scans : list
        Paths, `Scan` objects or arrays, one per scan.
    data : dict of str to ndarray or None, default=None
        As `fit_model` returns it; None leaves out p-values, calls and comparisons with the
        training scans.
    names : list of str or None, default=None
        Names of the scans; None uses paths, and numbers for other scans.
    spacing_mm : tuple of float or None, default=None
        Height and width of a pixel, in mm, of arrays and of files that do not state it. None:
        arrays are assumed to have the spacing and unit of the training scans, and such files
        cannot be used.
    scan_spacings_mm : list or None, default=None
        For each scan, the height and width of a pixel, in mm, that override what its file
        states, as those of a cohort's table do; None for a scan leaves that of the file.
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
        If the model is of another kind, or its threshold is of the other class (`pos_label`).
    ValueError
        If `names` or `scan_spacings_mm` are not one per scan, or `error_rate` does not lie
        between 0 and 1.

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
    parts = ModelParts(model)
    # Without data, or without a usable scan, nothing below would check the error rate.
    conformal_calls(pd.DataFrame({"negative": [], "positive": []}), error_rate=error_rate)
    names = [_name(scan, n) for n, scan in enumerate(scans)] if names is None else list(names)
    if len(names) != len(scans):
        raise ValueError(f"names has {len(names)} names for {len(scans)} scans.")
    stated = spacings_of(scans, scan_spacings_mm)
    rows, usable = [], []
    for scan, name, own_spacing in zip(scans, names, stated, strict=True):
        row = {"scan": name}
        try:
            usable.append(_usable(parts, scan, spacing_mm, own_spacing))
        except ScanError as error:
            row["error"] = str(error)
        rows.append(row)
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    table = table.astype(dict.fromkeys(["call", "remarks", "error"], object))
    good = np.flatnonzero(table["error"].isna())
    if not len(good):
        return table
    images = np.concatenate([one.image for one in usable])
    # One row per network, which the p-values are calibrated by.
    scores = np.stack([cnn.predict_proba(images)[:, 1] for cnn in parts.networks])
    probability = scores.mean(axis=0)
    if parts.is_calibrated:
        # One column of scans of the type trained on, with which the reader has compared each.
        pixels = [one.column[0] for one in usable]
        trained = parts.reader.scan_dtype_
        unit = None if trained is None else trained.unit
        scan_names = [names[n] for n in good]
        X = pd.Series(ScanArray(pixels, parts.reader.spacing_mm, unit, scan_names))
        probability = model.predict_proba(X)[:, 1]
    table.loc[good, "probability"] = probability
    table.loc[good, "threshold"] = parts.threshold
    table.loc[good, "class"] = (probability >= parts.threshold).astype(int)
    remarks = [list(one.remarks) for one in usable]
    if data is not None:
        for found, one in zip(remarks, usable, strict=True):
            found += _outside(one.features, data["scan_features"])
        if "oof_score" in data:
            fold = data.get("oof_fold")
            p_values = conformal_p_values(
                data["oof_label"],
                data["oof_score"],
                scores[0] if fold is None else scores,
                groups=data["oof_patient"],
                fold=fold,
            )
            table.loc[good, "p_negative"] = p_values["negative"].to_numpy()
            table.loc[good, "p_positive"] = p_values["positive"].to_numpy()
            table.loc[good, "call"] = conformal_calls(p_values, error_rate=error_rate)
            for found, is_far in zip(remarks, _is_far(parts, images, data), strict=True):
                if is_far:
                    found.append("unlike the scans trained on, to the network")
    table.loc[good, "remarks"] = ["; ".join(found) for found in remarks]
    return table.astype({"class": "Int64"})


def spacings_of(scans, scan_spacings_mm):
    """Return what overrides the spacing of each scan's file, None where nothing does."""
    if scan_spacings_mm is None:
        return [None] * len(scans)
    if len(scan_spacings_mm) != len(scans):
        raise ValueError(
            f"scan_spacings_mm has {len(scan_spacings_mm)} spacings for {len(scans)} scans."
        )
    return list(scan_spacings_mm)


def _name(scan, position):
    return printable(scan) if isinstance(scan, str | os.PathLike) else f"scan {position}"


class ModelParts:
    """The parts of a model that `fit_model` or a user has put together.

    Parameters
    ----------
    model : classifier
        As in `predict_scans`.

    Attributes
    ----------
    pipeline : Pipeline
        From a `ScanReader` to a `SpineCNNClassifier`, or a `VotingClassifier` of such.
    networks : list of SpineCNNClassifier
        Its network or networks.
    is_calibrated : bool
        Whether the probabilities differ from the mean over the networks.
    reader : ScanReader
        Its first step.
    width : int
        Columns of the crop.
    threshold : float
        Positive is ``probability >= threshold``.

    Raises
    ------
    TypeError
        If the model is of another kind.
    """

    def __init__(self, model):
        thresholds, inner, self.is_calibrated = [], model, False
        while not isinstance(inner, Pipeline):
            if isinstance(inner, FixedThresholdClassifier):
                thresholds.append(_threshold_of(inner))
                inner = inner.estimator_
            elif isinstance(inner, CalibratedClassifierCV | FrozenEstimator):
                self.is_calibrated |= isinstance(inner, CalibratedClassifierCV)
                inner = inner.estimator
            else:
                raise _refused(model, inner)
        self.pipeline, self.reader = inner, inner.steps[0][1]
        if not isinstance(self.reader, ScanReader):
            raise TypeError(
                "model must begin with a ScanReader; it begins with a "
                f"{type(self.reader).__name__}."
            )
        self.networks = _networks(inner[-1])
        self.is_calibrated |= getattr(inner[-1], "weights", None) is not None
        croppers = [step for _, step in inner.steps if isinstance(step, SpineCropper)]
        self.width = croppers[0].width if croppers else Protocol.width
        # The outermost threshold is used.
        self.threshold = [*thresholds, 0.5][0]

    def prepare(self, column):
        """Return the images that the networks get; a `ScanError` if a step cannot use a scan.

        Parameters
        ----------
        column : Series of n_scans scans
            Of the type trained on.

        Returns
        -------
        images : ndarray of shape (n_scans, n_rows, n_columns)
        """
        for _, step in self.pipeline.steps[1:-1]:
            column = step.transform(column)
        return prepare_images(self.networks[0], column)[1]

    def read(self, scan, spacing_mm, own_spacing=None):
        """Return one scan as a column of the type trained on; a `ScanError` if it is of another.

        Parameters
        ----------
        scan : str, path-like, Scan or array-like of shape (n_rows, n_columns)
            The scan.
        spacing_mm : tuple of float or None
            Spacing of an array, and of a file that does not state it.
        own_spacing : tuple of float or None, default=None
            Spacing of this scan, whatever its file states.

        Returns
        -------
        column : Series of one scan
        """
        trained = self.reader.scan_dtype_
        if own_spacing is not None:
            own_spacing = check_spacing(own_spacing, name="(row_mm, column_mm)")
            if isinstance(scan, str | os.PathLike):
                settings = {"unit": self.reader.unit, "variable": self.reader.variable}
                scan = read_scan(scan, spacing_mm=own_spacing, **settings)
            elif isinstance(scan, Scan):
                scan = replace(scan, spacing=own_spacing)
            else:
                spacing_mm = own_spacing
        if not isinstance(scan, str | os.PathLike | Scan):
            # As the training scans, unless given.
            unit = None if trained is None else trained.unit
            scan = Scan(check_scan(scan), spacing_mm or self.reader.spacing_mm, unit, "array")
        reader = clone(self.reader)
        if spacing_mm is not None:
            reader.set_params(array_spacing_mm=spacing_mm)
        reader.scan_dtype_ = trained
        return reader.transform([scan])


def _threshold_of(model):
    """Return the probability of the positive class at which a model decides for it."""
    positive = model.classes_.tolist()[1]
    if model.pos_label not in (None, positive):
        raise TypeError(
            f"model decides by the probability of {model.pos_label!r}, and the class here by "
            f"that of the positive class, {positive!r}. Give FixedThresholdClassifier "
            f"pos_label={positive!r} and a threshold of that probability."
        )
    return 0.5 if model.threshold == "auto" else float(model.threshold)


def _refused(model, inner):
    """Return the error for a model that cannot be decomposed."""
    if isinstance(inner, TunedThresholdClassifierCV):
        return TypeError(
            "the threshold of a TunedThresholdClassifierCV is not taken over. Give "
            "FixedThresholdClassifier(FrozenEstimator(tuned.estimator_), "
            "threshold=tuned.best_threshold_) in its place, fitted."
        )
    hint = " Use its best_estimator_." if hasattr(inner, "best_estimator_") else ""
    what = f"it is a {type(model).__name__}"
    if inner is not model:
        what += f" and holds a {type(inner).__name__}"
    return TypeError(f"model must hold a pipeline that begins with a ScanReader; {what}.{hint}")


def _networks(last):
    """Return the networks of the last step of a pipeline."""
    if isinstance(last, VotingClassifier):
        if last.voting != "soft":
            raise TypeError(
                "model must average the probabilities of its networks (voting='soft'); it has "
                f"voting={last.voting!r}."
            )
        return [_networks(member)[0] for member in last.estimators_]
    return [last.estimator if isinstance(last, FrozenEstimator) else last]


def _usable(parts, scan, spacing_mm, own_spacing):
    """Return one scan as a column, with its features and remarks; a `ScanError` if it is not."""
    column = parts.read(scan, spacing_mm, own_spacing)
    # An error that is raised here concerns this scan alone.
    image = parts.prepare(column)
    spacing_mm = parts.reader.spacing_mm
    remarks, features = scan_remarks(
        column[0],
        spacing_mm=spacing_mm,
        unit=column.dtype.unit,
        width_mm=parts.width * spacing_mm[1],
        return_features=True,
    )
    return Bunch(column=column, image=image, features=features, remarks=remarks)


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


def _is_far(parts, images, data):
    """Return for which scans the network's features are far from those of the training scans."""
    usual = data["novelty_distance"]
    fold = data.get("oof_fold", np.zeros(len(usual)))
    n_farther = np.zeros(len(images))
    gaussians = zip(data["novelty_mean"], data["novelty_precision"], strict=True)
    for number, (cnn, gaussian) in enumerate(zip(parts.networks, gaussians, strict=True)):
        found = distance(network_features(cnn, images), *gaussian)
        of_network = np.sort(usual[fold == number])
        n_farther += len(of_network) - np.searchsorted(of_network, found, side="left")
    return (1 + n_farther) / (1 + len(usual)) <= max(_FAR, 1 / (1 + len(usual)))
