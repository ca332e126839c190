"""Gradients of a mini-batch by a team of blocks, and the step that follows.

Block r of a team of n takes shards r, r + n, ... and adds to its own lane; lanes are added up in
their order, each block doing its share of the weights. No sum depends on who comes first.
"""

from __future__ import annotations

import math

import numpy as np

from gruforecast.foundations.cuda.jit import gpu_part, gpu_routine
from gruforecast.foundations.cuda.mathematics import ONE, mixed, sign, two_sum
from gruforecast.foundations.cuda.primitives import (
    ZERO,
    barrier,
    block_sum,
    divided,
    ld,
    n_threads,
    st,
    team_barrier,
    thread,
)
from gruforecast.network.cuda.fields import (
    BACKWARD,
    FORWARD,
    N_BACKWARD,
    N_FORWARD,
    N_ROWS,
    N_TARGETS,
    N_WEIGHTS,
    TARGET_WEIGHTS,
    TARGETS,
    WEIGHTS,
    Shard,
)
from gruforecast.network.cuda.machine import run_any
from gruforecast.network.cuda.rows import field, window_of
from gruforecast.training.cuda.fields import (
    CLIP_NORM,
    CLIP_VALUE,
    DECAY,
    KEY,
    L1,
    L2,
    LIMITS,
    MASK,
    N_ARRAYS,
    OPTIMIZER,
    OPTIMIZER_OPTIONS,
    previous,
)
from gruforecast.training.cuda.losses import shard_loss
from gruforecast.training.cuda.optimizers import update


@gpu_part
def share(memory, team, model):
    """The weights that this block adds up and updates: from, to."""
    n = field(memory, model, N_WEIGHTS)
    length = divided(n + team.size - 1, team.size)[0]
    begin = min(n, team.rank * length)
    return begin, min(n, begin + length)


@gpu_part
def team_sum(memory, team, value, n_met):
    """The sum over blocks, in their order, of a number that all threads of a block know."""
    if thread() == 0:
        st(memory.work, team.notes + team.rank, value)
    n_met = team_barrier(team.arrivals, team.number, team.size, n_met)
    total = ZERO
    for rank in range(team.size):
        total += ld(memory.work, team.notes + rank)
    return total, team_barrier(team.arrivals, team.number, team.size, n_met)


@gpu_routine
def total_weight(memory, model, dataset, order, n):
    """Sum of the weights of all targets of n windows that are not missing."""
    whole = Shard(
        model, dataset, order, np.int64(0), n, np.int64(0), np.int64(0), np.uint64(0), np.int64(0)
    )
    n_targets, total = field(memory, dataset, N_TARGETS), ZERO
    for i in range(thread(), n, n_threads()):
        window = window_of(memory, whole, i)
        weight = ld(memory.data, field(memory, dataset, TARGET_WEIGHTS) + window)
        for j in range(n_targets):
            y = ld(memory.data, field(memory, dataset, TARGETS) + window * n_targets + j)
            if not math.isnan(y):
                total += weight
    return block_sum(total, memory.shared, 0)


@gpu_routine
def shards(memory, team, model, dataset, order, n, scale, key, is_training):
    """This block's shards of n windows: their loss, and in training their gradient -> its lane."""
    n_rows, lane = field(memory, model, N_ROWS), team.lanes + team.rank * team.stride
    if is_training != 0:
        for k in range(thread(), field(memory, model, N_WEIGHTS), n_threads()):
            st(memory.work, lane + k, ZERO)
        barrier()
    total = lost = ZERO
    for first in range(team.rank * n_rows, n, team.size * n_rows):
        at = order if order < 0 else order + first
        n_windows = min(n_rows, n - first)
        shard = Shard(model, dataset, at, first, n_windows, team.work, lane, key, is_training)
        begin, length = field(memory, model, FORWARD), field(memory, model, N_FORWARD)
        for n_before in range(1 + is_training):  # one place that runs programs: they are merged in
            run_any(memory, shard, begin, length)
            if n_before == 0:
                total, error = two_sum(total, shard_loss(memory, shard, scale))
                lost += error
                begin, length = field(memory, model, BACKWARD), field(memory, model, N_BACKWARD)
    return total + lost if math.isfinite(lost) else total  # of infinity nothing is lost


@gpu_routine
def combine(memory, team, model):
    """This block's share of the gradient -> the first lane, with penalties, cut by value."""
    limits, mask = field(memory, model, LIMITS), field(memory, model, MASK)
    lasso, ridge = ld(memory.data, limits + L1), ld(memory.data, limits + L2)
    bound, weights = ld(memory.data, limits + CLIP_VALUE), field(memory, model, WEIGHTS)
    begin, end = share(memory, team, model)
    for j in range(begin + thread(), end, n_threads()):
        w = ld(memory.state, weights + j)
        g = ld(memory.data, mask + j) * (ridge * w + lasso * sign(w))
        for rank in range(team.size):
            g += ld(memory.work, team.lanes + rank * team.stride + j)
        if g > bound:
            g = bound
        elif g < -bound:
            g = -bound
        st(memory.work, team.lanes + j, g)


@gpu_routine
def sum_of_squares(memory, team, model, factor):
    """Of this block's share of the gradient, times a factor, once ``combine`` has made it."""
    begin, end = share(memory, team, model)
    squares = ZERO
    for j in range(begin + thread(), end, n_threads()):
        g = ld(memory.work, team.lanes + j) * factor
        squares += g * g
    return block_sum(squares, memory.shared, 0)


@gpu_routine
def step(memory, team, model, rates, at, norm):
    """This block's share of a step; the weights before it are kept."""
    limits, mask = field(memory, model, LIMITS), field(memory, model, MASK)
    clip, decay = ld(memory.data, limits + CLIP_NORM), ld(memory.data, limits + DECAY)
    n, weights = field(memory, model, N_WEIGHTS), field(memory, model, WEIGHTS)
    n_arrays, kind = field(memory, model, N_ARRAYS), field(memory, model, OPTIMIZER)
    options = field(memory, model, OPTIMIZER_OPTIONS)
    scale = clip / norm if norm > clip else ONE
    begin, end = share(memory, team, model)
    for j in range(begin + thread(), end, n_threads()):
        g, w = ld(memory.work, team.lanes + j) * scale, weights + j
        st(memory.state, w + previous(n_arrays) * n, ld(memory.state, w))
        update(
            kind, memory.state, w, g, w + n, w + 2 * n, memory.data, options, rates, at,
            decay * ld(memory.data, mask + j),
        )  # fmt: skip


@gpu_part
def key_of_step(memory, model, number):
    """What the dropout masks of a step are drawn from."""
    return mixed(np.uint64(field(memory, model, KEY)), np.uint64(number))
