"""What the simulator plants in the image alone: worth what it says, and told by nothing else."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.utils._param_validation import InvalidParameterError

from skdxa.densitometry import FINNISH_WOMEN, t_score
from skdxa.simulation import make_spine_cohort
from skdxa.simulation._patients import draw_patients


def draw(n, **options):
    return draw_patients(n, "population", np.random.RandomState(0), **options)


@pytest.fixture(scope="module")
def planted():
    return draw(30_000, image_risk=0.05)


# Of 4,200 fractures ever the gain has a standard error of about 0.005, of 950 within five years
# one of about 0.01.
@pytest.mark.parametrize(("label", "error"), [("fracture_ever", 0.015), ("fracture_5y", 0.03)])
def test_worth_beside_the_minimum_t_score(planted, label, error):
    clinical, known = planted.clinical, planted.target[label].notna()
    spine = t_score(clinical.filter(like="bmd_L"), FINNISH_WOMEN, site="spine").min(axis=1)
    neck = t_score(clinical["bmd_neck"], FINNISH_WOMEN, site="femoral_neck")
    hip = t_score(clinical["bmd_total_hip"], FINNISH_WOMEN, site="total_hip")
    min_t = np.minimum.reduce([spine, neck, hip])
    both = np.column_stack([min_t, planted.truth["striation"]])[known]
    y = planted.target[label][known].astype(int)
    with_trait = LogisticRegression(C=np.inf).fit(both, y).decision_function(both)
    gain = roc_auc_score(y, with_trait) - roc_auc_score(y, -both[:, 0])
    assert gain == pytest.approx(0.05, abs=error)


def test_nothing_else_knows_of_it(planted):
    columns = planted.clinical[["age", "bmd_L1", "bmd_L4", "bmd_neck", "bmd_total_hip", "tbs"]]
    correlation = columns.corrwith(planted.truth["striation"])
    assert correlation.abs().max() < 4 / np.sqrt(len(columns))


def test_without_it_nothing_has_changed(planted):
    plain = draw(30_000)
    pd.testing.assert_frame_equal(plain.clinical, planted.clinical)
    pd.testing.assert_frame_equal(plain.truth, planted.truth[plain.truth.columns].assign(
        risk=plain.truth["risk"]
    ))  # fmt: skip
    assert "striation" not in plain.truth
    shares = [cohort.target["fracture_ever"].mean() for cohort in (plain, planted)]
    assert shares[1] == pytest.approx(shares[0], abs=0.006)


def test_streaks_stand_out_with_the_risk_and_not_with_brightness():
    plain = make_spine_cohort(30, random_state=1)
    planted = make_spine_cohort(30, image_risk=0.1, random_state=1)
    striation = planted.truth["striation"]
    changed, mean = [], []
    for before, after in zip(plain.data["scan"], planted.data["scan"], strict=True):
        ratio = after / before
        bone = before > np.nanpercentile(before, 85)
        # Across, where upright streaks alternate.
        changed.append(np.abs(np.diff(ratio, axis=1))[bone[:, 1:] & bone[:, :-1]].mean())
        mean.append(after[bone].mean() / before[bone].mean())
    assert np.corrcoef(changed, striation)[0, 1] > 0.7
    np.testing.assert_allclose(mean, 1, atol=0.05)


@pytest.mark.parametrize("image_risk", [-0.01, 0.2])
def test_bad_worth(image_risk):
    with pytest.raises(InvalidParameterError, match="'image_risk' parameter"):
        make_spine_cohort(3, image_risk=image_risk)
