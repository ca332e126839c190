"""In which units values are learnt: those of a series, and those of every window by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gruforecast.forecasting.block import Block
from gruforecast.forecasting.line import parts
from gruforecast.foundations.stored import stored
from gruforecast.training.losses import Loss

MOST_EXAMPLES = 2**23  # values to foretell that units are chosen by
CLEARLY_LESS = 0.75  # of errors; those of the mean of white noise are 0.71 of its newest value's
NOT_MUCH_MORE = 1.25
LEAST_CHANGE = 1.5  # of spreads, from the older half of the rows to the newer
PRIOR_STEPS = 4.0  # steps that the usual spread of windows counts as beside those of a window

OF_WINDOWS = ("last", "window")  # units that each window has for itself

Units = Callable[[np.ndarray], tuple[Any, Any]]


@stored("SeriesScaling")
@dataclass(frozen=True)
class SeriesScaling:
    """Center and scale of each training series by name."""

    scales: dict[Any, tuple[float, float]]
    low: float  # the least value of a target; with one, values are measured in their mean
    is_on: bool

    def learn(self, block: Block, used: np.ndarray) -> SeriesScaling:
        """With those of series that are new, from their rows that are used (n,)."""
        scales = dict(self.scales)
        for name, (a, b) in zip(block.panel.names, block.panel.pairs(), strict=True):
            if name not in scales:
                values = block.panel.values[a:b][used[a:b]]
                center, scale = self._so_far(values) if len(values) else (np.zeros(1), np.ones(1))
                if not np.isfinite(scale[-1]):
                    of = "" if name is None else f" in series {name!r}"
                    raise ValueError(
                        f"series: expected numbers whose spread is finite, got up to "
                        f"{np.nanmax(np.abs(values)):.3g}{of}; scale or correct it."
                    )
                scales[name] = float(center[-1]), float(scale[-1])
        return replace(self, scales=scales)

    def of_rows(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Center and scale of every row (n,).

        A series that training did not see is measured by its rows up to each one.
        """
        return self._of_rows(block, self._so_far)

    def of_series(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """The same without a change from row to row: an unseen series' first value is its unit."""
        return self._of_rows(block, _first_as_unit)

    def _of_rows(self, block: Block, measure: Units) -> tuple[np.ndarray, np.ndarray]:
        panel = block.panel
        center, scale = np.empty(panel.n), np.empty(panel.n)
        for name, (a, b) in zip(panel.names, panel.pairs(), strict=True):
            known = self.scales.get(name)
            center[a:b], scale[a:b] = measure(panel.values[a:b]) if known is None else known
        return np.nan_to_num(center), scale

    def _so_far(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation of the values up to each (m,), or a floor and the mean above it."""
        if not self.is_on:
            return np.zeros(len(values)), np.ones(len(values))
        known = ~np.isnan(values)
        count = np.cumsum(known)
        n, first = np.maximum(count, 1), np.nan_to_num(values[np.argmax(known)])
        with np.errstate(over="ignore", invalid="ignore"):
            change = np.where(known, values - first, 0.0)
            drift = np.cumsum(change) / n
            spread = np.sqrt(np.maximum(np.cumsum(change**2) / n - drift**2, 0.0))
        center = np.where(count > 0, first + drift, 0.0)
        if np.isfinite(self.low):
            above = np.where(center > self.low, center - self.low, 1.0)
            return np.full(len(values), self.low), above
        is_flat = spread <= 10 * np.finfo(np.float64).eps * np.abs(center)
        return center, np.where(is_flat, 1.0, spread)


def _first_as_unit(values: np.ndarray) -> tuple[float, float]:
    first = float(np.nan_to_num(values[np.argmin(np.isnan(values))]))
    return first, abs(first) or 1.0


def choose_normalize(
    kind: str,
    block: Block,
    rows: np.ndarray,
    targets: Callable[[np.ndarray], np.ndarray],
    loss: Loss,
) -> tuple[tuple[str, ...], str]:
    """What values are measured in, and why; ``targets`` of some ``rows`` are (n, H) of training.

    "auto" is "standard" where the mean of all rows up to now foretells a series far better than
    its newest value does, as of noise, and "last" otherwise. Networks that see differently get
    another measure beside it: levels of all rows are one only where series keep coming back to
    their mean.
    """
    if np.isfinite(loss.low):
        if kind in OF_WINDOWS:
            raise ValueError(
                f"normalize: expected 'standard' or 'none' with loss={loss.name!r}, whose values "
                f"are at least {loss.low:g}, got {kind!r}; choose another."
            )
        return ("standard" if kind == "auto" else kind,), f"values are at least {loss.low:g}"
    if kind != "auto":
        return (kind,), "asked for"
    panel = block.panel
    newest, _ = block.carried()
    mean, _ = SeriesScaling({}, -np.inf, True).of_rows(block)  # up to each row
    guesses, errors = (mean, newest), np.zeros((2, panel.n_series))
    for own in _some(rows, targets(rows[:1]).shape[1]):
        actual = targets(own)
        known = ~np.isnan(actual) & ~np.isnan(mean + newest)[own, None]
        n = np.maximum(known.sum(axis=1), 1)
        for error, guess in zip(errors, guesses, strict=True):
            far = np.where(known, np.abs(actual - guess[own, None]), 0.0).sum(axis=1) / n
            error += np.bincount(panel.codes[own], far, minlength=panel.n_series)
    of_mean, of_newest = errors
    total = np.maximum(of_mean + of_newest, np.finfo(np.float64).tiny)  # every series counts alike
    ratio = (of_mean / total).sum() / max((of_newest / total).sum(), np.finfo(np.float64).tiny)
    if ratio <= CLEARLY_LESS:
        why = "the mean so far foretells training rows better than the newest value"
        return ("standard", "last"), why
    why = "the newest value foretells training rows about as well as the mean so far"
    return ("last", "standard" if ratio <= NOT_MUCH_MORE else "window"), why


def _some(rows: np.ndarray, width: int) -> Iterator[np.ndarray]:
    """Rows in parts; of more than enough an even share, whatever their season."""
    n = MOST_EXAMPLES // width
    if len(rows) > n:
        rows = np.sort(np.random.default_rng(0).choice(rows, n, replace=False))
    for part in parts(len(rows), width):
        yield rows[part]


@stored("WindowScaling")
@dataclass(frozen=True)
class WindowScaling:
    """The level and spread that each window is measured in.

    "last": its newest value, and its own spread about it only where spreads change with time, as
    they do where series grow. "window": its mean and deviation.
    """

    kind: str
    usual: float  # spread of the windows of training
    has_own_spread: bool

    @classmethod
    def fit(
        cls, values: np.ndarray, block: Block, used: np.ndarray, lookback: int, kind: str
    ) -> WindowScaling:
        """Learn from values (n,) in the units of their series, of the rows that are used."""
        _, square = cls(kind, 1.0, True)._moments(values, block.window_lengths(lookback))
        usual = float(np.sqrt(np.median(square[used])))
        changes = [_change(square[a:b][used[a:b]]) for a, b in block.panel.pairs()]
        own = kind == "window" or float(np.median(changes)) > np.log(LEAST_CHANGE)
        return cls(kind, usual if usual > 0 else 1.0, own)

    def of_rows(
        self, values: np.ndarray, scale: np.ndarray, lengths: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Level and spread (n,) of the window of each row, whose usual spread is in ``scale``.

        A window of few steps tells little about its spread.
        """
        if not self.has_own_spread:
            return values, self.usual * scale
        level, square = self._moments(values, lengths)
        weighted = lengths * square + PRIOR_STEPS * (self.usual * scale) ** 2
        return level, np.sqrt(weighted / (lengths + PRIOR_STEPS))

    def _moments(self, values: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Level, and mean square of the differences from it, of the window of each row (n,).

        Step by step for all windows at once: nothing outside a window has a part in its sums.
        """
        level = values
        if self.kind == "window":
            level = mean_of_windows(values, np.zeros(len(values)), lengths, 1)
        return level, mean_of_windows(values, level, lengths, 2)


def _change(square: np.ndarray) -> float:
    """By how much the spread of newer windows differs from that of older ones, as a logarithm."""
    halves = np.array_split(square, 2)
    older, newer = (float(np.mean(part)) if len(part) else 0.0 for part in halves)
    return abs(np.log(newer / older)) / 2 if min(older, newer) > 0 else 0.0


def mean_of_windows(
    values: np.ndarray, level: np.ndarray, lengths: np.ndarray, power: int
) -> np.ndarray:
    """Mean over the window of each row (n,) of (value - level of the row) to a power."""
    total, n = np.zeros(len(values)), len(values)
    for age in range(int(lengths.max())):
        difference = (values[: n - age] - level[age:]) ** power
        total[age:] += np.where(lengths[age:] > age, difference, 0.0)
    return np.asarray(total / lengths)
