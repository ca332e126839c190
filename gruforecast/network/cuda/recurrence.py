"""The recurrent layer on a GPU, forward: all steps of a shard in one block.

R rows (windows), T steps, H units filled up, G gates. The state and the recurrent product lie in
shared memory, the recurrent weights too where they fit; two barriers a step (three where steps
lie apart).

    shared: [weights (H, G H)] [state (R, H)] [product (parts, R, G H)] [other (R, H)]

``other`` is what the candidate of a GRU sees of the past, or the cell state of an LSTM.
"""

from __future__ import annotations

import numpy as np

from gruforecast.foundations.cuda.jit import gpu_part, gpu_routine
from gruforecast.foundations.cuda.primitives import (
    ZERO,
    barrier,
    ld,
    n_threads,
    st,
    thread,
)
from gruforecast.network.cuda import fields
from gruforecast.network.cuda.fields import APART, GRU_BEFORE, WEIGHTS
from gruforecast.network.cuda.normalisation import normalise
from gruforecast.network.cuda.products import following, multiply_spread, spread
from gruforecast.network.cuda.rows import field
from gruforecast.network.cuda.steps import (
    copy_weights,
    load_gates,
    order,
    prefetch_step,
    read_layer,
    store_gates,
    sum_parts,
)
from gruforecast.network.cuda.units import reset_before, unit_before, unit_forward


@gpu_part
def _product(memory, layer, w, state, column, n_cols, out, place):
    """shared out (R, n_cols of G H) = state (R, H) @ the recurrent weights from a column on."""
    shared, wide, width = memory.shared, layer.wide, layer.n_gates * layer.wide
    if layer.in_shared != 0:
        multiply_spread(
            shared, state, wide, shared, column, width, shared, out + column, width,
            layer.n_rows, n_cols, wide, layer.n_parts, place,
        )  # fmt: skip
    else:
        multiply_spread(
            shared, state, wide, memory.state, w + column, width, shared, out + column, width,
            layer.n_rows, n_cols, wide, layer.n_parts, place,
        )  # fmt: skip
    barrier()


@gpu_part
def _normalise(memory, shard, layer, t, product, first, n_gates):
    """Layer normalisation of some gates of a recurrent product, where it is asked for."""
    if layer.gain < 0:
        return
    rows = t * layer.n_rows
    normalise(
        memory.shared, product, memory.state, field(memory, shard.model, WEIGHTS) + layer.gain,
        memory.work, layer.normed + rows * layer.n_gates * layer.wide,
        layer.inverse + rows * layer.n_gates, layer.n_rows, (first, n_gates, layer.n_gates),
        layer.size, layer.wide,
    )  # fmt: skip
    barrier()


@gpu_part
def _reset(memory, layer, t, b, product, state, seen, place):
    """GRU that resets before the product: z, r and what the candidate sees of the past."""
    work, shared, wide = memory.work, memory.shared, layer.wide
    i, j, step_i, step_j = place
    while i < layer.n_rows:
        at = layer.a + (t * layer.n_rows + i) * 3 * wide + j
        u, stride = product + i * 3 * wide + j, layer.n_rows * 3 * wide
        u_z = sum_parts(shared, u, stride, layer.n_parts)
        u_r = sum_parts(shared, u + wide, stride, layer.n_parts)
        a_z = ld(work, at) + ld(memory.state, b + j) + u_z
        a_r = ld(work, at + wide) + ld(memory.state, b + wide + j) + u_r
        z, r, value = reset_before(a_z, a_r, ld(shared, state + i * wide + j))
        st(work, at, z)
        st(work, at + wide, r)
        st(work, layer.extra + (t * layer.n_rows + i) * wide + j, value)
        st(shared, seen + i * wide + j, value)
        i, j = following(i, j, step_i, step_j, wide)
    barrier()


@gpu_part
def _unit(memory, layer, i, j, t, h, c, b, b_h, product):
    """One unit of one window: gates and what else is kept are stored; its new h and c."""
    work, wide, n_gates = memory.work, layer.wide, layer.n_gates
    width = n_gates * wide
    row = t * layer.n_rows + i
    at, u_at, stride = layer.a + row * width + j, product + i * width + j, layer.n_rows * width
    if layer.kind == GRU_BEFORE:
        u_n = sum_parts(memory.shared, u_at + 2 * wide, stride, layer.n_parts)
        a_n = ld(work, at + 2 * wide) + ld(memory.state, b + 2 * wide + j) + u_n
        n, new_h = unit_before(a_n, ld(work, at), h)
        st(work, at + 2 * wide, n)
        return new_h, c
    u0, u1, u2, u3 = load_gates(memory.shared, u_at, wide, n_gates)
    for p in range(1, layer.n_parts):
        v0, v1, v2, v3 = load_gates(memory.shared, u_at + p * stride, wide, n_gates)
        u0, u1, u2, u3 = u0 + v0, u1 + v1, u2 + v2, u3 + v3
    if b_h >= 0:
        u2 += ld(memory.state, b_h + j)
    a0, a1, a2, a3 = load_gates(work, at, wide, n_gates)
    b0, b1, b2, b3 = load_gates(memory.state, b + j, wide, n_gates)
    a = (a0 + b0, a1 + b1, a2 + b2, a3 + b3)
    gates, extra, h, c = unit_forward(layer.kind, a, (u0, u1, u2, u3), h, c)
    store_gates(work, at, wide, n_gates, gates)
    if layer.extra >= 0:
        st(work, layer.extra + row * wide + j, extra)
    return h, c


@gpu_part
def _units(memory, layer, step, b, b_h, product, state, other, dropped, place):
    """All units of a step; masked windows keep the state that they had."""
    work, shared, wide = memory.work, memory.shared, layer.wide
    t, before, now = order(layer, step)
    i, j, step_i, step_j = place
    while i < layer.n_rows:
        own, slot = i * wide + j, layer.n_rows * wide
        h = c = ld(shared, state + own)
        if layer.mask >= 0:
            h = ld(work, layer.h + before * slot + own)
        if layer.c >= 0:
            c = ld(shared, other + own)
        new_h, new_c = _unit(memory, layer, i, j, t, h, c, b, b_h, product)
        if t >= np.int64(ld(work, layer.first + i)):
            h, c = new_h, new_c
        st(work, layer.h + now * slot + own, h)
        if layer.c >= 0:
            st(work, layer.c + now * slot + own, c)
            st(shared, other + own, c)
        if dropped >= 0:
            st(work, dropped + t * slot + own, ld(shared, state + own))
        if layer.mask >= 0:
            h = h * ld(work, layer.mask + own)
        st(shared, state + own, h)
        i, j = following(i, j, step_i, step_j, wide)
    barrier()


@gpu_part
def _start_over(memory, layer, t, state, other, unit):
    """The first state, which a step that lies apart starts from, to shared memory."""
    i, j, step_i, step_j = unit
    while i < layer.n_rows:
        own = i * layer.wide + j
        h = ld(memory.work, layer.h + own)
        if layer.mask >= 0:
            h = h * ld(memory.work, layer.mask + t * layer.n_rows * layer.wide + own)
        st(memory.shared, state + own, h)
        if layer.c >= 0:
            st(memory.shared, other + own, ld(memory.work, layer.c + own))
        i, j = following(i, j, step_i, step_j, layer.wide)
    barrier()


@gpu_routine
def recur(memory, shard, o):
    """All steps of a layer in one direction, from a state of zeros or each from the first state."""
    layer = read_layer(memory, shard, o)
    weights, wide = field(memory, shard.model, WEIGHTS), layer.wide
    w, b = weights + field(memory, o, fields.W_H), weights + field(memory, o, fields.B)
    b_h, dropped = field(memory, o, fields.B_H), field(memory, o, fields.DROPPED)
    b_h = b_h if b_h < 0 else weights + b_h
    dropped = dropped if dropped < 0 else shard.work + dropped
    n, width = layer.n_rows * wide, layer.n_gates * wide
    state = wide * width if layer.in_shared != 0 else np.int64(0)
    product = state + n
    other = product + layer.n_parts * layer.n_rows * width
    if layer.in_shared != 0:
        copy_weights(memory.state, w, wide * width, memory.shared)
    start, is_apart = order(layer, 0)[1] * n, layer.course == APART
    for k in range(thread(), 0 if is_apart else n, n_threads()):
        st(memory.shared, state + k, ZERO)
        st(memory.work, layer.h + start + k, ZERO)
        if layer.c >= 0:
            st(memory.work, layer.c + start + k, ZERO)
            st(memory.shared, other + k, ZERO)
    barrier()
    is_before = layer.kind == GRU_BEFORE
    n_cols = 2 * wide if is_before else width
    place, place_of_one, unit = spread(n_cols // 4), spread(wide // 4), spread(wide)
    for step in range(layer.n_steps):
        t = order(layer, step)[0]
        if step + 1 < layer.n_steps:
            prefetch_step(memory, layer.a, order(layer, step + 1)[0], layer.n_rows * width)
        if is_apart:
            _start_over(memory, layer, t, state, other, unit)
        _product(memory, layer, w, state, 0, n_cols, product, place)
        _normalise(memory, shard, layer, t, product, 0, 2 if is_before else layer.n_gates)
        if is_before:
            _reset(memory, layer, t, b, product, state, other, unit)
            _product(memory, layer, w, other, 2 * wide, wide, product, place_of_one)
            _normalise(memory, shard, layer, t, product, 2, 1)
        _units(memory, layer, step, b, b_h, product, state, other, dropped, unit)
