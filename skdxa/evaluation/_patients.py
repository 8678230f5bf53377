"""Patients with several scans, inside the training part too."""

import warnings

from sklearn import get_config
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from skdxa._sklearn import BaseSearchCV

# Splits that an estimator makes without a `cv`, by the parameter that turns them off.
_OWN_SPLIT = "validation_fraction"


def with_patients(params, estimator, groups):
    """Add the patients to the parameters of `fit`, wherever the estimator accepts them.

    Parameters
    ----------
    params : dict or None
        Parameters of `fit` that the user gives, which win.
    estimator : estimator
        Not fitted.
    groups : ndarray of shape (n_scans,)
        The patient of each scan, some of whom have several.

    Returns
    -------
    params : dict or None
        Parameters for `sklearn.model_selection.cross_validate`.

    Warns
    -----
    UserWarning
        If a part of the estimator splits its training scans without regard to patients,
        naming it.
    """
    if get_config()["enable_metadata_routing"]:
        router = get_routing_for_object(estimator)
        given = {"groups": groups} if router.consumes("fit", {"groups"}) else {}
        reached = _requesting(estimator) if given or "groups" in (params or {}) else set()
    else:
        prefix, last = _last_step(estimator)
        given, reached = {}, set()
        if _takes_groups(last):
            given = {f"{prefix}groups": groups}
            reached = {id(last)}
    _warn_of_splits(estimator, reached)
    return {**given, **(params or {})} or params


def _last_step(estimator):
    prefix = ""
    while isinstance(estimator, Pipeline):
        name, estimator = estimator.steps[-1]
        prefix += f"{name}__"
    return prefix, estimator


def _takes_groups(estimator):
    """Return whether `fit` takes patients and uses them."""
    if isinstance(estimator, BaseSearchCV):
        return splits_by_groups(estimator.cv)
    return has_fit_parameter(estimator, "groups")


def splits_by_groups(splitter):
    """Return whether a splitter is one of scikit-learn's that need groups.

    Parameters
    ----------
    splitter : object

    Returns
    -------
    bool
    """
    if not hasattr(splitter, "get_metadata_routing"):
        return False
    return get_routing_for_object(splitter).split.requests.get("groups") is True


def _parts(estimator):
    """Yield an estimator and all within it, by name."""
    yield "", estimator
    for name, part in estimator.get_params(deep=True).items():
        if hasattr(part, "fit") and not isinstance(part, type):
            yield name, part


def _requesting(estimator):
    """Return which parts ask for groups by metadata routing, themselves or by their splitter."""
    found = set()
    for _, part in _parts(estimator):
        of_fit = getattr(get_routing_for_object(part), "fit", None)
        requests = getattr(of_fit, "requests", {})
        if requests.get("groups") is True or splits_by_groups(getattr(part, "cv", None)):
            found.add(id(part))
    return found


def _warn_of_splits(estimator, reached):
    """Warn of parts that split their training scans without regard to patients."""
    apart = []
    for name, part in _parts(estimator):
        splitter = getattr(part, "cv", None)
        by_column = getattr(splitter, "group_column", None) is not None
        splits = hasattr(part, "cv") and splitter != "prefit" and not by_column
        splits = splits or (
            has_fit_parameter(part, "groups") and getattr(part, _OWN_SPLIT, 1) != 0
        )
        if splits and id(part) not in reached:
            apart.append(f"{type(part).__name__}{f' ({name})' if name else ''}")
    if apart:
        warnings.warn(
            f"Patients have several scans, and {', '.join(dict.fromkeys(apart))} cannot be given "
            "the patients: scans of one patient can lie on both sides of an inner split, so that "
            "what is chosen or calibrated there is too optimistic. Use a splitter such as "
            "StratifiedGroupKFold as cv and scikit-learn's metadata routing "
            "(set_fit_request(groups=True)), or the group_column of make_stack.",
            UserWarning,
            # The caller of the validated function.
            stacklevel=5,
        )
