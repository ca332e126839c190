"""A run of training as a device takes it, and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from gruforecast.network import Network
from gruforecast.training.dataset import Dataset
from gruforecast.training.options import TrainingOptions
from gruforecast.training.state import EpochReport, TrainingState

Callback = Callable[[EpochReport], bool | None]


@dataclass(eq=False)
class Job:
    """All that a run needs; its network is trained in place."""

    network: Network
    data: Dataset
    options: TrainingOptions
    validation: Dataset | None
    state: TrainingState
    callbacks: Sequence[Callback] = ()

    def is_ended_by(self, report: EpochReport) -> bool:
        """Tell every callback about an epoch; whether one of them wishes to end the run."""
        return _ask(self.callbacks, report)


def _ask(callbacks: Sequence[Callback], report: EpochReport) -> bool:
    wishes = [callback(report) for callback in callbacks]
    return any(isinstance(wish, (bool, np.bool_)) and bool(wish) for wish in wishes)


class InStep:
    """Callbacks of jobs that make epoch after epoch together.

    They are told of an epoch when all have made it, by the first job that goes on; when they wish
    to end, all jobs end.
    """

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self.callbacks, self.epoch, self.is_over = callbacks, -1, False

    def of(self, member: int) -> list[Callback]:
        """The callbacks of a job, by its number among them."""
        return [partial(self._hear, member)] if self.callbacks else []

    def _hear(self, member: int, report: EpochReport) -> bool:
        if report.epoch != self.epoch:
            self.epoch, self.is_over = report.epoch, True  # if one of them fails
            self.is_over = _ask(self.callbacks, replace(report, member=member))
        return self.is_over


class Outcome(NamedTuple):
    """How a run went; its network holds the best weights on the validation set, or the last."""

    reason: str
    checkpoint: TrainingState
    message: str | None = None  # of a NotFiniteWarning, given where train was called
    error: BaseException | None = None  # of a callback, raised where train was called
