"""Logistic regression without a penalty, as clinical papers report it."""

import warnings

import numpy as np
import pandas as pd
from scipy import stats
from scipy.linalg import qr, solve_triangular
from scipy.optimize import linprog
from sklearn.metrics import roc_auc_score

from skdxa.significance._checks import check_both_classes, check_groups, check_option
from skdxa.significance._profile import LogisticProfile
from skdxa.significance._results import HypothesisTest
from skdxa.validation import check_aligned, check_level, fill_masked


def logistic_table(y, X, *, groups=None, level=0.95, interval="wald"):
    """Compute coefficients, odds ratios and p-values of a logistic regression.

    Parameters
    ----------
    y : array-like of shape (n_scans,)
        Outcome, 0 or 1.
    X : DataFrame or array-like of shape (n_scans, n_variables)
        Numbers: 0 and 1 for a variable with two categories, indicator columns for a
        variable with more. The constant is added. The columns of an array are called
        `x1`, `x2`, ...
    groups : array-like of shape (n_scans,), optional
        The patient of each scan, where patients have several: the standard errors are then
        those of the sandwich estimator clustered by patient [4]_. By default every scan is of
        another patient.
    level : float, default=0.95
        Confidence level of the intervals of the odds ratios.
    interval : {"wald", "profile"}, default="wald"
        Wald's interval, symmetric about the coefficient, as most programs print it; or
        the interval of the profile likelihood, which is more accurate with few events
        and needs several fits per coefficient. R's ``confint`` approximates the latter
        by interpolation. The profile likelihood assumes independent scans and is not
        available with `groups`.

    Returns
    -------
    pandas.DataFrame of shape (n_variables + 1, 7)
        The constant first (index `const`), then one row per variable, per unit of the
        variable: columns `coef`, `std_err`, `z`, `pvalue`, `odds_ratio`, and `low` and
        `high`, the interval of the odds ratio. The ``attrs`` of the table hold `llf` and
        `llf_null` (log-likelihood of the model and of the constant alone), `aic`, `auc`,
        `n`, `n_patients`, `events`, `level` and `interval`.

    Raises
    ------
    ValueError
        If a column, which is named, has missing values or text, is constant, depends
        linearly on others, or separates the classes, so that no finite estimate exists;
        if `y` has one class only; if a patient is missing; if `y`, `X` and `groups` differ in
        length or index; or if there are too few patients for the variables.

    Notes
    -----
    `auc` is the area under the curve on the training data, which is biased upwards, and
    the more so the more variables there are per event. Unlike ``LogisticRegression`` of
    scikit-learn, the model has no penalty.

    With `groups`, the coefficients are those without; they describe the mean risk of all
    scans. The sandwich estimator has the factor G / (G - 1) for G patients, as in Stata and
    the R package sandwich, and is too small with few patients (below about 40).

    References
    ----------
    .. [1] Hosmer DW, Lemeshow S, Sturdivant RX. Applied logistic regression. 3rd
       ed., Wiley, 2013.
    .. [2] Albert A, Anderson JA. On the existence of maximum likelihood estimates
       in logistic regression models. Biometrika 71, 1-10 (1984).
    .. [3] Venzon DJ, Moolgavkar SH. A method for computing profile-likelihood-based
       confidence intervals. J R Stat Soc C 37, 87-94 (1988).
    .. [4] Liang KY, Zeger SL. Longitudinal data analysis using generalized linear models.
       Biometrika 73, 13-22 (1986).

    Examples
    --------
    >>> import pandas as pd
    >>> from skdxa.significance import logistic_table
    >>> X = pd.DataFrame({"min_t": [-0.4, -3.1, -1.0, -2.2, -2.6, 0.3, -1.9, -2.0]})
    >>> table = logistic_table([0, 1, 0, 1, 0, 0, 0, 1], X)
    >>> table.coef.round(2).to_dict()
    {'const': -4.38, 'min_t': -2.02}
    >>> table.attrs["n"], table.attrs["events"]
    (8, 3)
    """
    check_level(level)
    check_option(interval, "interval", ("wald", "profile"))
    check_aligned(y=y, X=X, groups=groups)
    patient = check_groups(groups, y, "y")
    if groups is not None and interval == "profile":
        raise ValueError(
            "interval='profile' assumes independent scans: use interval='wald' with groups."
        )
    y = check_both_classes(y)
    names, columns = named_columns(X, "X")
    coef, covariance, llf = fit_logistic(y, columns, names, patient)
    std_err = np.sqrt(np.diag(covariance))
    if interval == "wald":
        half = stats.norm.ppf((1 + level) / 2) * std_err
        ends = coef - half, coef + half
    else:
        profile = LogisticProfile(y, columns, coef, covariance, llf)
        ends = np.transpose([profile.interval(at, level) for at in range(coef.size)])
    with np.errstate(over="ignore"):  # the constant's, if a variable is far from zero
        odds_ratio, low, high = np.exp(coef), *np.exp(ends)
    table = pd.DataFrame(
        {
            "coef": coef,
            "std_err": std_err,
            "z": coef / std_err,
            "pvalue": 2 * stats.norm.sf(np.abs(coef / std_err)),
            "odds_ratio": odds_ratio,
            "low": low,
            "high": high,
        },
        index=["const", *names],
    )
    table.attrs = {
        "llf": llf,
        "llf_null": _llf_null(y),
        "aic": 2 * coef.size - 2 * llf,
        "auc": float(roc_auc_score(y, columns @ coef[1:])),
        "n": int(y.size),
        "n_patients": int(y.size if patient is None else patient.max() + 1),
        "events": int(y.sum()),
        "level": float(level),
        "interval": interval,
    }
    return table


def likelihood_ratio_test(y, X_small, X_large, *, groups=None):
    """Test whether additional variables improve a logistic model.

    Parameters
    ----------
    y : array-like of shape (n_patients,)
        Outcome, 0 or 1.
    X_small : DataFrame or array-like of shape (n_patients, n_small) or None
        Variables of the smaller model; None for the constant alone.
    X_large : DataFrame or array-like of shape (n_patients, n_large)
        Variables of the larger model, which include those of the smaller one, of the
        same patients. The constant is added to both models.
    groups : array-like of shape (n_patients,), optional
        The patient of each row, where patients have several: the statistic is then divided by
        a design effect. By default every row is of another patient.

    Returns
    -------
    HypothesisTest
        Twice the gain in log-likelihood (as `estimate` and `statistic`), the p-value of
        the chi-square distribution, and `df`, the number of additional variables;
        `interval` is None.

    Raises
    ------
    ValueError
        If the models are not nested or not on the same rows, or as for
        `logistic_table`.

    Notes
    -----
    With `groups` the statistic is that of Rao and Scott [2]_: twice the gain in log-likelihood,
    divided by the mean eigenvalue of the sandwich covariance of the additional coefficients
    relative to their covariance by the model. Of one variable that is the ratio of its two
    variances. Of several, the eigenvalues differ, and the statistic and `df`, which need not be
    whole, are those of Satterthwaite's approximation. It needs many patients, as does the
    sandwich of `logistic_table`.

    References
    ----------
    .. [1] Hosmer DW, Lemeshow S, Sturdivant RX. Applied logistic regression. 3rd
       ed., Wiley, 2013.
    .. [2] Rao JNK, Scott AJ. On chi-squared tests for multiway contingency tables with cell
       proportions estimated from survey data. Ann Stat 12, 46-60 (1984).

    Examples
    --------
    >>> import pandas as pd
    >>> from skdxa.significance import likelihood_ratio_test
    >>> X = pd.DataFrame(
    ...     {
    ...         "min_t": [-0.4, -3.1, -1.0, -2.2, -2.6, 0.3, -1.9, -2.0],
    ...         "age": [65, 70, 68, 66, 64, 71, 69, 63],
    ...     }
    ... )
    >>> test = likelihood_ratio_test([0, 1, 0, 1, 0, 0, 0, 1], X[["min_t"]], X)
    >>> round(test.statistic, 2), test.df, round(test.pvalue, 2)
    (0.16, 1, 0.69)
    """
    check_aligned(y=y, X_small=X_small, X_large=X_large, groups=groups)
    patient = check_groups(groups, y, "y")
    y = check_both_classes(y)
    names, columns = named_columns(X_large, "X_large")
    if X_small is None:
        small_names, small_columns, llf_small = [], columns[:, :0], _llf_null(y)
    else:
        small_names, small_columns = named_columns(X_small, "X_small")
        _check_nested(small_columns, small_names, columns)
        llf_small = fit_logistic(y, small_columns, small_names)[2]
    df = len(names) - len(small_names)
    if df < 1:
        raise ValueError("X_large has no variable beyond those of X_small.")
    statistic, method = 2 * (fit_logistic(y, columns, names)[2] - llf_small), "likelihood ratio"
    if patient is not None:
        effects = _design_effects(y, small_columns, columns, df, patient)
        total, squares = effects.sum(), np.sum(effects**2)
        statistic, df = float(statistic * total / squares), total**2 / squares
        # For one variable only the ratio is scaled, so that df remains whole.
        df, method = int(df) if effects.size == 1 else float(df), f"clustered {method}"
    return HypothesisTest(
        statistic, statistic, float(stats.chi2.sf(statistic, df)), None, method, df
    )


def _design_effects(y, small, large, n_additional, patient):
    """Return by how much several rows per patient inflate the variances of the additional part.

    The additional part of the large model is what the small model's columns do not explain of
    the large model's columns. The small model's columns may be combinations of the large
    model's, of which `n_additional` more are independent.
    """
    design = np.column_stack([np.ones(y.size), small])
    scaled = (large - large.mean(axis=0)) / large.std(axis=0)
    rest = scaled - design @ np.linalg.lstsq(design, scaled)[0]
    _, _, pivots = qr(rest, mode="economic", pivoting=True)
    chosen = np.column_stack([small, rest[:, pivots[:n_additional]]])
    names = [f"x{number}" for number in range(chosen.shape[1])]
    model, sandwich = (
        fit_logistic(y, chosen, names, of)[1][-n_additional:, -n_additional:]
        for of in (None, patient)
    )
    return np.linalg.eigvals(np.linalg.solve(model, sandwich)).real


def _check_nested(small, small_names, large):
    design = np.column_stack([np.ones(len(large)), large])
    explained = design @ np.linalg.lstsq(design, small)[0]
    error = np.abs(small - explained).max(axis=0) / small.std(axis=0)
    if error.max() > 1e-6:
        raise ValueError(
            f"the models are not nested: column {small_names[error.argmax()]!r} of X_small is not "
            "in X_large."
        )


def named_columns(X, name):
    """Return names and finite float values, (n_rows, n_columns), of a table of variables."""
    if isinstance(X, pd.Series):
        X = X.to_frame(X.name if X.name is not None else "x1")
    elif not isinstance(X, pd.DataFrame):
        X = np.asarray(fill_masked(X))
        if X.ndim == 1:
            X = X[:, None]
        if X.ndim != 2:
            raise ValueError(f"{name} must be a table, got an array of shape {X.shape}.")
        X = pd.DataFrame(X, columns=[f"x{number}" for number in range(1, X.shape[1] + 1)])
    names = [str(column) for column in X.columns]
    taken = ["const", *names]
    twice = {column for column in taken if taken.count(column) > 1}
    if twice:
        raise ValueError(
            f"{name} has more than one column {min(twice)!r} ('const' is the constant, "
            "which is added automatically): rename the column or leave it out."
        )
    if X.empty:
        raise ValueError(f"{name} is empty: it has {X.shape[0]} rows and {X.shape[1]} columns.")
    return names, np.column_stack(
        [_float_column(X.iloc[:, position], column) for position, column in enumerate(names)]
    )


def _float_column(column, name):
    if column.dtype.kind in "mM":
        raise ValueError(
            f"column {name!r} holds dates or times: turn them into numbers in a unit that you "
            "choose, such as days."
        )
    try:
        values = column.to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"column {name!r} must hold numbers ({error}): code two categories as 0 and 1, more "
            "as indicator columns."
        ) from error
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise ValueError(
            f"column {name!r} has {bad.size} missing or infinite value(s), the first at index "
            f"{column.index[bad[0]]}: leave these patients out of every model to be compared."
        )
    if np.ptp(values) <= 1e-12 * np.abs(values).max():
        raise ValueError(
            f"column {name!r} is constant: leave it out, since the constant is added."
        )
    return values


def fit_logistic(y, columns, names, patient=None):
    """Fit a logistic model with a constant: coefficients, covariance and log-likelihood.

    With the number of each row's patient, the covariance is the sandwich clustered by patient.
    """
    # Imported here because it takes half a second.
    from statsmodels.discrete.discrete_model import Logit
    from statsmodels.tools.sm_exceptions import ModelWarning

    n_patients = y.size if patient is None else patient.max() + 1
    if n_patients <= len(names) + 1:
        raise ValueError(f"{n_patients} patients are too few for {len(names)} variables.")
    # The stopping rule of Newton's method is absolute, so variables must be of order one.
    centre, spread = columns.mean(axis=0), columns.std(axis=0)
    design = np.column_stack([np.ones(y.size), (columns - centre) / spread])
    _check_independent(design[:, 1:], names)
    covariance_options, factor = {}, 1.0
    if patient is not None:
        by_patient = {"groups": patient, "use_correction": False}
        covariance_options = {"cov_type": "cluster", "cov_kwds": by_patient}
        factor = n_patients / (n_patients - 1)
    with warnings.catch_warnings(), np.errstate(over="ignore", divide="ignore"):
        warnings.simplefilter("ignore", ModelWarning)
        try:
            result = Logit(y, design, check_rank=False).fit(disp=0, **covariance_options)
            converged = result.mle_retvals["converged"]
        except np.linalg.LinAlgError:
            # Where the classes are separated, the Hessian tends to a singular matrix.
            converged = False
    if not converged:
        _check_separation(y, design, names)
        raise ValueError(
            "the logistic model did not converge: its columns almost separate the classes of y."
        )
    back = np.diag(1 / np.concatenate([[1.0], spread]))
    back[0, 1:] = -centre / spread
    covariance = factor * back @ result.cov_params() @ back.T
    return back @ result.params, covariance, float(result.llf)


def _llf_null(y):
    events = y.sum()
    share = events / y.size
    return float(events * np.log(share) + (y.size - events) * np.log(1 - share))


def _check_independent(standardised, names):
    """Raise an error that names the first column that depends linearly on those before it."""
    triangle = np.linalg.qr(standardised / np.sqrt(len(standardised)), mode="r")
    dependent = np.flatnonzero(np.abs(np.diag(triangle)) < 1e-7)
    if not dependent.size:
        return
    last = dependent[0]
    weights = solve_triangular(triangle[:last, :last], triangle[:last, last])
    partners = [names[number] for number in np.flatnonzero(np.abs(weights) > 1e-5)]
    raise ValueError(
        f"column {names[last]!r} is a linear combination of {', '.join(map(repr, partners))}: "
        "leave one of them out."
    )


def _check_separation(y, design, names):
    """Raise an error that names the columns if a linear combination separates the classes.

    A combination separates the classes if all positives lie on one side of a hyperplane and
    all negatives on the other or on the hyperplane (Albert and Anderson 1984), which a linear
    programme finds.
    """
    remedy = (
        "no finite estimate exists. Leave the column out, merge categories or use Firth's penalty."
    )
    for name, column in zip(names, design[:, 1:].T, strict=True):
        positives, negatives = column[y == 1], column[y == 0]
        if positives.min() >= negatives.max() or negatives.min() >= positives.max():
            raise ValueError(f"column {name!r} separates the classes of y: {remedy}")
    signed = design * (2 * y - 1)[:, None]
    solution = linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(y.size), bounds=(-1, 1))
    if -solution.fun > 1e-6:
        involved = [names[at] for at in np.flatnonzero(np.abs(solution.x[1:]) > 1e-6)]
        raise ValueError(
            f"columns {', '.join(map(repr, involved))} together separate the classes of y: "
            f"{remedy}"
        )
