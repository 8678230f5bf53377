"""Files of plain arrays."""

import numpy as np
import pytest

from skdxa.evaluation._archive import read_arrays, write_arrays


def test_what_is_written_is_read_and_no_more(tmp_path):
    arrays = {"score": np.array([0.25, np.nan]), "label": np.array(["no", "scoliosis"])}
    write_arrays(tmp_path / "a.npz", arrays, {"fold": 3})
    found, about = read_arrays(tmp_path / "a.npz")
    assert about == {"fold": 3}
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


def test_objects_are_refused_and_leave_no_file(tmp_path):
    with pytest.raises(ValueError, match="'label' holds objects"):
        write_arrays(tmp_path / "a.npz", {"label": np.array(["no", None])}, {})
    assert list(tmp_path.iterdir()) == []
