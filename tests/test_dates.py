"""Stamps of series: how they go on, and which are left out."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gruforecast.forecasting.dates.cadence import Cadence

offsets = pd.offsets
FREQUENCIES = {
    "hourly": (offsets.Hour(), 24),
    "6 hours": (offsets.Hour(6), 4),
    "30 minutes": (offsets.Minute(30), 48),
    "10 minutes": (offsets.Minute(10), 144),
    "5 seconds": (offsets.Second(5), None),
    "daily": (offsets.Day(), 7),
    "3 days": (offsets.Day(3), None),
    "weekly": (offsets.Week(weekday=2), 52),
    "2 weeks": (offsets.Week(2, weekday=6), 26),
    "business days": (offsets.BusinessDay(), 5),
    "month starts": (offsets.MonthBegin(), 12),
    "month ends": (offsets.MonthEnd(), 12),
    "month ends, every 2": (offsets.MonthEnd(2), 6),
    "first business days of months": (offsets.BMonthBegin(), 12),
    "last business days of months": (offsets.BMonthEnd(), 12),
    "monthly": (pd.DateOffset(months=1), 12),
    "quarter starts": (offsets.QuarterBegin(startingMonth=2), 4),
    "quarter ends": (offsets.QuarterEnd(startingMonth=3), 4),
    "last business days of quarters": (offsets.BQuarterEnd(startingMonth=3), 4),
    "year starts": (offsets.YearBegin(month=4), None),
    "year ends": (offsets.YearEnd(month=12), None),
    "last business days of years": (offsets.BYearEnd(month=9), None),
}
ONLY_GIVEN = [
    offsets.SemiMonthBegin(),
    offsets.BusinessDay(2),
    offsets.CustomBusinessDay(weekmask="Sun Mon Tue Wed Thu", holidays=["2020-03-03"]),
    offsets.CustomBusinessMonthEnd(),
    offsets.LastWeekOfMonth(weekday=0),
    offsets.BusinessHour(),
    offsets.FY5253Quarter(startingMonth=1, weekday=0, qtr_with_extra_week=1),
]
ZONES = [None, "UTC", "Europe/London", "America/New_York", "Australia/Melbourne"]


def bare(index):
    """The same stamps, of whose frequency nothing is known."""
    return pd.DatetimeIndex(index, freq=None)


def same(future, expected):
    assert future.equals(expected), (future, expected)
    assert (type(future), future.dtype, future.name) == (
        type(expected), expected.dtype, expected.name,
    )  # fmt: skip
    if getattr(expected, "freq", None) is not None and len(expected) > 1:
        assert future.freq in (expected.freq, None)


class TestEveryFrequency:
    @pytest.mark.parametrize("name", FREQUENCIES)
    @pytest.mark.parametrize("given_as", ["freq", "index", "nothing"])
    @settings(max_examples=4, deadline=None)
    @given(data=st.data())
    def test_it_goes_on_as_pandas_does(self, name, given_as, data):
        offset, season = FREQUENCIES[name]
        zone = data.draw(st.sampled_from(ZONES))
        day = data.draw(st.dates(date(1995, 1, 1), date(2028, 12, 28)))
        clock = data.draw(st.sampled_from(["00:00", "09:30", "16:00"]))
        start = pd.Timestamp(f"{day} {clock}")
        if name == "monthly":
            start = start.replace(day=min(max(start.day, 2), 26))
        every = pd.date_range(start, periods=60, freq=offset, tz=zone, name="when")
        past = every[:45] if given_as == "index" else bare(every[:45])
        cadence = Cadence.of(past, freq=offset if given_as == "freq" else None)
        assert (cadence.kind, cadence.description, cadence.season) == ("grid", name, season)
        same(cadence.future(past[-1], 15), every[45:])
        assert (cadence.positions(every) == np.arange(60)).all()
        assert (cadence.positions(every[50:]) == np.arange(50, 60)).all()
        assert cadence.follows(past[-1], every[45]) == 1

    @pytest.mark.parametrize("offset", ONLY_GIVEN, ids=lambda offset: offset.freqstr)
    def test_those_of_pandas_that_need_to_be_given(self, offset):
        every = pd.date_range("2020-01-06 10:00", periods=60, freq=offset)
        cadence = Cadence.of(bare(every[10:40]), freq=offset)
        same(cadence.future(every[39], 20), every[40:])
        assert (cadence.positions(every) == np.arange(-10, 50)).all()

    @pytest.mark.parametrize("name", sorted(set(FREQUENCIES) - {"business days"}))
    @settings(max_examples=10, deadline=None)
    @given(data=st.data())
    def test_stamps_left_out_change_nothing(self, name, data):
        every = pd.date_range("2018-01-03", periods=80, freq=FREQUENCIES[name][0])
        kept = np.array(data.draw(st.lists(st.booleans(), min_size=80, max_size=80)))
        kept |= np.arange(80) % 8 < 6  # at most a quarter
        cadence = Cadence.of(bare(every[kept]))
        assert cadence.frequency == Cadence.of(bare(every)).frequency
        assert cadence.season == FREQUENCIES[name][1]
        assert (cadence.positions(every[kept]) == np.flatnonzero(kept)).all()
        same(cadence.future(every[-1], 5), Cadence.of(every).future(every[-1], 5))

    @settings(max_examples=20, deadline=None)
    @given(kept=st.lists(st.booleans(), min_size=120, max_size=120))
    def test_business_days_left_out_are_holidays_that_do_not_come_back(self, kept):
        every = pd.bdate_range("2020-01-01", periods=120)
        kept = np.array(kept) | (np.arange(120) % 4 > 0)
        assume(kept[[0, -1]].all())
        cadence = Cadence.of(bare(every[kept]))
        assert (cadence.positions(every[kept]) == np.arange(kept.sum())).all()
        same(cadence.future(every[-1], 30), pd.bdate_range(every[-1], periods=31)[1:])

    @settings(max_examples=30, deadline=None)
    @given(step=st.integers(1, 9), first=st.integers(-50, 50), drop=st.integers(1, 18))
    def test_whole_numbers(self, step, first, drop):
        every = pd.RangeIndex(first, first + 20 * step, step, name="t")
        assert (
            Cadence.of(every)
            .future(every[-1], 2)
            .equals(pd.RangeIndex(every[-1] + step, every[-1] + 3 * step, step))
        )
        some = every.delete(drop)
        cadence = Cadence.of(some)
        assert (cadence.kind, cadence.frequency, cadence.season) == ("grid", step, None)
        assert cadence.positions(some)[-1] == 19
        same(cadence.future(some[-1], 1), pd.Index([some[-1] + step], name="t"))

    @pytest.mark.parametrize("freq", ["D", "M", "Q", "h"])
    def test_periods(self, freq):
        every = pd.period_range("2020-01-01", periods=40, freq=freq, name="p")
        some = every[:30].delete(7)
        cadence = Cadence.of(some)
        assert cadence.positions(some).tolist() == [*range(7), *range(8, 30)]
        same(cadence.future(some[-1], 10), every[30:])
        assert Cadence.of(every[:1]).future(every[0], 1)[0] == every[1]
        assert (Cadence.of(every[::2]).positions(every[::2]) == np.arange(20)).all()
        assert (Cadence.of(every[::2], freq=freq).positions(every[::2]) == 2 * np.arange(20)).all()

    def test_daily_periods_of_days_of_work(self):
        every = pd.bdate_range("2020-01-01", periods=60).to_period("D")
        cadence = Cadence.of(every[:50].delete([12, 30]))
        assert cadence.kind == "workdays"
        same(cadence.future(every[49], 10), every[50:])

    def test_durations(self):
        every = pd.timedelta_range("0s", periods=40, freq=pd.Timedelta("15min"), name="since")
        some = pd.TimedeltaIndex(every[:30].delete(3), freq=None)
        cadence = Cadence.of(some)
        assert (cadence.description, cadence.season) == ("15 minutes", 96)
        same(cadence.future(some[-1], 10), every[30:])
        assert Cadence.of(some, freq=pd.Timedelta("5min")).positions(some)[1] == 3


class TestZones:
    @pytest.mark.parametrize("zone", ZONES[2:])
    @pytest.mark.parametrize("offset", [offsets.Hour(), offsets.Minute(30)])
    def test_hours_exist_once_or_twice_as_they_do(self, zone, offset):
        every = pd.date_range("2023-01-01", "2023-12-31", freq=offset, tz=zone, name="when")
        wall = every.tz_localize(None)
        assert wall.has_duplicates
        assert (Cadence.of(bare(every)).positions(every) == np.arange(len(every))).all()
        for at in [np.flatnonzero(wall.duplicated())[0], np.argmax(np.diff(wall))]:
            past = bare(every[at - 40 : at - 4])
            same(Cadence.of(past).future(past[-1], 30), every[at - 4 : at + 26])

    @pytest.mark.parametrize("zone", [*ZONES[2:], "America/Sao_Paulo"])
    def test_days_go_by_the_clock_on_the_wall(self, zone):
        wall = pd.date_range("2017-01-01", periods=800, freq="D")
        first = np.ones(800, dtype=bool)  # in Sao Paulo some days begin at one o'clock
        every = wall.tz_localize(zone, nonexistent="shift_forward", ambiguous=first)
        for n in (250, 288, 400, 600):
            cadence = Cadence.of(bare(every[:n]))
            same(cadence.future(every[n - 1], 800 - n), every[n:])
            assert (cadence.positions(every) == np.arange(800)).all()

    def test_other_zones_are_read_as_the_same_instants(self):
        every = pd.date_range("2024-01-01", periods=30, freq="D", tz="Europe/London")
        cadence = Cadence.of(every)
        assert (cadence.positions(every.tz_convert("Asia/Tokyo")) == np.arange(30)).all()
        assert cadence.future(every[-1].tz_convert("UTC"), 1).tz == every.tz

    @pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
    def test_the_unit_is_kept(self, unit):
        for freq in ("D", "MS", "h", "WOM-3FRI"):
            every = pd.date_range("2024-01-01", periods=30, freq=freq).as_unit(unit)
            same(Cadence.of(every[:20]).future(every[19], 10), every[20:])
        longer = Cadence.of(every[:1].as_unit("s"), freq=pd.Timedelta("500ms"))
        assert longer.future(every[0], 1)[0] - every[0] == pd.Timedelta("500ms")
