"""Where the numbers of a plan stand: what the host writes and kernels read.

A plan is one array of whole numbers. It holds a record for each model (its sizes, where its
weights lie, its programs), one for each data set, and the instructions of the programs. Places are
given in elements; those in a workspace count from its start.
"""

from __future__ import annotations

from typing import Any, NamedTuple

# An instruction: a code and what it works on.
INSTRUCTION = 28

GATHER, EMBED, PRODUCT, NORM, RECUR, DROP, MASK, BIAS, COPY = range(9)
FUTURE_ROWS, FUTURE_UNITS, OUTPUTS, PLACES_AHEAD, LAGS, POOL, NOISE = range(9, 16)
FUTURE_UNITS_BACK, RELU_BACK, GRADIENT, SUMS, TRANSPOSE = range(16, 21)
NORM_BACK, RECUR_BACK, EMBED_BACK, POOL_BACK = range(21, 25)
FIRST_OF_BACKWARD = FUTURE_UNITS_BACK  # backward programs use those before it, too

# What RECUR and RECUR_BACK both hold, then what either does. The others hold few numbers, which the
# functions that carry them out read in their order.
(
    KIND, COURSE, GATES, STATES, CELLS, EXTRA, MASK_OF_STATE, GAIN, NORMED, INVERSE,
    SIZE, WIDE, N_GATES, N_PARTS, IN_SHARED, STEPS, FIRST,
) = range(1, 18)  # fmt: skip
W_H, B, B_H, DROPPED = range(18, 22)
(
    W_TURNED, D_PRODUCTS, D_STATES, D_LAST, D_LAST_STRIDE, D_LAST_CELLS, STATES_READ,
    D_FIRST, D_FIRST_STRIDE, D_FIRST_CELLS,
) = range(18, 28)  # fmt: skip

# COURSE: steps follow one another in time, or backward in time, or all start from one state.
ONWARD, REVERSED, APART = range(3)

# What OUTPUTS does.
ADDED, TURNED, WRITTEN = range(3)

# The kinds of cell.
GRU_AFTER, GRU_BEFORE, LSTM, RNN = range(4)

# A data set.
(
    SERIES, STARTS, LENGTHS, OFFSETS, FACTORS, TARGETS, TARGET_WEIGHTS, FUTURE, FUTURE_STARTS,
    N_WINDOWS, N_FEATURES, N_TARGETS,
) = range(12)  # fmt: skip
DATASET = 12

# A model.
(
    N_ROWS, N_NUMERIC, RAW, D_RAW, RAW_WIDTH, N_OUTPUTS,
    FORWARD, N_FORWARD, BACKWARD, N_BACKWARD, WEIGHTS, N_WEIGHTS, DEVIATIONS, REACH,
) = range(14)  # fmt: skip
MODEL = 14


class Memory(NamedTuple):
    """The arrays that a kernel works on, all of one dimension."""

    plan: Any  # whole numbers (64 bit)
    data: Any  # series, targets and the like
    places: Any  # starts and lengths of windows (32 bit)
    orders: Any  # positions in a data set, in the order of training (32 bit)
    state: Any  # weights and what optimisers keep
    work: Any  # workspaces of the blocks, and gradients
    shared: Any  # of the block


class Shard(NamedTuple):
    """Some windows of a data set, and where a block works on them."""

    model: Any  # place of the model's record in the plan
    dataset: Any  # place of the data set's record
    order: Any  # place in orders of the first window, or -1: windows follow one another
    position: Any  # of the first window in its batch
    n_windows: Any  # at most N_ROWS of the model
    work: Any  # place of the block's workspace
    gradient: Any  # place in work of the gradients
    key: Any  # of dropout (64 bit without sign)
    is_training: Any  # whether dropout is on
