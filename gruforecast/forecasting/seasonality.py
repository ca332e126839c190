"""A season that is taken out of what a network reads and put back into what it says.

"difference": values are differences from the season before, and the step h after a row is told as
its difference from the newest value at its phase that the row knows. "multiplicative": values are
divided by an index of their phase, by the classical decomposition of training rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from gruforecast.forecasting.block import Block
from gruforecast.forecasting.line import Line
from gruforecast.foundations.stored import stored

LEAST_SEASONS = 2  # that a series needs for indices of its own
FILLINGS = 3  # rounds in which what is missing is filled by trend and index


class Season(NamedTuple):
    """What belongs to the rows of a block: forecast = factor * what is learnt + base."""

    base: np.ndarray | None  # (m,) newest value at the phase of each place of a line
    line: Line
    fallback: np.ndarray | None  # (n,) where no value was seen at a phase
    indices: np.ndarray | None  # (I, season) of phases
    which: np.ndarray | None  # (n,) the indices of each row
    positions: np.ndarray  # (n,)

    def of(self, rows: np.ndarray, *, fill: bool) -> tuple[Any, Any]:
        """Base and factor, (n, H) or a number, of the steps after some rows (n,).

        A base is NaN where nothing is known of the phase; ``fill`` takes the newest value then.
        """
        steps = np.arange(self.line.horizon)
        if self.base is not None:
            base = self.line.season_up_to(self.base, rows)
            if fill:
                assert self.fallback is not None
                base = np.where(np.isnan(base), self.fallback[rows, None], base)
            return base[:, steps % self.line.period], 1.0
        assert self.indices is not None
        assert self.which is not None
        phases = self.positions[rows, None] + 1 + steps
        return 0.0, self.indices[self.which[rows, None], phases % self.indices.shape[1]]


@stored("Seasonality")
@dataclass(frozen=True)
class Seasonality:
    """How a season is taken out; indices of each training series by name and phase."""

    kind: str  # "none", "difference" or "multiplicative"
    season: int
    indices: dict[Any, np.ndarray]  # (season,) each

    def learn(self, block: Block, used: np.ndarray) -> Seasonality:
        """With the indices of series that are new, from their rows that are used (n,)."""
        if self.kind != "multiplicative":
            return self
        indices = dict(self.indices)
        for name, (a, b) in zip(block.panel.names, block.panel.pairs(), strict=True):
            if name not in indices:
                values = np.where(used[a:b], block.panel.values[a:b], np.nan)
                indices[name] = seasonal_indices(values, block.positions[a:b], self.season)
        return replace(self, indices=indices)

    def shifted(self, steps: int) -> Seasonality:
        """For positions that are so many steps less than those of before."""
        moved = {name: np.roll(own, -steps) for name, own in self.indices.items()}
        return replace(self, indices=moved)

    def check(self, block: Block, used: np.ndarray, low: float) -> None:
        """Whether the rows that are used (n,) let a season be taken out at all."""
        if self.kind == "none":
            return
        if self.season < 2:
            raise ValueError(
                f"seasonal: expected 'none' for series without a season, got {self.kind!r}; pass "
                f"season=, or a frequency that has one."
            )
        panel = block.panel
        if self.kind == "difference":
            if np.isfinite(low):
                raise ValueError(
                    f"seasonal: expected 'none' or 'multiplicative' with a loss whose values are "
                    f"at least {low:g}, as differences may be less, got 'difference'; choose "
                    f"another."
                )
            if not self.ready(block)[used].any():
                raise ValueError(
                    f"seasonal: expected more than {self.season} rows (season={self.season}) that "
                    f"train, got {int(panel.lengths.max())} with those that judge; pass more rows "
                    f"or set seasonal='none'."
                )
            return
        is_long = False
        for name, (a, b) in zip(panel.names, panel.pairs(), strict=True):
            values, places = panel.values[a:b][used[a:b]], block.positions[a:b][used[a:b]]
            if len(values) and np.nanmin(values, initial=np.inf) <= 0:
                of = "" if name is None else f" in series {name!r}"
                raise ValueError(
                    f"seasonal: expected values above 0 with 'multiplicative', got "
                    f"{np.nanmin(values):g}{of}; set seasonal='difference' or 'none'."
                )
            is_long |= len(values) > 0 and _spans_enough(places, self.season)
        if not is_long:
            raise ValueError(
                f"seasonal: expected {LEAST_SEASONS} seasons of rows that train (season="
                f"{self.season}), got {int(panel.lengths.max())} rows with those that judge; pass "
                f"more rows or set seasonal='none'."
            )

    def ready(self, block: Block) -> np.ndarray:
        """Rows (n,) of which enough is known to tell what follows them."""
        if self.kind != "difference":
            return np.ones(block.panel.n, bool)
        return np.asarray(~np.isnan(self.adjust(block, 1)[0].carried()[0]))

    def adjust(self, block: Block, horizon: int) -> tuple[Block, Season | None]:
        """A block whose values lack the season, and what puts it back into forecasts."""
        if self.kind == "none":
            return block, None
        panel = block.panel
        line = Line.of(block, horizon, self.season)
        if self.kind == "difference":
            base = line.carried_by_phase(line.spread(panel.values))
            values = panel.values - base[line.place - self.season]
            newest = np.nan_to_num(block.carried()[0])
            season = Season(base, line, newest, None, None, block.positions)
        else:
            indices, which = self._of_rows(block)
            values = panel.values / indices[which, block.positions % self.season]
            season = Season(None, line, None, indices, which, block.positions)
        return replace(block, panel=replace(panel, values=values)), season

    def _of_rows(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Tables of indices (I, season), and which of them (n,) belongs to each row.

        Those of a series that training did not see are from its first seasons, and ones before
        these are over: what follows a row has no part in its forecast.
        """
        panel = block.panel
        tables, which = [np.ones(self.season)], np.zeros(panel.n, np.int64)
        for name, (a, b) in zip(panel.names, panel.pairs(), strict=True):
            begin = 0
            own = self.indices.get(name)
            if own is None:
                places = block.positions[a:b]
                begin = int(np.searchsorted(places, places[0] + LEAST_SEASONS * self.season))
                own = seasonal_indices(panel.values[a : a + begin], places[:begin], self.season)
            which[a + begin : b] = len(tables)
            tables.append(own)
        return np.array(tables), which

    def first_told_by(self, positions: np.ndarray, values: np.ndarray, row: int) -> int:
        """The earliest row that the rows of one series (m,) from ``row`` on are told by."""
        if self.kind != "difference":
            return row
        return first_of_phases(positions, values, row, self.season)


def first_of_phases(positions: np.ndarray, values: np.ndarray, row: int, season: int) -> int:
    """The earliest row of one series (m,) with the newest value of a phase before ``row``."""
    before = np.flatnonzero(~np.isnan(values[:row]))
    newest = np.full(season, row)
    newest[positions[before] % season] = before
    return int(newest.min(initial=row))


def seasonal_indices(values: np.ndarray, positions: np.ndarray, season: int) -> np.ndarray:
    """Indices (season,) by phase of a series (m,): ratios to a centred mean, with a mean of one.

    Ones where two seasons are not at hand, or values are not all above zero.
    """
    ones = np.ones(season)
    known = np.flatnonzero(~np.isnan(values))
    if not len(known) or values[known].min() <= 0 or not _spans_enough(positions, season):
        return ones
    kept = slice(known[0], known[-1] + 1)
    values, positions = values[kept], positions[kept]
    n_places = int(positions[-1] - positions[0]) + 1
    if n_places > LEAST_SEASONS * season * len(values):  # next to nothing was observed
        return ones
    line = np.full(n_places, np.nan)
    line[positions - positions[0]] = values
    is_there = ~np.isnan(line)
    at = np.arange(n_places)
    phases = (positions[0] + at) % season
    filled = np.interp(at, at[is_there], line[is_there])
    weights = np.ones(season + 1 - season % 2)
    if season % 2 == 0:
        weights[[0, -1]] = 0.5
    if n_places < len(weights):
        return ones
    half = len(weights) // 2
    for _ in range(1 if is_there.all() else FILLINGS):
        trend = sliding_window_view(filled, len(weights)) @ (weights / season)
        inner = slice(half, half + len(trend))
        ratios = np.where(is_there[inner], line[inner] / trend, np.nan)
        seen = ~np.isnan(ratios)
        totals = np.bincount(phases[inner][seen], ratios[seen], minlength=season)
        counts = np.bincount(phases[inner][seen], minlength=season)
        found = np.where(counts > 0, totals / np.maximum(counts, 1), 1.0)
        found = found / found.mean()
        of_all = np.interp(at, at[inner], trend)
        filled = np.where(is_there, line, of_all * found[phases])
    return np.asarray(found)


def _spans_enough(positions: np.ndarray, season: int) -> bool:
    """Whether rows at these positions reach over two seasons."""
    return len(positions) > 0 and positions[-1] - positions[0] + 1 >= LEAST_SEASONS * season
