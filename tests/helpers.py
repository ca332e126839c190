"""Small networks and data sets that several tests use."""

import numpy as np

from gruforecast.network import Network, Specification, Windows
from gruforecast.training import Dataset


def wavy_series(n_rows=300, n_features=1, seed=0, dtype="float64"):
    """Two sine waves and a little noise per column: (n_rows, n_features)."""
    rng = np.random.default_rng(seed)
    t = np.arange(n_rows)[:, None] + 7.0 * np.arange(n_features)
    noise = 0.05 * rng.standard_normal((n_rows, n_features))
    return (np.sin(0.3 * t) + 0.5 * np.sin(0.11 * t) + noise).astype(dtype)


def next_row_data(n_rows=300, n_steps=12, n_features=1, dtype="float64", seed=0, **parts):
    """Windows of a wavy series; the target is the first column of the next row."""
    series = wavy_series(n_rows, n_features, seed, dtype)
    starts = np.arange(n_rows - n_steps)
    windows = Windows(series, starts, n_steps, dtype=dtype)
    return Dataset(windows, series[n_steps:, 0], **parts)


def small_network(seed=0, dtype="float64", **choices):
    """A network of 8 hidden units for ``next_row_data``."""
    choices = {"n_features": 1, "hidden_size": 8, "dtype": dtype} | choices
    return Network(Specification(**choices), seed=seed)


# A network by itself, as of rows with a y: what is chosen for series where that is left open hides
# what a network of few weights and epochs makes of them.
PLAIN = {
    "baseline": "none",
    "segment_length": 1,
    "decoder": "direct",
    "loss": "squared_error",
    "hidden_size": 32,
    "learning_rate": 5e-3,
    "learning_rate_schedule": "constant",
    "batch_size": 64,
    "n_iter_no_change": 10,
}
