"""What a function's code does, and which names outside it the code refers to."""

import builtins
import dis
import importlib
import importlib.util
import types

from skdxa._description._library import is_library

_MISSING = object()
# Flag by which Python 3.13 marks code with a docstring.
_HAS_DOCSTRING = 0x4000000


class Absent:
    """Marks a name that refers to nothing."""


def instructions(code):
    """Return what code does, without its place in a file, its comments and its docstring.

    Parameters
    ----------
    code : types.CodeType

    Returns
    -------
    tuple
        Signature, handlers of exceptions, and a list of the operations with their arguments.
    """
    signature = (
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_flags & ~_HAS_DOCSTRING,
        code.co_varnames[: code.co_argcount + code.co_kwonlyargcount],
        code.co_freevars,
    )
    steps = [(step.opname, step.argval) for step in dis.get_instructions(code)]
    return signature, getattr(code, "co_exceptiontable", b""), steps


def values_referred_to(function):
    """Return the values outside a function that its code refers to, by a label.

    Of modules of the user's own, they are the attributes that the code names; an installed
    package is a name only.

    Parameters
    ----------
    function : types.FunctionType

    Returns
    -------
    dict
        Values by texts such as "variable units", "global SIZE" and "global helpers.cut".
    """
    found = {}
    names, attributes, imports = _names(function.__code__)
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    for name, cell in cells:
        try:
            value = cell.cell_contents
        except ValueError:
            value = Absent
        _add(found, f"variable {name}", value, attributes)
    # Everything that the code of a library refers to belongs to the library.
    if is_library(function.__globals__.get("__name__")):
        return found
    for name in sorted(names):
        value = function.__globals__.get(name, _MISSING)
        if value is not _MISSING:
            _add(found, f"global {name}", value, attributes)
        elif not hasattr(builtins, name):
            found[f"global {name}"] = Absent
    for name, level, members in sorted(imports):
        module = _imported(name, level, function.__globals__)
        _add(found, f"import {'.' * level}{name}", module, attributes | set(members))
    return found


def _add(found, label, value, attributes):
    if not isinstance(value, types.ModuleType) or is_library(value.__name__):
        found[label] = value
        return
    found[label] = f"module {value.__name__}"
    for name in sorted(attributes & vars(value).keys()):
        is_own = not name.startswith("__") and vars(value)[name] is not value
        if f"{label}.{name}" not in found and is_own:
            _add(found, f"{label}.{name}", vars(value)[name], attributes)


def _names(code):
    """Return the globals, the attributes and the imports that code and its inner code name."""
    names, attributes, imports = set(), set(code.co_names), set()
    steps = list(dis.get_instructions(code))
    for place, step in enumerate(steps):
        if step.opname.startswith("LOAD_") and step.opname.endswith(("GLOBAL", "GLOBALS", "NAME")):
            # The body of each class reads the name of its module.
            if (step.opname, step.argval) != ("LOAD_NAME", "__name__"):
                names.add(step.argval)
        elif step.opname == "IMPORT_NAME":
            # The two operations before have put the level and the members in place.
            level, members = steps[place - 2].argval, steps[place - 1].argval
            imports.add((step.argval, level, tuple(members or ())))
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            inner = _names(constant)
            names |= inner[0]
            attributes |= inner[1]
            imports |= inner[2]
    return names, attributes, imports


def _imported(name, level, namespace):
    """Import a module of the user, as the function will; return the name of a library."""
    if level:
        package = namespace.get("__package__") or ""
        try:
            name = importlib.util.resolve_name("." * level + name, package)
        except ImportError:
            return Absent
    if is_library(name):
        return f"module {name}"
    try:
        return importlib.import_module(name)
    except Exception:
        # The function may catch this error, or raise a clearer one.
        return Absent
