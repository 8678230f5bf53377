"""What several tests of studies share."""

import numpy as np
import pytest

from skdxa.simulation import make_spine_cohort
from skdxa.study import Protocol, fit_model

SMALL = Protocol(
    targets=("scoliosis",), n_splits=2, epochs=2, height=60, width=40, validation_fraction=0
)


@pytest.fixture(scope="session")
def fitted():
    """Return a small model for bright scans of simulated patients, and their cohort."""
    cohort = make_spine_cohort(40, random_state=0)
    # A label that is easily learned.
    bright = np.array([np.nanmean(scan) for scan in cohort.data["scan"]])
    cohort.target["scoliosis"] = (bright > np.median(bright)).astype(float)
    cohort.target.loc[39, "scoliosis"] = np.nan
    model = fit_model(SMALL, cohort, rule="youden", progress=False)
    model.cohort = cohort
    return model
