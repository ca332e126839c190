"""What is chosen about a training run, checked before it starts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from gruforecast.foundations.checks import check_flag, check_integer, check_number
from gruforecast.foundations.stored import stored
from gruforecast.training.disturbance import Disturbance
from gruforecast.training.losses import Loss, make_loss
from gruforecast.training.optimizers import Optimizer, make_optimizer
from gruforecast.training.schedules import Schedule, make_schedule


@stored("TrainingOptions")
@dataclass(frozen=True)
class TrainingOptions:
    """Choices of a training run.

    Parameters
    ----------
    loss : str
        squared_error, absolute_error, scaled_error, huber, quantile, gaussian, student_t, poisson
        or cross_entropy; ``loss_options`` are ``delta`` (huber) and ``quantiles``.
    optimizer : str
        sgd, rmsprop, adagrad, adam or adamw; ``optimizer_options`` are ``momentum`` and
        ``nesterov`` (sgd), ``decay`` (rmsprop), ``beta1`` and ``beta2`` (adam, adamw) and
        ``epsilon`` (all but sgd).
    learning_rate : float
    learning_rate_schedule : str
        constant, step, exponential, cosine, one_cycle or plateau; ``schedule_options`` are
        ``step_epochs`` and ``factor`` (step), ``factor`` (exponential), ``floor`` (cosine),
        ``warm_up``, ``start`` and ``floor`` (one_cycle), ``factor``, ``patience`` and ``tol``
        (plateau).
    batch_size : int
        Windows of a step.
    max_epochs : int
        Passes over the data.
    clip_norm, clip_value : float, optional
        Largest norm of the whole gradient; largest absolute value of an entry (applied first).
    l1, l2 : float
        Penalties ``l1 |w| + l2 w^2 / 2`` on all matrices; decoupled l2 with adamw.
    patience : int, optional
        With a validation set: stop after so many epochs in a row without a loss below the best
        by more than ``tol``.
    input_noise : float or sequence of float
        Deviation of what is added to numeric inputs in training, in their units: one for all
        columns, or one for each. What goes straight to the outputs has none.
    time_shift : float
        Largest share of a window's steps by which it is moved in time in training, either way,
        drawn for every window; the value at its end is repeated.
    shuffle : bool
        A new order of the windows in every epoch.
    seed : int
        Of the order, dropout, noise and shifts.
    """

    loss: str = "squared_error"
    loss_options: Mapping[str, Any] = field(default_factory=dict)
    optimizer: str = "adam"
    optimizer_options: Mapping[str, Any] = field(default_factory=dict)
    learning_rate: float = 1e-3
    learning_rate_schedule: str = "constant"
    schedule_options: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int = 64
    max_epochs: int = 100
    clip_norm: float | None = None
    clip_value: float | None = None
    l1: float = 0.0
    l2: float = 0.0
    patience: int | None = None
    tol: float = 0.0
    input_noise: float | Sequence[float] = 0.0
    time_shift: float = 0.0
    shuffle: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        checked: dict[str, Any] = {
            "learning_rate": check_number(
                "learning_rate", self.learning_rate, low=0.0, open_low=True
            ),
            "shuffle": check_flag("shuffle", self.shuffle),
            "seed": check_integer("seed", self.seed, low=0),
        }
        for name in ("batch_size", "max_epochs", "patience"):
            if (count := getattr(self, name)) is not None or name != "patience":
                checked[name] = check_integer(name, count, low=1)
        for name in ("clip_norm", "clip_value"):
            if (bound := getattr(self, name)) is not None:
                checked[name] = check_number(name, bound, low=0.0, open_low=True)
        for name in ("l1", "l2", "tol"):
            checked[name] = check_number(name, getattr(self, name), low=0.0)
        checked["input_noise"] = _check_noise(self.input_noise)
        checked["time_shift"] = check_number("time_shift", self.time_shift, low=0.0, high=1.0)
        for name in ("loss_options", "optimizer_options", "schedule_options"):
            checked[name] = _plain_options(name, getattr(self, name))
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        self.make_loss()
        self.make_optimizer()
        self.make_schedule()

    def make_loss(self) -> Loss:
        return make_loss(self.loss, **self.loss_options)

    def make_optimizer(self) -> Optimizer:
        return make_optimizer(self.optimizer, **self.optimizer_options)

    def make_schedule(self) -> Schedule:
        return make_schedule(self.learning_rate_schedule, **self.schedule_options)

    def make_disturbance(self, n_numeric: int) -> Disturbance | None:
        """What is done to windows with so many numeric columns in training, if anything."""
        noise = np.broadcast_to(self.input_noise, (n_numeric,)).astype(np.float64)
        return Disturbance(noise, self.time_shift) if noise.any() or self.time_shift else None

    @property
    def norm_limit(self) -> float:
        return math.inf if self.clip_norm is None else self.clip_norm

    @property
    def value_limit(self) -> float:
        return math.inf if self.clip_value is None else self.clip_value

    def is_like(self, other: TrainingOptions) -> bool:
        """Whether the arrays of the optimiser and the schedule of one run fit the other."""
        return (self.optimizer, self.make_schedule()) == (other.optimizer, other.make_schedule())

    def differences(self, other: TrainingOptions) -> list[str]:
        """Names of the choices that differ, beside how long the run may take.

        A schedule that spans the whole run makes its length a choice like the others.
        """
        free = {"patience"}
        if not self.make_schedule().depends_on_total:
            free.add("max_epochs")
        names = [f.name for f in fields(self) if f.name not in free]
        return [name for name in names if getattr(self, name) != getattr(other, name)]


def _check_noise(value: Any) -> float | tuple[float, ...]:
    """A number, or one for each column."""
    if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str):
        return tuple(check_number(f"input_noise[{k}]", v, low=0.0) for k, v in enumerate(value))
    return check_number("input_noise", value, low=0.0)


def _plain_options(name: str, options: Any) -> dict[str, Any]:
    """A copy whose sequences are tuples, so that two of them can be compared."""
    if not isinstance(options, Mapping):
        raise TypeError(f"{name}: expected a dict of options, got {options!r}; pass {{}} for none.")
    plain = {key: getattr(value, "tolist", lambda v=value: v)() for key, value in options.items()}
    return {key: tuple(v) if isinstance(v, list) else v for key, v in plain.items()}
