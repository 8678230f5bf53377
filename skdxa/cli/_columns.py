"""The command `skdxa columns`, and the parsing of `--column`."""

import difflib
import re

import typer


def columns():
    """Print the columns that skdxa knows by their names, and which steps use each."""
    from skdxa.study import known_columns

    for column in known_columns().itertuples():
        name = f"{column.name} ({column.unit})" if column.unit else column.name
        also = f" Also called: {column.other_names}." if column.other_names else ""
        typer.echo(f"{name}\n    {column.meaning}.{also}\n    Used for: {column.used_for}.")
    typer.echo(
        "\nA table needs the column of the scans alone. Where it has another name for a column, "
        "say so, as in --column age='Age at scan'."
    )


def read_names(column, targets=None):
    """Return the table's names of columns by skdxa's, from texts like ``age=Age``.

    A name that is neither known nor one of the targets is refused, since nothing would use it.
    """
    from skdxa.study import known_columns

    known = known_columns()
    names = {}
    for text in column or ():
        ours, _, theirs = text.partition("=")
        if not (ours and theirs):
            raise ValueError(
                f"--column {text} must be a name that skdxa has, '=' and the name in the table, "
                "such as age=Age."
            )
        rated = re.fullmatch(r".+_r\d+", ours)
        if not (rated or ours in known["name"].tolist() or ours in (targets or ())):
            near = difflib.get_close_matches(ours, known["name"], n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise ValueError(
                f"--column {text}: skdxa knows no column {ours}; skdxa columns lists those that "
                f"it knows.{hint}"
            )
        names[ours] = theirs
    return names
