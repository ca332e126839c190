"""Bounds that hold what they promise: split conformal per step of the forecast, and adaptive.

Errors on rows that did not train are measured in units of the spread that the network gives each
forecast (the scale of the series for losses that know no spread), step by step. Bounds are the
forecast plus quantiles of these scores times its spread, so they are in the units of the series
and those of a higher level enclose those of a lower one. Some series, and some phases of a season,
err more than others: that is taken out of the scores and put back into the bounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from gruforecast.forecasting.relative import TINY, by_group, relative_sizes
from gruforecast.foundations.stored import stored
from gruforecast.training.losses import Loss

MOST_SCORES = 2000  # of a step that are kept; of more, that many order statistics
ADAPTATION = 0.01  # how far a miss moves the level of an adaptive bound
EXTENSION = 5.0  # how fast a bound grows beyond the largest score when misses go on
LEAST_SCORES = 2  # of a step, below which there are no bounds
LEAST_ROWS = 40  # of a series that bounds are learnt from, where there are as many
COVERAGE_LEVELS = (80.0, 95.0)
USUAL_SHARE = 0.8  # of a distribution, whose range is its spread
OF_NORMAL = np.sqrt(np.pi / 2)  # deviation of a normal variable in units of its mean size
LEAST = 1e-6  # the smallest share beyond a bound
ROUNDING = 1e-9


class Part(NamedTuple):
    """What one network says of the steps that follow some rows."""

    weight: float  # how much it counts
    raw: np.ndarray  # (n, K)
    center: np.ndarray  # (n, H) or (n, 1), of what follows
    scale: np.ndarray


@dataclass(frozen=True)
class Forecasts:
    """Mean and spread of forecasts, in the units of the series."""

    mean: np.ndarray  # (n, H)
    below: np.ndarray  # (n, H) spread towards lower values
    above: np.ndarray  # (n, H)

    @classmethod
    def of(
        cls, loss: Loss, each: Iterable[Part], baseline: np.ndarray, scale: np.ndarray
    ) -> Forecasts:
        """From what each network says; if that does not count for all, the baseline does.

        Baseline and usual scale of what follows have the shape (n, H) or (n, 1).
        """
        parts, rest = None, 1.0
        for one in each:
            if one.weight > 0:
                said = loss.transform(one.raw.astype(np.float64))
                own = one.weight * loss.rescale(said, one.center, one.scale)
                parts, rest = own if parts is None else parts + own, rest - one.weight
        if parts is None:
            parts = baseline
        elif rest > ROUNDING:
            parts = parts + rest * baseline
        mean = loss.point(parts)
        least = np.broadcast_to(1e-3 * scale, mean.shape)
        if loss.quantiles is not None and len(loss.quantiles) > 1:
            below, above = mean - parts[..., 0], parts[..., -1] - mean
            one_sided = np.maximum(below, above)
            below = one_sided if loss.quantiles[0] >= 0.5 else below
            above = one_sided if loss.quantiles[-1] <= 0.5 else above
        elif loss.distribution is not None:
            found = loss.distribution(parts)
            if np.isfinite(loss.low):
                below = above = found.std()
            else:  # which a tail may make infinite
                low, high = found.interval(USUAL_SHARE)
                below, above = mean - low, high - mean
        else:
            spread = np.broadcast_to(scale, mean.shape)
            return cls(mean, spread, spread)
        return cls(mean, np.maximum(below, least), np.maximum(above, least))

    def at_least(self, first: Forecasts) -> Forecasts:
        """With no less spread than the last step of the ``first`` ones, which saw real values."""
        below = np.maximum(self.below, first.below[:, -1:])
        return replace(self, below=below, above=np.maximum(self.above, first.above[:, -1:]))

    def scores(self, actual: np.ndarray) -> np.ndarray:
        """Errors (n, H) in units of the spread; NaN where the actual value is missing."""
        error = np.subtract(actual, self.mean)
        spread = self.above
        if self.below is not self.above:
            spread = np.where(error < 0, self.below, self.above)
        error /= spread
        return np.asarray(error)


@stored("Calibration")
@dataclass(frozen=True)
class Calibration:
    """Scores of forecasts that training knew nothing of."""

    scores: np.ndarray  # (H, M) of each step, sorted, then NaN
    counts: np.ndarray  # (H,) of scores
    size: np.ndarray  # (H,) mean absolute score
    of_series: dict[Any, float]  # size of its scores beside those of all
    of_phases: np.ndarray  # (season,) the same for the phases of a season that are foretold
    of_origins: np.ndarray  # (season,) and for those from which it is foretold
    coverage: dict[float, float]  # of bands from the older half of the rows, on the newer half

    @classmethod
    def learn(
        cls,
        scores: np.ndarray,
        codes: np.ndarray,
        positions: np.ndarray,
        names: list[Any],
        season: int | None,
    ) -> Calibration | None:
        """From scores (n, H) of rows in the order of time, their series and positions (n,).

        The newer half tells most of what is to come; the older one shows what bands are worth.
        Scores count with either sign: the bias of a tail is seldom that of what follows.
        """
        if (~np.isnan(scores)).sum(axis=0).min() < LEAST_SCORES:
            return None

        def from_rows(rows: np.ndarray) -> Calibration:
            return cls.of_scores(scores[rows], codes[rows], positions[rows], names, season)

        latest = newest(codes, 0.5, LEAST_ROWS)
        if (~np.isnan(scores[latest])).sum(axis=0).min() < LEAST_SCORES:
            latest[:] = True
        found = from_rows(latest)
        newer = newest(codes, 0.5, 1)
        if (~np.isnan(scores[~newer])).any(axis=0).all():
            half = from_rows(~newer)
            at = codes[newer], positions[newer]
            scaled = scores[newer] / half.weights(names, *at, scores.shape[1])
            known = ~np.isnan(scaled)
            for level in COVERAGE_LEVELS if known.any() else ():
                low, high = half.quantiles(level)
                inside = (scaled >= low) & (scaled <= high)
                found.coverage[level] = float(inside[known].mean())
        return found

    @classmethod
    def of_scores(
        cls,
        scores: np.ndarray,
        codes: np.ndarray,
        positions: np.ndarray,
        names: list[Any],
        season: int | None,
    ) -> Calibration:
        """From these scores, each with either sign."""
        n_steps, n_phases = scores.shape[1], season or 1
        sizes = np.abs(scores)
        of_series = np.ones(len(names))
        if len(names) > 1:
            known = ~np.isnan(sizes)
            of_series = relative_sizes(
                np.nansum(sizes, axis=1), known.sum(axis=1), codes, len(names), n_steps
            )
            sizes /= of_series[codes, None]
        origins, at = np.unique(positions % n_phases, return_inverse=True)
        totals, counts = by_group(sizes, at, len(origins))  # (origins, H)
        phases = _phases(origins, n_steps, n_phases)
        of_phases = relative_sizes(totals, counts, phases, n_phases, n_steps)
        totals /= of_phases[phases]
        everywhere = np.broadcast_to(origins[:, None], counts.shape)
        of_origins = relative_sizes(totals, counts, everywhere, n_phases, n_steps)
        weights = of_phases[phases] * of_origins[origins, None]
        sizes /= weights[at]
        columns = [np.sort(column[~np.isnan(column)]) for column in sizes.T]
        size = np.array([max(float(column.mean()), TINY) for column in columns])
        columns = [_thinned(np.concatenate([-column[::-1], column])) for column in columns]
        n_kept = np.array([len(column) for column in columns])
        table = np.full((n_steps, n_kept.max()), np.nan)
        for row, column in zip(table, columns, strict=True):
            row[: len(column)] = column
        return cls(
            scores=table,
            counts=n_kept,
            size=size,
            of_series=dict(zip(names, of_series.tolist(), strict=True)),
            of_phases=of_phases,
            of_origins=of_origins,
            coverage={},
        )

    def weights(
        self, names: list[Any], codes: np.ndarray, positions: np.ndarray, n_steps: int
    ) -> np.ndarray:
        """What scores after rows of numbered series at positions are divided by (n, steps)."""
        of_series = np.array([self.of_series.get(name, 1.0) for name in names])[codes]
        season = len(self.of_phases)
        of_phases = self.of_phases[_phases(positions, n_steps, season)]
        of_rows = of_series * self.of_origins[positions % season]
        return np.asarray(of_rows[:, None] * of_phases)

    def quantiles(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Scores (H,) between which a share of ``level`` percent lies, at most 0 and at least 0."""
        share = np.full(len(self.counts), (100 - level) / 200)
        return self._tail(share, -1), self._tail(share, 1)

    def growth(self) -> float:
        """The power of the number of steps that errors grow with, from 0 to 1/2.

        As from the first half of the horizon to the second: 1/2 for a random walk, and next to
        nothing for a series that returns to its mean.
        """
        n_steps = len(self.size)
        if n_steps == 1:
            return 0.5
        halves = np.array_split(np.arange(n_steps), 2)
        first, second = (float(np.mean(self.size[half])) for half in halves)
        ratio = (halves[1] + 1).mean() / (halves[0] + 1).mean()
        return float(np.clip(np.log(second / first) / np.log(ratio), 0.0, 0.5))

    def adapted_quantiles(self, level: float, newer: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same (S, H) after the scores (T, S, H) of newer rows in the order of time.

        Adaptive conformal inference: misses make the share beyond a bound smaller, and hits a
        little larger, so that in the long run misses are as frequent as they should be. Errors
        within a season go together: they make one step, the longer the more of them there are.
        """
        target = (100 - level) / 200
        low_share = np.full(newer.shape[1:], target)
        high_share = low_share.copy()
        season = len(self.of_phases)
        rate = ADAPTATION * np.sqrt(season)
        for scores in _blocks(newer, season):
            seen = ~np.isnan(scores)
            count = np.maximum(seen.sum(axis=0), 1)
            low_misses = (scores < self._tail(low_share, -1)).sum(axis=0) / count
            high_misses = (scores > self._tail(high_share, 1)).sum(axis=0) / count
            rates = np.where(seen.any(axis=0), rate, 0.0)
            low_share = np.clip(low_share + rates * (target - low_misses), -0.5, 0.5)
            high_share = np.clip(high_share + rates * (target - high_misses), -0.5, 0.5)
        return self._tail(low_share, -1), self._tail(high_share, 1)

    def _tail(self, share: np.ndarray, side: int) -> np.ndarray:
        """The score that a share (..., H) of each step's lies beyond, counting one to come.

        Where a step has too few scores for so small a share, a Student t of their size helps; each
        error is there twice, with either sign.
        """
        n = self.counts
        beyond = np.clip(np.floor(share * (n + 1) + ROUNDING), 1, n).astype(np.int64)
        at = n - beyond if side > 0 else beyond - 1
        out = side * self.scores[np.arange(len(n)), at]
        helped = (
            self.size * OF_NORMAL * stdtrit(np.maximum(n // 2 - 1, 1), 1 - np.maximum(share, LEAST))
        )
        out = np.where(share * (n + 1) + ROUNDING < 1, np.maximum(out, helped), out)
        return np.asarray(side * np.maximum(0.0, out * np.exp(EXTENSION * np.maximum(0, -share))))


def newest(codes: np.ndarray, share: float, least: int) -> np.ndarray:
    """Which rows (n,), sorted by series, are its newest share, or its ``least`` newest."""
    counts = np.bincount(codes)
    place = np.arange(len(codes)) - (np.cumsum(counts) - counts)[codes]
    n_kept = np.maximum(counts - (counts * share).astype(int), least)
    return np.asarray(place >= (counts - n_kept)[codes])


def _phases(positions: np.ndarray, n_steps: int, season: int) -> np.ndarray:
    """Where in the season the steps after some positions (n,) lie: (n, steps)."""
    return np.asarray((positions[:, None] + np.arange(1, n_steps + 1)) % season)


def _blocks(scores: np.ndarray, n_rows: int) -> Iterator[np.ndarray]:
    """Scores (T, S, H) in blocks of so many rows, the first of which may have fewer."""
    for end in range((len(scores) - 1) % n_rows + 1, len(scores) + 1, n_rows):
        yield scores[max(0, end - n_rows) : end]


def _thinned(scores: np.ndarray) -> np.ndarray:
    """Sorted scores, or evenly spaced ones of them with both ends."""
    if len(scores) <= MOST_SCORES:
        return scores
    kept = np.linspace(0, len(scores) - 1, MOST_SCORES).round().astype(int)
    return np.asarray(scores[kept])


def beyond_horizon(quantiles: np.ndarray, n_steps: int, growth: float) -> np.ndarray:
    """Quantiles (..., H) continued to ``n_steps``: those of the last step, growing with a power."""
    horizon = quantiles.shape[-1]
    further = np.arange(horizon + 1, n_steps + 1) / horizon
    later = quantiles[..., -1:] * further**growth
    return np.concatenate([quantiles, later], axis=-1)[..., :n_steps]
