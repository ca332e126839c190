"""gruforecast itself, at the floor of networks and training."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

import gruforecast
from gruforecast.bench.workloads import Work, Workload, make_data, make_series
from gruforecast.foundations.threads import Workers, single_threaded_blas
from gruforecast.network import Network, Specification, Windows
from gruforecast.training import Dataset, TrainingOptions, TrainingState
from gruforecast.training.epochs import Run
from gruforecast.training.gradients import BatchGradients, shard_size


def installed() -> str:
    return f"gruforecast {gruforecast.__version__}"


def limits_threads() -> bool:
    return True


@contextmanager
def step(w: Workload, threads: int) -> Iterator[Work]:
    """The step that ``train`` takes for every batch, in the surroundings that it sets up."""
    series, targets = make_data(w)
    data = Dataset(Windows(series, np.arange(len(targets)), w.steps), targets)
    network = _network(w)
    options = TrainingOptions(batch_size=w.batch, clip_norm=1.0)
    state = TrainingState.start(network, options)
    with single_threaded_blas(), Workers(threads) as workers:
        size = shard_size(network, w.batch, w.steps)
        gradients = BatchGradients(network, options.make_loss(), w.batch, size, workers)
        run = Run(network, data, options, gradients, state)
        batches = itertools.cycle(enumerate(run.batches()))

        def call() -> float:
            total, weight = run.step(*next(batches))
            return total / weight

        yield Work(call)


@contextmanager
def predict(w: Workload, threads: int, rows: int) -> Iterator[Work]:
    """``Network.predict`` of every window of the series."""
    network = _network(w)
    windows = Windows(make_series(w, rows), np.arange(rows - w.steps + 1), w.steps)
    yield Work(lambda: network.predict(windows, n_threads=threads)[-1, 0])


def _network(w: Workload) -> Network:
    return Network(Specification(n_features=w.features, hidden_size=w.hidden), seed=0)
