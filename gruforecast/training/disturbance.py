"""Windows as training reads them: with noise on their numbers, and moved in time.

Both are drawn from counters, anew in every step, and never touch what is validated or predicted.
N windows of a shard, T rows, S segments, W rows of a segment, F columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gruforecast.foundations.jit import brief_kernel
from gruforecast.foundations.random import derive_key, uniform
from gruforecast.network import Windows

NOISE, SHIFT = 3, 4  # what they are drawn with, beside the masks of a network


@brief_kernel
def _move(rows, lengths, key, position, share):
    """Move windows in rows (S, N, W, F) by up to a share of their lengths; the ends repeat."""
    width = rows.shape[2]
    n_rows = rows.shape[0] * width
    for i in range(lengths.size):
        reach = int(share * lengths[i] + 1e-9)
        moved = int(uniform(key, position + i) * (2 * reach + 1)) - reach
        first = n_rows - lengths[i]
        for k in range(lengths[i]):
            t = first + k if moved > 0 else n_rows - 1 - k  # a row is read before it is written
            source = min(max(t + moved, first), n_rows - 1)
            for j in range(rows.shape[3]):
                rows[t // width, i, t % width, j] = rows[source // width, i, source % width, j]


@brief_kernel
def _add_noise(rows, lengths, key, position, deviations):
    """First columns of rows (S, N, W, F) += bell-shaped noise with these deviations."""
    n_segments, _, width, n_columns = rows.shape
    n_rows = n_segments * width
    for i in range(lengths.size):
        for t in range(n_rows - lengths[i], n_rows):
            begin = ((position + i) * n_rows + t) * n_columns
            for j in range(deviations.size):
                if deviations[j] > 0.0:
                    at = 3 * (begin + j)
                    bell = uniform(key, at) + uniform(key, at + 1) + uniform(key, at + 2)
                    noise = deviations[j] * (2.0 * bell - 3.0)  # three have a variance of 1/4
                    rows[t // width, i, t % width, j] += rows.dtype.type(noise)


@dataclass(frozen=True)
class Disturbance:
    """What is done to the gathered rows of a shard before its passes."""

    noise: np.ndarray  # (numeric columns,) deviations
    shift: float

    def reach(self, n_rows: int) -> int:
        """By how many rows a window of so many is moved at most."""
        return int(self.shift * n_rows + 1e-9)

    def apply(
        self,
        rows: np.ndarray,
        windows: Windows,
        members: np.ndarray,
        position: int,
        key: tuple[int, ...],
    ) -> None:
        """Change rows (S, N, W, F) of some windows, the first of which has this position."""
        lengths = windows.lengths[members]
        if self.shift:
            _move(rows, lengths, derive_key(*key, SHIFT), position, self.shift)
        if self.noise.any():
            _add_noise(rows, lengths, derive_key(*key, NOISE), position, self.noise)
