"""Sample sizes for the development and the validation of a prediction model."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import brentq
from scipy.special import expit, xlogy

from skdxa.validation import check_level

# The formula for the mean absolute error of risks was fitted to models of 4 to 12 columns, and is
# recommended by its authors and by Riley et al. for at most so many.
_MOST_PARAMETERS = 30
# Half the width, in standard deviations, and the points of numerical integrals over normal
# distributions; the trapezoidal rule is then exact to rounding.
_REACH, _N_POINTS = 12.0, 4001


@dataclass(frozen=True, eq=False)
class SampleSize:
    """The patients that a study needs, by each criterion.

    Attributes
    ----------
    n : int
        Patients needed by all criteria.
    events : int
        Patients with the outcome that are expected among them, rounded up.
    table : pandas.DataFrame
        One row per criterion; columns `n`, `events`, and for the development of a model
        `events_per_parameter`, for its validation `value` (what is estimated) and `width`
        (of its interval).
    r2_cox_snell : float
        The share of the variation that the model explains, by Cox and Snell.
    r2_max : float
        The largest value that it can have at this prevalence.

    Examples
    --------
    >>> from skdxa.significance import sample_size_development
    >>> needed = sample_size_development(0.174, 0.89, 24)
    >>> needed.table.columns.tolist()
    ['n', 'events', 'events_per_parameter']
    """

    n: int
    events: int
    table: pd.DataFrame
    r2_cox_snell: float
    r2_max: float


def sample_size_development(
    prevalence,
    c_statistic,
    n_parameters,
    *,
    r2_cox_snell=None,
    shrinkage=0.9,
    optimism=0.05,
    risk_margin=0.05,
    absolute_error=0.05,
):
    r"""Compute how many patients the development of a prediction model needs.

    Parameters
    ----------
    prevalence : float
        Share of the patients with the outcome.
    c_statistic : float or None
        AUC expected of the model among new patients, above 0.5. None if `r2_cox_snell` is given.
    n_parameters : int
        Candidate parameters: one for each column, and one less than there are categories for a
        categorical one. Those that a selection drops count too.
    r2_cox_snell : float, optional
        Cox and Snell's R2 expected of the model, in place of the one that follows from
        `c_statistic`.
    shrinkage : float, default=0.9
        Calibration slope that the fitted model should have among new patients, at least.
    optimism : float, default=0.05
        Difference between Nagelkerke's R2 in the training data and among new patients, at most.
    risk_margin : float, default=0.05
        Half the width of the 95 % interval of the prevalence, at most.
    absolute_error : float, default=0.05
        Mean absolute error of the estimated risks, at most.

    Returns
    -------
    SampleSize
        Rows `shrinkage`, `optimism`, `prevalence` and `absolute_error`. With more than 30
        parameters the formula of the last does not apply: its `n` is missing.

    Raises
    ------
    ValueError
        If an argument is out of range, or neither or both of `c_statistic` and `r2_cox_snell` are
        given.

    See Also
    --------
    sample_size_validation : Sample size for testing an existing model.

    Notes
    -----
    The four criteria of Riley et al. [1]_ [2]_, with prevalence :math:`\phi`, `p` parameters,
    :math:`R^2` of Cox and Snell and its maximum
    :math:`1 - (\phi^\phi (1 - \phi)^{1 - \phi})^2`:

    - shrinkage `S`: :math:`n = p / [(S - 1) \ln(1 - R^2 / S)]`;
    - optimism :math:`\delta`: the same with :math:`S = R^2 / (R^2 + \delta R^2_\mathrm{max})`;
    - prevalence: :math:`n = (1.96 / \text{margin})^2 \phi (1 - \phi)`;
    - absolute error [3]_: :math:`\ln n = (-0.508 + 0.259 \ln \phi + 0.504 \ln p -
      \ln \text{error}) / 0.544`.

    :math:`R^2` follows from the AUC if the log odds are normal with equal variance among patients
    with and without the outcome [4]_; the likelihood of such a model is integrated here, not
    simulated. A network that learns features from images has no number of parameters in this
    sense. The criteria then hold for the model that combines its score with other columns.

    References
    ----------
    .. [1] Riley RD, Snell KIE, Ensor J, et al. Minimum sample size for developing a
       multivariable prediction model: PART II - binary and time-to-event outcomes. Statistics in
       Medicine 38 (2019) 1276-1296.
    .. [2] Riley RD, Ensor J, Snell KIE, et al. Calculating the sample size required for developing
       a clinical prediction model. BMJ 368 (2020) m441.
    .. [3] van Smeden M, Moons KGM, de Groot JAH, et al. Sample size for binary logistic
       prediction models: beyond events per variable criteria. Statistical Methods in Medical
       Research 28 (2019) 2455-2474.
    .. [4] Riley RD, Van Calster B, Collins GS. A note on estimating the Cox-Snell R2 from a
       reported C statistic (AUROC) to inform sample size calculations for developing a
       prediction model with a binary outcome. Statistics in Medicine 40 (2021) 859-864.

    Examples
    --------
    >>> from skdxa.significance import sample_size_development
    >>> needed = sample_size_development(0.174, 0.89, 24)
    >>> needed.n, needed.events
    (801, 140)
    >>> needed.table["n"].to_dict()
    {'shrinkage': 615, 'optimism': 660, 'prevalence': 221, 'absolute_error': 801}
    """
    _check_share(prevalence, "prevalence")
    for name, value in (
        ("shrinkage", shrinkage),
        ("optimism", optimism),
        ("risk_margin", risk_margin),
        ("absolute_error", absolute_error),
    ):
        _check_share(value, name)
    if n_parameters != int(n_parameters) or n_parameters < 1:
        raise ValueError(
            f"n_parameters must be a whole number of 1 or more, got {n_parameters!r}."
        )
    if (c_statistic is None) == (r2_cox_snell is None):
        raise ValueError("either c_statistic or r2_cox_snell must be given, and not both.")
    largest = _largest_r2(prevalence)
    if r2_cox_snell is None:
        r2_cox_snell = _r2_of(prevalence, _check_c_statistic(c_statistic))
    if not 0 < r2_cox_snell < largest:
        raise ValueError(
            f"r2_cox_snell must lie between 0 and {largest:.3g}, its maximum at a prevalence of "
            f"{prevalence:g}; got {r2_cox_snell!r}."
        )

    def by_shrinkage(slope):
        if r2_cox_snell >= slope:
            raise ValueError(
                f"r2_cox_snell of {r2_cox_snell:g} must be below the shrinkage of {slope:g}."
            )
        return n_parameters / ((slope - 1) * np.log1p(-r2_cox_snell / slope))

    error = np.nan
    if n_parameters <= _MOST_PARAMETERS:
        log_error = -0.508 + 0.259 * np.log(prevalence) + 0.504 * np.log(n_parameters)
        error = np.exp((log_error - np.log(absolute_error)) / 0.544)
    sizes = {
        "shrinkage": by_shrinkage(shrinkage),
        "optimism": by_shrinkage(r2_cox_snell / (r2_cox_snell + optimism * largest)),
        "prevalence": (1.96 / risk_margin) ** 2 * prevalence * (1 - prevalence),
        "absolute_error": error,
    }
    table = _table(sizes, prevalence)
    table["events_per_parameter"] = table["n"].astype(float) * prevalence / n_parameters
    return _sample_size(table, prevalence, r2_cox_snell, largest)


def sample_size_validation(
    prevalence,
    c_statistic,
    *,
    o_e_width=0.2,
    slope_width=0.2,
    c_statistic_width=0.1,
    threshold=None,
    net_benefit_width=0.2,
    log_odds=None,
    level=0.95,
):
    r"""Compute how many patients the validation of a prediction model needs.

    Parameters
    ----------
    prevalence : float
        Share of the patients with the outcome.
    c_statistic : float
        AUC expected in the validation, above 0.5.
    o_e_width : float, default=0.2
        Width of the interval of observed over expected events, whose value is assumed to be 1.
    slope_width : float, default=0.2
        Width of the interval of the calibration slope, whose value is assumed to be 1.
    c_statistic_width : float, default=0.1
        Width of the interval of the AUC.
    threshold : float, optional
        Risk at which the standardised net benefit (divided by the prevalence) is wanted; no
        such criterion if not given.
    net_benefit_width : float, default=0.2
        Width of the interval of the standardised net benefit.
    log_odds : tuple of two floats, optional
        Mean and standard deviation of the log odds of the patients' risks, where a normal
        distribution of them is known. If not given, they follow from the prevalence and
        the AUC: normal with equal variance among patients with and without the outcome.
    level : float, default=0.95
        Confidence level of all intervals.

    Returns
    -------
    SampleSize
        Rows `o_e`, `slope`, `c_statistic` and, with `threshold`, `net_benefit`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    See Also
    --------
    sample_size_development : Sample size for developing a model.

    Notes
    -----
    The criteria of Riley et al. [1]_ for a model whose risks are correct, with prevalence
    :math:`\phi`:

    - observed over expected events, on the logarithmic scale:
      :math:`n = (1 - \phi) / (\phi \, \mathrm{se}^2)`;
    - slope: :math:`n = I_{00} / [\mathrm{se}^2 (I_{00} I_{11} - I_{01}^2)]`, with the mean
      information of a patient on intercept and slope;
    - AUC: the smallest `n` at which the standard error of Newcombe's formula [2]_ is small
      enough;
    - net benefit at the threshold `t`, with :math:`w = (1 - \phi) t / (\phi (1 - t))` and
      sensitivity and specificity there:
      :math:`n = [\mathrm{se}_+ (1 - \mathrm{se}_+) / \phi +
      w^2 \mathrm{sp} (1 - \mathrm{sp}) / (1 - \phi) +
      w^2 (1 - \mathrm{sp})^2 / (\phi (1 - \phi))] / \mathrm{se}^2`.

    Means over the log odds are integrated, not simulated, so that the numbers of the authors'
    programs, which simulate and round, differ by a few patients.

    References
    ----------
    .. [1] Riley RD, Debray TPA, Collins GS, et al. Minimum sample size for external validation of
       a clinical prediction model with a binary outcome. Statistics in Medicine 40 (2021)
       4230-4251.
    .. [2] Newcombe RG. Confidence intervals for an effect size measure based on the
       Mann-Whitney statistic. Part 2: asymptotic methods and evaluation. Statistics in Medicine
       25 (2006) 559-573.

    Examples
    --------
    >>> from skdxa.significance import sample_size_validation
    >>> needed = sample_size_validation(0.018, 0.8, o_e_width=1, log_odds=(-5, 2.5))
    >>> needed.table["n"].to_dict()
    {'o_e': 906, 'slope': 4554, 'c_statistic': 4252}
    """
    _check_share(prevalence, "prevalence")
    check_level(level)
    _check_c_statistic(c_statistic)
    for name, width in (
        ("o_e_width", o_e_width),
        ("slope_width", slope_width),
        ("c_statistic_width", c_statistic_width),
        ("net_benefit_width", net_benefit_width),
    ):
        if not 0 < width < np.inf:
            raise ValueError(f"{name} must be above 0, got {width!r}.")
    # 1.96 at 95 %, as published.
    quantile = round(stats.norm.ppf((1 + level) / 2), 2)
    points, weights, risks = _risks(prevalence, c_statistic, log_odds)
    spread = weights * risks * (1 - risks)
    first, mixed, second = (np.sum(spread * points**power) for power in (0, 1, 2))
    slope_error = slope_width / 2 / quantile
    # The interval from exp(-z se) to exp(z se) has the width 2 sinh(z se).
    ratio_error = np.arcsinh(o_e_width / 2) / quantile
    sizes = {
        "o_e": (1 - prevalence) / prevalence / ratio_error**2,
        "slope": first / (first * second - mixed**2) / slope_error**2,
        "c_statistic": _size_of_area(prevalence, c_statistic, c_statistic_width / 2 / quantile),
    }
    values, widths = [1.0, 1.0, c_statistic], [o_e_width, slope_width, c_statistic_width]
    if threshold is not None:
        _check_share(threshold, "threshold")
        called = risks >= threshold
        sensitivity = np.sum((weights * risks)[called]) / np.sum(weights * risks)
        false_rate = np.sum((weights * (1 - risks))[called]) / np.sum(weights * (1 - risks))
        odds = (1 - prevalence) / prevalence * threshold / (1 - threshold)
        variance = (
            sensitivity * (1 - sensitivity) / prevalence
            + odds**2 * false_rate * (1 - false_rate) / (1 - prevalence)
            + odds**2 * false_rate**2 / (prevalence * (1 - prevalence))
        )
        sizes["net_benefit"] = variance / (net_benefit_width / 2 / quantile) ** 2
        values.append(sensitivity - false_rate * odds)
        widths.append(net_benefit_width)
    table = _table(sizes, prevalence).assign(value=values, width=widths)
    return _sample_size(
        table, prevalence, _r2_of(prevalence, c_statistic), _largest_r2(prevalence)
    )


def _check_share(value, name):
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie between 0 and 1, got {value!r}.")


def _check_c_statistic(c_statistic):
    if not 0.5 < c_statistic < 1:
        raise ValueError(f"c_statistic must lie between 0.5 and 1, got {c_statistic!r}.")
    return c_statistic


def _largest_r2(prevalence):
    """Return the largest value of Cox and Snell's R2: that of a perfect model."""
    return float(1 - np.exp(2 * _null_likelihood(prevalence)))


def _null_likelihood(prevalence):
    """Return the mean logarithmic likelihood of a patient by the prevalence alone."""
    return xlogy(prevalence, prevalence) + xlogy(1 - prevalence, 1 - prevalence)


def _r2_of(prevalence, c_statistic):
    """Return Cox and Snell's R2 of correct risks with this AUC."""
    _, weights, risks = _risks(prevalence, c_statistic, None)
    likelihood = np.sum(weights * (xlogy(risks, risks) + xlogy(1 - risks, 1 - risks)))
    return float(-np.expm1(2 * (_null_likelihood(prevalence) - likelihood)))


def _risks(prevalence, c_statistic, log_odds):
    """Return log odds, the share of the patients at each, and the risks.

    If the log odds of patients with and without the outcome are normal with the variance s^2 and
    means s^2 apart, the risk that they imply is correct; their AUC is Phi(s / sqrt(2)).
    """
    if log_odds is not None:
        middle, spread = log_odds
        if not 0 < spread < np.inf or not np.isfinite(middle):
            raise ValueError(
                "log_odds must be a finite mean and a standard deviation above 0, got "
                f"{log_odds!r}."
            )
        points = middle + spread * np.linspace(-_REACH, _REACH, _N_POINTS)
        density = stats.norm.pdf(points, middle, spread)
    else:
        spread = np.sqrt(2) * stats.norm.ppf(c_statistic)
        # The constant by which the risks add up to the prevalence.
        low = np.log(prevalence / (1 - prevalence)) - spread**2 / 2
        points = np.linspace(low - _REACH * spread, low + spread**2 + _REACH * spread, _N_POINTS)
        density = (1 - prevalence) * stats.norm.pdf(points, low, spread)
        density += prevalence * stats.norm.pdf(points, low + spread**2, spread)
    return points, density / density.sum(), expit(points)


def _size_of_area(prevalence, area, error):
    """Return the patients at which Newcombe's standard error of an AUC is small enough."""

    def excess(n):
        more = (n / 2 - 1) * ((1 - area) / (2 - area) + area / (1 + area))
        return area * (1 - area) * (1 + more) / (n**2 * prevalence * (1 - prevalence)) - error**2

    # An AUC close to 1 is certain enough with a single patient, by the formula.
    return 1.0 if excess(1.0) <= 0 else brentq(excess, 1.0, 1e15, xtol=1e-6, rtol=1e-14)


def _table(sizes, prevalence):
    """Return the patients by each criterion, rounded up."""
    n = pd.array(
        [max(_round_up(size), 1) if size == size else pd.NA for size in sizes.values()], "Int64"
    )
    events = pd.array(
        [pd.NA if pd.isna(size) else _round_up(size * prevalence) for size in n], "Int64"
    )
    return pd.DataFrame({"n": n, "events": events}, index=pd.Index([*sizes], name="criterion"))


def _round_up(number):
    """Round up, ignoring rounding errors."""
    return int(np.ceil(number - 1e-9))


def _sample_size(table, prevalence, r2_cox_snell, largest):
    n = int(table["n"].max())
    return SampleSize(n, _round_up(n * prevalence), table, float(r2_cox_snell), largest)
