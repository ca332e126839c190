"""Pooling: the head reads mean and maximum of the states of the top layer, beside the last one.

N windows, T steps, H units, D directions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gruforecast.foundations.jit import brief_kernel
from gruforecast.network.specification import Specification
from gruforecast.network.stack import Shard, Stack


@brief_kernel
def _pool(states, first, at, mean_at, max_at, out):
    """out (N, .) from columns ``mean_at`` and ``max_at`` on <- mean and maximum over the steps.

    Of states (T, N, H), from the first step of a window that is not masked; at (N, H) <- the first
    step that has the maximum. Zeros, and -1, for a window without a step.
    """
    n_steps, n_windows, size = states.shape
    zero, one = out.dtype.type(0), out.dtype.type(1)
    for i in range(n_windows):
        for j in range(size):
            out[i, mean_at + j] = zero
            out[i, max_at + j] = zero
            at[i, j] = -1
        for t in range(first[i], n_steps):
            for j in range(size):
                value = states[t, i, j]
                out[i, mean_at + j] += value
                if t == first[i] or value > out[i, max_at + j]:
                    out[i, max_at + j] = value
                    at[i, j] = t
        share = one / out.dtype.type(max(n_steps - first[i], 1))
        for j in range(size):
            out[i, mean_at + j] *= share


@brief_kernel
def _pool_backward(d_out, first, at, mean_at, max_at, d_states):
    """d_states (T, N, H) <- what d_out (N, .) makes of every step; zeros where masked."""
    n_steps, n_windows, size = d_states.shape
    zero, one = d_out.dtype.type(0), d_out.dtype.type(1)
    for i in range(n_windows):
        share = one / d_out.dtype.type(max(n_steps - first[i], 1))
        for t in range(n_steps):
            for j in range(size):
                d_states[t, i, j] = zero if t < first[i] else share * d_out[i, mean_at + j]
        for j in range(size):
            if at[i, j] >= 0:
                d_states[at[i, j], i, j] += d_out[i, max_at + j]


class Pooling:
    """Buffers and passes; the head reads [mean, maximum, last], each of all directions."""

    def __init__(self, spec: Specification, stack: Stack) -> None:
        n_windows, size = len(stack.last), spec.hidden_size
        self.stack, self.width = stack, spec.encoding_size
        self.read = np.zeros((n_windows, spec.read_size), spec.numpy_dtype)  # (N, 3*H*D)
        self.d_read = np.zeros_like(self.read)
        self.at = [np.zeros((n_windows, size), np.int64) for _ in range(spec.n_directions)]

    def _columns(self) -> Sequence[tuple[int, int]]:
        """Where mean and maximum of each direction begin."""
        size = self.at[0].shape[1]
        return [(d * size, self.width + d * size) for d in range(len(self.at))]

    def forward(self, shard: Shard) -> None:
        """Fills ``read``."""
        top = self.stack.layers[-1]
        for recurrence, at, columns in zip(top, self.at, self._columns(), strict=True):
            _pool(recurrence.states, shard.first, at, *columns, self.read)
        self.read[:, 2 * self.width :] = self.stack.last

    def backward(self, shard: Shard) -> None:
        """From ``d_read``: fills the stack's gradients of every and of the last state."""
        for d_states, at, columns in zip(self.stack.d_top, self.at, self._columns(), strict=True):
            _pool_backward(self.d_read, shard.first, at, *columns, d_states)
        self.stack.d_last[...] = self.d_read[:, 2 * self.width :]
