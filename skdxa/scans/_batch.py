"""The scans of a table, read one by one or by several processes."""

import multiprocessing
import os
import sys
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from joblib.parallel import BACKENDS, get_active_backend
from tqdm import tqdm

from skdxa.exceptions import CohortError, ScanError
from skdxa.preprocessing import resample
from skdxa.scans._file import file_hash
from skdxa.scans._read import read_scan
from skdxa.validation import check_spacing, printable

# The remedies of `read_scan`, and their equivalents for a table.
_REMEDIES = (
    ("Give spacing_mm,", "State the pixels' size in columns 'row_mm' and 'column_mm',"),
    (
        "Name the scan's frame with frame=, counted from 0, or export it as a separate file.",
        "Export the scan as a separate file.",
    ),
    (", or raise max_pixels if the file is what it should be", ""),
)
# Libraries that can deadlock in a forked process.
_THREADED = {"tensorflow", "jax", "torch"}


@dataclass(frozen=True)
class Job:
    """One scan to read."""

    row: int
    path: str
    given_mm: tuple | None
    default_mm: tuple | None
    shown: str


@dataclass
class Read:
    """One scan that was read, or why it cannot be used."""

    row: int
    shown: str
    pixels: np.ndarray | None = None
    facts: dict | None = None
    fault: str | None = None
    kind: str | None = None

    def refuse(self, fault, kind):
        self.pixels, self.fault, self.kind = None, f"{self.shown}: {fault}", kind
        return self


def read_all(jobs, *, n_jobs, progress, **options):
    """Return what was read for each job, in their order."""
    read = partial(_read_one, **options)
    n_workers = min(effective_n_jobs(n_jobs), len(jobs))
    # None: only where the standard error is a terminal.
    show = partial(tqdm, total=len(jobs), desc="Reading", disable=None if progress else True)
    if n_workers == 1:
        return list(show(map(read, jobs)))
    if _can_fork():
        return _read_by_copies(read, jobs, n_workers, show)
    backend, _ = get_active_backend()
    return_as = "generator" if backend.supports_return_generator else "list"
    return list(show(Parallel(n_workers, return_as=return_as)(map(delayed(read), jobs))))


def _read_by_copies(read, jobs, n_workers, show):
    """Return what was read for each job by copies of this process."""
    context = multiprocessing.get_context("fork")
    initial = {"initializer": _end_with_parent, "initargs": (os.getpid(),)}
    with ProcessPoolExecutor(n_workers, context, **initial) as workers:
        with warnings.catch_warnings():
            # Python 3.12 warns of threads, which here belong to linear algebra.
            warnings.filterwarnings("ignore", ".* is multi-threaded", DeprecationWarning)
            done = workers.map(read, jobs, chunksize=min(8, -(-len(jobs) // n_workers)))
        try:
            return list(show(done))
        except BrokenProcessPool:
            raise CohortError(
                "a process that reads scans has ended, possibly because memory ran out. Read "
                "with n_jobs=1."
            ) from None
        except BaseException:
            # On Ctrl-C, cancel tasks that have not started.
            workers.shutdown(wait=False, cancel_futures=True)
            raise


def _end_with_parent(parent):
    """End a worker if its parent is killed, which the worker would not notice while waiting."""

    def watch():
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _can_fork():
    """Return whether workers can be copies of this process.

    Others start by importing what they need, which takes longer than reading hundreds of files.
    A copy lacks the threads of this process, without which TensorFlow, JAX and PyTorch can wait
    without end, and a backend that the caller has chosen comes first.
    """
    backend, _ = get_active_backend()
    is_default = type(backend) is BACKENDS["loky"]
    return sys.platform == "linux" and is_default and not _THREADED & sys.modules.keys()


def settle_unstated(read, spacing_mm):
    """Handle scans of unknown spacing; return how many are assumed to have the cohort's.

    A folder of plain arrays is taken to be at the cohort's spacing; a single one among scans
    that state theirs is more likely a mistake.
    """
    found = [item for item in read if item.pixels is not None]
    unstated = [item for item in found if item.facts["row_mm"] is None]
    if len(unstated) == len(found) and not any(item.facts["format"] == "DICOM" for item in found):
        for item in unstated:
            row_mm, column_mm = spacing_mm
            item.facts.update(row_mm=row_mm, column_mm=column_mm, spacing_source="assumed")
        return len(unstated)
    for item in unstated:
        item.refuse(
            "the file does not say how large its pixels are. State their height and width in mm "
            "in columns 'row_mm' and 'column_mm' of the table, or for all such files with "
            "default_spacing_mm=.",
            "pixel spacing unknown",
        )
    return 0


def _read_one(job, *, spacing_mm, variable, unit, min_columns):
    read = Read(job.row, job.shown)
    try:
        given_mm = job.given_mm and check_spacing(job.given_mm, name="(row_mm, column_mm)")
        scan = read_scan(job.path, spacing_mm=given_mm, unit=unit, variable=variable)
        native_mm = scan.spacing or job.default_mm
        read.facts = {
            "format": scan.source,
            "unit": scan.unit,
            "rows": scan.pixels.shape[0],
            "columns": scan.pixels.shape[1],
            "row_mm": native_mm and native_mm[0],
            "column_mm": native_mm and native_mm[1],
            "spacing_source": _spacing_source(given_mm, scan, job),
            "sha256": file_hash(job.path),
        }
        read.pixels = scan.pixels
        # Resample at once, since the scan as read is often many times as large.
        if native_mm:
            read.pixels = resample(scan.pixels, native_mm, spacing_mm)
    except MemoryError:
        return read.refuse(
            "the scan needs more memory to be resampled than there is.", "too large"
        )
    except ScanError as error:
        # Other errors concern the spacing that the table or the file states.
        kind = getattr(error, "reason", "pixel spacing unusable")
        message = str(error).removeprefix(f"{printable(job.path)}: ")
        for of_a_file, of_a_table in _REMEDIES:
            message = message.replace(of_a_file, of_a_table)
        return read.refuse(message, kind)
    n_columns = read.pixels.shape[1]
    if min_columns is not None and n_columns < min_columns:
        row_mm, column_mm = spacing_mm
        return read.refuse(
            f"the scan has {n_columns} columns at {row_mm:g} x {column_mm:g} mm, "
            f"fewer than the {min_columns} needed. Leave it out, or choose a smaller width.",
            "too narrow",
        )
    return read


def _spacing_source(given_mm, scan, job):
    if given_mm:
        return "table"
    if scan.spacing:
        return scan.spacing_source
    return "default_spacing_mm" if job.default_mm else None
