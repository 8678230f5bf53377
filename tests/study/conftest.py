"""What several tests of studies share."""

import numpy as np
import pytest
from fractures import OPTIONS, make_cohort
from sklearn.naive_bayes import GaussianNB
from threadpoolctl import threadpool_limits

from skdxa.evaluation import repeated_cross_validate
from skdxa.simulation import make_spine_cohort
from skdxa.study import Protocol, fit_model, fracture_benchmarks

SMALL = Protocol(
    targets=("scoliosis",), n_splits=2, epochs=2, height=60, width=40, validation_fraction=0
)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Compute with one thread: tests run in a process per core, whose threads wait for another."""
    with threadpool_limits(1, user_api="blas"):
        yield


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


@pytest.fixture(scope="session")
def cohort():
    """Return a cohort with fractures."""
    return make_cohort()


@pytest.fixture(scope="session")
def cnn(cohort):
    """Return a stand-in for the network, cross-validated on three repeats of five folds."""
    rng = np.random.default_rng(5)
    X = np.column_stack([cohort.truth, rng.normal(size=240)]) + rng.normal(size=(240, 2))
    ever = cohort.target["fracture_ever"].map({0.0: "whole", 1.0: "zbroken"}).to_numpy()
    return repeated_cross_validate(
        GaussianNB(),
        X,
        ever,
        groups=cohort.groups,
        stratify=cohort.target,
        n_splits=5,
        n_repeats=3,
        random_state=1,
        progress=False,
    )


@pytest.fixture(scope="session")
def without(cohort):
    """Return the fracture study without the network."""
    return fracture_benchmarks(cohort, **OPTIONS)


@pytest.fixture(scope="session")
def with_network(cohort, cnn):
    """Return the fracture study with the stand-in for the network."""
    return fracture_benchmarks(cohort, cnn=cnn, random_state=0)
