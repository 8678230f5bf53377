"""A study from its protocol to its report."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import Bunch

from skdxa import __version__
from skdxa.exceptions import CohortError
from skdxa.simulation import make_spine_cohort
from skdxa.study import Protocol, run_study

SMALL = {"n_splits": 3, "epochs": 1, "height": 32, "width": 24}


@pytest.fixture(scope="module")
def cohort():
    cohort = make_spine_cohort(60, random_state=0)
    cohort.simulated = False
    cohort.target["scoliosis"] = np.arange(60) % 2.0
    return cohort


@pytest.fixture(autouse=True)
def few_scans_give_wide_intervals():
    """Ignore the warnings of few events, and of folds that all have the same metric."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "no interval for|a class has", RuntimeWarning)
        yield


def test_report(cohort, tmp_path):
    lines = []
    protocol = Protocol(targets=("scoliosis", "unreliable"), n_repeats=2, **SMALL)
    out = tmp_path / "reports" / "first"
    study = run_study(protocol, cohort, out=out, progress=False, report=lines.append)
    assert sorted(path.name for path in out.iterdir()) == [
        "manifest.json",
        "roc_scoliosis.png",
        "roc_unreliable.png",
        "scores.csv",
        "table1.csv",
    ]
    assert [path.name for path in out.parent.iterdir()] == ["first"]
    table = pd.read_csv(out / "table1.csv")
    assert table["experiment"].tolist() == ["scoliosis", "unreliable"]
    for metric in ("sensitivity", "specificity", "accuracy", "auc"):
        assert table[metric].between(0, 1).all()
        assert (table[f"{metric}_low"].fillna(0) <= table[metric]).all()
    assert table.loc[0, "auc"] == study.results["scoliosis"].summary().loc["auc", "estimate"]
    assert table["patients"].tolist() == ["real", "real"]

    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["parameters"]["n_repeats"] == 2
    assert manifest["seed"] == 0
    assert manifest["versions"]["skdxa"] == __version__
    assert set(manifest["seconds"]) == {"scoliosis", "unreliable"}
    assert manifest["scans"]["scoliosis"] == {"n": 60, "patients": 60, "positive": 30}
    assert "n_subjects" not in manifest["parameters"]
    assert manifest["precision"] in ("bfloat16", "float32")
    assert manifest["excluded"] == []
    assert lines[0] == "scoliosis: 60 scans, 30 positive; 3 folds x 2, 1 epoch ..."
    scores = pd.read_csv(out / "scores.csv")
    assert len(scores) == 2 * 2 * 60
    first = scores.query("target == 'scoliosis' and repeat == 0").sort_values("row")
    np.testing.assert_array_equal(first["label"], cohort.target["scoliosis"])
    np.testing.assert_allclose(first["score"], study.results["scoliosis"].repeat_scores(0))


def test_same_seed_same_table_and_unknown_labels_are_left_out(cohort, tmp_path):
    partly = Bunch(**cohort)
    partly.target = cohort.target.copy()
    partly.target.loc[:9, "scoliosis"] = np.nan
    tables = [
        run_study(Protocol(**SMALL), partly, out=tmp_path / name, progress=False, n_jobs=n_jobs)
        for name, n_jobs in (("a", 1), ("b", 2))
    ]
    assert len(tables[0].results["scoliosis"].y) == 50
    assert pd.read_csv(tmp_path / "a" / "scores.csv")["row"].min() == 10
    pd.testing.assert_frame_equal(tables[0].table, tables[1].table)


def test_simulated_patients_are_called_simulated(tmp_path, monkeypatch):
    titles = []

    def keep_title(figure, path, **options):
        titles.append(figure.axes[0].get_title())
        path.write_bytes(b"")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", keep_title)
    protocol = Protocol(targets=("unreliable",), n_subjects=30, shuffle_labels=True, **SMALL)
    made = make_spine_cohort(30, random_state=0)
    given = run_study(protocol, made, out=tmp_path / "given", progress=False)
    assert given.manifest["patients"] == "simulated"
    titles.clear()
    study = run_study(protocol, out=tmp_path / "out", progress=False)
    assert study.manifest["patients"] == "simulated"
    assert study.table["patients"].tolist() == ["simulated"]
    assert titles == ["unreliable, labels shuffled\n30 simulated patients"]


def test_nothing_is_left_of_a_study_that_fails(cohort, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    (out / "table1.csv").write_text("old")
    with pytest.raises(FileExistsError, match=r"out exists\. Choose another folder"):
        run_study(Protocol(**SMALL), cohort, out=out)

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("skdxa.study._run._draw", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_study(Protocol(**SMALL), cohort, out=out, overwrite=True, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in out.iterdir()] == ["table1.csv"]
    assert (out / "table1.csv").read_text() == "old"


def test_the_former_report_is_restored_if_the_new_one_cannot_take_its_place(
    cohort, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    out.mkdir()
    (out / "table1.csv").write_text("old")
    rename = Path.rename

    def interrupt_the_second(path, target):
        if target == out and not path.name.endswith("-former"):
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupt_the_second)
    with pytest.raises(KeyboardInterrupt):
        run_study(Protocol(**SMALL), cohort, out=out, overwrite=True, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (out / "table1.csv").read_text() == "old"


def test_overwriting_replaces_a_report_and_nothing_else(cohort, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "roc_kyphosis.png").write_text("old")
    run_study(Protocol(**SMALL), cohort, out=out, overwrite=True, progress=False)
    assert not (out / "roc_kyphosis.png").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]

    (out / "scans").mkdir()
    with pytest.raises(FileExistsError, match="out holds scans, no file of a report"):
        run_study(Protocol(**SMALL), cohort, out=out, overwrite=True)
    with pytest.raises(FileExistsError, match=r"manifest\.json is a file\. Choose a folder"):
        run_study(Protocol(**SMALL), cohort, out=out / "manifest.json", overwrite=True)
    with pytest.raises(ValueError, match=r"checkpoint .* lies within"):
        run_study(Protocol(**SMALL), cohort, out=tmp_path / "new", checkpoint=tmp_path / "new/ck")


def test_a_folder_made_meanwhile_is_left_alone(cohort, tmp_path):
    out = tmp_path / "out"

    def make_it(line):
        out.mkdir(exist_ok=True)
        (out / "file of another program").write_text("file of another program")

    study = run_study(Protocol(**SMALL), cohort, out=out, progress=False, report=make_it)
    assert study.out == tmp_path / "out-2"
    assert (study.out / "table1.csv").exists()
    assert [path.name for path in out.iterdir()] == ["file of another program"]


def test_targets_may_have_any_name(cohort, tmp_path):
    odd = Bunch(**cohort)
    odd.target = cohort.target.rename(columns={"scoliosis": "Cobb > 10/15"})
    protocol = Protocol(targets=("Cobb > 10/15",), **SMALL)
    study = run_study(protocol, odd, out=tmp_path / "out", progress=False)
    assert (study.out / "roc_Cobb___10_15.png").exists()


def test_unknown_target(cohort, tmp_path):
    with pytest.raises(CohortError, match=r"no target 'kyphosis'; it has \['scoliosis'"):
        run_study(Protocol(targets=("kyphosis",)), cohort, out=tmp_path / "out")


def test_too_few_positives_are_refused_before_training(cohort, tmp_path):
    few = Bunch(**cohort)
    few.target = pd.DataFrame({"scoliosis": (np.arange(60) < 2).astype(float)})
    with pytest.raises(CohortError, match="2 patients have the label 1, but 3 folds need at"):
        run_study(Protocol(**SMALL), few, out=tmp_path / "out")


# The paper's network, at length


@pytest.mark.slow
def test_simulated_scoliosis_is_found_and_shuffled_labels_are_not(tmp_path):
    found = run_study(Protocol(), out=tmp_path / "found", progress=False)
    assert found.table.loc["scoliosis", "auc"] >= 0.90
    shuffled = run_study(Protocol(shuffle_labels=True), out=tmp_path / "shuffled", progress=False)
    assert abs(shuffled.table.loc["scoliosis", "auc"] - 0.5) <= 0.08


def test_the_number_of_threads_is_set_before_a_study_and_recorded(monkeypatch, tmp_path):
    chosen = []
    monkeypatch.setattr("skdxa.study._run.set_threads", chosen.append)
    with pytest.raises(ValueError, match="n_threads"):
        Protocol(n_threads=0)
    with pytest.raises(CohortError):
        run_study(Protocol(n_threads=3, n_subjects=2), out=tmp_path / "out")
    assert chosen == []
    assert Protocol(n_threads=3).as_dict()["n_threads"] == 3
