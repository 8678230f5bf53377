"""Labels by radiologists, each with persistent and fresh errors."""

from typing import NamedTuple

import pandas as pd

from ._pathology import AFFECTED_GRADE

COBB_THRESHOLD = 10.0
UNRELIABLE_VERTEBRAE = 3


class Rater(NamedTuple):
    """The errors of one radiologist.

    A persistent error belongs to the rater and the patient and is the same when the scan is
    read again; a fresh error is drawn for each reading. The errors change labels of patients
    near the borderline only.
    """

    cobb_bias: float  # degrees
    cobb_persistent: float  # SD, degrees
    cobb_fresh: float  # SD, degrees
    grade_bias: float  # grades of degeneration
    grade_persistent: float  # SD, grades
    grade_fresh: float  # SD, grades


# A rater's persistent error about a single vertebra, in grades: SD.
_GRADE_VERTEBRA = 0.30

# Two raters of the population. Their agreement and the consensus determine the marginals (each
# calls 16.7 % scoliotic and 55 % unreliable) and the total error; its division into persistent
# and fresh is as in the hospital, where both are known. Fitted by moments: numerical integration
# over the Cobb angle, 40,000 drawn patients for unreliability.
_POPULATION = (
    Rater(0.0, 2.2, 2.25, 0.20, 0.40, 0.35),
    Rater(0.0, 2.2, 2.25, 0.20, 0.40, 0.35),
)

# Three raters of the hospital, who read twice. From agreement A and kappa, chance agreement is
# (A - kappa) / (1 - kappa), and with it each rater's share of positives: 38, 17 and 18 % for
# scoliosis. The first rater therefore reports curves from about 5 degrees, and does so
# consistently: 93 % agreement between the readings implies a new error of 0.7 degrees in each,
# since such angles are common.
_HOSPITAL = (
    Rater(4.57, 1.38, 0.72, 0.20, 0.36, 0.30),
    Rater(-0.67, 1.77, 2.00, 0.20, 0.36, 0.40),
    Rater(0.67, 1.17, 1.59, 0.20, 0.52, 0.40),
)

RATERS = {"population": _POPULATION, "hospital": _HOSPITAL}
READINGS = {"population": 1, "hospital": 2}


def rate(rng, site, patient, *, cobb, grade, structural):
    """Draw the labels that each rater of a site gives each scan.

    Parameters
    ----------
    rng : numpy.random.RandomState
        Source of all draws.
    site : {"population", "hospital"}
        The site whose raters read.
    patient : ndarray of int of shape (n_scans,)
        The number of the patient, from 0: persistent errors are the patient's.
    cobb : ndarray of shape (n_scans,)
        Cobb angle, degrees.
    grade : ndarray of shape (n_scans, 4)
        Degeneration of L1 to L4 before it is cut off at 0.
    structural : ndarray of bool of shape (n_scans, 4)
        Vertebrae with a finding that no reader misses.

    Returns
    -------
    DataFrame
        0.0 and 1.0; columns `scoliosis_r1`, `unreliable_r1`, ... and, where scans are read
        twice, `scoliosis_r1_again`, ...
    """
    raters = RATERS[site]
    n_scans, n_patients = len(cobb), patient.max() + 1
    persistent = []
    for rater in raters:
        angle = rng.normal(rater.cobb_bias, rater.cobb_persistent, n_patients)
        scan = rng.normal(rater.grade_bias, rater.grade_persistent, (n_patients, 1))
        vertebra = rng.normal(0, _GRADE_VERTEBRA, (n_patients, 4))
        persistent.append((cobb + angle[patient], grade + (scan + vertebra)[patient]))
    columns = {}
    for reading in range(READINGS[site]):
        ending = "_again" if reading else ""
        for number, (rater, (angle, seen)) in enumerate(zip(raters, persistent, strict=True), 1):
            read_angle = angle + rng.normal(0, rater.cobb_fresh, n_scans)
            read_grade = seen + rng.normal(0, rater.grade_fresh, (n_scans, 1))
            count = ((read_grade >= AFFECTED_GRADE) | structural).sum(axis=1)
            columns[f"scoliosis_r{number}{ending}"] = read_angle > COBB_THRESHOLD
            columns[f"unreliable_r{number}{ending}"] = count >= UNRELIABLE_VERTEBRAE
    frame = pd.DataFrame(columns).astype(float)
    return frame[sorted(frame.columns)]


def combine(ratings, label, site):
    """Return the consensus of the first readings: both of two raters, or two of three."""
    names = [f"{label}_r{number}" for number in range(1, len(RATERS[site]) + 1)]
    return (ratings[names].sum(axis=1) >= 2).astype(float).to_numpy()
