"""What a GPU does that Python has no words for: the only file with intrinsics.

``tests/emulator.py`` has a twin of each for running kernels without a GPU.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import cuda
from numba.cuda import types
from numba.cuda.extending import intrinsic

from gruforecast.foundations.cuda.jit import gpu_part

ZERO = np.float32(0.0)


def _pointer(context: Any, builder: Any, kind: Any, value: Any, at: Any) -> Any:
    array = context.make_array(kind)(context, builder, value)
    return builder.gep(array.data, [at])


def _wide(context: Any, builder: Any, kind: Any, pointer: Any) -> Any:
    four = ir.VectorType(context.get_value_type(kind.dtype), 4)
    return four, builder.bitcast(pointer, ir.PointerType(four))


@intrinsic
def ld(typing_context, array, at):
    """array[at] of a one-dimensional array, without wrapping around negative numbers."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_pointer(context, builder, array, *arguments))

    return array.dtype(array, types.int64), codegen


@intrinsic
def st(typing_context, array, at, value):
    """array[at] = value."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _pointer(context, builder, array, *arguments[:2]))
        return context.get_dummy_value()

    return types.void(array, types.int64, array.dtype), codegen


@intrinsic
def ld4(typing_context, array, at):
    """Four numbers from a place that is a multiple of four, in one access."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, array, *arguments)
        loaded = builder.load(_wide(context, builder, array, pointer)[1], align=16)
        places = [ir.Constant(ir.IntType(32), k) for k in range(4)]
        parts = [builder.extract_element(loaded, place) for place in places]
        return context.make_tuple(builder, signature.return_type, parts)

    return types.UniTuple(array.dtype, 4)(array, types.int64), codegen


@intrinsic
def st4(typing_context, array, at, values):
    """Write four numbers to a place that is a multiple of four, in one access."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, array, *arguments[:2])
        four, wide = _wide(context, builder, array, pointer)
        vector = ir.Constant(four, ir.Undefined)
        for k in range(4):
            part = builder.extract_value(arguments[2], k)
            vector = builder.insert_element(vector, part, ir.Constant(ir.IntType(32), k))
        builder.store(vector, wide, align=16)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.UniTuple(array.dtype, 4)), codegen


@intrinsic
def prefetch(typing_context, array, at):
    """Ask for the line of a place in global memory ahead of its use."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, array, *arguments)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type])
        builder.asm(kind, "prefetch.L1 [$0];", "l", [pointer], True)
        return context.get_dummy_value()

    return types.void(array, types.int64), codegen


@intrinsic
def divided(typing_context, a, b):
    """Quotient and remainder of whole numbers from 0 to 2**31 - 1; with 64 bits it takes long."""
    pair = types.UniTuple(types.int64, 2)

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        short, long = ir.IntType(32), ir.IntType(64)
        narrow = [builder.trunc(argument, short) for argument in arguments]
        parts = [builder.udiv(*narrow), builder.urem(*narrow)]
        return context.make_tuple(builder, pair, [builder.zext(part, long) for part in parts])

    return pair(types.int64, types.int64), codegen


@gpu_part
def thread():
    """The number of this thread in its block."""
    return np.int64(cuda.threadIdx.x)


@gpu_part
def n_threads():
    """How many threads a block has."""
    return np.int64(cuda.blockDim.x)


@gpu_part
def block():
    """The number of this block."""
    return np.int64(cuda.blockIdx.x)


@gpu_part
def n_blocks():
    """How many blocks there are."""
    return np.int64(cuda.gridDim.x)


@gpu_part
def barrier():
    """Wait for all threads of the block."""
    cuda.syncthreads()


@gpu_part
def take_number(numbers, at):
    """The next whole number of a counter that blocks share; each gets another one."""
    return cuda.atomic.add(numbers, at, 1)


@gpu_part
def team_barrier(arrivals, team, team_size, n_before):
    """Wait for all blocks of a team, which run at once; returns how often they have met.

    The counter only grows, so that nobody resets it under a block that has not read it yet.
    """
    n_met = n_before + 1
    if team_size == 1:
        cuda.syncthreads()
        return n_met
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        cuda.threadfence()
        cuda.atomic.add(arrivals, team, 1)
        while cuda.atomic.add(arrivals, team, 0) < n_met * team_size:
            cuda.nanosleep(np.uint32(40))
        cuda.threadfence()
    cuda.syncthreads()
    return n_met


@gpu_part
def block_sum(value, scratch, at):
    """The sum over all threads of the block, in a fixed order; scratch has one place for each.

    The number of threads is a power of two.
    """
    me, n = thread(), n_threads()
    cuda.syncthreads()
    st(scratch, at + me, value)
    cuda.syncthreads()
    half = n // 2
    while half > 0:
        if me < half:
            st(scratch, at + me, ld(scratch, at + me) + ld(scratch, at + me + half))
        cuda.syncthreads()
        half //= 2
    total = ld(scratch, at)
    cuda.syncthreads()
    return total
