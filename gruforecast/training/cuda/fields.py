"""Where the numbers of a training stand, beside those of ``network.cuda.fields``."""

from __future__ import annotations

from typing import Any, NamedTuple

from gruforecast.foundations.cuda.jit import gpu_part
from gruforecast.network.cuda.fields import MODEL

# A model's record goes on with:
(
    TRAINING, VALIDATION, BATCH, KEY, PATIENCE, LOSS, LOSS_OPTIONS, N_LOSS_OPTIONS,
    OPTIMIZER, OPTIMIZER_OPTIONS, N_ARRAYS, LIMITS, MASK, PROGRESS,
) = range(MODEL, MODEL + 14)  # fmt: skip
RECORD = MODEL + 14

# What LIMITS points to, among the data.
L1, L2, DECAY, CLIP_VALUE, CLIP_NORM, TOLERANCE = range(6)

# What changes from launch to launch and what a launch says, for each model.
(
    N_EPOCHS, ORDERS, RATES, REPORT, STEP, WAITED, EPOCHS_DONE, BEST_EPOCH, STATUS, BATCHES_DONE,
) = range(10)  # fmt: skip
OF_MODEL = 10

# STATUS.
GOES_ON, STOPPED_EARLY, ODD_LOSS, ODD_NORM, ODD_WEIGHTS, ODD_VALIDATION = range(6)

# RATES begins and REPORT ends with the best loss of the validation set and the one waited for.
# Between these stand numbers of each step (learning rate, that of Adam, its correction), and of
# each batch (loss, norm), then the loss of the validation set after each epoch.
N_SCORES, OF_STEP, OF_BATCH = 2, 3, 2


# The state of a model: weights, arrays of the optimiser, the weights before the last step, the best
# ones, then weights and arrays as the epoch began. Counted in arrays of that many weights:


@gpu_part
def previous(n_arrays):
    """Which array holds the weights before the last step."""
    return 1 + n_arrays


@gpu_part
def best(n_arrays):
    """Which array holds the best weights."""
    return 2 + n_arrays


@gpu_part
def start(n_arrays):
    """From which array on there is what the epoch began with."""
    return 3 + n_arrays


def n_kept(n_arrays: int) -> int:
    """How many arrays there are."""
    return 4 + 2 * n_arrays


class Team(NamedTuple):
    """The blocks that train a model together, as one of them sees it."""

    number: Any
    rank: Any  # of this block in the team
    size: Any
    work: Any  # place in work of the block's workspace
    lanes: Any  # place in work of a gradient for each block
    stride: Any  # from one lane to the next
    notes: Any  # place in work of a number for each block
    arrivals: Any  # counters of the teams' barriers
    turns: Any  # place among them of the number of the model that a team has


class Books(NamedTuple):
    """The arrays beside ``Memory`` that training reads and writes."""

    rates: Any
    report: Any
    progress: Any
