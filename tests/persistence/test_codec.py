import numpy as np
import pytest

from skdxa.exceptions import ModelFileError
from skdxa.persistence._codec import Decoder, Encoder, from_json, to_json
from skdxa.preprocessing import find_spine_region
from skdxa.scan_dtype import ScanDtype

FUNCTIONS = {"find_spine_region": find_spine_region}


def there_and_back(value):
    encoder = Encoder(lambda thing: 0, FUNCTIONS)
    tree = from_json(to_json({"value": encoder.encode(value)}))
    decoder = Decoder(lambda number: encoder.arrays[number], FUNCTIONS)
    decoder.objects = ["the object"]
    return decoder.decode(tree["value"])


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -3,
        2**53,
        0.1,
        1e-300,
        float("inf"),
        float("-inf"),
        "Größe ≥ 10°\n\"'\\",
        [1, [2.5, ()]],
        (1, ("a", None)),
        {},
        {"a": [1], 2: (None,), False: {"b": 1}},
        ScanDtype((1.05, 0.60), "g/cm2"),
        ScanDtype(None, None),
        find_spine_region,
    ],
)
def test_values_come_back(value):
    found = there_and_back(value)
    assert found == value
    assert type(found) is type(value)
    assert repr(found) == repr(value)


def test_nan_and_objects_come_back():
    assert np.isnan(there_and_back(float("nan")))
    assert there_and_back(object()) == "the object"


@pytest.mark.parametrize(
    "array",
    [
        np.array([1.5, np.nan]),
        np.zeros((2, 3), np.float32),
        np.array([0, 1]),
        np.array([-1, 1], np.int8),
        np.array([0, 1], ">i4"),
        np.array([0, 1], np.uint64),
        np.array([False, True]),
        np.array(["a", "bcd"]),
        np.array(["a", "bcd"], dtype=object),
        np.array(["a", 1, 2.5, True], dtype=object),
    ],
)
def test_arrays_come_back(array):
    found = there_and_back(array)
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype.newbyteorder("=")


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"dict": [[[], 1]]}, "a key that is not a label"),
        ({"dict": [["a", 1], ["a", 2]]}, "the key 'a' twice"),
        ({"dict": [["a"]]}, "in place of a list"),
        ({"tuple": {}}, "in place of a list"),
        ({"float": 1}, "in place of a number"),
        ({"float": "1e999"}, "in place of a number"),
        ({"values": [[]], "dtype": "object"}, "a label that must be a number"),
        ({"values": [True], "dtype": "<i8"}, "not of the type <i8"),
        ({"values": [1], "dtype": "<U99999"}, "values of the type"),
        ({"values": [300], "dtype": "|i1"}, "OverflowError"),
        ({"scan_dtype": [["1", 1], None]}, "two numbers"),
        ({"scan_dtype": [[1], None]}, "in place of a list"),
        ({"array": True}, "in place of a number of a part"),
        ({"object": 1.0}, "in place of a number of a part"),
        ({"object": 0, "x": 1}, "an unknown kind"),
        ({}, "an unknown kind"),
    ],
)
def test_values_that_are_refused(node, message):
    decoder = Decoder(lambda number: None, FUNCTIONS)
    if message == "OverflowError":
        # Turned into a `ModelFileError` where the archive is closed.
        with pytest.raises(OverflowError):
            decoder.decode(node)
        return
    with pytest.raises(ModelFileError, match=message):
        decoder.decode(node)
