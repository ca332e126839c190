"""The shape of a network: what is chosen before there are weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gruforecast.cells import Cell, get_cell
from gruforecast.foundations.checks import (
    check_choice,
    check_flag,
    check_integer,
    check_number,
    check_precision,
)
from gruforecast.foundations.stored import stored


@stored("Specification")
@dataclass(frozen=True)
class Specification:
    """Recurrent layers, optional dense layers, a linear head, and one over future rows.

    Parameters
    ----------
    n_features : int
        Width of a row of the series, columns of categories included.
    n_outputs : int
        Width of the head; a loss may need several outputs per target.
    cell : {"gru", "lstm", "rnn"}
    hidden_size, num_layers : int
    bidirectional : bool
        Read every window forward and backward in time and join both states.
    reset_after : bool
        GRU only: the reset gate multiplies after the recurrent product (PyTorch, cuDNN) or
        before it (Cho 2014).
    layer_norm : bool
        Normalise the input and the recurrent part of every gate.
    segment_length : int
        Rows that the recurrent layers read as one step: with more than 1, a dense layer with relu
        makes ``hidden_size`` inputs of each such segment. The last ends with the newest row.
    pooling : {"last", "all"}
        What the head reads of the last layer: the last state, or mean and maximum of the states
        after all steps beside it, side by side; not with a decoder.
    decoder_steps : int
        Segments ahead that are decoded in parallel: each is one step of the recurrent layers from
        their last state, whose input is learnt of the segment's place and of the categories of
        the newest row; the head makes an equal share of the outputs of the state after it. 0: the
        head makes all outputs of the last state.
    n_lags : int
        So many of the newest values of the first column, which must be numeric, go straight to
        the outputs, through weights that start at zero. 0: none do.
    dropout : float
        Share of the values between two layers, and between a decoder and the head, that is zeroed
        in training; one layer without a decoder has none.
    recurrent_dropout : float
        Share of the state that the recurrent product does not see, one mask per window.
    dense_sizes : tuple of int
        Hidden layers (with relu) between the last state and the head.
    embeddings : tuple of (n_categories, size)
        One pair for each of the last columns of a row, which hold category numbers from 0: in
        place of a number the first layer reads ``size`` learned values. A negative number means
        none and reads as zeros.
    n_future_steps : int
        Steps ahead whose rows are known: each adds what a layer shared by all steps makes of the
        last state, the row and the step to its share of the outputs. 0 for no such head.
    n_future_features : int
        Width of a row known in the future.
    future_size : int
        Units (with relu) of the layer that joins state, row and step.
    dtype : {"float32", "float64"}
    """

    n_features: int
    n_outputs: int = 1
    cell: str = "gru"
    hidden_size: int = 32
    num_layers: int = 1
    bidirectional: bool = False
    reset_after: bool = True
    layer_norm: bool = False
    segment_length: int = 1
    pooling: str = "last"
    decoder_steps: int = 0
    n_lags: int = 0
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    dense_sizes: Sequence[int] = ()
    embeddings: Sequence[tuple[int, int]] = ()
    n_future_steps: int = 0
    n_future_features: int = 0
    future_size: int = 32
    dtype: str = "float32"

    def __post_init__(self) -> None:
        get_cell(self.cell)
        checked: dict[str, Any] = {}
        for name in ("n_features", "n_outputs", "hidden_size", "num_layers", "segment_length"):
            checked[name] = check_integer(name, getattr(self, name), low=1)
        for name in ("bidirectional", "reset_after", "layer_norm"):
            checked[name] = check_flag(name, getattr(self, name))
        for name in ("dropout", "recurrent_dropout"):
            rate = getattr(self, name)
            checked[name] = check_number(name, rate, low=0.0, high=1.0, open_high=True)
        sizes = self.dense_sizes
        if isinstance(sizes, (str, int)) or not isinstance(sizes, Sequence):
            raise TypeError(
                f"dense_sizes: expected a sequence of whole numbers, got {sizes!r}; "
                f"pass a tuple such as (32,)."
            )
        checked["dense_sizes"] = tuple(
            check_integer(f"dense_sizes[{at}]", size, low=1) for at, size in enumerate(sizes)
        )
        checked["embeddings"] = _check_embeddings(self.embeddings, checked["n_features"])
        counts = {"n_future_steps": 0, "n_future_features": 0, "future_size": 1, "decoder_steps": 0}
        counts["n_lags"] = 0
        for name, low in counts.items():
            checked[name] = check_integer(name, getattr(self, name), low=low)
        _check_future(checked)
        check_choice("pooling", self.pooling, ("last", "all"))
        if self.pooling != "last" and checked["decoder_steps"]:
            raise ValueError(
                f"pooling: expected 'last' as a decoder goes on from the last state, got "
                f"{self.pooling!r}; choose it, or set decoder_steps=0."
            )
        if checked["n_lags"] and len(checked["embeddings"]) == checked["n_features"]:
            raise ValueError(
                f"n_lags: expected 0, as every column holds categories, got {checked['n_lags']}; "
                f"drop it or put a numeric column first."
            )
        checked["dtype"] = check_precision(self.dtype)
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def cell_type(self) -> Cell:
        return get_cell(self.cell, self.reset_after)

    @property
    def n_directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def state_size(self) -> int:
        """Values of the initial state of one layer in one direction."""
        return self.cell_type.n_states * self.hidden_size

    @property
    def encoding_size(self) -> int:
        """Width of the state that a window ends with."""
        return self.n_directions * self.hidden_size

    @property
    def read_size(self) -> int:
        """Width of what the first layer behind the recurrent ones reads of a window."""
        return self.encoding_size * (3 if self.pooling == "all" else 1)

    @property
    def numpy_dtype(self) -> np.dtype:
        return np.dtype(self.dtype)

    @property
    def n_numeric(self) -> int:
        """Columns of the series before those of categories."""
        return self.n_features - len(self.embeddings)

    @property
    def input_size(self) -> int:
        """Width of what the first layer reads: numeric columns and looked-up values."""
        return self.n_numeric + sum(size for _, size in self.embeddings)

    @property
    def reads_segments(self) -> bool:
        """Whether a dense layer makes one step of several rows."""
        return self.segment_length > 1

    @property
    def head_size(self) -> int:
        """Width of the head: all outputs, or those of one segment ahead."""
        return -(-self.n_outputs // max(self.decoder_steps, 1))

    @property
    def outputs_per_step(self) -> int:
        """Outputs of each step ahead, if there are steps whose rows are known."""
        return self.n_outputs // max(self.n_future_steps, 1)

    def layer_width(self, layer: int) -> int:
        """Width of what a layer reads."""
        if layer > 0:
            return self.encoding_size
        return self.hidden_size if self.reads_segments else self.input_size

    def n_segments(self, n_rows: int) -> int:
        """Steps that the recurrent layers make of a window of so many rows."""
        return -(-n_rows // self.segment_length)


def _check_embeddings(value: Any, n_features: int) -> tuple[tuple[int, int], ...]:
    """Pairs of whole numbers, at most one for each column of the series."""
    advice = "pass a tuple of pairs such as ((7, 3),)."
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(
            f"embeddings: expected a sequence of (n_categories, size), got {value!r}; {advice}"
        )
    for k, pair in enumerate(value):
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise TypeError(
                f"embeddings[{k}]: expected a pair (n_categories, size), got {pair!r}; {advice}"
            )
    if len(value) > n_features:
        raise ValueError(
            f"embeddings: expected at most n_features={n_features}, one for each of the last "
            f"columns, got {len(value)}; count their columns in n_features."
        )
    return tuple(
        (
            check_integer(f"embeddings[{k}] n_categories", n_categories, low=1),
            check_integer(f"embeddings[{k}] size", size, low=1),
        )
        for k, (n_categories, size) in enumerate(value)
    )


def _check_future(checked: Mapping[str, int]) -> None:
    """Columns and outputs for every step ahead, or neither steps nor columns."""
    n_steps, width = checked["n_future_steps"], checked["n_future_features"]
    if n_steps == 0 and width > 0:
        raise ValueError(
            f"n_future_features: expected 0 as n_future_steps is 0, got {width}; "
            f"set n_future_steps or drop it."
        )
    if n_steps > 0 and width == 0:
        raise ValueError(
            f"n_future_features: expected at least 1 for n_future_steps={n_steps}, got 0; "
            f"pass the number of columns known in the future."
        )
    if n_steps > 0 and checked["n_outputs"] % n_steps:
        raise ValueError(
            f"n_outputs: expected a multiple of n_future_steps={n_steps}, got "
            f"{checked['n_outputs']}; pass as many outputs for every step."
        )
