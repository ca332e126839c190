"""Losses of a point or of quantiles. N windows, K outputs, k targets, e = output - target."""

from __future__ import annotations

import math

import numpy as np

from gruforecast.foundations.jit import brief_kernel


@brief_kernel
def squared_error(raw, targets, weights, options, scale, d_raw):
    """e^2."""
    total = 0.0
    for i in range(targets.shape[0]):
        for j in range(targets.shape[1]):
            d_raw[i, j] = 0
            if not math.isnan(targets[i, j]):
                e = np.float64(raw[i, j]) - np.float64(targets[i, j])
                total += weights[i] * e * e
                d_raw[i, j] = scale * weights[i] * 2.0 * e
    return total


@brief_kernel
def absolute_error(raw, targets, weights, options, scale, d_raw):
    """|e|."""
    total = 0.0
    for i in range(targets.shape[0]):
        for j in range(targets.shape[1]):
            d_raw[i, j] = 0
            if not math.isnan(targets[i, j]):
                e = np.float64(raw[i, j]) - np.float64(targets[i, j])
                total += weights[i] * abs(e)
                d_raw[i, j] = scale * weights[i] * np.sign(e)
    return total


@brief_kernel
def huber(raw, targets, weights, options, scale, d_raw):
    """e^2 / 2 up to delta = options[0], then delta (|e| - delta / 2)."""
    delta = options[0]
    total = 0.0
    for i in range(targets.shape[0]):
        for j in range(targets.shape[1]):
            d_raw[i, j] = 0
            if not math.isnan(targets[i, j]):
                e = np.float64(raw[i, j]) - np.float64(targets[i, j])
                if abs(e) <= delta:
                    total += weights[i] * 0.5 * e * e
                    d_raw[i, j] = scale * weights[i] * e
                else:
                    total += weights[i] * delta * (abs(e) - 0.5 * delta)
                    d_raw[i, j] = scale * weights[i] * delta * np.sign(e)
    return total


@brief_kernel
def quantile(raw, targets, weights, options, scale, d_raw):
    """Pinball loss, averaged over the quantiles in options; column j Q + q is quantile q of j."""
    n_quantiles = options.size
    total = 0.0
    for i in range(targets.shape[0]):
        for j in range(targets.shape[1]):
            for q in range(n_quantiles):
                at = j * n_quantiles + q
                d_raw[i, at] = 0
                if not math.isnan(targets[i, j]):
                    above = np.float64(targets[i, j]) - np.float64(raw[i, at])
                    slope = options[q] if above > 0.0 else options[q] - 1.0
                    total += weights[i] * slope * above / n_quantiles
                    d_raw[i, at] = -scale * weights[i] * slope / n_quantiles
    return total


def sorted_quantiles(raw: np.ndarray, n_quantiles: int) -> np.ndarray:
    """Raw (N, k Q) -> quantiles (N, k, Q) that do not cross."""
    return np.sort(raw.reshape(len(raw), -1, n_quantiles), axis=2)


def rescale_quantiles(values: np.ndarray, center: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Quantiles (N, k, Q) of scaled targets in the targets' own units."""
    return np.asarray(values * scale[..., None] + center[..., None])


def median(values: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """The quantile 0.5 of (N, k, Q), interpolated; the nearest where all lie on one side."""
    at = float(np.interp(0.5, quantiles, np.arange(len(quantiles))))
    low = int(at)
    high, share = min(low + 1, len(quantiles) - 1), at - low
    return np.asarray((1 - share) * values[..., low] + share * values[..., high])
