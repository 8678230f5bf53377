"""How folds are drawn."""

import numpy as np
import pytest

from skdxa.evaluation import Folds


def test_a_splitter_that_separates_a_patients_scans_is_found_out(monkeypatch):
    class Splitter:
        def __init__(self, n_splits, **options):
            self.n_splits = n_splits

        def split(self, y, strata, patients):
            for fold in range(self.n_splits):
                test = np.arange(len(y)) % self.n_splits == fold
                yield np.flatnonzero(~test), np.flatnonzero(test)

    monkeypatch.setattr("skdxa.evaluation._drawing.StratifiedGroupKFold", Splitter)
    options = {"n_splits": 2, "n_repeats": 1}
    y, apart = np.arange(12) // 2 % 2, np.array(["a", "a", *"cdefghijkl"])
    with pytest.raises(RuntimeError, match="patient a is in two folds of one repeat"):
        Folds.draw(y, groups=apart, **options)
    together = np.array(["a", "c", "a", *"defghijkl"])
    assert Folds.draw(y, groups=together, **options).n_folds == 2
