"""Steps of a study that train models, and the analyses of these models."""

import json
import re
import warnings
from functools import partial

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from skdxa._sklearn import NO_PENALTY
from skdxa.classification import make_stack
from skdxa.evaluation import (
    Folds,
    added_value_test,
    compare,
    repeated_cross_validate,
    threshold_at_sensitivity,
)
from skdxa.exceptions import ModelFileError
from skdxa.persistence import load_model, model_card, save_model
from skdxa.study._clinical import compare_clinical
from skdxa.study._fracture_predictors import read_predictors, unfillable_columns
from skdxa.study._output import file_names
from skdxa.study._protocol import REFERENCES
from skdxa.study._steps import LeftOut, p_text
from skdxa.study._tasks import known_rows
from skdxa.study._values import network_threshold, scored_labels
from skdxa.validation import has_repeated_patients, replacing

# Up to so many repeats, the models of all are held until the median repeat is known.
_FEW_REPEATS = 3
_STACKED = {"min_t_score": True, "age": False}


def cross_validate(task, state):
    """Cross-validate the model of a task; keep scores, and the models of the median repeat."""
    protocol, cohort = state.protocol, state.cohort
    known = known_rows(cohort, task.target)
    y = cohort.target.loc[known, task.target].to_numpy().astype(int)
    repeats = f"{protocol.n_splits} folds x {protocol.n_repeats}"
    epochs = f"{protocol.epochs} epoch{'s' * (protocol.epochs > 1)}"
    state.say(f"{task.target}: {len(y)} scans, {y.sum()} positive; {repeats}, {epochs} ...")
    if protocol.shuffle_labels:
        y = shuffled_labels(y, cohort.groups[known], protocol.random_state)
    run = partial(
        cross_validated, state, task, state.models[task.target], y, state.work / "scores"
    )
    few = protocol.n_repeats <= _FEW_REPEATS
    saved = _saved_models(state, task)
    result = run(return_models="median" if few and saved is None else None)
    if saved is None and not few:
        result = run(return_models="median")
    state.results[task.target] = result
    models = result.models if saved is None else saved
    if saved is None:
        _save_models(state, task, result)
    state.fitted[task.target] = models


def cross_validated(state, task, model, y, folder, *, return_models=None, n_repeats=None):
    protocol, cohort = state.protocol, state.cohort
    known = known_rows(cohort, task.target)
    return repeated_cross_validate(
        model,
        # With its index, so that an error names the row of cohort.data.
        cohort.data[known],
        y,
        groups=cohort.groups[known],
        stratify=_strata(state, task, known, y),
        n_splits=protocol.n_splits,
        n_repeats=n_repeats or protocol.n_repeats,
        random_state=protocol.random_state,
        n_jobs=state.n_jobs,
        checkpoint=folder / file_of(state, task),
        return_models=return_models,
        progress=state.progress,
    )


def _strata(state, task, known, y):
    """Return both labels of a task, if every combination is in enough patients for the folds."""
    if not task.is_prediction:
        return None
    labels = state.cohort.target.loc[known, task.scored_on].to_numpy(dtype=float)
    strata = pd.DataFrame({"y": y, "scored": labels})
    strata["patient"] = state.cohort.groups[known]
    sizes = strata.groupby(["y", "scored"], dropna=False)["patient"].nunique()
    if sizes.min() < state.protocol.n_splits:
        state.notes.append(
            f"{task.title}: too few patients have a combination of {task.target} and "
            f"{task.scored_on} to be in every fold, so that the folds preserve only the shares of "
            f"{task.target} alone."
        )
        return None
    return strata[["y", "scored"]]


def shuffled_labels(y, groups, seed):
    """Shuffle labels among patients: those of a patient stay together where all are alike."""
    random = np.random.RandomState(seed)
    if not has_repeated_patients(groups):
        return random.permutation(y)
    patients, first, codes = np.unique(groups, return_index=True, return_inverse=True)
    return y[first][random.permutation(len(patients))][codes]


def file_of(state, task):
    """Return the stem of the files of a task."""
    return file_names([one.target for one in state.tasks])[task.target]


def _saved_models(state, task):
    """Return the models of an earlier run, by (repeat, fold), or None."""
    folder = state.work / "models"
    listed = folder / f"{file_of(state, task)}.json"
    if not listed.exists():
        return None
    try:
        names = json.loads(listed.read_text())
        return {
            tuple(map(int, re.findall(r"\d+", key))): load_model(folder / name)
            for key, name in names.items()
        }
    except (AttributeError, OSError, TypeError, ValueError):
        state.say(
            f"The kept models of {task.title} are trained again, since a file in {folder} is "
            "damaged or cannot be read."
        )
        return None


def _save_models(state, task, result):
    """Save the models of the median repeat, where their classes can be saved."""
    folder = state.work / "models"
    folder.mkdir(exist_ok=True)
    names = {}
    for (repeat, fold), model in result.models.items():
        name = f"{file_of(state, task)}_fold_{fold}.skdxa"
        try:
            with warnings.catch_warnings():
                # The warning about parts that only a fit needs.
                warnings.simplefilter("ignore", UserWarning)
                card = model_card(
                    model,
                    title=f"{task.title}, fold {fold} of repeat {repeat}",
                    data=state.cohort.DESCR,
                )
                save_model(model, folder / name, card=card)
        except ModelFileError as error:
            if isinstance(error.__cause__, OSError):
                # A full disk, not a class that cannot be saved.
                error.__cause__.filename = str(folder / name)
                raise error.__cause__ from None
            state.notes.append(f"The models of {task.title} were not saved: {error}")
            return
        names[f"{repeat}-{fold}"] = name
    with replacing(folder / f"{file_of(state, task)}.json") as file:
        file.write(json.dumps(names).encode())


def beside_clinical(task, state):
    """Compare the network of a task with the clinical predictors."""
    found = compare_clinical(state.protocol, state.cohort, task, state.results[task.target])
    state.clinical[task.target] = found
    _note_unfillable(state, task, found.unfillable, "the comparison with clinical predictors")
    stem, title = file_of(state, task), task.title
    # These models are fitted to all scans, those of the other tables to the training folds.
    gaps = {
        "leave_out": f"{found.n_gaps} scans with gaps in clinical columns were left out.",
        "impute": f"Gaps in {found.n_gaps} scans were filled by the medians of all scans.",
    }[state.protocol.gaps]
    state.add_table(
        f"coefficients_{stem}",
        f"{title}: logistic models",
        found.coefficients,
        caption=f"Per standard deviation towards higher risk, T-scores by {found.reference}; "
        f"{np.isfinite(found.labels).sum()} scans with a known label. {gaps}",
    )
    state.add_table(
        f"added_{stem}",
        f"{title}: what the network adds",
        found.added,
        caption="To each experiment: likelihood ratio test, gain in AUC (DeLong), continuous NRI "
        "and IDI. The p-values regard the network's scores as given.",
    )
    state.add_table(
        f"calibration_clinical_{stem}",
        f"{title}: calibration of the risks",
        found.calibration,
        caption="Of each experiment, the risks that logistic models of its variables predict, "
        "fitted to the other folds. That of deep learning has the network's score as its only "
        "variable: these risks are not the network's probabilities, which another table assesses.",
    )
    state.add_table(f"net_benefit_{stem}", f"{title}: net benefit", found.net_benefit)
    gained = found.added.query("test == 'DeLong'").set_index("experiment")
    for name, row in gained.iterrows():
        if name.startswith("Min T-score ("):
            state.say_of(
                title,
                f"Added to the minimum T-score, the network changes the AUC for "
                f"{task.in_text} by {row['estimate']:+.3f} ({row['low']:+.3f} to "
                f"{row['high']:+.3f}; DeLong's test, {p_text(row['pvalue'])}).",
            )


def _note_unfillable(state, task, columns, what):
    for name in columns:
        state.notes.append(
            f"{task.title}: the values of {name} all lie in one fold, whose scans are scored by a "
            f"model that has no median to fill gaps by. It was left out of {what}."
        )


def _drawn_folds(y, groups, protocol, columns):
    """Return the folds that a cross-validation of the scans with values in some columns has."""
    try:
        return Folds.draw(
            y,
            groups=groups,
            n_splits=protocol.n_splits,
            n_repeats=1,
            random_state=protocol.random_state,
        )
    except ValueError as error:
        raise LeftOut(
            f"The {len(y)} scans with values in {', '.join(columns)} cannot be divided into "
            f"folds: {error}"
        ) from error


def stack(task, state):
    """Cross-validate network and clinical columns in one nested model."""
    protocol, cohort = state.protocol, state.cohort
    known = known_rows(cohort, task.target)
    data = cohort.data[known]
    predictors = read_predictors(data, protocol.texture, REFERENCES[protocol.reference], gaps=True)
    turned = _STACKED | {protocol.texture: True}
    columns = [name for name in turned if name in predictors and predictors[name].nunique() > 1]
    if not columns:
        raise LeftOut("The cohort has no clinical column to stack with the network.")
    # As columns of the table, in which lower again is worse.
    table = data[["scan"]].copy()
    for name in columns:
        table[name] = (-predictors[name] if turned[name] else predictors[name]).to_numpy()
    groups = cohort.groups[known]
    table["patient"] = groups
    complete = table[columns].notna().all(axis=1).to_numpy()
    kept = complete if protocol.gaps == "leave_out" else np.ones(len(table), dtype=bool)
    y = cohort.target.loc[known, task.target].to_numpy().astype(int)[kept]
    labels = cohort.target.loc[known, task.scored_on].to_numpy(dtype=float)[kept]
    folds = _drawn_folds(y, groups[kept], protocol, columns)
    if protocol.gaps == "impute":
        unfillable = unfillable_columns(table[columns], folds.fold_of)
        _note_unfillable(state, task, unfillable, "the stack")
        columns = [name for name in columns if name not in unfillable]
        if not columns:
            raise LeftOut("The values of each clinical column all lie in one fold.")
        table = table.drop(columns=unfillable)
        complete = table[columns].notna().all(axis=1).to_numpy()
    model = make_stack(
        state.models[task.target],
        columns,
        lower_is_worse=[name for name in columns if turned[name]],
        cv=protocol.stack_folds,
        group_column="patient" if has_repeated_patients(groups) else None,
        random_state=protocol.random_state,
    )
    if protocol.gaps == "impute":
        # Fitted to the training scans of a fold, as all steps of a pipeline.
        filled = make_column_transformer(
            (SimpleImputer(strategy="median"), columns),
            remainder="passthrough",
            verbose_feature_names_out=False,
        ).set_output(transform="pandas")
        model = make_pipeline(filled, model)
    alone = make_pipeline(
        SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(C=NO_PENALTY)
    )
    run = {
        "groups": groups[kept],
        "n_splits": protocol.n_splits,
        "n_repeats": 1,
        "random_state": protocol.random_state,
    }
    result = repeated_cross_validate(
        model,
        table[kept],
        y,
        **run,
        n_jobs=state.n_jobs,
        checkpoint=state.work / "stack" / file_of(state, task),
        progress=state.progress,
    )
    without = repeated_cross_validate(alone, table.loc[kept, columns], y, **run, progress=False)
    scored = labels if task.is_prediction else None
    test = compare(result, without, y=scored)
    network = state.results[task.target]
    pooled = network.repeat_metrics(
        scored_labels(state, task), threshold=network_threshold(state, task)[0]
    )
    sensitivity = float(pooled["sensitivity"].mean()) or 0.6
    positive = labels == 1
    repeat = result.repeat_scores(0)
    known_labels = ~np.isnan(labels)
    threshold = threshold_at_sensitivity(positive[known_labels], repeat[known_labels], sensitivity)
    summary = result.summary(
        scored,
        threshold=threshold,
        interval=protocol.interval,
        random_state=protocol.random_state,
    )
    auc = summary.loc["auc"]
    state.stacks[task.target] = Bunch(
        result=result,
        labels=labels,
        columns=columns,
        threshold=threshold,
        summary=summary,
        test=test,
    )
    n_gaps = int((~complete).sum())
    rule = {
        "leave_out": f"; {n_gaps} scans with gaps in these columns were left out",
        "impute": f"; gaps in {n_gaps} scans were filled by medians of the training folds",
    }[protocol.gaps]
    state.say_of(
        task.title,
        f"In a stack trained without a leak, {_listed(columns, state.protocol.texture)} and the "
        f"network together reach an AUC of {auc['estimate']:.2f}, which is {test.estimate:+.3f} "
        f"({test.interval.low:+.3f} to {test.interval.high:+.3f}) against the same columns "
        f"without the network ({p_text(test.pvalue)}; one repeat{rule if n_gaps else ''}).",
    )


def test_added_value(task, state):
    """Test whether the network adds anything to the clinical columns, with retrained models."""
    protocol = state.protocol
    known = known_rows(state.cohort, task.target)
    data = state.cohort.data[known]
    predictors = read_predictors(data, protocol.texture, REFERENCES[protocol.reference], gaps=True)
    columns = [name for name in (*_STACKED, protocol.texture) if name in predictors]
    columns = [name for name in columns if predictors[name].nunique() > 1]
    if not columns:
        raise LeftOut("The cohort has no clinical column that the network could add to.")
    kept = predictors[columns].notna().all(axis=1).to_numpy()
    groups = state.cohort.groups[known][kept]
    y = state.cohort.target.loc[known, task.target].to_numpy().astype(int)[kept]
    _drawn_folds(y, groups, protocol, columns)
    found = added_value_test(
        state.models[task.target],
        data[kept],
        y,
        predictors.loc[kept, columns].to_numpy(),
        groups=groups if has_repeated_patients(groups) else None,
        n_draws=protocol.added_value_draws,
        n_splits=protocol.n_splits,
        random_state=protocol.random_state,
        n_jobs=state.n_jobs,
        checkpoint=state.work / "added_value",
        progress=state.progress,
    )
    left_out = ""
    if not kept.all():
        left_out = (
            f" {(~kept).sum()} scans with gaps in these columns were left out, under either rule "
            "for gaps: the image may reveal the true value that an imputed one replaces, and that "
            "would count as a gain."
        )
    state.say_of(
        task.title,
        f"Against {len(found.null)} draws of labels in which the scan holds nothing beyond "
        f"{_listed(columns, protocol.texture)}, each with retrained models, the gain of "
        f"{found.estimate:+.3f} in AUC for {task.target} has {p_text(found.pvalue)}.{left_out}",
    )


def _listed(columns, texture):
    names = {"min_t_score": "minimum T-score", texture: "TBS" if texture == "tbs" else texture}
    return ", ".join(names.get(name, name) for name in columns)
