"""Net benefit: values counted by hand, and bad thresholds."""

import numpy as np
import pytest

from skdxa.significance import net_benefit

Y = np.array([0, 0, 0, 0, 1, 1, 1])
OLD = np.array([0.1, 0.3, 0.2, 0.4, 0.3, 0.5, 0.4])


def test_net_benefit_at_the_ends():
    curve = net_benefit(Y, OLD, [0.05, 0.3, 0.9])
    # Everyone is treated at 5 %, nobody at 90 %; 0.3 itself counts as above 0.3.
    assert curve.net_benefit.tolist() == pytest.approx(
        [3 / 7 - 4 / 7 / 19, 3 / 7 - 2 / 7 * 3 / 7, 0]
    )
    assert curve.net_benefit[0] == curve.treat_all[0]
    assert curve.true_positives.tolist() == [3, 3, 0]
    assert curve.interventions_avoided[0] == 0
    assert net_benefit(Y, OLD, 0.3).shape == (1, 7)


@pytest.mark.parametrize("threshold", [0, 1, [0.1, 1.2]])
def test_bad_threshold(threshold):
    with pytest.raises(ValueError, match="thresholds must lie between 0 and 1"):
        net_benefit(Y, OLD, threshold)
