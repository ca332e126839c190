"""Learning-rate schedules: a factor on the learning rate, by step or by epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from gruforecast.foundations.checks import check_integer, check_number
from gruforecast.foundations.registry import make
from gruforecast.foundations.stored import stored


class Progress(NamedTuple):
    """Where a run is: steps and epochs count from 0."""

    step: int
    n_steps: int
    epoch: int


@stored("ConstantSchedule")
@dataclass
class Schedule:
    """The learning rate stays as it is; base of the others."""

    depends_on_total: ClassVar[bool] = False  # on how many steps the whole run has

    def relative_rate(self, at: Progress) -> float:
        """What the learning rate is multiplied with."""
        return 1.0

    def epoch_done(self, loss: float) -> None:
        """Told the watched loss after every epoch."""


@stored("StepSchedule")
@dataclass
class Step(Schedule):
    """Multiplied by ``factor`` every ``step_epochs`` epochs."""

    step_epochs: int = 10
    factor: float = 0.5

    def __post_init__(self) -> None:
        check_integer("step_epochs", self.step_epochs, low=1)
        check_number("factor", self.factor, low=0.0, high=1.0, open_low=True)

    def relative_rate(self, at: Progress) -> float:
        return float(self.factor ** (at.epoch // self.step_epochs))


@stored("ExponentialSchedule")
@dataclass
class Exponential(Schedule):
    """Multiplied by ``factor`` every epoch."""

    factor: float = 0.95

    def __post_init__(self) -> None:
        check_number("factor", self.factor, low=0.0, high=1.0, open_low=True)

    def relative_rate(self, at: Progress) -> float:
        return float(self.factor**at.epoch)


@stored("CosineSchedule")
@dataclass
class Cosine(Schedule):
    """Half a cosine from 1 to ``floor`` over all steps."""

    depends_on_total = True
    floor: float = 0.0

    def __post_init__(self) -> None:
        check_number("floor", self.floor, low=0.0, high=1.0)

    def relative_rate(self, at: Progress) -> float:
        return _half_cosine(1.0, self.floor, at.step / at.n_steps)


@stored("OneCycleSchedule")
@dataclass
class OneCycle(Schedule):
    """Up from ``start`` to 1 during ``warm_up`` of all steps, then down to ``floor``."""

    depends_on_total = True
    warm_up: float = 0.3
    start: float = 0.04
    floor: float = 1e-4

    def __post_init__(self) -> None:
        check_number("warm_up", self.warm_up, low=0.0, high=1.0, open_high=True)
        check_number("start", self.start, low=0.0, high=1.0)
        check_number("floor", self.floor, low=0.0, high=1.0)

    def relative_rate(self, at: Progress) -> float:
        done = at.step / max(1, at.n_steps - 1)
        if done < self.warm_up:
            return _half_cosine(self.start, 1.0, done / self.warm_up)
        return _half_cosine(1.0, self.floor, (done - self.warm_up) / (1.0 - self.warm_up))


@stored("PlateauSchedule")
@dataclass
class Plateau(Schedule):
    """Multiplied by ``factor`` after ``patience`` epochs without a loss below the best by tol."""

    factor: float = 0.5
    patience: int = 3
    tol: float = 0.0
    _factor: float = field(default=1.0, init=False)
    _best: float = field(default=math.inf, init=False)
    _waited: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        check_number("factor", self.factor, low=0.0, high=1.0, open_low=True)
        check_integer("patience", self.patience, low=1)
        check_number("tol", self.tol, low=0.0)

    def relative_rate(self, at: Progress) -> float:
        return self._factor

    def epoch_done(self, loss: float) -> None:
        if loss < self._best - self.tol:
            self._best, self._waited = loss, 0
            return
        self._waited += 1
        if self._waited == self.patience:
            self._factor *= self.factor
            self._waited = 0


def _half_cosine(begin: float, end: float, done: float) -> float:
    return end + (begin - end) * 0.5 * (1.0 + math.cos(math.pi * done))


SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Schedule,
    "step": Step,
    "exponential": Exponential,
    "cosine": Cosine,
    "one_cycle": OneCycle,
    "plateau": Plateau,
}


def make_schedule(name: str, **options: Any) -> Schedule:
    """The schedule of that name with its options."""
    schedule: Schedule = make("learning_rate_schedule", name, SCHEDULES, options)
    return schedule
