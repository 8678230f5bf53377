"""Whole studies: a protocol that is declared and run once, and the fracture study."""

from skdxa.study._audit import AuditItem
from skdxa.study._drift import compare_with_training
from skdxa.study._estimate import StudyEstimate, count_trainings, estimate_study
from skdxa.study._explain import explain_scans
from skdxa.study._fracture import fracture_benchmarks
from skdxa.study._known_columns import known_columns
from skdxa.study._model import fit_model
from skdxa.study._output import write_csv
from skdxa.study._predict import predict_scans
from skdxa.study._protocol import PAPER_EPOCHS, Protocol
from skdxa.study._review import review_cohort
from skdxa.study._run import run_study
from skdxa.study._tasks import label_columns

__all__ = [
    "PAPER_EPOCHS",
    "AuditItem",
    "Protocol",
    "StudyEstimate",
    "compare_with_training",
    "count_trainings",
    "estimate_study",
    "explain_scans",
    "fit_model",
    "fracture_benchmarks",
    "known_columns",
    "label_columns",
    "predict_scans",
    "review_cohort",
    "run_study",
    "write_csv",
]
