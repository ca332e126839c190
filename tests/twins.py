"""What stands for functions of a GPU in kernels that run as Python, and how kernels are rebuilt."""

import math
import sys
import types

import numpy as np
from numba import cuda
from numba import types as cpu_types
from numba.cuda import types as gpu_types
from scipy import special

from gruforecast.foundations.cuda import primitives

Intrinsic = type(primitives.ld)
GARBAGE = {"f": np.nan, "i": -1515870811, "u": 0xA5A5A5A5, "b": True}  # in memory at the start


class KernelError(Exception):
    """What would hang, corrupt memory or differ from run to run on a GPU."""


class Twins:
    """Kernels rebuilt on stand-ins: ``cuda`` as given, intrinsics, and one type of reals."""

    def __init__(self, stand_in, real):
        self.real = real
        known = list(self._known(stand_in))
        self._twins = {id(original): (original, twin) for original, twin in known}

    def _known(self, stand_in):
        yield cuda, stand_in
        yield math, types.SimpleNamespace(**vars(math) | MATH)
        yield from ((getattr(math, name), twin) for name, twin in MATH.items())
        yield np, types.SimpleNamespace(**vars(np) | {"float32": self.real})
        yield np.float32, self.real
        for kinds in (cpu_types, gpu_types):
            yield kinds.float32, self.real
            for name in ("float64", "int32", "int64", "uint32", "uint64"):
                yield getattr(kinds, name), getattr(np, name)
        yield from ((getattr(primitives, name), twin) for name, twin in INTRINSICS.items())

    def of(self, value):
        """What stands for a value that the source of a kernel names."""
        if id(value) in self._twins:
            return self._twins[id(value)][1]
        if isinstance(value, Intrinsic):
            raise KernelError(f"{value!r}: expected a twin, got none; add it to {__file__}")
        if isinstance(value, types.ModuleType):
            return _Module(value, self.of)
        if type(value) is tuple:
            return tuple(map(self.of, value))
        return self._rebuilt(value) if hasattr(value, "py_func") else value

    def _rebuilt(self, dispatcher):
        source = dispatcher.py_func
        names = {"__builtins__": __builtins__}
        cells = tuple(types.CellType() for _ in source.__closure__ or ())
        copy = types.FunctionType(
            source.__code__, names, source.__name__, source.__defaults__, cells or None
        )
        self._twins[id(dispatcher)] = dispatcher, copy  # first, as a function may call itself
        for name in _names_of(source.__code__):
            if name in source.__globals__:
                names[name] = self.of(source.__globals__[name])
        for cell, original in zip(cells, source.__closure__ or (), strict=True):
            cell.cell_contents = self.of(original.cell_contents)
        return copy

    def dtype(self, kind):
        """The type of an array that a kernel makes, of NumPy or of Numba."""
        return np.dtype(self.of(kind))


class _Module:
    """A module of the package whose functions are replaced as they are asked for."""

    def __init__(self, module, twin):
        self._module, self._twin = module, twin

    def __getattr__(self, name):
        value = self._twin(getattr(self._module, name))
        setattr(self, name, value)
        return value


def _names_of(code):
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_of(constant)


def garbage(shape, dtype):
    return np.full(shape, GARBAGE[dtype.kind], dtype)


def where(frame):
    """Functions and lines from the kernel down to a frame."""
    path = []
    while frame is not None:
        path.append((frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return tuple(reversed(path))


def in_words(path):
    return " > ".join(f"{code.co_name}:{line}" for code, line in path)


def _bad_place(array, at, n=1):
    path = in_words(where(sys._getframe(2)))
    if n == 4 and at & 3:
        return KernelError(f"{path}: expected a multiple of 4, got {at}; align the offset")
    expected = f"a place from 0 to {len(array) - n}"
    return KernelError(f"{path}: expected {expected}, got {at}; correct the offset")


def _ld(array, at):
    if not 0 <= at < len(array):
        raise _bad_place(array, at)
    return array[at]


def _st(array, at, value):
    if not 0 <= at < len(array):
        raise _bad_place(array, at)
    array[at] = value


def _ld4(array, at):
    if at & 3 or not 0 <= at <= len(array) - 4:
        raise _bad_place(array, at, 4)
    return tuple(array[at : at + 4])


def _st4(array, at, values):
    if at & 3 or not 0 <= at <= len(array) - 4:
        raise _bad_place(array, at, 4)
    array[at], array[at + 1], array[at + 2], array[at + 3] = values


def _prefetch(array, at):
    if not 0 <= at < len(array):
        raise _bad_place(array, at)


def _divided(a, b):
    if not (0 <= a < 2**31 and 0 < b < 2**31):
        raise KernelError(f"divided: expected numbers of 31 bits, got {a} and {b}; use // and %")
    return divmod(a, b)


INTRINSICS = {
    "ld": _ld, "st": _st, "ld4": _ld4, "st4": _st4, "prefetch": _prefetch, "divided": _divided,
}  # fmt: skip


def _atomic(change):
    def twin(array, at, *values):
        if not (isinstance(at, tuple) or 0 <= at < len(array)):
            raise _bad_place(array, at)
        old = array[at]
        array[at] = change(old, *values)
        return old

    return twin


ATOMICS = types.SimpleNamespace(
    add=_atomic(lambda old, value: old + value),
    max=_atomic(max),
    exch=_atomic(lambda old, value: value),
    cas=_atomic(lambda old, expected, value: value if old == expected else old),
)

# Of NumPy and SciPy: they keep the type of what they get, and overflow is infinite as on a GPU.
MATH = {
    name: getattr(np, name)
    for name in (
        "exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "sin", "cos", "tan", "tanh",
        "sinh", "cosh", "fabs", "isnan", "isinf", "isfinite", "copysign",
    )
} | {"lgamma": special.gammaln, "erf": special.erf, "erfc": special.erfc, "pow": np.power,
     "atan": np.arctan, "atan2": np.arctan2}  # fmt: skip
LIBDEVICE = types.SimpleNamespace(
    fast_expf=np.exp, fast_logf=np.log, fast_log2f=np.log2, fast_log10f=np.log10,
    fast_powf=np.power, fast_sinf=np.sin, fast_cosf=np.cos, fast_fdividef=lambda x, y: x / y,
    expf=np.exp, logf=np.log, log1pf=np.log1p, sqrtf=np.sqrt, tanhf=np.tanh,
    rsqrtf=lambda x: type(x)(1) / np.sqrt(x), fmaf=lambda x, y, z: x * y + z,
    lgammaf=special.gammaln,
)  # fmt: skip
