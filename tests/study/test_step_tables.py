"""Tables and tests of a study whose patients have several scans and whose table has gaps."""

import html

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.special import logit
from sklearn.utils import Bunch
from statsmodels.stats.inter_rater import cohens_kappa
from study_cohorts import cheap_model, small_cohort

from skdxa.study import Protocol, run_study
from skdxa.study._step_tables import subgroups_of
from skdxa.study._values import ratings_of

N_PATIENTS = 60


def messy_cohort(seed=0):
    """Return a cohort of two scans per patient, with gaps in many columns."""
    cohort = small_cohort(N_PATIENTS, seed=seed)
    rng = np.random.default_rng(seed + 100)
    second = cohort.data.copy()
    second["scan"] = pd.Series(
        [scan + rng.normal(0, 0.05, scan.shape).astype(np.float32) for scan in second["scan"]],
        dtype=object,
    )
    data = pd.concat([cohort.data, second], ignore_index=True)
    n = len(data)
    data["tbs"] = data["tbs"].where(np.arange(n) % 5 > 0)
    data["sex"] = data["sex"].astype(object).where(np.arange(n) % 2 == 0)
    data["scanner"] = pd.Series(np.tile(["A", "B", None], n)[:n], dtype=object)
    data["year"] = np.where(np.arange(n) % 3 > 0, 2010.0 + np.arange(n) % 7, np.nan)
    target = pd.concat([cohort.target] * 2, ignore_index=True)
    truth = target["scoliosis"]
    # In another order than that of their numbers, and with a gap.
    ratings = pd.DataFrame(
        {
            f"scoliosis_r{rater}": np.where(rng.random(n) < wrong, 1 - truth, truth)
            for rater, wrong in ((3, 0.3), (10, 0.02), (2, 0.02))
        }
    )
    ratings.loc[7, "scoliosis_r3"] = np.nan
    changed = {"data": data, "target": target, "ratings": ratings}
    changed["groups"] = np.tile(np.arange(N_PATIENTS), 2)
    return Bunch(**{**cohort, **changed})


PRIMARY = {"target": "scoliosis"}


@pytest.fixture(scope="module")
def cohort():
    return messy_cohort()


@pytest.fixture(scope="module")
def study(cohort, tmp_path_factory):
    protocol = Protocol.quick(
        targets=("scoliosis", "fracture_ever"),
        added_value_draws=0,
        primary=PRIMARY,
        gaps="impute",
        interval="bootstrap",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skdxa.study._added_value._N_RESAMPLES", 20)
        study = run_study(
            protocol,
            cohort,
            model=cheap_model(),
            external=messy_cohort(seed=1),
            out=tmp_path_factory.mktemp("messy") / "report",
            progress=False,
        )
    study.page = html.unescape((study.out / "report.html").read_text(encoding="utf-8"))
    return study


def clustered_fit(y, design, groups, offset=None):
    """Return statsmodels' logistic model with the sandwich estimator clustered by patient."""
    model = sm.GLM(y, design, family=sm.families.Binomial(), offset=offset)
    return model.fit(cov_type="cluster", cov_kwds={"groups": groups, "use_correction": True})


def test_the_calibration_of_the_network_counts_patients(study, cohort):
    row = study.tables["calibration"].loc["scoliosis"]
    result = study.results["scoliosis"]
    risk = result.repeat_scores(result.median_repeat())
    y = cohort.target["scoliosis"].to_numpy()
    slope = clustered_fit(y, sm.add_constant(logit(risk)), cohort.groups)
    assert row["slope"] == pytest.approx(slope.params[1], rel=1e-5)
    half = (row["slope_high"] - row["slope_low"]) / 2
    clustered = 1.96 * slope.bse[1]
    assert half == pytest.approx(clustered, rel=0.05)
    plain = (
        1.96 * sm.GLM(y, sm.add_constant(logit(risk)), family=sm.families.Binomial()).fit().bse[1]
    )
    assert half > 1.2 * plain


def test_calibration_is_that_of_the_label_that_is_scored(study, cohort):
    table = study.tables["subgroups"]
    fractures = table[table["task"] == "fracture_ever"]
    assert fractures[["o_e", "o_e_low", "slope", "slope_high"]].isna().all(axis=None)
    assert table.loc[table["task"] == "scoliosis", "o_e"].notna().any()
    row = study.tables["calibration"].loc["fracture_ever"]
    assert row["observed"] == cohort.target["fracture_5y"].sum()
    assert row["expected"] == pytest.approx(row["observed"], rel=0.15)


def test_calibration_without_clinical_columns_is_on_the_scale_that_is_scored(cohort, tmp_path):
    bare = Bunch(**{**cohort, "data": cohort.data[["scan"]]})
    study = run_study(
        Protocol.quick(targets=("fracture_ever",), added_value_draws=0, stack_folds=0),
        bare,
        model=cheap_model(),
        out=tmp_path / "report",
        progress=False,
    )
    row = study.tables["calibration"].loc["fracture_ever"]
    assert row["observed"] == cohort.target["fracture_5y"].sum()
    assert row["expected"] == pytest.approx(row["observed"], rel=0.15)


def test_the_other_hospital_is_scored_by_the_label_that_is_scored(study):
    external = messy_cohort(seed=1)
    table = study.tables["table2"]
    assert table["scored_on"].to_dict() == {
        "scoliosis": "scoliosis",
        "fracture_ever": "fracture_5y",
    }
    n_known = external.target["fracture_5y"].notna().sum()
    assert any(
        f"On {n_known} scans of the external hospital, scored by fracture_5y," in sentence
        for sentence in study.sentences["Fracture"]
    ), study.sentences


def test_a_primary_comparison_with_chance_is_of_all_scans(study):
    auc = study.tables["table1"].query("experiment == 'scoliosis'").iloc[0]
    (sentence,) = study.sentences["Primary comparison"]
    assert sentence.endswith(f"({2 * N_PATIENTS} scans of {N_PATIENTS} patients).")
    stated = f"AUC of {auc['auc']:.2f} (95 % interval {auc['auc_low']:.2f} to "
    # The bootstrap has the seed of the protocol, as in Table 1.
    assert f"{stated}{auc['auc_high']:.2f})" in sentence
    # Of Table 1, and of the figure of all AUCs.
    assert study.page.count("Pooled scores of the median repeat of 3 folds x 1, with 95 %") == 2


def test_coefficients_are_of_the_scans_that_are_counted(study, cohort):
    known = cohort.target["fracture_5y"].notna()
    n_gaps = cohort.data["tbs"].isna().sum()
    assert (
        f"{known.sum()} scans with a known label. Gaps in {n_gaps} scans were filled by the "
        "medians of all scans."
    ) in study.page
    table = study.tables["coefficients_fracture_ever"]
    row = table[table["variable"] == "tbs"].iloc[0]
    # Filled and turned as the caption says, per standard deviation.
    tbs = -cohort.data["tbs"].fillna(cohort.data["tbs"].median())[known]
    scaled = tbs / tbs.std(ddof=0)
    y = cohort.target["fracture_5y"][known].to_numpy()
    fitted = sm.Logit(y, sm.add_constant(scaled.to_numpy())).fit(disp=0)
    assert row["coef"] == pytest.approx(fitted.params[1], rel=1e-4)


def test_raters_are_named_by_their_numbers(study, cohort):
    table = study.tables["raters"].query("labels == 'Cohort: Scoliosis'").set_index("raters")
    rated = cohort.ratings.dropna()
    for pair, names in {"1-2": (2, 3), "1-3": (2, 10), "2-3": (3, 10)}.items():
        one, other = (rated[f"scoliosis_r{name}"] for name in names)
        counts = pd.crosstab(one, other).to_numpy()
        assert table.loc[pair, "kappa"] == pytest.approx(cohens_kappa(counts).kappa)
    assert table.loc["1-3", "kappa"] > table.loc["1-2", "kappa"]
    assert f"Cohort, Scoliosis: {len(rated)} of {2 * N_PATIENTS} scans" in study.page
    # Below the table, and below the figure.
    assert study.page.count("Rater 1 is scoliosis_r2, 2 is scoliosis_r3, 3 is scoliosis_r10.") == 2


def test_shares_are_of_what_is_known(study, cohort):
    table = study.tables["patients"].query("cohort == 'Cohort'").set_index("what")
    known = cohort.data["sex"].dropna()
    assert table.loc["sex F", "mean_or_share"] == pytest.approx((known == "F").mean())
    assert table.loc["sex known", "number"] == len(known)


def test_what_is_unknown_is_in_no_subgroup(study, cohort):
    table = study.tables["subgroups"].query("task == 'scoliosis'").set_index(["variable", "group"])
    years = cohort.data["year"].dropna()
    assert table.loc[("year", "late"), "n"] == (years > years.median()).sum()
    assert table.loc[("year", "early"), "n"] == (years <= years.median()).sum()
    assert table.loc[("scanner", "A"), "n"] == (cohort.data["scanner"] == "A").sum()
    assert set(table.loc["scanner"].index) == {"A", "B", "missing"}
    audit = study.audit.set_index("name")["finding"]
    n_missing = cohort.data["year"].isna().sum()
    finding = audit["Predictable from the year: scoliosis"]
    assert f"{n_missing} scans have no value and were left out." in finding
    events = audit["Events per variable"]
    n_patients = cohort.target["scoliosis"][:N_PATIENTS].sum()
    assert f"Scoliosis: {n_patients:.0f} patients in the rarer class" in events


def test_the_name_of_an_age_group_is_true_of_its_members():
    ages = np.array([60.0, 66.0, 66.0, 67.0, 70.0, 75.0])
    cohort = Bunch(data=pd.DataFrame({"age": ages}))
    groups = subgroups_of(cohort, Protocol())["age"]
    assert groups.tolist() == ["below 66.5"] * 3 + ["66.5 and above"] * 3


def rare_outcome(cohort):
    """Return the cohort with a single patient who has a fracture in the years after the scan."""
    target = cohort.target.copy()
    target["fracture_5y"] = (cohort.groups == 3).astype(float)
    target.loc[cohort.groups == 3, "fracture_ever"] = 1.0
    return Bunch(**{**cohort, "target": target})


@pytest.mark.parametrize("columns", [["scan"], ["scan", "age"]])
def test_an_outcome_within_one_fold_leaves_out_what_needs_it(cohort, tmp_path, columns):
    rare = rare_outcome(cohort)
    study = run_study(
        Protocol.quick(targets=("fracture_ever",), added_value_draws=0, stack_folds=0),
        Bunch(**{**rare, "data": rare.data[columns]}),
        model=cheap_model(),
        out=tmp_path / "report",
        progress=False,
    )
    assert "table1" in study.tables
    left_out = " ".join(study.left_out.values())
    if columns == ["scan"]:
        assert "No model gives probabilities" in left_out
    else:
        assert "'fracture_5y' are in one fold, so that no model can learn it there" in left_out


def test_a_label_of_few_scans_at_the_other_hospital_is_not_scored_there(cohort, tmp_path):
    external = messy_cohort(seed=1)
    known = np.flatnonzero(external.target["fracture_5y"] == 1)[:3]
    rare = external.target["fracture_5y"].where(np.arange(2 * N_PATIENTS) > 110)
    rare.iloc[known] = 1.0
    external.target["fracture_5y"] = rare
    study = run_study(
        Protocol.quick(targets=("fracture_ever",), added_value_draws=0, stack_folds=0),
        Bunch(**{**cohort, "data": cohort.data[["scan"]]}),
        model=cheap_model(),
        external=external,
        out=tmp_path / "report",
        progress=False,
    )
    assert study.tables["table2"]["scored_on"].tolist() == ["fracture_ever"]
    sentence = " ".join(study.sentences["Fracture"])
    assert f"On {2 * N_PATIENTS} scans of the external hospital, scored by fracture_ever," in (
        sentence
    )


def test_a_rater_without_ratings_does_not_hide_the_others(cohort):
    ratings = cohort.ratings.assign(scoliosis_r4=np.nan)
    found = ratings_of(Bunch(ratings=ratings, data=cohort.data), "scoliosis")
    pd.testing.assert_frame_equal(found, ratings_of(cohort, "scoliosis"))
    alone = ratings[["scoliosis_r3", "scoliosis_r4"]]
    assert ratings_of(Bunch(ratings=alone, data=cohort.data), "scoliosis") is None
