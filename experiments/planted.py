"""Measure whether the stack detects a risk that only the image reveals, and its false alarms.

    python experiments/planted.py gain [--patients 12000] [--worth 0.05] [--epochs 10] [--paper]
    python experiments/planted.py null [--patients 900] [--worth 0.05] [--epochs 20] [--runs 100]

All patients are simulated. The model is `make_stack` of a small convolutional network
and min T (the minimum T-score of spine and hip), trained and scored on fractures ever, out of
fold. The network gets crops of the spine, each standardised to a mean of 0 and an SD of 1, so
that only min T carries the density. It was designed for textures, and its training was chosen
on 12,000 simulated patients of other seeds (1000 to 1005).

**Rule.** A gain over min T is claimed where DeLong's paired test of the stack's out-of-fold
scores against min T itself, pooled over the folds of one cross-validation, has a two-sided
p < 0.05 and the stack has the larger AUC. This is a one-sided test at 2.5 %, and conservative:
under the null hypothesis, a trained stack is worse than min T itself.

Two more figures are reported: the mean gain over the folds, since pooling the scores of models
that differ in level reduces the gain, and the likelihood-ratio test of the network's out-of-fold
scores (log odds) in a logistic model with min T. That test treats the scores as fixed although
they were estimated from the other patients' labels; ``null`` measures its false positives.

``gain`` adds a risk that only the image reveals (`image_risk` of `make_spine_cohort`), worth
`--worth` of AUC beside min T. ``--worth 0`` is the control: the gain of the same network from
texture and collapsed vertebrae, which affect the simulated risk and are visible in the image.
``--paper`` uses the paper's network, the default of `SpineCNNClassifier`.

``null`` counts how often a gain is claimed although there is none. Scans are drawn once; for
each run, patients are drawn from them without replacement, and labels anew from the risk given
min T alone: the bones have streaks as in ``gain``, but the image adds nothing to min T. Compared
with ``gain``, crops are smaller, inner folds fewer, and epochs more.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch

from skdxa.classification import SpineCNNClassifier, make_stack
from skdxa.densitometry import FINNISH_WOMEN, minimum_t_score, t_score
from skdxa.evaluation import repeated_cross_validate
from skdxa.preprocessing import IntensityScaler, SpineCropper
from skdxa.significance import (
    delong_test,
    likelihood_ratio_test,
    logistic_table,
    proportion_interval,
)
from skdxa.simulation import make_spine_cohort

LEVEL = 0.05
# Share of simulated patients with a fracture ever.
SHARE = 0.144


def texture_network(shape):
    """Build a network of local contrast, one convolution, and the mean of each feature map."""
    layers = keras.layers
    image = keras.Input((*shape, 1))
    around = layers.AveragePooling2D(5, strides=1, padding="same")(image)
    maps = layers.Conv2D(16, 5, activation="relu")(layers.Subtract()([image, around]))
    # Means of maps differ little between scans; training needs them on one scale.
    scale = layers.BatchNormalization(momentum=0.9)
    means = scale(layers.GlobalAveragePooling2D()(maps))
    # The output starts at the share of fractures, and decreasing steps keep its mean there:
    # scores of networks with different mean levels could not be pooled over the folds.
    level = keras.initializers.Constant(logit(SHARE))
    risk = layers.Dense(1, activation="sigmoid", bias_initializer=level, dtype="float32")
    return keras.Model(image, risk(layers.Dropout(0.3)(means)))


def table_of(cohort, height, width):
    """Return the input of the stack: crops and min T."""
    # Both steps depend on each scan alone, so applying them outside the folds leaks nothing.
    crop = make_pipeline(SpineCropper(height, width), IntensityScaler("per_scan"))
    table = pd.DataFrame({"scan": pd.Series(list(crop.fit_transform(cohort.data)), dtype=object)})
    spine = t_score(cohort.data.filter(regex="bmd_L"), FINNISH_WOMEN, site="spine")
    neck = t_score(cohort.data["bmd_neck"], FINNISH_WOMEN, site="femoral_neck")
    total = t_score(cohort.data["bmd_total_hip"], FINNISH_WOMEN, site="total_hip")
    table["min_t_score"] = minimum_t_score(pd.concat([spine, neck, total], axis=1))
    return table


def texture_classifier(epochs):
    decay = keras.callbacks.LearningRateScheduler(
        lambda epoch: 1e-3 * (1 + np.cos(np.pi * epoch / epochs))
    )
    return SpineCNNClassifier(
        network=texture_network, epochs=epochs, callbacks=[decay], validation_fraction=0
    )


def out_of_fold(table, y, network, *, inner, seed):
    """Cross-validate the stack; return the result and its network's scores as log odds."""
    stack = make_stack(network, "min_t_score", lower_is_worse="min_t_score", cv=inner)
    result = repeated_cross_validate(
        stack, table, y, n_splits=3, n_repeats=1, random_state=seed, return_models="all",
        progress=False,
    )  # fmt: skip
    of_network = np.empty(len(y))
    for (_, fold), model in result.models.items():
        rows = result.scores.loc[result.scores["fold"] == fold, "row"]
        of_network[rows] = model.transform(table.iloc[rows])[:, -1]
    return result, logit(np.clip(of_network, 1e-6, 1 - 1e-6))


def gains_over_min_t(table, y, result, network):
    """Compute the gain over min T in each of the ways described above."""
    min_t = -table["min_t_score"]
    folds = result.scores.groupby("fold")["row"]
    of_min_t = [roc_auc_score(y[rows], min_t[rows]) for _, rows in folds]
    both = pd.DataFrame({"min_t": min_t, "network": network})
    return Bunch(
        min_t=roc_auc_score(y, min_t),
        network=roc_auc_score(y, network),
        stack=roc_auc_score(y, result.repeat_scores(0)),
        delong=delong_test(y, result.repeat_scores(0), min_t),
        mean_gain=result.fold_metrics()["auc"].mean() - np.mean(of_min_t),
        ratio=likelihood_ratio_test(y, both[["min_t"]], both),
        weight=logistic_table(y, both).loc["network", "coef"],
    )


def claimed(delong):
    return delong.pvalue < LEVEL and delong.estimate > 0


def fitted_area(y, *columns):
    """Compute the AUC of a logistic model of a few columns on its training patients."""
    X = np.column_stack(columns)
    return roc_auc_score(y, LogisticRegression(C=np.inf).fit(X, y).decision_function(X))


def gain(args):
    start = time.perf_counter()
    cohort = make_spine_cohort(
        args.patients, image_risk=args.worth, random_state=args.seed, n_jobs=args.jobs
    )
    table = table_of(cohort, 120, 60)
    y = cohort.target["fracture_ever"].to_numpy().astype(int)
    drawn = time.perf_counter()
    cnn = texture_classifier(args.epochs)
    if args.paper:
        cnn = SpineCNNClassifier(epochs=args.epochs)
    result, network = out_of_fold(table, y, cnn, inner=3, seed=args.seed)
    found = gains_over_min_t(table, y, result, network)
    print(
        f"{args.patients} simulated patients, {y.sum()} with a fracture ever, image risk "
        f"{args.worth}, seed {args.seed}, {args.epochs} epochs"
        f"{' of the paper network' if args.paper else ''}"
    )
    if args.worth:
        min_t, trait = -table["min_t_score"], cohort.truth["striation"]
        truth = fitted_area(y, min_t, trait) - fitted_area(y, min_t)
        correlation = np.corrcoef(network, trait)[0, 1]
        print(f"min T and the true striation over min T: {truth:+.3f}")
        print(f"correlation of the network's score with the true striation: {correlation:.2f}")
    for name in ("min_t", "network", "stack"):
        print(f"pooled AUC of {name}: {found[name]:.3f}")
    delong = found.delong
    print(
        f"gain of the stack {delong.estimate:+.3f} ({delong.interval.low:+.3f} to "
        f"{delong.interval.high:+.3f}), DeLong p = {delong.pvalue:.2g}: a gain is "
        f"{'' if claimed(delong) else 'not '}claimed; mean over the folds {found.mean_gain:+.3f}"
    )
    print(
        f"likelihood-ratio test of the network beside min T: p = {found.ratio.pvalue:.2g}, "
        f"coefficient {found.weight:+.2f}"
    )
    print(
        f"minutes: scans {(drawn - start) / 60:.1f}, trainings "
        f"{(time.perf_counter() - drawn) / 60:.1f}"
    )


def null(args):
    start = time.perf_counter()
    cohort = make_spine_cohort(
        args.pool, image_risk=args.worth, random_state=args.seed, n_jobs=args.jobs
    )
    table = table_of(cohort, 80, 48)
    min_t = table[["min_t_score"]]
    model = LogisticRegression(C=np.inf).fit(min_t, cohort.target["fracture_ever"])
    risk = model.predict_proba(min_t)[:, 1]
    rng = np.random.default_rng(args.seed)
    lines = []
    for run in range(args.runs):
        rows = rng.choice(args.pool, args.patients, replace=False)
        y = (rng.uniform(size=args.patients) < risk[rows]).astype(int)
        part = table.iloc[rows].reset_index(drop=True)
        cnn = texture_classifier(args.epochs)
        result, network = out_of_fold(part, y, cnn, inner=2, seed=run)
        found = gains_over_min_t(part, y, result, network)
        lines.append(
            {
                "AUC of min T": found.min_t,
                "AUC of the network": found.network,
                "AUC of the stack": found.stack,
                "gain, pooled": found.delong.estimate,
                "gain over the folds": found.mean_gain,
                "claimed": claimed(found.delong),
                "DeLong": found.delong.pvalue < LEVEL,
                "ratio": found.ratio.pvalue < LEVEL,
                "ratio, better": found.ratio.pvalue < LEVEL and found.weight > 0,
            }
        )
        if (run + 1) % 10 == 0:
            minutes = (time.perf_counter() - start) / 60
            print(f"{run + 1} runs, {minutes:.1f} minutes", flush=True)
    runs = pd.DataFrame(lines)
    print(
        f"{args.runs} runs of {args.patients} simulated patients out of {args.pool}, seed "
        f"{args.seed}, image risk {args.worth}, {args.epochs} epochs: no information beside "
        "min T"
    )
    for name, values in runs.select_dtypes(float).items():
        print(f"mean {name}: {values.mean():.3f} (SD {values.std():.3f})")
    for name, what in (
        ("claimed", "gain claimed (DeLong p < 0.05, stack better)"),
        ("DeLong", "DeLong p < 0.05, in either direction"),
        ("ratio", "likelihood-ratio test of the network p < 0.05"),
        ("ratio, better", "the same, and a higher score of the network is a higher risk"),
    ):
        share = proportion_interval(int(runs[name].sum()), len(runs))
        print(f"{what}: {share.estimate:.2f} ({share.low:.2f} to {share.high:.2f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for function, patients, epochs in ((gain, 12000, 10), (null, 900, 20)):
        command = commands.add_parser(function.__name__)
        command.set_defaults(function=function)
        command.add_argument("--patients", type=int, default=patients)
        command.add_argument("--seed", type=int, default=0)
        command.add_argument("--epochs", type=int, default=epochs)
        command.add_argument("--jobs", type=int, default=2)
        command.add_argument("--worth", type=float, default=0.05)
    commands.choices["gain"].add_argument("--paper", action="store_true")
    commands.choices["null"].add_argument("--runs", type=int, default=100)
    commands.choices["null"].add_argument("--pool", type=int, default=3000)
    args = parser.parse_args()
    args.function(args)


if __name__ == "__main__":
    main()
