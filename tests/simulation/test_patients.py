"""Patients without their scans: prevalences, agreement and risk against the published ones."""

from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

from skdxa.simulation._patients import draw_patients


@pytest.fixture(scope="module")
def population():
    return draw_patients(40_000, "population", np.random.RandomState(0))


@pytest.fixture(scope="module")
def hospital():
    return draw_patients(20_000, "hospital", np.random.RandomState(1))


def t_scores(clinical):
    """Spine and hip T-scores of the Finnish reference (Kroger et al. 1992)."""
    spine = (clinical[[f"bmd_L{i}" for i in range(1, 5)]].min(axis=1) - 1.20) / 0.12
    hip = (clinical[["bmd_neck", "bmd_total_hip"]].min(axis=1) - 0.98) / 0.12
    return spine, hip


@pytest.mark.parametrize(
    ("label", "published"),
    [
        ("scoliosis", 0.129),
        ("unreliable", 0.446),
        ("fracture_ever", 0.144),
        ("fracture_5y", 0.039),
    ],
)
def test_prevalences_of_the_population(population, label, published):
    assert abs(population.target[label].mean() - published) < 0.015


def test_a_fifth_have_no_five_year_label_and_it_is_within_25_years(population):
    target = population.target
    assert abs(target["fracture_5y"].isna().mean() - 0.20) < 0.01
    assert target.loc[target["fracture_5y"] == 1, "fracture_ever"].eq(1).all()


@pytest.mark.parametrize(
    ("label", "agreement", "kappa"), [("scoliosis", 0.925, 0.73), ("unreliable", 0.788, 0.58)]
)
def test_raters_agree_as_published(population, label, agreement, kappa):
    one, two = (population.ratings[f"{label}_r{rater}"] for rater in (1, 2))
    assert abs((one == two).mean() - agreement) < 0.015
    assert abs(cohen_kappa_score(one, two) - kappa) < 0.03


def test_raters_differ_most_near_the_borderline(population):
    angle = population.truth["cobb_angle"]
    apart = population.ratings["scoliosis_r1"] != population.ratings["scoliosis_r2"]
    assert apart[(angle - 10).abs() < 2].mean() > 0.3
    assert apart[(angle - 10).abs() > 8].mean() < 0.02
    affected = population.truth.filter(like="affected").sum(axis=1)
    apart = population.ratings["unreliable_r1"] != population.ratings["unreliable_r2"]
    assert apart[affected.isin([2, 3])].mean() > 1.4 * apart[affected.isin([0, 4])].mean()


def test_t_scores_of_the_population(population):
    spine, hip = t_scores(population.clinical)
    low = -2.5 + 1e-9
    assert abs((spine <= low).mean() - 0.42) < 0.02
    assert abs((hip <= low).mean() - 0.043) < 0.01
    assert abs((np.minimum(spine, hip) <= low).mean() - 0.42) < 0.03


def test_predictors_of_fractures_discriminate_as_published():
    patients = draw_patients(100_000, "population", np.random.RandomState(2))
    spine, hip = t_scores(patients.clinical)
    known = patients.target["fracture_5y"].notna()
    broken = patients.target["fracture_5y"][known]
    for predictor, published in (
        (-spine, 0.62),
        (-hip, 0.62),
        (-np.minimum(spine, hip), 0.63),
        (patients.clinical["age"], 0.55),
        (-patients.clinical["tbs"], 0.59),
    ):
        assert abs(roc_auc_score(broken, predictor[known]) - published) < 0.02
    columns = np.c_[np.minimum(spine, hip), patients.clinical["tbs"], patients.clinical["age"]]
    columns = StandardScaler().fit_transform(columns[known])
    fitted = LogisticRegression().fit(columns, broken).decision_function(columns)
    assert abs(roc_auc_score(broken, fitted) - 0.63) < 0.02
    risk = patients.truth["risk"]
    assert abs(risk.mean() - 0.039) < 0.002
    # Calibrated: the riskiest tenth breaks as often as its risk says.
    riskiest = risk[known] > risk[known].quantile(0.9)
    assert abs(broken[riskiest].mean() - risk[known][riskiest].mean()) < 0.01


def test_truth_can_be_learned(population):
    target, truth = population.target, population.truth
    assert roc_auc_score(target["scoliosis"], truth["cobb_angle"]) > 0.97
    affected = truth.filter(like="affected").sum(axis=1)
    assert 0.91 < roc_auc_score(target["unreliable"], affected) < 0.94
    negatives = truth.loc[target["scoliosis"] == 0, "cobb_angle"]
    positives = truth.loc[target["scoliosis"] == 1, "cobb_angle"]
    assert negatives.quantile(0.75) < 7 < 10 < positives.quantile(0.1)


def test_degeneration_raises_bmd_and_comes_with_age_and_curves(population):
    truth, clinical = population.truth, population.clinical
    gained = clinical["bmd_L2"] - truth["bmd_L2"]
    assert gained[truth["affected_L2"]].mean() - gained[~truth["affected_L2"]].mean() > 0.04
    affected = truth.filter(like="affected").sum(axis=1)
    assert affected[clinical["age"] > 71].mean() > affected[clinical["age"] < 65].mean()
    assert affected[truth["cobb_angle"] > 15].mean() > affected[truth["cobb_angle"] < 5].mean()


def test_hospital_is_as_published(hospital):
    clinical, target = hospital.clinical, hospital.target
    assert abs(target["scoliosis"].mean() - 0.214) < 0.015
    assert abs(target["unreliable"].mean() - 0.50) < 0.02
    assert abs((clinical["sex"] == "F").mean() - 0.80) < 0.01
    assert abs(clinical["age"].mean() - 64) < 0.5
    assert abs(clinical["age"].std() - 10) < 0.3
    assert clinical["age"].between(20, 96).all()
    men = clinical["sex"] == "M"
    assert clinical.loc[men, "bmd_L3"].mean() > clinical.loc[~men, "bmd_L3"].mean()


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


def test_scans_of_one_patient_are_rated_by_the_same_habits():
    twice = draw_patients(4000, "population", np.random.RandomState(3), n_scans_per_subject=2)
    assert_array_equal(twice.groups, np.repeat(np.arange(4000), 2))
    first, second = twice.ratings[::2], twice.ratings[1::2]
    again = (first["scoliosis_r1"].to_numpy() == second["scoliosis_r1"].to_numpy()).mean()
    other = (first["scoliosis_r1"].to_numpy() == first["scoliosis_r2"].to_numpy()).mean()
    assert again > other + 0.01
    assert_array_equal(twice.truth[::2].to_numpy(float), twice.truth[1::2].to_numpy(float))


def test_findings_are_as_common_as_published(population):
    found = population.pathology
    assert abs((found.filter(like="collapse") > 0).any(axis=1).mean() - 0.04) < 0.005
    assert abs((found["aorta"] > 0).mean() - 0.5) < 0.03
    assert abs(found.filter(like="rods").any(axis=1).mean() - 0.004) < 0.002
    curved = population.truth["cobb_angle"] > 20
    slipped = (found.filter(like="slip") != 0).any(axis=1)
    assert slipped[curved].mean() > 0.2 > 0.1 > slipped[~curved].mean()
    # The four parts of degeneration average to the grade that makes a vertebra affected.
    parts = ["osteophytes_L2", "sclerosis_L2", "disc_narrowing_L2", "facet_arthrosis_L2"]
    worn = found[parts].mean(axis=1) >= 1
    assert (population.truth["affected_L2"] | ~worn).all()


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
    # The first calls more spines scoliotic than the others do.
    assert ratings["scoliosis_r1"].mean() > 1.5 * ratings["scoliosis_r2"].mean()
