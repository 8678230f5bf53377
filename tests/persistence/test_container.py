import io

import numpy as np
import pytest

from skdxa.exceptions import ModelFileError
from skdxa.persistence import load_model
from skdxa.persistence._container import pack, pack_array, read_archive


@pytest.mark.parametrize(
    "array",
    [
        np.float64(3.5),
        np.arange(6.0).reshape(2, 3),
        np.arange(6, dtype=np.float32).reshape(2, 3).T,
        np.arange(4, dtype=">f8"),
        np.arange(24.0).reshape(2, 3, 4)[:, ::2],
    ],
)
def test_arrays_come_back(array):
    content = pack({"a.npy": pack_array(array)})
    with read_archive(io.BytesIO(content)) as archive:
        found = archive.array("a.npy")
    np.testing.assert_array_equal(found, array)
    assert found.dtype == np.asarray(array).dtype.newbyteorder("=")
    assert found.flags.c_contiguous


def test_an_array_that_spans_several_reads(monkeypatch):
    monkeypatch.setattr("skdxa.persistence._container._CHUNK", 1000)
    array = np.random.default_rng(0).normal(size=(7, 99))
    with read_archive(io.BytesIO(pack({"a.npy": pack_array(array)}))) as archive:
        np.testing.assert_array_equal(archive.array("a.npy"), array)


def test_too_little_memory(saved, tmp_path, monkeypatch):
    (tmp_path / "m.skdxa").write_bytes(saved["texture"])

    def full(*args):
        raise MemoryError

    monkeypatch.setattr("skdxa.persistence._container.np.empty", full)
    with pytest.raises(ModelFileError, match="more memory than there is"):
        load_model(tmp_path / "m.skdxa")


def test_an_unexpected_error(saved, tmp_path, monkeypatch):
    (tmp_path / "m.skdxa").write_bytes(saved["texture"])

    def strange(*args):
        raise LookupError("odd")

    monkeypatch.setattr("skdxa.persistence._model_file.read_objects", strange)
    with pytest.raises(
        ModelFileError, match=r"not written by save_model \(LookupError\)"
    ) as error:
        load_model(tmp_path / "m.skdxa")
    assert isinstance(error.value.__cause__, LookupError)


def test_an_interrupt_is_not_an_error_of_the_file(saved, tmp_path, monkeypatch):
    (tmp_path / "m.skdxa").write_bytes(saved["texture"])

    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("skdxa.persistence._model_file.read_objects", stop)
    with pytest.raises(KeyboardInterrupt):
        load_model(tmp_path / "m.skdxa")
