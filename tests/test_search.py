"""GRUSearchCV beside scikit-learn's GridSearchCV, on a CPU."""

import pickle
import threading
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV, GroupKFold, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import gruforecast
from gruforecast.model_selection import GRUSearchCV
from tests.searches import (
    GRID,
    SERIES,
    TIMED,
    Noting,
    X,
    Y,
    assert_threads_end,
    forecaster,
    rows,
    without_notes,
)


@pytest.fixture
def noting(monkeypatch):
    return without_notes(monkeypatch)


@pytest.mark.parametrize("n_jobs", [None, 1, 3, -1])
def test_rows(n_jobs):
    search = rows(forecaster(), GRID, own={"n_jobs": n_jobs})
    assert len(set(search.cv_results_["mean_test_score"])) == 6


@pytest.mark.filterwarnings("ignore::gruforecast.forecasting.skill.EchoWarning")
def test_series():
    series = pd.Series(SERIES[:, 0], pd.date_range("2024", periods=121, freq="h"))
    model, grid = forecaster(horizon=3), {"hidden_size": [2, 4]}
    choices = {"cv": TimeSeriesSplit(2), "return_train_score": True}
    theirs = GridSearchCV(model, grid, **choices).fit(series)
    ours = GRUSearchCV(model, grid, n_jobs=2, **choices).fit(series)
    for name, values in theirs.cv_results_.items():
        if name not in TIMED:
            np.testing.assert_array_equal(ours.cv_results_[name], values)
    assert ours.best_estimator_.forecast().equals(theirs.best_estimator_.forecast())


def test_a_pipeline_with_several_scorers():
    scoring = {"mae": "neg_mean_absolute_error", "r2": "r2"}
    grid = {"gruforecaster__lookback": [2, 5], "standardscaler__with_std": [True, False]}
    model = make_pipeline(StandardScaler(), forecaster())
    choices = {"scoring": scoring, "return_train_score": True}
    search = rows(model, grid, own={"n_jobs": 2}, refit="mae", **choices)
    assert search.multimetric_
    rows(model, grid, own={"n_jobs": 2}, refit=False, **choices)


def test_failing_fits_are_scored_as_said():
    grid = {"learning_rate": [0.01, -1.0]}
    with pytest.warns(FitFailedWarning, match="learning_rate: expected a finite number"):
        search = GRUSearchCV(forecaster(), grid, cv=2, error_score=-9.0, n_jobs=2).fit(X, Y)
    assert search.cv_results_["mean_test_score"][1] == -9.0
    with pytest.raises(ValueError, match="learning_rate: expected a finite number"):
        GRUSearchCV(forecaster(), grid, cv=2, error_score="raise", n_jobs=2).fit(X, Y)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_fits_that_nobody_waits_for_end(early_stopping):
    before = threading.active_count()
    model = forecaster(max_iter=10**7, early_stopping=early_stopping, n_iter_no_change=10**7)
    with pytest.raises(ValueError, match="learning_rate: expected a finite number"):
        GRUSearchCV(
            model, {"learning_rate": [0.01, -1.0]}, cv=2, error_score="raise", n_jobs=4
        ).fit(X, Y)
    assert_threads_end(before)


def test_metadata_are_routed():
    groups, weights = np.repeat(["a", "b", "c", "d"], 30), np.linspace(0.5, 1.5, 120)
    with config_context(enable_metadata_routing=True):
        model = forecaster(context="none").set_fit_request(groups=True, sample_weight=True)
        model.set_predict_request(groups=True).set_score_request(groups=True, sample_weight=True)
        given = {"groups": groups, "sample_weight": weights}
        choices = {"cv": GroupKFold(2), "error_score": "raise"}
        theirs = GridSearchCV(model, {"lookback": [1, 5]}, **choices).fit(X, Y, **given)
        ours = GRUSearchCV(model, {"lookback": [1, 5]}, n_jobs=2, **choices).fit(X, Y, **given)
    found, expected = (s.cv_results_["mean_test_score"] for s in (ours, theirs))
    np.testing.assert_array_equal(found, expected)


def test_as_many_fits_run_at_once_as_said(noting, monkeypatch):
    monkeypatch.setattr(Noting, "gate", threading.Barrier(3))  # each waits for two others
    GRUSearchCV(Noting(), {"number": [1, 2, 3]}, cv=2, n_jobs=3).fit(X)
    *inside, (thread, _) = noting.seen
    assert all(backend.nesting_level == 1 for _, (backend, _) in inside)
    assert thread is threading.main_thread()  # fitted anew at the end


def test_within_a_worker_of_joblib_one_fit_runs_at_once(noting):
    def task():
        GRUSearchCV(Noting(), {"number": [1, 2]}, cv=2, refit=False).fit(X)
        return threading.current_thread()

    with joblib.parallel_config("threading", n_jobs=2):
        threads = joblib.Parallel()(joblib.delayed(task)() for _ in range(2))
    assert {thread for thread, _ in noting.seen} == {*threads}


def test_the_number_of_fits_is_found_in_joblibs_context(noting, monkeypatch):
    monkeypatch.setattr(Noting, "gate", threading.Barrier(2))
    with joblib.parallel_config(n_jobs=2):
        GRUSearchCV(Noting(), {"number": [1, 2]}, cv=2).fit(X)
    assert len(noting.seen) == 5


def test_loops_of_the_best_are_not_those_of_the_search():
    """What is fitted anew asks for its own threads."""

    class Looping(Noting):
        def fit(self, X, y=None):
            def level(_):
                return threading.current_thread()

            self.alone_ = joblib.Parallel()(joblib.delayed(level)(k) for k in range(4))
            self.two_ = joblib.Parallel(n_jobs=2)(joblib.delayed(level)(k) for k in range(4))
            return self

    search = GRUSearchCV(Looping(), {"number": [1, 2]}, cv=2, n_jobs=4).fit(X)
    best = search.best_estimator_
    assert {*best.alone_} == {threading.main_thread()}
    assert threading.main_thread() not in best.two_


def test_backends_for_other_machines_are_left_alone(noting):
    class Elsewhere(joblib.parallel.SequentialBackend.__base__):
        def effective_n_jobs(self, n_jobs):
            return 1

        def submit(self, func, callback=None):
            raise NotImplementedError

        apply_async = submit

    with joblib.parallel_config(Elsewhere()):
        GRUSearchCV(Noting(), {"number": [1, 2]}, cv=2).fit(X)
    assert {type(backend) for _, (backend, _) in noting.seen} == {Elsewhere}


def test_warning_filters_are_as_before():
    filters = list(warnings.filters)
    for _ in range(3):
        GRUSearchCV(Noting(), {"number": list(range(20))}, cv=4, n_jobs=8).fit(X)
    assert list(warnings.filters) == filters


def test_settings_of_scikit_learn_reach_the_threads():
    class Configured(Noting):
        def score(self, X, y=None):
            from sklearn import get_config

            return float(get_config()["working_memory"])

    with config_context(working_memory=77):
        search = GRUSearchCV(Configured(), {"number": [1, 2]}, cv=2, n_jobs=2).fit(X)
    assert search.cv_results_["mean_test_score"].tolist() == [77, 77]


def test_it_is_an_estimator():
    assert gruforecast.model_selection.GRUSearchCV is GRUSearchCV
    search = GRUSearchCV(forecaster(), {"lookback": [2, 4]}, cv=2, n_jobs=2)
    theirs = GridSearchCV(forecaster(), {}).get_params()
    assert clone(search).get_params().keys() == theirs.keys()
    fitted = clone(search).fit(X, Y)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))
    for wrong in ({"n_jobs": "two"}, {"param_grid": None}):
        with pytest.raises(ValueError, match="of GRUSearchCV must be an instance of"):
            clone(search).set_params(**wrong).fit(X, Y)
    with pytest.raises(ValueError, match="Invalid parameter 'looking' for estimator"):
        GRUSearchCV(forecaster(), {"looking": [1]}).fit(X, Y)
