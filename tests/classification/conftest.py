"""Images that a small network learns from."""

import numpy as np
import pytest
from small_network import COLUMNS, ROWS, N


@pytest.fixture(scope="module")
def stack():
    """Return images whose upper left corner is brighter in the positive class."""
    rng = np.random.default_rng(0)
    y = np.arange(N) % 2
    X = rng.normal(size=(N, ROWS, COLUMNS)).astype(np.float32)
    X[:, :6, :4] += 1.5 * y[:, None, None]
    return X, y
