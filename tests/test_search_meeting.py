"""GRUSearchCV where a GPU, whose work the CPU does here, trains all fits at once."""

import sys
import threading
import types

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gruforecast.foundations import device
from gruforecast.model_selection import GRUSearchCV
from gruforecast.training import together as meeting
from gruforecast.training import train
from gruforecast.training.job import Outcome
from tests.searches import GRID, SERIES, Noting, X, Y, assert_threads_end, forecaster, without_notes

# A network that has learnt next to nothing adds little to what it starts from.
pytestmark = pytest.mark.filterwarnings("ignore::gruforecast.forecasting.skill.EchoWarning")


@pytest.fixture
def noting(monkeypatch):
    return without_notes(monkeypatch)


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
    model = forecaster(horizon=3, device="cuda", max_iter=5, early_stopping=False)
    on_gpu(model, {"hidden_size": [2, 4, 8]}, SERIES[:, 0])
    assert gpu == [18, 18, 3, 3]


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
