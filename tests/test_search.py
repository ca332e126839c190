"""GRUSearchCV beside scikit-learn's GridSearchCV, on a CPU and where a GPU trains all at once."""

import pickle
import sys
import threading
import types
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV, GroupKFold, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import gruforecast
from gruforecast import GRUForecaster
from gruforecast.foundations import device
from gruforecast.model_selection import GRUSearchCV
from gruforecast.training import together as meeting
from gruforecast.training import train
from gruforecast.training.job import Outcome
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


# On a CPU.


@pytest.mark.parametrize("n_jobs", [None, 1, 3, -1])
def test_rows(n_jobs):
    search = rows(forecaster(), GRID, own={"n_jobs": n_jobs})
    assert len(set(search.cv_results_["mean_test_score"])) == 6


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


def assert_threads_end(most):
    for _ in range(3000):
        if threading.active_count() <= most:
            break
        threading.Event().wait(0.01)
    assert threading.active_count() <= most


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


@pytest.fixture
def noting(monkeypatch):
    monkeypatch.setattr(Noting, "seen", [])
    return Noting


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


# On a GPU, whose work the CPU does.


@pytest.fixture
def gpu(monkeypatch):
    """How many networks were trained at once, call by call."""
    calls = []

    def train_jobs(jobs, gpu):
        calls.append(len(jobs))
        outcomes = []
        for job in jobs:
            result = train(
                job.network, job.data, job.options, validation=job.validation,
                resume_from=job.state, callbacks=job.callbacks, n_threads=1,
            )  # fmt: skip
            outcomes.append(Outcome(result.stopping_reason, result.checkpoint))
        return outcomes

    def run(network, windows, out, *, gpu, what="outputs"):
        out[...] = network.predict(windows, n_threads=1)

    module = types.ModuleType("gruforecast.network.cuda.inference")
    module.run = run
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(device, "count_gpus", lambda: 1)
    monkeypatch.setattr(device, "has_compiler", lambda: True)
    monkeypatch.setattr(device, "capability", lambda number: 9.0)
    monkeypatch.setattr(meeting, "_train_jobs", train_jobs)
    return calls


def on_gpu(estimator, grid, *data, **choices):
    """The search on a GPU, whose scores are those on the CPU."""
    choices = {"cv": TimeSeriesSplit(2)} | choices
    ours = GRUSearchCV(estimator, grid, **choices).fit(*data)
    here = clone(estimator).set_params(
        **{name: "cpu" for name in estimator.get_params() if name.endswith("device")}
    )
    theirs = GridSearchCV(here, grid, **choices | {"n_jobs": 1}).fit(*data)
    np.testing.assert_array_equal(
        ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"]
    )
    return ours


@pytest.mark.parametrize("n_jobs", [None, 1, 2])
def test_all_candidates_and_folds_are_trained_at_once(gpu, n_jobs):
    search = on_gpu(forecaster(device="cuda"), GRID, X[:, :1], Y, n_jobs=n_jobs)
    assert gpu == [12, 1]  # and the best one on all rows
    assert search.best_estimator_.device == "cuda"


def test_series_that_are_learnt_twice_meet_twice(gpu):
    model = forecaster(horizon=3, device="cuda", max_iter=5)
    on_gpu(model, {"hidden_size": [2, 4, 8]}, SERIES[:, 0])
    assert gpu == [6, 6, 1, 1]


def test_within_a_pipeline(gpu):
    model = make_pipeline(StandardScaler(), forecaster(device="auto"))
    on_gpu(model, {"gruforecaster__lookback": [2, 5]}, X, Y, refit=False)
    assert gpu == [4]


def test_a_device_in_the_grid(gpu):
    GRUSearchCV(forecaster(), {"device": ["cpu", "cuda"]}, cv=3, refit=False).fit(X, Y)
    assert gpu == [1, 1, 1]  # the others have the CPU's threads, so they are not waited for


def test_what_a_gpu_cannot_do_runs_on_the_cpu(gpu, noting):
    GRUSearchCV(forecaster(device="auto", dtype="float64"), {"lookback": [2, 3]}, cv=2).fit(X, Y)
    GRUSearchCV(Noting(), {"number": [1]}, cv=2).fit(X)
    assert gpu == []


def test_fits_that_fail_are_not_waited_for(gpu):
    grid = {"learning_rate": [0.01, -1.0, 0.02]}
    with pytest.warns(FitFailedWarning):
        search = GRUSearchCV(forecaster(device="cuda"), grid, cv=2, error_score=-9.0).fit(X, Y)
    assert gpu == [4, 1]
    assert search.cv_results_["split1_test_score"][1] == -9.0


@pytest.mark.parametrize("pre_dispatch", ["all", "2*n_jobs", 4])
def test_fits_that_are_prepared_ahead_meet(gpu, pre_dispatch):
    grid = {"learning_rate": [0.001 * k for k in range(1, 7)]}
    choices = {"cv": 2, "refit": False, "pre_dispatch": pre_dispatch}
    GRUSearchCV(forecaster(device="cuda"), grid, **choices).fit(X, Y)
    assert gpu == ([4, 4, 4] if pre_dispatch == 4 else [12])


def test_more_fits_than_threads(gpu, monkeypatch):
    from gruforecast.model_selection import backends

    monkeypatch.setattr(backends, "MOST_AT_ONCE", 5)
    grid = {"learning_rate": [0.001 * k for k in range(1, 9)]}
    GRUSearchCV(forecaster(device="cuda"), grid, cv=2, refit=False, pre_dispatch="all").fit(X, Y)
    assert gpu == [5, 5, 5, 1]


def test_an_error_ends_the_search(gpu, monkeypatch):
    grid = {"learning_rate": [0.01, -1.0, 0.02]}
    with pytest.raises(ValueError, match="learning_rate: expected a finite number"):
        GRUSearchCV(forecaster(device="cuda"), grid, cv=2, error_score="raise").fit(X, Y)

    def broken(jobs, gpu):
        raise MemoryError("no room on the GPU")

    monkeypatch.setattr(meeting, "_train_jobs", broken)
    with pytest.raises(MemoryError, match="no room"):
        GRUSearchCV(forecaster(device="cuda"), GRID, cv=2, error_score="raise").fit(X, Y)
    with pytest.raises(ValueError, match="no room on the GPU"):  # scikit-learn's list of failures
        GRUSearchCV(forecaster(device="cuda"), GRID, cv=2).fit(X, Y)


def test_an_interruption_ends_the_search(gpu, monkeypatch):
    """The main thread is interrupted while all others wait; none of them stays behind."""
    before = threading.active_count()
    wait = joblib.parallel.Parallel._retrieve

    def interrupted(self):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(joblib.parallel.Parallel, "_retrieve", interrupted)
    monkeypatch.setattr(meeting, "_train_jobs", lambda jobs, gpu: pytest.fail("it was given up"))
    monkeypatch.setattr(meeting.Together, "_begin_if_all_wait", lambda self: None)
    with pytest.raises(KeyboardInterrupt):
        GRUSearchCV(forecaster(device="cuda"), GRID, cv=2).fit(X, Y)
    monkeypatch.setattr(joblib.parallel.Parallel, "_retrieve", wait)
    assert_threads_end(before)


def test_a_device_that_lacks_is_said_before_anything_is_fitted(monkeypatch):
    monkeypatch.setattr(device, "count_gpus", lambda: 0)
    with pytest.raises(RuntimeError, match="device: expected an NVIDIA GPU for 'cuda', got none"):
        GRUSearchCV(forecaster(device="cuda"), GRID, cv=2).fit(X, Y)
    monkeypatch.setattr(device, "count_gpus", lambda: 1)
    monkeypatch.setattr(device, "has_compiler", lambda: True)
    monkeypatch.setattr(device, "capability", lambda number: 9.0)
    with pytest.raises(RuntimeError, match="got 'cuda:1' where there is one GPU"):
        GRUSearchCV(forecaster(), {"device": ["cpu", "cuda", "cuda:1"]}, cv=2).fit(X, Y)
    with pytest.raises(ValueError, match="device: expected 'cpu', 'cuda'"):
        GRUSearchCV(forecaster(), {"device": ["tpu"]}, cv=2).fit(X, Y)
