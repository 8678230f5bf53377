"""A pandas column of scans that carries the pixel spacing and the unit of its scans.

``DataFrame.attrs`` is lost in many operations, and an array of pixels has no room for such
facts. A pandas extension type keeps them through selection of rows and columns, splits,
concatenation, copies and pickling, and refuses to mix scans that differ in them.
"""

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray, ExtensionDtype, take

from skdxa.exceptions import ScanError

__all__ = ["ScanArray", "ScanDtype"]


class ScanDtype(ExtensionDtype):
    """Type of a pandas column of scans with one pixel spacing and one unit.

    Parameters
    ----------
    spacing_mm : tuple of float, default=None
        Height and width of a pixel in mm; None where unknown.
    unit : str, default=None
        Unit of the pixels, such as "g/cm2" or "grey level"; None where unknown.

    Examples
    --------
    >>> from skdxa.scan_dtype import ScanDtype
    >>> ScanDtype((1.05, 0.60), "g/cm2")
    scan[1.05 x 0.6 mm, g/cm2]
    """

    type = np.ndarray
    kind = "O"
    na_value = None
    _metadata = ("spacing_mm", "unit")

    def __init__(self, spacing_mm=None, unit=None):
        self.spacing_mm = None if spacing_mm is None else tuple(float(mm) for mm in spacing_mm)
        self.unit = unit

    @property
    def name(self):
        """The type as text."""
        spacing = "unknown spacing"
        if self.spacing_mm is not None:
            spacing = "{:g} x {:g} mm".format(*self.spacing_mm)
        return f"scan[{spacing}, {self.unit or 'unknown unit'}]"

    def __repr__(self):
        return self.name

    def _get_common_dtype(self, dtypes):
        other = next((d for d in dtypes if isinstance(d, ScanDtype) and d != self), None)
        if other is not None:
            raise ScanError(
                f"Scans of type {self} and of type {other} cannot be put into one column: "
                "resample them to one spacing with skdxa.preprocessing.resample, and bring "
                "their pixels to one unit."
            )
        return super()._get_common_dtype(dtypes)

    @classmethod
    def construct_array_type(cls):
        """Return the class of arrays of this type."""
        return ScanArray

    @classmethod
    def construct_from_string(cls, string):
        """Raise a TypeError, since a text does not name a spacing and a unit."""
        raise TypeError(f"Cannot construct a {cls.__name__!r} from {string!r}")


class ScanArray(ExtensionArray):
    """Scans of one pixel spacing and one unit, as a pandas column holds them.

    Parameters
    ----------
    scans : sequence of ndarray or None
        Two-dimensional arrays; None where a scan is missing.
    spacing_mm : tuple of float, default=None
        Height and width of a pixel in mm; None where unknown.
    unit : str, default=None
        Unit of the pixels, such as "g/cm2" or "grey level"; None where unknown.
    names : sequence of str or None, default=None
        Where each scan comes from, such as its file, for error messages. Names are ignored
        in comparisons.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skdxa.scan_dtype import ScanArray
    >>> scans = ScanArray([np.ones((7, 9)), np.zeros((8, 9))], (1.05, 0.60), "g/cm2")
    >>> table = pd.DataFrame({"scan": scans, "age": [66, 71]})
    >>> table.iloc[[1]]["scan"].dtype.unit
    'g/cm2'
    >>> table["scan"][1].shape
    (8, 9)
    """

    def __init__(self, scans, spacing_mm=None, unit=None, names=None):
        self._scans = _objects(scans)
        self._names = np.full(len(self._scans), None, dtype=object)
        if names is not None:
            self._names[:] = names
        self._dtype = ScanDtype(spacing_mm, unit)

    @property
    def dtype(self):
        """The type, with spacing and unit."""
        return self._dtype

    @property
    def names(self):
        """Where each scan comes from: ndarray of str or None, of shape (n_scans,)."""
        return self._names

    @property
    def nbytes(self):
        """Memory of the pixels in bytes."""
        return sum(scan.nbytes for scan in self._scans if scan is not None)

    def __len__(self):
        return len(self._scans)

    def __getitem__(self, item):
        item = pd.api.indexers.check_array_indexer(self, item)
        if isinstance(item, slice | np.ndarray):
            return self._like(self._scans[item], self._names[item])
        return self._scans[item]

    def __setitem__(self, key, value):
        # pandas passes the positions of rows in a tuple where it sets part of a table.
        key = key[0] if isinstance(key, tuple) else key
        key = pd.api.indexers.check_array_indexer(self, key)
        names = None
        if isinstance(value, ScanArray):
            self._check_same_type(value)
            value, names = value._scans, value._names
        self._names[key] = names
        if not isinstance(key, slice | np.ndarray):
            self._scans[key] = _objects([value])[0]
            return
        positions = np.arange(len(self))[key]
        one_for_all = value is None or (isinstance(value, np.ndarray) and value.ndim == 2)
        values = _objects([value] * len(positions) if one_for_all else value)
        for position, scan in zip(positions, values, strict=True):
            self._scans[position] = scan

    def isna(self):
        """Return which scans are missing."""
        return np.array([scan is None for scan in self._scans], dtype=bool)

    def take(self, indices, *, allow_fill=False, fill_value=None):
        """Return the scans at some positions.

        Parameters
        ----------
        indices : array-like of int
            Positions; -1 is a missing scan if `allow_fill` is True.
        allow_fill : bool, default=False
            Whether negative positions are missing scans.
        fill_value : None
            The value of a missing scan.

        Returns
        -------
        ScanArray
            The scans, of the same type.
        """
        return self._like(
            *(
                take(part, indices, allow_fill=allow_fill, fill_value=None)
                for part in (self._scans, self._names)
            )
        )

    def copy(self):
        """Return a copy of the column, whose scans share their memory with this one's."""
        return self._like(self._scans.copy(), self._names.copy())

    def __eq__(self, other):
        if not isinstance(other, ScanArray):
            return NotImplemented
        pairs = zip(self._scans, other._scans, strict=True)
        return np.array([np.array_equal(one, two) for one, two in pairs], dtype=bool)

    def __array__(self, dtype=None, copy=None):
        return self._scans.copy() if copy else self._scans

    def astype(self, dtype, copy=True):
        """Return the scans as another type: this type itself, `object`, or `str`.

        Parameters
        ----------
        dtype : dtype
            The type wanted.
        copy : bool, default=True
            Whether to copy the column.

        Returns
        -------
        ScanArray or ndarray
            The column.
        """
        dtype = pd.api.types.pandas_dtype(dtype)
        if dtype == self.dtype:
            return self.copy() if copy else self
        if dtype == np.dtype(str):
            # `str` in pandas 2, where texts are objects.
            texts = [np.nan if scan is None else str(scan) for scan in self._scans]
            return np.array(texts, dtype=object)
        if pd.api.types.is_object_dtype(dtype):
            return self._scans.copy() if copy else self._scans
        return super().astype(dtype, copy=copy)

    @classmethod
    def _from_sequence(cls, scalars, *, dtype=None, copy=False):
        dtype = dtype or ScanDtype()
        return cls(scalars, dtype.spacing_mm, dtype.unit)

    @classmethod
    def _concat_same_type(cls, to_concat):
        return to_concat[0]._like(
            np.concatenate([part._scans for part in to_concat]),
            np.concatenate([part._names for part in to_concat]),
        )

    def _cast_pointwise_result(self, values):
        # A function of the scans may change their unit, so that its result has none.
        return pd.Series(list(values), dtype=None if len(values) else object).array

    def _like(self, scans, names):
        return type(self)(scans, self.dtype.spacing_mm, self.dtype.unit, names)

    def _check_same_type(self, other):
        if other.dtype != self.dtype:
            raise TypeError(f"scans of type {other.dtype} do not fit into a column {self.dtype}.")

    def _formatter(self, boxed=False):
        return lambda scan: "None" if scan is None else "{} x {} pixels".format(*scan.shape)


def _objects(scans):
    """Return scans as an array of objects, also where all have one shape."""
    if isinstance(scans, ScanArray):
        return scans._scans
    column = np.empty(len(scans), dtype=object)
    for position, scan in enumerate(scans):
        if isinstance(scan, np.ndarray) and scan.ndim == 2:
            column[position] = scan
        elif not (scan is None or scan is pd.NA or (isinstance(scan, float) and scan != scan)):
            raise TypeError(
                f"scan {position} must be a two-dimensional array; it is a "
                f"{type(scan).__name__} of shape {np.shape(scan)}."
            )
    return column
