import os

import pandas as pd
import pytest
from commands import run_command


class Asked(Exception):
    """What the command asks for."""


@pytest.mark.parametrize("target", ["scoliosis", "Cobb > 10"])
def test_fit_takes_the_protocol_and_the_columns_of_a_study(files, monkeypatch, tmp_path, target):
    def fit_model(protocol, patients, **options):
        raise Asked(protocol, patients)

    monkeypatch.setattr("skdxa.study.fit_model", fit_model)
    table = pd.read_csv(files / "table.csv").rename(columns={"scoliosis": "Cobb > 10"})
    table.to_csv(tmp_path / "table.csv", index=False)
    config = tmp_path / "study.toml"
    config.write_text(
        'n_splits = 4\nepochs = 7\nprimary = { target = "scoliosis" }\n'
        'columns = { scoliosis = "Cobb > 10" }\n'
    )
    ran = run_command(
        "fit", tmp_path / "table.csv", "--scans", files, "--config", config, "--splits", 3,
        "--target", target, "--out", tmp_path / "model.skdxa",
    )  # fmt: skip
    protocol, patients = ran.exception.args
    assert (protocol.n_splits, protocol.epochs, protocol.height) == (3, 7, 150)
    # A study alone makes the primary comparison.
    assert protocol.primary is None
    assert protocol.targets == ("Cobb > 10",)
    assert list(patients.target) == ["Cobb > 10"]


def test_a_place_that_cannot_be_written_is_refused_before_training(files, monkeypatch, tmp_path):
    monkeypatch.setattr("skdxa.study.fit_model", lambda *args, **options: pytest.fail("trained"))
    arguments = (files / "table.csv", "--target", "scoliosis", "--out")
    ran = run_command("fit", *arguments, tmp_path / "none" / "model.skdxa")
    assert "none/model.skdxa: its folder does not exist. Make the folder first." in str(
        ran.exception
    )
    monkeypatch.setattr("os.access", lambda path, mode: mode != os.W_OK)
    ran = run_command("fit", *arguments, tmp_path / "model.skdxa")
    assert "model.skdxa cannot be written, since its folder does not permit it." in (
        str(ran.exception)
    )
