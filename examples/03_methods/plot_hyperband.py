"""
Three searches for the same number of epochs
============================================

A grid, a random search and Hyperband get about the same number of training epochs and search for
the learning rate and the dropout of a small network on simulated patients. The scans are averaged
over 4 x 4 pixels, so that this page takes less than a minute; differences between searches on so
few patients are mostly chance.
"""

# %%
# What Hyperband will cost
# ------------------------
# The table is known before anything is trained. ``cost_warm`` counts the epochs if a network that
# is trained further continues from its weights.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import loguniform, uniform
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    StratifiedShuffleSplit,
    train_test_split,
)

from skdxa.classification import HyperbandSearchCV, SpineCNNClassifier, hyperband_table
from skdxa.preprocessing import SpineCropper
from skdxa.simulation import make_spine_cohort

EPOCHS = 9
brackets = hyperband_table(EPOCHS, eta=3)
brackets.set_index(["bracket", "iter"])

# %%
# The three searches
# ------------------
# Scores are AUCs of "unreliable" on a third of the patients of the search; other patients are held
# out.

cohort = make_spine_cohort(240, random_state=3)
scans = SpineCropper(height=148, width=148).fit_transform(cohort.data)
scans = scans.reshape(len(scans), 37, 4, 37, 4).mean(axis=(2, 4))
labels = cohort.target["unreliable"].to_numpy().astype(int)
X, X_test, y, y_test = train_test_split(
    scans, labels, test_size=0.5, stratify=labels, random_state=0
)
cnn = SpineCNNClassifier(
    filters=(4, 8),
    dense_units=16,
    batch_size=16,
    epochs=EPOCHS,
    validation_fraction=0.0,
    restore_best=False,
    random_state=0,
)
n_full = int(brackets["cost_warm"].sum()) // EPOCHS
space = {"learning_rate": loguniform(1e-4, 1e-1), "dropout": uniform(0, 0.7)}
settings = {
    "scoring": "roc_auc",
    "cv": StratifiedShuffleSplit(1, test_size=1 / 3, random_state=0),
}
searches = {
    "grid": GridSearchCV(
        cnn,
        {"learning_rate": np.geomspace(1e-4, 1e-1, n_full // 2), "dropout": [0.1, 0.5]},
        **settings,
    ),
    "random": RandomizedSearchCV(cnn, space, n_iter=n_full, random_state=0, **settings),
    "Hyperband": HyperbandSearchCV(
        cnn, space, max_resource=EPOCHS, eta=3, random_state=0, **settings
    ),
}
rows = {}
for name, search in searches.items():
    search.fit(X, y)
    n_settings = len(search.cv_results_["params"])
    if name == "Hyperband":
        n_settings = int(brackets.query("iter == 0")["n_candidates"].sum())
        epochs = int(search.brackets_["cost_warm"].sum())
    else:
        epochs = n_settings * EPOCHS
    rows[name] = {
        "settings": n_settings,
        "epochs": epochs,
        "AUC in the search": search.best_score_,
        "AUC on new patients": roc_auc_score(y_test, search.predict_proba(X_test)[:, 1]),
    }
table = pd.DataFrame(rows).T.astype({"settings": int, "epochs": int})
table.round(2)

# %%
# Where the epochs went
# ---------------------
# Each point is a configuration after a number of epochs. Hyperband drops learning rates that are
# too low or too high after one or three epochs; the others train every one to the end.

figure, axes = plt.subplots(
    3, 1, figsize=(4.8, 6.6), sharex=True, sharey=True, layout="constrained"
)
for ax, (name, search) in zip(axes, searches.items(), strict=True):
    results = pd.DataFrame(search.cv_results_)
    n_epochs = results.get("n_resources", pd.Series(EPOCHS, index=results.index))
    points = ax.scatter(
        results["param_learning_rate"].astype(float),
        results["mean_test_score"],
        c=n_epochs,
        s=8 + 6 * n_epochs,
        vmin=1,
        vmax=EPOCHS,
        cmap="viridis_r",
    )
    ax.set(xscale="log", xlim=(5e-5, 2e-1), ylabel="AUC")
    title = f"{name}: {rows[name]['settings']} settings, {rows[name]['epochs']} epochs"
    ax.set_title(title, fontsize=11)
axes[-1].set_xlabel("Learning rate (simulated patients)")
figure.colorbar(points, ax=axes, label="Epochs", location="right", aspect=40)
# sphinx_gallery_start_ignore
figure.suptitle(
    "AUC by learning rate for each search: the grid and the random search have few large points, "
    "Hyperband many small ones for short trainings and few large ones; the best learning rates "
    "are neither the lowest nor the highest",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()
