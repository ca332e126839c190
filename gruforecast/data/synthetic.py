"""Seeded series for examples and tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
from dateutil.easter import easter

from gruforecast.foundations.checks import check_integer, check_number


def make_weather(
    n_days: int = 365,
    *,
    seed: int = 0,
    trend: float = 0.0,
    gaps: float = 0.0,
    tz: str | None = None,
) -> pd.DataFrame:
    """Hourly weather of an invented place: temperature, pressure and wind.

    Temperature has a yearly and a daily wave, and what remains persists for days; pressure falls
    before it gets colder; wind rises while pressure falls.

    Parameters
    ----------
    n_days : int, default 365
    seed : int, default 0
    trend : float, default 0.0
        Degrees by which it gets warmer in a year.
    gaps : float, default 0.0
        Share of rows that are left out, some hours in a run; the first and the last row stay.
    tz : str, optional
        A time zone such as ``"Europe/London"``, in which hours of the wall's clock come twice or
        not at all where it switches to and from summer time.

    Returns
    -------
    DataFrame
        Columns temperature (degrees), pressure (hPa) and wind (m/s), hourly from 2020-01-01.

    Examples
    --------
    >>> from gruforecast import make_weather
    >>> make_weather(n_days=2).round(1).head(2)
                         temperature  pressure  wind
    2020-01-01 00:00:00          0.2    1014.0   4.4
    2020-01-01 01:00:00         -0.3    1013.8   3.5
    """
    n = 24 * check_integer("n_days", n_days, low=1)
    rng = np.random.default_rng(check_integer("seed", seed, low=0))
    hours = np.arange(n)
    slow = _persistent(rng.standard_normal(n), 0.99)
    front = np.concatenate([np.zeros(6), slow[:-6]])  # temperature follows six hours later
    daily = -np.cos(2 * np.pi * (hours - 3) / 24)
    yearly = -np.cos(2 * np.pi * (hours / 24 - 15) / 365.25)
    quick = _persistent(rng.standard_normal(n), 0.8)
    temperature = 10 + 8 * yearly + 4 * daily + 3 * front + 0.4 * quick
    pressure = 1013 + 8 * slow
    falling = -np.gradient(pressure)
    wind = np.abs(4 + 1.5 * falling + 0.8 * _persistent(rng.standard_normal(n), 0.9))
    warming = check_number("trend", trend)
    if warming:
        temperature = temperature + warming * hours / (24 * 365.25)
    index = pd.date_range("2020-01-01", periods=n, freq="h", tz=_zone(tz))
    columns = {"temperature": temperature, "pressure": pressure, "wind": wind}
    frame = pd.DataFrame(columns, index=index)
    share = check_number("gaps", gaps, low=0.0, high=1.0, open_high=True)
    return frame[_kept(n, share, seed)] if share else frame


def make_market(n_days: int = 1000, n_stocks: int = 1, seed: int = 0) -> pd.DataFrame:
    """Daily closing prices of invented stocks, on the trading days of an exchange in New York.

    The logarithms of the prices walk at random, so that no forecast beats the last price; what can
    be forecast is the size of the steps: calm and nervous times last for weeks. Steps have fat
    tails, and a part of them is common to all stocks.

    Parameters
    ----------
    n_days : int, default 1000
        Trading days from 2010-01-04 on: weekdays without nine holidays a year.
    n_stocks : int, default 1
    seed : int, default 0

    Returns
    -------
    DataFrame
        Columns ``stock_0``, ``stock_1``, ...

    Examples
    --------
    >>> from gruforecast import make_market
    >>> make_market(n_days=3, n_stocks=2).round(2)
                stock_0  stock_1
    2010-01-04   134.68    68.58
    2010-01-05   133.12    68.49
    2010-01-06   133.37    67.92
    """
    n = check_integer("n_days", n_days, low=1)
    n_columns = check_integer("n_stocks", n_stocks, low=1)
    rng = np.random.default_rng(check_integer("seed", seed, low=0))
    start = rng.uniform(20.0, 200.0, n_columns)
    shocks = rng.standard_t(5, (n, 1 + n_columns)) * np.sqrt(3 / 5)  # of unit variance
    steps = 0.6 * _clustered(shocks[:, :1]) + 0.8 * _clustered(shocks[:, 1:])
    steps[0] = 0.0
    prices = start * np.exp(np.cumsum(0.0002 + 0.012 * steps, axis=0))
    names = [f"stock_{i}" for i in range(n_columns)]
    return pd.DataFrame(prices, index=_trading_days(n), columns=names)


def _clustered(shocks: np.ndarray) -> np.ndarray:
    """Steps (n, S) whose variance remembers that of the steps before: GARCH(1, 1) around 1."""
    steps = np.empty_like(shocks)
    variance = np.ones(shocks.shape[1])
    for t, shock in enumerate(shocks):
        steps[t] = np.sqrt(variance) * shock
        variance = 0.02 + 0.08 * steps[t] ** 2 + 0.90 * variance
    return steps


def _trading_days(n: int) -> pd.DatetimeIndex:
    """The first n weekdays from 2010 on that are no holidays."""
    years = range(2010, 2010 + n // 240 + 2)
    holidays = np.array([day for year in years for day in _holidays(year)], dtype="M8[D]")
    days = np.busday_offset(
        np.datetime64("2010-01-04"), np.arange(n), roll="forward", holidays=holidays
    )
    return pd.DatetimeIndex(days.astype("M8[ns]"))


def _holidays(year: int) -> list[np.datetime64]:
    """The days of a year on which the exchange is closed."""

    def nth(month: int, weekday: str, n: int) -> np.datetime64:
        day = np.busday_offset(f"{year}-{month:02d}", n - 1, roll="forward", weekmask=weekday)
        return np.datetime64(day)

    def observed(date: str, saturday: int = -1, sunday: int = 1) -> np.datetime64:
        day = np.datetime64(f"{year}-{date}")
        weekday = (int(day.astype(int)) + 3) % 7  # 1970 began with a Thursday
        return day + {5: saturday, 6: sunday}.get(weekday, 0)

    mondays = [nth(1, "Mon", 3), nth(2, "Mon", 3), nth(6, "Mon", 0), nth(9, "Mon", 1)]
    thanksgiving = nth(11, "Thu", 4)
    good_friday = np.datetime64(easter(year)) - 2
    new_year = observed("01-01", saturday=0)  # it is not moved into the old year
    return [new_year, *mondays, good_friday, observed("07-04"), thanksgiving, observed("12-25")]


def _zone(tz: str | None) -> str | None:
    """The name of a time zone, or none."""
    if tz is not None:
        try:
            zone = pd.Timestamp("2020-01-01").tz_localize(tz).tz if isinstance(tz, str) else None
        except (KeyError, ValueError, OSError):
            zone = None
        if zone is None:
            raise ValueError(
                f"tz: expected the name of a time zone, got {tz!r}; pass one such as "
                f"'Europe/London'."
            )
    return tz


def _kept(n: int, share: float, seed: int) -> np.ndarray:
    """Which of n rows (n,) stay if a share of them is left out in runs of up to a day."""
    rng = np.random.default_rng((seed, 1))  # weather with gaps is that without, less some rows
    kept = np.ones(n, dtype=bool)
    wanted = min(round(share * n), n - 2)
    while (missing := n - int(kept.sum())) < wanted:
        start = int(rng.integers(1, n - 1))
        length = min(int(rng.integers(1, 25)), wanted - missing)
        kept[start : min(start + length, n - 1)] = False
    return kept


def _persistent(noise: np.ndarray, memory: float) -> np.ndarray:
    """A first-order autoregression of unit variance, driven by noise (n,)."""
    out = np.empty_like(noise)
    last = noise[0]
    for t, shock in enumerate(noise):
        last = memory * last + np.sqrt(1 - memory**2) * shock if t else shock
        out[t] = last
    return out
