"""Which rows follow each other: the series that a table holds, and the order of their stamps."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gruforecast.foundations.stored import stored


class Segments(NamedTuple):
    """Rows sorted into series: those of series s are order[bounds[s]:bounds[s + 1]]."""

    order: np.ndarray  # (n,) the caller's row numbers, series after series
    bounds: np.ndarray  # (S + 1,)
    names: list[Any]  # (S,) of the series; [None] where there is just one without a name

    def parts(self) -> list[np.ndarray]:
        """The caller's row numbers of each series."""
        return [self.order[a:b] for a, b in zip(self.bounds[:-1], self.bounds[1:], strict=True)]


def find_segments(n_rows: int, groups: Any) -> Segments:
    """Rows with the same group are one series, in the order in which they stand."""
    if groups is None:
        return Segments(np.arange(n_rows), np.array([0, n_rows]), [None])
    if np.ndim(groups) != 1 or len(groups) != n_rows:
        raise ValueError(
            f"groups: expected one name of a series per row of X ({n_rows}), got an array of "
            f"shape {np.shape(groups)}; pass one label per row."
        )
    codes, names = pd.factorize(pd.Series(groups).reset_index(drop=True))
    if (codes < 0).any():
        at = int(np.argmax(codes < 0))
        raise ValueError(
            f"groups: expected the name of a series in every row, got a missing one in row {at}; "
            f"name it or drop the row."
        )
    order = np.argsort(codes, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=len(names)))])
    return Segments(order, bounds, list(names))


def stamps_and_groups(X: Any, groups: Any) -> tuple[pd.Index | None, Any]:
    """The stamps of the rows, if the index of X tells time or counts steps, and their series.

    A MultiIndex is (series, time) unless groups are given. Row numbers of a table with groups
    count the rows of all series together and tell nothing.
    """
    index = getattr(X, "index", None)
    if not isinstance(index, pd.Index):
        return None, groups
    counts_all = groups is not None and not isinstance(index, pd.MultiIndex)
    if isinstance(index, pd.MultiIndex):
        if groups is None:
            series = index.droplevel(-1)
            groups = series.to_flat_index() if series.nlevels > 1 else series
        index = index.get_level_values(-1)
        if not (is_time(index) or pd.api.types.is_integer_dtype(index.dtype)):
            raise ValueError(
                f"X: expected an index (series, time), got a last level of {index.dtype}; put the "
                f"times last, as with X.swaplevel()."
            )
    counts = pd.api.types.is_integer_dtype(index.dtype) and not counts_all
    return (index if is_time(index) or counts else None), groups


def is_time(index: pd.Index) -> bool:
    """Whether an index holds dates, periods or durations."""
    return isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex, pd.TimedeltaIndex))


def is_default(stamps: pd.Index) -> bool:
    """Row numbers from 0, which pandas gives to a table that has no index of its own."""
    return isinstance(stamps, pd.RangeIndex) and stamps.start == 0 and stamps.step == 1


def check_order(stamps: pd.Index, name: Any = None) -> None:
    """Stamps of one series that rise from row to row."""
    if stamps.hasnans:
        raise ValueError(
            "index: expected a stamp in every row, got a missing one; "
            "drop that row or reset the index."
        )
    later = stamps[1:] > stamps[:-1]
    if later.all():
        return
    at = int(np.argmin(later))
    what = "twice" if stamps[at + 1] == stamps[at] else f"after {stamps[at]}"
    where = "" if name is None else f" in series {name!r}"
    raise ValueError(
        f"index: expected stamps that rise from row to row where lookback cuts windows, got "
        f"{stamps[at + 1]} {what}{where}; sort by the index, drop doubles, or reset the index if "
        f"it does not tell time."
    )


def check_comparable(stamp: Any, known: Any) -> None:
    """A stamp that can be compared with one of the training rows."""
    try:
        _ = stamp < known
    except TypeError:
        raise ValueError(
            f"index: expected stamps like those of the training rows ({known!r}), got {stamp!r}; "
            f"use the same type, and a time zone in both or in none."
        ) from None


@stored("Pace")
class Pace(NamedTuple):
    """How far the stamps of a series lie apart."""

    first: Any
    last: Any
    n: int
    frequency: Any  # an offset of pandas, given or inferred; None if they are not regular
    largest_gaps: tuple[Any, ...]  # between neighbours, by the clock of the world and of the wall

    @classmethod
    def of(cls, stamps: pd.Index) -> Pace:
        """The pace of stamps that rise."""
        frequency = getattr(stamps, "freq", None)
        if frequency is None and isinstance(stamps, pd.DatetimeIndex) and len(stamps) > 2:
            frequency = pd.DatetimeIndex(stamps, freq="infer").freq
        gaps = []
        if len(stamps) > 1 and not isinstance(stamps, pd.PeriodIndex):
            gaps = [(clock[1:] - clock[:-1]).max() for clock in _clocks(stamps)]
        return cls(stamps[0], stamps[-1], len(stamps), frequency, tuple(gaps))

    def continued(self, later: Pace) -> Pace:
        """The pace of these stamps and later ones together."""
        frequency = later.frequency
        if later.n < 3:
            frequency = self.frequency
        elif self.n > 2 and self.frequency != frequency:
            frequency = None
        gaps = later.largest_gaps or self.largest_gaps
        if later.largest_gaps and self.largest_gaps:
            gaps = tuple(map(max, self.largest_gaps, later.largest_gaps))
        return Pace(self.first, later.last, self.n + later.n, frequency, gaps)

    def is_followed_by(self, stamp: Any) -> bool:
        """Whether a stamp comes directly after the last one.

        Without a frequency it does when it is no further away than neighbours are. In a zone that
        switches to summer time days are of one length by the wall's clock, hours by the world's.
        """
        if getattr(stamp, "tz", None) is not None:
            stamp = stamp.tz_convert(self.last.tz)
        if self.frequency is not None:
            return bool(self.last + self.frequency == stamp)
        if not stamp > self.last:
            return False
        ends = zip(_clocks(self.last), _clocks(stamp), self.largest_gaps, strict=False)
        return any(bool(after - before <= gap) for before, after, gap in ends)

    def knows_nothing_of(self, stamps: pd.Index) -> bool:
        """Whether stamps are mere row numbers of a table without an index of its own.

        Where these stamps count from elsewhere than 0, numbers from 0 come before them.
        """
        counts = isinstance(self.first, (int, np.integer))
        return is_default(stamps) and (not counts or self.first == 0)

    def check_kind(self, stamps: pd.Index) -> None:
        """Stamps that can be compared with those of the training rows."""
        check_comparable(stamps[0], self.first)


def with_freq(index: pd.Index, frequency: Any) -> pd.Index:
    """An index of dates or durations that carries its frequency, where pandas agrees with it."""
    if isinstance(index, (pd.DatetimeIndex, pd.TimedeltaIndex)) and frequency is not None:
        try:
            index.freq = frequency
        except Exception:  # the errors of pytz for hours that do not exist have no base in common
            index.freq = None
    return index


def _clocks(stamps: Any) -> list[Any]:
    """Stamps as they are and, if they have a time zone, as a clock on the wall shows them."""
    if getattr(stamps, "tz", None) is None:
        return [stamps]
    return [stamps, stamps.tz_localize(None)]
