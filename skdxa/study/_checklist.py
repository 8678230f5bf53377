"""Reporting checklists, filled in from what was run; the rest is left visibly open."""

import numpy as np
import pandas as pd

from skdxa.study._values import ratings_of

# Items in our own short words, by the numbers of the two statements:
# Collins GS et al., TRIPOD+AI, BMJ 385, e078378 (2024), https://doi.org/10.1136/bmj-2023-078378;
# Tejani AS et al., CLAIM 2024, Radiology: AI 6, e240300 (2024),
# https://doi.org/10.1148/ryai.240300.
_TRIPOD = (
    ("1", "title", None),
    ("2", "abstract", None),
    ("3a", "health context and rationale", None),
    ("3b", "target population and intended purpose", None),
    ("3c", "known health inequalities", None),
    ("4", "objectives", "objectives"),
    ("5a", "sources of data", "sources"),
    ("5b", "dates of data", None),
    ("6a", "setting and centres", "centres"),
    ("6b", "eligibility", "eligibility"),
    ("6c", "treatments received", None),
    ("7", "data preparation", "preparation"),
    ("8a", "outcome and its assessment", "outcome"),
    ("8b", "subjective outcome: assessors", "raters"),
    ("8c", "blinding of outcome assessment", None),
    ("9a", "choice of predictors", "predictors"),
    ("9b", "definition and measurement of predictors", "measurement"),
    ("9c", "subjective predictors: assessors", None),
    ("10", "study size", "size"),
    ("11", "missing data", "missing"),
    ("12a", "how data were used and partitioned", "partition"),
    ("12b", "handling of predictors in the analysis", "handling"),
    ("12c", "type of model, building and tuning", "model"),
    ("12d", "heterogeneity among clusters", "heterogeneity"),
    ("12e", "measures of performance", "measures"),
    ("12f", "model updating", None),
    ("12g", "how predictions are calculated", "calculation"),
    ("13", "class imbalance", "imbalance"),
    ("14", "fairness", "fairness"),
    ("15", "output and thresholds", "thresholds"),
    ("16", "differences between development and evaluation data", "differences"),
    ("17", "ethical approval", None),
    ("18a", "funding", None),
    ("18b", "conflicts of interest", None),
    ("18c", "protocol", "protocol"),
    ("18d", "registration", None),
    ("18e", "data sharing", None),
    ("18f", "code sharing", "code"),
    ("19", "patient and public involvement", None),
    ("20a", "flow of participants", "flow"),
    ("20b", "characteristics", "characteristics"),
    ("20c", "comparison with development data", "differences"),
    ("21", "participants and events per analysis", "events"),
    ("22", "full model", "full_model"),
    ("23a", "performance with intervals", "performance"),
    ("23b", "heterogeneity of performance", "heterogeneity"),
    ("24", "results of updating", None),
    ("25", "interpretation", None),
    ("26", "limitations", "limitations"),
    ("27a", "poor or missing input at use", "poor_input"),
    ("27b", "expertise needed of users", None),
    ("27c", "next steps", None),
)
_CLAIM = (
    ("1-4", "title, abstract, background", None),
    ("5", "prospective or retrospective", None),
    ("6", "study goal", "objectives"),
    ("7", "data sources", "sources"),
    ("8", "inclusion and exclusion", "eligibility"),
    ("9", "preprocessing", "preparation"),
    ("10", "selection of data subsets", "flow"),
    ("11", "de-identification", "identity"),
    ("12", "missing data", "missing"),
    ("13", "image acquisition protocol", "acquisition"),
    ("14", "reference standard", "outcome"),
    ("15", "rationale of the reference standard", None),
    ("16", "source of annotations", "raters"),
    ("17", "annotation of the test set", "raters"),
    ("18", "variability of annotation", "raters"),
    ("19", "data partitions", "partition"),
    ("20", "level of partitioning", "level"),
    ("21", "intended sample size", "size"),
    ("22", "detailed description of the model", "model"),
    ("23", "software and versions", "versions"),
    ("24", "initialisation of parameters", "initialisation"),
    ("25", "training approach", "training"),
    ("26", "selection of the final model", "selection"),
    ("27", "ensembling", "ensembling"),
    ("28", "metrics", "measures"),
    ("29", "statistical uncertainty", "performance"),
    ("30", "robustness", "robustness"),
    ("31", "explainability", "explainability"),
    ("32", "internal data", "internal"),
    ("33", "external data", "differences"),
    ("34", "clinical trial registration", None),
    ("35", "flow of participants", "flow"),
    ("36", "demographics by partition", "characteristics"),
    ("37", "performance", "performance"),
    ("38", "accuracy with intervals", "performance"),
    ("39", "failure analysis", None),
    ("40", "limitations", "limitations"),
    ("41", "implications for practice", None),
    ("42", "protocol", "protocol"),
    ("43", "availability of code and model", "code"),
    ("44", "funding", None),
)


def checklists(state, versions):
    """Return both checklists, filled in from what a study has run.

    Parameters
    ----------
    state : StudyState
        After all steps.
    versions : dict of str to str

    Returns
    -------
    dict of str to DataFrame
        By name: `item`, `topic`, `status` ("reported" or "open") and `text`.
    """
    answers = _answers(state, versions)
    lists = {}
    for name, items in (("TRIPOD+AI", _TRIPOD), ("CLAIM 2024", _CLAIM)):
        rows = []
        for number, topic, key in items:
            text = answers.get(key) if key else None
            rows.append(
                {
                    "item": number,
                    "topic": topic,
                    "status": "reported" if text else "open",
                    "text": text or "A run cannot know this: to be written by the authors.",
                }
            )
        lists[name] = pd.DataFrame(rows)
    return lists


def _answers(state, versions):
    protocol, cohort, external = state.protocol, state.cohort, state.external
    trained = [task for task in state.tasks if task.target in state.results]
    results = [state.results[task.target] for task in trained]
    verdicts = {item.name: item for item in state.audit}
    network = any(not result.histories.empty for result in results)
    return {
        "objectives": "To train and score models for "
        + ", ".join(task.in_text for task in trained)
        + (
            ". " + state.sentences["Primary comparison"][0]
            if state.primary
            else ". No primary comparison was stated."
        ),
        "sources": cohort.DESCR.splitlines()[0] + ".",
        "eligibility": f"{len(cohort.excluded)} scans listed were left out, with their reasons in "
        "Figure 2; rules of inclusion are the authors' to state.",
        "preparation": f"Scans at {cohort.spacing_mm[0]:g} x {cohort.spacing_mm[1]:g} mm, cropped "
        f"about the spine line to {protocol.height} x {protocol.width} pixels."
        if network
        else None,
        "outcome": "; ".join(
            f"{task.title}: column {task.target}"
            + (f", scored by {task.scored_on}" if task.is_prediction else "")
            for task in trained
        )
        + ". The authors must state how the labels were made.",
        "raters": _of_raters(state),
        "predictors": "The scan; for comparison, T-scores, age and texture, as far as the cohort "
        "has them, fixed before the run."
        if state.clinical
        else "The scan alone.",
        "measurement": f"T-scores by {next(iter(state.clinical.values())).reference}."
        if state.clinical
        else None,
        "size": _item(verdicts, "Events per variable"),
        "missing": _item(verdicts, "Missing data"),
        "partition": f"Stratified {protocol.n_splits}-fold cross-validation, "
        f"{protocol.n_repeats} times; every score is of a model that has not seen the patient.",
        "level": _item(verdicts, "Patients apart"),
        "handling": "Clinical predictors enter as they are, linear on the logit scale.",
        "model": "The paper's network: four convolutions with max-pooling, one dense layer; no "
        "search of hyperparameters in this run."
        if network
        else None,
        "heterogeneity": "See the table of subgroups." if "subgroups" in state.tables else None,
        "measures": "AUC, sensitivity, specificity and accuracy with 95 % intervals "
        f"({protocol.stated_interval}); calibration, net benefit, decision thresholds.",
        "calculation": "Models of the median repeat are in the folder models."
        if any(state.fitted.values())
        else None,
        "imbalance": "No resampling and no class weights; thresholds for fractures match a "
        "sensitivity.",
        "fairness": "See the table of subgroups." if "subgroups" in state.tables else None,
        "thresholds": "See the table of thresholds.",
        "differences": None
        if external is None
        else f"External cohort: {external.DESCR.splitlines()[0]}; compared in the table of "
        "patients.",
        "centres": None,
        "protocol": "The choices of the run are in manifest.json, with the seed.",
        "code": f"skdxa {versions['skdxa']}, BSD-3-Clause.",
        "flow": "Figure 2." if "figure_2_flow" in state.figures else None,
        "characteristics": "See the table of patients and labels.",
        "events": "; ".join(
            f"{task.title}: {len(result.y)} scans, {int((result.y == result.classes[1]).sum())} "
            "positive"
            for task, result in zip(trained, results, strict=True)
        )
        + ".",
        "full_model": "Models of the median repeat are saved, with model cards."
        if any(state.fitted.values())
        else None,
        "performance": "Table 1" + (" and Table 2." if "table2" in state.tables else "."),
        "limitations": _limitations(state),
        "poor_input": "skdxa predict remarks on unusual scans; this run has not measured how they "
        "are scored.",
        "identity": "Only pixels and spacing are read from files; identifiers in the table are "
        "the authors' to remove.",
        "acquisition": None,
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()) + ".",
        "initialisation": f"Random, seeded by {protocol.random_state}, the repeat and the fold."
        if network
        else None,
        "training": f"{protocol.epochs} epochs with mirrored copies; the best epoch on "
        f"{100 * protocol.validation_fraction:g} % of the training scans."
        if network
        else None,
        "selection": _item(verdicts, "Choice of the epoch"),
        "ensembling": "None in Table 1; Table 2 also gives the averaged score."
        if external is not None
        else "None.",
        "robustness": "; ".join(
            f"{item.name}: {item.verdict}" for item in state.audit if item.verdict != "open"
        )
        + "."
        if state.audit
        else None,
        "explainability": "Figure 6." if "figure_6_explanations" in state.figures else None,
        "internal": f"{len(cohort.data)} scans of {len(np.unique(cohort.groups))} patients.",
    }


def _item(verdicts, name):
    return verdicts[name].finding if name in verdicts else None


def _of_raters(state):
    rated = {
        task.title: ratings_of(state.cohort, task.target).shape[1]
        for task in state.tasks
        if task.target in state.raters
    }
    if not rated:
        return None
    return "; ".join(f"{title}: {number} raters" for title, number in rated.items()) + (
        ", whose agreement is tabulated."
    )


def _limitations(state):
    found = [item.finding for item in state.audit if item.verdict in ("fault", "look at this")]
    if state.simulated:
        found.insert(0, "The patients are simulated: the results are not clinical evidence.")
    return " ".join(found) or None
