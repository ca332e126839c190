"""The recurrent layers of a shard: buffers that one worker reuses, and the order of the layers.

N windows of a shard, T steps, I inputs, H hidden, L layers, D directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gruforecast.cells.base import Gradients, Inputs, Trace, Weights
from gruforecast.foundations.blas import INNER_TILE, ROW_TILE
from gruforecast.foundations.random import derive_key, dropout, dropout_mask
from gruforecast.network.specification import Specification


@dataclass
class Shard:
    """What differs from shard to shard, beside the windows themselves."""

    base: np.ndarray  # (N,) series row that step 0 of each window would read
    first: np.ndarray  # (N,) first step that is not masked
    initial_state: np.ndarray | None = None  # (L*D, N, state size)
    position: int = 0  # of the shard's first window in its batch
    key: tuple[int, ...] | None = None  # what the dropout masks are drawn from; None: no dropout
    copies: int = 1  # rows one after the other that begin with the same state


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

    def final_state(self) -> np.ndarray:
        """The whole state after the last step (N, state size), after ``forward``."""
        c = self.trace.c
        return self.last if c is None else np.concatenate([self.last, c[self.end]], axis=1)

    def forward(self, inputs: Inputs, weights: Weights) -> None:
        self.cell.forward(inputs, weights, self.trace)

    def backward(
        self,
        inputs: Inputs,
        weights: Weights,
        d_states: np.ndarray | None,
        d_final: np.ndarray | None,
        d_x: np.ndarray | None,
        gradients: Weights,
    ) -> None:
        """Starts from self.d_h and d_final (N, state size); leaves that of the initial state."""
        size = self.d_h.shape[1]
        if d_final is not None:
            self.d_h += d_final[:, :size]
        if self.d_c is not None:
            self.d_c[...] = 0.0 if d_final is None else d_final[:, size:]
        wanted = Gradients(d_states, self.d_h, self.d_c, d_x, gradients)
        self.cell.backward(inputs, weights, self.trace, wanted)

    def initial_gradient(self) -> np.ndarray:
        """Gradient of the initial state (N, state size), after ``backward``."""
        parts = [self.d_h] if self.d_c is None else [self.d_h, self.d_c]
        return np.concatenate(parts, axis=1)


class Stack:
    """All recurrent layers for shards of ``n_windows`` windows.

    With ``keep=False`` there is no backward pass, and of more than one step the first layer reads
    rows that are projected already and keeps its gates of one step only.
    """

    def __init__(self, spec: Specification, n_windows: int, n_steps: int, *, keep: bool) -> None:
        self.spec, self.n_windows, self.keep = spec, n_windows, keep
        dtype, size = spec.numpy_dtype, spec.hidden_size
        gaps = range(spec.num_layers - 1)
        joint = (n_steps, n_windows, spec.encoding_size)
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
        top = self.layers[-1][0]
        self.last, self.d_last = top.last, top.d_h  # (N, H*D) of the last layer
        if spec.bidirectional:
            self.last = np.zeros((n_windows, spec.encoding_size), dtype)
            self.d_last = np.zeros_like(self.last)
        self.d_top: list[np.ndarray] = []  # (T, N, H) of every state of the last layer, if pooled
        if keep and spec.pooling == "all":
            directions = range(spec.n_directions)
            self.d_top = [np.zeros((n_steps, n_windows, size), dtype) for _ in directions]
        self.inputs: list[list[Inputs]] = []

    def forward(
        self,
        x: np.ndarray | None,
        weights: Sequence[Sequence[Weights]],
        shard: Shard,
        projected: Sequence[np.ndarray] | None = None,
    ) -> None:
        """All layers on x (T, N, I), or on projected rows of the series, one per direction."""
        spec = self.spec
        self.inputs = []
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
                    tile=min(self.n_windows, INNER_TILE) if self.keep else ROW_TILE,
                    copies=shard.copies,
                )
                state = shard.initial_state
                recurrence.set_initial(None if state is None else state[number])
                recurrence.forward(inputs, weights[layer][d])
                of_layer.append(inputs)
            self.inputs.append(of_layer)
            if layer < spec.num_layers - 1:
                x = self._join(layer, shard)
        if spec.bidirectional:
            np.concatenate([r.last for r in self.layers[-1]], axis=1, out=self.last)

    def backward(
        self,
        weights: Sequence[Sequence[Weights]],
        shard: Shard,
        gradients: Sequence[Sequence[Weights]],
        d_x: np.ndarray | None,
        d_final: np.ndarray | None = None,
    ) -> None:
        """From self.d_last, self.d_top and d_final (L*D, N, state size): adds to gradients, d_x."""
        for layer in reversed(range(self.spec.num_layers)):
            d_below = self.d_joined[layer - 1] if layer > 0 else d_x
            if layer > 0:
                d_below[...] = 0.0  # type: ignore[index]
            for d, recurrence in enumerate(self.layers[layer]):
                number = layer * self.spec.n_directions + d
                recurrence.backward(
                    self.inputs[layer][d],
                    weights[layer][d],
                    self._gradient_from_above(layer, d),
                    None if d_final is None else d_final[number],
                    d_below,
                    gradients[layer][d],
                )
            if layer > 0:
                self._drop(layer - 1, shard, d_below)  # type: ignore[arg-type]

    def every_state(self) -> np.ndarray:
        """States of the last layer after every step (T, N, H*D), after ``forward``."""
        return np.concatenate([r.states for r in self.layers[-1]], axis=2)

    def final_states(self) -> np.ndarray:
        """States of all layers after the last step (L*D, N, state size), after ``forward``."""
        return np.stack([r.final_state() for layer in self.layers for r in layer])

    def initial_gradient(self) -> np.ndarray:
        """Gradient of the initial states (L*D, N, state size), after ``backward``."""
        return np.stack([r.initial_gradient() for layer in self.layers for r in layer])

    def _gradient_from_above(self, layer: int, d: int) -> np.ndarray | None:
        """Sets the gradient of the last state; returns that of every state, if there is one."""
        recurrence, size = self.layers[layer][d], self.spec.hidden_size
        columns = slice(d * size, (d + 1) * size)
        if layer == self.spec.num_layers - 1:
            if self.spec.bidirectional:
                recurrence.d_h[...] = self.d_last[:, columns]
            return self.d_top[d] if self.d_top else None
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
