"""What a study is told about its labels, epochs, raters, events and files."""

import re

import numpy as np
import pandas as pd
import pytest
from study_cohorts import cheap_model, small_cohort

from skdxa.evaluation import Folds, repeated_cross_validate
from skdxa.significance import rater_agreement
from skdxa.study import _audit as audit
from skdxa.study._step_audit import _kept_area
from skdxa.study._tasks import Task

TASK = Task("scoliosis", "scoliosis")


def test_shuffled_labels_that_are_predicted_mean_a_leak():
    cohort = small_cohort()
    y = cohort.target["scoliosis"].astype(int).to_numpy()
    run = {"n_splits": 3, "n_repeats": 1, "random_state": 0, "progress": False}
    shuffled = np.random.RandomState(0).permutation(y)
    clean = audit.audit_shuffled(
        repeated_cross_validate(cheap_model(), cohort.data, shuffled, **run)
    )
    assert clean.verdict == "nothing found"
    # Labels written into the scans before the study.
    cohort.data["scan"] = pd.Series(
        [scan + label for scan, label in zip(cohort.data["scan"], shuffled, strict=True)],
        dtype=object,
    )
    leaked = audit.audit_shuffled(
        repeated_cross_validate(cheap_model(), cohort.data, shuffled, **run)
    )
    assert leaked.verdict == "fault"
    assert leaked.finding.endswith("have leaked into training.")


def test_the_chance_range_of_shuffled_labels_is_that_of_patients():
    rng = np.random.default_rng(0)
    n_patients, n_scans = 60, 5
    patients = np.repeat(np.arange(n_patients), n_scans)
    areas, verdicts = [], []
    for _ in range(150):
        labels = rng.permutation(np.arange(n_patients) % 2)[patients]
        # Scores that know nothing but are alike within a patient.
        score = rng.normal(size=n_patients)[patients] + 0.3 * rng.normal(size=patients.size)
        drawn = Folds.draw(labels, groups=patients, n_splits=3, n_repeats=1, random_state=0)
        result = drawn.with_scores(score[np.newaxis])
        verdicts.append(audit.audit_shuffled(result).verdict)
        areas.append(result.repeat_metrics()["auc"].mean())
    assert verdicts.count("fault") <= 1
    low, high = re.search(
        r"between ([0-9.]+) and ([0-9.]+) in 95 %", audit.audit_shuffled(result).finding
    ).groups()
    within = np.mean((np.array(areas) > float(low)) & (np.array(areas) < float(high)))
    assert within > 0.9


def test_what_else_is_told():
    ratings = pd.DataFrame({"r1": [0, 1, 1, 0, 1, 0, 1, 0], "r2": [0, 1, 1, 0, 1, 0, 0, 0]})
    agreement = rater_agreement(ratings)
    assert audit.audit_raters("Scoliosis", agreement, 0.8).verdict == "nothing found"
    above = audit.audit_raters("Scoliosis", agreement, 0.9)
    assert (above.verdict, "not superiority" in above.finding) == ("look at this", True)

    scans = np.arange(90)
    events = audit.audit_events([TASK], {"scoliosis": (scans < 60, scans)}, 3)
    assert (events.verdict, "30 patients in the rarer class, 10 each" in events.finding) == (
        "nothing found",
        True,
    )
    few = audit.audit_events([TASK], {"scoliosis": (scans < 20, scans)}, 3)
    assert few.verdict == "look at this"
    # The same scans, three of each patient.
    several = audit.audit_events([TASK], {"scoliosis": (scans < 60, scans // 3)}, 3)
    assert several.verdict == "look at this"
    assert "10 patients in the rarer class, 3 each" in several.finding

    flattered = audit.audit_epoch([0.9, 0.8], [0.8, 0.8])
    assert "an optimism of +0.050" in flattered.finding

    cohort = small_cohort(40)
    cohort.data.loc[:9, "tbs"] = np.nan
    missing = audit.audit_missing(cohort, ["age", "tbs", "no such column"], "impute")
    assert missing.verdict == "look at this"
    assert "missing tbs in 10; they were filled by the median" in missing.finding
    assert "1 scans could not be used" in missing.finding


def test_spacing_and_unit_are_counted():
    cohort = small_cohort(4)
    cohort.sources = pd.DataFrame(
        {
            "unit": ["g/cm2"] * 3 + ["grey level"],
            "row_mm": [1.05, 1.05, 1.0, 1.0],
            "column_mm": 0.6,
            "spacing_source": "table",
        }
    )
    found = audit.audit_geometry(cohort)
    assert found.verdict == "look at this"
    assert "1 x 0.6 mm (2), 1.05 x 0.6 mm (2); stated by table (4)" in found.finding
    cohort.sources["unit"] = "g/cm2"
    assert audit.audit_geometry(cohort).verdict == "nothing found"
    cohort.sources["spacing_source"] = "assumed"
    assert audit.audit_geometry(cohort).verdict == "look at this"
    del cohort["sources"]
    assert audit.audit_geometry(cohort).verdict == "open"
    cohort.simulated = True
    assert audit.audit_geometry(cohort).verdict == "nothing found"


@pytest.mark.parametrize(
    ("content", "area"),
    [
        ('{"auc": 0.75}', 0.75),
        ('{"auc": NaN}', None),
        ('{"auc": 1.5}', None),
        ('{"auc": "x"}', None),
        ('{"area": 0.75}', None),
        ("[0.75]", None),
        ('{"auc": 0.7', None),
        (None, None),
    ],
)
def test_a_damaged_area_is_computed_again(tmp_path, content, area):
    path = tmp_path / "fold.json"
    if content is not None:
        path.write_text(content)
    assert _kept_area(path) == area
