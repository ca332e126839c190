"""From a specification to the instructions of both programs, for training.

R rows (windows of a shard), H units filled up, D directions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gruforecast.network.cuda import fields
from gruforecast.network.cuda.layout import filled
from gruforecast.network.cuda.places import Ends, Recurrent, Stack
from gruforecast.network.cuda.program import Program


@dataclass
class LearningProgram(Program):
    """A forward program that keeps what the backward program reads, and that one."""

    is_learnt: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        spec = self.spec
        self.turned: dict[int, int] = {}  # where weights lie turned, by where they lie
        self.d_raw = self.take(self.n_rows * self.raw_width)
        if spec.n_lags:
            weights = self.at("shortcut.w")
            self._gradient(*self.lags, self.d_raw, self.raw_width, self.n_rows, weights)
        d_read = self._backward_dense()
        if spec.decoder_steps:
            d_last = self._backward_ahead(d_read)
        else:
            above = [-1] * (spec.num_layers - 1)
            cells, stride = [[-1] * spec.n_directions] * spec.num_layers, self.values[0][1]
            d_last = Ends([*above, d_read + stride - self.joined], stride, cells)
        d_x = self._backward_stack(self.windows, d_last, -1)
        if spec.reads_segments:
            d_x = self._backward_segments(d_x)
        for arguments in self._tables(d_x):
            self.learn(fields.EMBED_BACK, *arguments)

    def learn(self, code: int, *arguments: int) -> None:
        self.backward.append((code, *(int(a) for a in arguments)))

    def _backward_dense(self) -> int:
        """From the gradient of raw outputs to that of what dense layers and the head read."""
        spec, n, d_out = self.spec, self.n_read, self.d_raw
        if spec.decoder_steps:
            d_out = self.take(n * filled(spec.head_size))
            self.learn(fields.OUTPUTS, *self._outputs_of_segments(self.d_raw, d_out, fields.TURNED))
        names = self._dense_names()
        for k in reversed(range(len(names))):
            source, (out, width) = self.values[k], self.values[k + 1]
            if names[k] != "head":
                self.learn(fields.RELU_BACK, d_out, out, n * width)
            d_source = self.take(n * source[1])
            self._backward_affine(names[k], source, d_out, width, n, d_source)
            if names[k] == "head" and spec.n_future_steps and not spec.decoder_steps:
                self._backward_future(d_source)
            d_out = d_source
        return d_out

    def _backward_affine(
        self, name: str, source: tuple[int, int], d: int, width: int, n: int, d_source: int | None
    ) -> None:
        """From the gradient of source @ w + b (n, width): theirs, and that of source (n, .)."""
        weights, (at, inner) = self.at(f"{name}.w"), source
        self._gradient(at, inner, d, width, n, weights)
        self.learn(fields.SUMS, d, width, n, width, self.at(f"{name}.b"))
        if d_source is not None:
            self._through(d, width, n, weights, inner, d_source, is_added=False)

    def _backward_future(self, d_state: int) -> None:
        """Adds to the gradient of the state that this head reads."""
        a, n_steps = self.future, self.spec.n_future_steps
        d_out, d_units = self.take(a.n * a.of_step), self.take(a.n * a.n_units)
        d_from, (state, inner) = self.take(self.n_rows * a.n_units), a.state
        self.learn(fields.OUTPUTS, *self._outputs_of_steps(self.d_raw, d_out, fields.TURNED))
        w_out, w_state = self.at("future.w_out"), self.at("future.w_state")
        self._gradient(a.units, a.n_units, d_out, a.of_step, a.n, w_out)
        self._through(d_out, a.of_step, a.n, w_out, a.n_units, d_units, is_added=False)
        self.learn(fields.RELU_BACK, d_units, a.units, a.n * a.n_units)
        position = self.at("future.position")
        self.learn(fields.FUTURE_UNITS_BACK, d_units, d_from, position, n_steps, a.n_units)
        w_future = self.at("future.w_future")
        self._gradient(a.rows, a.n_columns, d_units, a.n_units, a.n, w_future)
        self._gradient(state, inner, d_from, a.n_units, self.n_rows, w_state)
        self._through(d_from, a.n_units, self.n_rows, w_state, inner, d_state, is_added=True)

    def _backward_ahead(self, d_read: int) -> Ends:
        """From the gradient of what is read of segments ahead to those of windows' last states."""
        spec, has_cells = self.spec, self.spec.cell_type.n_states == 2
        layers, directions = range(spec.num_layers), range(spec.n_directions)
        if spec.dropout > 0:
            self.learn(fields.DROP, *self._drop(self.ahead, d_read, spec.num_layers))
        d_first = Ends(
            [self.take(self.n_rows * self.joined) for _ in layers],
            self.joined,
            [[self.take(self.of_step) if has_cells else -1 for _ in directions] for _ in layers],
        )
        d_x = self._backward_stack(self.ahead, d_first, d_read)
        for arguments in self._tables_ahead(d_x):
            self.learn(fields.EMBED_BACK, *arguments)
        if spec.n_future_steps:
            self._backward_future(d_first.h[-1])
        return d_first

    def _backward_segments(self, d_x: int) -> int:
        """From the gradient of what is made of segments to that of their numbers."""
        n, (x, width) = self.windows.n_rows, self.windows.sources[0]
        self.learn(fields.RELU_BACK, d_x, x, n * width)
        d_numbers = self.take(n * self.numbers[1]) if self.spec.embeddings else None
        self._backward_affine("segment", self.numbers, d_x, width, n, d_numbers)
        return d_numbers or 0

    def _backward_stack(self, stack: Stack, ends: Ends, d_states: int) -> int:
        """From gradients of last states, or from d_states of every one, to that of what is read.

        Where steps lie apart, gradients of their first states are left at ``ends``.
        """
        for layer in reversed(range(self.spec.num_layers)):
            d_states = self._backward_layer(stack, layer, ends, d_states)
        return d_states

    def _backward_layer(self, stack: Stack, layer: int, ends: Ends, d_above: int) -> int:
        """From the gradient of what a layer gives to that of what it reads."""
        spec, (source, width) = self.spec, stack.sources[layer]
        reads_numbers = layer == 0 and not (spec.reads_segments or stack.is_apart)
        is_wanted = not reads_numbers or bool(spec.embeddings)
        d_below = self.take(stack.n_rows * width) if is_wanted else 0
        for d, r in enumerate(stack.layers[layer]):
            self._backward_recurrent(stack, r, self._d_states(stack, layer, d, ends, d_above))
            if spec.layer_norm:
                self.learn(fields.NORM_BACK, *self._input_norm(stack, r))
            w_x, n = self.at(r.prefix + "w_x"), stack.n_rows
            self._gradient(source, width, r.a, self.width, n, w_x)
            if is_wanted:
                self._through(r.a, self.width, n, w_x, width, d_below, is_added=d > 0)
        if layer > 0 and spec.dropout > 0:
            self.learn(fields.DROP, *self._drop(stack, d_below, layer - 1))
        return d_below

    def _d_states(
        self, stack: Stack, layer: int, d: int, ends: Ends, d_above: int
    ) -> dict[int, int]:
        """Where the gradients of a layer's states lie in one direction, and go."""
        n, d_states = stack.n_rows, d_above
        if self.spec.pooling == "all" and layer == self.spec.num_layers - 1:
            d_states, d_read = self.take(n * self.units), ends.h[layer] - 2 * self.joined
            self.learn(fields.POOL_BACK, d_states, *self._pooled(d, d_read))
        elif d_above >= 0 and self.spec.n_directions > 1:
            d_states = self.take(n * self.units)
            of_direction = d_above + d * self.units
            self.learn(fields.COPY, of_direction, self.joined, d_states, self.units, n, self.units)
        nowhere = (0, 0, -1)
        own = (ends.h[layer] + d * self.units, ends.stride, ends.c[layer][d])
        last = nowhere if stack.is_apart or ends.h[layer] < 0 else own
        names = (
            fields.D_STATES, fields.D_LAST, fields.D_LAST_STRIDE, fields.D_LAST_CELLS,
            fields.D_FIRST, fields.D_FIRST_STRIDE, fields.D_FIRST_CELLS,
        )  # fmt: skip
        places = (d_states, *last, *(own if stack.is_apart else nowhere))
        return dict(zip(names, places, strict=True))

    def _backward_recurrent(self, stack: Stack, r: Recurrent, d_states: dict[int, int]) -> None:
        """The steps, and gradients of what they read; those of inputs are left where gates were."""
        w_h, n = self.at(r.prefix + "w_h"), stack.n_rows
        n_parts = self._n_parts(self.units, self.units)
        need = self.n_rows * self.width + (n_parts + 3) * self.of_step
        before = r.h + (self.of_step if r.course == fields.REVERSED else 0)
        state = r.dropped if r.dropped >= 0 else before  # as products read it
        own = {
            fields.W_TURNED: self._turned(w_h, self.units, self.width),
            fields.D_PRODUCTS: r.u,
            fields.STATES_READ: state,
        }
        recurrence = self._of_recurrence(stack, r, n_parts, need, own | d_states)
        self.learn(fields.RECUR_BACK, *recurrence)
        if self.kind == fields.GRU_BEFORE:
            both = 2 * self.units
            self._gradient(state, self.units, r.u, self.width, n, w_h, n_cols=both)
            self._gradient(
                r.extra, self.units, r.u + both, self.width, n, w_h + both, n_cols=self.units
            )
        else:
            self._gradient(state, self.units, r.u, self.width, n, w_h)
        self.learn(fields.SUMS, r.a, self.width, n, self.width, self.at(r.prefix + "b"))
        if self.spec.cell_type.has_candidate_bias:
            b_h = self.at(r.prefix + "b_h")
            self.learn(fields.SUMS, r.extra, self.units, n, self.units, b_h)

    def _gradient(
        self, source: int, inner: int, d: int, d_stride: int, n: int, weights: int,
        n_cols: int | None = None,
    ) -> None:  # fmt: skip
        """Gradient of weights (inner, .), or of some of its columns: source.T @ d."""
        self.learn(
            fields.GRADIENT, source, inner, d, d_stride, n, inner, n_cols or d_stride, weights,
            d_stride,
        )  # fmt: skip

    def _through(
        self, d: int, width: int, n: int, weights: int, inner: int, out: int, *, is_added: bool
    ) -> None:
        """out (n, inner) = d (n, width) @ weights (inner, width) turned."""
        turned = self._turned(weights, inner, width)
        self.learn(fields.PRODUCT, d, turned, out, n, inner, width, is_added, 1)

    def _turned(self, weights: int, n_rows: int, n_cols: int) -> int:
        """Where weights lie turned, in the workspace."""
        if weights not in self.turned:
            self.turned[weights] = self.take(n_rows * n_cols)
            self.learn(fields.TRANSPOSE, weights, n_rows, n_cols, self.turned[weights])
        return self.turned[weights]
