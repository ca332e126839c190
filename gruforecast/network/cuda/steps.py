"""Steps of a recurrent layer on a GPU: what both passes read of an instruction, and share.

R rows (windows), T steps, H units filled up, G gates. Steps follow one another, onward or backward
in time; or they lie apart: each is the first one from the same state, as segments ahead are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gruforecast.foundations.cuda.jit import gpu_part
from gruforecast.foundations.cuda.primitives import ld, n_threads, prefetch, st, thread
from gruforecast.network.cuda import fields
from gruforecast.network.cuda.fields import APART, N_ROWS, REVERSED
from gruforecast.network.cuda.rows import field


class Layer(NamedTuple):
    """A recurrent layer in one direction: what both passes read of an instruction."""

    kind: Any
    course: Any  # in which order the steps are taken
    a: Any  # (T, R, G H) in work: inputs of gates, then gates, then gradients of their inputs
    h: Any  # (T + 1, R, H) in work
    c: Any  # (T + 1, R, H) in work, or -1
    extra: Any  # (T, R, H) in work, or -1
    mask: Any  # (R, H) in work of recurrent dropout, or -1; (T, R, H) where steps lie apart
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
    work = shard.work
    c, extra = field(memory, o, fields.CELLS), field(memory, o, fields.EXTRA)
    mask = field(memory, o, fields.MASK_OF_STATE)
    return Layer(
        field(memory, o, fields.KIND),
        field(memory, o, fields.COURSE),
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
        field(memory, shard.model, N_ROWS),
        field(memory, o, fields.STEPS),
        work + field(memory, o, fields.FIRST),
    )


class Places(NamedTuple):
    """Where the backward pass reads and writes beside the layer's own places."""

    w: Any  # (G H, H) in work: the recurrent weights turned
    u: Any  # (T, R, G H) in work: gradients of recurrent products
    d_states: Any  # (T, R, H) in work: gradient of every state from above, or -1
    dropped: Any  # (T, R, H) in work: states as products read them, or those before the steps
    d_u: Any  # in shared
    product: Any  # in shared
    d_h: Any  # in shared
    d_c: Any  # in shared
    d_state: Any  # in shared: what reaches the state through the reset gate


@gpu_part
def read_places(memory, shard, layer, o):
    """What the backward pass finds in its instructions."""
    work = shard.work
    n, width = layer.n_rows * layer.wide, layer.n_gates * layer.wide
    d_states = field(memory, o, fields.D_STATES)
    d_u = layer.wide * width if layer.in_shared != 0 else np.int64(0)
    product = d_u + layer.n_rows * width
    d_h = product + layer.n_parts * n
    return Places(
        work + field(memory, o, fields.W_TURNED),
        work + field(memory, o, fields.D_PRODUCTS),
        d_states if d_states < 0 else d_states + work,
        work + field(memory, o, fields.STATES_READ),
        d_u,
        product,
        d_h,
        d_h + n,
        d_h + 2 * n,
    )


@gpu_part
def order(layer, step):
    """(step in time, slot of the state before, slot of the state after)."""
    if layer.course == REVERSED:
        t = layer.n_steps - 1 - step
        return t, t + 1, t
    if layer.course == APART:
        return step, 0, step + 1
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
def prefetch_step(memory, array, step, n):
    """Ask for the n numbers that an array in work has of a step, a line of 32 at a time."""
    k = 32 * thread()
    while k < n:
        prefetch(memory.work, array + step * n + k)
        k += 32 * n_threads()
