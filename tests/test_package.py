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


def test_import_loads_neither_tensorflow_nor_matplotlib():
    code = (
        "import sys, skdxa; heavy = {'tensorflow', 'keras', 'matplotlib', 'sklearn', 'pandas'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_building_a_pipeline_loads_no_tensorflow():
    code = (
        "import sys, skdxa.classification, skdxa.evaluation, skdxa.study;"
        "skdxa.study.Protocol().pipeline(); print('tensorflow' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


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
    listed = set((docs / "api.rst").read_text().split())
    missing = [f"{package}.{name}" for package, name in PUBLIC]
    assert [name for name in missing if name not in listed] == []


def test_files_that_the_readme_names_exist():
    root = Path(__file__).resolve().parents[1]
    readme = (root / "README.md").read_text()
    links = re.findall(r"\]\(((?!http)[^)#]+)\)", readme)
    assert links
    assert [link for link in links if not (root / link).exists()] == []
