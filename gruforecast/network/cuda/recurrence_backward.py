"""The recurrent layer on a GPU, backward: from gradients of states to those of all products.

R rows (windows), T steps, H units filled up, G gates. Leaves the gradients of the inputs of gates
where the gates were, those of recurrent products in ``u``; weights take theirs from these
afterwards, all steps at once.

    shared: [weights turned (G H, H)] [d_u (R, G H)] [product (parts, R, H)] [d_h] [d_c] [d_state]
"""

from __future__ import annotations

import numpy as np

from gruforecast.foundations.cuda.jit import gpu_part, gpu_routine
from gruforecast.foundations.cuda.mathematics import ONE
from gruforecast.foundations.cuda.primitives import ZERO, barrier, ld, st
from gruforecast.network.cuda import fields
from gruforecast.network.cuda.fields import APART, GRU_BEFORE, WEIGHTS
from gruforecast.network.cuda.normalisation import gain_gradient, normalise_backward
from gruforecast.network.cuda.products import following, multiply_spread, spread
from gruforecast.network.cuda.rows import field
from gruforecast.network.cuda.steps import (
    copy_weights,
    load_gates,
    order,
    prefetch_step,
    read_layer,
    read_places,
    store_gates,
    sum_parts,
)
from gruforecast.network.cuda.units import blend_backward, reset_backward, unit_backward


@gpu_part
def _begin(memory, shard, layer, places, o, unit):
    """Gradients of the last state -> d_h, d_c; nothing has come through products yet."""
    shared, wide = memory.shared, layer.wide
    d_last = shard.work + field(memory, o, fields.D_LAST)
    stride, of_cells = (
        field(memory, o, fields.D_LAST_STRIDE),
        field(memory, o, fields.D_LAST_CELLS),
    )
    n = layer.n_rows * wide
    i, j, step_i, step_j = unit
    while i < layer.n_rows:
        own = i * wide + j
        d_h = d_c = ZERO
        if stride > 0:
            d_h = ld(memory.work, d_last + i * stride + j)
        if of_cells >= 0:
            d_c = ld(memory.work, shard.work + of_cells + own)
        st(shared, places.d_h + own, d_h)
        st(shared, places.d_c + own, d_c)
        st(shared, places.d_state + own, ZERO)
        for p in range(layer.n_parts):
            st(shared, places.product + p * n + own, ZERO)
        i, j = following(i, j, step_i, step_j, wide)
    barrier()


@gpu_part
def _product(memory, layer, places, column, n_cols, place):
    """shared product (R, H) = some columns of d_u (R, .) @ their rows of the turned weights."""
    shared, wide = memory.shared, layer.wide
    width = layer.n_gates * wide
    if layer.in_shared != 0:
        multiply_spread(
            shared, places.d_u + column, width, shared, column * wide, wide,
            shared, places.product, wide, layer.n_rows, wide, n_cols, layer.n_parts, place,
        )  # fmt: skip
    else:
        multiply_spread(
            shared, places.d_u + column, width, memory.work, places.w + column * wide, wide,
            shared, places.product, wide, layer.n_rows, wide, n_cols, layer.n_parts, place,
        )  # fmt: skip
    barrier()


@gpu_part
def _normalise(memory, shard, layer, places, t, first, n_gates):
    """Backward of layer normalisation of some gates of d_u, where it is asked for."""
    if layer.gain < 0:
        return
    rows, width = t * layer.n_rows, layer.n_gates * layer.wide
    gates = (first, n_gates, layer.n_gates)
    normed, inverse = layer.normed + rows * width, layer.inverse + rows * layer.n_gates
    gain_gradient(
        memory.shared, places.d_u, memory.work, normed, layer.n_rows, gates, layer.wide,
        shard.gradient + layer.gain,
    )  # fmt: skip
    barrier()
    normalise_backward(
        memory.shared, places.d_u, memory.state, field(memory, shard.model, WEIGHTS) + layer.gain,
        memory.work, normed, inverse, layer.n_rows, gates, layer.size, layer.wide,
    )  # fmt: skip
    barrier()
    begin, n_columns = first * layer.wide, n_gates * layer.wide
    i, j, step_i, step_j = spread(n_columns)
    while i < layer.n_rows:
        value = ld(memory.shared, places.d_u + i * width + begin + j)
        st(memory.work, places.u + (rows + i) * width + begin + j, value)
        i, j = following(i, j, step_i, step_j, n_columns)


@gpu_part
def _prefetch(memory, layer, places, step):
    """Ask for what the forward pass kept of an earlier step."""
    t, before, _ = order(layer, step)
    n = layer.n_rows * layer.wide
    prefetch_step(memory, layer.a, t, layer.n_gates * n)
    prefetch_step(memory, layer.h, before, n)
    if layer.c >= 0:
        prefetch_step(memory, layer.c, before, n)
    if layer.extra >= 0:
        prefetch_step(memory, layer.extra, t, n)
    if places.d_states >= 0:
        prefetch_step(memory, places.d_states, t, n)


@gpu_part
def _arriving(memory, layer, places, t, i, j):
    """The gradient of a unit's state after step t."""
    own = i * layer.wide + j
    n = layer.n_rows * layer.wide
    through = sum_parts(memory.shared, places.product + own, n, layer.n_parts)
    through += ld(memory.shared, places.d_state + own)
    if layer.mask >= 0:
        through *= ld(memory.work, layer.mask + own)
    d = ld(memory.shared, places.d_h + own) + through
    if places.d_states >= 0:
        d += ld(memory.work, places.d_states + t * n + own)
    return d


@gpu_part
def _store(memory, layer, places, t, i, j, d_a, d_u):
    """Gradients of the inputs of gates and of their recurrent parts, where they are wanted."""
    wide, n_gates = layer.wide, layer.n_gates
    width = n_gates * wide
    row = t * layer.n_rows + i
    store_gates(memory.work, layer.a + row * width + j, wide, n_gates, d_a)
    store_gates(memory.shared, places.d_u + i * width + j, wide, n_gates, d_u)
    if layer.gain < 0:
        store_gates(memory.work, places.u + row * width + j, wide, n_gates, d_u)


@gpu_part
def _units(memory, layer, places, step, unit):
    """All units of a step; those of masked windows hand their gradients on."""
    work, shared, wide, n_gates = memory.work, memory.shared, layer.wide, layer.n_gates
    t, before, _ = order(layer, step)
    width, n = n_gates * wide, layer.n_rows * wide
    i, j, step_i, step_j = unit
    while i < layer.n_rows:
        own = i * wide + j
        d_h = _arriving(memory, layer, places, t, i, j)
        d_c = ld(shared, places.d_c + own)
        d_a = d_u = (ZERO, ZERO, ZERO, ZERO)
        if t >= np.int64(ld(work, layer.first + i)):
            gates = load_gates(work, layer.a + (t * layer.n_rows + i) * width + j, wide, n_gates)
            h = c = ld(work, layer.h + before * n + own)
            extra = ZERO
            if layer.c >= 0:
                c = ld(work, layer.c + before * n + own)
            if layer.extra >= 0:
                extra = ld(work, layer.extra + t * n + own)
            d_a, d_u, d_h, d_c = unit_backward(layer.kind, gates, extra, h, c, d_h, d_c)
        _store(memory, layer, places, t, i, j, d_a, d_u)
        if layer.extra >= 0:  # the bias inside the GRU's reset gate takes its gradient from here
            st(work, layer.extra + t * n + own, d_u[2])
        st(shared, places.d_h + own, d_h)
        st(shared, places.d_c + own, d_c)
        i, j = following(i, j, step_i, step_j, wide)
    barrier()


@gpu_part
def _candidates(memory, layer, places, step, unit):
    """GRU that resets before the product: gradients of the inputs of z and of the candidate."""
    work, shared, wide = memory.work, memory.shared, layer.wide
    t, before, _ = order(layer, step)
    n = layer.n_rows * wide
    i, j, step_i, step_j = unit
    while i < layer.n_rows:
        own = i * wide + j
        at = layer.a + (t * layer.n_rows + i) * 3 * wide + j
        d_h, d_az, d_an = _arriving(memory, layer, places, t, i, j), ZERO, ZERO
        r = ld(work, at + wide)
        if t >= np.int64(ld(work, layer.first + i)):
            z, new, h = ld(work, at), ld(work, at + 2 * wide), ld(work, layer.h + before * n + own)
            d_az, d_an, d_h = blend_backward(d_h, z, new, h, ONE)
        _store(memory, layer, places, t, i, j, (d_az, r, d_an, ZERO), (d_az, ZERO, d_an, ZERO))
        st(shared, places.d_h + own, d_h)
        i, j = following(i, j, step_i, step_j, wide)
    barrier()


@gpu_part
def _resets(memory, layer, places, step, unit):
    """The same cell: from the gradient of what the candidate saw to the input of r."""
    work, shared, wide = memory.work, memory.shared, layer.wide
    t = order(layer, step)[0]
    n = layer.n_rows * wide
    i, j, step_i, step_j = unit
    while i < layer.n_rows:
        own = i * wide + j
        row = t * layer.n_rows + i
        at = layer.a + row * 3 * wide + wide + j
        d_seen = sum_parts(shared, places.product + own, n, layer.n_parts)
        d_ar = d_state = ZERO
        if t >= np.int64(ld(work, layer.first + i)):
            state = ld(work, places.dropped + t * n + own)
            d_ar, d_state = reset_backward(d_seen, ld(work, at), state, ONE)
        st(work, at, d_ar)
        st(shared, places.d_u + i * 3 * wide + wide + j, d_ar)
        if layer.gain < 0:
            st(work, places.u + row * 3 * wide + wide + j, d_ar)
        st(shared, places.d_state + own, d_state)
        i, j = following(i, j, step_i, step_j, wide)
    barrier()


@gpu_part
def _add_up(memory, shard, layer, places, t, o, unit):
    """What reaches the first state from a step that lies apart, to the sum over the steps."""
    work, shared, wide = memory.work, memory.shared, layer.wide
    d_first = shard.work + field(memory, o, fields.D_FIRST)
    stride = field(memory, o, fields.D_FIRST_STRIDE)
    of_cells = shard.work + field(memory, o, fields.D_FIRST_CELLS)
    n = layer.n_rows * wide
    i, j, step_i, step_j = unit
    while i < layer.n_rows:
        own, at = i * wide + j, d_first + i * stride + j
        d_h = sum_parts(shared, places.product + own, n, layer.n_parts)
        d_h += ld(shared, places.d_state + own)
        if layer.mask >= 0:
            d_h *= ld(work, layer.mask + t * n + own)
        d_h, d_c = d_h + ld(shared, places.d_h + own), ld(shared, places.d_c + own)
        if t < layer.n_steps - 1:  # the last comes first
            d_h += ld(work, at)
        st(work, at, d_h)
        if layer.c >= 0:
            if t < layer.n_steps - 1:
                d_c += ld(work, of_cells + own)
            st(work, of_cells + own, d_c)
        i, j = following(i, j, step_i, step_j, wide)
    barrier()


@gpu_routine
def recur_backward(memory, shard, o):
    """All steps of a layer in one direction, from the last to the first."""
    layer = read_layer(memory, shard, o)
    places = read_places(memory, shard, layer, o)
    wide = layer.wide
    width = layer.n_gates * wide
    if layer.in_shared != 0:
        copy_weights(memory.work, places.w, width * wide, memory.shared)
    place, unit, is_apart = spread(wide // 4), spread(wide), layer.course == APART
    for step in range(layer.n_steps - 1, -1, -1):
        if is_apart or step == layer.n_steps - 1:
            _begin(memory, shard, layer, places, o, unit)
        t = order(layer, step)[0]
        if step > 0:
            _prefetch(memory, layer, places, step - 1)
        if layer.kind == GRU_BEFORE:
            _candidates(memory, layer, places, step, unit)
            _normalise(memory, shard, layer, places, t, 2, 1)
            _product(memory, layer, places, 2 * wide, wide, place)
            _resets(memory, layer, places, step, unit)
            _normalise(memory, shard, layer, places, t, 0, 2)
            _product(memory, layer, places, 0, 2 * wide, place)
        else:
            _units(memory, layer, places, step, unit)
            _normalise(memory, shard, layer, places, t, 0, layer.n_gates)
            _product(memory, layer, places, 0, width, place)
        if is_apart:
            _add_up(memory, shard, layer, places, t, o, unit)
