"""Scalar functions for a GPU in float32: absolute errors of about 1e-7, no 64-bit floats."""

from __future__ import annotations

import math

import numpy as np
from numba import cuda

from gruforecast.foundations import mathematics
from gruforecast.foundations.cuda.jit import gpu_part, gpu_twin
from gruforecast.foundations.cuda.primitives import ZERO
from gruforecast.foundations.random import FIRST, SECOND, STEP

ONE, TWO, HALF, TEN = np.float32(1.0), np.float32(2.0), np.float32(0.5), np.float32(10.0)
_U = np.uint64
_STEP, _FIRST, _SECOND = _U(STEP), _U(FIRST), _U(SECOND)
_THIRTY, _TWENTY_SEVEN, _THIRTY_ONE, _ELEVEN = _U(30), _U(27), _U(31), _U(11)
_TWENTY_ONE, _THIRTY_TWO, _LOW = _U(21), _U(32), _U((1 << 21) - 1)
SMALLEST = np.float32(2.0**-53)


@gpu_twin(mathematics.sigmoid)
def sigmoid(x):
    """1 / (1 + exp(-x))."""
    return cuda.libdevice.fast_fdividef(ONE, ONE + cuda.libdevice.fast_expf(-x))


@gpu_twin(mathematics.tanh)
def tanh(x):
    """2 sigmoid(2 x) - 1."""
    return TWO * cuda.libdevice.fast_fdividef(ONE, ONE + cuda.libdevice.fast_expf(-TWO * x)) - ONE


@gpu_part
def sign(x):
    """1, -1 or 0."""
    return ONE if x > ZERO else (-ONE if x < ZERO else ZERO)


@gpu_part
def two_sum(a, b):
    """a + b, and what rounding has lost of it (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@gpu_part
def softplus(x):
    """log(1 + exp(x)) without overflow."""
    return max(x, ZERO) + math.log1p(math.exp(-abs(x)))


@gpu_part
def digamma(x):
    """Derivative of log gamma for x > 0: recurrence up to 10, then the asymptotic series."""
    shift = np.float32(0.0)
    while x < TEN:
        shift -= ONE / x
        x += ONE
    s = ONE / (x * x)
    series = s * (
        np.float32(1.0 / 12.0)
        - s
        * (np.float32(1.0 / 120.0) - s * (np.float32(1.0 / 252.0) - s * np.float32(1.0 / 240.0)))
    )
    return shift + math.log(x) - HALF / x - series


@gpu_part
def mixed(key, number):
    """One step of ``derive_key``: a key and one more number."""
    key = (key ^ _U(number)) + _STEP
    key = (key ^ (key >> _THIRTY)) * _FIRST
    key = (key ^ (key >> _TWENTY_SEVEN)) * _SECOND
    return key ^ (key >> _THIRTY_ONE)


@gpu_part
def random_bits(key, index):
    """The 53 bits that ``uniform(key, index)`` of the CPU is made of."""
    bits = key + _U(index) * _STEP + _STEP
    bits = (bits ^ (bits >> _THIRTY)) * _FIRST
    bits = (bits ^ (bits >> _TWENTY_SEVEN)) * _SECOND
    bits = bits ^ (bits >> _THIRTY_ONE)
    return bits >> _ELEVEN


@gpu_part
def is_kept(key, index, threshold):
    """Whether dropout keeps a value: ``uniform(key, index) >= rate`` of the CPU, in integers.

    ``threshold`` is rate * 2**53, rounded up.
    """
    return random_bits(key, index) >= _U(threshold)


@gpu_part
def uniform(key, index):
    """``uniform`` of the CPU, rounded: 1 may be among it."""
    return np.float32(random_bits(key, index)) * SMALLEST


@gpu_part
def drawn_below(key, index, n):
    """``int(uniform(key, index) * n)`` of the CPU, in integers."""
    bits, n = random_bits(key, index), _U(n)
    low = ((bits & _LOW) * n) >> _TWENTY_ONE
    return np.int64(((bits >> _TWENTY_ONE) * n + low) >> _THIRTY_TWO)
