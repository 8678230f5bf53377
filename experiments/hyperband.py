"""Compare Hyperband with a random search of three times its epochs, on simulated patients.

    python experiments/hyperband.py [--train 200] [--validation 400] [--test 400] [--epochs 27]
        [--least 3] [--seeds 3] [--splits 3]

Both draw from one space of settings of the network, train on some patients and judge by the AUC
of "unreliable" on others, on average over the splits. What they find is trained on the patients
of the first split and judged on new ones, with three seeds of the network. The first third of the
random search is one with the same number of epochs as Hyperband. The scans are averaged over
4 x 4 pixels, so that a training takes seconds.
"""

import argparse

import numpy as np
import pandas as pd
from scipy.stats import loguniform, uniform
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import RandomizedSearchCV, StratifiedShuffleSplit

from skdxa.classification import HyperbandSearchCV, SpineCNNClassifier, hyperband_table
from skdxa.preprocessing import SpineCropper
from skdxa.simulation import make_spine_cohort

SPACE = {
    "learning_rate": loguniform(1e-4, 1e-1),
    "dropout": uniform(0, 0.8),
    "l2": loguniform(1e-6, 1e-1),
    "batch_size": [16, 32, 64, 128],
    "filters": [(4, 8), (4, 8, 16), (8, 16, 32)],
}
TEST_SEEDS = (101, 102, 103)


def small_scans(patients, random_state):
    """Return cropped scans of simulated patients at a quarter of the size, and their labels."""
    cohort = make_spine_cohort(patients, random_state=random_state)
    scans = SpineCropper(height=148, width=148).fit_transform(cohort.data)
    scans = scans.reshape(len(scans), 37, 4, 37, 4).mean(axis=(2, 4))
    return scans, cohort.target["unreliable"].to_numpy().astype(int)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--train", type=int, default=200, help="patients to train on")
    parser.add_argument("--validation", type=int, default=400, help="patients of the search")
    parser.add_argument("--test", type=int, default=400, help="patients of the test")
    parser.add_argument("--epochs", type=int, default=27, help="the most of one configuration")
    parser.add_argument("--least", type=int, default=3, help="the fewest epochs")
    parser.add_argument("--seeds", type=int, default=3, help="searches of each kind")
    parser.add_argument("--splits", type=int, default=3, help="trainings that judge a setting")
    options = parser.parse_args()
    brackets = hyperband_table(options.epochs, min_resource=options.least)
    epochs = int(brackets["cost_warm"].sum())
    n_random = 3 * epochs // options.epochs
    print("Simulated patients. The brackets, and their epochs from scratch and going on:")
    print(brackets.to_string(index=False))
    print(
        f"Hyperband: {brackets.query('iter == 0')['n_candidates'].sum()} configurations, {epochs} "
        f"epochs; random search: {n_random} configurations, {n_random * options.epochs} epochs.\n"
    )
    X_test, y_test = small_scans(options.test, 1000)
    cnn = SpineCNNClassifier(
        dense_units=32, validation_fraction=0.0, restore_best=False, epochs=options.epochs
    )
    rows = []
    for seed in range(options.seeds):
        X, y = small_scans(options.train + options.validation, seed)
        split = StratifiedShuffleSplit(options.splits, train_size=options.train, random_state=seed)
        settings = {
            "scoring": "roc_auc",
            "cv": split,
            "refit": False,
            "random_state": seed,
            "error_score": 0.0,
        }
        hyperband = HyperbandSearchCV(
            cnn, SPACE, max_resource=options.epochs, min_resource=options.least, **settings
        ).fit(X, y)
        random = RandomizedSearchCV(
            clone(cnn).set_params(random_state=seed), SPACE, n_iter=n_random, **settings
        ).fit(X, y)
        scores = random.cv_results_["mean_test_score"]
        first = int(np.argmax(scores[: n_random // 3]))
        found = {
            "Hyperband": (hyperband.best_score_, hyperband.best_params_),
            "random, 3 x epochs": (random.best_score_, random.best_params_),
            "random, 1 x epochs": (scores[first], random.cv_results_["params"][first]),
        }
        train, _ = next(split.split(X, y))
        for name, (score, configuration) in found.items():
            best = clone(cnn).set_params(**configuration)
            areas = []
            for test_seed in TEST_SEEDS:
                best.set_params(random_state=test_seed).fit(X[train], y[train])
                areas.append(roc_auc_score(y_test, best.predict_proba(X_test)[:, 1]))
            rows.append((seed, name, score, np.mean(areas)))
            shown = {
                key: f"{value:.2g}" if isinstance(value, float) else value
                for key, value in configuration.items()
            }
            print(
                f"seed {seed}, {name}: AUC {score:.3f} in the search, {np.mean(areas):.3f} on new "
                f"patients; {shown}",
                flush=True,
            )
    table = pd.DataFrame(rows, columns=["seed", "search", "in the search", "new patients"])
    wide = table.pivot(index="seed", columns="search", values="new patients")
    print("\nAUC on new patients:\n" + wide.round(3).to_string())
    means = table.groupby("search")[["in the search", "new patients"]].mean().round(3)
    print("\nMeans:\n" + means.to_string())
    for name in ("random, 3 x epochs", "random, 1 x epochs"):
        difference = wide["Hyperband"] - wide[name]
        print(f"Hyperband minus {name}: {difference.mean():+.3f}, {difference.round(3).tolist()}")


if __name__ == "__main__":
    main()
