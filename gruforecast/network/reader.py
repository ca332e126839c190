"""What the first layer reads of gathered rows: looked-up categories, and segments projected.

A segment is a stretch of rows that the recurrent layers read as one step; a dense layer with relu
makes of it what a step reads. The segments of a window end with its newest row; masked rows in the
first one read as zeros. S segments, N windows, W rows of a segment, F columns, I inputs of a row,
D inputs of the first layer.
"""

from __future__ import annotations

import numpy as np

from gruforecast.network.dense import dense_backward, dense_forward
from gruforecast.network.embedding import embed, embed_backward
from gruforecast.network.parameters import NetworkWeights
from gruforecast.network.specification import Specification


class Reader:
    """Buffers and passes from rows (S, N, W, F) to x (S, N, D).

    Without categories the rows are the numbers that are read, and without segments (W = 1) these
    are what the first layer reads: nothing is copied. ``keep`` for a backward pass; ``of_inputs``
    for gradients of the numbers even where no parameter needs them.
    """

    def __init__(
        self, spec: Specification, n_windows: int, n_segments: int, *, keep: bool,
        of_inputs: bool = False,
    ) -> None:  # fmt: skip
        dtype, shape = spec.numpy_dtype, (n_segments, n_windows, spec.segment_length)
        self.rows = np.zeros((*shape, spec.n_features), dtype)
        self.numbers = self.rows  # (S, N, W, I)
        if spec.embeddings:
            self.numbers = np.zeros((*shape, spec.input_size), dtype)
        width = spec.segment_length * spec.input_size
        self._numbers = self.numbers.reshape(n_segments * n_windows, width)
        self.x = self._numbers.reshape(n_segments, n_windows, width)
        if spec.reads_segments:
            self.x = np.zeros((n_segments, n_windows, spec.layer_width(0)), dtype)
        self.d_x: np.ndarray | None = None  # (S, N, D) where the first layer adds
        if keep and (spec.reads_segments or spec.embeddings or of_inputs):
            self.d_numbers = np.zeros_like(self.numbers)
            self._d_numbers = self.d_numbers.reshape(self._numbers.shape)
            self.d_x = self._d_numbers.reshape(n_segments, n_windows, width)
            if spec.reads_segments:
                self.d_x = np.zeros_like(self.x)

    def forward(self, weights: NetworkWeights) -> None:
        """Fills ``x`` from ``rows``."""
        if weights.embeddings:
            embed(self.rows, weights.embeddings, self.numbers)
        if weights.segment is not None:
            x = self.x.reshape(len(self._numbers), -1)
            dense_forward(self._numbers, weights.segment.w, weights.segment.b, True, x)

    def backward(self, weights: NetworkWeights, gradients: NetworkWeights) -> None:
        """From ``d_x``: adds to the gradients of the parameters."""
        if weights.segment is not None and gradients.segment is not None:
            x, d_x = (
                part.reshape(len(self._numbers), -1)  # type: ignore[union-attr]
                for part in (self.x, self.d_x)
            )
            own = gradients.segment
            dense_backward(
                d_x, x, self._numbers, weights.segment.w_t, True, own.w, own.b, self._d_numbers
            )
        if gradients.embeddings:
            embed_backward(self.d_numbers, self.rows, gradients.embeddings)
