"""Random numbers from counters: a value depends on its key and index alone.

Masks made this way are the same for any number of threads, any order of the shards and in the
backward pass, without being stored and without a generator that is shared.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gruforecast.foundations.jit import kernel

# SplitMix64 (Steele, Lea, Flood 2014): an increment and two multipliers.
STEP, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_BITS = (1 << 64) - 1
_U = np.uint64


def derive_key(*numbers: int) -> np.uint64:
    """Mix whole numbers (seed, step, layer, ...) into one key; their order counts."""
    key = 0
    for number in numbers:
        key = (key ^ number) + STEP & _BITS
        key = (key ^ key >> 30) * FIRST & _BITS
        key = (key ^ key >> 27) * SECOND & _BITS
        key ^= key >> 31
    return np.uint64(key)


@kernel
def uniform(key, index):
    """A float64 in [0, 1) for a uint64 key and a whole number."""
    bits = key + _U(index) * _U(STEP) + _U(STEP)
    bits = (bits ^ (bits >> _U(30))) * _U(FIRST)
    bits = (bits ^ (bits >> _U(27))) * _U(SECOND)
    bits = bits ^ (bits >> _U(31))
    return np.float64(bits >> _U(11)) * (1.0 / 9007199254740992.0)


@kernel
def dropout(source, key, first, rate, out):
    """Zero a share ``rate`` of the entries, scale the rest: source (T, N, F) -> out (T, N, F).

    The mask depends on the step, on the feature and on the window's position in the batch
    (``first`` is that of the shard's first window). Applied to a gradient it is its own backward.
    """
    n_steps, n_windows, n_features = source.shape
    scale = source.dtype.type(1.0 / (1.0 - rate))
    zero = source.dtype.type(0)
    for t in range(n_steps):
        for i in range(n_windows):
            start = ((first + i) * n_steps + t) * n_features
            for j in range(n_features):
                kept = uniform(key, start + j) >= rate
                out[t, i, j] = source[t, i, j] * scale if kept else zero


def dropout_mask(key: np.uint64, first: int, rate: float, shape: Any, dtype: Any) -> np.ndarray:
    """One mask per window for all its steps: (N, F) of zeros and 1 / (1 - rate)."""
    mask: np.ndarray = np.empty((1, *shape), dtype)
    dropout(np.ones((1, *shape), dtype), key, first, rate, mask)
    return mask.reshape(shape)
