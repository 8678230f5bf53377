"""The command line."""

import json
import os
import signal
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from skdxa import __version__
from skdxa.cli import app, main


@pytest.fixture(autouse=True)
def few_scans_give_wide_intervals():
    """Ignore the warnings of few events, and of folds that all have the same metric."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "no interval for|a class has", RuntimeWarning)
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Write a folder of scans and its table, two scans per patient."""
    folder = tmp_path_factory.mktemp("scans")
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "scan": [f"{i}.npy" for i in range(24)],
            "patient": [f"p{i // 2}" for i in range(24)],
            "scoliosis": [i // 2 % 2 for i in range(24)],
        }
    )
    table["scoliosis"] = table["scoliosis"].astype(object)
    table.loc[23, "scoliosis"] = ""
    for name in table["scan"]:
        np.save(folder / name, rng.normal(0.5, 0.2, size=(155, 160)).astype(np.float32))
    table.to_csv(folder / "table.csv", index=False)
    return folder


def run_command(*arguments):
    return CliRunner().invoke(app, ["study", *map(str, arguments)])


def test_command_on_simulated_patients(tmp_path):
    out = tmp_path / "out"
    ran = run_command("--out", out, "--subjects", 40, "--splits", 2, "--epochs", 1)
    assert ran.exit_code == 0, ran.output
    assert "fewer epochs: 1; the paper has 100" in ran.output
    assert "Out of fold, simulated patients. Means over the folds (stability" in ran.output
    assert (out / "roc_scoliosis.png").stat().st_size > 10_000


def test_command_on_files(files, tmp_path):
    out = tmp_path / "out"
    arguments = ("--cohort", files / "table.csv", "--group-column", "patient", "--epochs", 1)
    ran = run_command("--out", out, "--splits", 2, "--target", "scoliosis", *arguments)
    assert ran.exit_code == 0, ran.output
    assert "scoliosis: 12 positive, 11 negative, 1 unknown" not in ran.output
    assert "scoliosis: 11 positive, 12 negative, 1 unknown" in ran.output
    assert "Out of fold, patients." in ran.output
    assert json.loads((out / "manifest.json").read_text())["scans"]["scoliosis"]["n"] == 23


def test_command_does_not_overwrite_unasked(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    ran = run_command("--out", out)
    assert isinstance(ran.exception, ValueError)
    assert "give --overwrite" in str(ran.exception)


@pytest.fixture
def as_it_was(monkeypatch):
    """Undo what the command changes in its process."""
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("as_it_was")
def test_an_error_is_one_line(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("sys.argv", ["skdxa", "study", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        f"Error: {tmp_path} exists. Choose another folder, or give --overwrite.\n"
    )
    warnings.showwarning("few scans", UserWarning, "file", 1)
    assert capsys.readouterr().err == "Warning: few scans\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without a signal")
@pytest.mark.usefixtures("as_it_was")
def test_a_terminated_job_leaves_no_unfinished_files(files, monkeypatch, tmp_path):
    def end(*args, **kwargs):
        assert list(tmp_path.iterdir())
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("skdxa.study._run.repeated_cross_validate", end)
    arguments = f"study --out {tmp_path / 'out'} --cohort {files / 'table.csv'} --splits 2".split()
    monkeypatch.setattr("sys.argv", ["skdxa", *arguments, "--epochs", "1"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    assert list(tmp_path.iterdir()) == []


def test_version():
    assert CliRunner().invoke(app, ["--version"]).output == f"skdxa {__version__}\n"


def run_check(*arguments):
    return CliRunner().invoke(app, ["check", *map(str, arguments)])


def test_check_says_whether_a_study_could_start(files, tmp_path):
    ran = run_check(
        files / "table.csv", "--target", "scoliosis", "--splits", 3, "--group-column", "patient"
    )
    assert ran.exit_code == 0, ran.output
    assert "Cohort of 24 scans of 12 patients" in ran.output
    assert "To look at: 24 scans." in ran.output
    assert "line 2: 0.npy: unlike a lumbar spine: no spine stands out" in ran.output
    assert ran.output.endswith("A study could start.\n")

    out = tmp_path / "review"
    ran = run_check(files / "table.csv", "--target", "scoliosis", "--splits", 20, "--out", out)
    assert ran.exit_code == 1
    assert "Error: scoliosis: 12 patients have the label 0, but 20 folds need" in ran.stderr
    assert f"Written to {out}." in ran.output
    assert (out / "scans.csv").exists()
    ran = run_check(files / "table.csv", "--out", out)
    assert "give --overwrite" in str(ran.exception)


def test_check_lists_every_file_and_what_to_do(files, tmp_path):
    table = pd.read_csv(files / "table.csv")
    table["scoliosis"] = table["scoliosis"].map({0: "No", 1: "Yes"})
    table["scan"] = [
        f"none/{name}" if row < 12 else name for row, name in enumerate(table["scan"])
    ]
    table.to_csv(tmp_path / "table.csv", sep=";", index=False)
    arguments = (tmp_path / "table.csv", "--scans", files, "--target", "scoliosis")
    ran = run_check(*arguments)
    assert "labels={'Yes': 1, 'No': 0}" in str(ran.exception)
    arguments += ("--label", "Yes=1", "--label", "No=0", "--label", "unclear=", "--splits", 3)
    with pytest.warns(UserWarning, match="12 of 24 scans are left out"):
        ran = run_check(*arguments)
    assert ran.exit_code == 1
    assert ran.output.count("there is no such file") == 12
    assert "12 of 24 scans cannot be used" in ran.stderr
    assert "--exclude-unreadable" in ran.stderr
    with pytest.warns(UserWarning, match="12 of 24 scans are left out"):
        ran = run_check(*arguments, "--exclude-unreadable")
    assert ran.exit_code == 0, ran.output

    ran = run_check(*arguments, "--label", "maybe=2")
    assert "--label maybe=2 must be a word" in str(ran.exception)
    ran = run_check(tmp_path / "table.csv", "--scans", tmp_path)
    assert ran.exit_code == 1
    assert ran.output.count("there is no such file") == 24
    assert str(ran.exception) == "No scan can be used."


@pytest.mark.usefixtures("as_it_was")
def test_messages_name_the_options_of_the_command(files, monkeypatch, capsys, tmp_path):
    table = pd.read_csv(files / "table.csv").assign(scoliosis="Yes")
    table.to_csv(tmp_path / "table.csv", index=False)
    monkeypatch.setattr(
        "sys.argv",
        ["skdxa", "check", str(tmp_path / "table.csv"), "--target", "scoliosis"],
    )
    with pytest.raises(SystemExit):
        main()
    assert "as in --label Yes=1 --label No=0." in capsys.readouterr().err


def test_anonymized_with_a_salt_that_is_no_argument(files, monkeypatch, tmp_path):
    monkeypatch.setenv("SKDXA_SALT", "a salt of the hospital")
    out = tmp_path / "review"
    for _ in range(2):
        ran = run_check(
            files / "table.csv",
            "--anonymize",
            "--group-column",
            "patient",
            "--out",
            out,
            "--overwrite",
        )
        assert ran.exit_code == 0, ran.output
        scans = pd.read_csv(out / "scans.csv")["scan"]
        assert not set(scans) & {f"{i}.npy" for i in range(24)}
    assert "No column of labels was named" in ran.output


@pytest.fixture(scope="module")
def model_file(files, tmp_path_factory):
    """Fit a small model by the command."""
    path = tmp_path_factory.mktemp("model") / "scoliosis.skdxa"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "no interval for|a class has", RuntimeWarning)
        ran = run_any(
            "fit",
            files / "table.csv",
            "--target",
            "scoliosis",
            "--group-column",
            "patient",
            "--splits",
            2,
            "--epochs",
            1,
            "--height",
            60,
            "--width",
            40,
            "--rule",
            "youden",
            "--spacing",
            1.05,
            0.6,
            "--out",
            path,
        )
    assert ran.exit_code == 0, ran.output
    assert "Out of fold; 95 % intervals." in ran.output
    assert f"Written to {path}. Positive is a probability of at least" in ran.output
    return path


def run_any(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_predict_goes_on_where_a_file_is_bad(files, model_file, tmp_path):
    (tmp_path / "bad.npy").write_bytes(b"")
    out = tmp_path / "predictions.csv"
    ran = run_any(
        "predict",
        model_file,
        files / "table.csv",
        tmp_path / "bad.npy",
        "--out",
        out,
        "--spacing",
        1.05,
        0.6,
    )
    assert ran.exit_code == 3, ran.output
    assert "25 scans: " in ran.output
    assert "1 not usable" in ran.output
    assert "bad.npy: the file is empty" in ran.stderr
    table = pd.read_csv(out)
    assert len(table) == 25
    assert table["probability"].notna().sum() == 24

    ran = run_any("predict", model_file, files / "0.npy", "--out", out, "--spacing", 1.05, 0.6)
    assert "give --overwrite" in str(ran.exception)
    arguments = ("--out", out, "--spacing", 1.05, 0.6, "--overwrite")
    ran = run_any("predict", model_file, files / "0.npy", *arguments)
    assert ran.exit_code == 0, ran.output
    ran = run_any("predict", model_file, tmp_path / "bad.npy", *arguments)
    assert ran.exit_code == 1
    folder = tmp_path / "folder"
    folder.mkdir()
    ran = run_any("predict", model_file, folder, *arguments)
    assert "There is no scan" in str(ran.exception)
    np.save(folder / "a.npy", np.load(files / "0.npy"))
    (folder / ".hidden").touch()
    ran = run_any("predict", model_file, folder, *arguments)
    assert ran.exit_code == 0, ran.output
    (folder / "table.csv").write_text("file,age\na.npy,66\n")
    ran = run_any("predict", model_file, folder / "table.csv", *arguments)
    assert "has no column 'scan' of scans; it has file, age" in str(ran.exception)


def test_explain_draws_each_scan(files, model_file, tmp_path):
    out = tmp_path / "pictures"
    ran = run_any(
        "explain",
        model_file,
        files / "0.npy",
        files / "1.npy",
        "--out",
        out,
        "--spacing",
        1.05,
        0.6,
        "--positive",
        "scoliosis",
    )
    assert ran.exit_code == 0, ran.output
    assert sorted(path.name for path in out.iterdir()) == ["0.png", "1.png"]


def test_check_compares_with_a_model(files, model_file):
    ran = run_check(files / "table.csv", "--model", model_file, "--width", 40)
    assert ran.exit_code == 0, ran.output
    assert "Compared with the scans that scoliosis.skdxa was trained on, " in ran.output
    assert "width_mm" in ran.output
