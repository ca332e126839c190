"""How functions for a GPU are compiled: the one place where the options of numba-cuda are set.

``@gpu_kernel`` is what the host launches, ``@gpu_part`` is merged into what calls it,
``@gpu_routine`` is called. ``on_gpu(f)`` compiles a scalar ``@part`` of the CPU for the GPU, from
the same source. Kernels stay on disk, in the folder of those for the CPU.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import uuid
from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any

import numba_cuda
from numba import cuda
from numba.cuda.core.sigutils import normalize_signature
from numba.cuda.dispatcher import _Kernel
from numba.cuda.serialize import dumps

from gruforecast.foundations.jit import DiskCache

THREADS = 256  # of a block
BLOCKS_PER_MULTIPROCESSOR = 2  # at least, by registers: 65,536 / (2 * 256) = 128 for each thread
LAUNCH_BOUNDS = (THREADS, BLOCKS_PER_MULTIPROCESSOR)

_TWINS: dict[Any, Any] = {}  # functions of the CPU -> those that replace them on a GPU


def gpu_part(function: Callable[..., Any]) -> Any:
    """A function that is merged into the kernels and routines that call it."""
    return cuda.jit(device=True, forceinline=True)(function)


def gpu_routine(function: Callable[..., Any]) -> Any:
    """A function that stays one: large, and called from several places."""
    return cuda.jit(device=True)(function)


def gpu_kernel(function: Callable[..., Any]) -> Any:
    """A function that the host launches on blocks of THREADS threads."""
    dispatcher = cuda.jit(launch_bounds=LAUNCH_BOUNDS)(function)
    dispatcher._cache = KernelCache(function)
    return dispatcher


def gpu_twin(original: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function that stands for another one in what ``on_gpu`` takes over."""

    def register(function: Callable[..., Any]) -> Any:
        _TWINS[original] = compiled = gpu_part(function)
        return compiled

    return register


@cache
def on_gpu(part: Any) -> Any:
    """A scalar ``@part`` (arithmetic, other parts, tanh and sigmoid) as a part for a GPU."""
    source = part.py_func
    names = {
        name: _taken_over(source.__globals__[name])
        for name in source.__code__.co_names
        if name in source.__globals__
    }
    copy = FunctionType(source.__code__, {**source.__globals__, **names}, source.__name__)
    copy.__module__, copy.__qualname__ = source.__module__, source.__qualname__
    return gpu_part(copy)


def _taken_over(value: Any) -> Any:
    if callable(value) and value in _TWINS:
        return _TWINS[value]
    return on_gpu(value) if hasattr(value, "py_func") else value


class KernelCache(DiskCache):
    """Kernels for GPUs on disk, one file per function, signature, kind of GPU and source."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the kernel of a signature, or None when it is not on disk."""
        try:
            path = self._path(_file_key(sig), target_context)
            return None if path is None else _Kernel._rebuild(**pickle.loads(path.read_bytes()))
        except Exception:  # not there, unreadable or damaged: compile, and write it anew
            return None

    def save_overload(self, sig: Any, kernel: Any) -> None:
        """Write the kernel of a signature; what cannot be written is compiled another time."""
        with contextlib.suppress(Exception):
            path = self._path(_file_key(sig), kernel.target_context)
            if path is None or kernel.launch_config_sensitive:
                return
            unfinished = path.with_suffix(f".{uuid.uuid4().hex}")
            unfinished.write_bytes(dumps(kernel._reduce_states()))
            os.replace(unfinished, path)


def _file_key(sig: Any) -> Any:
    """Types of the arguments, and a version that the name of the folder does not have."""
    return normalize_signature(sig)[0], numba_cuda.__version__
