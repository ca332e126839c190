"""What frequencies are called, and how many of their steps make a season."""

from __future__ import annotations

from typing import Any

import pandas as pd

from gruforecast.forecasting.dates.grids import ANCHORED
from gruforecast.forecasting.dates.scales import DAY

_Off = pd.offsets
_MINUTE = 60 * 10**9
_MONTH_LIKE = (
    _Off.WeekOfMonth,
    _Off.LastWeekOfMonth,
    _Off.CustomBusinessMonthBegin,
    _Off.CustomBusinessMonthEnd,
)
_NAMES = {"first": "{} starts", "last": "{} ends"}
_SPANS = (("day", DAY), ("hour", 60 * _MINUTE), ("minute", _MINUTE), ("second", 10**9))
_SMALLER = (("millisecond", 10**6), ("microsecond", 10**3), ("nanosecond", 1))
_EVERY = {"day": "daily", "hour": "hourly"}


def rows_per_season(frequency: Any) -> int | None:
    """A day of hours or minutes, a week of days, a year of longer steps; None if none is whole."""
    if isinstance(frequency, _Off.Day):
        return _whole(7, frequency.n)
    if isinstance(frequency, _Off.Tick):
        if frequency.nanos % DAY == 0:
            return _whole(7, frequency.nanos // DAY)
        return _whole(DAY, frequency.nanos) if frequency.nanos >= _MINUTE else None
    if isinstance(frequency, _Off.CustomBusinessDay):
        return _whole(int(frequency.calendar.weekmask.sum()), frequency.n)
    if isinstance(frequency, _Off.BusinessDay):
        return _whole(5, frequency.n)
    if isinstance(frequency, _Off.Week):
        return _whole(52, frequency.n)
    if isinstance(frequency, (_Off.SemiMonthBegin, _Off.SemiMonthEnd)):
        return _whole(24, frequency.n)
    months = months_per_step(frequency)
    return None if months is None else _whole(12, months)


def months_per_step(frequency: Any) -> int | None:
    """How many months a step takes, if it is some."""
    if type(frequency) in ANCHORED:
        return int(ANCHORED[type(frequency)][1] * frequency.n)
    if isinstance(frequency, _MONTH_LIKE):
        return int(frequency.n)
    if type(frequency) is pd.DateOffset and set(frequency.kwds) <= {"months", "years"}:
        parts = frequency.kwds
        return int(frequency.n * (parts.get("months", 0) + 12 * parts.get("years", 0))) or None
    return None


def name_of(frequency: Any) -> str:
    """A frequency in words."""
    if frequency is None:
        return "rows without a rhythm"
    if isinstance(frequency, int):
        return "whole numbers" if frequency == 1 else f"every {frequency}th whole number"
    if isinstance(frequency, (_Off.Tick, _Off.Day)):
        return _name_of_span(frequency)
    if isinstance(frequency, _Off.CustomBusinessDay):
        name = "business days" if frequency.weekmask == "Mon Tue Wed Thu Fri" else "working days"
        return _many(name, frequency.n)
    if isinstance(frequency, _Off.BusinessDay):
        return _many("business days", frequency.n)
    if isinstance(frequency, _Off.Week):
        return "weekly" if frequency.n == 1 else f"{frequency.n} weeks"
    if type(frequency) in ANCHORED:
        place, months = ANCHORED[type(frequency)]
        unit = {1: "month", 3: "quarter", 12: "year"}[months]
        name = _NAMES.get(place, f"{place}s of {{}}s").format(unit)
        return _many(name, frequency.n)
    if type(frequency) is pd.DateOffset:
        n = months_per_step(frequency)
        return str(frequency.freqstr) if n is None else "monthly" if n == 1 else f"{n} months"
    return str(frequency.freqstr)


def _name_of_span(frequency: Any) -> str:
    nanos = frequency.n * DAY if isinstance(frequency, _Off.Day) else frequency.nanos
    unit, size = next(pair for pair in _SPANS + _SMALLER if nanos % pair[1] == 0)
    n = nanos // size
    return _EVERY.get(unit, f"every {unit}") if n == 1 else f"{n} {unit}s"


def _many(name: str, n: int) -> str:
    return name if n == 1 else f"{name}, every {n}"


def _whole(season: int, step: int) -> int | None:
    """Steps in a season, if that is a whole number above 1."""
    return season // step if season % step == 0 and season > step else None
