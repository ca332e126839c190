"""The plain network that goes on from its own forecasts, and the calendar read by itself."""

import numpy as np
import pandas as pd
import pytest

from gruforecast import GRUForecaster, load
from gruforecast.forecasting.choices import choose_calendar
from tests.helpers import wavy_series

pytestmark = pytest.mark.filterwarnings("ignore::gruforecast.forecasting.skill.EchoWarning")
PLAIN = {"decoder": "recursive", "segment_length": 1, "baseline": "none", "calendar": ()}


def fitted(values, **options):
    """A small model of steps that feed the next ones."""
    small = {"horizon": 6, "hidden_size": 8, "max_iter": 100, "random_state": 0}
    return GRUForecaster(**PLAIN | small | options).fit(values)


def test_one_step_is_learnt_and_forecasts_go_on_from_themselves(tmp_path):
    series = np.sin(0.5 * np.arange(300))
    model = fitted(series[:280], lookback=20)
    assert model.horizon_ == 1
    assert model.network_.specification.n_outputs == 1
    made = model.forecast()["mean"].to_numpy()
    assert made.shape == (6,)
    step_by_step = []
    for k in range(6):
        last = np.concatenate([series[260:280], step_by_step])
        step_by_step.append(
            model.forecast(1, last=pd.Series(last, np.arange(260, 280 + k)))["mean"].iloc[0]
        )
    np.testing.assert_allclose(made, step_by_step, rtol=1e-12)
    assert np.abs(made - series[280:286]).max() < 0.2
    assert model.predict(series[280:]).shape == (20, 1)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").forecast()["mean"], made)


def test_it_takes_a_baseline_and_segments_too():
    series = wavy_series(240)
    model = fitted(series, baseline="auto", segment_length=4, lookback=16)
    assert (model.network_.specification.decoder_steps, model.network_.specification.n_lags) == (
        0,
        16,
    )
    assert np.isfinite(model.forecast(9)).all().all()


def dates(freq, periods):
    return pd.date_range("2021-03-01", freq=freq, periods=periods)


@pytest.mark.parametrize(
    ("stamps", "parts"),
    [
        (dates("h", 48), ()),
        (dates("h", 49), ("hour",)),
        (dates("h", 24 * 15), ("hour", "dayofweek")),
        (dates("30min", 48 * 15), ("minuteofday", "dayofweek")),
        (dates("D", 732), ()),
        (dates("D", 733), ("dayofyear",)),
        (dates("B", 530), ("dayofyear",)),
        (dates("W", 110), ("dayofyear",)),
        (dates("MS", 240), ()),
        (pd.period_range("2021-03", freq="h", periods=400), ("hour", "dayofweek")),
        (pd.RangeIndex(1000), ()),
    ],
)
def test_parts_of_dates_that_go_round_twice_are_read(stamps, parts):
    assert choose_calendar(stamps, "cyclic")[0] == parts


def test_the_change_to_summer_time_is_no_shorter_step():
    days = pd.date_range("2020-01-01", periods=800, freq="D", tz="Europe/Berlin")
    assert choose_calendar(days, "cyclic")[0] == ("dayofyear",)


def test_minutes_are_too_many_to_be_embedded():
    assert choose_calendar(dates("15min", 400), "embedded")[0] == ("hour",)


def test_the_calendar_is_read_where_stamps_have_a_rhythm_alone():
    series = pd.Series(np.sin(0.3 * np.arange(400)), dates("h", 400))
    options = {"horizon": 3, "hidden_size": 4, "max_iter": 1, "random_state": 0}
    model = GRUForecaster(**options).fit(series)
    assert model.network_.specification.n_future_features == 4  # sine and cosine of two parts
    rng = np.random.default_rng(0)
    uneven = dates("h", 400) + pd.to_timedelta(np.sort(rng.integers(0, 10**6, 400)), unit="s")
    with pytest.warns(UserWarning, match="regular pace"):
        model = GRUForecaster(**options).fit(pd.Series(series.to_numpy(), uneven))
    assert model.network_.specification.n_future_features == 0
