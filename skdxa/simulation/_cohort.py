"""Patients, what raters say about them, and the scans that show it."""

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.special import ndtr, ndtri
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from . import _anatomy, _pathology, _physics
from ._anatomy import L1, LEVELS, SPACING_MM
from ._pathology import Pathology

_VERTEBRAE = ("L1", "L2", "L3", "L4")
_LUMBAR = slice(L1, L1 + 4)


class _Site(NamedTuple):
    """Who comes to be scanned, and how the scans are read there."""

    women: float
    age: tuple  # mean, SD, lowest, highest
    scoliotic: float  # share with a structural curve
    degeneration: float  # mean of the patients' degeneration at the mean age
    hardware: float  # share with rods
    # Each rater's bias in degrees of Cobb angle, and in grades of degeneration.
    cobb_bias: tuple
    grade_bias: tuple
    readings: int


_SITES = {
    # Nissinen et al. 2021: OSTPRE, women of 62 to 75 years; two radiologists.
    "population": _Site(
        women=1.0,
        age=(68.0, 2.5, 62.0, 75.0),
        scoliotic=0.135,
        degeneration=1.26,
        hardware=0.004,
        cobb_bias=(0.0, 0.0),
        grade_bias=(0.1, -0.1),
        readings=1,
    ),
    # The same paper's external set: a hospital's patients, 80 % women; three radiologists,
    # each reading twice. Their agreements (75.6, 92.3 and 78.4 % on scoliosis) imply that
    # the first calls twice as many spines scoliotic as the other two.
    "hospital": _Site(
        women=0.8,
        age=(64.0, 10.0, 20.0, 96.0),
        scoliotic=0.17,
        degeneration=1.13,
        hardware=0.015,
        cobb_bias=(4.0, 0.0, 0.3),
        grade_bias=(0.1, 0.0, -0.1),
        readings=2,
    ),
}

# Cobb angles, degrees: straight spines and structural curves, each a gamma distribution
# (shape, scale, start). Set so that two raters agree as in the paper (92.5 %, kappa 0.73).
_STRAIGHT = (2.2, 1.5, 0.0)
_CURVED = (1.7, 5.0, 10.0)
_LARGEST_COBB = 45.0
COBB_THRESHOLD = 10.0
# A rater's error in degrees: part stays with rater and scan, part is new at each reading.
# Together a bit over 3 degrees; readings of radiographs differ by 3 to 5 (Morrissy et al. 1990).
_COBB_ERROR_RATER, _COBB_ERROR_READING = 2.5, 2.1

# Degeneration: spread between patients, between vertebrae, and what age and curves add.
_GRADE_SD_PATIENT, _GRADE_SD_VERTEBRA = 0.95, 0.40
_GRADE_PER_YEAR, _GRADE_CURVED = 0.025, 0.45
_GRADE_LEVEL = np.array([-0.12, 0.0, 0.05, 0.07])
_LARGEST_GRADE = 3.5
# A rater's error in grades, for the whole scan and for each vertebra.
_GRADE_ERROR_RATER, _GRADE_ERROR_READING, _GRADE_ERROR_VERTEBRA = 0.33, 0.30, 0.30
_UNRELIABLE_VERTEBRAE = 3

# Prevalence of what is not wear. One vertebral fracture in 25 women of this age shows at L1-L4.
_COLLAPSED, _CEMENT, _BUTTON, _CLIPS = 0.04, 0.004, 0.012, 0.05
_COLLAPSE_LEVEL = (0.45, 0.25, 0.17, 0.13)

# BMD before pathology, g/cm2: means and SD of women of 68, so that with degeneration 42 % have
# a vertebra, and 4.3 % a hip, at T <= -2.5 of the Finnish reference (paper's Table 1).
_SPINE_MEAN = np.array([0.886, 0.946, 0.996, 1.001])
_SPINE_SD = np.array([0.150, 0.160, 0.165, 0.170])
_NECK, _TOTAL_HIP = (0.862, 0.104), (0.930, 0.120)
_BMD_MALE, _BMD_PER_YEAR = 0.09, -0.004
_BONE_IN_SPINE, _BONE_IN_HIP, _SPINE_IN_VERTEBRA, _HIP_IN_SITE = 0.85, 0.82, 0.94, 0.95
# In-vivo precision (SD), g/cm2: about 1 % of a BMD.
_SPINE_PRECISION, _HIP_PRECISION = 0.012, 0.010
# TBS of women in their sixties, and its correlation with spine BMD (Silva et al. 2014).
_TBS = (1.24, 0.10)
_TBS_WITH_SPINE, _TBS_PER_YEAR = 0.35, -0.004

# Fractures: liability threshold model. Weights on standardised predictors are set so that the
# AUC for the next five years are the paper's: spine 0.62, hip 0.62, age 0.55, TBS 0.59.
_WEIGHTS = {"spine": -0.105, "hip": -0.10, "tbs": -0.08, "age": 0.095}
_FRACTURE_5Y, _FRACTURE_EVER, _UNKNOWN_5Y = 0.039, 0.144, 0.20
# Share of the fractures of 25 years that share no cause with those of the coming five.
_EARLIER_WITH_RISK = 0.6
_EARLIER_WITH_COLLAPSE = 0.8

_MEAN_ROWS, _ROWS_SD, _ROWS_PER_SIZE = 164, 4.0, 120
_HEIGHT_FACTOR = {"F": (0.97, 0.04), "M": (1.05, 0.04)}
_WIDTH_FACTOR = {"F": (0.96, 0.05), "M": (1.07, 0.05)}
_THICKNESS_CM, _FAT = (20.0, 3.0, 13.0, 29.0), (0.38, 0.08, 0.15, 0.60)
_GAIN_SD = 0.004


def draw_patients(n_subjects, site, rng):
    """Draw everything about the patients but their scans.

    Parameters
    ----------
    n_subjects : int
    site : {"population", "hospital"}
    rng : numpy.random.RandomState

    Returns
    -------
    Bunch
        `clinical`, `target`, `truth`, `ratings` (DataFrames, as `make_spine_cohort` returns
        them), and `recipes`: a list of keyword arguments of `_render`.
    """
    place = _SITES[site]
    n = n_subjects
    sex = np.where(rng.uniform(size=n) < place.women, "F", "M")
    mean, sd, youngest, oldest = place.age
    age = np.round(_truncated_normal(rng, mean, sd, youngest, oldest, n), 1)
    years = age - mean

    curved = rng.uniform(size=n) < place.scoliotic
    cobb = np.where(curved, _gamma(rng, _CURVED, n), _gamma(rng, _STRAIGHT, n))
    cobb = np.minimum(cobb, _LARGEST_COBB)
    pathology, latent_grade = _draw_pathology(rng, place, years, curved)
    truth_bmd, spine, hip = _draw_bmd(rng, sex, years)
    gained = truth_bmd + _pathology.bmd_gain(pathology, _all_levels(truth_bmd))[:, _LUMBAR]
    gain = 1 + rng.normal(0, _GAIN_SD, n)
    bmd = gained * (gain * _physics.SCANNERS[site].gain)[:, None]
    bmd += rng.normal(0, _SPINE_PRECISION, bmd.shape)
    neck, total_hip = (
        mean
        + sd * (_HIP_IN_SITE * hip + np.sqrt(1 - _HIP_IN_SITE**2) * rng.normal(size=n))
        + rng.normal(0, _HIP_PRECISION, n)
        for mean, sd in (_NECK, _TOTAL_HIP)
    )
    men = _BMD_MALE * (sex == "M")
    neck, total_hip = (
        np.clip(v + men + _BMD_PER_YEAR * years, 0.3, None) for v in (neck, total_hip)
    )
    tbs_noise = np.sqrt(1 - _TBS_WITH_SPINE**2) * rng.normal(size=n)
    tbs_score = _TBS_WITH_SPINE * spine + tbs_noise
    tbs = _TBS[0] + _TBS[1] * tbs_score + _TBS_PER_YEAR * years

    clinical = pd.DataFrame({"age": age, "sex": sex})
    clinical[[f"bmd_{v}" for v in _VERTEBRAE]] = np.round(bmd, 3)
    clinical["bmd_neck"], clinical["bmd_total_hip"] = np.round(neck, 3), np.round(total_hip, 3)
    clinical["tbs"] = np.round(tbs, 3)

    collapsed = (pathology.collapse > 0).any(axis=1)
    predictors = {"spine": spine, "hip": hip, "tbs": tbs_score, "age": years / sd}
    risk, five, ever = _draw_fractures(rng, predictors, collapsed)
    known = rng.uniform(size=n) >= _UNKNOWN_5Y

    ratings = _rate(rng, place, cobb, latent_grade, _pathology.structural(pathology)[:, _LUMBAR])
    target = pd.DataFrame(
        {
            "scoliosis": _combine(ratings, "scoliosis", place),
            "unreliable": _combine(ratings, "unreliable", place),
            "fracture_ever": ever.astype(float),
            "fracture_5y": np.where(known, five, np.nan),
        }
    )
    if site == "hospital":
        target[["fracture_ever", "fracture_5y"]] = np.nan

    affected = _pathology.affected(pathology)[:, _LUMBAR]
    truth = pd.DataFrame({"cobb_angle": cobb})
    truth[[f"bmd_{v}" for v in _VERTEBRAE]] = truth_bmd
    truth[[f"affected_{v}" for v in _VERTEBRAE]] = affected
    truth["risk"] = risk
    return Bunch(
        clinical=clinical,
        target=target,
        truth=truth,
        ratings=ratings,
        recipes=_recipes(rng, site, sex, cobb, truth_bmd, pathology, tbs, gain),
    )


def _truncated_normal(rng, mean, sd, low, high, size):
    lowest, highest = ndtr((np.array([low, high]) - mean) / sd)
    return mean + sd * ndtri(rng.uniform(lowest, highest, size))


def _gamma(rng, parameters, size):
    shape, scale, start = parameters
    return start + rng.gamma(shape, scale, size)


def _all_levels(lumbar):
    """Continue values of L1 to L4 (n, 4) to all levels (n, n_levels): the ends go on."""
    return np.pad(lumbar, ((0, 0), (L1, len(LEVELS) - L1 - 4)), mode="edge")


def _draw_pathology(rng, place, years, curved):
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

    collapsed = one_level(_COLLAPSED, _COLLAPSE_LEVEL)
    # Rods span two to four levels that end at L4 or L5.
    number = np.arange(len(LEVELS))
    last = L1 + rng.randint(3, 5, size=n)
    length = rng.randint(2, 5, size=n)
    spanned = (number <= last[:, None]) & (number > (last - length)[:, None])
    operated = rng.uniform(size=n) < place.hardware
    pathology = Pathology(
        grade=np.maximum(_all_levels(latent), 0),
        collapse=np.where(collapsed, rng.uniform(0.2, 0.45, (n, 1)), 0.0),
        cement=one_level(_CEMENT),
        rods=spanned & operated[:, None],
        button=one_level(_BUTTON),
        clips=rng.uniform(size=n) < _CLIPS,
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
    own = np.sqrt(1 - _SPINE_IN_VERTEBRA**2) * rng.normal(size=(n, 4))
    bmd = _SPINE_MEAN + _SPINE_SD * (_SPINE_IN_VERTEBRA * spine[:, None] + own)
    bmd += (_BMD_MALE * (sex == "M") + _BMD_PER_YEAR * years)[:, None]
    return np.clip(bmd, 0.45, 1.8), spine, hip


def _draw_fractures(rng, predictors, collapsed):
    """Draw the risk, and who breaks a bone within five years and in all 25."""
    names = list(_WEIGHTS)
    weights = np.array([_WEIGHTS[name] for name in names])
    score = weights @ np.stack([predictors[name] for name in names])
    # Correlations as drawn above: bone is common to spine and hip, spine to TBS.
    spine_hip = _BONE_IN_SPINE * _BONE_IN_HIP
    correlation = np.eye(4)
    correlation[0, 1] = correlation[1, 0] = spine_hip
    correlation[0, 2] = correlation[2, 0] = _TBS_WITH_SPINE
    correlation[1, 2] = correlation[2, 1] = _TBS_WITH_SPINE * spine_hip
    chance = np.sqrt(1 - weights @ correlation @ weights)
    risk = ndtr((score + ndtri(_FRACTURE_5Y)) / chance)
    five = rng.uniform(size=len(score)) < risk
    # The others broke before the scan, or after the five years.
    rest = 1 - (1 - _FRACTURE_EVER) / (1 - _FRACTURE_5Y)
    earlier = _EARLIER_WITH_RISK * score + _EARLIER_WITH_COLLAPSE * (collapsed - _COLLAPSED)
    # About this much do the two terms widen the liability.
    spread = np.sqrt(
        1
        + _EARLIER_WITH_RISK**2 * (1 - chance**2)
        + _EARLIER_WITH_COLLAPSE**2 * _COLLAPSED * (1 - _COLLAPSED)
    )
    other = rng.uniform(size=len(score)) < ndtr(ndtri(rest) * spread + earlier)
    return risk, five, five | other


def _rate(rng, place, cobb, grade, structural):
    """Let each rater read each scan: DataFrame of 0.0 and 1.0."""
    n = len(cobb)
    raters = range(len(place.cobb_bias))
    kept = [
        (
            place.cobb_bias[rater] + rng.normal(0, _COBB_ERROR_RATER, n),
            place.grade_bias[rater]
            + rng.normal(0, _GRADE_ERROR_RATER, (n, 1))
            + rng.normal(0, _GRADE_ERROR_VERTEBRA, (n, 4)),
        )
        for rater in raters
    ]
    columns = {}
    for reading in range(place.readings):
        ending = "_again" if reading else ""
        for rater, (cobb_error, grade_error) in zip(raters, kept, strict=True):
            angle = cobb + cobb_error + rng.normal(0, _COBB_ERROR_READING, n)
            seen = grade + grade_error + rng.normal(0, _GRADE_ERROR_READING, (n, 1))
            count = ((seen >= _pathology.AFFECTED_GRADE) | structural).sum(axis=1)
            columns[f"scoliosis_r{rater + 1}{ending}"] = angle > COBB_THRESHOLD
            columns[f"unreliable_r{rater + 1}{ending}"] = count >= _UNRELIABLE_VERTEBRAE
    frame = pd.DataFrame(columns).astype(float)
    return frame[sorted(frame.columns)]


def _combine(ratings, label, place):
    """Both raters of two, or the majority of three, in their first reading."""
    raters = len(place.cobb_bias)
    votes = ratings[[f"{label}_r{rater + 1}" for rater in range(raters)]].sum(axis=1)
    return (votes >= 2).astype(float)


def _recipes(rng, site, sex, cobb, bmd, pathology, tbs, gain):
    """Keyword arguments of `_render`, one dictionary a patient."""
    n = len(cobb)
    factors = []
    for table in (_HEIGHT_FACTOR, _WIDTH_FACTOR):
        mean, sd = np.array([table[s] for s in sex]).T
        factors.append(mean + sd * np.clip(rng.normal(size=n), -2.5, 2.5))
    size = np.column_stack(factors)
    rows = _MEAN_ROWS + _ROWS_PER_SIZE * (size[:, 0] / 0.97 - 1) + rng.normal(0, _ROWS_SD, n)
    rows = np.clip(np.round(rows), _anatomy.MIN_ROWS, _anatomy.MAX_ROWS).astype(int)
    thickness = _truncated_normal(rng, *_THICKNESS_CM, n)
    fat = _truncated_normal(rng, *_FAT, n)
    convex = rng.choice([-1, 1], size=n)
    return [
        {
            "cobb_angle": cobb[i],
            "convex": convex[i],
            "bmd": bmd[i],
            "pathology": Pathology(*(part[i] for part in pathology)),
            "tbs": tbs[i],
            "n_rows": rows[i],
            "size": tuple(size[i]),
            "thickness_cm": thickness[i],
            "fat_fraction": fat[i],
            "site": site,
            "gain": gain[i],
        }
        for i in range(n)
    ]


def _render(
    seed,
    *,
    cobb_angle,
    convex,
    bmd,
    pathology,
    tbs,
    n_rows,
    size,
    thickness_cm,
    fat_fraction,
    site,
    gain,
):
    """Draw one scan; `bmd` (4,) is the true mean of L1 to L4, which pathology adds to."""
    rng = np.random.default_rng(seed)
    spine = _anatomy.lay_out_spine(
        rng,
        cobb_angle=cobb_angle,
        convex=convex,
        n_rows=n_rows,
        size=size,
        height_loss=pathology.collapse,
        disc_loss=_pathology.disc_loss(pathology.grade),
    )
    relative, regions = _anatomy.render_spine(spine, n_rows, rng)
    added = _pathology.render_pathology(spine, regions, n_rows, pathology, rng)
    bare = bmd + _pathology.fracture_gain(pathology.collapse[_LUMBAR], bmd)
    factor = _anatomy.scale_to_bmd(relative, regions, spine, bare)
    bone = _anatomy.pool(relative * factor[:, None])
    bone *= _physics.trabecular_texture(rng, n_rows, tbs)
    bone += _anatomy.render_surroundings(spine, n_rows, rng) * np.float32(np.mean(bmd))
    bone += _anatomy.pool(added)
    scan = _physics.acquire(
        bone,
        rng,
        scanner=_physics.SCANNERS[site],
        thickness_cm=thickness_cm,
        fat_fraction=fat_fraction,
        gain=gain,
    )
    unscanned = _physics.unscanned_margins(rng, n_rows)
    scan[unscanned] = np.nan
    mask = _pathology.lesion_mask(added, regions, pathology, _anatomy.pool) & ~unscanned
    return Bunch(
        scan=scan,
        spine_line=_anatomy.spine_line(spine, n_rows),
        lesions=mask,
        bone=bone,
        endplates=_anatomy.endplate_corners(spine),
        cobb_angle=float(cobb_angle),
        spacing_mm=SPACING_MM,
    )


_DESCR = """Simulated scans of the lumbar spine ({site}, {n} patients)

These patients do not exist. Their ages, bone densities, curves, degeneration, labels and
fractures are drawn from distributions set after published figures (Nissinen et al., Bone
Reports 14, 2021, 101070); their scans are drawn from published anatomy and passed through a
model of a dual-energy scanner. Results on them are simulated results.

data        one row a patient: scan (float32, g/cm2, NaN where not scanned), age (years), sex,
            bmd_L1 to bmd_L4, bmd_neck, bmd_total_hip (g/cm2), tbs
target      scoliosis, unreliable, fracture_ever, fracture_5y: 0, 1, NaN where unknown.
            {labels}
ratings     each rater's own labels
truth       what no reader knows: the Cobb angle (degrees), BMD without pathology (g/cm2), which
            vertebrae are affected, and the probability of a fracture within five years
spine_lines column of the spine's centre in each row of each scan
lesions     pixels of each scan that degeneration, fractures, metal or artefacts changed
"""
_LABELS = {
    "population": "Positive where both raters say so.",
    "hospital": "Positive where two of three raters say so; fractures are not recorded.",
}
# Scans that a worker draws at a time.
_BATCH = 16


@validate_params(
    {
        "n_subjects": [Interval(Integral, 1, None, closed="left")],
        "site": [StrOptions(set(_SITES))],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    },
    prefer_skip_nested_validation=True,
)
def make_spine_cohort(n_subjects=600, *, site="population", random_state=None, n_jobs=None):
    """Simulate patients with DXA scans of the lumbar spine and known truth.

    Parameters
    ----------
    n_subjects : int, default=600
        Number of patients, one scan each.
    site : {"population", "hospital"}, default="population"
        "population": women of 62 to 75 years, labelled by two raters. "hospital": patients of
        20 to 96 years, 80 % women, on a second scanner with other noise, blur and gain,
        labelled twice by each of three raters; their fractures are unknown.
    random_state : int, RandomState instance or None, default=None
        Seeds patients and scans. The same seed gives the same cohort for any `n_jobs`.
    n_jobs : int, default=None
        Workers that draw scans, through joblib. None means 1 unless in a
        :class:`joblib.parallel_config` context.

    Returns
    -------
    cohort : :class:`~sklearn.utils.Bunch`
        data : DataFrame
            Columns `scan` (objects: float32 arrays of 150 to 178 rows and 300 columns, g/cm2,
            NaN where not scanned), `age` (years), `sex` ("F" or "M"), `bmd_L1` .. `bmd_L4`,
            `bmd_neck`, `bmd_total_hip` (g/cm2), `tbs`.
        target : DataFrame
            `scoliosis`, `unreliable`, `fracture_ever`, `fracture_5y`: 0.0, 1.0, NaN unknown.
        groups : ndarray of shape (n_subjects,)
            The patient's number.
        spacing_mm : tuple
            `(1.05, 0.60)`: height and width of a pixel.
        excluded : DataFrame
            Empty; columns `row`, `scan`, `reason`.
        truth : DataFrame
            `cobb_angle` (degrees, T12 to L5), `bmd_L1` .. `bmd_L4` (g/cm2, without pathology),
            `affected_L1` .. `affected_L4` (bool), `risk` (of a fracture within five years).
        ratings : DataFrame
            `scoliosis_r1`, `unreliable_r1`, ...; from the hospital also second readings,
            `scoliosis_r1_again`, ...
        spine_lines : list of ndarray of shape (n_rows,)
            Column of the spine's centre in each row.
        lesions : list of ndarray of bool
            Pixels changed by degeneration, fractures, cement, metal or artefacts.
        DESCR : str

    See Also
    --------
    make_spine_scan : One scan with the anatomy and pathology that you choose.

    Notes
    -----
    Vertebrae have published mean sizes [2]_ [3]_. The Cobb angle is exact: the largest
    difference of tilt between the bodies of T12 to L5. Labels come from raters who err, most
    often near 10 degrees and near three affected vertebrae. Prevalences, rater agreement and
    the discrimination of T-scores, age and TBS for fractures are set to those of [1]_.

    References
    ----------
    .. [1] Nissinen T. et al., "Detecting pathological features and predicting fracture risk
       from dual-energy X-ray absorptiometry images using deep learning", Bone Reports 14,
       2021, 101070.
    .. [2] Panjabi M. M. et al., "Thoracic human vertebrae: quantitative three-dimensional
       anatomy", Spine 16, 1991, 888-901; "Human lumbar vertebrae: quantitative
       three-dimensional anatomy", Spine 17, 1992, 299-306.
    .. [3] Berry J. L. et al., "A morphometric study of human lumbar and selected thoracic
       vertebrae", Spine 12, 1987, 362-367.

    Examples
    --------
    >>> from skdxa.simulation import make_spine_cohort
    >>> cohort = make_spine_cohort(3, random_state=0)
    >>> cohort.data["scan"][0].dtype, cohort.data["scan"][0].shape[1]
    (dtype('float32'), 300)
    >>> list(cohort.target)
    ['scoliosis', 'unreliable', 'fracture_ever', 'fracture_5y']
    """
    rng = check_random_state(random_state)
    patients = draw_patients(n_subjects, site, rng)
    seeds = np.random.SeedSequence(rng.randint(0, 2**32, size=4, dtype=np.uint32).tolist())
    jobs = list(zip(seeds.spawn(n_subjects), patients.recipes, strict=True))
    drawn = Parallel(n_jobs=n_jobs)(
        delayed(_render_batch)(jobs[start : start + _BATCH])
        for start in range(0, n_subjects, _BATCH)
    )
    images = [image for batch in drawn for image in batch]
    scans = np.empty(n_subjects, object)
    scans[:] = [image.scan for image in images]
    data = patients.clinical
    data.insert(0, "scan", pd.Series(scans, dtype=object))
    return Bunch(
        data=data,
        target=patients.target,
        groups=np.arange(n_subjects),
        spacing_mm=SPACING_MM,
        excluded=pd.DataFrame(columns=["row", "scan", "reason"]),
        truth=patients.truth,
        ratings=patients.ratings,
        spine_lines=[image.spine_line for image in images],
        lesions=[image.lesions for image in images],
        DESCR=_DESCR.format(site=site, n=n_subjects, labels=_LABELS[site]),
    )


def _render_batch(jobs):
    images = [_render(seed, **recipe) for seed, recipe in jobs]
    for image in images:
        # Only the scans of a cohort travel back from a worker.
        del image["bone"]
    return images


@validate_params(
    {
        "cobb_angle": [Interval(Real, 0, 60, closed="both")],
        "convex": [StrOptions({"left", "right"})],
        "bmd": ["array-like"],
        "degeneration": ["array-like"],
        "fractured": ["array-like"],
        "cement": ["array-like"],
        "rods": ["array-like"],
        "button": ["array-like"],
        "clips": ["boolean"],
        "tbs": [Interval(Real, 0.5, 2.0, closed="both")],
        "n_rows": [
            Interval(Integral, _anatomy.MIN_ROWS, _anatomy.MAX_ROWS, closed="both"),
        ],
        "site": [StrOptions(set(_SITES))],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_spine_scan(
    cobb_angle=0.0,
    *,
    convex="left",
    bmd=(1.00, 1.05, 1.10, 1.10),
    degeneration=(0.0, 0.0, 0.0, 0.0),
    fractured=(),
    cement=(),
    rods=(),
    button=(),
    clips=False,
    tbs=1.24,
    n_rows=164,
    site="population",
    random_state=None,
):
    """Simulate one DXA scan of a lumbar spine with chosen anatomy and pathology.

    Parameters
    ----------
    cobb_angle : float, default=0.0
        Degrees, 0 to 60: the largest difference of tilt between the bodies of T12 to L5.
    convex : {"left", "right"}, default="left"
        Side of the image to which the main curve bulges.
    bmd : array-like of shape (4,), default=(1.00, 1.05, 1.10, 1.10)
        Mean areal density over the bodies of L1 to L4 without pathology, g/cm2, 0.4 to 2.
    degeneration : array-like of shape (4,), default=(0.0, 0.0, 0.0, 0.0)
        Grades of L1 to L4, 0 to 4: below 1 slight, from 1 a radiologist calls the vertebra
        affected.
    fractured, cement, rods, button : array-like of str, default=()
        Vertebrae of L1 to L4 that are crushed, are filled with bone cement, are spanned by
        rods and screws, or have a button lying over them.
    clips : bool, default=False
        Whether surgical clips lie beside the spine.
    tbs : float, default=1.24
        Trabecular bone score that sets the bone's texture, 0.5 to 2.
    n_rows : int, default=164
        Rows of the scan, 150 to 178.
    site : {"population", "hospital"}, default="population"
        Whose scanner.
    random_state : int, RandomState instance or None, default=None
        Seeds position, shape, soft tissue, noise and margins.

    Returns
    -------
    spine : :class:`~sklearn.utils.Bunch`
        scan : ndarray of shape (n_rows, 300), float32
            Areal density, g/cm2; NaN where not scanned.
        spine_line : ndarray of shape (n_rows,)
            Column of the spine's centre.
        lesions : ndarray of shape (n_rows, 300), bool
            Pixels changed by pathology.
        bone : ndarray of shape (n_rows, 300), float32
            Areal density before blur, noise and margins, g/cm2.
        endplates : ndarray of shape (6, 4, 2)
            Corners of T12 to L5 (top left, top right, bottom left, bottom right), x and y in
            mm from the centre of the first pixel.
        cobb_angle : float
        spacing_mm : tuple
            `(1.05, 0.60)`.

    Raises
    ------
    ValueError
        If a parameter has a value or length outside its range, or a level has no such name.

    See Also
    --------
    make_spine_cohort : Many patients with clinical data and labels.

    Examples
    --------
    >>> from skdxa.simulation import make_spine_scan
    >>> spine = make_spine_scan(25, fractured=["L1"], random_state=0)
    >>> spine.scan.shape, bool(spine.lesions.any())
    ((164, 300), True)
    """
    rng = check_random_state(random_state)
    bmd = _four_numbers(bmd, "bmd", 0.4, 2.0, "g/cm2")
    grade = _four_numbers(degeneration, "degeneration", 0.0, 4.0, "grades")
    levels = {
        name: _named_levels(value, name)
        for name, value in (
            ("fractured", fractured),
            ("cement", cement),
            ("rods", rods),
            ("button", button),
        )
    }
    pathology = Pathology(
        grade=_all_levels(grade[None])[0],
        collapse=np.where(levels["fractured"], rng.uniform(0.25, 0.4), 0.0),
        cement=levels["cement"],
        rods=levels["rods"],
        button=levels["button"],
        clips=clips,
    )
    return _render(
        np.random.SeedSequence(rng.randint(0, 2**32, size=4, dtype=np.uint32).tolist()),
        cobb_angle=cobb_angle,
        convex={"left": -1, "right": 1}[convex],
        bmd=bmd,
        pathology=pathology,
        tbs=tbs,
        n_rows=n_rows,
        size=(_HEIGHT_FACTOR["F"][0], _WIDTH_FACTOR["F"][0]),
        thickness_cm=_THICKNESS_CM[0],
        fat_fraction=_FAT[0],
        site=site,
        gain=1.0,
    )


def _four_numbers(values, name, low, high, unit):
    array = np.asarray(values, float)
    if array.shape != (4,) or not ((array >= low) & (array <= high)).all():
        raise ValueError(
            f"{name} must hold four numbers from {low:g} to {high:g} ({unit}), one for each of "
            f"L1 to L4; got {values!r}."
        )
    return array


def _named_levels(names, parameter):
    unknown = [name for name in np.atleast_1d(names).tolist() if name not in _VERTEBRAE]
    if unknown:
        raise ValueError(f"{parameter} must name vertebrae of L1 to L4; got {unknown[0]!r}.")
    return _pathology.levels_mask(names)
