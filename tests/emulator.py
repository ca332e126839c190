"""Runs kernels for a GPU as plain Python: each thread a greenlet, all blocks of a grid at once.

What hardware leaves open is made hard here: threads run in shuffled order between barriers, blocks
by turns of random length, shared memory starts as NaN, and a place outside of an array, threads at
different barriers or blocks that wait for ever are errors. Floats keep the type of the arrays, so
float64 arrays check the mathematics to more digits than a GPU computes.
"""

import contextvars
import random
import sys
import threading
import types
from contextlib import contextmanager
from functools import cache

import numpy as np
from greenlet import GreenletExit, getcurrent, greenlet
from numba.cuda.core.sigutils import normalize_signature

from gruforecast.foundations.cuda.card import PLAIN_SHARED
from gruforecast.foundations.cuda.jit import BLOCKS_PER_MULTIPROCESSOR
from tests.twins import ATOMICS, LIBDEVICE, KernelError, Twins, garbage, in_words, where

PATIENCE = 100  # turns of the whole grid in which nobody does anything but sleep
STAYS = 0.8  # the chance that a block goes on after a barrier before others have their turn
BARRIER, SLEEP = "barrier", "sleep"


def launch(kernel, n_blocks, n_threads, *arguments, shared=0, real=np.float32, seed=0):
    """Run a kernel to its end; arrays are changed in place. ``shared`` is a number of reals."""
    for number, argument in enumerate(arguments):
        if isinstance(argument, np.ndarray) and not argument.flags.c_contiguous:
            raise KernelError(f"argument {number}: expected a contiguous array; copy it")
    emulation = _emulation(np.dtype(real).type)
    with emulation.lock, np.errstate(all="ignore"):
        emulation.run(kernel, n_blocks, n_threads, arguments, shared, random.Random(seed))


class Block:
    """The threads of one block that can run, those at a barrier, and shared memory."""

    def __init__(self, number, threads, dynamic):
        self.number, self.dynamic = number, dynamic
        self.ready = list(enumerate(threads))
        self.arrived = []
        self.static = {}
        self.n_ended = 0


class Emulation:
    """Kernels in one type of reals, and the state of the launch that runs."""

    def __init__(self, real):
        self.real = real
        self.lock = threading.Lock()
        self.hub, self.block = None, None
        self.paths = {}  # of the threads at a barrier: where they are
        self.thread_at, self.block_at, self.block_size, self.grid_size = (
            types.SimpleNamespace(x=k, y=k, z=k) for k in (0, 0, 1, 1)
        )
        self.twins = Twins(self._cuda(), real)

    def _cuda(self):
        return types.SimpleNamespace(
            threadIdx=self.thread_at, blockIdx=self.block_at,
            blockDim=self.block_size, gridDim=self.grid_size,
            syncthreads=self._syncthreads, nanosleep=lambda duration: self.hub.switch(SLEEP),
            threadfence=lambda: None, threadfence_block=lambda: None,
            atomic=ATOMICS, libdevice=LIBDEVICE,
            shared=types.SimpleNamespace(array=self._shared_array),
            local=types.SimpleNamespace(array=self._local_array),
        )  # fmt: skip

    def _shared_array(self, shape, dtype, alignment=None):
        """One array for each block and line, the memory given at launch for one of no size."""
        if shape == 0:
            return self.block.dynamic.view(self.twins.dtype(dtype))
        caller = sys._getframe(1)
        at = caller.f_code, caller.f_lineno
        if at not in self.block.static:
            self.block.static[at] = garbage(shape, self.twins.dtype(dtype))
        return self.block.static[at]

    def _local_array(self, shape, dtype, alignment=None):
        return garbage(shape, self.twins.dtype(dtype))

    def _syncthreads(self):
        self.paths[getcurrent()] = where(sys._getframe(1))
        self.hub.switch(BARRIER)

    def run(self, kernel, n_blocks, n_threads, arguments, shared, rng):
        function = self.twins.of(kernel)
        self.hub = getcurrent()
        self.block_size.x, self.grid_size.x = n_threads, n_blocks
        blocks = [self._block(b, n_threads, function, shared) for b in range(n_blocks)]
        alive, n_idle = blocks.copy(), 0
        try:
            while alive:
                rng.shuffle(alive)
                moved = [self._turn(block, arguments, rng) for block in alive]
                alive = [block for block in alive if block.ready]
                n_idle = 0 if any(moved) else n_idle + 1
                if n_idle > PATIENCE:
                    raise KernelError(_who_waits(alive))
        finally:
            self._stop(blocks)

    def _block(self, number, n_threads, function, shared):
        threads = [greenlet(function) for _ in range(n_threads)]
        for thread in threads:  # settings of NumPy: numbers wrap around silently
            thread.gr_context = contextvars.copy_context()
        return Block(number, threads, garbage(shared, np.dtype(self.real)))

    def _turn(self, block, arguments, rng):
        """Let a block run, perhaps over several barriers; returns whether any thread got on."""
        moved = self._phase(block, arguments, rng)
        while moved and block.ready and rng.random() < STAYS and self._phase(block, arguments, rng):
            pass
        return moved

    def _phase(self, block, arguments, rng):
        """Run each thread to its next stop; False when all of them only sleep."""
        self.block, self.block_at.x = block, block.number
        threads, block.ready = block.ready, []
        rng.shuffle(threads)
        n_asleep = 0
        for pair in threads:
            number, thread = pair
            self.thread_at.x = number
            try:
                stop = thread.switch() if thread else thread.switch(*arguments)
            except Exception as error:
                error.add_note(f"in thread {number} of block {block.number}")
                raise
            if thread.dead:
                block.n_ended += 1
            elif stop is BARRIER:
                block.arrived.append(pair)
            else:
                block.ready.append(pair)
                n_asleep += 1
        if block.arrived and not block.ready:
            self._meet(block)
        return n_asleep < len(threads)

    def _meet(self, block):
        """All threads of a block have stopped: they go on if they stopped at the same place."""
        paths = {self.paths.pop(thread): number for number, thread in block.arrived}
        if block.n_ended:
            raise KernelError(
                f"block {block.number}: expected all threads at the barrier, got {block.n_ended} "
                f"that ended while others wait at {in_words(next(iter(paths)))}"
            )
        if len(paths) > 1:
            places = " and ".join(f"{in_words(p)} (thread {n})" for p, n in paths.items())
            raise KernelError(
                f"block {block.number}: expected all threads at the same barrier, got {places}"
            )
        block.ready, block.arrived = block.arrived, []

    def _stop(self, blocks):
        for block in blocks:
            for _, thread in block.ready + block.arrived:
                if thread:
                    thread.throw(GreenletExit)
        self.hub, self.block = None, None
        self.paths.clear()


_emulation = cache(Emulation)


def _who_waits(blocks):
    waiting = [
        f"thread {number} of block {block.number} at {in_words(where(thread.gr_frame.f_back))}"
        for block in blocks
        for number, thread in block.ready
    ]
    return f"expected the grid to go on, got threads that only sleep: {', '.join(waiting[:4])}"


class OnCard:
    """An array of an emulated GPU: the host can ask for its size and nothing else."""

    def __init__(self, array, dtype):
        self.array, self.dtype = array, np.dtype(dtype)  # the type it would have on a GPU
        self.shape, self.size = array.shape, array.size
        self.nbytes = array.size * self.dtype.itemsize


class EmulatedCard:
    """The methods of ``Card`` on NumPy arrays; floats are ``real``, whatever the host sends."""

    def __init__(
        self, number=0, n_threads=8, real=np.float32, n_multiprocessors=2,
        shared_limit=PLAIN_SHARED, memory=1 << 34, seed=0,
    ):  # fmt: skip
        self.number, self.n_threads, self.real, self.seed = number, n_threads, np.dtype(real), seed
        self.n_multiprocessors, self.shared_limit, self.memory = (
            n_multiprocessors, shared_limit, memory,
        )  # fmt: skip
        self.prepared, self.n_launches, self.allocating = {}, 0, threading.Lock()

    def free_memory(self):
        return self.memory

    def _on_gpu(self, dtype):
        """The type that an array of the emulated card would have on a GPU."""
        return np.dtype(np.float32 if dtype in (np.float32, self.real) else dtype)

    def _here(self, dtype):
        return self.real if dtype in (np.float32, self.real) else np.dtype(dtype)

    def send(self, array):
        array = np.asarray(array)
        copy = np.array(array, self._here(array.dtype), order="C")
        return OnCard(copy, self._on_gpu(array.dtype))

    def zeros(self, n, dtype):
        return OnCard(np.zeros(n, self._here(dtype)), self._on_gpu(dtype))

    def receive(self, device_array, begin=0, end=None):
        return device_array.array[begin:end].copy()

    @contextmanager
    def current(self):
        yield

    def prepare(self, kernel, signature):
        self.prepared.setdefault(kernel, set()).add(normalize_signature(signature)[0])
        return self.shared_limit

    def n_at_once(self, kernel, signature, shared_bytes=0):
        return self.n_multiprocessors * BLOCKS_PER_MULTIPROCESSOR

    def launch(self, kernel, n_blocks, *arguments, shared_bytes=0):
        if shared_bytes > self.shared_limit:
            raise KernelError(f"expected at most {self.shared_limit} bytes, got {shared_bytes}")
        kinds = tuple(kernel.typeof_pyval(self._as_on_gpu(argument)) for argument in arguments)
        if kernel in self.prepared and kinds not in self.prepared[kernel]:
            raise KernelError(f"expected {self.prepared[kernel]}, got {kinds}; match the signature")
        values = [getattr(argument, "array", argument) for argument in arguments]
        shared = shared_bytes // self.real.itemsize
        self.n_launches += 1
        seed = self.seed + self.n_launches
        launch(kernel, n_blocks, self.n_threads, *values, shared=shared, real=self.real, seed=seed)

    def _as_on_gpu(self, argument):
        """What has the type that an argument would have on a GPU."""
        if isinstance(argument, np.ndarray):
            raise KernelError("expected arrays of the card, got one of the host; send it")
        if isinstance(argument, OnCard):
            return np.empty(argument.shape, argument.dtype)
        if isinstance(argument, np.floating):
            return self._on_gpu(argument.dtype).type(argument)
        return argument

    def synchronize(self):
        pass
