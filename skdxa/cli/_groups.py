"""Groups of options that several commands share."""

import functools
import inspect
from dataclasses import fields, is_dataclass


def expand_groups(command):
    """Make each field of a parameter that is a dataclass an option of a command.

    Typer reads options from the signature alone; it calls the command with one keyword per
    option, from which the dataclasses are built.
    """
    parameters = inspect.signature(command).parameters
    groups = {
        name: parameter.annotation
        for name, parameter in parameters.items()
        if is_dataclass(parameter.annotation)
    }

    @functools.wraps(command)
    def call(**given):
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        return command(**given)

    expanded = []
    for name, parameter in parameters.items():
        group = groups.get(name)
        expanded += inspect.signature(group).parameters.values() if group else [parameter]
    call.__signature__ = inspect.Signature(
        # An option with a default may precede one without.
        [parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in expanded]
    )
    return call
