"""Single scans with chosen anatomy and pathology."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state

from skdxa._sklearn import Interval, StrOptions, validate_params

from . import _anatomy, _pathology, _texture
from ._anatomy import LEVELS
from ._pathology import DEGENERATIVE, LESION_KINDS
from ._patients import SITES, VERTEBRAE
from ._render import Recipe, render

# Defaults of `make_spine_scan`: an average woman.
_SIZE, _THICKNESS_CM, _FAT = (0.97, 0.96), 20.0, 0.38
_WORDS = {2: "two", 4: "four"}
_LOCAL_FINDINGS = (
    "fractured",
    "cement",
    "rods",
    "laminectomy",
    "button",
    "zip_fastener",
    "contrast",
)


@validate_params(
    {
        "cobb_angle": [Interval(Real, 0, 60, closed="both")],
        "convex": [StrOptions({"left", "right"})],
        "bmd": ["array-like"],
        "degeneration": ["array-like"],
        **{part: ["array-like", None] for part in DEGENERATIVE},
        **{name: ["array-like"] for name in _LOCAL_FINDINGS},
        "slip_mm": ["array-like"],
        "clips": ["boolean"],
        "aortic_calcification": [Interval(Real, 0, 1, closed="both")],
        "motion_mm": [Interval(Real, 0, 10, closed="both")],
        "tbs": [Interval(Real, 0.5, 2.0, closed="both")],
        "size": ["array-like"],
        "thickness_cm": [Interval(Real, 10, 35, closed="both")],
        "fat_fraction": [Interval(Real, 0, 0.8, closed="both")],
        "texture": ["boolean"],
        "blur": ["boolean"],
        "noise": ["boolean"],
        "bowel": ["boolean"],
        "margins": ["boolean"],
        "n_rows": [
            Interval(Integral, _anatomy.MIN_ROWS, _anatomy.MAX_ROWS, closed="both"),
        ],
        "site": [StrOptions(set(SITES))],
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
    osteophytes=None,
    sclerosis=None,
    disc_narrowing=None,
    facet_arthrosis=None,
    fractured=(),
    cement=(),
    rods=(),
    laminectomy=(),
    button=(),
    zip_fastener=(),
    contrast=(),
    slip_mm=(0.0, 0.0, 0.0, 0.0),
    clips=False,
    aortic_calcification=0.0,
    motion_mm=0.0,
    tbs=1.24,
    size=_SIZE,
    thickness_cm=_THICKNESS_CM,
    fat_fraction=_FAT,
    texture=True,
    blur=True,
    noise=True,
    bowel=True,
    margins=True,
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
        Grades of L1 to L4, 0 to 4: below 1 slight; from 1 on a radiologist calls the
        vertebra affected. The parts of a grade are drawn at random.
    osteophytes, sclerosis, disc_narrowing, facet_arthrosis : array-like, default=None
        Four grades of one part of the degeneration, 0 to 4, instead of drawn ones. The disc is
        the one below the vertebra.
    fractured, cement, rods, laminectomy : array-like of str, default=()
        Vertebrae of L1 to L4 that are fractured, filled with bone cement, spanned by rods and
        screws, or without laminae and spinous process.
    button, zip_fastener, contrast : array-like of str, default=()
        Vertebrae of L1 to L4 under a button, a zip or contrast agent left in the bowel.
    slip_mm : array-like of shape (4,), default=(0.0, 0.0, 0.0, 0.0)
        How far L1 to L4 have slipped sideways on the vertebra below, -15 to 15 mm, positive to
        the right of the image.
    clips : bool, default=False
        Whether surgical clips lie beside the spine.
    aortic_calcification : float, default=0.0
        Calcium in the abdominal aorta, 0 to 1.
    motion_mm : float, default=0.0
        How far the patient moved aside while some rows were scanned, 0 to 10.
    tbs : float, default=1.24
        Trabecular bone score, which determines the bone's texture, 0.5 to 2.
    size : array-like of shape (2,), default=(0.97, 0.96)
        Factors of the mean height and width of the vertebrae, 0.8 to 1.25.
    thickness_cm : float, default=20.0
        Thickness of the soft tissue, 10 to 35 cm.
    fat_fraction : float, default=0.38
        Share of fat in the soft tissue, 0 to 0.8.
    texture, blur, noise, bowel, margins : bool, default=True
        Whether the bone has texture, the scanner blurs, photon counts are noisy, the bowel is
        visible, and margins are unscanned.
    n_rows : int, default=164
        Rows of the scan, 150 to 178.
    site : {"population", "hospital"}, default="population"
        The site whose scanner is simulated.
    random_state : int, RandomState instance or None, default=None
        Seed of position, shape, soft tissue, noise and margins.

    Returns
    -------
    spine : :class:`~sklearn.utils.Bunch`
        With the attributes:

        scan : ndarray of shape (n_rows, 300), float32
            Areal density, g/cm2; NaN where not scanned.
        spine_line : ndarray of shape (n_rows,)
            Column of the spine's centre.
        lesions : ndarray of shape (n_rows, 300), bool
            Pixels changed by pathology.
        lesion_masks : dict of str to ndarray of shape (n_rows, 300), bool
            The same by kind of finding, for the visible ones.
        bone : ndarray of shape (n_rows, 300), float32
            Areal density before blur, noise and margins, g/cm2.
        endplates : ndarray of shape (6, 4, 2)
            Corners of T12 to L5 (top left, top right, bottom left, bottom right), x and y in
            mm from the centre of the first pixel.
        cobb_angle : float
            Largest difference of tilt between the bodies, degrees.
        rotation : ndarray of shape (6,)
            Axial rotation of T12 to L5, degrees; positive carries the spinous process to the
            right of the image.
        texture_slope : float
            Slope of log variogram against log lag of the texture, near the origin.
        spacing_mm : tuple
            `(1.05, 0.60)`.

    Raises
    ------
    ValueError
        If a parameter has a value or length outside its range, or names an unknown level.

    See Also
    --------
    make_spine_cohort : Many patients with clinical data and labels.

    Notes
    -----
    Outlines deviate from the planned geometry by half a millimetre; `endplates` and the Cobb
    angle are those of the planned geometry.

    Examples
    --------
    >>> from skdxa.simulation import make_spine_scan
    >>> spine = make_spine_scan(25, fractured=["L1"], random_state=0)
    >>> spine.scan.shape, sorted(spine.lesion_masks)
    ((164, 300), ['fracture'])
    """
    rng = check_random_state(random_state)
    bmd = _check_values(bmd, "bmd", 0.4, 2.0, "g/cm2")
    grade = _check_values(degeneration, "degeneration", 0.0, 4.0, "grades")
    parts = _pathology.split_grade(rng, grade)
    chosen_parts = zip(
        DEGENERATIVE, (osteophytes, sclerosis, disc_narrowing, facet_arthrosis), strict=True
    )
    parts |= {
        name: _check_values(values, name, 0.0, 4.0, "grades")
        for name, values in chosen_parts
        if values is not None
    }
    findings = dict(
        zip(
            _LOCAL_FINDINGS,
            (fractured, cement, rods, laminectomy, button, zip_fastener, contrast),
            strict=True,
        )
    )
    flags = {name: _named_levels(levels, name) for name, levels in findings.items()}
    collapse = np.where(flags.pop("fractured"), rng.uniform(0.25, 0.4), 0.0)
    slip = np.zeros(len(LEVELS))
    slip[_anatomy.LUMBAR] = _check_values(slip_mm, "slip_mm", -15.0, 15.0, "mm")
    pathology = _pathology.no_pathology()._replace(
        **{name: np.minimum(_pathology.all_levels(values), 4.0) for name, values in parts.items()},
        collapse=collapse,
        zip=flags.pop("zip_fastener"),
        **flags,
        slip=slip,
        clips=clips,
        aorta=aortic_calcification,
        motion=motion_mm,
    )
    recipe = Recipe(
        cobb_angle=cobb_angle,
        convex={"left": -1, "right": 1}[convex],
        bmd=bmd,
        pathology=pathology,
        texture_slope=float(_texture.slope_of_tbs(tbs)),
        n_rows=n_rows,
        size=tuple(_check_values(size, "size", 0.8, 1.25, "factors", n=2, of="height and width")),
        thickness_cm=thickness_cm,
        fat_fraction=fat_fraction,
        site=site,
        texture=texture,
        blur=blur,
        noise=noise,
        bowel=bowel,
        margins=margins,
    )
    image = render(*seed_sequence(rng).spawn(2), recipe)
    kinds = image.pop("lesion_kinds")
    masks = {name: (kinds >> bit & 1).astype(bool) for bit, name in enumerate(LESION_KINDS)}
    image["lesion_masks"] = {name: mask for name, mask in masks.items() if mask.any()}
    return image


def _check_values(values, name, low, high, unit, *, n=4, of="L1 to L4"):
    """Return `n` values as an array, or raise an error if any is outside its range."""
    array = np.asarray(values, float)
    if array.shape != (n,) or not ((array >= low) & (array <= high)).all():
        raise ValueError(
            f"{name} must hold {_WORDS[n]} numbers from {low:g} to {high:g} ({unit}), one for "
            f"each of {of}; got {values!r}."
        )
    return array


def _named_levels(names, parameter):
    """Return which levels are named: bool (n_levels,)."""
    unknown = [name for name in np.atleast_1d(names).tolist() if name not in VERTEBRAE]
    if unknown:
        raise ValueError(f"{parameter} must name vertebrae of L1 to L4; got {unknown[0]!r}.")
    return _pathology.at_levels(names)


def seed_sequence(rng):
    """Draw a seed sequence from a generator."""
    return np.random.SeedSequence(rng.randint(0, 2**32, size=4, dtype=np.uint32).tolist())
