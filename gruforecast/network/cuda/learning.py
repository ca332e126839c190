"""From a specification to the instructions of both programs, for training.

R rows (windows of a shard), T steps, M = T R, H units filled up, G gates, D directions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gruforecast.network.cuda import fields
from gruforecast.network.cuda.layout import filled
from gruforecast.network.cuda.places import Recurrent
from gruforecast.network.cuda.program import Program


@dataclass
class LearningProgram(Program):
    """A forward program that keeps what the backward program reads, and that one."""

    is_learnt: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.d_raw = self.take(self.n_rows * self.raw_width)
        d_below = self._backward_dense()
        for layer in reversed(range(self.spec.num_layers)):
            d_below = self._backward_layer(layer, d_below)
        for arguments in self._tables(d_below):
            self.learn(fields.EMBED_BACK, *arguments)

    def learn(self, code: int, *arguments: int) -> None:
        self.backward.append((code, *(int(a) for a in arguments)))

    def _backward_dense(self) -> int:
        """From the gradient of raw outputs to that of what the layers end with."""
        d_out = self.d_raw
        names = self._dense_names()
        for k in reversed(range(len(names))):
            (source, inner), (out, width) = self.values[k], self.values[k + 1]
            if names[k] != "head":
                self.learn(fields.RELU_BACK, d_out, out, self.n_rows * width)
            weights = self.at(f"{names[k]}.w")
            self._gradient(source, inner, d_out, width, self.n_rows, weights)
            self.learn(fields.SUMS, d_out, width, self.n_rows, width, self.at(f"{names[k]}.b"))
            d_source = self.take(self.n_rows * inner)
            self._through(d_out, width, self.n_rows, weights, inner, d_source, is_added=False)
            if names[k] == "head" and self.spec.n_future_steps:
                self._backward_future(source, inner, d_source)
            d_out = d_source
        return d_out

    def _backward_future(self, state: int, inner: int, d_state: int) -> None:
        """Adds to the gradient of what the head reads."""
        a, n_steps = self.ahead, self.spec.n_future_steps
        d_out, d_units = self.take(a.n * a.of_step), self.take(a.n * a.n_units)
        d_from = self.take(self.n_rows * a.n_units)
        self.learn(fields.FUTURE_ADD, *self._future_outputs(self.d_raw, d_out, True))
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

    def _backward_layer(self, layer: int, d_above: int) -> int:
        """From the gradient of what a layer gives to that of what it reads."""
        spec, (source, width) = self.spec, self.sources[layer]
        is_wanted = layer > 0 or bool(spec.embeddings)
        d_below = self.take(self.n_all * width) if is_wanted else 0
        for d, r in enumerate(self.layers[layer]):
            self._backward_recurrent(layer, d, r, d_above)
            if spec.layer_norm:
                self.learn(fields.NORM_BACK, *self._input_norm(r))
            w_x = self.at(r.prefix + "w_x")
            self._gradient(source, width, r.a, self.width, self.n_all, w_x)
            if is_wanted:
                self._through(r.a, self.width, self.n_all, w_x, width, d_below, is_added=d > 0)
        if layer > 0 and spec.dropout > 0:
            self.learn(fields.DROP, *self._drop(d_below, layer - 1))
        return d_below

    def _backward_recurrent(self, layer: int, d: int, r: Recurrent, d_above: int) -> None:
        """The steps, and gradients of what they read; those of inputs are left where gates were."""
        spec, joined = self.spec, self.spec.n_directions * self.units
        d_states, d_last, stride = -1, d_above + d * self.units, joined
        if layer < spec.num_layers - 1:
            d_states, d_last, stride = d_above, 0, 0
            if spec.n_directions > 1:
                d_states = self.take(self.n_all * self.units)
                of_direction = d_above + d * self.units
                self.learn(
                    fields.COPY, of_direction, joined, d_states, self.units, self.n_all, self.units
                )
        w_h, w_t = self.at(r.prefix + "w_h"), self.take(self.units * self.width)
        self.learn(fields.TRANSPOSE, w_h, self.units, self.width, w_t)
        n_parts = self._n_parts(self.units, self.units)
        need = self.n_rows * self.width + (n_parts + 3) * self.of_step
        before = r.h + (self.of_step if r.is_reversed else 0)  # states before the steps
        state = r.dropped if r.mask >= 0 else before
        own = {
            fields.W_TURNED: w_t,
            fields.D_PRODUCTS: r.u,
            fields.D_STATES: d_states,
            fields.D_LAST: d_last,
            fields.D_LAST_STRIDE: stride,
            fields.STATES_READ: state,
        }
        self.learn(fields.RECUR_BACK, *self._of_recurrence(r, n_parts, need, own))
        if self.kind == fields.GRU_BEFORE:
            both = 2 * self.units
            self._gradient(state, self.units, r.u, self.width, self.n_all, w_h, n_cols=both)
            self._gradient(
                r.extra, self.units, r.u + both, self.width, self.n_all, w_h + both,
                n_cols=self.units,
            )  # fmt: skip
        else:
            self._gradient(state, self.units, r.u, self.width, self.n_all, w_h)
        bias = self.at(r.prefix + "b")
        self.learn(fields.SUMS, r.a, self.width, self.n_all, self.width, bias)
        if spec.cell_type.has_candidate_bias:
            b_h = self.at(r.prefix + "b_h")
            self.learn(fields.SUMS, r.extra, self.units, self.n_all, self.units, b_h)

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
        turned = self.take(inner * filled(width))
        self.learn(fields.TRANSPOSE, weights, inner, width, turned)
        self.learn(fields.PRODUCT, d, turned, out, n, inner, width, is_added, 1)
