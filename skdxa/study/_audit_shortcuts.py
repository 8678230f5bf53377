"""Check whether a label can be predicted from irrelevant image properties.

These are brightness, margins, and the scanner.
"""

import warnings

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from scipy.stats import chi2_contingency
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdxa.preprocessing import find_spine_line, scan_features
from skdxa.significance import delong_interval
from skdxa.study._audit import FAULT, FINE, LOOK, OPEN, AuditItem
from skdxa.study._known_columns import SCANNER_NAMES, YEAR_NAMES

# Pixels: the strip at each side of a scan, and the segments that it is divided into.
_STRIP, _SEGMENTS = 12, 4
# From this AUC on, a label can be predicted from a property that should be irrelevant to it, if
# the lower end of the interval reaches the second limit.
_PREDICTS, _PREDICTS_AT_LEAST = 0.7, 0.6


def brightness_features(scans, spacing_mm):
    """Return size, brightness and unscanned share of scans, one row each."""
    names = ["height_mm", "width_mm", "unscanned", "low", "median", "high", "saturated"]
    rows = [scan_features(scan, spacing_mm=spacing_mm) for scan in scans]
    return pd.DataFrame(rows)[names].to_numpy()


def margin_features(scans, spacing_mm, width_mm):
    """Return features of the region beside the spine and at the edges of scans, one row each.

    Only pixels outside the crop about the spine count. Along each of the four sides, a strip of
    12 pixels is divided into four segments; beside the crop, each side into four heights. Of each
    part: its mean and largest value relative to the quartiles outside the crop, and the share
    that was not scanned.
    """
    return np.array([_margins(np.asarray(scan), spacing_mm, width_mm) for scan in scans])


def _margins(scan, spacing_mm, width_mm):
    line = find_spine_line(scan, spacing_mm=spacing_mm)
    half = width_mm / 2 / spacing_mm[1]
    columns = np.arange(scan.shape[1])
    left = columns < line[:, np.newaxis] - half
    right = columns > line[:, np.newaxis] + half
    # The spine itself may predict the label.
    scan = np.where(left | right, scan, np.nan)
    if not np.isnan(scan).all():
        low, middle, high = np.nanquantile(scan, (0.25, 0.5, 0.75))
        scan = (scan - middle) / max(high - low, 1e-6)
    parts = []
    for strip in (scan[:_STRIP], scan[-_STRIP:]):
        parts += np.array_split(strip, _SEGMENTS, axis=1)
    for strip in (scan[:, :_STRIP], scan[:, -_STRIP:]):
        parts += np.array_split(strip, _SEGMENTS, axis=0)
    for side in (left, right):
        heights = np.array_split(np.arange(len(scan)), _SEGMENTS)
        parts += [scan[rows][side[rows]] for rows in heights]
    numbers = []
    for part in parts:
        scanned = part[~np.isnan(part)]
        empty = scanned.size == 0
        numbers += [
            0.0 if empty else scanned.mean(),
            0.0 if empty else scanned.max(),
            1 - scanned.size / max(part.size, 1),
        ]
    return np.clip(numbers, -20, 20)


def out_of_fold_logistic(features, y, fold, groups=None):
    """Return the AUC of a logistic model of some features on given folds, with its interval.

    Parameters
    ----------
    features : ndarray of shape (n_scans, n_features)
    y : ndarray of bool of shape (n_scans,)
    fold : ndarray of int of shape (n_scans,)
    groups : ndarray of shape (n_scans,), optional

    Returns
    -------
    Interval
        DeLong's, of the pooled scores.
    """
    score = np.empty(len(y))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    for number in np.unique(fold):
        test = fold == number
        score[test] = model.fit(features[~test], y[~test]).decision_function(features[test])
    return delong_interval(y, score, groups=groups)


def audit_shortcut(name, question, found, network_auc, *, what, remedy):
    """Assess how well a property that should be irrelevant to a label predicts it.

    Parameters
    ----------
    name, question : str
    found : Interval
        AUC of the shortcut alone.
    network_auc : float
        AUC of the network.
    what, remedy : str
        What the shortcut is, and what to do about it.

    Returns
    -------
    AuditItem
    """
    finding = (
        f"{what} alone reach an AUC of {found.estimate:.2f} ({found.low:.2f} to "
        f"{found.high:.2f}); the network reaches {network_auc:.2f} (pooled scores, median of the "
        "repeats)."
    )
    predicts = found.estimate >= _PREDICTS and found.low >= _PREDICTS_AT_LEAST
    as_good = found.low > 0.55 and found.estimate >= network_auc - 0.02
    if predicts and as_good:
        return AuditItem(name, question, FAULT, f"{finding} {remedy}")
    if predicts or as_good:
        return AuditItem(name, question, LOOK, f"{finding} {remedy}")
    return AuditItem(name, question, FINE, finding)


def machine_features(scans, spacing_mm):
    """Return brightness, size and grain of scans, which differ from scanner to scanner."""
    grain = []
    for scan in scans:
        filled = np.where(np.isnan(scan), np.nanmedian(scan), scan)
        bands = [filled - gaussian_filter(filled, 1)]
        bands.append(gaussian_filter(filled, 1) - gaussian_filter(filled, 3))
        grain.append([np.log(np.median(np.abs(band)) + 1e-6) for band in bands])
    return np.hstack([brightness_features(scans, spacing_mm), np.array(grain)])


def machine_columns(cohort):
    """Return the columns of data and sources that describe how scans were made, by name.

    Each column is an array of texts, with a missing value where the table has none.
    """
    found = {}
    data = cohort.data
    for name in data.columns:
        if str(name).lower() in SCANNER_NAMES and data[name].nunique() > 1:
            values = data[name].astype(object)
            found[str(name)] = values.map(str).where(values.notna(), None).to_numpy()
        if str(name).lower() in YEAR_NAMES:
            years = _years(data[name])
            if years.nunique() > 1:
                late = years > years.median()
                if late.all() or not late.any():
                    late = years >= years.median()
                of_all = pd.Series(np.where(late, "late", "early"), dtype=object)
                found[str(name)] = of_all.where(years.notna().to_numpy(), None).to_numpy()
    sources = cohort.get("sources")
    if sources is not None:
        for name in ("unit", "format", "row_mm", "column_mm"):
            if name in sources and sources[name].nunique() > 1:
                values = sources[name].astype(object)
                stated = values.map(str).where(values.notna(), "not stated")
                found[f"file {name}"] = stated.to_numpy()
    return found


def _years(column):
    """Return the years that a column of years or of dates holds, NaN for what is neither."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return column.dt.year
    years = pd.to_numeric(column, errors="coerce")
    # Such as 20260315, as DICOM writes dates.
    years = years.where(years < 1e7, years // 10_000)
    with warnings.catch_warnings():
        # Of dates that begin with the year, which have no order of day and month.
        warnings.simplefilter("ignore", UserWarning)
        dates = pd.to_datetime(
            column.where(years.isna()), errors="coerce", format="mixed", dayfirst=True
        )
    return years.fillna(dates.dt.year)


def _unread_years(data):
    """Return the first column of years most of whose values are neither years nor dates."""
    for name in data.columns:
        if str(name).lower() in YEAR_NAMES and data[name].notna().any():
            unread = _years(data[name]).isna() & data[name].notna()
            if 2 * unread.sum() > data[name].notna().sum():
                return name, data[name][unread].iloc[0]
    return None


def audit_machines(cohort, y, features):
    """Look for a scanner, site or year that the image predicts and that predicts the label.

    Parameters
    ----------
    cohort : Bunch
        The scans of a task.
    y : ndarray of bool of shape (n_scans,)
    features : ndarray of shape (n_scans, n_features)
        As from `machine_features`.

    Returns
    -------
    list of AuditItem
        One per column that describes how scans were made.
    """
    question = "Can it be predicted from the image, and the label from it?"
    columns = machine_columns(cohort)
    if not columns and _unread_years(cohort.data) is None:
        return [
            AuditItem(
                "Scanner and year",
                question,
                OPEN,
                "No column names scanner, site or year, and all files are of one kind. Name them "
                'in the protocol, as in columns = { scanner = "Device", year = "Exam year" }.',
            )
        ]
    items = []
    unread = _unread_years(cohort.data)
    if unread is not None:
        name, value = unread
        items.append(
            AuditItem(
                f"Predictable from the {name}",
                question,
                OPEN,
                f"The column {name!r} holds {value!r} and other values that are neither years "
                "nor dates, so that it was not examined.",
            )
        )
    for name, of_all in columns.items():
        known = pd.notna(of_all)
        kinds, labels, patients = of_all[known].astype(str), y[known], cohort.groups[known]
        if labels.all() or not labels.any():
            items.append(
                AuditItem(
                    f"Predictable from the {name}",
                    question,
                    LOOK,
                    f"{name} is known for scans of one label alone, so that whether it predicts "
                    "the label cannot be tested. Complete the column.",
                )
            )
            continue
        counts = pd.crosstab(kinds, labels)
        # Scans of a patient do not count as independent.
        first = np.unique(patients, return_index=True)[1]
        of_patients = pd.crosstab(kinds[first], labels[first])
        pvalue = float(chi2_contingency(of_patients)[1]) if of_patients.shape[1] == 2 else 1.0
        share = counts[True] / counts.sum(axis=1)
        auc = roc_auc_score(labels, pd.Series(kinds).map(share))
        image = _source_auc_from_image(features[known], kinds, patients)
        shares = ", ".join(f"{kind}: {100 * value:.0f} %" for kind, value in share.items())
        from_image = (
            "too few patients of a kind to predict it from the image"
            if np.isnan(image)
            else f"it can be predicted from the image with an AUC of {image:.2f}"
        )
        finding = (
            f"{name}: {from_image}; positive scans by {name}: {shares} (chi-square test of one "
            f"scan per patient, p = {pvalue:.2g}); alone it predicts the label with an AUC of "
            f"{auc:.2f}."
        )
        if not known.all():
            finding += f" {(~known).sum()} scans have no value and were left out."
        predicts_label = pvalue < 0.01 and auc >= 0.6
        visible_in_image = image >= _PREDICTS
        if predicts_label and visible_in_image:
            verdict = FAULT
            finding += (
                " A network can learn it instead of the disease: balance the labels within each "
                "group, or score within each group."
            )
        elif predicts_label:
            verdict = LOOK
        else:
            verdict = FINE
        items.append(AuditItem(f"Predictable from the {name}", question, verdict, finding))
    return items


def _source_auc_from_image(features, kinds, patients):
    """Return the mean AUC, one kind against the others, of a logistic model of image features.

    Kinds of fewer than ten patients are left out.
    """
    n_patients = pd.Series(patients).groupby(kinds).nunique()
    names = n_patients.index[n_patients >= 10].to_numpy()
    if len(names) < 2:
        return np.nan
    usable = np.isin(kinds, names)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    areas = []
    for kind in names[:10]:
        is_kind = kinds[usable] == kind
        score = cross_val_predict(
            model,
            features[usable],
            is_kind,
            groups=patients[usable],
            cv=folds,
            method="decision_function",
        )
        areas.append(roc_auc_score(is_kind, score))
    return float(np.mean(areas))
