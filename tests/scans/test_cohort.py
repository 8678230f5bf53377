"""A table and its scans to a cohort."""

import unicodedata

import numpy as np
import pandas as pd
import pytest
from scan_files import write_dicom
from sklearn.model_selection import GroupKFold

from skdxa.exceptions import CohortError, ScanError
from skdxa.preprocessing import SpineCropper
from skdxa.scan_dtype import ScanDtype
from skdxa.scans import load_cohort

SPACING_MM = (1.05, 0.60)
FINE = np.arange(126, dtype=np.uint8).reshape(14, 9)


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
    assert list(cohort.excluded) == ["row", "scan", "reason", "kind", "group"]
    assert cohort.DESCR.splitlines() == [
        "Cohort of 4 scans of 3 patients",
        "Pixels: 1.05 x 0.6 mm; scans of 7 x 9 pixels",
        "The spacing is stated by: table (4)",
        "Unit: g/cm2 (4)",
        "scoliosis: 2 positive, 1 negative, 1 unknown",
        "unreliable: 2 positive, 2 negative, 0 unknown",
        "Excluded: 0 of 4 scans",
    ]
    for _, test in GroupKFold(3).split(cohort.data, groups=cohort.groups):
        assert set(test) in ({0, 2}, {1}, {3})


def test_scans_are_resampled_each_from_its_own_spacing(folder, table):
    write_dicom(folder / "e.dcm", FINE, PixelSpacing=[0.525, 0.60])
    table["scan"] = ["a.npy", "b.npy", "e.dcm", "d.npy"]
    table["row_mm"] = [1.05, 2.10, np.nan, 1.05]
    table["column_mm"] = [0.60, 0.60, np.nan, 1.20]
    with pytest.warns(UserWarning, match="differ in unit: 3 in g/cm2, 1 in grey level"):
        cohort = load_cohort(table, scans=folder, target_columns="unreliable")
    assert [scan.shape for scan in cohort.data["scan"]] == [(7, 9), (14, 9), (7, 9), (7, 18)]
    assert cohort.groups.tolist() == [0, 1, 2, 3]
    assert "4 scans, each taken as its own patient" in cohort.DESCR
    assert "scans of 7-14 x 9-18 pixels" in cohort.DESCR
    assert "Unit: g/cm2 (3), grey level (1)" in cohort.DESCR

    with pytest.warns(UserWarning, match="differ in unit"):
        finer = load_cohort(
            table, scans=folder, target_columns="unreliable", spacing_mm=np.array([1.05, 0.30])
        )
    assert finer.data["scan"][0].shape == (7, 18)
    assert finer.spacing_mm == (1.05, 0.30)


def test_nothing_comes_from_dicom_headers(folder):
    write_dicom(folder / "e.dcm", FINE, PixelSpacing=[0.525, 0.60])
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
        "target column 'y' must hold 0, 1, or nothing where unknown; it holds '2' in row 4. "
        "Correct the cells, or say what the words mean, as in labels={'Yes': 1, 'No': 0}."
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


def test_a_scan_named_in_two_forms_of_unicode_is_listed_twice(folder):
    names = [unicodedata.normalize(form, "Äijö.npy") for form in ("NFC", "NFD")]
    np.save(folder / names[1], np.zeros((7, 9), dtype=np.float32))
    table = pd.DataFrame({"scan": names, "patient": [1, 2]})
    with pytest.raises(CohortError, match="rows 2 and 3 of the table name the same scan"):
        load_cohort(table, scans=folder, group_column="patient")
    cohort = load_cohort(table[:1], scans=folder, group_column="patient")
    assert cohort.data["scan"][0].shape == (7, 9)


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
    write_dicom(folder / "e.dcm", FINE, PixelSpacing=[0.525, 0.60])
    table = table.drop(columns=["row_mm", "column_mm"])
    table["scan"] = ["e.dcm", "b.npy", "c.npy", "d.npy"]
    with pytest.raises(CohortError, match=r"row 3: .*b\.npy: the file does not say how large"):
        load_cohort(table, scans=folder, target_columns="unreliable")


def test_bad_scans_are_listed_or_excluded(folder, table):
    (folder / "b.npy").write_bytes(b"broken")
    table.loc[9, ["row_mm", "column_mm"]] = np.nan
    message = refusal(table, folder)
    assert message.splitlines() == [
        "2 of 4 scans cannot be used:",
        f"  row 2: {folder / 'a.npy'}: the file does not say how large its pixels are. "
        "State their height and width in mm in columns 'row_mm' and 'column_mm' of the table, or "
        "for all such files with default_spacing_mm=.",
        f"  row 3: {folder / 'b.npy'}: the file is of an unknown format; skdxa reads DICOM, "
        "MATLAB .mat, NumPy .npy and .npz files, and PNG, TIFF, BMP and JPEG pictures. Export "
        "the scan in one of these.",
        "Correct them, or leave them out with on_error='exclude'.",
    ]

    with pytest.warns(UserWarning, match=r"2 of 4 scans are left out \(1 x pixel spacing unknown"):
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
    assert cohort.excluded["group"].tolist() == ["p2", "p1"]
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
    assert lines[1] == f"  row 2: {folder / '0.npy'}: there is no such file."
    assert lines[10].startswith("  row 11: ")
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
    assert f"row 3: {folder / 'b.npy'}: (row_mm, column_mm) must be two positive" in message
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
        ({}, {"target_columns": ["scoliosis"] * 2}, "column 'scoliosis' has two roles"),
        ({}, {"target_columns": "scan"}, "column 'scan' has two roles"),
        (
            {},
            {"target_columns": "unreliable", "group_column": "unreliable"},
            "column 'unreliable' has two roles",
        ),
        ({}, {"scan_column": "patient"}, "has a column 'scan' in addition to 'patient'"),
        ({"row_mm": None}, {}, "has no column 'row_mm'. Both 'row_mm' and 'column_mm' are needed"),
        (
            {"scan": ["a.npy", None, "", "d.npy"]},
            {},
            "column 'scan' names no scan in rows 3, 4. Fill in the scan or delete the row.",
        ),
        (
            {"patient": ["p1", None, "p2", None]},
            {"group_column": "patient"},
            "column 'patient' names no patient in rows 3, 5.",
        ),
        (
            {"scan": ["a.npy", "b.npy", "d.npy", "sub/../b.npy"]},
            {"on_error": "exclude"},
            "rows 3 and 5 of the table name the same scan, sub/../b.npy.",
        ),
        ({"scoliosis": [0, 1, 0.5, 1]}, {}, "it holds '0.5' in row 4."),
        (
            {"scoliosis": [0, "yes", 2, "no"]},
            {},
            "it holds 'yes' in row 3, '2' in row 4, 'no' in row 5.",
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
    assert "in rows 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more." in message


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
        (b"scan,scoliosis\na.npy,1,2\n", "has no name for column 3 in its header, but a cell"),
        (b"scan,scoliosis\na.npy,1\nb.npy\n", "fewer cells in row 3: 1 in row 3."),
        (b'scan,scoliosis\n"a.npy,1\nb.npy,1\n', "quotation mark may be missing"),
        (b"scan,scoliosis\na.npy,\x001\n", "is not a text file"),
        (b"\xff\xfes\x00c\x00\x00", "is not a text file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1...", "is an old Excel file"),
        (b"PK\x03\x04...", "no Excel file that can be read"),
        (b"PAR1...", "is a damaged Parquet file"),
        (b'scan,bmd,scoliosis\na.npy,1.05,1\nb.npy,"1,05",0\n', "with a comma in row 3"),
        (b'scan,bmd,scoliosis\na.npy,"1,050",1\n', "can mean 1050 or 1.050"),
    ],
)
def test_csv_that_cannot_be_used(folder, content, reason):
    path = folder / "table.csv"
    path.write_bytes(content)
    message = refusal(path, folder)
    assert reason in message
    assert str(path) in message


def test_no_table(folder):
    assert "cannot be opened (No such file or directory)" in refusal(folder / "none.csv", folder)
    assert "cannot be opened (Is a directory)" in refusal(folder, folder)
    assert "path of a table or a DataFrame; got list" in refusal([1], folder)


def test_empty_frame(folder, table):
    assert refusal(table[:0], folder) == "the table has no rows. It needs one row per scan."


def test_bad_target_spacing(folder, table):
    with pytest.raises(ScanError, match="spacing_mm must be two positive numbers"):
        load_cohort(table, scans=folder, target_columns="scoliosis", spacing_mm=0.6)


@pytest.mark.parametrize(
    "dtype",
    [
        "Int64",
        "boolean",
        "category",
        "string",
        # pandas 2 makes the word "None" of a gap.
        pytest.param(
            "str", marks=pytest.mark.skipif(pd.__version__.startswith("2."), reason="pandas 2")
        ),
    ],
)
def test_labels_of_other_types(folder, table, dtype):
    values = ["1", None, "0", "1"] if dtype in ("string", "str") else [1, None, 0, 1]
    table["scoliosis"] = pd.array(values, dtype=dtype) if dtype != "category" else values
    if dtype == "category":
        table["scoliosis"] = table["scoliosis"].astype("category")
    cohort = load_cohort(table, scans=folder, target_columns="scoliosis")
    assert cohort.target["scoliosis"].dtype == np.float64
    np.testing.assert_array_equal(cohort.target["scoliosis"], [1, np.nan, 0, 1])


def write_table(path, rows, *, delimiter=",", encoding="utf-8", first=""):
    text = first + "".join(delimiter.join(row) + "\r\n" for row in rows)
    path.write_bytes(text.encode(encoding))
    return path


ROWS = [["scan", "Größe", "scoliosis"], ["a.npy", "1,62", "1"], ["001.npy", "1,7", ""]]


@pytest.mark.parametrize(
    "form",
    [
        {"delimiter": ";"},
        {"delimiter": "\t"},
        {"delimiter": "|"},
        {"delimiter": ";", "encoding": "utf-8-sig"},
        {"delimiter": ";", "encoding": "utf-16"},
        {"delimiter": "\t", "encoding": "utf-16-le"},
        {"delimiter": "\t", "encoding": "utf-16-be"},
        {"delimiter": ";", "first": "sep=;\r\n"},
    ],
)
def test_text_as_spreadsheets_write_it(folder, form):
    path = write_table(folder / "table.csv", ROWS, **form)
    cohort = load_cohort(path, scans=folder, target_columns="scoliosis")
    assert cohort.data["Größe"].tolist() == [1.62, 1.7]
    assert [scan[0, 0] for scan in cohort.data["scan"]] == [0.0, 1.0]
    np.testing.assert_array_equal(cohort.target["scoliosis"], [1, np.nan])
    # A spreadsheet does not show the line that names the delimiter.
    assert cohort.sources["row"].tolist() == [2, 3]


def test_latin_1_is_read_with_a_warning(folder):
    path = write_table(folder / "table.csv", ROWS, delimiter=";", encoding="latin-1")
    with pytest.warns(UserWarning, match=r"table\.csv is not UTF-8 and was read as Windows-1252"):
        cohort = load_cohort(path, scans=folder, target_columns="scoliosis")
    assert list(cohort.data) == ["scan", "Größe"]


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet", "frame"])
def test_words_that_a_user_maps_are_no_missing_values(folder, kind):
    words = ["None", "NA", "n/a", "yes", "None", ""]
    for number in range(len(words)):
        np.save(folder / f"word{number}.npy", np.full((7, 9), number, dtype=np.float32))
    table = pd.DataFrame(
        {
            "scan": [f"word{number}.npy" for number in range(len(words))],
            "finding": words,
            # Not mapped, and therefore missing.
            "age": ["NA", "70", "None", "71", "72", ""],
        }
    )
    path = folder / f"words.{kind}"
    if kind == "frame":
        path = table.assign(age=[np.nan, 70, np.nan, 71, 72, np.nan])
    elif kind == "parquet":
        table.assign(age=[np.nan, 70, np.nan, 71, 72, np.nan]).to_parquet(path)
    else:
        table.to_csv(path, index=False) if kind == "csv" else table.to_excel(path, index=False)
    cohort = load_cohort(
        path,
        scans=folder,
        target_columns="finding",
        labels={"None": 0, "NA": 0, "N/A": 0, "Yes": 1},
    )
    np.testing.assert_array_equal(cohort.target["finding"], [0, 0, 0, 1, 0, np.nan])
    assert cohort.data["age"].tolist()[3:5] == [71, 72]
    assert cohort.data["age"].isna().sum() == 3


def test_excel_and_parquet(folder):
    table = pd.DataFrame(
        {
            "scan": ["a.npy", "001.npy"],
            "patient": [7.0, None],
            "age": [68.5, 71],
            "y": ["Yes", "no"],
        }
    )
    pytest.importorskip("openpyxl")
    with pd.ExcelWriter(folder / "one.xlsx") as writer:
        table.fillna({"patient": 9}).to_excel(writer, sheet_name="Scans", index=False)
        pd.DataFrame().to_excel(writer, sheet_name="Empty")
    options = {"scans": folder, "group_column": "patient", "target_columns": "y"}
    labels = {"Yes": 1, "No": 0}
    cohort = load_cohort(folder / "one.xlsx", labels=labels, **options)
    assert cohort.groups.tolist() == [7, 9]
    assert cohort.data["age"].tolist() == [68.5, 71.0]
    assert cohort.target["y"].tolist() == [1.0, 0.0]

    with pd.ExcelWriter(folder / "two.xlsx") as writer:
        table.to_excel(writer, sheet_name="Scans", index=False)
        table.to_excel(writer, sheet_name="Old", index=False)
    assert "several sheets: Scans, Old" in refusal(folder / "two.xlsx", **options)
    assert "names no patient in row 3" in refusal(folder / "two.xlsx", sheet="Old", **options)
    assert "has no sheet 'New'" in refusal(folder / "two.xlsx", sheet="New", **options)

    pytest.importorskip("pyarrow")
    table.fillna({"patient": 9}).to_parquet(folder / "table.parquet")
    cohort = load_cohort(folder / "table.parquet", labels=labels, **options)
    assert cohort.groups.tolist() == [7, 9]


def test_words_for_labels(folder, table):
    table["scoliosis"] = ["Yes", " no", None, "unclear"]
    message = refusal(table, folder)
    assert "it holds 'Yes' in row 2, 'no' in row 3, 'unclear' in row 5" in message
    assert "labels={'Yes': 1, 'No': 0}" in message
    labels = {"Yes": 1, "No": 0, "unclear": None}
    cohort = load_cohort(
        table, scans=folder, target_columns=["scoliosis", "unreliable"], labels=labels
    )
    np.testing.assert_array_equal(cohort.target["scoliosis"], [1, 0, np.nan, np.nan])
    assert cohort.target["unreliable"].tolist() == [1, 0, 1, 0]

    table["scoliosis"] = [1, 2.0, "2", 1]
    cohort = load_cohort(table, scans=folder, target_columns="scoliosis", labels={1: 1, "2": 0})
    assert cohort.target["scoliosis"].tolist() == [1, 0, 0, 1]
    table["scoliosis"] = [1, 2, 2, 0]
    assert "must hold '1', '2', or nothing where unknown; it holds '0' in row 5" in refusal(
        table, folder, labels={1: 1, 2: 0}
    )


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ({"Yes": 2}, "labels maps 'Yes' to 2; it must be 0, 1 or None."),
        ({"Yes": 1, "yes ": 0}, "labels maps 'yes ' to two values"),
        (["Yes"], "labels must map words to 0, 1 or None"),
    ],
)
def test_labels_without_a_meaning(folder, table, labels, reason):
    assert reason in refusal(table, folder, labels=labels)


def test_all_faults_of_a_table_are_reported_at_once(folder, table):
    table["patient"] = ["p1", None, "p2", "p3"]
    table["scoliosis"] = [0, 2, 1, 0]
    message = refusal(
        table, folder, target_columns=["scoliosis", "unreliabl"], group_column="patient"
    )
    assert message.splitlines()[0] == "the table has 3 faults:"
    assert "no target column 'unreliabl'" in message
    assert "it holds '2' in row 3" in message
    assert "names no patient in row 3" in message


def test_scans_without_labels(folder, table):
    cohort = load_cohort(table, scans=folder, unit="grey level")
    assert cohort.target.shape == (4, 0)
    assert cohort.data["scan"].dtype == ScanDtype((1.05, 0.60), "grey level")
    assert "scoliosis" in cohort.data


def test_sources_and_the_names_of_scans(folder, table):
    write_dicom(folder / "e.dcm", FINE, PixelSpacing=[0.525, 0.60])
    np.savez(folder / "z.npz", bmd=np.ones((7, 9)), mask=np.ones((7, 9)))
    table = table.drop(columns=["row_mm", "column_mm"]).assign(
        scan=["a.npy", "e.dcm", "z.npz", "d.npy"]
    )
    with pytest.warns(UserWarning, match="differ in unit"):
        cohort = load_cohort(
            table,
            scans=folder,
            target_columns="unreliable",
            variable="bmd",
            default_spacing_mm=(2.10, 0.60),
        )
    sources = cohort.sources
    assert sources["path"].tolist() == ["a.npy", "e.dcm", "z.npz", "d.npy"]
    assert sources["row"].tolist() == [2, 3, 4, 5]
    assert sources["format"].tolist() == ["NumPy", "DICOM", "NumPy", "NumPy"]
    assert sources["unit"].tolist() == ["g/cm2", "grey level", "g/cm2", "g/cm2"]
    assert sources["row_mm"].tolist() == [2.10, 0.525, 2.10, 2.10]
    assert sources["rows"].tolist() == [7, 14, 7, 7]
    assert sources["spacing_source"].tolist() == [
        "default_spacing_mm",
        "PixelSpacing",
        "default_spacing_mm",
        "default_spacing_mm",
    ]
    assert [scan.shape for scan in cohort.data["scan"]] == [(14, 9), (7, 9), (14, 9), (14, 9)]
    named = r"scan at index 2 \(row 4 of the table, z\.npz\) has 9 columns"
    with pytest.raises(ScanError, match=named):
        SpineCropper(height=4, width=20).fit_transform(cohort.data.iloc[2:])


def test_scans_too_narrow_can_be_excluded(folder, table):
    np.save(folder / "wide.npy", np.ones((7, 20)))
    table["scan"] = ["a.npy", "wide.npy", "b.npy", "d.npy"]
    message = refusal(table, folder, min_columns=15)
    assert "a.npy: the scan has 9 columns at 1.05 x 0.6 mm, fewer than the 15 needed" in message
    with pytest.warns(UserWarning, match=r"3 of 4 scans are left out \(3 x too narrow\)"):
        cohort = load_cohort(
            table, scans=folder, target_columns="unreliable", min_columns=15, on_error="exclude"
        )
    assert cohort.sources["columns"].tolist() == [20]
    with pytest.raises(CohortError, match="min_columns must be a positive whole number"):
        load_cohort(table, scans=folder, min_columns=0)


@pytest.mark.parametrize("link", [False, True])
def test_one_content_under_two_patients_is_reported(folder, table, link):
    if link:
        (folder / "copy.npy").hardlink_to(folder / "a.npy")
    else:
        (folder / "copy.npy").write_bytes((folder / "a.npy").read_bytes())
    table["scan"] = ["a.npy", "copy.npy", "b.npy", "d.npy"]
    with pytest.warns(UserWarning, match=r"same content belong to different patients: rows 2, 3"):
        load_cohort(table, scans=folder, target_columns="unreliable", group_column="patient")
    table["patient"] = "p1"
    load_cohort(table, scans=folder, target_columns="unreliable", group_column="patient")


def test_anonymized(folder, table):
    (folder / "b.npy").write_bytes(b"broken")
    options = {
        "scans": folder,
        "target_columns": "unreliable",
        "group_column": "patient",
        "on_error": "exclude",
    }
    salt = "a salt of length"
    with pytest.warns(UserWarning, match="are left out"):
        plain, cohort, again, other = (
            load_cohort(table, anonymize=value, **options) for value in (False, salt, salt, True)
        )
    assert cohort.groups.tolist() == again.groups.tolist() != other.groups.tolist()
    assert pd.factorize(cohort.groups)[0].tolist() == pd.factorize(plain.groups)[0].tolist()
    shown = repr([cohort.groups, cohort.data["patient"].tolist(), cohort.sources.to_dict()])
    shown += repr([cohort.excluded.to_dict(), cohort.data["scan"].array.names])
    for name in ("'p1'", "'p2'", "'p3'", "'a.npy", "sub", "'b.npy", str(folder)):
        assert name not in shown
    assert cohort.excluded["scan"][0].endswith(".npy")
    assert cohort.excluded["reason"][0].startswith(f"{cohort.excluded['scan'][0]}: the file is")
    with pytest.raises(CohortError, match="needs 8 or more"):
        load_cohort(table, anonymize="short", **options)
    with pytest.raises(CohortError, match="must be True, False or a salt; got a int"):
        load_cohort(table, anonymize=1, **options)


def test_all_faults_of_the_paths_are_reported_together(folder):
    table = pd.DataFrame({"scan": ["a.npy", "b.npy", "a.npy", None, "sub/../b.npy"]})
    message = refusal(table, folder, target_columns=None)
    assert "the table has 3 faults" in message
    assert "names no scan in row 5" in message
    assert "rows 2 and 4 of the table name the same scan, a.npy" in message
    assert "rows 3 and 6 of the table name the same scan, sub/../b.npy" in message
    many = pd.DataFrame({"scan": ["a.npy"] * 14})
    assert "3 more rows name a scan of another row" in refusal(many, folder, target_columns=None)


def test_advice_fits_a_table(tmp_path):
    for name in ("a.dcm", "b.dcm"):
        write_dicom(tmp_path / name, FINE, PixelSpacing=[0.525, 0.60])
    content = (tmp_path / "a.dcm").read_bytes()
    (tmp_path / "a.dcm").write_bytes(content.replace(b"0.525\\0.6", b"0.5x5\\0.6"))
    table = pd.DataFrame({"scan": ["a.dcm", "b.dcm"]})
    message = refusal(table, tmp_path, target_columns=None)
    assert "PixelSpacing holds text that is not a number. State the pixels' size in col" in message
    assert "spacing_mm" not in message
    table = table.assign(row_mm=[1.05, None], column_mm=[0.6, None])
    cohort = load_cohort(table, scans=tmp_path)
    assert cohort.sources["spacing_source"].tolist() == ["table", "PixelSpacing"]


def test_any_number_of_processes_reads_the_same(folder, table):
    one, two = (
        load_cohort(table, scans=folder, target_columns="unreliable", n_jobs=n) for n in (1, 2)
    )
    pd.testing.assert_frame_equal(one.sources, two.sources)
    assert (one.data["scan"].array == two.data["scan"].array).all()


def test_real_spine(real_data):
    name = "1.2.840.113619.2.110.210419.20150928115733.2.2.12.1.dcm"
    table = pd.DataFrame({"scan": [name], "scoliosis": [0]})
    cohort = load_cohort(table, scans=real_data / "dxa", target_columns="scoliosis")
    assert cohort.data["scan"][0].shape == (188, 300)
    assert 0.06 < np.isnan(cohort.data["scan"][0]).mean() < 0.08
