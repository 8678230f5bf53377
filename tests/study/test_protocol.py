"""The choices of a study."""

import pytest

from skdxa.study import Protocol


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"epochs": 0}, r"'epochs' .* of Protocol must be an int in the range \[1, inf\). Got 0"),
        ({"n_splits": 1}, r"'n_splits' .* must be an int in the range \[2, inf\). Got 1"),
        ({"n_subjects": 1.5}, r"'n_subjects' .* must be an int in the range \[1, inf\). Got 1.5"),
        ({"interval": "exact"}, r"'interval' .* among {.*'corrected'.*}. Got 'exact'"),
        ({"validation_fraction": 1.0}, r"'validation_fraction' .* in the range \[0.0, 1.0\)"),
        ({"random_state": -1}, r"'random_state' .* in the range \[0, 4294967295\]. Got -1"),
        ({"threshold": "half"}, "'threshold' .* must be an instance of 'float'"),
        ({"targets": "scoliosis"}, "'targets' .* instance of 'tuple'.* Got 'scoliosis'"),
        ({"targets": ()}, r"targets must be one or more column names; got \(\)\."),
        ({"targets": (1,)}, r"targets must be one or more column names; got \(1,\)\."),
    ],
)
def test_bad_protocols(choices, message):
    with pytest.raises(ValueError, match=message):
        Protocol(**choices)
