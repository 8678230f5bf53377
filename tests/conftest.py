"""Fixtures that every test may use."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data():
    """Folder of real scans, which is never part of the project."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "real"
    if not folder.is_dir():
        pytest.skip(f"real scans are not at hand: no folder {folder}")
    return folder
