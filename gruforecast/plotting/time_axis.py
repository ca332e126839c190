"""The horizontal axis: dates that do not overlap, durations and whole numbers.

This module imports Matplotlib; displays import it when they draw.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import dates
from matplotlib.ticker import Formatter, MaxNLocator

DATE_POINTS, CLOCK_POINTS = 34.0, 44.0  # room for a label below the axis
NARROW = 200.0  # points of width in which only one thing has room below the dates
SPANS = (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))


def dress_counts(ax: Any) -> None:
    """Whole numbers on the horizontal axis."""
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))


class DateLocator(dates.AutoDateLocator):  # type: ignore[misc]
    """Dates as many as there is room for, whatever size the axes come to have."""

    def __init__(self, tz: Any = None) -> None:
        super().__init__(tz=tz)
        longest = {dates.MONTHLY: 12, dates.HOURLY: 24, dates.MINUTELY: 60, dates.SECONDLY: 60}
        for unit, interval in longest.items():  # so that a few labels are enough for any span
            self.intervald[unit] = sorted({*self.intervald[unit], interval})
        self.intervald[dates.DAILY] = [1, 2, 7, 14, 31]  # of others, the last day touches the first

    def get_locator(self, dmin: Any, dmax: Any) -> Any:
        points = points_of(self.axis.axes)
        most = {
            unit: int(
                np.clip(points / (DATE_POINTS if unit <= dates.DAILY else CLOCK_POINTS), 3, 10)
            )
            for unit in self.intervald
        }
        self.minticks = 2 if points < 8 * CLOCK_POINTS else 3
        self.maxticks: dict[int, int] = most
        return super().get_locator(dmin, dmax)


def points_of(ax: Any) -> float:
    """The width of axes."""
    return float(ax.bbox.width * 72.0 / ax.figure.dpi)


class SpanLocator(MaxNLocator):
    """Round numbers of a unit of time, on an axis of seconds."""

    def __init__(self, unit: float) -> None:
        super().__init__("auto", steps=[1, 2, 5, 10])
        self.unit = unit

    def tick_values(self, vmin: float, vmax: float) -> Any:
        return self.unit * np.asarray(super().tick_values(vmin / self.unit, vmax / self.unit))


class SpanFormatter(Formatter):
    """Seconds, written in a unit of time."""

    def __init__(self, unit: float) -> None:
        self.unit = unit

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x / self.unit:g}"


def time_positions(stamps: pd.Index) -> np.ndarray:
    """Places (n,) of stamps on the horizontal axis."""
    if isinstance(stamps, pd.DatetimeIndex):
        naive = stamps if stamps.tz is None else stamps.tz_convert("UTC").tz_localize(None)
        return np.asarray(dates.date2num(naive.to_numpy()), dtype=np.float64)
    if isinstance(stamps, pd.TimedeltaIndex):
        return np.asarray(stamps.total_seconds(), dtype=np.float64)
    return np.asarray(stamps, dtype=np.float64)


def dress_time(ax: Any, stamps: pd.Index) -> None:
    """Ticks that fit stamps: dates in their own zone, durations, or whole numbers."""
    name = stamps.name if isinstance(stamps.name, str) else None
    if isinstance(stamps, pd.DatetimeIndex):
        locator = DateLocator(tz=stamps.tz)
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=stamps.tz))
        ax.xaxis.get_offset_text().set_fontsize("small")
        name = None if stamps.tz is None else f"time in {stamps.tz}"
    elif isinstance(stamps, pd.TimedeltaIndex):
        longest = np.abs(ax.get_xlim()).max()
        name, unit = next((span for span in SPANS if 3.0 * span[1] <= longest), SPANS[-1])
        ax.xaxis.set_major_locator(SpanLocator(unit))
        ax.xaxis.set_major_formatter(SpanFormatter(unit))
    else:
        dress_counts(ax)
    is_labelled = ax.xaxis.get_major_ticks(1)[0].label1.get_visible()  # not one above another
    if name is not None and is_labelled:
        below = 14.0 if points_of(ax) < NARROW else None  # what stands on the right, not beside it
        ax.set_xlabel(name, fontsize="small", loc="left", labelpad=below)
