"""What the first layer reads: rows of windows in segments, embeddings, places ahead.

R rows (windows of a shard, filled up), S segments of W rows with I numbers each (every row is one
where W = 1), M segments ahead, E columns of categories. ``o`` holds an instruction.
"""

from __future__ import annotations

import numpy as np

from gruforecast.foundations.cuda.jit import gpu_part, gpu_routine
from gruforecast.foundations.cuda.mathematics import ONE, TWO, drawn_below, mixed, uniform
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
    DEVIATIONS,
    FACTORS,
    LENGTHS,
    N_FEATURES,
    N_NUMERIC,
    N_ROWS,
    OFFSETS,
    REACH,
    SERIES,
    STARTS,
    WEIGHTS,
)
from gruforecast.network.cuda.products import following, spread
from gruforecast.network.cuda.rows import field, window_of

THREE = np.float32(3.0)
OF_NOISE, OF_SHIFTS = np.uint64(3), np.uint64(4)  # as in training/disturbance.py


@gpu_part
def _moved(memory, shard, i, n):
    """By how many rows a window of n rows is moved in training."""
    reach = np.int64(ld(memory.places, field(memory, shard.model, REACH) + n))
    key = mixed(shard.key, OF_SHIFTS)
    return drawn_below(key, np.int64(shard.position + i), 2 * reach + 1) - reach


@gpu_routine
def gather(memory, shard, o):
    """x (S R, W I filled up): numbers of the rows of segments; codes (S R W, E) of categories.

    Also notes for each window the first row that is not masked, and the segment of that row: none
    in one that fills up. A window that is moved in training reads its first or last row again.
    """
    plan, work, model, data = memory.plan, memory.work, shard.model, shard.dataset
    x_at, width = shard.work + ld(plan, o + 1), ld(plan, o + 2)
    codes_at, n_codes = shard.work + ld(plan, o + 3), ld(plan, o + 4)
    n_segments, length, n_inputs = ld(plan, o + 5), ld(plan, o + 6), ld(plan, o + 7)
    first_at, of_rows = shard.work + ld(plan, o + 8), shard.work + ld(plan, o + 9)
    moved_at = shard.work + ld(plan, o + 10)
    n_rows, n_numeric = field(memory, model, N_ROWS), field(memory, model, N_NUMERIC)
    n_features, n_all = field(memory, data, N_FEATURES), n_segments * length
    series, offsets = field(memory, data, SERIES), field(memory, data, OFFSETS)
    for i in range(thread(), n_rows, n_threads()):
        first, moved = n_all, np.int64(0)
        if i < shard.n_windows:
            n = ld(memory.places, field(memory, data, LENGTHS) + window_of(memory, shard, i))
            first -= n
            if shard.is_training != 0 and field(memory, model, REACH) >= 0:
                moved = _moved(memory, shard, i, n)
        st(work, of_rows + i, np.float32(first))
        st(work, first_at + i, np.float32(divided(first, length)[0]))
        st(work, moved_at + i, np.float32(moved))
    barrier()
    i, j, step_i, step_j = spread(width + length * n_codes)
    while i < n_segments * n_rows:
        (s, row), is_code, value = divided(i, n_rows), j >= width, ZERO
        w, column = divided(j, n_inputs)
        if is_code:
            w, column = divided(j - width, n_codes)
            column += n_numeric
        t, first = s * length + w, np.int64(ld(work, of_rows + row))
        if w < length and t >= first and (is_code or column < n_numeric):
            window = window_of(memory, shard, row)
            start = ld(memory.places, field(memory, data, STARTS) + window) - first
            source = max(t + np.int64(ld(work, moved_at + row)), first)
            source = start + min(source, n_all - 1)
            value = ld(memory.data, series + source * n_features + column)
            if offsets >= 0 and column == 0 and not is_code:
                value = _normalised(memory, data, window, value)
        if is_code:
            at = codes_at + i * length * n_codes + j - width
            st(work, at, value if t >= first else -ONE)
        else:
            st(work, x_at + i * width + j, value)
        i, j = following(i, j, step_i, step_j, width + length * n_codes)
    barrier()


@gpu_part
def _normalised(memory, data, window, value):
    """A value of the first column, of windows that are normalised one by one."""
    value = value - ld(memory.data, field(memory, data, OFFSETS) + window)
    return value * ld(memory.data, field(memory, data, FACTORS) + window)


@gpu_routine
def add_noise(memory, shard, o):
    """Numbers of x (S R, W I) += bell-shaped noise in training, where it is asked for."""
    deviations = field(memory, shard.model, DEVIATIONS)
    if shard.is_training == 0 or deviations < 0:
        return
    plan, work = memory.plan, memory.work
    x_at, width = shard.work + ld(plan, o + 1), ld(plan, o + 2)
    n_segments, length, n_inputs = ld(plan, o + 3), ld(plan, o + 4), ld(plan, o + 5)
    of_rows, n_drawn = shard.work + ld(plan, o + 6), ld(plan, o + 7)
    n_before = n_segments * length - n_drawn  # rows that windows that train do not have
    n_rows, n_numeric = field(memory, shard.model, N_ROWS), field(memory, shard.model, N_NUMERIC)
    n_features = field(memory, shard.dataset, N_FEATURES)
    key = mixed(shard.key, OF_NOISE)
    i, j, step_i, step_j = spread(width)
    while i < n_segments * n_rows:
        (s, row), (w, column) = divided(i, n_rows), divided(j, n_inputs)
        t = s * length + w
        if w < length and column < n_numeric and t >= np.int64(ld(work, of_rows + row)):
            begin = ((shard.position + row) * n_drawn + t - n_before) * n_features
            at, place = 3 * (begin + column), x_at + i * width + j
            bell = uniform(key, at) + uniform(key, at + 1) + uniform(key, at + 2)
            noise = ld(memory.data, deviations + column) * (TWO * bell - THREE)
            st(work, place, ld(work, place) + noise)
        i, j = following(i, j, step_i, step_j, width)
    barrier()


@gpu_part
def _newest(memory, shard, row, age, column):
    """A number of the row that has an age, 1 that of the newest; is there one? And the window."""
    data, value, is_there, window = shard.dataset, ZERO, False, np.int64(0)
    if row < shard.n_windows:
        window = window_of(memory, shard, row)
        n = ld(memory.places, field(memory, data, LENGTHS) + window)
        if age <= n:
            end = ld(memory.places, field(memory, data, STARTS) + window) + n
            at = field(memory, data, SERIES) + (end - age) * field(memory, data, N_FEATURES)
            value, is_there = ld(memory.data, at + column), True
    return value, is_there, window


@gpu_routine
def places_ahead(memory, shard, o):
    """codes (M R, 1 + E): of each segment ahead its place, and categories of the newest row.

    Also notes that none of them is masked.
    """
    plan, work = memory.plan, memory.work
    codes_at, n_codes, n_ahead = shard.work + ld(plan, o + 1), ld(plan, o + 2), ld(plan, o + 3)
    first_at, n_rows = shard.work + ld(plan, o + 4), field(memory, shard.model, N_ROWS)
    n_numeric = field(memory, shard.model, N_NUMERIC)
    i, j, step_i, step_j = spread(n_codes)
    while i < n_ahead * n_rows:
        m, row = divided(i, n_rows)
        value = np.float32(m)
        if j > 0:
            code, is_there, _ = _newest(memory, shard, row, 1, n_numeric + j - 1)
            value = code if is_there else -ONE
        st(work, codes_at + i * n_codes + j, value)
        if i < n_rows and j == 0:
            st(work, first_at + row, ZERO)
        i, j = following(i, j, step_i, step_j, n_codes)
    barrier()


@gpu_routine
def newest_values(memory, shard, o):
    """out (R, L filled up) <- the first column of the newest L rows of windows, or zeros."""
    plan, work = memory.plan, memory.work
    at, width, n_lags = shard.work + ld(plan, o + 1), ld(plan, o + 2), ld(plan, o + 3)
    offsets = field(memory, shard.dataset, OFFSETS)
    i, j, step_i, step_j = spread(width)
    while i < field(memory, shard.model, N_ROWS):
        value = ZERO
        if j < n_lags:
            value, is_there, window = _newest(memory, shard, i, n_lags - j, 0)
            if is_there and offsets >= 0:
                value = _normalised(memory, shard.dataset, window, value)
        st(work, at + i * width + j, value)
        i, j = following(i, j, step_i, step_j, width)
    barrier()


@gpu_part
def _category(memory, at, n_categories):
    """Where a category lies in its table, or -1 for none."""
    code = np.int64(ld(memory.work, at))
    return code if code < n_categories else np.int64(-1)


@gpu_routine
def embed(memory, shard, o):
    """Columns of x (S R, W I) <- rows of a table (C, E) by category, or zeros; or added to it."""
    plan, work = memory.plan, memory.work
    x_at, width, column = shard.work + ld(plan, o + 1), ld(plan, o + 2), ld(plan, o + 3)
    codes_at, n_codes = shard.work + ld(plan, o + 4), ld(plan, o + 5)
    table, n_categories, size = ld(plan, o + 6), ld(plan, o + 7), ld(plan, o + 8)
    n_all, length, n_inputs = ld(plan, o + 9), ld(plan, o + 10), ld(plan, o + 11)
    is_added = ld(plan, o + 12)
    table += field(memory, shard.model, WEIGHTS)
    i, j, step_i, step_j = spread(size)
    while i < n_all:
        code, value = _category(memory, codes_at + i * n_codes, n_categories), ZERO
        segment, w = divided(i, length)
        at = x_at + segment * width + w * n_inputs + column + j
        if is_added != 0:
            value = ld(work, at)
        if code >= 0:
            value += ld(memory.state, table + code * size + j)
        st(work, at, value)
        i, j = following(i, j, step_i, step_j, size)
    barrier()


@gpu_routine
def embed_backward(memory, shard, o):
    """Gradients of a table: each thread has a column, and adds up rows in their order."""
    plan, work = memory.plan, memory.work
    d_at, width, column = shard.work + ld(plan, o + 1), ld(plan, o + 2), ld(plan, o + 3)
    codes_at, n_codes = shard.work + ld(plan, o + 4), ld(plan, o + 5)
    table, n_categories, size = ld(plan, o + 6), ld(plan, o + 7), ld(plan, o + 8)
    n_all, length, n_inputs = ld(plan, o + 9), ld(plan, o + 10), ld(plan, o + 11)
    table += shard.gradient
    for j in range(thread(), size, n_threads()):
        for i in range(n_all):
            code = _category(memory, codes_at + i * n_codes, n_categories)
            if code >= 0:
                segment, w = divided(i, length)
                d = ld(work, d_at + segment * width + w * n_inputs + column + j)
                at = table + code * size + j
                st(work, at, ld(work, at) + d)
    barrier()
