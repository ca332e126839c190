"""The passes of a shard: buffers that one worker reuses, and the order of the layers.

N windows of a shard, T steps, F columns, I inputs, H hidden, L layers, D directions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gruforecast.cells.base import Gradients, Inputs, Trace, Weights
from gruforecast.foundations.blas import ROW_TILE
from gruforecast.foundations.random import derive_key, dropout, dropout_mask
from gruforecast.network.dense import dense_backward, dense_forward
from gruforecast.network.embedding import embed, embed_backward
from gruforecast.network.future import FutureHead
from gruforecast.network.parameters import NetworkWeights
from gruforecast.network.specification import Specification


@dataclass
class Shard:
    """What differs from shard to shard, beside the windows themselves."""

    base: np.ndarray  # (N,) series row that step 0 of each window would read
    first: np.ndarray  # (N,) first step that is not masked
    initial_state: np.ndarray | None = None  # (L*D, N, state size)
    position: int = 0  # of the shard's first window in its batch
    key: tuple[int, ...] | None = None  # what the dropout masks are drawn from; None: no dropout


class Recurrence:
    """One layer in one direction for shards of a fixed size."""

    def __init__(
        self, spec: Specification, n_windows: int, n_steps: int, *, reverse: bool, keep: bool
    ) -> None:
        cell, size, dtype = spec.cell_type, spec.hidden_size, spec.numpy_dtype
        slots, n_gates, normed = n_steps if keep else 1, cell.n_gates, spec.layer_norm

        def buffer(*shape: int, wanted: bool = True) -> np.ndarray:
            return np.zeros(shape, dtype) if wanted else None  # type: ignore[return-value]

        states = (n_steps + 1, n_windows, size)
        self.reverse = reverse
        self.cell = cell
        self.trace = Trace(
            gates=buffer(n_gates, slots, n_windows, size),
            extra=buffer(slots, n_windows, size, wanted=cell.keeps_extra),
            h=buffer(*states),
            c=buffer(*states, wanted=cell.n_states == 2),
            normed_x=buffer(n_gates, slots, n_windows, size, wanted=normed),
            inverse_x=buffer(n_gates, slots, n_windows, wanted=normed),
            normed_h=buffer(n_gates, slots, n_windows, size, wanted=normed),
            inverse_h=buffer(n_gates, slots, n_windows, wanted=normed),
            u=buffer(n_gates, n_windows, size),
            bias=buffer(n_gates, n_windows, size),
            bias_h=buffer(1, n_windows, size, wanted=cell.has_candidate_bias),
            v=buffer(n_windows, size),
            w=buffer(n_windows, size),
            held=buffer(2, n_windows, size),
        )
        self.start, self.end = (n_steps, 0) if reverse else (0, n_steps)
        self.starts_from_zeros = True
        h = self.trace.h
        self.states = h[:-1] if reverse else h[1:]  # (T, N, H) after each step
        self.last = h[self.end]  # (N, H)
        self.d_h = buffer(n_windows, size)
        self.d_c = buffer(n_windows, size, wanted=cell.n_states == 2)

    def set_initial(self, state: np.ndarray | None) -> None:
        """Start from state (N, state size), or from zeros."""
        if state is None and self.starts_from_zeros:
            return  # the passes never write to the first slot
        self.starts_from_zeros = state is None
        size = self.d_h.shape[1]
        self.trace.h[self.start] = 0.0 if state is None else state[:, :size]
        if self.trace.c is not None:
            self.trace.c[self.start] = 0.0 if state is None else state[:, size:]

    def forward(self, inputs: Inputs, weights: Weights) -> None:
        self.cell.forward(inputs, weights, self.trace)

    def backward(
        self,
        inputs: Inputs,
        weights: Weights,
        d_states: np.ndarray | None,
        d_x: np.ndarray | None,
        gradients: Weights,
    ) -> None:
        """Starts from self.d_h, the gradient of the last state; leaves that of the initial one."""
        if self.d_c is not None:
            self.d_c[...] = 0.0
        wanted = Gradients(d_states, self.d_h, self.d_c, d_x, gradients)
        self.cell.backward(inputs, weights, self.trace, wanted)

    def initial_gradient(self) -> np.ndarray:
        """Gradient of the initial state (N, state size), after ``backward``."""
        parts = [self.d_h] if self.d_c is None else [self.d_h, self.d_c]
        return np.concatenate(parts, axis=1)


class Workspace:
    """Buffers and passes for shards of ``n_windows`` windows.

    With ``keep=False`` there is no backward pass: the first layer reads rows that are projected
    already and keeps its gates of one step only.
    """

    def __init__(
        self, spec: Specification, n_windows: int, n_steps: int, *, keep: bool = True
    ) -> None:
        self.spec, self.n_windows, self.keep = spec, n_windows, keep
        dtype, size = spec.numpy_dtype, spec.hidden_size
        gaps = range(spec.num_layers - 1)
        joint = (n_steps, n_windows, spec.encoding_size)
        self.x = np.zeros((n_steps, n_windows, spec.input_size) if keep else (0, 0, 0), dtype)
        self.rows, self.d_x = self.x, None  # (T, N, F) of the series, (T, N, I) gradient
        if keep and spec.embeddings:
            self.rows = np.zeros((n_steps, n_windows, spec.n_features), dtype)
            self.d_x = np.zeros_like(self.x)
        self.layers = [
            [
                Recurrence(spec, n_windows, n_steps, reverse=d == 1, keep=keep or layer > 0)
                for d in range(spec.n_directions)
            ]
            for layer in range(spec.num_layers)
        ]
        self.is_joined = spec.bidirectional or (keep and spec.dropout > 0)
        self.joined = [np.zeros(joint, dtype) for _ in gaps] if self.is_joined else []
        self.d_joined = [np.zeros(joint, dtype) for _ in gaps] if keep else []
        halves = range(2 if keep and spec.bidirectional and gaps else 0)
        self.d_states = [np.zeros((n_steps, n_windows, size), dtype) for _ in halves]
        widths = [spec.encoding_size, *spec.dense_sizes, spec.n_outputs]
        self.values = [np.zeros((n_windows, width), dtype) for width in widths]
        self.d_values = [np.zeros((n_windows, width), dtype) for width in widths]
        self.inputs: list[list[Inputs]] = []
        if not spec.bidirectional:  # the head reads and writes where the last layer does
            self.values[0], self.d_values[0] = self.layers[-1][0].last, self.layers[-1][0].d_h
        self.future = None
        if spec.n_future_steps:
            self.future = FutureHead(spec, self.values[-2:], self.d_values[-2:], keep=keep)

    @property
    def raw(self) -> np.ndarray:
        """Outputs of the head (N, n_outputs), after ``forward``."""
        return self.values[-1]

    @property
    def d_raw(self) -> np.ndarray:
        """Where the loss writes the gradient of ``raw``."""
        return self.d_values[-1]

    def encode(
        self, weights: NetworkWeights, shard: Shard, projected: list[np.ndarray] | None = None
    ) -> None:
        """Recurrent layers on self.rows, or on projected rows of the series, one per direction."""
        spec = self.spec
        if spec.embeddings and projected is None:
            embed(self.rows, shard.first, weights.embeddings, self.x)
        self.inputs = []
        x = self.x
        for layer, recurrences in enumerate(self.layers):
            of_layer = []
            for d, recurrence in enumerate(recurrences):
                number = layer * spec.n_directions + d
                rows = projected[d] if projected is not None and layer == 0 else None
                inputs = Inputs(
                    x=x if rows is None else None,
                    projected=rows,
                    base=shard.base,
                    first=shard.first,
                    drop=self._recurrent_mask(shard, number),
                    reverse=recurrence.reverse,
                    tile=self.n_windows if self.keep else ROW_TILE,
                )
                state = shard.initial_state
                recurrence.set_initial(None if state is None else state[number])
                recurrence.forward(inputs, weights.layers[layer][d])
                of_layer.append(inputs)
            self.inputs.append(of_layer)
            if layer < spec.num_layers - 1:
                x = self._join(layer, shard)
        if spec.bidirectional:
            np.concatenate([r.last for r in self.layers[-1]], axis=1, out=self.values[0])

    def forward(
        self, weights: NetworkWeights, shard: Shard, projected: list[np.ndarray] | None = None
    ) -> np.ndarray:
        """All layers and the heads: raw outputs (N, n_outputs)."""
        self.encode(weights, shard, projected)
        for k, dense in enumerate(weights.dense):
            relu = k < len(weights.dense) - 1
            dense_forward(self.values[k], dense.w, dense.b, relu, self.values[k + 1])
        if self.future is not None:
            self.future.forward(weights.future)  # type: ignore[arg-type]
        return self.raw

    def backward(
        self,
        weights: NetworkWeights,
        shard: Shard,
        gradients: NetworkWeights,
        d_x: np.ndarray | None = None,
    ) -> None:
        """From self.d_raw: adds to the gradients of the parameters and to zeros d_x (T, N, I)."""
        if d_x is None and self.d_x is not None:
            d_x = self.d_x
            d_x[...] = 0.0
        for k in reversed(range(len(weights.dense))):
            relu = k < len(weights.dense) - 1
            of_layer, dense = gradients.dense[k], weights.dense[k]
            dense_backward(
                self.d_values[k + 1], self.values[k + 1], self.values[k], dense.w_t, relu,
                of_layer.w, of_layer.b, self.d_values[k],
            )  # fmt: skip
            if self.future is not None and not relu:  # adds to what the head has just written
                self.future.backward(weights.future, gradients.future)  # type: ignore[arg-type]
        for layer in reversed(range(self.spec.num_layers)):
            d_below = self.d_joined[layer - 1] if layer > 0 else d_x
            if layer > 0:
                d_below[...] = 0.0  # type: ignore[index]
            for d, recurrence in enumerate(self.layers[layer]):
                recurrence.backward(
                    self.inputs[layer][d],
                    weights.layers[layer][d],
                    self._gradient_from_above(layer, d),
                    d_below,
                    gradients.layers[layer][d],
                )
            if layer > 0:
                self._drop(layer - 1, shard, d_below)  # type: ignore[arg-type]
        if d_x is not None:
            embed_backward(d_x, self.rows, shard.first, gradients.embeddings)

    def every_state(self) -> np.ndarray:
        """States of the last layer after every step (T, N, H*D), after ``encode``."""
        return np.concatenate([r.states for r in self.layers[-1]], axis=2)

    def initial_gradient(self) -> np.ndarray:
        """Gradient of the initial states (L*D, N, state size), after ``backward``."""
        return np.stack([r.initial_gradient() for layer in self.layers for r in layer])

    def _gradient_from_above(self, layer: int, d: int) -> np.ndarray | None:
        """Sets the gradient of the last state; returns that of every state, if there is one."""
        recurrence, size = self.layers[layer][d], self.spec.hidden_size
        columns = slice(d * size, (d + 1) * size)
        if layer == self.spec.num_layers - 1:
            if self.spec.bidirectional:
                recurrence.d_h[...] = self.d_values[0][:, columns]
            return None
        recurrence.d_h[...] = 0.0
        if self.spec.n_directions == 1:
            return self.d_joined[layer]
        np.copyto(self.d_states[d], self.d_joined[layer][:, :, columns])
        return self.d_states[d]

    def _join(self, layer: int, shard: Shard) -> np.ndarray:
        """What the next layer reads (T, N, H*D)."""
        if not self.is_joined:
            return self.layers[layer][0].states
        np.concatenate([r.states for r in self.layers[layer]], axis=2, out=self.joined[layer])
        self._drop(layer, shard, self.joined[layer])
        return self.joined[layer]

    def _drop(self, gap: int, shard: Shard, values: np.ndarray) -> None:
        """Dropout of a gap between layers in place, on values or on their gradient."""
        if self.spec.dropout > 0 and shard.key is not None:
            key = derive_key(*shard.key, 0, gap)
            dropout(values, key, shard.position, self.spec.dropout, values)

    def _recurrent_mask(self, shard: Shard, number: int) -> np.ndarray | None:
        rate = self.spec.recurrent_dropout
        if rate == 0 or shard.key is None:
            return None
        shape = (self.n_windows, self.spec.hidden_size)
        key = derive_key(*shard.key, 1, number)
        return dropout_mask(key, shard.position, rate, shape, self.spec.numpy_dtype)
