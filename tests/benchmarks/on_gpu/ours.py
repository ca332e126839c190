"""The package on a GPU as the benchmark uses it: launches are timed one by one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from gruforecast.foundations import device
from gruforecast.network import Network, Specification, Windows
from gruforecast.network.cuda import inference
from gruforecast.training import Dataset, TrainingOptions, train
from gruforecast.training.cuda import fleet
from gruforecast.training.cuda import launch as training
from tests.benchmarks.on_gpu.measure import Contender
from tests.benchmarks.on_gpu.tasks import Setting, Size


class Launch(NamedTuple):
    """A launch that was waited for."""

    seconds: float
    n_blocks: int
    shared_bytes: int


LAUNCHES: list[Launch] = []  # since somebody last cleared it
CHANGED: dict[str, int] = {}  # numbers that cards give in place of their own
_SEEDS = iter(range(1, 1_000_000))


class Watch:
    """A card whose launches are noted."""

    def __init__(self, card: Any) -> None:
        self._card = card

    def __getattr__(self, name: str) -> Any:
        return CHANGED[name] if name in CHANGED else getattr(self._card, name)

    def launch(self, kernel: Any, n_blocks: int, *arguments: Any, shared_bytes: int = 0) -> None:
        """As of ``Card``, but it has ended when this returns."""
        self._card.synchronize()
        start = time.perf_counter()
        self._card.launch(kernel, n_blocks, *arguments, shared_bytes=shared_bytes)
        self._card.synchronize()
        LAUNCHES.append(Launch(time.perf_counter() - start, n_blocks, shared_bytes))


def _real_card(number: int) -> Any:
    from gruforecast.foundations.cuda.card import open_card

    return open_card(number)


def _emulated_card(number: int) -> Any:
    from tests.emulator import EmulatedCard

    return EmulatedCard(number, n_threads=4, seed=1000 * next(_SEEDS))


_make_card = _real_card


def open_watched(number: int) -> Watch:
    """In place of ``open_card``."""
    return Watch(_make_card(number))


def install(setting: Setting) -> None:
    """From now on cards are watched, or emulated ones."""
    global _make_card
    if setting.emulated:
        _make_card = _emulated_card
        device.count_gpus, device.has_compiler = (lambda: 1), (lambda: True)
        device.capability = lambda number: 9.0
    inference.open_card = training.open_card = open_watched


def give_back() -> None:
    """Memory of the GPU whose release Numba has put off."""
    with contextlib.suppress(Exception):  # an emulated card, or a version that has none of this
        from numba import cuda

        cuda.current_context().memory_manager.deallocations.clear()


@contextlib.contextmanager
def changed(rows: int = fleet.MOST_ROWS, **numbers: int) -> Iterator[None]:
    """Another number of multiprocessors, or of windows that a shard has at most."""
    before, fleet.MOST_ROWS = fleet.MOST_ROWS, rows
    CHANGED.update(numbers)
    try:
        yield
    finally:
        fleet.MOST_ROWS = before
        CHANGED.clear()


def make_series(size: Size, rows: int) -> np.ndarray:
    """Random values (rows, F)."""
    return np.random.default_rng(0).standard_normal((rows, size.features), dtype=np.float32)


def make_data(size: Size, n_windows: int, dtype: str = "float32") -> Dataset:
    """Windows of a random series, each with the value that follows."""
    series = make_series(size, n_windows + size.steps).astype(dtype)
    windows = Windows(series, np.arange(n_windows), size.steps, dtype=dtype)
    return Dataset(windows, series[size.steps :, 0])


def make_network(size: Size, seed: int = 0, **options: Any) -> Network:
    """One layer with one output, unless options say otherwise."""
    options = {"hidden_size": size.hidden, **options}
    return Network(Specification(size.features, **options), seed=seed)


def options_of(size: Size, n_epochs: int, **choices: Any) -> TrainingOptions:
    """Adam and clipping, as the contenders have them."""
    return TrainingOptions(
        **{"batch_size": size.batch, "max_epochs": n_epochs, "clip_norm": 1.0, **choices}
    )


def training_steps(size: Size, setting: Setting) -> Contender:
    """``train`` on a GPU: a call is so many epochs."""
    data, first = make_data(size, setting.n_batches * size.batch), make_network(size)

    def call(n: int) -> None:
        network = Network.of(first.specification, first.flat.copy())
        train(network, data, options_of(size, n), device="cuda")

    return Contender(call, units=setting.n_batches, launches=LAUNCHES, most=200)


def forward(size: Size, setting: Setting) -> Contender:
    """``predict`` on a GPU of as many windows as the data of a training have."""
    data, network = make_data(size, setting.n_batches * size.batch), make_network(size)

    def call(n: int) -> None:
        for _ in range(n):
            network.predict(data.windows, device="cuda")

    return Contender(call, launches=LAUNCHES, most=50)
