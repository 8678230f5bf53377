"""What the command `skdxa` takes, read from the program itself when the site is built.

``.. commands::`` documents every command, ``.. statuses::`` the exit statuses,
``.. environment::`` the variables, ``.. protocol-names::`` what a protocol file calls the options,
and ``.. known-columns::`` the columns of a table that skdxa knows.
"""

import re
import textwrap
import types
from dataclasses import fields
from inspect import signature
from pathlib import Path
from typing import Annotated, Union, get_args, get_origin

import typer
from docutils.parsers.rst import Directive

import skdxa.cli
from skdxa.study import Protocol, known_columns

KINDS = {Path: "path", str: "text", int: "whole number", float: "number", bool: ""}


def kind_of(annotation):
    """Return in words what values an option takes; nothing of one that is given alone."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Annotated, list):
        return kind_of(inner[0])
    if origin in (Union, types.UnionType):
        return kind_of(next(one for one in inner if one is not type(None)))
    if origin is tuple:
        return f"{len(inner)} {kind_of(inner[0])}s"
    return KINDS[annotation]


def names_of(parameter):
    """Return an option as it is typed, or the name of an argument in capitals."""
    if parameter.param_type_name == "argument":
        return parameter.name.upper() + "..." * (parameter.nargs == -1)
    return ", ".join([*parameter.opts, *parameter.secondary_opts])


def value_of(parameter, annotation):
    """Return in words what is typed behind an option."""
    kind = parameter.metavar or kind_of(annotation)
    least = getattr(parameter, "min", None)
    return kind if least is None else f"{kind}, at least {least}"


def default_of(parameter):
    """Return what an option is where it is not given; nothing where that has no value."""
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    default = parameter.default
    if isinstance(default, bool) or default is None:
        on, *off = [*parameter.opts, *parameter.secondary_opts]
        return (on if default else off[0]) if off else ""
    return " ".join(map(str, default)) if isinstance(default, tuple) else str(default)


def commands():
    """Return the name of each command, with its function and what typer makes of it."""
    group = typer.main.get_command(skdxa.cli.app)
    return [
        (info.callback.__name__, info.callback, group.commands[info.callback.__name__])
        for info in skdxa.cli.app.registered_commands
    ]


def described(callback, command):
    """Return the lines that document each argument and option of a command."""
    annotations = signature(callback).parameters
    for parameter in command.params:
        value = value_of(parameter, annotations[parameter.name].annotation)
        value = f" <{value}>" if value and parameter.param_type_name == "option" else ""
        default = default_of(parameter)
        text = marked(parameter.help)
        if parameter.required:
            text += " Required."
        elif default:
            text += f" Default: {default if ' ' in default else literal(default)}."
        yield from [f".. option:: {names_of(parameter)}{value}", "", f"    {text}", ""]


def usage_of(name, command):
    """Return the first line of a command's help."""
    typed = [
        f"[{names_of(one)}]" if not one.required else names_of(one)
        for one in command.params
        if one.param_type_name == "argument"
    ]
    options = [
        f"{one.opts[0]} {one.name.upper()}"
        for one in command.params
        if one.param_type_name == "option" and one.required
    ]
    return " ".join(["skdxa", name, *typed, *options, "[OPTIONS]"])


def literal(text):
    """Return text as it is typed."""
    return f"``{text}``"


def table(head, rows, widths):
    """Return the lines of a table in reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", "   :class: options"]
    lines += [f"   :widths: {' '.join(map(str, widths))}", ""]
    for row in [head, *rows]:
        lines += [f"   {'  -' if number else '* -'} {cell}" for number, cell in enumerate(row)]
    return [*lines, ""]


def marked(text):
    """Return plain text as reStructuredText, with options and words in quotes as literals."""
    for sign in "\\*`|":
        text = text.replace(sign, f"\\{sign}")
    text = re.sub(r"(?<!\w)'([^']+)'(?!\w)", r"``\1``", text)
    return re.sub(r"(?<![`\w])(--[a-z-]+|\w+_\w+|[\w.]+=\w*)(?![\w`])", r"``\1``", text)


class Generated(Directive):
    """A directive whose content the program states."""

    def run(self):
        source = self.state.document.current_source
        # Parsed as if it stood in the page, where it may open sections.
        self.state_machine.insert_input([*self.lines(), ""], source)
        return []


class Commands(Generated):
    def lines(self):
        for name, callback, command in commands():
            yield from [f".. _command_{name}:", "", f"skdxa {name}", "-" * 40, ""]
            yield from [marked(command.help), "", ".. code-block:: text", ""]
            yield from [f"    {usage_of(name, command)}", "", "For example:", ""]
            example = command.epilog.removeprefix("Example: ")
            wrapped = " \\\n        ".join(textwrap.wrap(example, 80, break_on_hyphens=False))
            yield from [".. code-block:: console", "", *f"    $ {wrapped}".splitlines(), ""]
            yield from [f".. program:: skdxa {name}", "", *described(callback, command)]


class Statuses(Generated):
    def lines(self):
        rows = [(f"{number}", marked(text)) for number, text in skdxa.cli.STATUSES.items()]
        yield from table(("status", "meaning"), rows, (12, 88))


class Variables(Generated):
    def lines(self):
        rows = [(literal(name), marked(text)) for name, text in skdxa.cli.ENVIRONMENT.items()]
        yield from table(("variable", "meaning"), rows, (32, 68))


class ProtocolNames(Generated):
    def lines(self):
        options = {
            parameter.name: names_of(parameter)
            for _, _, command in commands()
            for parameter in command.params
        }
        rows = []
        for field in [one.name for one in fields(Protocol)]:
            option = next(
                (one for one, name in skdxa.cli.IN_PROTOCOL.items() if name == field), field
            )
            typed = options.get(option)
            shown = ", ".join(map(literal, typed.split(", "))) if typed else "in the file only"
            rows.append((literal(field), shown))
        yield from table(("in a protocol file, and in Python", "option"), rows, (50, 50))


class Columns(Generated):
    def lines(self):
        rows = []
        for one in known_columns().itertuples():
            also = (
                f" Also ``{one.other_names.replace(', ', '``, ``')}``." if one.other_names else ""
            )
            names = ", ".join(
                name if name == "..." else literal(name) for name in one.name.split(", ")
            )
            rows.append((names, one.unit, f"{marked(one.meaning)}.{also}", marked(one.used_for)))
        yield from table(("name", "unit", "meaning", "used for"), rows, (20, 10, 35, 35))


def setup(app):
    """Register the directives."""
    for name, directive in {
        "commands": Commands,
        "statuses": Statuses,
        "environment": Variables,
        "protocol-names": ProtocolNames,
        "known-columns": Columns,
    }.items():
        app.add_directive(name, directive)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
