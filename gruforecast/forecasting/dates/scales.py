"""Stamps as whole numbers and back: instants, days on the wall, periods, durations, counts.

The grids of this floor count in whole numbers only. What a number stands for, the time of day, the
time zone and the type of an index are kept here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gruforecast.foundations.stored import stored

NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
DAY = 86_400 * 10**9  # nanoseconds
USUAL = 0.9  # the share of rows that one time of day must have to be that of every day


@stored("Scale")
@dataclass(frozen=True)
class Scale:
    """What the whole number of a stamp is.

    ``instant``: the world's time. ``day``: the date on the wall, whatever the time of day.
    ``wall``: date and time on the wall. ``period``, ``duration``, ``count``: as pandas stores them.
    """

    clock: str
    dtype: Any
    name: Any
    hours: tuple[int, ...] = ()  # times of day that training rows have, the usual one first
    is_range: bool = False

    @property
    def zone(self) -> Any:
        """The time zone, if there is one."""
        return getattr(self.dtype, "tz", None)

    @property
    def unit(self) -> str:
        """The unit in which pandas stores dates and durations."""
        if isinstance(self.dtype, np.dtype):
            return str(np.datetime_data(self.dtype)[0])
        return str(self.dtype.unit)

    @property
    def per_day(self) -> int:
        """Units in a day."""
        return DAY // NANOSECONDS[self.unit]

    def read(self, index: pd.Index) -> tuple[np.ndarray, np.ndarray]:
        """Numbers (n,) of stamps, and whether each is one that this scale can show."""
        index = self._of_own_kind(index)
        fine = np.ones(len(index), dtype=bool)
        if self.clock == "count":
            return index.to_numpy(dtype=np.int64), fine
        if self.clock == "period":
            return index.asi8, fine
        if self.clock in ("instant", "duration"):
            stored = index.as_unit(self.unit)
            return stored.asi8, np.asarray(stored == index)
        if self.zone is not None:
            index = index.tz_convert(self.zone).tz_localize(None)
        stored = index.as_unit(self.unit)
        if self.clock == "wall":
            return stored.asi8, np.asarray(stored == index)
        days = stored.asi8 // self.per_day
        fine = np.isin(stored.asi8 - days * self.per_day, self.hours) & (stored == index)
        return days, fine | self._is_skipped(days)

    def write(self, numbers: np.ndarray) -> pd.Index:
        """The stamps of numbers (n,)."""
        if self.clock == "count":
            return self._counts(numbers)
        if self.clock == "period":
            return pd.PeriodIndex(pd.arrays.PeriodArray(numbers, dtype=self.dtype), name=self.name)
        if self.clock == "duration":
            return pd.TimedeltaIndex(numbers.view(f"m8[{self.unit}]"), name=self.name)
        if self.clock == "instant":
            stamps = pd.DatetimeIndex(numbers.view(f"M8[{self.unit}]"), name=self.name)
            return stamps if self.zone is None else stamps.tz_localize("UTC").tz_convert(self.zone)
        wall = self._on_the_wall(numbers)
        if self.zone is None:
            return wall
        summer = np.ones(len(wall), dtype=bool)  # an hour that comes twice is met the first time
        return wall.tz_localize(self.zone, nonexistent="shift_forward", ambiguous=summer)

    def one(self, stamp: Any) -> pd.Index:
        """An index of a single stamp."""
        if isinstance(stamp, str) and self.clock in ("instant", "day", "wall"):
            stamp = pd.Timestamp(stamp)
        return pd.Index([stamp])

    def _on_the_wall(self, numbers: np.ndarray) -> pd.DatetimeIndex:
        if self.clock == "day":
            numbers = numbers * self.per_day + self.hours[0]
        return pd.DatetimeIndex(numbers.view(f"M8[{self.unit}]"), name=self.name)

    def _is_skipped(self, days: np.ndarray) -> np.ndarray:
        """Days on which the usual time of day does not exist, for the clock is put forward."""
        if self.zone is None:
            return np.zeros(len(days), dtype=bool)
        summer = np.ones(len(days), dtype=bool)
        wall = self._on_the_wall(days)
        return np.asarray(wall.tz_localize(self.zone, nonexistent="NaT", ambiguous=summer).isna())

    def _counts(self, numbers: np.ndarray) -> pd.Index:
        if self.is_range and len(numbers):
            step = int(numbers[1] - numbers[0]) if len(numbers) > 1 else 1
            return pd.RangeIndex(numbers[0], numbers[-1] + step, step, name=self.name)
        index = pd.Index(numbers, name=self.name)
        narrow = index.astype(self.dtype)  # a number too large for it goes round
        return narrow if (narrow == index).all() else index

    def _of_own_kind(self, index: pd.Index) -> pd.Index:
        """The index, if it can be compared with that of the training rows."""
        zone = getattr(index, "tz", None)
        same = kind_of(index) == kind_of_dtype(self.dtype) and (zone is None) == (self.zone is None)
        if not same or (self.clock == "period" and index.dtype != self.dtype):
            raise ValueError(
                f"index: expected stamps like those of the training rows ({self.dtype}), got "
                f"{index.dtype}; use the same type, and a time zone in both or in none."
            )
        return index


def kind_of(index: pd.Index) -> str:
    """``date``, ``period``, ``duration``, ``count`` or ``label``."""
    return kind_of_dtype(index.dtype)


def kind_of_dtype(dtype: Any) -> str:
    """The same of a dtype."""
    if isinstance(dtype, pd.PeriodDtype):
        return "period"
    if isinstance(dtype, pd.DatetimeTZDtype):
        return "date"
    if isinstance(dtype, np.dtype) and dtype.kind in "mM":
        return "date" if dtype.kind == "M" else "duration"
    return "count" if pd.api.types.is_integer_dtype(dtype) else "label"


def plain_scale(index: pd.Index, clock: str | None = None) -> Scale:
    """A scale that keeps stamps as pandas stores them; ``wall`` or ``instant`` for dates."""
    clock = clock or {"date": "instant"}.get(kind_of(index), kind_of(index))
    return Scale(clock, index.dtype, index.name, (), isinstance(index, pd.RangeIndex))


def finer(scale: Scale) -> Scale:
    """The same scale in nanoseconds."""
    zone = scale.zone
    letter = "m" if scale.clock == "duration" else "M"
    dtype = np.dtype(f"{letter}8[ns]") if zone is None else pd.DatetimeTZDtype("ns", zone)
    return Scale(scale.clock, dtype, scale.name, scale.hours)


def day_scale(index: pd.Index) -> Scale | None:
    """A scale of dates, if all rows but a few, such as half days, have the same time of day."""
    if kind_of(index) == "period":
        return plain_scale(index) if index.freqstr == "D" else None
    if kind_of(index) != "date":
        return None
    scale = Scale("day", index.dtype, index.name)
    wall, _ = plain_scale(index, "wall").read(index)
    hours, counts = np.unique(wall % scale.per_day, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    if counts[order[0]] < USUAL * len(index):
        return None
    return Scale("day", index.dtype, index.name, tuple(int(h) for h in hours[order]))
