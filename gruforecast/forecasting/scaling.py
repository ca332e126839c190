"""In which units values are learnt: those of a series, and those of every window by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gruforecast.forecasting.block import Block
from gruforecast.training.losses import Loss

PRIOR_STEPS = 4.0  # steps that the usual spread of windows counts as beside those of a window


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

    def apply(self, block: Block) -> np.ndarray:
        """Values in the units of their series (n,), carried forward; 0 before the first."""
        center, scale = self.of_rows(block)
        return np.asarray(np.nan_to_num((block.carried()[0] - center) / scale))

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


def choose_normalize(kind: str, block: Block, targets: np.ndarray, loss: Loss) -> str:
    """What values are measured in; ``targets`` (n, H) are those of training.

    "auto" is "standard" where the mean of all rows up to now foretells a series better than its
    newest value does, and "last" otherwise: such series leave the range of what was seen.
    """
    if np.isfinite(loss.low):
        if kind in ("last", "window"):
            raise ValueError(
                f"normalize: expected 'standard' or 'none' with loss={loss.name!r}, whose values "
                f"are at least {loss.low:g}, got {kind!r}; choose another."
            )
        return "standard" if kind == "auto" else kind
    if kind != "auto":
        return kind
    panel = block.panel
    newest, _ = block.carried()
    known = ~np.isnan(panel.values)
    sums, counts = np.cumsum(np.where(known, panel.values, 0.0)), np.cumsum(known)
    begin = panel.bounds[:-1][panel.codes]
    sums = sums - np.where(begin > 0, sums[begin - 1], 0.0)
    counts = counts - np.where(begin > 0, counts[begin - 1], 0)
    mean = sums / np.maximum(counts, 1)
    errors = [np.abs(targets - guess[:, None]) for guess in (mean, newest)]
    judged = np.flatnonzero(~np.isnan(errors[0] + errors[1]).all(axis=1))
    if not len(judged):
        return "standard"
    of_mean, of_newest = (
        np.bincount(panel.codes[judged], np.nanmean(error[judged], axis=1)) for error in errors
    )
    total = np.maximum(of_mean + of_newest, np.finfo(np.float64).tiny)  # every series counts alike
    return "standard" if (of_mean / total).sum() <= (of_newest / total).sum() else "last"


@dataclass(frozen=True)
class WindowScaling:
    """The level and spread that each window is measured in.

    "last": what a window differs from its newest value. "window": from its mean.
    """

    kind: str
    usual: float  # spread of the windows of training

    @classmethod
    def fit(
        cls, values: np.ndarray, block: Block, used: np.ndarray, lookback: int, kind: str
    ) -> WindowScaling:
        """Learn from values (n,) of the rows that are used."""
        _, square = cls(kind, 1.0)._moments(values, block.window_lengths(lookback))
        usual = float(np.sqrt(np.median(square[used])))
        return cls(kind, usual if usual > 0 else 1.0)

    def of_rows(
        self, values: np.ndarray, block: Block, lookback: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Level and spread (n,) of the window that ends in each row; few steps tell little."""
        lengths = block.window_lengths(lookback)
        level, square = self._moments(values, lengths)
        weighted = lengths * square + PRIOR_STEPS * self.usual**2
        return level, np.sqrt(weighted / (lengths + PRIOR_STEPS))

    def _moments(self, values: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Level, and mean square of the differences from it, of the window of each row (n,)."""
        ends = np.arange(len(values)) + 1

        def mean(numbers: np.ndarray) -> np.ndarray:
            sums = np.concatenate([[0.0], np.cumsum(numbers)])
            return np.asarray((sums[ends] - sums[ends - lengths]) / lengths)

        average = mean(values)
        square = np.maximum(mean(values**2) - average**2, 0.0)
        if self.kind == "window":
            return average, square
        return values, square + (values - average) ** 2
