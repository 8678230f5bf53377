import json

import numpy as np
import pandas as pd
import pytest
from commands import run_command
from sklearn.utils import Bunch

from skdxa.cli._options import training_jobs
from skdxa.study import Protocol
from skdxa.study._steps import LeftOut


@pytest.fixture
def asked(monkeypatch):
    """Keep what the command asks for, and run nothing."""
    calls = []

    def run_study(protocol, cohort=None, **options):
        calls.append(Bunch(protocol=protocol, cohort=cohort, **options))
        numbers = {f"auc{end}": [0.9] for end in ("", "_low", "_high")}
        table = pd.DataFrame({**numbers, "predictor": "Deep learning"}, index=["scoliosis"])
        audit = pd.DataFrame(
            {"name": ["Twins"], "verdict": ["fault"], "finding": ["Rows 1 and 2."]}
        )
        return Bunch(table=table, audit=audit, out=options["out"])

    monkeypatch.setattr("skdxa.study.run_study", run_study)
    return calls


def test_command_on_files(files, tmp_path, monkeypatch):
    def nothing(state):
        raise LeftOut("It takes too long for a test.")

    monkeypatch.setattr("skdxa.study._figures.explanations", nothing)
    out = tmp_path / "out"
    arguments = ("--cohort", files / "table.csv", "--group-column", "patient", "--epochs", 1)
    small = ("--splits", 2, "--height", 48, "--width", 32, "--no-audit", "--external")
    ran = run_command(
        "study", "--out", out, *small, files / "table.csv", "--target", "scoliosis", *arguments
    )
    assert ran.exit_code == 0, ran.output
    assert "fewer epochs: 1; the paper has 100" in ran.output
    assert "scoliosis: 11 positive, 12 negative, 1 unknown" in ran.output
    assert "Out of fold, patients. Means over the folds, with 95 % intervals by the corrected" in (
        ran.output
    )
    assert "External hospital: Cohort of 24 scans" in ran.output
    assert json.loads((out / "manifest.json").read_text())["scans"]["scoliosis"]["n"] == 23
    assert "scoliosis" in pd.read_csv(out / "tables" / "table2.csv")["experiment"].tolist()


def test_choices_given_replace_those_of_the_protocol(asked, tmp_path):
    ran = run_command("study", "--out", tmp_path / "a", "--no-audit")
    assert ran.exit_code == 0, ran.output
    assert asked[0].protocol == Protocol.quick(audit=False)
    assert asked[0].cohort is None
    assert "Out of fold, simulated patients." in ran.output
    assert "The audit found a fault. Twins: Rows 1 and 2." in ran.output

    config = tmp_path / "study.toml"
    config.write_text('protocol = "quick"\nepochs = 3\nprimary = { target = "scoliosis" }\n')
    ran = run_command(
        *("study", "--out", tmp_path / "b", "--config", config, "--seed", 5, "--subjects", 40),
        *("--target", "scoliosis", "--shuffle-labels", "--no-stack", "--interval", "delong"),
    )
    assert ran.exit_code == 0, ran.output
    chosen = asked[1].protocol
    assert (chosen.epochs, chosen.random_state, chosen.n_subjects) == (3, 5, 40)
    assert (chosen.targets, chosen.primary) == (("scoliosis",), {"target": "scoliosis"})
    assert (chosen.shuffle_labels, chosen.stack_folds, chosen.interval) == (True, 0, "delong")
    assert "labels shuffled. Pooled scores" in ran.output


def test_tasks_that_the_table_has_are_read(asked, files, tmp_path):
    config = tmp_path / "study.toml"
    config.write_text('columns = { unreliable = "scoliosis" }\ntargets = ["unreliable"]\n')
    arguments = ("--cohort", files / "table.csv", "--config", config)
    ran = run_command("study", "--out", tmp_path / "a", *arguments)
    assert ran.exit_code == 0, ran.output
    assert list(asked[0].cohort.target) == ["scoliosis"]
    ran = run_command("study", "--out", tmp_path / "b", "--cohort", files / "table.csv")
    assert list(asked[1].cohort.target) == ["scoliosis"]


def test_long_studies_are_announced_and_an_estimate_runs_nothing(asked, monkeypatch, tmp_path):
    def estimate_study(protocol, **options):
        return Bunch(text=lambda: f"{protocol.n_splits} folds take long.")

    monkeypatch.setattr("skdxa.study.estimate_study", estimate_study)
    ran = run_command("study", "--estimate", "--protocol", "paper")
    assert ran.exit_code == 0, ran.output
    assert "10 folds take long." in ran.output
    assert asked == []
    ran = run_command("study", "--out", tmp_path / "out", "--repeats", 20, "--splits", 4)
    assert "4 folds take long." in ran.output
    assert len(asked) == 1


def test_command_does_not_overwrite_unasked(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    ran = run_command("study", "--out", out)
    assert isinstance(ran.exception, ValueError)
    assert "give --overwrite" in str(ran.exception)
    ran = run_command("study")
    assert "--out is missing" in str(ran.exception)
    ran = run_command("study", "--out", tmp_path / "new", "--protocol", "long")
    assert "--protocol must be quick or paper; got 'long'" in str(ran.exception)
    assert np.array_equal(list(tmp_path.iterdir()), [out])


def test_a_table_is_named_in_one_of_two_ways(asked, files, tmp_path):
    for number, table in enumerate((["--cohort"], [])):
        ran = run_command("study", *table, files / "table.csv", "--out", tmp_path / str(number))
        assert ran.exit_code == 0, ran.output
        assert len(asked[number].cohort.data) == 24
    twice = run_command("study", "a.csv", "--cohort", "b.csv", "--out", tmp_path / "c")
    assert "named twice, a.csv and --cohort b.csv: name it once" in str(twice.exception)


def renamed(files, tmp_path):
    """Write the table with another name for the label, beside the scans."""
    table = pd.read_csv(files / "table.csv").rename(columns={"scoliosis": "Cobb > 10"})
    path = tmp_path / "renamed.csv"
    table.assign(Age=60).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("target", ["scoliosis", "Cobb > 10"])
def test_columns_are_named_on_the_command_line_as_in_a_protocol(asked, files, tmp_path, target):
    config = tmp_path / "study.toml"
    config.write_text('columns = { age = "Age" }\nprimary = { target = "scoliosis" }\n')
    ran = run_command(
        "study", renamed(files, tmp_path), "--scans", files, "--out", tmp_path / "out", "--config",
        config, "--target", target, "--column", "scoliosis=Cobb > 10",
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    assert asked[0].protocol.columns == {"age": "Age", "scoliosis": "Cobb > 10"}
    assert asked[0].protocol.targets == ("scoliosis",)
    assert list(asked[0].cohort.target) == ["Cobb > 10"]


def test_a_column_that_nothing_would_use_is_refused(asked, files, tmp_path):
    for text, message in (
        ("agee=Age", "--column agee=Age: skdxa knows no column agee.*Did you mean age"),
        ("age", "--column age must be a name that skdxa has, '=' and the name in the table"),
    ):
        ran = run_command(
            "study", files / "table.csv", "--out", tmp_path / "out", "--column", text
        )
        with pytest.raises(ValueError, match=message):
            raise ran.exception
    assert not asked
    # A label of the user's own, and one reader's labels.
    ran = run_command(
        "study", files / "table.csv", "--out", tmp_path / "out", "--target", "curve",
        "--column", "curve=scoliosis", "--column", "curve_r1=patient",
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    assert asked[0].protocol.columns == {"curve": "scoliosis", "curve_r1": "patient"}


def test_faults_of_the_external_table_are_told_to_be_its_own(files, asked, tmp_path):
    table = pd.read_csv(files / "table.csv").rename(columns={"scan": "image"})
    table.to_csv(tmp_path / "other.csv", index=False)
    ran = run_command(
        "study", files / "table.csv", "--target", "scoliosis", "--out", tmp_path / "out",
        "--external", tmp_path / "other.csv", "--external-scans", files,
    )  # fmt: skip
    words = str(ran.exception)
    assert f"The external hospital, {tmp_path}/other.csv: " in words
    assert asked == []


def test_an_estimate_is_of_the_targets_that_the_table_has(files, monkeypatch, tmp_path):
    found = []

    def estimate_study(protocol, *, targets, **options):
        found.append(targets)
        return Bunch(text=lambda: "long")

    monkeypatch.setattr("skdxa.study.estimate_study", estimate_study)
    table = pd.read_csv(files / "table.csv").rename(columns={"scoliosis": "Skoliose"})
    table = table[["scan", "Skoliose"]]
    table.to_csv(tmp_path / "table.csv", index=False)
    arguments = ("study", tmp_path / "table.csv", "--scans", files, "--estimate")
    ran = run_command(*arguments, "--column", "scoliosis=Skoliose")
    assert ran.exit_code == 0, ran.output
    assert found == [["scoliosis"]]
    ran = run_command(*arguments)
    assert "The table has none of the targets of the protocol: scoliosis, unreliable" in (
        str(ran.exception)
    )


@pytest.mark.parametrize(
    ("given", "n_jobs"),
    [
        ({}, 8),
        ({"jobs": 3}, 3),
        # Not more than the fits of a cross-validation.
        ({"n_splits": 2, "n_repeats": 2}, 4),
        ({"n_threads": 3}, 2),
        ({"n_threads": 16}, 1),
        ({"environment": "4"}, 2),
        ({"scheduler": "tcp://node1:8786"}, None),
    ],
)
def test_processes_that_train(monkeypatch, given, n_jobs):
    monkeypatch.setattr("joblib.cpu_count", lambda: 8)
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    if "environment" in given:
        monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", given.pop("environment"))
    jobs, scheduler = given.pop("jobs", None), given.pop("scheduler", None)
    protocol = Protocol(**{"n_splits": 10, "n_repeats": 3, **given})
    assert training_jobs(jobs, protocol, scheduler) == n_jobs


@pytest.mark.parametrize("command", ["study", "fit"])
def test_commands_train_on_all_processors(files, tmp_path, monkeypatch, command):
    seen = []

    def run(*args, n_jobs, **kwargs):
        seen.append(n_jobs)
        raise ValueError("seen")

    monkeypatch.setattr("joblib.cpu_count", lambda: 4)
    function = {"study": "run_study", "fit": "fit_model"}[command]
    monkeypatch.setattr(f"skdxa.study.{function}", run)
    run_command(
        command, files / "table.csv", "--target", "scoliosis", "--out", tmp_path / "out",
        "--group-column", "patient", "--spacing", 1.05, 0.6, "--splits", 3,
    )  # fmt: skip
    assert seen == [3]
