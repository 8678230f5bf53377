"""Lines of a table in error messages."""

MOST_LISTED = 10


def list_lines(lines):
    """Return the numbers of lines as text, cut short where there are many.

    Parameters
    ----------
    lines : sequence of int
        Line numbers.

    Returns
    -------
    text : str
        Such as "line 7" or "lines 2, 3".
    """
    listed = ", ".join(str(line) for line in lines[:MOST_LISTED])
    more = f" and {len(lines) - MOST_LISTED} more" if len(lines) > MOST_LISTED else ""
    return f"line{'s' if len(lines) > 1 else ''} {listed}{more}"
