"""Damaged and forged files: each is refused by a `ModelFileError`, and none runs code."""

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

import skdxa
from skdxa.exceptions import ModelFileError
from skdxa.persistence import load_model, read_card

linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="memory is limited and measured as on Linux"
)


def refusal(path, content=None):
    """Return why a file is refused; warnings are errors here, and so is any other exception."""
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelFileError) as caught:
        load_model(path)
    message = str(caught.value)
    assert str(path) in message
    assert message.endswith(".")
    return message


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.skdxa"


@pytest.fixture
def parts(saved, forger):
    return forger(saved["stack"])


class Exploit:
    """A pickle of this makes a folder when it is loaded."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


# The file as such.


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"no model", "not a model of skdxa"),
        (b"PK\x03\x04", "damaged or cut short"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
        (b"PK\x03\x04" + bytes(200), "no complete model"),
        (b"PK\x05\x06" + bytes(18), "not a model of skdxa"),
    ],
)
def test_other_files(path, content, message):
    assert message in refusal(path, content)


def test_a_pickle_is_named_and_not_loaded(path, tmp_path):
    assert "a pickle, which could run any code" in refusal(
        path, pickle.dumps(Exploit(tmp_path / "made"))
    )
    assert not (tmp_path / "made").exists()


def test_pickles_as_arrays_are_not_loaded(path, parts, tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.array([Exploit(tmp_path / "made")], dtype=object), allow_pickle=True)
    for content in (buffer.getvalue(), pickle.dumps(Exploit(tmp_path / "made"))):
        parts.members["arrays/0.npy"] = content
        refusal(path, parts.pack())
    assert not (tmp_path / "made").exists()


def test_a_file_of_keras_and_other_archives(path):
    for members in ({"config.json": b"{}", "metadata.json": b"{}"}, {"a.npy": b""}, {}):
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        refusal(path)


def test_truncated_files(path, saved):
    content = saved["pipeline"]
    for n_bytes in (1, 3, 30, 93, 1000, len(content) // 2, len(content) - 64, len(content) - 1):
        refusal(path, content[:n_bytes])


def test_every_changed_byte_is_found(path, saved):
    content = saved["fixed threshold"]
    tail = range(len(content) - 300, len(content))
    for position in [*range(0, len(content), 97), *tail]:
        changed = bytearray(content)
        changed[position] ^= 1
        refusal(path, bytes(changed))


def test_something_before_or_after_the_archive(path, saved, forger):
    content = saved["pipeline"]
    refusal(path, content + b"\n")
    refusal(path, b"#!/bin/sh\n" + content)
    assert "forged" in refusal(path, forger.signed(content[:4] + b"xx" + content[4:]))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_only_regular_files_are_opened(path, tmp_path, saved):
    os.mkfifo(path)
    assert "a named pipe" in refusal(path)
    (tmp_path / "link").symlink_to(path)
    assert "a named pipe" in refusal(tmp_path / "link")
    assert "a folder" in refusal(tmp_path)
    assert "a device" in refusal(Path("/dev/zero"))
    assert "no such file" in refusal(tmp_path / "none")
    (tmp_path / "real").write_bytes(saved["pipeline"])
    (tmp_path / "good").symlink_to(tmp_path / "real")
    assert load_model(tmp_path / "good").classes_.tolist() == ["healthy", "scoliosis"]


def test_a_file_that_is_too_large_is_not_read(path, saved):
    path.write_bytes(saved["pipeline"])
    os.truncate(path, 300 * 2**20)
    assert "300 MiB, more than the 256 MiB" in refusal(path)


# The archive.


def test_compressed_members_are_refused(path, parts):
    bomb = {**parts.members, "arrays/0.npy": bytes(100 * 2**20)}
    content = parts.pack(list(bomb.items()), compression=zipfile.ZIP_DEFLATED)
    assert len(content) < 2**20
    assert "compressed or encrypted" in refusal(path, content)


def test_a_size_that_is_only_stated(path, parts):
    """The directory says that an array has 4 GiB."""
    content = bytearray(parts.pack())
    directory = content.index(b"PK\x01\x02")
    for at in range(directory, len(content) - 100):
        if content[at : at + 4] == b"PK\x01\x02" and content[at + 46 : at + 52] == b"arrays":
            content[at + 20 : at + 28] = struct.pack("<2L", 2**32 - 2, 2**32 - 2)
    refusal(path, parts.signed(bytes(content)))


def test_repeated_members(path, parts):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = parts.pack([*parts.members.items(), ("arrays/0.npy", b"")])
    assert "twice" in refusal(path, content)


@pytest.mark.parametrize(
    "name",
    ["../m.npy", "/etc/passwd", "C:\\m.npy", "arrays/../card.md", "arrays/", "model.json/x"],
)
def test_paths_of_members(path, parts, name):
    assert "members" in refusal(path, parts.pack([*parts.members.items(), (name, b"x")]))
    moved = [(name if n == "arrays/1.npy" else n, c) for n, c in parts.members.items()]
    assert "members" in refusal(path, parts.pack(moved))


def test_a_member_that_is_a_link(path, parts):
    link = zipfile.ZipInfo("arrays/0.npy")
    link.external_attr = 0o120777 << 16
    members = [
        (link, b"/etc/passwd") if name == "arrays/0.npy" else (name, content)
        for name, content in parts.members.items()
    ]
    refusal(path, parts.pack(members))


def test_missing_and_reordered_members(path, parts):
    members = list(parts.members.items())
    for changed in (members[1:], members[:-1], [members[1], members[0], *members[2:]], []):
        refusal(path, parts.pack(changed))


def test_too_many_members(path, parts):
    many = [(f"arrays/{number}.npy", b"") for number in range(5000)]
    assert "forged" in refusal(path, parts.pack([("model.json", b"{}"), *many]))


def test_comments_extras_and_hidden_bytes(path, parts):
    for field, value in (("comment", b"x"), ("extra", struct.pack("<2H2s", 1234, 2, b"xx"))):
        info = zipfile.ZipInfo("card.md")
        setattr(info, field, value)
        members = [(info if n == "card.md" else n, c) for n, c in parts.members.items()]
        refusal(path, parts.pack(members))
    content = parts.pack()
    # Bytes between the members and the directory, and an offset that takes them in.
    directory, end = content.index(b"PK\x01\x02"), content.rindex(b"PK\x05\x06")
    fields = list(struct.unpack("<4s4H2LH", content[end : end + 22]))
    fields[6] += 6
    hidden = content[:directory] + b"hidden" + content[directory:end]
    hidden += struct.pack("<4s4H2LH", *fields) + content[end + 22 :]
    assert "hides some content" in refusal(path, parts.signed(hidden))


def test_the_directory_of_a_64_bit_archive(path, parts):
    """A locator that points zipfile to another directory than the one that was checked."""
    content = parts.pack()
    end = content.rindex(b"PK\x05\x06")
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1)
    fields = list(struct.unpack("<4s4H2LH", content[end : end + 22]))
    fields[5] += len(locator)
    forged = content[:end] + locator + struct.pack("<4s4H2LH", *fields) + content[end + 22 :]
    assert "forged" in refusal(path, parts.signed(forged))


# Arrays.


def npy(array):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: np.where(np.arange(a.size).reshape(a.shape) == 3, np.nan, a), "finite numbers"),
        (lambda a: a.astype(np.float64), "must be an array of float32"),
        (lambda a: a.astype(np.int32), "not an array of <f4 or <f8"),
        (lambda a: a.astype(np.complex64), "not an array of <f4 or <f8"),
        (lambda a: a.astype("S4"), "not an array of <f4 or <f8"),
        (lambda a: a.astype(">f4"), "not an array of <f4 or <f8"),
        (lambda a: a[..., :2], "weights of the shapes"),
        (lambda a: a.transpose(3, 2, 1, 0).copy(), "weights of the shapes"),
        (lambda a: a.transpose(3, 2, 1, 0), "not an array of <f4 or <f8"),
        (lambda a: a[np.newaxis], "weights of the shapes"),
        (lambda a: a[:0], "not empty"),
        (lambda a: a * np.float32(np.nan), "finite numbers"),
        (lambda a: np.where(a == a.max(), np.float32(np.inf), a), "finite numbers"),
        (lambda a: np.zeros(3, [("a", "<f4")]), "not an array of <f4 or <f8"),
    ],
)
def test_arrays_that_do_not_fit(path, saved, forger, change, message):
    parts = forger(saved["pipeline"])
    weights = np.load(io.BytesIO(parts.members["arrays/0.npy"]))
    assert weights.shape == (5, 5, 1, 4)
    parts.members["arrays/0.npy"] = npy(change(weights))
    assert message in refusal(path, parts.pack())


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999, 99999, 99999, 99999, 9), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 9999999), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1, " * 40 + "100), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (100,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': ((((((((100,))))))))}",
        "__import__('os').mkdir('made')",
        "",
    ],
)
def test_headers_of_arrays(path, parts, header, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    body = parts.members["arrays/0.npy"][128:]
    text = header.encode().ljust(117) + b"\n"
    parts.members["arrays/0.npy"] = (
        b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body
    )
    assert "arrays/0.npy in the file" in refusal(path, parts.pack())
    assert os.listdir(tmp_path) == ["m.skdxa"]


def test_arrays_that_nothing_uses(path, parts):
    tree = parts.tree
    number = tree["arrays"]
    tree["arrays"] += 1
    members = []
    for name, content in parts.members.items():
        if name.startswith("data/"):
            members.append((f"arrays/{number}.npy", npy(np.zeros(3))))
        members.append((name, content))
    parts.members = dict(members)
    parts.tree = tree
    assert "arrays that are not part of the model" in refusal(path, parts.pack())


def test_infinite_data(path, parts):
    parts.members["data/scores.npy"] = npy(np.full(7, np.inf))
    assert "infinite values" in refusal(path, parts.pack())


def test_versions_and_ends_of_arrays(path, parts):
    whole = parts.members["arrays/0.npy"]
    for content in (
        whole[:6] + b"\x03\x00" + whole[8:],
        whole[:-1],
        whole + b"x",
        whole[:5],
        whole[:8] + b"\xff\xff" + whole[10:],
    ):
        parts.members["arrays/0.npy"] = content
        refusal(path, parts.pack())


# model.json.


def edited(parts, change):
    tree = parts.tree
    change(tree)
    parts.tree = tree
    return parts.pack()


def node_of(tree, name):
    """Return the last fitted object of a class."""
    nodes = [node for node in tree["objects"] if node["class"] == name]
    return [node for node in nodes if node["fitted"] is not None or len(nodes) == 1][-1]


def put(name, part, key, value):
    """Return a change of one value of an object."""

    def change(tree):
        node_of(tree, name)[part][key] = value

    return change


def three_classes(tree):
    labels = {"values": ["a", "b", "c"], "dtype": "<U9"}
    node_of(tree, "SpineCNNClassifier")["fitted"]["classes_"] = labels


CHANGES = {
    "newer format": (lambda tree: tree.update(format=2, new=1), "Update skdxa"),
    "no format": (lambda tree: tree.pop("format"), "states no format"),
    "format as text": (lambda tree: tree.update(format="1"), "states no format"),
    "format 0": (lambda tree: tree.update(format=0), "must have the keys"),
    "foreign key": (lambda tree: tree.update(exec="import os"), "must have the keys"),
    "no objects": (lambda tree: tree.update(objects=[]), "1 to 2000 objects"),
    "many objects": (lambda tree: tree.update(objects=[{}] * 2001), "1 to 2000 objects"),
    "unused object": (lambda tree: tree["objects"].insert(0, tree["objects"][0]), "in the file"),
    "more arrays": (lambda tree: tree.update(arrays=tree["arrays"] + 1), "members"),
    "arrays as text": (lambda tree: tree.update(arrays="9"), "arrays"),
    "foreign data": (lambda tree: tree.update(data={"../x": {}}), "named data"),
    "other shape of data": (
        lambda tree: tree["data"]["scores"].update(shape=[8]),
        "another shape or type",
    ),
    "card as text": (lambda tree: tree.update(card="yes"), "a card and data"),
    "data as list": (lambda tree: tree.update(data=[]), "a card and data"),
    "versions": (lambda tree: tree.update(versions=[1]), "versions"),
    "foreign class": (lambda tree: tree["objects"][0].update({"class": "os.system"}), "the class"),
    "class as list": (
        lambda tree: tree["objects"][0].update({"class": ["Pipeline"]}),
        "the class",
    ),
    "foreign key of an object": (
        lambda tree: tree["objects"][0].update(__reduce__=1),
        "nothing unknown",
    ),
    "memory": (put("Pipeline", "params", "memory", "/tmp/cache"), "unknown"),
    "n_jobs": (put("StackingClassifier", "params", "n_jobs", 10**6), "unknown"),
    "private attribute": (put("ColumnScores", "fitted", "__class__", "x"), "unknown"),
    "unknown attribute": (put("ColumnScores", "fitted", "quality_", 1), "unknown"),
    "method": (
        put("StackingClassifier", "fitted", "stack_method_", ["__init__"] * 3),
        "stack_method_ in the file must be one of",
    ),
    "optimizer": (put("SpineCNNClassifier", "params", "optimizer", "os:system"), "optimizer"),
    "metrics": (put("SpineCNNClassifier", "params", "metrics", ["a.b:c"]), "metrics"),
    "network": (
        put("SpineCNNClassifier", "params", "network", {"function": "find_spine_region"}),
        "network in the file must be None",
    ),
    "function": (put("SpineCropper", "params", "height", {"function": "eval"}), "the function"),
    "function as list": (put("SpineCropper", "params", "height", {"function": []}), "function"),
    "kind of value": (put("SpineCropper", "params", "height", {"eval": "1"}), "unknown kind"),
    "huge crop": (put("SpineCropper", "params", "height", 10**9), "height in the file must be"),
    "crop of text": (put("SpineCropper", "params", "height", "7"), "height in the file must be"),
    "crop of truth": (put("SpineCropper", "params", "height", True), "height in the file must be"),
    "many kernels": (
        put("SpineCNNClassifier", "params", "filters", {"tuple": [65536] * 4}),
        "weights of the shapes",
    ),
    "even kernels": (put("SpineCNNClassifier", "params", "kernel_size", 4), "odd kernel_size"),
    "huge images": (
        put("SpineCNNClassifier", "fitted", "image_shape_", {"tuple": [10**7, 1]}),
        "image_shape_ in the file must be",
    ),
    "other images": (
        put("SpineCNNClassifier", "fitted", "image_shape_", {"tuple": [14, 18]}),
        "weights of the shapes",
    ),
    "three classes": (three_classes, "models have two classes, not 3"),
    "one class": (
        put("ColumnScores", "fitted", "classes_", {"values": [1], "dtype": "<i8"}),
        "two labels",
    ),
    "classes that descend": (
        put("ColumnScores", "fitted", "classes_", {"values": [1, 0], "dtype": "<i8"}),
        "ascending order",
    ),
    "labels of another type": (
        put("ColumnScores", "fitted", "classes_", {"values": ["a", "b"], "dtype": "<i8"}),
        "not of the type",
    ),
    "labels that are cut": (
        put("ColumnScores", "fitted", "classes_", {"values": ["aa", "b"], "dtype": "<U1"}),
        "too long",
    ),
    "type of labels": (
        put("ColumnScores", "fitted", "classes_", {"values": [0, 1], "dtype": "V8"}),
        "of the type",
    ),
    "spacing": (
        put("SpineCropper", "fitted", "scan_dtype_", {"scan_dtype": [[0, 1], "g/cm2"]}),
        "positive spacings",
    ),
    "object to come": (
        put("StackingClassifier", "params", "final_estimator", {"object": 10**6}),
        "which is not there",
    ),
    "itself": (put("StackingClassifier", "params", "final_estimator", {"object": 99}), "object"),
    "negative object": (
        put("StackingClassifier", "params", "final_estimator", {"object": -1}),
        "number of a part",
    ),
    "array twice": (
        put("SpineCNNClassifier", "fitted", "weights_", [{"array": 0}] * 6),
        "the array 0 twice",
    ),
    "array to come": (
        put("SpineCNNClassifier", "fitted", "weights_", [{"array": 4000}] * 6),
        "which is not there",
    ),
    "not fitted": (lambda tree: tree["objects"][-1].update(fitted=None), "not part of the model"),
    "incomplete": (lambda tree: tree["objects"][-1]["fitted"].pop("estimators_"), "has no"),
    "missing parameter": (
        lambda tree: tree["objects"][0]["params"].pop("column"),
        "has no column",
    ),
    "left out": (lambda tree: tree["objects"][0].update(left_out=["eval"]), "left out"),
    "output": (lambda tree: tree["objects"][0].update(output="polars"), "unknown output"),
    "scaler of zero": (put("StandardScaler", "fitted", "scale_", None), "values in scale_"),
    "stacked splitter": (
        lambda tree: put("StackingClassifier", "params", "final_estimator", splitter(tree))(tree),
        "final_estimator in the file must be",
    ),
}


def splitter(tree):
    names = [node["class"] for node in tree["objects"]]
    return {"object": names.index("StratifiedPatientKFold")}


@pytest.mark.parametrize("name", CHANGES)
def test_changes_of_the_description(path, parts, name):
    change, message = CHANGES[name]
    assert message in refusal(path, edited(parts, change))


def test_changes_of_a_calibration(path, saved, forger):
    def curve(tree):
        return node_of(tree, "CalibratedClassifierCV")["fitted"]["pairs"][0]["tuple"][1]["dict"]

    for name, key, value in (
        ("calibrated, sigmoid", "slope", {"float": "nan"}),
        ("calibrated, sigmoid", "slop", 1.0),
        ("calibrated, temperature", "inverse_temperature", -1.0),
        ("calibrated, isotonic", "increasing", "yes"),
        ("calibrated, isotonic", "x", {"array": 7}),
    ):
        parts = forger(saved[name])
        tree = parts.tree
        pairs = curve(tree)
        if key == "slop":
            pairs[0][0] = key
        else:
            next(pair for pair in pairs if pair[0] == key)[1] = value
        parts.tree = tree
        refusal(path, parts.pack())
    # A curve that falls where it is said to rise.
    parts = forger(saved["calibrated, isotonic"])
    tree = parts.tree
    number = dict(curve(tree))["y"]["array"]
    member = f"arrays/{number}.npy"
    parts.members[member] = npy(np.load(io.BytesIO(parts.members[member]))[::-1].copy())
    assert "not monotone" in refusal(path, parts.pack())


def test_a_pipeline_that_cannot_be_one(path, saved, forger):
    for steps, message in (
        ([], "pairs"),
        ([["a", {"object": 0}]], "pairs"),
        ([{"tuple": ["a__b", {"object": 0}]}], "no double underscore"),
        ([{"tuple": ["a", {"object": 0}]}, {"tuple": ["a", {"object": 1}]}], "names differ"),
        ([{"tuple": ["a", "drop"]}], "must be"),
    ):
        parts = forger(saved["pipeline"])
        content = edited(parts, put("Pipeline", "params", "steps", steps))
        assert message in refusal(path, content) or "not part of the model" in refusal(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 50_000, "nested too deeply"),
        (b"[]", "states no format"),
        (b"NaN", "not JSON"),
        (b'{"format": NaN}', "not a number in JSON"),
        (b'{"format": 1, "format": 1}', "a key occurs twice"),
        (b'{"format": 99999999999999999999999999}', "too large"),
        (b'{"format": ' + b"9" * 10_000 + b"}", "too large"),
        (b"\xff\xfe", "UnicodeDecodeError"),
        (b"", "not JSON"),
        (b'{"format": 1' + b" " * (4 * 2**20) + b"}", "more than the 4194304 allowed"),
        (pickle.dumps({}), "UnicodeDecodeError"),
    ],
)
def test_json_that_is_none(path, parts, text, message):
    parts.members["model.json"] = text
    assert message in refusal(path, parts.pack())


def test_values_that_are_nested_too_deeply(path, parts):
    deep = 7
    for _ in range(100):
        deep = [deep]
    content = edited(parts, put("SpineCropper", "params", "height", deep))
    assert "more than 20 deep" in refusal(path, content)


def test_objects_that_multiply(path, saved, forger):
    """Forty lines that would stand for a trillion networks."""
    parts = forger(saved["frozen"])
    tree = parts.tree
    for _ in range(40):
        number = len(tree["objects"]) - 1
        steps = [{"tuple": [name, {"object": number}]} for name in "ab"]
        params = {"steps": steps, "transform_input": None, "verbose": False}
        tree["objects"].append({"class": "Pipeline", "params": params, "fitted": {}})
    parts.tree = tree
    message = refusal(path, parts.pack())
    assert "too many objects" in message or "steps that transform" in message
    tree = forger(saved["frozen"]).tree
    for _ in range(40):
        held = {"object": len(tree["objects"]) - 1}
        tree["objects"].append(
            {"class": "FrozenEstimator", "params": {"estimator": held}, "fitted": {}}
        )
    parts.tree = tree
    assert "too many objects" in refusal(path, parts.pack())


def test_a_card_that_is_none(path, parts):
    for card in (b"\xff", b"x" * (2**20 + 1)):
        parts.members["card.md"] = card
        path.write_bytes(parts.pack())
        with pytest.raises(ModelFileError):
            read_card(path)


def test_what_a_mutation_cannot_break(parts, path):
    """The forger itself: without a change its file is loaded."""
    path.write_bytes(parts.pack())
    load_model(path)
    parts.tree = json.loads(json.dumps(parts.tree))
    path.write_bytes(parts.pack())
    load_model(path)


# Many random changes, in a process of its own with little memory.


@linux
@pytest.mark.parametrize("name", ["calibrated, isotonic", "tuned stack"])
def test_random_damage(path, saved, name):
    path.write_bytes(saved[name])
    script = Path(__file__).with_name("damage.py")
    ran = subprocess.run(
        [sys.executable, script, path, "--n", "300"],
        env={**os.environ, "PYTHONPATH": str(Path(skdxa.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "refused" in ran.stdout
