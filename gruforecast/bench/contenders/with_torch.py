"""PyTorch: nn.GRU and nn.Linear, windows a view of the series that is indexed by start row."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gruforecast.bench.contenders import describe, library
from gruforecast.bench.workloads import (
    PREDICT_BATCH,
    Work,
    Workload,
    make_batches,
    make_data,
    make_series,
)


def installed() -> str | None:
    return describe("torch")


def limits_threads() -> bool:
    return True


@contextmanager
def step(w: Workload, threads: int) -> Iterator[Work]:
    """Forward, backward, clip_grad_norm_ and Adam."""
    torch = library("torch")

    recurrent, head = _network(w, threads)
    series, targets = (torch.from_numpy(part) for part in make_data(w))
    windows = series.unfold(0, w.steps, 1).transpose(1, 2)
    parameters = [*recurrent.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    batches = itertools.cycle([torch.from_numpy(batch) for batch in make_batches(w)])

    def call() -> Any:
        batch = next(batches)
        optimizer.zero_grad(set_to_none=True)
        _, last = recurrent(windows[batch])
        loss = torch.nn.functional.mse_loss(head(last[0])[:, 0], targets[batch])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        return loss.detach()

    yield Work(call)


@contextmanager
def predict(w: Workload, threads: int, rows: int) -> Iterator[Work]:
    """Without gradients, batch by batch."""
    torch = library("torch")

    recurrent, head = (part.eval() for part in _network(w, threads))
    windows = torch.from_numpy(make_series(w, rows)).unfold(0, w.steps, 1).transpose(1, 2)

    def call() -> Any:
        with torch.no_grad():
            parts = [head(recurrent(part)[1][0]) for part in windows.split(PREDICT_BATCH)]
            return torch.cat(parts)[-1, 0]

    yield Work(call)


def _network(w: Workload, threads: int) -> tuple[Any, Any]:
    torch = library("torch")

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    return torch.nn.GRU(w.features, w.hidden, batch_first=True), torch.nn.Linear(w.hidden, 1)
