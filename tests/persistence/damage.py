"""Load many damaged and forged copies of a model file under a limit of memory.

    python damage.py model.skdxa --n 1000 --seed 0

Copies are damaged in three ways: bytes, with the digest left as it is; bytes, with the digest made
right; and the parts (values of model.json, arrays, members), with the digest made right. The first
must all be refused. Some of the others are whole models of other numbers, and load. Anything but a
model or a `ModelFileError`, and every event of running code, ends the script with an error.
"""

import argparse
import collections
import contextlib
import hashlib
import io
import json
import random
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

from skdxa.exceptions import ModelFileError
from skdxa.persistence import load_model, read_card

MEMORY = 512 * 2**20

VALUES = [
    None,
    True,
    -1,
    0,
    1,
    3,
    2**31,
    2**53,
    10**30,
    0.5,
    -1e308,
    "",
    "auto",
    "predict_proba",
    "__reduce__",
    "os.system",
    "../../etc/passwd",
    "x" * 5000,
    "\ud800",
    [],
    {},
    [[]],
    {"object": 0},
    {"object": 10**6},
    {"object": -1},
    {"array": 0},
    {"array": 10**9},
    {"function": "os.system"},
    {"function": "find_spine_region"},
    {"float": "nan"},
    {"float": "inf"},
    {"tuple": [1, 2]},
    {"dict": [[1, 2], [1, 2]]},
    {"values": [0, 1, 2], "dtype": "<i8"},
    {"values": ["a"], "dtype": "O"},
    {"scan_dtype": [[1, 1], None]},
    {"scan_dtype": [[-1, 0], 3]},
    {"py/object": "os.system"},
]

FORBIDDEN = (
    "pickle.find_class",
    "os.system",
    "os.exec",
    "os.spawn",
    "os.posix_spawn",
    "os.fork",
    "subprocess.Popen",
    "socket.",
    "shutil.",
    "urllib.",
    "webbrowser.",
)


def signed(content):
    return content[:-64] + hashlib.sha256(content[:-64]).hexdigest().encode()


def damage_bytes(content, rng):
    content = bytearray(content)
    way = rng.choice(["flip", "cut", "insert", "remove", "copy", "zero", "double"])
    start = rng.randrange(len(content))
    length = rng.choice([1, 2, 8, 64, 1000])
    if way == "flip":
        for _ in range(rng.choice([1, 1, 2, 5, 50])):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    elif way == "cut":
        del content[start:]
    elif way == "insert":
        content[start:start] = rng.randbytes(length)
    elif way == "remove":
        del content[start : start + length]
    elif way == "copy":
        other = rng.randrange(len(content))
        content[start : start + length] = content[other : other + length]
    elif way == "zero":
        content[start : start + length] = bytes(len(content[start : start + length]))
    else:
        content *= 2
    return bytes(content)


def damage_tree(tree, rng):
    """Change, remove, add, repeat or exchange one value anywhere in a tree."""
    places = []

    def visit(node):
        keys = range(len(node)) if isinstance(node, list) else list(node)
        for key in keys:
            places.append((node, key))
            if isinstance(node[key], list | dict):
                visit(node[key])

    visit(tree)
    node, key = rng.choice(places)
    way = rng.choice(["change", "change", "change", "remove", "add", "repeat", "exchange", "bury"])
    if way == "change":
        node[key] = rng.choice(VALUES)
    elif way == "remove":
        del node[key]
    elif way == "add" and isinstance(node, dict):
        node[rng.choice(["x", "__class__", "memory", "n_jobs", "quality_"])] = rng.choice(VALUES)
    elif way == "exchange":
        other, other_key = rng.choice(places)
        node[key], other[other_key] = json.loads(json.dumps([other[other_key], node[key]]))
    elif way == "bury":
        for _ in range(rng.choice([5, 30, 3000])):
            node[key] = [node[key]]
    elif isinstance(node, list):
        node.append(json.loads(json.dumps(node[key])))
    return tree


def damage_parts(content, rng):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [[name, archive.read(name)] for name in archive.namelist()]
    way = rng.choice(["tree", "tree", "tree", "tree", "member", "bytes", "header", "text"])
    number = rng.randrange(len(members))
    if way == "tree":
        tree = json.loads(members[0][1])
        try:
            for _ in range(rng.choice([1, 1, 1, 2, 4])):
                damage_tree(tree, rng)
            members[0][1] = json.dumps(tree).encode()
        except RecursionError:
            members[0][1] = b"[" * 100_000
    elif way == "text":
        text = bytearray(members[0][1])
        start = rng.randrange(len(text))
        text[start : start + rng.choice([0, 1, 3])] = rng.choice(
            [b"NaN", b"Infinity", b"1e999", b"9" * 5000, b'"', b"\\u0000", b"\xff", b"}", b"["]
        )
        members[0][1] = bytes(text)
    elif way == "member":
        what = rng.choice(["remove", "repeat", "rename", "exchange", "empty", "pickle"])
        if what == "remove":
            del members[number]
        elif what == "repeat":
            members.append(members[number])
        elif what == "rename":
            members[number][0] = rng.choice(
                ["../x", "/etc/x", "x\\y", "arrays/0.npy", "x\0y", "a/"]
            )
        elif what == "exchange":
            other = rng.randrange(len(members))
            members[number][1], members[other][1] = members[other][1], members[number][1]
        else:
            members[number][1] = b"" if what == "empty" else b"\x80\x04cos\nsystem\n."
    else:
        bytes_of = bytearray(members[number][1])
        end = 128 if way == "header" else len(bytes_of)
        for _ in range(rng.choice([1, 2, 5])):
            bytes_of[rng.randrange(min(end, len(bytes_of)))] = rng.randrange(256)
        members[number][1] = bytes(bytes_of)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(
            buffer, "w", rng.choice([0, 0, 0, 0, zipfile.ZIP_DEFLATED])
        ) as archive:
            archive.comment = b"sha256:" + bytes(64)
            for name, part in members:
                archive.writestr(zipfile.ZipInfo(name), part)
    return signed(buffer.getvalue())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file")
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    # Not on Windows, where this file is imported all the same by a search for doctests.
    import resource

    content = Path(args.file).read_bytes()
    load_model(args.file)

    events = collections.Counter()
    watching = False

    def watch(event, arguments):
        if watching and event.startswith(FORBIDDEN):
            events[event] += 1

    sys.addaudithook(watch)
    page = resource.getpagesize()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * page
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))

    rng = random.Random(args.seed)
    counts = collections.Counter()
    ways = {
        "bytes": damage_bytes,
        "bytes, digest right": lambda content, rng: signed(damage_bytes(content, rng)),
        "parts, digest right": damage_parts,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.skdxa"
        for number in range(args.n):
            kind = list(ways)[number % 3]
            damaged = ways[kind](content, rng)
            if damaged == content:
                counts[kind, "unchanged"] += 1
                continue
            path.write_bytes(damaged)
            watching = True
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                try:
                    load_model(path)
                    outcome = "loaded"
                except ModelFileError as error:
                    outcome, message = "refused", str(error)
                with contextlib.suppress(ModelFileError):
                    read_card(path)
            watching = False
            counts[kind, outcome] += 1
            if outcome == "refused" and not (
                message.startswith(f"{path}: ") and message.endswith(".")
            ):
                sys.exit(f"a message that names no file, or has no end: {message}")
            if kind == "bytes" and outcome == "loaded":
                sys.exit(f"a changed file was loaded: mutation {number} of seed {args.seed}")
    if events:
        sys.exit(f"loading ran code: {dict(events)}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for (kind, outcome), n in sorted(counts.items()):
        print(f"{kind:22}{outcome:12}{n:6}")
    print(f"peak memory {peak:.0f} MiB")


if __name__ == "__main__":
    main()
