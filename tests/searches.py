"""What tests of GRUSearchCV share."""

import threading

import joblib
import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit

from gruforecast import GRUForecaster
from gruforecast.model_selection import GRUSearchCV
from tests.helpers import wavy_series

SERIES = wavy_series(121, 2)
X, Y = SERIES[:-1], SERIES[1:, 0]
QUICK = {"hidden_size": 4, "max_iter": 2, "random_state": 0}
GRID = {"cell": ["gru", "lstm"], "lookback": [None, 2, 5]}
TIMED = ("mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time")


def forecaster(**choices):
    return GRUForecaster(**QUICK | choices)


def both(estimator, grid, *data, own=None, **choices):
    """The same search by scikit-learn and by this package."""
    choices = {"cv": TimeSeriesSplit(2), "error_score": "raise"} | choices
    theirs = GridSearchCV(clone(estimator), grid, **choices).fit(*data)
    ours = GRUSearchCV(clone(estimator), grid, **choices | (own or {})).fit(*data)
    assert_same(ours, theirs)
    return ours


def assert_same(ours, theirs):
    """All results but the times, to the last bit."""
    assert {*vars(ours)} == {*vars(theirs)}
    assert ours.cv_results_.keys() == theirs.cv_results_.keys()
    for name, values in theirs.cv_results_.items():
        if name not in TIMED and "param" not in name:
            np.testing.assert_array_equal(ours.cv_results_[name], values)
    for name in ("best_params_", "best_score_", "best_index_", "n_splits_", "multimetric_"):
        assert getattr(ours, name, None) == getattr(theirs, name, None)
    if theirs.refit:
        np.testing.assert_array_equal(ours.predict(X[:, :1]), theirs.predict(X[:, :1]))


def rows(estimator, grid, **choices):
    return both(estimator, grid, X[:, :1], Y, **choices)


class Noting(BaseEstimator):
    """Notes where it is fitted, and how many at once."""

    seen: list = []  # noqa: RUF012
    running = most = 0
    lock = threading.Lock()
    gate = None

    def __init__(self, number=0):
        self.number = number

    def fit(self, X, y=None):
        with self.lock:
            Noting.seen.append((threading.current_thread(), joblib.parallel.get_active_backend()))
        if self.gate is not None and threading.current_thread() is not threading.main_thread():
            self.gate.wait(30)
        return self

    def score(self, X, y=None):
        return float(self.number)


def without_notes(monkeypatch):
    """``Noting`` that has noted nothing yet, for one test."""
    monkeypatch.setattr(Noting, "seen", [])
    return Noting


def assert_threads_end(most):
    for _ in range(3000):
        if threading.active_count() <= most:
            break
        threading.Event().wait(0.01)
    assert threading.active_count() <= most
