"""Rows of a table in error messages, numbered as a spreadsheet shows them."""

MOST_LISTED = 10


def list_rows(rows):
    """Return the numbers of rows as text, cut short where there are many.

    Parameters
    ----------
    rows : sequence of int
        Row numbers.

    Returns
    -------
    text : str
        Such as "row 7" or "rows 2, 3".
    """
    listed = ", ".join(str(row) for row in rows[:MOST_LISTED])
    more = f" and {len(rows) - MOST_LISTED} more" if len(rows) > MOST_LISTED else ""
    return f"row{'s' if len(rows) > 1 else ''} {listed}{more}"
