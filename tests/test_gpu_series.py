"""Series on an emulated GPU: learnt, judged and forecast as on a CPU."""

import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

if not sys.platform.startswith("linux"):
    pytest.skip("kernels for a GPU are tested on Linux", allow_module_level=True)
pytest.importorskip("numba_cuda", reason="expected numba-cuda; install the extra cuda")
pytest.importorskip("greenlet", reason="expected greenlet; install the extra test")

from gruforecast import GRUForecaster, backtest, load
from tests.cards import CardInPlace
from tests.helpers import wavy_series

INDEX = pd.date_range("2024-03-01", periods=48, freq="6h")
TABLE = pd.DataFrame(wavy_series(48, 3) + 10, INDEX, ["a", "b", "c"])
SERIES = TABLE["a"]
KNOWN = pd.DataFrame(
    {"wind": wavy_series(60, 1, seed=5)[:, 0], "sky": ["clear", "cloudy", "rain"] * 20},
    pd.date_range("2024-03-01", periods=60, freq="6h"),
)
pytestmark = pytest.mark.filterwarnings("ignore::gruforecast.forecasting.skill.EchoWarning")
QUICK = {"horizon": 2, "lookback": 4, "hidden_size": 3, "max_iter": 2, "random_state": 0}


@pytest.fixture
def gpu(monkeypatch):
    return CardInPlace(monkeypatch)


def assert_close(found, expected, tolerance):
    assert found.index.equals(expected.index)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def compare(model, series, steps=3, known=None, past=None, **static):
    """Fit on both, and forecast on either what the other has learnt."""
    there, here = clone(model).set_params(device="cuda"), clone(model)
    tables = {} if past is None else {"past_covariates": past}
    future = {}
    if known is not None:
        tables["covariates"] = known.loc[series.index]
        future["covariates"] = known.loc[known.index > series.index[-1]]
    there.fit(series, **tables, **static)
    here.fit(series, **tables, **static)
    np.testing.assert_allclose(there.loss_curve_, here.loss_curve_, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(there.skill_, here.skill_, rtol=1e-3, atol=1e-3)
    found, expected = (m.forecast(steps, level=(80, 95), **future) for m in (there, here))
    assert_close(found, expected, 1e-3)
    for model, other, known in ((there, "cpu", found), (here, "cuda", expected)):
        moved = model.set_params(device=other).forecast(steps, level=(80, 95), **future)
        assert_close(moved, known, 1e-5)
    found, expected = (m.predict(series, **tables) for m in (there, here))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    return there.set_params(device="cuda")


def test_one_series_is_learnt_twice(gpu):
    model = compare(GRUForecaster(early_stopping=False, **QUICK | {"lookback": None}), SERIES)
    assert gpu.trained == [3, 3]  # three networks from all rows, and from those before the tail
    assert gpu.n_launches == 2
    score = model.score(SERIES)
    np.testing.assert_allclose(score, model.set_params(device="cpu").score(SERIES), rtol=1e-4)


def test_a_validated_series_is_learnt_once(gpu):
    model = compare(GRUForecaster(early_stopping=True, **QUICK), SERIES)
    assert gpu.trained == [3]
    assert len(model.validation_loss_curve_) == model.n_iter_
    assert model.best_loss_ <= min(model.validation_loss_curve_)  # the start counts, too


@pytest.mark.parametrize("normalize", ["standard", "last", "window", "none"])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_measures_of_windows(gpu, normalize, cell):
    # Without a scale, states would be saturated, and Adam makes steps of gradients near zero.
    series = SERIES - 10 if normalize == "none" else SERIES
    compare(GRUForecaster(normalize=normalize, cell=cell, **QUICK), series)


def test_several_series(gpu):
    compare(GRUForecaster(series_embedding_size=2, normalize="window", **QUICK), TABLE)
    compare(GRUForecaster(season=4, **QUICK), TABLE.mask(TABLE > 11.2))


def test_series_of_other_lengths(gpu):
    parts = {"a": TABLE["a"], "b": TABLE["b"][20:], "c": TABLE["c"][30:]}
    compare(GRUForecaster(normalize="last", **QUICK), pd.concat(parts, names=["series", "time"]))


@pytest.mark.parametrize("encoding", ["cyclic", "embedded"])
def test_what_is_known_of_the_future(gpu, encoding):
    choices = {"calendar": ("hour", "dayofweek"), "calendar_encoding": encoding}
    compare(GRUForecaster(**QUICK | choices), SERIES, known=KNOWN)


def test_tables_of_the_past_and_of_series(gpu):
    static = pd.DataFrame({"size": [1.0, 2.0, 5.0], "kind": ["x", "y", "x"]}, ["a", "b", "c"])
    compare(GRUForecaster(**QUICK), TABLE, steps=2, past=KNOWN.loc[INDEX, ["wind"]], static=static)


@pytest.mark.parametrize("loss", ["quantile", "gaussian", "student_t", "absolute_error"])
def test_losses(gpu, loss):
    compare(GRUForecaster(loss=loss, **QUICK), SERIES)


def test_newer_observations_and_a_file(gpu, tmp_path):
    model = GRUForecaster(device="cuda", **QUICK).fit(SERIES[:40])
    expected = model.forecast(4, last=SERIES[40:], level=80)
    model.save(tmp_path / "model.gru")
    again = load(tmp_path / "model.gru")
    assert again.device == "cuda"
    assert again.forecast(4, last=SERIES[40:], level=80).equals(expected)
    again.set_params(device="cpu")
    assert_close(again.forecast(4, last=SERIES[40:], level=80), expected, 1e-5)


def test_a_backtest(gpu):
    model = GRUForecaster(**QUICK, early_stopping=False)  # so that a second network judges
    here = backtest(model, SERIES, horizon=2, stride=4, level=80)
    there = backtest(clone(model).set_params(device="cuda"), SERIES, horizon=2, stride=4, level=80)
    assert there.columns.tolist() == here.columns.tolist()
    numbers = here.select_dtypes("number").columns
    np.testing.assert_allclose(there[numbers], here[numbers], rtol=1e-3, atol=1e-3)
    assert len(gpu.trained) > 1


def test_a_warm_start(gpu):
    choices = QUICK | {"warm_start": True, "baseline": "none", "max_iter": 10}
    there, here = (GRUForecaster(device=d, **choices) for d in ("cuda", "cpu"))
    for length in (40, 48):
        there.fit(SERIES[:length])
        here.fit(SERIES[:length])
        np.testing.assert_allclose(there.loss_curve_, here.loss_curve_, rtol=1e-4)
    assert_close(there.forecast(), here.forecast(), 1e-3)
    here.set_params(device="cuda").fit(SERIES)  # goes on there
    assert here.loss_curve_[-1] < there.loss_curve_[-1]
