"""Rows of a caller as windows for the network.

Either every row is a window that is complete (Samples), or rows are steps and a window ends at
each (Steps). Both number their rows 0..n-1 and know which row of the caller each one is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gruforecast.data.context import Context
from gruforecast.data.inputs import Carried, InputEncoder
from gruforecast.data.segments import Segments
from gruforecast.data.split import Split
from gruforecast.data.tokens import TokenEncoder
from gruforecast.network import Windows

Encoder = InputEncoder | TokenEncoder


class Material(NamedTuple):
    """What a network reads, and the window of every row in it."""

    series: np.ndarray  # (rows with their context, width)
    starts: np.ndarray  # (n,)
    lengths: np.ndarray  # (n,)
    n_steps: int
    carried: Carried
    bounds: np.ndarray  # (S + 1,) of the series, with their context
    numbers: np.ndarray  # (rows with their context,) the caller's, -1 for context

    def windows(self, numbers: np.ndarray, dtype: str, withheld: int = 0) -> Windows:
        """Windows of these rows, without the newest steps that are withheld."""
        lengths = np.maximum(self.lengths[numbers] - withheld, 0)
        starts = self.starts[numbers]
        return Windows(
            self.series, starts, self.n_steps, lengths=lengths, dtype=dtype,
            row_numbers=self.numbers,
        )  # fmt: skip


@dataclass(frozen=True)
class Samples:
    """Rows that are complete windows: each is a stretch of ``values`` of its own."""

    values: np.ndarray  # (steps of all windows, F), window after window
    bounds: np.ndarray  # (n + 1,)
    n_steps: int  # of a full window

    @property
    def n(self) -> int:
        return len(self.bounds) - 1

    @property
    def order(self) -> np.ndarray:
        """The caller's number of each row."""
        return np.arange(self.n)

    @property
    def codes(self) -> np.ndarray:
        """The series that each row belongs to."""
        return np.zeros(self.n, np.int64)

    def newest(self) -> np.ndarray:
        """Values of the last step of every window (n, F); NaN for a window without any."""
        out = np.full((self.n, self.values.shape[1]), np.nan)
        filled = np.diff(self.bounds) > 0
        out[filled] = self.values[self.bounds[1:][filled] - 1]
        return out

    def for_scaling(
        self, split: Split, weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Values that scaling may look at, and their weights."""
        used = np.zeros(self.n)
        used[split.training] = weights[split.training]
        used = np.repeat(used, np.diff(self.bounds))
        return self.values[used > 0], used[used > 0]

    def material(self, encoder: Encoder, context: Context, rule: str, *, warn: bool) -> Material:
        series, carried = encoder.encode(self.values, self.bounds)
        if not len(series):  # windows without any value still need rows to point at
            series = np.zeros((1, encoder.width), series.dtype)
        lengths = np.diff(self.bounds)
        numbers = np.repeat(np.arange(self.n), lengths)
        starts = self.bounds[:-1]
        return Material(series, starts, lengths, self.n_steps, carried, self.bounds, numbers)

    def context(self, material: Material, earlier: Context) -> Context:
        """Windows that are complete leave nothing behind."""
        return earlier


@dataclass(frozen=True)
class Steps:
    """Rows that are consecutive steps, series after series; no window crosses from one to next."""

    values: np.ndarray  # (n, F)
    segments: Segments
    stamps: list[pd.Index | None]  # (S,) of the rows of each series
    lookback: int

    @property
    def n(self) -> int:
        return len(self.values)

    @property
    def order(self) -> np.ndarray:
        """The caller's number of each row."""
        return self.segments.order

    @cached_property
    def codes(self) -> np.ndarray:
        """The series that each row belongs to."""
        return np.repeat(np.arange(len(self.stamps)), np.diff(self.segments.bounds))

    @property
    def n_steps(self) -> int:
        """Steps of the longest window."""
        return self.lookback

    def newest(self) -> np.ndarray:
        """Values of the last step of every window (n, F), in the caller's order."""
        out = np.empty(self.values.shape)
        out[self.order] = self.values
        return out

    def for_scaling(
        self, split: Split, weights: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Values that scaling may look at; a step counts whether or not its row trains."""
        return self.values[split.past], None

    def series(self) -> Iterator[tuple[Any, np.ndarray, pd.Index | None]]:
        """Name, values and stamps of each series."""
        names, bounds = self.segments.names, self.segments.bounds
        for name, a, b, stamps in zip(names, bounds[:-1], bounds[1:], self.stamps, strict=True):
            yield name, self.values[a:b], stamps

    def material(self, encoder: Encoder, context: Context, rule: str, *, warn: bool) -> Material:
        """Every series behind the tail that belongs before it, and the windows that end in it."""
        histories = context.before(self, rule, warn=warn)
        carried = Carried.nothing(len(histories), self.values.shape[1])
        for s, (tail, _) in enumerate(histories):
            if tail is not None:
                carried.values[s], carried.since[s] = tail.newest, tail.since
        bounds = self.segments.bounds
        series, after = encoder.encode(self.values, bounds, carried=carried)
        ahead = np.array([0 if tail is None else len(tail.rows) for tail, _ in histories])
        if ahead.any():
            known = [tail.rows for tail, _ in histories if tail is not None]
            series = np.insert(series, np.repeat(bounds[:-1], ahead), np.concatenate(known), axis=0)
        joined = bounds + np.concatenate([[0], np.cumsum(ahead)])
        ends = np.arange(self.n) + np.cumsum(ahead)[self.codes] + 1
        lengths = np.minimum(ends - joined[:-1][self.codes], self.lookback)
        starts = ends - lengths
        for s, (tail, n_cold) in enumerate(histories):
            if tail is not None and n_cold:  # rows that repeat the first training rows
                rows = slice(bounds[s], bounds[s] + n_cold)
                cold, _ = encoder.encode(self.values[rows], np.array([0, n_cold]))
                starts[rows], lengths[rows] = len(series), np.arange(1, n_cold + 1)
                series = np.concatenate([series, cold])
        numbers = np.full(len(series), -1)
        numbers[ends - 1] = self.order
        n_steps = int(lengths.max())  # no longer than there are rows
        return Material(series, starts, lengths, n_steps, after, joined, numbers)

    def context(self, material: Material, earlier: Context) -> Context:
        """What these rows leave for those that follow them."""
        return earlier.after(self, material)
