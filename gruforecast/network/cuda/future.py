"""The head over rows known in the future, on a GPU.

R rows, S steps ahead, C columns, D units, O outputs of a step: all but R and S filled up.
"""

from __future__ import annotations

from gruforecast.foundations.cuda.jit import gpu_routine
from gruforecast.foundations.cuda.primitives import (
    ZERO,
    barrier,
    divided,
    ld,
    st,
)
from gruforecast.network.cuda.fields import FUTURE, FUTURE_STARTS, N_ROWS, WEIGHTS
from gruforecast.network.cuda.products import following, spread
from gruforecast.network.cuda.rows import field, window_of


@gpu_routine
def future_rows(memory, shard, o):
    """out (R * S, C) <- rows known in the future, zeros where windows fill up."""
    plan, work = memory.plan, memory.work
    at, wide = shard.work + ld(plan, o + 1), ld(plan, o + 2)
    n_steps, n_columns = ld(plan, o + 3), ld(plan, o + 4)
    future = field(memory, shard.dataset, FUTURE)
    starts = field(memory, shard.dataset, FUTURE_STARTS)
    i, j, step_i, step_j = spread(wide)
    while i < field(memory, shard.model, N_ROWS) * n_steps:
        (row, h), value = divided(i, n_steps), ZERO
        if row < shard.n_windows and j < n_columns:
            first = ld(memory.places, starts + window_of(memory, shard, row))
            value = ld(memory.data, future + (first + h) * n_columns + j)
        st(work, at + i * wide + j, value)
        i, j = following(i, j, step_i, step_j, wide)
    barrier()


@gpu_routine
def future_units(memory, shard, o):
    """units (R * S, D) <- relu(units + what the state (R, D) and the step (S, D) add)."""
    plan, work = memory.plan, memory.work
    at, from_state = shard.work + ld(plan, o + 1), shard.work + ld(plan, o + 2)
    position = field(memory, shard.model, WEIGHTS) + ld(plan, o + 3)
    n_steps, wide = ld(plan, o + 4), ld(plan, o + 5)
    i, j, step_i, step_j = spread(wide)
    while i < field(memory, shard.model, N_ROWS) * n_steps:
        row, h = divided(i, n_steps)
        own = ld(memory.state, position + h * wide + j)
        value = ld(work, at + i * wide + j) + (ld(work, from_state + row * wide + j) + own)
        st(work, at + i * wide + j, ZERO if value < ZERO else value)
        i, j = following(i, j, step_i, step_j, wide)
    barrier()


@gpu_routine
def future_units_backward(memory, shard, o):
    """Sums of d_units (R * S, D): d_from_state (R, D), and the gradient of the steps (S, D)."""
    plan, work = memory.plan, memory.work
    d_at, d_from = shard.work + ld(plan, o + 1), shard.work + ld(plan, o + 2)
    position, n_steps, wide = shard.gradient + ld(plan, o + 3), ld(plan, o + 4), ld(plan, o + 5)
    n_rows = field(memory, shard.model, N_ROWS)
    i, j, step_i, step_j = spread(wide)
    while i < n_rows:
        total = ZERO
        for h in range(n_steps):
            total += ld(work, d_at + (i * n_steps + h) * wide + j)
        st(work, d_from + i * wide + j, total)
        i, j = following(i, j, step_i, step_j, wide)
    h, j, step_i, step_j = spread(wide)
    while h < n_steps:
        total = ld(work, position + h * wide + j)
        for i in range(n_rows):
            total += ld(work, d_at + (i * n_steps + h) * wide + j)
        st(work, position + h * wide + j, total)
        h, j = following(h, j, step_i, step_j, wide)
    barrier()
