"""From a specification to the instructions of a forward program.

R rows (windows of a shard), T steps, M = T R, H units filled up, G gates, D directions. Every
buffer has its place in a workspace; ``fields`` says what instructions hold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from gruforecast.foundations.cuda.jit import THREADS
from gruforecast.network.cuda import fields
from gruforecast.network.cuda.layout import WIDE, WideLayout, filled
from gruforecast.network.cuda.places import Ahead, Recurrent
from gruforecast.network.parameters import direction_prefix
from gruforecast.network.specification import Specification

SCRATCH = 16 * THREADS  # numbers of shared memory that sums over threads use
MOST_ROWS = 32  # windows of a shard
MOST_PARTS = 4  # of a product, so that all threads have some of it
KINDS = {  # by the cell's name and whether it has a bias inside a reset gate
    ("gru", True): fields.GRU_AFTER,
    ("gru", False): fields.GRU_BEFORE,
    ("lstm", False): fields.LSTM,
    ("rnn", False): fields.RNN,
}


@dataclass
class Program:
    """Instructions of a network for shards of ``n_rows`` windows of ``n_steps`` steps."""

    spec: Specification
    wide: WideLayout
    n_steps: int
    n_rows: int
    shared_limit: int  # numbers of shared memory that a block may have
    n_drawn: int = (
        0  # steps of windows that train, for which dropout is drawn; others may have more
    )
    forward: list[tuple[int, ...]] = field(default_factory=list)
    backward: list[tuple[int, ...]] = field(default_factory=list)
    work_size: int = 0
    shared_size: int = SCRATCH

    is_learnt: ClassVar[bool] = False  # whether there is a backward program

    def __post_init__(self) -> None:
        spec = self.spec
        self.size, self.units = spec.hidden_size, filled(spec.hidden_size)
        cell = spec.cell_type
        self.n_gates = cell.n_gates
        self.kind = number_of("cell", (cell.name, cell.has_candidate_bias), KINDS, cell.name)
        self.width = self.n_gates * self.units
        self.n_all, self.of_step = self.n_steps * self.n_rows, self.n_rows * self.units
        self.first = self.take(self.n_rows)
        self.raw_width = filled(spec.n_outputs)
        self.layers: list[list[Recurrent]] = []
        self.sources: list[tuple[int, int]] = []  # place and width of what each layer reads
        self.values: list[tuple[int, int]] = []  # of what each dense layer reads, and raw outputs
        self._read_windows()
        for layer in range(spec.num_layers):
            self._forward_layer(layer)
        self._forward_dense()
        self.raw, self.d_raw = self.values[-1][0], 0

    def take(self, n: int) -> int:
        """A place for n numbers in the workspace."""
        place = self.work_size
        self.work_size += filled(n)
        return place

    def do(self, code: int, *arguments: int) -> None:
        self.forward.append((code, *(int(a) for a in arguments)))

    def at(self, name: str) -> int:
        """Where a parameter lies, from the start of the weights."""
        return self.wide.at[name]

    def _read_windows(self) -> None:
        spec = self.spec
        width, self.n_codes = filled(spec.input_size), len(spec.embeddings)
        x, self.codes = self.take(self.n_all * width), self.take(self.n_all * self.n_codes)
        self.sources.append((x, width))
        self.do(fields.GATHER, x, width, self.codes, self.n_codes)
        for arguments in self._tables(x):
            self.do(fields.EMBED, *arguments)

    def _tables(self, x: int) -> list[tuple[int, ...]]:
        """Of each embedding: where it reads and writes."""
        found: list[tuple[int, ...]] = []
        column = self.spec.n_numeric
        for k, (n_categories, size) in enumerate(self.spec.embeddings):
            found.append(
                (x, self.sources[0][1], column, self.codes + k, self.n_codes,
                 self.at(f"embedding{k}.w"), n_categories, size, self.n_all)
            )  # fmt: skip
            column += size
        return found

    def _forward_layer(self, layer: int) -> None:
        spec, (source, width) = self.spec, self.sources[layer]
        recurrents = [self._recurrent(layer, d) for d in range(spec.n_directions)]
        self.layers.append(recurrents)
        for r in recurrents:
            self.do(
                fields.PRODUCT, source, self.at(r.prefix + "w_x"), r.a,
                self.n_all, self.width, width, 0, 0,
            )  # fmt: skip
            if spec.layer_norm:
                self.do(fields.NORM, *self._input_norm(r))
            if r.mask >= 0:
                threshold = _threshold(spec.recurrent_dropout)
                self.do(fields.MASK, r.mask, r.number, threshold, self.size, self.units)
            self.do(fields.RECUR, *self._recur(r))
        joined = spec.n_directions * self.units
        if layer == spec.num_layers - 1:
            if spec.n_directions == 1:
                self.values.append((recurrents[0].h + self.n_steps * self.of_step, joined))
                return
            place = self.take(self.n_rows * joined)
            for d, r in enumerate(recurrents):
                last = r.h + (0 if r.is_reversed else self.n_steps * self.of_step)
                self._copy(last, self.units, place + d * self.units, joined, self.n_rows)
            self.values.append((place, joined))
        elif spec.n_directions == 1 and spec.dropout == 0:
            self.sources.append((recurrents[0].h + self.of_step, joined))
        else:
            place = self.take(self.n_all * joined)
            for d, r in enumerate(recurrents):
                states = r.h + (0 if r.is_reversed else self.of_step)
                self._copy(states, self.units, place + d * self.units, joined, self.n_all)
            self.sources.append((place, joined))
            if spec.dropout > 0:
                self.do(fields.DROP, *self._drop(place, layer))

    def _recurrent(self, layer: int, d: int) -> Recurrent:
        """Places for a layer in one direction."""
        spec, cell = self.spec, self.spec.cell_type
        n, gates, units = self.n_all, self.n_all * self.width, self.n_all * self.units
        one_more = units + self.of_step

        def when(wanted: bool, size: int, other: int = -1) -> int:
            return self.take(size) if wanted else other

        a, normed = self.take(gates), spec.layer_norm
        kept = self.is_learnt or self.kind == fields.GRU_BEFORE
        own_u = self.is_learnt and (normed or self.kind in (fields.GRU_AFTER, fields.GRU_BEFORE))
        return Recurrent(
            prefix=direction_prefix(layer, d),
            number=layer * spec.n_directions + d,
            is_reversed=d == 1,
            a=a,
            h=self.take(one_more),
            c=when(cell.n_states == 2, one_more),
            extra=when(cell.keeps_extra and kept, units),
            mask=when(spec.recurrent_dropout > 0, self.of_step),
            dropped=when(spec.recurrent_dropout > 0, units, 0),
            normed_x=when(normed, gates, 0),
            inverse_x=when(normed, n * self.n_gates, 0),
            normed_h=when(normed, gates, 0),
            inverse_h=when(normed, n * self.n_gates, 0),
            u=when(own_u, gates, a),
        )

    def _recur(self, r: Recurrent) -> tuple[int, ...]:
        has_b_h = self.spec.cell_type.has_candidate_bias
        n_cols = 2 * self.units if self.kind == fields.GRU_BEFORE else self.width
        n_parts = 1 if self.spec.layer_norm else self._n_parts(n_cols, self.units)
        need = 2 * self.of_step + n_parts * self.n_rows * self.width
        own = {
            fields.W_H: self.at(r.prefix + "w_h"),
            fields.B: self.at(r.prefix + "b"),
            fields.B_H: self.at(r.prefix + "b_h") if has_b_h else -1,
            fields.DROPPED: r.dropped,
        }
        return self._of_recurrence(r, n_parts, need, own)

    def _of_recurrence(
        self, r: Recurrent, n_parts: int, need: int, own: dict[int, int]
    ) -> tuple[int, ...]:
        """What both passes read and what one does; weights go to shared memory where they fit."""
        with_weights = need + self.units * self.width
        in_shared = with_weights <= self.shared_limit
        self.shared_size = max(self.shared_size, with_weights if in_shared else need)
        gain = self.at(r.prefix + "gain_h") if self.spec.layer_norm else -1
        both = {
            fields.KIND: self.kind,
            fields.IS_REVERSED: r.is_reversed,
            fields.GATES: r.a,
            fields.STATES: r.h,
            fields.CELLS: r.c,
            fields.EXTRA: r.extra,
            fields.MASK_OF_STATE: r.mask,
            fields.GAIN: gain,
            fields.NORMED: r.normed_h,
            fields.INVERSE: r.inverse_h,
            fields.SIZE: self.size,
            fields.WIDE: self.units,
            fields.N_GATES: self.n_gates,
            fields.N_PARTS: n_parts,
            fields.IN_SHARED: in_shared,
        }
        values = both | own
        return tuple(values[at] for at in range(1, len(values) + 1))

    def _n_parts(self, n_cols: int, inner: int) -> int:
        """Parts of a product (n_rows, n_cols), so that threads enough have work."""
        tiles = self.n_rows // WIDE * (n_cols // WIDE)
        return max(1, min(MOST_PARTS, THREADS // tiles, inner // WIDE))

    def _input_norm(self, r: Recurrent) -> tuple[int, ...]:
        return (
            r.a, r.normed_x, r.inverse_x, self.at(r.prefix + "gain_x"), self.n_all, self.n_gates,
            self.size, self.units,
        )  # fmt: skip

    def _copy(self, source: int, width: int, place: int, stride: int, n: int) -> None:
        self.do(fields.COPY, source, width, place, stride, n, width)

    def _drop(self, place: int, gap: int) -> tuple[int, ...]:
        threshold = _threshold(self.spec.dropout)
        of_units = (self.size, self.units, self.spec.n_directions)
        return (place, gap, threshold, *of_units, self.n_drawn)

    def _forward_dense(self) -> None:
        sizes = [*self.spec.dense_sizes, self.spec.n_outputs]
        for name, size in zip(self._dense_names(), sizes, strict=True):
            (source, inner), width = self.values[-1], filled(size)
            place = self.take(self.n_rows * width)
            self.do(
                fields.PRODUCT, source, self.at(f"{name}.w"), place, self.n_rows, width, inner, 0, 0
            )
            self.do(fields.BIAS, place, self.n_rows, width, self.at(f"{name}.b"), name != "head")
            self.values.append((place, width))
        if self.spec.n_future_steps:
            self._forward_future()

    def _dense_names(self) -> list[str]:
        return [f"dense{k}" for k in range(len(self.spec.dense_sizes))] + ["head"]

    def _forward_future(self) -> None:
        """The head over future rows adds to the outputs of the linear head."""
        spec, ahead = self.spec, self.n_rows * self.spec.n_future_steps
        columns, units = filled(spec.n_future_features), filled(spec.future_size)
        of_step = filled(spec.outputs_per_step)
        self.ahead = Ahead(
            ahead, columns, units, of_step,
            self.take(ahead * columns), self.take(ahead * units),
            self.take(self.n_rows * units), self.take(ahead * of_step),
        )  # fmt: skip
        a = self.ahead
        state, inner = self.values[-2]
        self.do(fields.FUTURE_ROWS, a.rows, columns, spec.n_future_steps, spec.n_future_features)
        self.do(
            fields.PRODUCT, a.rows, self.at("future.w_future"), a.units, ahead, units, columns, 0, 0
        )
        self.do(
            fields.PRODUCT, state, self.at("future.w_state"), a.from_state,
            self.n_rows, units, inner, 0, 0,
        )  # fmt: skip
        self.do(
            fields.FUTURE_UNITS, a.units, a.from_state, self.at("future.position"),
            spec.n_future_steps, units,
        )  # fmt: skip
        self.do(
            fields.PRODUCT, a.units, self.at("future.w_out"), a.out, ahead, of_step, units, 0, 0
        )
        self.do(fields.FUTURE_ADD, *self._future_outputs(self.values[-1][0], a.out, False))

    def _future_outputs(self, raw: int, out: int, is_turned: bool) -> tuple[int, ...]:
        spec = self.spec
        return (
            raw, self.raw_width, out, self.ahead.of_step, spec.n_future_steps,
            spec.outputs_per_step, is_turned,
        )  # fmt: skip


def number_of(what: str, key: Any, known: Mapping[Any, int], name: str) -> int:
    """What a kernel calls something that has a name, or an error where it knows it not."""
    if key in known:
        return known[key]
    raise ValueError(
        f"{what}: expected one that a GPU knows, got {name!r}, which runs on the CPU only; choose "
        f"device='cpu' or another one."
    )


def _threshold(rate: float) -> int:
    """The rate of dropout as ``is_kept`` compares it."""
    return math.ceil(rate * 2.0**53)
