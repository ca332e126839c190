"""What is chosen about a training run, checked before it starts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from gruforecast.foundations.checks import check_flag, check_integer, check_number
from gruforecast.training.losses import make_loss
from gruforecast.training.optimizers import make_optimizer
from gruforecast.training.schedules import make_schedule


@dataclass(frozen=True)
class TrainingOptions:
    """Choices of a training run.

    Parameters
    ----------
    loss : str
        squared_error, absolute_error, huber, quantile, gaussian, student_t, poisson or
        cross_entropy; with ``loss_options`` (``delta``, ``quantiles``).
    optimizer : str
        sgd, rmsprop, adagrad, adam or adamw; with ``optimizer_options``.
    learning_rate : float
    learning_rate_schedule : str
        constant, step, exponential, cosine, one_cycle or plateau; with ``schedule_options``.
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
    shuffle : bool
        A new order of the windows in every epoch.
    seed : int
        Of the order and of dropout.
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
    shuffle: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        make_loss(self.loss, **self.loss_options)
        make_optimizer(self.optimizer, **self.optimizer_options)
        make_schedule(self.learning_rate_schedule, **self.schedule_options)
        check_number("learning_rate", self.learning_rate, low=0.0, open_low=True)
        check_integer("batch_size", self.batch_size, low=1)
        check_integer("max_epochs", self.max_epochs, low=1)
        for name in ("clip_norm", "clip_value"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), low=0.0, open_low=True)
        for name in ("l1", "l2", "tol"):
            check_number(name, getattr(self, name), low=0.0)
        if self.patience is not None:
            check_integer("patience", self.patience, low=1)
        check_flag("shuffle", self.shuffle)
        check_integer("seed", self.seed, low=0)

    @property
    def norm_limit(self) -> float:
        return math.inf if self.clip_norm is None else self.clip_norm

    @property
    def value_limit(self) -> float:
        return math.inf if self.clip_value is None else self.clip_value

    def differences(self, other: TrainingOptions) -> list[str]:
        """Names of the choices that differ, beside how long the run may take."""
        free = {"max_epochs", "patience"}
        names = [f.name for f in fields(self) if f.name not in free]
        return [name for name in names if getattr(self, name) != getattr(other, name)]
