"""Days of work: a week with days off, and holidays on which a series has no row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from gruforecast.forecasting.dates.grids import (
    WEEKDAYS,
    make_calendar,
    to_dates,
    weekdays_of,
    working_days_before,
)
from gruforecast.forecasting.dates.holiday_rules import Rule, predicted
from gruforecast.forecasting.dates.holidays import recurring
from gruforecast.foundations.stored import stored

_RARE = 0.02  # a weekday with rows in a smaller share of weeks is a day off, its rows exceptions


@stored("Workdays")
@dataclass(frozen=True)
class Workdays:
    """The working days of a series, in days since 1970, and those to be expected after it."""

    origin: int
    last: int
    mask: tuple[bool, ...]
    closed: tuple[int, ...] = field(repr=False)  # working days of the week without a row
    extra: tuple[int, ...] = field(repr=False)  # rows on days off
    rules: tuple[Rule, ...]

    @classmethod
    def of(cls, days: np.ndarray) -> Workdays | None:
        """The working days of a series, or None if it has rows on every day or on few."""
        mask = _working_week(days)
        if mask is None:
            return None
        first, last = int(days[0]), int(days[-1])
        every = np.arange(first, last + 1)
        working = np.array(mask)[weekdays_of(every)]
        closed = every[working & ~np.isin(every, days)]
        extra = days[~np.array(mask)[weekdays_of(days)]]
        rules = recurring(closed, first, last, mask)
        return cls(first, last, mask, tuple(closed.tolist()), tuple(extra.tolist()), rules)

    @property
    def offset(self) -> Any:
        """The offset of pandas for the week, without holidays."""
        if self.mask == WEEKDAYS:
            return pd.offsets.BusinessDay()
        names = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
        week = " ".join(name for name, on in zip(names, self.mask, strict=True) if on)
        return pd.offsets.CustomBusinessDay(weekmask=week)

    def numbers(self, days: np.ndarray) -> np.ndarray:
        """Rising numbers (n,) of the days of rows, 0 for the first training row.

        A row is one step from that before it, and one more for each working day between that has
        none: so the training rows are 0, 1, 2, ... whatever is missing among them.
        """
        calendar = self._calendar(int(days.min()), int(days.max()))
        before = working_days_before(self.origin, days, calendar)
        start = before[0] + np.searchsorted(self.extra, days[0])
        if len(days) == 1:
            return np.asarray(start)[None]
        dates = to_dates(days)
        between = np.busday_count(dates[:-1] + 1, dates[1:], busdaycal=calendar)
        return np.asarray(start + np.concatenate([[0], np.cumsum(1 + between)]))

    def after(self, day: int, steps: int) -> np.ndarray:
        """The next working days (steps,) after a day."""
        reach = day + 60 + 3 * (steps * 7 // sum(self.mask))
        calendar = self._calendar(day, reach)
        ahead = np.arange(1, steps + 1)
        dates = np.busday_offset(to_dates(day), ahead, roll="backward", busdaycal=calendar)
        return np.asarray(dates.astype(np.int64))

    @property
    def holidays_a_year(self) -> int:
        """How many working days in a year will be skipped, on average."""
        span = 28 * 365 + 7  # in which the dates come back to the same weekdays
        days = predicted(self.rules, self.last + 1, self.last + span, self.mask)
        return round(float(np.array(self.mask)[weekdays_of(days)].sum()) / 28)

    def _calendar(self, first: int, last: int) -> np.busdaycalendar:
        """Working days around two days: those of the rows, and outside of them the expected."""
        known = [np.array(self.closed, dtype=np.int64)]
        if first < self.origin:
            known.append(predicted(self.rules, first, self.origin - 1, self.mask))
        if last > self.last:
            known.append(predicted(self.rules, self.last + 1, last, self.mask))
        return make_calendar(self.mask, np.concatenate(known))


def _working_week(days: np.ndarray) -> tuple[bool, ...] | None:
    """The days of the week on which there are rows, if it has one to three days off.

    Days off must be too many to be left out of daily rows by chance: two weekends, or another day
    in as many weeks as the share of other missing days asks for.
    """
    if len(days) < 2 or (np.diff(days) < 1).any():
        return None
    every = np.arange(days[0], days[-1] + 1)
    present = np.bincount(weekdays_of(days), minlength=7)
    possible = np.bincount(weekdays_of(every), minlength=7)
    if (present[:5] == possible[:5]).all() and possible[5:].any() and not present[5:].any():
        return WEEKDAYS
    on = present > np.where(possible >= 50, _RARE * possible, 0)
    n_working = possible[on].sum()
    if not 4 <= on.sum() <= 6:
        return None
    calendar = make_calendar(tuple(bool(flag) for flag in on), ())
    dates = to_dates(days)
    steps = np.busday_count(dates[:-1], dates[1:], busdaycal=calendar)
    if 2 * (steps <= 1).sum() < len(steps):
        return None
    mask = tuple(bool(flag) for flag in on)
    if mask == WEEKDAYS:
        return mask if possible[~on].min() >= 2 else None
    missing = 1 - present[on].sum() / n_working
    chance = 7 * max(missing, 0.1) ** possible[~on].sum()
    return mask if chance < 1e-3 else None
