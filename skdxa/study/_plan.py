"""The steps of a study."""

from functools import partial

from skdxa.study import _figures as figures
from skdxa.study._step_audit import audit_data, audit_epoch, audit_shuffled
from skdxa.study._step_models import beside_clinical, cross_validate, stack, test_added_value
from skdxa.study._step_tables import (
    describe_patients,
    tabulate_calibration,
    tabulate_performance,
    tabulate_raters,
    tabulate_subgroups,
    tabulate_thresholds,
)
from skdxa.study._step_tests import compare_primary, test_externally
from skdxa.study._steps import Step
from skdxa.study._values import is_fracture


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
                f"Clinical predictors and {task.title}",
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
