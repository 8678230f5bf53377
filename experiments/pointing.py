"""Measure how often the peak of an explanation lies on the lesion.

    python experiments/pointing.py [--tasks laminectomy ...] [--seeds 3] [--seed 0]

Networks are trained on simulated scans, and the maps of the test scans that they rightly call
positive are compared with the truth: how often does the highest pixel lie on the lesion or the
curve, within the tolerance? Controls are networks with random weights on the same scans, and
three guesses without a network: any pixel, the middle of the image, and its brightest pixel. A
map whose hit rate is no higher than theirs does not locate the lesion.
"""

import argparse
import functools
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from joblib import Parallel, delayed
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from skdxa.classification import SpineCNNClassifier
from skdxa.inspection import (
    grad_cam,
    integrated_gradients,
    localization_score,
    occlusion,
    randomized,
    smooth_grad,
    vanilla_gradients,
)
from skdxa.preprocessing import HorizontalFlip, SpineCropper
from skdxa.simulation import make_spine_cohort, make_spine_scan

VERTEBRAE = ("L1", "L2", "L3", "L4")
TOLERANCE_MM = 5.0
ROW_MM, COLUMN_MM = 1.05, 0.60
# Half the width of a lumbar body.
HALF_BODY_MM = 22.0
# Findings that lie beside the vertebrae, or change no bone.
NOT_OF_BONE = ("clips", "aortic_calcification", "motion")


def worn_spine(finding, seed):
    """Draw a degenerated spine; in every second one, a random vertebra has the finding."""
    rng = np.random.default_rng(seed)
    level = VERTEBRAE[rng.integers(4)]
    worn = rng.normal(1.0, 0.8) + rng.normal(0, 0.5, 4)
    bmd = rng.normal(1.0, 0.15) + np.array([-0.07, -0.01, 0.04, 0.04]) + rng.normal(0, 0.03, 4)
    options = {
        "cobb_angle": min(rng.gamma(2.2, 1.5), 20.0),
        "convex": ("left", "right")[rng.integers(2)],
        "bmd": bmd.clip(0.5, 1.7),
        "degeneration": worn.clip(0, 3.5),
        "aortic_calcification": rng.uniform(0, 0.5) * rng.integers(2),
        "tbs": np.clip(rng.normal(1.24, 0.1), 0.9, 1.6),
        "size": rng.normal(0.965, 0.05, 2).clip(0.82, 1.2),
        "thickness_cm": np.clip(rng.normal(20, 3), 13, 29),
        "fat_fraction": np.clip(rng.normal(0.38, 0.08), 0.15, 0.6),
        "n_rows": int(rng.integers(155, 176)),
        "random_state": int(rng.integers(2**31)),
    }
    positive = seed[-1] % 2 == 1
    if positive:
        options[finding] = [level]
    # The matrices are too small for threads to help.
    with threadpool_limits(1, user_api="blas"):
        spine = make_spine_scan(**options)
    name = {"fractured": "fracture"}.get(finding, finding)
    return spine.scan, spine.lesion_masks[name] if positive else np.zeros(spine.scan.shape, bool)


def focal(finding, n, seed):
    """Draw scans of one finding on one vertebra, with their labels and masks."""
    pairs = Parallel(n_jobs=2)(delayed(worn_spine)(finding, (seed, i)) for i in range(n))
    scans, masks = zip(*pairs, strict=True)
    return list(scans), np.arange(n) % 2, {"lesion": masks}


@functools.lru_cache(maxsize=1)
def population(n, seed):
    return make_spine_cohort(n, random_state=seed, n_jobs=2)


def unreliable(n, seed):
    cohort = population(n, seed)
    bits = sum(1 << cohort.lesion_names.index(name) for name in NOT_OF_BONE)
    masks = [kinds & ~np.uint16(bits) > 0 for kinds in cohort.lesion_kinds]
    labels = cohort.target["unreliable"].to_numpy().astype(int)
    return list(cohort.data["scan"]), labels, {"lesions": masks}


def scoliosis(n, seed):
    """Draw scans with two masks of the curve: the apex, and the departure from a straight line."""
    cohort = population(n, seed)
    apex, departure = [], []
    for scan, line in zip(cohort.data["scan"], cohort.spine_lines, strict=True):
        rows, columns = np.arange(len(line)), np.arange(scan.shape[1])
        straight = np.polyval(np.polyfit(rows, line, 1), rows)
        curved, upright = (
            np.abs(columns - middle[:, None]) * COLUMN_MM <= HALF_BODY_MM
            for middle in (line, straight)
        )
        chord = np.interp(rows, rows[[0, -1]], line[[0, -1]])
        aside = np.abs(line - chord)
        apex.append(curved & (aside >= 0.7 * aside.max())[:, None])
        departure.append(curved ^ upright)
    labels = cohort.target["scoliosis"].to_numpy().astype(int)
    return list(cohort.data["scan"]), labels, {"apex": apex, "departure": departure}


# The function that draws the scans, the numbers of training and test scans, and the epochs.
TASKS = {
    "laminectomy": (functools.partial(focal, "laminectomy"), 600, 200, 15),
    "fracture": (functools.partial(focal, "fractured"), 600, 200, 20),
    "unreliable": (unreliable, 1000, 400, 15),
    "scoliosis": (scoliosis, 1000, 400, 15),
}
# The sign of a gradient only says whether more or less bone raises the probability.
FAST = {
    "grad_cam": grad_cam,
    "grad_cam++": functools.partial(grad_cam, variant="grad_cam++"),
    "hires_cam": functools.partial(grad_cam, variant="hires_cam"),
    "|vanilla_gradients|": lambda model, X: np.abs(vanilla_gradients(model, X)),
}
SLOW = {
    "|smooth_grad|": lambda model, X: np.abs(smooth_grad(model, X, random_state=0)),
    "integrated_gradients": integrated_gradients,
    "occlusion": occlusion,
}


def hit_rate(maps, masks):
    scores = localization_score(
        maps, masks, tolerance_mm=TOLERANCE_MM, spacing_mm=(ROW_MM, COLUMN_MM)
    )
    return scores["hit"].mean()


def measure(task, simulated, n_train, epochs, args):
    """Print how often the maps of one task hit."""
    scans, y, truths = simulated
    cropper = SpineCropper()
    X = cropper.fit_transform(scans)
    test = slice(n_train, None)
    masks = {name: np.zeros(X[test].shape, bool) for name in truths}
    for i, scan in enumerate(scans[test]):
        on_scan, on_crop = cropper.window(scan)
        for name, truth in truths.items():
            masks[name][i][on_crop] = truth[n_train + i][on_scan]
    print(
        f"\nsimulated {task}: {n_train} training scans, {epochs} epochs; hits within "
        f"{TOLERANCE_MM:g} mm"
    )
    print(f"{'':>24}{'AUC':>8}{'best epoch':>12}{'true positives':>20}{'seconds':>9}")
    trained = {}
    for seed in range(args.seeds):
        start = time.perf_counter()
        cnn = SpineCNNClassifier(epochs=epochs, augmenter=HorizontalFlip(), random_state=seed)
        cnn.fit(X[:n_train], y[:n_train])
        seconds = time.perf_counter() - start
        probability = cnn.predict_proba(X[test])[:, 1]
        correct = np.flatnonzero((probability >= 0.5) & (y[test] == 1))
        print(
            f"{f'network {seed}':>24}{roc_auc_score(y[test], probability):8.3f}"
            f"{cnn.best_epoch_:12}{f'{len(correct)} of {y[test].sum()}':>20}{seconds:9.0f}",
            flush=True,
        )
        if len(correct):
            trained[seed] = cnn, correct
    if not trained:
        print("no true positives, so there are no maps to test")
        return
    # Random networks and guesses get the scans of the first network.
    cnn, correct = next(iter(trained.values()))
    images = X[test][correct]
    rates = {name: {} for name in masks}
    for method, explain in (FAST | SLOW).items():
        n, n_random = (
            (args.scans, args.random) if method in FAST else (args.slow_scans, args.slow_random)
        )
        pairs = [(model, rows[:n]) for model, rows in trained.values()]
        pairs += [(randomized(cnn, random_state=k), correct[:n]) for k in range(n_random)]
        hits = [
            [hit_rate(maps, truth[rows]) for truth in masks.values()]
            for model, rows in pairs
            for maps in [explain(model, X[test][rows])]
        ]
        for name, column in zip(masks, np.transpose(hits), strict=True):
            by_trained, by_random = column[: len(trained)], column[len(trained) :]
            rates[name][method] = by_trained, by_random, min(n, len(correct))
    middle = np.zeros_like(images)
    middle[:, images.shape[1] // 2, images.shape[2] // 2] = 1
    guesses = {"any pixel": np.ones_like(images), "middle": middle, "brightest pixel": images}
    for name, truth in masks.items():
        width = max(17, 6 * args.seeds + 2)
        print(f"{name + ':':>24}{'trained':>9}  {'(each network)':<{width}}random weights")
        for method, (by_trained, by_random, n) in rates[name].items():
            each = " ".join(f"{rate:5.2f}" for rate in by_trained)
            print(
                f"{method:>24}{by_trained.mean():9.2f}  {each:<{width}}{by_random.mean():.2f}"
                f"  ({len(by_random)} x {n} scans)"
            )
        for guess, maps in guesses.items():
            print(f"{guess:>24}{hit_rate(maps, truth[correct]):9.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", type=int, default=3, help="networks per task")
    parser.add_argument("--seed", type=int, default=0, help="of the simulated scans")
    parser.add_argument("--scans", type=int, default=60, help="scans per network")
    parser.add_argument("--random", type=int, default=30, help="networks with random weights")
    parser.add_argument("--slow-scans", type=int, default=16, help="the same, for slow methods")
    parser.add_argument("--slow-random", type=int, default=4)
    parser.add_argument("--train", type=int, help="training scans instead of the task's number")
    parser.add_argument("--test", type=int, help="test scans instead of the task's number")
    parser.add_argument("--epochs", type=int, help="epochs instead of the task's number")
    args = parser.parse_args()
    for task in args.tasks:
        simulate, n_train, n_test, epochs = TASKS[task]
        n_train, n_test = args.train or n_train, args.test or n_test
        simulated = simulate(n_train + n_test, args.seed)
        measure(task, simulated, n_train, args.epochs or epochs, args)


if __name__ == "__main__":
    main()
