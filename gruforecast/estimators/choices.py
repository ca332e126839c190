"""What a classifier chooses where the caller leaves it open, and why: one rule each.

The rules were found by cross-validation within the training files of six sets of the UCR and UEA
archives, and never looked at what they were tested on.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gruforecast.data.rows import Material, Samples, Steps
from gruforecast.estimators import parameters
from gruforecast.estimators.preparing import reads_tokens

SEGMENTS = 24  # steps that layers make of a window: few enough to remember, many enough to tell
STEPS = 400  # of training: small sets need them, and more learn by heart
LEAST_EPOCHS = 20  # of large sets
FEW = 1000  # rows, below which batches are small: more steps see every row anew
SHAPE = ("bidirectional", "segment_length", "pooling")  # what goes on from a fit has its shape

# Without windows that are whole, and of tokens, the newest step says most.
FIXED = {
    "learning_rate_schedule": "constant",
    "batch_size": 64,
    "max_iter": 100,
    "bidirectional": False,
    "segment_length": 1,
    "pooling": "last",
    "input_noise": 0.0,
    "time_shift": 0.0,
}


def settle(
    settings: Any, rows: Samples | Steps, n_training: int, earlier: Any, *, endless: bool
) -> None:
    """Choose what is open; ``endless`` without a last epoch, ``earlier`` settings to go on from."""
    if reads_tokens(settings) and settings.input_noise:
        raise ValueError(
            f"input_noise: expected None or 0 for tokens, got {settings.input_noise}; drop it."
        )
    if earlier is not None:
        parameters.settle(settings, {name: getattr(earlier, name) for name in SHAPE})
    if endless:
        parameters.settle(settings, {"learning_rate_schedule": "constant"})
    if isinstance(rows, Samples) and not reads_tokens(settings):
        parameters.settle(settings, _for_windows(settings, rows.n_steps, n_training))
    parameters.settle(settings, FIXED)


def _for_windows(settings: Any, n_steps: int, n_training: int) -> dict[str, Any]:
    """Of whole windows of numbers: what tells a class may be anywhere in them."""
    largest = settings.batch_size or (16 if n_training < FEW else 64)
    n_batches = -(-n_training // largest)
    return {
        "bidirectional": True,
        "segment_length": -(-n_steps // SEGMENTS),
        "pooling": "all",
        "input_noise": 0.2,
        "time_shift": 0.05,
        "batch_size": -(-n_training // n_batches),  # the last is as full as the others
        "max_iter": max(LEAST_EPOCHS, -(-STEPS // n_batches)),
        "learning_rate_schedule": "one_cycle",
    }


def disturbance(settings: Any, material: Material, training: np.ndarray) -> dict[str, Any]:
    """Noise and shift as the engine takes them; ``training`` numbers the rows that train.

    Noise is in deviations of each column over these rows. The age of a value has none, and neither
    has a column of two values: an indicator would become what it never is.
    """
    noise: Any = 0.0
    if settings.input_noise:
        series = material.series[np.isin(material.numbers, training)].astype(np.float64)
        if not len(series):  # windows without any value
            return {"input_noise": noise, "time_shift": settings.time_shift}
        spread = series.std(axis=0)
        spread[((series == series.min(axis=0)) | (series == series.max(axis=0))).all(axis=0)] = 0.0
        spread[material.carried.values.shape[1] :] = 0.0
        noise = tuple((settings.input_noise * spread).tolist())
    return {"input_noise": noise, "time_shift": settings.time_shift}
