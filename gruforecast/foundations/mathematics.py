"""Scalar functions that vectorise: exp, tanh, sigmoid and softplus in float32 and float64.

Written once per precision and chosen by type, so that a kernel reads the same for both.
Every branch compares in the direction that lets a NaN through.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from gruforecast.foundations.jit import kernel_overload, part

_F = np.float32
_D = np.float64


@intrinsic
def _power_of_two(typing_context: Any, exponent: Any) -> Any:
    """2.0**exponent for an int64 in [-1022, 1023], made from the bits of a float64."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        biased = builder.add(arguments[0], ir.Constant(ir.IntType(64), 1023))
        bits = builder.shl(biased, ir.Constant(ir.IntType(64), 52))
        return builder.bitcast(bits, ir.DoubleType())

    return types.float64(types.int64), codegen


@part
def _exp_float64(x):
    """Cephes: exp(r) = 1 + 2 r P(r^2) / (Q(r^2) - r P(r^2)) on |r| <= log(2)/2, times 2^k."""
    if x > 709.0:
        x = 709.0
    elif x < -708.0:
        x = -708.0
    k = math.floor(x * 1.4426950408889634 + 0.5)
    r = (x - k * 0.693145751953125) - k * 1.42860682030941723212e-6
    s = r * r
    p = r * ((1.26177193074810590878e-4 * s + 3.02994407707441961300e-2) * s + 1.0)
    q = (
        (3.00198505138664455042e-6 * s + 2.52448340349684104192e-3) * s + 2.27265548208155028766e-1
    ) * s + 2.0
    return (1.0 + 2.0 * p / (q - p)) * _power_of_two(np.int64(k))


@part
def _tanh_float64(x):
    """Cephes: a rational function near zero, 1 - 2 / (exp(2|x|) + 1) elsewhere."""
    s = x * x
    p = (-9.64399179425052238628e-1 * s - 9.92877231001918586564e1) * s - 1.61468768441708447952e3
    q = (
        (s + 1.12811678491632931402e2) * s + 2.23548839060100448583e3
    ) * s + 4.84406305325125486048e3
    near = x + x * s * (p / q)
    magnitude = -x if x < 0.0 else x
    far = 1.0 - 2.0 / (_exp_float64(2.0 * magnitude) + 1.0)
    if x < 0.0:
        far = -far
    return near if magnitude < 0.625 else far


@part
def _tanh_float32(x):
    """An odd polynomial of degree 13 over an even one of degree 6, accurate to a few ulp."""
    if x > _F(7.90531110763549805):
        x = _F(7.90531110763549805)
    elif x < _F(-7.90531110763549805):
        x = _F(-7.90531110763549805)
    s = x * x
    p = _F(-2.76076847742355e-16) * s + _F(2.00018790482477e-13)
    p = p * s + _F(-8.60467152213735e-11)
    p = p * s + _F(5.12229709037114e-08)
    p = p * s + _F(1.48572235717979e-05)
    p = p * s + _F(6.37261928875436e-04)
    p = p * s + _F(4.89352455891786e-03)
    q = _F(1.19825839466702e-06) * s + _F(1.18534705686654e-04)
    q = q * s + _F(2.26843463243900e-03)
    q = q * s + _F(4.89352518554385e-03)
    return x * p / q


def tanh(x: Any) -> Any:
    """Hyperbolic tangent of a scalar inside a kernel."""
    return math.tanh(x)


@kernel_overload(tanh)
def _(x):
    if x == types.float32:
        return lambda x: _tanh_float32(x)
    return lambda x: _tanh_float64(x)


@part
def _sigmoid_float32(x):
    return _F(0.5) + _F(0.5) * _tanh_float32(_F(0.5) * x)


@part
def _sigmoid_float64(x):
    return 0.5 + 0.5 * _tanh_float64(0.5 * x)


def sigmoid(x: Any) -> Any:
    """Logistic function of a scalar inside a kernel."""
    return 1.0 / (1.0 + math.exp(-x))


@kernel_overload(sigmoid)
def _(x):
    if x == types.float32:
        return lambda x: _sigmoid_float32(x)
    return lambda x: _sigmoid_float64(x)


@part
def softplus(x):
    """log(1 + exp(x)) of a float64 without overflow."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@part
def digamma(x):
    """Derivative of log gamma for x > 0: recurrence up to 10, then the asymptotic series."""
    shift = 0.0
    while x < 10.0:
        shift -= 1.0 / x
        x += 1.0
    s = 1.0 / (x * x)
    series = s * (
        1.0 / 12.0
        - s
        * (
            1.0 / 120.0
            - s * (1.0 / 252.0 - s * (1.0 / 240.0 - s * (5.0 / 660.0 - s * 691.0 / 32760.0)))
        )
    )
    return shift + math.log(x) - 0.5 / x - series
