"""What dates say to a network, and the invented series with dates."""

import numpy as np
import pandas as pd
import pytest

from gruforecast import make_market, make_weather
from gruforecast.forecasting.dates.calendar import CALENDAR, calendar_features, check_names

DAYS = pd.date_range("2023-12-25", periods=800, freq="D")


@pytest.mark.parametrize("name", sorted(set(CALENDAR) - {"weekend"}))
def test_cyclic_features_go_round(name):
    part = CALENDAR[name]
    every = pd.date_range("2023-12-25", "2025-03-01", freq="h")
    features, columns = calendar_features(every, name, "cyclic")
    assert columns == [f"{name}_sin", f"{name}_cos"]
    assert features.dtype == np.float64
    np.testing.assert_allclose(np.hypot(*features.T), 1.0)
    angle = 2 * np.pi * (np.asarray(part.values(every)) - part.first) / part.number
    np.testing.assert_allclose(features, np.column_stack([np.sin(angle), np.cos(angle)]))
    assert np.asarray(part.values(every)).min() == part.first


@pytest.mark.parametrize("name", sorted(set(CALENDAR) - {"weekend", "minuteofday"}))
def test_embedded_features_are_one_of_many(name):
    part = CALENDAR[name]
    features, columns = calendar_features(DAYS, name, "embedded")
    assert features.shape == (800, part.number) == (800, len(columns))
    assert (features.sum(axis=1) == 1).all()
    assert (features.argmax(axis=1) + part.first == np.asarray(part.values(DAYS))).all()
    assert columns[0] == f"{name}_{part.first}"


def test_values_known_by_heart():
    features, columns = calendar_features(
        pd.DatetimeIndex(["2024-12-31 06:30"]), ["dayofweek", "quarter", "weekend"], "embedded"
    )
    on = [name for name, value in zip(columns, features[0], strict=True) if value]
    assert on == ["dayofweek_1", "quarter_4"]
    assert calendar_features(pd.DatetimeIndex(["2024-12-28"]), "weekend", "cyclic")[0] == 1.0
    assert calendar_features(DAYS, (), "cyclic")[0].shape == (800, 0)


def test_the_clock_on_the_wall_is_read():
    melbourne = pd.date_range("2024-01-01", periods=5, freq="h", tz="Australia/Melbourne")
    here, _ = calendar_features(melbourne, "hour", "cyclic")
    assert (here == calendar_features(melbourne.tz_localize(None), "hour", "cyclic")[0]).all()
    assert (here != calendar_features(melbourne.tz_convert("UTC"), "hour", "cyclic")[0]).any()


def test_periods_count_from_their_start():
    months = pd.period_range("2024-01", periods=14, freq="M")
    features, _ = calendar_features(months, "month", "embedded")
    assert (features.argmax(axis=1) == np.arange(14) % 12).all()


@pytest.mark.parametrize(
    ("names", "error", "match"),
    [
        (
            "hours",
            ValueError,
            "calendar: expected names out of minute, .* got 'hours'; did you mean",
        ),
        (["hour", "xyz"], ValueError, "got 'xyz'; choose one of them"),
        (["hour", "hour"], ValueError, "calendar: expected each name once, got 'hour' twice; drop"),
        (5, TypeError, "calendar: expected names such as 'hour' or .* got 5; pass a string"),
        ([5], TypeError, r"calendar: expected names such as 'hour' or .* got \[5\]; pass a str"),
    ],
)
def test_names_are_checked(names, error, match):
    with pytest.raises(error, match=match):
        check_names(names)


@pytest.mark.parametrize(
    ("stamps", "name", "encoding", "match"),
    [
        (pd.RangeIndex(3), "hour", "cyclic", "a calendar needs dates, so convert the index with"),
        (pd.to_timedelta([1], "h"), "hour", "cyclic", "calendar: expected dates or periods in the"),
        (pd.DatetimeIndex([pd.NaT]), "hour", "cyclic", "calendar: expected a date in every row"),
        (DAYS, "minuteofday", "embedded", "at most 400 values to embed, got 'minuteofday' with 14"),
        (DAYS, "hour", "fourier", "calendar_encoding: expected one of cyclic, embedded, got 'four"),
    ],
)
def test_stamps_and_encoding_are_checked(stamps, name, encoding, match):
    with pytest.raises(ValueError, match=match):
        calendar_features(stamps, name, encoding)


class TestWeather:
    def test_options_leave_the_rest_as_it_is(self):
        plain = make_weather(n_days=60, seed=3)
        warmer = make_weather(n_days=60, seed=3, trend=2.0)
        pd.testing.assert_frame_equal(
            plain.drop(columns="temperature"), warmer.drop(columns="temperature")
        )
        rise = (warmer - plain)["temperature"]
        np.testing.assert_allclose(rise.iloc[-1], 2.0 * (60 * 24 - 1) / (24 * 365.25))

    def test_gaps_are_rows_left_out_in_runs(self):
        plain, gappy = make_weather(n_days=90), make_weather(n_days=90, gaps=0.2)
        assert len(gappy) == round(0.8 * len(plain))
        assert gappy.index[0] == plain.index[0]
        assert gappy.index[-1] == plain.index[-1]
        pd.testing.assert_frame_equal(plain.loc[gappy.index], gappy)
        assert (np.diff(gappy.index) > pd.Timedelta("1h")).sum() < 0.05 * len(plain)

    def test_hours_of_a_zone_come_once_or_twice(self):
        index = make_weather(n_days=366, tz="Europe/London").index
        assert index.tz_localize(None).duplicated().sum() == 1
        assert (np.diff(index.tz_convert("UTC").tz_localize(None)) == pd.Timedelta("1h")).all()

    @pytest.mark.parametrize("tz", ["Europe/Londn", 5])
    def test_an_unknown_zone_is_named(self, tz):
        with pytest.raises(
            ValueError, match="tz: expected the name of a time zone, got .* pass one"
        ):
            make_weather(n_days=1, tz=tz)

    @pytest.mark.parametrize("gaps", [1.0, -0.1])
    def test_gaps_leave_something(self, gaps):
        with pytest.raises(ValueError, match="gaps: expected a finite number in"):
            make_weather(n_days=1, gaps=gaps)


class TestMarket:
    def test_prices_are_those_of_a_market(self):
        prices = make_market(n_days=4000, n_stocks=3, seed=1)
        assert list(prices.columns) == ["stock_0", "stock_1", "stock_2"]
        assert (prices > 0).all(axis=None)
        steps = np.log(prices).diff().iloc[1:]
        assert (steps.kurt() > 1).all()  # fat tails
        assert all(abs(steps[name].autocorr(1)) < 0.06 for name in steps)  # no forecast of prices
        assert all((steps[name] ** 2).autocorr(1) > 0.04 for name in steps)  # clusters
        assert steps.corr().to_numpy()[0, 1] > 0.15

    def test_days_are_trading_days(self):
        days = make_market(n_days=520).index
        closed = pd.bdate_range("2010-01-04", "2011-12-30").difference(days).strftime("%Y-%m-%d")
        assert closed.tolist() == [
            "2010-01-18", "2010-02-15", "2010-04-02", "2010-05-31", "2010-07-05", "2010-09-06",
            "2010-11-25", "2010-12-24", "2011-01-17", "2011-02-21", "2011-04-22", "2011-05-30",
            "2011-07-04", "2011-09-05", "2011-11-24", "2011-12-26",
        ]  # fmt: skip

    def test_it_is_seeded_and_touches_nothing(self):
        np.random.seed(0)  # noqa: NPY002
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        one, two = make_market(n_days=30, seed=5), make_market(n_days=30, seed=5)
        pd.testing.assert_frame_equal(one, two)
        assert not make_market(n_days=30, seed=6).equals(one)
        assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
        pd.testing.assert_frame_equal(make_market(n_days=20, seed=5), one[:20])
