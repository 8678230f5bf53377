"""Compare `fracture_benchmarks` with the published table, and measure the size of its tests.

    python experiments/fracture.py table          # 20 cohorts
    python experiments/fracture.py tests          # 200 cohorts, far longer
    python experiments/fracture.py leak           # 100 cohorts, likewise

All patients are simulated, 2,949 per cohort as in Nissinen et al. 2021, and drawn without
scans. ``tests`` counts how often the tests of the network's added value have p < 0.05, for
scores of several kinds:

- "random": noise, independent of all labels;
- "trained on noise": out-of-fold scores of a classifier trained to predict fractures ever from
  50 columns of noise; they resemble those of a network that fails;
- "trained on noise, scored label": the same, trained on fractures within 5 years, where an
  unknown label counts as no fracture;
- "AUC 0.63": the logarithm of the true risk plus noise, as good as the published network;
- "true risk": the best possible score.

``leak`` compares the combined row with the nested stack of `make_stack` on the same folds, for
a classifier of columns of noise, and for one of columns of noise and of the true risk.
"""

import argparse
import os

# Set before NumPy is loaded, since its linear algebra would otherwise use every core.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import time
from collections import defaultdict

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch
from tqdm import tqdm

from skdxa.evaluation import repeated_cross_validate
from skdxa.simulation._patients import draw_patients
from skdxa.study import fracture_benchmarks

N_PATIENTS, N_NOISE = 2949, 50
# Nissinen et al. 2021, Table 1: sensitivity, specificity, AUC.
PUBLISHED = {
    "Spine T-score (min L1-L4)": (0.583, 0.590, 0.62),
    "Hip T-score (min neck/total)": (0.104, 0.958, 0.62),
    "Min T-score (min spine/hip)": (0.600, 0.582, 0.63),
    "Age": (0.600, 0.455, 0.55),
    "TBS (avg L1-L4)": (0.600, 0.496, 0.59),
    "Min T-score + TBS + age": (0.600, 0.617, 0.63),
}
# Standard deviation of the noise that reduces the AUC of the true risk to 0.63.
BLUR = 0.28


def draw_cohort(seed):
    drawn = draw_patients(N_PATIENTS, "population", np.random.RandomState(seed))
    return Bunch(data=drawn.clinical, target=drawn.target, groups=drawn.groups, truth=drawn.truth)


def table(n_cohorts):
    """Print the mean table of many cohorts beside the published one."""
    start = time.perf_counter()
    tables = [fracture_benchmarks(draw_cohort(s), random_state=s).table for s in range(n_cohorts)]
    seconds = (time.perf_counter() - start) / n_cohorts
    every = pd.concat(tables).groupby("experiment", sort=False)
    mean, spread = every.mean(), every.std()
    print(
        f"{n_cohorts} simulated cohorts of {N_PATIENTS}: mean (published), {seconds:.1f} s each\n"
        f"{'':30}{'sensitivity':>16}{'specificity':>16}{'AUC':>14}{'AUC, SD':>9}{'error':>8}"
    )
    for name, (sensitivity, specificity, auc) in PUBLISHED.items():
        row = mean.loc[name]
        print(
            f"{name:30}{row['sensitivity']:9.3f} ({sensitivity:.3f})"
            f"{row['specificity']:8.3f} ({specificity:.3f}){row['auc']:7.3f} ({auc:.2f})"
            f"{spread.loc[name, 'auc']:9.3f}{row['auc'] - auc:+8.3f}"
            f" +- {1.96 * spread.loc[name, 'auc'] / np.sqrt(n_cohorts):.3f}"
        )


def tests(n_cohorts):
    """Print how often each test of the network's added value has p < 0.05."""
    added = pd.concat([tests_of(seed) for seed in tqdm(range(n_cohorts))])
    added["found"] = added["pvalue"] < 0.05
    added["for the worse"] = added["found"] & (added["estimate"] < 0)
    print(f"{n_cohorts} simulated cohorts of {N_PATIENTS}: share with p < 0.05, mean estimate")
    for kind, rows in added.groupby("score", sort=False):
        mean = rows.groupby(["experiment", "test"], sort=False)[
            ["found", "for the worse", "estimate"]
        ].mean()
        print(f"\nscore: {kind} (AUC {rows['auc'].mean():.3f})\n{mean.round(3).to_string()}")


def tests_of(seed):
    """Compute the tests of one cohort for every kind of score."""
    cohort = draw_cohort(seed)
    rng = np.random.default_rng(seed)
    fracture_5y = cohort.target["fracture_5y"]
    known = fracture_5y.notna()
    risk = np.log(cohort.truth["risk"].to_numpy())
    columns = rng.normal(size=(N_PATIENTS, N_NOISE))
    on_scored = cross_validate_noise(cohort, columns, fracture_5y.fillna(0), seed)
    scores = {
        "random": rng.normal(size=N_PATIENTS),
        "trained on noise": cross_validate_noise(
            cohort, columns, cohort.target["fracture_ever"], seed
        ),
        "trained on noise, scored label": on_scored.repeat_scores(0),
        "AUC 0.63": risk + BLUR * rng.normal(size=N_PATIENTS),
        "true risk": risk,
    }
    tables = []
    for kind, score in scores.items():
        found = fracture_benchmarks(cohort, cnn=score, n_repeats=1, random_state=seed)
        area = roc_auc_score(fracture_5y[known], found.scores.loc[known, "Deep learning"])
        tables.append(found.added.assign(score=kind, auc=area))
    return pd.concat(tables)


def cross_validate_noise(cohort, columns, labels, seed):
    """Cross-validate a linear discriminant of columns of noise for one label."""
    return repeated_cross_validate(
        LinearDiscriminantAnalysis(),
        columns,
        labels.to_numpy().astype(int),
        stratify=cohort.target[["fracture_ever", "fracture_5y"]].to_numpy(),
        n_repeats=1,
        random_state=seed,
        progress=False,
    )


def leak(n_cohorts):
    """Print the AUC of the combined row minus that of the nested stack, on the same folds."""
    from skdxa.classification import make_stack

    differences, areas = defaultdict(list), defaultdict(list)
    for seed in tqdm(range(n_cohorts)):
        cohort = draw_cohort(seed)
        rng = np.random.default_rng(seed)
        labels = cohort.target[["fracture_ever", "fracture_5y"]].to_numpy()
        y, fracture_5y = labels[:, 0].astype(int), labels[:, 1]
        noise = rng.normal(size=(N_PATIENTS, N_NOISE))
        signal = np.log(cohort.truth[["risk"]].to_numpy()) + rng.normal(size=(N_PATIENTS, 2))
        options = {"n_repeats": 1, "random_state": seed, "progress": False, "stratify": labels}
        for kind, columns in (("noise", noise), ("signal and noise", np.c_[signal, noise])):
            X = pd.DataFrame(columns).add_prefix("x")
            chosen = make_column_transformer(("passthrough", X.columns.tolist()))
            network = make_pipeline(chosen, LinearDiscriminantAnalysis())
            cnn = repeated_cross_validate(network, X, y, **options)
            benchmarks = fracture_benchmarks(cohort, cnn=cnn)
            minimum = benchmarks.scores["Min T-score (min spine/hip)"]
            stack = make_stack(network, "min_t_score", cv=10, random_state=seed)
            nested = repeated_cross_validate(stack, X.assign(min_t_score=minimum), y, **options)
            pooled = benchmarks.results["Min T-score + deep learning"]
            for name, label in (("ever", y), ("within 5 years", fracture_5y)):
                area, nested_area = (
                    result.fold_metrics(label)["auc"].mean() for result in (pooled, nested)
                )
                differences[kind, name].append(area - nested_area)
                areas[kind, name].append(nested_area)
    print(
        f"{n_cohorts} simulated cohorts of {N_PATIENTS}: AUC of min T-score + classifier\n"
        f"{'columns':20}{'scored on':18}{'nested':>8}{'not nested minus nested':>27}"
    )
    for (kind, name), values in differences.items():
        error = np.std(values, ddof=1) / np.sqrt(n_cohorts)
        print(
            f"{kind:20}{name:18}{np.mean(areas[kind, name]):8.4f}"
            f"{np.mean(values):+16.4f} +- {1.96 * error:.4f}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("table", "tests", "leak"))
    parser.add_argument("--cohorts", type=int, help="simulated cohorts")
    args = parser.parse_args()
    if args.what == "table":
        table(args.cohorts or 20)
    elif args.what == "tests":
        tests(args.cohorts or 200)
    else:
        leak(args.cohorts or 100)


if __name__ == "__main__":
    main()
