"""Maps a second of the paper's network, the memory of many Grad-CAMs, and where maps point.

    python benchmarks/inspection.py speed [--images 256] [--rounds 5] [--calls 2000]
    python benchmarks/inspection.py where [--tasks laminectomy ...] [--seeds 3] [--seed 0]

"speed", which is also what no word means: images of 150 x 150 are random. The methods take
turns, so that a busy machine slows all of them alike; the table gives the fastest and the
median round. Memory is the resident size while Grad-CAM is called again and again, for one
image at a time and, every tenth call, with other weights.

"where": networks are trained on simulated scans, and the maps of the test scans that they
rightly call positive are held against the truth: how often does the highest pixel lie on the
lesion or the curve, within the tolerance? Beside it stand networks with random weights on the
same scans, and three guesses that know no network: any pixel, the middle of the image, and its
brightest pixel. A map that does no better than these has shown nothing.
"""

import argparse
import functools
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from joblib import Parallel, delayed
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from skdxa.classification import SpineCNNClassifier
from skdxa.inspection import (
    class_score,
    feature_maps,
    grad_cam,
    integrated_gradients,
    localization_score,
    maximize_activation,
    occlusion,
    randomized,
    smooth_grad,
    vanilla_gradients,
)
from skdxa.preprocessing import HorizontalFlip, SpineCropper
from skdxa.simulation import make_spine_cohort, make_spine_scan


def resident_mib():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def speed(args):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(args.images, 150, 150)).astype(np.float32)
    cnn = SpineCNNClassifier(epochs=1, random_state=0).fit(X[:32], np.arange(32) % 2)
    few = X[:2]
    methods = {
        "class_score": (len(X), lambda: class_score(cnn, X)),
        "grad_cam": (len(X), lambda: grad_cam(cnn, X)),
        "grad_cam, conv1": (len(X), lambda: grad_cam(cnn, X, layer="conv1")),
        "vanilla_gradients": (len(X), lambda: vanilla_gradients(cnn, X)),
        "feature_maps": (len(X), lambda: feature_maps(cnn, X, random_state=0)),
        "integrated_gradients": (len(few), lambda: integrated_gradients(cnn, few)),
        "occlusion": (len(few), lambda: occlusion(cnn, few)),
        "maximize_activation": (
            8,
            lambda: maximize_activation(cnn, units=range(8), n_steps=20, random_state=0),
        ),
    }
    rates = {name: [] for name in methods}
    for _, method in methods.values():
        method()
    for _ in range(args.rounds):
        for name, (n, method) in methods.items():
            start = time.perf_counter()
            method()
            rates[name].append(n / (time.perf_counter() - start))
    print(f"{'method':<34}{'fastest':>10}{'median':>10}   (maps/s)")
    for name, rate in rates.items():
        steps = ", 20 steps" if name == "maximize_activation" else ""
        print(f"{name + steps:<34}{max(rate):>10.1f}{statistics.median(rate):>10.1f}")

    others = [randomized(cnn, random_state=seed) for seed in range(5)]
    print(f"\n{'Grad-CAMs':>10}{'MiB':>8}")
    for call in range(args.calls + 1):
        if call % max(1, args.calls // 5) == 0:
            print(f"{call:>10}{resident_mib():>8.0f}", flush=True)
        grad_cam(others[call // 10 % 5], X[:1])


VERTEBRAE = ("L1", "L2", "L3", "L4")
TOLERANCE_MM = 5.0
ROW_MM, COLUMN_MM = 1.05, 0.60
# Half the width of a lumbar body.
HALF_BODY_MM = 22.0
# Findings that lie beside the vertebrae, or change no bone.
NOT_OF_BONE = ("clips", "aortic_calcification", "motion")


def worn_spine(finding, seed):
    """Draw a worn spine; one vertebra of every second has the finding, wherever it lies."""
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
    # The matrices are small: threads would only wait for each other.
    with threadpool_limits(1, user_api="blas"):
        spine = make_spine_scan(**options)
    name = {"fractured": "fracture"}.get(finding, finding)
    return spine.scan, spine.lesion_masks[name] if positive else np.zeros(spine.scan.shape, bool)


def focal(finding, n, seed):
    """Scans, labels and masks of one finding on one vertebra."""
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
    """Two readings of "the curve": the spine about its apex, and where it leaves the straight."""
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


# Who makes the scans, how many to train on and to test with, and the epochs.
TASKS = {
    "laminectomy": (functools.partial(focal, "laminectomy"), 600, 200, 15),
    "fracture": (functools.partial(focal, "fractured"), 600, 200, 20),
    "unreliable": (unreliable, 1000, 400, 15),
    "scoliosis": (scoliosis, 1000, 400, 15),
}
# A gradient's sign says whether more bone or less speaks for the class; both count.
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


def where(args):
    for task in args.tasks:
        make, n_train, n_test, epochs = TASKS[task]
        point(task, make(n_train + n_test, args.seed), n_train, epochs, args)


def point(task, simulated, n_train, epochs, args):
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
        f"\nsimulated {task}: {n_train} scans to train on, {epochs} epochs; hits within "
        f"{TOLERANCE_MM:g} mm"
    )
    print(f"{'':>24}{'AUC':>8}{'best epoch':>12}{'correct positives':>20}{'seconds':>9}")
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
    # Random networks, and what needs no network, get the scans of the first one.
    cnn, correct = next(iter(trained.values()))
    images = X[test][correct]
    rates = {name: {} for name in masks}
    for method, give in (FAST | SLOW).items():
        n, n_random = (
            (args.scans, args.random) if method in FAST else (args.slow_scans, args.slow_random)
        )
        pairs = [(one, rows[:n]) for one, rows in trained.values()]
        pairs += [(randomized(cnn, random_state=k), correct[:n]) for k in range(n_random)]
        hits = [
            [hit_rate(maps, truth[rows]) for truth in masks.values()]
            for one, rows in pairs
            for maps in [give(one, X[test][rows])]
        ]
        for name, column in zip(masks, np.transpose(hits), strict=True):
            learned, forgotten = column[: len(trained)], column[len(trained) :]
            rates[name][method] = learned, forgotten, min(n, len(correct))
    middle = np.zeros_like(images)
    middle[:, images.shape[1] // 2, images.shape[2] // 2] = 1
    guesses = {"any pixel": np.ones_like(images), "middle": middle, "brightest pixel": images}
    for name, truth in masks.items():
        width = max(17, 6 * args.seeds + 2)
        print(f"{name + ':':>24}{'trained':>9}  {'(each network)':<{width}}random weights")
        for method, (learned, forgotten, n) in rates[name].items():
            each = " ".join(f"{rate:5.2f}" for rate in learned)
            print(
                f"{method:>24}{learned.mean():9.2f}  {each:<{width}}{forgotten.mean():.2f}"
                f"  ({len(forgotten)} x {n} scans)"
            )
        for guess, maps in guesses.items():
            print(f"{guess:>24}{hit_rate(maps, truth[correct]):9.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("section", nargs="?", choices=("speed", "where"), default="speed")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", type=int, default=3, help="networks to train for a task")
    parser.add_argument("--seed", type=int, default=0, help="of the simulated scans")
    parser.add_argument("--scans", type=int, default=60, help="scans whose maps are looked at")
    parser.add_argument("--random", type=int, default=30, help="networks with random weights")
    parser.add_argument("--slow-scans", type=int, default=16, help="the same for slow methods")
    parser.add_argument("--slow-random", type=int, default=4)
    args = parser.parse_args()
    {"speed": speed, "where": where}[args.section](args)


if __name__ == "__main__":
    main()
