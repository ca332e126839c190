"""Carries out the instructions of a program with all threads of a block."""

from __future__ import annotations

from gruforecast.foundations.cuda.jit import gpu_part, gpu_routine
from gruforecast.foundations.cuda.primitives import barrier, ld
from gruforecast.network.cuda import fields
from gruforecast.network.cuda.fields import INSTRUCTION, WEIGHTS
from gruforecast.network.cuda.future import (
    future_rows,
    future_units,
    future_units_backward,
)
from gruforecast.network.cuda.normalisation import gain_gradient, normalise, normalise_backward
from gruforecast.network.cuda.pooling import pool, pool_backward
from gruforecast.network.cuda.products import add_gradient, add_sums, multiply, transpose
from gruforecast.network.cuda.reader import (
    add_noise,
    embed,
    embed_backward,
    gather,
    newest_values,
    places_ahead,
)
from gruforecast.network.cuda.recurrence import recur
from gruforecast.network.cuda.recurrence_backward import recur_backward
from gruforecast.network.cuda.rows import (
    add_bias,
    copy_columns,
    drop,
    field,
    make_mask,
    move_outputs,
    relu_backward,
)


@gpu_part
def _multiply(memory, shard, o):
    """out = a @ weights, or a @ what lies in the workspace."""
    plan, work = memory.plan, memory.work
    a, b, out = shard.work + ld(plan, o + 1), ld(plan, o + 2), shard.work + ld(plan, o + 3)
    n_rows, n_cols, inner = ld(plan, o + 4), ld(plan, o + 5), ld(plan, o + 6)
    is_added = ld(plan, o + 7) != 0
    if ld(plan, o + 8) != 0:
        multiply(work, a, work, shard.work + b, work, out, n_rows, n_cols, inner, is_added)
    else:
        b += field(memory, shard.model, WEIGHTS)
        multiply(work, a, memory.state, b, work, out, n_rows, n_cols, inner, is_added)


@gpu_part
def _gradient(memory, shard, o):
    """Gradients of weights: a.T @ d."""
    plan = memory.plan
    add_gradient(
        memory.work, shard.work + ld(plan, o + 1), ld(plan, o + 2), shard.work + ld(plan, o + 3),
        ld(plan, o + 4), ld(plan, o + 5), ld(plan, o + 6), ld(plan, o + 7),
        shard.gradient + ld(plan, o + 8), ld(plan, o + 9), memory.shared,
    )  # fmt: skip


@gpu_part
def _sums(memory, shard, o):
    """Gradients of biases: the sums of the rows of d."""
    plan = memory.plan
    add_sums(
        memory.work, shard.work + ld(plan, o + 1), ld(plan, o + 2), ld(plan, o + 3),
        ld(plan, o + 4), shard.gradient + ld(plan, o + 5), memory.shared,
    )  # fmt: skip


@gpu_part
def _transpose(memory, shard, o):
    """Weights turned, into the workspace."""
    plan = memory.plan
    at = field(memory, shard.model, WEIGHTS) + ld(plan, o + 1)
    n_rows, n_cols = ld(plan, o + 2), ld(plan, o + 3)
    transpose(memory.state, at, n_rows, n_cols, memory.work, shard.work + ld(plan, o + 4))


@gpu_part
def _normalise(memory, shard, o, is_backward):
    """Layer normalisation of the input side of all gates and steps."""
    plan, work = memory.plan, memory.work
    at, normed = shard.work + ld(plan, o + 1), shard.work + ld(plan, o + 2)
    inverse, gain = shard.work + ld(plan, o + 3), ld(plan, o + 4)
    n, n_gates, size, wide = ld(plan, o + 5), ld(plan, o + 6), ld(plan, o + 7), ld(plan, o + 8)
    gates = (0, n_gates, n_gates)
    own = field(memory, shard.model, WEIGHTS) + gain
    if is_backward:
        gain_gradient(work, at, work, normed, n, gates, wide, shard.gradient + gain)
        barrier()
        normalise_backward(work, at, memory.state, own, work, normed, inverse, n, gates, size, wide)
    else:
        normalise(work, at, memory.state, own, work, normed, inverse, n, gates, size, wide)
    barrier()


@gpu_routine
def _carry_out_backward(memory, shard, o, code):
    """The instructions of backward programs alone."""
    if code == fields.RECUR_BACK:
        recur_backward(memory, shard, o)
    elif code == fields.GRADIENT:
        _gradient(memory, shard, o)
    elif code == fields.SUMS:
        _sums(memory, shard, o)
    elif code == fields.TRANSPOSE:
        _transpose(memory, shard, o)
    elif code == fields.RELU_BACK:
        relu_backward(memory, shard, o)
    elif code == fields.NORM_BACK:
        _normalise(memory, shard, o, True)
    elif code == fields.EMBED_BACK:
        embed_backward(memory, shard, o)
    elif code == fields.FUTURE_UNITS_BACK:
        future_units_backward(memory, shard, o)
    elif code == fields.POOL_BACK:
        pool_backward(memory, shard, o)


@gpu_routine
def _carry_out(memory, shard, o, code):
    """The instructions of forward programs; backward ones use some of them, too."""
    if code == fields.GATHER:
        gather(memory, shard, o)
    elif code == fields.PRODUCT:
        _multiply(memory, shard, o)
    elif code == fields.RECUR:
        recur(memory, shard, o)
    elif code == fields.BIAS:
        add_bias(memory, shard, o)
    elif code == fields.COPY:
        copy_columns(memory, shard, o)
    elif code == fields.DROP:
        drop(memory, shard, o)
    elif code == fields.MASK:
        make_mask(memory, shard, o)
    elif code == fields.NORM:
        _normalise(memory, shard, o, False)
    elif code == fields.EMBED:
        embed(memory, shard, o)
    elif code == fields.FUTURE_ROWS:
        future_rows(memory, shard, o)
    elif code == fields.FUTURE_UNITS:
        future_units(memory, shard, o)
    elif code == fields.OUTPUTS:
        move_outputs(memory, shard, o)
    elif code == fields.PLACES_AHEAD:
        places_ahead(memory, shard, o)
    elif code == fields.LAGS:
        newest_values(memory, shard, o)
    elif code == fields.NOISE:
        add_noise(memory, shard, o)
    elif code == fields.POOL:
        pool(memory, shard, o)


@gpu_routine
def run_forward(memory, shard, begin, n):
    """n instructions of a forward program; each ends with a barrier."""
    for k in range(n):
        o = begin + k * INSTRUCTION
        _carry_out(memory, shard, o, ld(memory.plan, o))


@gpu_routine
def run_any(memory, shard, begin, n):
    """n instructions of either program."""
    for k in range(n):
        o = begin + k * INSTRUCTION
        code = ld(memory.plan, o)
        if code < fields.FIRST_OF_BACKWARD:
            _carry_out(memory, shard, o, code)
        else:
            _carry_out_backward(memory, shard, o, code)
