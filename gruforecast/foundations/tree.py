"""Objects as a tree of what JSON knows, with arrays beside it, and back.

null, true, false, numbers, text and lists stand for themselves; {"is": kind, field: value, ...} is
an object of a kind that ``stored`` knows, and any other {} is a dict. {"is": "array"} points to
numbers among those of all arrays of its type, which lie one after the other.
"""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np

from gruforecast.foundations.kinds import dtype_named, plain_dtype
from gruforecast.foundations.stored import kind_named, kind_of

DEEPEST = 100  # levels of a tree
DO = "restore the file from a copy, or save the model again"


class ModelFormatError(ValueError):
    """A file is no model, is damaged, or comes from a newer release."""


def refuse(expected: object, got: object, do: str = DO) -> NoReturn:
    """Say what is wrong with a file."""
    raise ModelFormatError(f"expected {expected}, got {got}; {do}.")


class _Walk:
    """What going down a tree and up again have in common: where one is, for messages."""

    def __init__(self) -> None:
        self.place: list[str] = []

    def _inside(self, name: str, value: Any) -> Any:
        self.place.append(name)
        found = self.walk(value)
        self.place.pop()  # not after an error, which tells where it was
        return found

    def _items(self, values: list[Any]) -> list[Any]:
        return [self._inside(str(at), value) for at, value in enumerate(values)]

    def _fields(self, values: dict[str, Any]) -> dict[str, Any]:
        return {name: self._inside(name, value) for name, value in values.items()}

    def walk(self, value: Any) -> Any:
        """The other side of a value."""
        raise NotImplementedError


class TreeWriter(_Walk):
    """Takes objects apart; ``parts`` are the numbers of all arrays by type."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: dict[str, list[np.ndarray]] = {}
        self.n_written: dict[str, int] = {}

    def walk(self, value: Any) -> Any:
        """The tree of an object."""
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float and math.isfinite(value):
            return value
        if type(value) is list:
            return self._items(value)
        if type(value) is dict and all(type(key) is str and key != "is" for key in value):
            return self._fields(value)
        try:
            if type(value) is np.ndarray:
                return self._array(value)
            kind = kind_of(value)
            if kind is None:
                raise TypeError(f"expected what a file can hold, got {type(value).__name__}")
            fields = kind.take(value)
            if wrong := kind.misfit(fields):
                raise TypeError(wrong)
        except TypeError as problem:
            place, self.place = ".".join(self.place) or "model", []
            raise TypeError(f"{place}: {problem}; convert it before you save.") from None
        return {"is": kind.name, **self._fields(fields)}

    def _array(self, values: np.ndarray) -> dict[str, Any]:
        shape = list(values.shape)
        if values.dtype.kind == "O":
            return {"is": "objects", "shape": shape, "items": self._items(values.ravel().tolist())}
        plain, dtype = plain_dtype(values.dtype), values.dtype.newbyteorder("<")
        numbers = np.ascontiguousarray(values, dtype).reshape(-1).view(plain)
        self.parts.setdefault(plain.name, []).append(numbers)
        at = self.n_written.get(plain.name, 0)
        self.n_written[plain.name] = at + len(numbers)
        return {"is": "array", "dtype": dtype.str, "at": at, "shape": shape}


class TreeReader(_Walk):
    """Makes objects again, of the kinds that ``stored`` knows and no other."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: dict[str, np.ndarray] = {}  # the numbers of all arrays by type
        self.n_read: dict[str, int] = {}

    def walk(self, value: Any) -> Any:
        """The object that a tree stands for."""
        if len(self.place) > DEEPEST:
            refuse(f"at most {DEEPEST} levels", "more")
        if isinstance(value, list):
            return self._items(value)
        if not isinstance(value, dict):
            return value
        if "is" not in value:
            return self._fields(value)
        name, fields = value["is"], {key: value[key] for key in value if key != "is"}
        if name == "array":
            return self._array(**fields)
        if name == "objects":
            return self._objects(**fields)
        kind = kind_named(name) if isinstance(name, str) else None
        if kind is None:
            refuse("an object of a kind that gruforecast stores", repr(name))
        known = kind.hints().keys()
        if fields.keys() != known:
            refuse(f"the fields {sorted(known)} of {name}", sorted(fields))
        values = self._fields(fields)
        if wrong := kind.misfit(values):
            raise ModelFormatError(f"{wrong}; {DO}.")
        return kind.make(**values)

    def _array(self, dtype: Any, at: Any, shape: Any) -> np.ndarray:
        wanted = dtype_named(dtype)
        plain = plain_dtype(wanted)
        n = _count(shape) * wanted.itemsize // plain.itemsize
        part = self.parts.get(plain.name, np.zeros(0, plain))
        n_read = self.n_read.get(plain.name, 0)
        if type(at) is not int or at != n_read or n_read + n > len(part):  # no number twice
            refuse(f"{n} numbers of {plain.name} from {n_read} on", f"{at!r} of {len(part)}")
        self.n_read[plain.name] = n_read + n
        return part[at : at + n].copy().view(wanted).reshape(shape)

    def _objects(self, shape: Any, items: Any) -> np.ndarray:
        n = _count(shape)
        if not isinstance(items, list) or len(items) != n:
            refuse(f"a list of {n} items", type(items).__name__)
        out: np.ndarray = np.empty(n, object)
        for at, item in enumerate(self._items(items)):
            out[at] = item
        return out.reshape(shape)


def _count(shape: Any) -> int:
    """How many entries an array has."""
    if not isinstance(shape, list) or any(type(n) is not int or n < 0 for n in shape):
        refuse("the shape of an array", repr(shape))
    return math.prod(shape)
