"""The page of the documentation on the command line, which is made from the program."""

import inspect
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import typer

import skdxa.cli
from skdxa.study import Protocol, known_columns

pytest.importorskip("docutils")
DOCS = Path(__file__).resolve().parents[1] / "docs"
if not DOCS.is_dir():
    pytest.skip(f"no documentation beside the tests: {DOCS}", allow_module_level=True)

NAMES = [info.callback.__name__ for info in skdxa.cli.app.registered_commands]


@pytest.fixture
def page(monkeypatch):
    """The extension of the site."""
    monkeypatch.setattr(sys, "path", [str(DOCS / "_ext"), *sys.path])
    import command_line

    return command_line


def lines_of(directive):
    return list(directive.lines(None))


@pytest.mark.parametrize("name", NAMES)
def test_every_option_of_a_command_is_on_the_page(page, name):
    lines = lines_of(page.Commands)
    start = lines.index(f".. program:: skdxa {name}")
    ends = [n for n, line in enumerate(lines) if line.startswith(".. _command_") and n > start]
    options = {}
    for line in lines[start : min(ends, default=len(lines))]:
        if line.startswith(".. option:: "):
            heading = line.removeprefix(".. option:: ")
            options[heading] = ""
        elif line.strip() and not line.startswith(".. "):
            options[heading] += line.strip()
    assert all(len(text) > 10 for text in options.values())
    command = typer.main.get_command(skdxa.cli.app).commands[name]
    assert len(options) == len(command.params)
    documented = {part.strip() for one in options for part in one.partition(" <")[0].split(",")}
    for parameter in inspect.signature(
        next(one.callback for one in skdxa.cli.app.registered_commands
             if one.callback.__name__ == name)
    ).parameters:  # fmt: skip
        dashed = f"--{parameter.replace('_', '-')}"
        assert {dashed, parameter.upper(), f"{parameter.upper()}..."} & documented


def test_values_and_defaults_are_stated(page):
    text = "\n".join(lines_of(page.Commands))
    for heading, told in (
        ("--resample-to <2 numbers>", "Default: 1.05 0.6."),
        ("--rule <text>", "Default: ``fixed``."),
        ("--epochs <whole number, at least 1>", "Default: ``30``."),
        ("--epochs <whole number, at least 1>", "Default: the protocol's."),
        ("--stack, --no-stack", "Default: ``--stack``."),
        ("TABLE", "CSV, Excel, Parquet. Required."),
        ("--column <NAME=COLUMN>", "such as ``age=Age``; may be given several times."),
    ):
        assert any(
            told in part.partition(".. option::")[0]
            for part in text.split(f".. option:: {heading}\n")[1:]
        ), heading
    assert "    skdxa predict MODEL FILES... --out OUT [OPTIONS]" in text
    assert "    $ skdxa predict scoliosis.skdxa next_week --out predictions.csv" in text


def test_choices_columns_statuses_and_variables_are_on_the_page(page):
    names = "\n".join(lines_of(page.ProtocolNames))
    for field in [one.name for one in fields(Protocol)]:
        assert f"* - ``{field}``\n" in names
    assert "* - ``random_state``\n     - ``--seed``" in names
    assert "* - ``stack_folds``\n     - ``--stack``, ``--no-stack``" in names
    assert "* - ``texture``\n     - in the file only" in names
    # Every option that has another name in a protocol is one of a command.
    options = {name for one in skdxa.cli.app.registered_commands
               for name in inspect.signature(one.callback).parameters}  # fmt: skip
    assert set(skdxa.cli.IN_PROTOCOL) <= options
    assert set(skdxa.cli.IN_PROTOCOL.values()) <= {one.name for one in fields(Protocol)}

    columns = "\n".join(lines_of(page.Columns))
    for name in known_columns()["name"]:
        assert f"``{name.split(', ')[0]}``" in columns
    assert "Also ``device``, ``site``" in columns
    assert all(f"* - {status}\n" in "\n".join(lines_of(page.Statuses)) for status in (0, 3, 143))
    assert "``SKDXA_SALT``" in "\n".join(lines_of(page.Variables))


def test_page_has_all_parts_and_is_linked():
    text = (DOCS / "command_line.rst").read_text(encoding="utf-8")
    for directive in ("commands", "statuses", "environment", "protocol-names", "known-columns"):
        assert f"\n.. {directive}::\n" in text
    for page in ("index.rst", "getting_started.rst", "howto/index.rst", "../README.md"):
        assert "command_line" in (DOCS / page).read_text(encoding="utf-8")
