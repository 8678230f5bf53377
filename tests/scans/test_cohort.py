"""A table and its scans to a cohort."""

import numpy as np
import pandas as pd
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian
from sklearn.model_selection import GroupKFold

from skdxa.exceptions import CohortError, ScanError
from skdxa.scan_dtype import ScanDtype
from skdxa.scans import load_cohort

SPACING_MM = (1.05, 0.60)


@pytest.fixture
def folder(tmp_path):
    """Folder of five scans of 7 x 9 pixels, each with a value of its own."""
    (tmp_path / "sub").mkdir()
    for number, name in enumerate(["a", "b", "sub/c", "d", "001"]):
        np.save(tmp_path / f"{name}.npy", np.full((7, 9), number / 4))
    return tmp_path


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "age": [68, 64, 71, 70],
            "scan": ["a.npy", "b.npy", "sub/c.npy", "d.npy"],
            "patient": ["p2", "p1", "p2", "p3"],
            "scoliosis": [0, 1, np.nan, 1],
            "row_mm": 1.05,
            "column_mm": 0.60,
            "unreliable": [True, False, True, False],
        },
        index=[9, 8, 7, 7],
    )


def refusal(table, scans=".", *, target_columns="scoliosis", **options):
    with pytest.raises(CohortError) as caught:
        load_cohort(table, scans=scans, target_columns=target_columns, **options)
    return str(caught.value)


def write_dicom(path):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.PatientName = "Secret^Name"
    dataset.PatientID = "010203-SECRET"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = 14, 9
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelSpacing = [0.525, 0.60]
    dataset.PixelData = np.arange(126, dtype=np.uint8).tobytes()
    dataset.save_as(path, enforce_file_format=True)


def test_cohort(folder, table):
    before = table.copy()
    cohort = load_cohort(
        table,
        scans=folder,
        target_columns=["scoliosis", "unreliable"],
        group_column="patient",
    )
    pd.testing.assert_frame_equal(table, before)

    assert list(cohort.data) == ["age", "scan", "patient", "row_mm", "column_mm"]
    assert cohort.data.index.equals(pd.RangeIndex(4))
    assert cohort.data["age"].tolist() == [68, 64, 71, 70]
    assert cohort.data["scan"].dtype == ScanDtype((1.05, 0.60), "g/cm2")
    assert cohort.simulated is False
    for number, scan in enumerate(cohort.data["scan"]):
        assert scan.dtype == np.float32
        np.testing.assert_array_equal(scan, np.full((7, 9), number / 4))

    expected = pd.DataFrame({"scoliosis": [0, 1, np.nan, 1], "unreliable": [1.0, 0, 1, 0]})
    pd.testing.assert_frame_equal(cohort.target, expected)
    assert isinstance(cohort.groups, np.ndarray)
    assert cohort.groups.tolist() == ["p2", "p1", "p2", "p3"]
    assert cohort.spacing_mm == SPACING_MM
    assert cohort.excluded.empty
    assert list(cohort.excluded) == ["row", "scan", "reason", "kind"]
    assert cohort.DESCR.splitlines() == [
        "Cohort of 4 scans of 3 patients",
        "Pixels: 1.05 x 0.6 mm; scans of 7 x 9 pixels",
        "Unit: g/cm2 (4)",
        "scoliosis: 2 positive, 1 negative, 1 unknown",
        "unreliable: 2 positive, 2 negative, 0 unknown",
        "Excluded: 0 of 4 scans",
    ]
    for _, test in GroupKFold(3).split(cohort.data, groups=cohort.groups):
        assert set(test) in ({0, 2}, {1}, {3})


def test_scans_are_resampled_each_from_its_own_spacing(folder, table):
    write_dicom(folder / "e.dcm")
    table["scan"] = ["a.npy", "b.npy", "e.dcm", "d.npy"]
    table["row_mm"] = [1.05, 2.10, np.nan, 1.05]
    table["column_mm"] = [0.60, 0.60, np.nan, 1.20]
    cohort = load_cohort(table, scans=folder, target_columns="unreliable")
    assert [scan.shape for scan in cohort.data["scan"]] == [(7, 9), (14, 9), (7, 9), (7, 18)]
    assert cohort.groups.tolist() == [0, 1, 2, 3]
    assert "4 scans, each taken as its own patient" in cohort.DESCR
    assert "scans of 7-14 x 9-18 pixels" in cohort.DESCR
    assert "Unit: g/cm2 (3), grey level (1)" in cohort.DESCR

    finer = load_cohort(
        table, scans=folder, target_columns="unreliable", spacing_mm=np.array([1.05, 0.30])
    )
    assert finer.data["scan"][0].shape == (7, 18)
    assert finer.spacing_mm == (1.05, 0.30)


def test_nothing_comes_from_dicom_headers(folder):
    write_dicom(folder / "e.dcm")
    table = pd.DataFrame({"scan": ["e.dcm"], "y": [1]})
    cohort = load_cohort(table, scans=folder, target_columns="y")
    assert list(cohort.data) == ["scan"]
    assert "secret" not in str(cohort).lower()


def test_csv(folder):
    path = folder / "table.csv"
    # Blank lines, a line and a column of empty cells, as spreadsheets leave them.
    path.write_text(
        "\ufefffile,patient,row_mm,column_mm,y,\n"
        "001.npy,1,1.05,0.6,0,\n"
        "\n"
        ",,,,,\n"
        f"{folder / 'sub' / 'c.npy'},2,1.05,0.6,,\n"
        "sub/../d.npy,1,1.05,0.6,1,\n"
        "\n",
        encoding="utf-8",
    )
    cohort = load_cohort(
        str(path), scans=folder, scan_column="file", target_columns="y", group_column="patient"
    )
    assert list(cohort.data) == ["scan", "patient", "row_mm", "column_mm"]
    assert [scan[0, 0] for scan in cohort.data["scan"]] == [1.0, 0.5, 0.75]
    assert cohort.groups.dtype == np.int64
    assert cohort.groups.tolist() == [1, 2, 1]
    np.testing.assert_array_equal(cohort.target["y"], [0, np.nan, 1])

    path.write_text("file,y,row_mm,column_mm\na.npy,1,1.05,0.6\n\nb.npy,2,1.05,0.6\n")
    message = refusal(path, folder, scan_column="file", target_columns="y")
    assert message == (
        "target column 'y' must hold 0, 1, or nothing where unknown; it holds '2' in line 4."
    )


def test_patients_stay_apart_and_together(folder):
    path = folder / "table.csv"
    lines = ["scan,patient,y", "a.npy,01,1", "b.npy,1,0", "sub/c.npy,01 ,1", "d.npy,1E5,0"]
    path.write_text("\n".join(lines) + "\n")
    with pytest.warns(UserWarning, match=r"column 'patient' holds patients .*: '01' and '1'"):
        cohort = load_cohort(path, scans=folder, target_columns="y", group_column="patient")
    assert cohort.groups.tolist() == ["01", "1", "01", "1E5"]


def test_one_patient_written_in_two_ways_is_one(folder):
    path = folder / "table.csv"
    lines = ["scan,patient,y", "a.npy,1000,1", "b.npy,1000.0,0", "sub/c.npy,7,1", "d.npy,8,0"]
    path.write_text("\n".join(lines) + "\n")
    cohort = load_cohort(path, scans=folder, target_columns="y", group_column="patient")
    assert cohort.groups.tolist() == [1000, 1000, 7, 8]
    many_digits = "1" * 5000
    path.write_text("\n".join([line.replace("1000", many_digits) for line in lines]) + "\n")
    cohort = load_cohort(path, scans=folder, target_columns="y", group_column="patient")
    assert cohort.groups[0] == cohort.groups[1] != cohort.groups[2]


def test_file_names_of_digits_stay_text(folder):
    np.save(folder / "007", np.ones((7, 9)))
    (folder / "007.npy").rename(folder / "007")
    path = folder / "table.csv"
    path.write_text("scan,y,row_mm,column_mm\n007,1,1.05,0.6\n")
    cohort = load_cohort(path, scans=folder, target_columns="y")
    assert cohort.data["scan"][0].shape == (7, 9)


def test_arrays_without_a_spacing_are_taken_to_be_at_the_cohorts(folder, table):
    table = table.drop(columns=["row_mm", "column_mm"])
    cohort = load_cohort(table, scans=folder, target_columns="unreliable", spacing_mm=(2.0, 0.5))
    assert {scan.shape for scan in cohort.data["scan"]} == {(7, 9)}
    assert "not state their spacing; all are taken to be at 2 x 0.5 mm already" in cohort.DESCR


def test_scans_of_mixed_spacing_where_one_does_not_state_its_own(folder, table):
    write_dicom(folder / "e.dcm")
    table = table.drop(columns=["row_mm", "column_mm"])
    table["scan"] = ["e.dcm", "b.npy", "c.npy", "d.npy"]
    with pytest.raises(CohortError, match=r"line 3: .*b\.npy: the file does not say how large"):
        load_cohort(table, scans=folder, target_columns="unreliable")


def test_bad_scans_are_listed_or_excluded(folder, table):
    (folder / "b.npy").write_bytes(b"broken")
    table.loc[9, ["row_mm", "column_mm"]] = np.nan
    message = refusal(table, folder)
    assert message.splitlines() == [
        "2 of 4 scans cannot be used:",
        f"  line 2: {folder / 'a.npy'}: the file does not say how large its pixels are. Give "
        "their height and width in mm in columns 'row_mm' and 'column_mm' of the table.",
        f"  line 3: {folder / 'b.npy'}: the file is of an unknown format; skdxa reads DICOM, "
        "MATLAB .mat (version 5 to 7.3) and NumPy .npy files.",
        "Correct them, or leave them out with on_error='exclude'.",
    ]

    cohort = load_cohort(
        table,
        scans=folder,
        target_columns="scoliosis",
        group_column="patient",
        on_error="exclude",
    )
    assert cohort.data.index.equals(pd.RangeIndex(2))
    assert cohort.target.index.equals(pd.RangeIndex(2))
    assert cohort.data["age"].tolist() == [71, 70]
    assert [scan[0, 0] for scan in cohort.data["scan"]] == [0.5, 0.75]
    np.testing.assert_array_equal(cohort.target["scoliosis"], [np.nan, 1])
    assert cohort.groups.tolist() == ["p2", "p3"]
    assert cohort.excluded["row"].tolist() == [2, 3]
    assert cohort.excluded["scan"].tolist() == ["a.npy", "b.npy"]
    assert "unknown format" in cohort.excluded["reason"][1]
    assert cohort.DESCR.endswith("Excluded: 2 of 4 scans")


def test_one_scan_is_a_cohort(folder, table):
    cohort = load_cohort(table[:1], scans=folder, target_columns="scoliosis")
    assert cohort.data["scan"][0].shape == (7, 9)


def test_only_ten_bad_scans_are_listed(folder):
    table = pd.DataFrame({"scan": [f"{n}.npy" for n in range(12)] + ["a.npy"], "y": 0})
    table = table.assign(row_mm=1, column_mm=1)
    lines = refusal(table, folder, target_columns="y").splitlines()
    assert lines[0] == "12 of 13 scans cannot be used:"
    assert lines[1] == f"  line 2: {folder / '0.npy'}: there is no such file."
    assert lines[10].startswith("  line 11: ")
    assert lines[11:] == [
        "  and 2 more",
        "Correct them, or leave them out with on_error='exclude'.",
    ]


@pytest.mark.parametrize("on_error", ["raise", "exclude"])
def test_no_scan_left(folder, table, on_error):
    table["scan"] += "x"
    assert refusal(table, folder, on_error=on_error).endswith("\nNo scan is left.")


@pytest.mark.parametrize("sides", [(1.05, np.nan), (0, 0.60), (-1.05, 0.60), ("wide", 0.60)])
def test_bad_spacing_of_one_scan(folder, table, sides):
    table = table.astype({"row_mm": object}).reset_index(drop=True)
    table.loc[1, "row_mm"], table.loc[1, "column_mm"] = sides
    message = refusal(table, folder)
    assert "1 of 4 scans cannot be used" in message
    assert f"line 3: {folder / 'b.npy'}: (row_mm, column_mm) must be two positive" in message
    assert f"in mm; got {sides!r}." in message


@pytest.mark.parametrize(
    ("change", "options", "reason"),
    [
        (
            {},
            {"scan_column": "scans"},
            "the table has no scan column 'scans'. Its columns are age, scan, patient, "
            "scoliosis, row_mm, column_mm, unreliable. Did you mean 'scan'?",
        ),
        ({}, {"target_columns": ["scoliosi"]}, "no target column 'scoliosi'."),
        ({}, {"target_columns": ["scoliosi"]}, "Did you mean 'scoliosis'?"),
        ({}, {"group_column": "xyz"}, "no group column 'xyz'."),
        ({}, {"target_columns": []}, "target_columns names no column"),
        ({}, {"target_columns": ["scoliosis"] * 2}, "column 'scoliosis' has two roles"),
        ({}, {"target_columns": "scan"}, "column 'scan' has two roles"),
        (
            {},
            {"target_columns": "unreliable", "group_column": "unreliable"},
            "column 'unreliable' has two roles",
        ),
        ({}, {"scan_column": "patient"}, "has a column 'scan' beside 'patient'"),
        ({"row_mm": None}, {}, "has no column 'row_mm'. Give both 'row_mm' and 'column_mm'"),
        (
            {"scan": ["a.npy", None, "", "d.npy"]},
            {},
            "column 'scan' names no scan in lines 3, 4. Fill in the scan or delete the row.",
        ),
        (
            {"patient": ["p1", None, "p2", None]},
            {"group_column": "patient"},
            "column 'patient' names no patient in lines 3, 5.",
        ),
        (
            {"scan": ["a.npy", "b.npy", "d.npy", "sub/../b.npy"]},
            {"on_error": "exclude"},
            "lines 3 and 5 of the table name the same scan, sub/../b.npy.",
        ),
        ({"scoliosis": [0, 1, 0.5, 1]}, {}, "it holds '0.5' in line 4."),
        (
            {"scoliosis": [0, "yes", 2, "no"]},
            {},
            "it holds 'yes' in line 3, and other values in lines 4, 5.",
        ),
        ({}, {"on_error": "ignore"}, "on_error must be 'raise' or 'exclude'; got 'ignore'"),
    ],
)
def test_tables_that_do_not_fit(folder, table, change, options, reason):
    table = table.reset_index(drop=True)
    for name, values in change.items():
        table = table.drop(columns=name) if values is None else table.assign(**{name: values})
    assert reason in refusal(table, folder, **options)


def test_many_missing_patients_are_cut_short(folder):
    table = pd.DataFrame({"scan": [f"{n}" for n in range(12)], "y": 0, "patient": None})
    message = refusal(table, folder, target_columns="y", group_column="patient")
    assert "in lines 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more." in message


def test_two_columns_of_one_name(folder, table):
    table = table.rename(columns={"age": "patient"})
    assert refusal(table, folder) == "the table has two columns named 'patient'. Rename one."


def test_no_folder_of_scans(folder, table):
    assert "folder of scans" in refusal(table, folder / "none")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"scan,scoliosis\n", "has no rows"),
        (b"scan,,scoliosis\na.npy,x,1\n", "has no name for column 2 in its header"),
        (b"scan,scan,scoliosis\na.npy,x,1\n", "has two columns named 'scan'"),
        (b"scan;scoliosis\na.npy;1\n", "It seems to be separated by semicolons"),
        (b"scan,scoliosis\na.npy,1,2\n", "Expected 2 fields in line 2, saw 3"),
        (b"scan,scoliosis\n\xe4.npy,1\n", "is not comma-separated UTF-8 text ("),
    ],
)
def test_csv_that_cannot_be_used(folder, content, reason):
    path = folder / "table.csv"
    path.write_bytes(content)
    message = refusal(path, folder)
    assert reason in message
    assert str(path) in message or "semicolons" in message


def test_no_table(folder):
    assert "cannot be opened (No such file or directory)" in refusal(folder / "none.csv", folder)
    assert "cannot be opened (Is a directory)" in refusal(folder, folder)
    assert "path of a CSV file or a DataFrame; got list" in refusal([1], folder)


def test_empty_frame(folder, table):
    assert refusal(table[:0], folder) == "the table has no rows. Give it one row per scan."


def test_bad_target_spacing(folder, table):
    with pytest.raises(ScanError, match="spacing_mm must be two positive numbers"):
        load_cohort(table, scans=folder, target_columns="scoliosis", spacing_mm=0.6)


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "category", "str"])
def test_labels_of_other_types(folder, table, dtype):
    values = ["1", None, "0", "1"] if dtype == "str" else [1, None, 0, 1]
    table["scoliosis"] = pd.array(values, dtype=dtype) if dtype != "category" else values
    if dtype == "category":
        table["scoliosis"] = table["scoliosis"].astype("category")
    cohort = load_cohort(table, scans=folder, target_columns="scoliosis")
    assert cohort.target["scoliosis"].dtype == np.float64
    np.testing.assert_array_equal(cohort.target["scoliosis"], [1, np.nan, 0, 1])


def test_real_spine(real_data):
    name = "1.2.840.113619.2.110.210419.20150928115733.2.2.12.1.dcm"
    table = pd.DataFrame({"scan": [name], "scoliosis": [0]})
    cohort = load_cohort(table, scans=real_data / "dxa", target_columns="scoliosis")
    assert cohort.data["scan"][0].shape == (188, 300)
    assert 0.06 < np.isnan(cohort.data["scan"][0]).mean() < 0.08
