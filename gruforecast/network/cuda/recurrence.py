"""The recurrent layer on a GPU, forward: all steps of a shard in one block.

R rows (windows), T steps, H units filled up, G gates. The state and the recurrent product lie in
shared memory, the recurrent weights too where they fit; two barriers a step.

    shared: [weights (H, G H)] [state (R, H)] [product (parts, R, G H)] [other (R, H)]

``other`` is what the candidate of a GRU sees of the past, or the cell state of an LSTM.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gruforecast.foundations.cuda.jit import gpu_part, gpu_routine
from gruforecast.foundations.cuda.primitives import (
    ZERO,
    barrier,
    ld,
    n_threads,
    prefetch,
    st,
    thread,
)
from gruforecast.network.cuda import fields
from gruforecast.network.cuda.fields import FIRST, GRU_BEFORE, N_ROWS, N_STEPS, WEIGHTS
from gruforecast.network.cuda.normalisation import normalise
from gruforecast.network.cuda.products import following, multiply_spread, spread
from gruforecast.network.cuda.rows import field
from gruforecast.network.cuda.units import reset_before, unit_before, unit_forward


class Layer(NamedTuple):
    """A recurrent layer in one direction: what both passes read of an instruction."""

    kind: Any
    is_reversed: Any
    a: Any  # (T, R, G H) in work: inputs of gates, then gates, then gradients of their inputs
    h: Any  # (T + 1, R, H) in work
    c: Any  # (T + 1, R, H) in work, or -1
    extra: Any  # (T, R, H) in work, or -1
    mask: Any  # (R, H) in work of recurrent dropout, or -1
    gain: Any  # (G H) of layer normalisation, from the start of the weights, or -1
    normed: Any  # (T, R, G H) in work
    inverse: Any  # (T, R, G) in work
    size: Any  # units that are not filled up
    wide: Any  # H
    n_gates: Any
    n_parts: Any  # of a product
    in_shared: Any  # whether the recurrent weights are
    n_rows: Any
    n_steps: Any
    first: Any  # (R) in work: the first step that is not masked


@gpu_part
def read_layer(memory, shard, o):
    """What both passes find at the same places of their instructions."""
    work, model = shard.work, shard.model
    c, extra = field(memory, o, fields.CELLS), field(memory, o, fields.EXTRA)
    mask = field(memory, o, fields.MASK_OF_STATE)
    return Layer(
        field(memory, o, fields.KIND),
        field(memory, o, fields.IS_REVERSED),
        work + field(memory, o, fields.GATES),
        work + field(memory, o, fields.STATES),
        c if c < 0 else c + work,
        extra if extra < 0 else extra + work,
        mask if mask < 0 else mask + work,
        field(memory, o, fields.GAIN),
        work + field(memory, o, fields.NORMED),
        work + field(memory, o, fields.INVERSE),
        field(memory, o, fields.SIZE),
        field(memory, o, fields.WIDE),
        field(memory, o, fields.N_GATES),
        field(memory, o, fields.N_PARTS),
        field(memory, o, fields.IN_SHARED),
        field(memory, model, N_ROWS),
        field(memory, model, N_STEPS),
        work + field(memory, model, FIRST),
    )


@gpu_part
def order(layer, step):
    """(step in time, slot of the state before, slot of the state after)."""
    if layer.is_reversed != 0:
        t = layer.n_steps - 1 - step
        return t, t + 1, t
    return step, step, step + 1


@gpu_part
def load_gates(array, at, step, n_gates):
    """Numbers of up to four gates."""
    first = second = third = fourth = ld(array, at)
    if n_gates > 1:
        second = ld(array, at + step)
        third = ld(array, at + 2 * step)
    if n_gates > 3:
        fourth = ld(array, at + 3 * step)
    return first, second, third, fourth


@gpu_part
def store_gates(array, at, step, n_gates, values):
    """Write the numbers of up to four gates."""
    st(array, at, values[0])
    if n_gates > 1:
        st(array, at + step, values[1])
        st(array, at + 2 * step, values[2])
    if n_gates > 3:
        st(array, at + 3 * step, values[3])


@gpu_part
def sum_parts(shared, at, stride, n_parts):
    """A number of a product that was cut into parts."""
    total = ld(shared, at)
    for p in range(1, n_parts):
        total += ld(shared, at + p * stride)
    return total


@gpu_part
def copy_weights(source, at, n, shared):
    """The recurrent weights -> the start of shared memory."""
    for k in range(thread(), n, n_threads()):
        st(shared, k, ld(source, at + k))


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
def prefetch_step(memory, array, step, n):
    """Ask for the n numbers that an array in work has of a step, a line of 32 at a time."""
    k = 32 * thread()
    while k < n:
        prefetch(memory.work, array + step * n + k)
        k += 32 * n_threads()


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
        if layer.mask >= 0:
            st(work, dropped + t * slot + own, ld(shared, state + own))
            h = h * ld(work, layer.mask + own)
        st(shared, state + own, h)
        i, j = following(i, j, step_i, step_j, wide)
    barrier()


@gpu_routine
def recur(memory, shard, o):
    """All steps of a layer in one direction, from a state of zeros."""
    layer = read_layer(memory, shard, o)
    weights, wide = field(memory, shard.model, WEIGHTS), layer.wide
    w, b = weights + field(memory, o, fields.W_H), weights + field(memory, o, fields.B)
    b_h, dropped = field(memory, o, fields.B_H), shard.work + field(memory, o, fields.DROPPED)
    b_h = b_h if b_h < 0 else weights + b_h
    n, width = layer.n_rows * wide, layer.n_gates * wide
    state = wide * width if layer.in_shared != 0 else np.int64(0)
    product = state + n
    other = product + layer.n_parts * layer.n_rows * width
    if layer.in_shared != 0:
        copy_weights(memory.state, w, wide * width, memory.shared)
    start = order(layer, 0)[1] * n
    for k in range(thread(), n, n_threads()):
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
        _product(memory, layer, w, state, 0, n_cols, product, place)
        _normalise(memory, shard, layer, t, product, 0, 2 if is_before else layer.n_gates)
        if is_before:
            _reset(memory, layer, t, b, product, state, other, unit)
            _product(memory, layer, w, other, 2 * wide, wide, product, place_of_one)
            _normalise(memory, shard, layer, t, product, 2, 1)
        _units(memory, layer, step, b, b_h, product, state, other, dropped, unit)
