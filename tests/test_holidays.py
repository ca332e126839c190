"""Days of work: holidays that come back are skipped, one-off closings are not."""

import numpy as np
import pandas as pd
import pytest

from gruforecast import make_market
from gruforecast.forecasting.dates.cadence import Cadence

MARKET = make_market(n_days=3000).index
WEEK = pd.bdate_range("2010-01-04", "2021-12-31")


def without(holidays, week=WEEK):
    return week[~week.isin(pd.DatetimeIndex(list(holidays)))]


def goes_on(days, until):
    """Whether the days after a date are those that the days before it let expect."""
    past = days[days <= until]
    after = days[len(past) : len(past) + 240]
    return Cadence.of(past).future(past[-1], len(after)).tolist() == after.tolist()


@pytest.mark.parametrize("n", [510, 777, 1000, 1333, 2000, 2748])
def test_the_next_days_of_a_market_are_its_trading_days(n):
    cadence = Cadence.of(MARKET[:n])
    assert cadence.description == "business days, 9 holidays a year skipped"
    assert (cadence.kind, cadence.season) == ("workdays", 5)
    assert cadence.future(MARKET[n - 1], 252).equals(MARKET[n : n + 252])
    assert (cadence.positions(MARKET) == np.arange(3000)).all()
    assert (cadence.positions(MARKET[n:]) == np.arange(n, 3000)).all()
    assert cadence.future(MARKET[10], 60).equals(MARKET[11:71])
    assert cadence.follows(MARKET[n - 1], MARKET[n + 3]) == 4


def test_the_hour_of_the_close_and_the_zone_are_kept():
    closes = (MARKET + pd.Timedelta("16h")).tz_localize("America/New_York").rename("close")
    early = np.arange(3000) % 120 == 50  # some days close at one
    past = closes[:2000].where(~early[:2000], closes[:2000] - pd.Timedelta("3h"))
    future = Cadence.of(past).future(past[-1], 252)
    pd.testing.assert_index_equal(future, closes[2000:2252])
    assert (Cadence.of(past).positions(past) == np.arange(2000)).all()


def test_a_single_closing_does_not_come_back():
    closed = ["2012-10-29", "2012-10-30", "2018-12-05"]
    cadence = Cadence.of(without(closed))
    assert cadence.description == "business days, no holidays known"
    assert cadence.future(WEEK[-1], 250).equals(pd.bdate_range("2022-01-03", periods=250))
    assert goes_on(without(closed, MARKET), "2020-12-31")


def test_less_than_two_years_tell_of_no_holidays():
    past = MARKET[:480]
    expected = pd.bdate_range(past[-1], periods=101)[1:]
    assert Cadence.of(past).future(past[-1], 100).tolist() == expected.tolist()


def test_a_holiday_introduced_midway_is_learnt_within_three_years():
    # the 19th of June of 2016 is a Sunday
    new = ["2016-06-20", "2017-06-19", "2018-06-19", "2019-06-19"]
    assert not goes_on(without(new), "2017-12-29")
    assert goes_on(without(new), "2018-12-31")


def on(month, day, saturday=0, sunday=0):
    """A day of a month in each year, moved from weekends."""
    for year in range(2010, 2022):
        date = pd.Timestamp(year, month, day)
        yield date + pd.Timedelta(days={5: saturday, 6: sunday}.get(date.weekday(), 0))


def around_easter(*after):
    """Days after Easter Sunday in each year."""
    sundays = [
        "2010-04-04", "2011-04-24", "2012-04-08", "2013-03-31", "2014-04-20", "2015-04-05",
        "2016-03-27", "2017-04-16", "2018-04-01", "2019-04-21", "2020-04-12", "2021-04-04",
    ]  # fmt: skip
    return [pd.Timestamp(day) + pd.Timedelta(days=n) for day in sundays for n in after]


@pytest.mark.parametrize("moves", [(0, 0), (-1, 1), (0, 1), (2, 1), (2, 2)])
def test_how_holidays_move_from_weekends_is_learnt(moves):
    days = without([*on(8, 15, *moves), *on(11, 1, *moves), *on(3, 3, *moves)])
    for year in range(2016, 2021):
        assert goes_on(days, f"{year}-12-31")


def test_boxing_day_makes_way_for_christmas():
    christmas = [*on(12, 25, 2, 2), *on(12, 26, 2, 2), *on(1, 1, 2, 1)]
    days = without([*christmas, *around_easter(-2, 1)])
    for year in range(2016, 2021):
        assert goes_on(days, f"{year}-12-31")


def test_holidays_around_easter():
    days = without(around_easter(-2, 1, 39, 50, 60))
    for year in range(2013, 2021):
        assert goes_on(days, f"{year}-06-30")


def test_the_friday_after_a_thursday():
    fridays = [day for day in WEEK if day.month == 11 and day.weekday() == 4 and 22 < day.day < 30]
    assert goes_on(without(fridays), "2018-12-31")


def test_months_without_rows_are_no_holidays():
    summer = [day for day in MARKET if 6 <= day.month <= 10]
    cadence = Cadence.of(without(summer, MARKET))
    future = cadence.future(MARKET[-1], 252)
    assert cadence.kind == "workdays"
    assert future[-1] - future[0] < pd.Timedelta("370D")


@pytest.mark.parametrize(("share", "seed"), [(0.01, 0), (0.03, 1), (0.1, 2)])
def test_rows_missing_at_random_make_no_holidays(share, seed):
    kept = np.random.default_rng(seed).random(len(WEEK)) > share
    cadence = Cadence.of(WEEK[kept])
    assert cadence.future(WEEK[-1], 250).equals(pd.bdate_range("2022-01-03", periods=250))


def test_unexpected_days():
    cadence = Cadence.of(MARKET[:2000])
    closed = MARKET.delete(2100)  # one more working day was expected
    assert np.flatnonzero(np.diff(cadence.positions(closed)) == 2).tolist() == [2099]
    opened = pd.DatetimeIndex([MARKET[2100], MARKET[2101] - pd.Timedelta("12h"), MARKET[2101]])
    with pytest.raises(ValueError, match="index: expected stamps that go on like those of the tr"):
        cadence.positions(opened)
    saturday = MARKET[2000:].union(pd.DatetimeIndex(["2018-03-03"]))
    assert (np.diff(cadence.positions(saturday)) == 1).all()


def test_other_weeks():
    every = pd.date_range("2015-01-01", "2019-12-31")
    for off in ([4, 5], [6]):
        days = every[~every.day_of_week.isin(off)].delete([44, 99])
        cadence = Cadence.of(days[:900])
        assert (cadence.kind, cadence.season) == ("workdays", 7 - len(off))
        assert cadence.future(days[899], 100).equals(days[900:1000])
    rare = MARKET.union(pd.DatetimeIndex(["2013-10-26", "2015-10-31"]))  # two Saturdays
    cadence = Cadence.of(rare)
    assert cadence.kind == "workdays"
    assert (cadence.positions(rare) == np.arange(3002)).all()
    assert (cadence.positions(rare[2500:]) == np.arange(2500, 3002)).all()
