"""The loss "scaled_error": absolute errors of several series in units of their naive errors."""

import numpy as np
import pandas as pd
import pytest

from gruforecast import GRUForecaster
from gruforecast.forecasting.fitting import plan_series
from gruforecast.training.losses import make_loss

H, N = 3, 200
INDEX = pd.date_range("2024-01-01", periods=N, freq="h")


def small(**changes):
    choices = {"horizon": H, "lookback": 8, "hidden_size": 4, "max_iter": 3, "random_state": 0}
    choices |= {"loss": "scaled_error", "season": 4, "baseline": "none"}
    return GRUForecaster(**choices | changes)


def table():
    """One series with a season and little noise, one of noise alone, in other units."""
    rng = np.random.default_rng(0)
    wave = np.sin(np.pi * np.arange(N) / 2)
    first = 100 * (wave + 0.1 * rng.standard_normal(N))
    return pd.DataFrame({"calm": first, "wild": rng.standard_normal(N), "flat": 2.0}, INDEX)


def dataset(model, rows):
    tables = {"covariates": None, "past_covariates": None, "static": None}
    return plan_series(rows, model._settings(), None, tables).training[0]


@pytest.mark.parametrize("normalize", ["none", "standard", "last", "window"])
def test_errors_count_in_units_of_naive_errors(normalize):
    rows = table()
    choices = {"normalize": normalize, "early_stopping": True, "baseline": "none"}
    data = dataset(small(**choices), rows)
    plain = dataset(small(loss="absolute_error", **choices), rows)
    np.testing.assert_array_equal(data.targets, plain.targets)
    assert (plain.weights == 1).all()
    n = len(data) // 3
    counted = []
    for s, name in enumerate(["calm", "wild"]):
        values, own = rows[name].to_numpy(), slice(s * n, (s + 1) * n)
        naive = np.abs(values[4:180] - values[:176]).mean()
        steps = np.diff(data.targets[own, :2], axis=1)[:, 0]  # from one step to the next
        wanted = (values[2 : n + 2] - values[1 : n + 1]) / naive
        known = ~np.isnan(steps)
        ratio = steps[known] * data.weights[own][known] / wanted[known]
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)
        counted.append(ratio[0])
    np.testing.assert_allclose(counted[0], counted[1], rtol=1e-3)
    assert (data.weights > 0).all()
    assert np.isfinite(data.weights).all()


def test_it_brings_the_error_down_that_it_counts():
    rows = table()[["calm", "wild"]]
    found = {}
    for loss in ("scaled_error", "squared_error"):
        model = small(loss=loss, max_iter=60, learning_rate=0.01, hidden_size=8).fit(rows)
        found[loss] = model.skill_.loc["forecast", "mase"]
        made = model.forecast(2 * H, level=80)
        assert np.isfinite(made.to_numpy()).all()
    assert found["scaled_error"] < 1.05 * found["squared_error"]


def test_one_series_learns_as_with_absolute_errors():
    rows = table()["calm"]
    one, other = (small(loss=loss).fit(rows) for loss in ("scaled_error", "absolute_error"))
    np.testing.assert_allclose(one.forecast(), other.forecast(), rtol=0.01)


def test_with_a_y_it_is_the_absolute_error():
    X = table().to_numpy()
    one, other = (
        GRUForecaster(lookback=4, max_iter=2, random_state=0, loss=loss).fit(X[:-1], X[1:, 0])
        for loss in ("scaled_error", "absolute_error")
    )
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


def test_the_kernel_is_that_of_absolute_errors():
    assert make_loss("scaled_error").kernel is make_loss("absolute_error").kernel
