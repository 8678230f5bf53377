"""Steps of a study that tabulate patients, performance, raters, thresholds and subgroups."""

import warnings

import numpy as np
import pandas as pd

from skdxa.evaluation import compare, format_table, subgroup_table, threshold_at_sensitivity
from skdxa.significance import calibration, rater_agreement
from skdxa.study._audit import task_cohort
from skdxa.study._audit_shortcuts import machine_columns
from skdxa.study._clinical import clinical_columns
from skdxa.study._fracture_predictors import read_predictors
from skdxa.study._protocol import REFERENCES
from skdxa.study._steps import LeftOut
from skdxa.study._values import (
    NETWORK_ROW,
    is_pooled,
    network_threshold,
    numbers_in_words,
    raters_in_words,
    ratings_of,
    risk_of,
    scored_labels,
)

_SENSITIVITIES = (0.8, 0.9, 0.95)
_MOST_KINDS = 12
# Columns of subgroups that compare probabilities with the label that is scored.
_CALIBRATED = [f"{name}{end}" for name in ("o_e", "slope") for end in ("", "_low", "_high")]


def describe_patients(state):
    """Tabulate the patients: the clinical columns and the labels."""
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
            n_known = int(data["sex"].notna().sum())
            for sex, number in data["sex"].value_counts().items():
                rows.append(_row(name, f"sex {sex}", int(number), number / n_known))
            rows.append(_row(name, "sex known", n_known, n_known / len(data)))
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
        "labels and sex: number and share of the known ones, which are counted as known.",
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
        rows.append(_performance_row(task, NETWORK_ROW, summary, threshold, rule, labels))
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
    table["aggregation"] = "pooled" if is_pooled(state.protocol) else "mean of folds"
    texts = format_table(table, to="frame")
    texts.insert(0, "Experiment", shown)
    state.add_table(
        "table1",
        "Table 1. Performance in cross-validation",
        table,
        shown=texts.reset_index(drop=True),
        caption=f"{numbers_in_words(state.protocol)}. A star marks a variable whose p-value in "
        "the logistic model is below 0.05, unadjusted. Predictors are oriented so that higher is "
        "worse for fractures; an AUC below 0.5 means the opposite direction.",
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
    rule = "as the network's sensitivity"
    row = _performance_row(task, "stack", found.summary, found.threshold, rule, found.labels)
    return row | {"experiment": f"{task.target}: stack"}


def _performance_row(task, predictor, summary, threshold, rule, labels):
    """Return the row of a predictor in Table 1; `summary` holds its metrics with intervals."""
    row = {"experiment": task.target}
    for metric, of_metric in summary.iterrows():
        row |= {
            metric: of_metric["estimate"],
            f"{metric}_low": of_metric["low"],
            f"{metric}_high": of_metric["high"],
        }
    return row | {
        "task": task.target,
        "scored_on": task.scored_on,
        "predictor": predictor,
        "threshold": threshold,
        "rule": rule,
        "scans": int(np.isfinite(labels).sum()),
    }


def tabulate_raters(state):
    """Tabulate the agreement of the raters of each label."""
    tables, counts, names = {}, [], []
    cohorts = {"Cohort": state.cohort, "External": state.external}
    for task in state.tasks:
        for name, cohort in cohorts.items():
            ratings = None if cohort is None else ratings_of(cohort, task.target)
            if ratings is None or len(ratings) < 2:
                continue
            agreement = rater_agreement(ratings)
            counts.append(f"{name}, {task.title}: {len(ratings)} of {len(cohort.data)} scans")
            if raters_in_words(ratings) not in names:
                names.append(raters_in_words(ratings))
            if cohort is state.cohort:
                state.raters[task.target] = agreement
            tables[f"{name}: {task.title}"] = agreement
    if not tables:
        raise LeftOut(
            "The cohort holds no scans that several raters have rated, in columns such as "
            "scoliosis_r1 and scoliosis_r2."
        )
    table = pd.concat(tables, names=["labels", "raters"]).reset_index()
    state.add_table(
        "raters",
        "Agreement of raters",
        table,
        caption="Cohen's kappa of each pair, and Fleiss' of all, of the scans that all raters "
        f"have rated ({'; '.join(counts)}).{''.join(names)}",
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
    """Tabulate the network's performance at the threshold used and at chosen sensitivities."""
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
    """Tabulate how well the networks' probabilities match the observed frequencies."""
    rows = {}
    for task in state.tasks:
        found = risk_of(state, task)
        if found is None:
            continue
        labels, risk, patients = found
        known = ~np.isnan(labels)
        patients = None if patients is None else patients[known]
        fitted = calibration(labels[known], risk[known], groups=patients)
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
            too = "too" if fitted.slope < 1 else "not"
            enough = "" if fitted.slope < 1 else " enough"
            verdict = f"the probabilities are {too} extreme{enough}"
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
        caption="A calibration in the large of 0 and a slope of 1 are perfect. If another "
        "label is scored than trained on, risks were recalibrated to it within the training "
        "folds.",
    )


def _covers(interval, value):
    return interval.low <= value <= interval.high


def tabulate_subgroups(state):
    """Tabulate the performance of the networks in subgroups of the patients."""
    tables, others = {}, ""
    for task in state.tasks:
        if task.target not in state.results:
            continue
        cohort = task_cohort(state.cohort, task)
        groups = subgroups_of(cohort, state.protocol)
        if groups.empty:
            continue
        tables[task.target] = subgroup_table(
            state.results[task.target],
            groups,
            y=scored_labels(state, task),
            threshold=network_threshold(state, task)[0],
        )
        if task.is_prediction:
            # The probabilities are of the label trained on, which is another.
            tables[task.target][_CALIBRATED] = np.nan
            others = (
                f" Calibration is not shown where another label is scored ({task.scored_on}) than "
                f"trained on ({task.target})."
            )
    if not tables:
        raise LeftOut("The cohort has neither age, sex, T-score nor site.")
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
        "a class are not evaluated. interaction_p tests whether the AUC differs between the "
        f"subgroups of a variable. Models were trained on patients of all subgroups.{others}",
    )


def subgroups_of(cohort, protocol):
    """Return the subgroup of each scan by age, sex, T-score and site, as far as they are known."""
    data, found = cohort.data, {}
    if "age" in data:
        age = pd.to_numeric(data["age"], errors="coerce")
        if age.nunique() > 1:
            middle = age.median()
            old = np.where(age >= middle, f"{middle:g} and above", f"below {middle:g}")
            found["age"] = pd.Series(old, dtype=object).where(age.notna().to_numpy())
    if "sex" in data and data["sex"].nunique() > 1:
        found["sex"] = data["sex"].astype(object)
    predictors = read_predictors(data, protocol.texture, REFERENCES[protocol.reference], gaps=True)
    if "min_t_score" in predictors and predictors["min_t_score"].nunique() > 1:
        t_score = predictors["min_t_score"]
        low = np.where(t_score >= 2.5, "-2.5 or below", "above -2.5")
        found["minimum T-score"] = pd.Series(low, dtype=object).where(t_score.notna())
    for name, kinds in machine_columns(cohort).items():
        kinds = pd.Series(kinds, dtype=object)
        if kinds.nunique() <= _MOST_KINDS:
            found[name] = kinds
    table = pd.DataFrame({name: column.to_numpy() for name, column in found.items()})
    return table[[name for name in table if table[name].nunique() > 1]]
