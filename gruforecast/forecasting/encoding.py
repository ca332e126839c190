"""From rows of series to what a network reads, and to what it is asked.

A row holds the newest value, its age and the stamps left out before it, the covariates, and the
number of its series. Scales are those of each series on training rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gruforecast.forecasting.block import Block
from gruforecast.forecasting.calendar import calendar_features
from gruforecast.forecasting.covariates import ColumnsEncoder
from gruforecast.network import Windows


@dataclass(frozen=True)
class SeriesScaling:
    """Center and scale of each training series by name."""

    scales: dict[Any, tuple[float, float]]
    low: float  # the least value of a target; with one, values are measured in their mean
    is_on: bool

    @classmethod
    def fit(cls, block: Block, used: np.ndarray, low: float, *, scale: bool) -> SeriesScaling:
        """Learn from the rows that are used (n,)."""
        empty = cls({}, low, scale)
        center, width = empty.measure(np.where(used, block.panel.values, np.nan), block.panel)
        pairs = zip(center.tolist(), width.tolist(), strict=True)
        return cls(dict(zip(block.panel.names, pairs, strict=True)), low, scale)

    def of_rows(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Center and scale of every row (n,); series that training did not see have their own."""
        panel = block.panel
        center, scale = self.measure(panel.values, panel)
        for s, name in enumerate(panel.names):
            if name in self.scales:
                center[s], scale[s] = self.scales[name]
        return center[panel.codes], scale[panel.codes]

    def measure(self, values: np.ndarray, panel: Any) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation of each series (S,), or a floor and the mean above it."""
        if not self.is_on:
            return np.zeros(panel.n_series), np.ones(panel.n_series)
        codes, known = panel.codes, ~np.isnan(values)
        count = np.maximum(np.bincount(codes[known], minlength=panel.n_series), 1)

        def mean(numbers: np.ndarray) -> np.ndarray:
            return np.bincount(codes[known], numbers[known], minlength=panel.n_series) / count

        with np.errstate(over="ignore", invalid="ignore"):
            center = mean(values)
            spread = np.sqrt(mean((values - center[codes]) ** 2))
        if not np.isfinite(spread).all():
            at = int(np.argmin(np.isfinite(spread)))
            name = panel.names[at]
            raise ValueError(
                f"series: expected numbers whose spread is finite, got up to "
                f"{np.nanmax(np.abs(values[codes == at])):.3g}"
                f"{'' if name is None else f' in series {name!r}'}; scale or correct it."
            )
        if np.isfinite(self.low):
            above = np.where(center > self.low, center - self.low, 1.0)
            return np.full(panel.n_series, self.low), above
        is_flat = spread <= 10 * np.finfo(np.float64).eps * np.abs(center)
        return center, np.where(is_flat, 1.0, spread)


@dataclass(frozen=True)
class Encoded:
    """Rows as a network reads them."""

    rows: np.ndarray  # (n, width)
    starts: np.ndarray  # (n,) of the window of each row
    lengths: np.ndarray  # (n,)
    future: np.ndarray | None  # (K, C) what is known of stamps to come
    future_starts: np.ndarray | None  # (n,) the stamp after each row
    center: np.ndarray  # (n,) of its series
    scale: np.ndarray  # (n,)
    dtype: str

    def windows(self, numbers: np.ndarray, n_steps: int) -> Windows:
        """Windows that end in these rows."""
        known = {}
        if self.future is not None and self.future_starts is not None:
            known = {"future": self.future, "future_starts": self.future_starts[numbers]}
        return Windows(
            self.rows, self.starts[numbers], n_steps, lengths=self.lengths[numbers],
            dtype=self.dtype, **known,
        )  # fmt: skip


@dataclass(frozen=True)
class SeriesEncoder:
    """What is learnt from training rows about how to read rows."""

    scaling: SeriesScaling
    has_age: bool  # of values that are carried forward
    has_gap: bool  # number of stamps left out before a row
    past: ColumnsEncoder | None
    known: ColumnsEncoder | None
    static: ColumnsEncoder | None
    calendar: tuple[str, ...]
    calendar_encoding: str
    embedded: dict[Any, int]  # number of each series in the table of embeddings
    lookback: int
    dtype: str

    @classmethod
    def fit(
        cls, block: Block, used: np.ndarray, settings: Any, lookback: int, low: float
    ) -> SeriesEncoder:
        """Learn from the rows that are used (n,), and from nothing else."""
        panel, mask = block.panel, settings.missing == "mask"
        known = past = static = None
        if block.known is not None:
            at_rows = block.known.iloc[block.at[used]]
            known = ColumnsEncoder.fit("covariates", at_rows, settings)
        if block.past is not None:
            past = ColumnsEncoder.fit("past_covariates", block.past[used], settings)
        if block.static is not None:
            static = ColumnsEncoder.fit("static", block.static, settings)
        size = settings.series_embedding_size
        return cls(
            scaling=SeriesScaling.fit(block, used, low, scale=settings.normalize != "none"),
            has_age=bool(mask and np.isnan(panel.values[used]).any()),
            has_gap=bool(mask and block.gaps()[used].any()),
            past=past,
            known=known,
            static=static,
            calendar=settings.calendar,
            calendar_encoding=settings.calendar_encoding,
            embedded={} if size is None else {name: s for s, name in enumerate(panel.names)},
            lookback=lookback,
            dtype=settings.dtype,
        )

    @property
    def has_future(self) -> bool:
        """Whether anything is known of stamps to come."""
        return self.known is not None or bool(self.calendar)

    def encode(self, block: Block) -> Encoded:
        """Rows and windows of a block."""
        panel = block.panel
        center, scale = self.scaling.of_rows(block)
        values, age = block.carried()
        columns = [np.nan_to_num((values - center) / scale)[:, None]]
        self._check_size(columns[0], panel.values)
        if self.has_age:
            columns.append((age / (1 + age))[:, None])
        if self.has_gap:
            gaps = block.gaps()
            columns.append((gaps / (1 + gaps))[:, None])
        if self.past is not None and block.past is not None:
            columns.append(self.past.encode(block.past, panel.bounds))
        future = self._future(block)
        if future is not None:
            columns.append(future[block.at])
        if self.static is not None and block.static is not None:
            of_series = self.static.encode(block.static, np.arange(panel.n_series + 1))
            columns.append(of_series[panel.codes])
        if self.embedded:
            numbers = np.array([self.embedded.get(name, -1) for name in panel.names])
            columns.append(numbers[panel.codes][:, None])
        begin = panel.bounds[:-1][panel.codes]
        ends = np.arange(panel.n) + 1
        lengths = np.minimum(ends - begin, self.lookback)
        return Encoded(
            rows=np.concatenate(columns, axis=1, dtype=self.dtype),
            starts=ends - lengths,
            lengths=lengths,
            future=None if future is None else future.astype(self.dtype),
            future_starts=None if future is None else block.at + 1,
            center=center,
            scale=scale,
            dtype=self.dtype,
        )

    def _future(self, block: Block) -> np.ndarray | None:
        """Covariates and calendar at every stamp of the block and those that follow (K, C)."""
        parts = []
        if self.known is not None and block.known is not None:
            parts.append(self.known.encode(block.known, block.stamp_bounds))
        if self.calendar:
            found = [
                calendar_features(stamps, self.calendar, self.calendar_encoding)[0]
                for stamps in block.all_stamps
            ]
            parts.append(np.concatenate(found))
        return np.concatenate(parts, axis=1) if parts else None

    def _check_size(self, scaled: np.ndarray, values: np.ndarray) -> None:
        too_large = np.abs(scaled[:, 0]) > np.finfo(self.dtype).max
        if too_large.any():
            raise ValueError(
                f"series: expected numbers that are finite in {self.dtype} when scaled, got "
                f"{values[int(np.argmax(too_large))]}; correct it or choose dtype='float64'."
            )


def rows_ahead(block: Block, horizon: int) -> np.ndarray:
    """The row that stands ``h`` steps after each row (n, horizon); -1 where there is none."""
    panel = block.panel
    out = np.full((panel.n, horizon), -1)
    for a, b in zip(panel.bounds[:-1], panel.bounds[1:], strict=True):
        places = block.positions[a:b]
        for h in range(1, horizon + 1):
            at = np.minimum(np.searchsorted(places, places + h), len(places) - 1)
            out[a:b, h - 1] = np.where(places[at] == places + h, a + at, -1)
    return out


def values_at(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Values of numbered rows; NaN for -1."""
    return np.where(rows < 0, np.nan, values[rows])
