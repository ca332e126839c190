"""Parameters: one flat vector with named views, and how they start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from gruforecast.cells.base import Weights
from gruforecast.foundations.checks import check_array, check_number
from gruforecast.network.specification import Specification


class Parameter(NamedTuple):
    """One named array inside the flat vector."""

    name: str
    shape: tuple[int, ...]
    start: int

    @property
    def stop(self) -> int:
        return self.start + self.size

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def is_of_layers(self) -> bool:
        """Whether every step multiplies by it, and not only those ahead or of a category."""
        return not self.name.startswith(("embedding", "decoder", "future", "shortcut"))

    @property
    def is_weight(self) -> bool:
        """Matrices are penalised; biases and gains are not."""
        return len(self.shape) == 2


class DenseWeights(NamedTuple):
    """Parameters of a dense layer; as gradients, without the transpose."""

    w: np.ndarray  # (I, O)
    b: np.ndarray  # (O,)
    w_t: np.ndarray | None  # (O, I)


class FutureWeights(NamedTuple):
    """Parameters of the head over future rows; as gradients, without the transposes."""

    w_state: np.ndarray  # (S, D)
    w_future: np.ndarray  # (C, D)
    position: np.ndarray  # (H, D) a row for each step ahead
    w_out: np.ndarray  # (D, O)
    w_state_t: np.ndarray | None  # (D, S)
    w_out_t: np.ndarray | None  # (O, D)


class DecoderWeights(NamedTuple):
    """What the segments ahead read."""

    steps: np.ndarray  # (M, I) of their places
    tables: list[np.ndarray]  # (C, I) of the categories of each column


class NetworkWeights(NamedTuple):
    """The flat vector (or a gradient of its size) as the passes read it."""

    layers: list[list[Weights]]  # [layer][direction]
    dense: list[DenseWeights]  # hidden dense layers, then the head
    embeddings: list[np.ndarray]  # (C, E) a table for each column of categories
    future: FutureWeights | None
    segment: DenseWeights | None
    decoder: DecoderWeights | None
    shortcut: np.ndarray | None  # (L, K)


OF_OUTPUTS = ("head.w", "head.b", "shortcut.w", "future.w_out")  # outputs are linear in them


def direction_prefix(layer: int, direction: int) -> str:
    return f"layer{layer}." if direction == 0 else f"layer{layer}.reverse."


def _shapes(spec: Specification) -> Iterator[tuple[str, tuple[int, ...]]]:
    cell, size = spec.cell_type, spec.hidden_size
    width = cell.n_gates * size
    for k, shape in enumerate(spec.embeddings):
        yield f"embedding{k}.w", shape
    if spec.reads_segments:
        yield "segment.w", (spec.segment_length * spec.input_size, spec.hidden_size)
        yield "segment.b", (spec.hidden_size,)
    for layer in range(spec.num_layers):
        for direction in range(spec.n_directions):
            prefix = direction_prefix(layer, direction)
            yield prefix + "w_x", (spec.layer_width(layer), width)
            yield prefix + "w_h", (size, width)
            yield prefix + "b", (width,)
            if cell.has_candidate_bias:
                yield prefix + "b_h", (size,)
            if spec.layer_norm:
                yield prefix + "gain_x", (width,)
                yield prefix + "gain_h", (width,)
    if spec.decoder_steps:
        yield "decoder.steps", (spec.decoder_steps, spec.layer_width(0))
        for k, (n_categories, _) in enumerate(spec.embeddings):
            yield f"decoder.table{k}", (n_categories, spec.layer_width(0))
    sizes = [spec.read_size, *spec.dense_sizes, spec.head_size]
    for name, n_in, n_out in zip(_dense_names(spec), sizes[:-1], sizes[1:], strict=True):
        yield f"{name}.w", (n_in, n_out)
        yield f"{name}.b", (n_out,)
    if spec.n_lags:
        yield "shortcut.w", (spec.n_lags, spec.n_outputs)
    if spec.n_future_steps:
        read = spec.encoding_size if spec.decoder_steps else sizes[-2]
        yield "future.w_state", (read, spec.future_size)
        yield "future.w_future", (spec.n_future_features, spec.future_size)
        yield "future.position", (spec.n_future_steps, spec.future_size)
        yield "future.w_out", (spec.future_size, spec.outputs_per_step)


def _dense_names(spec: Specification) -> list[str]:
    return [f"dense{k}" for k in range(len(spec.dense_sizes))] + ["head"]


class Layout:
    """Where each named parameter of a network lies in the flat vector."""

    def __init__(self, spec: Specification) -> None:
        self.spec = spec
        self.parameters: list[Parameter] = []
        start = 0
        for name, shape in _shapes(spec):
            self.parameters.append(Parameter(name, shape, start))
            start = self.parameters[-1].stop
        self.size = start

    def views(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        """Named arrays that share the memory of the flat vector."""
        return {p.name: flat[p.start : p.stop].reshape(p.shape) for p in self.parameters}

    def weight_mask(self) -> np.ndarray:
        """1 where a penalty applies (matrices), 0 elsewhere (biases, gains)."""
        mask = np.zeros(self.size, self.spec.numpy_dtype)
        for p in self.parameters:
            mask[p.start : p.stop] = p.is_weight
        return mask

    def bind(self, flat: np.ndarray, *, transposes: bool) -> NetworkWeights:
        """The flat vector as the passes read it, with room for transposes if asked for."""
        spec, views = self.spec, self.views(flat)

        def transposed(matrix: np.ndarray) -> np.ndarray | None:
            return matrix.T.copy() if transposes else None

        def direction(prefix: str) -> Weights:
            w_x, w_h = views[prefix + "w_x"], views[prefix + "w_h"]
            return Weights(
                x=w_x,
                h=w_h,
                b=views[prefix + "b"],
                b_h=views.get(prefix + "b_h"),
                gain_x=views.get(prefix + "gain_x"),
                gain_h=views.get(prefix + "gain_h"),
                x_t=transposed(w_x),
                h_t=transposed(w_h),
            )

        layers = [
            [direction(direction_prefix(layer, d)) for d in range(spec.n_directions)]
            for layer in range(spec.num_layers)
        ]

        def dense_layer(name: str) -> DenseWeights:
            w = views[f"{name}.w"]
            return DenseWeights(w, views[f"{name}.b"], transposed(w))

        dense = [dense_layer(name) for name in _dense_names(spec)]
        tables = [views[f"embedding{k}.w"] for k in range(len(spec.embeddings))]
        future = None
        if spec.n_future_steps:
            names = ("w_state", "w_future", "position", "w_out")
            w_state, w_future, position, w_out = (views[f"future.{name}"] for name in names)
            turned = (transposed(w_state), transposed(w_out))
            future = FutureWeights(w_state, w_future, position, w_out, *turned)
        segment = dense_layer("segment") if spec.reads_segments else None
        decoder = None
        if spec.decoder_steps:
            own = [views[f"decoder.table{k}"] for k in range(len(spec.embeddings))]
            decoder = DecoderWeights(views["decoder.steps"], own)
        shortcut = views.get("shortcut.w")
        return NetworkWeights(layers, dense, tables, future, segment, decoder, shortcut)

    def load(self, flat: np.ndarray, values: Mapping[str, np.ndarray]) -> None:
        """Copy named arrays into the flat vector; all names must be there and no other."""
        views = self.views(flat)
        if missing := sorted(views.keys() - values.keys()):
            raise ValueError(
                f"weights: expected an array named {missing[0]!r}, got none; "
                f"pass all of {', '.join(views)}."
            )
        if unknown := sorted(values.keys() - views.keys()):
            raise ValueError(
                f"weights: expected the names {', '.join(views)}, got {unknown[0]!r}; drop it."
            )
        for name, view in views.items():
            view[...] = check_array(name, values[name], shape=view.shape, dtype=view.dtype)


def refresh_transposes(weights: NetworkWeights) -> None:
    """Bring the transposes up to date after the flat vector changed."""
    for layer in weights.layers:
        for part in layer:
            np.copyto(part.x_t, part.x.T)  # type: ignore[arg-type]
            np.copyto(part.h_t, part.h.T)  # type: ignore[arg-type]
    for dense in weights.dense if weights.segment is None else [weights.segment, *weights.dense]:
        np.copyto(dense.w_t, dense.w.T)  # type: ignore[arg-type]
    if weights.future is not None:
        np.copyto(weights.future.w_state_t, weights.future.w_state.T)  # type: ignore[arg-type]
        np.copyto(weights.future.w_out_t, weights.future.w_out.T)  # type: ignore[arg-type]


def initialise(
    layout: Layout,
    flat: np.ndarray,
    rng: np.random.Generator,
    gate_bias: Mapping[str, float] | None = None,
    *,
    from_zero: bool = False,
) -> None:
    """Glorot-uniform inputs, orthogonal recurrence (both gate by gate), chosen or zero biases.

    Embeddings and the places of segments ahead start uniform with variance 1; what tells steps
    ahead apart ("future.position") and categories to a decoder starts at zero, and so does a
    shortcut. With ``from_zero`` what makes outputs does, too: they are zeros. ``gate_bias`` maps
    the letter of a gate to the value its bias starts with; by default the cell's own choice: 1 for
    the gate that keeps the past (z of the GRU, f of the LSTM), 0 elsewhere.
    """
    cell, size = layout.spec.cell_type, layout.spec.hidden_size
    chosen = dict(cell.gate_bias if gate_bias is None else gate_bias)
    for gate, value in chosen.items():
        if len(gate) != 1 or gate not in cell.gates:
            raise ValueError(
                f"gate_bias: expected gates of the {cell.name} ({', '.join(cell.gates)}), "
                f"got {gate!r}; use one of these letters."
            )
        check_number(f"gate_bias[{gate!r}]", value, low=-1e3, high=1e3)
    for name, view in layout.views(flat).items():
        kind = name.rsplit(".", 1)[1]
        if kind in ("gain_x", "gain_h"):
            view[...] = 1.0
        elif kind in ("b", "b_h"):
            view[...] = 0.0
            if kind == "b" and name.startswith("layer"):
                for gate, value in chosen.items():
                    at = cell.gates.index(gate) * size
                    view[at : at + size] = value
        elif kind == "w_h":
            for at in range(0, view.shape[1], size):
                view[:, at : at + size] = _orthogonal(size, rng)
        elif kind == "position" or name.startswith(("decoder.table", "shortcut")):
            view[...] = 0.0
        elif name.startswith("embedding") or kind == "steps":
            # As scaled numeric columns: the weights behind take inputs of variance 1 for granted.
            view[...] = rng.uniform(-np.sqrt(3.0), np.sqrt(3.0), view.shape)
        else:
            block = size if kind == "w_x" else view.shape[1]
            limit = np.sqrt(6.0 / (view.shape[0] + block))
            view[...] = rng.uniform(-limit, limit, view.shape)
            if from_zero and name in OF_OUTPUTS:
                view[...] = 0.0


def _orthogonal(size: int, rng: np.random.Generator) -> np.ndarray:
    """A random orthogonal matrix, uniform over all of them: QR with the signs of R removed."""
    q, r = np.linalg.qr(rng.standard_normal((size, size)))
    return np.asarray(q * np.sign(np.diag(r)))
