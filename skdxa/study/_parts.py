"""The steps of a study: what is trained, tabulated and said in each."""

import json
import re
import warnings
from functools import partial

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch

from skdxa.classification import SpineCNNClassifier, make_stack
from skdxa.evaluation import (
    added_value_test,
    compare,
    external_table,
    external_test,
    format_table,
    repeated_cross_validate,
    subgroup_table,
    threshold_at_sensitivity,
)
from skdxa.exceptions import ModelFileError
from skdxa.persistence import load_model, model_card, save_model
from skdxa.significance import calibration, rater_agreement
from skdxa.study import _audit as audit
from skdxa.study import _figures as figures
from skdxa.study._clinical import clinical_columns, compare_clinical
from skdxa.study._fracture_predictors import read_predictors
from skdxa.study._output import file_names
from skdxa.study._protocol import REFERENCES
from skdxa.study._steps import LeftOut, Step, p_text
from skdxa.study._tasks import known_rows, positions
from skdxa.study._values import (
    NETWORK_ROW,
    is_fracture,
    network_threshold,
    ratings_of,
    risk_of,
    scored_labels,
)
from skdxa.validation import has_repeated_patients, replacing

# Up to so many repeats, the models of all are held until the median repeat is known.
_FEW_REPEATS = 3
_SENSITIVITIES = (0.8, 0.9, 0.95)
_MOST_KINDS = 12
_STACKED = {"min_t_score": True, "age": False}


def study_steps(protocol, tasks, external):
    """Return the steps of a study, in their order.

    Parameters
    ----------
    protocol : Protocol
    tasks : list of Task
    external : Bunch or None

    Returns
    -------
    list of Step
    """
    steps = [Step("Describe the patients", describe_patients), Step("Figure 2", figures.flow)]
    for task in tasks:
        trained = f"Cross-validate {task.title}"
        steps += [
            Step(trained, partial(cross_validate, task), trainings=protocol.n_trainings),
            Step(
                f"Clinical predictors beside {task.title}",
                partial(beside_clinical, task),
                (trained,),
            ),
        ]
    predicted = [task for task in tasks if is_fracture(task)]
    if protocol.stack_folds and predicted:
        task = predicted[0]
        steps.append(
            Step(
                f"Stack for {task.title}",
                partial(stack, task),
                (f"Cross-validate {task.title}",),
                protocol.n_splits * (protocol.stack_folds + 1),
            )
        )
    if protocol.added_value_draws and predicted:
        task = predicted[0]
        steps.append(
            Step(
                f"Added value for {task.title}, with retrained models",
                partial(test_added_value, task),
                (f"Cross-validate {task.title}",),
                protocol.n_splits * (protocol.added_value_draws + 1),
            )
        )
    steps += [
        Step("Table 1", tabulate_performance),
        Step("Primary comparison", compare_primary),
        Step("External hospital", test_externally),
        Step("Agreement of raters", tabulate_raters),
        Step("Thresholds", tabulate_thresholds),
        Step("Calibration", tabulate_calibration),
        Step("Subgroups", tabulate_subgroups),
        Step("Figure 1", figures.scans),
        Step("Figure 4", figures.detection),
        Step("Figure 5", figures.prediction),
        Step("Figure 6", figures.explanations),
        Step("Figure 7", figures.learning_curves),
        Step("Calibration, figure", figures.calibration),
        Step("Net benefit", figures.decision_curves),
        Step("Agreement of raters, figure", figures.raters, ("Agreement of raters",)),
        Step("Forest of AUCs", figures.forest),
        Step("Audit: patients, shortcuts, data", audit_data),
    ]
    if protocol.audit:
        first = tasks[0]
        steps += [
            Step(
                "Audit: labels shuffled",
                partial(audit_shuffled, first),
                (f"Cross-validate {first.title}",),
                protocol.n_splits,
            ),
            Step(
                "Audit: choice of the epoch",
                partial(audit_epoch, first),
                (f"Cross-validate {first.title}",),
                protocol.n_splits,
            ),
        ]
    return steps


def describe_patients(state):
    """Tabulate who was studied: the clinical columns, and the labels."""
    rows = []
    cohorts = {"Cohort": state.cohort}
    if state.external is not None:
        cohorts["External"] = state.external
    for name, cohort in cohorts.items():
        data = cohort.data
        rows.append(_row(name, "scans", len(data)))
        rows.append(_row(name, "patients", len(np.unique(cohort.groups))))
        for column in clinical_columns(state.protocol):
            if column in data:
                values = pd.to_numeric(data[column], errors="coerce")
                rows.append(
                    _row(
                        name,
                        column,
                        int(values.notna().sum()),
                        values.mean(),
                        values.std(),
                        values.min(),
                        values.max(),
                    )
                )
        if "sex" in data:
            for sex, number in data["sex"].value_counts().items():
                rows.append(_row(name, f"sex {sex}", int(number), number / len(data)))
        for target, labels in cohort.target.items():
            known = labels.dropna()
            if len(known):
                rows.append(_row(name, f"{target} positive", int(known.sum()), known.mean()))
                rows.append(_row(name, f"{target} known", len(known), len(known) / len(data)))
    state.add_table(
        "patients",
        "Patients and labels",
        pd.DataFrame(rows),
        caption="Of measurements: number known, mean, standard deviation, minimum and maximum; of "
        "labels and sex: number and share.",
    )


def _row(cohort, what, number, mean=np.nan, sd=np.nan, low=np.nan, high=np.nan):
    return {
        "cohort": cohort,
        "what": what,
        "number": number,
        "mean_or_share": mean,
        "sd": sd,
        "minimum": low,
        "maximum": high,
    }


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
        _cross_validate, state, task, state.models[task.target], y, state.work / "scores"
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


def _cross_validate(state, task, model, y, folder, *, return_models=None, n_repeats=None):
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
            f"{task.scored_on} to be in every fold, so that the folds keep the shares of "
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
    except (OSError, ValueError):
        # Damaged or incomplete: they are trained again.
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
                # Of what only a fit needs.
                warnings.simplefilter("ignore", UserWarning)
                card = model_card(
                    model,
                    title=f"{task.title}, fold {fold} of repeat {repeat}",
                    data=state.cohort.DESCR,
                )
                save_model(model, folder / name, card=card)
        except ModelFileError as error:
            state.notes.append(f"The models of {task.title} were not saved: {error}")
            return
        names[f"{repeat}-{fold}"] = name
    with replacing(folder / f"{file_of(state, task)}.json") as file:
        file.write(json.dumps(names).encode())


def beside_clinical(task, state):
    """Compare the network of a task with the clinical predictors."""
    found = compare_clinical(state.protocol, state.cohort, task, state.results[task.target])
    state.clinical[task.target] = found
    stem, title = file_of(state, task), task.title
    rule = {
        "leave_out": f"{found.n_gaps} scans with gaps in clinical columns were left out.",
        "impute": f"Gaps in {found.n_gaps} scans were filled by medians of the training folds.",
    }[state.protocol.gaps]
    state.add_table(
        f"coefficients_{stem}",
        f"{title}: logistic models",
        found.coefficients,
        caption=f"Per standard deviation towards the worse, T-scores by {found.reference}; "
        f"{found.n_scans} scans. {rule}",
    )
    state.add_table(
        f"added_{stem}",
        f"{title}: what the network adds",
        found.added,
        caption="To each experiment: likelihood ratio test, gain in AUC (DeLong), continuous NRI "
        "and IDI. p-values take the network's scores as given.",
    )
    state.add_table(
        f"calibration_clinical_{stem}", f"{title}: calibration of the risks", found.calibration
    )
    state.add_table(f"net_benefit_{stem}", f"{title}: net benefit", found.net_benefit)
    gained = found.added.query("test == 'DeLong'").set_index("experiment")
    for name, row in gained.iterrows():
        if name.startswith("Min T-score ("):
            state.say_of(
                title,
                f"Added to the minimum T-score, the network changes the AUC for "
                f"{title.lower()} by {row['estimate']:+.3f} ({row['low']:+.3f} to "
                f"{row['high']:+.3f}; DeLong's test, {p_text(row['pvalue'])}).",
            )


def tabulate_performance(state):
    """Make Table 1: a row per network, and below it the clinical predictors of its task."""
    rows, shown = [], []
    for task in state.tasks:
        if task.target not in state.results:
            continue
        clinical = state.clinical.get(task.target)
        threshold, rule = network_threshold(state, task)
        result = state.results[task.target]
        labels = scored_labels(state, task)
        summary = result.summary(
            labels,
            threshold=threshold,
            interval=state.protocol.interval,
            random_state=state.protocol.random_state,
        )
        trained = f", trained on {task.target} and scored by {task.scored_on},"
        state.sentences.setdefault(task.title, []).insert(
            0,
            result.sentence(
                f"The network for {task.in_text}{trained * task.is_prediction}",
                labels,
                threshold=threshold,
                interval=state.protocol.interval,
                random_state=state.protocol.random_state,
            ),
        )
        row = {"experiment": task.target}
        for metric, of_metric in summary.iterrows():
            row |= {
                metric: of_metric["estimate"],
                f"{metric}_low": of_metric["low"],
                f"{metric}_high": of_metric["high"],
            }
        rows.append(
            {**row, "task": task.target, "scored_on": task.scored_on, "predictor": NETWORK_ROW,
             "threshold": threshold, "rule": rule, "scans": int(np.isfinite(labels).sum())}
        )  # fmt: skip
        shown.append(f"{task.title}: deep learning")
        if clinical is None:
            continue
        network = clinical.results[NETWORK_ROW]
        for name in clinical.table.index.drop(NETWORK_ROW):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                test = compare(clinical.results[name], network, y=clinical.labels)
            rows.append(
                {
                    "experiment": f"{task.target}: {name}",
                    **clinical.table.loc[name],
                    "task": task.target,
                    "scored_on": task.scored_on,
                    "predictor": name,
                    "threshold": clinical.thresholds.loc[name, "threshold"],
                    "rule": clinical.thresholds.loc[name, "rule"],
                    "scans": int(np.isfinite(clinical.labels).sum()),
                    "minus_network_auc": test.estimate,
                    "minus_network_pvalue": test.pvalue,
                }
            )
            shown.append(f"{task.title}: {_starred(name, clinical.coefficients)}")
        if task.target in state.stacks:
            rows.append(_stack_row(state, task))
            shown.append(f"{task.title}: stack of network and clinical columns")
    if not rows:
        raise LeftOut("No task was cross-validated.")
    table = pd.DataFrame(rows).set_index("experiment")
    table["patients"] = "simulated" if state.simulated else "real"
    interval = state.protocol.interval
    pooled = interval in ("delong", "bootstrap")
    table["aggregation"] = "pooled" if pooled else "mean of folds"
    texts = format_table(table, to="frame")
    texts.insert(0, "Experiment", shown)
    state.add_table(
        "table1",
        "Table 1. Performance in cross-validation",
        table,
        shown=texts.reset_index(drop=True),
        caption=f"{'Pooled scores of the median repeat of' if pooled else 'Means over'} "
        f"{state.protocol.n_splits} folds x {state.protocol.n_repeats}, with 95 % intervals "
        f"({interval}). A star marks a variable whose p-value in the "
        "logistic model is below 0.05, unadjusted. Predictors are turned so that higher is worse "
        "for fractures; an AUC below 0.5 means the opposite direction.",
    )


def _starred(name, coefficients):
    """Return an experiment's name with a star after each variable that is significant."""
    of_model = coefficients[coefficients["experiment"] == name]
    parts = name.split(" + ")
    if len(parts) != len(of_model):
        return name
    stars = ["*" if pvalue < 0.05 else "" for pvalue in of_model["pvalue"]]
    return " + ".join(part + star for part, star in zip(parts, stars, strict=True))


def _stack_row(state, task):
    found = state.stacks[task.target]
    row = {"experiment": f"{task.target}: stack"}
    for metric, of_metric in found.summary.iterrows():
        row |= {
            metric: of_metric["estimate"],
            f"{metric}_low": of_metric["low"],
            f"{metric}_high": of_metric["high"],
        }
    return {
        **row,
        "task": task.target,
        "scored_on": task.scored_on,
        "predictor": "stack",
        "threshold": found.threshold,
        "rule": "as the network's sensitivity",
        "scans": int(np.isfinite(found.labels).sum()),
    }


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
    # As columns of the table, in which lower is worse again.
    table = data[["scan"]].copy()
    for name in columns:
        table[name] = (-predictors[name] if turned[name] else predictors[name]).to_numpy()
    groups = cohort.groups[known]
    table["patient"] = groups
    kept = table[columns].notna().all(axis=1).to_numpy()
    y = cohort.target.loc[known, task.target].to_numpy().astype(int)[kept]
    labels = cohort.target.loc[known, task.scored_on].to_numpy(dtype=float)[kept]
    model = make_stack(
        state.models[task.target],
        columns,
        lower_is_worse=[name for name in columns if turned[name]],
        cv=protocol.stack_folds,
        group_column="patient" if has_repeated_patients(groups) else None,
        random_state=protocol.random_state,
    )
    alone = make_pipeline(
        SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(C=np.inf)
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
    state.say_of(
        task.title,
        f"In a stack trained without a leak, {_listed(columns, state.protocol.texture)} and the "
        f"network together reach an AUC of {auc['estimate']:.2f}, which is {test.estimate:+.3f} "
        f"({test.interval.low:+.3f} to {test.interval.high:+.3f}) against the same columns "
        f"without the network ({p_text(test.pvalue)}; one repeat).",
    )


def _listed(columns, texture):
    names = {"min_t_score": "minimum T-score", texture: "TBS" if texture == "tbs" else texture}
    return ", ".join(names.get(name, name) for name in columns)


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
    found = added_value_test(
        state.models[task.target],
        data[kept],
        state.cohort.target.loc[known, task.target].to_numpy().astype(int)[kept],
        predictors.loc[kept, columns].to_numpy(),
        groups=groups if has_repeated_patients(groups) else None,
        n_draws=protocol.added_value_draws,
        n_splits=protocol.n_splits,
        random_state=protocol.random_state,
        n_jobs=state.n_jobs,
        checkpoint=state.work / "added_value",
        progress=state.progress,
    )
    state.say_of(
        task.title,
        f"Against {len(found.null)} draws of labels in which the scan holds nothing beyond "
        f"{_listed(columns, protocol.texture)}, each with retrained models, the gain of "
        f"{found.estimate:+.3f} in AUC for {task.target} has {p_text(found.pvalue)}.",
    )


def compare_primary(state):
    """Test the comparison that the protocol states before the data are seen."""
    primary = state.protocol.primary
    if primary is None:
        raise LeftOut(
            "The protocol states no primary comparison, so that every test is exploratory."
        )
    target = primary["target"]
    model, against = primary.get("model", NETWORK_ROW), primary.get("against")
    task = next(task for task in state.tasks if task.target == target)
    clinical = state.clinical.get(target)
    names = {} if clinical is None else clinical.results
    for name in (model, against):
        if name not in (None, NETWORK_ROW, *names):
            raise LeftOut(
                f"{name!r} is no experiment of {task.title}; there are {[*names] or NETWORK_ROW}."
            )
    if clinical is None:
        results, labels = {NETWORK_ROW: state.results[target]}, scored_labels(state, task)
    else:
        results, labels = clinical.results, clinical.labels
    if against is None:
        auc = results[model].summary(labels, interval=state.protocol.interval).loc["auc"]
        apart = "lies" if auc["low"] > 0.5 or auc["high"] < 0.5 else "does not lie"
        text = (
            f"Primary comparison, stated in the protocol: {model} for {task.in_text} has an "
            f"AUC of {auc['estimate']:.2f} (95 % interval {auc['low']:.2f} to {auc['high']:.2f}), "
            f"which {apart} apart from the chance level of 0.5."
        )
        state.primary = {**primary, "auc": auc["estimate"], "low": auc["low"], "high": auc["high"]}
    else:
        test = compare(results[model], results[against], y=labels)
        text = (
            f"Primary comparison, stated in the protocol: for {task.in_text}, {model} minus "
            f"{against} is {test.estimate:+.3f} in AUC (95 % interval {test.interval.low:+.3f} to "
            f"{test.interval.high:+.3f}; {test.method}, {p_text(test.pvalue)})."
        )
        state.primary = {
            **primary,
            "difference": test.estimate,
            "low": test.interval.low,
            "high": test.interval.high,
            "pvalue": test.pvalue,
        }
    state.sentences = {"Primary comparison": [text], **state.sentences}


def test_externally(state):
    """Test the models of the median repeat on the external cohort: Table 2."""
    external = state.external
    if external is None:
        raise LeftOut("No external cohort was given.")
    tests, scores = {}, []
    for task in state.tasks:
        if task.target not in state.fitted or task.target not in external.target:
            continue
        labels = external.target[task.target]
        known = labels.notna().to_numpy()
        if labels[known].nunique() < 2:
            state.left_out[f"External hospital: {task.title}"] = (
                f"{task.target} has no two values there."
            )
            continue
        models = state.fitted[task.target]
        X, y = external.data[known], labels[known].astype(int)
        threshold = network_threshold(state, task)[0]
        groups = external.groups[known]
        found = external_test(
            models,
            X,
            y,
            threshold=threshold,
            interval="delong",
            groups=groups if has_repeated_patients(groups) else None,
        )
        tests[task.target] = found.table
        scores.append(
            pd.DataFrame(
                {
                    "target": task.target,
                    "row": positions(known),
                    "patient": external.groups[known],
                    "label": y.to_numpy(),
                    "score": found.scores["ensemble"].to_numpy(),
                }
            )
        )
        auc = tests[task.target].loc["auc"]
        state.say_of(
            task.title,
            f"On {known.sum()} scans of the external hospital, the {len(models)} models of the "
            f"median repeat reach a mean AUC of {auc['mean']:.2f} ({auc['minimum']:.2f} to "
            f"{auc['maximum']:.2f} among models); their averaged score reaches "
            f"{auc['ensemble']:.2f} (95 % interval {auc['low']:.2f} to {auc['high']:.2f}).",
        )
    if not tests:
        raise LeftOut("The external cohort has none of the targets.")
    state.external_tests = tests
    state.external_scores = pd.concat(scores, ignore_index=True)
    table = external_table(tests)
    for column, name in (("ensemble", ""), ("low", "_low"), ("high", "_high")):
        table[f"auc_of_averaged_score{name}"] = [
            test.loc["auc", column] for test in tests.values()
        ]
    table["patients"] = "simulated" if external.get("simulated", False) else "real"
    titles = {task.target: task.title for task in state.tasks}
    texts = format_table(table, to="frame").rename(index=titles)
    texts["AUC of the averaged score"] = [
        f"{test.at['auc', 'ensemble']:.2f} ({test.at['auc', 'low']:.2f}, "
        f"{test.at['auc', 'high']:.2f})"
        for test in tests.values()
    ]
    state.add_table(
        "table2",
        "Table 2. Performance at the external hospital",
        table,
        shown=texts.reset_index(),
        caption="Mean, minimum and maximum of the models of the median repeat. Minimum and "
        "maximum tell how the models differ, not how certain the mean is.",
    )


def tabulate_raters(state):
    """Tabulate the agreement of the raters of each label."""
    tables = {}
    cohorts = {"Cohort": state.cohort, "External": state.external}
    for task in state.tasks:
        for name, cohort in cohorts.items():
            ratings = None if cohort is None else ratings_of(cohort, task.target)
            if ratings is None:
                continue
            agreement = rater_agreement(ratings)
            if cohort is state.cohort:
                state.raters[task.target] = agreement
            tables[f"{name}: {task.title}"] = agreement
    if not tables:
        raise LeftOut(
            "The cohort holds no ratings of several raters, in columns such as scoliosis_r1 and "
            "scoliosis_r2."
        )
    table = pd.concat(tables, names=["labels", "raters"]).reset_index()
    state.add_table(
        "raters",
        "Agreement of raters",
        table,
        caption="Cohen's kappa of each pair, and Fleiss' of all.",
    )
    for task in state.tasks:
        if task.target in state.raters:
            row = state.raters[task.target].loc["all"]
            state.say_of(
                task.title,
                f"The raters of {task.in_text} agree on {100 * row['agreement']:.1f} % of the "
                f"scans (kappa {row['kappa']:.2f}, {row['low']:.2f} to {row['high']:.2f}).",
            )


def tabulate_thresholds(state):
    """Tabulate what the network does at the threshold used and at those of chosen sensitivity."""
    rows = []
    for task in state.tasks:
        if task.target not in state.results:
            continue
        result, labels = state.results[task.target], scored_labels(state, task)
        known = ~np.isnan(labels)
        score = result.repeat_scores(result.median_repeat(labels))[known]
        positive = labels[known] == 1
        groups = None if result.groups is None else result.groups[known]
        chosen = {network_threshold(state, task)[1]: network_threshold(state, task)[0]}
        for sensitivity in _SENSITIVITIES:
            chosen[f"sensitivity at least {sensitivity:g} here"] = threshold_at_sensitivity(
                positive, score, sensitivity
            )
            try:
                guaranteed = threshold_at_sensitivity(
                    positive, score, sensitivity, rule="guaranteed", groups=groups
                )
            except ValueError:
                # Too few positive patients for a guarantee.
                continue
            chosen[f"sensitivity {sensitivity:g} guaranteed, 95 %"] = guaranteed
        for rule, threshold in chosen.items():
            called = score >= threshold
            rows.append(
                {
                    "task": task.target,
                    "rule": rule,
                    "threshold": threshold,
                    "sensitivity": called[positive].mean(),
                    "specificity": (~called[~positive]).mean(),
                    "positive_predictive_value": _share(positive, called),
                    "negative_predictive_value": _share(~positive, ~called),
                    "called_positive": called.mean(),
                }
            )
    state.add_table(
        "thresholds",
        "Thresholds of the networks",
        pd.DataFrame(rows),
        caption="On the out-of-fold scores of the median repeat, on which the thresholds were "
        "chosen too, so that the numbers are slightly optimistic. Predictive values hold for this "
        "share of positive scans.",
    )


def _share(values, among):
    return values[among].mean() if among.any() else np.nan


def tabulate_calibration(state):
    """Tabulate how well the networks' probabilities match what was observed."""
    rows = {}
    for task in state.tasks:
        found = risk_of(state, task)
        if found is None:
            continue
        labels, risk = found
        known = ~np.isnan(labels)
        fitted = calibration(labels[known], risk[known])
        rows[task.target] = {
            "in_the_large": fitted.in_the_large,
            "in_the_large_low": fitted.in_the_large_interval.low,
            "in_the_large_high": fitted.in_the_large_interval.high,
            "slope": fitted.slope,
            "slope_low": fitted.slope_interval.low,
            "slope_high": fitted.slope_interval.high,
            "brier": fitted.brier,
            "scaled_brier": fitted.scaled_brier,
            "observed": fitted.events,
            "expected": fitted.expected,
        }
        slope = fitted.slope_interval
        if _covers(slope, 1):
            verdict = "1, which is perfect, is within the interval"
        else:
            sure = "too sure of itself" if fitted.slope < 1 else "not sure enough"
            verdict = f"the network is {sure}"
        state.say_of(
            task.title,
            f"The network's probabilities have a calibration slope of {fitted.slope:.2f} "
            f"({slope.low:.2f} to {slope.high:.2f}); {verdict}.",
        )
    if not rows:
        raise LeftOut("No model gives probabilities.")
    state.add_table(
        "calibration",
        "Calibration of the networks",
        pd.DataFrame.from_dict(rows, orient="index").rename_axis("task"),
        caption="Perfect are a calibration in the large of 0 and a slope of 1. Where another "
        "label is scored than trained on, risks were put on its scale within the training folds.",
    )


def _covers(interval, value):
    return interval.low <= value <= interval.high


def tabulate_subgroups(state):
    """Tabulate the performance of the networks in subgroups of the patients."""
    tables = {}
    for task in state.tasks:
        if task.target not in state.results:
            continue
        cohort = audit.task_cohort(state.cohort, task)
        groups = subgroups_of(cohort, state.protocol)
        if groups.empty:
            continue
        tables[task.target] = subgroup_table(
            state.results[task.target],
            groups,
            y=scored_labels(state, task),
            threshold=network_threshold(state, task)[0],
        )
    if not tables:
        raise LeftOut("The cohort tells neither age, sex, T-score nor site.")
    table = pd.concat(tables, names=["task", None]).reset_index("task").reset_index(drop=True)
    several = table[table["group"] != "all"].groupby("task")["interaction_p_holm"].min()
    for task in state.tasks:
        if np.isfinite(several.get(task.target, np.nan)):
            state.say_of(
                task.title,
                "Of the subgroups, the smallest p-value for a difference of the AUC, adjusted for "
                f"the variables, is {several[task.target]:.2g}.",
            )
    state.add_table(
        "subgroups",
        "Performance in subgroups",
        table,
        caption="Of the networks, with 95 % intervals; subgroups with fewer than ten patients of "
        "a "
        "class are not judged. interaction_p tests whether the AUC differs between the subgroups "
        "of a variable. Models were trained on patients of all subgroups.",
    )


def subgroups_of(cohort, protocol):
    """Return the subgroup of each scan by age, sex, T-score and site, as far as they are known."""
    data, found = cohort.data, {}
    if "age" in data:
        age = pd.to_numeric(data["age"], errors="coerce")
        if age.nunique() > 1:
            middle = age.median()
            old = np.where(age >= middle, f"{middle:.0f} and above", f"below {middle:.0f}")
            found["age"] = pd.Series(old, dtype=object).where(age.notna().to_numpy())
    if "sex" in data and data["sex"].nunique() > 1:
        found["sex"] = data["sex"].astype(object)
    predictors = read_predictors(data, protocol.texture, REFERENCES[protocol.reference], gaps=True)
    if "min_t_score" in predictors and predictors["min_t_score"].nunique() > 1:
        t_score = predictors["min_t_score"]
        low = np.where(t_score >= 2.5, "-2.5 or below", "above -2.5")
        found["minimum T-score"] = pd.Series(low, dtype=object).where(t_score.notna())
    for name, kinds in audit.machine_columns(cohort).items():
        if len(np.unique(kinds)) <= _MOST_KINDS:
            found[name] = pd.Series(kinds, dtype=object)
    table = pd.DataFrame({name: column.to_numpy() for name, column in found.items()})
    return table[[name for name in table if table[name].nunique() > 1]]


def audit_data(state):
    """Look for what could make the numbers too good, without training networks."""
    protocol = state.protocol
    trained = [task for task in state.tasks if task.target in state.results]
    if not trained:
        raise LeftOut("No task was cross-validated.")
    first = trained[0]
    items = [
        audit.audit_patients(
            audit.task_cohort(state.cohort, first),
            state.results[first.target].fold_assignment.fold_of,
        )
    ]
    outcomes = {}
    for task in trained:
        cohort = audit.task_cohort(state.cohort, task)
        result = state.results[task.target]
        labels = scored_labels(state, task)
        outcomes[task.target] = labels[~np.isnan(labels)] == 1
        y = result.y == result.classes[1]
        fold = result.fold_assignment.fold_of[result.median_repeat()]
        network = result.repeat_metrics()["auc"].median()
        scans = cohort.data["scan"]
        spacing = cohort.spacing_mm
        groups = cohort.groups if has_repeated_patients(cohort.groups) else None
        title = task.in_text
        features = audit.machine_features(scans, spacing)
        n_brightness = audit.brightness_features(scans[:1], spacing).shape[1]
        items.append(
            audit.audit_shortcut(
                f"Brightness and size: {title}",
                "Do a scan's size and brightness alone tell the label?",
                audit.out_of_fold_logistic(features[:, :n_brightness], y, fold, groups),
                network,
                what="Size and brightness",
                remedy="Look whether positive scans were made or exported in another way; the "
                "network may have learned no more.",
            )
        )
        margins = audit.margin_features(scans, spacing, protocol.width * spacing[1])
        items.append(
            audit.audit_shortcut(
                f"Margins: {title}",
                "Does what lies beside the spine and at the edges tell the label?",
                audit.out_of_fold_logistic(margins, y, fold, groups),
                network,
                what="Margins and edges",
                remedy="Look for marks, text or cut edges outside the spine that depend on the "
                "label.",
            )
        )
        for item in audit.audit_machines(cohort, y, features):
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
            items.append(audit.audit_raters(task.title, state.raters[task.target], accuracy))
    items += [
        audit.audit_events(trained, outcomes, 3),
        audit.audit_missing(state.cohort, clinical_columns(protocol), protocol.gaps),
        audit.audit_geometry(state.cohort),
    ]
    state.audit += items


def audit_shuffled(task, state):
    """Cross-validate once with shuffled labels."""
    known = known_rows(state.cohort, task.target)
    y = state.cohort.target.loc[known, task.target].to_numpy().astype(int)
    seed = state.protocol.random_state + 1
    y = shuffled_labels(y, state.cohort.groups[known], seed)
    result = _cross_validate(
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
        try:
            areas.append(float(json.loads(path.read_text())["auc"]))
            continue
        except (OSError, ValueError, KeyError, TypeError):
            # Not finished, or damaged.
            pass
        train, test = positions(fold_of != fold), positions(fold_of == fold)
        areas.append(_epoch_on_scored_fold(model, data, result.y, train, test, state.protocol))
        with replacing(path) as file:
            file.write(json.dumps({"auc": areas[-1]}).encode())
    state.audit.append(audit.audit_epoch(areas, honest))


def _epoch_on_scored_fold(model, data, y, train, test, protocol):
    from sklearn.base import clone
    from sklearn.metrics import roc_auc_score

    model = clone(model)
    before, cnn = model[:-1], model[-1]
    images = before.fit_transform(data.iloc[train])
    scored = before.transform(data.iloc[test])
    cnn.set_params(random_state=protocol.random_state)
    cnn.fit(images, y[train], X_val=scored, y_val=y[test])
    return float(roc_auc_score(y[test], cnn.predict_proba(scored)[:, 1]))
