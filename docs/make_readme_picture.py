"""Run the README's example and draw its picture: `python docs/make_readme_picture.py`.

The picture is of the run that the README prints: what it printed is compared with what is there.
"""

import contextlib
import io
import re
from pathlib import Path

from matplotlib.figure import Figure

from skdxa.displays import RepeatedRocDisplay, ScanDisplay

ROOT = Path(__file__).resolve().parents[1]
readme = (ROOT / "README.md").read_text(encoding="utf-8")
example, shown = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", readme, re.DOTALL).groups()
names, printed = {}, io.StringIO()
with contextlib.redirect_stdout(printed):
    exec(example, names)
cohort, result = names["cohort"], names["result"]
auc = result.summary().loc["auc"]
print(printed.getvalue(), auc[["estimate", "low", "high"]].round(2).tolist())
if printed.getvalue() != shown:
    print("The README shows other numbers. Correct it: a fit depends a little on the processor.")

figure = Figure(figsize=(8, 4.2), layout="constrained")
scan_ax, roc_ax = figure.subplots(1, 2)
scoliotic = cohort.truth["cobb_angle"].where(cohort.target["scoliosis"] == 1)
shown = int((scoliotic - 22).abs().idxmin())
ScanDisplay.from_scan(cohort.data["scan"][shown], spine_line=True, ax=scan_ax)
scan_ax.set_title(f"Simulated patient, Cobb angle {scoliotic[shown]:.0f}°", fontsize="medium")
threshold = round(result.thresholds(0.8)["threshold"].item(), 2)
RepeatedRocDisplay.from_result(result, threshold=threshold, name="network", ax=roc_ax)
roc_ax.set_title(f"Scoliosis, {len(result.y)} simulated patients", fontsize="medium")
figure.savefig(ROOT / "docs" / "images" / "readme.png", dpi=150)
