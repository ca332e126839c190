"""JAX: one compiled function, a scan over the steps, all inputs projected at once."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

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
    return describe("jax")


def limits_threads() -> bool:
    return False


@contextmanager
def step(w: Workload, threads: int) -> Iterator[Work]:
    """The whole step is one function; its buffers are donated."""
    jnp = library("jax.numpy")

    series, targets = (jnp.asarray(part) for part in make_data(w))
    p = _parameters(w)
    zeros = [{k: jnp.zeros_like(value) for k, value in p.items()} for _ in range(2)]
    state: Any = (*zeros, jnp.float32(0))
    batches = itertools.cycle([jnp.asarray(batch, jnp.int32) for batch in make_batches(w)])

    def call() -> Any:
        nonlocal p, state
        loss, p, state = _update(w.steps)(p, state, series, targets, next(batches))
        return loss

    yield Work(call)


@contextmanager
def predict(w: Workload, threads: int, rows: int) -> Iterator[Work]:
    """Batch by batch; the last one may be smaller."""
    jnp = library("jax.numpy")

    p, series = _parameters(w), jnp.asarray(make_series(w, rows))
    n = rows - w.steps + 1
    batches = [
        jnp.arange(begin, min(begin + PREDICT_BATCH, n), dtype=jnp.int32)
        for begin in range(0, n, PREDICT_BATCH)
    ]
    outputs = _predict(w.steps)
    yield Work(lambda: jnp.concatenate([outputs(p, series, batch) for batch in batches])[-1])


def _parameters(w: Workload) -> dict[str, Any]:
    jnp = library("jax.numpy")

    h, wide = w.hidden, 3 * w.hidden
    shapes: dict[str, tuple[int, ...]] = {"w_x": (w.features, wide), "w_h": (h, wide)}
    shapes |= {"b_x": (wide,), "b_h": (wide,), "w": (h,), "b": ()}
    rng, bound = np.random.default_rng(0), 1.0 / math.sqrt(h)
    return {k: jnp.asarray(rng.uniform(-bound, bound, s), jnp.float32) for k, s in shapes.items()}


def _forward(p: Any, x: Any) -> Any:
    """Outputs (B,) of windows (B, T, F)."""
    jax = library("jax")
    jnp = library("jax.numpy")

    hidden = p["w_h"].shape[0]

    def cell(h: Any, a: Any) -> tuple[Any, None]:
        u = h @ p["w_h"] + p["b_h"]
        zr = jax.nn.sigmoid(a[:, : 2 * hidden] + u[:, : 2 * hidden])
        z, r = zr[:, :hidden], zr[:, hidden:]
        n = jnp.tanh(a[:, 2 * hidden :] + r * u[:, 2 * hidden :])
        return n + z * (h - n), None

    projected = jnp.swapaxes(x, 0, 1) @ p["w_x"] + p["b_x"]  # (T, B, 3H)
    last, _ = jax.lax.scan(cell, jnp.zeros((len(x), hidden), x.dtype), projected)
    return last @ p["w"] + p["b"]


@functools.cache
def _predict(n_steps: int) -> Any:
    """Outputs as a compiled function of (parameters, series, starts)."""
    jax = library("jax")
    jnp = library("jax.numpy")

    return jax.jit(lambda p, s, starts: _forward(p, s[starts[:, None] + jnp.arange(n_steps)]))


@functools.cache
def _update(n_steps: int) -> Any:
    """The whole step as one compiled function of (parameters, Adam's state, data, starts)."""
    jax = library("jax")
    jnp = library("jax.numpy")

    def loss_of(p: Any, x: Any, y: Any) -> Any:
        return jnp.mean((_forward(p, x) - y) ** 2)

    def adam(p: Any, g: Any, m: Any, v: Any, count: Any) -> tuple[Any, Any, Any]:
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        rate = 1e-3 / (1 - 0.9**count)
        return p - rate * m / (jnp.sqrt(v / (1 - 0.999**count)) + 1e-8), m, v

    def update(p: Any, state: Any, series: Any, targets: Any, starts: Any) -> Any:
        x = series[starts[:, None] + jnp.arange(n_steps)]
        loss, g = jax.value_and_grad(loss_of)(p, x, targets[starts])
        norm = jnp.sqrt(sum(jnp.sum(part**2) for part in g.values()))
        scale = jnp.minimum(1.0, 1.0 / norm)
        m, v, count = state[0], state[1], state[2] + 1.0
        new = {k: adam(p[k], scale * g[k], m[k], v[k], count) for k in p}
        parts = [{k: new[k][i] for k in p} for i in range(3)]
        return loss, parts[0], (parts[1], parts[2], count)

    return jax.jit(update, donate_argnums=(0, 1))
