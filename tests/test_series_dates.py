"""Forecasts carry the stamps that come next."""

import numpy as np
import pandas as pd
import pytest

from gruforecast import GRUForecaster, from_long, make_market, make_weather
from gruforecast.forecasting.dates.cadence import CadenceWarning

pytestmark = pytest.mark.filterwarnings("ignore::gruforecast.forecasting.skill.EchoWarning")
MARKET = make_market(n_days=1100, n_stocks=3, seed=2)


def small(**parameters):
    choices = {"hidden_size": 4, "max_iter": 1, "horizon": 6, "lookback": 8, "random_state": 0}
    return GRUForecaster(**(choices | parameters))


def waves(index):
    return pd.Series(np.sin(np.arange(len(index))), index=index, name="value")


def same(found, expected):
    """Equal stamps of one type, under one name."""
    assert found.equals(expected), (found, expected)
    assert found.dtype == expected.dtype  # with its time zone and unit
    assert found.name == expected.name


def check(index, n, steps=10, **parameters):
    """The forecast after n stamps is on the next ones, with bounds, as array and as ``last``."""
    model = small(**parameters).fit(waves(index)[:n])
    found = model.forecast(steps, level=80)
    same(found.index, index[n : n + steps])
    assert found.notna().all(axis=None)
    newer = waves(index)[n : n + 5]
    same(model.forecast(steps, last=newer).index, index[n + 5 : n + 5 + steps])
    return model


class TestMarket:
    @pytest.mark.parametrize("n", [700, 763, 1000])
    def test_no_forecast_is_for_a_holiday(self, n):
        prices = MARKET["stock_0"].rename_axis("day")
        model = small().fit(prices[:n])
        assert "holidays a year skipped" in repr(model)
        found = model.forecast(60, level=(80, 95))
        same(found.index, prices.index[n : n + 60])
        assert found.notna().all(axis=None)
        assert model.season_ == 5

    def test_a_panel(self):
        model = small().fit(MARKET[:1000])
        found = model.forecast(20, level=80)
        same(found.index, MARKET.index[1000:1020])
        assert list(found.columns[:3]) == [
            ("stock_0", "mean"),
            ("stock_0", "lo-80"),
            ("stock_0", "hi-80"),
        ]
        long = MARKET[:1000].stack().swaplevel().rename_axis(["stock", "day"])
        rows = small().fit(long).forecast(20)
        assert rows.index.names == ["stock", "day"]
        same(rows.loc["stock_2"].index, MARKET.index[1000:1020].rename("day"))

    def test_newest_rows_first(self):
        frame = MARKET.rename_axis("day").reset_index().melt("day", var_name="stock")[::-1]
        with pytest.raises(ValueError, match="in series 'stock_2'; sort it, as with series"):
            small().fit(from_long(frame, "stock", "day", "value"))
        series = from_long(frame, "stock", "day", "value", sort=True)
        found = small().fit(series[series.index.get_level_values(1) < MARKET.index[1000]])
        same(found.forecast(6).loc["stock_0"].index, MARKET.index[1000:1006].rename("day"))

    def test_bounds_of_a_random_walk_widen_beyond_the_horizon(self):
        prices = make_market(n_days=800, n_stocks=4)
        found = small(horizon=5, normalize="last").fit(prices).forecast(20, level=80)
        width = found.xs("hi-80", axis=1, level=1) - found.xs("lo-80", axis=1, level=1)
        assert (width.iloc[9] > width.iloc[4]).all()
        assert (width.iloc[19] > width.iloc[9]).all()

    @pytest.mark.parametrize("kind", ["last", "window"])
    def test_bounds_of_windows_of_one_row(self, kind):
        for seed in (1, 2, 3):
            prices = make_market(n_days=300, seed=seed)["stock_0"]
            model = small(lookback=1, horizon=3, normalize=kind).fit(prices)
            found = model.forecast(level=80) / prices.iloc[-1]
            assert (found["hi-80"] - found["lo-80"]).between(0.001, 1).all()

    def test_days_without_trade_given_as_an_offset(self):
        offset = pd.offsets.CustomBusinessDay(
            weekmask="Sun Mon Tue Wed Thu", holidays=["2024-05-01"]
        )
        days = pd.date_range("2024-01-01", periods=90, freq=offset)
        check(pd.DatetimeIndex(days, freq=None), 70, steps=12, freq=offset)


class TestSummerTime:
    @pytest.mark.parametrize(
        ("zone", "freq", "switch"),
        [
            ("Australia/Melbourne", "30min", "2020-04-05 03:00"),
            ("Australia/Melbourne", "30min", "2020-10-04 03:00"),
            ("Europe/London", "h", "2020-03-29 02:00"),
            ("Europe/London", "h", "2020-10-25 02:00"),
        ],
    )
    @pytest.mark.parametrize("gaps", [False, True])
    def test_hours_exist_once_or_twice(self, zone, freq, switch, gaps):
        night = pd.Timestamp(switch, tz=zone).tz_convert("UTC")
        start = night - pd.Timedelta("6D") - pd.Timedelta("4h")
        every = pd.date_range(start, periods=500, freq=freq, name="Time").tz_convert(zone)
        every = pd.DatetimeIndex(every, freq=None)
        n = int(every.searchsorted(night - pd.Timedelta("3h")))
        series = waves(every)[:n]
        if gaps:
            series = series.drop(series.index[[20, 21, 40, 77]])
        model = small(calendar=("hour", "dayofweek")).fit(series)
        same(model.forecast(16).index, every[n : n + 16])
        later = waves(every)[n : n + 2]
        same(model.forecast(16, last=later).index, every[n + 2 : n + 18])
        local = model.forecast(16, last=later.tz_convert("UTC")).index
        assert (local == every[n + 2 : n + 18]).all()

    def test_training_over_both_nights(self):
        weather = make_weather(n_days=330, tz="Europe/London", gaps=0.05)["temperature"]
        model = small(horizon=24, lookback=24, calendar="hour").fit(weather)
        assert model.season_ == 24
        end = weather.index[-1]
        same(model.forecast(48).index, pd.date_range(end, periods=49, freq="h")[1:])

    def test_days_by_the_clock_on_the_wall(self):
        days = pd.date_range("2024-01-01", periods=130, freq="D", tz="Europe/London", name="day")
        check(pd.DatetimeIndex(days, freq=None), 85)
        assert check(days, 85).forecast(10).index.freq == pd.offsets.Day()


class TestFrequencies:
    @pytest.mark.parametrize(
        ("freq", "season"),
        [(pd.offsets.MonthEnd(), 12), ("MS", 12), (pd.offsets.BMonthEnd(), 12),
         (pd.offsets.QuarterEnd(startingMonth=12), 4), ("QS-FEB", 4), (pd.offsets.YearEnd(), None),
         ("W-WED", 52), ("B", 5), ("10min", 144), ("30min", 48), ("D", 7)],
    )  # fmt: skip
    @pytest.mark.parametrize("known", [True, False])
    def test_of_dates(self, freq, season, known):
        every = pd.date_range("1990-02-01", periods=120, freq=freq, name="when")
        model = check(every if known else pd.DatetimeIndex(every, freq=None), 100)
        assert model.season_ == season

    @pytest.mark.parametrize("freq", ["M", "Q", "D", "h", "W-SUN"])
    def test_of_periods(self, freq):
        model = check(pd.period_range("1990-02", periods=120, freq=freq, name="when"), 100)
        assert isinstance(model.forecast().index, pd.PeriodIndex)

    def test_of_whole_numbers(self):
        check(pd.RangeIndex(100, 1300, 10, name="round"), 100)
        check(pd.Index(np.arange(5, 125), name="round"), 100)
        check(pd.RangeIndex(120), 100)

    def test_of_durations(self):
        check(pd.timedelta_range("0h", periods=120, freq="6h", name="since"), 100)

    def test_arrays_and_lists(self):
        model = small().fit(np.sin(np.arange(100.0)))
        assert model.forecast(3).index.tolist() == [100, 101, 102]
        assert model.forecast(3, last=[0.1, 0.2]).index.tolist() == [102, 103, 104]
        assert small().fit(np.sin(np.arange(100.0)).tolist()).forecast(1).shape == (1, 1)

    def test_months_left_out(self):
        every = pd.date_range("1990-01-31", periods=120, freq=pd.offsets.MonthEnd(), name="month")
        kept = np.ones(120, bool)
        kept[[7, 30, 31, 66]] = False
        model = small().fit(waves(every)[:100][kept[:100]])
        same(model.forecast(10).index, every[100:110])

    @pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
    def test_the_unit_is_kept(self, unit):
        check(pd.date_range("2020", periods=60, freq="h").as_unit(unit), 40)


class TestWithoutRhythm:
    STAMPS = pd.Timestamp("2024-01-01") + pd.to_timedelta(
        np.cumsum(np.random.default_rng(0).integers(1, 10**6, 80)), unit="s"
    )

    def test_steps_are_counted_after_one_warning(self):
        with pytest.warns(CadenceWarning, match="pass freq= or future_index= for") as caught:
            model = small().fit(waves(self.STAMPS)[:60])
        assert len(caught) == 1
        assert caught[0].filename == __file__
        found = model.forecast(10, level=80)
        assert found.index.tolist() == list(range(1, 11))
        again = model.forecast(10, level=80, future_index=self.STAMPS[60:])
        same(again.index, self.STAMPS[60:70])
        np.testing.assert_array_equal(again, found)
        newer = model.forecast(3, last=waves(self.STAMPS)[60:70], future_index=self.STAMPS[70:])
        same(newer.index, self.STAMPS[70:73])

    def test_with_covariates_and_a_calendar(self):
        table = waves(self.STAMPS).to_frame("x")
        with pytest.warns(CadenceWarning):
            model = small(calendar="hour").fit(waves(self.STAMPS)[:60], covariates=table)
        found = model.forecast(10, covariates=table, future_index=self.STAMPS[60:70])
        assert found.notna().all(axis=None)
        array = table.to_numpy()[60:70]
        again = model.forecast(10, covariates=array, future_index=self.STAMPS[60:70])
        pd.testing.assert_frame_equal(again, found)

    @pytest.mark.parametrize("form", ["table", "array"])
    def test_covariates_without_future_stamps(self, form):
        """They would not count: an error asks for future_index, with which they do."""
        table = pd.Series(np.random.default_rng(1).standard_normal(80), self.STAMPS, name="x")
        with pytest.warns(CadenceWarning):
            model = small(baseline="none").fit(waves(self.STAMPS)[:60], covariates=table)
        one, other = table[60:66], -table[60:66]
        if form == "array":
            one, other = one.to_numpy(), other.to_numpy()
        match = "future_index: expected the stamps to come, .*, got None; pass them"
        with pytest.raises(ValueError, match=match):
            model.forecast(6, covariates=one)
        future = {"future_index": self.STAMPS[60:66]}
        found = model.forecast(6, covariates=one, **future)
        assert (model.forecast(6, covariates=other, **future) != found).all(axis=None)

    def test_a_calendar_without_future_stamps(self):
        with pytest.warns(CadenceWarning):
            model = small(calendar="hour", baseline="none").fit(waves(self.STAMPS)[:60])
        match = "future_index: expected the stamps to come, .*, got None; pass them"
        with pytest.raises(ValueError, match=match):
            model.forecast(6)
        found = model.forecast(6, future_index=self.STAMPS[60:66])
        later = model.forecast(6, future_index=self.STAMPS[60:66] + pd.Timedelta("7h"))
        assert (later.to_numpy() != found.to_numpy()).all()
