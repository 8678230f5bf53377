"""The file of a cross-validation result."""

import pandas as pd

from skdxa.evaluation._archive import read_arrays, write_arrays

_TABLES = ("scores", "folds", "histories")
_FORMAT = 1


def write_result(result, path):
    """Write everything but the models of a `CrossValidationResult` to one file."""
    arrays = {
        f"{table}/{name}": column.to_numpy()
        for table in _TABLES
        for name, column in getattr(result, table).items()
    }
    arrays["y"] = result.y
    if result.groups is not None:
        arrays["groups"] = result.groups
    write_arrays(path, arrays, {"format": _FORMAT, "response_method": result.response_method})


def read_result(path):
    """Read what `write_result` has written, as the arguments of a `CrossValidationResult`."""
    arrays, about = read_arrays(path)
    if about.get("format") != _FORMAT or "y" not in arrays:
        raise ValueError(
            f"{path} is not a cross-validation result that this version of skdxa can read."
        )
    tables = {
        table: pd.DataFrame(
            {
                name.removeprefix(f"{table}/"): array
                for name, array in arrays.items()
                if name.startswith(f"{table}/")
            }
        )
        for table in _TABLES
    }
    return {
        **tables,
        "y": arrays["y"],
        "groups": arrays.get("groups"),
        "response_method": about["response_method"],
    }
