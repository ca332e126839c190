"""Ensembles on an emulated GPU: all networks in one call, which learn what they learn on a CPU."""

import sys

import numpy as np
import pytest
from sklearn.model_selection import TimeSeriesSplit

if not sys.platform.startswith("linux"):
    pytest.skip("kernels for a GPU are tested on Linux", allow_module_level=True)
pytest.importorskip("numba_cuda", reason="expected numba-cuda; install the extra cuda")
pytest.importorskip("greenlet", reason="expected greenlet; install the extra test")

from gruforecast import GRUClassifier, GRUForecaster
from gruforecast.estimators import base
from gruforecast.model_selection import GRUSearchCV
from gruforecast.training import NotFiniteWarning
from tests.cards import CardInPlace, output
from tests.helpers import wavy_series
from tests.test_callbacks import Recorder, needs_callbacks

SERIES = wavy_series(60, 2)
X, Y = SERIES[:-1], SERIES[1:, 0]
QUICK = {
    "n_estimators": 3, "hidden_size": 3, "max_iter": 3, "learning_rate": 0.02, "random_state": 0,
}  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore::gruforecast.forecasting.skill.EchoWarning")


@pytest.fixture
def gpu(monkeypatch):
    return CardInPlace(monkeypatch)


def forecaster(**choices):
    return GRUForecaster(**QUICK | choices)


def assert_alike(there, here):
    for found, expected in zip(there.networks_, here.networks_, strict=True):
        np.testing.assert_allclose(found.flat, expected.flat, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_all_networks_are_trained_in_one_call(gpu, early_stopping):
    choices = {"lookback": 4, "early_stopping": early_stopping, "dropout": 0.2, "num_layers": 2}
    there, here = (forecaster(device=d, **choices).fit(X, Y) for d in ("cuda", "cpu"))
    assert gpu.trained == [3]
    assert gpu.n_launches == 1
    assert_alike(there, here)
    np.testing.assert_allclose(there.predict(X), here.predict(X), rtol=1e-3, atol=1e-3)
    assert gpu.n_passes == 3
    np.testing.assert_allclose(there.loss_curve_, here.loss_curve_, rtol=1e-4)


def test_networks_stop_one_by_one(gpu):
    choices = {"lookback": 2, "early_stopping": True, "max_iter": 12, "n_iter_no_change": 1}
    choices |= {"tol": 0.02, "n_estimators": 4}
    there, here = (forecaster(device=d, **choices).fit(X, Y) for d in ("cuda", "cpu"))
    assert gpu.trained == [4]
    assert there.n_iter_ == here.n_iter_
    assert_alike(there, here)


def test_classes(gpu):
    labels = np.array(["down", "flat", "up"])[np.digitize(Y, [-0.4, 0.4])]
    choices = QUICK | {"lookback": 3}
    there, here = (GRUClassifier(device=d, **choices).fit(X, labels) for d in ("cuda", "cpu"))
    assert gpu.trained == [3]
    np.testing.assert_allclose(output(there, X), output(here, X), rtol=1e-3)


def test_series(gpu):
    choices = {"horizon": 2, "lookback": 4, "baseline": "none", "early_stopping": False}
    there, here = (forecaster(device=d, **choices).fit(Y) for d in ("cuda", "cpu"))
    assert gpu.trained == [3, 3]  # from all rows, and from those before the tail
    found, expected = (model.forecast(3, level=80) for model in (there, here))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(there.skill_, here.skill_, rtol=1e-3, atol=1e-3)


def test_fits_of_a_search_meet_with_all_their_networks(gpu):
    grid = {"n_estimators": [1, 3], "lookback": [2, 4]}
    search = GRUSearchCV(forecaster(device="cuda"), grid, cv=TimeSeriesSplit(2)).fit(X, Y)
    assert gpu.trained[0] == 2 * 2 * (1 + 3)
    assert gpu.trained[1:] == [search.best_params_["n_estimators"]]
    here = GRUSearchCV(forecaster(), grid, cv=TimeSeriesSplit(2)).fit(X, Y)
    found, expected = (one.cv_results_["mean_test_score"] for one in (search, here))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_one_epoch_more(gpu):
    there, here = (forecaster(device=d) for d in ("cuda", "cpu"))
    for model in (there, here):
        model.partial_fit(X, Y).partial_fit(X, Y)
    assert gpu.trained == [3, 3]
    assert_alike(there, here)


def test_a_line_per_epoch(gpu, capsys):
    model = forecaster(device="cuda", verbose=1).fit(X, Y)
    assert gpu.trained == [3]
    assert gpu.n_launches == 3
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[3] for line in lines] == [f"{loss:.6g}" for loss in model.loss_curve_]


@needs_callbacks
def test_callbacks_see_all_networks_and_stop_them(gpu):
    recorder = Recorder(stop_after=2)
    model = forecaster(device="cuda").set_callbacks(recorder).fit(X, Y)
    assert model.stopping_reason_ == "callback"
    assert_alike(model, forecaster(max_iter=2).fit(X, Y))
    assert_alike(recorder.models[0], forecaster(max_iter=1).fit(X, Y))
    assert_alike(recorder.models[1], model)


def test_an_interruption_loses_nothing(gpu, monkeypatch):
    def interrupt(report):
        if report.epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(base, "write_line", interrupt)
    model = forecaster(device="cuda", verbose=1)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    assert gpu.n_launches == 2
    assert model.n_iter_ == 2
    assert_alike(model, forecaster(max_iter=2).fit(X, Y))


def test_networks_that_explode(gpu):
    model = forecaster(device="cuda", optimizer="sgd", learning_rate=1e30, clip_norm=None)
    with pytest.warns(NotFiniteWarning, match="^network . of 3, epoch .") as seen:
        model.fit(X, Y)
    assert len(seen) == 3
    assert np.isfinite(model.predict(X)).all()
