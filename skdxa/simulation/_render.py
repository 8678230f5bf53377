"""One scan from its recipe: bones, lesions and texture, then the scanner."""

from typing import NamedTuple

import numpy as np
from sklearn.utils import Bunch

from . import _anatomy, _bones, _grid, _lesions, _pathology, _physics, _texture
from ._anatomy import LUMBAR, SPACING_MM
from ._pathology import LESION_KINDS, Pathology


class Recipe(NamedTuple):
    """All parameters of one scan except its seeds."""

    cobb_angle: float
    convex: int  # -1: to the first columns, 1: to the last
    bmd: np.ndarray  # (4,): of L1 to L4, g/cm2, without pathology
    pathology: Pathology
    texture_slope: float
    n_rows: int
    size: tuple  # factors of height and width
    thickness_cm: float
    fat_fraction: float
    site: str
    gain: float = 1.0
    baseline: float = 0.0
    striation: float | None = None  # None: no streaks
    # Effects that can be switched off.
    texture: bool = True
    blur: bool = True
    noise: bool = True
    bowel: bool = True
    margins: bool = True


def render(patient_seed, scan_seed, recipe):
    """Draw one scan.

    Parameters
    ----------
    patient_seed, scan_seed : numpy.random.SeedSequence
        Seeds of the patient's properties (bones, lesions, texture), and of those of each scan
        (placement, bowel, noise, margins).
    recipe : Recipe
        The parameters of the scan.

    Returns
    -------
    Bunch
        As `make_spine_scan` returns it, with `lesion_kinds` in place of `lesion_masks`.
    """
    body = [np.random.default_rng(seed) for seed in patient_seed.spawn(6)]
    rng = np.random.default_rng(scan_seed)
    pathology, n_rows = recipe.pathology, recipe.n_rows
    placement = _anatomy.draw_placement(rng)
    spine = _anatomy.lay_out_spine(
        body[0],
        cobb_angle=recipe.cobb_angle,
        convex=recipe.convex,
        n_rows=n_rows,
        placement=placement,
        size=recipe.size,
        height_loss=pathology.collapse,
        disc_loss=_pathology.disc_loss(pathology),
        slip=pathology.slip,
    )
    grid = _grid.make_grid(n_rows, body[1])
    relative, regions = _bones.render_spine(
        spine, grid, body[2], missing_arch=pathology.laminectomy
    )
    lesions = _lesions.render_pathology(spine, regions, grid, pathology, body[3])
    around = _bones.render_surroundings(spine, grid, body[2])
    if recipe.texture:
        texture = _texture.trabecular_texture(
            body[4], n_rows, recipe.texture_slope, (-placement.below_l5, placement.aside)
        )
        fine = np.repeat(texture, 2, axis=0)
        relative *= fine
        around *= fine
    if recipe.striation is not None:
        streaks = _texture.vertical_streaks(
            body[5], n_rows, recipe.striation, (-placement.below_l5, placement.aside)
        )
        relative *= np.repeat(streaks, 2, axis=0)
    bare = recipe.bmd + _pathology.bare_gain(pathology, _pathology.all_levels(recipe.bmd))[LUMBAR]
    factor = _bones.scale_to_bmd(relative, regions, spine, grid, bare)
    relative *= factor[:, None]
    relative += around * np.float32(np.mean(recipe.bmd))
    bone = _grid.pool(relative) + lesions.total()
    kinds = lesions.kinds()
    line = _anatomy.spine_line(spine, n_rows)
    if pathology.motion:
        _move(bone, kinds, line, pathology.motion, rng)

    gas, contents = _physics.bowel(rng, n_rows) if recipe.bowel else (0.0, 0.0)
    scanner = _physics.SCANNERS[recipe.site]
    scan = _physics.acquire(
        bone + contents,
        rng,
        scanner=scanner if recipe.blur else scanner._replace(blur_mm=0.0),
        thickness_cm=recipe.thickness_cm,
        fat_fraction=recipe.fat_fraction,
        gain=recipe.gain,
        baseline=recipe.baseline,
        gas_cm=gas,
        noise=recipe.noise,
    )
    if recipe.margins:
        unscanned = _physics.unscanned_margins(rng, n_rows)
        scan[unscanned] = np.nan
        kinds[unscanned] = 0
    return Bunch(
        scan=scan,
        spine_line=line,
        lesions=kinds > 0,
        lesion_kinds=kinds,
        bone=bone,
        endplates=_anatomy.endplate_corners(spine),
        cobb_angle=float(recipe.cobb_angle),
        rotation=spine.rotation[_anatomy.COBB_LEVELS],
        texture_slope=float(recipe.texture_slope),
        spacing_mm=SPACING_MM,
    )


def _move(bone, kinds, line, distance_mm, rng):
    """Shift some rows, during which the patient moved aside and back; in place."""
    n_rows = len(line)
    start = rng.integers(n_rows // 6, n_rows // 2)
    rows = slice(start, start + rng.integers(n_rows // 10, n_rows // 3))
    pixels = round(rng.choice([-1, 1]) * distance_mm / SPACING_MM[1])
    bone[rows] = np.roll(bone[rows], pixels, axis=1)
    kinds[rows] = np.roll(kinds[rows], pixels, axis=1)
    line[rows] += pixels
    if pixels:
        kinds[rows] |= np.uint16(1 << LESION_KINDS.index("motion"))
