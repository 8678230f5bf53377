"""Scans with a spine, and every kind of collection that transformers take."""

import numpy as np
import pandas as pd


def spine(n_rows=24, n_columns=60, centre=30, half_width=8):
    """Return a scan with a bright column of bone."""
    columns = np.arange(n_columns)
    row = np.where(np.abs(columns - centre) <= half_width, 1.0, 0.1)
    return np.tile(row, (n_rows, 1)).astype(np.float32)


def scans_of_unequal_size():
    """Return three scans with a spine."""
    return [spine(22, 60), spine(27, 71, centre=38), spine(24, 66, centre=30)]


def object_array(scans):
    """Return scans as an array of objects."""
    result = np.empty(len(scans), dtype=object)
    result[:] = scans
    return result


KINDS = {
    "list": lambda scans: scans,
    "tuple": tuple,
    "nested lists": lambda scans: [scan.tolist() for scan in scans],
    "object array": object_array,
    "Series": lambda scans: pd.Series(scans, index=["a", "b", "c"], name="scan"),
    "DataFrame": lambda scans: pd.DataFrame({"age": [61, 72, 70], "scan": scans}),
    "stack": np.stack,
    "stack of objects": lambda scans: np.stack(scans).astype(object),
    "stack of integers": lambda scans: np.stack(scans).round().astype(np.uint8),
}
