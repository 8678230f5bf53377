"""Time the scoring of 100 times 10 folds of 2,949 scans, compared with a loop over scikit-learn.

    python benchmarks/evaluation.py [--repeats 100]

The whole summary should take less than 1 s.
"""

import argparse
from time import perf_counter

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold

from skdxa.evaluation import CrossValidationResult

N_SCANS, N_FOLDS = 2_949, 10


def simulated_result(n_repeats):
    """Draw scores at random, higher for positives; no model is trained."""
    rng = np.random.default_rng(0)
    y = (rng.random(N_SCANS) < 0.144).astype(int)
    score = rng.normal(size=N_SCANS) + 0.5 * y
    parts, folds = [], []
    kfold = RepeatedStratifiedKFold(n_splits=N_FOLDS, n_repeats=n_repeats, random_state=0)
    for number, (train, test) in enumerate(kfold.split(y, y)):
        repeat, fold = divmod(number, N_FOLDS)
        noisy = 1 / (1 + np.exp(-score[test] - 0.3 * rng.normal(size=test.size)))
        parts.append(pd.DataFrame({"repeat": repeat, "fold": fold, "row": test, "score": noisy}))
        folds.append((repeat, fold, train.size, test.size))
    folds = pd.DataFrame(folds, columns=["repeat", "fold", "n_train", "n_test"])
    return CrossValidationResult(pd.concat(parts, ignore_index=True), folds, y)


def seconds(function):
    start = perf_counter()
    value = function()
    return perf_counter() - start, value


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=100)
    args = parser.parse_args()
    result = simulated_result(args.repeats)
    y = result.y
    looped, expected = seconds(
        lambda: [
            roc_auc_score(y[fold.row], fold.score)
            for _, fold in result.scores.groupby(["repeat", "fold"])
        ]
    )
    vectorised, metrics = seconds(result.fold_metrics)
    np.testing.assert_allclose(metrics["auc"], expected, rtol=1e-12)
    print(f"loop over roc_auc_score alone       {looped:8.3f} s")
    print(
        f"all four metrics of all folds       {vectorised:8.3f} s  ({looped / vectorised:.0f} x)"
    )
    for interval in ("stability", "corrected", "t", "delong", "bootstrap"):
        taken, _ = seconds(lambda kind=interval: result.summary(interval=kind, random_state=0))
        print(f"{f'summary(interval={interval!r})':35} {taken:8.3f} s")
    print(f"{'median_repeat()':35} {seconds(result.median_repeat)[0]:8.3f} s")


if __name__ == "__main__":
    main()
