"""Agreement of the raters with the published figures."""

from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.metrics import cohen_kappa_score

from skdxa.simulation._patients import draw_patients


@pytest.mark.parametrize(
    ("label", "agreement", "kappa"), [("scoliosis", 0.925, 0.73), ("unreliable", 0.788, 0.58)]
)
def test_raters_agree_as_published(population, label, agreement, kappa):
    one, two = (population.ratings[f"{label}_r{rater}"] for rater in (1, 2))
    assert abs((one == two).mean() - agreement) < 0.015
    assert abs(cohen_kappa_score(one, two) - kappa) < 0.03


def test_raters_differ_most_near_the_borderline(population):
    angle = population.truth["cobb_angle"]
    disagree = population.ratings["scoliosis_r1"] != population.ratings["scoliosis_r2"]
    assert disagree[(angle - 10).abs() < 2].mean() > 0.3
    assert disagree[(angle - 10).abs() > 8].mean() < 0.02
    affected = population.truth.filter(like="affected").sum(axis=1)
    disagree = population.ratings["unreliable_r1"] != population.ratings["unreliable_r2"]
    assert disagree[affected.isin([2, 3])].mean() > 1.4 * disagree[affected.isin([0, 4])].mean()


@pytest.mark.parametrize(
    ("label", "pair", "agreement", "kappa"),
    [
        ("scoliosis", ("1", "2"), 0.756, 0.44),
        ("scoliosis", ("2", "3"), 0.923, 0.74),
        ("scoliosis", ("1", "3"), 0.784, 0.51),
        ("unreliable", ("1", "2"), 0.807, 0.61),
        ("unreliable", ("2", "3"), 0.793, 0.59),
        ("unreliable", ("1", "3"), 0.763, 0.53),
        ("scoliosis", ("1", "1_again"), 0.929, 0.85),
        ("scoliosis", ("2", "2_again"), 0.941, 0.79),
        ("scoliosis", ("3", "3_again"), 0.946, 0.82),
        ("unreliable", ("1", "1_again"), 0.892, 0.78),
        ("unreliable", ("2", "2_again"), 0.859, 0.71),
        ("unreliable", ("3", "3_again"), 0.866, 0.71),
    ],
)
def test_each_pair_and_each_second_reading_agree_as_published(
    hospital, label, pair, agreement, kappa
):
    one, two = (hospital.ratings[f"{label}_r{rater}"] for rater in pair)
    assert abs((one == two).mean() - agreement) < 0.03
    assert abs(cohen_kappa_score(one, two) - kappa) < 0.05


def test_scans_of_one_patient_share_the_persistent_errors():
    twice = draw_patients(4000, "population", np.random.RandomState(3), n_scans_per_subject=2)
    assert_array_equal(twice.groups, np.repeat(np.arange(4000), 2))
    first, second = twice.ratings[::2], twice.ratings[1::2]
    again = (first["scoliosis_r1"].to_numpy() == second["scoliosis_r1"].to_numpy()).mean()
    other = (first["scoliosis_r1"].to_numpy() == first["scoliosis_r2"].to_numpy()).mean()
    assert again > other + 0.01
    assert_array_equal(twice.truth[::2].to_numpy(float), twice.truth[1::2].to_numpy(float))


def test_hospital_raters_agree_more_with_themselves(hospital):
    ratings = hospital.ratings
    for label in ("scoliosis", "unreliable"):
        within = [
            cohen_kappa_score(ratings[f"{label}_r{i}"], ratings[f"{label}_r{i}_again"])
            for i in (1, 2, 3)
        ]
        between = [
            cohen_kappa_score(ratings[f"{label}_r{i}"], ratings[f"{label}_r{j}"])
            for i, j in combinations((1, 2, 3), 2)
        ]
        assert np.mean(within) > np.mean(between) + 0.1
    # The first rater calls more spines scoliotic than the others do.
    assert ratings["scoliosis_r1"].mean() > 1.5 * ratings["scoliosis_r2"].mean()
