"""
Bias from choosing the epoch on the scored fold
===============================================

A network is trained for many epochs, and the weights of the epoch with the lowest validation
error are kept. Nissinen et al. (2021) used the fold that is scored afterwards as validation
images. This page measures the bias of that choice on images and labels of pure noise, whose true
AUC is 0.5.

Let :math:`A_e` be the AUC on the scored fold after epoch :math:`e`. On noise each has mean
0.5, but an epoch :math:`e^*` chosen for its performance on that fold has

.. math:: E[A_{e^*}] > \\max_e E[A_e] = 0.5 .

An epoch chosen on images split off from the *training* part is independent of the fold, so
:math:`E[A_{e^*}] = 0.5`.
"""

# %%
# Noise, cross-validated in two ways
# ----------------------------------
# Networks, folds and seeds are the same. ``fit(..., X_val=, y_val=)`` chooses the epoch on the
# images that are scored next; without these arguments, the classifier splits off a fifth of its
# training images.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from skdxa.classification import SpineCNNClassifier


def cross_validated_aucs(seed, n_images=100):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_images, 20, 16)).astype(np.float32)
    y = np.arange(n_images) % 2
    cnn = SpineCNNClassifier(
        filters=(4, 8),
        dense_units=8,
        dropout=0.2,
        epochs=20,
        learning_rate=3e-3,
        validation_fraction=0.2,
        random_state=seed,
    )
    folds = []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(X, y):
        on_scored_fold = cnn.fit(X[train], y[train], X_val=X[test], y_val=y[test])
        biased = roc_auc_score(y[test], on_scored_fold.predict_proba(X[test])[:, 1])
        inside_training = cnn.fit(X[train], y[train])
        unbiased = roc_auc_score(y[test], inside_training.predict_proba(X[test])[:, 1])
        folds.append((biased, unbiased))
    return np.mean(folds, axis=0)


choices = ["epoch chosen on\nthe scored fold", "epoch chosen within\nthe training part"]
aucs = pd.DataFrame([cross_validated_aucs(seed) for seed in range(12)], columns=choices)
aucs.describe().loc[["mean", "std"]].round(3)

# %%
# The bias
# --------
# Each point is one cross-validation of different noise; the bars are means with standard errors.
# On the left, the distance of the mean from the dotted line is the bias of the choice.

figure, ax = plt.subplots(figsize=(5, 3.6), layout="constrained")
rng = np.random.default_rng(0)
for place, choice in enumerate(choices):
    ax.plot(
        place + rng.uniform(-0.12, 0.12, size=len(aucs)), aucs[choice], "o", color="#7F7F7F", ms=4
    )
    ax.errorbar(
        place,
        aucs[choice].mean(),
        yerr=aucs[choice].sem(),
        fmt="_",
        ms=40,
        color=["#D55E00", "#0072B2"][place],
        capsize=6,
        lw=2,
    )
ax.axhline(0.5, color="black", lw=0.8, ls=":")
ax.set_xticks([0, 1], choices)
ax.set(xlim=(-0.5, 1.5), ylabel="Cross-validated AUC", title="Images and labels of pure noise")
figure.show()

# %%
# The folds here hold 20 images; the paper's hold 295, for which the bias is not measured here.
# The second way is the default. The first remains available for comparison with the paper, as
# above.
