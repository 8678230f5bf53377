"""Findings that make a measurement unreliable, and what each adds to a vertebra's BMD.

Degeneration has four parts (osteophytes, sclerosis of the endplates, narrowing of the disc,
arthrosis of the facet joints), each graded: 0 none, below 1 slight, 3 gross. A vertebra's
grade is the mean of the four; from 1 on a radiologist calls the vertebra affected.
"""

from typing import NamedTuple

import numpy as np

from ._anatomy import LEVELS, LUMBAR

AFFECTED_GRADE = 1.0
DEGENERATIVE = ("osteophytes", "sclerosis", "disc_narrowing", "facet_arthrosis")
# Names of the findings in masks; bit k of `lesion_kinds` is the k-th.
LESION_KINDS = (
    *DEGENERATIVE,
    "fracture",
    "cement",
    "rods",
    "laminectomy",
    "button",
    "zip",
    "contrast",
    "clips",
    "aortic_calcification",
    "motion",
)
# Degeneration raises the BMD of a vertebra by a tenth or more (Rand et al. 1997: osteophytes
# and sclerosis of the endplates, up to 14 %). Disc narrowing alone adds no mineral.
_BMD_PER_GRADE = {"osteophytes": 0.012, "sclerosis": 0.02, "facet_arthrosis": 0.02}
# A collapsed body keeps most of its mineral on a smaller area.
_FRACTURE_KEEPS = 0.6
# Added areal density, averaged over a body, in g/cm2. Titanium of a 5.5 mm rod counts as
# several g/cm2 of mineral; the detector saturates below that.
CEMENT_GAIN, ROD_GAIN, BUTTON_GAIN, ZIP_GAIN, CONTRAST_GAIN = 0.22, 0.9, 0.06, 0.12, 0.10
# Share of the body's BMD that comes from the laminae and the spinous process projected on it.
LAMINECTOMY_LOSS = 0.16
# Findings other than fractures, which every reader detects.
OBVIOUS = ("cement", "rods", "laminectomy", "button", "zip", "contrast")


class Pathology(NamedTuple):
    """The findings of one spine; one entry per level of `LEVELS` unless noted otherwise.

    The pathology of a cohort has a leading axis of scans.
    """

    osteophytes: np.ndarray  # grades
    sclerosis: np.ndarray
    disc_narrowing: np.ndarray
    facet_arthrosis: np.ndarray
    collapse: np.ndarray  # share of the body's height lost to a fracture
    cement: np.ndarray  # bool
    rods: np.ndarray  # bool
    laminectomy: np.ndarray  # bool
    button: np.ndarray  # bool, a button or the like on the skin
    zip: np.ndarray  # bool, a zip over the spine
    contrast: np.ndarray  # bool, contrast agent left in bowel over the spine
    slip: np.ndarray  # mm: sideways slip of the vertebra on the next
    clips: np.ndarray  # bool, one per patient: surgical clips beside the spine
    aorta: np.ndarray  # 0 to 1, one per patient: calcification of the aorta
    motion: np.ndarray  # mm, one per scan: how far the patient moved during the scan


def no_pathology():
    """Return the pathology of a spine without findings."""
    levels = len(LEVELS)
    flags = {name: np.zeros(levels, bool) for name in OBVIOUS}
    numbers = {name: np.zeros(levels) for name in (*Pathology._fields[:5], "slip")}
    return Pathology(**numbers, **flags, clips=np.bool_(False), aorta=0.0, motion=0.0)


def grade(pathology):
    """Compute the degeneration of each level: the mean of its four parts."""
    return sum(getattr(pathology, part) for part in DEGENERATIVE) / len(DEGENERATIVE)


def split_grade(rng, total):
    """Draw the four parts of a degeneration whose mean is `total` (..., n_levels)."""
    weights = np.exp(rng.normal(0, 0.45, (len(DEGENERATIVE), *total.shape)))
    # Within a patient the same part dominates throughout the spine.
    weights *= np.exp(rng.normal(0, 0.25, (len(DEGENERATIVE), *total.shape[:-1], 1)))
    return dict(zip(DEGENERATIVE, total * weights / weights.mean(axis=0), strict=True))


def affected(pathology):
    """Return which levels should not be used for BMD: bool (..., n_levels)."""
    return (grade(pathology) >= AFFECTED_GRADE) | structural(pathology)


def structural(pathology):
    """Return which levels have a finding that every reader detects: bool (..., n_levels)."""
    found = pathology.collapse > 0
    for name in OBVIOUS:
        found = found | getattr(pathology, name)
    return found


def degenerative_gain(pathology):
    """Compute the areal density that degeneration adds to each level's BMD, g/cm2."""
    return sum(gain * getattr(pathology, name) for name, gain in _BMD_PER_GRADE.items())


def bmd_gain(pathology, bmd):
    """Compute the areal density that pathology adds to each level, g/cm2: (..., n_levels)."""
    return (
        degenerative_gain(pathology)
        + bare_gain(pathology, bmd)
        + CEMENT_GAIN * pathology.cement
        + ROD_GAIN * pathology.rods
        + BUTTON_GAIN * pathology.button
        + ZIP_GAIN * pathology.zip
        + CONTRAST_GAIN * pathology.contrast
    )


def bare_gain(pathology, bmd):
    """Compute what a fracture and a laminectomy add to the BMD of the bone itself, g/cm2.

    A collapsed body gains because its mineral lies on a smaller area; a vertebra without
    laminae and spinous process loses.
    """
    collapsed = _FRACTURE_KEEPS * pathology.collapse / (1 - pathology.collapse)
    return bmd * (collapsed - LAMINECTOMY_LOSS * pathology.laminectomy)


def disc_loss(pathology):
    """Compute the lost share of each disc: (n_levels,). A level's grade is its lower disc's."""
    return np.clip(0.19 * pathology.disc_narrowing, 0, 0.70)


def all_levels(lumbar):
    """Extend values of L1 to L4 (..., 4) to all levels by repeating the end values."""
    widths = [(0, 0)] * (np.ndim(lumbar) - 1)
    return np.pad(lumbar, [*widths, (LUMBAR.start, len(LEVELS) - LUMBAR.stop)], mode="edge")


def at_levels(names):
    """Return which levels are named: bool (n_levels,)."""
    return np.isin(LEVELS, list(names))
