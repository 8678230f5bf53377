"""Compare Hyperband with a random search of three times its epochs, on simulated patients.

    python experiments/hyperband.py [--patients 300] [--test 400] [--epochs 27] [--seeds 3]

Both draw from one space of settings of the network and judge by the AUC of "unreliable" on a
third of the patients of the search. What they find is trained on all of these patients and judged
on others, with three seeds of the network. The scans are averaged over 4 x 4 pixels, so that a
training takes seconds.
"""

import argparse
import time

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
    parser.add_argument("--patients", type=int, default=300, help="of the search")
    parser.add_argument("--test", type=int, default=400, help="patients of the test")
    parser.add_argument("--epochs", type=int, default=27, help="the most of one configuration")
    parser.add_argument("--seeds", type=int, default=3, help="searches of each kind")
    options = parser.parse_args()
    brackets = hyperband_table(options.epochs)
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
        X, y = small_scans(options.patients, seed)
        settings = {
            "scoring": "roc_auc",
            "cv": StratifiedShuffleSplit(1, test_size=1 / 3, random_state=seed),
            "refit": False,
            "random_state": seed,
            "error_score": 0.0,
        }
        searches = {
            "Hyperband": HyperbandSearchCV(cnn, SPACE, max_resource=options.epochs, **settings),
            "random": RandomizedSearchCV(
                clone(cnn).set_params(random_state=seed), SPACE, n_iter=n_random, **settings
            ),
        }
        for name, search in searches.items():
            start = time.perf_counter()
            search.fit(X, y)
            seconds = time.perf_counter() - start
            best = clone(cnn).set_params(**search.best_params_)
            areas = [
                roc_auc_score(
                    y_test, best.set_params(random_state=s).fit(X, y).predict_proba(X_test)[:, 1]
                )
                for s in TEST_SEEDS
            ]
            rows.append((seed, name, search.best_score_, np.mean(areas), seconds))
            print(
                f"seed {seed}, {name}: AUC {search.best_score_:.3f} in the search, "
                f"{np.mean(areas):.3f} on new patients ({seconds:.0f} s); {search.best_params_}",
                flush=True,
            )
    table = pd.DataFrame(rows, columns=["seed", "search", "in the search", "test", "seconds"])
    wide = table.pivot(index="seed", columns="search", values="test")
    difference = wide["Hyperband"] - wide["random"]
    print("\nAUC on new patients:\n" + wide.assign(difference=difference).round(3).to_string())
    means = table.groupby("search")[["in the search", "test", "seconds"]].mean().round(3)
    print("\nMeans:\n" + means.to_string())


if __name__ == "__main__":
    main()
