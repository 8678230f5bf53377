import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skdxa.evaluation import repeated_cross_validate

rng = np.random.default_rng(0)
Y = (rng.random(120) < 0.4).astype(int)
X = rng.normal(size=(120, 2)) + 0.8 * Y[:, np.newaxis]


@pytest.mark.parametrize(
    ("n_repeats", "interval", "words"),
    [
        (
            2,
            "stability",
            ", a stability interval, which allows for chance in the choice of both the training "
            "scans and the scored scans) in 3 folds of 2 repeats, on 120 scans",
        ),
        (1, "stability", ", corrected resampled t) in 3 folds, on 120 scans"),
        (2, "delong", ", DeLong's) in 3 folds of 2 repeats"),
    ],
)
def test_the_interval_is_named_and_said_what_it_allows_for(n_repeats, interval, words):
    result = repeated_cross_validate(
        LogisticRegression(), X, Y, n_splits=3, n_repeats=n_repeats, random_state=0, progress=False
    )
    sentence = result.sentence("The model", interval=interval)
    auc = result.summary(interval=interval).loc["auc"]
    assert f"{auc['low']:.2f} to {auc['high']:.2f}{words}" in sentence
