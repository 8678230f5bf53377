"""Damaged NumPy files and pictures, and some made to do harm.

As a program, this file damages as many files as wanted:

    python tests/scans/test_fuzz_plain.py --count 5000 --seed 1
"""

import argparse
import collections
import faulthandler
import io
import json
import random
import struct
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skdxa.exceptions import ScanReadError
from skdxa.scans import read_scan

resource = pytest.importorskip("resource", reason="limits of memory need a POSIX system")

DENSITY = np.linspace(0.0, 1.5, 63).reshape(7, 9)
GREY = (np.arange(63).reshape(7, 9) * 4).astype(np.uint8)
WORDS = ["<f8", "|O", "<U9", "|V8", "True", "False", "(7, 9)", "(-7, 9)", "(7,)", "10000000"]

# What one file may take.
SECONDS, BYTES = 2, 1 << 30


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npz(**arrays):
    compress = arrays.pop("compress", True)
    buffer = io.BytesIO()
    (np.savez_compressed if compress else np.savez)(buffer, **arrays)
    return buffer.getvalue()


def picture(array, kind, mode=None, **options):
    buffer = io.BytesIO()
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(buffer, kind, **options)
    return buffer.getvalue()


def oriented(kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture(GREY, kind, exif=exif)


def sound_files():
    """Make one file of each kind, by name."""
    rgb = np.repeat(GREY[..., None], 3, axis=-1)
    deep = GREY.astype(np.uint16) * 200
    pages = [Image.fromarray(GREY)]
    return {
        "npy": npy(DENSITY),
        "npy columns": npy(np.asfortranarray(DENSITY)),
        "npy big-endian": npy(DENSITY.astype(">f4")),
        "npy whole": npy(deep),
        "npz": npz(bmd=DENSITY, age=68.0, name=np.array("x")),
        "npz stored": npz(bmd=DENSITY, mask=DENSITY > 1, compress=False),
        "PNG": picture(GREY, "PNG"),
        "PNG 16": picture(deep, "PNG"),
        "PNG palette": picture(GREY, "PNG", "P"),
        "PNG transparent": picture(GREY, "PNG", "LA"),
        "PNG turned": oriented("PNG"),
        "TIFF": picture(GREY, "TIFF"),
        "TIFF float": picture(DENSITY.astype(np.float32), "TIFF", compression="tiff_lzw"),
        "TIFF deflate": picture(deep, "TIFF", compression="tiff_adobe_deflate"),
        "TIFF packbits": picture(rgb, "TIFF", compression="packbits"),
        "TIFF pages": picture(GREY, "TIFF", save_all=True, append_images=pages),
        "TIFF big": picture(GREY, "TIFF", big_tiff=True),
        "BMP": picture(GREY, "BMP"),
        "BMP colour": picture(rgb, "BMP"),
        "JPEG": picture(GREY, "JPEG", quality=95),
        "JPEG progressive": picture(GREY, "JPEG", progressive=True),
        "JPEG turned": oriented("JPEG"),
    }


def damaged(content, kind, rng):
    """Damage a file in a few places, some so that its checksums stay right."""
    if kind.startswith("npz") and rng.random() < 0.6:
        return rezipped(content, rng)
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 4, 8])):
        if len(content) < 16:
            break
        at = rng.randrange(len(content) - 4)
        change = rng.randrange(9)
        if change <= 1:
            content[at] ^= 1 << rng.randrange(8)
        elif change == 2:
            content[at] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
        elif change == 3:
            number = rng.choice([0, 1, 2**15, 2**31 - 1, 2**32 - 1, rng.randrange(2**20)])
            content[at : at + 4] = struct.pack(rng.choice("<>") + "I", number)
        elif change == 4:
            del content[at : at + rng.choice([1, 4, 8, rng.randrange(1, 400)])]
        elif change == 5:
            source = rng.randrange(len(content))
            content[at:at] = content[source : source + rng.choice([4, 12, rng.randrange(1, 400)])]
        elif change == 6 and kind.startswith("np"):
            old = rng.choice(["<f8", "(7, 9)", "False", "True", "<u2", ">f4"]).encode()
            content = bytearray(content.replace(old, rng.choice(WORDS).encode(), 1))
        elif change == 7:
            content[at : at + 2] = struct.pack(rng.choice("<>") + "H", rng.randrange(2**16))
        elif rng.random() < 0.3:
            del content[at:]
    if kind.startswith("PNG") and rng.random() < 0.7:
        content = with_checksums(content)
    return bytes(content)


def with_checksums(content):
    """Return a PNG picture whose chunks have the right checksums."""
    content, at = bytearray(content), 8
    while at + 12 <= len(content):
        end = at + 8 + int.from_bytes(content[at : at + 4], "big")
        if end + 4 > len(content):
            break
        content[end : end + 4] = struct.pack(">I", zlib.crc32(content[at + 4 : end]))
        at = end + 4
    return content


def rezipped(content, rng):
    """Return a NumPy archive in which an array has been damaged before it was compressed."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for info in old.infolist():
            inner = old.read(info)
            new.writestr(
                info.filename, damaged(inner, "npy", rng) if rng.random() < 0.6 else inner
            )
    return buffer.getvalue()


# Made to do harm


def header(text, version=1):
    text = text.encode("latin-1")
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text


def zipped(members, method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def chunk(kind, content):
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png(size, *chunks):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IEND", b"")


def deflated_zeros(n_bytes):
    deflate = zlib.compressobj(9)
    return (
        b"".join(deflate.compress(bytes(1 << 20)) for _ in range(n_bytes >> 20)) + deflate.flush()
    )


def directory(entries, following=0):
    """Return a TIFF directory of the other order of bytes than most."""
    content = b"".join(struct.pack(">HHII", *entry) for entry in entries)
    return struct.pack(">H", len(entries)) + content + struct.pack(">I", following)


def tiff(*directories):
    return b"MM\0*\0\0\0\x08" + b"".join(directories)


def heavy_directory(n_entries, n_bytes, at=8):
    """Return a directory each of whose entries takes the same many bytes of the file."""
    return directory([(40000 + k, 7, n_bytes, at) for k in range(n_entries)]) + bytes(n_bytes)


def progressive_bomb():
    """Return a JPEG picture of many pixels that is drawn again and again by short scans."""
    buffer = io.BytesIO()
    Image.new("L", (4000, 4000)).save(buffer, "JPEG", progressive=True)
    content = buffer.getvalue()
    start = content.rindex(b"\xff\xda")
    return content[:-2] + content[start:-2] * 500 + content[-2:]


class Pickled:
    def __reduce__(self):
        return (Path("/tmp/unpickled-by-a-test").touch, ())


def harmful_files():
    """Make files that cost a careless reader seconds, gigabytes or safety, by name."""
    eight, zeros = deflated_zeros(1 << 23), deflated_zeros(1 << 26)
    shape = "{{'descr': '<f8', 'fortran_order': {}, 'shape': {}, }}\n".format
    exif = b"MM\0*\0\0\0\x08" + heavy_directory(5000, 1 << 20)
    head = struct.pack(">HBHHBBBB", 11, 8, 7, 9, 1, 1, 0x11, 0)
    page = [(256, 3, 1, 9 << 16), (257, 3, 1, 7 << 16), (258, 3, 1, 8 << 16), (262, 3, 1, 1 << 16)]
    dtype = "{'descr': %s, 'fortran_order': False, 'shape': (7, 9), }\n"
    return {
        "npy huge": header(shape(False, (10**9, 10**9))),
        "npy huge columns": header(shape(True, (10**18, 10**18))),
        "npy negative": header(shape(False, (-7, -9))),
        "npy of truth values": header(shape(False, (True, True))),
        "npy many axes": header(shape(False, (1,) * 40)),
        "npy empty axis": header(shape(False, (0, 10**15))),
        "npy nested": header("(" * 3000 + ")" * 3000),
        "npy minus": header("-" * 4000 + "1"),
        "npy long header": header(" " * 60_000 + shape(False, (7, 9))),
        "npy longest header": header(" " * (1 << 25), version=2),
        "npy pickle": npy(np.array([[Pickled(), 1]], dtype=object)),
        "npy subarray": header(dtype % "('<f8', (1000, 1000, 1000))") + bytes(504),
        "npy text": header(dtype % "'<U100000000'") + bytes(504),
        "npy record": header(dtype % "[('a', '<f8'), ('b', '|O')]") + bytes(504),
        "npy dates": header(dtype % "'<M8[s]'") + bytes(504),
        "npz zeros": zipped(
            [("scan.npy", header(shape(False, (2000, 4000))) + bytes(64_000_000))]
        ),
        "npz short": zipped([("scan.npy", header(shape(True, (8000, 8000))) + bytes(1 << 24))]),
        "npz long": zipped([("scan.npy", header(shape(True, (7, 9))) + bytes(1 << 26))]),
        "npz many": zipped([(f"{k}.npy", npy(DENSITY)) for k in range(2000)]),
        "npz thousands": zipped([(f"{k}.npy", b"") for k in range(6_000)]),
        "npz twice": zipped([("scan.npy", npy(DENSITY))] * 2),
        "npz pickle": npz(scan=np.array([[Pickled(), 1]], dtype=object)),
        "npz bzip2": zipped([("scan.npy", npy(DENSITY) + bytes(1 << 24))], zipfile.ZIP_BZIP2),
        "npz lzma": zipped([("scan.npy", npy(DENSITY))], zipfile.ZIP_LZMA),
        "npz outside": zipped([("../../../etc/passwd.npy", npy(DENSITY))]),
        "PNG huge": png((2**31 - 1, 2**31 - 1), chunk(b"IDAT", eight)),
        "PNG larger": png((30_000, 30_000), chunk(b"IDAT", eight)),
        "PNG more than it says": png((9, 7), chunk(b"IDAT", zeros)),
        "PNG long text": png((9, 7), chunk(b"zTXt", b"a\0\0" + eight) * 20),
        "PNG profile": png((9, 7), chunk(b"iCCP", b"a\0\0" + zeros)),
        "PNG many chunks": png((9, 7), chunk(b"tEXt", b"a\0b") * 200_000),
        "PNG empty pixels": png((9, 7), chunk(b"IDAT", b"") * 200_000),
        "PNG Exif": png((9, 7), chunk(b"eXIf", exif), chunk(b"IDAT", zlib.compress(bytes(70)))),
        "PNG animated": png((9, 7), chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0))),
        "TIFF of itself": tiff(directory(page, following=8)),
        "TIFF many pages": tiff(*(directory([], following=14 + 6 * k) for k in range(100_000))),
        "TIFF heavy": tiff(heavy_directory(20_000, 1 << 20)),
        "TIFF many strips": tiff(
            directory([*page, (273, 4, 2_000_000, 100), (278, 4, 1, 1), (279, 4, 2_000_000, 100)])
            + bytes(8_000_000)
        ),
        "TIFF tile": tiff(
            directory(
                [
                    *page,
                    (259, 3, 1, 8 << 16),
                    *((tag, 4, 1, 2**30) for tag in (322, 323, 324, 325)),
                ]
            )
        ),
        "TIFF huge": tiff(directory([(256, 4, 1, 2**31), (257, 4, 1, 2**31), *page[2:]])),
        "TIFF below itself": tiff(directory([*page, (0x8769, 4, 1, 8), (0x8825, 4, 1, 8)])),
        "JPEG many scans": progressive_bomb(),
        "JPEG Exif": b"\xff\xd8"
        + b"".join(
            b"\xff\xe1" + struct.pack(">H", 60_008) + b"Exif\0\0" + exif[k : k + 60_000]
            for k in range(0, 1 << 20, 60_000)
        )
        + b"\xff\xc0"
        + head,
        "JPEG filled": b"\xff\xd8" + b"\xff" * (1 << 24),
        "JPEG segments": b"\xff\xd8" + b"\xff\xfe\0\x02" * 1_000_000,
        "JPEG huge": b"\xff\xd8\xff\xc0"
        + struct.pack(">HBHHBBBB", 11, 8, *[65535] * 2, 1, 1, 17, 0),
        "BMP run lengths": bmp_runs(1 << 22),
        "BMP huge": b"BM"
        + struct.pack("<IIIIiiHHI", 54, 0, 54, 40, 2**31 - 1, -(2**31), 1, 8, 0)
        + bytes(20),
    }


def bmp_runs(n_runs):
    head = struct.pack("<IiiHHIIiiII", 40, 4000, 4000, 1, 8, 1, 2 * n_runs, 0, 0, 256, 0)
    palette = b"".join(bytes([k, k, k, 0]) for k in range(256))
    start = 14 + len(head) + len(palette)
    return (
        b"BM"
        + struct.pack("<III", start + 2 * n_runs, 0, start)
        + head
        + palette
        + b"\1\7" * n_runs
    )


class Watch:
    """Note which files are opened, beside the one that is read."""

    def __init__(self):
        self.path, self.others = None, []
        # Formats, decoders and codecs are imported once.
        sys.addaudithook(self._note)

    def _note(self, event, arguments):
        if self.path is None:
            return
        # A number is a descriptor of a file that has been opened.
        if event == "open" and str(arguments[0]) != self.path and type(arguments[0]) is not int:
            self.others.append(str(arguments[0]))
        elif event in ("subprocess.Popen", "os.system", "socket.connect", "pickle.find_class"):
            self.others.append(event)


def run(count, seed):
    """Read damaged and harmful files; print how each ended, and what the worst took."""
    faulthandler.enable()
    rng = random.Random(seed)
    outcomes = collections.defaultdict(collections.Counter)
    faults, slowest, largest = [], (0.0, ""), (0, "")
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scan"
        sound, harmful = sound_files(), harmful_files()
        for content in sound.values():
            path.write_bytes(content)
            outcome(path, None)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + BYTES,) * 2)
        files = [(name, name, content) for name, content in harmful.items()]
        kinds = list(sound)
        for number in range(count):
            kind = kinds[number % len(kinds)]
            files.append((f"{kind} {number}", kind, None))
        for name, kind, content in files:
            path.write_bytes(content or damaged(sound[kind], kind, rng))
            # The peak of each file is its own where the system lets it be set back.
            Path("/proc/self/clear_refs").write_text("5")
            before = status("VmRSS")
            watch.path = str(path)
            start = time.process_time()
            ended, fault = outcome(path, rng.choice([None, None, None, 0]))
            taken = time.process_time() - start
            watch.path = None
            slowest = max(slowest, (taken, name))
            largest = max(largest, (status("VmHWM") - before, name))
            outcomes["harmful" if content else kind][ended] += 1
            if fault:
                faults.append([name, fault])
    faults += [["other files", name] for name in watch.others]
    report = {"outcomes": outcomes, "slowest": slowest, "largest": largest, "faults": faults}
    print(json.dumps(report))


def status(name):
    """Return a figure of this process in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def outcome(path, frame):
    """Return how reading ends, and what is wrong with it."""
    try:
        pixels = read_scan(path, frame=frame).pixels
    except ScanReadError as error:
        message = str(error)
        is_clear = message.startswith(f"{path}: ") and message.endswith((".", "?"))
        return error.reason, None if is_clear else message
    except BaseException as error:
        return "fault", repr(error)
    is_sound = pixels.dtype == np.float32 and pixels.ndim == 2 and not np.isinf(pixels).any()
    return "read", None if is_sound else "pixels"


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the limit needs Linux")
def test_damaged_and_harmful_files_are_read_or_refused():
    command = [sys.executable, __file__, "--count", "220", "--seed", "20261130"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    report = json.loads(result.stdout)
    assert report["faults"] == []
    assert report["slowest"][0] < SECONDS, report["slowest"]
    assert report["largest"][0] < BYTES, report["largest"]
    outcomes = report["outcomes"]
    assert set(outcomes) == {*sound_files(), "harmful"}
    # Some changes hit nothing that is read, others do: both ways are run.
    assert sum(ended.get("read", 0) for ended in outcomes.values()) > 20
    assert sum(ended.get("damaged file", 0) for ended in outcomes.values()) > 50
    assert not Path("/tmp/unpickled-by-a-test").exists()


@pytest.fixture(scope="module")
def harmful():
    return harmful_files()


REFUSALS = {
    "npy huge": "the array has 1000000000 x 1000000000 pixels, more than the 64,000,000",
    "npy negative": "at least 2 pixels each; the array is -7 x -9",
    "npy of truth values": "at least 2 pixels each",
    "npy nested": "damaged or cut short",
    "npy minus": "damaged or cut short",
    "npy longest header": "damaged or cut short",
    "npy pickle": "pickled Python objects",
    "npy subarray": "damaged or cut short",
    "npy dates": "the array's are datetime64",
    "npz short": "an array's size is not what its header says",
    "npz long": "an array's size is not what its header says",
    "npz many": "more than one array that could be the scan",
    "npz thousands": "holds more than is searched",
    "npz twice": "two arrays of one name",
    "npz pickle": "'scan' (1 x 2 object)",
    "npz bzip2": "compressed by a method that NumPy does not use",
    "npz lzma": "compressed by a method that NumPy does not use",
    "PNG huge": "pixels, more than the 64,000,000 that are read",
    "PNG profile": "damaged or cut short",
    "PNG many chunks": "more chunks than are read",
    "PNG empty pixels": "more chunks than are read",
    "PNG Exif": "entries are longer than the file",
    "TIFF many pages": "more pages or entries than are read",
    "TIFF heavy": "entries are longer than the file",
    "TIFF many strips": "entries are longer than the file",
    "TIFF tile": "more pixels in a tile than are read",
    "JPEG many scans": "more scans of its pixels than are decoded",
    "JPEG Exif": "entries are longer than the file",
    "JPEG filled": "more segments than are read",
    "JPEG segments": "more segments than are read",
    "BMP run lengths": "more run lengths than are read",
    "BMP huge": "pixels, more than the 64,000,000 that are read",
}


@pytest.mark.parametrize("name", REFUSALS)
def test_harmful_files_are_refused(tmp_path, harmful, name):
    path = tmp_path / "scan"
    path.write_bytes(harmful[name])
    with pytest.raises(ScanReadError) as caught:
        read_scan(path)
    assert REFUSALS[name] in str(caught.value)


def test_a_page_in_many_strips(tmp_path):
    # In a file that has room for the list of them.
    page = [(256, 3, 1, 9 << 16), (257, 3, 1, 7 << 16), (273, 4, 40_000, 100)]
    (tmp_path / "scan").write_bytes(tiff(directory(page) + bytes(200_000)))
    with pytest.raises(ScanReadError, match="more strips or tiles than are read"):
        read_scan(tmp_path / "scan")


def test_multi_picture_directories_are_checked(tmp_path):
    content = picture(GREY, "JPEG")
    directories = b"MPF\0" + tiff(heavy_directory(100, 1 << 14))
    segment = b"\xff\xe2" + struct.pack(">H", 2 + len(directories)) + directories
    (tmp_path / "scan").write_bytes(content[:2] + segment + content[2:])
    with pytest.raises(ScanReadError, match="entries are longer than the file"):
        read_scan(tmp_path / "scan")


@pytest.mark.parametrize("kind", sound_files())
def test_sound_files_are_read(tmp_path, kind):
    path = tmp_path / "scan"
    path.write_bytes(sound_files()[kind])
    frame = 0 if kind == "TIFF pages" else None
    shape = (9, 7) if "turned" in kind else (7, 9)
    variable = "bmd" if kind.startswith("npz") else None
    assert read_scan(path, frame=frame, variable=variable).pixels.shape == shape


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    run(arguments.count, arguments.seed)
