"""Running a network over many windows: each row of the series is projected once.

Windows are taken in the order of their start, in stretches of the series whose rows pass the
first product together; then in shards of a fixed number of windows, so that a window's result
has the same bits whatever windows it comes with. Windows that are normalised one by one, or read
in segments, share no rows: a stretch holds those of one shard, window after window. N windows,
T steps, F features, D inputs of the first layer, H hidden.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gruforecast.cells.options import normalise
from gruforecast.foundations.blas import ROW_TILE, multiply
from gruforecast.foundations.jit import kernel
from gruforecast.foundations.threads import Workers, single_threaded_blas
from gruforecast.network.parameters import NetworkWeights
from gruforecast.network.reader import Reader
from gruforecast.network.specification import Specification
from gruforecast.network.stack import Shard
from gruforecast.network.windows import Windows, load_windows
from gruforecast.network.workspace import Workspace

SHARD_TILES, SHARD_TILES_OF_SEGMENTS = 4, 16  # with few steps more windows, or threads take turns
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
    shares_rows = windows.factors is None and not spec.reads_segments
    stretches = list(_stretches(windows) if shares_rows else _own_stretches(windows, spec))
    workspaces: dict[tuple[int, int], Workspace] = {}
    most = _shard_size(spec)

    def task(number: int, worker: int) -> None:
        stretch = stretches[number]
        projected = _project(spec, weights, windows, stretch)
        for begin in range(0, len(stretch.members), most):
            members = stretch.members[begin : begin + most]
            starts = stretch.starts[begin : begin + most]
            size = _rounded(len(members))
            workspace = workspaces.get((worker, size))
            if workspace is None:
                workspace = Workspace(spec, size, windows.n_steps, keep=False)
                workspaces[worker, size] = workspace
            shard = _shard(windows, members, starts, size, spec)
            if what == "outputs":
                workspace.load_beside(windows, members)
                result = workspace.forward(weights, shard, projected)
            else:
                workspace.encode(weights, shard, projected)
                result = workspace.stack.last
                if what == "every":
                    result = workspace.stack.every_state().swapaxes(0, 1)
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


def _own_stretches(windows: Windows, spec: Specification) -> Iterator[Stretch]:
    """One for each shard, in which every window has all its steps."""
    n_steps, most = spec.n_segments(windows.n_steps), _shard_size(spec)
    for begin in range(0, len(windows), most):
        members = np.arange(begin, min(begin + most, len(windows)))
        starts = np.arange(len(members)) * n_steps + _first(windows, members, spec)
        yield Stretch(None, members, starts)


def _first(windows: Windows, members: np.ndarray, spec: Specification) -> np.ndarray:
    """The first step of some windows that reads a row."""
    width = spec.segment_length
    n_rows = spec.n_segments(windows.n_steps) * width
    return np.asarray((n_rows - windows.lengths[members]) // width)


def _read(
    spec: Specification, weights: NetworkWeights, windows: Windows, stretch: Stretch
) -> np.ndarray:
    """What the first layer reads of a stretch (rows, D), and zeros up to the tile of a product."""
    n_steps, n_windows = 1, len(stretch.members if stretch.rows is None else stretch.rows)
    if stretch.rows is None:
        n_steps = spec.n_segments(windows.n_steps)
    reader = Reader(spec, _rounded(n_windows) * n_steps, 1, keep=False)
    if stretch.rows is None:
        shape = (_rounded(n_windows), n_steps, spec.segment_length, spec.n_features)
        rows = reader.rows.reshape(shape)[:n_windows].swapaxes(0, 1)
        load_windows(windows, stretch.members, spec.n_numeric, rows)
    else:
        reader.rows[0, :n_windows, 0] = windows.series[stretch.rows]
    reader.forward(weights)
    return np.asarray(reader.x[0])


def _project(
    spec: Specification, weights: NetworkWeights, windows: Windows, stretch: Stretch
) -> list[np.ndarray]:
    """What the first layer makes of each row of the stretch (G, rows, H), for each direction."""
    x = _read(spec, weights, windows, stretch)
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


def _shard_size(spec: Specification) -> int:
    return ROW_TILE * (SHARD_TILES_OF_SEGMENTS if spec.reads_segments else SHARD_TILES)


def _rounded(n: int) -> int:
    """The next multiple of the tile of a matrix product."""
    return -(-n // ROW_TILE) * ROW_TILE


def _shard(
    windows: Windows, members: np.ndarray, starts: np.ndarray, size: int, spec: Specification
) -> Shard:
    """The members and, up to the size, windows that are masked throughout."""
    first = np.full(size, spec.n_segments(windows.n_steps))
    base = np.zeros(size, np.int64)
    first[: len(members)] = _first(windows, members, spec)
    base[: len(members)] = starts - first[: len(members)]
    state = None
    if windows.initial_state is not None:
        n_states, _, width = windows.initial_state.shape
        state = np.zeros((n_states, size, width), windows.series.dtype)
        state[:, : len(members)] = windows.initial_state[:, members]
    return Shard(base, first, state)
