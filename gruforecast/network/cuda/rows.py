"""What goes around the recurrence: windows, embeddings, joined layers, dropout, biases.

R rows (windows of a shard, filled up), T steps, M = T R. ``o`` holds an instruction.
"""

from __future__ import annotations

import numpy as np

from gruforecast.foundations.cuda.jit import gpu_part, gpu_routine
from gruforecast.foundations.cuda.mathematics import ONE, is_kept, mixed
from gruforecast.foundations.cuda.primitives import (
    ZERO,
    barrier,
    divided,
    ld,
    n_threads,
    st,
    thread,
)
from gruforecast.network.cuda.fields import (
    FACTORS,
    FIRST,
    LENGTHS,
    N_FEATURES,
    N_NUMERIC,
    N_ROWS,
    N_STEPS,
    OFFSETS,
    SERIES,
    STARTS,
    WEIGHTS,
)
from gruforecast.network.cuda.products import following, spread

SMALLEST = np.float32(2.0**-53)
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
def gather(memory, shard, o):
    """x (M, I): numeric columns of the rows that windows read; codes (M, E) of categories.

    Also notes for each window the first step that is not masked: none in one that fills up.
    """
    plan, work, model, data = memory.plan, memory.work, shard.model, shard.dataset
    x_at, width = shard.work + ld(plan, o + 1), ld(plan, o + 2)
    codes_at, n_codes = shard.work + ld(plan, o + 3), ld(plan, o + 4)
    n_rows, n_steps = field(memory, model, N_ROWS), field(memory, model, N_STEPS)
    n_numeric, n_features = field(memory, model, N_NUMERIC), field(memory, data, N_FEATURES)
    first_at = shard.work + field(memory, model, FIRST)
    series, offsets = field(memory, data, SERIES), field(memory, data, OFFSETS)
    for i in range(thread(), n_rows, n_threads()):
        first = n_steps
        if i < shard.n_windows:
            first -= ld(memory.places, field(memory, data, LENGTHS) + window_of(memory, shard, i))
        st(work, first_at + i, np.float32(first))
    barrier()
    i, j, step_i, step_j = spread(width + n_codes)
    while i < n_steps * n_rows:
        t, row = divided(i, n_rows)
        value = ZERO
        first = np.int64(ld(work, first_at + row))
        column = j if j < width else n_numeric + j - width
        is_code = j >= width
        if t >= first and (is_code or column < n_numeric):
            window = window_of(memory, shard, row)
            start = ld(memory.places, field(memory, data, STARTS) + window) - first
            value = ld(memory.data, series + (start + t) * n_features + column)
            if offsets >= 0 and column == 0 and not is_code:
                value = value - ld(memory.data, offsets + window)
                value = value * ld(memory.data, field(memory, data, FACTORS) + window)
        if is_code:
            st(work, codes_at + i * n_codes + j - width, value if t >= first else -ONE)
        else:
            st(work, x_at + i * width + j, value)
        i, j = following(i, j, step_i, step_j, width + n_codes)
    barrier()


@gpu_part
def _category(memory, at, n_categories):
    """Where a category lies in its table, or -1 for none."""
    code = np.int64(ld(memory.work, at))
    return code if code < n_categories else np.int64(-1)


@gpu_routine
def embed(memory, shard, o):
    """Columns of x (M, I) <- rows of a table (C, E) by category, or zeros."""
    plan, work = memory.plan, memory.work
    x_at, width, column = shard.work + ld(plan, o + 1), ld(plan, o + 2), ld(plan, o + 3)
    codes_at, n_codes = shard.work + ld(plan, o + 4), ld(plan, o + 5)
    table, n_categories, size = ld(plan, o + 6), ld(plan, o + 7), ld(plan, o + 8)
    n_all = ld(plan, o + 9)
    table += field(memory, shard.model, WEIGHTS)
    i, j, step_i, step_j = spread(size)
    while i < n_all:
        code, value = _category(memory, codes_at + i * n_codes, n_categories), ZERO
        if code >= 0:
            value = ld(memory.state, table + code * size + j)
        st(work, x_at + i * width + column + j, value)
        i, j = following(i, j, step_i, step_j, size)
    barrier()


@gpu_routine
def embed_backward(memory, shard, o):
    """Gradients of a table: each thread has a column, and adds up rows in their order."""
    plan, work = memory.plan, memory.work
    d_at, width, column = shard.work + ld(plan, o + 1), ld(plan, o + 2), ld(plan, o + 3)
    codes_at, n_codes = shard.work + ld(plan, o + 4), ld(plan, o + 5)
    table, n_categories, size = ld(plan, o + 6), ld(plan, o + 7), ld(plan, o + 8)
    n_all = ld(plan, o + 9)
    table += shard.gradient
    for j in range(thread(), size, n_threads()):
        for i in range(n_all):
            code = _category(memory, codes_at + i * n_codes, n_categories)
            if code >= 0:
                at = table + code * size + j
                st(work, at, ld(work, at) + ld(work, d_at + i * width + column + j))
    barrier()


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


@gpu_routine
def drop(memory, shard, o):
    """Dropout of (M, D * filled H) between two layers in place; of a gradient, too."""
    if shard.is_training == 0:
        return
    plan, work = memory.plan, memory.work
    at, gap, threshold = shard.work + ld(plan, o + 1), ld(plan, o + 2), ld(plan, o + 3)
    size, wide, n_directions = ld(plan, o + 4), ld(plan, o + 5), ld(plan, o + 6)
    n_rows, n_steps = field(memory, shard.model, N_ROWS), field(memory, shard.model, N_STEPS)
    n_drawn = ld(plan, o + 7)
    n_before = n_steps - n_drawn  # steps that windows that train do not have
    scale = _scale(threshold)
    key = mixed(mixed(shard.key, OF_LAYERS), np.uint64(gap))
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
    """One mask of the state for all steps: out (R, filled H) of zeros and 1 / (1 - rate)."""
    plan, work = memory.plan, memory.work
    at, number, threshold = shard.work + ld(plan, o + 1), ld(plan, o + 2), ld(plan, o + 3)
    size, wide = ld(plan, o + 4), ld(plan, o + 5)
    scale = _scale(threshold)
    n_rows = field(memory, shard.model, N_ROWS)
    key = mixed(mixed(shard.key, OF_STATES), np.uint64(number))
    i, j, step_i, step_j = spread(wide)
    while i < n_rows:
        value = ONE
        if shard.is_training != 0 and j < size:
            kept = is_kept(key, (shard.position + i) * size + j, threshold)
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
def relu_backward(memory, shard, o):
    """d (n) <- 0 where out (n) was cut."""
    plan, work = memory.plan, memory.work
    d_at, at, n = shard.work + ld(plan, o + 1), shard.work + ld(plan, o + 2), ld(plan, o + 3)
    for k in range(thread(), n, n_threads()):
        if ld(work, at + k) <= ZERO:
            st(work, d_at + k, ZERO)
    barrier()
