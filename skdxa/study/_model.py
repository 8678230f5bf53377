"""A model for new scans: chosen, evaluated and fitted on one cohort."""

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_curve
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from skdxa.evaluation import repeated_cross_validate, threshold_at_sensitivity
from skdxa.exceptions import CohortError
from skdxa.inspection import network_features
from skdxa.preprocessing import scan_features
from skdxa.scans import ScanReader
from skdxa.study._cohort import check_cohort, check_target
from skdxa.validation import has_repeated_patients, patient_codes

RULES = ("fixed", "youden", "sensitivity", "guaranteed")
FINALS = ("folds", "refit")


def fit_model(
    protocol,
    cohort,
    *,
    rule="fixed",
    sensitivity=0.9,
    confidence=0.95,
    evaluate=True,
    final="folds",
    checkpoint=None,
    n_jobs=None,
    progress=True,
    report=None,
):
    """Fit a model for new scans on a cohort, with the data needed to assess its predictions.

    Parameters
    ----------
    protocol : Protocol
        The choices, with exactly one target.
    cohort : Bunch
        From `skdxa.scans.load_cohort` or `skdxa.simulation.make_spine_cohort`. Scans whose
        label is unknown are left out.
    rule : {"fixed", "youden", "sensitivity", "guaranteed"}, default="fixed"
        How the threshold is chosen: that of the protocol; or on out-of-fold scores, the one with
        the largest sum of sensitivity and specificity, the highest one that reaches
        `sensitivity`, or the highest one that reaches it among new patients with the stated
        confidence. See the Notes.
    sensitivity : float, default=0.9
        Sensitivity to reach under the last two rules.
    confidence : float, default=0.95
        Confidence of the rule "guaranteed".
    evaluate : bool, default=True
        Whether to cross-validate first. Without it the model has neither out-of-fold scores
        nor, for a new scan, conformal p-values and a distance to the training scans.
    final : {"folds", "refit"}, default="folds"
        The model for new scans: the mean of the networks of the folds, of the repeat with
        the median AUC, or one network fitted to all scans, as without `evaluate`. See the
        Notes.
    checkpoint : str, path-like or None, default=None
        Folder of finished splits, as in `repeated_cross_validate`.
    n_jobs : int or None, default=None
        Processes that train, as in joblib.
    progress : bool, default=True
        Whether to show a progress bar on the standard error.
    report : callable or None, default=None
        Called with each line on the progress.

    Returns
    -------
    fitted : Bunch
        With the attributes:

        model : FixedThresholdClassifier
            Takes paths, `Scan` objects, cohorts and arrays; its threshold is set.
        data : dict of str to ndarray
            What `predict_scans` needs: out-of-fold scores, labels and patients; mean,
            precision and out-of-fold distances of the network's features; features of the
            training scans. Save it with the model.
        result : CrossValidationResult or None
            The cross-validation.
        threshold : float
            Positive is ``probability >= threshold``.
        thresholds : ndarray of shape (n_choices,)
            The thresholds of which `threshold` is the median: those of each mean over repeats or,
            with `final="refit"`, of each repeat; with the rule "fixed", `threshold` alone.

    Raises
    ------
    CohortError
        If the cohort does not fit the protocol.
    ValueError
        If the protocol has several targets, the rule is unknown or needs an evaluation, or
        there are too few positive patients for a guarantee.

    Notes
    -----
    The out-of-fold scores set the p-values and the threshold. With `final="folds"` a new scan is
    scored by all networks of the folds, and its score from each is compared with the out-of-fold
    scores of the same network, so that the p-values hold for these networks. A network that is
    fitted again differs in the level of its scores, by which sensitivity and error rate change. It
    needs one more training, but the file and a prediction need only a fraction of the memory and
    the time.

    The mean over several networks varies less than the score of one. With `final="folds"` the
    threshold is therefore chosen on out-of-fold scores that are averaged over as many repeats
    as there are folds, or over all repeats if these are fewer. With a single repeat it is chosen
    on the scores of single networks. If these differ by their seeds, a threshold for a high
    sensitivity then has a higher sensitivity and a lower specificity than stated, and one for
    a sensitivity below about one half a lower sensitivity: use several repeats.

    The distance of a scan's features to those of the training scans is the Mahalanobis distance,
    with a shrunk covariance [1]_. The limit is set from the distances of scans that were not
    trained on: those of each fold to the training scans of its network.

    References
    ----------
    .. [1] O. Ledoit, M. Wolf, "A well-conditioned estimator for large-dimensional covariance
       matrices", Journal of Multivariate Analysis 88, 365-411, 2004.

    Examples
    --------
    >>> from skdxa.study import Protocol, fit_model
    >>> fitted = fit_model(Protocol(), cohort)  # doctest: +SKIP
    """
    if protocol.targets is None or len(protocol.targets) != 1:
        raise ValueError(
            f"A model has one target; the protocol has {protocol.as_dict()['targets']}."
        )
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}; got {rule!r}.")
    if final not in FINALS:
        raise ValueError(f"final must be one of {', '.join(FINALS)}; got {final!r}.")
    if rule != "fixed" and not evaluate:
        raise ValueError(
            f"rule={rule!r} chooses on out-of-fold scores, so it needs evaluate=True."
        )
    (target,) = protocol.targets
    say = report or (lambda line: None)
    data, labels, groups = check_cohort(cohort)
    cohort = Bunch(**{**cohort, "groups": groups})
    if evaluate:
        check_target(protocol, cohort, target)
    elif target not in labels:
        raise CohortError(f"The cohort has no target {target!r}; it has {list(labels)}.")
    known = labels[target].notna().to_numpy()
    X, y, groups = data[known], labels.loc[known, target].to_numpy().astype(int), groups[known]
    thresholds, result = np.array([protocol.threshold]), None
    if rule == "guaranteed":
        # Raised before a network is trained if there are too few patients.
        threshold_at_sensitivity(
            y, y, sensitivity, rule=rule, confidence=confidence, groups=groups
        )
    held = {"scan_features": _features_of(X["scan"], cohort.spacing_mm)}
    if evaluate:
        say(f"Cross-validating: {protocol.n_trainings} networks ...")
        result = repeated_cross_validate(
            protocol.pipeline(),
            X,
            y,
            groups=groups,
            n_splits=protocol.n_splits,
            n_repeats=protocol.n_repeats,
            random_state=protocol.random_state,
            return_models="median",
            checkpoint=checkpoint,
            n_jobs=n_jobs,
            progress=progress,
        )
        scores = _scores(result)
        if rule != "fixed":
            scored = _averaged(result) if final == "folds" else result
            thresholds = _thresholds(scored, rule, sensitivity, confidence)
            say(
                _threshold_sentence(
                    thresholds, "means over repeats" if final == "folds" else "repeats"
                )
            )
        held |= {
            "oof_score": scores,
            "oof_label": y.astype(float),
            "oof_patient": patient_codes(groups).astype(float),
        }
    threshold = float(np.median(thresholds))
    pipeline = Pipeline(
        [("read", ScanReader(spacing_mm=cohort.spacing_mm)), *protocol.pipeline().steps]
    )
    if final == "refit" or not evaluate:
        say("Fitting on all scans ...")
        pipeline.set_params(cnn__random_state=protocol.random_state)
        fit_params = {"cnn__groups": groups} if has_repeated_patients(groups) else {}
        pipeline.fit(X, y, **fit_params)
    else:
        pipeline = _joined(pipeline, result, X, y)
    if evaluate:
        held |= _novelty(result, pipeline, X, final)
    if evaluate and final == "folds":
        # The repeat whose networks are kept.
        repeat = result.median_repeat()
        fold = result.fold_assignment.fold_of[repeat]
        held |= {"oof_score": scores[[repeat]], "oof_fold": fold.astype(float)}
    model = FixedThresholdClassifier(
        FrozenEstimator(pipeline), threshold=threshold, response_method="predict_proba"
    ).fit(X, y)
    return Bunch(model=model, data=held, result=result, threshold=threshold, thresholds=thresholds)


def _features_of(scans, spacing_mm):
    """Return the features of scans, (n_scans, n_features)."""
    return np.array([list(scan_features(scan, spacing_mm=spacing_mm).values()) for scan in scans])


def _scores(result):
    """Return the out-of-fold scores, (n_repeats, n_scans)."""
    return np.stack([result.repeat_scores(repeat) for repeat in range(result.n_repeats)])


def _averaged(result):
    """Return a result whose scores are means, each over as many repeats as there are folds.

    They vary as much as the mean of the networks of the folds, each of which has seen other
    scans and another seed.
    """
    n_means = max(1, result.n_repeats // result.n_folds)
    means = np.stack([part.mean(axis=0) for part in np.array_split(_scores(result), n_means)])
    folds = result.fold_assignment.first(n_means)
    return folds.with_scores(means, response_method=result.response_method)


def _threshold_sentence(thresholds, choices):
    """Describe which threshold was chosen, and how much it varied."""
    median = f"Threshold {np.median(thresholds):.3f}"
    if len(thresholds) == 1:
        return f"{median}, chosen on the out-of-fold scores."
    return (
        f"{median}, the median of those chosen on the out-of-fold scores of {len(thresholds)} "
        f"{choices}, from {thresholds.min():.3f} to {thresholds.max():.3f}."
    )


def _thresholds(result, rule, sensitivity, confidence):
    """Return the threshold that a rule chooses in each repeat."""
    if rule != "youden":
        rule = "at_least" if rule == "sensitivity" else rule
        found = result.thresholds(sensitivity, rule=rule, confidence=confidence)
        return found["threshold"].to_numpy()
    chosen = []
    for repeat in range(result.n_repeats):
        false_rate, true_rate, thresholds = roc_curve(result.y, result.repeat_scores(repeat))
        # The first threshold is infinite: no scan is positive.
        chosen.append(thresholds[1:][np.argmax(true_rate[1:] - false_rate[1:])])
    return np.array(chosen)


def _gaussian(features):
    """Return the mean and the precision of features, with shrinkage."""
    fitted = LedoitWolf().fit(features.astype(float))
    return fitted.location_, fitted.precision_


def distance(features, mean, precision):
    """Return the Mahalanobis distance of features from a mean, (n_scans,).

    Parameters
    ----------
    features : ndarray of shape (n_scans, n_features)
        Features of scans.
    mean : ndarray of shape (n_features,)
        Mean of the training scans.
    precision : ndarray of shape (n_features, n_features)
        Inverse of their covariance.

    Returns
    -------
    distance : ndarray of shape (n_scans,)
    """
    centred = features.astype(float) - mean
    return np.sqrt(np.einsum("ij,jk,ik->i", centred, precision, centred).clip(min=0))


def _joined(pipeline, result, X, y):
    """Return a pipeline whose last step averages the networks of the folds."""
    # The steps before the network learn nothing but the type of the scans.
    *before, (name, _) = pipeline.steps
    prepared = Pipeline(before).fit(X)
    networks = [
        (f"fold_{fold}", FrozenEstimator(model[-1])) for fold, model in _of_folds(result).items()
    ]
    # Frozen networks are not fitted again, so that the images do not matter.
    joined = VotingClassifier(networks, voting="soft").fit(np.zeros((len(y), 1)), y)
    return Pipeline([*prepared.steps, (name, joined)])


def _of_folds(result):
    """Return the models of the repeat whose models were kept, by fold."""
    return {fold: model for (_, fold), model in sorted(result.models.items())}


def _novelty(result, pipeline, X, final):
    """Return the data that measure how far a scan is from each network's training scans.

    That is the mean and precision of the network's features of its training scans, and the
    distance of each scan to the training scans of the network that left it out.
    """
    fold_of = result.fold_assignment.fold_of[result.median_repeat()]
    means, precisions, distances = [], [], np.empty(len(X))
    for fold, model in _of_folds(result).items():
        features, test = network_features(model, X), fold_of == fold
        mean, precision = _gaussian(features[~test])
        distances[test] = distance(features[test], mean, precision)
        means.append(mean)
        precisions.append(precision)
    if final == "refit":
        mean, precision = _gaussian(network_features(pipeline, X))
        means, precisions = [mean], [precision]
    return {
        "novelty_mean": np.stack(means),
        "novelty_precision": np.stack(precisions),
        "novelty_distance": distances,
    }
