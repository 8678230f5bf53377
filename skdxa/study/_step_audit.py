"""Steps of a study that look for causes of optimistic results."""

import json

import numpy as np
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline

from skdxa.classification import SpineCNNClassifier
from skdxa.study import _audit as audit
from skdxa.study import _audit_patients as audit_patients
from skdxa.study import _audit_shortcuts as audit_shortcuts
from skdxa.study._clinical import clinical_columns
from skdxa.study._step_models import cross_validated, file_of, shuffled_labels
from skdxa.study._steps import LeftOut
from skdxa.study._tasks import known_rows, positions
from skdxa.study._values import scored_labels
from skdxa.validation import has_repeated_patients, replacing


def audit_data(state):
    """Look for causes of optimistic results, without training networks."""
    protocol = state.protocol
    trained = [task for task in state.tasks if task.target in state.results]
    if not trained:
        raise LeftOut("No task was cross-validated.")
    first = trained[0]
    folds = {task.in_text: _folds_of_all(state, task) for task in trained}
    items = [audit_patients.audit_patients(state.cohort, folds)]
    if state.external_tests:
        labels = state.external_labels
        items.append(audit_patients.audit_external(state.cohort, state.external, labels))
    outcomes = {}
    for task in trained:
        cohort = audit.task_cohort(state.cohort, task)
        result = state.results[task.target]
        labels = scored_labels(state, task)
        scored = ~np.isnan(labels)
        outcomes[task.target] = labels[scored] == 1, cohort.groups[scored]
        y = result.y == result.classes[1]
        fold = result.fold_assignment.fold_of[result.median_repeat()]
        network = result.repeat_metrics()["auc"].median()
        scans = cohort.data["scan"]
        spacing = cohort.spacing_mm
        groups = cohort.groups if has_repeated_patients(cohort.groups) else None
        title = task.in_text
        features = audit_shortcuts.machine_features(scans, spacing)
        n_brightness = audit_shortcuts.brightness_features(scans[:1], spacing).shape[1]
        items.append(
            audit_shortcuts.audit_shortcut(
                f"Brightness and size: {title}",
                "Do the size and brightness of a scan alone predict the label?",
                audit_shortcuts.out_of_fold_logistic(features[:, :n_brightness], y, fold, groups),
                network,
                what="Size and brightness",
                remedy="Check whether positive scans were made or exported in another way; the "
                "network may have learned nothing else.",
            )
        )
        margins = audit_shortcuts.margin_features(scans, spacing, protocol.width * spacing[1])
        items.append(
            audit_shortcuts.audit_shortcut(
                f"Margins: {title}",
                "Does the region beside the spine and at the edges predict the label?",
                audit_shortcuts.out_of_fold_logistic(margins, y, fold, groups),
                network,
                what="Margins and edges",
                remedy="Look for marks, text or cut edges outside the spine that depend on the "
                "label.",
            )
        )
        for item in audit_shortcuts.audit_machines(cohort, y, features):
            if item.verdict != audit.OPEN:
                items.append(
                    audit.AuditItem(
                        f"{item.name}: {title}", item.question, item.verdict, item.finding
                    )
                )
            elif task is first:
                items.append(item)
        if task.target in state.raters:
            accuracy = result.repeat_metrics(threshold=protocol.threshold)["accuracy"].mean()
            items.append(audit.audit_raters(task.in_text, state.raters[task.target], accuracy))
    items += [
        audit.audit_events(trained, outcomes, 3),
        audit.audit_missing(
            state.cohort,
            clinical_columns(protocol),
            protocol.gaps,
            list(dict.fromkeys(name for of in state.clinical.values() for name in of.unfillable)),
        ),
        audit.audit_geometry(state.cohort),
    ]
    state.audit += items


def _folds_of_all(state, task):
    """Return the folds of a task, one column per scan of the cohort: -1 without a label."""
    fold_of = state.results[task.target].fold_assignment.fold_of
    known = known_rows(state.cohort, task.target)
    of_all = np.full((len(fold_of), len(known)), -1)
    of_all[:, known] = fold_of
    return of_all


def audit_shuffled(task, state):
    """Cross-validate once with shuffled labels."""
    known = known_rows(state.cohort, task.target)
    y = state.cohort.target.loc[known, task.target].to_numpy().astype(int)
    seed = state.protocol.random_state + 1
    y = shuffled_labels(y, state.cohort.groups[known], seed)
    result = cross_validated(
        state, task, state.models[task.target], y, state.work / "shuffled", n_repeats=1
    )
    state.audit.append(audit.audit_shuffled(result))


def audit_epoch(task, state):
    """Train the folds of the first repeat once more, and choose the epoch on the scored fold."""
    model = state.models[task.target]
    if not isinstance(model, Pipeline) or not isinstance(model[-1], SpineCNNClassifier):
        raise LeftOut("The model has no epochs.")
    if not state.protocol.validation_fraction:
        raise LeftOut("The last epoch was kept; none was chosen.")
    known = known_rows(state.cohort, task.target)
    data, result = state.cohort.data[known], state.results[task.target]
    folder = state.work / "epoch"
    folder.mkdir(exist_ok=True)
    honest = result.fold_metrics().query("repeat == 0")["auc"].to_numpy()
    fold_of, areas = result.fold_assignment.fold_of[0], []
    for fold in range(result.n_folds):
        path = folder / f"{file_of(state, task)}_fold_{fold}.json"
        area = _kept_area(path)
        if area is not None:
            areas.append(area)
            continue
        train, test = positions(fold_of != fold), positions(fold_of == fold)
        areas.append(_epoch_on_scored_fold(model, data, result.y, train, test, state.protocol))
        with replacing(path) as file:
            file.write(json.dumps({"auc": areas[-1]}).encode())
    state.audit.append(audit.audit_epoch(areas, honest))


def _kept_area(path):
    """Return the AUC that an earlier run has written, or None if it is missing or damaged."""
    try:
        area = float(json.loads(path.read_text())["auc"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return area if 0 <= area <= 1 else None


def _epoch_on_scored_fold(model, data, y, train, test, protocol):
    model = clone(model)
    before, cnn = model[:-1], model[-1]
    images = before.fit_transform(data.iloc[train])
    scored = before.transform(data.iloc[test])
    cnn.set_params(random_state=protocol.random_state)
    cnn.fit(images, y[train], X_val=scored, y_val=y[test])
    return float(roc_auc_score(y[test], cnn.predict_proba(scored)[:, 1]))
