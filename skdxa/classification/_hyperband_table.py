"""The brackets and rounds of Hyperband, and their cost."""

from fractions import Fraction
from math import ceil, floor
from numbers import Integral, Real

import pandas as pd

from skdxa._sklearn import Interval, validate_params

SCHEDULE = {
    "max_resource": [Interval(Integral, 1, None, closed="left")],
    "min_resource": [Interval(Integral, 1, None, closed="left")],
    "eta": [Interval(Real, 2, None, closed="left")],
}


@validate_params(
    {
        **SCHEDULE,
        "n_splits": [Interval(Integral, 1, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def hyperband_table(max_resource=100, *, min_resource=1, eta=3, n_splits=1):
    r"""Return the brackets of Hyperband and their cost, before anything runs.

    Parameters
    ----------
    max_resource : int, default=100
        The most that one configuration gets, such as epochs.
    min_resource : int, default=1
        The least.
    eta : float, default=3
        A round keeps one configuration in `eta`, and gives it `eta` times as much; at least 2.
    n_splits : int, default=1
        Folds of the cross-validation, by which the costs are multiplied.

    Returns
    -------
    table : DataFrame
        One row per round, in the order of the search: `bracket` (s, from the largest to 0),
        `iter` (the round in its bracket, from 0), `n_candidates`, `n_resources` (of each
        candidate), `cost` (total of the round if each fit starts again) and `cost_warm` (if
        each continues from the round before).

    Raises
    ------
    ValueError
        If `min_resource` is above `max_resource`.

    See Also
    --------
    HyperbandSearchCV : The search.

    Notes
    -----
    With :math:`R` the largest resource in units of the smallest and
    :math:`s_\mathrm{max} = \lfloor \log_\eta R \rfloor`, bracket :math:`s` starts with
    :math:`n = \lceil \frac{s_\mathrm{max} + 1}{s + 1} \eta^s \rceil` configurations of
    :math:`r = R \eta^{-s}` each, and its round :math:`i` has
    :math:`\lfloor n \eta^{-i} \rfloor` of :math:`r \eta^i` (algorithm 1 of [1]_). The
    resource is rounded down to a whole number. Programs that round
    :math:`(s_\mathrm{max} + 1) / (s + 1)` down begin their brackets with fewer, for R = 81
    with 27, 9 and 6 configurations instead of 34, 15 and 8.

    References
    ----------
    .. [1] Li et al., "Hyperband: a novel bandit-based approach to hyperparameter
       optimization", Journal of Machine Learning Research 18(185), 2018, 1-52.
       https://jmlr.org/papers/v18/16-558.html

    Examples
    --------
    >>> from skdxa.classification import hyperband_table
    >>> table = hyperband_table(9, eta=3)
    >>> print(table.to_string(index=False))
     bracket  iter  n_candidates  n_resources  cost  cost_warm
           2     0             9            1     9          9
           2     1             3            3     9          6
           2     2             1            9     9          6
           1     0             5            3    15         15
           1     1             1            9     9          6
           0     0             3            9    27         27
    """
    if min_resource > max_resource:
        raise ValueError(
            f"min_resource must not be above max_resource; got {min_resource} and {max_resource}."
        )
    # Fractions, since the logarithm and the powers of floats are off by one at whole powers.
    eta = Fraction(eta)
    s_max = 0
    while min_resource * eta ** (s_max + 1) <= max_resource:
        s_max += 1
    rounds = []
    for s in range(s_max, -1, -1):
        n_first = ceil(Fraction(s_max + 1, s + 1) * eta**s)
        rounds += rounds_of_bracket(s, n_first, max_resource, eta, n_splits)
    return pd.DataFrame(rounds)


def rounds_of_bracket(s, n_first, max_resource, eta, n_splits):
    """Return the rounds of a bracket that starts with so many configurations."""
    rounds, before = [], 0
    for i in range(s + 1):
        n_resources = floor(max_resource / eta ** (s - i))
        # A list of parameters can hold fewer configurations than the bracket asks for.
        n = max(floor(n_first / eta**i), 1)
        rounds.append(
            {
                "bracket": s,
                "iter": i,
                "n_candidates": n,
                "n_resources": n_resources,
                "cost": n * n_resources * n_splits,
                "cost_warm": n * (n_resources - before) * n_splits,
            }
        )
        before = n_resources
    return rounds
