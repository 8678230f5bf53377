"""Draw the README's picture: `python docs/make_readme_picture.py` (minutes)."""

from pathlib import Path

from matplotlib.figure import Figure

from skdxa.displays import RepeatedRocDisplay, ScanDisplay
from skdxa.evaluation import repeated_cross_validate
from skdxa.simulation import make_spine_cohort
from skdxa.study import Protocol

protocol = Protocol()
cohort = make_spine_cohort(protocol.n_subjects, random_state=protocol.random_state)
result = repeated_cross_validate(
    protocol.pipeline(),
    cohort.data,
    cohort.target["scoliosis"].astype(int),
    n_splits=protocol.n_splits,
    n_repeats=protocol.n_repeats,
    random_state=protocol.random_state,
)

figure = Figure(figsize=(7.2, 3.6), layout="constrained")
scan_ax, roc_ax = figure.subplots(1, 2)
scoliotic = cohort.truth["cobb_angle"].where(cohort.target["scoliosis"] == 1)
shown = int((scoliotic - 22).abs().idxmin())
ScanDisplay.from_scan(cohort.data["scan"][shown], spine_line=True, ax=scan_ax)
scan_ax.set_title(f"Simulated patient, Cobb angle {scoliotic[shown]:.0f}°", fontsize="medium")
RepeatedRocDisplay.from_result(result, name="network", ax=roc_ax)
roc_ax.set_title(f"Scoliosis, {len(result.y)} simulated patients", fontsize="medium")
figure.savefig(Path(__file__).with_name("images") / "readme.png", dpi=150)
