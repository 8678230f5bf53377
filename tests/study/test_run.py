"""A study from its protocol to its report."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Bunch
from study_cohorts import cheap_model, small_cohort
from tally import Tally

from skdxa import __version__
from skdxa.classification import make_stack
from skdxa.densitometry import FINNISH_WOMEN
from skdxa.evaluation import Folds
from skdxa.exceptions import CheckpointError, CohortError, ModelFileError
from skdxa.simulation import make_spine_cohort
from skdxa.study import Protocol, _run, run_study
from skdxa.study._clinical import check_clinical
from skdxa.study._fracture_predictors import read_predictors
from skdxa.study._plan import study_steps
from skdxa.study._resume import telling_what_is_kept
from skdxa.study._step_audit import audit_data
from skdxa.study._step_models import cross_validate
from skdxa.study._step_tables import tabulate_performance
from skdxa.study._steps import Step
from skdxa.study._tasks import rename_columns
from skdxa.texture import VariogramSlope

QUICK = Protocol.quick(n_repeats=2, added_value_draws=3)
ONE = Protocol(targets=("scoliosis",), n_splits=3)


def run(protocol, cohort, out, **options):
    return run_study(
        protocol, cohort, out=out, **{"model": cheap_model(), "progress": False, **options}
    )


@pytest.fixture
def short(monkeypatch):
    """Leave out all steps but cross-validation and Table 1."""

    def steps(protocol, tasks, external):
        return [
            *(Step(task.title, lambda state, task=task: cross_validate(task, state))
              for task in tasks),
            Step("Table 1", tabulate_performance),
        ]  # fmt: skip

    monkeypatch.setattr("skdxa.study._run.study_steps", steps)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Run a whole study of a cheap classifier: three tasks and another hospital."""
    lines = []
    protocol = QUICK.with_changes(
        primary={"target": "scoliosis", "against": "Age"}, columns={"year": "Exam year"}
    )
    cohort = small_cohort()
    cohort.data["Exam year"] = 2000 + np.arange(90) % 7
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skdxa.study._added_value._N_RESAMPLES", 20)
        study = run(
            protocol,
            cohort,
            tmp_path_factory.mktemp("whole") / "report",
            external=small_cohort(40, seed=1),
            report=lines.append,
        )
    study.cohort, study.lines = cohort, lines
    return study


def test_all_tables_and_figures_are_there(whole):
    tables = {path.stem for path in (whole.out / "tables").iterdir()}
    assert tables >= {
        "table1",
        "table2",
        "patients",
        "raters",
        "thresholds",
        "calibration",
        "subgroups",
        "audit",
        "checklist_tripod_ai",
        "checklist_claim_2024",
        "coefficients_scoliosis",
        "added_unreliable",
        "net_benefit_fracture_ever",
    }
    figures = {path.name for path in (whole.out / "figures").iterdir()}
    for stem in (
        "figure_1_scans",
        "figure_2_flow",
        "figure_4_detection",
        "figure_5_fractures",
        "calibration",
        "net_benefit",
        "raters",
        "auc_of_all",
    ):
        assert {f"{stem}.png", f"{stem}.svg"} <= figures
    assert set(whole.left_out) == {"Figure 6", "Figure 7", "Audit: choice of the epoch"}
    assert not (whole.out.parent / "report.unfinished").exists()
    assert [path.name for path in whole.out.parent.iterdir()] == ["report"]


def test_table_1_holds_networks_and_clinical_predictors_of_every_task(whole):
    table = pd.read_csv(whole.out / "table1.csv", index_col="experiment")
    pd.testing.assert_frame_equal(
        table, pd.read_csv(whole.out / "tables" / "table1.csv", index_col="experiment")
    )
    for task in ("scoliosis", "unreliable", "fracture_ever"):
        rows = table[table["task"] == task]
        assert rows["predictor"].tolist()[:3] == [
            "Deep learning",
            "Spine T-score (min L1-L4)",
            "Hip T-score (min neck/total)",
        ]
        assert len(rows) == 10 + (task == "fracture_ever")
    result = whole.results["scoliosis"]
    assert table.loc["scoliosis", "auc"] == result.summary().loc["auc", "estimate"]
    assert table.loc["fracture_ever", "scored_on"] == "fracture_5y"
    assert table.loc["fracture_ever: stack", "auc"] > 0
    assert table["patients"].unique().tolist() == ["real"]
    assert table["aggregation"].unique().tolist() == ["mean of folds"]
    assert "AUC, mean of folds" in (whole.out / "report.html").read_text()
    assert table.loc["scoliosis: Age", "minus_network_pvalue"] < 1


def test_scores_models_and_manifest(whole):
    scores = pd.read_parquet(whole.out / "scores" / "scoliosis.parquet")
    first = scores[scores["repeat"] == 0].sort_values("row")
    np.testing.assert_array_equal(first["label"], whole.cohort.target["scoliosis"])
    np.testing.assert_array_equal(first["score"], whole.results["scoliosis"].repeat_scores(0))
    external = pd.read_parquet(whole.out / "scores" / "external.parquet")
    assert external["table_row"].tolist() == external["row"].tolist()
    # The simulated hospital of the tests has fractures too.
    assert set(external["target"]) == {"scoliosis", "unreliable", "fracture_ever"}
    manifest = json.loads((whole.out / "manifest.json").read_text())
    assert manifest["versions"]["skdxa"] == __version__
    assert manifest["scans"]["scoliosis"]["n"] == 90
    assert manifest["primary"]["against"] == "Age"
    assert manifest["excluded"][0]["scan"] == "b.npy"
    assert "n_subjects" not in manifest["parameters"]
    assert any("were not saved" in note for note in manifest["notes"])


def test_what_was_found_is_said(whole):
    assert next(iter(whole.sentences)) == "Primary comparison"
    assert whole.sentences["Primary comparison"][0].startswith(
        "Primary comparison, stated in the protocol: for scoliosis, Deep learning minus Age is +0."
    )
    first = whole.sentences["Scoliosis"][0]
    auc = whole.table.loc["scoliosis", "auc"]
    assert first.startswith(f"The network for scoliosis reached a mean AUC of {auc:.2f} (95 % int")
    assert whole.sentences["Fracture"][0].startswith(
        "The network for fracture, trained on fracture_ever and scored by fracture_5y, reached"
    )
    assert any(
        sentence.startswith("Against 3 draws of labels in which the scan holds nothing beyond min")
        for sentence in whole.sentences["Fracture"]
    )
    assert any("about" in line and "of training left" in line for line in whole.lines)


def test_the_audit_answers_every_question(whole):
    verdicts = whole.audit.set_index("name")["verdict"]
    assert verdicts["Patients apart"] == "nothing found"
    assert verdicts["Hospitals apart"] == "nothing found"
    assert verdicts["Labels shuffled"] == "nothing found"
    assert verdicts["Spacing and unit"] == "open"
    assert verdicts["Predictable from the year: scoliosis"] == "nothing found"
    assert (verdicts != "fault").all()


def test_the_audit_compares_scans_without_a_label_of_the_first_task(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "skdxa.study._run.study_steps",
        lambda protocol, tasks, external: [
            *(Step(task.title, partial(cross_validate, task)) for task in tasks),
            Step("Table 1", tabulate_performance),
            Step("Audit", audit_data),
        ],
    )
    cohort = small_cohort()
    cohort.data.at[80, "scan"] = cohort.data.at[3, "scan"].copy()
    cohort.target.loc[70:, "scoliosis"] = np.nan
    protocol = Protocol(targets=("scoliosis", "unreliable"), n_splits=3, n_repeats=9)
    study = run(protocol, cohort, tmp_path / "out")
    found = study.audit.set_index("name").loc["Patients apart"]
    assert found["verdict"] == "fault"
    assert "different folds (unreliable BMD): rows 3 and 80. The most similar" in found["finding"]


def test_a_task_without_columns_is_left_out_and_a_named_one_is_an_error(short, tmp_path):
    cohort = small_cohort()
    cohort.target = cohort.target[["scoliosis", "fracture_ever"]]
    study = run(QUICK, cohort, tmp_path / "out")
    assert list(study.results) == ["scoliosis", "fracture_ever"]
    assert "no target 'unreliable'" in study.left_out["Unreliable BMD"]
    assert "no target 'fracture_5y'" in study.left_out["Fracture: scoring by fracture_5y"]
    with pytest.raises(CohortError, match="no target 'unreliable'"):
        run(Protocol(targets=("unreliable",)), cohort, tmp_path / "other")
    assert not (tmp_path / "other.unfinished").exists()


def test_an_unknown_target_is_found_before_patients_are_simulated(tmp_path, monkeypatch):
    simulated = []

    def simulate(n_subjects, **options):
        simulated.append(n_subjects)
        return make_spine_cohort(n_subjects, **options)

    monkeypatch.setattr("skdxa.study._run.make_spine_cohort", simulate)
    with pytest.raises(CohortError, match=r"no target 'kyphosis'; it has \['scoliosis'"):
        run(Protocol(targets=("kyphosis",)), None, tmp_path / "out")
    assert simulated == [1]


def test_columns_have_the_names_that_the_protocol_gives(short, tmp_path):
    cohort = small_cohort()
    cohort.data = cohort.data.rename(columns={"age": "Age (years)"})
    cohort.target = cohort.target.rename(columns={"scoliosis": "Cobb > 10/15"})
    protocol = ONE.with_changes(columns={"age": "Age (years)", "scoliosis": "Cobb > 10/15"})
    study = run(protocol, cohort, tmp_path / "out")
    assert study.table.index.tolist() == ["scoliosis"]
    with pytest.raises(CohortError, match=r"no column 'Age \(year\)', .* Did you mean 'Age \(ye"):
        run(ONE.with_changes(columns={"age": "Age (year)"}), cohort, tmp_path / "b")
    with pytest.raises(CohortError, match="has a column 'tbs' in addition to 'age'"):
        run(ONE.with_changes(columns={"tbs": "age"}), small_cohort(), tmp_path / "c")


@pytest.mark.parametrize(
    ("primary", "message"),
    [
        ({"target": "scoliosis", "model": "Magic"}, "model must be one of .*Age.*; got 'Magic'"),
        ({"target": "scoliosis", "against": "Deep learning"}, "with itself"),
    ],
)
def test_a_primary_comparison_of_unknown_experiments_is_refused(tmp_path, primary, message):
    with pytest.raises(ValueError, match=message):
        run(ONE.with_changes(primary=primary), small_cohort(), tmp_path / "out")


def test_gaps_are_left_out_or_imputed(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "skdxa.study._run.study_steps",
        lambda *arguments: [
            step
            for step in study_steps(*arguments)
            if step.name.startswith(("Cross", "Clinical", "Table 1", "Audit: patients"))
        ],
    )
    monkeypatch.setattr("skdxa.study._added_value._N_RESAMPLES", 20)
    cohort = small_cohort()
    cohort.data.loc[:6, "tbs"] = np.nan
    cohort.data.loc[7:9, "bmd_L2"] = np.nan
    for gaps, n_scans in (("leave_out", 80), ("impute", 90)):
        protocol = ONE.with_changes(gaps=gaps)
        study = run(protocol, cohort, tmp_path / gaps)
        assert study.clinical["scoliosis"].n_scans == n_scans
        assert study.clinical["scoliosis"].n_gaps == 10
        finding = study.audit.set_index("name").loc["Missing data", "finding"]
        assert "missing bmd_L2 in 3, tbs in 7; they were" in finding
        assert np.isfinite(study.table["auc"]).all()


@pytest.mark.parametrize(("gaps", "n_scans"), [("leave_out", 78), ("impute", 90)])
def test_the_stack_follows_the_rule_for_gaps(tmp_path, monkeypatch, gaps, n_scans):
    states = []
    monkeypatch.setattr(
        "skdxa.study._run.study_steps",
        lambda *arguments: [
            *(
                step
                for step in study_steps(*arguments)
                if step.name.startswith(("Cross", "Clinical", "Stack", "Table 1"))
            ),
            Step("Keep", states.append),
        ],
    )
    monkeypatch.setattr("skdxa.study._added_value._N_RESAMPLES", 20)
    cohort = small_cohort()
    cohort.data.loc[:9, "tbs"] = np.nan
    cohort.data.loc[8:11, "age"] = np.nan
    protocol = Protocol(targets=("fracture_ever",), n_splits=3, stack_folds=2, gaps=gaps)
    study = run(protocol, cohort, tmp_path / "out")
    assert study.table.loc["fracture_ever: stack", "auc"] > 0
    (sentence,) = [text for text in study.sentences["Fracture"] if text.startswith("In a stack")]
    assert {
        "leave_out": "; 12 scans with gaps in these columns were left out)",
        "impute": "; gaps in 12 scans were filled by medians of the training folds)",
    }[gaps] in sentence
    found = states[0].stacks["fracture_ever"]
    assert len(found.labels) == n_scans
    if gaps == "leave_out":
        return

    # By hand, fold by fold.
    columns = ["min_t_score", "age", "tbs"]
    predictors = read_predictors(cohort.data, "tbs", FINNISH_WOMEN, gaps=True)
    table = cohort.data[["scan"]].assign(
        min_t_score=-predictors["min_t_score"], age=cohort.data["age"], tbs=cohort.data["tbs"]
    )
    y, fold_of = cohort.target["fracture_ever"].to_numpy(), found.result.fold_assignment.fold_of[0]
    # Those by which it is decided whether a column can be filled.
    drawn = Folds.draw(
        y.astype(int),
        groups=cohort.groups,
        n_splits=3,
        n_repeats=1,
        random_state=protocol.random_state,
    )
    np.testing.assert_array_equal(drawn.fold_of[0], fold_of)
    score = np.empty(90)
    for test in (fold_of == fold for fold in range(3)):
        filled = table.fillna(table.loc[~test, columns].median())
        stack = make_stack(
            cheap_model(), columns, lower_is_worse=["min_t_score", "tbs"], cv=2, random_state=0
        )
        stack.fit(filled[~test], y[~test])
        score[test] = stack.predict_proba(filled[test])[:, 1]
    np.testing.assert_allclose(found.result.repeat_scores(0), score, rtol=1e-6)


@pytest.fixture
def with_stack(monkeypatch):
    """Leave out all steps but those that need clinical columns."""
    kept = ("Cross", "Clinical", "Stack", "Added", "Table 1", "Audit: patients")
    monkeypatch.setattr(
        _run,
        "study_steps",
        lambda *arguments: [
            step for step in study_steps(*arguments) if step.name.startswith(kept)
        ],
    )
    monkeypatch.setattr("skdxa.study._added_value._N_RESAMPLES", 20)
    cohort = small_cohort()
    # So that the folds of the network and of the stack are the same.
    del cohort.target["fracture_5y"]
    return cohort


def known_in_one_fold(cohort, protocol):
    """Return three scans of one fold."""
    folds = Folds.draw(
        cohort.target["fracture_ever"].astype(int),
        groups=cohort.groups,
        n_splits=protocol.n_splits,
        n_repeats=1,
        random_state=protocol.random_state,
    )
    return np.flatnonzero(folds.fold_of[0] == 1)[:3]


def test_a_column_that_cannot_be_filled_in_a_fold_is_left_out(with_stack, tmp_path):
    cohort = with_stack
    protocol = Protocol(targets=("fracture_ever",), n_splits=3, stack_folds=2, gaps="impute")
    known = known_in_one_fold(cohort, protocol)
    cohort.data.loc[~cohort.data.index.isin(known), "tbs"] = np.nan
    study = run(protocol, cohort, tmp_path / "out")
    assert set(study.left_out) == {"Fracture: scoring by fracture_5y"}
    notes = [note for note in study.manifest["notes"] if "the values of tbs all lie" in note]
    assert [note.rpartition(" left out of ")[2] for note in notes] == [
        "the comparison with clinical predictors.",
        "the stack.",
    ]
    assert "Age" in study.clinical["fracture_ever"].results
    assert "TBS (avg L1-L4)" not in study.clinical["fracture_ever"].results
    (sentence,) = [text for text in study.sentences["Fracture"] if text.startswith("In a stack")]
    assert "In a stack trained without a leak, minimum T-score, age and the network" in sentence
    # Those without a value of the column that was left out have no gap.
    assert "gaps in" not in sentence
    assert study.clinical["fracture_ever"].n_gaps == 0
    finding = study.audit.set_index("name").loc["Missing data", "finding"]
    assert "tbs could not be filled in every fold and was left out." in finding
    # As if the column were not there.
    del cohort.data["tbs"]
    without = run(protocol, cohort, tmp_path / "without")
    pd.testing.assert_frame_equal(study.table, without.table)


def test_too_few_scans_without_gaps_leave_out_what_needs_them(with_stack, tmp_path):
    cohort = with_stack
    protocol = Protocol(targets=("fracture_ever",), n_splits=3, stack_folds=2, added_value_draws=2)
    cohort.data.loc[2:, "tbs"] = np.nan
    study = run(protocol, cohort, tmp_path / "out")
    assert set(study.left_out) == {
        "Fracture: scoring by fracture_5y",
        "Clinical predictors and Fracture",
        "Stack for Fracture",
        "Added value for Fracture, with retrained models",
    }
    for name in ("Stack for Fracture", "Added value for Fracture, with retrained models"):
        assert study.left_out[name].startswith(
            "The 2 scans with values in min_t_score, age, tbs cannot be divided into folds: "
        )


def test_same_seed_same_table_for_any_number_of_processes(short, tmp_path):
    cohort = small_cohort()
    cohort.target.loc[:9, "scoliosis"] = np.nan
    model = LogisticRegression()
    cohort.data["scan"] = cohort.data["scan"]
    tables = [
        run(ONE, cohort, tmp_path / name, model={"scoliosis": cheap_model()}).table
        for name in ("a", "b")
    ]
    pd.testing.assert_frame_equal(*tables)
    scores = pd.read_parquet(tmp_path / "a" / "scores" / "scoliosis.parquet")
    assert scores["row"].min() == 10
    with pytest.raises(ValueError, match=r"no classifier for 'scoliosis'; it has \['other'\]"):
        run(ONE, cohort, tmp_path / "c", model={"other": model})


# Files


def test_an_interrupted_study_goes_on_where_it_was(short, tmp_path, monkeypatch):
    out, cohort = tmp_path / "out", small_cohort()
    expected = run(QUICK, cohort, tmp_path / "expected").table
    fits = Tally()

    class Counting(LogisticRegression):
        def fit(self, X, y):
            fits.append(len(y))
            if len(fits) == 8:
                raise KeyboardInterrupt
            return super().fit(X, y)

    model = cheap_model().set_params(logisticregression=Counting(C=0.1))
    with pytest.raises(KeyboardInterrupt):
        run(QUICK, cohort, out, model=model)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("out")] == [
        "out.unfinished"
    ]
    study = run(QUICK, cohort, out, model=model)
    # Three tasks of two repeats of three folds. One split began twice; the models of the median
    # repeat cannot be saved, and those that the first run had fitted are fitted again.
    assert len(fits) == 3 * 6 + 1 + 3 + 1
    pd.testing.assert_frame_equal(study.table, expected)
    assert not (tmp_path / "out.unfinished").exists()


def test_kept_models_that_are_damaged_are_trained_again_and_that_is_told(short, tmp_path):
    checkpoint, cohort, told = tmp_path / "checkpoint", small_cohort(), []
    model = make_pipeline(VariogramSlope(), StandardScaler(), LogisticRegression())
    options = {"model": model, "checkpoint": checkpoint, "report": told.append}
    expected = run(ONE, cohort, tmp_path / "a", **options).table
    assert not any("trained again" in line for line in told)
    damaged = checkpoint / "models" / "scoliosis_fold_1.skdxa"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    study = run(ONE, cohort, tmp_path / "b", **options)
    (line,) = (line for line in told if "trained again" in line)
    assert line == (
        f"The kept models of Scoliosis are trained again, since a file in {damaged.parent} is "
        "damaged or cannot be read."
    )
    pd.testing.assert_frame_equal(study.table, expected)
    assert len(list((study.out / "models").glob("*.skdxa"))) == 3
    told.clear()
    run(ONE, cohort, tmp_path / "c", **options)
    assert not any("trained again" in line for line in told)
    damaged.with_name("scoliosis.json").write_text("[]")
    run(ONE, cohort, tmp_path / "d", **options)
    assert any("trained again" in line for line in told)


def test_the_unfinished_folder_of_another_study_is_refused(short, tmp_path):
    checkpoint, cohort = tmp_path / "checkpoint", small_cohort()
    run(ONE, cohort, tmp_path / "a", checkpoint=checkpoint)
    with pytest.raises(CheckpointError, match=r"n_splits was 3, is 4; .*random_state was"):
        run(
            ONE.with_changes(n_splits=4, random_state=1),
            cohort,
            tmp_path / "b",
            checkpoint=checkpoint,
        )
    (checkpoint / "study.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"study\.json is damaged"):
        run(ONE, cohort, tmp_path / "b", checkpoint=checkpoint)
    (checkpoint / "study.json").unlink()
    with pytest.raises(CheckpointError, match=r"holds models but no study\.json"):
        run(ONE, cohort, tmp_path / "b", checkpoint=checkpoint)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(CheckpointError, match=r"file/checkpoint cannot be made \(Not a directory"):
        run(ONE, cohort, tmp_path / "b", checkpoint=blocked / "checkpoint")
    assert not (tmp_path / "b").exists()


_PROGRAM = """
import sys; sys.path[:0] = [{support!r}]
from study_cohorts import cheap_model, small_cohort
from skdxa.study import Protocol, _run, run_study
from skdxa.study import _run
from skdxa.study._step_models import cross_validate
from skdxa.study._step_tables import tabulate_performance
from skdxa.study._steps import Step
def wait(state):
    print("waiting", flush=True)
    sys.stdin.readline()
_run.study_steps = lambda protocol, tasks, external: [
    Step("cv", lambda state: cross_validate(tasks[0], state)),
    Step("wait", wait),
    Step("Table 1", tabulate_performance),
]
run_study(Protocol(targets=("scoliosis",), n_splits=3), small_cohort(), out={out!r},
          model=cheap_model(), progress=False)
print("done", flush=True)
"""


def test_a_second_run_is_refused_and_a_killed_one_holds_nothing(short, tmp_path):
    out = tmp_path / "out"
    support = str(Path(__file__).parents[1] / "support")
    program = _PROGRAM.format(support=support, out=str(out))
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout.readline() == "waiting\n"
        with pytest.raises(CheckpointError, match=rf"is in use by process {first.pid} on "):
            run(ONE, small_cohort(), out)
        first.send_signal(signal.SIGKILL)
    hidden = [path for path in tmp_path.iterdir() if path.name.startswith(".out-")]
    assert len(hidden) == 1
    (hidden[0] / "half a figure.png").write_text("")
    # Those of others stay: one by another name, one of a run with another checkpoint.
    (tmp_path / ".out-of-somebody").mkdir()
    other = tmp_path / ".out-abcdefgh"
    other.mkdir()
    (other / "table.csv").write_text("")
    # An empty one is of a run that was killed at once.
    (tmp_path / ".out-12345678").mkdir()
    study = run(ONE, small_cohort(), out)
    assert study.out == out
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".out-abcdefgh",
        ".out-of-somebody",
        "out",
    ]


def test_nothing_is_left_of_a_study_that_fails(short, tmp_path, monkeypatch):
    out, cohort = tmp_path / "out", small_cohort()
    out.mkdir()
    (out / "table1.csv").write_text("old")
    with pytest.raises(FileExistsError, match=r"out exists\. Choose another folder"):
        run(ONE, cohort, out)

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("skdxa.study._run.write_report", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(ONE, cohort, out, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.unfinished"]
    assert [path.name for path in out.iterdir()] == ["table1.csv"]
    assert (out / "table1.csv").read_text() == "old"

    rename = Path.rename

    def interrupt_the_second(path, target):
        if target == out and not path.name.endswith("-former"):
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupt_the_second)
    with pytest.raises(KeyboardInterrupt):
        run(ONE, cohort, out, overwrite=True)
    assert (out / "table1.csv").read_text() == "old"


def test_a_full_disk_names_what_is_kept(short, tmp_path, monkeypatch):
    def full(table, path, **options):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr("skdxa.study._run.write_csv", full)
        with pytest.raises(
            OSError,
            match=r"1\.csv cannot be written \(No space left on device\)\. Free some space, and "
            r".* kept in .*out\.unfinished\.",
        ):
            run(ONE, small_cohort(), out)
    assert [path.name for path in tmp_path.iterdir()] == ["out.unfinished"]
    run(ONE, small_cohort(), out)


@pytest.fixture
def disk(tmp_path):
    """Mount a small disk, and return its folder and a function that mounts it with options."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(*options):
        return subprocess.run(["mount", *options, folder], capture_output=True, check=False)

    if shutil.which("mount") is None or mount("-t", "tmpfs", "-o", "size=8k", "tmpfs").returncode:
        pytest.skip("this process must not mount a disk (on Linux, root may)")
    yield folder, lambda options: mount("-o", f"remount,{options}")
    subprocess.run(["umount", folder], check=True)


# 2026-12: NumPy 2.0 leaves its archive open when the disk is full.
@pytest.mark.filterwarnings("ignore:.*ZipFile.__del__:pytest.PytestUnraisableExceptionWarning")
def test_a_disk_that_fills_up_at_any_step(short, disk, tmp_path):
    folder, mount = disk
    cohort = small_cohort()
    expected = run(ONE, cohort, tmp_path / "expected")
    errors = []
    for kib in range(8, 2000, 8):
        mount(f"size={kib}k")
        try:
            study = run(ONE, cohort, folder / "out")
        except (OSError, CheckpointError) as error:
            errors.append(str(error))
            assert "Free some space" in errors[-1]
            assert f"{folder}/" in errors[-1]
            assert {path.name for path in folder.iterdir()} <= {"out.unfinished"}
            assert [path.name for path in folder.rglob("*.tmp")] == []
        else:
            break
    for what in ("out.unfinished", "/tables/", "/scores/", "/report.html "):
        assert any(what in error for error in errors), what
    pd.testing.assert_frame_equal(study.table, expected.table)
    for path in (tmp_path / "expected" / "tables").iterdir():
        assert path.read_bytes() == (study.out / "tables" / path.name).read_bytes()
    assert [path.name for path in folder.iterdir()] == ["out"]


def test_a_full_disk_of_the_report_is_named_and_not_that_of_the_checkpoint(
    short, disk, tmp_path, monkeypatch
):
    folder, mount = disk
    steps = _run.study_steps

    def save_a_model(state):
        (state.work / "models").mkdir(exist_ok=True)
        (state.work / "models" / "large.skdxa").write_bytes(bytes(2**21))

    monkeypatch.setattr(
        _run, "study_steps", lambda *arguments: [*steps(*arguments), Step("Save", save_a_model)]
    )
    mount("size=1m")
    with pytest.raises(
        OSError,
        match=rf"^{folder}/\S+/models/large\.skdxa cannot be written \(No space left on "
        rf"device\)\. Free some space, .* kept in {tmp_path}/checkpoint\.$",
    ):
        run(ONE, small_cohort(), folder / "out", checkpoint=tmp_path / "checkpoint")


@pytest.mark.parametrize(("n_bytes", "name"), [(8192, r"\.lock"), (0, r"study\.json")])
def test_a_full_disk_of_the_checkpoint_is_named(short, disk, tmp_path, n_bytes, name):
    folder, _ = disk
    (folder / "other").write_bytes(bytes(n_bytes))
    with pytest.raises(
        OSError, match=rf"^{folder}/work/{name} cannot be written \(No space left on device\)"
    ):
        run(ONE, small_cohort(), tmp_path / "out", checkpoint=folder / "work")


def test_a_disk_that_must_not_be_written_to(short, disk):
    folder, mount = disk
    mount("size=2m,ro")
    with pytest.raises(CheckpointError, match=r"out\.unfinished cannot be made \(Read-only file"):
        run(ONE, small_cohort(), folder / "out")
    mount("rw")
    (folder / "out.unfinished").mkdir()
    mount("ro")
    with pytest.raises(
        OSError,
        match=r"disk/.* cannot be written \(Read-only file system\)\. Make it writable, and",
    ):
        run(ONE, small_cohort(), folder / "out")
    mount("rw")
    assert run(ONE, small_cohort(), folder / "out").out == folder / "out"


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM])
@pytest.mark.parametrize(("name", "named"), [("/a/b.npz", "/a/b.npz"), (None, "A file")])
def test_a_file_that_must_not_be_read_is_not_called_unwritable(tmp_path, code, name, named):
    with (
        pytest.raises(
            OSError,
            match=rf"^{named} cannot be read or written \({os.strerror(code)}\)\. Change its "
            rf"permissions or those of its folder, .* again\. Finished parts are kept in "
            rf"{tmp_path}\.$",
        ),
        telling_what_is_kept(tmp_path),
    ):
        raise OSError(code, os.strerror(code), name)


def test_models_that_find_no_space_are_not_left_out(short, tmp_path, monkeypatch):
    def full(model, path, **options):
        cause = OSError(errno.ENOSPC, "No space left on device")
        raise ModelFileError(f"{path}: the file cannot be written.") from cause

    monkeypatch.setattr("skdxa.study._step_models.save_model", full)
    monkeypatch.setattr("skdxa.study._step_models.model_card", lambda model, **options: {})
    with pytest.raises(OSError, match=r"scoliosis_fold_0\.skdxa cannot be written \(No space"):
        run(ONE, small_cohort(), tmp_path / "out")


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_a_run_that_ends_early_names_what_is_kept(short, tmp_path, monkeypatch, kind):
    def end(*args, **kwargs):
        raise kind

    monkeypatch.setattr("skdxa.study._run.write_report", end)
    lines = []
    with pytest.raises(kind) as ended:
        run(ONE, small_cohort(), tmp_path / "out", report=lines.append)
    work = tmp_path / "out.unfinished"
    again = "" if kind is RuntimeError else ": give the same command again to resume"
    assert ended.value.__notes__ == [f"Finished parts are kept in {work}{again}."]
    assert f"Finished parts are kept in {work}: if the run ends early, give the same " in lines[0]
    monkeypatch.undo()
    # What a killed run was writing.
    for name in (f".study.json.{'0' * 32}.tmp", f"models/.a.skdxa.{'f' * 32}.tmp", ".mine.tmp"):
        (work / name).write_text("half")
    with monkeypatch.context() as patch:
        patch.setattr("skdxa.study._run.write_report", end)
        patch.setattr("skdxa.study._run.study_steps", lambda *arguments: [])
        with pytest.raises(KeyError):
            run(ONE, small_cohort(), tmp_path / "out", report=lines.append)
    assert lines[-1] == f"Resuming from the finished parts in {work}."
    assert [path.name for path in work.rglob("*.tmp")] == [".mine.tmp"]


def test_a_run_that_was_killed_at_once_is_begun_again(short, tmp_path):
    work = tmp_path / "out.unfinished"
    work.mkdir()
    (work / f".study.json.{'0' * 32}.tmp").write_text("half")
    run(ONE, small_cohort(), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_overwriting_replaces_a_report_and_nothing_else(short, tmp_path):
    out, cohort = tmp_path / "out", small_cohort()
    out.mkdir()
    (out / "roc_kyphosis.png").write_text("old")
    run(ONE, cohort, out, overwrite=True)
    assert not (out / "roc_kyphosis.png").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    # Its own report may be replaced.
    run(ONE, cohort, out, overwrite=True)

    (out / "models" / "mine.npy").write_text("")
    with pytest.raises(FileExistsError, match=r"out holds models/mine\.npy, no file of a report"):
        run(ONE, cohort, out, overwrite=True)
    (out / "models" / "mine.npy").unlink()
    (out / "scans").mkdir()
    with pytest.raises(FileExistsError, match="out holds scans, no file of a report"):
        run(ONE, cohort, out, overwrite=True)
    with pytest.raises(FileExistsError, match=r"manifest\.json is a file\. Choose a folder"):
        run(ONE, cohort, out / "manifest.json", overwrite=True)
    with pytest.raises(ValueError, match=r"checkpoint .* lies within"):
        run(ONE, cohort, tmp_path / "new", checkpoint=tmp_path / "new/ck")


def test_a_folder_made_meanwhile_is_left_alone(short, tmp_path):
    out = tmp_path / "out"

    def make_it(line):
        out.mkdir(exist_ok=True)
        (out / "file of another program").write_text("file of another program")

    study = run(ONE, small_cohort(), out, report=make_it)
    assert study.out == tmp_path / "out-2"
    assert (study.out / "table1.csv").exists()
    assert [path.name for path in out.iterdir()] == ["file of another program"]


def test_too_few_positives_are_refused_before_training(tmp_path):
    few = small_cohort()
    few.target = pd.DataFrame({"scoliosis": (np.arange(90) < 2).astype(float)})
    with pytest.raises(CohortError, match="2 patients have the label 1, but 3 folds need at"):
        run(ONE, few, tmp_path / "out")
    with pytest.raises(CohortError, match=r"none of the targets of the protocol: .*2 patients"):
        run(ONE.with_changes(targets=None), few, tmp_path / "out")


def test_scores_are_csv_without_pyarrow(short, tmp_path, monkeypatch):
    monkeypatch.setattr("skdxa.study._run.find_spec", lambda name: None)
    study = run(ONE, Bunch(**small_cohort()), tmp_path / "out")
    assert len(pd.read_csv(study.out / "scores" / "scoliosis.csv")) == 90
    assert any("pyarrow" in note for note in study.manifest["notes"])


def test_the_number_of_threads_is_set_before_a_study(monkeypatch, tmp_path):
    chosen = []
    monkeypatch.setattr("skdxa.study._run.set_threads", chosen.append)
    with pytest.raises(CohortError):
        run_study(Protocol(n_threads=3, n_subjects=2), out=tmp_path / "out")
    assert chosen == []
    assert Protocol(n_threads=3).as_dict()["n_threads"] == 3


def test_a_small_network_draws_all_figures(tmp_path):
    """The one test that trains networks: two folds of one epoch, on cropped simulated scans."""
    protocol = Protocol(
        targets=("unreliable",), n_subjects=24, n_splits=2, epochs=1, height=48, width=32,
        audit=True,
    )  # fmt: skip
    start = time.perf_counter()
    study = run_study(protocol, out=tmp_path / "out", progress=False)
    assert {"figure_6_explanations.svg", "figure_7_learning_curves.png"} <= {
        path.name for path in (study.out / "figures").iterdir()
    }
    assert len(list((study.out / "models").glob("*.skdxa"))) == 2
    assert study.table.loc["unreliable", "patients"] == "simulated"
    assert "Choice of the epoch" in study.audit["name"].tolist()
    assert study.manifest["seconds"]["all"] <= time.perf_counter() - start + 0.1


# The paper's network, at length


@pytest.mark.slow
def test_simulated_scoliosis_is_found_and_shuffled_labels_are_not(tmp_path):
    protocol = Protocol(audit=False)
    found = run_study(protocol, out=tmp_path / "found", progress=False)
    assert found.table.loc["scoliosis", "auc"] >= 0.90
    shuffled = run_study(
        protocol.with_changes(shuffle_labels=True), out=tmp_path / "shuffled", progress=False
    )
    assert abs(shuffled.table.loc["scoliosis", "auc"] - 0.5) <= 0.08


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("bmd_L1", 0, r"got 0 at index 34, column 'bmd_L1'\. .* An index is a row of the table\. "
         r"Columns have skdxa's names: 'bmd_L1' is 'BMD L1' of the table\.$"),
        ("age", "67 J.", r"Column 'age' must hold numbers: .* at index 34\."),
        ("age", 999, r"Column 'age' is 999 at index 34; ages are in years, from 0 to 120\."),
        ("age", -1, r"Column 'age' is -1 at index 34; ages"),
    ],
)  # fmt: skip
def test_clinical_columns_are_checked_before_anything_is_trained(
    tmp_path, monkeypatch, column, value, told
):
    monkeypatch.setattr(
        "skdxa.study._step_models.repeated_cross_validate",
        lambda *args, **options: pytest.fail("trained"),
    )
    cohort = small_cohort()
    cohort.data = cohort.data.astype({"age": object, "bmd_L1": object})
    cohort.data.loc[32, column] = value
    cohort.sources = pd.DataFrame({"row": np.arange(90) + 2})
    cohort.data = cohort.data.rename(columns={"bmd_L1": "BMD L1"})
    protocol = ONE.with_changes(columns={"bmd_L1": "BMD L1"})
    with pytest.raises(CohortError, match=told):
        run(protocol, cohort, tmp_path / "out")
    assert not (tmp_path / "out.unfinished").exists()
    # A scan without a label is not used.
    cohort.target.loc[32] = np.nan
    renamed = rename_columns(cohort, protocol.columns)
    check_clinical(protocol, renamed, ["scoliosis"])


@pytest.mark.parametrize(("n_repeats", "kind"), [(1, "corrected"), (2, "stability")])
def test_table_1_names_the_interval_that_it_has(short, tmp_path, n_repeats, kind):
    study = run(ONE.with_changes(n_repeats=n_repeats), small_cohort(), tmp_path / "out")
    report = (study.out / "report.html").read_text()
    assert f"with 95 % intervals ({kind})" in report


def test_scores_name_the_row_of_the_table(short, tmp_path):
    cohort = small_cohort()
    cohort.sources = pd.DataFrame({"row": np.arange(90) * 2 + 2})
    cohort.target.loc[:9, "scoliosis"] = np.nan
    study = run(ONE, cohort, tmp_path / "out")
    scores = pd.read_parquet(study.out / "scores" / "scoliosis.parquet")
    assert scores["row"].min() == 10
    np.testing.assert_array_equal(scores["table_row"], 2 * scores["row"] + 2)
