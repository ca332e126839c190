"""Bounds of forecasts: coverage of rows held out, and what newer observations change."""

import pickle

import numpy as np
import pandas as pd
import pytest

from gruforecast import backtest, metrics
from gruforecast.forecasting.skill import EchoWarning
from tests.test_intervals import H, daily, forecaster, learn, noisy

pytestmark = pytest.mark.filterwarnings(f"ignore::{EchoWarning.__module__}.EchoWarning")


def covered(model, table, **options):
    result = backtest(model, table, H, level=(80, 95), **options)
    return [metrics.coverage(result["actual"], result[f"lo-{v}"], result[f"hi-{v}"])
            for v in (80, 95)]  # fmt: skip


@pytest.mark.parametrize("intervals", ["conformal", "adaptive"])
@pytest.mark.parametrize("noise", ["same", "of series and weekday"])
def test_coverage_of_noise(noise, intervals):
    n, rng = 900, np.random.default_rng(1)
    spread = np.ones((n, 3))
    if noise != "same":
        spread = np.array([0.1, 1, 50]) * (1 + 0.9 * np.sin(np.arange(n) / 7 * 2 * np.pi))[:, None]
    index = pd.date_range("2020-01-01", periods=n, freq="D")
    table = pd.DataFrame(spread * rng.standard_normal((n, 3)), index)
    model = forecaster(intervals=intervals, validation_fraction=0.3)
    found = covered(model, table, initial=690)
    np.testing.assert_allclose(found, [0.80, 0.95], atol=0.05)


@pytest.mark.parametrize("change", ["noise triples", "level shifts"])
def test_adaptive_bounds_recover(change):
    values = np.random.default_rng(1).standard_normal((1100, 3))
    values[500:] = 3 * values[500:] if change == "noise triples" else values[500:] + 4
    table = pd.DataFrame(values, pd.date_range("2020-01-01", periods=1100, freq="D"))
    found = {}
    for intervals in ("conformal", "adaptive"):
        model = forecaster(horizon=1, intervals=intervals, season=1)
        made = backtest(model, table, 1, stride=12, initial=500, level=80)
        made = made.iloc[len(made) // 2 :]
        found[intervals] = metrics.coverage(made["actual"], made["lo-80"], made["hi-80"])
    assert found["conformal"] < 0.5
    assert 0.7 < found["adaptive"] < 0.98


# Newer observations


def test_adaptive_is_conformal_without_newer_observations():
    series = daily(noisy())
    made = [forecaster(intervals=kind).fit(series).forecast(7, level=(80, 95))
            for kind in ("adaptive", "conformal")]  # fmt: skip
    pd.testing.assert_frame_equal(*made, check_exact=True)


def test_conformal_bounds_keep_their_width():
    series = daily(noisy(300))
    model = forecaster(intervals="conformal", season=1).fit(series[:200])
    first, later = (model.forecast(level=80, last=last) for last in (None, series[200:]))
    np.testing.assert_allclose(first["hi-80"] - first["mean"], later["hi-80"] - later["mean"])


@pytest.mark.parametrize("normalize", ["standard", "last", "window"])
def test_bounds_widen_beyond_the_horizon(normalize):
    series = daily(np.random.default_rng(0).standard_normal(300).cumsum())
    made = forecaster(normalize=normalize, season=1).fit(series).forecast(5 * H, level=80)
    width = (made["hi-80"] - made["lo-80"]).to_numpy().reshape(5, H)
    assert (width[4] > 1.3 * width[0]).all()  # by the root of 5, were the growth known exactly


def test_training_rows_teach_no_bounds():
    series = daily(noisy())
    model = forecaster(max_iter=20, learning_rate=0.02).fit(series)
    first, again = (model.forecast(level=80, last=last) for last in (None, series))
    pd.testing.assert_frame_equal(first, again)


def test_adaptive_bounds_come_back_after_errors_of_one_sign():
    calibration = learn(np.random.default_rng(0).standard_normal((800, 1)))
    newer = np.concatenate([np.full(1500, 1.0), np.full(100, -1.0)])
    low, _ = calibration.adapted_quantiles(80, newer[:, None, None])
    assert low[0, 0] < -0.5  # of the last 100 errors every one was -1


@pytest.mark.parametrize("intervals", ["conformal", "adaptive"])
def test_forecasts_do_not_change_the_estimator(intervals):
    series = daily(noisy())
    model = forecaster(intervals=intervals).fit(series[:200])
    copy = pickle.loads(pickle.dumps(model))
    model.forecast(level=80)  # pandas caches the unit of an index
    assert copy.forecast(level=80).equals(model.forecast(level=80))
    before = pickle.dumps(model)
    for last in (None, series[200:], series):
        model.forecast(9, level=(80, 95), last=last)
        assert pickle.dumps(model) == before
