"""Damaged MATLAB files: thousands, each made from a sound one by a few changes.

Run as a script for more of them::

    python tests/scans/test_fuzz_matlab.py --count 5000 --seed 1
"""

import argparse
import collections
import faulthandler
import json
import random
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import eye

from skdxa.exceptions import ScanReadError
from skdxa.scans import read_scan

resource = pytest.importorskip("resource", reason="limits of memory need a POSIX system")

DENSITY = np.linspace(0.0, 1.5, 63).reshape(7, 9)
CELL = np.empty((1, 2), dtype=object)
CELL[0, 0], CELL[0, 1] = DENSITY, "text"
STRUCTS = np.array([[(DENSITY, "a"), (DENSITY[:3], "b")]], dtype=[("bmd", "O"), ("name", "O")])
VARIABLES = {
    "bmd": DENSITY,
    "grey": np.arange(63, dtype=np.uint8).reshape(7, 9),
    "s": {"bmd": DENSITY, "inner": {"age": 68}},
    "c": CELL,
    "t": STRUCTS,
    "name": "x",
    "mask": DENSITY > 1,
    "z": DENSITY + 1j,
    "sparse": eye(7, 9, format="csc"),
}
NAMES = (None, "bmd", "grey", "s.bmd", "c{1}", "t(2).bmd", "s.inner.age", "name", "missing")
KINDS = ("4", "4 big-endian", "5", "7", "7 inside", "7.3", "7.3 chunked", "7.3 newest")

# What one file may take.
SECONDS, BYTES = 2, 1 << 30


def sound_file(path, kind):
    """Write a sound file, and return its content."""
    if kind == "4":
        flat = {"bmd": DENSITY, "grey": VARIABLES["grey"], "name": "x", "sparse": eye(7, 9)}
        savemat(path, flat, format="4", appendmat=False)
    elif kind == "4 big-endian":
        density = DENSITY.astype(">f8").tobytes(order="F")
        age = struct.pack(">5i", 1000, 1, 1, 0, 4) + b"age\0" + struct.pack(">d", 68)
        path.write_bytes(struct.pack(">5i", 1000, 7, 9, 0, 4) + b"bmd\0" + density + age)
    elif kind in ("5", "7", "7 inside"):
        savemat(path, VARIABLES, do_compression=kind != "5", appendmat=False)
    else:
        write_hdf5(path, kind)
    return path.read_bytes()


def write_hdf5(path, kind):
    chunked = {"chunks": (4, 3), "compression": "gzip", "shuffle": True, "fletcher32": True}
    options = {} if kind == "7.3" else chunked
    libver = "latest" if kind == "7.3 newest" else None
    with h5py.File(path, "w", userblock_size=512, libver=libver) as file:

        def write(place, name, array):
            item = place.create_dataset(name, data=array.T, **options)
            item.attrs["MATLAB_class"] = np.bytes_(
                {"float64": "double"}.get(array.dtype.name, array.dtype.name)
            )
            return item

        bmd = write(file, "bmd", DENSITY)
        grey = write(file, "grey", VARIABLES["grey"])
        group = file.create_group("s")
        group.attrs["MATLAB_class"] = "struct"
        write(group, "bmd", DENSITY)
        write(group.create_group("inner"), "age", np.full((3, 4), 68.0))
        structs = file.create_group("t")
        structs.attrs["MATLAB_class"] = np.bytes_("struct")
        for place, name in ((file, "c"), (structs, "bmd")):
            item = place.create_dataset(name, (2, 1), dtype=h5py.ref_dtype)
            item[:, 0] = [bmd.ref, grey.ref]
        file["c"].attrs["MATLAB_class"] = np.bytes_("cell")


def mutated(content, rng, start=0):
    """Change a few bytes, words or stretches of a file."""
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 4, 8])):
        if len(content) <= start + 8:
            break
        at = rng.randrange(start, len(content) - 4)
        change = rng.randrange(8)
        if change <= 1:
            content[at] ^= 1 << rng.randrange(8)
        elif change == 2:
            content[at] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
        elif change == 3:
            word = rng.choice([0, 1, 2**15, 2**31 - 1, 2**31, 2**32 - 1, rng.randrange(2**20)])
            content[at & ~3 : (at & ~3) + 4] = struct.pack(rng.choice("<>") + "I", word)
        elif change == 4:
            del content[at : at + rng.choice([1, 4, 8, rng.randrange(1, 400)])]
        elif change == 5:
            length = rng.choice([8, 56, rng.randrange(1, 400)])
            source = rng.randrange(start, len(content))
            content[at:at] = content[source : source + length]
        elif change == 6:
            length = rng.choice([4, 8, 64])
            source = rng.randrange(start, len(content) - 4)
            content[at : at + length] = content[source : source + length]
        elif rng.random() < 0.3:
            del content[at:]
    return bytes(content)


def mutated_inside(content, rng):
    """Change what a file of version 7 holds compressed, of which the checksum stays right."""
    parts, at = [content[:128]], 128
    while at < len(content):
        length = struct.unpack_from("<I", content, at + 4)[0]
        inflated = zlib.decompress(content[at + 8 : at + 8 + length])
        if rng.random() < 0.4:
            inflated = mutated(inflated, rng)
        compressed = zlib.compress(inflated)
        parts += [struct.pack("<II", 15, len(compressed)), compressed]
        at += 8 + length
    return b"".join(parts)


def damaged(content, kind, rng):
    if kind == "7 inside":
        return mutated_inside(content, rng)
    return mutated(content, rng, 512 if kind.startswith("7.3") else 0)


def run(count, seed):
    """Read damaged files; print how many ended how, and what the worst took."""
    faulthandler.enable()
    rng = random.Random(seed)
    outcomes = collections.defaultdict(collections.Counter)
    slowest = (0.0, "")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scan.mat"
        sound = {kind: sound_file(path, kind) for kind in KINDS}
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        limit = used + 4 * BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for number in range(count):
            kind, name = rng.choice(KINDS), rng.choice(NAMES)
            path.write_bytes(damaged(sound[kind], kind, rng))
            start = time.process_time()
            try:
                outcome = f"{len(read_scan(path, variable=name).pixels.shape)}-D scan"
            except ScanReadError as error:
                outcome = error.reason
            taken = time.process_time() - start
            slowest = max(slowest, (taken, f"{kind}, file {number}"))
            outcomes[kind][outcome] += 1
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(json.dumps({"outcomes": outcomes, "slowest": slowest, "bytes": grown}))


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the limit needs Linux")
def test_damaged_files_are_read_or_refused():
    command = [sys.executable, __file__, "--count", "400", "--seed", "20261125"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert set(found["outcomes"]) == set(KINDS)
    for kind, outcomes in found["outcomes"].items():
        # Some changes hit nothing that is read, others do: both ways are run.
        assert outcomes.get("2-D scan", 0) > 0, kind
        assert outcomes.get("damaged file", 0) > 0, kind
    assert found["slowest"][0] < SECONDS
    assert found["bytes"] < BYTES


@pytest.mark.parametrize("kind", KINDS)
def test_sound_files_are_read(tmp_path, kind):
    sound_file(tmp_path / "scan.mat", kind)
    scan = read_scan(tmp_path / "scan.mat", variable="bmd")
    np.testing.assert_array_equal(scan.pixels, DENSITY.astype(np.float32))


def refusal(path, variable):
    """Return the message of the refusal, None if a scan is read."""
    try:
        read_scan(path, variable=variable)
    except ScanReadError as error:
        return str(error)
    return None


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_reported_in_one_way(tmp_path, kind):
    # In this process, for the readers are written in Python, and no limits are needed.
    path = tmp_path / "scan.mat"
    rng = random.Random(KINDS.index(kind))
    content = sound_file(path, kind)
    for _ in range(60):
        path.write_bytes(damaged(content, kind, rng))
        message = refusal(path, rng.choice(NAMES))
        assert message is None or message.startswith(f"{path}: ")
        assert message is None or message.endswith((".", "?"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    run(arguments.count, arguments.seed)
