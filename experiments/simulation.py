"""Compare simulated cohorts with the published ones, and check the simulated images.

    python experiments/simulation.py patients [--cohorts 20]
    python experiments/simulation.py images [--patients 2949] [--seed 0]

``patients`` computes prevalences, agreement of raters and AUCs of clinical predictors, and
prints them beside the figures of Nissinen et al. 2021. ``images`` compares found and true spine
lines, and computes how well brightness and size alone predict each label.
"""

import argparse
import os

# Set before NumPy is loaded, since its linear algebra would otherwise use every core.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

from collections import defaultdict
from itertools import combinations

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdxa.preprocessing import find_spine_line
from skdxa.simulation import make_spine_cohort
from skdxa.simulation._patients import draw_patients

LABELS = ("scoliosis", "unreliable")
SIZES = {"population": 2949, "hospital": 574}
# Nissinen et al. 2021.
PUBLISHED = {
    "scoliosis": {"population": 0.129, "hospital": 0.214},
    "unreliable": {"population": 0.446, "hospital": 0.50},
    "fracture_ever": {"population": 0.144},
    "fracture_5y": {"population": 0.039},
    "P(spine T <= -2.5)": {"population": 0.42},
    "P(hip T <= -2.5)": {"population": 0.043},
    "P(min T <= -2.5)": {"population": 0.42},
    "AUC spine T": {"population": 0.62},
    "AUC hip T": {"population": 0.62},
    "AUC min T": {"population": 0.63},
    "AUC age": {"population": 0.55},
    "AUC tbs": {"population": 0.59},
    "AUC min T + tbs + age": {"population": 0.63},
}
AGREEMENT = {
    ("population", "scoliosis"): {"1-2": (0.925, 0.73)},
    ("population", "unreliable"): {"1-2": (0.788, 0.58)},
    ("hospital", "scoliosis"): {
        "1-2": (0.756, 0.44),
        "2-3": (0.923, 0.74),
        "1-3": (0.784, 0.51),
        "1-1": (0.929, 0.85),
        "2-2": (0.941, 0.79),
        "3-3": (0.946, 0.82),
    },
    ("hospital", "unreliable"): {
        "1-2": (0.807, 0.61),
        "2-3": (0.793, 0.59),
        "1-3": (0.763, 0.53),
        "1-1": (0.892, 0.78),
        "2-2": (0.859, 0.71),
        "3-3": (0.866, 0.71),
    },
}


def patients(n_cohorts):
    """Print prevalences, agreement and AUCs of predictors over cohorts of the published sizes."""
    for site, size in SIZES.items():
        figures = defaultdict(list)
        for seed in range(n_cohorts):
            drawn = draw_patients(size, site, np.random.RandomState(seed))
            for label, values in drawn.target.items():
                figures[label].append(values.mean())
            _agree(figures, site, drawn.ratings)
            if site == "population":
                figures["unknown in 5 years"].append(drawn.target["fracture_5y"].isna().mean())
                _predict(figures, drawn)
            count = drawn.truth.filter(like="affected").sum(axis=1)
            figures["AUC affected count, unreliable"].append(
                roc_auc_score(drawn.target["unreliable"], count)
            )
            figures["AUC Cobb angle, scoliosis"].append(
                roc_auc_score(drawn.target["scoliosis"], drawn.truth["cobb_angle"])
            )
        print(
            f"\n{site}, {n_cohorts} simulated cohorts of {size}: published, mean, lowest, highest"
        )
        for name, values in figures.items():
            published = _published(site, name)
            print(
                f"  {name:<36}{published:>8}{np.mean(values):>8.3f}{np.min(values):>8.3f}"
                f"{np.max(values):>8.3f}"
            )


def _published(site, name):
    if name in PUBLISHED:
        return PUBLISHED[name].get(site, "")
    for (place, label), pairs in AGREEMENT.items():
        for pair, (agreement, kappa) in pairs.items():
            if place == site and name == f"{label} {pair} agreement":
                return agreement
            if place == site and name == f"{label} {pair} kappa":
                return kappa
    return ""


def _agree(figures, site, ratings):
    raters = range(1, 3 if site == "population" else 4)
    pairs = [(f"{i}-{j}", f"r{i}", f"r{j}") for i, j in combinations(raters, 2)]
    if site == "hospital":
        pairs += [(f"{i}-{i}", f"r{i}", f"r{i}_again") for i in raters]
    for label in LABELS:
        for name, one, other in pairs:
            first, second = ratings[f"{label}_{one}"], ratings[f"{label}_{other}"]
            figures[f"{label} {name} agreement"].append((first == second).mean())
            figures[f"{label} {name} kappa"].append(cohen_kappa_score(first, second))


def _predict(figures, drawn):
    clinical, broken = drawn.clinical, drawn.target["fracture_5y"]
    spine = (clinical[[f"bmd_L{i}" for i in range(1, 5)]].min(axis=1) - 1.20) / 0.12
    hip = (clinical[["bmd_neck", "bmd_total_hip"]].min(axis=1) - 0.98) / 0.12
    scores = {"spine T": spine, "hip T": hip, "min T": np.minimum(spine, hip)}
    known = broken.notna()
    for name, score in scores.items():
        figures[f"P({name} <= -2.5)"].append((score <= -2.5 + 1e-9).mean())
        figures[f"AUC {name}"].append(roc_auc_score(broken[known], -score[known]))
    figures["AUC age"].append(roc_auc_score(broken[known], clinical["age"][known]))
    figures["AUC tbs"].append(roc_auc_score(broken[known], -clinical["tbs"][known]))
    table = np.c_[scores["min T"], clinical["tbs"], clinical["age"]][known]
    score = _out_of_fold(table, broken[known])
    figures["AUC min T + tbs + age"].append(roc_auc_score(broken[known], score))


def _out_of_fold(table, labels, seed=0):
    model = make_pipeline(StandardScaler(), LogisticRegression())
    folds = StratifiedKFold(10, shuffle=True, random_state=seed)
    return cross_val_predict(model, table, labels, cv=folds, method="decision_function")


def images(n_patients, seed=0):
    """Print errors of the spine line, and AUCs of brightness and size for each label."""
    cohort = make_spine_cohort(n_patients, random_state=seed)
    scans = cohort.data["scan"]
    error = np.concatenate(
        [
            np.abs(find_spine_line(scan) - line) * cohort.spacing_mm[1]
            for scan, line in zip(scans, cohort.spine_lines, strict=True)
        ]
    )
    print(f"{n_patients} simulated scans, seed {seed}")
    print(
        f"find_spine_line: median {np.median(error):.2f}, 95 % {np.quantile(error, 0.95):.2f} mm"
    )
    unscanned = [np.isnan(scan) for scan in scans]
    table = {
        "size and margins": [(len(u), u.mean(), u[:, :150].mean()) for u in unscanned],
        "mean and variance": [(np.nanmean(scan), np.nanvar(scan)) for scan in scans],
    }
    table["all four"] = np.hstack(list(table.values()))
    print("AUC of a logistic regression, out of fold, mean of 5 splits")
    for label, values in cohort.target.items():
        known = values.notna().to_numpy()
        areas = {}
        for name, columns in table.items():
            chosen, labels = np.asarray(columns)[known], values[known]
            areas[name] = np.mean(
                [roc_auc_score(labels, _out_of_fold(chosen, labels, seed)) for seed in range(5)]
            )
        print(f"  {label:<16}" + ", ".join(f"{name} {area:.3f}" for name, area in areas.items()))
    # With ninety fractures the standard error of an AUC is 0.03; true risks have no such error.
    risk = cohort.truth["risk"].to_numpy()
    weights = np.r_[risk, 1 - risk]
    broken = np.repeat([1, 0], n_patients)
    areas = {}
    for name, columns in table.items():
        twice = np.tile(np.asarray(columns, float), (2, 1))
        model = make_pipeline(StandardScaler(), LogisticRegression())
        model.fit(twice, broken, logisticregression__sample_weight=weights)
        scores = model.decision_function(twice)
        areas[name] = roc_auc_score(broken, scores, sample_weight=weights)
    print("expected for fractures in 5 years, from the true risk of each patient:")
    print("  " + ", ".join(f"{name} {area:.3f}" for name, area in areas.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("patients", "images"))
    parser.add_argument("--cohorts", type=int, default=20, help="of `patients`")
    parser.add_argument("--patients", type=int, default=2949, help="of `images`")
    parser.add_argument("--seed", type=int, default=0, help="of `images`")
    args = parser.parse_args()
    if args.what == "patients":
        patients(args.cohorts)
    else:
        images(args.patients, args.seed)


if __name__ == "__main__":
    main()
