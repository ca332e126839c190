"""What a file may hold: kinds of objects by name, and the fields that each is taken apart into.

A class that belongs into files says so in one line above it. Reading a file looks names up here
and nowhere else, so a file can only ever make objects of these kinds.
"""

from __future__ import annotations

import dataclasses
import numbers
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeVar

import numpy as np

Class = TypeVar("Class", bound=type)


class Kind(NamedTuple):
    """Objects of one kind."""

    name: str
    take: Callable[[Any], dict[str, Any]]  # an object -> its fields
    make: Callable[..., Any]  # its fields -> an object
    hints: Callable[[], dict[str, Any]]  # the type of every field

    def misfit(self, fields: dict[str, Any]) -> str | None:
        """What is wrong with the type of a field, if anything is."""
        for name, hint in self.hints().items():
            if not suits(fields[name], hint):
                wanted = getattr(hint, "__name__", hint)
                got = f"{type(fields[name]).__name__} {fields[name]!r:.60}"
                return f"expected {wanted} as {name} of {self.name}, got {got}"
        return None


_BY_NAME: dict[str, Kind] = {}
_BY_CLASS: dict[type, Kind] = {}
_FAMILIES: dict[type, Kind] = {}


def stored(name: str) -> Callable[[Class], Class]:
    """Let files hold a dataclass or NamedTuple, field by field, under a name that never changes."""

    def enter(cls: Class) -> Class:
        names = _field_names(cls)

        def make(**values: Any) -> Any:
            """Through the constructor, which checks; then what it does not take."""
            kept = {n: v for n, v in values.items() if n not in names or names[n]}
            made = cls(**kept)
            for field in values.keys() - kept.keys():
                object.__setattr__(made, field, values[field])
            return made

        def hints() -> dict[str, Any]:
            known = typing.get_type_hints(cls)
            return {field: known[field] for field in names}

        _enter(name, cls, lambda value: {n: getattr(value, n) for n in names}, make, hints)
        return cls

    return enter


def register(
    name: str,
    cls: type,
    take: Callable[[Any], dict[str, Any]],
    make: Callable[..., Any],
    *,
    family: bool = False,
) -> None:
    """Let files hold a class by two functions; the parameters of ``make`` are its fields.

    ``family``: with its subclasses, of which ``take`` has to refuse those that it cannot take.
    """

    def hints() -> dict[str, Any]:
        return {n: hint for n, hint in typing.get_type_hints(make).items() if n != "return"}

    _enter(name, cls, take, make, hints, family=family)


def kind_of(value: Any) -> Kind | None:
    """The kind of an object, if files can hold it."""
    for cls in type(value).__mro__:
        if cls in _FAMILIES:
            return _FAMILIES[cls]
        if cls is type(value) and cls in _BY_CLASS:
            return _BY_CLASS[cls]
    return None


def kind_named(name: str) -> Kind | None:
    """The kind of that name."""
    return _BY_NAME.get(name)


def suits(value: Any, hint: Any) -> bool:
    """Whether a value is of the type that an annotation names."""
    if hint is Any:
        return True
    origin, of = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(suits(value, one) for one in of)
    if typing.is_typeddict(hint):
        known = typing.get_type_hints(hint)
        fits = isinstance(value, dict) and hint.__required_keys__ <= value.keys() <= known.keys()
        return fits and all(suits(part, known[name]) for name, part in value.items())
    if origin is tuple and of[-1] is not Ellipsis:
        if not isinstance(value, tuple) or len(value) != len(of):
            return False
        return all(map(suits, value, of))
    if origin in (dict, Mapping):
        if not isinstance(value, dict):
            return False
        return all(suits(key, of[0]) and suits(part, of[1]) for key, part in value.items())
    if origin in (tuple, list, Sequence):
        return isinstance(value, origin) and all(suits(part, of[0]) for part in value)
    if hint in (int, float):
        number = numbers.Integral if hint is int else numbers.Real
        return isinstance(value, number) and not isinstance(value, bool)
    return isinstance(value, (bool, np.bool_) if hint is bool else hint or types.NoneType)


def _field_names(cls: Any) -> dict[str, bool]:
    """Fields of a class, and whether its constructor takes each."""
    if dataclasses.is_dataclass(cls):
        return {field.name: field.init for field in dataclasses.fields(cls)}
    return dict.fromkeys(cls._fields, True)


def _enter(
    name: str,
    cls: type,
    take: Callable[[Any], dict[str, Any]],
    make: Callable[..., Any],
    hints: Callable[[], dict[str, Any]],
    *,
    family: bool = False,
) -> None:
    if name in _BY_NAME:
        raise ValueError(f"name: expected one that no other class has, got {name!r}; choose one.")
    kind = Kind(name, take, make, cache(hints))
    _BY_NAME[name] = (_FAMILIES if family else _BY_CLASS)[cls] = kind
