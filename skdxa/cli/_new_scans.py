"""New scans to predict on, and what is printed of them."""

import typer

from skdxa.cli._exit import FAILED, SOME_FAILED

_TABLES = (".csv", ".tsv", ".txt", ".xlsx", ".parquet")


def find_new_scans(given, scan_column, folder=None):
    """Return the paths of scans: files as they are, those in folders, those in tables.

    Hidden files and folders within a folder are left out. Paths in a table are relative to
    `folder`, or to the table's own.

    Returns
    -------
    paths : list of Path
    spacings : list
        Of each scan, the height and width of a pixel, in mm, that its table states, or None.
    """
    from skdxa.scans import given_spacing, read_table

    found = []
    for path in given:
        if path.is_dir():
            files = sorted(
                file
                for file in path.rglob("*")
                if file.is_file() and not _is_hidden(file.relative_to(path))
            )
            found += [(file, None) for file in files]
        elif path.suffix.lower() in _TABLES:
            table = read_table(path, text_columns={scan_column})
            if scan_column not in table:
                raise ValueError(
                    f"{path} has no column '{scan_column}' of scans; it has "
                    f"{', '.join(map(str, table.columns))}."
                )
            if folder is not None and not folder.is_dir():
                raise ValueError(f"the folder of scans {folder} does not exist.")
            parent = path.parent if folder is None else folder
            named = table[scan_column].dropna()
            found += [(parent / scan, given_spacing(table, row)) for row, scan in named.items()]
        else:
            found.append((path, None))
    if not found:
        raise ValueError("There is no scan in the files and folders given.")
    paths, spacings = zip(*found, strict=True)
    return list(paths), list(spacings)


def _is_hidden(path):
    """Return whether a path has a hidden part, or one that macOS leaves in archives."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def print_predictions(table, out):
    """Print how many scans are positive, and each that failed or has a remark; set the status."""
    failed = table[table["error"].notna()]
    careful = table[table["error"].isna() & table["remarks"].fillna("").ne("")]
    n_positive = int((table["class"] == 1).sum())
    typer.echo(
        f"{len(table)} scan{'s' * (len(table) != 1)}: {n_positive} positive, "
        f"{len(table) - n_positive - len(failed)} negative, {len(failed)} not usable; "
        f"{len(careful)} with a reason to be careful."
    )
    for scan in careful.itertuples():
        typer.echo(f"  {scan.scan}: {scan.remarks}.")
    for scan in failed.itertuples():
        # Errors of files name the file; those of a scan's unit or size do not.
        named = scan.error if scan.scan in scan.error else f"{scan.scan}: {scan.error}"
        typer.echo(f"Error: {named}", err=True)
    typer.echo(f"Written to {out}. Research software; not for diagnosis or treatment.")
    if len(failed):
        raise typer.Exit(FAILED if len(failed) == len(table) else SOME_FAILED)
