"""A transformer that reads scans, so that a pipeline takes paths, scans and arrays alike."""

import os
from typing import ClassVar

import numpy as np
import pandas as pd

from skdxa._sklearn import StrOptions
from skdxa.exceptions import ScanError
from skdxa.preprocessing import SameKindTransformer, resample
from skdxa.scan_dtype import ScanArray, ScanDtype
from skdxa.scans._read import UNITS, Scan, read_scan
from skdxa.validation import as_scans, as_series, check_spacing, printable


class ScanReader(SameKindTransformer, auto_wrap_output_keys=None):
    """Read scans from files and bring all to one pixel spacing.

    As the first step of a pipeline, it lets the pipeline predict on paths, on `Scan` objects,
    on cohorts and on plain arrays.

    Parameters
    ----------
    spacing_mm : tuple of float, default=(1.05, 0.60)
        Height and width of a pixel, in mm, that all scans are resampled to.
    array_spacing_mm : tuple of float, default=None
        Height and width of a pixel, in mm, of plain arrays, and of files that do not state
        it. None: plain arrays are assumed to be at `spacing_mm` already, and such files are
        refused.
    unit : {"g/cm2", "grey level"}, default=None
        What the pixels of files are, as in `read_scan`.
    variable : str, default=None
        Name of the scan in MATLAB files and NumPy archives, as in `read_scan`.
    column : str, default="scan"
        The column of a DataFrame that holds the scans or their paths.

    Attributes
    ----------
    scan_dtype_ : ScanDtype or None
        Pixel spacing and unit of the scans seen in `fit`; None where they were plain arrays.
    n_features_in_ : int
        Number of columns of the table seen in `fit`; 1 for other kinds of input.
    feature_names_in_ : ndarray of shape (n_columns,)
        The columns of the table seen in `fit`; only there if it was a table.

    See Also
    --------
    load_cohort : Read a table and its folder of scans.

    Notes
    -----
    A DataFrame keeps its other columns. Any other collection of files or `Scan` objects
    becomes a Series. Scans that state their spacing and unit continue to do so, so that later
    steps refuse scans of another unit than those seen in `fit`. Plain arrays remain plain arrays.

    Nothing is learned in `fit`, and `transform` works without it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skdxa.scans import ScanReader
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "scan.npy"
    ...     np.save(path, np.linspace(0, 1.5, 63).reshape(7, 9))
    ...     scans = ScanReader(array_spacing_mm=(2.10, 0.60)).fit_transform([path])
    >>> scans.dtype
    scan[1.05 x 0.6 mm, g/cm2]
    >>> scans[0].shape
    (14, 9)
    """

    _parameter_constraints: ClassVar[dict] = {
        **SameKindTransformer._parameter_constraints,
        "spacing_mm": ["array-like"],
        "array_spacing_mm": ["array-like", None],
        "unit": [StrOptions(set(UNITS)), None],
        "variable": [str, None],
    }

    def __init__(
        self,
        *,
        spacing_mm=(1.05, 0.60),
        array_spacing_mm=None,
        unit=None,
        variable=None,
        column="scan",
    ):
        self.spacing_mm = spacing_mm
        self.array_spacing_mm = array_spacing_mm
        self.unit = unit
        self.variable = variable
        self.column = column

    def fit(self, X, y=None):
        """Read the scans, and note their spacing and unit.

        Parameters
        ----------
        X : DataFrame, Series, list or ndarray
            Paths, `Scan` objects or arrays, one per scan.
        y : None
            Ignored; here so that the transformer works in a pipeline.

        Returns
        -------
        self : ScanReader
            The transformer itself.

        Raises
        ------
        ScanError
            If a scan cannot be read or used; the message names it.
        """
        return super().fit(self._read(X), y)

    def transform(self, X):
        """Read the scans and resample them.

        Parameters
        ----------
        X : DataFrame, Series, list or ndarray
            Paths, `Scan` objects or arrays, one per scan.

        Returns
        -------
        scans : DataFrame, Series, list or ndarray
            A DataFrame with its column of scans read; a Series where files or `Scan` objects
            were given; plain arrays in the type of collection in which they were given.

        Raises
        ------
        ScanError
            If a scan cannot be read or used, naming it; if the scans have another unit than
            those seen in `fit`.
        """
        return super().transform(self._read(X))

    def fit_transform(self, X, y=None):
        """Read the scans once, note their spacing and unit, and resample them.

        Parameters
        ----------
        X : DataFrame, Series, list or ndarray
            As in `fit`.
        y : None
            Ignored.

        Returns
        -------
        scans : DataFrame, Series, list or ndarray
            As `transform` returns them.
        """
        read = self._read(X)
        return super().fit(read, y)._contain(as_scans(read, column=self.column), read)

    def __sklearn_is_fitted__(self):
        return True

    def _transform_scans(self, scans, X):
        return scans

    def _as_default(self, changed, X):
        return X

    def _read(self, X):
        """Return the collection with every path and every `Scan` turned into pixels."""
        self._validate_params()
        spacing_mm = check_spacing(self.spacing_mm)
        if isinstance(X, str | os.PathLike):
            raise ScanError(f"X must be a list of paths; it is the single path {printable(X)}.")
        if isinstance(X, pd.DataFrame) and self.column in X.columns:
            return X.assign(**{self.column: self._read(X[self.column])})
        if isinstance(getattr(X, "dtype", None), ScanDtype):
            if X.dtype.spacing_mm is None:
                return X
            scans = [resample(scan, X.dtype.spacing_mm, spacing_mm) for scan in X]
            read = ScanArray(scans, spacing_mm, X.dtype.unit, X.array.names)
            return pd.Series(read, index=X.index, name=X.name)
        cells = list(X) if isinstance(X, list | tuple | pd.Series | np.ndarray) else []
        is_source = [isinstance(cell, str | os.PathLike | Scan) for cell in cells]
        if not any(is_source):
            return self._resampled(X, spacing_mm)
        if not all(is_source):
            position = is_source.index(not is_source[0])
            raise ScanError(
                f"Scan {position} is a {type(cells[position]).__name__}, scan 0 a "
                f"{type(cells[0]).__name__}. Pass paths and Scan objects, or arrays, but not both."
            )
        scans, units, names = [], [], []
        for position, cell in enumerate(cells):
            scan, name = self._scan(cell, position)
            native_mm = scan.spacing or self.array_spacing_mm
            if native_mm is None:
                raise ScanError(
                    f"{name}: nothing states how large the pixels are. State their height and "
                    "width in mm with array_spacing_mm."
                )
            scans.append(resample(scan.pixels, native_mm, spacing_mm))
            units.append(scan.unit)
            names.append(name)
            if scan.unit != units[0]:
                raise ScanError(
                    f"{name} is in {scan.unit}, {names[0]} in {units[0]}. Predict on scans of one "
                    "unit at a time."
                )
        index = X.index if isinstance(X, pd.Series) else None
        return pd.Series(ScanArray(scans, spacing_mm, units[0], names), index=index)

    def _resampled(self, X, spacing_mm):
        """Return plain arrays at the spacing wanted."""
        if self.array_spacing_mm is None:
            return X
        given_mm = check_spacing(self.array_spacing_mm, name="array_spacing_mm")
        scans = [resample(scan, given_mm, spacing_mm) for scan in as_scans(X, column=self.column)]
        if isinstance(X, pd.Series):
            return as_series(scans, X.index).rename(X.name)
        return np.stack(scans) if isinstance(X, np.ndarray) and X.ndim == 3 else scans

    def _scan(self, cell, position):
        """Return one cell as a `Scan`, and its name for error messages."""
        if isinstance(cell, Scan):
            return cell, f"Scan {position}"
        return read_scan(cell, unit=self.unit, variable=self.variable), printable(cell)
