"""Performance in subgroups: against one-by-one calculations, and whether intervals hold."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from skdxa.evaluation import Folds, subgroup_table
from skdxa.evaluation._subgroups import _squared_factor
from skdxa.significance import adjust_pvalues, calibration, delong_interval

ONE_REPEAT = "ignore:With one repeat the noise of the training scans:RuntimeWarning"
MEASURES = ("auc", "o_e", "slope", "sensitivity", "specificity")


def draw_result(n=240, n_folds=4, n_repeats=3, *, groups=None, signal=1.0, seed=0):
    """Draw probabilities, on folds that keep patients together."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.4).astype(int)
    patient = np.arange(n) if groups is None else groups
    fold_of = np.stack(
        [rng.permutation(patient.max() + 1)[patient] % n_folds for _ in range(n_repeats)]
    )
    score = stats.norm.cdf(
        signal * (y - 0.5) + rng.normal(size=n) + 0.2 * rng.normal(size=(n_repeats, n))
    )
    return Folds(fold_of, y, groups).with_scores(score, response_method="predict_proba")


def test_the_auc_of_a_subgroup_is_of_pairs_within_folds():
    result = draw_result()
    site = np.random.default_rng(1).choice(list("ab"), 240, p=[0.3, 0.7])
    found = subgroup_table(result, site).loc["a"]
    areas = []
    for _, repeat in result.scores.groupby("repeat"):
        wins, pairs = 0, 0
        for _, fold in repeat.groupby("fold"):
            rows = fold["row"].to_numpy()[site[fold["row"]] == "a"]
            label, score = result.y[rows], repeat.set_index("row").loc[rows, "score"]
            if 0 < label.sum() < len(label):
                n_pairs = label.sum() * (1 - label).sum()
                wins, pairs = wins + n_pairs * roc_auc_score(label, score), pairs + n_pairs
        areas.append(wins / pairs)
    assert found["auc"] == pytest.approx(np.mean(areas), rel=1e-12)


@pytest.mark.filterwarnings(ONE_REPEAT)
def test_with_one_fold_the_interval_is_delongs():
    # One repeat: the stability is unknown and the factor 1.
    rng = np.random.default_rng(0)
    y = np.tile([0, 1, 0], 60)
    score = np.round(y + rng.normal(size=180), 1)
    groups = np.arange(180) // 2
    for patients in (None, groups):
        result = Folds(np.zeros((1, 180), dtype=int), y, patients).with_scores(score)
        found = subgroup_table(result, np.tile([0, 0, 1], 60) < 2).loc["all"]
        expected = delong_interval(y, score, groups=patients)
        assert found["auc"] == pytest.approx(expected.estimate)
        # The quantile is Student's, and the small-sample factors differ.
        ratio = stats.t.ppf(0.975, 59) / stats.norm.ppf(0.975)
        width = np.diff(stats.logistic.ppf([found["auc_low"], found["auc_high"]]))[0]
        other = np.diff(stats.logistic.ppf([expected.low, expected.high]))[0]
        assert width == pytest.approx(ratio * other, rel=0.01)
        assert np.isnan(found[["o_e", "slope"]].astype(float)).all()


def test_calibration_of_a_subgroup():
    result = draw_result()
    member = np.arange(240) % 3 > 0
    found = subgroup_table(result, member, threshold=0.4).loc["True"]
    scores = np.array([result.repeat_scores(repeat)[member] for repeat in range(3)])
    y = result.y[member]
    each = [calibration(y, score) for score in scores]
    assert found["slope"] == pytest.approx(np.mean([one.slope for one in each]), rel=1e-8)
    assert found["o_e"] == pytest.approx(y.sum() / scores.mean(axis=0).sum())
    assert found["o_e_low"] * found["o_e_high"] == pytest.approx(found["o_e"] ** 2)
    assert found["sensitivity"] == pytest.approx(np.mean(scores[:, y == 1] >= 0.4))
    assert found["specificity"] == pytest.approx(np.mean(scores[:, y == 0] < 0.4))


@pytest.mark.filterwarnings(ONE_REPEAT)
def test_the_interval_of_a_slope_is_that_of_the_sandwich():
    # One repeat: the stability is unknown and the factor 1.
    result = draw_result(n_repeats=1)
    found = subgroup_table(result, np.zeros(240)).loc["all"]
    each = calibration(result.y, result.repeat_scores(0), groups=np.arange(240))
    n_smaller = min(result.y.sum(), (1 - result.y).sum())
    error = np.sqrt(each.slope_interval.variance * 239 / 240 * n_smaller / (n_smaller - 1))
    half = stats.t.ppf(0.975, n_smaller - 1) * error
    assert found["slope_high"] - found["slope"] == pytest.approx(half, rel=1e-6)
    assert found["slope"] - found["slope_low"] == pytest.approx(half, rel=1e-6)


def test_the_factor_of_all_scans_is_that_of_the_summary():
    q = np.linspace(0, 1, 11)
    np.testing.assert_allclose(_squared_factor(q, 1.0), (1 + q) ** 2 * (1 - q / 2))
    np.testing.assert_allclose(_squared_factor(q, 0.0), 1)


@pytest.mark.filterwarnings("ignore:undefined in some of 60 folds:RuntimeWarning")
def test_one_repeat_leaves_out_the_noise_of_the_training_scans():
    with pytest.warns(
        RuntimeWarning, match=r"^With one repeat .* Repeat the cross-validation two"
    ):
        subgroup_table(draw_result(n_repeats=1), np.zeros(240))
    tiny = draw_result(40, 20)
    with pytest.warns(RuntimeWarning, match=r"^Where no fold holds 3 scans .* Use fewer folds\.$"):
        subgroup_table(tiny, np.zeros(40))
    few = Folds(tiny.fold_assignment.fold_of, np.repeat([0, 1], [22, 18]))
    with pytest.warns(RuntimeWarning, match=r"18 patients, and where no fold holds 3 scans of"):
        few.with_scores(np.arange(40.0)).summary()


def test_the_row_of_all_scans_has_the_interval_of_the_summary():
    result = draw_result(n_repeats=5)
    found = subgroup_table(result, np.zeros(240)).loc["all"]
    summary = result.summary().loc["auc"]
    widths = [
        np.diff(stats.logistic.ppf([row[low], row[high]]))[0]
        for row, low, high in ((found, "auc_low", "auc_high"), (summary, "low", "high"))
    ]
    # The summary adds what is left of the difference between the repeats.
    assert 0.97 * widths[1] < widths[0] <= widths[1]


def test_shares_of_all_scans_have_about_the_interval_of_the_summary():
    # A model that found nothing: all scores of a fold move together from repeat to repeat.
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat([0, 1], [100, 80]))
    folds = Folds.draw(y, n_splits=5, n_repeats=8, random_state=0)
    level = rng.normal(size=(8, 5))[np.arange(8)[:, np.newaxis], folds.fold_of]
    score = stats.norm.cdf(rng.normal(size=180) + level)
    result = folds.with_scores(score, response_method="predict_proba")
    found, summary = subgroup_table(result, np.zeros(180)).loc["all"], result.summary()
    for name in ("sensitivity", "specificity"):
        width = found[f"{name}_high"] - found[f"{name}_low"]
        assert width == pytest.approx(
            summary.loc[name, "high"] - summary.loc[name, "low"], rel=0.2
        )


def test_a_perfect_auc_has_the_interval_of_the_summary():
    y = np.repeat([0, 1], [30, 20])
    folds = Folds.draw(y, n_splits=5, n_repeats=3, random_state=0)
    score = y + 0.4 * np.random.default_rng(0).random((3, 50))
    result = folds.with_scores(score)
    found, summary = subgroup_table(result, np.zeros(50)).loc["all"], result.summary().loc["auc"]
    assert found["auc_low"] == pytest.approx(summary["low"], rel=1e-12)
    assert found["auc"] == found["auc_high"] == summary["estimate"] == summary["high"] == 1


def test_the_factor_by_simulation():
    # A linear score of 8 columns, cross-validated without folds: products of a patient with
    # himself are left out, as by many repeats.
    rng = np.random.default_rng(0)
    p, v, share, n_draws = 200, 0.0008, 0.3, 6000
    delta = np.zeros(p)
    delta[0] = 0.3
    own = rng.normal(size=(n_draws, p)) * np.sqrt(v / share)
    other = rng.normal(size=(n_draws, p)) * np.sqrt(v / (1 - share))
    noise = share * own + (1 - share) * other
    weights = delta + noise
    size = np.sqrt(np.sum(weights**2, axis=1))
    separation = (np.sum(weights * (delta + own), axis=1) - p * v) / size
    q = p * v / (delta @ delta + p * v)
    factor = separation.std() / np.sqrt(v / share)
    assert factor == pytest.approx(np.sqrt(_squared_factor(q, share)), rel=0.03)
    assert np.sqrt(_squared_factor(q, 1.0)) > 1.1 * factor


def test_intervals_of_a_subgroup_hold():
    held, claimed = [], []
    for seed in range(30):
        rng = np.random.default_rng(1000 + seed)
        result = draw_result(200, n_repeats=2, seed=seed)
        member = rng.random(200) < 0.4
        table = subgroup_table(result, member)
        truth = stats.norm.cdf(1 / np.sqrt(2 * 1.04))
        held.append(table.loc["True", "auc_low"] <= truth <= table.loc["True", "auc_high"])
        claimed.append(table["interaction_p"].iloc[-1] < 0.05)
    assert np.mean(held) > 0.9
    assert np.mean(claimed) < 0.11


@pytest.mark.parametrize("measure", MEASURES)
def test_a_difference_is_found(measure):
    result = draw_result(600)
    rng = np.random.default_rng(0)
    # The scores of one site are noise, and too high.
    site = rng.choice(["good", "poor"], 600)
    scores = np.stack([result.repeat_scores(repeat) for repeat in range(3)])
    poor = 0.45 + 0.5 * rng.random(600)
    mixed = np.where(site == "poor", poor, scores)
    result = result.fold_assignment.with_scores(mixed, response_method="predict_proba")
    other = rng.choice(["x", "y", "z"], 600)
    table = subgroup_table(
        result, pd.DataFrame({"site": site, "other": other}), interaction=measure
    )
    pvalues = table.groupby("variable")["interaction_p"].first()
    assert pvalues["site"] < 0.02 < pvalues["other"]
    adjusted = table.groupby("variable")["interaction_p_holm"].first()
    expected = adjust_pvalues(pvalues.loc[["site", "other"]].to_numpy())
    assert adjusted.loc[["site", "other"]].tolist() == expected.tolist()
    assert table.index.tolist() == [
        "all",
        "site: good",
        "site: poor",
        "other: x",
        "other: y",
        "other: z",
    ]


def test_small_empty_and_one_class_subgroups_are_named():
    result = draw_result()
    group = np.where(result.y == 1, "ill", "any").astype(object)
    group[:200] = "any"
    few = np.flatnonzero((result.y == 1) & (group == "any"))[:4]
    group[few] = "few"
    group[np.flatnonzero((result.y == 0) & (np.arange(240) < 100))[:30]] = "few"
    group[np.flatnonzero((result.y == 0) & (np.arange(240) > 200))[:20]] = "well"
    group[150] = None
    by = pd.Series(pd.Categorical(group, ["any", "few", "ill", "well", "none"]), name="kind")
    table = subgroup_table(result, by, min_events=5)
    assert table.index.name == "subgroup"
    assert table["note"].to_dict() == {
        "all": "",
        "any": "",
        "few": "4 patients with the outcome, fewer than 5",
        "ill": "no patient without the outcome",
        "well": "no patient with the outcome",
        "none": "no scans",
        "missing": table.loc["missing", "note"],
    }
    assert table.loc["missing", "note"].startswith("no patient with")
    ends = [f"{measure}{end}" for measure in MEASURES for end in ("", "_low", "_high")]
    assert table.loc[["few", "ill", "well", "none", "missing"], ends].isna().all(axis=None)
    assert table.loc[["all", "any"], ends].notna().all(axis=None)
    assert table.loc["none", ["n", "patients", "events"]].tolist() == [0, 0, 0]
    # One subgroup alone has nothing to differ from.
    assert table["interaction_p"].isna().all()
    assert table["interaction_p_holm"].isna().all()
    assert (table.loc[table.index[1:], "variable"] == "kind").all()


@pytest.mark.filterwarnings(ONE_REPEAT)
def test_perfect_and_constant_scores_and_certain_risks():
    y = np.tile([0, 1], 40)
    folds = Folds(np.arange(80)[None] // 2 % 4, y)
    perfect = subgroup_table(folds.with_scores(y + 0.0, response_method="predict_proba"), y * 0)
    assert perfect.loc["0", "auc"] == 1
    assert perfect.loc["0", "auc_high"] == 1
    assert 0.8 < perfect.loc["0", "auc_low"] < 0.95
    assert np.isnan(perfect.loc["0", "slope"])
    assert perfect.loc["0", "o_e"] == 1
    separated = folds.with_scores(0.1 + 0.8 * y, response_method="predict_proba")
    assert np.isnan(subgroup_table(separated, y * 0).loc["0", "slope"])
    constant = folds.with_scores(np.full(80, 0.5), response_method="predict_proba")
    flat = subgroup_table(constant, np.arange(80) < 40).loc["True"]
    assert flat["auc"] == 0.5
    assert np.isnan(flat["slope"])
    assert flat["sensitivity"] == 1
    assert 0.7 < flat["sensitivity_low"] < 0.9
    # No fold holds both classes of this subgroup.
    apart = Folds(y[None], y).with_scores(
        np.linspace(0.1, 0.9, 80), response_method="predict_proba"
    )
    assert np.isnan(subgroup_table(apart, y * 0).loc["0", "auc"])


def test_patients_in_two_subgroups_count_once():
    patient = np.arange(240) // 2
    result = draw_result(groups=patient)
    eye = np.arange(240) % 2
    table = subgroup_table(result, eye)
    assert table.loc["all", ["n", "patients"]].tolist() == [240, 120]
    assert table["patients"].tolist() == [120, 120, 120]
    alone = subgroup_table(draw_result(groups=np.arange(240)), eye)
    assert table.loc["0", "auc_high"] != alone.loc["0", "auc_high"]


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "boolean", "string", "category"])
def test_missing_values_of_any_type_are_a_subgroup(dtype):
    values = {"string": ["a", "b", None], "category": ["a", "b", None]}.get(dtype, [0, 1, None])
    by = pd.Series(pd.array(values * 80, dtype=dtype))
    table = subgroup_table(draw_result(), by)
    assert table["n"].tolist() == [240, 80, 80, 80]
    assert table.index[-1] == "missing"


def test_a_subgroup_without_a_value_leaves_no_test_of_the_others():
    result = draw_result(300)
    site = np.random.default_rng(0).choice(list("abc"), 300)
    # All positive scans of one site are found, so that its log odds are infinite.
    found = np.where((site == "a") & (result.y == 1), 0.9, 0.0)
    scores = np.stack([np.maximum(result.repeat_scores(n), found) for n in range(3)])
    result = result.fold_assignment.with_scores(scores, response_method="predict_proba")
    options = {"interaction": "sensitivity", "min_events": 5}
    table = subgroup_table(result, site, **options)
    assert table.loc["a", "sensitivity"] == 1
    assert table["interaction_p"].isna().all()
    # One that is too small to be judged takes no part.
    few = np.flatnonzero((site == "a") & (result.y == 1))[4:]
    site[few] = "b"
    assert subgroup_table(result, site, **options).loc["b", "interaction_p"] > 0


def test_subgroups_that_differ_by_nothing_have_no_test():
    patient = np.arange(240) // 2
    alone = draw_result(n=120)
    twice = Folds(alone.fold_assignment.fold_of[:, patient], alone.y[patient], patient)
    scores = np.stack([alone.repeat_scores(repeat)[patient] for repeat in range(3)])
    result = twice.with_scores(scores, response_method="predict_proba")
    table = subgroup_table(result, np.arange(240) % 2)
    assert table.loc["0", "auc"] == table.loc["1", "auc"]
    assert table["interaction_p"].isna().all()


def test_other_labels_and_their_gaps():
    result = draw_result()
    other = np.where(np.arange(240) < 60, np.nan, 1 - result.y)
    table = subgroup_table(result, np.arange(240) % 2, y=other)
    assert table.loc["all", "n"] == 180
    assert table.loc["all", "events"] == (1 - result.y[60:]).sum()
    assert table.loc["all", "auc"] < 0.5


@pytest.mark.parametrize(
    ("by", "options", "message"),
    [
        (np.zeros(7), {}, "a value for each of 240 scans, got 7 for 'group'"),
        (np.arange(240), {}, "240 different values of 'group', more than 20"),
        (np.zeros((240, 2)), {}, r"an array of shape \(240, 2\)"),
        (pd.DataFrame(index=range(240)), {}, "by has no column"),
        (np.array([1, "1"] * 120, dtype=object), {}, "several values of 'group' that are called"),
        (np.array(["missing", None] * 120, dtype=object), {}, "are called 'missing'"),
        (pd.DataFrame(np.eye(240)[:, :2], columns=["a", "a"]), {}, "several columns 'a'"),
        (np.zeros(240), {"interaction": "brier"}, "interaction must be one of"),
        (np.zeros(240), {"level": 95}, "level must lie between 0 and 1"),
    ],
)
def test_subgroups_refuse(by, options, message):
    with pytest.raises(ValueError, match=message):
        subgroup_table(draw_result(), by, **options)
