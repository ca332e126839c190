"""Running a network over many windows on a GPU: blocks take shards of windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import cuda, float32, int32, int64, void

from gruforecast.foundations.cuda.card import Card, open_card
from gruforecast.foundations.cuda.jit import BLOCKS_PER_MULTIPROCESSOR, gpu_kernel, gpu_part
from gruforecast.foundations.cuda.primitives import barrier, block, divided, ld, n_blocks, st
from gruforecast.network.cuda.fields import (
    DATASET,
    FORWARD,
    MODEL,
    N_FORWARD,
    N_ROWS,
    N_WINDOWS,
    Memory,
    Shard,
)
from gruforecast.network.cuda.layout import WideLayout, filled
from gruforecast.network.cuda.machine import run_forward
from gruforecast.network.cuda.packing import Plan, fitting_program, n_that_fit
from gruforecast.network.cuda.products import following, spread
from gruforecast.network.cuda.program import Program
from gruforecast.network.cuda.rows import field
from gruforecast.network.cuda.stack import MOST_ROWS
from gruforecast.network.windows import Windows

if TYPE_CHECKING:
    from gruforecast.network.network import Network

PIECE = 6  # numbers that say what to write: source, stride, step from slot to slot, columns, to, of
SIGNATURE = void(
    int64[::1], float32[::1], int32[::1], float32[::1], float32[::1], float32[::1],
    int64, int64, int64,
)  # fmt: skip


@gpu_part
def _write(memory, shard, piece, n_slots, out):
    """out (n, slots, of) <- columns of slots of (R, stride) in the workspace."""
    source, stride = ld(memory.plan, piece), ld(memory.plan, piece + 1)
    of_slot, n_columns = ld(memory.plan, piece + 2), ld(memory.plan, piece + 3)
    to, of = ld(memory.plan, piece + 4), ld(memory.plan, piece + 5)
    i, j, step_i, step_j = spread(n_columns)
    while i < shard.n_windows * n_slots:
        row, slot = divided(i, n_slots)
        value = ld(memory.work, shard.work + source + slot * of_slot + row * stride + j)
        st(out, (shard.position * n_slots + i) * of + to + j, value)
        i, j = following(i, j, step_i, step_j, n_columns)
    barrier()


@gpu_kernel
def predict_kernel(plan, data, places, state, work, out, work_size, n_slots, n_pieces):
    """Every block takes shards of windows and writes pieces of what they end with.

    The plan begins with the record of the model, that of the windows, and those of the pieces.
    """
    shared = cuda.shared.array(0, float32, 16)
    memory = Memory(plan, data, places, places, state, work, shared)  # there are no orders
    model, dataset = np.int64(0), np.int64(MODEL)
    n_rows, n = field(memory, model, N_ROWS), field(memory, dataset, N_WINDOWS)
    own = block() * work_size
    for first in range(block() * n_rows, n, n_blocks() * n_rows):
        n_windows = min(n_rows, n - first)
        shard = Shard(
            model, dataset, np.int64(-1), first, n_windows, own, own, np.uint64(0), np.int64(0)
        )
        run_forward(memory, shard, field(memory, model, FORWARD), field(memory, model, N_FORWARD))
        for p in range(n_pieces):
            _write(memory, shard, MODEL + DATASET + p * PIECE, n_slots, out)


def run(network: Network, windows: Windows, out: np.ndarray, *, gpu: int, what: str) -> None:
    """Fill out (N, .) with "outputs" of the head, the "last" state or "every" state (N, T, .)."""
    if len(windows):
        card = open_card(gpu)
        with card.current(), card.allocating:
            _run(card, network, windows, out, what)


def _run(card: Card, network: Network, windows: Windows, out: np.ndarray, what: str) -> None:
    spec, wide = network.specification, WideLayout(network.specification)
    limit = card.prepare(predict_kernel, SIGNATURE) // card.real.itemsize

    def kind(n_rows: int) -> Program:
        return Program(spec, wide, windows.n_steps, n_rows, limit)

    program = fitting_program(kind, min(MOST_ROWS, filled(len(windows))))
    plan, pieces = Plan(1, MODEL, card.real), _pieces(program, what)
    plan.add_dataset(windows)
    plan.add_numbers(pieces)
    plan.set_model(0, plan.describe(program, 0))
    sent, result = plan.send(card), card.zeros(out.size, card.real)
    state = card.send(wide.widen(network.flat).astype(card.real))
    n_shards = -(-len(windows) // program.n_rows)
    at_once = BLOCKS_PER_MULTIPROCESSOR * card.n_multiprocessors
    n_blocks = min(n_shards, at_once, n_that_fit(card, program.work_size))
    card.launch(
        predict_kernel, n_blocks, *sent, state,
        card.zeros(n_blocks * program.work_size, card.real), result,
        program.work_size, out.shape[1] if what == "every" else 1, len(pieces) // PIECE,
        shared_bytes=program.shared_size * card.real.itemsize,
    )  # fmt: skip
    out[...] = card.receive(result).reshape(out.shape)


def _pieces(program: Program, what: str) -> list[int]:
    """What to write of each direction, or of the raw outputs."""
    spec, units = program.spec, program.units
    if what == "outputs":
        n = spec.n_outputs
        return [program.raw, program.raw_width, 0, n, 0, n]
    pieces: list[int] = []
    for d, r in enumerate(program.windows.layers[-1]):
        source = [program.last + d * units, program.joined, 0]
        if what == "every":
            source = [r.after(program.of_step), units, program.of_step]
        pieces += [*source, spec.hidden_size, d * spec.hidden_size, spec.encoding_size]
    return pieces
