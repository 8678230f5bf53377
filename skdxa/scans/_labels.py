"""Read the labels of a table as 0, 1 and unknown."""

from numbers import Real

import numpy as np
import pandas as pd

from skdxa.exceptions import CohortError
from skdxa.scans._rows import list_rows

_MOST_WORDS = 8


def check_meanings(labels):
    """Return the label of each word, by the form in which words are compared.

    Parameters
    ----------
    labels : dict or None
        From words or numbers to 0, 1 or None for unknown.

    Returns
    -------
    meanings : dict of str to float

    Raises
    ------
    CohortError
        If a meaning is none of these, or two words that are compared as one differ in it.
    """
    meanings = {}
    if labels is None:
        return meanings
    if not isinstance(labels, dict):
        raise CohortError(
            f"labels must map words to 0, 1 or None, as in {{'Yes': 1, 'No': 0}}; got {labels!r}."
        )
    for word, label in labels.items():
        unknown = label is None or (isinstance(label, Real) and label != label)
        if not unknown and label not in (0, 1):
            raise CohortError(f"labels maps {word!r} to {label!r}; it must be 0, 1 or None.")
        meaning = np.nan if unknown else float(label)
        before = meanings.setdefault(_word(word), meaning)
        if not np.array_equal(before, meaning, equal_nan=True):
            raise CohortError(
                f"labels maps {word!r} to two values; case and surrounding spaces are ignored. "
                "Give each word once."
            )
    return meanings


def read_labels(values, meanings):
    """Return one column of labels as 0.0, 1.0 and NaN.

    Parameters
    ----------
    values : Series
        The column; its index is the row of the table.
    meanings : dict of str to float
        As `check_meanings` returns it. Unless it names a number, 0 and 1 mean themselves.

    Returns
    -------
    labels : Series of float

    Raises
    ------
    CohortError
        If the column holds anything else, naming what and where.
    """
    known = dict(meanings)
    if not any(_is_number(word) for word in meanings):
        known.update({"0": 0.0, "1": 1.0, "true": 1.0, "false": 0.0})
    words = values[values.notna()].map(_word)
    words = words[words != ""]
    labels = pd.Series(np.nan, index=values.index, name=values.name)
    labels[words.index] = words.map(known).astype(float)
    wrong = words[~words.isin(known)]
    if wrong.empty:
        return labels
    found = values[wrong.index].map(lambda value: str(value).strip())
    counts = found.value_counts(sort=False)
    listed = [
        f"'{word}' in {list_rows(found.index[found == word])}"
        for word in counts.index[:_MOST_WORDS]
    ]
    more = f", and {len(counts) - _MOST_WORDS} other words" if len(counts) > _MOST_WORDS else ""
    takes = "0, 1, or nothing where unknown"
    if meanings:
        takes = ", ".join(repr(word) for word in known) + ", or nothing where unknown"
    raise CohortError(
        f"target column '{values.name}' must hold {takes}; it holds {', '.join(listed)}{more}. "
        "Correct the cells, or say what the words mean, as in labels={'Yes': 1, 'No': 0}."
    )


def _word(value):
    """Return a label as it is compared: whole numbers in one form, case ignored."""
    if isinstance(value, Real) and value == value and value % 1 == 0:
        return str(int(value))
    text = " ".join(str(value).split()).casefold()
    return str(int(float(text))) if _is_number(text) and float(text) % 1 == 0 else text


def _is_number(text):
    try:
        number = float(text)
    except ValueError:
        return False
    return abs(number) < np.inf
