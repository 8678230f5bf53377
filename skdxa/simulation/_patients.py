"""Simulated patients: age, bone, degeneration and fractures, set to published figures."""

import copy
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri
from sklearn.utils import Bunch

from . import _anatomy, _pathology, _physics, _texture
from ._anatomy import L1, LEVELS, LUMBAR
from ._pathology import DEGENERATIVE, OBVIOUS, Pathology
from ._raters import combine, rate
from ._render import Recipe

VERTEBRAE = ("L1", "L2", "L3", "L4")


class Site(NamedTuple):
    """The patients of one site."""

    women: float  # share
    age: tuple  # mean, SD, lowest, highest
    scoliotic: float  # share with a structural curve
    straight: tuple  # gamma distribution of the other Cobb angles: shape, scale in degrees
    degeneration: float  # mean of the patients' degeneration at the mean age
    operated: float  # share with rods; laminectomies are twice as common


SITES = {
    # Nissinen et al. 2021: OSTPRE, women of 62 to 75 years; two radiologists.
    "population": Site(
        women=1.0,
        age=(68.0, 2.5, 62.0, 75.0),
        scoliotic=0.137,
        straight=(2.2, 1.5),
        degeneration=1.135,
        operated=0.004,
    ),
    # The external set of the same paper: a hospital's patients, 80 % women; three radiologists,
    # each reading twice.
    "hospital": Site(
        women=0.8,
        age=(64.0, 10.0, 20.0, 96.0),
        scoliotic=0.121,
        straight=(2.2, 2.0),
        degeneration=0.965,
        operated=0.015,
    ),
}

# Structural curves, degrees: a gamma distribution (shape, scale) from 10 on.
_CURVED = (1.7, 5.0, 10.0)
_LARGEST_COBB = 45.0

# Degeneration: SD between patients and between vertebrae, and the effects of age and curves.
_GRADE_SD_PATIENT, _GRADE_SD_VERTEBRA = 1.05, 0.60
_GRADE_PER_YEAR, _GRADE_CURVED = 0.025, 0.30
_GRADE_LEVEL = np.array([-0.12, 0.0, 0.05, 0.07])
_LARGEST_GRADE = 3.5

# Prevalence of findings other than degeneration. One in 25 women of this age has a vertebral
# fracture at L1-L4.
_COLLAPSED, _CEMENT, _BUTTON, _ZIP, _CONTRAST, _CLIPS = 0.04, 0.004, 0.010, 0.004, 0.004, 0.05
_COLLAPSE_LEVEL = (0.45, 0.25, 0.17, 0.13)
# Calcium in the abdominal aorta is common near 70 and rare at 40; the shares are assumed.
_AORTIC, _AORTIC_PER_YEAR = 0.5, 0.015
# Lateral slips: rare in straight spines, one in four curves of 20 degrees; assumed shares.
_SLIP_PER_DEGREE, _SLIP_MM = 0.012, (2.5, 6.0)
_MOTION, _MOTION_MM = 0.02, (1.2, 4.0)

# BMD before pathology, g/cm2: means and SD of women of 68, so that with degeneration 42 % have
# a vertebra, and 4.3 % a hip, at T <= -2.5 of the Finnish reference (paper's Table 1).
_SPINE_MEAN = np.array([0.886, 0.946, 0.996, 1.001])
_SPINE_SD = np.array([0.150, 0.160, 0.165, 0.170])
_NECK, _TOTAL_HIP = (0.862, 0.104), (0.930, 0.120)
_BMD_MALE, _BMD_PER_YEAR = 0.09, -0.004
_BONE_IN_SPINE, _BONE_IN_HIP, _SPINE_IN_VERTEBRA, _HIP_IN_SITE = 0.85, 0.82, 0.94, 0.95
# Mineral that a degenerated spine lacks between its osteophytes and dense endplates, g/cm2 per
# grade: most of what a densitometer gains from these.
_BMD_LOST_PER_GRADE = 0.04
# In-vivo precision (SD), g/cm2: about 1 % of a BMD.
_SPINE_PRECISION, _HIP_PRECISION = 0.012, 0.010
# TBS of women in their sixties, and its correlation with spine BMD (Silva et al. 2014).
_TBS = (1.24, 0.10)
_TBS_WITH_SPINE, _TBS_PER_YEAR = 0.35, -0.004

# Fractures: liability threshold model. Weights on standardised predictors are set so that the
# AUC for the next five years are the paper's: spine 0.62, hip 0.62, age 0.55, TBS 0.59.
_WEIGHTS = {"spine": -0.105, "hip": -0.10, "tbs": -0.07, "age": 0.08}
_FRACTURE_5Y, _FRACTURE_EVER, _UNKNOWN_5Y = 0.039, 0.144, 0.20
# How strongly the fractures of the other 20 years share the causes of those in the next five.
_EARLIER_WITH_RISK, _EARLIER_WITH_COLLAPSE = 0.6, 0.8
# Risk visible in the image alone: the AUC of min T for fractures within five years and ever, and
# the weights of a trait that separates the classes by one SD. Fitted to the expected risks of
# 300,000 patients; within 0.003 of the requested AUC up to a gain of 0.1.
_MIN_T_5Y, _MIN_T_EVER = 0.621, 0.576
_TRAIT_5Y, _TRAIT_EVER = 0.431, 0.465

_MEAN_ROWS, _ROWS_SD = 164, 6.0
_HEIGHT_FACTOR = {"F": (0.97, 0.04), "M": (1.05, 0.04)}
_WIDTH_FACTOR = {"F": (0.96, 0.07), "M": (1.07, 0.07)}
# mean, SD, lowest, highest
_THICKNESS_CM, _FAT = (20.0, 3.0, 13.0, 29.0), (0.38, 0.08, 0.15, 0.60)
_BASELINE_SD = 0.05
# Accuracy: fat in the marrow and uneven fat around the spine shift a patient's density by some
# per cent, equally in the scan and in the BMD read from it (Bolotin and Sievanen 2001).
_ACCURACY_SD = 0.03
# The exported pixels lack the corrections of the reported BMD: the beam hardens in thick
# patients, and the remaining error differs from scan to scan. So the image is less accurate about
# a patient's density than the report.
_EXPORT_PER_CM, _EXPORT_SD = -0.015, 0.15
# Calibration: a phantom is measured daily; what remains is daily noise, and a drift over the
# years of the study.
_GAIN_DAY_SD, _GAIN_DRIFT_SD, _STUDY_YEARS, _DRIFT_WAVES = 0.003, 0.003, 4.0, 6


def draw_patients(n_subjects, site, rng, *, n_scans_per_subject=1.0, image_risk=0.0):
    """Draw all properties of the patients, and the recipes of their scans.

    Parameters
    ----------
    n_subjects : int
        Number of patients.
    site : {"population", "hospital"}
        The site that the patients come from.
    rng : numpy.random.RandomState
        Source of all draws.
    n_scans_per_subject : float
        Mean number of scans per patient; each has the whole number below or above it.
    image_risk : float
        AUC for fractures that a trait visible in the image alone adds to min T; 0 leaves the
        trait out. All draws except the fractures are the same for any value.

    Returns
    -------
    Bunch
        `groups` (the patient of each scan), `clinical`, `target`, `truth`, `ratings`,
        `pathology` (DataFrames, as `make_spine_cohort` returns them), and `recipes`: a list of
        one `Recipe` per scan.
    """
    place = SITES[site]
    n = n_subjects
    striation = _derived_generator(rng).standard_normal(n)
    sex = np.where(rng.uniform(size=n) < place.women, "F", "M")
    mean, sd, youngest, oldest = place.age
    age = np.round(_truncated_normal(rng, mean, sd, youngest, oldest, n), 1)
    years = age - mean

    curved = rng.uniform(size=n) < place.scoliotic
    cobb = np.where(curved, _gamma(rng, _CURVED, n), _gamma(rng, (*place.straight, 0.0), n))
    cobb = np.minimum(cobb, _LARGEST_COBB)
    pathology, latent_grade = _draw_pathology(rng, place, years, cobb, curved)
    truth_bmd, spine, hip = _draw_bmd(rng, sex, years)
    excess_grade = latent_grade.mean(axis=1, keepdims=True) - place.degeneration
    truth_bmd = np.clip(truth_bmd - _BMD_LOST_PER_GRADE * excess_grade, 0.45, 1.8)
    neck, total_hip = (
        mean + sd * (_HIP_IN_SITE * hip + np.sqrt(1 - _HIP_IN_SITE**2) * rng.normal(size=n))
        for mean, sd in (_NECK, _TOTAL_HIP)
    )
    men = _BMD_MALE * (sex == "M")
    neck, total_hip = (v + men + _BMD_PER_YEAR * years for v in (neck, total_hip))
    tbs_noise = np.sqrt(1 - _TBS_WITH_SPINE**2) * rng.normal(size=n)
    tbs_score = _TBS_WITH_SPINE * spine + tbs_noise
    tbs = _TBS[0] + _TBS[1] * tbs_score + _TBS_PER_YEAR * years

    collapsed = (pathology.collapse > 0).any(axis=1)
    predictors = {"spine": spine, "hip": hip, "tbs": tbs_score, "age": years / sd}
    risk, five, ever = _draw_fractures(rng, predictors, collapsed, striation, image_risk)
    five = np.where(rng.uniform(size=n) >= _UNKNOWN_5Y, five, np.nan)
    convex = rng.choice([-1, 1], size=n)
    size = _draw_size(rng, sex)
    fat = _truncated_normal(rng, *_FAT, n)
    thickness = _truncated_normal(rng, *_THICKNESS_CM, n)

    # From here on arrays have one entry per scan, not per patient.
    groups = _draw_groups(rng, n, n_scans_per_subject)
    scans = len(groups)
    pathology = Pathology(*(part[groups] for part in pathology))
    moved = rng.uniform(size=scans) < _MOTION
    pathology = pathology._replace(motion=np.where(moved, rng.uniform(*_MOTION_MM, scans), 0.0))
    cobb, truth_bmd = cobb[groups], truth_bmd[groups]
    accuracy = 1 + rng.normal(0, _ACCURACY_SD, n)
    gain = _draw_gain(rng, scans) * accuracy[groups]
    gained = (
        truth_bmd + _pathology.bmd_gain(pathology, _pathology.all_levels(truth_bmd))[:, LUMBAR]
    )
    bmd = gained * (gain * _physics.SCANNERS[site].gain)[:, None]
    bmd += rng.normal(0, _SPINE_PRECISION, bmd.shape)
    neck, total_hip = (
        np.clip(v[groups] + rng.normal(0, _HIP_PRECISION, scans), 0.3, None)
        for v in (neck, total_hip)
    )

    clinical = pd.DataFrame({"age": age[groups], "sex": sex[groups]})
    clinical[_vertebra_columns("bmd")] = np.round(bmd, 3)
    clinical["bmd_neck"], clinical["bmd_total_hip"] = np.round(neck, 3), np.round(total_hip, 3)
    clinical["tbs"] = np.round(tbs[groups], 3)

    ratings = rate(
        rng,
        site,
        groups,
        cobb=cobb,
        grade=latent_grade[groups],
        structural=_pathology.structural(pathology)[:, LUMBAR],
    )
    target = pd.DataFrame(
        {
            "scoliosis": combine(ratings, "scoliosis", site),
            "unreliable": combine(ratings, "unreliable", site),
            "fracture_ever": ever.astype(float)[groups],
            "fracture_5y": five[groups],
        }
    )
    if site == "hospital":
        target[["fracture_ever", "fracture_5y"]] = np.nan

    slope = _texture.slope_of_tbs(tbs)[groups]
    truth = pd.DataFrame({"cobb_angle": cobb})
    truth[_vertebra_columns("bmd")] = truth_bmd
    truth[_vertebra_columns("affected")] = _pathology.affected(pathology)[:, LUMBAR]
    truth["risk"] = risk[groups]
    truth["texture_slope"] = slope
    if image_risk:
        truth["striation"] = striation[groups]

    # The technologist chooses the height of a scan, independent of the patient's stature.
    rows = np.clip(
        np.round(rng.normal(_MEAN_ROWS, _ROWS_SD, scans)), _anatomy.MIN_ROWS, _anatomy.MAX_ROWS
    ).astype(int)
    baseline = rng.normal(0, _BASELINE_SD, scans)
    export = 1 + _EXPORT_PER_CM * (thickness[groups] - _THICKNESS_CM[0])
    export += _EXPORT_SD * np.clip(rng.normal(size=scans), -2.5, 2.5)
    recipes = [
        Recipe(
            cobb_angle=cobb[i],
            convex=convex[patient],
            bmd=truth_bmd[i],
            pathology=Pathology(*(part[i] for part in pathology)),
            texture_slope=slope[i],
            n_rows=rows[i],
            size=tuple(size[patient]),
            thickness_cm=thickness[patient],
            fat_fraction=fat[patient],
            site=site,
            gain=gain[i] * export[i],
            baseline=baseline[i],
            striation=striation[patient] if image_risk else None,
        )
        for i, patient in enumerate(groups)
    ]
    return Bunch(
        groups=groups,
        clinical=clinical,
        target=target,
        truth=truth,
        ratings=ratings,
        pathology=_tabulate(pathology),
        recipes=recipes,
    )


def _derived_generator(rng):
    """Return a generator seeded by the state of another, which stays unchanged."""
    seed = copy.deepcopy(rng).randint(0, 2**32, size=4, dtype=np.uint32)
    return np.random.default_rng(seed.tolist())


def _vertebra_columns(quantity):
    """Return the names of the columns that hold a quantity of L1 to L4."""
    return [f"{quantity}_{vertebra}" for vertebra in VERTEBRAE]


def _truncated_normal(rng, mean, sd, low, high, size):
    """Draw from a normal distribution within limits."""
    lowest, highest = ndtr((np.array([low, high]) - mean) / sd)
    return mean + sd * ndtri(rng.uniform(lowest, highest, size))


def _gamma(rng, parameters, size):
    """Draw from a shifted gamma distribution of (shape, scale, start)."""
    shape, scale, start = parameters
    return start + rng.gamma(shape, scale, size)


def _draw_groups(rng, n, mean):
    """Draw the patient of each scan: each has the whole number below or above the mean."""
    whole = int(mean)
    return np.repeat(np.arange(n), whole + (rng.uniform(size=n) < mean - whole))


def _draw_size(rng, sex):
    """Draw the factors of height and width: (n, 2)."""
    factors = []
    for table in (_HEIGHT_FACTOR, _WIDTH_FACTOR):
        mean, sd = np.array([table[s] for s in sex]).T
        factors.append(mean + sd * np.clip(rng.normal(size=len(sex)), -2.5, 2.5))
    return np.column_stack(factors)


def _draw_gain(rng, n):
    """Draw the calibration of each scan: drift over the years of the study, and daily noise."""
    wave = np.arange(1, _DRIFT_WAVES + 1)
    amplitude = rng.normal(size=_DRIFT_WAVES) / wave
    amplitude *= _GAIN_DRIFT_SD / np.sqrt((0.5 / wave**2).sum())
    time = rng.uniform(0, _STUDY_YEARS, n)
    drift = np.cos(np.pi * time[:, None] * wave / _STUDY_YEARS) @ amplitude
    return 1 + drift + rng.normal(0, _GAIN_DAY_SD, n)


def _draw_pathology(rng, place, years, cobb, curved):
    """Draw the findings, and the degeneration of L1 to L4 before it is cut off at 0."""
    n = len(years)
    patient = place.degeneration + _GRADE_SD_PATIENT * rng.normal(size=n)
    patient += _GRADE_PER_YEAR * years + _GRADE_CURVED * (curved - place.scoliotic)
    latent = patient[:, None] + _GRADE_LEVEL + _GRADE_SD_VERTEBRA * rng.normal(size=(n, 4))
    latent = np.minimum(latent, _LARGEST_GRADE)

    def one_level(prevalence, weights=(0.25,) * 4):
        chosen = np.zeros((n, len(LEVELS)), bool)
        level = L1 + rng.choice(4, size=n, p=weights)
        chosen[np.arange(n), level] = rng.uniform(size=n) < prevalence
        return chosen

    def some_levels(prevalence, shortest, longest):
        """Choose neighbouring levels that end at L4 or L5."""
        number = np.arange(len(LEVELS))
        last = L1 + rng.randint(3, 5, size=n)
        length = rng.randint(shortest, longest + 1, size=n)
        spanned = (number <= last[:, None]) & (number > (last - length)[:, None])
        return spanned & (rng.uniform(size=n) < prevalence)[:, None]

    collapsed = one_level(_COLLAPSED, _COLLAPSE_LEVEL)
    # L3 and L4 slip most often.
    slips = (
        one_level(1.0, (0.05, 0.20, 0.40, 0.35))
        & (rng.uniform(size=n) < _SLIP_PER_DEGREE * cobb)[:, None]
    )
    aortic = rng.uniform(size=n) < np.clip(_AORTIC + _AORTIC_PER_YEAR * years, 0, 0.9)
    pathology = Pathology(
        **_pathology.split_grade(rng, np.maximum(_pathology.all_levels(latent), 0)),
        collapse=np.where(collapsed, rng.uniform(0.2, 0.45, (n, 1)), 0.0),
        cement=one_level(_CEMENT),
        rods=some_levels(place.operated, 2, 4),
        laminectomy=some_levels(2 * place.operated, 1, 3),
        button=one_level(_BUTTON),
        zip=some_levels(_ZIP, 2, 4),
        contrast=one_level(_CONTRAST),
        slip=slips * rng.uniform(*_SLIP_MM, (n, 1)) * rng.choice([-1, 1], size=(n, 1)),
        clips=rng.uniform(size=n) < _CLIPS,
        aorta=np.where(aortic, rng.beta(1.0, 2.5, size=n), 0.0),
        motion=np.zeros(n),
    )
    return pathology, latent


def _draw_bmd(rng, sex, years):
    """Draw true BMD of L1 to L4 (n, 4), and standard scores of spine and hip."""
    n = len(years)
    bone = rng.normal(size=n)

    def share(common, part):
        noise = rng.normal(size=part)
        return common * bone + np.sqrt(1 - common**2) * noise

    spine, hip = share(_BONE_IN_SPINE, n), share(_BONE_IN_HIP, n)
    vertebral = np.sqrt(1 - _SPINE_IN_VERTEBRA**2) * rng.normal(size=(n, 4))
    bmd = _SPINE_MEAN + _SPINE_SD * (_SPINE_IN_VERTEBRA * spine[:, None] + vertebral)
    bmd += (_BMD_MALE * (sex == "M") + _BMD_PER_YEAR * years)[:, None]
    return np.clip(bmd, 0.45, 1.8), spine, hip


def _draw_fractures(rng, predictors, collapsed, trait, image_risk):
    """Draw the risk, and who has a fracture within five years and within all 25.

    `trait` (standard normal, independent of the predictors) adds `image_risk` to the AUC of
    min T for either.
    """
    trait_5y = _TRAIT_5Y * _separation(_MIN_T_5Y, image_risk)
    trait_ever = _TRAIT_EVER * _separation(_MIN_T_EVER, image_risk)
    names = list(_WEIGHTS)
    weights = np.array([_WEIGHTS[name] for name in names])
    score = weights @ np.stack([predictors[name] for name in names])
    # Correlations as drawn above: spine and hip share bone; TBS depends on the spine.
    spine_hip = _BONE_IN_SPINE * _BONE_IN_HIP
    correlation = np.eye(4)
    correlation[0, 1] = correlation[1, 0] = spine_hip
    correlation[0, 2] = correlation[2, 0] = _TBS_WITH_SPINE
    correlation[1, 2] = correlation[2, 1] = _TBS_WITH_SPINE * spine_hip
    explained = weights @ correlation @ weights
    risk = ndtr(
        (score + trait_5y * trait + ndtri(_FRACTURE_5Y)) / np.sqrt(1 - explained - trait_5y**2)
    )
    five = rng.uniform(size=len(score)) < risk
    # Other fractures occurred before the scan, or after the five years.
    other_share = 1 - (1 - _FRACTURE_EVER) / (1 - _FRACTURE_5Y)
    earlier = _EARLIER_WITH_RISK * score + _EARLIER_WITH_COLLAPSE * (collapsed - _COLLAPSED)
    # Approximate SD of the liability with these two terms.
    spread = np.sqrt(
        1
        + _EARLIER_WITH_RISK**2 * explained
        + _EARLIER_WITH_COLLAPSE**2 * _COLLAPSED * (1 - _COLLAPSED)
    )
    # The trait replaces part of the random variation, so that the other effects keep their size.
    other = ndtr(
        (ndtri(other_share) * spread + earlier + trait_ever * trait) / np.sqrt(1 - trait_ever**2)
    )
    return risk, five, five | (rng.uniform(size=len(score)) < other)


def _separation(area, gain):
    """Return the difference of class means, in SD, of an independent trait that adds `gain`."""
    return np.sqrt(2 * (ndtri(area + gain) ** 2 - ndtri(area) ** 2))


def _tabulate(pathology):
    """Return a table with one row per scan: the severity of each finding, by vertebra if local."""
    columns = {}
    for name in (*DEGENERATIVE, "collapse", "slip", *OBVIOUS):
        values = getattr(pathology, name)[:, LUMBAR]
        columns |= {f"{name}_{v}": values[:, i] for i, v in enumerate(VERTEBRAE)}
    columns |= {name: getattr(pathology, name) for name in ("clips", "aorta", "motion")}
    return pd.DataFrame(columns)
