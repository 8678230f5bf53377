import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skdxa.simulation import make_spine_scan


def test_lesions_only_where_there_is_pathology():
    assert not make_spine_scan(random_state=0).lesions.any()
    assert not make_spine_scan(40, bmd=[0.6] * 4, tbs=1.0, random_state=0).lesions.any()
    spine = make_spine_scan(cement=["L2"], random_state=0)
    rows, columns = np.nonzero(spine.lesions)
    box = spine.endplates[2] / np.array(spine.spacing_mm)[::-1]
    assert rows.min() >= box[:, 1].min() - 2
    assert rows.max() <= box[:, 1].max() + 2
    assert columns.min() >= box[:, 0].min() - 2
    assert columns.max() <= box[:, 0].max() + 2


@pytest.mark.parametrize(
    ("pathology", "brighter"),
    [
        ({"degeneration": [0.0, 2.0, 0.0, 0.0]}, 0.1),
        ({"cement": ["L2"]}, 0.5),
        ({"rods": ["L2", "L3"]}, 1.0),
        ({"button": ["L2"]}, 0.2),
        ({"clips": True}, 0.2),
    ],
)
def test_pathology_is_brighter_than_what_it_replaces(pathology, brighter):
    spine = make_spine_scan(random_state=6, **pathology)
    outside = make_spine_scan(random_state=6)
    assert spine.lesions.sum() > 5
    assert np.nanmean(spine.scan[spine.lesions]) > brighter
    assert np.nanmean(spine.scan[spine.lesions]) > np.nanmean(outside.scan)


def test_fracture_shortens_the_body_and_marks_it():
    def height(spine):
        return np.linalg.norm(spine.endplates[1, 2] - spine.endplates[1, 0])

    whole, broken = (
        make_spine_scan(random_state=9),
        make_spine_scan(fractured=["L1"], random_state=9),
    )
    assert height(broken) < 0.85 * height(whole)
    rows = np.nonzero(broken.lesions)[0] * 1.05
    centre = broken.endplates[1].mean(axis=0)[1]
    assert abs(rows.mean() - centre) < 2


def test_degeneration_grows_with_its_grade():
    areas = [
        make_spine_scan(degeneration=[grade] * 4, random_state=0).lesions.sum()
        for grade in (0.0, 0.5, 1.5, 3.0)
    ]
    assert areas[0] == 0
    assert areas == sorted(areas)
    assert areas[-1] > 2 * areas[1]


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"osteophytes": [0, 2, 0, 0]}, "osteophytes"),
        ({"sclerosis": [0, 3, 0, 0]}, "sclerosis"),
        ({"disc_narrowing": [0, 2, 0, 0]}, "disc_narrowing"),
        ({"facet_arthrosis": [0, 3, 0, 0]}, "facet_arthrosis"),
        ({"fractured": ["L2"]}, "fracture"),
        ({"cement": ["L2"]}, "cement"),
        ({"rods": ["L2", "L3"]}, "rods"),
        ({"laminectomy": ["L2"]}, "laminectomy"),
        ({"button": ["L2"]}, "button"),
        ({"zip_fastener": ["L2"]}, "zip"),
        ({"contrast": ["L2"]}, "contrast"),
        ({"clips": True}, "clips"),
        ({"aortic_calcification": 0.9}, "aortic_calcification"),
        ({"motion_mm": 3.0}, "motion"),
    ],
)
def test_each_finding_alone_shows_in_its_mask_alone(arguments, kind):
    spine = make_spine_scan(random_state=8, **arguments)
    assert list(spine.lesion_masks) == [kind]
    mask = spine.lesion_masks[kind]
    assert mask.sum() > 5
    assert_array_equal(mask, spine.lesions)
    # Where it was drawn the bone differs; far from it, it does not.
    plain = make_spine_scan(random_state=8)
    changed = np.abs(spine.bone - plain.bone) > 0.02
    assert changed.any()
    if kind not in {"disc_narrowing", "fracture", "motion"}:
        assert changed[mask].mean() > 0.4


@pytest.mark.parametrize(
    ("arguments", "low", "high"),
    [
        ({"degeneration": [0, 2, 0, 0]}, 0.06, 0.20),
        ({"cement": ["L2"]}, 0.12, 0.30),
        ({"rods": ["L2"]}, 0.5, 1.2),
        ({"laminectomy": ["L2"]}, -0.30, -0.08),
    ],
)
def test_findings_change_the_bmd_of_their_vertebra(body_mean, arguments, low, high):
    plain, spine = make_spine_scan(random_state=3), make_spine_scan(random_state=3, **arguments)
    gain = body_mean(spine.bone, spine.endplates[2]) - body_mean(plain.bone, plain.endplates[2])
    assert low < gain < high
    above = body_mean(spine.bone, spine.endplates[1]) - body_mean(plain.bone, plain.endplates[1])
    assert abs(above) < max(0.1, 0.35 * abs(gain))
