"""What a protocol is: cases to measure, and rows of a table made of what was measured."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from gruforecast import GRUClassifier, GRUForecaster

OURS = "gruforecast"
QUICK = {"max_iter": 1, "n_estimators": 1}  # where the estimator has them
Values = dict[str, float]  # by the name of what was measured
Model = TypeVar("Model", GRUForecaster, GRUClassifier)


@dataclass(frozen=True)
class Case:
    """One part of a protocol that is fitted and measured by itself."""

    name: str
    floors: Callable[[], Mapping[str, Values]]  # by the name of the floor
    ours: Callable[[int, bool], Values]  # of a seed, quickly or not


@dataclass(frozen=True)
class Goal:
    """What a number should be."""

    sense: str  # "<=", "<" or ">="
    bound: float

    def holds(self, value: float) -> bool:
        """Whether a number is as it should be."""
        if self.sense == ">=":
            return value >= self.bound
        return value < self.bound if self.sense == "<" else value <= self.bound


@dataclass(frozen=True)
class Row:
    """A line of the table: one measure of the project beside others'."""

    metric: str
    ours: tuple[float, ...]  # one for each seed
    floors: Values = field(default_factory=dict)
    published: Values = field(default_factory=dict)
    goal: Goal | None = None

    @property
    def mean(self) -> float:
        """Over seeds; NaN where nothing was measured."""
        return float(np.mean(self.ours)) if self.ours else float("nan")

    @property
    def spread(self) -> float:
        """Half the distance between the best and the worst seed."""
        return float(np.ptp(self.ours)) / 2 if self.ours else float("nan")

    @property
    def holds(self) -> bool | None:
        """Whether the goal is met by the mean; None without a goal or a number."""
        return None if self.goal is None or not self.ours else self.goal.holds(self.mean)


class Measured:
    """The numbers of one protocol, by case, who and seed."""

    def __init__(self, records: Iterable[Mapping[str, Any]]) -> None:
        self._values: dict[tuple[str, str], dict[int | None, Values]] = {}
        for one in records:
            of_who = self._values.setdefault((one["case"], one["who"]), {})
            of_who[one["seed"]] = one["values"]

    def seeds(self, case: str) -> list[int]:
        """Of which this case was fitted."""
        return sorted(s for s in self._values.get((case, OURS), {}) if s is not None)

    def ours(self, case: str, metric: str) -> tuple[float, ...]:
        """One number for each seed."""
        return tuple(self.of_seed(case, metric, seed) for seed in self.seeds(case))

    def values(self, case: str) -> set[str]:
        """Names of what was measured of a case for every seed."""
        found = [set(self._values[case, OURS][seed]) for seed in self.seeds(case)]
        return set.intersection(*found) if found else set()

    def of_seed(self, case: str, metric: str, seed: int) -> float:
        """The number of one seed."""
        return self._values[case, OURS][seed][metric]

    def floors(self, case: str, metric: str) -> Values:
        """By the name of the floor."""
        return {
            who: by_seed[None][metric]
            for (of, who), by_seed in self._values.items()
            if of == case and who != OURS and metric in by_seed.get(None, {})
        }

    def combined(
        self, cases: Iterable[str], metric: str, combine: Callable[[list[float]], float]
    ) -> tuple[float, ...]:
        """One number for each seed of which every case was fitted."""
        cases = list(cases)
        common = sorted(set.intersection(*(set(self.seeds(case)) for case in cases)))
        return tuple(combine([self.of_seed(c, metric, s) for c in cases]) for s in common)

    def combined_floors(
        self, cases: Iterable[str], metric: str, combine: Callable[[list[float]], float]
    ) -> Values:
        """The same of every floor that all cases have."""
        found = [self.floors(case, metric) for case in cases]
        names = [who for who in found[0] if all(who in one for one in found)]
        return {who: combine([one[who] for one in found]) for who in names}


@dataclass(frozen=True)
class Protocol:
    """A data set, how it is split and judged, and what to compare with."""

    name: str
    title: str
    about: str
    cases: Callable[[Path], list[Case]]
    rows: Callable[[Measured], list[Row]]
    stated: Mapping[tuple[str, str, str], float] = field(default_factory=dict)
    # (case, floor, metric) -> what the protocol's authors say the floor is


def mean(values: Iterable[float]) -> float:
    """As a plain number."""
    return float(np.mean(list(values)))


def model_of(kind: type[Model], seed: int, quick: bool, **fixed: Any) -> Model:
    """The defaults, but for what the protocol fixes; a quick one hardly learns."""
    model = kind(random_state=seed, **fixed)
    if quick:
        known = model.get_params()
        model.set_params(**{name: value for name, value in QUICK.items() if name in known})
    return model


def fitted(model: Model, *arguments: Any) -> tuple[Model, Values]:
    """The model after ``fit``, and the minutes that it took.

    Warnings of echoes are counted, as a forecast of prices should cause them; others do not matter
    here: they are about data that are known to be as they are.
    """
    begin = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(*arguments)
    minutes = (time.perf_counter() - begin) / 60
    echoes = sum(one.category.__name__ == "EchoWarning" for one in caught)
    return model, {"minutes": minutes, "echo warnings": float(echoes)}


def forget_peak() -> None:
    """Let the peak of memory start from what is in use now, where the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def peak() -> Values:
    """GiB that this process held at most, where the system says so."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return {}
    sizes = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return {"GiB": int(sizes[0]) / 2**20} if sizes else {}


def quietly(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns, without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments)
