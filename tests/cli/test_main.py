import os
import shlex
import signal
import sys
import warnings

import pandas as pd
import pytest
import typer
from commands import run_command

from skdxa import __version__
from skdxa.cli import app, main
from skdxa.cli._exit import STATUSES
from skdxa.cli._main import EXAMPLES
from skdxa.cli._options import intervals_in_words
from skdxa.evaluation import INTERVALS
from skdxa.study import Protocol, known_columns


@pytest.mark.usefixtures("as_it_was")
def test_an_error_is_one_line(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("sys.argv", ["skdxa", "study", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        f"Error: {tmp_path} exists. Choose another name, or give --overwrite.\n"
    )
    for text in ("few scans", "few patients", "few scans"):
        warnings.showwarning(UserWarning(text), UserWarning, "file", 1)
    assert capsys.readouterr().err == "Warning: few scans\nWarning: few patients\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without a signal")
@pytest.mark.usefixtures("as_it_was")
def test_a_terminated_job_leaves_nothing_but_what_is_finished(
    files, monkeypatch, capsys, tmp_path
):
    def end(*args, **kwargs):
        assert list(tmp_path.iterdir())
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("skdxa.study._step_models.repeated_cross_validate", end)
    arguments = f"study --out {tmp_path / 'out'} --cohort {files / 'table.csv'} --splits 2".split()
    monkeypatch.setattr("sys.argv", ["skdxa", *arguments, "--epochs", "1"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    # Finished parts are kept, for when the command is given again.
    assert [path.name for path in tmp_path.iterdir()] == ["out.unfinished"]
    assert capsys.readouterr().err.endswith(
        f"Interrupted. Finished parts are kept in {tmp_path / 'out.unfinished'}: give the same "
        "command again to resume.\n"
    )


def test_version():
    assert run_command("--version").output == f"skdxa {__version__}\n"


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


def test_columns_that_skdxa_knows_are_listed():
    printed = run_command("columns").output
    for name in known_columns()["name"]:
        assert f"\n{name}" in f"\n{printed}"
    assert "bmd_L1 (g/cm2)\n    BMD of vertebra L1.\n    Used for: T-scores" in printed
    assert "Also called: device, site" in printed


@pytest.mark.parametrize("name", [command.__name__ for command in EXAMPLES])
def test_examples_of_the_commands_are_understood(name):
    (example,) = (text for command, text in EXAMPLES.items() if command.__name__ == name)
    program, *arguments = shlex.split(example)
    assert (program, arguments[0]) == ("skdxa", name)
    command = typer.main.get_command(app)
    context = command.commands[name].make_context(name, arguments[1:])
    assert [p.name for p in command.commands[name].params if p.name not in context.params] == []
    shown = " ".join(run_command(name, "--help").output.split())
    assert f"Example: {example}" in shown


def test_a_mistyped_option_ends_with_status_2():
    assert run_command("check", "table.csv", "--tarjet", "x").exit_code == 2
    assert {0, 1, 2, 3, 130, 143} == set(STATUSES)


def test_the_interval_of_a_table_is_named():
    assert "95 % stability intervals" in intervals_in_words("stability")
    assert Protocol(n_repeats=1).stated_interval == "corrected"
    assert Protocol(n_repeats=2).stated_interval == "stability"
    assert Protocol(n_repeats=1, interval="t").stated_interval == "t"
    assert "corrected resampled t" in intervals_in_words("corrected")
    assert len({intervals_in_words(name) for name in INTERVALS}) == len(INTERVALS)
