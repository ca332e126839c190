"""What a GPU is sent: numbers of many models side by side in a few arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gruforecast.foundations.cuda.card import Card
from gruforecast.network.cuda import fields
from gruforecast.network.cuda.layout import WIDE, filled
from gruforecast.network.cuda.program import Program
from gruforecast.network.windows import Windows

LARGEST_INDEX = np.iinfo(np.int32).max
SHARE_OF_MEMORY = 0.8  # of what is free, for workspaces


class Pool:
    """Arrays one after the other; equal ones lie there once."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)
        self.parts: list[np.ndarray] = []
        self.size = 0
        self._places: dict[bytes, int] = {}

    def add(self, values: Any) -> int:
        """Where an array lies; a multiple of four."""
        with np.errstate(over="ignore"):  # a limit beyond the range of float32 is none
            array = np.ascontiguousarray(values, self.dtype).ravel()
        key = hashlib.blake2b(array.tobytes(), digest_size=16).digest()
        if key not in self._places:
            self._places[key] = self.size
            room = np.zeros(filled(array.size), self.dtype)
            room[: array.size] = array
            self.parts.append(room)
            self.size += room.size
        return self._places[key]

    def joined(self) -> np.ndarray:
        """All arrays as one, which has at least one number."""
        return np.concatenate([*self.parts, np.zeros(WIDE, self.dtype)])


class Plan:
    """Records, programs and data of models; ``fields`` says what stands where."""

    def __init__(self, n_models: int, record: int, real: Any) -> None:
        self.data, self.places = Pool(real), Pool(np.int32)
        self.record = record
        self._numbers: list[int] = [0] * (n_models * record)
        self._programs: dict[tuple[Any, ...], int] = {}

    def set_model(self, number: int, values: dict[int, int]) -> None:
        """Numbers of a model's record by their places in it."""
        for at, value in values.items():
            self._numbers[number * self.record + at] = int(value)

    def add_numbers(self, numbers: Sequence[int]) -> int:
        """Place of some numbers behind all others."""
        place = len(self._numbers)
        self._numbers += [int(number) for number in numbers]
        return place

    def add_dataset(self, windows: Windows, targets: Any = None, weights: Any = None) -> int:
        """Place of the record of windows and of what they learn."""
        check_places(windows)

        def at(pool: Pool, values: Any) -> int:
            return -1 if values is None else pool.add(values)

        record = {
            fields.SERIES: at(self.data, windows.series),
            fields.STARTS: at(self.places, windows.starts),
            fields.LENGTHS: at(self.places, windows.lengths),
            fields.OFFSETS: at(self.data, windows.offsets),
            fields.FACTORS: at(self.data, windows.factors),
            fields.TARGETS: at(self.data, targets),
            fields.TARGET_WEIGHTS: at(self.data, weights),
            fields.FUTURE: at(self.data, windows.future),
            fields.FUTURE_STARTS: at(self.places, windows.future_starts),
            fields.N_WINDOWS: len(windows),
            fields.N_FEATURES: windows.n_features,
            fields.N_TARGETS: 0 if targets is None else targets.shape[1],
        }
        return self.add_numbers([record[name] for name in range(fields.DATASET)])

    def add_program(self, instructions: Sequence[tuple[int, ...]]) -> int:
        """Place of the first of these instructions; equal programs are there once."""
        key = tuple(instructions)
        if key not in self._programs:
            rows = np.zeros((len(key), fields.INSTRUCTION), np.int64)
            for row, one in zip(rows, key, strict=True):
                row[: len(one)] = one
            self._programs[key] = self.add_numbers(rows.ravel().tolist())
        return self._programs[key]

    def describe(self, program: Program, weights: int) -> dict[int, int]:
        """The part of a model's record that passes over windows read."""
        return {
            fields.N_ROWS: program.n_rows,
            fields.N_NUMERIC: program.spec.n_numeric,
            fields.RAW: program.raw,
            fields.D_RAW: program.d_raw,
            fields.RAW_WIDTH: program.raw_width,
            fields.N_OUTPUTS: program.spec.n_outputs,
            fields.FORWARD: self.add_program(program.forward),
            fields.N_FORWARD: len(program.forward),
            fields.BACKWARD: self.add_program(program.backward),
            fields.N_BACKWARD: len(program.backward),
            fields.WEIGHTS: weights,
            fields.N_WEIGHTS: program.wide.size,
            fields.DEVIATIONS: -1,
            fields.REACH: -1,
        }

    def send(self, card: Card) -> tuple[Any, Any, Any]:
        """The plan, the data and the places, as kernels take them."""
        numbers = np.array(self._numbers, np.int64)
        return card.send(numbers), card.send(self.data.joined()), card.send(self.places.joined())


def check_places(windows: Windows) -> None:
    """Rows whose numbers a GPU can hold."""
    for starts in (windows.starts, windows.future_starts):
        if starts is not None and starts.size and starts.max() > LARGEST_INDEX:
            raise ValueError(
                f"windows: expected at most {LARGEST_INDEX} rows on a GPU, got a window from row "
                f"{starts.max()}; use device='cpu'."
            )


def fitting_program(kind: Callable[[int], Program], n_rows: int) -> Program:
    """The program for as many windows a shard, up to n_rows, as shared memory has room for."""
    for rows in range(filled(n_rows), 0, -WIDE):
        program = kind(rows)
        if program.shared_size <= program.shared_limit:
            return program
    raise ValueError(
        f"hidden_size: expected units whose states fit the GPU's {4 * program.shared_limit} bytes "
        f"of shared memory, got {program.spec.hidden_size}; lower it or use device='cpu'."
    )


def n_that_fit(card: Card, n_numbers: int) -> int:
    """How many workspaces of so many numbers there is room for; none is an error."""
    wanted, free = n_numbers * card.real.itemsize, card.free_memory()
    if wanted > SHARE_OF_MEMORY * free:
        raise MemoryError(
            f"device: expected {wanted} free bytes on the GPU for the states of some windows, got "
            f"{free}; free some, shorten lookback or use device='cpu'."
        )
    return int(SHARE_OF_MEMORY * free / wanted)
