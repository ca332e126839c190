"""Running a network over many windows: each row of the series is projected once.

Windows are taken in the order of their start, in stretches of the series whose rows pass the
first product together; then in shards of a fixed number of windows, so that a window's result
has the same bits whatever windows it comes with. Windows that are normalised one by one share no
rows: a stretch holds those of one shard, window after window. N windows, T steps, F features,
H hidden.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gruforecast.cells.options import normalise
from gruforecast.foundations.blas import ROW_TILE, multiply
from gruforecast.foundations.jit import kernel
from gruforecast.foundations.threads import Workers, single_threaded_blas
from gruforecast.network.embedding import embed
from gruforecast.network.parameters import NetworkWeights
from gruforecast.network.specification import Specification
from gruforecast.network.windows import Windows, load_windows
from gruforecast.network.workspace import Shard, Workspace

SHARD_SIZE = 4 * ROW_TILE
STRETCH_ROWS = 1024  # at least, and at least four times a window: neighbours share T - 1 rows


class Stretch(NamedTuple):
    """Rows of the series that are projected together, and the windows that read them."""

    rows: np.ndarray | None  # numbers of the rows in the series; None: each window has its own
    members: np.ndarray  # positions of the windows in the order of the caller
    starts: np.ndarray  # where each of them starts within rows


@kernel
def _project_rows(x, w, gain, out, normed, inverse):
    """out (G, n, H) = x (n, F) @ w of each gate, layer-normalised where asked for."""
    for gate in range(out.shape[0]):
        multiply(x, w, gate * out.shape[2], ROW_TILE, False, out[gate])
        normalise(out[gate], gate, 0, gain, normed, inverse)


def run(
    spec: Specification,
    weights: NetworkWeights,
    windows: Windows,
    out: np.ndarray,
    *,
    n_threads: int,
    what: str = "outputs",
) -> None:
    """Fill out (N, .) with "outputs" of the head, the "last" state or "every" state (N, T, .)."""
    stretches = list(_stretches(windows) if windows.factors is None else _own_stretches(windows))
    workspaces: dict[tuple[int, int], Workspace] = {}

    def task(number: int, worker: int) -> None:
        stretch = stretches[number]
        projected = _project(spec, weights, windows, stretch)
        for begin in range(0, len(stretch.members), SHARD_SIZE):
            members = stretch.members[begin : begin + SHARD_SIZE]
            starts = stretch.starts[begin : begin + SHARD_SIZE]
            size = _rounded(len(members))
            workspace = workspaces.get((worker, size))
            if workspace is None:
                workspace = Workspace(spec, size, windows.n_steps, keep=False)
                workspaces[worker, size] = workspace
            shard = _shard(windows, members, starts, size)
            if what == "outputs":
                if workspace.future is not None:
                    workspace.future.load(windows, members)
                result = workspace.forward(weights, shard, projected)
            else:
                workspace.encode(weights, shard, projected)
                result = workspace.values[0]
                if what == "every":
                    result = workspace.every_state().swapaxes(0, 1)
            out[members] = result[: len(members)]

    with single_threaded_blas(), Workers(min(n_threads, len(stretches))) as workers:
        workers.run(task, len(stretches))


def _stretches(windows: Windows) -> Iterator[Stretch]:
    """Cut the windows, in the order of their starts, where a stretch has rows enough.

    Rows between windows that nobody reads are left out: ``skipped`` counts them.
    """
    order = np.argsort(windows.starts, kind="stable")
    starts = windows.starts[order]
    read_to = np.maximum.accumulate(starts + windows.lengths[order])
    skipped = np.cumsum(np.maximum(starts - np.concatenate([starts[:1], read_to[:-1]]), 0))
    places = starts - skipped  # start of each window among the rows that are read
    reach = max(STRETCH_ROWS, 4 * windows.n_steps)
    begin = 0
    while begin < len(order):
        end = int(np.searchsorted(places, places[begin] + reach))
        last = int((places[begin:end] + windows.lengths[order[begin:end]]).max())
        numbers = np.arange(places[begin], last)
        owner = begin + np.searchsorted(places[begin:end], numbers, side="right") - 1
        yield Stretch(numbers + skipped[owner], order[begin:end], places[begin:end] - places[begin])
        begin = end


def _own_stretches(windows: Windows) -> Iterator[Stretch]:
    """One for each shard, in which every window has all its steps."""
    for begin in range(0, len(windows), SHARD_SIZE):
        members = np.arange(begin, min(begin + SHARD_SIZE, len(windows)))
        first = windows.n_steps - windows.lengths[members]
        yield Stretch(None, members, np.arange(len(members)) * windows.n_steps + first)


def _read(windows: Windows, stretch: Stretch) -> np.ndarray:
    """The rows of a stretch (rows, F), and zeros up to the tile of a matrix product."""
    n_features, dtype = windows.n_features, windows.series.dtype
    if stretch.rows is not None:
        x = np.zeros((_rounded(len(stretch.rows)), n_features), dtype)
        x[: len(stretch.rows)] = windows.series[stretch.rows]
        return x
    n = len(stretch.members)
    steps = np.zeros((_rounded(n), windows.n_steps, n_features), dtype)
    load_windows(windows, stretch.members, steps[:n].swapaxes(0, 1))
    return steps.reshape(-1, n_features)


def _project(
    spec: Specification, weights: NetworkWeights, windows: Windows, stretch: Stretch
) -> list[np.ndarray]:
    """What the first layer reads of each row of the stretch (G, rows, H), for each direction."""
    x = _read(windows, stretch)
    if spec.embeddings:  # rows are the steps of one long window
        rows, x = x, np.empty((len(x), spec.input_size), spec.numpy_dtype)
        embed(rows[:, None], np.zeros(1, np.int64), weights.embeddings, x[:, None])
    shape = (spec.cell_type.n_gates, len(x), spec.hidden_size)
    results = []
    for part in weights.layers[0]:
        out = np.empty(shape, spec.numpy_dtype)
        normed = inverse = None
        if spec.layer_norm:
            normed = np.empty((shape[0], 1, *shape[1:]), spec.numpy_dtype)
            inverse = np.empty((shape[0], 1, shape[1]), spec.numpy_dtype)
        _project_rows(x, part.x, part.gain_x, out, normed, inverse)
        results.append(out)
    return results


def _rounded(n: int) -> int:
    """The next multiple of the tile of a matrix product."""
    return -(-n // ROW_TILE) * ROW_TILE


def _shard(windows: Windows, members: np.ndarray, starts: np.ndarray, size: int) -> Shard:
    """The members and, up to the size, windows that are masked throughout."""
    first = np.full(size, windows.n_steps)
    base = np.zeros(size, np.int64)
    first[: len(members)] = windows.n_steps - windows.lengths[members]
    base[: len(members)] = starts - first[: len(members)]
    state = None
    if windows.initial_state is not None:
        n_states, _, width = windows.initial_state.shape
        state = np.zeros((n_states, size, width), windows.series.dtype)
        state[:, : len(members)] = windows.initial_state[:, members]
    return Shard(base, first, state)
