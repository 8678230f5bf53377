"""Look over a cohort before a study."""

import errno

import numpy as np
import pandas as pd
import pytest

from skdxa.exceptions import CohortError
from skdxa.scans import load_cohort
from skdxa.simulation import make_spine_cohort
from skdxa.study import Protocol, review_cohort


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Write a folder of simulated scans, of which some are odd and one cannot be read."""
    folder = tmp_path_factory.mktemp("scans")
    scans = make_spine_cohort(8, random_state=3).data["scan"]
    rng = np.random.default_rng(0)
    for number, scan in enumerate(scans):
        scan = {
            2: lambda scan: np.full_like(scan, 0.3),
            3: lambda scan: 1 - scan,
            4: lambda scan: rng.normal(0, 1, scan.shape),
            5: lambda scan: np.minimum(scan, 0.6),
        }.get(number, lambda scan: scan)(scan)
        np.save(folder / f"{number}.npy", scan)
    (folder / "7.npy").write_bytes(b"")
    table = pd.DataFrame(
        {
            "scan": [f"{number}.npy" for number in range(8)],
            "patient": ["=a", "b", "c", "d", "e", "f", "g", "h"],
            "scoliosis": [0, 1] * 4,
        }
    )
    table.to_csv(folder / "table.csv", index=False)
    return folder


@pytest.fixture
def cohort(folder):
    with pytest.warns(UserWarning, match="1 of 8 scans are left out"):
        return load_cohort(
            folder / "table.csv",
            scans=folder,
            target_columns="scoliosis",
            group_column="patient",
            on_error="exclude",
        )


def test_every_scan_is_listed_with_its_remarks(cohort, tmp_path):
    review = review_cohort(cohort, Protocol(n_splits=2), out=tmp_path / "review")
    scans = review.scans
    assert scans["row"].tolist() == list(range(2, 10))
    assert scans["usable"].tolist() == [True] * 7 + [False]
    remarks = scans["remarks"].tolist()
    assert remarks[0] == remarks[1] == remarks[6] == ""
    assert remarks[2] == "empty: all pixels are equal"
    assert remarks[3] == "bone dark: perhaps inverted"
    assert remarks[4].startswith("unlike a lumbar spine: no spine stands out")
    assert remarks[5].startswith("saturated: ")
    assert remarks[7] == scans["kind"][7] == "empty file"
    assert review.problems == []

    assert sorted(path.name for path in review.out.iterdir()) == [
        "contact_sheet_1.png",
        "flow.png",
        "scans.csv",
    ]
    written = pd.read_csv(review.out / "scans.csv")
    assert written["scan"].tolist() == [f"{number}.npy" for number in range(8)]
    assert written["spacing_source"].tolist()[:7] == ["assumed"] * 7
    # Folders can name patients.
    assert scans["reason"][7].endswith("/7.npy: the file is empty. Export or copy it again.")
    assert written["reason"][7] == "7.npy: the file is empty. Export or copy it again."
    with pytest.raises(FileExistsError, match="exists"):
        review_cohort(cohort, out=tmp_path / "review")
    (tmp_path / "review" / "notes").touch()
    with pytest.raises(FileExistsError, match="holds notes, no file of a review"):
        review_cohort(cohort, out=tmp_path / "review", overwrite=True)


@pytest.mark.parametrize("name", ["flow.png", "contact_sheet_1.png"])
def test_a_picture_that_finds_no_space_is_named(cohort, tmp_path, monkeypatch, name):
    def full(figure, path, **options):
        if path.name == name:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    with pytest.raises(OSError, match=rf"No space left on device: '.*/{name}'$"):
        review_cohort(cohort, out=tmp_path / "review")


def test_what_keeps_a_study_from_starting(cohort):
    protocol = Protocol(targets=("scoliosis", "fracture"), n_splits=5)
    review = review_cohort(cohort, protocol)
    assert len(review.problems) == 2
    assert "4 patients have the label 0, but 5 folds need at least 5" in review.problems[0]
    assert "has no target 'fracture'" in review.problems[1]
    assert review.out is None
    # The paper's targets, as far as the cohort has them.
    assert (
        review_cohort(cohort, Protocol(targets=None, n_splits=5)).problems == review.problems[:1]
    )
    del cohort["target"]
    with pytest.raises(CohortError, match="no 'target'"):
        review_cohort(cohort)


def test_the_same_pixels_in_two_rows_are_remarked_on(cohort):
    assert not review_cohort(cohort).scans["remarks"].str.contains("same").any()
    cohort.data["scan"] = pd.Series([*cohort.data["scan"]], dtype=object)
    cohort.data.at[6, "scan"] = cohort.data["scan"][0].copy()
    remarks = review_cohort(cohort).scans["remarks"]
    assert remarks[6] == "has the same pixels as row 2"
    assert remarks[0] == ""


def test_clinical_columns_that_a_study_cannot_use_keep_it_from_starting():
    cohort = make_spine_cohort(60, random_state=0)
    protocol = Protocol(n_splits=2, targets=("scoliosis",))
    assert review_cohort(cohort, protocol).problems == []
    cohort.data.loc[7, "age"] = 999
    (problem,) = review_cohort(cohort, protocol).problems
    assert problem.startswith("Column 'age' is 999 at index 7; ages are in years")
