"""What ``tests.benchmarks.gpu`` does, in its order; nothing is loaded but for a task that runs."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

SECTIONS = ("card", "checks", "steps", "search", "teams")
Emit = Callable[..., None]


def in_words(error: BaseException) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:160]


class Size(NamedTuple):
    """B windows of T steps and F features, H hidden."""

    batch: int
    steps: int
    features: int
    hidden: int

    @property
    def operations(self) -> float:
        """Of a training step; a prediction of as many windows has a third."""
        return 6.0 * self.batch * self.steps * (self.features + self.hidden) * 3 * self.hidden

    @property
    def bytes(self) -> float:
        """The fewest that a training step moves: inputs, gates, states, weights with Adam's.

        Gates and states are written forward and read backward, as if no cache held them.
        """
        b, t, f, h = self
        n_weights = (f + h + 1) * 3 * h + 2 * h + 1
        return 4.0 * (b * t * (f + 2 * 4 * h) + 6 * n_weights)

    def __str__(self) -> str:
        return ",".join(map(str, self))


@dataclass(frozen=True)
class Setting:
    """How a worker measures and checks."""

    emulated: bool = False
    tolerance: float = 1.0

    @property
    def rounds(self) -> int:
        return 1 if self.emulated else 5

    def seconds(self, wanted: float) -> float:
        """How long a measurement takes, about."""
        return 0.0 if self.emulated else wanted

    @property
    def n_batches(self) -> int:
        """Of the series that windows are taken from."""
        return 2 if self.emulated else 16

    @property
    def torch_device(self) -> str:
        return "cpu" if self.emulated else "cuda"


@dataclass(frozen=True)
class Task:
    """A function of a module, and how long it may take."""

    section: str
    name: str
    function: str  # module and name
    need: float  # seconds: with less left it is not begun
    limit: float  # seconds: then it is ended
    arguments: dict[str, Any] = field(default_factory=dict)

    def run(self, setting: Setting, emit: Emit) -> None:
        _module("ours").install(setting)
        module, name = self.function.split(":")
        getattr(_module(module), name)(setting, emit, **self.arguments)


def _module(name: str) -> Any:
    return importlib.import_module(f"tests.benchmarks.on_gpu.{name}")


# The first seven are those of the CPU.
STEPS = [
    Size(32, 24, 1, 16), Size(64, 48, 8, 32), Size(64, 48, 8, 64), Size(64, 96, 8, 128),
    Size(256, 48, 8, 64), Size(1024, 24, 4, 32), Size(256, 96, 8, 256),
    Size(32, 48, 8, 64), Size(64, 96, 8, 64), Size(256, 24, 8, 16), Size(256, 48, 8, 128),
    Size(1024, 96, 8, 64),
]  # fmt: skip
N_FIRST = 7
TEAMS = [Size(64, 48, 8, 64), Size(256, 96, 8, 128), Size(1024, 48, 8, 64)]
MODELS = [64, 32, 16]  # hidden units of the models of a search
BEFORE = {"reset_after": False}
TWO_LAYERS = {"num_layers": 2, "bidirectional": True}
CHECKS = [
    ("gru", Size(64, 48, 8, 64), {}),
    ("gru", Size(32, 24, 1, 16), {}),
    ("gru", Size(64, 96, 8, 128), {}),
    ("gru", Size(64, 48, 8, 256), {}),
    ("gru", Size(33, 7, 3, 5), {}),
    ("gru", Size(1024, 24, 4, 32), {}),
    ("gru", Size(64, 48, 8, 64), BEFORE),
    ("gru", Size(32, 48, 8, 256), BEFORE),
    ("lstm", Size(64, 48, 8, 64), {}),
    ("lstm", Size(64, 48, 8, 128), {}),
    ("rnn", Size(64, 48, 8, 64), {}),
    ("gru", Size(64, 24, 8, 48), TWO_LAYERS),
    ("gru", Size(64, 24, 8, 48), TWO_LAYERS | {"dropout": 0.2, "recurrent_dropout": 0.2}),
]
TINY_STEPS = [Size(4, 2, 1, 4), Size(8, 3, 2, 8)]
TINY_CHECKS = [
    ("gru", Size(6, 3, 2, 5), {}),
    ("gru", Size(6, 3, 2, 5), BEFORE),
    ("lstm", Size(4, 2, 1, 4), {}),
    ("rnn", Size(4, 2, 1, 4), {}),
    ("gru", Size(4, 2, 1, 4), TWO_LAYERS | {"dropout": 0.2, "recurrent_dropout": 0.2}),
]


def all_tasks(emulated: bool) -> list[Task]:
    """The most valuable first."""
    steps = [_step(size) for size in (TINY_STEPS if emulated else STEPS)]
    n_first = 1 if emulated else N_FIRST
    models = [4] if emulated else MODELS
    teams = TINY_STEPS[1:] if emulated else TEAMS
    return [
        Task("card", "the machine", "card:machine", 10, 90),
        Task("card", "compiling", "card:compiling", 10, 240),
        Task("card", "ceilings", "card:ceilings", 5, 60),
        *_checks(emulated),
        *steps[:n_first],
        *(
            Task("search", f"search of H={h}", "search:search", 15, 150, {"hidden": h})
            for h in models
        ),
        *steps[n_first:],
        Task("search", "search of mixed models", "search:mixed", 25, 150),
        *(
            Task("teams", f"teams at {size}", "search:teams", 10, 60, {"size": size})
            for size in teams
        ),
        Task("card", "overhead", "card:overhead", 5, 30),
        Task("card", "kernels from disk", "card:from_disk", 15, 60),
    ]


def _step(size: Size) -> Task:
    return Task("steps", f"times at {size}", "times:times", 12, 90, {"size": size})


def _checks(emulated: bool) -> list[Task]:
    tasks = []
    for cell, size, options in TINY_CHECKS if emulated else CHECKS:
        told = "".join(f" {name}={value}" for name, value in options.items())
        arguments = {"cell": cell, "size": size, "options": options}
        name = f"check of {cell} {size}{told}"
        tasks.append(Task("checks", name, "checks:network", 8, 90, arguments))
    others = {"the same bits twice": "bits", "GRUForecaster": "estimator", "GRUSearchCV": "search"}
    tasks += [
        Task("checks", f"check of {name}", f"checks:{function}", 8, 90)
        for name, function in others.items()
    ]
    return tasks
