"""What the host does with a GPU; ``tests/emulator.py`` has an emulated one in its place."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from cuda.pathfinder import DynamicLibNotFoundError, load_nvidia_dynamic_lib
from numba import cuda
from numba.cuda.core.sigutils import normalize_signature
from numba.cuda.cudadrv import driver
from numba.cuda.dispatcher import _LaunchConfiguration

from gruforecast.foundations.cuda.jit import THREADS
from gruforecast.foundations.device import DeviceError

FAILURES = (driver.CudaAPIError, AttributeError)  # of a driver, or without the name of an attribute
PLAIN_SHARED = 48 * 1024  # bytes that every kernel may ask for; more is by permission of the driver
_NO_WARNING = (1024, 1, 1)


class Card:
    """One GPU: memory, launches, limits. The current GPU of the calling thread stays what it was.

    Attributes
    ----------
    number : int
        Which of the GPUs it is.
    n_multiprocessors : int
        How many blocks at least run at once.
    shared_limit : int
        The most bytes of dynamic shared memory that ``prepare`` can allow for a block.
    allocating : Lock
        For who asks what is free and then takes it.
    """

    real = np.dtype(np.float32)  # of all numbers that are not whole

    def __init__(self, number: int) -> None:
        _check_libraries()
        self.number, self.allocating = number, threading.Lock()
        self._device = cuda.gpus[number]
        self._allowed: dict[Any, int] = {}
        with self._device:
            self.n_multiprocessors = int(self._device.MULTIPROCESSOR_COUNT)
            self.shared_limit = self._most_shared_memory()

    def _most_shared_memory(self) -> int:
        try:
            return max(PLAIN_SHARED, int(self._device.MAX_SHARED_MEMORY_PER_BLOCK_OPTIN))
        except FAILURES:  # a driver that does not say
            return PLAIN_SHARED

    @contextmanager
    def current(self) -> Iterator[None]:
        """Arrays that die inside this block are given back while their GPU is the current one."""
        with self._device:
            try:
                yield
            finally:
                cuda.current_context().deallocations.clear()

    def free_memory(self) -> int:
        """Bytes that can still be allocated."""
        with self._device:
            context = cuda.current_context()
            context.deallocations.clear()  # Numba keeps some of what is no longer used
            return int(context.get_memory_info().free)

    def send(self, array: Any) -> Any:
        """A copy of a host array on the GPU."""
        with self._device:
            return cuda.to_device(np.ascontiguousarray(array))

    def zeros(self, n: int, dtype: Any) -> Any:
        """An array of n zeros on the GPU."""
        with self._device:
            array = cuda.device_array(n, dtype)
            if n:
                driver.device_memset(array, 0, array.nbytes)
            return array

    def receive(self, device_array: Any, begin: int = 0, end: int | None = None) -> np.ndarray:
        """A copy of an array, or of a part, once all that was launched before is done."""
        with self._device:
            copy: np.ndarray = device_array[begin:end].copy_to_host()
            return copy

    def prepare(self, kernel: Any, signature: Any) -> int:
        """Compile a kernel for this GPU; returns the bytes of shared memory it may ask for."""
        key = kernel, normalize_signature(signature)[0]
        if key not in self._allowed:
            with self._device:
                compiled = kernel.compile(key[1])
                compiled.bind()  # one from the disk, or of another GPU, is not loaded here yet
                self._allowed[key] = self._allow_shared_memory(compiled)
        return self._allowed[key]

    def _allow_shared_memory(self, compiled: Any) -> int:
        """Raise the limit of one kernel above what all may ask for, where the driver can."""
        function = compiled.library.get_cufunc()
        own = int(function.attrs.shared)  # arrays of a size that is known to the compiler
        limit = self.shared_limit - own
        if limit <= PLAIN_SHARED - own:
            return PLAIN_SHARED - own
        try:
            name = "CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES"
            attribute = getattr(driver.binding.CUfunction_attribute, name)
            driver.driver.cuKernelSetAttribute(
                attribute, limit, function.handle, function.device.id
            )
        except FAILURES:  # the plan of shared memory is then made for what every kernel has
            return PLAIN_SHARED - own
        return limit

    def n_at_once(self, kernel: Any, signature: Any, shared_bytes: int = 0) -> int:
        """How many blocks of a kernel run at the same time: as many may wait for each other."""
        self.prepare(kernel, signature)
        with self._device:
            compiled = kernel.compile(normalize_signature(signature)[0])
            try:
                each = compiled.max_cooperative_grid_blocks(THREADS, shared_bytes)
            except FAILURES:  # a launch that fits at all has one block on each
                each = self.n_multiprocessors
            return max(1, int(each))

    def launch(self, kernel: Any, n_blocks: int, *arguments: Any, shared_bytes: int = 0) -> None:
        """Start a kernel on blocks of THREADS threads; it runs when this has returned."""
        with self._device:
            # Numba warns of fewer than 128 blocks, here the usual number, when a configuration is
            # made. Filters of warnings belong to all threads, so it is made for a larger grid.
            block = (THREADS, 1, 1)
            configuration = _LaunchConfiguration(kernel, _NO_WARNING, block, 0, shared_bytes)
            configuration.griddim = (n_blocks, 1, 1)
            configuration(*arguments)

    def synchronize(self) -> None:
        """Wait for all that was launched; an error on the GPU is raised here at the latest."""
        with self._device:
            cuda.synchronize()


def _check_libraries() -> None:
    """What numba-cuda compiles with, which it can be installed without."""
    for name in ("nvvm", "nvJitLink"):
        try:
            load_nvidia_dynamic_lib(name)
        except DynamicLibNotFoundError as problem:
            raise DeviceError(
                f"device: expected the library {name} beside numba-cuda, got none; run "
                f"pip install 'gruforecast[cuda]' ('gruforecast[cuda12]' for a driver of CUDA 12)."
            ) from problem


@cache
def open_card(number: int) -> Card:
    """The GPU of a number, one object for all of a process; tests put another one there."""
    return Card(number)
