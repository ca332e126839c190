"""Losses on a GPU, in float32: value and gradient of one target; see ``training.losses``.

``raw`` and ``d_raw`` are places of the outputs that belong to the target, ``factor`` is what the
gradient is multiplied with.
"""

from __future__ import annotations

import math

import numpy as np

from gruforecast.foundations.cuda.jit import gpu_part, gpu_routine
from gruforecast.foundations.cuda.mathematics import HALF, ONE, TWO, digamma, sign, softplus
from gruforecast.foundations.cuda.primitives import (
    ZERO,
    barrier,
    block_sum,
    ld,
    n_threads,
    st,
    thread,
)
from gruforecast.network.cuda.fields import (
    D_RAW,
    N_OUTPUTS,
    N_ROWS,
    N_TARGETS,
    RAW,
    RAW_WIDTH,
    TARGET_WEIGHTS,
    TARGETS,
)
from gruforecast.network.cuda.products import following, spread
from gruforecast.network.cuda.rows import field, window_of
from gruforecast.training.cuda.fields import LOSS, LOSS_OPTIONS, N_LOSS_OPTIONS
from gruforecast.training.losses import likelihood

SQUARED_ERROR, ABSOLUTE_ERROR, HUBER, QUANTILE, GAUSSIAN, STUDENT_T, POISSON = range(7)
KINDS = {
    "squared_error": SQUARED_ERROR,
    "absolute_error": ABSOLUTE_ERROR,
    "scaled_error": ABSOLUTE_ERROR,
    "huber": HUBER,
    "quantile": QUANTILE,
    "gaussian": GAUSSIAN,
    "student_t": STUDENT_T,
    "poisson": POISSON,
    "cross_entropy": 7,
}
MIN_SCALE, MIN_DEGREES = np.float32(likelihood.MIN_SCALE), np.float32(likelihood.MIN_DEGREES)
QUARTER, EIGHT = np.float32(0.25), np.float32(8.0)
C3, C5 = np.float32(1.0 / 24.0), np.float32(1.0 / 20.0)
PI, HALF_LOG_TWO_PI = np.float32(math.pi), np.float32(0.5 * math.log(2.0 * math.pi))


@gpu_part
def _huber(work, raw, d_raw, y, delta, factor):
    e = ld(work, raw) - y
    if abs(e) <= delta:
        st(work, d_raw, factor * e)
        return HALF * e * e
    st(work, d_raw, factor * delta * sign(e))
    return delta * (abs(e) - HALF * delta)


@gpu_part
def _quantile(work, raw, d_raw, y, data, options, n_options, factor):
    total = ZERO
    share = ONE / np.float32(n_options)
    for q in range(n_options):
        above = y - ld(work, raw + q)
        slope = ld(data, options + q)
        slope = slope if above > ZERO else slope - ONE
        total += slope * above * share
        st(work, d_raw + q, -factor * slope * share)
    return total


@gpu_part
def _slope_of_softplus(x):
    return ONE / (ONE + math.exp(-x))


@gpu_part
def _gaussian(work, raw, d_raw, y, factor):
    s = ld(work, raw + 1)
    deviation = softplus(s) + MIN_SCALE
    x = (y - ld(work, raw)) / deviation
    st(work, d_raw, -factor * x / deviation)
    st(work, d_raw + 1, factor * (ONE - x * x) / deviation * _slope_of_softplus(s))
    return math.log(deviation) + HALF * x * x + HALF_LOG_TWO_PI


@gpu_part
def _constant_of_t(n):
    """lgamma(n / 2) - lgamma((n + 1) / 2) + log(n pi) / 2, and twice its derivative.

    From eight degrees on by its series, as logarithms of gamma would cancel in float32.
    """
    if n >= EIGHT:
        x = ONE / n
        s = x * x
        value = HALF_LOG_TWO_PI + x * (QUARTER - s * (C3 - s * C5))
        return value, -s * (HALF - s * (QUARTER - s * HALF))
    value = math.lgamma(HALF * n) - math.lgamma(HALF * (n + ONE)) + HALF * math.log(n * PI)
    return value, digamma(HALF * n) - digamma(HALF * (n + ONE)) + ONE / n


@gpu_part
def _student_t(work, raw, d_raw, y, factor):
    s, v = ld(work, raw + 1), ld(work, raw + 2)
    deviation, n = softplus(s) + MIN_SCALE, softplus(v) + MIN_DEGREES
    x = (y - ld(work, raw)) / deviation
    tail = math.log1p(x * x / n)
    pull = (n + ONE) / (n + x * x)
    constant, slope = _constant_of_t(n)
    d_n = HALF * (slope + tail) - HALF * pull * x * x / n
    st(work, d_raw, -factor * pull * x / deviation)
    st(work, d_raw + 1, factor * (ONE - pull * x * x) / deviation * _slope_of_softplus(s))
    st(work, d_raw + 2, factor * d_n * _slope_of_softplus(v))
    return constant + math.log(deviation) + HALF * (n + ONE) * tail


@gpu_part
def _poisson(work, raw, d_raw, y, factor):
    log_rate = ld(work, raw)
    rate = math.exp(log_rate)
    st(work, d_raw, factor * (rate - y))
    return rate - y * log_rate


@gpu_part
def _cross_entropy(work, raw, d_raw, y, n_classes, factor):
    largest = ld(work, raw)
    for j in range(1, n_classes):
        largest = max(largest, ld(work, raw + j))
    partition = ZERO
    for j in range(n_classes):
        partition += math.exp(ld(work, raw + j) - largest)
    target = np.int64(y)
    for j in range(n_classes):
        probability = math.exp(ld(work, raw + j) - largest) / partition
        slope = probability - ONE if j == target else probability
        st(work, d_raw + j, factor * slope)
    return math.log(partition) + largest - ld(work, raw + target)


@gpu_part
def _element(kind, work, raw, d_raw, j, y, data, options, n_options, n_outputs, factor):
    """The loss of target j of a window."""
    at, to = raw + j, d_raw + j
    if kind == SQUARED_ERROR:
        e = ld(work, at) - y
        st(work, to, factor * TWO * e)
        return e * e
    if kind == ABSOLUTE_ERROR:
        e = ld(work, at) - y
        st(work, to, factor * sign(e))
        return abs(e)
    if kind == HUBER:
        return _huber(work, at, to, y, ld(data, options), factor)
    if kind == QUANTILE:
        skip = j * n_options
        return _quantile(work, raw + skip, d_raw + skip, y, data, options, n_options, factor)
    if kind == GAUSSIAN:
        return _gaussian(work, at + j, to + j, y, factor)
    if kind == STUDENT_T:
        return _student_t(work, at + 2 * j, to + 2 * j, y, factor)
    if kind == POISSON:
        return _poisson(work, at, to, y, factor)
    return _cross_entropy(work, raw, d_raw, y, n_outputs, factor)


@gpu_routine
def shard_loss(memory, shard, scale):
    """Sum of weight * loss over a shard; the gradient of scale times it -> D_RAW.

    Missing targets (NaN) and windows that fill up add nothing and get gradients of zero.
    """
    work, data = memory.work, memory.data
    raw = shard.work + field(memory, shard.model, RAW)
    d_raw = shard.work + field(memory, shard.model, D_RAW)
    width, n_rows = field(memory, shard.model, RAW_WIDTH), field(memory, shard.model, N_ROWS)
    kind, n_outputs = field(memory, shard.model, LOSS), field(memory, shard.model, N_OUTPUTS)
    options = field(memory, shard.model, LOSS_OPTIONS)
    n_options = field(memory, shard.model, N_LOSS_OPTIONS)
    targets, weights = (
        field(memory, shard.dataset, TARGETS),
        field(memory, shard.dataset, TARGET_WEIGHTS),
    )
    n_targets = field(memory, shard.dataset, N_TARGETS)
    for k in range(thread(), n_rows * width, n_threads()):
        st(work, d_raw + k, ZERO)
    barrier()
    total = ZERO
    i, j, step_i, step_j = spread(n_targets)
    while i < shard.n_windows:
        window = window_of(memory, shard, i)
        y, weight = ld(data, targets + window * n_targets + j), ld(data, weights + window)
        if not math.isnan(y):
            total += weight * _element(
                kind, work, raw + i * width, d_raw + i * width, j, y, data, options, n_options,
                n_outputs, scale * weight,
            )  # fmt: skip
        i, j = following(i, j, step_i, step_j, n_targets)
    return block_sum(total, memory.shared, 0)
