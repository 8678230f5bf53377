from commands import run_command


def test_explain_draws_each_scan(files, model_file, tmp_path):
    out = tmp_path / "pictures"
    ran = run_command(
        "explain",
        model_file,
        files / "0.npy",
        files / "1.npy",
        "--out",
        out,
        "--spacing",
        1.05,
        0.6,
        "--positive",
        "scoliosis",
    )
    assert ran.exit_code == 0, ran.output
    assert sorted(path.name for path in out.iterdir()) == ["0.png", "1.png"]
