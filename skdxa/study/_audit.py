"""What could make a study's numbers too good, looked for in what was run."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from scipy.stats import chi2_contingency
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdxa.exceptions import ScanError
from skdxa.preprocessing import find_spine_line, scan_features
from skdxa.significance import delong_interval
from skdxa.study._cohort import table_rows
from skdxa.study._known_columns import SCANNER_NAMES, YEAR_NAMES
from skdxa.study._similar import similar_across, similar_pairs
from skdxa.study._tasks import known_rows
from skdxa.validation import (
    check_spacing,
    has_repeated_patients,
    patient_codes,
    scan_dtype_of,
    split_patients,
)

FINE, LOOK, FAULT, OPEN = "nothing found", "look at this", "fault", "open"

# Pixels: the strip at each side of a scan, and the segments that it is divided into.
_STRIP, _SEGMENTS = 12, 4
# A label is told by something it should not be told by from this AUC on, if the lower end of the
# interval agrees.
_TOLD, _SURELY = 0.7, 0.6
# Standard deviations of chance above which shuffled labels are predicted.
_CHANCE = 3.0
_FEW_EVENTS = 10


@dataclass(frozen=True)
class AuditItem:
    """One question that the report puts to its own study.

    Attributes
    ----------
    name : str
        A few words.
    question : str
        What could be wrong.
    verdict : {"nothing found", "look at this", "fault", "open"}
        "open" is what a run cannot know.
    finding : str
        What was found, in a sentence.

    Examples
    --------
    >>> from skdxa.study import AuditItem
    >>> item = AuditItem("twins", "Is a scan there twice?", "nothing found", "No two are alike.")
    >>> print(f"{item.question} {item.verdict}: {item.finding}")
    Is a scan there twice? nothing found: No two are alike.
    """

    name: str
    question: str
    verdict: str
    finding: str


def audit_patients(cohort, folds):
    """Look for scans of one patient in several folds, under one name or under several.

    Parameters
    ----------
    cohort : Bunch
        All scans of the study.
    folds : dict of str to ndarray of int of shape (n_repeats, n_scans)
        The folds of each task that was cross-validated, by its title; -1 for scans that have
        no label in it.

    Returns
    -------
    AuditItem
    """
    question = "Are the scans of a patient, and copies of a scan, always in one fold?"
    name = "Patients apart"
    groups = np.asarray(cohort.groups)
    for title, fold_of in folds.items():
        labelled = (fold_of >= 0).all(axis=0)
        split = split_patients(fold_of[:, labelled], groups[labelled])
        if len(split):
            return AuditItem(
                name,
                question,
                FAULT,
                f"{title}: {_number(split, 'patient has', 'patients have')} scans in several "
                f"folds, the first being {split[0]}.",
            )
    try:
        pairs = similar_pairs(cohort.data["scan"], groups)
    except (ScanError, ValueError) as error:
        return AuditItem(name, question, OPEN, f"The scans could not be compared: {error}")
    crossing = {pair: _crossed(folds, *pair[:2]) for pair in pairs}
    crossing = {pair: titles for pair, titles in crossing.items() if titles}
    if crossing:
        one, other, alike = next(iter(crossing))
        row = table_rows(cohort)
        listed = ", ".join(
            f"{row[first]} and {row[second]}" for first, second, _ in [*crossing][:5]
        )
        titles = [title for title in folds if any(title in found for found in crossing.values())]
        return AuditItem(
            name,
            question,
            FAULT,
            f"{_number(crossing, 'pair')} of scans listed for different patients show bones as "
            f"alike as those of one patient, and lie in different folds ({', '.join(titles)}): "
            f"rows {listed}{' and more' if len(crossing) > 5 else ''}. The most alike, {row[one]} "
            f"and {row[other]}, correlate by {alike:.2f}. Look at them; if they are twins, give "
            "both one patient.",
        )
    several = "some have several scans" if has_repeated_patients(groups) else "one scan each"
    return AuditItem(
        name,
        question,
        FINE,
        f"{len(np.unique(patient_codes(groups)))} patients, {several}; no patient is in two "
        f"folds of a repeat, and of all {len(groups)} scans, each compared with every other, "
        + (
            "no two of different patients look like scans of one."
            if not pairs
            else _number(
                pairs,
                "pair of different patients looks like scans of one but lies in the same fold in "
                "every repeat, or lacks a label.",
                "pairs of different patients look like scans of one but lie in the same fold in "
                "every repeat, or lack a label.",
            )
        ),
    )


def audit_external(cohort, external, targets):
    """Look for patients of an external cohort among those that its models were trained on.

    Parameters
    ----------
    cohort : Bunch
        All scans of the study.
    external : Bunch
        All scans of the other hospital.
    targets : list of str
        The targets that models were trained on and tested on there.

    Returns
    -------
    AuditItem
    """
    name, question = "Hospitals apart", "Is a patient of the external hospital trained on as well?"
    names = _shared_names(cohort.groups, external.groups)
    try:
        spacings = [_spacing_of(of) for of in (cohort, external)]
        if None not in spacings and not np.allclose(*spacings, rtol=1e-3):
            here, there = (f"{row:g} x {column:g} mm" for row, column in spacings)
            raise ScanError(
                f"those of the cohort have pixels of {here}, those of the external hospital "
                f"{there}."
            )
        pairs = similar_across(cohort.data["scan"], external.data["scan"])
    except (ScanError, TypeError, ValueError) as error:
        finding = f"The scans of the two hospitals could not be compared: {error}{names}"
        return AuditItem(name, question, OPEN, finding)
    known, tested = (_labelled_patients(of, targets) for of in (cohort, external))
    used = [pair for pair in pairs if (known[pair[0]] & tested[pair[1]]).any()]
    if used:
        rows, other_rows = table_rows(cohort), table_rows(external)
        listed = [f"row {rows[one]} and row {other_rows[other]} there" for one, other, _ in used]
        return AuditItem(
            name,
            question,
            FAULT,
            f"{_number(used, 'pair')} of a scan of a patient that models were trained on and a "
            "scan of the external hospital show bones as alike as those of one patient: "
            f"{'; '.join(listed[:5])}{'; and more' if len(used) > 5 else ''}. The most alike, "
            f"{listed[0]}, correlate by {used[0][2]:.2f}. Look at them; if they are of one "
            f"patient, leave the patient out of one of the two cohorts.{names}",
        )
    alike = "no two look like scans of one patient"
    if pairs:
        alike = _number(
            pairs,
            "pair looks like scans of one patient, but one lacks a label",
            "pairs look like scans of one patient, but one of each pair lacks a label",
        )
    return AuditItem(
        name,
        question,
        FINE,
        f"Of {len(external.data)} scans of the external hospital, each compared with the "
        f"{len(cohort.data)} of the cohort, {alike}.{names}",
    )


def _spacing_of(cohort):
    """Return the height and width of a pixel in mm, None where nothing states them."""
    dtype = scan_dtype_of(cohort.data["scan"])
    stated = cohort.get("spacing_mm") if dtype is None else dtype.spacing_mm
    return None if stated is None else check_spacing(stated)


def _labelled_patients(cohort, targets):
    """Return for each scan and target whether its patient has a scan whose label is known."""
    known = cohort.target[targets].notna().reset_index(drop=True)
    return known.groupby(patient_codes(np.asarray(cohort.groups))).transform("any").to_numpy()


def _shared_names(groups, others):
    """Tell how many patients of two cohorts have the same name; nothing where they have none."""
    names = [np.unique(np.asarray(of)) for of in (groups, others)]
    for of in names:
        # Numbers in sequence are counted, for want of names.
        if of.dtype.kind in "iu" and of[0] in (0, 1) and of[-1] - of[0] == len(of) - 1:
            return ""
    shared = np.intersect1d(*(of.astype(str) for of in names))
    if not len(shared):
        return ""
    return (
        f" {_number(shared, 'patient has', 'patients have')} the same name in both, the first "
        f"being {shared[0]}, which means nothing where each hospital has numbers of its own."
    )


def _number(found, one, several=None):
    """Return how many there are, in words for one or for several."""
    return f"{len(found)} {one if len(found) == 1 else several or f'{one}s'}"


def _crossed(folds, one, other):
    """Return the titles of the tasks in which two scans lie in different folds of a repeat."""
    return [
        title
        for title, fold_of in folds.items()
        if (fold_of[:, [one, other]] >= 0).all() and (fold_of[:, one] != fold_of[:, other]).any()
    ]


def audit_shuffled(result, n_repeats=1):
    """Judge the AUC that was reached with shuffled labels."""
    areas = result.repeat_metrics()["auc"]
    positive = result.y == result.classes[1]
    n_one, n_other = positive.sum(), (~positive).sum()
    spread = np.sqrt((n_one + n_other + 1) / (12 * n_one * n_other))
    reach = 1.96 * spread
    area = areas.mean()
    finding = (
        f"With labels shuffled among the patients the AUC was {area:.2f}; by chance it lies "
        f"between {0.5 - reach:.2f} and {0.5 + reach:.2f} in 95 %."
    )
    verdict = FAULT if area > 0.5 + _CHANCE * spread else FINE
    if verdict == FAULT:
        finding += " The labels of the scored scans have leaked into training."
    return AuditItem(
        "Labels shuffled", "Does the AUC fall to 0.5 where there is nothing to learn?", verdict,
        finding,
    )  # fmt: skip


def brightness_features(scans, spacing_mm):
    """Return size, brightness and unscanned share of scans, one row each."""
    names = ["height_mm", "width_mm", "unscanned", "low", "median", "high", "saturated"]
    rows = [scan_features(scan, spacing_mm=spacing_mm) for scan in scans]
    return pd.DataFrame(rows)[names].to_numpy()


def margin_features(scans, spacing_mm, width_mm):
    """Return numbers on what lies beside the spine and at the edges of scans, one row each.

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
    # The spine itself may tell the label.
    scan = np.where(left | right, scan, np.nan)
    if not np.isnan(scan).all():
        low, middle, high = np.nanquantile(scan, (0.25, 0.5, 0.75))
        scan = (scan - middle) / max(high - low, 1e-6)
    parts = []
    for strip in (scan[:_STRIP], scan[-_STRIP:]):
        parts += np.array_split(strip, _SEGMENTS, axis=1)
    for strip in (scan[:, :_STRIP], scan[:, -_STRIP:]):
        parts += np.array_split(strip, _SEGMENTS, axis=0)
    for beside in (left, right):
        heights = np.array_split(np.arange(len(scan)), _SEGMENTS)
        parts += [scan[rows][beside[rows]] for rows in heights]
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
    """Judge how well a label is told by something that it should not be told by.

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
    told = found.estimate >= _TOLD and found.low >= _SURELY
    as_good = found.low > 0.55 and found.estimate >= network_auc - 0.02
    if told and as_good:
        return AuditItem(name, question, FAULT, f"{finding} {remedy}")
    if told or as_good:
        return AuditItem(name, question, LOOK, f"{finding} {remedy}")
    return AuditItem(name, question, FINE, finding)


def machine_columns(cohort):
    """Return what tells how scans were made, by name: columns of the data and of the sources."""
    found = {}
    data = cohort.data
    for name in data.columns:
        if str(name).lower() in SCANNER_NAMES and data[name].nunique() > 1:
            found[str(name)] = data[name].astype(str).to_numpy()
        if str(name).lower() in YEAR_NAMES:
            years = _years(data[name])
            if years.nunique() > 1:
                late = years > years.median()
                if late.all() or not late.any():
                    late = years >= years.median()
                found[str(name)] = np.where(late, "late", "early")
    sources = cohort.get("sources")
    if sources is not None:
        for name in ("unit", "format", "row_mm", "column_mm"):
            if name in sources and sources[name].nunique() > 1:
                found[f"file {name}"] = sources[name].astype(str).to_numpy()
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
    """Return the first column of years of which most values are no years and no dates."""
    for name in data.columns:
        if str(name).lower() in YEAR_NAMES and data[name].notna().any():
            unread = _years(data[name]).isna() & data[name].notna()
            if 2 * unread.sum() > data[name].notna().sum():
                return name, data[name][unread].iloc[0]
    return None


def machine_features(scans, spacing_mm):
    """Return brightness, size and grain of scans, which differ from scanner to scanner."""
    grain = []
    for scan in scans:
        filled = np.where(np.isnan(scan), np.nanmedian(scan), scan)
        bands = [filled - gaussian_filter(filled, 1)]
        bands.append(gaussian_filter(filled, 1) - gaussian_filter(filled, 3))
        grain.append([np.log(np.median(np.abs(band)) + 1e-6) for band in bands])
    return np.hstack([brightness_features(scans, spacing_mm), np.array(grain)])


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
        One per column that tells how scans were made.
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
                f"The column {name!r} holds {value!r} and other values that are no years and no "
                "dates, so that it was not looked at.",
            )
        )
    for name, kinds in columns.items():
        counts = pd.crosstab(kinds, y)
        pvalue = float(chi2_contingency(counts)[1]) if counts.shape[1] == 2 else 1.0
        share = counts[True] / counts.sum(axis=1) if True in counts else counts.iloc[:, 0] * 0.0
        told = roc_auc_score(y, pd.Series(kinds).map(share))
        image = _told_by_image(features, kinds)
        shares = ", ".join(f"{kind}: {100 * value:.0f} %" for kind, value in share.items())
        from_image = (
            "too few scans of a kind to predict it from the image"
            if np.isnan(image)
            else f"it can be predicted from the image with an AUC of {image:.2f}"
        )
        finding = (
            f"{name}: {from_image}; positive scans by {name}: {shares} (chi-square test, "
            f"p = {pvalue:.2g}); alone it predicts the label with an AUC of {told:.2f}."
        )
        tells_label = pvalue < 0.01 and told >= 0.6
        tells_image = image >= _TOLD
        if tells_label and tells_image:
            verdict = FAULT
            finding += (
                " A network can learn it in place of the disease: balance the labels within each, "
                "or score within each."
            )
        elif tells_label:
            verdict = LOOK
        else:
            verdict = FINE
        items.append(AuditItem(f"Predictable from the {name}", question, verdict, finding))
    return items


def _told_by_image(features, kinds):
    """Return the mean AUC, one kind against the others, of a logistic model of image features."""
    names, counts = np.unique(kinds, return_counts=True)
    names = names[counts >= 10]
    if len(names) < 2:
        return np.nan
    usable = np.isin(kinds, names)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    areas = []
    for kind in names[:10]:
        is_kind = kinds[usable] == kind
        score = cross_val_predict(
            model, features[usable], is_kind, cv=folds, method="decision_function"
        )
        areas.append(roc_auc_score(is_kind, score))
    return float(np.mean(areas))


def audit_epoch(on_scored_fold, within_training):
    """Report how much choosing the epoch on the scored fold flatters, from AUCs by fold."""
    optimism = float(np.mean(on_scored_fold) - np.mean(within_training))
    return AuditItem(
        "Choice of the epoch",
        "How much would choosing the epoch on the scored fold flatter?",
        FINE,
        f"The epoch was chosen within the training folds: mean AUC {np.mean(within_training):.3f} "
        f"over the {len(within_training)} folds of the first repeat. Chosen on the fold that is "
        f"then scored, as in the paper, it was {np.mean(on_scored_fold):.3f}: an optimism of "
        f"{optimism:+.3f}, which is not in the numbers of this report.",
    )


def audit_raters(title, agreement, accuracy):
    """Compare the accuracy of a network with the agreement of the raters of its labels."""
    pair = agreement.loc["all"]
    finding = (
        f"{title}: raters agree on {100 * pair['agreement']:.1f} % (kappa {pair['kappa']:.2f}); "
        f"the network's accuracy is {100 * accuracy:.1f} %."
    )
    above = accuracy > pair["agreement"]
    if above:
        finding += (
            " An accuracy above the raters' agreement is no superiority over raters: their "
            "consensus is easier to match than any one of them."
        )
    return AuditItem(
        f"Ceiling: {title}",
        "Is the network better than the labels allow?",
        LOOK if above else FINE,
        finding,
    )


def audit_events(tasks, outcomes, n_variables):
    """Count the events per variable of the largest logistic model of each task."""
    parts, verdict = [], FINE
    for task in tasks:
        events = int(min(outcomes[task.target].sum(), (~outcomes[task.target]).sum()))
        if events / n_variables < _FEW_EVENTS:
            verdict = LOOK
        parts.append(f"{task.title}: {events} in the rarer class, {events / n_variables:.0f} each")
    return AuditItem(
        "Events per variable",
        "Are there enough events for the models?",
        verdict,
        f"For the largest logistic model, of {n_variables} variables: {'; '.join(parts)}. Fewer "
        f"than {_FEW_EVENTS} are too few for stable coefficients; a network needs many more.",
    )


def audit_missing(cohort, columns, gaps, unfillable=()):
    """Tell what is missing in clinical columns and labels, and by what rule it was handled.

    Parameters
    ----------
    cohort : Bunch
    columns : list of str
        Of the data, which may lack some.
    gaps : {"leave_out", "impute"}
    unfillable : sequence of str, default=()
        Predictors that were left out because their gaps could not be filled.

    Returns
    -------
    AuditItem
    """
    parts, n_gaps = [], 0
    for name in columns:
        if name in cohort.data:
            n_missing = int(cohort.data[name].isna().sum())
            n_gaps += n_missing
            if n_missing:
                parts.append(f"{name} in {n_missing}")
    unknown = {name: int(column.isna().sum()) for name, column in cohort.target.items()}
    labels = ", ".join(f"{name} in {number}" for name, number in unknown.items() if number)
    rule = {
        "leave_out": "left out of the comparison with clinical predictors and of the stack",
        "impute": "filled by the median of the training folds",
    }[gaps]
    finding = f"Of {len(cohort.data)} scans, clinical columns are "
    finding += f"missing {', '.join(parts)}; they were {rule}. " if parts else "complete. "
    if unfillable:
        finding += f"{', '.join(unfillable)} could not be filled in every fold and was left out. "
    finding += f"Labels are unknown: {labels}." if labels else "All labels are known."
    excluded = cohort.get("excluded")
    if excluded is not None and len(excluded):
        finding += f" {len(excluded)} scans could not be used."
    return AuditItem(
        "Missing data",
        "What is missing, and what became of it?",
        LOOK if n_gaps > 0.1 * len(cohort.data) else FINE,
        finding,
    )


def audit_geometry(cohort):
    """Tell which spacings and units the files had, and what states them."""
    question = "Do files differ in spacing or unit?"
    sources = cohort.get("sources")
    if sources is None:
        simulated = cohort.get("simulated", False)
        finding = (
            "Simulated scans: all are in g/cm2 at one spacing."
            if simulated
            else "The cohort does not tell where its scans come from."
        )
        return AuditItem("Spacing and unit", question, FINE if simulated else OPEN, finding)
    spacings = sources.groupby(["row_mm", "column_mm"], dropna=False).size()
    units = sources["unit"].value_counts(dropna=False)
    stated = sources["spacing_source"].value_counts()
    row_mm, column_mm = cohort.spacing_mm
    listed = ", ".join(
        f"{row:g} x {column:g} mm ({number})" for (row, column), number in spacings.items()
    )
    finding = (
        f"Spacing of the files: {listed}; stated by "
        f"{', '.join(f'{name} ({number})' for name, number in stated.items())}; all were "
        f"resampled to {row_mm:g} x {column_mm:g} mm. Unit: "
        f"{', '.join(f'{name} ({number})' for name, number in units.items())}."
    )
    assumed = "assumed" in stated.index
    return AuditItem(
        "Spacing and unit", question, LOOK if len(units) > 1 or assumed else FINE, finding
    )


def task_cohort(cohort, task):
    """Return the scans of a cohort whose label is known."""
    known = known_rows(cohort, task.target)
    sources = cohort.get("sources")
    return type(cohort)(
        **{
            **cohort,
            "data": cohort.data[known].reset_index(drop=True),
            "target": cohort.target[known].reset_index(drop=True),
            "groups": cohort.groups[known],
            "sources": None if sources is None else sources[known].reset_index(drop=True),
        }
    )
