"""Rules that name a holiday in each year: a day of a month, a weekday of a month, around Easter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from dateutil.easter import EASTER_ORTHODOX, EASTER_WESTERN, easter

from gruforecast.forecasting.dates.grids import months_of, to_dates, weekdays_of
from gruforecast.foundations.stored import stored

SATURDAY, SUNDAY = 5, 6
_EASTER = {
    EASTER_WESTERN: (-48, -47, -46, -3, -2, 1, 39, 50, 60),
    EASTER_ORTHODOX: (-48, -3, -2, 1, 2, 50),
}
# Of rules that explain the same, those known from the calendars of many countries are taken.
FAMILIAR_DATES = {(1, 1), (1, 2), (1, 6), (5, 1), (7, 4), (11, 1), (11, 11), (12, 25), (12, 26)}
_FAMILIAR_WEEKDAYS = {
    (1, 0, 3), (2, 0, 3), (5, 0, 1), (5, 0, -1), (8, 0, 1), (8, 0, -1), (9, 0, 1), (10, 0, 2),
    (11, 3, 4),
}  # fmt: skip
EVERYWHERE = {(1, 1), (12, 25)}


@stored("Fixed")
@dataclass(frozen=True)
class Fixed:
    """A day of a month; on a weekend moved by so many days, 0 if not observed, None if unknown."""

    month: int
    day: int
    saturday: int | None = None
    sunday: int | None = None

    familiar = property(lambda self: (self.month, self.day) in FAMILIAR_DATES)

    def dates(self, years: np.ndarray) -> np.ndarray:
        """The day itself in each year, in days since 1970."""
        return _first_of(years, self.month) + self.day - 1

    def days(self, years: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """The day on which it is observed in each year."""
        days = self.dates(years)
        weekdays = weekdays_of(days)
        for weekday, move in ((SATURDAY, self.saturday), (SUNDAY, self.sunday)):
            if move and not mask[weekday]:
                days = days + move * (weekdays == weekday)
        return np.asarray(days)


@stored("NthWeekday")
@dataclass(frozen=True)
class NthWeekday:
    """The nth (-1: last) of a weekday in a month, or so many days after it."""

    month: int
    weekday: int
    nth: int
    after: int = 0

    familiar = property(lambda self: (self.month, self.weekday, self.nth) in _FAMILIAR_WEEKDAYS)

    def days(self, years: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """The day in each year, in days since 1970."""
        if self.nth < 0:
            following = years + (self.month == 12)
            start = _first_of(following, self.month % 12 + 1) - 7
        else:
            start = _first_of(years, self.month) + 7 * (self.nth - 1)
        return np.asarray(start + (self.weekday - weekdays_of(start)) % 7 + self.after)


@stored("AroundEaster")
@dataclass(frozen=True)
class AroundEaster:
    """So many days after Easter Sunday."""

    offset: int
    method: int = EASTER_WESTERN

    familiar = True

    def days(self, years: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """The day in each year, in days since 1970."""
        sundays = [easter(int(year), self.method) for year in years]
        return np.array(sundays, dtype="M8[D]").astype(np.int64) + self.offset


Rule = Fixed | NthWeekday | AroundEaster


def predicted(rules: Iterable[Rule], first: int, last: int, mask: tuple[bool, ...]) -> np.ndarray:
    """The days that rules name from one day to another, sorted."""
    years = np.arange(year_of(first), year_of(last) + 2)
    named = [rule.days(years, np.array(mask)) for rule in rules]
    days = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *named]))
    return np.asarray(days[(days >= first) & (days <= last)])


def year_of(day: int) -> int:
    """The year of a day since 1970."""
    return 1970 + int(months_of(np.array([day]))[0] // 12)


def _first_of(years: np.ndarray, month: int) -> np.ndarray:
    months = ((years - 1970) * 12 + month - 1).astype("M8[M]")
    return np.asarray(months.astype("M8[D]").astype(np.int64))


def rules_naming(day: int) -> list[Rule]:
    """Every rule that names a day, before anything is known of moves from weekends."""
    date = to_dates(day).item()
    weekday = int(weekdays_of(day))
    rules: list[Rule] = [Fixed(date.month, date.day)] if (date.month, date.day) != (2, 29) else []
    rules += [Fixed(m, d) for m, d in FAMILIAR_DATES if _is_near(date, m, d)]
    rules += [NthWeekday(date.month, weekday, (date.day - 1) // 7 + 1)]
    if to_dates(day + 7).item().month != date.month:
        rules.append(NthWeekday(date.month, weekday, -1))
    before = to_dates(day - 1).item()
    if weekday == 4:  # the Friday after a Thursday
        rules.append(NthWeekday(before.month, 3, (before.day - 1) // 7 + 1, after=1))
    for method, offsets in _EASTER.items():
        offset = day - int(np.datetime64(easter(date.year, method), "D").astype(np.int64))
        rules += [AroundEaster(offset, method)] if offset in offsets else []
    return rules


def _is_near(date: object, month: int, day: int) -> bool:
    """Whether a date is a day or two from a day of a month."""
    number = int(np.datetime64(date, "D").astype(np.int64))  # type: ignore[call-overload]
    years = np.array([year_of(number), year_of(number) + 1])
    return bool((np.abs(_first_of(years, month) + day - 1 - number) <= 2).any())
