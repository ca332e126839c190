"""Gradients of a mini-batch: shards on threads, summed in a fixed order.

N windows of a batch, T steps, P parameters.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gruforecast.foundations.checks import check_type
from gruforecast.foundations.jit import kernel
from gruforecast.foundations.threads import Workers, single_threaded_blas
from gruforecast.network import Network
from gruforecast.network.parameters import refresh_transposes
from gruforecast.network.workspace import Workspace
from gruforecast.training.dataset import Dataset, total_weight
from gruforecast.training.disturbance import Disturbance
from gruforecast.training.losses import Loss, as_loss

MAX_LANES = 16  # gradient slots: shards s, s + MAX_LANES, ... add to the same one
LEAST_SHARD = 32  # windows, of which products are fast
WORTH_SHARING = 1.6e7  # operations of a shard for each part of the network that kernels work on


def operations(network: Network, n_steps: int) -> float:
    """Of a training step for each window, in the products of all steps: nearly all there are."""
    spec = network.specification
    of_step = spec.future_size * (spec.n_future_features + spec.outputs_per_step)
    ahead = spec.n_future_steps * of_step
    in_layers = sum(p.size for p in network.layout.parameters if p.is_of_layers)
    return 6.0 * ((spec.n_segments(n_steps) + spec.decoder_steps) * in_layers + ahead)


def shard_size(network: Network, batch_size: int, n_steps: int) -> int:
    """Windows of a shard: a batch is halved as long as a part is worth a thread of its own.

    Between the kernels of two parts of a network a thread needs the interpreter, which another may
    hold: with little work in between they would only take turns.
    """
    spec = network.specification
    n_layers = spec.num_layers * spec.n_directions * (2 if spec.decoder_steps else 1)
    beside = (spec.reads_segments, spec.n_future_steps, spec.n_lags)
    n_parts = n_layers + 1 + sum(map(bool, beside))
    is_large = spec.hidden_size < 64 and batch_size >= 512  # there are shards enough all the same
    most = batch_size // (2 * LEAST_SHARD if is_large else LEAST_SHARD)
    worth = batch_size * operations(network, n_steps) / (n_parts * WORTH_SHARING)
    halvings = int(np.log2(max(1.0, min(most, worth))))
    return -(-batch_size // (1 << halvings))


def count_lanes(size: int, batch_size: int) -> int:
    """Gradient slots of a batch in shards of some size, and so the threads that can work on it."""
    return min(MAX_LANES, -(-batch_size // size))


class BatchGradients:
    """Computes the gradient of mini-batches of one data set with buffers that are kept."""

    def __init__(
        self, network: Network, loss: Loss, batch_size: int, shard_size: int, workers: Workers,
        disturbance: Disturbance | None = None,
    ) -> None:  # fmt: skip
        self.disturbance = disturbance
        self.network, self.loss, self.workers = network, loss, workers
        self.shard_size = shard_size
        self.weights = network.bound_weights()
        n_lanes = count_lanes(shard_size, batch_size)
        self.lanes = np.zeros((n_lanes, network.layout.size), network.specification.numpy_dtype)
        self.bound_lanes = [network.layout.bind(lane, transposes=False) for lane in self.lanes]
        self.workspaces: dict[tuple[int, int], Workspace] = {}

    def compute(
        self, data: Dataset, batch: np.ndarray, key: tuple[int, ...] | None = None
    ) -> tuple[float, float]:
        """Fill the lanes with the gradient of the mean loss; return the loss's sum and weight.

        ``batch`` holds positions in the data set, ``key`` is what dropout and what disturbs
        windows are drawn from; None: neither.
        """
        targets, sample_weights = data.targets[batch], data.weights[batch]
        weight = total_weight(targets, sample_weights)
        scale = 1.0 / weight if weight > 0 else 0.0
        refresh_transposes(self.weights)
        starts = range(0, len(batch), self.shard_size)
        losses = np.zeros(len(starts))
        n_lanes = min(len(self.lanes), len(starts))
        self.lanes[n_lanes:] = 0.0

        def task(lane: int, worker: int) -> None:
            self.lanes[lane] = 0.0
            for number in range(lane, len(starts), n_lanes):
                part = slice(starts[number], starts[number] + self.shard_size)
                members = batch[part]
                workspace = self._workspace(worker, len(members), data.windows.n_steps)
                shard = workspace.load(data.windows, members, starts[number], key)
                if self.disturbance is not None and key is not None:
                    rows = workspace.reader.rows  # type: ignore[union-attr]
                    self.disturbance.apply(rows, data.windows, members, starts[number], key)
                raw = workspace.forward(self.weights, shard)
                losses[number] = self.loss.kernel(
                    raw,
                    targets[part],
                    sample_weights[part],
                    self.loss.options,
                    scale,
                    workspace.d_raw,
                )
                workspace.backward(self.weights, shard, self.bound_lanes[lane])

        self.workers.run(task, n_lanes)
        return float(losses.sum()), weight

    def _workspace(self, worker: int, n_windows: int, n_steps: int) -> Workspace:
        found = self.workspaces.get((worker, n_windows))
        if found is None:
            found = Workspace(self.network.specification, n_windows, n_steps)
            self.workspaces[worker, n_windows] = found
        return found


@kernel
def combine(lanes, w, mask, l1, l2, clip_value, clip_norm, g):
    """g (P) = sum of lanes (n, P) in order, plus penalties, clipped; returns the norm before.

    ``mask`` is 1 where penalties apply; clipping is off at infinity.
    """
    lasso, ridge, bound = w.dtype.type(l1), w.dtype.type(l2), w.dtype.type(clip_value)
    for j in range(w.size):
        g[j] = mask[j] * (ridge * w[j] + lasso * np.sign(w[j]))
    for lane in range(lanes.shape[0]):
        for j in range(w.size):
            g[j] += lanes[lane, j]
    squares = 0.0
    for j in range(w.size):
        if g[j] > bound:
            g[j] = bound
        elif g[j] < -bound:
            g[j] = -bound
        squares += np.float64(g[j]) * np.float64(g[j])
    norm = np.sqrt(squares)
    if norm > clip_norm:
        scale = w.dtype.type(clip_norm / norm)
        for j in range(w.size):
            g[j] *= scale
    return norm


class LossGradients(NamedTuple):
    """The mean loss of a data set and all its gradients."""

    loss: float
    weights: dict[str, np.ndarray]
    inputs: np.ndarray  # (N, T, F) of every step of every window; zero where masked or a category
    initial_state: np.ndarray  # (layers * directions, N, state size)


def loss_and_gradients(
    network: Network,
    data: Dataset,
    loss: Loss | str,
    *,
    key: tuple[int, ...] | None = None,
) -> LossGradients:
    """The loss of all windows at once, without penalties, and its gradients.

    For checks and for looking into a network: the inputs' gradients are an array of windows,
    which training never makes, and those of what the network reads: of normalised values where
    windows are normalised. Rows known in the future have none. ``key`` turns dropout on and
    chooses its masks.
    """
    loss = as_loss(loss)
    check_fit(network, data, loss)
    windows = data.windows
    spec = network.specification
    workspace = Workspace(spec, len(data), windows.n_steps, of_inputs=True)
    weights = network.bound_weights()
    flat = np.zeros_like(network.flat)
    total = total_weight(data.targets, data.weights)
    with single_threaded_blas():
        shard = workspace.load(windows, np.arange(len(data)), 0, key)
        raw = workspace.forward(weights, shard)
        value = loss.kernel(
            raw, data.targets, data.weights, loss.options, 1.0 / total, workspace.d_raw
        )
        workspace.backward(weights, shard, network.layout.bind(flat, transposes=False))
    d_rows = workspace.reader.d_numbers.swapaxes(0, 1)  # type: ignore[union-attr]
    d_rows = d_rows.reshape(len(data), -1, spec.input_size)[:, -windows.n_steps :]
    inputs = np.zeros((len(data), windows.n_steps, windows.n_features), d_rows.dtype)
    is_read = np.arange(windows.n_steps) >= windows.first[:, None]
    inputs[is_read, : spec.n_numeric] = d_rows[is_read, : spec.n_numeric]
    if workspace.shortcut is not None:
        n_lags = min(spec.n_lags, windows.n_steps)
        d_lags = workspace.d_raw @ weights.shortcut.T  # type: ignore[union-attr]
        inputs[:, -n_lags:, 0] += d_lags[:, -n_lags:] * is_read[:, -n_lags:]
    return LossGradients(
        value / total,
        network.layout.views(flat),
        inputs,
        workspace.stack.initial_gradient(),
    )


def check_fit(network: Network, data: Dataset, loss: Loss) -> None:
    """Data, loss and network that belong together."""
    check_type("network", network, Network, "make one with Network(Specification(...))")
    check_type("data", data, Dataset, "make one with Dataset(windows, targets)")
    network.check_windows(data.windows)
    loss.check(data.targets, network.specification.n_outputs)
