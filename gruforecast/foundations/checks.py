"""Checks of what a caller brings: one sentence with what was expected, what came, what to do."""

from __future__ import annotations

import contextlib
import difflib
import math
import numbers
import sys
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np


def check_choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """A string out of a list of names."""
    known = sorted(choices)
    if isinstance(value, str) and value in known:
        return value
    hint = closest(value, known) or "choose one of them."
    raise ValueError(f"{name}: expected one of {', '.join(known)}, got {value!r}; {hint}")


def closest(value: Any, known: Iterable[str]) -> str:
    """A question for the name that was probably meant, or nothing."""
    if not isinstance(value, str):
        return ""
    near = difflib.get_close_matches(value.lower(), list(known), n=1)
    return f"did you mean {near[0]!r}?" if near else ""


def check_type(name: str, value: Any, wanted: type, advice: str) -> None:
    """An object of a class of this package."""
    if not isinstance(value, wanted):
        got = type(value).__name__
        raise TypeError(f"{name}: expected {wanted.__name__}, got {got}; {advice}.")


def check_integer(name: str, value: Any, *, low: int) -> int:
    """A whole number of at least ``low``."""
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        if int(value) >= low:
            return int(value)
        raise ValueError(f"{name}: expected at least {low}, got {value}; raise it.")
    raise TypeError(f"{name}: expected a whole number, got {value!r}; pass an int.")


def check_number(
    name: str,
    value: Any,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    open_low: bool = False,
    open_high: bool = False,
) -> float:
    """A finite number in an interval whose ends belong to it unless said otherwise."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise TypeError(f"{name}: expected a number, got {value!r}; pass a float.")
    number = float(value)
    above = number > low if open_low else number >= low
    below = number < high if open_high else number <= high
    if math.isfinite(number) and above and below:
        return number
    closing = ")" if open_high or math.isinf(high) else "]"
    interval = f"{'(' if open_low else '['}{low:g}, {high:g}{closing}"
    raise ValueError(
        f"{name}: expected a finite number in {interval}, got {value}; choose one inside."
    )


def check_precision(value: Any) -> str:
    """The name of a precision that kernels know, given as a name or as NumPy's dtype."""
    if value is not None:  # which NumPy takes for float64
        with contextlib.suppress(TypeError):
            value = np.dtype(value).name
    return check_choice("dtype", value, ("float32", "float64"))


def check_flag(name: str, value: Any) -> bool:
    """True or False."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise TypeError(f"{name}: expected True or False, got {value!r}; pass one of the two.")


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the line that the call came from, outside this package and what wraps its methods."""
    inner = {__name__.split(".")[0], "sklearn", "joblib", "contextlib"}
    level, frame = 1, sys._getframe()
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in inner:
        level, frame = level + 1, frame.f_back  # type: ignore[assignment]
    warnings.warn(message, category, stacklevel=level)


def check_no_mask(name: str, value: Any) -> None:
    """An array whose every entry counts."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{name}: expected an array without a mask, got a masked one; "
            f"pass {name}.filled(numpy.nan) or drop what is masked."
        )


def check_array(
    name: str, value: Any, *, shape: tuple[int | str, ...], dtype: Any, finite: bool = True
) -> np.ndarray:
    """A contiguous array of the given dtype; a string in ``shape`` names a length that is free.

    Numbers are converted, text and objects are refused; with ``finite`` so are NaN and infinity.
    """
    check_no_mask(name, value)
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"{name}: expected numbers, got an array of dtype {array.dtype}; convert it first."
        )
    expected = f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
    fits = array.ndim == len(shape) and all(
        isinstance(want, str) or want == got for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"{name}: expected shape {expected}, got {array.shape}; reshape or transpose it."
        )
    for axis, (want, length) in enumerate(zip(shape, array.shape, strict=True)):
        if length == 0 and want != 0:
            raise ValueError(
                f"{name}: expected at least one entry along axis {axis} of shape {expected}, "
                f"got {array.shape}; check how it was made."
            )
    with np.errstate(over="ignore"):
        converted = np.ascontiguousarray(array, dtype=dtype)
    if finite and not np.isfinite(converted).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(converted))[0])
        raise ValueError(
            f"{name}: expected numbers that are finite in {converted.dtype}, got {array[where]} "
            f"at {where}; fill, scale or drop it before."
        )
    return converted
