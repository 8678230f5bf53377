"""A folder of scans, and a model fitted on them."""

import signal
import warnings

import numpy as np
import pandas as pd
import pytest
from commands import run_command


@pytest.fixture(autouse=True)
def few_scans_give_wide_intervals():
    """Ignore the warnings of few events, and of folds that all have the same metric."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "no interval for|a class has", RuntimeWarning)
        yield


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Write a folder of scans and its table, two scans per patient."""
    folder = tmp_path_factory.mktemp("scans")
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "scan": [f"{i}.npy" for i in range(24)],
            "patient": [f"p{i // 2}" for i in range(24)],
            "scoliosis": [i // 2 % 2 for i in range(24)],
        }
    )
    table["scoliosis"] = table["scoliosis"].astype(object)
    table.loc[23, "scoliosis"] = ""
    for name in table["scan"]:
        np.save(folder / name, rng.normal(0.5, 0.2, size=(155, 160)).astype(np.float32))
    table.to_csv(folder / "table.csv", index=False)
    return folder


@pytest.fixture(autouse=True)
def _one_processor(monkeypatch):
    """Train in this process, since workers take seconds to start."""
    monkeypatch.setattr("joblib.cpu_count", lambda: 1)


@pytest.fixture
def as_it_was(monkeypatch):
    """Undo what the command changes in its process."""
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def model_file(files, tmp_path_factory):
    """Fit a small model by the command."""
    path = tmp_path_factory.mktemp("model") / "scoliosis.skdxa"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "no interval for|a class has", RuntimeWarning)
        ran = run_command(
            "fit",
            files / "table.csv",
            "--target",
            "scoliosis",
            "--group-column",
            "patient",
            "--splits",
            2,
            "--epochs",
            1,
            "--height",
            60,
            "--width",
            40,
            "--rule",
            "youden",
            "--spacing",
            1.05,
            0.6,
            "--out",
            path,
        )
    assert ran.exit_code == 0, ran.output
    assert "not trained on it. Means over the folds, with 95 % intervals by the" in ran.output
    assert "New scans get the mean over the networks of the folds" in ran.output
    assert f"Written to {path}. Positive is a probability of at least" in ran.output
    return path
