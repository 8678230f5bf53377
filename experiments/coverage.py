"""Measure how often the intervals of a cross-validation hold, and the errors of `compare`.

    python experiments/coverage.py intervals [--cohorts 1000] [--cells ...] [--resamples 0]
        [--half-draws 0] [--repeats 1]
    python experiments/coverage.py auc [--cohorts 1000] [--cells ...] [--folds 20]
    python experiments/coverage.py single [--cohorts 1000]
    python experiments/coverage.py compare [--cohorts 1000] [--cells ...]
    python experiments/coverage.py subgroups [--cohorts 1000] [--cells ...]
    python experiments/coverage.py thresholds [--cohorts 1000] [--cells ...]

All patients are simulated: their predictors are independent normal variables with standard
deviation 1, some of which are higher in positive patients. Learners are cross-validated on
them, the first three by closed formulas for all folds at once: a linear discriminant, naive
Bayes, 25 nearest neighbours and trees of depth 3. A fifth, linear discriminants of eight random
features, differs from fit to fit by its seed, as a network does. Numbers of positive and negative
patients are fixed in each cell, and folds are stratified.

``intervals`` counts in which share of the cohorts of a cell each "95 %" interval holds the
expected AUC, sensitivity, specificity and accuracy of models trained on such cohorts. Each scan
is scored by models that have not seen it, so that the mean over all cohorts of a cell
estimates the truth without bias; with 1,000 cohorts its error is a thirtieth of the spread of
the estimates. Scans are called positive where the model's probability is at least the
prevalence, unless the cell says otherwise. The width of an interval is compared with that of
the same interval (logit scale, same t) around the same estimates with the true standard error,
which is the standard deviation of the estimates among the cohorts.

``auc`` does that for the interval of the AUC by stability alone, in a fraction of the time; for
the learner with seeds also with second fits, by which the noise of seeds is taken apart.

``single`` counts the same for the AUC by one repeat, where the stability is unknown, by the
number of events.

``compare`` counts how often a difference is claimed at 5 % between two models of which none is
better, and how often the interval holds the difference of models of which one is.

``subgroups`` splits the patients of each cohort at random into about a quarter and three quarters,
by a variable that has nothing to do with the outcome, or in cells called "differs" with more
signal in the quarter. It counts how often the intervals of `subgroup_table` hold the mean of their
estimates over all cohorts, and how often a difference of AUCs is claimed at 5 %.

``thresholds`` sets a threshold for a sensitivity of 90 % by the rules "guaranteed" (confidence
95 %) and "at_least", the median over the repeats, and counts how often the model that is trained
on the whole cohort has that sensitivity among 4,000 new positives.
"""

import argparse
import os

# Set before NumPy is loaded, since its linear algebra would otherwise use every core.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import time
import warnings
from collections import defaultdict
from typing import NamedTuple

import numpy as np
from scipy import stats
from scipy.special import expit, logit
from sklearn.tree import DecisionTreeClassifier

from skdxa.evaluation import METRICS, Folds, compare, subgroup_table
from skdxa.evaluation._half_sampling import interval_from_halves
from skdxa.significance import (
    corrected_t_interval,
    t_interval,
)

SHIFT = np.array([0.35, 0.25, 0.15])
N_NEIGHBOURS = 25
N_FEATURES = 8


class Cell(NamedTuple):
    learner: str
    n: int  # patients
    events: int
    auc: float  # of the best possible model
    columns: int = 5
    folds: int = 10
    repeats: int = 10
    scans: int = 1  # per patient, which share half of the variance within the classes
    threshold: float | None = None  # of the probability; the prevalence if None


CELLS = {
    "linear, fracture-like": Cell("linear", 2360, 92, 0.63),
    "linear, 1,000 events": Cell("linear", 2360, 1000, 0.63),
    "linear": Cell("linear", 600, 78, 0.63),
    "linear, strong": Cell("linear", 600, 78, 0.95),
    "linear, 20 columns": Cell("linear", 300, 135, 0.80, columns=20),
    "linear, 12 events": Cell("linear", 300, 12, 0.80),
    "linear, 12 events, strong": Cell("linear", 300, 12, 0.95),
    "linear, no signal": Cell("linear", 600, 78, 0.5),
    "linear, no signal, 12 events": Cell("linear", 300, 12, 0.5),
    "linear, no signal, threshold 0.5": Cell("linear", 300, 135, 0.5, threshold=0.5),
    "linear, 1 column, no signal": Cell("linear", 300, 135, 0.5, columns=1, threshold=0.5),
    "linear, 3 columns, no signal": Cell("linear", 300, 135, 0.5, columns=3, threshold=0.5),
    "linear, 3 columns, weak": Cell("linear", 300, 135, 0.55, columns=3, threshold=0.5),
    "linear, 3 columns, rarely positive": Cell("linear", 600, 200, 0.6, columns=3, threshold=0.5),
    "tree, no signal, threshold 0.5": Cell("tree", 300, 135, 0.5, threshold=0.5, repeats=5),
    "linear, no signal, 5 x 2": Cell("linear", 2000, 1000, 0.5, folds=5, repeats=2),
    "linear, 5 x 2": Cell("linear", 600, 78, 0.80, folds=5, repeats=2),
    "linear, 100 repeats": Cell("linear", 600, 78, 0.63, repeats=100),
    "linear, 3 scans per patient": Cell("linear", 200, 40, 0.80, scans=3),
    "bayes": Cell("bayes", 600, 78, 0.63),
    "bayes, 12 events": Cell("bayes", 300, 12, 0.80),
    "bayes, balanced, strong": Cell("bayes", 300, 135, 0.95),
    "neighbours": Cell("neighbours", 600, 78, 0.63),
    "neighbours, balanced": Cell("neighbours", 300, 135, 0.85),
    "neighbours, 12 events": Cell("neighbours", 300, 12, 0.80),
    "tree": Cell("tree", 600, 78, 0.63, repeats=5),
    "tree, balanced": Cell("tree", 300, 135, 0.80, repeats=5),
    "features": Cell("features", 600, 78, 0.63),
    "features, strong": Cell("features", 600, 78, 0.80),
    "features, no signal": Cell("features", 600, 78, 0.5),
    "features, 3 repeats": Cell("features", 600, 78, 0.63, repeats=3),
}


class Pair(NamedTuple):
    learner: str
    n: int
    events: int
    scale: float  # of SHIFT
    shifted: tuple[int, ...]  # columns that are shifted, by SHIFT in turn
    first: tuple[int, ...]
    second: tuple[int, ...]
    other_learner: str = ""
    equal: bool = True  # whether the models have the same expected AUC
    folds: int = 10
    repeats: int = 10
    threshold: float | None = None  # of the probability; the prevalence if None


_THREE, _OTHER = (0, 1, 2), (3, 4, 5)
PAIRS = {
    "no signal, nested": Pair("linear", 600, 78, 0, (), _THREE, tuple(range(11))),
    "no signal, other learner": Pair("linear", 600, 78, 0, (), _THREE, _THREE, "neighbours"),
    "other columns": Pair("linear", 600, 78, 1, _THREE + _OTHER, _THREE, _OTHER),
    "other columns, fracture-like": Pair("linear", 2360, 92, 1, _THREE + _OTHER, _THREE, _OTHER),
    "other columns, 12 events": Pair("linear", 300, 12, 4, _THREE + _OTHER, _THREE, _OTHER),
    "one column differs": Pair("linear", 600, 78, 1, (*_THREE, 5), _THREE, (0, 1, 5)),
    "other columns, bayes": Pair("bayes", 300, 135, 1, _THREE + _OTHER, _THREE, _OTHER),
    "other columns, neighbours": Pair("neighbours", 600, 78, 1, _THREE + _OTHER, _THREE, _OTHER),
    "other columns, tree": Pair("tree", 300, 135, 1, _THREE + _OTHER, _THREE, _OTHER, repeats=3),
    "other columns, 5 x 2": Pair(
        "linear", 600, 78, 1, _THREE + _OTHER, _THREE, _OTHER, folds=5, repeats=2
    ),
    "other columns, weak, threshold 0.5": Pair(
        "linear", 300, 135, 0.6, _THREE + _OTHER, _THREE, _OTHER, threshold=0.5
    ),
    "other columns, no signal, threshold 0.5": Pair(
        "linear", 300, 135, 0, (), _THREE, _OTHER, threshold=0.5
    ),
    "nested, 8 useless columns": Pair(
        "linear", 600, 78, 1, _THREE, _THREE, tuple(range(11)), equal=False
    ),
    "nested, 1 useful column": Pair(
        "linear", 600, 78, 1, (*_THREE, 3), _THREE, tuple(range(4)), equal=False
    ),
}


def draw_folds(y, n_folds, n_repeats, rng):
    """Draw stratified folds; the larger folds of one class are not those of the other."""
    fold_of = np.empty((n_repeats, len(y)), dtype=int)
    for label in (0, 1):
        rows = np.flatnonzero(y == label)
        order = np.argsort(rng.random((n_repeats, len(rows))), axis=1)
        numbers = (np.arange(len(rows)) + label * rng.integers(n_folds)) % n_folds
        drawn = np.empty_like(order)
        np.put_along_axis(drawn, order, np.broadcast_to(numbers, order.shape), axis=1)
        fold_of[:, rows] = drawn
    return fold_of


def sums_of_training(values, fold_of, n_folds):
    """Return the column sums over the training part of each fold of each repeat."""
    in_fold = fold_of[:, np.newaxis, :] == np.arange(n_folds)[:, np.newaxis]
    in_fold = in_fold.reshape(-1, fold_of.shape[1]).astype(float)
    return values.sum(axis=0) - in_fold @ values


def by_class(X, y):
    positive = y[:, np.newaxis].astype(float)
    return np.hstack([1 - positive, positive, X * (1 - positive), X * positive])


def linear(X, y, fold_of, n_folds):
    """Return the log odds of a linear discriminant, out of fold, (n_repeats, n)."""
    p = X.shape[1]
    upper = np.triu_indices(p)
    products = X[:, upper[0]] * X[:, upper[1]]
    sums = sums_of_training(np.hstack([by_class(X, y), products]), fold_of, n_folds)
    counts = sums[:, :2]
    means = [sums[:, 2 + k * p : 2 + (k + 1) * p] / counts[:, [k]] for k in (0, 1)]
    scatter = np.empty((len(sums), p, p))
    scatter[:, upper[0], upper[1]] = scatter[:, upper[1], upper[0]] = sums[:, 2 + 2 * p :]
    for k in (0, 1):
        square = means[k][:, :, np.newaxis] * means[k][:, np.newaxis]
        scatter -= counts[:, k, np.newaxis, np.newaxis] * square
    covariance = scatter / (counts.sum(axis=1) - 2)[:, np.newaxis, np.newaxis]
    difference = means[1] - means[0]
    weights = np.linalg.solve(covariance, difference[:, :, np.newaxis])[:, :, 0]
    offset = np.log(counts[:, 1] / counts[:, 0]) - np.sum(weights * sum(means), axis=1) / 2
    cell = np.arange(len(fold_of))[:, np.newaxis] * n_folds + fold_of
    return np.einsum("rnp,np->rn", weights[cell], X) + offset[cell]


def bayes(X, y, fold_of, n_folds):
    """Return the log odds of Gaussian naive Bayes, out of fold, (n_repeats, n)."""
    p = X.shape[1]
    squares = by_class(X**2, y)[:, 2:]
    sums = sums_of_training(np.hstack([by_class(X, y), squares]), fold_of, n_folds)
    counts, sums = sums[:, :2], sums[:, 2:].reshape(-1, 2, 2, p)
    mean, square = (sums[:, k] / counts[:, :, np.newaxis] for k in (0, 1))
    variance = square - mean**2
    cell = np.arange(len(fold_of))[:, np.newaxis] * n_folds + fold_of
    score = np.log(counts[:, 1] / counts[:, 0])[cell]
    for column in range(p):
        for k, sign in ((0, 1), (1, -1)):
            spread = variance[:, k, column][cell]
            distance = (X[:, column] - mean[:, k, column][cell]) ** 2 / spread
            score += sign * (distance + np.log(spread)) / 2
    return score


def neighbours(X, y, fold_of, n_folds):
    """Return the log odds of the nearest neighbours of other folds, (n_repeats, n)."""
    squares = np.sum(X**2, axis=1)
    distance = squares[:, np.newaxis] + squares - 2 * X @ X.T
    np.fill_diagonal(distance, np.inf)
    n_near = min(len(y) - 1, int(N_NEIGHBOURS * n_folds / (n_folds - 1)) + 25)
    near = np.argpartition(distance, n_near - 1, axis=1)[:, :n_near]
    order = np.argsort(np.take_along_axis(distance, near, axis=1), axis=1)
    near = np.take_along_axis(near, order, axis=1)
    share = np.empty(fold_of.shape)
    for repeat, fold in enumerate(fold_of):
        counted = fold[near] != fold[:, np.newaxis]
        counted &= np.cumsum(counted, axis=1) <= N_NEIGHBOURS
        share[repeat] = np.sum(counted * y[near], axis=1) / counted.sum(axis=1)
    return logit(np.clip(share, 1e-3, 1 - 1e-3))


def tree(X, y, fold_of, n_folds):
    """Return the log odds of trees, out of fold, (n_repeats, n)."""
    X, y = X.astype(np.float32), y.astype(float)
    share = np.empty(fold_of.shape)
    for repeat, fold in np.ndindex(len(fold_of), n_folds):
        test = fold_of[repeat] == fold
        model = DecisionTreeClassifier(max_depth=3, min_samples_leaf=5, random_state=0)
        model.fit(X[~test], y[~test], check_input=False)
        share[repeat, test] = model.predict_proba(X[test], check_input=False)[:, 1]
    return logit(np.clip(share, 1e-3, 1 - 1e-3))


def features(X, y, fold_of, n_folds, seed=0):
    """Return the scores of linear discriminants of eight random features, (n_repeats, n).

    Each fit has features of its own, as a small network has weights of its own.
    """
    # The seeds belong to the cohort, so that a run can be repeated.
    rng = np.random.default_rng([seed, *np.frombuffer(X[:8, 0].tobytes(), dtype=np.uint32)])
    score = np.empty(fold_of.shape)
    for repeat, fold in np.ndindex(len(fold_of), n_folds):
        weights = rng.normal(size=(X.shape[1], N_FEATURES)) / X.shape[1] ** 0.5
        hidden = np.tanh(X @ weights + rng.normal(size=N_FEATURES))
        test = fold_of[repeat] == fold
        hidden_train, y_train = hidden[~test], y[~test]
        means = [hidden_train[y_train == label].mean(axis=0) for label in (0, 1)]
        centred = hidden_train - np.stack(means)[y_train]
        covariance = centred.T @ centred / len(y_train) + 1e-3 * np.eye(N_FEATURES)
        direction = np.linalg.solve(covariance, means[1] - means[0])
        offset = np.log(y_train.mean() / (1 - y_train.mean())) - sum(means) @ direction / 2
        score[repeat, test] = hidden[test] @ direction + offset
    return score


LEARNERS = {"linear": linear, "bayes": bayes, "neighbours": neighbours, "tree": tree}
LEARNERS["features"] = features


def cross_validate(learner, X, y, fold_of, n_folds, groups=None):
    """Return the result of a cross-validation by probabilities."""
    score = expit(LEARNERS[learner](X, y, fold_of, n_folds))
    return Folds(fold_of, y, groups).with_scores(score, response_method="predict_proba")


def draw_cohort(cell, rng):
    y = (np.arange(cell.n) < cell.events).astype(int)
    X = rng.normal(size=(cell.n, cell.columns))
    if cell.scans > 1:
        X, y = np.repeat(X, cell.scans, axis=0), np.repeat(y, cell.scans)
        X = (X + rng.normal(size=X.shape)) / 2**0.5
    shift = SHIFT / np.linalg.norm(SHIFT) * stats.norm.ppf(cell.auc) * 2**0.5
    X[:, :3] += y[:, np.newaxis] * shift[: cell.columns]
    return X, y


def threshold_of(cell):
    """Return the threshold of a cell or a pair."""
    return cell.events / cell.n if cell.threshold is None else cell.threshold


def intervals_of(result, cell, n_resamples, seed):
    """Return estimate and ends by (kind, metric), and the factor g."""
    threshold = threshold_of(cell)
    with warnings.catch_warnings():
        # Cohorts without an interval are counted as missed.
        warnings.filterwarnings(
            "ignore",
            "no interval|undefined in|a class has|the DeLong|.*no spread|.*variance is zero",
        )
        table = result.summary(threshold=threshold)
        found = {("stability", name): row[:3] for name, *row in table.itertuples(name=None)}
        by_fold = result.fold_metrics(threshold=threshold)
        sizes = result.folds[["n_train", "n_test"]].mean()
        for name in METRICS:
            values = by_fold[name].dropna()
            for kind, interval in (
                ("t", t_interval(values)),
                ("corrected", corrected_t_interval(values, **sizes)),
            ):
                # Without spread it is a point, and no interval.
                ends = (interval.low, interval.high) if interval.variance else (np.nan, np.nan)
                found[kind, name] = (interval.estimate, *ends)
        # The first repeat stands for the median one, which takes longer to find.
        folds = result.fold_assignment
        first = Folds(folds.fold_of[:1], folds.y, folds.groups).with_scores(
            result.repeat_scores(0), response_method="predict_proba"
        )
        table = first.summary(threshold=threshold, interval="delong")
        found |= {("delong", name): row[:3] for name, *row in table.itertuples(name=None)}
        if n_resamples:
            table = result.summary(
                threshold=threshold,
                interval="bootstrap",
                n_resamples=n_resamples,
                random_state=seed,
            )
            found |= {("bootstrap", name): row[:3] for name, *row in table.itertuples(name=None)}
    return found, result.stability().g


def cross_validated_cohort(cell, seed):
    """Draw a cohort and cross-validate it; return the generator too, to draw on."""
    rng = np.random.default_rng(seed)
    X, y = draw_cohort(cell, rng)
    fold_of = draw_folds(y[:: cell.scans], cell.folds, cell.repeats, rng)
    groups = np.repeat(np.arange(cell.n), cell.scans) if cell.scans > 1 else None
    fold_of = np.repeat(fold_of, cell.scans, axis=1)
    return rng, X, y, cross_validate(cell.learner, X, y, fold_of, cell.folds, groups)


def simulate(cell, n_cohorts, n_resamples=0, half_draws=0):
    """Return estimates and ends by (kind, metric), each (n_cohorts, 3), and the mean of g."""
    found, factors = defaultdict(list), []
    for seed in range(n_cohorts):
        rng, X, y, result = cross_validated_cohort(cell, seed)
        rows, factor = intervals_of(result, cell, n_resamples, seed)
        if half_draws:
            rows |= by_halves(X, y, result, cell, half_draws, rng)
        for key, row in rows.items():
            found[key].append(row)
        factors.append(factor)
    return {key: np.array(rows, dtype=float) for key, rows in found.items()}, np.mean(factors)


def by_halves(X, y, result, cell, n_draws, rng):
    """Return estimate and ends by half-sampling, with one repeat in each half."""
    threshold = threshold_of(cell)
    differences = []
    for half_of in draw_folds(y, 2, n_draws, rng):
        means = []
        for half in (0, 1):
            rows = half_of == half
            fold_of = draw_folds(y[rows], cell.folds, 1, rng)
            of_half = cross_validate(cell.learner, X[rows], y[rows], fold_of, cell.folds)
            means.append(of_half.fold_metrics(threshold=threshold)[[*METRICS]].mean().to_numpy())
        differences.append(means[0] - means[1])
    by_fold = result.fold_metrics(threshold=threshold)
    n_patients = {"sensitivity": cell.events, "specificity": cell.n - cell.events}
    n_patients |= {"accuracy": cell.n, "auc": min(cell.events, cell.n - cell.events)}
    found = {}
    for name, column in zip(METRICS, np.transpose(differences), strict=True):
        values = by_fold[name].dropna().to_numpy()
        interval, *_ = interval_from_halves(values, column, n_patients[name], 0.95, name)
        found["half", name] = (interval.estimate, interval.low, interval.high)
    return found


def held(rows, truth):
    """Return the share of the cohorts whose interval holds the truth, in per cent."""
    return 100 * np.mean((rows[:, 1] <= truth + 1e-12) & (truth - 1e-12 <= rows[:, 2]))


def relative_width(rows, cell):
    """Return the mean width relative to that of the interval with the true standard error."""
    estimates = np.clip(rows[:, 0], 1e-6, 1 - 1e-6)
    events = min(cell.events, cell.n - cell.events)
    df = (min(events, cell.folds) if cell.repeats == 1 else events) - 1
    error = estimates.std(ddof=1) / (estimates.mean() * (1 - estimates.mean()))
    half = stats.t.ppf(0.975, df) * error
    ideal = expit(logit(estimates) + half) - expit(logit(estimates) - half)
    return np.nanmean(rows[:, 2] - rows[:, 1]) / ideal.mean()


def intervals(names, n_cohorts, n_resamples, half_draws, n_repeats):
    kinds = ["t", "corrected", "delong", *["bootstrap"] * bool(n_resamples)]
    kinds += [*["half"] * bool(half_draws), "stability"]
    print(f"{n_cohorts} simulated cohorts per cell; per cent held (mean width):")
    for name in names:
        cell, start = CELLS[name], time.perf_counter()
        if n_repeats:
            cell = cell._replace(repeats=n_repeats)
        found, factor = simulate(cell, n_cohorts, n_resamples, half_draws)
        truths = {metric: found["stability", metric][:, 0].mean() for metric in METRICS}
        print(
            f"\n{name}: {cell.n} patients, {cell.events} events, {cell.columns} columns, "
            f"{cell.folds} x {cell.repeats}; g {factor:.2f}"
            f"  ({time.perf_counter() - start:.0f} s)"
        )
        for metric, truth in truths.items():
            spread = found["stability", metric][:, 0].std(ddof=1)
            texts = []
            for kind in kinds:
                rows = found[kind, metric]
                width = np.nanmean(rows[:, 2] - rows[:, 1])
                texts.append(f"{kind} {held(rows, truth):5.1f} ({width:.3f})")
            relative = relative_width(found["stability", metric], cell)
            print(
                f"  {metric:12}{truth:6.3f} +- {spread:.3f}  "
                + "  ".join(texts)
                + f"  relative width {relative:.2f}",
                flush=True,
            )


def areas(names, n_cohorts, n_folds):
    print(f"AUC by stability, {n_cohorts} simulated cohorts per cell; per cent held, width:")
    for name in names:
        cell, start = CELLS[name], time.perf_counter()
        cell = cell._replace(folds=n_folds or cell.folds)
        found, stabilities = defaultdict(list), defaultdict(list)
        for seed in range(n_cohorts):
            rng = np.random.default_rng(seed)
            X, y = draw_cohort(cell, rng)
            fold_of = draw_folds(y[:: cell.scans], cell.folds, cell.repeats, rng)
            groups = np.repeat(np.arange(cell.n), cell.scans) if cell.scans > 1 else None
            fold_of = np.repeat(fold_of, cell.scans, axis=1)
            result = cross_validate(cell.learner, X, y, fold_of, cell.folds, groups)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "no interval|undefined in")
                for kind, other in seeds_of(result, cell, X, y, fold_of).items():
                    row = result.summary(other_seeds=other).loc["auc"]
                    found[kind].append(row[["estimate", "low", "high"]].to_numpy(float))
                    stabilities[kind].append(row[["q", "g"]].to_numpy(float))
        for kind, rows in found.items():
            rows, (q, g) = np.array(rows), np.mean(stabilities[kind], axis=0)
            truth = rows[:, 0].mean()
            print(
                f"  {name + kind:46}{truth:6.3f} +- {rows[:, 0].std(ddof=1):.3f}  q {q:.2f}, "
                f"g {g:.2f}  held {held(rows, truth):5.1f}, relative width "
                f"{relative_width(rows, cell):.2f}  ({time.perf_counter() - start:.0f} s)",
                flush=True,
            )


def seeds_of(result, cell, X, y, fold_of):
    """Return second fits of no, one and all repeats, by words, for a learner with seeds."""
    if cell.learner != "features":
        return {"": None}
    again = expit(features(X, y, fold_of, cell.folds, seed=1))
    folds, response = result.fold_assignment, {"response_method": "predict_proba"}
    return {
        "": None,
        ", one refitted": folds.first(1).with_scores(again[:1], **response),
        ", all refitted": folds.with_scores(again, **response),
    }


def single(n_cohorts):
    print(
        f"AUC by one repeat, {n_cohorts} simulated cohorts of 300 per cell; per cent held by the "
        "corrected t, and by it on the logit scale (stability):"
    )
    for n_folds in (5, 10):
        for events in (12, 20, 30, 50):
            texts = []
            for learner in ("linear", "neighbours"):
                for auc in (0.5, 0.8, 0.95):
                    cell = Cell(learner, 300, events, auc, folds=n_folds, repeats=1)
                    found = defaultdict(list)
                    for seed in range(n_cohorts):
                        rng = np.random.default_rng(seed)
                        X, y = draw_cohort(cell, rng)
                        fold_of = draw_folds(y, n_folds, 1, rng)
                        result = cross_validate(learner, X, y, fold_of, n_folds)
                        with warnings.catch_warnings():
                            warnings.filterwarnings("ignore", "no interval|a class has")
                            for kind in ("corrected", "stability"):
                                row = result.summary(interval=kind).loc["auc"]
                                found[kind].append([row["estimate"], row["low"], row["high"]])
                    rows = {kind: np.array(ends) for kind, ends in found.items()}
                    truth = rows["stability"][:, 0].mean()
                    held_by = " ".join(f"{held(ends, truth):5.1f}" for ends in rows.values())
                    texts.append(f"{learner} {truth:.2f}: {held_by}")
            print(f"{n_folds} folds, {events} events  " + "  ".join(texts), flush=True)


def comparisons(names, n_cohorts):
    metrics = ("auc", "sensitivity", "specificity", "accuracy", "brier")
    print(f"compare(), {n_cohorts} simulated cohorts per pair; in per cent:")
    for name in names:
        pair, start = PAIRS[name], time.perf_counter()
        found = defaultdict(list)
        for seed in range(n_cohorts):
            rng = np.random.default_rng(seed)
            y = (np.arange(pair.n) < pair.events).astype(int)
            X = rng.normal(size=(pair.n, 11))
            shift = pair.scale * np.resize(SHIFT, len(pair.shifted))
            if name == "one column differs":
                shift[-1] = shift[2]
            X[:, pair.shifted] += y[:, np.newaxis] * shift
            fold_of = draw_folds(y, pair.folds, pair.repeats, rng)
            results = [
                cross_validate(learner, X[:, columns], y, fold_of, pair.folds)
                for learner, columns in (
                    (pair.learner, pair.first),
                    (pair.other_learner or pair.learner, pair.second),
                )
            ]
            for metric in metrics:
                for kind in ("corrected", "stability") if metric == "auc" else ("stability",):
                    with warnings.catch_warnings():
                        warnings.filterwarnings("ignore", "no interval")
                        test = compare(
                            *results,
                            metric=metric,
                            threshold=threshold_of(pair),
                            interval=kind,
                        )
                    ends = test.interval.low, test.interval.high
                    found[metric, kind].append([test.estimate, *ends, test.pvalue])
        print(
            f"\n{name}: {pair.n} scans, {pair.events} events, {pair.folds} x {pair.repeats}"
            f"  ({time.perf_counter() - start:.0f} s)"
        )
        for metric in metrics:
            texts = []
            for kind in ("corrected", "stability"):
                if (metric, kind) not in found:
                    continue
                rows = np.array(found[metric, kind])
                # By symmetry, or without signal, the expected AUCs are equal.
                truth = 0 if metric == "auc" and pair.equal else rows[:, 0].mean()
                text = f"{kind}: held {held(rows, truth):5.1f}"
                if pair.equal:
                    text += f", claimed {100 * np.mean(rows[:, 3] < 0.05):4.1f}"
                texts.append(f"{text}, width {np.nanmean(rows[:, 2] - rows[:, 1]):.3f}")
            mean, spread = rows[:, 0].mean(), rows[:, 0].std(ddof=1)
            print(f"  {metric:12}{mean:+.4f} +- {spread:.4f}  " + ";  ".join(texts), flush=True)


SUBGROUP_CELLS = ("linear, fracture-like", "linear", "linear, no signal", "linear, 20 columns")
SUBGROUP_CELLS += ("linear, 3 scans per patient", "bayes", "neighbours", "tree, balanced")
SUBGROUP_CELLS += ("linear, no signal, threshold 0.5", "linear, 3 columns, weak")


def subgroups(names, n_cohorts):
    measures = ("auc", "o_e", "slope", "sensitivity", "specificity")
    print(f"subgroup_table(), {n_cohorts} simulated cohorts per cell; per cent held (width):")
    for name in names:
        cell = CELLS[name]
        for differs in (False, True):
            start, found, claimed = time.perf_counter(), defaultdict(list), []
            for seed in range(n_cohorts):
                rng = np.random.default_rng(seed)
                X, y = draw_cohort(cell, rng)
                quarter = np.repeat(rng.random(cell.n) < 0.25, cell.scans)
                if differs:
                    X[quarter & (y == 1), :3] += SHIFT[: cell.columns]
                fold_of = draw_folds(y[:: cell.scans], cell.folds, cell.repeats, rng)
                groups = np.repeat(np.arange(cell.n), cell.scans) if cell.scans > 1 else None
                fold_of = np.repeat(fold_of, cell.scans, axis=1)
                result = cross_validate(cell.learner, X, y, fold_of, cell.folds, groups)
                table = subgroup_table(result, quarter, threshold=threshold_of(cell), min_events=2)
                claimed.append(table["interaction_p_holm"].iloc[-1] < 0.05)
                for group, measure in np.ndindex(3, len(measures)):
                    columns = [f"{measures[measure]}{end}" for end in ("", "_low", "_high")]
                    found[group, measures[measure]].append(table.iloc[group][columns])
            print(
                f"\n{name}{', differs' * differs}: difference claimed in "
                f"{100 * np.mean(claimed):.1f} %  ({time.perf_counter() - start:.0f} s)"
            )
            for group, title in ((2, "quarter"), (1, "others"), (0, "all")):
                texts = []
                for measure in measures:
                    rows = np.array(found[group, measure], dtype=float)
                    truth, width = np.nanmean(rows[:, 0]), np.nanmean(rows[:, 2] - rows[:, 1])
                    ideal = 2 * stats.norm.ppf(0.975) * np.nanstd(rows[:, 0], ddof=1)
                    texts.append(
                        f"{measure} {truth:.2f} {held(rows, truth):5.1f} ({width / ideal:.2f})"
                    )
                print(f"  {title:9}" + "  ".join(texts), flush=True)


def scores_of_new(cell, X, y, new):
    """Return the scores of new patients by a model that is trained on all of a cohort."""
    together = np.vstack([X, new])
    in_cohort = np.arange(len(together)) < len(X)
    labels = np.concatenate([y, np.arange(len(new)) % 2])
    # The cohort's own scores, by a model of the new patients, are of no interest.
    score = LEARNERS[cell.learner](together, labels, in_cohort[np.newaxis].astype(int), 2)
    return expit(score[0, ~in_cohort])


THRESHOLD_CELLS = tuple(
    name for name in CELLS if CELLS[name].events >= 29 and "100 repeats" not in name
)


def thresholds(names, n_cohorts, wanted=0.9):
    print(f"thresholds for a sensitivity of {wanted:g}, {n_cohorts} simulated cohorts per cell:")
    for name in names:
        cell, start = CELLS[name], time.perf_counter()
        reached, spread = defaultdict(list), []
        for seed in range(n_cohorts):
            rng, X, y, result = cross_validated_cohort(cell, seed)
            new, _ = draw_cohort(cell._replace(n=4000, events=4000), rng)
            if cell.learner == "neighbours":
                # Distances among thousands of patients take long.
                new = new[:1000]
            score = scores_of_new(cell, X, y, new)
            for rule in ("guaranteed", "at_least"):
                found = result.thresholds(wanted, rule=rule)["threshold"]
                reached[rule].append(np.mean(score >= found.median()))
            spread.append(found.max() - found.min())
        texts = [
            f"{rule}: reached in {100 * np.mean(np.array(values) >= wanted):5.1f} %, mean "
            f"{100 * np.mean(values):5.1f} %"
            for rule, values in reached.items()
        ]
        print(
            f"  {name:34}" + ";  ".join(texts) + f";  spread {np.mean(spread):.3f}"
            f"  ({time.perf_counter() - start:.0f} s)",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "what", choices=("intervals", "auc", "single", "compare", "subgroups", "thresholds")
    )
    parser.add_argument("--cohorts", type=int, default=1000, help="simulated cohorts per cell")
    parser.add_argument("--cells", nargs="+", help="names of cells; all if not given")
    parser.add_argument("--resamples", type=int, default=0, help="of the bootstrap; 0: none")
    parser.add_argument("--half-draws", type=int, default=0, help="of half-sampling; 0: none")
    parser.add_argument(
        "--repeats", type=int, help="in place of the cell's; one is enough for DeLong's interval"
    )
    parser.add_argument("--folds", type=int, help="in place of the cell's, for auc")
    args = parser.parse_args()
    cells = PAIRS if args.what == "compare" else CELLS
    unknown = set(args.cells or ()) - set(cells)
    if unknown:
        parser.error(f"no cell {sorted(unknown)[0]!r}: take of {', '.join(cells)}.")
    names = args.cells or list(cells)
    if args.what == "intervals":
        intervals(names, args.cohorts, args.resamples, args.half_draws, args.repeats)
    elif args.what == "auc":
        areas(names, args.cohorts, args.folds)
    elif args.what == "single":
        single(args.cohorts)
    elif args.what == "subgroups":
        subgroups(args.cells or SUBGROUP_CELLS, args.cohorts)
    elif args.what == "thresholds":
        thresholds(args.cells or THRESHOLD_CELLS, args.cohorts)
    else:
        comparisons(names, args.cohorts)


if __name__ == "__main__":
    main()
