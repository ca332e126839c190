"""Optimisers: one kernel each, on the flat vector of parameters.

A kernel gets ``(w, g, state, rate, step, options, decay)``: weights and gradient (P,), its own
arrays (n, P) that start at zero, the learning rate, the number of the step from 1, its options
in the order of the fields below, and the decoupled decay of every weight (P,).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any, ClassVar

import numpy as np

from gruforecast.foundations.checks import check_flag, check_number
from gruforecast.foundations.jit import kernel
from gruforecast.foundations.registry import make


@kernel
def _sgd(w, g, state, rate, step, options, decay):
    momentum, nesterov = w.dtype.type(options[0]), options[1] > 0
    rate = w.dtype.type(rate)
    velocity = state[0]
    for j in range(w.size):
        velocity[j] = momentum * velocity[j] + g[j]
        direction = g[j] + momentum * velocity[j] if nesterov else velocity[j]
        w[j] -= rate * direction


@kernel
def _rmsprop(w, g, state, rate, step, options, decay):
    kept, epsilon = w.dtype.type(options[0]), w.dtype.type(options[1])
    fresh, rate = w.dtype.type(1.0 - options[0]), w.dtype.type(rate)
    squares = state[0]
    for j in range(w.size):
        squares[j] = kept * squares[j] + fresh * g[j] * g[j]
        w[j] -= rate * g[j] / (np.sqrt(squares[j]) + epsilon)


@kernel
def _adagrad(w, g, state, rate, step, options, decay):
    epsilon, rate = w.dtype.type(options[0]), w.dtype.type(rate)
    squares = state[0]
    for j in range(w.size):
        squares[j] += g[j] * g[j]
        w[j] -= rate * g[j] / (np.sqrt(squares[j]) + epsilon)


@kernel
def _adam(w, g, state, rate, step, options, decay):
    beta1, beta2 = w.dtype.type(options[0]), w.dtype.type(options[1])
    fresh1, fresh2 = w.dtype.type(1.0 - options[0]), w.dtype.type(1.0 - options[1])
    epsilon = w.dtype.type(options[2])
    t = np.float64(step)  # a whole power would be a loop
    scale = w.dtype.type(rate / (1.0 - options[0] ** t))
    correction = w.dtype.type(1.0 / np.sqrt(1.0 - options[1] ** t))
    rate = w.dtype.type(rate)
    mean, squares = state[0], state[1]
    for j in range(w.size):
        mean[j] = beta1 * mean[j] + fresh1 * g[j]
        squares[j] = beta2 * squares[j] + fresh2 * g[j] * g[j]
        shrink = rate * decay[j] * w[j]
        w[j] -= scale * mean[j] / (np.sqrt(squares[j]) * correction + epsilon) + shrink


@dataclass(frozen=True)
class Optimizer:
    """Base of all: options are fields, the rest is fixed per class."""

    kernel: ClassVar[Callable[..., None]]
    n_arrays: ClassVar[int] = 1
    decoupled: ClassVar[bool] = False  # weight decay beside the gradient, not inside

    def option_values(self) -> np.ndarray:
        return np.array(astuple(self), dtype=np.float64)

    def update(
        self, w: np.ndarray, g: np.ndarray, state: np.ndarray, rate: float, step: int, decay: Any
    ) -> None:
        """One step in place: weights and the optimiser's own arrays."""
        type(self).kernel(w, g, state, rate, step, self.option_values(), decay)


@dataclass(frozen=True)
class Sgd(Optimizer):
    """Gradient descent with momentum, by default in Nesterov's form."""

    momentum: float = 0.9
    nesterov: bool = True
    kernel = _sgd

    def __post_init__(self) -> None:
        check_number("momentum", self.momentum, low=0.0, high=1.0, open_high=True)
        check_flag("nesterov", self.nesterov)


@dataclass(frozen=True)
class RmsProp(Optimizer):
    """The gradient over the root of its running mean square."""

    decay: float = 0.99
    epsilon: float = 1e-8
    kernel = _rmsprop

    def __post_init__(self) -> None:
        check_number("decay", self.decay, low=0.0, high=1.0, open_high=True)
        check_number("epsilon", self.epsilon, low=0.0, open_low=True)


@dataclass(frozen=True)
class AdaGrad(Optimizer):
    """The gradient over the root of its summed squares."""

    epsilon: float = 1e-10
    kernel = _adagrad

    def __post_init__(self) -> None:
        check_number("epsilon", self.epsilon, low=0.0, open_low=True)


@dataclass(frozen=True)
class Adam(Optimizer):
    """Running means of gradient and square, corrected for their start at zero."""

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    kernel = _adam
    n_arrays = 2

    def __post_init__(self) -> None:
        check_number("beta1", self.beta1, low=0.0, high=1.0, open_high=True)
        check_number("beta2", self.beta2, low=0.0, high=1.0, open_high=True)
        check_number("epsilon", self.epsilon, low=0.0, open_low=True)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam whose L2 penalty shrinks the weights directly."""

    decoupled = True


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": Sgd,
    "rmsprop": RmsProp,
    "adagrad": AdaGrad,
    "adam": Adam,
    "adamw": AdamW,
}


def make_optimizer(name: str, **options: Any) -> Optimizer:
    """The optimiser of that name with its options."""
    optimizer: Optimizer = make("optimizer", name, OPTIMIZERS, options)
    return optimizer
