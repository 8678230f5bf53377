"""A clinical column of the table as a classifier."""

from typing import ClassVar

from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from skdxa._sklearn import fit_context
from skdxa.classification._columns import finite_column
from skdxa.validation import check_two_classes


class ColumnScores(ClassifierMixin, BaseEstimator):
    """Pass-through classifier whose score is a clinical column of the table.

    It learns nothing: `decision_function` returns the column as it is, with its sign turned where
    lower means worse, so that a higher score is a higher risk. With it a T-score, a texture or an
    age can be used wherever scikit-learn accepts a classifier: in a `StackingClassifier` beside
    the network, in `cross_validate` or for a ROC curve.

    Parameters
    ----------
    column : str
        The column of the table to score by. One classifier uses one column, because a
        classifier of two classes has one score; `make_stack` makes as many
        classifiers as there are columns.

    lower_is_worse : bool, default=False
        Turn the sign, as is necessary for a T-score, areal density and the trabecular bone score
        (TBS). An AUC below 0.5 suggests that this was forgotten.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The two labels, sorted; the second is the positive one.

    n_features_in_ : int
        Columns of the table seen in `fit`.

    feature_names_in_ : ndarray of shape (n_columns,), dtype object
        Their names.

    See Also
    --------
    make_stack : The network and such columns in one logistic model.
    sklearn.model_selection.FixedThresholdClassifier : Decide at a chosen threshold.

    Notes
    -----
    There is no `predict_proba`, because a T-score is not a probability; a `StackingClassifier`
    with ``stack_method="auto"`` therefore uses the scores themselves.

    `predict` follows scikit-learn's rule, positive where the score is above 0, which is
    rarely a clinical threshold. For "positive at a T-score of -2.5 or below" wrap the
    column: ``FixedThresholdClassifier(ColumnScores("min_t_score", lower_is_worse=True),
    threshold=2.5, response_method="decision_function")``. Round T-scores to a tenth
    first, as reports do: 2.4999999999999996 is below 2.5.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.metrics import get_scorer
    >>> from skdxa.classification import ColumnScores
    >>> X = pd.DataFrame({"age": [66, 70, 68, 71], "min_t_score": [-0.4, -2.9, -1.1, -0.9]})
    >>> y = [0, 1, 0, 1]
    >>> t_score = ColumnScores("min_t_score", lower_is_worse=True).fit(X, y)
    >>> t_score.decision_function(X)
    array([0.4, 2.9, 1.1, 0.9])
    >>> get_scorer("roc_auc")(t_score, X, y)
    0.75
    """

    _parameter_constraints: ClassVar[dict] = {"column": [str], "lower_is_worse": ["boolean"]}

    def __init__(self, column, *, lower_is_worse=False):
        self.column = column
        self.lower_is_worse = lower_is_worse

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y):
        """Check the column, and note the labels; there is nothing to learn.

        Parameters
        ----------
        X : DataFrame of shape (n_scans, n_columns)
            A table with the column; the others, scans among them, are ignored.
        y : array-like of shape (n_scans,)
            Two labels of any type.

        Returns
        -------
        self : ColumnScores
            The classifier.

        Raises
        ------
        CohortError
            If `X` is not a table with this column, or the column holds anything but finite
            numbers; the message names the column and the first such row.
        ValueError
            If `y` has not exactly two classes or holds NaN.
        """
        values = self._read(X, reset=True)
        self.classes_, _ = check_two_classes(y, len(values))
        return self

    def decision_function(self, X):
        """Return the column, higher meaning worse.

        Parameters
        ----------
        X : DataFrame of shape (n_scans, n_columns)
            A table with the column.

        Returns
        -------
        score : ndarray of shape (n_scans,), dtype float64
            The column's values, in its own unit; their negatives where lower is worse.

        Raises
        ------
        CohortError
            As in `fit`.
        """
        check_is_fitted(self)
        values = self._read(X)
        return -values if self.lower_is_worse else values

    def predict(self, X):
        """Return the second class where the score is above 0, by scikit-learn's rule.

        Parameters
        ----------
        X : DataFrame of shape (n_scans, n_columns)
            A table with the column.

        Returns
        -------
        label : ndarray of shape (n_scans,)
            Labels from `classes_`.

        Raises
        ------
        CohortError
            As in `fit`.
        """
        positive = self.decision_function(X) > 0
        return self.classes_[positive.astype(int)]

    def _read(self, X, *, reset=False):
        values = finite_column(X, self.column)
        if reset:
            self.feature_names_in_ = X.columns.to_numpy(dtype=object)
            self.n_features_in_ = X.shape[1]
        return values

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.poor_score = True
        # A column is selected by its name, which an array does not have.
        tags.input_tags.two_d_array = False
        return tags
