"""Profile likelihood of logistic coefficients, whose intervals need not be symmetric."""

import numpy as np
from scipy import optimize, stats
from scipy.special import expit


class LogisticProfile:
    """Log-likelihood of a logistic model where one coefficient is fixed.

    Parameters
    ----------
    y : ndarray of shape (n_patients,)
        Outcome, 0 or 1.
    columns : ndarray of shape (n_patients, n_variables)
        Variables without the constant.
    coef : ndarray of shape (n_variables + 1,)
        Estimated coefficients, the constant first.
    covariance : ndarray of shape (n_variables + 1, n_variables + 1)
        Covariance of `coef`.
    llf : float
        Log-likelihood at the estimates.
    """

    def __init__(self, y, columns, coef, covariance, llf):
        self.coef, self.std_err = coef, np.sqrt(np.diag(covariance))
        self._sign, self._covariance, self._llf = 2 * y - 1, covariance, llf
        # The optimiser needs variables of order one. Centring would change the constant.
        self._scale = np.concatenate([[1.0], np.abs(columns).max(axis=0)])
        self._design = np.column_stack([np.ones(y.size), columns]) / self._scale

    def signed_root(self, position, value):
        """Return the signed root of the likelihood ratio of a value, as R's ``profile`` does.

        Parameters
        ----------
        position : int
            Position of the coefficient; 0 is the constant.
        value : float
            Value at which the coefficient is fixed.

        Returns
        -------
        float
            Signed root; asymptotically standard normal if `value` is true.
        """
        held = value * self._scale[position] * self._design[:, position]
        others = np.delete(self._design, position, axis=1)
        # The other coefficients at the maximum if the log-likelihood were quadratic.
        slope = self._covariance[position] / self._covariance[position, position]
        start = (self.coef + slope * (value - self.coef[position])) * self._scale

        def loss(coef):
            return np.logaddexp(0, -self._sign * (held + others @ coef)).sum()

        def gradient(coef):
            return -others.T @ (self._sign * expit(-self._sign * (held + others @ coef)))

        def curvature(coef):
            risk = expit(held + others @ coef)
            return (others.T * (risk * (1 - risk))) @ others

        fit = optimize.minimize(
            loss,
            np.delete(start, position),
            jac=gradient,
            hess=curvature,
            method="trust-exact",
            options={"gtol": 1e-7},
        )
        lost = max(2 * (self._llf + fit.fun), 0.0)
        return float(np.sign(value - self.coef[position]) * np.sqrt(lost))

    def interval(self, position, level):
        """Return the ends of the values that the likelihood ratio test does not reject.

        Parameters
        ----------
        position : int
            Position of the coefficient; 0 is the constant.
        level : float
            Confidence level.

        Returns
        -------
        low, high : float
            Ends of the interval of the coefficient.
        """
        limit = stats.norm.ppf((1 + level) / 2)
        return tuple(self._end(position, side, limit) for side in (-1, 1))

    def _end(self, position, side, limit):
        def excess(steps):
            value = self.coef[position] + side * steps * self.std_err[position]
            return side * self.signed_root(position, value) - limit

        far = 2 * limit
        # The loop ends: with finite estimates the likelihood falls without bound.
        while excess(far) < 0:
            far *= 2
        steps = optimize.brentq(excess, 0, far, xtol=1e-10)
        return self.coef[position] + side * steps * self.std_err[position]
