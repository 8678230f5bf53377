"""Patients without their scans: prevalences and risk against the published ones."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from skdxa._sklearn import NO_PENALTY
from skdxa.densitometry import FINNISH_WOMEN, t_score
from skdxa.simulation._patients import draw_patients


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
    # Calibrated: the observed and the expected share of fractures agree in the riskiest tenth.
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


def test_size_margins_and_noise_do_not_tell_the_label():
    """Only anatomy depends on the labels; all other properties are drawn independently of them."""
    patients = draw_patients(6000, "population", np.random.RandomState(0))
    recipes = pd.DataFrame(patients.recipes)
    independent = pd.DataFrame(
        {
            "n_rows": recipes["n_rows"],
            "thickness": recipes["thickness_cm"],
            "fat": recipes["fat_fraction"],
            "gain": recipes["gain"],
            "baseline": recipes["baseline"],
            "height": [size[0] for size in recipes["size"]],
            "width": [size[1] for size in recipes["size"]],
        }
    )
    for label in ("scoliosis", "unreliable", "fracture_ever"):
        positive = patients.target[label] == 1
        difference = independent[positive].mean() - independent[~positive].mean()
        error = independent.std() * np.sqrt(1 / positive.sum() + 1 / (~positive).sum())
        assert (np.abs(difference) < 4 * error).all()


def draw_population(n, **options):
    return draw_patients(n, "population", np.random.RandomState(0), **options)


@pytest.fixture(scope="module")
def planted():
    return draw_population(30_000, image_risk=0.05)


# Of 4,200 fractures ever the gain has a standard error of about 0.005, of 950 within five years
# one of about 0.01.
@pytest.mark.parametrize(("label", "error"), [("fracture_ever", 0.015), ("fracture_5y", 0.03)])
def test_image_risk_adds_to_the_minimum_t_score(planted, label, error):
    clinical, known = planted.clinical, planted.target[label].notna()
    spine = t_score(clinical.filter(like="bmd_L"), FINNISH_WOMEN, site="spine").min(axis=1)
    neck = t_score(clinical["bmd_neck"], FINNISH_WOMEN, site="femoral_neck")
    hip = t_score(clinical["bmd_total_hip"], FINNISH_WOMEN, site="total_hip")
    min_t = np.minimum.reduce([spine, neck, hip])
    predictors = np.column_stack([min_t, planted.truth["striation"]])[known]
    y = planted.target[label][known].astype(int)
    with_trait = LogisticRegression(C=NO_PENALTY).fit(predictors, y).decision_function(predictors)
    gain = roc_auc_score(y, with_trait) - roc_auc_score(y, -predictors[:, 0])
    assert gain == pytest.approx(0.05, abs=error)


def test_striation_is_independent_of_clinical_data(planted):
    columns = planted.clinical[["age", "bmd_L1", "bmd_L4", "bmd_neck", "bmd_total_hip", "tbs"]]
    correlation = columns.corrwith(planted.truth["striation"])
    assert correlation.abs().max() < 4 / np.sqrt(len(columns))


def test_image_risk_changes_nothing_else(planted):
    plain = draw_population(30_000)
    pd.testing.assert_frame_equal(plain.clinical, planted.clinical)
    pd.testing.assert_frame_equal(plain.truth, planted.truth[plain.truth.columns].assign(
        risk=plain.truth["risk"]
    ))  # fmt: skip
    assert "striation" not in plain.truth
    shares = [cohort.target["fracture_ever"].mean() for cohort in (plain, planted)]
    assert shares[1] == pytest.approx(shares[0], abs=0.006)
