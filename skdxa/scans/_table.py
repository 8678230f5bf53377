"""Read a table of patients from CSV, Excel or Parquet."""

import csv
import io
import os
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from skdxa.exceptions import CohortError
from skdxa.scans._rows import list_rows

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_OLD_EXCEL = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_COMMA_NUMBER = re.compile(r"[-+]?\d+,\d+")
_POINT_NUMBER = re.compile(r"[-+]?\d+\.\d+")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+")
_WHOLE_NUMBER = re.compile(r"[-+]?\d+")
# What pandas takes for a missing value by default.
_MISSING = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)


def read_table(table, *, text_columns, sheet=None, words=None):
    r"""Return a table whose index is the row, as a spreadsheet numbers it.

    Parameters
    ----------
    table : str, path-like or DataFrame
        CSV with commas, semicolons, tabs or bars, in UTF-8, UTF-16 or Windows-1252; Excel
        (.xlsx); Parquet; or a DataFrame. The kind of file is detected from its content.
    text_columns : set of str
        Columns that stay text even where all of their cells look like numbers.
    sheet : str, default=None
        Sheet of an Excel file; None takes the only one that is not empty.
    words : dict of str to set of str, default=None
        By column, words such as ``"none"`` or ``"na"`` that are values there, in lower case.
        Elsewhere a cell that holds one of the words that pandas takes for a missing value is
        missing.

    Returns
    -------
    table : DataFrame
        The header is row 1. Empty rows and columns are left out.

    Raises
    ------
    CohortError
        If the file cannot be read, or rows and header do not fit together.

    See Also
    --------
    load_cohort : Read a table and the scans that it names.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skdxa.scans import read_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "table.csv"
    ...     size = path.write_text("scan;age\n001.dcm;68,5\n\n002.dcm;71\n")
    ...     table = read_table(path, text_columns={"scan"})
    >>> table
          scan   age
    2  001.dcm  68.5
    4  002.dcm  71.0
    """
    if isinstance(table, pd.DataFrame):
        source = "the table"
        table = table.set_axis(range(2, len(table) + 2), axis=0)
    elif isinstance(table, str | os.PathLike):
        source = f"the table {table}"
        table = _read_file(Path(table), source, text_columns, sheet, words or {})
    else:
        raise CohortError(
            f"table must be the path of a table or a DataFrame; got {type(table).__name__}."
        )
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise CohortError(f"{source} has two columns named '{twice[0]}'. Rename one.")
    if table.empty:
        raise CohortError(f"{source} has no rows. It needs one row per scan.")
    return table


def _read_file(path, source, text_columns, sheet, words):
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CohortError(f"{source} cannot be opened ({reason}).") from None
    if not content.strip():
        raise CohortError(f"{source} is empty.")
    if content.startswith(b"PAR1"):
        return _read_parquet(content, source)
    if content.startswith(b"PK\x03\x04"):
        return _typed(*_read_excel(content, source, sheet), source, text_columns, words)
    if content.startswith(_OLD_EXCEL):
        raise CohortError(f"{source} is an old Excel file (.xls). Save it as .xlsx or CSV.")
    return _typed(*_read_text(content, source), source, text_columns, words)


def _read_parquet(content, source):
    try:
        table = pd.read_parquet(io.BytesIO(content))
    except ImportError:
        raise CohortError(
            f"{source} is a Parquet file, for which pyarrow is needed: "
            'pip install "skdxa[parquet]".'
        ) from None
    except Exception as error:
        raise CohortError(
            f"{source} is a damaged Parquet file ({type(error).__name__}). Save it again."
        ) from None
    table = table.reset_index() if table.index.name else table
    return table.set_axis(range(2, len(table) + 2), axis=0)


def _read_excel(content, source, sheet):
    """Return the cells of the only sheet that holds any, as text, and no decimal mark."""
    try:
        sheets = pd.read_excel(
            io.BytesIO(content),
            sheet_name=None,
            header=None,
            dtype=object,
            engine="openpyxl",
            keep_default_na=False,
            na_values=[""],
        )
    except Exception as error:
        raise CohortError(
            f"{source} is a ZIP archive, but no Excel file that can be read "
            f"({type(error).__name__}). Save it as .xlsx or CSV."
        ) from None
    sheets = {name: cells for name, cells in sheets.items() if not cells.isna().all(axis=None)}
    if sheet is not None and sheet not in sheets:
        raise CohortError(f"{source} has no sheet '{sheet}' with cells; it has {list(sheets)}.")
    if sheet is None and len(sheets) > 1:
        raise CohortError(
            f"{source} has several sheets: {', '.join(sheets)}. Name one with sheet=."
        )
    if not sheets:
        raise CohortError(f"{source} is empty.")
    cells = sheets[sheet if sheet is not None else next(iter(sheets))]
    rows = {
        number: [_cell_text(cell) for cell in row]
        for number, row in enumerate(cells.itertuples(index=False), start=1)
    }
    return rows, "."


def _cell_text(cell):
    """Return an Excel cell as text; a whole number without a decimal point."""
    if pd.isna(cell):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return str(cell)


def _read_text(content, source):
    """Return the cells of each row of a text file, and the decimal mark if it is certain."""
    text = _decode(content, source)
    lines = text.splitlines()
    # Excel writes this line in front where the delimiter is not the system's own, and neither
    # shows nor numbers it.
    named = re.fullmatch('"?sep=(.)"?', lines[0], re.IGNORECASE) if lines else None
    delimiter = named.group(1) if named else _find_delimiter(text)
    rows = {}
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    try:
        for number, row in enumerate(reader, start=0 if named else 1):
            rows[number] = [cell.strip() for cell in row]
    except csv.Error as error:
        raise CohortError(
            f"{source} cannot be read after row {number} ({error}). A quotation mark may be "
            "missing."
        ) from None
    if named:
        del rows[0]
    # Where commas separate cells, a comma within a number can separate thousands too.
    return rows, None if delimiter == "," else ","


def _decode(content, source):
    if content.startswith(_UTF_16):
        encoding = "utf-16"
    elif b"\x00" in content[:2]:
        encoding = "utf-16-be" if content[:1] == b"\x00" else "utf-16-le"
    else:
        encoding = "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8-sig":
            raise CohortError(f"{source} is not a text file. Save it as CSV or .xlsx.") from None
        text = content.decode("cp1252", errors="replace")
        if "\x00" not in text:
            warnings.warn(
                f"{source} is not UTF-8 and was read as Windows-1252 (Latin-1). Check names "
                "with accents, or save it as UTF-8.",
                UserWarning,
                stacklevel=6,
            )
    if "\x00" in text:
        raise CohortError(f"{source} is not a text file. Save it as CSV or .xlsx.")
    return text


def _find_delimiter(text):
    """Return the delimiter that splits most rows into as many cells as the header."""
    found = {}
    for delimiter in _DELIMITERS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        lengths = [len(row) for row in reader if any(cell.strip() for cell in row)]
        if lengths[0] > 1:
            found[delimiter] = (np.mean(np.equal(lengths, lengths[0])), lengths[0])
    return max(found, key=found.get, default=",")


def _typed(rows, decimal, source, text_columns, words):
    """Return a table with numbers as numbers, from the cells of each row as text."""
    rows = {number: row for number, row in rows.items() if any(row)}
    header_row, header = next(iter(rows.items()))
    del rows[header_row]
    width = len(header)
    longest = max(map(len, rows.values()), default=0)
    # Spreadsheets leave empty columns behind.
    used = [
        column
        for column in range(max(width, longest))
        if any(column < len(row) and row[column] for row in (header, *rows.values()))
    ]
    short = [number for number, row in rows.items() if len(row) < width]
    if short:
        raise CohortError(
            f"{source} has {width} columns, but fewer cells in {list_rows(short)}: "
            f"{len(rows[short[0]])} in row {short[0]}. It may have been cut short; complete "
            "it or delete the row."
        )
    unnamed = [column + 1 for column in used if column >= width or not header[column]]
    if unnamed:
        number = next(
            (
                number
                for number, row in rows.items()
                if len(row) >= unnamed[0] and row[unnamed[0] - 1]
            ),
            header_row,
        )
        raise CohortError(
            f"{source} has no name for column {unnamed[0]} in its header, but a cell there in "
            f"row {number}. Name the column, or put cells that hold the delimiter in quotes."
        )
    names = [header[column] for column in used]
    columns = []
    for name, column in zip(names, used, strict=True):
        cells = pd.Series([row[column] for row in rows.values()], index=list(rows), dtype=str)
        if name not in text_columns:
            cells = _decimal_points(cells, name, source, decimal)
        columns.append(cells)
    if not rows:
        return pd.DataFrame(columns=names)
    # pandas recognises all other spellings of numbers and truth values.
    text = io.StringIO(pd.concat(columns, axis=1).to_csv(header=False, index=False))
    as_text = {position: str for position, name in enumerate(names) if name in text_columns}
    missing = {
        position: [word for word in _MISSING if word.casefold() not in words.get(name, ())]
        for position, name in enumerate(names)
    }
    table = pd.read_csv(
        text,
        header=None,
        dtype=as_text,
        skip_blank_lines=False,
        keep_default_na=False,
        na_values=missing,
    )
    return table.set_axis(names, axis=1).set_axis(list(rows), axis=0)


def _decimal_points(cells, name, source, decimal):
    """Return a column with decimal points in place of decimal commas."""
    comma = cells.str.fullmatch(_COMMA_NUMBER)
    numeric = comma | (cells == "") | cells.str.fullmatch(_WHOLE_NUMBER)
    point = cells.str.fullmatch(_POINT_NUMBER)
    if not comma.any() or not (numeric | point).all():
        return cells
    if point.any():
        raise CohortError(
            f"{source}: column '{name}' writes numbers with a comma in row "
            f"{comma.index[comma][0]} and with a point in row {point.index[point][0]}. Write "
            "all in one way."
        )
    if decimal is None and cells[comma].str.fullmatch(_THOUSANDS).all():
        row = comma.index[comma][0]
        raise CohortError(
            f"{source}: '{cells[row]}' in column '{name}', row {row}, can mean "
            f"{cells[row].replace(',', '')} or {cells[row].replace(',', '.', 1)}. Write it "
            "without the comma or with a decimal point."
        )
    return cells.where(~comma, cells.str.replace(",", "."))
