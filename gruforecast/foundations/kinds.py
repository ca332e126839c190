"""Kinds of Python and NumPy objects that files hold beside what JSON knows."""

from __future__ import annotations

import datetime
import math
import re
from types import SimpleNamespace
from typing import Any

import numpy as np

from gruforecast.foundations.stored import register

PLAIN = ("bool", *(f"{sign}int{n}" for n in (8, 16, 32, 64) for sign in ("", "u")))
PLAIN += ("float16", "float32", "float64")
_STORED_AS = {"M": "int64", "m": "int64", "U": "uint32", "S": "uint8"}  # by the letter of a dtype
_DTYPE = re.compile(r"\|b1|[|<][iu][1248]|<f[248]|<[Mm]8\[[a-zA-Z]{1,2}\]|<U\d{1,9}|\|S\d{1,9}")
_NOT_FINITE = {repr(value): value for value in (math.nan, math.inf, -math.inf)}
_NUMBER_TYPES = {"float": float, "float32": np.float32, "float64": np.float64}  # as ``dtype=``


def plain_dtype(dtype: np.dtype) -> np.dtype:
    """The dtype of the numbers that an array is stored as."""
    name = _STORED_AS.get(dtype.kind, dtype.name)
    if name not in PLAIN:
        raise TypeError(f"expected numbers, text, dates or objects, got an array of {dtype}")
    return np.dtype(name).newbyteorder("<")


def dtype_named(name: str) -> np.dtype:
    """The dtype that a file names."""
    if not _DTYPE.fullmatch(name) and name != "|O":
        raise ValueError(f"expected the name of a dtype, got {name!r}")
    return np.dtype(name)


def _make_dict(keys: list[Any], values: list[Any]) -> dict[Any, Any]:
    return dict(zip(keys, values, strict=True))


def _make_tuple(items: list[Any]) -> tuple[Any, ...]:
    return tuple(items)


def _make_float(text: str) -> float:
    return _NOT_FINITE[text]


def _make_namespace(entries: dict[str, Any]) -> SimpleNamespace:
    return SimpleNamespace(**entries)


def _make_scalar(of: np.ndarray) -> Any:
    if of.ndim:
        raise ValueError(f"expected a single number, got shape {of.shape}")
    return of[()]


def _take_dtype(dtype: np.dtype) -> dict[str, Any]:
    name = dtype.newbyteorder("<").str
    if not _DTYPE.fullmatch(name) and name != "|O":
        raise TypeError(f"expected a dtype of numbers, text, dates or objects, got {dtype}")
    return {"name": name}


def _take_number_type(cls: type) -> dict[str, Any]:
    for name, known in _NUMBER_TYPES.items():
        if cls is known:
            return {"name": name}
    raise TypeError(f"expected one of {', '.join(_NUMBER_TYPES)}, got the class {cls.__name__}")


def _make_number_type(name: str) -> Any:
    return _NUMBER_TYPES[name]


def _take_bits(generator: Any) -> dict[str, Any]:
    """The state of PCG64, which ``default_rng`` makes, or MT19937, which RandomState does."""
    whole = isinstance(generator, np.random.RandomState)
    state = generator.get_state(legacy=False) if whole else generator.bit_generator.state
    if state["bit_generator"] not in ("PCG64", "MT19937"):
        raise TypeError(f"expected PCG64 or MT19937, got {state['bit_generator']}")
    return {"state": dict(state)}


def _make_bits(state: dict[str, Any]) -> Any:
    made: Any = {"PCG64": np.random.PCG64, "MT19937": np.random.MT19937}[state["bit_generator"]](0)
    if not 0 <= state["state"].get("pos", 0) <= 624:  # which NumPy takes on trust
        raise ValueError(f"expected a position of at most 624, got {state['state']['pos']}")
    made.state = state
    return made


def _make_generator(state: dict[str, Any]) -> np.random.Generator:
    return np.random.Generator(_make_bits(state))


def _make_random_state(state: dict[str, Any]) -> np.random.RandomState:
    made = np.random.RandomState(_make_bits(state))
    made.set_state(state)
    return made


def _make_date(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text)


def _make_time(text: str) -> datetime.time:
    return datetime.time.fromisoformat(text)


def _make_datetime(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


def _make_timedelta(days: int, seconds: int, microseconds: int) -> datetime.timedelta:
    return datetime.timedelta(days, seconds, microseconds)


def _take_clock(value: Any) -> dict[str, Any]:
    if getattr(value, "tzinfo", None) is not None:
        raise TypeError(f"expected a date or time without a zone, got {value!r}; use pandas' own")
    return {"text": value.isoformat()}


def _take_timedelta(value: datetime.timedelta) -> dict[str, Any]:
    return {name: getattr(value, name) for name in ("days", "seconds", "microseconds")}


register("dict", dict, lambda v: {"keys": list(v), "values": list(v.values())}, _make_dict)
register("tuple", tuple, lambda value: {"items": list(value)}, _make_tuple)
register("float", float, lambda value: {"text": repr(value)}, _make_float)
register("namespace", SimpleNamespace, lambda v: {"entries": dict(vars(v))}, _make_namespace)
register("scalar", np.generic, lambda v: {"of": np.asarray(v)}, _make_scalar, family=True)
register("dtype", np.dtype, _take_dtype, dtype_named, family=True)
register("number type", type, _take_number_type, _make_number_type)
register("Generator", np.random.Generator, _take_bits, _make_generator)
register("RandomState", np.random.RandomState, _take_bits, _make_random_state)
register("date", datetime.date, _take_clock, _make_date)
register("time", datetime.time, _take_clock, _make_time)
register("datetime", datetime.datetime, _take_clock, _make_datetime)
register("timedelta", datetime.timedelta, _take_timedelta, _make_timedelta)
