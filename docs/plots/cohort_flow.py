"""Draw the flow chart of a cohort that was read from files."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from skdxa.displays import CohortFlowDisplay
from skdxa.scans import load_cohort

plt.rcParams["font.size"] = 12
rng = np.random.default_rng(0)
table = pd.DataFrame(
    {
        "scan": [f"{number}.npy" for number in range(12)],
        "patient": [f"P{number // 2}" for number in range(12)],
        "scoliosis": [0, 1, 0, None] * 3,
    }
)
with tempfile.TemporaryDirectory() as folder:
    for name in table["scan"][:11]:
        np.save(Path(folder) / name, rng.uniform(0, 1.5, size=(160, 300)))
    (Path(folder) / "11.npy").write_bytes(b"%PDF-1.7 a report, not a scan")
    cohort = load_cohort(
        table,
        scans=folder,
        target_columns=["scoliosis"],
        group_column="patient",
        on_error="exclude",
    )
figure, ax = plt.subplots(figsize=(6, 2.8), layout="constrained")
CohortFlowDisplay.from_cohort(cohort, ax=ax)
