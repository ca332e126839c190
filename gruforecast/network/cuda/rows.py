"""What goes around the recurrence: joined layers, dropout, biases, outputs.

R rows (windows of a shard, filled up), T steps, H hidden. ``o`` holds an instruction.
"""

from __future__ import annotations

import numpy as np

from gruforecast.foundations.cuda.jit import gpu_part, gpu_routine
from gruforecast.foundations.cuda.mathematics import ONE, SMALLEST, is_kept, mixed
from gruforecast.foundations.cuda.primitives import (
    ZERO,
    barrier,
    divided,
    ld,
    n_threads,
    st,
    thread,
)
from gruforecast.network.cuda.fields import ADDED, N_ROWS, TURNED, WEIGHTS
from gruforecast.network.cuda.products import following, spread

OF_LAYERS, OF_STATES = np.uint64(0), np.uint64(1)  # what a dropout mask is for


@gpu_part
def window_of(memory, shard, i):
    """The number in its data set of the i-th window of a shard."""
    if shard.order < 0:
        return np.int64(shard.position + i)
    return np.int64(ld(memory.orders, shard.order + i))


@gpu_part
def field(memory, at, name):
    """A number of a record in the plan."""
    return ld(memory.plan, at + name)


@gpu_routine
def copy_columns(memory, shard, o):
    """Columns of out (n, .) <- columns of source (n, .)."""
    plan, work = memory.plan, memory.work
    source, from_stride = shard.work + ld(plan, o + 1), ld(plan, o + 2)
    out, to_stride = shard.work + ld(plan, o + 3), ld(plan, o + 4)
    n, width = ld(plan, o + 5), ld(plan, o + 6)
    i, j, step_i, step_j = spread(width)
    while i < n:
        st(work, out + i * to_stride + j, ld(work, source + i * from_stride + j))
        i, j = following(i, j, step_i, step_j, width)
    barrier()


@gpu_part
def _scale(threshold):
    """1 / (1 - rate), for a threshold of rate * 2**53."""
    return ONE / (ONE - np.float32(threshold) * SMALLEST)


@gpu_part
def _key(shard, beside, what, number):
    """What masks are drawn from: for ``what``, of a layer or a gap between two."""
    key = shard.key
    if beside != 0:  # for segments ahead
        key = mixed(key, np.uint64(beside))
    return mixed(mixed(key, what), np.uint64(number))


@gpu_routine
def drop(memory, shard, o):
    """Dropout of (T R, D * filled H) behind a layer in place; of a gradient, too."""
    if shard.is_training == 0:
        return
    plan, work = memory.plan, memory.work
    at, gap, threshold = shard.work + ld(plan, o + 1), ld(plan, o + 2), ld(plan, o + 3)
    size, wide, n_directions = ld(plan, o + 4), ld(plan, o + 5), ld(plan, o + 6)
    n_rows, n_drawn, n_steps = field(memory, shard.model, N_ROWS), ld(plan, o + 7), ld(plan, o + 8)
    n_before = n_steps - n_drawn  # steps that windows that train do not have
    scale = _scale(threshold)
    key = _key(shard, ld(plan, o + 9), OF_LAYERS, gap)
    width = n_directions * wide
    i, j, step_i, step_j = spread(width)
    while i < n_steps * n_rows:
        t, row = divided(i, n_rows)
        direction, unit = divided(j, wide)
        if unit < size and t >= n_before:
            feature = direction * size + unit
            step = (shard.position + row) * n_drawn + t - n_before
            place = step * n_directions * size + feature
            value = ld(work, at + i * width + j)
            st(work, at + i * width + j, value * scale if is_kept(key, place, threshold) else ZERO)
        i, j = following(i, j, step_i, step_j, width)
    barrier()


@gpu_routine
def make_mask(memory, shard, o):
    """Masks of states for all steps, or one for each: out (T R, filled H), 0 or 1 / (1 - rate)."""
    plan, work = memory.plan, memory.work
    at, number, threshold = shard.work + ld(plan, o + 1), ld(plan, o + 2), ld(plan, o + 3)
    size, wide, n_steps = ld(plan, o + 4), ld(plan, o + 5), ld(plan, o + 6)
    scale = _scale(threshold)
    n_rows = field(memory, shard.model, N_ROWS)
    key = _key(shard, ld(plan, o + 7), OF_STATES, number)
    i, j, step_i, step_j = spread(wide)
    while i < n_steps * n_rows:
        (t, row), value = divided(i, n_rows), ONE
        if shard.is_training != 0 and j < size:
            step = (shard.position + row) * n_steps + t
            kept = is_kept(key, step * size + j, threshold)
            value = scale if kept else ZERO
        st(work, at + i * wide + j, value)
        i, j = following(i, j, step_i, step_j, wide)
    barrier()


@gpu_routine
def add_bias(memory, shard, o):
    """out (n, width) += a bias (width), cut at zero if relu."""
    plan, work = memory.plan, memory.work
    at, n, width = shard.work + ld(plan, o + 1), ld(plan, o + 2), ld(plan, o + 3)
    bias, is_cut = field(memory, shard.model, WEIGHTS) + ld(plan, o + 4), ld(plan, o + 5)
    i, j, step_i, step_j = spread(width)
    while i < n:
        value = ld(work, at + i * width + j) + ld(memory.state, bias + j)
        st(work, at + i * width + j, ZERO if is_cut != 0 and value < ZERO else value)
        i, j = following(i, j, step_i, step_j, width)
    barrier()


@gpu_routine
def move_outputs(memory, shard, o):
    """raw (R, K), which has S steps of O columns each, and out (S R, filled O): what is asked for.

    Adds out to raw, writes it there, or, turned, out <- raw and zeros. Rows of out hold the steps
    of the first window, then those of the second, or the other way round (``by_steps``). The last
    step may reach beyond K.
    """
    plan, work, n_rows = memory.plan, memory.work, field(memory, shard.model, N_ROWS)
    raw, raw_stride = shard.work + ld(plan, o + 1), ld(plan, o + 2)
    out, wide, n_steps = shard.work + ld(plan, o + 3), ld(plan, o + 4), ld(plan, o + 5)
    n_outputs, n_all = ld(plan, o + 6), ld(plan, o + 7)
    by_steps, what = ld(plan, o + 8), ld(plan, o + 9)
    i, j, step_i, step_j = spread(wide)
    while i < n_rows * n_steps:
        row, h = divided(i, n_steps)
        if by_steps != 0:
            h, row = divided(i, n_rows)
        column, at = h * n_outputs + j, out + i * wide + j
        to, is_inside = raw + row * raw_stride + column, j < n_outputs and column < n_all
        if what == TURNED:
            st(work, at, ld(work, to) if is_inside else ZERO)
        elif is_inside:
            value = ld(work, at)
            if what == ADDED:
                value += ld(work, to)
            st(work, to, value)
        i, j = following(i, j, step_i, step_j, wide)
    barrier()


@gpu_routine
def relu_backward(memory, shard, o):
    """d (n) <- 0 where out (n) was cut."""
    plan, work = memory.plan, memory.work
    d_at, at, n = shard.work + ld(plan, o + 1), shard.work + ld(plan, o + 2), ld(plan, o + 3)
    for k in range(thread(), n, n_threads()):
        if ld(work, at + k) <= ZERO:
            st(work, d_at + k, ZERO)
    barrier()
