"""A run of training as a device takes it, and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
        wishes = [callback(report) for callback in self.callbacks]
        return any(isinstance(wish, (bool, np.bool_)) and bool(wish) for wish in wishes)


class Outcome(NamedTuple):
    """How a run went; its network holds the best weights on the validation set, or the last."""

    reason: str
    checkpoint: TrainingState
    message: str | None = None  # of a NotFiniteWarning, given where train was called
    error: BaseException | None = None  # of a callback, raised where train was called
