"""Pooling on a GPU: mean and maximum of the states after all steps, for the head.

R rows (windows of a shard), T steps, H units filled up. A thread has a unit of a window. ``o``
holds an instruction.
"""

from __future__ import annotations

import numpy as np

from gruforecast.foundations.cuda.jit import gpu_part, gpu_routine
from gruforecast.foundations.cuda.mathematics import ONE
from gruforecast.foundations.cuda.primitives import ZERO, barrier, ld, st
from gruforecast.network.cuda.fields import N_ROWS
from gruforecast.network.cuda.products import following, spread
from gruforecast.network.cuda.rows import field


@gpu_part
def _share(first, n_steps):
    """One over the steps that are not masked, of which a window may have none."""
    return ONE / np.float32(max(n_steps - first, np.int64(1)))


@gpu_routine
def pool(memory, shard, o):
    """mean, maximum (R, H of a stride) <- of states (T, R, H); at (R, H): the first that has it."""
    plan, work, n_rows = memory.plan, memory.work, field(memory, shard.model, N_ROWS)
    states, wide, n_steps = shard.work + ld(plan, o + 1), ld(plan, o + 2), ld(plan, o + 3)
    first_at, places = shard.work + ld(plan, o + 4), shard.work + ld(plan, o + 5)
    mean, most = shard.work + ld(plan, o + 6), shard.work + ld(plan, o + 7)
    stride = ld(plan, o + 8)
    i, j, step_i, step_j = spread(wide)
    while i < n_rows:
        first, total, largest = np.int64(ld(work, first_at + i)), ZERO, ZERO
        found = np.int64(-1)
        for t in range(first, n_steps):
            value = ld(work, states + (t * n_rows + i) * wide + j)
            total += value
            if t == first or value > largest:
                largest, found = value, np.int64(t)
        st(work, mean + i * stride + j, total * _share(first, n_steps))
        st(work, most + i * stride + j, largest)
        st(work, places + i * wide + j, np.float32(found))
        i, j = following(i, j, step_i, step_j, wide)
    barrier()


@gpu_routine
def pool_backward(memory, shard, o):
    """d_states (T, R, H) <- what the gradients of mean and maximum make of every step."""
    plan, work, n_rows = memory.plan, memory.work, field(memory, shard.model, N_ROWS)
    d_states, wide, n_steps = shard.work + ld(plan, o + 1), ld(plan, o + 2), ld(plan, o + 3)
    first_at, places = shard.work + ld(plan, o + 4), shard.work + ld(plan, o + 5)
    mean, most = shard.work + ld(plan, o + 6), shard.work + ld(plan, o + 7)
    stride = ld(plan, o + 8)
    i, j, step_i, step_j = spread(wide)
    while i < n_rows:
        first, found = (
            np.int64(ld(work, first_at + i)),
            np.int64(ld(work, places + i * wide + j)),
        )
        d_each = ld(work, mean + i * stride + j) * _share(first, n_steps)
        for t in range(n_steps):
            d = d_each if t >= first else ZERO
            if t == found:
                d += ld(work, most + i * stride + j)
            st(work, d_states + (t * n_rows + i) * wide + j, d)
        i, j = following(i, j, step_i, step_j, wide)
    barrier()
