"""Distinguish the code of installed packages from the user's own."""

import functools
import importlib.util
import os
import sys
import sysconfig
from pathlib import Path

_INSTALLED = {"site-packages", "dist-packages"}


def is_library(name):
    """Return whether a module is Python's, skdxa's or one of an installed package.

    Parameters
    ----------
    name : str or None
        The module's name. It is not imported.
    """
    if not isinstance(name, str) or not name or name == "__main__":
        return False
    top = name.partition(".")[0]
    if top == "skdxa" or top in sys.builtin_module_names:
        return True
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is not None:
        return _is_installed(file)
    return _is_found_installed(top)


def is_named(value):
    """Return whether a class or function is found by its name in a library."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    return is_library(module) and find(module, name) is value


def find(module, name):
    """Return what a module that is loaded has under a dotted name, or None."""
    found = sys.modules.get(module)
    for part in (name or "").split("."):
        found = getattr(found, part, None)
    return found


@functools.cache
def _is_found_installed(top):
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    if spec is None:
        return False
    if spec.origin in ("built-in", "frozen"):
        return True
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    return bool(places) and all(_is_installed(place) for place in places)


@functools.cache
def _is_installed(file):
    path = Path(os.path.normcase(os.path.abspath(file)))
    if not _INSTALLED.isdisjoint(path.parts):
        return True
    return any(path.is_relative_to(folder) for folder in _standard_library())


@functools.cache
def _standard_library():
    paths = sysconfig.get_paths()
    return [
        Path(os.path.normcase(os.path.abspath(paths[name]))) for name in ("stdlib", "platstdlib")
    ]
