"""The file that a test writes and reads."""

import pytest


@pytest.fixture
def file(tmp_path):
    return tmp_path / "one"
