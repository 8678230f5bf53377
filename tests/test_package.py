import importlib
import subprocess
import sys

import numpydoc.validate
import pytest

import skdxa

PUBLIC = [
    (package, name)
    for package in skdxa._SUBPACKAGES
    for name in importlib.import_module(f"skdxa.{package}").__all__
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
