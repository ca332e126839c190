"""Grids of whole numbers: equal steps, months, working weeks, and whatever pandas can count.

Each numbers the values that lie on it, 0 for the origin, and gives the values back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from gruforecast.forecasting.dates.scales import NANOSECONDS, Scale, day_scale, finer, plain_scale
from gruforecast.foundations.stored import stored

_Off = pd.offsets
ANCHORED = {  # offsets of pandas that count months: the day they fall on, and months per step
    _Off.MonthBegin: ("first", 1),
    _Off.MonthEnd: ("last", 1),
    _Off.BMonthBegin: ("first business day", 1),
    _Off.BMonthEnd: ("last business day", 1),
    _Off.QuarterBegin: ("first", 3),
    _Off.QuarterEnd: ("last", 3),
    _Off.BQuarterBegin: ("first business day", 3),
    _Off.BQuarterEnd: ("last business day", 3),
    _Off.YearBegin: ("first", 12),
    _Off.YearEnd: ("last", 12),
    _Off.BYearBegin: ("first business day", 12),
    _Off.BYearEnd: ("last business day", 12),
}
WEEKDAYS = (True, True, True, True, True, False, False)


@runtime_checkable
class Grid(Protocol):
    """Values on a line, numbered."""

    def numbers(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Numbers (n,) of values, and whether each lies on the grid."""
        ...

    def values(self, numbers: np.ndarray) -> np.ndarray:
        """Values (n,) of numbers."""
        ...


@stored("Steps")
@dataclass(frozen=True)
class Steps:
    """Values that lie equally far apart."""

    origin: int
    step: int

    def numbers(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How many steps each value is from the origin."""
        numbers, rest = np.divmod(values - self.origin, self.step)
        return numbers, rest == 0

    def values(self, numbers: np.ndarray) -> np.ndarray:
        """The value so many steps from the origin."""
        return self.origin + numbers * self.step


@stored("Months")
@dataclass(frozen=True)
class Months:
    """One day in every so many months, in days since 1970."""

    origin: int  # months since 1970
    step: int
    anchor: str | int  # one of those of ANCHORED, or a day of the month up to 28

    def numbers(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How many steps the month of each day is from the origin."""
        numbers, rest = np.divmod(months_of(values) - self.origin, self.step)
        return numbers, (rest == 0) & (self.values(numbers) == values)

    def values(self, numbers: np.ndarray) -> np.ndarray:
        """The day in the month so many steps from the origin."""
        return day_in_month(self.origin + numbers * self.step, self.anchor)


@stored("Workweek")
@dataclass(frozen=True)
class Workweek:
    """Every so many working days, in days since 1970."""

    origin: int
    step: int = 1
    mask: tuple[bool, ...] = WEEKDAYS
    holidays: tuple[int, ...] = ()

    def numbers(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How many steps each day is from the origin."""
        calendar = make_calendar(self.mask, self.holidays)
        days = to_dates(values)
        count = working_days_before(self.origin, values, calendar)
        numbers, rest = np.divmod(count, self.step)
        return numbers, (rest == 0) & np.is_busday(days, busdaycal=calendar)

    def values(self, numbers: np.ndarray) -> np.ndarray:
        """The day so many steps from the origin."""
        calendar = make_calendar(self.mask, self.holidays)
        origin = to_dates(self.origin)
        days = np.busday_offset(origin, numbers * self.step, roll="forward", busdaycal=calendar)
        return days.astype(np.int64)


@stored("Counted")
@dataclass(frozen=True)
class Counted:
    """Whatever an offset of pandas reaches from an origin on the wall, in a unit of time."""

    origin: int
    unit: str
    offset: Any

    def numbers(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How many steps each value is from the origin."""
        line, zero = self._line(self._stamp(values.min()), self._stamp(values.max()))
        at = np.minimum(np.searchsorted(line, values), len(line) - 1)
        numbers, rest = np.divmod(at - zero, self.offset.n)
        return numbers, (line[at] == values) & (rest == 0)

    def values(self, numbers: np.ndarray) -> np.ndarray:
        """The value so many steps from the origin."""
        wanted = numbers * self.offset.n
        origin, base = self._stamp(self.origin), self.offset.base
        back, ahead = (1 + max(0, int(end)) for end in (-wanted.min(), wanted.max()))
        line, zero = self._line(origin - back * base, origin + ahead * base)
        return np.asarray(line[wanted + zero])

    def _line(self, first: pd.Timestamp, last: pd.Timestamp) -> tuple[np.ndarray, int]:
        """All values from the first to the last stamp, and at which the origin is."""
        origin = self._stamp(self.origin)
        line = pd.date_range(origin, max(origin, last) + self.offset, freq=self.offset.base)
        before = pd.date_range(min(origin, first), origin, freq=self.offset.base)
        before = before[before < origin]
        return before.append(line).as_unit(self.unit).asi8, len(before)

    def _stamp(self, value: int) -> pd.Timestamp:
        return pd.DatetimeIndex(np.array([value], dtype=f"M8[{self.unit}]"))[0]


def to_dates(days: Any) -> np.ndarray:
    """Days since 1970 as NumPy's dates."""
    return np.asarray(days, dtype=np.int64).astype("M8[D]")


def months_of(days: np.ndarray) -> np.ndarray:
    """Months since 1970."""
    return to_dates(days).astype("M8[M]").astype(np.int64)


def weekdays_of(days: Any) -> np.ndarray:
    """0 for Mondays; 1970 began with a Thursday."""
    return (np.asarray(days) + 3) % 7


def day_in_month(months: np.ndarray, anchor: str | int) -> np.ndarray:
    """The day on which an anchor falls in each month."""
    months = months.astype("M8[M]")
    first, last = months.astype("M8[D]"), (months + 1).astype("M8[D]") - 1
    if isinstance(anchor, int):
        day = first + (anchor - 1)
    elif anchor == "first business day":
        day = np.busday_offset(first, 0, roll="forward")
    elif anchor == "last business day":
        day = np.busday_offset(last, 0, roll="backward")
    else:
        day = first if anchor == "first" else last
    return np.asarray(day.astype(np.int64))


def make_calendar(mask: tuple[bool, ...], holidays: Any) -> np.busdaycalendar:
    """NumPy's calendar of working days."""
    return np.busdaycalendar(weekmask=list(mask), holidays=to_dates(holidays))


def working_days_before(
    origin: int, days: np.ndarray, calendar: np.busdaycalendar
) -> np.ndarray:  # (n,)
    """Working days from the origin on, before each day; fewer than none for earlier days."""
    start = to_dates(min(origin, int(days.min())))
    counts = np.busday_count(start, to_dates(days), busdaycal=calendar)
    return np.asarray(counts - np.busday_count(start, to_dates(origin), busdaycal=calendar))


def grid_of_offset(offset: Any, index: pd.Index) -> tuple[Scale, Grid] | None:
    """The grid that an offset of pandas makes from the first of some dates on.

    None if it counts days and the time of day differs from row to row.
    """
    instants = plain_scale(index)
    if isinstance(offset, _Off.Tick) and not isinstance(offset, _Off.Day):
        if offset.nanos % NANOSECONDS[instants.unit]:
            instants = finer(instants)
        step = offset.nanos // NANOSECONDS[instants.unit]
        return instants, Steps(int(instants.read(index[:1])[0][0]), step)
    if not _counts_days(offset):
        wall = plain_scale(index, "wall")
        return wall, Counted(int(wall.read(index[:1])[0][0]), wall.unit, offset)
    scale = day_scale(index)
    if scale is None:
        return None
    return scale, _grid_of_days(offset, int(scale.read(index[:1])[0][0]))


def _counts_days(offset: Any) -> bool:
    """Whether the grid of an offset is a set of dates that needs no counting by pandas."""
    if offset.normalize:
        return False
    if isinstance(offset, (_Off.BusinessDay, _Off.CustomBusinessDay)):
        hours = isinstance(offset, (_Off.BusinessHour, _Off.CustomBusinessHour))
        return not hours and not offset.offset
    return isinstance(offset, (_Off.Day, _Off.Week)) or type(offset) in ANCHORED


def _grid_of_days(offset: Any, first: int) -> Grid:
    """The grid of an offset that counts days, from the first of it on or after a day."""
    if isinstance(offset, _Off.CustomBusinessDay):
        mask = tuple(bool(day) for day in offset.calendar.weekmask)
        holidays = offset.calendar.holidays.astype(np.int64)
        return Workweek(first, offset.n, mask, tuple(int(day) for day in holidays))
    if isinstance(offset, _Off.BusinessDay):
        return Workweek(first, offset.n)
    if isinstance(offset, _Off.Day):
        return Steps(first, offset.n)
    if isinstance(offset, _Off.Week):
        wanted = weekdays_of(first) if offset.weekday is None else offset.weekday
        return Steps(first + int((wanted - weekdays_of(first)) % 7), 7 * offset.n)
    anchor, months = ANCHORED[type(offset)]
    month = int(months_of(np.array([first]))[0])
    named = {3: "startingMonth", 12: "month"}.get(months)
    if named:  # months since 1970 count from January, those of pandas from 1
        month += (getattr(offset, named) - 1 - month) % months
    return Months(month, months * offset.n, anchor)
