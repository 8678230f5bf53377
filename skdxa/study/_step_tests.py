"""Steps of a study that test: the primary comparison, and the external hospital."""

import numpy as np
import pandas as pd

from skdxa.evaluation import compare, external_table, external_test, format_table
from skdxa.study._cohort import table_rows
from skdxa.study._steps import LeftOut, p_text
from skdxa.study._tasks import positions
from skdxa.study._values import NETWORK_ROW, network_threshold, scored_labels
from skdxa.validation import has_repeated_patients

# Scans of each value that a label must have at the external hospital to be scored there.
_FEWEST = 10


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
                f"{name!r} is not an experiment of {task.title}; there are "
                f"{[*names] or NETWORK_ROW}."
            )
    if clinical is None or (against is None and model == NETWORK_ROW):
        # Of all scans, also those with gaps in clinical columns.
        results, labels = {NETWORK_ROW: state.results[target]}, scored_labels(state, task)
    else:
        results, labels = clinical.results, clinical.labels
    of_scans = _scans_in_words(results[model], labels)
    if against is None:
        auc = results[model].summary(
            labels,
            interval=state.protocol.interval,
            random_state=state.protocol.random_state,
        )
        auc = auc.loc["auc"]
        apart = "lies" if auc["low"] > 0.5 or auc["high"] < 0.5 else "does not lie"
        text = (
            f"Primary comparison, stated in the protocol: {model} for {task.in_text} has an "
            f"AUC of {auc['estimate']:.2f} (95 % interval {auc['low']:.2f} to {auc['high']:.2f}), "
            f"which {apart} apart from the chance level of 0.5 ({of_scans})."
        )
        state.primary = {**primary, "auc": auc["estimate"], "low": auc["low"], "high": auc["high"]}
    else:
        test = compare(results[model], results[against], y=labels)
        text = (
            f"Primary comparison, stated in the protocol: for {task.in_text}, {model} minus "
            f"{against} is {test.estimate:+.3f} in AUC (95 % interval {test.interval.low:+.3f} to "
            f"{test.interval.high:+.3f}; {test.method}, {p_text(test.pvalue)}; {of_scans})."
        )
        state.primary = {
            **primary,
            "difference": test.estimate,
            "low": test.interval.low,
            "high": test.interval.high,
            "pvalue": test.pvalue,
        }
    state.sentences = {"Primary comparison": [text], **state.sentences}


def _scans_in_words(result, labels):
    """Say how many scans with a known label a result has, and of how many patients."""
    known = ~np.isnan(labels)
    n_scans = f"{known.sum()} scans"
    if not has_repeated_patients(result.groups):
        return n_scans
    return f"{n_scans} of {len(np.unique(result.groups[known]))} patients"


def test_externally(state):
    """Test the models of the median repeat on the external cohort: Table 2."""
    external = state.external
    if external is None:
        raise LeftOut("No external cohort was given.")
    tests, scores = {}, []
    for task in state.tasks:
        scored_on = _external_label(external, task)
        if task.target not in state.fitted or scored_on is None:
            continue
        labels = external.target[scored_on]
        known = labels.notna().to_numpy()
        if labels[known].nunique() < 2:
            state.left_out[f"External hospital: {task.title}"] = (
                f"{scored_on} has no two values there."
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
                    "scored_on": scored_on,
                    "row": positions(known),
                    "table_row": np.asarray(table_rows(external))[known],
                    "patient": external.groups[known],
                    "label": y.to_numpy(),
                    "score": found.scores["ensemble"].to_numpy(),
                }
            )
        )
        auc = tests[task.target].loc["auc"]
        state.external_labels[task.target] = scored_on
        by_label = f", scored by {scored_on}" if task.is_prediction else ""
        state.say_of(
            task.title,
            f"On {known.sum()} scans of the external hospital{by_label}, the {len(models)} models "
            f"of the median repeat reach a mean AUC of {auc['mean']:.2f} ({auc['minimum']:.2f} to "
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
    table["scored_on"] = list(state.external_labels.values())
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
        "maximum show how the models differ, not how certain the mean is."
        + "".join(
            f" {task.title} is scored by {state.external_labels[task.target]}."
            for task in state.tasks
            if task.is_prediction and task.target in state.external_labels
        ),
    )


def _external_label(external, task):
    """Return the label by which a task is scored at the external hospital, or None.

    It is that of the cross-validation if the hospital has enough scans of both of its values, and
    otherwise the label trained on.
    """
    target = external.target
    if task.scored_on in target:
        counts = target[task.scored_on].value_counts()
        if len(counts) == 2 and counts.min() >= _FEWEST:
            return task.scored_on
    return task.target if task.target in target else None
