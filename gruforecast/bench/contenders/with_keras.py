"""Keras 3: layers.GRU and Dense, ``fit`` over an array of windows, on whichever backend is there.

``fit`` is its fastest way: several times faster than ``train_on_batch``, and with all steps of an
epoch in one execution, where the backend can, faster again for small networks.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from gruforecast.bench.contenders import describe, library
from gruforecast.bench.workloads import (
    N_BATCHES,
    PREDICT_BATCH,
    Work,
    Workload,
    make_data,
    make_series,
    windows_of,
)

BACKENDS = ("jax", "tensorflow", "torch")  # the last runs every step by itself


def installed() -> str | None:
    library, backend = describe("keras"), describe(_backend())
    return None if library is None or backend is None else f"{library} on {backend}"


def limits_threads() -> bool:
    return _backend() == "torch"


@contextmanager
def step(w: Workload, threads: int) -> Iterator[Work]:
    """One epoch of ``fit``."""
    model = _model(w, threads)
    series, targets = make_data(w)
    windows = windows_of(series, w.steps)[: len(targets)]

    def call() -> Any:
        history = model.fit(windows, targets, batch_size=w.batch, epochs=1, verbose=0)
        return history.history["loss"][-1]

    yield Work(call, N_BATCHES)


@contextmanager
def predict(w: Workload, threads: int, rows: int) -> Iterator[Work]:
    """``predict`` of all windows."""
    model, windows = _model(w, threads), windows_of(make_series(w, rows), w.steps)
    yield Work(lambda: model.predict(windows, batch_size=PREDICT_BATCH, verbose=0)[-1, 0])


def _backend() -> str:
    """The one that is asked for, or the first that is installed."""
    found = [name for name in BACKENDS if find_spec(name) is not None]
    return os.environ.get("KERAS_BACKEND") or next(iter(found), BACKENDS[0])


@functools.lru_cache(maxsize=1)  # its functions are compiled once
def _model(w: Workload, threads: int) -> Any:
    os.environ["KERAS_BACKEND"] = backend = _backend()
    keras = library("keras")

    if backend == "torch":
        library("torch").set_num_threads(threads)
    keras.utils.set_random_seed(0)
    layers = [keras.Input((w.steps, w.features)), keras.layers.GRU(w.hidden), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3, global_clipnorm=1.0),
        loss="mse",
        steps_per_execution=1 if backend == "torch" else N_BATCHES,
    )
    return model
