"""From a specification to instructions for recurrent layers.

R rows (windows of a shard), T steps, H units filled up, G gates, D directions. Every buffer has its
place in a workspace; ``fields`` says what instructions hold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from gruforecast.foundations.cuda.jit import THREADS
from gruforecast.network.cuda import fields
from gruforecast.network.cuda.layout import WIDE, WideLayout, filled
from gruforecast.network.cuda.places import Recurrent, Stack
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
class StackProgram:
    """Instructions of a network for shards of ``n_rows`` windows of ``n_steps`` rows."""

    spec: Specification
    wide: WideLayout
    n_steps: int
    n_rows: int
    shared_limit: int  # numbers of shared memory that a block may have
    n_drawn: int = 0  # rows of windows that train, for which dropout is drawn; others may have more
    forward: list[tuple[int, ...]] = field(default_factory=list)
    backward: list[tuple[int, ...]] = field(default_factory=list)
    work_size: int = 0
    shared_size: int = SCRATCH
    windows: Stack = field(init=False)  # the layers on windows

    is_learnt: ClassVar[bool] = False  # whether there is a backward program

    def __post_init__(self) -> None:
        spec = self.spec
        self.size, self.units = spec.hidden_size, filled(spec.hidden_size)
        self.joined = spec.n_directions * self.units
        cell = spec.cell_type
        self.n_gates = cell.n_gates
        self.kind = number_of("cell", (cell.name, cell.has_candidate_bias), KINDS, cell.name)
        self.width, self.of_step = self.n_gates * self.units, self.n_rows * self.units

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

    def _forward_stack(self, stack: Stack, x: int, width: int) -> None:
        """All layers on x (T R, width)."""
        stack.sources.append((x, width))
        for layer in range(self.spec.num_layers):
            self._forward_layer(stack, layer)

    def _forward_layer(self, stack: Stack, layer: int) -> None:
        spec, (source, width) = self.spec, stack.sources[layer]
        recurrents = [self._recurrent(stack, layer, d) for d in range(spec.n_directions)]
        for d, r in enumerate(recurrents):
            self.do(
                fields.PRODUCT, source, self.at(r.prefix + "w_x"), r.a,
                stack.n_rows, self.width, width, 0, 0,
            )  # fmt: skip
            if spec.layer_norm:
                self.do(fields.NORM, *self._input_norm(stack, r))
            if r.mask >= 0:
                of_units = (threshold_of(spec.recurrent_dropout), self.size, self.units)
                n_masks = stack.n_steps if stack.is_apart else 1
                self.do(fields.MASK, r.mask, r.number, *of_units, n_masks, stack.key)
            if stack.is_apart:
                self._start_from(self.windows.layers[layer][d], r)
            self.do(fields.RECUR, *self._recur(stack, r))
        stack.layers.append(recurrents)
        if layer < spec.num_layers - 1:
            place = self._states(stack, is_own=spec.dropout > 0)
            stack.sources.append((place, self.joined))
            if spec.dropout > 0:
                self.do(fields.DROP, *self._drop(stack, place, layer))

    def _start_from(self, r: Recurrent, own: Recurrent) -> None:
        """The first state of a layer <- the last one that this layer has on windows."""
        after = r.after(self.windows.n_steps * self.of_step) - r.h
        self._copy(r.h + after, self.units, own.h, self.units, self.n_rows)
        if r.c >= 0:
            self._copy(r.c + after, self.units, own.c, self.units, self.n_rows)

    def _states(self, stack: Stack, *, is_own: bool) -> int:
        """The states of the newest layer after each step (T R, D H); a copy where it is changed."""
        recurrents = stack.layers[-1]
        if self.spec.n_directions == 1 and not is_own:
            return recurrents[0].after(self.of_step)
        place = self.take(stack.n_rows * self.joined)
        for d, r in enumerate(recurrents):
            to = place + d * self.units
            self._copy(r.after(self.of_step), self.units, to, self.joined, stack.n_rows)
        return place

    def _last(self, stack: Stack) -> int:
        """The last states of the last layer (R, D H)."""
        recurrents = stack.layers[-1]
        n = stack.n_steps * self.of_step
        if self.spec.n_directions == 1:
            return recurrents[0].after(n)
        place = self.take(self.n_rows * self.joined)
        for d, r in enumerate(recurrents):
            self._copy(r.after(n), self.units, place + d * self.units, self.joined, self.n_rows)
        return place

    def _recurrent(self, stack: Stack, layer: int, d: int) -> Recurrent:
        """Places for a layer in one direction."""
        spec, cell = self.spec, self.spec.cell_type
        n, gates, units = stack.n_rows, stack.n_rows * self.width, stack.n_rows * self.units
        one_more = units + self.of_step

        def when(wanted: bool, size: int, other: int = -1) -> int:
            return self.take(size) if wanted else other

        a, normed, masked = self.take(gates), spec.layer_norm, spec.recurrent_dropout > 0
        kept = self.is_learnt or self.kind == fields.GRU_BEFORE
        own_u = self.is_learnt and (normed or self.kind in (fields.GRU_AFTER, fields.GRU_BEFORE))
        onward = fields.APART if stack.is_apart else fields.ONWARD
        return Recurrent(
            prefix=direction_prefix(layer, d),
            number=layer * spec.n_directions + d,
            course=fields.REVERSED if d == 1 and not stack.is_apart else onward,
            a=a,
            h=self.take(one_more),
            c=when(cell.n_states == 2, one_more),
            extra=when(cell.keeps_extra and kept, units),
            mask=when(masked, units if stack.is_apart else self.of_step),
            dropped=when(self.is_learnt and (masked or stack.is_apart), units),
            normed_x=when(normed, gates, 0),
            inverse_x=when(normed, n * self.n_gates, 0),
            normed_h=when(normed, gates, 0),
            inverse_h=when(normed, n * self.n_gates, 0),
            u=when(own_u, gates, a),
        )

    def _recur(self, stack: Stack, r: Recurrent) -> tuple[int, ...]:
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
        return self._of_recurrence(stack, r, n_parts, need, own)

    def _of_recurrence(
        self, stack: Stack, r: Recurrent, n_parts: int, need: int, own: dict[int, int]
    ) -> tuple[int, ...]:
        """What both passes read and what one does; weights go to shared memory where they fit."""
        with_weights = need + self.units * self.width
        in_shared = with_weights <= self.shared_limit
        self.shared_size = max(self.shared_size, with_weights if in_shared else need)
        gain = self.at(r.prefix + "gain_h") if self.spec.layer_norm else -1
        both = {
            fields.KIND: self.kind,
            fields.COURSE: r.course,
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
            fields.STEPS: stack.n_steps,
            fields.FIRST: stack.first,
        }
        values = both | own
        return tuple(values[at] for at in range(1, len(values) + 1))

    def _n_parts(self, n_cols: int, inner: int) -> int:
        """Parts of a product (n_rows, n_cols), so that threads enough have work."""
        tiles = self.n_rows // WIDE * (n_cols // WIDE)
        return max(1, min(MOST_PARTS, THREADS // tiles, inner // WIDE))

    def _input_norm(self, stack: Stack, r: Recurrent) -> tuple[int, ...]:
        return (
            r.a, r.normed_x, r.inverse_x, self.at(r.prefix + "gain_x"), stack.n_rows,
            self.n_gates, self.size, self.units,
        )  # fmt: skip

    def _copy(self, source: int, width: int, place: int, stride: int, n: int) -> None:
        self.do(fields.COPY, source, width, place, stride, n, width)

    def _drop(self, stack: Stack, place: int, gap: int) -> tuple[int, ...]:
        of_units = (self.size, self.units, self.spec.n_directions)
        steps = (stack.n_drawn, stack.n_steps, stack.key)
        return (place, gap, threshold_of(self.spec.dropout), *of_units, *steps)


def number_of(what: str, key: Any, known: Mapping[Any, int], name: str) -> int:
    """What a kernel calls something that has a name, or an error where it knows it not."""
    if key in known:
        return known[key]
    raise ValueError(
        f"{what}: expected one that a GPU knows, got {name!r}, which runs on the CPU only; choose "
        f"device='cpu' or another one."
    )


def threshold_of(rate: float) -> int:
    """The rate of dropout as ``is_kept`` compares it."""
    return math.ceil(rate * 2.0**53)
