"""Measure how often `added_value_test` claims a gain where there is none, and where there is one.

    python experiments/added_value.py [--cohorts 400] [--draws 19] [--cells ...]

All patients are simulated: clinical columns and columns of a scan are normal, and the risk is a
logistic function of the clinical columns and, in cells with a gain, of one column of the scan.
Some scans show the clinical columns, blurred. A learner of closed form (those of ``coverage.py``)
is cross-validated on the columns of the scan, and its score added to the logistic model of the
clinical columns. For each cell the script prints how often a gain is claimed at 5 % by

- "LR": the likelihood ratio of the out-of-fold score, taken as given (two-sided), and "LR, right
  sign", the part of it where the score raises the risk;
- "redrawn": `added_value_test`, whose labels are redrawn from the clinical risk and whose models
  are trained again. With 19 draws it claims a gain if the true labels have the largest statistic.

The logistic models of all draws are fitted at once here; the first cohort of each cell is checked
against the functions of skdxa.
"""

import argparse
import os

# Set before NumPy is loaded, since its linear algebra would otherwise use every core.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import time
from typing import NamedTuple

import numpy as np
import pandas as pd
from coverage import LEARNERS, draw_folds
from scipy import stats
from scipy.special import expit

from skdxa.evaluation._added_value import RedrawnLabels, clinical_risk, gain_of

N_FOLDS = 10


class Cell(NamedTuple):
    learner: str = "linear"
    n: int = 600  # patients
    share: float = 0.13  # of positive ones, about
    clinical: tuple[float, ...] = (0.5, 0.3, 0.0)  # log odds per standard deviation
    columns: int = 8  # of the scan
    shown: int = 0  # columns of the scan that show a clinical one, blurred
    gain: float = 0.0  # log odds per standard deviation of the last column of the scan
    curved: float = 0.0  # log odds of the square of the first clinical column
    scans: int = 1  # per patient, whose labels are the same


CELLS = {
    "linear": Cell(),
    "linear, scans show the clinical columns": Cell(shown=3),
    "linear, fracture-like": Cell(n=2360, share=0.039),
    "linear, 12 events": Cell(n=300, share=0.04, clinical=(0.5,)),
    "linear, no clinical signal": Cell(clinical=(0.0,), columns=20),
    "linear, 12 clinical columns": Cell(
        n=300, clinical=(0.5, 0.3, *[0.0] * 10), shown=12, columns=20
    ),
    "linear, strong clinical columns": Cell(clinical=(1.5, 1.0), shown=2),
    "linear, 3 scans per patient": Cell(n=300, share=0.2, scans=3, shown=3),
    "neighbours": Cell("neighbours", shown=3),
    "bayes": Cell("bayes", shown=3),
    "linear, age curved and shown": Cell(curved=0.4, shown=3),
    "bayes, age curved and shown": Cell("bayes", curved=0.4, shown=3),
    "gain 0.3": Cell(gain=0.3, shown=3),
    "gain 0.5": Cell(gain=0.5, shown=3),
    "gain 0.3, fracture-like": Cell(n=2360, share=0.039, gain=0.3, shown=3),
    "gain 0.5, neighbours": Cell("neighbours", gain=0.5, shown=3),
}


def draw_cohort(cell, rng):
    """Return clinical columns, columns of the scan, labels and patients, by scan."""
    C = rng.normal(size=(cell.n, len(cell.clinical)))
    S = rng.normal(size=(cell.n, cell.columns))
    S[:, : cell.shown] = (C[:, : cell.shown] + S[:, : cell.shown]) / 2**0.5
    log_odds = C @ cell.clinical + cell.gain * S[:, -1] + cell.curved * (C[:, 0] ** 2 - 1)
    # Until there are enough events for the folds.
    while True:
        y = rng.random(cell.n) < expit(log_odds + np.log(cell.share / (1 - cell.share)))
        if y.sum() >= N_FOLDS:
            break
    if cell.scans == 1:
        return C, S, y, None
    patient = np.repeat(np.arange(cell.n), cell.scans)
    S = (S[patient] + rng.normal(size=(patient.size, cell.columns))) / 2**0.5
    return C[patient], S, y[patient], patient


def log_likelihoods(y, X):
    """Fit logistic models by Newton's method: log-likelihoods and coefficients.

    y has the shape (n_models, n), X that of (n_models, n, n_columns), a constant included.
    """
    coef = np.zeros((len(X), X.shape[2]))
    for _ in range(12):
        risk = expit(np.einsum("mnp,mp->mn", X, coef))
        weighted = X * (risk * (1 - risk))[:, :, np.newaxis]
        curvature = np.matmul(weighted.transpose(0, 2, 1), X)
        step = np.linalg.solve(curvature, np.einsum("mnp,mn->mp", X, y - risk)[:, :, np.newaxis])
        coef += step[:, :, 0]
        if np.abs(step).max() < 1e-7:
            break
    log_odds = np.einsum("mnp,mp->mn", X, coef)
    return np.sum(y * log_odds - np.logaddexp(0, log_odds), axis=1), coef


def statistics(y, C, score):
    """Return the signed roots of the likelihood ratios of scores, (n_models,)."""
    small = np.broadcast_to(
        np.column_stack([np.ones(len(C)), C]), (len(y), len(C), C.shape[1] + 1)
    )
    spread = score.std(axis=1, keepdims=True)
    large = np.concatenate([small, (score / spread)[:, :, np.newaxis]], axis=2)
    less, more = log_likelihoods(y, small)[0], log_likelihoods(y, large)
    return np.sign(more[1][:, -1]) * np.sqrt(np.maximum(2 * (more[0] - less), 0))


def out_of_fold(cell, S, y, patient, rng):
    """Return a cross-validated score, and the same centred within each fold."""
    first = np.ones(len(y), dtype=bool) if patient is None else np.r_[True, np.diff(patient) > 0]
    fold_of = draw_folds(y[first].astype(int), N_FOLDS, 1, rng)
    fold_of = fold_of if patient is None else fold_of[:, patient]
    score = LEARNERS[cell.learner](S, y.astype(int), fold_of, N_FOLDS)[0]
    fold = fold_of[0]
    return score, score - (np.bincount(fold, score) / np.bincount(fold))[fold]


def simulate(cell, n_cohorts, n_draws):
    """Return for each cohort the p-values of LR and of the draws, and the sign of the score."""
    rows = []
    for seed in range(n_cohorts):
        rng = np.random.default_rng(seed)
        C, S, y, patient = draw_cohort(cell, rng)
        design = np.column_stack([np.ones(len(C)), C])
        risk = expit(design @ log_likelihoods(y[np.newaxis], design[np.newaxis])[1][0])
        redrawn = RedrawnLabels(risk, y, patient, N_FOLDS)
        labels = [y, *(redrawn.draw(rng) for _ in range(n_draws))]
        scores = [out_of_fold(cell, S, of, patient, rng) for of in labels]
        raw, centred = (np.array(of) for of in zip(*scores, strict=True))
        as_given = statistics(np.array(labels[:1]), C, raw[:1])[0]
        if patient is None:
            found = statistics(np.array(labels), C, centred)
        if patient is not None or seed == 0:
            columns = pd.DataFrame(C).add_prefix("c")
            np.testing.assert_allclose(risk, clinical_risk(y, columns), atol=1e-6)
            direct = np.array(
                [
                    gain_of(drawn, columns, score, patient)[0]
                    for drawn, score in zip(labels, centred, strict=True)
                ]
            )
            if patient is None:
                np.testing.assert_allclose(found, direct, atol=1e-4)
            found = direct
        pvalue = (1 + np.sum(found[1:] >= found[0])) / (1 + n_draws)
        rows.append([stats.chi2.sf(as_given**2, 1), pvalue, as_given, y.sum()])
    return np.array(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cohorts", type=int, default=400, help="simulated cohorts per cell")
    parser.add_argument("--draws", type=int, default=19, help="of labels in each cohort")
    parser.add_argument("--cells", nargs="+", help="names of cells; all if not given")
    args = parser.parse_args()
    unknown = set(args.cells or ()) - set(CELLS)
    if unknown:
        parser.error(f"no cell {sorted(unknown)[0]!r}: take of {', '.join(CELLS)}.")
    print(
        f"{args.cohorts} simulated cohorts per cell, {args.draws} draws of labels: a gain claimed "
        "at 5 %, in per cent (standard error)"
    )
    for name in args.cells or list(CELLS):
        start = time.perf_counter()
        by_ratio, pvalue, statistic, events = simulate(CELLS[name], args.cohorts, args.draws).T
        shares = {
            "LR": by_ratio < 0.05,
            "LR, right sign": (by_ratio < 0.05) & (statistic > 0),
            "redrawn": pvalue < 0.05 + 1e-9,
        }
        texts = [
            f"{kind} {100 * of.mean():5.1f} ({100 * of.std() / len(of) ** 0.5:.1f})"
            for kind, of in shares.items()
        ]
        print(
            f"{name:42}{events.mean():6.0f} events  "
            + "  ".join(texts)
            + f"  ({time.perf_counter() - start:.0f} s)",
            flush=True,
        )


if __name__ == "__main__":
    main()
