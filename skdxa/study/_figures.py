"""The figures of a study's report."""

import textwrap
from types import SimpleNamespace

import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.pipeline import Pipeline

from skdxa.classification import SpineCNNClassifier
from skdxa.evaluation import positive_scores, response_method_of
from skdxa.study._output import naming
from skdxa.study._steps import LeftOut, Picture
from skdxa.study._tasks import known_rows, title_of
from skdxa.study._values import (
    NETWORK_ROW,
    is_fracture,
    network_threshold,
    numbers_in_words,
    raters_in_words,
    ratings_of,
    risk_of,
    scored_labels,
)

_DPI = 130
_PAGE, _ROW = 7.2, 3.9
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_BENCHMARKS = {"Min T-score": "Min T-score (min spine/hip)", "Age": "Age"}


def save_picture(state, figure, stem, *, title, caption, alternative):
    """Save a figure as PNG and SVG, and list it for the report."""
    from skdxa.displays import save_display

    folder = state.folder / "figures"
    folder.mkdir(exist_ok=True)
    caption = f"Simulated patients. {caption}" if state.simulated else caption
    for kind in ("png", "svg"):
        with naming(folder / f"{stem}.{kind}") as path:
            save_display(SimpleNamespace(figure_=figure), path, dpi=_DPI)
    state.figures[stem] = Picture(stem, title, caption, alternative)


def flow(state):
    """Draw the flow chart of the cohorts: Figure 2."""
    from skdxa.displays import CohortFlowDisplay

    cohorts = {"Cohort": state.cohort}
    if state.external is not None:
        cohorts["External hospital"] = state.external
    targets = list(dict.fromkeys(name for task in state.tasks for name in _labels_of(task)))
    present = {name for cohort in cohorts.values() for name in cohort.target}
    display = CohortFlowDisplay.from_cohorts(
        cohorts,
        targets=targets,
        names={name: title_of(name) for name in targets if name in present},
    )
    counts = display.frame()
    kept = counts[counts["step"].isin(["listed", "kept"])]
    steps = "; ".join(f"{row.cohort}: {row.scans} {row.step}" for row in kept.itertuples())
    save_picture(
        state,
        display.figure_,
        "figure_2_flow",
        title="Figure 2. Flow of patients",
        caption="Scans listed, left out with the reason, and kept, with their labels.",
        alternative=f"Flow chart. {steps}.",
    )


def _write_title(state, ax, title):
    """Set the title of axes, in several lines if they are narrow, and state if simulated."""
    title = f"{title} (simulated)" if state.simulated else title
    n_characters = int(
        ax.get_position(original=True).width * ax.figure.bbox.width / ax.figure.dpi * 13
    )
    ax.set_title(textwrap.fill(title, n_characters), fontsize="medium")


def _labels_of(task):
    return (task.target, task.scored_on)


def scans(state):
    """Draw a typical negative and a typical positive scan: Figure 1."""
    from skdxa.displays import ScanDisplay, paper_figure

    task = _trained(state)[0]
    result = state.results[task.target]
    known = known_rows(state.cohort, task.target)
    data, score = state.cohort.data[known]["scan"], result.oof_scores()
    positive = result.y == result.classes[1]
    lowest = np.flatnonzero(~positive)[np.argmin(score[~positive])]
    highest = np.flatnonzero(positive)[np.argmax(score[positive])]
    figure = paper_figure(_PAGE, 3.4)
    name = task.in_text
    for ax, letter, row, label in zip(
        figure.subplots(1, 2), "ab", (lowest, highest), (f"no {name}", name), strict=True
    ):
        ScanDisplay.from_scan(data.iloc[row], spacing_mm=state.cohort.spacing_mm, ax=ax)
        _write_title(state, ax, f"({letter}) {label}, score {score[row]:.2f}")
    save_picture(
        state,
        figure,
        "figure_1_scans",
        title="Figure 1. Two scans",
        caption=f"(a) The scan without {name} that the networks scored lowest out of fold, and "
        f"(b) the scan with {name} that they scored highest.",
        alternative=f"Two scans of the lumbar spine side by side: one labelled as no {name}, "
        "with a "
        f"score of {score[lowest]:.2f}, and one labelled as {name}, with {score[highest]:.2f}.",
    )


def _trained(state):
    tasks = [task for task in state.tasks if task.target in state.results]
    if not tasks:
        raise LeftOut("No task was cross-validated.")
    return tasks


def detection(state):
    """Draw ROC curves and confusion matrices of what is seen on the scan: Figure 4."""
    tasks = [task for task in _trained(state) if not is_fracture(task)]
    if not tasks:
        raise LeftOut("No task detects something on the scan.")
    _curves(
        state,
        tasks,
        "figure_4_detection",
        "Figure 4. Detection",
        "Pooled out-of-fold scores of the repeat with the median AUC. The cross marks the "
        "threshold of the confusion matrix.",
    )


def prediction(state):
    """Draw ROC curves and confusion matrices of fractures, with the benchmarks: Figure 5."""
    tasks = [task for task in _trained(state) if is_fracture(task)]
    if not tasks:
        raise LeftOut("No task predicts fractures.")
    _curves(
        state,
        tasks,
        "figure_5_fractures",
        "Figure 5. Fractures",
        "The network compared with T-score, texture and age, in the repeat with the median AUC. "
        "The cross marks the threshold of the confusion matrix.",
    )


def _curves(state, tasks, stem, title, caption):
    from skdxa.displays import RepeatedRocDisplay, paper_figure

    figure = paper_figure(_PAGE, _ROW * len(tasks))
    letters, described = iter(_LETTERS), []
    for (roc, counts), task in zip(
        figure.subplots(len(tasks), 2, squeeze=False), tasks, strict=True
    ):
        clinical = state.clinical.get(task.target)
        with_benchmarks = is_fracture(task) and clinical is not None
        if with_benchmarks:
            result, labels = clinical.results[NETWORK_ROW], clinical.labels
        else:
            result, labels = state.results[task.target], scored_labels(state, task)
        threshold = network_threshold(state, task)[0]
        benchmarks = {}
        if with_benchmarks:
            texture = (
                "TBS (avg L1-L4)" if state.protocol.texture == "tbs" else state.protocol.texture
            )
            wanted = {**_BENCHMARKS, "TBS": texture}
            benchmarks = {
                name: clinical.scores[row]
                for name, row in wanted.items()
                if row in clinical.scores
            }
        display = RepeatedRocDisplay.from_result(
            result, y=labels, threshold=threshold, benchmarks=benchmarks, name="network", ax=roc
        )
        shuffled = ", labels shuffled" * state.protocol.shuffle_labels
        for ax in (roc, counts):
            _write_title(state, ax, f"({next(letters)}) {task.in_text}{shuffled}")
        matrix = result.confusion_matrix(labels, threshold=threshold)
        ConfusionMatrixDisplay(matrix.to_numpy(), display_labels=["no", "yes"]).plot(
            ax=counts, cmap="Blues", colorbar=False
        )
        described.append(
            f"{task.title}: AUC {display.roc_auc:.2f}; of the positive scans "
            f"{matrix.to_numpy()[1, 1]} called positive and {matrix.to_numpy()[1, 0]} negative, "
            f"of the negative ones {matrix.to_numpy()[0, 1]} and {matrix.to_numpy()[0, 0]}"
        )
    save_picture(
        state,
        figure,
        stem,
        title=title,
        caption=caption,
        alternative=f"ROC curve and confusion matrix of each task. {'. '.join(described)}.",
    )


def explanations(state):
    """Draw explanations of the network of the fold with the median AUC: Figure 6."""
    from skdxa.displays import ExplanationDisplay, paper_figure

    tasks = [task for task in _trained(state) if _is_network(state, task)]
    if not tasks:
        raise LeftOut("The model is not a network of skdxa, whose layers could be shown.")
    figure = paper_figure(_PAGE, 2.5 * len(tasks))
    described = []
    parts = figure.subfigures(len(tasks)) if len(tasks) > 1 else [figure]
    for part, task, letter in zip(parts, tasks, _LETTERS, strict=False):
        result, models = state.results[task.target], state.fitted[task.target]
        fold = _median_fold_of(result, models)
        model = models[fold]
        known = known_rows(state.cohort, task.target)
        scored = np.flatnonzero(result.fold_assignment.fold_of[fold[0]] == fold[1])
        positive = scored[result.y[scored] == result.classes[1]]
        data = state.cohort.data[known].iloc[positive]
        score = positive_scores(model, data, response_method_of(model))
        surest = np.argmax(score)
        simulated = "simulated: " * state.simulated
        ExplanationDisplay.from_estimator(
            model,
            data.iloc[[surest]],
            titles=None,
            figure=part,
            title=f"({letter}) {simulated}{task.in_text}, probability {score[surest]:.2f}",
            spacing_mm=state.cohort.spacing_mm,
            random_state=state.protocol.random_state,
        )
        described.append(f"{task.title}, probability {score[surest]:.2f}")
    save_picture(
        state,
        figure,
        "figure_6_explanations",
        title="Figure 6. Explanations of the networks",
        caption="For each task, the positive scan with the highest probability in the fold with "
        "the median AUC: input, Grad-CAM, gradients, feature maps, and patterns that maximise the "
        "activation of the same kernels. Such maps can look plausible and still mislead.",
        alternative="For each task a row of pictures: the scan, a heat map, gradients, feature "
        f"maps and patterns. {'; '.join(described)}.",
    )


def _is_network(state, task):
    models = state.fitted.get(task.target)
    if not models:
        return False
    model = next(iter(models.values()))
    return isinstance(model, Pipeline) and isinstance(model[-1], SpineCNNClassifier)


def _median_fold_of(result, models):
    """Return the fold with the median AUC among those whose model was kept."""
    areas = result.fold_metrics().set_index(["repeat", "fold"])["auc"]
    areas = areas[[*models]].dropna()
    return areas.sort_values(kind="stable").index[(len(areas) - 1) // 2]


def learning_curves(state):
    """Draw the learning curves of the fold with the median AUC: Figure 7."""
    from skdxa.displays import TrainingCurveDisplay, paper_figure

    tasks = [task for task in _trained(state) if not state.results[task.target].histories.empty]
    if not tasks:
        raise LeftOut("The model keeps no learning curves.")
    figure = paper_figure(_PAGE, 3.0)
    described = []
    for ax, task, letter in zip(
        figure.subplots(1, len(tasks), squeeze=False)[0], tasks, _LETTERS, strict=False
    ):
        display = TrainingCurveDisplay.from_result(state.results[task.target], ax=ax)
        # The panels are narrow.
        ax.xaxis.get_major_locator().set_params(nbins=5)
        _write_title(state, ax, f"({letter}) {task.title}")
        last = display.frame().iloc[-1]
        described.append(
            f"{task.title}: the training error ends at {last['training']:.2f}, the epoch kept is "
            f"{display.best_epoch}"
        )
    save_picture(
        state,
        figure,
        "figure_7_learning_curves",
        title="Figure 7. Learning curves",
        caption="Mean error of training and validation over the epochs, in the fold with the "
        "median AUC. Validation scans were split off from the training folds.",
        alternative=f"Learning curves. {'. '.join(described)}.",
    )


def calibration(state):
    """Draw how well the networks' probabilities match the observed frequencies."""
    from skdxa.displays import CalibrationDisplay, paper_figure

    risk_by_task = {task: risk_of(state, task) for task in _trained(state)}
    risk_by_task = {task: risk for task, risk in risk_by_task.items() if risk is not None}
    if not risk_by_task:
        raise LeftOut("No model gives probabilities.")
    figure = paper_figure(_PAGE, 3.6)
    axes = figure.subplots(1, len(risk_by_task), squeeze=False)[0]
    panels = zip(axes, risk_by_task.items(), _LETTERS, strict=False)
    for ax, (task, (labels, risk, patients)), letter in panels:
        try:
            CalibrationDisplay.from_predictions(labels, risk, groups=patients, ax=ax)
        except ValueError as error:
            raise LeftOut(f"{task.title}: {error}") from error
        _write_title(state, ax, f"({letter}) {task.title}")
    save_picture(
        state,
        figure,
        "calibration",
        title="Calibration",
        caption="Observed share of positive scans against the network's probability, smoothed, "
        "with 95 % bands. On the diagonal, the probabilities are correct.",
        alternative="Calibration curves of "
        + ", ".join(task.in_text for task in risk_by_task)
        + ".",
    )


def decision_curves(state):
    """Draw the net benefit of acting on predicted risks."""
    from skdxa.displays import DecisionCurveDisplay, paper_figure

    risk_by_task = {}
    for task in _trained(state):
        clinical = state.clinical.get(task.target)
        if clinical is not None and is_fracture(task):
            wanted = (NETWORK_ROW, "Min T-score (min spine/hip)", "Min T-score + deep learning")
            risks = {
                name.split(" (")[0]: clinical.risks[name].to_numpy()
                for name in wanted
                if name in clinical.risks
            }
            risk_by_task[task] = clinical.labels, risks
        elif risk_of(state, task) is not None:
            labels, risk, _ = risk_of(state, task)
            risk_by_task[task] = labels, {"network": risk}
    if not risk_by_task:
        raise LeftOut("No model gives probabilities.")
    # Arranged in one column, since a legend needs the width.
    figure = paper_figure(5, 2.9 * len(risk_by_task))
    axes = figure.subplots(len(risk_by_task), 1, squeeze=False)[:, 0]
    panels = zip(axes, risk_by_task.items(), _LETTERS, strict=False)
    for ax, (task, (labels, risks)), letter in panels:
        DecisionCurveDisplay.from_predictions(labels, risks, ax=ax)
        _write_title(state, ax, f"({letter}) {task.title}")
    save_picture(
        state,
        figure,
        "net_benefit",
        title="Net benefit",
        caption="Net benefit of acting on a risk, against the risk from which one would act. A "
        "model is useful where its curve lies above both acting on all and on none.",
        alternative=f"Decision curves of {', '.join(task.in_text for task in risk_by_task)}.",
    )


def raters(state):
    """Draw the agreement of the raters."""
    from skdxa.displays import RaterAgreementDisplay, paper_figure

    rated = [task for task in state.tasks if task.target in state.raters]
    if not rated:
        raise LeftOut("The cohort itself has no ratings.")
    figure = paper_figure(_PAGE / 2 * max(len(rated), 1), 1.9)
    names = []
    for ax, task in zip(figure.subplots(1, len(rated), squeeze=False)[0], rated, strict=True):
        ratings = ratings_of(state.cohort, task.target)
        RaterAgreementDisplay.from_ratings(ratings, ax=ax)
        names.append(raters_in_words(ratings))
        _write_title(state, ax, task.title)
    described = "; ".join(
        f"{task.title}: kappa {state.raters[task.target].loc['all', 'kappa']:.2f}"
        for task in rated
    )
    save_picture(
        state,
        figure,
        "raters",
        title="Agreement of raters",
        caption="Scans by the ratings of each pair of raters, and kappa with its interval."
        + "".join(dict.fromkeys(names)),
        alternative=f"Tables of ratings by pairs of raters. {described}.",
    )


def forest(state):
    """Draw the AUCs of all experiments with their intervals."""
    from skdxa.displays import ForestDisplay, paper_figure

    if "table1" not in state.tables:
        raise LeftOut("There is no Table 1.")
    table = state.tables["table1"].numbers
    names = {
        row.Index: f"{title_of(row.task)}: "
        + ("network" if row.predictor == NETWORK_ROW else row.predictor.split(" (")[0])
        for row in table.itertuples()
    }
    figure = paper_figure(_PAGE, 1 + 0.22 * len(table))
    ax = figure.subplots()
    ForestDisplay.from_table(table.rename(index=names), ax=ax)
    if state.simulated:
        ax.set_title("Simulated patients", fontsize="medium")
    save_picture(
        state,
        figure,
        "auc_of_all",
        title="AUC of all predictors",
        caption=f"{numbers_in_words(state.protocol)}; the line marks chance.",
        alternative="AUC with interval of every network and clinical predictor, as in Table 1.",
    )
