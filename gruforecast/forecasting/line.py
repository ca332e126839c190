"""Steps of series side by side, those left out too, so that what follows a row lies beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from gruforecast.forecasting.block import Block

AT_ONCE = 2**18  # entries of a table of rows and steps that are worked on together


@dataclass(frozen=True)
class Line:
    """Every series as a stretch of places, one a step, with room around it.

    A hole of more than ``horizon`` steps is shortened by whole periods: whoever looks across it
    looks along the phases of the period, or takes means of the newest places, nearer then.
    """

    place: np.ndarray  # (n,) of each row
    rows: np.ndarray  # (m,) the row at each place, -1 for none
    begin: np.ndarray  # (m,) the place where the series of each place begins
    period: int  # every series begins at a multiple of it
    horizon: int

    @classmethod
    def of(cls, block: Block, horizon: int, period: int = 1) -> Line:
        """With ``period`` places before each series, and ``horizon`` after it."""
        panel = block.panel
        firsts, ends = panel.bounds[:-1], panel.bounds[1:]
        steps = block.gaps() + 1
        beyond = steps - horizon - 1
        steps = np.where(beyond > 0, horizon + 1 + beyond % period, steps)
        steps[firsts] = 0
        along = np.cumsum(steps)
        along -= along[firsts][panel.codes]
        sizes = period + -(-(along[ends - 1] + 1 + horizon) // period) * period
        starts = np.cumsum(sizes) - sizes + period
        place = starts[panel.codes] + along
        rows = np.full(int(sizes.sum()), -1, np.int32)
        rows[place] = np.arange(panel.n)
        return cls(place, rows, np.repeat(starts, sizes), period, horizon)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Values of rows (n,) at their places (m,), NaN at others."""
        out = np.full(len(self.rows), np.nan)
        out[self.place] = values
        return out

    def ahead(self, of_places: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """What stands at the ``horizon`` places (n, horizon) after some rows (n,)."""
        return np.asarray(sliding_window_view(of_places, self.horizon)[self.place[rows] + 1])

    def has_ahead(self, is_there: np.ndarray) -> np.ndarray:
        """Whether any of the places after each row (n,) is marked (m,)."""
        total = np.cumsum(is_there)
        return np.asarray(total[self.place + self.horizon] > total[self.place])

    def covers(self, is_there: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Of which steps (horizon,) a place that is marked (m,) follows any of the rows."""
        places = self.place[rows]
        steps = range(1, self.horizon + 1)
        return np.array([is_there[places + step].any() for step in steps], bool)

    def carried_by_phase(self, of_places: np.ndarray) -> np.ndarray:
        """The newest value at each place's phase up to it (m,), NaN before the first."""
        places = np.where(np.isnan(of_places), -1, np.arange(len(of_places)))
        newest = np.maximum.accumulate(places.reshape(-1, self.period), axis=0).ravel()
        return np.where(newest >= self.begin, of_places[newest], np.nan)

    def season_up_to(self, of_places: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """What stands at the last ``period`` places up to some rows (n, period), oldest first.

        No more of them than the horizon asks for.
        """
        width = min(self.period, self.horizon)
        found = sliding_window_view(of_places, width)[self.place[rows] - self.period + 1]
        return np.asarray(found)

    def mean_up_to(self, of_places: np.ndarray, n: int, back: int = 0) -> np.ndarray:
        """Mean of what is known at the ``n`` places up to ``back`` places before each row (n,).

        NaN where that is nothing; places before the series begins are not among them.
        """
        known = ~np.isnan(of_places)
        total = self._sums(np.where(known, of_places, 0.0), n)
        count = self._sums(known.astype(np.float64), n)
        mean = np.where(count > 0, total / np.maximum(count, 1.0), np.nan)
        at = self.place - back
        return np.asarray(np.where(at >= self.begin[self.place], mean[np.maximum(at, 0)], np.nan))

    def reaches(self, of_places: np.ndarray, n: int) -> np.ndarray:
        """Whether anything is known of a series ``n`` places before the one after each row (n,)."""
        known, begin = np.cumsum(~np.isnan(of_places)), self.begin[self.place]
        oldest = self.place - n + 1
        return np.asarray((oldest >= begin) & (known[np.maximum(oldest, 0)] > known[begin - 1]))

    def _sums(self, part: np.ndarray, n: int) -> np.ndarray:
        """Sums of the ``n`` places up to each (m,), of sums of 1, 2, 4 and so on.

        Nothing outside these places has a part in how they are rounded.
        """
        places, total, n_summed, size = np.arange(len(part)), np.zeros(len(part)), 0, 1

        def before(sums: np.ndarray, by: int) -> np.ndarray:
            at = places - by
            return np.where(at >= self.begin, sums[np.maximum(at, 0)], 0.0)

        while size <= n:
            if n & size:
                total = total + before(part, n_summed)
                n_summed += size
            part = part + before(part, size)
            size *= 2
        return total


def parts(n_rows: int, width: int) -> Iterator[slice]:
    """Rows in parts small enough that tables of so many columns cost no memory to speak of."""
    size = max(1, AT_ONCE // width)
    for begin in range(0, n_rows, size):
        yield slice(begin, min(begin + size, n_rows))
