"""From the numbers of a caller to what a network reads: scaled, filled, with time since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sklearn.preprocessing import StandardScaler

from gruforecast.foundations.stored import stored


@stored("Scaling")
class Scaling(NamedTuple):
    """What is subtracted from each column, and what it is divided by then."""

    center: np.ndarray  # (F,)
    scale: np.ndarray  # (F,)

    @classmethod
    def none(cls, n_columns: int) -> Scaling:
        return cls(np.zeros(n_columns), np.ones(n_columns))

    @classmethod
    def standard(cls, values: np.ndarray, weights: np.ndarray | None = None) -> Scaling:
        """Mean and deviation of each column of values (n, F), without what is missing."""
        values = np.ascontiguousarray(values)  # sums have other last bits in another layout
        if not len(values):
            return cls.none(values.shape[1])
        with np.errstate(all="ignore"):  # a column without any value, or with huge ones
            scaler = StandardScaler().fit(values, sample_weight=weights)
        empty = np.isnan(values).all(axis=0)
        scale = np.where(np.isfinite(scaler.var_), scaler.scale_, np.inf)
        return cls(np.where(empty, 0.0, scaler.mean_), np.where(empty, 1.0, scale))

    def apply(self, values: np.ndarray) -> np.ndarray:
        return np.asarray((values - self.center) / self.scale)


class Carried(NamedTuple):
    """What the end of a series leaves for the rows that follow it."""

    values: np.ndarray  # (S, F) the newest value, scaled; NaN before the first
    since: np.ndarray  # (S, F) steps since it was observed, or since the start

    @classmethod
    def nothing(cls, n_series: int, n_columns: int) -> Carried:
        return cls(np.full((n_series, n_columns), np.nan), np.zeros((n_series, n_columns)))


class MissingInNewColumnWarning(UserWarning):
    """A column lacks values that never lacked any in training."""


@stored("InputEncoder")
@dataclass(frozen=True)
class InputEncoder:
    """Columns of numbers, scaled; missing values carried forward, with the steps since.

    ``masked`` are the columns that lacked values in training: each has an input more, the age of
    its newest value, s / (1 + s) after s steps; bounded, as outages may outlast those of training.
    """

    scaling: Scaling
    fill: np.ndarray  # (F,) scaled value where nothing was observed yet
    masked: np.ndarray  # (M,) numbers of columns
    dtype: str

    @classmethod
    def fit(
        cls, values: np.ndarray, weights: np.ndarray | None, *, scale: bool, mask: bool, dtype: str
    ) -> InputEncoder:
        """Learn from training rows (n, F) and their weights (n,) alone."""
        standard = Scaling.standard(values, weights)
        if not np.isfinite(standard.scale).all():
            at = int(np.argmin(np.isfinite(standard.scale)))
            raise ValueError(
                f"X: expected numbers whose spread is finite, got up to "
                f"{np.nanmax(np.abs(values[:, at])):.3g} in column {at}; scale or correct it."
            )
        scaling = standard if scale else Scaling.none(values.shape[1])
        lacking = np.isnan(values).any(axis=0)
        masked = np.flatnonzero(lacking) if mask else np.zeros(0, np.int64)
        return cls(scaling, scaling.apply(standard.center), masked, dtype)

    @property
    def width(self) -> int:
        """Columns of what a network reads."""
        return len(self.fill) + len(self.masked)

    def encode(
        self,
        values: np.ndarray,
        bounds: np.ndarray,
        carried: Carried | None = None,
    ) -> tuple[np.ndarray, Carried]:
        """Rows (n, F) of series between bounds (S + 1,) -> (n, width), and what they leave."""
        n_rows, n_columns = values.shape
        n_series = len(bounds) - 1
        carried = Carried.nothing(n_series, n_columns) if carried is None else carried
        after = Carried(carried.values.copy(), carried.since.copy())
        out = np.empty((n_rows, self.width), self.dtype)
        owner = np.repeat(np.arange(n_series), np.diff(bounds))
        begin = bounds[:-1][owner]
        rows = np.arange(n_rows)
        filled_ends = np.flatnonzero(np.diff(bounds) > 0)
        ends = bounds[1:][filled_ends] - 1
        place = {int(column): n_columns + k for k, column in enumerate(self.masked)}
        for j in range(n_columns):
            column = self._scaled(values, j)
            observed = ~np.isnan(column)
            if observed.all():
                since = np.zeros(n_rows)
            else:
                newest = np.maximum.accumulate(np.where(observed, rows, -1))
                inside = newest >= begin
                before = carried.values[owner, j]
                before = np.where(np.isnan(before), self.fill[j], before)
                lasting = carried.since[owner, j] + rows - begin + 1
                since = np.where(inside, rows - newest, lasting)
                column = np.where(inside, column[newest], before)
                seen = np.where(inside, column, carried.values[owner, j])
                after.values[filled_ends, j] = seen[ends]
            if observed.all():
                after.values[filled_ends, j] = column[ends]
            after.since[filled_ends, j] = since[ends]
            out[:, j] = column
            if j in place:
                out[:, place[j]] = since / (1 + since)
        return out, after

    def newly_missing(self, values: np.ndarray) -> np.ndarray:
        """Columns of values (n, F) that lack some, but lacked none in training."""
        lacking = np.isnan(values).any(axis=0)
        lacking[self.masked] = False
        return np.flatnonzero(lacking)

    def _scaled(self, values: np.ndarray, j: int) -> np.ndarray:
        """Column j in its own units, where NaN is missing."""
        column = (values[:, j].astype(np.float64) - self.scaling.center[j]) / self.scaling.scale[j]
        too_large = np.abs(column) > np.finfo(self.dtype).max
        if too_large.any():
            at = int(np.argmax(too_large))
            raise ValueError(
                f"X: expected numbers that are finite in {self.dtype} when scaled, got "
                f"{values[at, j]} in column {j}; correct it or choose dtype='float64'."
            )
        return np.asarray(column)
