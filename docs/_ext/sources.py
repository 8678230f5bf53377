"""Where classes and functions of skdxa begin and end in their files, for links to their source.

2026-11: the parser of Sphinx 9.0 fails for modules with ``{**one, **other}`` among their
constants, which would then have no such links.
"""

import ast
import importlib.util
from pathlib import Path

KINDS = {ast.ClassDef: "class", ast.FunctionDef: "def", ast.AsyncFunctionDef: "def"}


def definitions(body, prefix=""):
    """Yield the name of each class and function, its kind, and its first and last line."""
    for node in body:
        if type(node) in KINDS:
            name = prefix + node.name
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            yield name, (KINDS[type(node)], first, node.end_lineno)
            yield from definitions(node.body, f"{name}.")


def find_source(app, module):
    """Return the text of a module of skdxa and its definitions; None for other modules."""
    if module.partition(".")[0] != "skdxa":
        return None
    source = Path(importlib.util.find_spec(module).origin).read_text(encoding="utf-8")
    return source, dict(definitions(ast.parse(source).body))


def setup(app):
    """Answer where `sphinx.ext.viewcode` asks for the source of a module."""
    app.setup_extension("sphinx.ext.viewcode")
    app.connect("viewcode-find-source", find_source)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
