"""Find which of the arrays in a file is the scan."""

import difflib

from skdxa.exceptions import ScanReadError
from skdxa.scans._content import format_shape

_MOST_LISTED = 20


def choose_variable(held, variable, *, what, beneath=dict):
    """Return the name of the array that is the scan.

    Parameters
    ----------
    held : dict of str to tuple
        For each array or other object of the file, under the name that `variable` takes: its
        shape, its type in words, and whether it is an array of real numbers. The shape is None
        where the file does not say.
    variable : str or None
        The name that the caller gives. None takes the only array of numbers that has two axes
        longer than 1.
    what : str
        How error messages name the file.
    beneath : callable, default=dict
        Returns more arrays like those of `held`, which lie within others and which error
        messages list too. Only their names choose them.

    Returns
    -------
    name : str

    Raises
    ------
    ScanReadError
        If there is no such array, or more than one could be meant. The message lists what the
        file holds, with shapes.
    """
    if variable is None:
        suited = [
            name
            for name, (shape, _, is_numeric) in held.items()
            if is_numeric and _is_picture(shape)
        ]
        if len(suited) == 1:
            return suited[0]
        lower = beneath()
        place = ", outside structs and cells," if lower else ""
        count = "more than one array" if suited else f"no two-dimensional numeric array{place}"
        raise ScanReadError(
            f"{what} holds {count} that could be the scan. It holds {_listing(held | lower)}. "
            "Name the scan's array with variable=.",
            reason="no scan",
        )
    if variable not in held:
        held = held | beneath()
        near = difflib.get_close_matches(variable, held, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise ScanReadError(
            f"{what} has no variable '{variable}'. It holds {_listing(held)}.{hint}",
            reason="no such variable",
        )
    _, kind, is_numeric = held[variable]
    if not is_numeric:
        raise ScanReadError(
            f"the variable '{variable}' is {kind}, not an array of real numbers. "
            f"{what[0].upper()}{what[1:]} holds {_listing(held | beneath())}. Name an array of "
            "real numbers, or save one.",
            reason="no scan",
        )
    return variable


def _is_picture(shape):
    return len([size for size in shape if size != 1]) == 2 and 0 not in shape


def _listing(held):
    # Candidates for the scan come first, so that a long list does not leave them out.
    ordered = sorted(held.items(), key=lambda pair: not (pair[1][2] and _is_picture(pair[1][0])))
    listed = [
        f"'{name}' ({kind})" if shape is None else f"'{name}' ({format_shape(shape)} {kind})"
        for name, (shape, kind, _) in ordered[:_MOST_LISTED]
    ]
    if len(held) > _MOST_LISTED:
        listed.append(f"and {len(held) - _MOST_LISTED} more")
    return ", ".join(listed) or "nothing"
