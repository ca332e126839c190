"""What the speed benchmark compares, and the process that one contender runs in.

    python -m tests.benchmarks.contenders torch

waits for orders on its standard input, one JSON object a line, and answers each with the
milliseconds of a step, its last loss and the processors that other programs used meanwhile.
B windows, T steps, F features, H hidden.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SECONDS, MIN_STEPS = 0.3, 3  # at least, of one measurement
N_BATCHES = 16  # of the series that a step's windows are taken from
PREDICT_ROWS = 100_000
PRODUCT_SIZE = 1024

Step = Callable[[], Any]  # returns the loss, or something that float() waits for


class Workload(NamedTuple):
    """B windows of T steps and F features, H hidden; how often torch's time it should fit in."""

    batch: int
    steps: int
    features: int
    hidden: int
    goal: float | None = None

    @property
    def operations(self) -> float:
        return 6.0 * self.batch * self.steps * (self.features + self.hidden) * 3 * self.hidden


WORKLOADS = [
    Workload(32, 24, 1, 16, 20.0),
    Workload(64, 48, 8, 32, 12.0),
    Workload(64, 48, 8, 64, 8.0),
    Workload(64, 96, 8, 128, 3.5),
    Workload(256, 48, 8, 64, 5.0),
    Workload(1024, 24, 4, 32, 5.0),
    Workload(256, 96, 8, 256, 1.6),
]
PREDICT = Workload(1024, 168, 8, 64)


def make_data(w: Workload) -> tuple[np.ndarray, np.ndarray]:
    """A series (rows, F) and the target of every window (N,): the next value of a feature."""
    shape = (N_BATCHES * w.batch + w.steps, w.features)
    series = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    return series, np.ascontiguousarray(series[w.steps :, 0])


def make_batches(w: Workload) -> list[np.ndarray]:
    """Start rows of the windows, shuffled, by batch."""
    return np.split(np.random.default_rng(0).permutation(N_BATCHES * w.batch), N_BATCHES)


@contextmanager
def gruforecast_step(w: Workload, threads: int) -> Iterator[Step]:
    """The step that ``train`` takes for every batch, in the surroundings that it sets up."""
    from gruforecast.foundations.threads import Workers, single_threaded_blas
    from gruforecast.network import Network, Specification, Windows
    from gruforecast.training import Dataset, TrainingOptions, TrainingState
    from gruforecast.training.gradients import BatchGradients
    from gruforecast.training.loop import _Run

    series, targets = make_data(w)
    data = Dataset(Windows(series, np.arange(len(targets)), w.steps), targets)
    network = Network(Specification(n_features=w.features, hidden_size=w.hidden), seed=0)
    options = TrainingOptions(batch_size=w.batch, clip_norm=1.0)
    state = TrainingState.start(network, options)
    with single_threaded_blas(), Workers(threads) as workers:
        gradients = BatchGradients(network, options.make_loss(), w.batch, workers)
        run = _Run(network, data, options, gradients, state)
        batches = itertools.cycle(enumerate(run._batches()))

        def step() -> float:
            total, weight = run.step(*next(batches))
            return total / weight

        yield step


@contextmanager
def torch_step(w: Workload, threads: int) -> Iterator[Step]:
    """torch.nn.GRU; windows are a view of the series, indexed by start row."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    series, targets = (torch.from_numpy(part) for part in make_data(w))
    windows = series.unfold(0, w.steps, 1).transpose(1, 2)
    recurrent = torch.nn.GRU(w.features, w.hidden, batch_first=True)
    head = torch.nn.Linear(w.hidden, 1)
    parameters = [*recurrent.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    batches = itertools.cycle([torch.from_numpy(batch) for batch in make_batches(w)])

    def step() -> Any:
        batch = next(batches)
        optimizer.zero_grad(set_to_none=True)
        _, last = recurrent(windows[batch])
        loss: Any = torch.nn.functional.mse_loss(head(last[0])[:, 0], targets[batch])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        return loss.detach()

    yield step


@functools.cache
def jax_update(n_steps: int) -> Any:
    """The whole step as one compiled function of (parameters, Adam's state, data, starts)."""
    import jax
    import jax.numpy as jnp

    def loss_of(p: Any, x: Any, y: Any) -> Any:
        hidden = p["w_h"].shape[0]

        def cell(h: Any, a: Any) -> tuple[Any, None]:
            u = h @ p["w_h"] + p["b_h"]
            zr = jax.nn.sigmoid(a[:, : 2 * hidden] + u[:, : 2 * hidden])
            z, r = zr[:, :hidden], zr[:, hidden:]
            n = jnp.tanh(a[:, 2 * hidden :] + r * u[:, 2 * hidden :])
            return n + z * (h - n), None

        projected = jnp.swapaxes(x, 0, 1) @ p["w_x"] + p["b_x"]  # (T, B, 3H)
        last, _ = jax.lax.scan(cell, jnp.zeros((len(x), hidden), x.dtype), projected)
        return jnp.mean((last @ p["w"] + p["b"] - y) ** 2)

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


@contextmanager
def jax_step(w: Workload, threads: int) -> Iterator[Step]:
    """jit, scan and value_and_grad, all inputs projected at once, buffers donated."""
    import jax.numpy as jnp

    series, targets = (jnp.asarray(part) for part in make_data(w))
    h, wide = w.hidden, 3 * w.hidden
    shapes: dict[str, tuple[int, ...]] = {"w_x": (w.features, wide), "w_h": (h, wide)}
    shapes |= {"b_x": (wide,), "b_h": (wide,), "w": (h,), "b": ()}
    rng, bound = np.random.default_rng(0), 1.0 / math.sqrt(h)
    p = {k: jnp.asarray(rng.uniform(-bound, bound, s), jnp.float32) for k, s in shapes.items()}
    zeros = [{k: jnp.zeros_like(value) for k, value in p.items()} for _ in range(2)]
    state: Any = (*zeros, jnp.float32(0))
    batches = itertools.cycle([jnp.asarray(batch, jnp.int32) for batch in make_batches(w)])

    def step() -> Any:
        nonlocal p, state
        loss, p, state = jax_update(w.steps)(p, state, series, targets, next(batches))
        return loss

    yield step


@contextmanager
def product_step(w: Workload, threads: int) -> Iterator[Step]:
    """The matrix product that everything is compared with."""
    from threadpoolctl import threadpool_limits

    a, b = np.random.default_rng(0).random((2, PRODUCT_SIZE, PRODUCT_SIZE), dtype=np.float32)
    out = np.empty_like(a)
    with threadpool_limits(limits=threads, user_api="blas"):
        yield lambda: np.dot(a, b, out)[0, 0]


@contextmanager
def gruforecast_predict(w: Workload, threads: int, rows: int) -> Iterator[Step]:
    """``Network.predict`` of every window of the series."""
    from gruforecast.network import Network, Specification, Windows

    series = np.random.default_rng(0).standard_normal((rows, w.features), dtype=np.float32)
    network = Network(Specification(n_features=w.features, hidden_size=w.hidden), seed=0)
    windows = Windows(series, np.arange(rows - w.steps + 1), w.steps)
    yield lambda: network.predict(windows, n_threads=threads)[-1, 0]


@contextmanager
def torch_predict(w: Workload, threads: int, rows: int) -> Iterator[Step]:
    """torch.nn.GRU without gradients, batch by batch."""
    import torch

    torch.set_num_threads(threads)
    values = np.random.default_rng(0).standard_normal((rows, w.features), dtype=np.float32)
    windows: Any = torch.from_numpy(values).unfold(0, w.steps, 1).transpose(1, 2)
    recurrent = torch.nn.GRU(w.features, w.hidden, batch_first=True).eval()
    head = torch.nn.Linear(w.hidden, 1).eval()

    def step() -> Any:
        with torch.no_grad():
            parts = [head(recurrent(part)[1][0]) for part in windows.split(w.batch)]
            return torch.cat(parts)[-1, 0]

    yield step


STEPS: dict[str, Any] = {
    "gruforecast": gruforecast_step,
    "torch": torch_step,
    "jax": jax_step,
    "product": product_step,
}
PREDICTIONS: dict[str, Any] = {"gruforecast": gruforecast_predict, "torch": torch_predict}


def elapsed(step: Step, n: int) -> tuple[float, float]:
    """Seconds of n steps, and the value of the last one."""
    start = time.perf_counter()
    for _ in range(n):
        value = step()
    value = float(value)  # waits for work that is still under way
    return time.perf_counter() - start, value


def measure(step: Step) -> tuple[float, float]:
    """Milliseconds of a step, after some that are not counted, and its value."""
    elapsed(step, 2)
    n, (taken, _) = 1, elapsed(step, 1)
    while taken < SECONDS / 10:
        n *= 4
        taken, _ = elapsed(step, n)
    n = max(MIN_STEPS, math.ceil(SECONDS * n / taken))
    taken, value = elapsed(step, n)
    return 1e3 * taken / n, value


def measure_prediction(name: str, w: Workload, threads: int, rows: int) -> tuple[float, float]:
    """Milliseconds of one prediction of all windows, after one of a short series."""
    for n_rows in (w.batch + 2 * w.steps, rows):
        with PREDICTIONS[name](w, threads, n_rows) as step:
            taken, value = elapsed(step, 1)
    return 1e3 * taken, value


def others_seconds() -> float:
    """Processor time of all other programs so far; NaN where the system does not say."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return math.nan
    busy = sum(map(int, stat.read_text().split()[1:4])) / os.sysconf("SC_CLK_TCK")
    return busy - time.process_time()


def serve(name: str) -> None:
    """Answer orders until standard input ends."""
    for line in sys.stdin:
        order = json.loads(line)
        w, threads, rows = Workload(*order["workload"]), order["threads"], order["rows"]
        start, others = time.perf_counter(), others_seconds()
        if rows and name != "product":
            answer = measure_prediction(name, w, threads, rows)
        else:
            with STEPS[name](w, threads) as step:
                answer = measure(step)
        others = (others_seconds() - others) / (time.perf_counter() - start)
        print(json.dumps([*answer, others]), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
