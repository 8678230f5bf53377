"""Whole cohorts of simulated patients."""

from numbers import Integral, Real

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.utils import Bunch, check_random_state
from threadpoolctl import threadpool_limits

from skdxa._sklearn import Interval, StrOptions, validate_params
from skdxa.scan_dtype import ScanArray

from ._anatomy import SPACING_MM
from ._pathology import LESION_KINDS
from ._patients import SITES, draw_patients
from ._render import render
from ._scan import seed_sequence

_DESCR = """Simulated scans of the lumbar spine ({site}, {n} scans of {patients} patients)

These patients do not exist. Their ages, bone densities, curves, degeneration, labels and
fractures are drawn from distributions set after published figures (Nissinen et al., Bone
Reports 14, 2021, 101070); their scans are drawn from published anatomy and passed through a
model of a dual-energy scanner. Results on them are simulated results.

data         one row per scan: scan (float32, g/cm2, NaN where not scanned), age (years), sex,
             bmd_L1 to bmd_L4, bmd_neck, bmd_total_hip (g/cm2), tbs
target       scoliosis, unreliable, fracture_ever, fracture_5y: 0, 1, NaN where unknown.
             {labels}
groups       the patient of each scan
ratings      the labels of each rater
truth        hidden from all readers: the Cobb angle (degrees), BMD without pathology (g/cm2),
             which vertebrae are affected, the probability of a fracture within five years, and the
             slope of the texture's variogram
pathology    the severity of each finding, by vertebra
spine_lines  column of the spine's centre in each row of each scan
lesions      pixels of each scan that a finding changed
lesion_kinds which findings changed a pixel: bit k stands for the k-th of lesion_names
"""
_LABELS = {
    "population": "Positive where both raters agree on it.",
    "hospital": "Positive where two of three raters agree on it; fractures are not recorded.",
}
# Scans that a worker draws in one task.
_BATCH = 16


@validate_params(
    {
        "n_subjects": [Interval(Integral, 1, None, closed="left")],
        "site": [StrOptions(set(SITES))],
        "n_scans_per_subject": [Interval(Real, 1, 10, closed="both")],
        "image_risk": [Interval(Real, 0, 0.1, closed="both")],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    },
    prefer_skip_nested_validation=True,
)
def make_spine_cohort(
    n_subjects=600,
    *,
    site="population",
    n_scans_per_subject=1,
    image_risk=0.0,
    random_state=None,
    n_jobs=None,
):
    """Simulate patients with DXA scans of the lumbar spine and known truth.

    Parameters
    ----------
    n_subjects : int, default=600
        Number of patients.
    site : {"population", "hospital"}, default="population"
        "population": women of 62 to 75 years, labelled by two raters. "hospital": patients of
        20 to 96 years, 80 % women, on a second scanner with different noise, blur and gain,
        labelled twice by each of three raters; their fractures are unknown.
    n_scans_per_subject : float, default=1
        Mean number of scans per patient, 1 to 10; at 1.25 one patient in four has two. Scans
        of one patient differ in placement, bowel, soft-tissue baseline, noise and margins, but
        show the same bones.
    image_risk : float, default=0.0
        Information on fractures that only the image holds, 0 to 0.1: the AUC that it adds to
        the minimum T-score of spine and hip, the same for fractures within five years and
        ever. Above 0, the bones have vertical streaks whose contrast rises with the risk; BMD,
        TBS and age are independent of them. With the same seed, cohorts of any `image_risk`
        differ in streaks and fractures only.
    random_state : int, RandomState instance or None, default=None
        Seed of patients and scans. The same seed gives the same cohort for any `n_jobs`.
    n_jobs : int, default=None
        Workers that draw scans, through joblib. None means 1 unless in a
        :class:`joblib.parallel_config` context.

    Returns
    -------
    cohort : :class:`~sklearn.utils.Bunch`
        With the attributes:

        data : DataFrame
            Columns `scan` (objects: float32 arrays of 150 to 178 rows and 300 columns, g/cm2,
            NaN where not scanned), `age` (years), `sex` ("F" or "M"), `bmd_L1` .. `bmd_L4`,
            `bmd_neck`, `bmd_total_hip` (g/cm2), `tbs`.
        target : DataFrame
            `scoliosis`, `unreliable`, `fracture_ever`, `fracture_5y`: 0.0, 1.0, NaN unknown.
        groups : ndarray of shape (n_scans,)
            The patient's number.
        spacing_mm : tuple
            `(1.05, 0.60)`: height and width of a pixel.
        simulated : bool
            True.
        excluded : DataFrame
            Empty; columns `row`, `scan`, `reason`, `kind`.
        truth : DataFrame
            `cobb_angle` (degrees, T12 to L5), `bmd_L1` .. `bmd_L4` (g/cm2, without pathology),
            `affected_L1` .. `affected_L4` (bool), `risk` (of a fracture within five years),
            `texture_slope` (of log variogram against log lag, near the origin). With
            `image_risk` also `striation`, the contrast of the streaks (standard score).
        pathology : DataFrame
            Severity of each finding: `osteophytes_L1` .. `facet_arthrosis_L4` (grades 0 to 4),
            `collapse_L1` .. (share of height), `slip_L1` .. (mm), `cement_L1` .. (bool) and so
            on, and `clips`, `aorta` (0 to 1) and `motion` (mm).
        ratings : DataFrame
            `scoliosis_r1`, `unreliable_r1`, ...; from the hospital also second readings,
            `scoliosis_r1_again`, ...
        spine_lines : list of ndarray of shape (n_rows,)
            Column of the spine's centre in each row.
        lesions : list of ndarray of bool
            Pixels changed by degeneration, fractures, cement, metal or artefacts.
        lesion_kinds : list of ndarray of uint16
            Which findings changed each pixel: bit k stands for the k-th of `lesion_names`.
        lesion_names : tuple of str
            Names of the findings.
        DESCR : str
            A description of the cohort.

    See Also
    --------
    make_spine_scan : One scan with chosen anatomy and pathology.

    Notes
    -----
    Vertebrae have published mean sizes [2]_ [3]_. The Cobb angle is exact: the largest
    difference of tilt between the bodies of T12 to L5. Labels come from raters with errors,
    most often near 10 degrees and near three affected vertebrae. Prevalences, rater agreement
    and the discrimination of T-scores, age and TBS for fractures are set to those of [1]_.

    Streaks represent the vertical struts of a bone that has lost its horizontal ones.
    `image_risk` is the gain of a logistic regression on the minimum T-score and the true
    `striation`; a network that estimates the streaks from the image gains somewhat less. It is
    unknown whether images of patients hold such information: `image_risk` is there to test
    methods that should find it.

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
    patients = draw_patients(
        n_subjects,
        site,
        rng,
        n_scans_per_subject=n_scans_per_subject,
        image_risk=image_risk,
    )
    n_scans = len(patients.groups)
    root = seed_sequence(rng)
    for_patients, for_scans = (child.spawn(n) for child, n in zip(
        root.spawn(2), (n_subjects, n_scans), strict=True
    ))  # fmt: skip
    jobs = [
        (for_patients[patient], scan_seed, recipe)
        for patient, scan_seed, recipe in zip(
            patients.groups, for_scans, patients.recipes, strict=True
        )
    ]
    drawn = Parallel(n_jobs=n_jobs)(
        delayed(_render_batch)(jobs[start : start + _BATCH]) for start in range(0, n_scans, _BATCH)
    )
    images = [image for batch in drawn for image in batch]
    scans = ScanArray([image.scan for image in images], SPACING_MM, "g/cm2")
    data = patients.clinical
    data.insert(0, "scan", pd.Series(scans, index=data.index))
    return Bunch(
        data=data,
        target=patients.target,
        groups=patients.groups,
        spacing_mm=SPACING_MM,
        excluded=pd.DataFrame(columns=["row", "scan", "reason", "kind"]),
        simulated=True,
        truth=patients.truth,
        pathology=patients.pathology,
        ratings=patients.ratings,
        spine_lines=[image.spine_line for image in images],
        lesions=[image.lesions for image in images],
        lesion_kinds=[image.lesion_kinds for image in images],
        lesion_names=LESION_KINDS,
        DESCR=_DESCR.format(site=site, n=n_scans, patients=n_subjects, labels=_LABELS[site]),
    )


def _render_batch(jobs):
    """Draw the scans of one task."""
    images = []
    # The matrices are so small that BLAS threads would slow each other down.
    with threadpool_limits(1, user_api="blas"):
        for patient_seed, scan_seed, recipe in jobs:
            # Spawning changes a seed sequence, and all scans of a patient need the same children.
            fresh = np.random.SeedSequence(patient_seed.entropy, spawn_key=patient_seed.spawn_key)
            image = render(fresh, scan_seed, recipe)
            # A cohort does not include the noise-free bone, so workers do not return it.
            del image["bone"]
            images.append(image)
    return images
