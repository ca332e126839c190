"""A grid search that fits its candidates side by side, on a GPU all at once."""

from __future__ import annotations

import warnings
from typing import Any

from joblib import parallel_config
from joblib.parallel import LokyBackend, SequentialBackend, ThreadingBackend, get_active_backend
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, ParameterGrid

from gruforecast.estimators import parameters
from gruforecast.estimators.base import RecurrentEstimator
from gruforecast.foundations.checks import check_precision
from gruforecast.model_selection.backends import Meeting, SideBySide
from gruforecast.network.placement import gpu_for


class GRUSearchCV(GridSearchCV):
    """scikit-learn's ``GridSearchCV`` with all fits in one process, on a GPU all at once.

    It takes the same arguments and leaves the same attributes; on a CPU the scores are the same to
    the last bit.

    On a CPU fits run on threads, one thread each: kernels are compiled once for all, and nothing is
    copied to other processes. On a GPU (``device="cuda"``) all candidates and folds, up to 512, are
    trained at once.

    Parameters
    ----------
    estimator : estimator
        One of this package, or one that contains it, such as a ``Pipeline``.
    param_grid : dict or list of dict
        Values to try, by the name of the parameter.
    scoring, refit, cv, error_score, return_train_score :
        As of ``GridSearchCV``.
    n_jobs : int, optional
        Fits side by side on a CPU; -1 is one for each processor, and so is None, but within a
        worker of joblib. With 1 each fit uses all processors. Does not limit a GPU.
    verbose : int, default 0
        As of ``GridSearchCV``.
    pre_dispatch : int or str, default "2*n_jobs"
        As of ``GridSearchCV``: how many fits are prepared ahead. On a GPU no more than these are
        trained at once.

    Notes
    -----
    A backend of joblib that was chosen for work on other machines, such as "dask", is used. A
    device that cannot be used is an error before anything is fitted, whatever ``error_score``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import TimeSeriesSplit
    >>> from gruforecast import GRUForecaster
    >>> from gruforecast.model_selection import GRUSearchCV
    >>> series = np.sin(0.3 * np.arange(200))
    >>> model = GRUForecaster(horizon=4, max_iter=10, learning_rate=0.02, random_state=0)
    >>> grid = {"hidden_size": [8, 16], "cell": ["gru", "lstm"]}
    >>> search = GRUSearchCV(model, grid, cv=TimeSeriesSplit(2)).fit(series)
    >>> len(search.cv_results_["params"])
    4
    """

    def fit(self, X: Any, y: Any = None, **params: Any) -> GRUSearchCV:
        """Fit all candidates on all folds and, with ``refit``, the best one on all rows.

        Parameters
        ----------
        X : array, Series or DataFrame
            As the estimator's ``fit`` reads it.
        y : array, optional
        params
            Passed on to the estimator, the scorer and the splitter, as of ``GridSearchCV``.

        Returns
        -------
        self
        """
        self._validate_params()
        on_gpu = uses_gpu(self.estimator, self.param_grid)
        active, n_jobs = get_active_backend()
        if not isinstance(active, (LokyBackend, ThreadingBackend, SequentialBackend)):
            super().fit(X, y, **params)
            return self
        if on_gpu:
            backend: SideBySide = Meeting()
        else:
            wanted = n_jobs if self.n_jobs is None else self.n_jobs
            backend = SideBySide(parameters.n_threads(wanted))
        # What fits on threads do to the filters for a moment does not outlast them.
        with parallel_config(backend), warnings.catch_warnings():
            super().fit(X, y, **params)
        return self


def uses_gpu(estimator: Any, grid: Any) -> bool:
    """Whether all candidates train on a GPU; a device that cannot be used is an error.

    Where some train on the CPU all are fitted side by side on threads, as many as it has.
    """
    found = []
    for choices in ParameterGrid(grid):
        candidate = clone(estimator).set_params(**clone(choices, safe=False))
        for part in (candidate, *candidate.get_params().values()):
            if isinstance(part, RecurrentEstimator):
                found.append(_trains_on_gpu(part))
    return bool(found) and all(found)


def _trains_on_gpu(estimator: RecurrentEstimator) -> bool:
    if estimator.device == "cpu":
        return False
    return gpu_for(estimator.device, check_precision(estimator.dtype)) is not None
