"""Negative log likelihoods. N windows, K outputs, k targets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import softmax

from gruforecast.foundations.jit import brief_kernel
from gruforecast.foundations.mathematics import digamma, softplus

MIN_SCALE = 1e-4  # keeps the density bounded when the data can be fitted exactly
MIN_DEGREES = 2.0  # keeps the variance finite
_HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


@brief_kernel
def gaussian(raw, targets, weights, options, scale, d_raw):
    """Columns 2j, 2j+1: mean, s; deviation = softplus(s) + MIN_SCALE."""
    total = 0.0
    for i in range(targets.shape[0]):
        for j in range(targets.shape[1]):
            d_raw[i, 2 * j] = 0
            d_raw[i, 2 * j + 1] = 0
            if not math.isnan(targets[i, j]):
                s = np.float64(raw[i, 2 * j + 1])
                deviation = softplus(s) + MIN_SCALE
                x = (np.float64(targets[i, j]) - np.float64(raw[i, 2 * j])) / deviation
                total += weights[i] * (math.log(deviation) + 0.5 * x * x + _HALF_LOG_TWO_PI)
                d_deviation = (1.0 - x * x) / deviation
                factor = scale * weights[i]
                d_raw[i, 2 * j] = -factor * x / deviation
                d_raw[i, 2 * j + 1] = factor * d_deviation / (1.0 + math.exp(-s))
    return total


@brief_kernel
def student_t(raw, targets, weights, options, scale, d_raw):
    """Columns 3j, 3j+1, 3j+2: mean, s, v; degrees = softplus(v) + MIN_DEGREES."""
    total = 0.0
    for i in range(targets.shape[0]):
        for j in range(targets.shape[1]):
            d_raw[i, 3 * j] = 0
            d_raw[i, 3 * j + 1] = 0
            d_raw[i, 3 * j + 2] = 0
            if not math.isnan(targets[i, j]):
                s, v = np.float64(raw[i, 3 * j + 1]), np.float64(raw[i, 3 * j + 2])
                deviation = softplus(s) + MIN_SCALE
                n = softplus(v) + MIN_DEGREES
                x = (np.float64(targets[i, j]) - np.float64(raw[i, 3 * j])) / deviation
                tail = math.log1p(x * x / n)
                total += weights[i] * (
                    math.lgamma(0.5 * n)
                    - math.lgamma(0.5 * (n + 1.0))
                    + 0.5 * math.log(n * math.pi)
                    + math.log(deviation)
                    + 0.5 * (n + 1.0) * tail
                )
                pull = (n + 1.0) / (n + x * x)
                d_deviation = (1.0 - pull * x * x) / deviation
                d_n = 0.5 * (digamma(0.5 * n) - digamma(0.5 * (n + 1.0)) + 1.0 / n + tail)
                d_n -= 0.5 * pull * x * x / n
                factor = scale * weights[i]
                d_raw[i, 3 * j] = -factor * pull * x / deviation
                d_raw[i, 3 * j + 1] = factor * d_deviation / (1.0 + math.exp(-s))
                d_raw[i, 3 * j + 2] = factor * d_n / (1.0 + math.exp(-v))
    return total


@brief_kernel
def poisson(raw, targets, weights, options, scale, d_raw):
    """The output is the logarithm of the rate; terms without it are left out."""
    total = 0.0
    for i in range(targets.shape[0]):
        for j in range(targets.shape[1]):
            d_raw[i, j] = 0
            if not math.isnan(targets[i, j]):
                log_rate, y = np.float64(raw[i, j]), np.float64(targets[i, j])
                rate = math.exp(log_rate)
                total += weights[i] * (rate - y * log_rate)
                d_raw[i, j] = scale * weights[i] * (rate - y)
    return total


@brief_kernel
def cross_entropy(raw, targets, weights, options, scale, d_raw):
    """One output per class; the one target is the number of the class."""
    n_classes = raw.shape[1]
    total = 0.0
    for i in range(targets.shape[0]):
        missing = math.isnan(targets[i, 0])
        target = -1 if missing else int(targets[i, 0])
        largest = np.float64(raw[i, 0])
        for j in range(1, n_classes):
            largest = max(largest, np.float64(raw[i, j]))
        partition = 0.0
        for j in range(n_classes):
            partition += math.exp(raw[i, j] - largest)
        if not missing:
            total += weights[i] * (math.log(partition) + largest - raw[i, target])
        for j in range(n_classes):
            probability = math.exp(raw[i, j] - largest) / partition
            slope = probability - 1.0 if j == target else probability
            d_raw[i, j] = 0.0 if missing else scale * weights[i] * slope
    return total


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.logaddexp(x, 0.0))


def gaussian_parameters(raw: np.ndarray) -> np.ndarray:
    """Raw (N, 2k) -> (N, k, 2): mean, deviation."""
    parts = raw.reshape(len(raw), -1, 2).copy()
    parts[..., 1] = _softplus(parts[..., 1]) + MIN_SCALE
    return parts


def student_t_parameters(raw: np.ndarray) -> np.ndarray:
    """Raw (N, 3k) -> (N, k, 3): mean, deviation, degrees of freedom."""
    parts = raw.reshape(len(raw), -1, 3).copy()
    parts[..., 1] = _softplus(parts[..., 1]) + MIN_SCALE
    parts[..., 2] = _softplus(parts[..., 2]) + MIN_DEGREES
    return parts


def location(parts: np.ndarray) -> np.ndarray:
    """Parameters (N, k, .) -> mean or location (N, k)."""
    return parts[..., 0]


def rescale_location(parts: np.ndarray, center: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Location, deviation, ... (N, k, .) of scaled targets in the targets' own units."""
    parts = parts.copy()
    parts[..., 0] = parts[..., 0] * scale + center
    parts[..., 1] *= scale
    return parts


def gaussian_distribution(parts: np.ndarray) -> Any:
    """Of parameters (..., 2)."""
    from scipy import stats  # takes long to import

    return stats.norm(loc=parts[..., 0], scale=parts[..., 1])


def student_t_distribution(parts: np.ndarray) -> Any:
    """Of parameters (..., 3)."""
    from scipy import stats

    return stats.t(df=parts[..., 2], loc=parts[..., 0], scale=parts[..., 1])


def poisson_distribution(rates: np.ndarray) -> Any:
    """Of rates (...)."""
    from scipy import stats

    return stats.poisson(rates)


def class_probabilities(raw: np.ndarray) -> np.ndarray:
    """Raw (N, K) -> probabilities (N, K)."""
    return np.asarray(softmax(raw, axis=1))
