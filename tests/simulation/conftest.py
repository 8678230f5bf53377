import numpy as np
import pytest

from skdxa.simulation import _anatomy
from skdxa.simulation._patients import draw_patients


@pytest.fixture(scope="session")
def body_mean():
    """Function that returns the mean of an image over the box around a body's corners."""
    return mean_in_box


def mean_in_box(image, corners):
    box = corners / np.array(_anatomy.SPACING_MM)[::-1]
    (left, top), (right, bottom) = np.round(box.min(axis=0)), np.round(box.max(axis=0))
    return image[int(top) : int(bottom), int(left) : int(right)].mean()


@pytest.fixture(scope="session")
def population():
    """Patients of the population, without their scans."""
    return draw_patients(40_000, "population", np.random.RandomState(0))


@pytest.fixture(scope="session")
def hospital():
    """Patients of the hospital, without their scans."""
    return draw_patients(20_000, "hospital", np.random.RandomState(1))
