"""Measure how often a "95 %" interval of the cross-validated AUC holds the true AUC.

    python experiments/coverage.py [--cohorts 200] [--repeats 100]

Simulated cohorts resemble the paper's for fractures: 2,360 patients, 3.9 % with a fracture
within five years, 10 folds repeated 100 times. Predictors are five normal variables, and the
model is a linear discriminant, because its true AUC is known in closed form and a thousand
trainings take less than a second; the intervals do not depend on the kind of model. The true
AUC is the mean over the models trained on nine tenths of such a cohort.
"""

import argparse
import time
import warnings

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.model_selection import RepeatedStratifiedKFold

from skdxa.evaluation import CrossValidationResult

N_PATIENTS, PREVALENCE, N_SPLITS = 2360, 0.039, 10
# Differences of the predictors' means, in SDs, which yield an AUC near the paper's 0.63.
SHIFT = np.array([0.35, 0.25, 0.15, 0.0, 0.0])


def draw_cohort(rng):
    y = (rng.random(N_PATIENTS) < PREVALENCE).astype(int)
    return rng.normal(size=(N_PATIENTS, len(SHIFT))) + y[:, None] * SHIFT, y


def discriminant(X, y):
    means = [X[y == label].mean(axis=0) for label in (0, 1)]
    residuals = X - np.stack(means)[y]
    return np.linalg.solve(residuals.T @ residuals / len(y), means[1] - means[0])


def true_auc(weights):
    return norm.cdf(weights @ SHIFT / np.sqrt(2 * weights @ weights))


def cross_validate(X, y, n_repeats, seed):
    """Return the result of a repeated cross-validation, and the mean true AUC of its models."""
    splitter = RepeatedStratifiedKFold(n_splits=N_SPLITS, n_repeats=n_repeats, random_state=seed)
    parts, truths = [], []
    for number, (train, test) in enumerate(splitter.split(X, y)):
        weights = discriminant(X[train], y[train])
        truths.append(true_auc(weights))
        repeat, fold = divmod(number, N_SPLITS)
        parts.append(
            (np.full(len(test), repeat), np.full(len(test), fold), test, X[test] @ weights)
        )
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    scores = pd.DataFrame(dict(zip(("repeat", "fold", "row", "score"), columns, strict=True)))
    folds = scores.groupby(["repeat", "fold"], as_index=False).agg(n_test=("row", "size"))
    folds["n_train"] = len(y) - folds["n_test"]
    result = CrossValidationResult(scores, folds, y, response_method="decision_function")
    return result, np.mean(truths)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cohorts", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--resamples", type=int, default=400, help="of the bootstrap; 0: none")
    args = parser.parse_args()
    start = time.perf_counter()
    kinds = ["t", "corrected", "delong"] + (["bootstrap"] if args.resamples else [])
    intervals, truths = {kind: [] for kind in kinds}, []
    for seed in range(args.cohorts):
        X, y = draw_cohort(np.random.default_rng(seed))
        result, truth = cross_validate(X, y, args.repeats, seed)
        truths.append(truth)
        for kind in kinds:
            with warnings.catch_warnings():
                # Raised for sensitivity and specificity, which are not used here.
                warnings.filterwarnings("ignore", "no interval for", RuntimeWarning)
                summary = result.summary(
                    interval=kind, n_resamples=max(args.resamples, 1), random_state=seed
                )
            intervals[kind].append(summary.loc["auc", ["estimate", "low", "high"]])
    truth = np.mean(truths)
    print(
        f"{args.cohorts} simulated cohorts of {N_PATIENTS}, {PREVALENCE:.1%} positive, "
        f"{args.repeats} x {N_SPLITS} folds; true AUC {truth:.3f} "
        f"({time.perf_counter() - start:.0f} s)"
    )
    print(f"{'interval':12}{'mean AUC':>10}{'mean width':>12}{'holds the truth':>17}{'+-':>6}")
    for kind in kinds:
        estimate, low, high = np.array(intervals[kind], dtype=float).T
        holds = np.mean((low <= truth) & (truth <= high))
        error = 1.96 * np.sqrt(holds * (1 - holds) / args.cohorts)
        print(
            f"{kind:12}{estimate.mean():10.3f}{np.mean(high - low):12.3f}{holds:17.1%}"
            f"{100 * error:6.1f}"
        )


if __name__ == "__main__":
    main()
