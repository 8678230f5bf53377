"""The network beside clinical columns: a stack that is trained without a leak."""

from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import BaseCrossValidator, StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from skdxa._sklearn import NO_PENALTY, fit_context
from skdxa.exceptions import CohortError
from skdxa.validation import as_patients, check_two_classes


class ColumnScores(ClassifierMixin, BaseEstimator):
    """Pass-through classifier whose score is a clinical column of the table.

    It learns nothing: `decision_function` hands the column on as it is, with its sign
    turned where lower means worse, so that a higher score is a higher risk. With it a
    T-score, a texture or an age goes wherever scikit-learn takes a classifier: into a
    `StackingClassifier` beside the network, into `cross_validate` or a ROC curve.

    Parameters
    ----------
    column : str
        The column of the table to score by. One classifier takes one column, because a
        classifier of two classes has one score; `make_stack` makes as many
        classifiers as there are columns.

    lower_is_worse : bool, default=False
        Turn the sign, as T-score, areal density and trabecular bone score (TBS) need
        it. An AUC below 0.5 is the sign that this was forgotten.

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
    sklearn.model_selection.FixedThresholdClassifier : Decide at a threshold of one's own.

    Notes
    -----
    There is no `predict_proba`, for a T-score is no probability; a `StackingClassifier`
    with ``stack_method="auto"`` therefore takes the scores themselves.

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
            A table with the column; the others, scans among them, are not looked at.
        y : array-like of shape (n_scans,)
            Two labels of any type.

        Returns
        -------
        self : ColumnScores
            The classifier.

        Raises
        ------
        CohortError
            If `X` is no table with this column, or the column holds anything but finite
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
        values = _finite_column(X, self.column)
        if reset:
            self.feature_names_in_ = X.columns.to_numpy(dtype=object)
            self.n_features_in_ = X.shape[1]
        return values

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.poor_score = True
        # A column is taken by its name, which an array does not have.
        tags.input_tags.two_d_array = False
        return tags


def make_stack(
    cnn,
    columns,
    *,
    lower_is_worse=(),
    final_estimator=None,
    cv=5,
    group_column=None,
    random_state=None,
):
    """Put the network and clinical columns into one logistic model, without a leak.

    The logistic model is trained on scores that the network gave to scans it had not
    seen, by cross-validation inside the training data (stacked generalisation [1]_, the
    "super learner" of epidemiology [2]_). Trained on the network's scores of its own
    training scans instead, it would give too much weight to a network that has overfitted.

    Parameters
    ----------
    cnn : classifier
        Takes the whole table, so usually a pipeline such as
        ``make_pipeline(SpineCropper(), SpineCNNClassifier())``.

    columns : str or list of str
        Clinical columns of the table, numbers without gaps. A name is also that of a
        step, so it has no double underscore.

    lower_is_worse : str or list of str, default=()
        Those of the `columns` whose sign is turned, such as a T-score or TBS. That does
        not change the predictions: each coefficient then says what more risk by the
        column adds.

    final_estimator : classifier or None, default=None
        Combines the scores, one row per scan: a column for each of `columns`, in that
        order, then the network's. None is a logistic regression on standardised scores
        without penalty, so that its coefficients are those of maximum likelihood, per
        standard deviation.

    cv : int or cross-validation splitter, default=5
        Number of inner folds, stratified and shuffled, or a splitter of one's own.

    group_column : str or None, default=None
        Column of the table that holds the patient; all scans of a patient are then in
        one inner fold. Needed as soon as a patient has more than one scan.

    random_state : int, RandomState instance or None, default=None
        Seeds the shuffle of the inner folds. The network has a seed of its own.

    Returns
    -------
    stack : sklearn.ensemble.StackingClassifier
        Not fitted. Its steps are named as the columns, and ``cnn``.

    Raises
    ------
    ValueError
        If `lower_is_worse` names a column that is not among `columns`, `cv` is below 2,
        or `group_column` is given along with a splitter of one's own.

    See Also
    --------
    ColumnScores : What a column becomes in the stack.

    Notes
    -----
    *Tuning.* Parameters go by scikit-learn's nested names: the network's epochs are
    ``cnn__spinecnnclassifier__epochs``, the crop's width ``cnn__spinecropper__width``,
    the inner folds ``cv__n_splits``. ``stack.set_params(cnn="drop")`` is the same model
    without the network: what to compare with. A fit trains the network `cv` + 1 times.

    *Scores.* The network enters as its probability, as in Nissinen et al. 2021 [3]_, the
    columns as their own values. Log odds may serve better a network that is far too sure
    of itself: give a `final_estimator` that begins by taking the logit of the last column,
    with 0 and 1 clipped away.

    *Level.* The logistic model takes the scores of the inner networks, and those of the one
    that is trained on the whole part, for the same quantity. A network that is stopped while
    its mean score still drifts towards the share of positives (few scans, few epochs, a small
    learning rate) gives them on different levels: the risks of the stack are then off, and
    scores of several folds cannot be pooled. Compare the mean of ``stack.transform(X)[:, -1]``
    with ``y.mean()``.

    *Patients.* scikit-learn's `StackingClassifier` does not hand `groups` to its inner
    folds, hence `group_column`. The outer folds are yours to group: pass `groups` and a
    `StratifiedGroupKFold` to `cross_validate`. The scans that `SpineCNNClassifier`
    splits off to choose its epoch are not grouped here. They all lie within the
    training part, so no score is touched by that, but the epoch is chosen less well;
    ``validation_fraction=0`` does without them.

    References
    ----------
    .. [1] D. H. Wolpert, "Stacked generalization", Neural Networks 5, 1992, 241-259.
       https://doi.org/10.1016/S0893-6080(05)80023-1
    .. [2] M. J. van der Laan, E. C. Polley, A. E. Hubbard, "Super learner", Statistical
       Applications in Genetics and Molecular Biology 6, 2007, article 25.
       https://doi.org/10.2202/1544-6115.1309
    .. [3] T. Nissinen et al., "Detecting pathological features and predicting fracture
       risk from dual-energy X-ray absorptiometry images using deep learning", Bone
       Reports 14, 2021, 101070. https://doi.org/10.1016/j.bonr.2021.101070

    Examples
    --------
    A nearest-neighbour model of one column stands in for the network, to be quick:

    >>> import numpy as np
    >>> import pandas as pd
    >>> from sklearn.compose import make_column_transformer
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from skdxa.classification import make_stack
    >>> rng = np.random.default_rng(0)
    >>> y = np.tile([0, 1], 40)
    >>> X = pd.DataFrame({"patient": np.arange(80) // 2, "texture": rng.normal(size=80)})
    >>> X["min_t_score"] = rng.normal(-1.0 - y, 1.0)
    >>> network = make_pipeline(
    ...     make_column_transformer(("passthrough", ["texture"])), KNeighborsClassifier()
    ... )
    >>> stack = make_stack(
    ...     network, ["min_t_score"], lower_is_worse=["min_t_score"],
    ...     group_column="patient", random_state=0,
    ... ).fit(X, y)
    >>> stack.predict_proba(X).shape
    (80, 2)
    >>> stack.get_feature_names_out().tolist()
    ['stackingclassifier_min_t_score', 'stackingclassifier_cnn']
    >>> stack.final_estimator_[-1].coef_.shape
    (1, 2)
    """
    columns = [columns] if isinstance(columns, str) else list(columns)
    turned = [lower_is_worse] if isinstance(lower_is_worse, str) else list(lower_is_worse)
    unknown = [column for column in turned if column not in columns]
    if unknown:
        raise ValueError(
            f"lower_is_worse names {unknown[0]!r}, which is not among the columns {columns}."
        )
    if isinstance(cv, Integral):
        check_scalar(cv, "cv", Integral, min_val=2)
        cv = StratifiedPatientKFold(cv, group_column=group_column, random_state=random_state)
    elif group_column is not None:
        raise ValueError(
            f"group_column={group_column!r} needs a number of folds as cv; with a splitter of "
            "your own, keep a patient's scans together there."
        )
    if final_estimator is None:
        logistic = LogisticRegression(C=NO_PENALTY, tol=1e-6, max_iter=1000)
        final_estimator = make_pipeline(StandardScaler(), logistic)
    scores = [
        (column, ColumnScores(column, lower_is_worse=column in turned)) for column in columns
    ]
    # The columns come first, so that a gap in one is found before the network is trained.
    return StackingClassifier([*scores, ("cnn", cnn)], final_estimator, cv=cv)


class StratifiedPatientKFold(BaseCrossValidator, BaseEstimator):
    """Shuffled stratified folds that find the patient in a column of the table.

    An estimator for its parameters' sake: a nested name such as ``cv__random_state``
    reaches into it, as it does not into scikit-learn's own splitters.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds.

    group_column : str or None, default=None
        Column of the patient. None: each row is a patient of its own.

    random_state : int, RandomState instance or None, default=None
        Seeds the shuffle.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdxa.classification import StratifiedPatientKFold
    >>> X = pd.DataFrame({"patient": ["P1", "P1", "P2", "P3", "P4", "P4"]})
    >>> y = [1, 1, 0, 1, 0, 0]
    >>> splitter = StratifiedPatientKFold(2, group_column="patient", random_state=0)
    >>> for train, test in splitter.split(X, y):
    ...     print(X["patient"].iloc[test].unique().tolist())
    ...
    ['P3', 'P4']
    ['P1', 'P2']
    """

    def __init__(self, n_splits=5, *, group_column=None, random_state=None):
        self.n_splits = n_splits
        self.group_column = group_column
        self.random_state = random_state

    def get_n_splits(self, X=None, y=None, groups=None):
        """Return the number of folds."""
        return self.n_splits

    def split(self, X, y, groups=None):
        """Yield the positions of the rows to train on and to score, fold by fold.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_scans, ...)
            A table where `group_column` is given.
        y : array-like of shape (n_scans,)
            The classes to stratify by.
        groups : None
            Ignored; the patients stand in `X`.

        Yields
        ------
        train, test : ndarray of int
            Positions of rows; a patient's rows are all in one of the two.

        Raises
        ------
        CohortError
            If `group_column` is not in `X`, or a patient is not given.
        ValueError
            If fewer patients than folds have a class.
        """
        settings = {"shuffle": True, "random_state": self.random_state}
        if self.group_column is None:
            unit, units = "scans", np.arange(len(y))
            folds = StratifiedKFold(self.n_splits, **settings).split(X, y)
        else:
            unit, units = "patients", _patients(X, self.group_column)
            folds = StratifiedGroupKFold(self.n_splits, **settings).split(X, y, units)
        # scikit-learn only warns, and a fold without the rarer class would follow.
        fewest = pd.Series(units).groupby(np.asarray(y)).nunique().min()
        if fewest < self.n_splits:
            raise ValueError(
                f"The rarer class has {fewest} {unit} to train on, fewer than the "
                f"{self.n_splits} inner folds. Take a smaller cv."
            )
        yield from folds


def _column(X, column):
    """Return one column of a table, or say why there is none."""
    if not isinstance(X, pd.DataFrame):
        raise CohortError(
            f"X must be a DataFrame with the column {column!r}; it is a {type(X).__name__}."
        )
    if column not in X.columns:
        raise CohortError(
            f"The table has no column {column!r}; its columns are {X.columns.tolist()}."
        )
    values = X[column]
    if isinstance(values, pd.DataFrame):
        raise CohortError(
            f"The table has {values.shape[1]} columns named {column!r}. Rename all but one."
        )
    return values


def _finite_column(X, column):
    """Return one column of a table as finite float64."""
    values = _column(X, column)
    if not pd.api.types.is_any_real_numeric_dtype(values):
        values = values.astype(object)
        is_number = np.array([isinstance(value, Real) for value in values], dtype=bool)
        wrong = np.flatnonzero(~(is_number | values.isna()))
        if wrong.size:
            value = values.iloc[wrong[0]]
            shown = repr(value) if isinstance(value, str) else f"a {type(value).__name__}"
            raise CohortError(
                f"Column {column!r} holds {shown} at index {_label(X, wrong)!r}, where a number "
                "must stand. Write categories as numbers, such as 0 and 1."
            )
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    unusable = np.flatnonzero(~np.isfinite(numbers))
    if unusable.size:
        raise CohortError(
            f"Column {column!r} is {numbers[unusable[0]]} in {unusable.size} of {len(X)} rows, "
            f"the first at index {_label(X, unusable)!r}. Leave these rows out, or fill the gaps "
            "in a step before this one."
        )
    return numbers


def _patients(X, column):
    """Return the patient of each row."""
    patients = _column(X, column)
    unknown = np.flatnonzero(pd.isna(patients))
    if unknown.size:
        raise CohortError(
            f"Column {column!r} states no patient for {unknown.size} of {len(X)} rows, the first "
            f"at index {_label(X, unknown)!r}. Give every scan a patient."
        )
    return as_patients(patients, len(X), name=f"column {column!r}")


def _label(X, positions):
    """Index label of the first of some rows, as a plain Python value."""
    return X.index[positions[:1]].tolist()[0]
