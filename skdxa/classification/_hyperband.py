"""Hyperband: a random search that stops bad configurations early."""

import shutil
import tempfile
import warnings
from contextlib import contextmanager, nullcontext
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from sklearn.model_selection import ParameterSampler
from sklearn.utils import check_random_state

from skdxa._cluster import (
    Losses,
    call_on_workers,
    data_sent,
    prepared_workers,
    send_more,
)
from skdxa._sklearn import BaseSearchCV, fit_context, known_splitter
from skdxa.classification._cnn import SpineCNNClassifier
from skdxa.classification._hyperband_table import (
    SCHEDULE,
    hyperband_table,
    rounds_of_bracket,
)
from skdxa.classification._threads import get_threads, set_threads, trains_network

_CHECKPOINT = "checkpoint"


#: What Nissinen et al. 2021 searched automatically: the number of convolutional layers and of
#: their kernels. The paper does not state the values that it tried. The depths and widths here
#: are skdxa's choice, around the paper's four layers, the last of which has 64 kernels; each
#: layer has twice the kernels of the one before.
PAPER_SEARCH_SPACE = {
    "filters": [
        tuple(width * 2**layer for layer in range(depth))
        for depth in (2, 3, 4, 5)
        for width in (4, 8, 16)
    ],
}


class HyperbandSearchCV(BaseSearchCV):
    """Search at random, and stop bad configurations early, by Hyperband [1]_.

    Configurations are drawn from distributions and trained for a few epochs; the best third
    continues with three times as many, and so on (successive halving). Several such brackets
    differ in how early they stop, from one epoch on to not at all, since it is not known
    beforehand after how many epochs good and bad configurations differ. `hyperband_table` shows
    the brackets and their cost.

    Parameters
    ----------
    estimator : estimator
        A classifier or Pipeline with a parameter for the resource.

    param_distributions : dict or list of dict
        Lists of values, or distributions with a method `rvs`, by parameter, as in
        `sklearn.model_selection.RandomizedSearchCV`.

    resource : str, default="epochs"
        The parameter that limits the training: "spinecnnclassifier__epochs" in a pipeline.

    max_resource : int, default=100
        Its largest value.

    min_resource : int, default=1
        Its smallest value.

    eta : float, default=3
        A round keeps one configuration in `eta`; at least 2.

    scoring : str, callable, list, tuple, dict or None, default=None
        As in `sklearn.model_selection.GridSearchCV`. With several metrics, `refit` names the
        one by which configurations are selected.

    n_jobs : int or None, default=None
        Fits in parallel, by joblib. Results do not depend on it, and on a dask cluster
        (``joblib.parallel_config(backend="dask")``) they are the same.

    refit : bool, str or callable, default=True
        As in `sklearn.model_selection.GridSearchCV`: fit the best configuration again on all
        scans, with the resource at which it was best.

    cv : int, splitter or iterable, default=5
        As in `sklearn.model_selection.GridSearchCV`; `StratifiedGroupKFold`, with `groups` in
        `fit`, keeps a patient's scans together. The folds are drawn once and are the same for
        all configurations.

    error_score : "raise" or float, default=nan
        The score of a fit that fails. NaN ranks last.

    random_state : int, RandomState instance or None, default=None
        Seeds the configurations and every parameter `random_state` of the estimator that is
        None, the same way for all configurations.

    verbose : int, default=0
        0 prints nothing; 1 prints each round.

    return_train_score : bool, default=False
        Score the training scans too.

    warm : bool, default=True
        A `SpineCNNClassifier` whose epochs are the resource continues from its weights in the
        next round; the scores are the same, bit for bit, as with False. Other estimators
        start again in each round, and so does a classifier with `callbacks` or with its own
        `checkpoint`.

    Attributes
    ----------
    brackets_ : DataFrame
        The rounds as they ran, as by `hyperband_table`. `cost_warm` is what was trained, apart
        from trainings that ended early, only if the estimator could continue.

    cv_results_ : dict of ndarray
        As in `sklearn.model_selection.GridSearchCV`, with one entry per configuration and
        round, and with `bracket`, `iter` and `n_resources`. `fit_time` holds only the epochs
        trained in the round.

    best_estimator_, best_params_, best_score_, best_index_, scorer_, refit_time_
        As in `sklearn.model_selection.GridSearchCV`. As in the paper, the best is the one with the
        highest score in any round; of equal ones, the first.

    n_splits_ : int
        Folds of the cross-validation.

    multimetric_ : bool
        Whether there are several metrics.

    classes_, n_features_in_, feature_names_in_
        Those of `best_estimator_`.

    See Also
    --------
    hyperband_table : The brackets and their cost.
    PAPER_SEARCH_SPACE : What Nissinen et al. 2021 searched.
    sklearn.model_selection.HalvingRandomSearchCV : One bracket.

    Notes
    -----
    The state of each training is kept in a temporary folder (`tempfile.gettempdir`) until its
    configuration is dropped: at most about four times the size of the weights for each
    configuration of a round and each fold. Where workers do not share this folder, as on
    several machines, trainings start again, with the same scores. The environment variable
    TMPDIR names another folder, such as one that all machines share.

    Workers of a dask cluster train networks with as many threads as this process
    (`set_threads`), on which the scores depend. Fits that are lost with a worker that dies are
    run again.

    The best score is the highest of many and therefore biased upwards. Evaluate the selected
    model on other patients, or use the search as the estimator of a cross-validation.

    References
    ----------
    .. [1] Li et al., "Hyperband: a novel bandit-based approach to hyperparameter
       optimization", Journal of Machine Learning Research 18(185), 2018, 1-52.
       https://jmlr.org/papers/v18/16-558.html

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import SGDClassifier
    >>> from skdxa.classification import HyperbandSearchCV
    >>> X, y = make_classification(120, random_state=0)
    >>> search = HyperbandSearchCV(
    ...     SGDClassifier(tol=None),
    ...     {"alpha": loguniform(1e-5, 1e1)},
    ...     resource="max_iter",
    ...     max_resource=9,
    ...     scoring="roc_auc",
    ...     random_state=0,
    ... ).fit(X, y)
    >>> sorted(search.best_params_)
    ['alpha', 'max_iter']
    >>> len(search.cv_results_["params"]), int(search.brackets_["n_candidates"].sum())
    (22, 22)
    """

    _parameter_constraints: ClassVar[dict] = {
        **{
            name: constraint
            for name, constraint in BaseSearchCV._parameter_constraints.items()
            if name != "pre_dispatch"
        },
        **SCHEDULE,
        "param_distributions": [dict, list],
        "resource": [str],
        "random_state": ["random_state"],
        "warm": ["boolean"],
    }

    def __init__(
        self,
        estimator,
        param_distributions,
        *,
        resource="epochs",
        max_resource=100,
        min_resource=1,
        eta=3,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=5,
        error_score=np.nan,
        random_state=None,
        verbose=0,
        return_train_score=False,
        warm=True,
    ):
        super().__init__(
            estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.param_distributions = param_distributions
        self.resource = resource
        self.max_resource = max_resource
        self.min_resource = min_resource
        self.eta = eta
        self.random_state = random_state
        self.warm = warm

    # The estimator is checked when it is fitted.
    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, **params):
        """Run the search, and fit the best configuration on all scans.

        Parameters
        ----------
        X : array-like, list or DataFrame of shape (n_scans, ...)
            Scans or a table, as the estimator takes them.
        y : array-like of shape (n_scans,), default=None
            Labels.
        **params : dict
            As in `sklearn.model_selection.GridSearchCV`: `groups` for the splitter, others for
            the estimator's `fit`.

        Returns
        -------
        self : HyperbandSearchCV
            The fitted search.

        Raises
        ------
        ValueError
            If the estimator has no parameter `resource`, the resource is searched over too,
            `min_resource` is above `max_resource`, or there are several metrics and `refit`
            does not name one.
        """
        self._check_search()
        self._seeds = {}
        with (
            known_splitter(self, X, y, params.get("groups")),
            data_sent(*(data for data in (X, y) if data is not None)),
        ):
            super().fit(X, y, **params)
        # The configuration is what was searched; its seeds would fix those of later fits.
        for name in self._seeds:
            del self.cv_results_[f"param_{name}"]
        for configuration in self.cv_results_["params"]:
            for name in self._seeds:
                del configuration[name]
        del self._seeds
        return self

    def _check_search(self):
        known = self.estimator.get_params(deep=True)
        if self.resource not in known:
            ending = f"__{self.resource.rpartition('__')[-1]}"
            similar = sorted(name for name in known if name.endswith(ending))
            hint = f" Did you mean {' or '.join(map(repr, similar))}?" if similar else ""
            raise ValueError(
                f"resource={self.resource!r} is not a parameter of "
                f"{type(self.estimator).__name__}.{hint}"
            )
        if self._is_searched(self.resource):
            raise ValueError(
                f"param_distributions must not hold {self.resource!r}, which is the resource, or "
                "the estimator that it belongs to."
            )
        several = isinstance(self.scoring, list | tuple | dict)
        if several and not isinstance(self.refit, str):
            raise _without_metric(self.refit)

    def _is_searched(self, name):
        """Return whether configurations set a parameter or an estimator that it belongs to."""
        spaces = self.param_distributions
        spaces = [spaces] if isinstance(spaces, dict) else spaces
        parts = name.split("__")
        names = ["__".join(parts[:end]) for end in range(1, len(parts) + 1)]
        return any(name in space for space in spaces for name in names)

    def _run_search(self, evaluate_candidates):
        random_state = check_random_state(self.random_state)
        self._seeds = {
            name: int(random_state.randint(np.iinfo(np.int32).max)) for name in self._unset_seeds()
        }
        eta = Fraction(self.eta)
        table = hyperband_table(
            self.max_resource,
            min_resource=self.min_resource,
            eta=self.eta,
            n_splits=self.n_splits_,
        )
        configurations, rounds = {}, []
        for bracket, planned in table.groupby("bracket", sort=False):
            drawn = self._draw(int(planned["n_candidates"].iloc[0]), random_state)
            configurations[bracket] = drawn
            rounds += rounds_of_bracket(
                int(bracket), len(drawn), self.max_resource, eta, self.n_splits_
            )
        self.brackets_ = pd.DataFrame(rounds)
        cv = _SameSplits(self._checked_cv_orig)
        with self._same_threads(), _folder_of_states() as folder:
            for bracket, planned in self.brackets_.groupby("bracket", sort=False):
                self._run_bracket(
                    evaluate_candidates, configurations[bracket], planned, cv, folder
                )

    def _same_threads(self):
        """Return a context in which workers train networks as this process does."""
        if not trains_network(self.estimator):
            return nullcontext()
        n_threads = get_threads()
        return prepared_workers(f"skdxa-threads-{n_threads}", _use_threads, n_threads)

    def _draw(self, n_candidates, random_state):
        """Draw configurations; return all of them if the lists define fewer."""
        sampler = ParameterSampler(
            self.param_distributions, n_candidates, random_state=random_state
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The total space of parameters", UserWarning)
            return list(sampler)

    def _run_bracket(self, evaluate_candidates, configurations, planned, cv, folder):
        alive = list(range(len(configurations)))
        for step in planned.itertuples():
            # Earlier rounds have left the best in order.
            dropped, alive = alive[step.n_candidates :], alive[: step.n_candidates]
            for number in dropped:
                shutil.rmtree(folder / f"{step.bracket}-{number}", ignore_errors=True)
            if self.verbose > 0:
                print(
                    f"Bracket {step.bracket}, round {step.iter}: {len(alive)} configurations, "
                    f"{self.resource}={step.n_resources}"
                )
            results = _evaluate_again(
                evaluate_candidates,
                [
                    self._complete(
                        configurations[number],
                        step.n_resources,
                        folder / f"{step.bracket}-{number}",
                    )
                    for number in alive
                ],
                cv,
                more_results={
                    name: [int(getattr(step, name))] * len(alive)
                    for name in ("bracket", "iter", "n_resources")
                },
            )
            scores = results[f"mean_test_{self._metric(results)}"][-len(alive) :]
            worst_last = np.argsort(-scores, kind="stable")
            alive = [alive[place] for place in worst_last]
        for number in alive:
            shutil.rmtree(folder / f"{step.bracket}-{number}", ignore_errors=True)

    def _complete(self, configuration, n_resources, folder):
        """Add the settings that every fit of the search shares to a configuration."""
        complete = {**configuration, self.resource: int(n_resources), **self._seeds}
        if self._continues(configuration):
            complete[_sibling(self.resource, _CHECKPOINT)] = str(folder)
        return complete

    def _unset_seeds(self):
        return sorted(
            name
            for name, value in self.estimator.get_params(deep=True).items()
            if value is None
            and name.rpartition("__")[-1] == "random_state"
            and not self._is_searched(name)
        )

    def _continues(self, configuration):
        """Return whether a training with a configuration can continue from an earlier one."""
        prefix, _, parameter = self.resource.rpartition("__")
        owner = self.estimator.get_params(deep=True)[prefix] if prefix else self.estimator
        return (
            self.warm
            and parameter == "epochs"
            and isinstance(owner, SpineCNNClassifier)
            and owner.checkpoint is None
            and not self._is_searched(_sibling(self.resource, _CHECKPOINT))
            and not configuration.get(_sibling(self.resource, "callbacks"), owner.callbacks)
        )

    def _metric(self, results):
        """Return the name of the metric by which configurations are selected."""
        if "mean_test_score" in results:
            return "score"
        if isinstance(self.refit, str) and f"mean_test_{self.refit}" in results:
            return self.refit
        raise _without_metric(self.refit)

    def _format_results(self, candidate_params, n_splits, out, more_results=None):
        # Done before the refit, which must neither read nor write states of the search.
        name = _sibling(self.resource, _CHECKPOINT)
        if not self._is_searched(name):
            candidate_params = [
                {key: value for key, value in configuration.items() if key != name}
                for configuration in candidate_params
            ]
        return super()._format_results(candidate_params, n_splits, out, more_results)


@contextmanager
def _folder_of_states():
    """Create a temporary folder, and remove it also where workers have created it elsewhere."""
    with tempfile.TemporaryDirectory(prefix="skdxa-hyperband-") as folder:
        try:
            yield Path(folder)
        finally:
            call_on_workers(shutil.rmtree, folder, ignore_errors=True)


def _use_threads(n_threads, fits_at_once):
    if get_threads() != n_threads:
        set_threads(n_threads, fits_at_once=fits_at_once)


def _evaluate_again(evaluate_candidates, *args, **kwargs):
    """Evaluate the candidates of a round; repeat those lost by a cluster."""
    losses = Losses()
    while True:
        try:
            return evaluate_candidates(*args, **kwargs)
        except losses.error as error:
            losses.count(error)
            send_more()


class _SameSplits:
    """Splits of a splitter, drawn once, although the splitter might draw others the next time."""

    def __init__(self, cv):
        self.cv = cv
        self.splits = None

    def split(self, X, y=None, **params):
        """Return the splits of the first call."""
        if self.splits is None:
            self.splits = list(self.cv.split(X, y, **params))
            send_more(*(rows for split in self.splits for rows in split))
        return self.splits


def _sibling(name, other):
    """Return the name of another parameter of the same estimator."""
    prefix, separator, _ = name.rpartition("__")
    return f"{prefix}{separator}{other}"


def _without_metric(refit):
    return ValueError(
        "With several metrics, refit must name the one by which configurations are selected; got "
        f"refit={refit!r}."
    )
