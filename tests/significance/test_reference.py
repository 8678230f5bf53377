"""Every statistic against R: the records of data/significance/reference.json."""

import json
import warnings
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import interpolate, stats
from scipy.special import expit

from skdxa import significance
from skdxa.significance._logistic import fit_logistic
from skdxa.significance._profile import LogisticProfile

DATA = Path(__file__).parents[1] / "data" / "significance"
RECORDS = json.loads((DATA / "reference.json").read_text())["records"]

# The Monte Carlo error of R's own bootstrap, which a record's tolerance already allows for.
TOLERANCES = {"mc_sd_low", "mc_sd_high"}


def area(y, score):
    ranks = stats.rankdata(score)
    n_positives = y.sum()
    excess = ranks[y == 1].sum() - n_positives * (n_positives + 1) / 2
    return excess / (n_positives * (y.size - n_positives))


def score_of(case, table):
    return table[case.split("_")[1] if case.startswith("asah") else "s"]


def two_raters(case, table):
    return table["rater1"], table["rater2"]


def variables(case, table):
    if case == "birthwt":
        races = {f"race{race}": (table.race == race).astype(int) for race in (2, 3)}
        X = table.assign(**races)[["age", "lwt", "race2", "race3", "smoke", "ht", "ui"]]
        return table.low, X
    return table.y, table[["s100b", "ndka", "wfns"]]


def auc(case, table):
    return significance.delong_interval(table.y, score_of(case, table)).estimate


def auc_var_delong(case, table):
    return significance.delong_interval(table.y, score_of(case, table)).variance


def auc_ci_delong(case, table):
    interval = significance.delong_interval(table.y, score_of(case, table), scale="identity")
    # pROC leaves out the area, too, where it has no variance.
    area = interval.estimate if np.isfinite(interval.variance) else np.nan
    return {"low": interval.low, "auc": area, "high": interval.high}


def auc_ci_delong_logit(case, table):
    interval = significance.delong_interval(table.y, score_of(case, table))
    if interval.estimate in (0, 1):
        # R has no interval there.
        assert interval.method == "Newcombe"
        return {"low": np.nan, "high": np.nan}
    return {"low": interval.low, "high": interval.high}


def clustered_score(case, table):
    if case == "ohio_smoke":
        return table.resp, table.smoke + 0.01 * table.age
    return table.y, table.age


def auc_var_clustered(case, table):
    interval = significance.delong_interval(*clustered_score(case, table), groups=table.id)
    return {"auc": interval.estimate, "variance": interval.variance}


def delong_paired_clustered(case, table):
    test = significance.delong_test(table.y, table.treat, table.age, groups=table.id)
    return {"difference": test.estimate, "variance": test.interval.variance}


def roc_coords(case, table):
    score = score_of(case, table)
    points = significance.roc_points(table.y, score)[::-1]
    # pROC names a threshold halfway to the next lower score.
    scores = points.threshold.to_numpy()[:-1]
    halfway = np.r_[-np.inf, (scores[1:] + scores[:-1]) / 2, np.inf]
    return {
        "threshold": halfway,
        "sensitivity": points.sensitivity,
        "specificity": points.specificity,
    }


def youden(case, table):
    points = significance.roc_points(table.y, score_of(case, table))
    best = points.index[(points.sensitivity + points.specificity).argmax()]
    halfway = points.threshold.loc[best : best + 1].mean()
    return {
        "threshold": halfway,
        "sensitivity": points.sensitivity[best],
        "specificity": points.specificity[best],
    }


def delong_paired(case, table):
    if case == "ex_paired_identical":
        a, b = table.a, table.b
    else:
        a, b = table[case.split("_")[1]], table[case.split("_")[3]]
    test = significance.delong_test(table.y, a, b)
    alone = [significance.delong_interval(table.y, score) for score in (a, b)]
    covariance = (alone[0].variance + alone[1].variance - test.interval.variance) / 2
    assert test.estimate == pytest.approx(alone[0].estimate - alone[1].estimate, abs=1e-12)
    return {
        "auc_a": alone[0].estimate,
        "auc_b": alone[1].estimate,
        "cov": covariance,
        "z": test.statistic,
        "p": test.pvalue,
        "diff_low": test.interval.low,
        "diff_high": test.interval.high,
    }


def delong_unpaired(case, table):
    women, men = table[table.female == 1], table[table.female == 0]
    test = significance.delong_test_unpaired(women.y, women.s100b, men.y, men.s100b)
    area = significance.delong_interval(women.y, women.s100b).estimate
    return {
        "auc_female": area,
        "auc_male": area - test.estimate,
        "D": test.statistic,
        "df": test.df,
        "p": test.pvalue,
    }


def bootstrap(table, n_resamples, **options):
    return significance.bootstrap_interval(
        area, (table.y, table.s100b), n_resamples=n_resamples, random_state=0, **options
    )


def auc_ci_bootstrap_stratified(case, table):
    interval = bootstrap(table, 4000, stratify=table.y)
    return {"low": interval.low, "high": interval.high}


def auc_ci_bootstrap_unstratified(case, table):
    interval = bootstrap(table, 4000)
    return {"low": interval.low, "high": interval.high}


def auc_ci_boot_types(case, table):
    percentile, bca, basic, normal = (
        bootstrap(table, 6000, method=method)
        for method in ("percentile", "bca", "basic", "normal")
    )
    return {
        "basic": [basic.low, basic.high],
        "norm": [normal.low, normal.high],
        "perc": [percentile.low, percentile.high],
        "bca": [bca.low, bca.high],
        "boot_se": np.sqrt(percentile.variance),
    }


def percent_agreement(case, table):
    first, second = two_raters(case, table)
    n_alike = int((first == second).sum())
    wilson = significance.proportion_interval(n_alike, len(table))
    exact = significance.proportion_interval(n_alike, len(table), method="exact")
    agreement = significance.rater_agreement(table[["rater1", "rater2"]]).loc["1-2", "agreement"]
    return {
        "agreement": agreement,
        "low": wilson.low,
        "high": wilson.high,
        "low_exact": exact.low,
        "high_exact": exact.high,
    }


def cohen_kappa(case, table, weights=None):
    row = significance.rater_agreement(table[["rater1", "rater2"]], weights=weights).loc["1-2"]
    return {"kappa": row.kappa, "ase": row.std_err, "low": row.low, "high": row.high}


def cohen_kappa_linear(case, table):
    return cohen_kappa(case, table, "linear")


def cohen_kappa_quadratic(case, table):
    return cohen_kappa(case, table, "quadratic")


def cohen_kappa_h0(case, table):
    kappa = significance.cohen_kappa(*two_raters(case, table))
    se0 = kappa.estimate / kappa.statistic
    return {"se0": se0, "z": kappa.statistic, "p": kappa.pvalue}


def kappa_epir(case, table):
    # epiR calls the interval with the standard error under kappa = 0 "fleiss".
    kappa = significance.cohen_kappa(*two_raters(case, table))
    se0 = kappa.estimate / kappa.statistic
    half = stats.norm.ppf(0.975) * se0
    return {
        "se_fleiss": se0,
        "low_fleiss": kappa.estimate - half,
        "high_fleiss": kappa.estimate + half,
        **cohens_own_error(kappa.estimate, table),
    }


def cohens_own_error(kappa, table):
    """Cohen's standard error of 1960, which skdxa does not offer: it takes chance for known."""
    agreement = significance.rater_agreement(table).loc["all", "agreement"]
    chance = (agreement - kappa) / (1 - kappa) if kappa < 1 else 0
    error = np.sqrt(agreement * (1 - agreement) / len(table)) / (1 - chance)
    half = stats.norm.ppf(0.975) * error
    return {"se_cohen": error, "low_cohen": kappa - half, "high_cohen": kappa + half}


def pabak(case, table):
    adjusted = significance.adjusted_kappa(*two_raters(case, table))
    return {
        "pabak": adjusted.interval.estimate,
        "low": adjusted.interval.low,
        "high": adjusted.interval.high,
        # epiR takes the first category, here 0, for the positive one.
        "prevalence_index": -adjusted.prevalence_index,
        "bias_index": -adjusted.bias_index,
    }


def fleiss_kappa(case, table):
    kappa = significance.fleiss_kappa(table)
    mean_agreement = significance.rater_agreement(table).loc["all", "agreement"]
    alike = table.nunique(axis=1) == 1
    return {
        "kappa": kappa.estimate,
        "se0": kappa.estimate / kappa.statistic,
        "z": kappa.statistic,
        "mean_agreement": mean_agreement,
        "chance_agreement": (mean_agreement - kappa.estimate) / (1 - kappa.estimate),
        "all_agree": significance.proportion_interval(int(alike.sum()), len(table)).estimate,
    }


def fleiss_kappa_jackknife(case, table):
    row = significance.rater_agreement(table).loc["all"]
    return {"se": row.std_err, "low": row.low, "high": row.high}


def light_kappa(case, table):
    pairs = [f"{a}-{b}" for a, b in combinations(range(1, table.shape[1] + 1), 2)]
    return significance.rater_agreement(table).loc[pairs, "kappa"].mean()


def profile_as_r_interpolates(y, X, table):
    """Ends of the profile, read from it as R's ``confint`` does, and near skdxa's exact ones.

    R takes the profile in steps of a fifth of its 98.75 % limit, draws Forsythe, Malcolm and
    Moler's spline through them and interpolates linearly between its points, three for each.
    """
    columns = X.to_numpy(float)
    coef, covariance, llf = fit_logistic(y.to_numpy(), columns, list(X))
    profile = LogisticProfile(y.to_numpy(), columns, coef, covariance, llf)
    limit = stats.norm.ppf(1 - 0.05 / 8)
    ends = []
    for at in range(coef.size):
        points = [(0.0, coef[at])]
        for side in (-1, 1):
            for step in range(1, 11):
                value = coef[at] + side * step * limit / 5 * profile.std_err[at]
                points.append((profile.signed_root(at, value), value))
                if abs(points[-1][0]) >= limit:
                    break
        root, value = np.array(sorted(points)).T
        steepest = [
            [(3, 6 * np.polyfit(value[four] - value[four].mean(), root[four], 3)[0])]
            for four in (slice(None, 4), slice(-4, None))
        ]
        spline = interpolate.make_interp_spline(value, root, bc_type=steepest)
        fine = np.linspace(value[0], value[-1], 3 * value.size)
        ends.append(np.interp(stats.norm.ppf([0.025, 0.975]), spline(fine), fine))
    low, high = np.transpose(ends)
    exact = significance.logistic_table(y, X, interval="profile")
    for end, interpolated in ((exact.low, low), (exact.high, high)):
        assert (np.abs(np.log(end) - interpolated) < 1e-3 * table.std_err).all()
    return {"profile_low": low, "profile_high": high}


def logit(case, table):
    y, X = variables(case.removesuffix("_logit"), table)
    table = significance.logistic_table(y, X)
    attrs = table.attrs
    null = significance.likelihood_ratio_test(y, None, X)
    return {
        "terms": ["(Intercept)", *table.index[1:]],
        "coef": table.coef,
        "se": table.std_err,
        "z": table.z,
        "p": table.pvalue,
        "wald_low": np.log(table.low),
        "wald_high": np.log(table.high),
        **profile_as_r_interpolates(y, X, table),
        "loglik": attrs["llf"],
        "loglik_null": attrs["llf_null"],
        "aic": attrs["aic"],
        "bic": len(table) * np.log(attrs["n"]) - 2 * attrs["llf"],
        "deviance": -2 * attrs["llf"],
        "lr": null.statistic,
        "lr_df": null.df,
        "lr_p": null.pvalue,
        "mcfadden": 1 - attrs["llf"] / attrs["llf_null"],
    }


def logit_separation(case, table):
    # R warns and gives coefficients beyond 100; here it is an error.
    with pytest.raises(ValueError, match="column 's' separates the classes of y"):
        significance.logistic_table(table.y, table[["s"]])
    return {"converged_flag": 1, "max_abs_coef_gt": 100, "fitted_0_or_1": 1}


def logit_clustered(case, table):
    result = significance.logistic_table(table.y, table[["age", "base", "treat"]], groups=table.id)
    return {"coef": result.coef, "se": result.std_err}


def calibration_clustered(case, table):
    risk = expit(-2 + 0.5 * table.smoke - 0.2 * table.age)
    result = significance.calibration(table.resp, risk, groups=table.id)
    return {
        "shift": result.in_the_large,
        "shift_se": np.sqrt(result.in_the_large_interval.variance),
        "slope": result.slope,
        "slope_se": np.sqrt(result.slope_interval.variance),
    }


def calibration_curve(case, table):
    name, _, n_knots = case.rpartition("_")
    if name == "asah_few":
        table = table[:90]
        risk = expit(-1.5 + 2 * table.s100b + 0.2 * table.wfns + 0.01 * table.ndka)
    elif name == "respiratory":
        risk = expit(-0.5 + 0.02 * (table.age - 33) + 0.9 * table.base)
    else:
        risk = table.p_t_tbs_age
    result = significance.calibration_curve(
        table.y, risk, n_knots=int(n_knots), groups=table.get("id")
    )
    curve = result.curve
    ranks = np.sort(risk.to_numpy())
    if name.startswith("fracture"):
        at = ranks[[0, 99, 999, 1999, 2359]]
    else:
        at = np.unique(ranks)[[0, 19, 49, -1] if name == "asah_few" else [0, 9, 29, -1]]
    rows = curve[np.isin(curve.risk, at)]
    return {
        "at": rows.risk,
        "observed": rows.observed,
        "low": rows.low,
        "high": rows.high,
        "knots": result.knots,
        "ici": result.ici,
        "e50": result.e50,
        "e90": result.e90,
        "emax": result.emax,
    }


def proportion_clustered(case, table):
    wilson, exact = (
        significance.proportion_interval(table.y, 1, groups=table.id, method=method)
        for method in ("wilson", "exact")
    )
    return {
        "share": wilson.estimate,
        "variance": wilson.variance,
        "wilson": [wilson.low, wilson.high],
        "exact": [exact.low, exact.high],
    }


def mcnemar_clustered(case, table):
    right = table.base == table.y, table.treat == table.y
    test = significance.mcnemar(*right, groups=table.id, method="plain")
    return {"difference": test.estimate, "chisq": test.statistic, "p": test.pvalue}


def reclassification_clustered(case, table):
    old = expit(-0.5 + 0.02 * (table.age - 33))
    new = expit(-1.2 + 1.5 * table.base + 0.8 * table.treat)
    result = significance.reclassification(table.y, old, new, groups=table.id)
    nri = [result.nri, result.nri_events, result.nri_nonevents]
    idi = [result.idi, result.idi_events, result.idi_nonevents]
    return {
        "nri": [test.estimate for test in nri],
        "nri_variance": [test.interval.variance for test in nri],
        "idi": [test.estimate for test in idi],
        "idi_variance": [test.interval.variance for test in idi],
    }


def lrm(case, table):
    y, X = variables(case.removesuffix("_logit"), table)
    table = significance.logistic_table(y, X)
    attrs = table.attrs
    gain = attrs["llf"] - attrs["llf_null"]
    best = 1 - np.exp(2 * attrs["llf_null"] / attrs["n"])
    prob = expit(table.coef["const"] + X @ table.coef[1:])
    return {
        "terms": ["Intercept", *table.index[1:]],
        "coef": table.coef,
        "se": table.std_err,
        "model_lr": 2 * gain,
        "R2_nagelkerke": (1 - np.exp(-2 * gain / attrs["n"])) / best,
        "brier": significance.calibration(y, prob).brier,
    }


def apparent_C(case, table):
    y, X = variables(case.removesuffix("_logit"), table)
    return significance.logistic_table(y, X).attrs["auc"]


def lrtest_nested(case, table):
    y, X = variables(case.removesuffix("_logit"), table)
    left_out = {"birthwt": "age", "asah_logit": "wfns"}[case]
    test = significance.likelihood_ratio_test(y, X.drop(columns=left_out), X)
    return {"chisq": test.statistic, "df": test.df, "p": test.pvalue, "p_anova": test.pvalue}


def hosmer_lemeshow_fit(case, table):
    y, X = variables(case, table)
    coef = significance.logistic_table(y, X).coef
    prob = expit(coef["const"] + X @ coef[1:])
    with pytest.warns(RuntimeWarning, match="4 of 10 groups have fewer than 5 expected"):
        test = significance.hosmer_lemeshow(y, prob, out_of_fold=False)
    return {"chisq": test.statistic, "df": test.df, "p": test.pvalue}


def reclassified(case, table, **options):
    new = table[case.split("_vs_")[1].replace("t_", "p_t_", 1)]
    return significance.reclassification(table.y, table.p_t, new, **options)


def nri_continuous_idi(case, table):
    result = reclassified(case, table)

    def std_err(test):
        return np.sqrt(test.interval.variance)

    return {
        "nri": result.nri.estimate,
        "nri_se": std_err(result.nri),
        "nri_z": result.nri.statistic,
        "nri_p": result.nri.pvalue,
        "nri_events": result.nri_events.estimate,
        "nri_events_se": std_err(result.nri_events),
        "nri_nonevents": result.nri_nonevents.estimate,
        "nri_nonevents_se": std_err(result.nri_nonevents),
        "idi": result.idi.estimate,
        "idi_se": std_err(result.idi),
        "idi_z": result.idi.statistic,
        "idi_p": result.idi.pvalue,
        "improve_sens": result.idi_events.estimate,
        "improve_spec": result.idi_nonevents.estimate,
    }


def nri_categorical(case, table):
    cuts = [0.05, 0.03]
    result = reclassified(case, table, cutoffs=cuts)
    return {
        "cuts": sorted(cuts),
        "nri": result.nri.estimate,
        "events": result.nri_events.estimate,
        "nonevents": result.nri_nonevents.estimate,
        "se_h0": result.nri.estimate / result.nri.statistic,
        "z_h0": result.nri.statistic,
        "se_wald": np.sqrt(result.nri.interval.variance),
    }


def decision_curve(case, table):
    curve = significance.net_benefit(
        table.y, table.p_t_dl, [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.10]
    )
    return {
        "threshold": curve.threshold,
        "tp": curve.true_positives,
        "fp": curve.false_positives,
        "net_benefit": curve.net_benefit,
        "treat_all": curve.treat_all,
        "standardized": curve.standardized,
        "interventions_avoided_per_100": curve.interventions_avoided,
    }


def mcnemar(case, table):
    tests = {
        method: significance.mcnemar(table.model_a, table.model_b, method=method)
        for method in ("corrected", "plain", "exact", "mid-p")
    }
    a_only = tests["exact"].statistic
    return {
        "a_only": a_only,
        "b_only": a_only - round(tests["exact"].estimate * len(table)),
        "chisq_corrected": tests["corrected"].statistic,
        "p_corrected": tests["corrected"].pvalue,
        "chisq": tests["plain"].statistic,
        "p": tests["plain"].pvalue,
        "p_exact": tests["exact"].pvalue,
        "p_mid": tests["mid-p"].pvalue,
    }


def t_interval(case, table):
    interval = significance.t_interval(table.auc_a)
    return {
        "mean": interval.estimate,
        "sd": np.sqrt(interval.variance * len(table)),
        "low": interval.low,
        "high": interval.high,
    }


def corrected_t_interval(case, table):
    sizes = {"n_train": table.n_train.mean(), "n_test": table.n_test.mean()}
    interval = significance.corrected_t_interval(table.auc_a, **sizes)
    naive = significance.t_interval(table.auc_a)
    return {
        "low": interval.low,
        "high": interval.high,
        "se": np.sqrt(interval.variance),
        "inflation": np.sqrt(interval.variance / naive.variance),
    }


def corrected_t_test(case, table):
    difference = table.auc_a - table.auc_b
    test = significance.corrected_t_test(difference, n_train=2124, n_test=236)
    # Folds that train on everything and test on nothing need no correction.
    naive = significance.corrected_t_test(difference, n_train=1e30, n_test=1)
    return {
        "mean_diff": test.estimate,
        "t": test.statistic,
        "df": test.df,
        "p": test.pvalue,
        "t_naive": naive.statistic,
        "p_naive": naive.pvalue,
    }


cohen_kappa_fce = cohen_kappa


def plain(value):
    """R's names for what is not finite, turned into floats."""
    if isinstance(value, str):
        return {"NA": np.nan, "NaN": np.nan, "Inf": np.inf, "-Inf": -np.inf}[value]
    return [plain(part) for part in value] if isinstance(value, list) else float(value)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["id"])
def test_agrees_with_r(record):
    case, statistic = record["id"].split("/")
    table = pd.read_csv(DATA / record["file"])
    with warnings.catch_warnings():
        # That the degenerate cases warn is tested with their functions.
        if case.startswith(("ex_", "raters_perfect", "raters_one_constant")):
            warnings.simplefilter("ignore", RuntimeWarning)
        actual = globals()[statistic](case, table)
    expected = record["value"]
    if not isinstance(expected, dict):
        actual, expected = {"value": actual}, {"value": expected}
    else:
        assert set(expected) - set(actual) <= TOLERANCES
    for name in set(actual) & set(expected):
        if name == "terms":
            assert actual[name] == expected[name]
        else:
            np.testing.assert_allclose(
                actual[name],
                plain(expected[name]),
                rtol=record["rtol"],
                atol=record["atol"],
                err_msg=name,
            )
