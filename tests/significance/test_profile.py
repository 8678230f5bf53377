"""Profile likelihood: its definition, and units of the variables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats
from scipy.special import log_expit

from skdxa.significance import logistic_table

DATA = Path(__file__).parents[1] / "data" / "significance"


@pytest.mark.parametrize(("cells", "level"), [((9, 2, 3, 8), 0.95), ((1, 300, 90, 200), 0.99999)])
def test_profile_interval_of_a_two_by_two_table(cells, level):
    counts = dict(zip([(1, 1), (1, 0), (0, 1), (0, 0)], cells, strict=True))
    rows = np.repeat(list(counts), list(counts.values()), axis=0)
    table = logistic_table(rows[:, 1], rows[:, 0], interval="profile", level=level)
    assert table.attrs["interval"] == "profile"

    def llf(log_odds_ratio):
        def without_exposure(logit):
            terms = {
                (x, event): log_expit((2 * event - 1) * (logit + x * log_odds_ratio))
                for x, event in counts
            }
            return -sum(counts[cell] * terms[cell] for cell in counts)

        return -optimize.minimize_scalar(without_exposure, bounds=(-9, 9)).fun

    highest = llf(np.log(cells[0] * cells[3] / (cells[1] * cells[2])))
    lost = stats.chi2.ppf(level, 1) / 2
    for end in np.log(table.loc["x1", ["low", "high"]].astype(float)):
        assert llf(end) == pytest.approx(highest - lost, abs=1e-6)
    wald = logistic_table(rows[:, 1], rows[:, 0], level=level)
    assert table.loc["x1", "low"] != pytest.approx(wald.loc["x1", "low"], rel=0.01)
    pd.testing.assert_frame_equal(table.iloc[:, :5], wald.iloc[:, :5])


def test_profile_interval_is_that_of_any_unit():
    table = pd.read_csv(DATA / "birthwt.csv")
    y, X = table.low, table[["lwt", "age", "smoke"]]
    table = logistic_table(y, X, interval="profile", level=0.999)
    far = logistic_table(y, X.assign(age=X.age * 1e6), interval="profile", level=0.999)
    np.testing.assert_allclose(np.log(far.low.age) * 1e6, np.log(table.low.age), rtol=1e-6)
    np.testing.assert_allclose(far.high.lwt, table.high.lwt, rtol=1e-6)
    with pytest.raises(ValueError, match="interval must be one of"):
        logistic_table(y, X, interval="exact")
