import ast
import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpydoc.validate
import pytest

import skdxa

PUBLIC = [
    (package, name)
    for package in skdxa._SUBPACKAGES
    for name in importlib.import_module(f"skdxa.{package}").__all__
    # A constant, such as a reference population, has the docstring of its class.
    if callable(getattr(importlib.import_module(f"skdxa.{package}"), name))
]


# Which of the packages that take long to import have been imported.
LOADED = (
    "import sys; heavy = {'tensorflow', 'keras', 'matplotlib', 'sklearn', 'pandas'};"
    "print(sorted(heavy & set(sys.modules)))"
)


def printed_by(code):
    """Run code in a Python of its own."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_import_loads_neither_tensorflow_nor_matplotlib():
    assert printed_by(f"import skdxa; {LOADED}") == "[]\n"


def test_building_a_pipeline_loads_no_tensorflow():
    code = (
        "import sys, skdxa.classification, skdxa.evaluation, skdxa.study;"
        "skdxa.study.Protocol().pipeline(); print('tensorflow' in sys.modules)"
    )
    assert printed_by(code) == "False\n"


def test_the_command_loads_only_what_a_subcommand_needs():
    assert printed_by(f"import skdxa.cli; {LOADED}") == "[]\n"


def test_subpackages_are_found_lazily():
    assert skdxa.exceptions.ScanError.__name__ == "ScanError"
    assert set(skdxa.__all__) <= set(dir(skdxa))
    with pytest.raises(AttributeError, match="module 'skdxa' has no attribute 'magic'"):
        _ = skdxa.magic


# Sections that would add nothing everywhere, and numpydoc's wish that a single returned value
# have no name.
IGNORED = {"ES01", "EX01", "SA01", "SA04", "GL01", "RT02", "RT03", "RT04", "RT05", "YD01", "SS05"}
# The fields of a result are told as its attributes.
IGNORED_OF_CLASSES = {"PR01", "PR02"}


@pytest.mark.parametrize(("package", "name"), PUBLIC)
def test_public_docstrings(package, name):
    found = numpydoc.validate.validate(f"skdxa.{package}.{name}")
    ignored = IGNORED | (IGNORED_OF_CLASSES if found["type"] == "type" else set())
    assert [error for error in found["errors"] if error[0] not in ignored] == []


def test_documentation_lists_every_public_name():
    docs = Path(__file__).resolve().parents[1] / "docs"
    if not docs.is_dir():
        pytest.skip(f"no documentation beside the tests: {docs}")
    pages = sorted((docs / "reference").glob("*.rst"))
    listed = {word for page in pages for word in page.read_text().split()}
    contents = (docs / "api.rst").read_text()
    assert [page.stem for page in pages if f"   reference/{page.stem}\n" not in contents] == []
    missing = [f"{package}.{name}" for package, name in PUBLIC]
    assert [name for name in missing if name not in listed] == []


def shown_in_docstrings():
    """Return the code of all examples in docstrings, and what it prints."""
    parser = doctest.DocTestParser()
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    return "\n".join(
        example.source + example.want
        for path in SOURCES.values()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, documented)
        for example in parser.get_examples(ast.get_docstring(node) or "")
    )


def has_example(package, name):
    """Return whether a function or class has an example of its own."""
    value = getattr(importlib.import_module(f"skdxa.{package}"), name)
    return callable(value) and ">>> " in (value.__doc__ or "")


def test_every_public_name_is_shown_in_use():
    root = Path(__file__).resolve().parents[1]
    if not (root / "docs").is_dir():
        pytest.skip(f"no documentation beside the tests: {root / 'docs'}")
    parts = ("examples/*/*.py", "docs/guide/*.rst", "docs/howto/*.rst", "docs/tutorial/*.rst")
    pages = [page for part in parts for page in root.glob(part)]
    shown = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    words = set(re.findall(r"\w+", f"{shown}\n{shown_in_docstrings()}"))
    names = {
        (package, name)
        for package in skdxa._SUBPACKAGES
        for name in importlib.import_module(f"skdxa.{package}").__all__
    }
    unused = {(package, name) for package, name in names if name not in words}
    assert sorted(pair for pair in unused if not has_example(*pair)) == []


def test_files_that_the_readme_names_exist():
    root = Path(__file__).resolve().parents[1]
    readme = (root / "README.md").read_text()
    links = re.findall(r"\]\(((?!http)[^)#]+)\)", readme)
    assert links
    assert [link for link in links if not (root / link).exists()] == []


SOURCES = {
    ".".join(path.relative_to(Path(skdxa.__file__).parents[1]).with_suffix("").parts): path
    for path in sorted(Path(skdxa.__file__).parent.rglob("*.py"))
}


def imported_names(module, tree):
    """Return the absolute names that a module imports, and the line of each."""
    package = module.rpartition(".")[0]
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                origin = ".".join([*above, *filter(None, [node.module])])
            names += [(f"{origin}.{alias.name}", node.lineno) for alias in node.names]
    return names


def foreign_private_imports(module, source):
    """Return the imports of a module that are private to another package of skdxa."""
    home = module.split(".")[1]
    found = []
    for name, line in imported_names(module, ast.parse(source)):
        root, *parts = name.split(".")
        if root != "skdxa" or parts[:1] in (["_sklearn"], ["_cluster"], [home]):
            continue
        if parts[:1] == ["_description"]:
            # What its `__init__` has is for all of skdxa.
            parts = parts[1:]
        if any(part.startswith("_") and not part.endswith("__") for part in parts):
            found.append(f"{module}:{line} imports {name}")
    return found


@pytest.mark.parametrize(
    ("source", "n_found"),
    [
        ("from skdxa.scans._read import read", 1),
        ("from skdxa.scans import _read", 1),
        ("import skdxa.scans._read", 1),
        ("from ..scans._read import read", 1),
        ("def f():\n    from skdxa.scans._read import read", 1),
        ("from skdxa.scans import read_scan", 0),
        ("from skdxa.study._run import run", 0),
        ("from ._run import run", 0),
        ("from skdxa import __version__", 0),
        ("from skdxa._sklearn import check", 0),
        ("from skdxa._cluster import Losses", 0),
        ("from skdxa._description import digest", 0),
        ("from skdxa._description._digest import digest", 1),
        ("from sklearn.utils._bunch import Bunch", 0),
    ],
)
def test_private_imports_are_found(source, n_found):
    assert len(foreign_private_imports("skdxa.study._report", source)) == n_found


def test_no_package_imports_a_private_module_of_another():
    found = [
        offence
        for module, path in SOURCES.items()
        for offence in foreign_private_imports(module, path.read_text())
    ]
    assert found == []


def docstrings(source):
    """Return the docstrings of a module's text, and the line of what each describes."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        (getattr(node, "lineno", 1), " ".join(text.split()))
        for node in ast.walk(ast.parse(source))
        if isinstance(node, documented) and (text := ast.get_docstring(node))
    ]


UNIDIOMATIC = re.compile(
    r"\AGives?\b|\b(row|column|file|fit|fold) an? "
    r"(scan|fold|rater|pair|repeat|patient|experiment)\b"
)


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("Give the scores.", True),
        ("Scores, a row\n    a scan.", True),
        ("Scores, one fit a fold.", True),
        ("Return the scores, one row per scan, given the folds.", False),
    ],
)
def test_unidiomatic_docstrings_are_found(text, is_found):
    ((_, docstring),) = docstrings(f'def f():\n    """{text}"""')
    assert bool(UNIDIOMATIC.search(docstring)) == is_found


def test_docstrings_are_idiomatic():
    found = [
        f"{module}:{line} {match[0]!r}"
        for module, path in SOURCES.items()
        for line, docstring in docstrings(path.read_text())
        if (match := UNIDIOMATIC.search(docstring))
    ]
    assert found == []


# What several modules of a package have in common, tested apart from them.
THEMES = {
    "check_site",
    "command_line_page",
    "damaged_files",
    "documentation",
    "examples",
    "fuzz_dicom",
    "fuzz_matlab",
    "fuzz_plain",
    "masked",
    "mathml",
    "optuna",
    "package",
    "real",
    "reference",
    "sklearn",
    "transformers",
}


def test_tests_mirror_the_package():
    tests = Path(__file__).parent
    stray = []
    for path in tests.rglob("test_*.py"):
        name = path.stem.removeprefix("test_")
        folder = Path(skdxa.__file__).parent / path.parent.relative_to(tests)
        modules = (folder / f"_{name}.py", folder / f"{name}.py", folder / name)
        if name not in THEMES and not any(module.exists() for module in modules):
            stray.append(path.relative_to(tests).as_posix())
    assert stray == []
