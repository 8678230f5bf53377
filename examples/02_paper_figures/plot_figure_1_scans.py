"""
Figure 1: a normal and a degenerated spine
==========================================

Figure 1 of Nissinen et al. (2021) compares a normal lumbar spine with one that has scoliosis and
severe degeneration. Here are two such simulated patients, with the values that a densitometer
would report.
"""

# %%
# Two patients
# ------------
# A simulated cohort contains the true Cobb angle, the affected vertebrae, and the areal density
# of each. We select the straightest spine without and the most curved spine with four affected
# vertebrae.

import matplotlib.pyplot as plt
import pandas as pd

from skdxa.densitometry import FINNISH_WOMEN, evaluable_vertebrae, t_score
from skdxa.displays import ScanDisplay
from skdxa.simulation import make_spine_cohort

cohort = make_spine_cohort(300, random_state=4)
levels = ["L1", "L2", "L3", "L4"]
n_affected = cohort.truth[[f"affected_{level}" for level in levels]].sum(axis=1)
healthy = cohort.truth["cobb_angle"][n_affected == 0].idxmin()
degenerate = cohort.truth["cobb_angle"][n_affected == 4].idxmax()
pair = {"a": healthy, "b": degenerate}

# %%
# The scans
# ---------
# Both are drawn in anatomical proportions: a pixel is 1.05 mm high and 0.60 mm wide. One grey
# scale of areal density serves both, so that equal densities look alike.

figure, axes = plt.subplots(1, 2, figsize=(5.4, 3.9), layout="constrained")
shades = {"image": {"vmin": 0, "vmax": 2.4}}
for ax, (letter, patient) in zip(axes, pair.items(), strict=True):
    angle, affected = cohort.truth["cobb_angle"][patient], n_affected[patient]
    display = ScanDisplay.from_scan(cohort.data["scan"][patient], unit=None, ax=ax, style=shades)
    title = f"({letter}) simulated,\nCobb angle {angle:.0f}°,\n{affected} vertebrae affected"
    ax.set_title(title, fontsize=11)
    ax.set_anchor("N")
axes[1].set_ylabel("")
figure.colorbar(
    display.image_,
    ax=axes,
    location="bottom",
    shrink=0.7,
    extend="both",
    label="Areal density, g/cm$^2$",
)
# sphinx_gallery_start_ignore
figure.suptitle(
    "Two simulated scans side by side: a straight spine with smooth vertebrae, and a strongly "
    "curved one whose vertebrae have bright spurs and narrow discs",
    visible=False,
    in_layout=False,
)
# sphinx_gallery_end_ignore
figure.show()

# %%
# T-scores
# --------
# T-scores of each vertebra with the paper's reference, Finnish women, and the vertebrae excluded
# by the rules of the International Society for Clinical Densitometry: those that a reader finds
# abnormal, or that differ by more than 1.0 from their neighbour. Degeneration adds mineral that
# does not strengthen the bone, so the second patient's T-scores are unreliable; none of her
# vertebrae is evaluable.

spine = cohort.data.loc[list(pair.values()), [f"bmd_{level}" for level in levels]]
scores = t_score(spine, FINNISH_WOMEN, site="spine").set_axis(levels, axis=1)
abnormal = cohort.truth.loc[spine.index, [f"affected_{level}" for level in levels]]
decision = evaluable_vertebrae(scores, abnormal=abnormal.set_axis(levels, axis=1).astype(bool))
pd.concat({"T-score": scores.round(1), "left out": decision.reason}, axis=1).set_axis(list(pair))
