"""What the first layer reads: rows of windows in segments, embeddings, places ahead.

R rows (windows of a shard, filled up), S segments of W rows with I numbers each (every row is one
where W = 1), M segments ahead, E columns of categories. ``o`` holds an instruction.
"""

from __future__ import annotations

import numpy as np

from gruforecast.foundations.cuda.jit import gpu_part, gpu_routine
from gruforecast.foundations.cuda.mathematics import ONE
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
    LENGTHS,
    N_FEATURES,
    N_NUMERIC,
    N_ROWS,
    OFFSETS,
    SERIES,
    STARTS,
    WEIGHTS,
)
from gruforecast.network.cuda.products import following, spread
from gruforecast.network.cuda.rows import field, window_of


@gpu_routine
def gather(memory, shard, o):
    """x (S R, W I filled up): numbers of the rows of segments; codes (S R W, E) of categories.

    Also notes for each window the first row that is not masked, and the segment of that row: none
    in one that fills up.
    """
    plan, work, model, data = memory.plan, memory.work, shard.model, shard.dataset
    x_at, width = shard.work + ld(plan, o + 1), ld(plan, o + 2)
    codes_at, n_codes = shard.work + ld(plan, o + 3), ld(plan, o + 4)
    n_segments, length, n_inputs = ld(plan, o + 5), ld(plan, o + 6), ld(plan, o + 7)
    first_at, of_rows = shard.work + ld(plan, o + 8), shard.work + ld(plan, o + 9)
    n_rows, n_numeric = field(memory, model, N_ROWS), field(memory, model, N_NUMERIC)
    n_features = field(memory, data, N_FEATURES)
    series, offsets = field(memory, data, SERIES), field(memory, data, OFFSETS)
    for i in range(thread(), n_rows, n_threads()):
        first = n_segments * length
        if i < shard.n_windows:
            first -= ld(memory.places, field(memory, data, LENGTHS) + window_of(memory, shard, i))
        st(work, of_rows + i, np.float32(first))
        st(work, first_at + i, np.float32(divided(first, length)[0]))
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
            value = ld(memory.data, series + (start + t) * n_features + column)
            if offsets >= 0 and column == 0 and not is_code:
                value = value - ld(memory.data, offsets + window)
                value = value * ld(memory.data, field(memory, data, FACTORS) + window)
        if is_code:
            at = codes_at + i * length * n_codes + j - width
            st(work, at, value if t >= first else -ONE)
        else:
            st(work, x_at + i * width + j, value)
        i, j = following(i, j, step_i, step_j, width + length * n_codes)
    barrier()


@gpu_routine
def places_ahead(memory, shard, o):
    """codes (M R, 1 + E): of each segment ahead its place, and categories of the newest row.

    Also notes that none of them is masked.
    """
    plan, work = memory.plan, memory.work
    codes_at, n_codes, n_ahead = shard.work + ld(plan, o + 1), ld(plan, o + 2), ld(plan, o + 3)
    newest, stride = shard.work + ld(plan, o + 4), ld(plan, o + 5)
    n_rows, first_at = field(memory, shard.model, N_ROWS), shard.work + ld(plan, o + 6)
    i, j, step_i, step_j = spread(n_codes)
    while i < n_ahead * n_rows:
        m, row = divided(i, n_rows)
        value = np.float32(m)
        if j > 0:
            value = ld(work, newest + row * stride + j - 1)
        st(work, codes_at + i * n_codes + j, value)
        if i < n_rows and j == 0:
            st(work, first_at + row, ZERO)
        i, j = following(i, j, step_i, step_j, n_codes)
    barrier()


@gpu_routine
def newest_values(memory, shard, o):
    """out (R, L filled up) <- the first column of the newest L rows of x (S R, W I), or zeros."""
    plan, work = memory.plan, memory.work
    at, width, n_lags = shard.work + ld(plan, o + 1), ld(plan, o + 2), ld(plan, o + 3)
    x_at, x_width = shard.work + ld(plan, o + 4), ld(plan, o + 5)
    n_segments, length, n_inputs = ld(plan, o + 6), ld(plan, o + 7), ld(plan, o + 8)
    n_rows = field(memory, shard.model, N_ROWS)
    n_before = n_lags - n_segments * length  # rows that windows do not have
    i, j, step_i, step_j = spread(width)
    while i < n_rows:
        value = ZERO
        if n_before <= j < n_lags:
            s, w = divided(j - n_before, length)
            value = ld(work, x_at + (s * n_rows + i) * x_width + w * n_inputs)
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
