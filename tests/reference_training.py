"""Naive float64 reference of penalties, clipping, optimisers and learning-rate schedules.

P parameters, in one flat vector.
"""

import math

import numpy as np

Array = np.ndarray


def add_penalties(g: Array, w: Array, mask: Array, l1: float, l2: float) -> Array:
    """g, w (P,), mask (P,) True where penalised -> gradient with the penalties (P,)."""
    return g + np.where(mask, l2 * w + l1 * np.sign(w), 0.0)


def clip(g: Array, clip_value: float | None = None, clip_norm: float | None = None) -> Array:
    """Clip g (P,) entry by entry, then by its Euclidean norm."""
    if clip_value is not None:
        g = np.clip(g, -clip_value, clip_value)
    if clip_norm is not None:
        norm = math.sqrt(np.sum(g**2))
        g = g * (clip_norm / norm) if norm > clip_norm else g
    return g


class SGD:
    """Stochastic gradient descent; every optimiser's step maps w, g (P,) to the new w (P,)."""

    def __init__(self, momentum: float = 0.9, nesterov: bool = True) -> None:
        self.momentum, self.nesterov, self.v = momentum, nesterov, 0.0

    def step(self, w: Array, g: Array, lr: float) -> Array:
        self.v = self.momentum * self.v + g
        return w - lr * (g + self.momentum * self.v if self.nesterov else self.v)


class RMSProp:
    def __init__(self, decay: float = 0.99, epsilon: float = 1e-8) -> None:
        self.decay, self.epsilon, self.s = decay, epsilon, 0.0

    def step(self, w: Array, g: Array, lr: float) -> Array:
        self.s = self.decay * self.s + (1 - self.decay) * g**2
        return w - lr * g / (np.sqrt(self.s) + self.epsilon)


class AdaGrad:
    def __init__(self, epsilon: float = 1e-10) -> None:
        self.epsilon, self.s = epsilon, 0.0

    def step(self, w: Array, g: Array, lr: float) -> Array:
        self.s = self.s + g**2
        return w - lr * g / (np.sqrt(self.s) + self.epsilon)


class Adam:
    """Adam; adamw is the same with decay, the decoupled l2 of every entry (P,), else 0."""

    def __init__(
        self,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        decay: Array | float = 0.0,
    ) -> None:
        self.beta1, self.beta2, self.epsilon, self.decay = beta1, beta2, epsilon, decay
        self.m, self.v, self.t = 0.0, 0.0, 0

    def step(self, w: Array, g: Array, lr: float) -> Array:
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.beta2 * self.v + (1 - self.beta2) * g**2
        m_hat, v_hat = self.m / (1 - self.beta1**self.t), self.v / (1 - self.beta2**self.t)
        return w - lr * m_hat / (np.sqrt(v_hat) + self.epsilon) - lr * self.decay * w


OPTIMIZERS = {"sgd": SGD, "rmsprop": RMSProp, "adagrad": AdaGrad, "adam": Adam, "adamw": Adam}


def half_cosine(a: float, b: float, p: float) -> float:
    """From a at p = 0 to b at p = 1."""
    return b + (a - b) * 0.5 * (1 + math.cos(math.pi * p))


def schedule_value(
    name: str, lr: float, step: int, n_steps: int, epoch: int, n_epochs: int, **options: float
) -> float:
    """Learning rate at 0-based optimiser step of n_steps and 0-based epoch of n_epochs."""
    o = {
        "constant": {},
        "exponential": {"factor": 0.95},
        "cosine": {"floor": 0.0},
        "step": {"step_epochs": 10, "factor": 0.5},
        "one_cycle": {"warm_up": 0.3, "start": 0.04, "floor": 1e-4},
    }[name]
    assert options.keys() <= o.keys(), options
    o.update(options)
    if name == "step":
        return lr * o["factor"] ** (epoch // o["step_epochs"])
    if name == "exponential":
        return lr * o["factor"] ** epoch
    if name == "cosine":
        return half_cosine(lr, o["floor"] * lr, step / n_steps)
    if name == "one_cycle":
        p, warm_up = step / max(1, n_steps - 1), o["warm_up"]
        if p < warm_up:
            return half_cosine(o["start"] * lr, lr, p / warm_up)
        return half_cosine(lr, o["floor"] * lr, (p - warm_up) / (1 - warm_up))
    return lr


class Plateau:
    """Multiply lr by factor after patience epochs in a row without loss < best - tol."""

    def __init__(self, lr: float, factor: float = 0.5, patience: int = 3, tol: float = 0.0) -> None:
        self.lr, self.factor, self.patience, self.tol = lr, factor, patience, tol
        self.best, self.count = math.inf, 0

    def update(self, loss: float) -> float:
        """Take the watched loss of the epoch just ended; return lr for the next epoch."""
        if loss < self.best - self.tol:
            self.best, self.count = loss, 0
        else:
            self.count += 1
            if self.count >= self.patience:
                self.lr, self.count = self.lr * self.factor, 0
        return self.lr
