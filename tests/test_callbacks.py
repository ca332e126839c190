"""Scikit-learn's callbacks (since its version 1.9) around and inside a fit, and life without."""

import contextlib
import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit

from gruforecast import GRUClassifier, GRUEncoder, GRUForecaster
from gruforecast.training.loop import NotFiniteWarning
from tests.helpers import wavy_series

try:
    from sklearn.callback import ProgressBar, ScoringMonitor
except ImportError:
    ProgressBar = ScoringMonitor = None
needs_callbacks = pytest.mark.skipif(
    ScoringMonitor is None, reason="callbacks exist since scikit-learn 1.9"
)

QUICK = {"hidden_size": 4, "max_iter": 4, "learning_rate": 0.02, "random_state": 0}
SERIES = wavy_series(81)
X, Y = SERIES[:-1], SERIES[1:, 0]


def forecaster(**choices):
    return GRUForecaster(**{"lookback": 5} | QUICK | choices)


class Recorder:
    """Notes what it is told; stops after some epochs if asked to, or fails."""

    def __init__(self, stop_after=None, fail_after=None):
        self.stop_after, self.fail_after = stop_after, fail_after
        self.events, self.open, self.models = [], [], []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, fitted_estimator=None):
        self.open.append((context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.open.remove((context.task_name, context.task_id))
        if context.task_name != "epoch":
            self.last = fitted_estimator
            return None
        if fitted_estimator is not None:
            self.models.append(fitted_estimator)
        n_done = context.task_id + 1
        if n_done == self.fail_after:
            raise OSError("disk full")
        return n_done == self.stop_after


@pytest.fixture
def recorded():
    """A function that fits an estimator with a recorder and hands both back."""

    def fit(estimator, *data, y=Y, **choices):
        recorder = Recorder(**choices)
        estimator.set_callbacks(recorder).fit(*(data or (X, y)))
        assert recorder.events == ["setup", "teardown"]
        assert recorder.open == []
        return recorder

    return fit


# Scikit-learn's own.


@needs_callbacks
@pytest.mark.parametrize("lookback", [None, 5])
def test_a_score_for_every_epoch(lookback):
    monitor = ScoringMonitor(scoring=["r2", "neg_mean_absolute_error"])
    model = forecaster(lookback=lookback).set_callbacks(monitor).fit(X, Y)
    log = monitor.get_logs().data
    epochs = [row for row in log if row["task_name"] == "epoch"]
    assert [row["task_id"] for row in epochs] == [0, 1, 2, 3]
    assert len({row["r2"] for row in epochs}) == 4
    for row in (epochs[-1], *(row for row in log if row["task_name"] == "fit")):
        assert row["r2"] == model.score(X, Y)
        assert row["neg_mean_absolute_error"] == -np.abs(model.predict(X) - Y).mean()
    shorter = forecaster(lookback=lookback, max_iter=2).fit(X, Y)
    assert epochs[1]["r2"] == shorter.score(X, Y)


@needs_callbacks
def test_weights_of_rows_count_in_the_scores():
    monitor, weights = ScoringMonitor(scoring=["r2"]), np.linspace(0.1, 2.0, 80)
    model = forecaster().set_callbacks(monitor).fit(X, Y, sample_weight=weights)
    assert monitor.get_logs().data[-1]["r2"] == model.score(X, Y, sample_weight=weights)


@needs_callbacks
def test_scores_know_the_series_of_each_row():
    monitor, series = ScoringMonitor(scoring="r2"), np.repeat(["a", "b"], 40)
    model = forecaster().set_callbacks(monitor).fit(X, Y, groups=series)
    assert monitor.get_logs().data[-1]["r2"] == model.score(X, Y, groups=series)


@needs_callbacks
def test_scores_of_classes():
    monitor = ScoringMonitor(scoring=["accuracy", "neg_log_loss"])
    model = GRUClassifier(**QUICK).set_callbacks(monitor).fit(X, Y > 0)
    last = monitor.get_logs().data[-1]
    assert last["accuracy"] == model.score(X, Y > 0)
    assert np.isfinite(last["neg_log_loss"])


@needs_callbacks
@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_scores_from_inside_a_search(n_jobs, backend):
    monitor = ScoringMonitor(scoring="r2")
    search = GridSearchCV(
        forecaster(max_iter=3).set_callbacks(monitor),
        {"lookback": [None, 4]},
        cv=TimeSeriesSplit(2),
        n_jobs=n_jobs,
        error_score="raise",
    )
    with joblib.parallel_backend(backend):
        search.fit(X, Y)
    (log,) = monitor.get_logs(select="all")
    assert log.estimator_name == "GridSearchCV"
    epochs = [row for row in log.data if row["task_name"] == "epoch"]
    assert len(epochs) == (2 * 2 + 1) * 3  # candidates, splits, and the best once more
    assert len({row["task_id_path"] for row in log.data}) == len(log.data) == 5 * 4
    assert search.best_estimator_.score(X, Y) in {row["r2"] for row in log.data}


@needs_callbacks
@pytest.mark.parametrize("where", ["alone", "search", "two workers"])
def test_a_progress_bar(where, capsys):
    pytest.importorskip("rich", reason="scikit-learn's progress bar is drawn by rich")
    if where == "alone":
        forecaster().set_callbacks(ProgressBar()).fit(X, Y)
    else:
        n_jobs = 2 if where == "two workers" else None
        search = GridSearchCV(forecaster(), {"lookback": [2, 4]}, cv=2, n_jobs=n_jobs)
        search.set_callbacks(ProgressBar()).fit(X, Y)
    shown = capsys.readouterr().out
    assert "GRUForecaster" in shown
    assert "100%" in shown


# One's own.


@needs_callbacks
def test_the_tasks_of_a_fit(recorded):
    recorder = recorded(forecaster())
    assert len(recorder.models) == 4


@needs_callbacks
def test_a_callback_stops_the_fit(recorded):
    model = forecaster()
    recorder = recorded(model, stop_after=2)
    assert model.stopping_reason_ == "callback"
    assert model.n_iter_ == len(model.loss_curve_) == len(recorder.models) == 2
    np.testing.assert_array_equal(model.predict(X), forecaster(max_iter=2).fit(X, Y).predict(X))


@needs_callbacks
def test_early_stopping_leaves_no_task_open(recorded):
    model = forecaster(max_iter=30, early_stopping=True, n_iter_no_change=2, tol=0.5)
    recorder = recorded(model)
    assert model.stopping_reason_ == "early_stopping"
    assert len(recorder.models) == model.n_iter_ < 30
    monitor = ScoringMonitor(scoring="r2")
    model.set_callbacks(monitor).fit(X, Y)
    rows = monitor.get_logs().data
    assert sum(row["task_name"] == "epoch" for row in rows) == model.n_iter_
    np.testing.assert_array_equal(recorder.last.predict(X), model.predict(X))  # the best weights


@needs_callbacks
def test_an_exploding_loss_leaves_no_task_open(recorded):
    model = forecaster(optimizer="sgd", learning_rate=1e30, clip_norm=None, cell="rnn")
    with pytest.warns(NotFiniteWarning, match="epoch"):
        recorded(model)
    assert model.stopping_reason_ == "not_finite"


@needs_callbacks
@pytest.mark.parametrize("cls", [GRUForecaster, GRUClassifier, GRUEncoder])
@pytest.mark.parametrize("lookback", [None, 5])
def test_the_fitted_estimator_is_the_one_of_that_epoch(cls, lookback, recorded):
    y = Y > 0 if cls is GRUClassifier else Y
    apply = "transform" if cls is GRUEncoder else "predict"
    choices = QUICK | {"lookback": lookback, "dropout": 0.3, "num_layers": 2, "batch_size": 32}
    choices["learning_rate_schedule"] = "constant"  # others depend on the number of epochs
    recorder = recorded(cls(**choices), y=y)
    for n_epochs, model in enumerate(recorder.models, start=1):
        alone = cls(**choices | {"max_iter": n_epochs}).fit(X, y)
        np.testing.assert_array_equal(getattr(model, apply)(X), getattr(alone, apply)(X))


@needs_callbacks
def test_the_fitted_estimator_scales_as_this_fit_does(recorded):
    model = forecaster().fit(1000 * X + 5, 1000 * Y)
    recorder = recorded(model)
    np.testing.assert_array_equal(
        recorder.models[1].predict(X), forecaster(max_iter=2).fit(X, Y).predict(X)
    )


@needs_callbacks
def test_a_callback_changes_nothing_about_the_fit(recorded):
    model, silent = forecaster(dropout=0.2, num_layers=2), forecaster(dropout=0.2, num_layers=2)
    recorded(model)
    assert model.loss_curve_ == silent.fit(X, Y).loss_curve_
    np.testing.assert_array_equal(model.predict(X), silent.predict(X))


@needs_callbacks
def test_teardown_comes_after_an_exception():
    recorder = Recorder(fail_after=2)
    model = forecaster().set_callbacks(recorder)
    with pytest.raises(OSError, match="disk full"):
        model.fit(X, Y)
    assert recorder.events == ["setup", "teardown"]
    model.set_callbacks().fit(X, Y)  # and the estimator can be fitted again
    np.testing.assert_array_equal(model.predict(X), forecaster().fit(X, Y).predict(X))


@needs_callbacks
def test_bad_input_is_found_before_a_callback_is_set_up():
    recorder = Recorder()
    with contextlib.suppress(ValueError):
        forecaster(hidden_size=0).set_callbacks(recorder).fit(X, Y)
    assert recorder.events in ([], ["setup", "teardown"])
    assert recorder.open == []


# What is written, and older versions.


@pytest.mark.parametrize("cls", [GRUForecaster, GRUClassifier, GRUEncoder])
def test_nothing_is_written_by_default(cls, capfd):
    model = cls(**QUICK, early_stopping=True).fit(X, Y > 0 if cls is GRUClassifier else Y)
    model.transform(X) if cls is GRUEncoder else model.predict(X)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("verbose", [1, True])
def test_a_line_per_epoch(verbose, early_stopping, capsys):
    model = forecaster(verbose=verbose, early_stopping=early_stopping).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == model.n_iter_ == 4
    for number, (line, loss) in enumerate(zip(lines, model.loss_curve_, strict=True), start=1):
        assert line.split()[:4] == ["epoch", str(number), "loss", f"{loss:.6g}"]
        assert ("validation" in line) == early_stopping


def test_versions_without_callbacks():
    code = """
import sys
import numpy as np, sklearn.linear_model, sklearn.pipeline, sklearn.model_selection
callbacks = sys.modules.get("sklearn.callback")
sys.modules["sklearn.callback"] = None  # as before 1.9
import gruforecast
X = np.sin(0.3 * np.arange(60.0))[:, None]
y = np.roll(X[:, 0], -1)
estimators = [gruforecast.GRUForecaster, gruforecast.GRUClassifier, gruforecast.GRUEncoder]
sys.modules["sklearn.callback"] = callbacks  # which scikit-learn's own estimators need
for cls in estimators:
    model = cls(lookback=4, hidden_size=4, max_iter=2, random_state=0)
    assert not hasattr(model, "set_callbacks")
    model.fit(X, y > 0 if cls is gruforecast.GRUClassifier else y)
    assert model.n_iter_ == 2
    assert len(model.fit_transform(X, y) if hasattr(model, "transform") else model.predict(X)) == 60
print("done")
"""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert result.stdout.strip() == "done", result.stderr
