"""Floor 3: losses, optimisers, schedules and the loop that brings them together."""

from gruforecast.training.dataset import Dataset
from gruforecast.training.epochs import evaluate
from gruforecast.training.finite import NotFiniteWarning
from gruforecast.training.gradients import loss_and_gradients
from gruforecast.training.loop import train, train_ensemble
from gruforecast.training.losses import Loss, make_loss
from gruforecast.training.options import TrainingOptions
from gruforecast.training.state import EpochReport, TrainingResult, TrainingState

__all__ = [
    "Dataset",
    "EpochReport",
    "Loss",
    "NotFiniteWarning",
    "TrainingOptions",
    "TrainingResult",
    "TrainingState",
    "evaluate",
    "loss_and_gradients",
    "make_loss",
    "train",
    "train_ensemble",
]
