"""The network beside clinical columns: a stack that is trained without a leak."""

from numbers import Integral

from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_scalar

from skdxa._sklearn import NO_PENALTY
from skdxa.classification._column_scores import ColumnScores
from skdxa.classification._patient_folds import StratifiedPatientKFold


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
        not change the predictions: each coefficient then refers to the direction of higher risk.

    final_estimator : classifier or None, default=None
        Combines the scores, one row per scan: a column for each of `columns`, in that
        order, then the network's. None is a logistic regression on standardised scores
        without penalty, so that its coefficients are those of maximum likelihood, per
        standard deviation.

    cv : int or cross-validation splitter, default=5
        Number of inner folds, stratified and shuffled, or a custom splitter.

    group_column : str or None, default=None
        Column of the table that holds the patient; all scans of a patient are then in
        one inner fold. Needed as soon as a patient has more than one scan.

    random_state : int, RandomState instance or None, default=None
        Seeds the shuffle of the inner folds. The network has its own seed.

    Returns
    -------
    stack : sklearn.ensemble.StackingClassifier
        Not fitted. Its steps are named as the columns, and ``cnn``.

    Raises
    ------
    ValueError
        If `lower_is_worse` names a column that is not among `columns`, `cv` is below 2,
        or `group_column` is given along with a custom splitter.

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
    columns as their own values. Log odds may be better for a network whose probabilities are far
    too extreme: give a `final_estimator` that begins by taking the logit of the last column, with
    0 and 1 clipped away.

    *Level.* The logistic model assumes that the scores of the inner networks, and those of the one
    that is trained on the whole part, are the same quantity. A network that is stopped while its
    mean score still drifts towards the share of positives (few scans, few epochs, a small learning
    rate) gives them on different levels: the risks of the stack are then off, and scores of
    several folds cannot be pooled. Compare the mean of ``stack.transform(X)[:, -1]`` with
    ``y.mean()``.

    *Patients.* scikit-learn's `StackingClassifier` does not pass `groups` to its inner folds,
    hence `group_column`. Group the outer folds yourself: pass `groups` and a
    `StratifiedGroupKFold` to `cross_validate`. The scans that `SpineCNNClassifier` splits off to
    choose its epoch are not grouped here. They all lie within the training part, so that no score
    is affected, but the epoch is chosen less well; with ``validation_fraction=0`` there are none.

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
    A nearest-neighbour model of one column replaces the network here, which is faster:

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
            f"group_column={group_column!r} needs a number of folds as cv; with a custom "
            "splitter, let the splitter keep a patient's scans together."
        )
    if final_estimator is None:
        logistic = LogisticRegression(C=NO_PENALTY, tol=1e-6, max_iter=1000)
        final_estimator = make_pipeline(StandardScaler(), logistic)
    scores = [
        (column, ColumnScores(column, lower_is_worse=column in turned)) for column in columns
    ]
    # The columns come first, so that a gap in one is found before the network is trained.
    return StackingClassifier([*scores, ("cnn", cnn)], final_estimator, cv=cv)
