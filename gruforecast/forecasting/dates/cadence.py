"""How the stamps of a series go on: which rows follow each other, and the stamps to come."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from gruforecast.data.segments import check_order, with_freq
from gruforecast.forecasting.dates.grids import Grid
from gruforecast.forecasting.dates.inference import Found, impose, infer
from gruforecast.forecasting.dates.names import name_of, rows_per_season
from gruforecast.forecasting.dates.scales import Scale, kind_of, plain_scale
from gruforecast.forecasting.dates.workdays import Workdays
from gruforecast.foundations.checks import check_integer, warn_caller
from gruforecast.foundations.stored import stored


class CadenceWarning(UserWarning):
    """The stamps of a series show no rhythm by which they could go on."""


@stored("Cadence")
@dataclass(frozen=True)
class Cadence:
    """How the stamps of a series go on: rows are observations, no row is ever inserted.

    Attributes
    ----------
    kind : {"grid", "workdays", "rows"}
        A regular frequency, with stamps left out or not; days of work with holidays; or steps
        without a rhythm.
    frequency : offset of pandas, int or None
        The step of the grid, a whole number for an index of those; the working week; None for rows.

    Examples
    --------
    >>> import pandas as pd
    >>> months = pd.DatetimeIndex(["2024-01-31", "2024-02-29", "2024-03-31", "2024-05-31"])
    >>> cadence = Cadence.of(months)
    >>> cadence.description, cadence.season
    ('month ends', 12)
    >>> cadence.positions(months).tolist()  # one month has no row
    [0, 1, 2, 4]
    >>> cadence.future(months[-1], 2).strftime("%Y-%m-%d").tolist()
    ['2024-06-30', '2024-07-31']
    """

    kind: str
    frequency: Any
    n_rows: int
    _scale: Scale = field(repr=False)
    _grid: Grid | Workdays | None = field(repr=False, default=None)
    _seen: tuple[Any, ...] = field(repr=False, default=())  # stamps of rows without a rhythm

    @classmethod
    def of(cls, index: pd.Index, freq: Any = None) -> Cadence:
        """The cadence of the stamps of one series.

        Parameters
        ----------
        index : Index
            Rising dates, periods, durations or whole numbers; others count as rows.
        freq : str, offset of pandas or int, optional
            The frequency if known; else that of the index, else inferred.
        """
        if not isinstance(index, pd.Index) or isinstance(index, pd.MultiIndex):
            got = type(index).__name__
            raise TypeError(
                f"index: expected the stamps of one series as an Index of pandas, got {got}; "
                f"pass one such as series.index."
            )
        if not len(index):
            raise ValueError("index: expected at least one row, got none; pass a longer series.")
        is_label = kind_of(index) == "label"
        if not is_label:
            check_order(index)
        found = impose(freq, index) if freq is not None else _own_frequency(index) or infer(index)
        if found is not None:
            kind = "workdays" if isinstance(found.grid, Workdays) else "grid"
            return cls(kind, found.frequency, len(index), found.scale, found.grid)
        if len(index) > 1 or is_label:
            _warn_of_rows(index, is_label)
        scale = plain_scale(index)
        seen = index if is_label else scale.read(index)[0]
        return cls("rows", None, len(index), scale, None, tuple(seen.tolist()))

    @property
    def season(self) -> int | None:
        """Rows per season: a day of hours or minutes, a week of days, a year of longer steps."""
        week = sum(self._grid.mask) if isinstance(self._grid, Workdays) else None
        return week or rows_per_season(self.frequency)

    @property
    def description(self) -> str:
        """The cadence in a few words."""
        if not isinstance(self._grid, Workdays):
            return name_of(self.frequency)
        n = self._grid.holidays_a_year
        skipped = f"{n} holiday{'s' * (n != 1)} a year skipped" if n else "no holidays known"
        return f"{name_of(self.frequency)}, {skipped}"

    def positions(self, index: pd.Index) -> np.ndarray:
        """Numbers (n,) of stamps: 0 for the first training row, rising by 1 where none is left out.

        Rows on working days are one step from each other, unless a working day on which newer rows
        were to be expected lies between. Rows without a rhythm go on one by one.
        """
        if kind_of(index) != "label":
            check_order(index)
        if not len(index):
            return np.zeros(0, dtype=np.int64)
        if self._grid is None:
            return self._row_numbers(index)
        values, fine = self._scale.read(index)
        numbers, off = self._number(values, fine)
        off[1:] |= np.diff(numbers) < 1
        if off.any():
            at = int(np.argmax(off))
            raise ValueError(
                f"index: expected stamps that go on like those of the training rows "
                f"({self.description}), got {index[at]} (row {at}); drop that row or fit with the "
                f"freq= that the stamps have."
            )
        return numbers

    def follows(self, last: Any, stamp: Any) -> int | None:
        """Steps from one stamp to another, 1 if it comes next; None if that cannot be told."""
        if last == stamp:
            return 0
        backwards = stamp < last
        ends = [self._scale.one(end) for end in ((stamp, last) if backwards else (last, stamp))]
        pairs = [self._scale.read(end) for end in ends] if kind_of(ends[0]) != "label" else []
        if not pairs:
            return None
        values = np.concatenate([pair[0] for pair in pairs])
        if self._grid is None:
            seen = [self._seen.index(value) for value in values.tolist() if value in self._seen]
            steps = seen[1] - seen[0] if len(seen) == 2 else None
        else:
            numbers, off = self._number(values, np.concatenate([pair[1] for pair in pairs]))
            steps = None if off.any() else int(numbers[1] - numbers[0])
        return -steps if backwards and steps is not None else steps

    def future(self, last: Any, steps: int) -> pd.Index:
        """The next stamps (steps,) after a stamp; numbers from 1 where there is no rhythm."""
        steps = check_integer("steps", steps, low=1)
        if self._grid is None:
            if self.n_rows == 1:
                raise ValueError(
                    "freq: expected the frequency of a series of a single row, got none; "
                    "pass freq= or future_index=."
                )
            return pd.RangeIndex(1, steps + 1, name="step")
        end = self._scale.one(last)
        values, fine = self._scale.read(end)
        numbers, off = self._number(values, fine)
        if off.any() and not isinstance(self._grid, Workdays):
            raise ValueError(
                f"last: expected a stamp like those of the training rows ({self.description}), "
                f"got {last}; pass the last stamp of the series."
            )
        if isinstance(self._grid, Workdays):
            ahead = self._grid.after(int(values[0]), steps)
        else:
            ahead = self._grid.values(numbers[0] + np.arange(1, steps + 1))
        future = self._scale.write(ahead)
        if (future[[0, -1]] <= end[0]).any():  # the numbers of pandas have gone round
            raise ValueError(
                f"steps: expected stamps that {self._scale.dtype} can hold, got {steps} steps "
                f"after {last}; take fewer, or convert the index with as_unit('s')."
            )
        return with_freq(future, self.frequency if self.kind == "grid" else None)

    def _number(self, values: np.ndarray, fine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Numbers (n,) of values that do not fall, and which of them are off the grid."""
        if isinstance(self._grid, Workdays):
            return self._grid.numbers(values), ~fine
        assert self._grid is not None
        numbers, on_grid = self._grid.numbers(values)
        return numbers, ~(fine & on_grid)

    def _row_numbers(self, index: pd.Index) -> np.ndarray:
        """Numbers of rows without a rhythm: those of the same training rows, then one by one."""
        n = len(index)
        if self._scale.clock == "label":
            known = index.tolist() == list(self._seen[:n])
            return np.arange(n) + (0 if known else self.n_rows)
        values, _ = self._scale.read(index)
        seen = np.array(self._seen)
        at = np.searchsorted(seen, values)
        at[values < seen[0]] = -(values < seen[0]).sum()
        order = np.arange(n)
        return np.asarray(np.maximum.accumulate(at - order) + order)


def _own_frequency(index: pd.Index) -> Found | None:
    """The grid of the frequency that an index carries, if it lies on it; periods are inferred."""
    offset = getattr(index, "freq", None)
    if offset is None or isinstance(index, pd.PeriodIndex):
        return None
    try:
        return impose(offset, index)
    except ValueError:
        return None


def _warn_of_rows(index: pd.Index, is_label: bool) -> None:
    """Say once what is missing for forecasts on dates."""
    if is_label:
        got = f"labels of {index.dtype}"
        do = "convert the index with pandas.to_datetime, or pass future_index="
    else:
        steps = index[1:] - index[:-1]
        got = f"steps from {steps.min()} to {steps.max()}"
        do = "pass freq= or future_index="
    warn_caller(
        f"index: expected stamps at a regular pace, got {got}; steps are counted instead, {do} "
        f"for forecasts on dates.",
        CadenceWarning,
    )
