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
