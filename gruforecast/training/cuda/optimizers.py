"""Optimisers on a GPU: one weight at a time; see ``training.optimizers``.

``o`` is the place of the options that ``numbers_of`` wrote, ``at`` that of the weight in the
state, ``first`` and ``second`` those of what the optimiser keeps for it.
"""

from __future__ import annotations

import math

import numpy as np

from gruforecast.foundations.cuda.jit import gpu_part
from gruforecast.foundations.cuda.primitives import ZERO, ld, st
from gruforecast.training.optimizers import AdaGrad, Adam, AdamW, Optimizer, RmsProp, Sgd

KINDS: dict[type[Optimizer], int] = {Sgd: 0, RmsProp: 1, AdaGrad: 2, Adam: 3, AdamW: 3}
SGD, RMSPROP, ADAGRAD = range(3)


def numbers_of(optimizer: Optimizer) -> list[float]:
    """The options of an optimiser as its steps read them."""
    if isinstance(optimizer, Sgd):
        return [optimizer.momentum, float(optimizer.nesterov)]
    if isinstance(optimizer, RmsProp):
        return [optimizer.decay, 1.0 - optimizer.decay, optimizer.epsilon]
    if isinstance(optimizer, AdaGrad):
        return [optimizer.epsilon]
    assert isinstance(optimizer, Adam)
    beta1, beta2 = optimizer.beta1, optimizer.beta2
    return [beta1, 1.0 - beta1, beta2, 1.0 - beta2, optimizer.epsilon]


def numbers_of_steps(optimizer: Optimizer, rates: np.ndarray, n_before: int) -> np.ndarray:
    """For each step its learning rate, and Adam's own with the correction of its squares (n, 3)."""
    out = np.ones((len(rates), 3))
    out[:, 0] = out[:, 1] = rates
    if isinstance(optimizer, Adam):
        step = n_before + 1.0 + np.arange(len(rates))
        out[:, 1] /= 1.0 - optimizer.beta1**step
        out[:, 2] /= np.sqrt(1.0 - optimizer.beta2**step)
    return out


@gpu_part
def _sgd(state, at, g, first, data, o, rate):
    momentum = ld(data, o)
    velocity = momentum * ld(state, first) + g
    st(state, first, velocity)
    direction = g + momentum * velocity if ld(data, o + 1) > ZERO else velocity
    st(state, at, ld(state, at) - rate * direction)


@gpu_part
def _rmsprop(state, at, g, first, data, o, rate):
    squares = ld(data, o) * ld(state, first) + ld(data, o + 1) * g * g
    st(state, first, squares)
    st(state, at, ld(state, at) - rate * g / (math.sqrt(squares) + ld(data, o + 2)))


@gpu_part
def _adagrad(state, at, g, first, data, o, rate):
    squares = ld(state, first) + g * g
    st(state, first, squares)
    st(state, at, ld(state, at) - rate * g / (math.sqrt(squares) + ld(data, o)))


@gpu_part
def _adam(state, at, g, first, second, data, o, rates, step, decay):
    mean = ld(data, o) * ld(state, first) + ld(data, o + 1) * g
    squares = ld(data, o + 2) * ld(state, second) + ld(data, o + 3) * g * g
    st(state, first, mean)
    st(state, second, squares)
    scale, correction = ld(rates, step + 1), ld(rates, step + 2)
    w = ld(state, at)
    shrink = ld(rates, step) * decay * w
    st(state, at, w - (scale * mean / (math.sqrt(squares) * correction + ld(data, o + 4)) + shrink))


@gpu_part
def update(kind, state, at, g, first, second, data, o, rates, step, decay):
    """One step of one weight."""
    if kind == SGD:
        _sgd(state, at, g, first, data, o, ld(rates, step))
    elif kind == RMSPROP:
        _rmsprop(state, at, g, first, data, o, ld(rates, step))
    elif kind == ADAGRAD:
        _adagrad(state, at, g, first, data, o, ld(rates, step))
    else:
        _adam(state, at, g, first, second, data, o, rates, step, decay)
