"""What is measured: windows of a random series, and sizes from small to large.

B windows, T steps, F features, H hidden.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

N_BATCHES = 16  # of the series that a step's windows are taken from
PREDICT_ROWS = 20_000  # of the series from whose every window is predicted
PREDICT_BATCH = 1024  # of those contenders that predict batch by batch
PRODUCT_SIZE = 1024


class Work(NamedTuple):
    """A call that does so many steps; it returns a value that float() waits for."""

    call: Callable[[], Any]
    n_steps: int = 1


class Workload(NamedTuple):
    """B windows of T steps and F features, H hidden; how often torch's time it should fit in."""

    batch: int
    steps: int
    features: int
    hidden: int
    goal: float | None = None

    @property
    def operations(self) -> float:
        """Of a training step; a prediction of as many windows has a third."""
        return 6.0 * self.batch * self.steps * (self.features + self.hidden) * 3 * self.hidden


WORKLOADS = (
    Workload(32, 24, 1, 16, 20.0),
    Workload(64, 48, 8, 32, 12.0),
    Workload(64, 48, 8, 64, 8.0),
    Workload(64, 96, 8, 128, 3.5),
    Workload(256, 48, 8, 64, 5.0),
    Workload(1024, 24, 4, 32, 5.0),
    Workload(256, 96, 8, 256, 1.6),
)


def make_data(w: Workload) -> tuple[np.ndarray, np.ndarray]:
    """A series (rows, F) and the target of every window (N,): the next value of a feature."""
    series = make_series(w, N_BATCHES * w.batch + w.steps)
    return series, np.ascontiguousarray(series[w.steps :, 0])


def make_series(w: Workload, rows: int) -> np.ndarray:
    """Random values (rows, F)."""
    return np.random.default_rng(0).standard_normal((rows, w.features), dtype=np.float32)


def make_batches(w: Workload) -> list[np.ndarray]:
    """Start rows of the windows, shuffled, by batch."""
    return np.split(np.random.default_rng(0).permutation(N_BATCHES * w.batch), N_BATCHES)


def windows_of(series: np.ndarray, n_steps: int) -> np.ndarray:
    """A copy of every window (N, T, F), for libraries that want an array of them."""
    views = np.lib.stride_tricks.sliding_window_view(series, n_steps, axis=0)
    return np.ascontiguousarray(views.swapaxes(1, 2))
