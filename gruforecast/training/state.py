"""What changes during a training run, so that it can stop and go on."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field, fields

import numpy as np

from gruforecast.foundations.stored import stored
from gruforecast.network import Network, Specification
from gruforecast.training.options import TrainingOptions
from gruforecast.training.schedules import Progress, Schedule


@stored("TrainingState")
@dataclass(eq=False)
class TrainingState:
    """Weights, optimiser, schedule and curves after some epochs; a copy of it is a checkpoint."""

    options: TrainingOptions
    specification: Specification
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

    def __post_init__(self) -> None:
        shape = (self.options.make_optimizer().n_arrays, self.flat.size)
        for name, wanted in (("arrays", shape), ("best_flat", shape[1:])):
            found = getattr(self, name)
            if found is not None and (found.shape, found.dtype) != (wanted, self.flat.dtype):
                raise ValueError(
                    f"{name}: expected shape {wanted} of {self.flat.dtype}, got {found.shape} of "
                    f"{found.dtype}; pass those of the same network and optimiser."
                )

    @classmethod
    def start(cls, network: Network, options: TrainingOptions) -> TrainingState:
        n_arrays = options.make_optimizer().n_arrays
        arrays = np.zeros((n_arrays, network.flat.size), network.flat.dtype)
        return cls(options, network.specification, network.flat, arrays, options.make_schedule())

    def checkpoint(self) -> TrainingState:
        """A copy that shares nothing; it can be pickled and passed to ``resume_from``."""
        return copy.deepcopy(self)

    def resume(
        self, network: Network, options: TrainingOptions, *, validated: bool
    ) -> TrainingState:
        """A copy of this checkpoint whose weights are those of the network."""
        if self.epoch and validated != bool(self.validation_curve):
            has, wants = ("no", "one") if validated else ("a", "none")
            raise ValueError(
                f"resume_from: expected validation as in the run of the checkpoint, got {wants} "
                f"where it has {has} validation set; pass the same data."
            )
        for name in (f.name for f in fields(Specification)):
            wanted, got = (getattr(s, name) for s in (network.specification, self.specification))
            if wanted != got:
                raise ValueError(
                    f"resume_from: expected a checkpoint of a network with {name}={wanted!r}, "
                    f"got {got!r}; use the network that it was made with."
                )
        if changed := self.options.differences(options):
            name = changed[0]
            raise ValueError(
                f"resume_from: expected the options of the checkpoint, got {name}="
                f"{getattr(options, name)!r} where it has {getattr(self.options, name)!r}; "
                f"keep it."
            )
        state = self.checkpoint()
        network.flat[...] = state.flat
        state.flat, state.options = network.flat, options
        return state

    def why_stop(self) -> str | None:
        """The reason to stop before another epoch, if there is one."""
        patience = self.options.patience
        if patience is not None and self.waited >= patience:
            return "early_stopping"
        return "max_epochs" if self.epoch >= self.options.max_epochs else None

    def order(self, n: int, epoch: int) -> np.ndarray:
        """Positions in a data set of n windows; depends on seed and epoch alone."""
        order = np.arange(n)
        if self.options.shuffle:
            np.random.default_rng((self.options.seed, epoch)).shuffle(order)
        return order

    def rate(self, step: int, epoch: int, n_batches: int) -> float:
        """The learning rate of a step; steps and epochs count from 0."""
        return self.options.learning_rate * self.relative_rate(step, epoch, n_batches)

    def relative_rate(self, step: int, epoch: int, n_batches: int) -> float:
        """The same as a share of the learning rate that was chosen."""
        at = Progress(step, n_batches * self.options.max_epochs, epoch)
        return self.schedule.relative_rate(at)

    def record_start(self, validation_loss: float) -> None:
        """Note what the weights are worth before any step: they may turn out to be the best."""
        if math.isfinite(validation_loss):
            self.best_loss, self.best_flat = validation_loss, self.flat.copy()

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
    """What a callback is told after every epoch; only returning True stops the run.

    Attributes
    ----------
    epoch : int
        From 1.
    loss : float
    validation_loss : float, optional
    learning_rate : float
        Of the last step.
    gradient_norm : float
        Largest of the epoch, before clipping by norm.
    state : TrainingState
        Of the run as it goes on; ``state.checkpoint()`` is a copy to keep.
    member : int
        Which network it is about, of those of ``train_ensemble``.
    """

    epoch: int
    loss: float
    validation_loss: float | None
    learning_rate: float
    gradient_norm: float
    state: TrainingState
    member: int = 0


@dataclass(frozen=True)
class TrainingResult:
    """How a run went. The network holds the best weights on the validation set, or the last.

    Attributes
    ----------
    n_epochs : int
    loss_curve, validation_curve : list of float
        Mean loss of every epoch; the latter is empty without a validation set.
    best_epoch : int
        From 1; 0 is before the first.
    best_loss : float
        On the validation set, if there is one.
    stopping_reason : str
        "max_epochs", "early_stopping", "callback" or "not_finite".
    checkpoint : TrainingState
        The run after its last complete epoch.
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
        """From a checkpoint of the run."""
        return cls(
            n_epochs=state.epoch,
            loss_curve=list(state.loss_curve),
            validation_curve=list(state.validation_curve),
            best_epoch=state.best_epoch,
            best_loss=state.best_loss,
            stopping_reason=reason,
            checkpoint=state,
        )
