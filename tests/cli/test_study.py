import json

from commands import run_command


def test_command_on_simulated_patients(tmp_path):
    out = tmp_path / "out"
    ran = run_command("study", "--out", out, "--subjects", 40, "--splits", 2, "--epochs", 1)
    assert ran.exit_code == 0, ran.output
    assert "fewer epochs: 1; the paper has 100" in ran.output
    assert "Out of fold, simulated patients. Means over the folds (stability" in ran.output
    assert (out / "roc_scoliosis.png").stat().st_size > 10_000


def test_command_on_files(files, tmp_path):
    out = tmp_path / "out"
    arguments = ("--cohort", files / "table.csv", "--group-column", "patient", "--epochs", 1)
    ran = run_command("study", "--out", out, "--splits", 2, "--target", "scoliosis", *arguments)
    assert ran.exit_code == 0, ran.output
    assert "scoliosis: 12 positive, 11 negative, 1 unknown" not in ran.output
    assert "scoliosis: 11 positive, 12 negative, 1 unknown" in ran.output
    assert "Out of fold, patients." in ran.output
    assert json.loads((out / "manifest.json").read_text())["scans"]["scoliosis"]["n"] == 23


def test_command_does_not_overwrite_unasked(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    ran = run_command("study", "--out", out)
    assert isinstance(ran.exception, ValueError)
    assert "give --overwrite" in str(ran.exception)
