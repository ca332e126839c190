"""What changes during a training run, so that it can stop and go on."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field

import numpy as np

from gruforecast.network import Network
from gruforecast.training.optimizers import Optimizer
from gruforecast.training.options import TrainingOptions
from gruforecast.training.schedules import Schedule


@dataclass
class TrainingState:
    """Weights, optimiser, schedule and curves after some epochs; a copy of it is a checkpoint."""

    options: TrainingOptions
    flat: np.ndarray  # (P,) the weights, shared with the network while it trains
    arrays: np.ndarray  # (n, P) of the optimiser
    schedule: Schedule
    epoch: int = 0
    step: int = 0
    loss_curve: list[float] = field(default_factory=list)
    validation_curve: list[float] = field(default_factory=list)
    best_flat: np.ndarray | None = None
    best_loss: float = math.inf
    best_epoch: int = 0
    waited_for: float = math.inf  # the loss that the next one must be below, by tol
    waited: int = 0

    @classmethod
    def start(
        cls, network: Network, options: TrainingOptions, optimizer: Optimizer, schedule: Schedule
    ) -> TrainingState:
        arrays = np.zeros((optimizer.n_arrays, network.flat.size), network.flat.dtype)
        return cls(options, network.flat, arrays, schedule)

    def checkpoint(self) -> TrainingState:
        """A copy that shares nothing; it can be pickled and passed to ``resume_from``."""
        return copy.deepcopy(self)

    def resume(self, network: Network, options: TrainingOptions) -> TrainingState:
        """A copy of this checkpoint whose weights are those of the network."""
        if self.flat.shape != network.flat.shape or self.flat.dtype != network.flat.dtype:
            raise ValueError(
                f"resume_from: expected a checkpoint of {network.flat.size} parameters of "
                f"{network.flat.dtype}, got {self.flat.size} of {self.flat.dtype}; "
                f"use the network that it was made with."
            )
        if changed := self.options.differences(options):
            name = changed[0]
            raise ValueError(
                f"resume_from: expected the options of the checkpoint, got {name}="
                f"{getattr(options, name)!r} where it has {getattr(self.options, name)!r}; "
                f"keep all but max_epochs and patience."
            )
        state = self.checkpoint()
        network.flat[...] = state.flat
        state.flat, state.options = network.flat, options
        return state

    def record(self, loss: float, validation_loss: float | None) -> None:
        """Note the losses of an epoch and remember the best weights."""
        self.loss_curve.append(loss)
        self.epoch += 1
        watched = loss if validation_loss is None else validation_loss
        self.schedule.epoch_done(watched)
        if validation_loss is None:
            if loss < self.best_loss:
                self.best_loss, self.best_epoch = loss, self.epoch
            return
        self.validation_curve.append(validation_loss)
        if validation_loss < self.best_loss:
            self.best_loss, self.best_epoch = validation_loss, self.epoch
            self.best_flat = self.flat.copy()
        if validation_loss < self.waited_for - self.options.tol:
            self.waited_for, self.waited = validation_loss, 0
        else:
            self.waited += 1


@dataclass(frozen=True)
class EpochReport:
    """What a callback is told after every epoch; it stops the run by returning True."""

    epoch: int  # from 1
    loss: float
    validation_loss: float | None
    learning_rate: float
    gradient_norm: float  # largest of the epoch, before clipping by norm
    state: TrainingState  # its checkpoint() is a place to go on from


@dataclass(frozen=True)
class TrainingResult:
    """How a run went. The network holds the best weights on the validation set, or the last.

    ``stopping_reason`` is "max_epochs", "early_stopping", "callback" or "not_finite".
    """

    n_epochs: int
    loss_curve: list[float]
    validation_curve: list[float]
    best_epoch: int
    best_loss: float
    stopping_reason: str
    checkpoint: TrainingState

    @classmethod
    def of(cls, state: TrainingState, reason: str) -> TrainingResult:
        return cls(
            state.epoch,
            list(state.loss_curve),
            list(state.validation_curve),
            state.best_epoch,
            state.best_loss,
            reason,
            state.checkpoint(),
        )
