"""What forecasts are measured from: an average of the simplest ones, which a network adds to.

Each of them is known from the rows up to a row alone. How much it counts for a series is learnt
from its errors on rows of training, so that where nothing else is to be learnt forecasts are
hardly worse than the best of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from gruforecast.forecasting.block import Block
from gruforecast.forecasting.line import Line, parts
from gruforecast.forecasting.panel import Panel
from gruforecast.forecasting.scaling import SeriesScaling, mean_of_windows
from gruforecast.forecasting.seasonality import first_of_phases
from gruforecast.foundations.stored import stored

SEASONS = 4  # of which the mean of each phase is taken
LEAST_POWER, MOST_POWER = 4.0, 16.0  # of an error, by which its forecast counts less
MOST_ORIGINS = 400  # of a series, from which forecasts are compared
FEW = 5  # parts of a window, of which the newest is a few rows
# Kinds without a season: newest value; means of the window, of all rows, of the newest few; and,
# with a slope of the newest rows, newest value and line through these rows.
WITHOUT_SEASON, SLOPING = 6, slice(4, 6)
# Kinds with one: the season itself, newest or mean of some, and what is added to it.
SEASONAL = np.array([
    [1, 0],  # newest: nothing
    [0, 1],  # mean: nothing
    [0, 1],  # mean: level of the newest season above that of some
    [1, 0],  # newest: newest value above that of a season ago
    [1, 0],  # newest: mean of the newest quarter above that of a season ago
    [1, 0],  # newest: growth since the season before, for every season ahead
    [0, 1],  # mean: level of the newest season above that of some, and growth of some
], float)  # fmt: skip
GROWING = slice(WITHOUT_SEASON + 5, WITHOUT_SEASON + 7)
TINY = np.finfo(np.float64).tiny


class Simple(NamedTuple):
    """The simplest forecasts after every row, K kinds: a level, a slope, what is added by phase."""

    line: Line
    levels: np.ndarray  # (n, K)
    slope: np.ndarray  # (n,) of the newest rows, a step
    growth: np.ndarray  # (n, 2) a season: of the newest, and of the newest two, on those before
    seasons: np.ndarray | None  # (m, 2) newest and mean season at each place of the line
    last: np.ndarray  # (n,) in place of a phase of which nothing is known

    def of(self, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Averages (n, H) of the forecasts after some rows, weighted by (n, K) or (K,)."""
        # One kind after the other: no other row has a part in how a sum is rounded.
        levels, steps, period = self.levels[rows], np.arange(self.line.horizon), self.line.period
        level, shares = np.zeros((len(rows), 1)), np.zeros((len(rows), 2))
        for k in range(levels.shape[1]):
            level[:, 0] += levels[:, k] * weights[..., k]
        slope = self.slope[rows] * weights[..., SLOPING].sum(axis=-1)
        out = level + slope[:, None] * (steps + 1)
        if self.seasons is None:
            return np.asarray(out)
        growth = (self.growth[rows] * weights[..., GROWING]).sum(axis=-1)
        out += growth[:, None] * (steps // period + 1)
        for k, of_kind in enumerate(SEASONAL, start=WITHOUT_SEASON):
            shares += weights[..., k, None] * of_kind
        for column, share in zip(self.seasons.T, shares.T, strict=True):
            season = self.line.season_up_to(column, rows)
            season = _or(season, self.last[rows, None])
            out += (share[:, None] * season)[:, steps % period]
        return np.asarray(out)


@stored("Baseline")
@dataclass(frozen=True)
class Baseline:
    """The weights of the simplest forecasts, and the mean of each training series by name."""

    season: int
    lookback: int
    horizon: int
    means: dict[Any, float]
    weights: dict[Any, np.ndarray]  # (K,) each
    usual: np.ndarray  # (K,) of series that training did not see

    @classmethod
    def fit(
        cls, block: Block, used: np.ndarray, lookback: int, horizon: int, season: int | None
    ) -> Baseline:
        """Learn from the rows that are used (n,), and from nothing else."""
        n_kinds = WITHOUT_SEASON + (len(SEASONAL) if (season or 1) > 1 else 0)
        equal = np.full(n_kinds, 1.0 / n_kinds)
        return cls(season or 1, lookback, horizon, {}, {}, equal).learn(block, used)

    def learn(self, block: Block, used: np.ndarray) -> Baseline:
        """With means and weights of series that are new, from their rows that are used (n,)."""
        panel, means, weights = block.panel, dict(self.means), dict(self.weights)
        simple = replace(self, means={}).simple(block)  # each from the rows before it
        wanted = simple.line.spread(np.where(used, panel.values, np.nan))
        is_origin = simple.line.has_ahead(~np.isnan(wanted)) & ~np.isnan(block.carried()[0])
        for name, (a, b) in zip(panel.names, panel.pairs(), strict=True):
            own = panel.values[a:b][used[a:b]]
            if name in weights or np.isnan(own).all():
                continue
            means[name], weights[name] = float(np.nanmean(own)), self.usual
            rows = a + np.flatnonzero(is_origin[a:b])
            if len(rows):
                errors = _errors(simple, _thinned(rows), wanted, len(self.usual))
                power = np.clip(len(rows) / self.horizon, LEAST_POWER, MOST_POWER)
                relative = errors / (errors.max() or 1.0)
                shares = ((relative.min() + TINY) / (relative + TINY)) ** power
                weights[name] = shares / shares.sum()
        usual = np.mean(list(weights.values()), axis=0) if weights else self.usual
        return replace(self, means=means, weights=weights, usual=usual)

    def learn_anew(self, block: Block, used: np.ndarray) -> Baseline:
        """The same for all series of a block, whatever was known of them."""
        names = set(block.panel.names)
        means = {name: mean for name, mean in self.means.items() if name not in names}
        weights = {name: own for name, own in self.weights.items() if name not in names}
        return replace(self, means=means, weights=weights).learn(block, used)

    @property
    def is_seasonal(self) -> bool:
        return len(self.usual) > WITHOUT_SEASON

    @property
    def reach(self) -> int:
        """Rows up to the newest that forecasts are made from, if each phase is known in them."""
        return max(self.lookback, SEASONS * self.season if self.is_seasonal else 2)

    @property
    def span(self) -> int:
        """Rows of a mean that a slope is told from, by that of as many rows before them."""
        is_long = self.is_seasonal and self.lookback >= 2 * self.season
        return self.season if is_long else max(1, self.lookback // 2)

    def first_told_by(self, positions: np.ndarray, values: np.ndarray, row: int) -> int:
        """The earliest row that the rows of one series (m,) from ``row`` on are told by."""
        return first_of_phases(positions, values, row, self.season) if self.is_seasonal else row

    def simple(self, block: Block) -> Simple:
        """The simplest forecasts after the rows of a block."""
        n = block.panel.n
        line = Line.of(block, self.horizon, self.season)
        observed = line.spread(block.panel.values)
        last = np.nan_to_num(block.carried()[0])
        levels, slope = self._without_season(block, line, observed, last)
        seasons, growth = None, np.zeros((n, 2))
        if self.is_seasonal:
            added, seasons, growth = self._seasonal(line, observed, last)
            levels += added
        levels = np.nan_to_num(np.stack(levels, axis=1))
        return Simple(line, levels, slope, growth, seasons, last)

    def _without_season(
        self, block: Block, line: Line, observed: np.ndarray, last: np.ndarray
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """Levels (n,) after each row of the kinds without a season, and the slope of some (n,)."""
        names, codes, span = block.panel.names, block.panel.codes, self.span
        lengths = block.window_lengths(self.lookback)
        window = mean_of_windows(last, np.zeros(len(last)), lengths, 1)
        means = np.array([self.means.get(name, np.nan) for name in names])[codes]
        so_far = SeriesScaling({}, -np.inf, True).of_rows(block)[0]
        few = line.mean_up_to(observed, max(1, self.lookback // FEW))
        slope = _change(line, observed, span) / span
        on_line = line.mean_up_to(observed, span) + slope * (span - 1) / 2
        of_all, few, on_line = _or(means, so_far), _or(few, last), _or(on_line, last)
        return [last, window, of_all, few, last, on_line], np.nan_to_num(slope)

    def _seasonal(
        self, line: Line, observed: np.ndarray, last: np.ndarray
    ) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        """Levels (n,) that are added to a season, both seasons (m, 2) and growths (n, 2)."""
        period, half, none = self.season, SEASONS // 2, np.zeros(len(last))
        newest = line.carried_by_phase(observed)
        level = line.mean_up_to(observed, period) - line.mean_up_to(observed, SEASONS * period)
        quarter = max(1, period // 4)
        change = line.mean_up_to(observed, quarter) - line.mean_up_to(observed, quarter, period)
        moved = last - newest[line.place - period]
        growth = _change(line, observed, period)
        of_some = _change(line, observed, half * period) / half
        of_some = _or(of_some, growth)
        seasons = np.stack([newest, _mean_of_phases(line, newest)], axis=1)
        levels = [none, none, level, moved, change, none, level]
        return levels, seasons, np.nan_to_num(np.stack([growth, of_some], axis=1))

    def weights_of(self, panel: Panel) -> np.ndarray:
        """How much each of the simplest forecasts counts after the rows of a panel (n, K)."""
        table = np.array([self.weights.get(name, self.usual) for name in panel.names])
        return np.asarray(table[panel.codes])


def _or(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The first, or the other where that is not known."""
    return np.asarray(np.where(np.isnan(one), other, one))


def _change(line: Line, observed: np.ndarray, span: int) -> np.ndarray:
    """Mean of the newest places up to each row (n,) less that of as many before; NaN: unknown."""
    newer, older = line.mean_up_to(observed, span), line.mean_up_to(observed, span, span)
    return np.asarray(np.where(line.reaches(observed, 2 * span), newer - older, np.nan))


def _thinned(rows: np.ndarray) -> np.ndarray:
    """Rows from the first to the last, of which there are not too many."""
    n = min(len(rows), MOST_ORIGINS)
    return np.asarray(rows[np.linspace(0, len(rows) - 1, n).astype(int)])


def _errors(simple: Simple, rows: np.ndarray, wanted: np.ndarray, n_kinds: int) -> np.ndarray:
    """Mean absolute error (K,) of each of the simplest forecasts after some rows."""
    totals, count = np.zeros(n_kinds), 0
    for part in parts(len(rows), simple.line.horizon):
        error = simple.line.ahead(wanted, rows[part])
        known = ~np.isnan(error)
        count += int(known.sum())
        for kind, weights in enumerate(np.eye(n_kinds)):
            totals[kind] += np.abs(error - simple.of(rows[part], weights))[known].sum()
    return np.asarray(totals / max(count, 1))


def _mean_of_phases(line: Line, value: np.ndarray) -> np.ndarray:
    """Mean of the newest values at each place's phase in the last seasons (m,)."""
    total, count = np.zeros(len(value)), np.zeros(len(value))
    places = np.arange(len(value))
    for age in range(SEASONS):
        at = places - age * line.period
        found = np.where(at >= line.begin, value[np.maximum(at, 0)], np.nan)
        known = ~np.isnan(found)
        total[known] += found[known]
        count += known
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
