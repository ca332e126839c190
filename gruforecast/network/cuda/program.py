"""From a specification to the instructions of a forward program.

R rows (windows of a shard), S segments of W rows, M segments ahead, H units filled up, D
directions.
"""

from __future__ import annotations

from dataclasses import dataclass

from gruforecast.network.cuda import fields
from gruforecast.network.cuda.layout import filled
from gruforecast.network.cuda.places import Ahead, Stack
from gruforecast.network.cuda.stack import StackProgram
from gruforecast.network.decoder import KEY as DECODER


@dataclass
class Program(StackProgram):
    """What makes raw outputs of windows."""

    def __post_init__(self) -> None:
        super().__post_init__()
        spec = self.spec
        self.raw_width = filled(spec.n_outputs)
        n_segments, n_drawn = spec.n_segments(self.n_steps), spec.n_segments(self.n_drawn)
        first = self.take(self.n_rows)
        self.windows = Stack(n_segments, n_segments * self.n_rows, first, n_drawn)
        self._forward_stack(self.windows, *self._read_windows())
        self.last = self._last(self.windows)
        self.values = [(self.last, self.joined)]  # of what each dense layer reads, and of the head
        self.n_read = self.n_rows  # rows that dense layers and the head read
        if spec.pooling == "all":
            self._pool()
        if spec.decoder_steps:
            self._decode()
        self._forward_dense()
        self.raw, self.d_raw = self.values[-1][0], 0
        if spec.decoder_steps:
            self.raw = self.take(self.n_rows * self.raw_width)
            self.do(fields.OUTPUTS, *self._outputs_of_segments(self.raw, self.values[-1][0]))
        if spec.n_future_steps:
            self._forward_future()
        if spec.n_lags:
            self._forward_shortcut()

    def _read_windows(self) -> tuple[int, int]:
        """Place and width of what the first layer reads."""
        spec, stack = self.spec, self.windows
        n_numbers, self.n_codes = spec.segment_length * spec.input_size, len(spec.embeddings)
        self.numbers = self.take(stack.n_rows * filled(n_numbers)), filled(n_numbers)
        self.codes = self.take(stack.n_rows * spec.segment_length * self.n_codes)
        of_rows = self.take(self.n_rows) if spec.reads_segments else stack.first
        self.do(
            fields.GATHER, *self.numbers, self.codes, self.n_codes, stack.n_steps,
            spec.segment_length, spec.input_size, stack.first, of_rows,
            self.take(self.n_rows),
        )  # fmt: skip
        if self.is_learnt:
            self.do(
                fields.NOISE, *self.numbers, stack.n_steps, spec.segment_length, spec.input_size,
                of_rows, stack.n_drawn * spec.segment_length,
            )  # fmt: skip
        for arguments in self._tables(self.numbers[0]):
            self.do(fields.EMBED, *arguments)
        if not spec.reads_segments:
            return self.numbers
        x = self._dense("segment", self.numbers, spec.hidden_size, stack.n_rows, is_cut=True)
        return x, self.units

    def _tables(self, x: int) -> list[tuple[int, ...]]:
        """Of each embedding: where it reads and writes."""
        spec, found = self.spec, list[tuple[int, ...]]()
        column, length = spec.n_numeric, spec.segment_length
        for k, (n_categories, size) in enumerate(spec.embeddings):
            found.append(
                (x, self.numbers[1], column, self.codes + k, self.n_codes,
                 self.at(f"embedding{k}.w"), n_categories, size, self.windows.n_rows * length,
                 length, spec.input_size, 0)
            )  # fmt: skip
            column += size
        return found

    def _pool(self) -> None:
        """Mean and maximum of all states beside the last one, (R, 3 D H)."""
        stride, n = 3 * self.joined, self.windows.n_steps * self.of_step
        place = self.take(self.n_rows * stride)
        self.maxima = [self.take(self.of_step) for _ in range(self.spec.n_directions)]
        for d, r in enumerate(self.windows.layers[-1]):
            self.do(fields.POOL, r.after(self.of_step), *self._pooled(d, place))
            to = place + 2 * self.joined + d * self.units
            self._copy(r.after(n), self.units, to, stride, self.n_rows)
        self.values = [(place, stride)]

    def _pooled(self, d: int, read: int) -> tuple[int, ...]:
        """Where parts of what is read, or of its gradient, lie for a direction."""
        mean, stack = read + d * self.units, self.windows
        places = (self.maxima[d], mean, mean + self.joined, 3 * self.joined)
        return (self.units, stack.n_steps, stack.first, *places)

    def _decode(self) -> None:
        """Segments ahead: steps that lie apart, from the last states that windows end with."""
        spec = self.spec
        n_ahead, width = spec.decoder_steps, filled(spec.layer_width(0))
        first, self.n_read = self.take(self.n_rows), n_ahead * self.n_rows
        self.ahead = Stack(n_ahead, self.n_read, first, n_ahead, DECODER, is_apart=True)
        x = self.take(self.n_read * width)
        self.codes_ahead = self.take(self.n_read * (1 + self.n_codes))
        self.do(fields.PLACES_AHEAD, self.codes_ahead, 1 + self.n_codes, n_ahead, first)
        for arguments in self._tables_ahead(x):
            self.do(fields.EMBED, *arguments)
        self._forward_stack(self.ahead, x, width)
        self.values = [(self._states(self.ahead, is_own=False), self.joined)]
        if spec.dropout > 0:
            self.do(fields.DROP, *self._drop(self.ahead, self.values[0][0], spec.num_layers))

    def _tables_ahead(self, x: int) -> list[tuple[int, ...]]:
        """As ``_tables``, of places ahead and of categories: they add up."""
        spec, found = self.spec, list[tuple[int, ...]]()
        width = filled(spec.layer_width(0))
        names = [f"decoder.table{k}" for k in range(self.n_codes)]
        sizes = [spec.decoder_steps, *(n_categories for n_categories, _ in spec.embeddings)]
        for k, (name, size) in enumerate(zip(["decoder.steps", *names], sizes, strict=True)):
            found.append(
                (x, width, 0, self.codes_ahead + k, 1 + self.n_codes, self.at(name), size, width,
                 self.n_read, 1, width, k > 0)
            )  # fmt: skip
        return found

    def _outputs_of_segments(
        self, raw: int, out: int, what: int = fields.WRITTEN
    ) -> tuple[int, ...]:
        """Raw outputs beside those of each segment ahead, whose last may reach beyond them."""
        spec = self.spec
        of_segment = (spec.decoder_steps, spec.head_size, spec.n_outputs)
        return (raw, self.raw_width, out, filled(spec.head_size), *of_segment, 1, what)

    def _dense(self, name: str, source: tuple[int, int], size: int, n: int, *, is_cut: bool) -> int:
        """What a dense layer makes of (n, .): (n, filled size)."""
        width = filled(size)
        place = self.take(n * width)
        at, inner = source
        self.do(fields.PRODUCT, at, self.at(f"{name}.w"), place, n, width, inner, 0, 0)
        self.do(fields.BIAS, place, n, width, self.at(f"{name}.b"), is_cut)
        return place

    def _forward_dense(self) -> None:
        sizes = [*self.spec.dense_sizes, self.spec.head_size]
        for name, size in zip(self._dense_names(), sizes, strict=True):
            is_cut = name != "head"
            place = self._dense(name, self.values[-1], size, self.n_read, is_cut=is_cut)
            self.values.append((place, filled(size)))

    def _dense_names(self) -> list[str]:
        return [f"dense{k}" for k in range(len(self.spec.dense_sizes))] + ["head"]

    def _forward_future(self) -> None:
        """The head over future rows adds to the outputs of the linear head."""
        spec, ahead = self.spec, self.n_rows * self.spec.n_future_steps
        columns, units = filled(spec.n_future_features), filled(spec.future_size)
        of_step = filled(spec.outputs_per_step)
        self.future = Ahead(
            ahead, columns, units, of_step,
            self.take(ahead * columns), self.take(ahead * units),
            self.take(self.n_rows * units), self.take(ahead * of_step),
            (self.last, self.joined) if spec.decoder_steps else self.values[-2],
        )  # fmt: skip
        a = self.future
        state, inner = a.state
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
        self.do(fields.OUTPUTS, *self._outputs_of_steps(self.raw, a.out, fields.ADDED))

    def _outputs_of_steps(self, raw: int, out: int, what: int) -> tuple[int, ...]:
        """Raw outputs beside those of the head over future rows."""
        spec = self.spec
        of_step = (spec.n_future_steps, spec.outputs_per_step, spec.n_outputs)
        return (raw, self.raw_width, out, self.future.of_step, *of_step, 0, what)

    def _forward_shortcut(self) -> None:
        """Adds to the outputs what is linear in the newest values."""
        spec, width = self.spec, filled(self.spec.n_lags)
        self.lags = self.take(self.n_rows * width), width
        self.do(fields.LAGS, *self.lags, spec.n_lags)
        self.do(
            fields.PRODUCT, self.lags[0], self.at("shortcut.w"), self.raw, self.n_rows,
            self.raw_width, width, 1, 0,
        )  # fmt: skip
