"""The decoder: every segment ahead is one step of the recurrent layers from their last state.

All segments of all windows are decoded at once: a segment reads what is learnt of its place and,
where windows belong to categories (series), of each of these. What the head makes of the state
after that step are the segment's outputs.

All segments of a window begin with the same state, and without categories a segment reads the same
in all windows: these products are made once, unless recurrent dropout makes the states differ.

N windows, M segments ahead, I inputs of the first layer, C categories. Rows of (N*M, .) hold the
segments of the first window, then those of the second, and so on.
"""

from __future__ import annotations

import numpy as np

from gruforecast.foundations.jit import brief_kernel
from gruforecast.foundations.random import derive_key, dropout
from gruforecast.network.parameters import DecoderWeights, NetworkWeights
from gruforecast.network.specification import Specification
from gruforecast.network.stack import Shard, Stack
from gruforecast.network.windows import Windows

KEY = 2  # what the masks of the decoder are drawn with, beside those of the windows (0 and 1)


@brief_kernel
def _place(steps, x):
    """x (N*M, I), or (M, I) for all windows <- steps (M, I)."""
    for row in range(x.shape[0]):
        m = row % steps.shape[0]
        for j in range(x.shape[1]):
            x[row, j] = steps[m, j]


@brief_kernel
def _place_backward(d_x, d_steps):
    """d_steps (M, I) += the sum over windows of d_x (N*M, I), or d_x (M, I) of all."""
    for row in range(d_x.shape[0]):
        m = row % d_steps.shape[0]
        for j in range(d_x.shape[1]):
            d_steps[m, j] += d_x[row, j]


@brief_kernel
def _add_category(categories, column, table, n_segments, x):
    """x (N*M, I) += rows of table (C, I) by the window's category; a negative one is none."""
    for row in range(x.shape[0]):
        number = int(categories[row // n_segments, column])
        if number >= 0:
            for j in range(x.shape[1]):
                x[row, j] += table[number, j]


@brief_kernel
def _add_category_backward(d_x, categories, column, n_segments, d_table):
    """d_table (C, I) += d_x (N*M, I) by the window's category."""
    for row in range(d_x.shape[0]):
        number = int(categories[row // n_segments, column])
        if number >= 0:
            for j in range(d_x.shape[1]):
                d_table[number, j] += d_x[row, j]


class Decoder:
    """Buffers and passes for shards of ``n_windows`` windows; ``keep`` for a backward pass."""

    def __init__(self, spec: Specification, n_windows: int, *, keep: bool) -> None:
        self.spec, self.n_segments = spec, spec.decoder_steps
        n_rows, dtype = n_windows * self.n_segments, spec.numpy_dtype
        self.stack = Stack(spec, n_rows, 1, keep=keep)
        self.copies = 1 if spec.recurrent_dropout > 0 else self.n_segments
        n_read = n_rows if spec.embeddings else self.n_segments
        self.x = np.zeros((1, n_read, spec.layer_width(0)), dtype)
        self.categories = np.full((n_windows, len(spec.embeddings)), -1.0, dtype)
        none = np.zeros(n_rows, np.int64)
        self.shard = Shard(none, none, copies=self.copies)
        self.read, self.d_read = self.stack.last, self.stack.d_last  # (N*M, H*D) by the head
        if keep:
            self.d_x = np.zeros_like(self.x)
            if spec.dropout > 0:
                self.read, self.d_read = np.zeros_like(self.read), np.zeros_like(self.read)

    def load(self, windows: Windows, members: np.ndarray) -> None:
        """The categories of some windows, as their newest row has them."""
        if not self.spec.embeddings:
            return
        newest = windows.starts[members] + windows.lengths[members] - 1
        self.categories[:] = -1.0
        known = windows.lengths[members] > 0
        rows = windows.series[np.where(known, newest, 0), self.spec.n_numeric :]
        self.categories[: len(members)] = np.where(known[:, None], rows, -1.0)

    def forward(self, weights: NetworkWeights, encoder: Stack, shard: Shard) -> None:
        """Fills ``read`` from the last states of the encoder."""
        own: DecoderWeights = weights.decoder  # type: ignore[assignment]
        x = self.x[0]
        _place(own.steps, x)
        for k, table in enumerate(own.tables):
            _add_category(self.categories, k, table, self.n_segments, x)
        states = np.repeat(encoder.final_states(), self.n_segments, axis=1)
        key = None if shard.key is None else (*shard.key, KEY)
        self.shard.initial_state, self.shard.key = states, key
        self.shard.position = shard.position * self.n_segments
        self.stack.forward(self.x, weights.layers, self.shard)
        if self.read is not self.stack.last:
            self._drop(self.stack.last, self.read)

    def backward(self, weights: NetworkWeights, gradients: NetworkWeights) -> np.ndarray:
        """From ``d_read``: adds to gradients, returns that of the encoder's last states."""
        own: DecoderWeights = gradients.decoder  # type: ignore[assignment]
        if self.d_read is not self.stack.d_last:
            self._drop(self.d_read, self.stack.d_last)
        self.d_x[...] = 0.0
        self.stack.backward(weights.layers, self.shard, gradients.layers, self.d_x)
        d_x = self.d_x[0]
        _place_backward(d_x, own.steps)
        for k, d_table in enumerate(own.tables):
            _add_category_backward(d_x, self.categories, k, self.n_segments, d_table)
        d_states = self.stack.initial_gradient()
        n_parts, n_rows, size = d_states.shape
        n_windows, n_distinct = n_rows // self.n_segments, n_rows // self.copies
        d_states = d_states[:, :n_distinct]
        return np.asarray(d_states.reshape(n_parts, n_windows, -1, size).sum(axis=2))

    def _drop(self, source: np.ndarray, out: np.ndarray) -> None:
        """Dropout between the decoded states and the head, on states or on their gradient."""
        if self.shard.key is None:
            np.copyto(out, source)
            return
        key = derive_key(*self.shard.key, 0, self.spec.num_layers)
        dropout(source[None], key, self.shard.position, self.spec.dropout, out[None])
