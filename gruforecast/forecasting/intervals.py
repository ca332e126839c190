"""Bounds that hold what they promise: split conformal per step of the forecast, and adaptive.

Errors on rows that did not train are measured in units of the spread that the network gives each
forecast (the scale of the series for losses that know no spread), step by step. Bounds are the
forecast plus quantiles of these scores times its spread, so they are in the units of the series
and those of a higher level enclose those of a lower one.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import Any

import numpy as np

from gruforecast.training.losses import Loss

MOST_SCORES = 2000  # of a step that are kept; of more, that many order statistics
ADAPTATION = 0.02  # how far a miss moves the level of an adaptive bound
SHRINKAGE = 20.0  # scores at which a series' own size of errors counts as much as that of all
COVERAGE_LEVELS = (80.0, 95.0)


@dataclass(frozen=True)
class Forecasts:
    """Mean and spread of forecasts, in the units of the series."""

    mean: np.ndarray  # (n, H)
    below: np.ndarray  # (n, H) spread towards lower values
    above: np.ndarray  # (n, H)

    @classmethod
    def of(cls, loss: Loss, raw: np.ndarray, center: np.ndarray, scale: np.ndarray) -> Forecasts:
        """From raw outputs (n, K), and center and scale (n,) of the series."""
        meant = loss.transform(raw.astype(np.float64))
        parts = loss.rescale(meant, center[:, None], scale[:, None])
        mean = loss.point(parts)
        least = np.broadcast_to(1e-3 * scale[:, None], mean.shape)
        if loss.quantiles is not None and len(loss.quantiles) > 1:
            below, above = mean - parts[..., 0], parts[..., -1] - mean
            one_sided = np.maximum(below, above)
            below = one_sided if loss.quantiles[0] >= 0.5 else below
            above = one_sided if loss.quantiles[-1] <= 0.5 else above
        elif loss.distribution is not None:
            below = above = loss.distribution(parts).std()
        else:
            below = above = np.broadcast_to(scale[:, None], mean.shape)
        return cls(mean, np.maximum(below, least), np.maximum(above, least))

    def scores(self, actual: np.ndarray) -> np.ndarray:
        """Errors (n, H) in units of the spread; NaN where the actual value is missing."""
        error = actual - self.mean
        return np.asarray(np.where(error < 0, error / self.below, error / self.above))


@dataclass(frozen=True)
class Calibration:
    """Scores of forecasts that training knew nothing of."""

    scores: tuple[np.ndarray, ...]  # (H,) of each step, sorted
    size: np.ndarray  # (H,) mean absolute score
    pooled: np.ndarray  # scores of all steps in units of their size, sorted
    factors: dict[Any, float]  # size of a series' scores beside those of all
    coverage: dict[float, float]  # of bands from the older half of the rows, on the newer half

    @classmethod
    def learn(cls, scores: np.ndarray, codes: np.ndarray, names: list[Any]) -> Calibration | None:
        """From scores (n, H) of rows in the order of time, and the series of each (n,)."""
        if np.isnan(scores).all(axis=0).any():
            return None
        calibration = cls._learn(scores, codes, names)
        is_newer = np.zeros(len(scores), bool)
        for s in np.unique(codes):
            rows = np.flatnonzero(codes == s)
            is_newer[rows[len(rows) // 2 :]] = True
        older, newer = scores[~is_newer], scores[is_newer]
        if len(older) and not np.isnan(older).all(axis=0).any() and not np.isnan(newer).all():
            half = cls._learn(older, codes[~is_newer], names)
            factors = np.array([half.factors.get(name, 1.0) for name in names])
            scaled = newer / factors[codes[is_newer], None]
            for level in COVERAGE_LEVELS:
                low, high = half.quantiles(level)
                inside = ((scaled >= low) & (scaled <= high))[~np.isnan(scaled)]
                calibration.coverage[level] = float(inside.mean())
        return calibration

    @classmethod
    def _learn(cls, scores: np.ndarray, codes: np.ndarray, names: list[Any]) -> Calibration:
        absolute = np.abs(scores)
        of_rows, counts = np.nansum(absolute, axis=1), (~np.isnan(scores)).sum(axis=1)
        overall = max(of_rows.sum() / counts.sum(), np.finfo(float).tiny)
        totals = np.bincount(codes, of_rows, minlength=len(names))
        n_steps = scores.shape[1]  # errors of one row are not independent
        weights = np.bincount(codes, counts, minlength=len(names)) / n_steps
        factors = (totals / n_steps + SHRINKAGE * overall) / (weights + SHRINKAGE) / overall
        if len(names) == 1:
            factors = np.ones(1)
        scaled = scores / factors[codes, None]
        size = np.maximum(np.nanmean(np.abs(scaled), axis=0), np.finfo(float).tiny)
        relative = (scaled / size)[~np.isnan(scaled)]
        return cls(
            scores=tuple(_thinned(column[~np.isnan(column)]) for column in scaled.T),
            size=size,
            pooled=_thinned(relative),
            factors=dict(zip(names, factors.tolist(), strict=True)),
            coverage={},
        )

    def quantiles(self, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Scores (H,) between which a share of ``level`` percent lies, at most 0 and at least 0."""
        share = np.full(len(self.scores), (1 - level / 100) / 2)
        return self._below(self.scores, share), self._above(self.scores, share)

    def adapted_quantiles(
        self, level: float, newer: np.ndarray, factors: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The same after the scores (T, S, H) of newer rows in the order of time.

        Each miss makes the bound wider, and each hit a little tighter, so that in the long run
        the share of misses is right whatever the series does. Factors (S,) are of the series.
        """
        target = (1 - level / 100) / 2
        pools = [column.tolist() for column in self.scores]
        low_share = np.full(len(pools), target)
        high_share = np.full(len(pools), target)
        for scores in newer / factors[:, None]:
            known = ~np.isnan(scores)
            low, high = self._below(pools, low_share), self._above(pools, high_share)
            seen = known.any(axis=0)
            count = np.maximum(known.sum(axis=0), 1)
            missed_low = (known & (scores < low)).sum(axis=0) / count
            missed_high = (known & (scores > high)).sum(axis=0) / count
            low_share += np.where(seen, ADAPTATION * (target - missed_low), 0.0)
            high_share += np.where(seen, ADAPTATION * (target - missed_high), 0.0)
            for h in np.flatnonzero(seen):
                for score in scores[known[:, h], h]:
                    bisect.insort(pools[h], float(score))
        return self._below(pools, low_share), self._above(pools, high_share)

    def _above(self, pools: Any, share: np.ndarray) -> np.ndarray:
        """The score (H,) that a share of each pool exceeds, counting one score to come."""
        return np.asarray(np.maximum(0.0, self._tail(pools, share, 1)))

    def _below(self, pools: Any, share: np.ndarray) -> np.ndarray:
        return np.asarray(np.minimum(0.0, self._tail(pools, share, -1)))

    def _tail(self, pools: Any, share: np.ndarray, side: int) -> np.ndarray:
        """Where a pool holds too few scores for so small a share, those of all steps help."""
        out = np.empty(len(pools))
        for h, pool in enumerate(pools):
            out[h] = _order_statistic(pool, share[h], side)
            if share[h] * (len(pool) + 1) < 1:
                helped = self.size[h] * _order_statistic(self.pooled, share[h], side)
                out[h] = side * max(side * out[h], side * helped)
        return out


def _order_statistic(scores: Any, share: float, side: int) -> float:
    """The sorted score that at most a share lies beyond; the extreme one if that is too few."""
    n = len(scores)
    beyond = min(max(int(np.floor(share * (n + 1))), 1), n)
    return float(scores[n - beyond] if side > 0 else scores[beyond - 1])


def _thinned(scores: np.ndarray) -> np.ndarray:
    """Sorted scores, or evenly spaced ones of them with both ends."""
    ordered = np.sort(scores)
    if len(ordered) <= MOST_SCORES:
        return ordered
    kept = np.linspace(0, len(ordered) - 1, MOST_SCORES).round().astype(int)
    return np.asarray(ordered[kept])


def beyond_horizon(quantiles: np.ndarray, n_steps: int) -> np.ndarray:
    """Quantiles (H,) continued to ``n_steps``: errors of each recursion add like independent ones.

    That is exact for a random walk, and on the safe side where a series returns to its mean.
    """
    horizon = len(quantiles)
    rounds, step = np.divmod(np.arange(n_steps), horizon)
    added = np.sqrt(rounds) * np.abs(quantiles[-1])
    return np.asarray(np.sign(quantiles[step]) * np.hypot(quantiles[step], added))
