"""What several displays are tested with."""

import io

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from skdxa.evaluation import CrossValidationResult

matplotlib.use("agg")


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    pyplot.close("all")


@pytest.fixture
def ax():
    """Axes of a figure that pyplot does not know."""
    return Figure().subplots()


@pytest.fixture
def make_result():
    """Return a function that makes a result of two repeats of two folds of six scans.

    The AUCs of the folds, worked by hand over the nine pairs of each, are 9/9, 5/9, 6/9 and 8/9.
    """
    fold_scores = {
        (0, 0): [0.1, 0.2, 0.3, 0.6, 0.7, 0.8],
        (0, 1): [0.1, 0.5, 0.8, 0.3, 0.6, 0.7],
        (1, 0): [0.1, 0.4, 0.6, 0.3, 0.5, 0.9],
        (1, 1): [0.1, 0.2, 0.5, 0.4, 0.6, 0.8],
    }

    def make(**changes):
        scores, folds = [], []
        for (repeat, fold), score in fold_scores.items():
            split = {"repeat": repeat, "fold": fold}
            # Other folds in each repeat, with the negatives first as in y.
            rows = np.arange(6) + 6 * fold
            rows[:3] = np.arange(3) + 6 * ((fold + repeat) % 2)
            scores.append(pd.DataFrame({**split, "row": rows, "score": score}))
            folds.append({**split, "n_train": 6, "n_test": 6})
        made = {
            "scores": pd.concat(scores),
            "folds": pd.DataFrame(folds),
            "y": [0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1],
        }
        return CrossValidationResult(**{**made, **changes})

    return make


@pytest.fixture
def make_disc():
    """Return a function that draws a bright disc of 20 mm, whose pixels say how much they hold."""

    def make(spacing_mm, *, diameter=20.0, width=52.0, height=34.0):
        row_mm, column_mm = spacing_mm
        fine = 8
        n_rows, n_columns = round(height / row_mm), round(width / column_mm)
        y = (np.arange(n_rows * fine) + 0.5) * row_mm / fine - n_rows * row_mm / 2
        x = (np.arange(n_columns * fine) + 0.5) * column_mm / fine - n_columns * column_mm / 2
        inside = np.hypot(y[:, None], x) < diameter / 2
        return inside.reshape(n_rows, fine, n_columns, fine).mean(axis=(1, 3)).astype(np.float32)

    return make


@pytest.fixture
def rendered():
    """Return a function that saves a figure and cuts out axes.

    It gives the brightness of the pixels and their size in mm.
    """

    def render(figure, ax):
        file = io.BytesIO()
        figure.savefig(file, dpi=200)
        file.seek(0)
        picture = pyplot.imread(file)[..., :3].mean(axis=2)
        box = ax.get_window_extent()
        scale = 200 / figure.dpi
        left, right = round(box.x0 * scale) + 3, round(box.x1 * scale) - 3
        top, bottom = (round(len(picture) - y * scale) for y in (box.y1, box.y0))
        mm = np.ptp(ax.get_xlim()) / (box.width * scale)
        return picture[top + 3 : bottom - 3, left:right], mm

    return render


@pytest.fixture
def diameters():
    """Return a function that measures a disc in pixels: height and width, by second moments."""

    def measure(brightness):
        row, column = np.indices(brightness.shape)
        weight = brightness / brightness.sum()
        return [
            4 * np.sqrt((weight * (at - (weight * at).sum()) ** 2).sum()) for at in (row, column)
        ]

    return measure
