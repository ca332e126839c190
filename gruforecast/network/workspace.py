"""The passes of a shard: buffers that one worker reuses, and the order of the parts of a network.

N windows of a shard, T steps, S segments, F columns, I inputs, L layers, D directions.
"""

from __future__ import annotations

import numpy as np

from gruforecast.network.decoder import Decoder
from gruforecast.network.dense import dense_backward, dense_forward
from gruforecast.network.future import FutureHead
from gruforecast.network.parameters import NetworkWeights
from gruforecast.network.pooling import Pooling
from gruforecast.network.reader import Reader
from gruforecast.network.shortcut import Shortcut
from gruforecast.network.specification import Specification
from gruforecast.network.stack import Shard, Stack
from gruforecast.network.windows import Windows, load_windows


class Workspace:
    """Buffers and passes for shards of ``n_windows`` windows of ``n_steps`` rows.

    With ``keep=False`` there is no backward pass: the first layer reads what is projected already.
    ``of_inputs`` asks for the gradients of what is read.
    """

    def __init__(
        self, spec: Specification, n_windows: int, n_steps: int, *, keep: bool = True,
        of_inputs: bool = False,
    ) -> None:  # fmt: skip
        self.spec = spec
        n_segments, dtype = spec.n_segments(n_steps), spec.numpy_dtype
        self.reader = None
        if keep:
            self.reader = Reader(spec, n_windows, n_segments, keep=True, of_inputs=of_inputs)
        self.stack = Stack(spec, n_windows, n_segments, keep=keep)
        self.decoder = Decoder(spec, n_windows, keep=keep) if spec.decoder_steps else None
        self.pooling = Pooling(spec, self.stack) if spec.pooling == "all" else None
        read, d_read = self.stack.last, self.stack.d_last
        if self.pooling is not None:
            read, d_read = self.pooling.read, self.pooling.d_read
        if self.decoder is not None:
            read, d_read = self.decoder.read, self.decoder.d_read
        widths = [*spec.dense_sizes, spec.head_size]
        self.values = [read, *(np.zeros((len(read), width), dtype) for width in widths)]
        self.d_values = [d_read, *(np.zeros_like(values) for values in self.values[1:])]
        self.raw, self.d_raw = self.values[-1], self.d_values[-1]  # (N, n_outputs)
        if self.decoder is not None:
            self.raw = np.zeros((n_windows, spec.n_outputs), dtype)
            self.d_raw = np.zeros_like(self.raw)
        self.future = None
        if spec.n_future_steps:
            state, d_state = self.values[-2], self.d_values[-2]
            if self.decoder is not None:
                state, d_state = self.stack.last, self.stack.d_last
            self.future = FutureHead(spec, (state, self.raw), (d_state, self.d_raw), keep=keep)
        self.shortcut = Shortcut(spec, self.raw, self.d_raw) if spec.n_lags else None

    def load(
        self, windows: Windows, members: np.ndarray, position: int, key: tuple[int, ...] | None
    ) -> Shard:
        """Gather some windows, of which the first has this position in its batch."""
        assert self.reader is not None
        first, base = load_windows(windows, members, self.spec.n_numeric, self.reader.rows)
        self.load_beside(windows, members)
        state = windows.initial_state
        return Shard(base, first, None if state is None else state[:, members], position, key)

    def load_beside(self, windows: Windows, members: np.ndarray) -> None:
        """What is read beside the rows: those known in the future, categories, newest values."""
        if self.future is not None:
            self.future.load(windows, members)
        if self.decoder is not None:
            self.decoder.load(windows, members)
        if self.shortcut is not None:
            self.shortcut.load(windows, members)

    def encode(
        self, weights: NetworkWeights, shard: Shard, projected: list[np.ndarray] | None = None
    ) -> None:
        """Recurrent layers on the rows, or on what is projected already, one per direction."""
        x = None
        if self.reader is not None:
            self.reader.forward(weights)
            x = self.reader.x
        self.stack.forward(x, weights.layers, shard, projected)

    def forward(
        self, weights: NetworkWeights, shard: Shard, projected: list[np.ndarray] | None = None
    ) -> np.ndarray:
        """All layers and the heads: raw outputs (N, n_outputs)."""
        self.encode(weights, shard, projected)
        if self.decoder is not None:
            self.decoder.forward(weights, self.stack, shard)
        if self.pooling is not None:
            self.pooling.forward(shard)
        for k, dense in enumerate(weights.dense):
            relu = k < len(weights.dense) - 1
            dense_forward(self.values[k], dense.w, dense.b, relu, self.values[k + 1])
        if self.decoder is not None:  # the last segment may reach beyond the outputs
            self.raw[...] = self.values[-1].reshape(len(self.raw), -1)[:, : self.raw.shape[1]]
        if self.future is not None:
            self.future.forward(weights.future)  # type: ignore[arg-type]
        if self.shortcut is not None:
            self.shortcut.forward(weights.shortcut)  # type: ignore[arg-type]
        out: np.ndarray = self.raw
        return out

    def backward(self, weights: NetworkWeights, shard: Shard, gradients: NetworkWeights) -> None:
        """From self.d_raw: adds to the gradients of the parameters."""
        d_final = None
        if self.shortcut is not None:
            self.shortcut.backward(gradients.shortcut)  # type: ignore[arg-type]
        if self.decoder is not None:
            self.d_values[-1].reshape(len(self.raw), -1)[:, : self.raw.shape[1]] = self.d_raw
        for k in reversed(range(len(weights.dense))):
            relu = k < len(weights.dense) - 1
            of_layer, dense = gradients.dense[k], weights.dense[k]
            dense_backward(
                self.d_values[k + 1], self.values[k + 1], self.values[k], dense.w_t, relu,
                of_layer.w, of_layer.b, self.d_values[k],
            )  # fmt: skip
            if self.future is not None and self.decoder is None and not relu:
                # adds to what the head has just written
                self.future.backward(weights.future, gradients.future)  # type: ignore[arg-type]
        if self.decoder is not None:
            d_final = self.decoder.backward(weights, gradients)
            self.stack.d_last[...] = 0.0
            if self.future is not None:
                self.future.backward(weights.future, gradients.future)  # type: ignore[arg-type]
        if self.pooling is not None:
            self.pooling.backward(shard)
        reader = self.reader
        assert reader is not None
        if reader.d_x is not None:
            reader.d_x[...] = 0.0
        self.stack.backward(weights.layers, shard, gradients.layers, reader.d_x, d_final)
        if reader.d_x is not None:
            reader.backward(weights, gradients)
