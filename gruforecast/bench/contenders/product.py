"""The matrix product that everything is compared with: NumPy's, in float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from threadpoolctl import threadpool_limits

from gruforecast.bench.contenders import describe
from gruforecast.bench.workloads import PRODUCT_SIZE, Work, Workload


def installed() -> str | None:
    return describe("numpy")


def limits_threads() -> bool:
    return True


@contextmanager
def step(w: Workload, threads: int) -> Iterator[Work]:
    """One product, whatever the workload."""
    a, b = np.random.default_rng(0).random((2, PRODUCT_SIZE, PRODUCT_SIZE), dtype=np.float32)
    out = np.empty_like(a)
    with threadpool_limits(limits=threads, user_api="blas"):
        yield Work(lambda: np.dot(a, b, out)[0, 0])


@contextmanager
def predict(w: Workload, threads: int, rows: int) -> Iterator[Work]:
    with step(w, threads) as work:
        yield work
