import pandas as pd
import pytest
from commands import run_command


def test_check_reports_whether_a_study_could_start(files, tmp_path):
    ran = run_command(
        "check",
        files / "table.csv",
        "--target",
        "scoliosis",
        "--splits",
        3,
        "--group-column",
        "patient",
    )
    assert ran.exit_code == 0, ran.output
    assert "Cohort of 24 scans of 12 patients" in ran.output
    assert "To look at: 24 scans." in ran.output
    assert "row 2: 0.npy: unlike a lumbar spine: no spine stands out" in ran.output
    assert ran.output.endswith("A study could start.\n")

    out = tmp_path / "review"
    ran = run_command(
        "check", files / "table.csv", "--target", "scoliosis", "--splits", 20, "--out", out
    )
    assert ran.exit_code == 1
    assert "Error: scoliosis: 12 patients have the label 0, but 20 folds need" in ran.stderr
    assert f"Written to {out}." in ran.output
    assert (out / "scans.csv").exists()
    ran = run_command("check", files / "table.csv", "--out", out)
    assert "give --overwrite" in str(ran.exception)


def test_check_reads_as_the_options_say(files, tmp_path):
    arguments = ("check", files / "table.csv", "--target", "scoliosis", "--splits", 3)
    ran = run_command(*arguments, "--spacing", 1.05, 0.6, "--resample-to", 2.1, 0.6)
    assert ran.exit_code == 0, ran.output
    assert "Pixels: 2.1 x 0.6 mm" in ran.output
    table = pd.read_csv(files / "table.csv").assign(row_mm=1.05, column_mm=0.6)
    table.loc[0, ["row_mm", "column_mm"]] = None
    table.to_csv(tmp_path / "table.csv", index=False)
    ran = run_command("check", tmp_path / "table.csv", "--scans", files, "--splits", 3)
    assert "or for all such files with --spacing." in ran.output


def test_check_lists_every_file_and_what_to_do(files, tmp_path):
    table = pd.read_csv(files / "table.csv")
    table["scoliosis"] = table["scoliosis"].map({0: "No", 1: "Yes"})
    table["scan"] = [
        f"none/{name}" if row < 12 else name for row, name in enumerate(table["scan"])
    ]
    table.to_csv(tmp_path / "table.csv", sep=";", index=False)
    arguments = (tmp_path / "table.csv", "--scans", files, "--target", "scoliosis")
    ran = run_command("check", *arguments)
    assert "labels={'Yes': 1, 'No': 0}" in str(ran.exception)
    arguments += ("--label", "Yes=1", "--label", "No=0", "--label", "unclear=", "--splits", 3)
    with pytest.warns(UserWarning, match="12 of 24 scans are left out"):
        ran = run_command("check", *arguments)
    assert ran.exit_code == 1
    assert ran.output.count("there is no such file") == 12
    assert "12 of 24 scans cannot be used" in ran.stderr
    assert "--exclude-unreadable" in ran.stderr
    with pytest.warns(UserWarning, match="12 of 24 scans are left out"):
        ran = run_command("check", *arguments, "--exclude-unreadable")
    assert ran.exit_code == 0, ran.output

    ran = run_command("check", *arguments, "--label", "maybe=2")
    assert "--label maybe=2 must be a word" in str(ran.exception)
    ran = run_command("check", tmp_path / "table.csv", "--scans", tmp_path)
    assert ran.exit_code == 1
    assert ran.output.count("there is no such file") == 24
    assert str(ran.exception) == "No scan can be used."


def test_anonymized_with_a_salt_that_is_no_argument(files, monkeypatch, tmp_path):
    monkeypatch.setenv("SKDXA_SALT", "a salt of the hospital")
    out = tmp_path / "review"
    for _ in range(2):
        ran = run_command(
            "check",
            files / "table.csv",
            "--anonymize",
            "--group-column",
            "patient",
            "--out",
            out,
            "--overwrite",
        )
        assert ran.exit_code == 0, ran.output
        scans = pd.read_csv(out / "scans.csv")["scan"]
        assert not set(scans) & {f"{i}.npy" for i in range(24)}
    assert "No column of labels was named" in ran.output


def test_check_compares_with_a_model(files, model_file):
    ran = run_command("check", files / "table.csv", "--model", model_file, "--width", 40)
    assert ran.exit_code == 0, ran.output
    assert "Compared with the scans that scoliosis.skdxa was trained on, " in ran.output
    assert "width_mm" in ran.output


def test_check_takes_the_protocol_and_the_columns_of_a_study(files, tmp_path):
    table = pd.read_csv(files / "table.csv").rename(columns={"scoliosis": "Cobb > 10"})
    table.assign(Age=60).to_csv(tmp_path / "table.csv", index=False)
    config = tmp_path / "study.toml"
    config.write_text('n_splits = 20\ncolumns = { scoliosis = "Cobb > 10", age = "Age" }\n')
    arguments = ("check", tmp_path / "table.csv", "--scans", files, "--config", config)
    ran = run_command(*arguments)
    assert ran.exit_code == 1
    assert "Cobb > 10: 11 positive, 12 negative, 1 unknown" in ran.output
    assert "have the label 0, but 20 folds need" in ran.stderr
    # An option replaces what the file says, and adds to its columns.
    ran = run_command(*arguments, "--splits", 3)
    assert ran.exit_code == 0, ran.output
    ran = run_command(*arguments, "--splits", 3, "--column", "tbs=TBS L1-L4")
    assert ran.exit_code == 1
    assert "The cohort has no column 'TBS L1-L4', which the protocol's columns name" in ran.stderr
    for target in ("scoliosis", "Cobb > 10"):
        ran = run_command(
            "check", tmp_path / "table.csv", "--scans", files, "--splits", 3,
            "--target", target, "--column", "scoliosis=Cobb > 10",
        )  # fmt: skip
        assert ran.exit_code == 0, ran.output
