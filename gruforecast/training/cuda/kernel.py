"""The kernel that trains: teams of blocks take models until there are none left."""

from __future__ import annotations

import math

import numpy as np
from numba import cuda, float32, int32, int64, void

from gruforecast.foundations.cuda.jit import gpu_kernel, gpu_part, gpu_routine
from gruforecast.foundations.cuda.mathematics import ONE
from gruforecast.foundations.cuda.primitives import (
    ZERO,
    block,
    block_sum,
    divided,
    ld,
    n_blocks,
    n_threads,
    st,
    take_number,
    team_barrier,
    thread,
)
from gruforecast.network.cuda.fields import N_WEIGHTS, N_WINDOWS, WEIGHTS, Memory
from gruforecast.network.cuda.rows import field
from gruforecast.training.cuda import fields as f
from gruforecast.training.cuda.gradients import (
    combine,
    key_of_step,
    shards,
    share,
    step,
    sum_of_squares,
    team_sum,
    total_weight,
)

GOES_ON, STOPPED_EARLY = np.int64(f.GOES_ON), np.int64(f.STOPPED_EARLY)
ODD_LOSS, ODD_NORM = np.int64(f.ODD_LOSS), np.int64(f.ODD_NORM)
ODD_WEIGHTS, ODD_VALIDATION = np.int64(f.ODD_WEIGHTS), np.int64(f.ODD_VALIDATION)
TINY = np.float32(2.0**-60)
NOWHERE, NO, YES = np.int64(-1), np.int64(0), np.int64(1)
SIGNATURE = void(
    int64[::1], float32[::1], int32[::1], int32[::1], float32[::1], float32[::1], float32[::1],
    float32[::1], int64[::1], int64[::1], int64, int64, int64, int64,
)  # fmt: skip


@gpu_part
def _note(team, array, at, value):
    """Write a number that the host will read."""
    if team.rank == 0 and thread() == 0:
        st(array, at, value)


@gpu_routine
def _copy_share(memory, team, model, source, target, n_arrays):
    """This block's share of arrays of the model's state -> other arrays, all counted in these."""
    n, weights = field(memory, model, N_WEIGHTS), field(memory, model, WEIGHTS)
    begin, end = share(memory, team, model)
    for a in range(n_arrays):
        come, go = weights + (source + a) * n, weights + (target + a) * n
        for j in range(begin + thread(), end, n_threads()):
            st(memory.state, go + j, ld(memory.state, come + j))


@gpu_routine
def _count_odd(memory, team, model, n_met):
    """How many weights are not finite."""
    weights, odd = field(memory, model, WEIGHTS), ZERO
    begin, end = share(memory, team, model)
    for j in range(begin + thread(), end, n_threads()):
        if not math.isfinite(ld(memory.state, weights + j)):
            odd += ONE
    return team_sum(memory, team, block_sum(odd, memory.shared, 0), n_met)


@gpu_routine
def _step(memory, books, team, model, k, report, n_met):
    """Clipping and update, once the lanes hold gradients: the status, and barriers met."""
    combine(memory, team, model)
    squares, n_met = team_sum(memory, team, sum_of_squares(memory, team, model, ONE), n_met)
    factor = ONE
    if not math.isfinite(squares):  # of numbers that may be, and clipping is for such
        factor = TINY
        squares, n_met = team_sum(memory, team, sum_of_squares(memory, team, model, TINY), n_met)
    norm = math.sqrt(squares) / factor
    _note(team, books.report, report + 1, norm)
    if not math.isfinite(norm):
        return ODD_NORM, n_met
    rates = ld(books.progress, field(memory, model, f.PROGRESS) + f.RATES)
    rates += f.N_SCORES + f.OF_STEP * k
    step(memory, team, model, books.rates, rates, norm)
    return GOES_ON, team_barrier(team.arrivals, team.number, team.size, n_met)


@gpu_routine
def _epoch(memory, books, team, model, number, n_batches, n_met):
    """All batches of an epoch of the launch, and the validation set as if it were one more.

    Returns the status, the loss of the validation set, batches done, and barriers met.
    """
    at, batch = field(memory, model, f.PROGRESS), field(memory, model, f.BATCH)
    training, validation = field(memory, model, f.TRAINING), field(memory, model, f.VALIDATION)
    n_windows = field(memory, training, N_WINDOWS)
    orders = ld(books.progress, at + f.ORDERS) + number * n_windows
    n_passes = n_batches + 1 if validation >= 0 else n_batches
    status, done, loss = GOES_ON, np.int64(0), ZERO
    while status == GOES_ON and done < n_passes:
        k, begin = number * n_batches + done, done * batch
        is_training = YES if done < n_batches else NO
        dataset, order, n = training, orders + begin, min(batch, n_windows - begin)
        if is_training == NO:
            dataset, order, n = validation, NOWHERE, field(memory, validation, N_WINDOWS)
        weight = total_weight(memory, model, dataset, order, n)
        scale = ONE / weight if weight > ZERO else ZERO
        key = key_of_step(memory, model, ld(books.progress, at + f.STEP) + k)
        own = shards(memory, team, model, dataset, order, n, scale, key, is_training)
        loss, n_met = team_sum(memory, team, own, n_met)
        report = ld(books.progress, at + f.REPORT) + f.OF_BATCH * k
        if is_training == NO:
            loss = loss / weight
            status = GOES_ON if math.isfinite(loss) else ODD_VALIDATION
        else:
            _note(team, books.report, report, loss)
            status = ODD_LOSS
            if math.isfinite(loss):
                status, n_met = _step(memory, books, team, model, k, report, n_met)
        done += 1
        if status == GOES_ON and done == n_batches:
            odd, n_met = _count_odd(memory, team, model, n_met)
            status = ODD_WEIGHTS if odd > ZERO else GOES_ON
    return status, loss, done, n_met


@gpu_routine
def _train(memory, books, team, model, n_met):
    """The epochs of a launch for one model; returns the barriers met."""
    at, n_arrays = field(memory, model, f.PROGRESS), field(memory, model, f.N_ARRAYS)
    dataset, batch = field(memory, model, f.TRAINING), field(memory, model, f.BATCH)
    n_batches = divided(field(memory, dataset, N_WINDOWS) + batch - 1, batch)[0]
    validation, patience = field(memory, model, f.VALIDATION), field(memory, model, f.PATIENCE)
    n_epochs = ld(books.progress, at + f.N_EPOCHS)
    rates = ld(books.progress, at + f.RATES)
    best, waited_for = ld(books.rates, rates), ld(books.rates, rates + 1)
    tolerance = ld(memory.data, field(memory, model, f.LIMITS) + f.TOLERANCE)
    scored_at = ld(books.progress, at + f.REPORT) + f.OF_BATCH * n_epochs * n_batches
    waited, best_epoch = ld(books.progress, at + f.WAITED), np.int64(0)
    status, done, n_done = GOES_ON, np.int64(0), np.int64(0)
    while status == GOES_ON and done < n_epochs:
        _copy_share(memory, team, model, 0, f.start(n_arrays), 1 + n_arrays)
        status, scored, n_done, n_met = _epoch(memory, books, team, model, done, n_batches, n_met)
        if validation >= 0:
            _note(team, books.report, scored_at + done, scored)
        if status != GOES_ON:
            _copy_share(memory, team, model, f.previous(n_arrays), 0, 1)
        else:
            done += 1
            if validation >= 0:
                waited += 1
                if scored < waited_for - tolerance:
                    waited_for, waited = scored, np.int64(0)
                if scored < best:
                    best, best_epoch = scored, done
                    _copy_share(memory, team, model, 0, f.best(n_arrays), 1)
                if patience > 0 and waited >= patience:
                    status = STOPPED_EARLY
    _note(team, books.progress, at + f.EPOCHS_DONE, done)
    _note(team, books.progress, at + f.BATCHES_DONE, n_done)
    _note(team, books.progress, at + f.STATUS, status)
    _note(team, books.progress, at + f.WAITED, waited)
    _note(team, books.progress, at + f.BEST_EPOCH, best_epoch)
    _note(team, books.report, scored_at + n_epochs, best)
    _note(team, books.report, scored_at + n_epochs + 1, waited_for)
    return n_met


@gpu_part
def _next_model(team, n_met):
    """The number of the next model for the whole team, and the barriers met."""
    turn = team.turns + team.number
    if team.rank == 0 and thread() == 0:
        st(team.arrivals, turn, take_number(team.arrivals, team.turns - 1))
    n_met = team_barrier(team.arrivals, team.number, team.size, n_met)
    number = ld(team.arrivals, turn)
    return number, team_barrier(team.arrivals, team.number, team.size, n_met)


@gpu_kernel
def train_kernel(
    plan, data, places, orders, rates, state, work, report, progress, counters, n_models,
    team_size, work_size, stride,
):  # fmt: skip
    """Trains models, each for the epochs that ``progress`` says.

    ``counters`` holds the arrivals of each team, the number of the next model, and the model that
    each team has. Behind the workspaces, ``work`` has lanes and notes for each team.
    """
    shared = cuda.shared.array(0, float32, 16)
    memory = Memory(plan, data, places, orders, state, work, shared)
    books = f.Books(rates, report, progress)
    number, rank = divided(block(), team_size)
    n_teams = divided(n_blocks(), team_size)[0]
    lanes = n_blocks() * work_size
    notes = lanes + n_blocks() * stride + number * team_size
    team = f.Team(
        number, rank, team_size, block() * work_size,
        lanes + number * team_size * stride, stride, notes, counters, n_teams + 1,
    )  # fmt: skip
    model, n_met = _next_model(team, np.int64(0))
    while model < n_models:
        n_met = _train(memory, books, team, model * f.RECORD, n_met)
        model, n_met = _next_model(team, n_met)
