import numpy as np
import pandas as pd
from commands import run_command


def test_predict_goes_on_where_a_file_is_bad(files, model_file, tmp_path):
    (tmp_path / "bad.npy").write_bytes(b"")
    out = tmp_path / "predictions.csv"
    ran = run_command(
        "predict",
        model_file,
        files / "table.csv",
        tmp_path / "bad.npy",
        "--out",
        out,
        "--spacing",
        1.05,
        0.6,
    )
    assert ran.exit_code == 3, ran.output
    assert "25 scans: " in ran.output
    assert "1 not usable" in ran.output
    assert "bad.npy: the file is empty" in ran.stderr
    table = pd.read_csv(out)
    assert len(table) == 25
    assert table["probability"].notna().sum() == 24

    ran = run_command("predict", model_file, files / "0.npy", "--out", out, "--spacing", 1.05, 0.6)
    assert "give --overwrite" in str(ran.exception)
    arguments = ("--out", out, "--spacing", 1.05, 0.6, "--overwrite")
    ran = run_command("predict", model_file, files / "0.npy", *arguments)
    assert ran.exit_code == 0, ran.output
    ran = run_command("predict", model_file, tmp_path / "bad.npy", *arguments)
    assert ran.exit_code == 1
    folder = tmp_path / "folder"
    folder.mkdir()
    ran = run_command("predict", model_file, folder, *arguments)
    assert "There is no scan" in str(ran.exception)
    np.save(folder / "a.npy", np.load(files / "0.npy"))
    (folder / ".hidden").touch()
    for name in (".thumbnails", "__MACOSX"):
        (folder / name).mkdir()
        (folder / name / "a.npy").touch()
    ran = run_command("predict", model_file, folder, *arguments)
    assert ran.exit_code == 0, ran.output
    (tmp_path / "table.csv").write_text("scan\na.npy\n")
    ran = run_command("predict", model_file, tmp_path / "table.csv", "--scans", folder, *arguments)
    assert ran.exit_code == 0, ran.output
    ran = run_command("predict", model_file, tmp_path / "table.csv", "--scans", "no", *arguments)
    assert "the folder of scans no does not exist" in str(ran.exception)
    (folder / "table.csv").write_text("file,age\na.npy,66\n")
    ran = run_command("predict", model_file, folder / "table.csv", *arguments)
    assert "has no column 'scan' of scans; it has file, age" in str(ran.exception)


def test_the_spacings_of_a_table_are_those_of_its_scans(files, model_file, tmp_path):
    pixels = np.load(files / "0.npy")
    np.save(tmp_path / "a.npy", np.repeat(np.repeat(pixels, 2, axis=0), 2, axis=1))
    np.save(tmp_path / "b.npy", pixels)
    table = pd.DataFrame({"scan": ["a.npy", "b.npy"], "row_mm": [0.525, None]})
    table["column_mm"] = [0.3, None]
    table.to_csv(tmp_path / "table.csv", index=False)
    scans = tmp_path / "table.csv", files / "0.npy"
    out = tmp_path / "predictions.csv"
    ran = run_command("predict", model_file, *scans, "--out", out, "--spacing", 1.05, 0.6)
    assert ran.exit_code == 0, ran.output
    fine, plain, same = pd.read_csv(out)["probability"]
    assert plain == same
    # Each pixel in four; a scan of twice the size would have another crop.
    assert abs(fine - plain) < 0.02
    table.drop(columns=["row_mm", "column_mm"]).to_csv(tmp_path / "table.csv", index=False)
    arguments = ("--out", out, "--spacing", 1.05, 0.6, "--overwrite")
    ran = run_command("predict", model_file, *scans, *arguments)
    assert abs(pd.read_csv(out)["probability"][0] - plain) > abs(fine - plain)
    ran = run_command("explain", model_file, tmp_path / "table.csv", "--out", tmp_path / "maps",
                      "--spacing", 1.05, 0.6)  # fmt: skip
    assert ran.exit_code == 0, ran.output
    table.assign(row_mm=[0.525, -1], column_mm=[0.3, 0.3]).to_csv(scans[0], index=False)
    ran = run_command("predict", model_file, *scans, *arguments)
    assert ran.exit_code == 3
    assert "(row_mm, column_mm) must be two positive numbers" in ran.stderr
    table.drop(columns="column_mm").to_csv(scans[0], index=False)
    ran = run_command("predict", model_file, *scans, *arguments)
    assert "one side of the pixels but has no column 'column_mm'" in str(ran.exception)
