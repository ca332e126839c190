"""Layer normalisation of gates on a GPU: each block of H units of a row by itself.

Rows lie as (n, G * filled H); what is filled up stays zero and does not count.
"""

from __future__ import annotations

import math

import numpy as np

from gruforecast.cells.options import LAYER_NORM_EPSILON
from gruforecast.foundations.cuda.jit import gpu_part, gpu_routine
from gruforecast.foundations.cuda.mathematics import ONE
from gruforecast.foundations.cuda.primitives import ZERO, divided, ld, n_threads, st, thread

EPSILON = np.float32(LAYER_NORM_EPSILON)


@gpu_routine
def normalise(a, at, weights, gain_at, work, normed_at, inverse_at, n_rows, gates, size, wide):
    """a (n, G * wide) <- gain * (a - mean) / deviation; keeps both factors. A thread a block.

    ``gates`` is (first, number, of all): which of the gates of a row. The caller puts barriers.
    """
    first, n_gates, n_all = gates
    length = np.float32(size)
    for item in range(thread(), n_rows * n_gates, n_threads()):
        row, gate = divided(item, n_gates)
        gate += first
        start = row * n_all * wide + gate * wide
        total = ZERO
        for j in range(size):
            total += ld(a, at + start + j)
        mean = total / length
        squares = ZERO
        for j in range(size):
            part = ld(a, at + start + j) - mean
            squares += part * part
        inverse = ONE / math.sqrt(squares / length + EPSILON)
        st(work, inverse_at + row * n_all + gate, inverse)
        for j in range(size):
            normed = (ld(a, at + start + j) - mean) * inverse
            st(work, normed_at + start + j, normed)
            st(a, at + start + j, normed * ld(weights, gain_at + gate * wide + j))
        for j in range(size, wide):  # gradients of gains read whole rows
            st(work, normed_at + start + j, ZERO)


@gpu_routine
def gain_gradient(d, at, work, normed_at, n_rows, gates, wide, out_at):
    """out (G * wide) += the sum over rows of d * normed: a thread for each column."""
    first, n_gates, n_all = gates
    width = n_all * wide
    for column in range(first * wide + thread(), (first + n_gates) * wide, n_threads()):
        total = ld(work, out_at + column)
        for row in range(n_rows):
            total += ld(d, at + row * width + column) * ld(work, normed_at + row * width + column)
        st(work, out_at + column, total)


@gpu_part
def _of_block(d, at, work, normed_at, inverse, length, size):
    """One block of H units: the gradient of the result times gain -> of what was normalised."""
    total = along = ZERO
    for j in range(size):
        value = ld(d, at + j)
        total += value
        along += value * ld(work, normed_at + j)
    for j in range(size):
        normed = ld(work, normed_at + j)
        st(d, at + j, inverse * (ld(d, at + j) - (total + normed * along) / length))


@gpu_routine
def normalise_backward(
    d, at, weights, gain_at, work, normed_at, inverse_at, n_rows, gates, size, wide
):
    """d (n, G * wide), gradient of the result -> of what was normalised, in place."""
    first, n_gates, n_all = gates
    length = np.float32(size)
    for item in range(thread(), n_rows * n_gates, n_threads()):
        row, gate = divided(item, n_gates)
        gate += first
        start = row * n_all * wide + gate * wide
        for j in range(size):
            value = ld(d, at + start + j)
            st(d, at + start + j, value * ld(weights, gain_at + gate * wide + j))
        inverse = ld(work, inverse_at + row * n_all + gate)
        _of_block(d, at + start, work, normed_at + start, inverse, length, size)
