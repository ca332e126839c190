"""Contenders that take turns."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from tests.benchmarks.on_gpu.tasks import Setting


@dataclass
class Contender:
    """A call that does so many units of work n times over."""

    call: Callable[[int], Any]
    units: int = 1
    wait: Callable[[], None] = lambda: None  # until the GPU has nothing to do
    launches: list[Any] = field(default_factory=list)  # that the call notes
    most: int = 10_000


@dataclass
class Measured:
    """Milliseconds of a unit in each round: by the clock, and in launches alone."""

    whole: list[float]
    alone: list[float]

    @property
    def ms(self) -> float:
        return median(self.whole)


def elapsed(contender: Contender, n: int) -> tuple[float, float]:
    """Seconds of n calls, and those of their launches."""
    contender.wait()
    contender.launches.clear()
    start = time.perf_counter()
    contender.call(n)
    contender.wait()
    taken = time.perf_counter() - start
    return taken, sum(launch.seconds for launch in contender.launches)


def in_turn(
    makers: dict[str, Callable[[], Contender]],
    setting: Setting,
    failed: Callable[[str, BaseException], None],
    seconds: float,
) -> dict[str, Measured]:
    """Times of those that could be made and measured; the others are told to ``failed``."""
    seconds = setting.seconds(seconds)
    contenders: dict[str, tuple[Contender, int]] = {}
    results: dict[str, Measured] = {}

    def guarded(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Exception as error:
            traceback.print_exc()
            failed(name, error)
            contenders.pop(name, None)
            results.pop(name, None)
            return None

    def prepared(maker: Callable[[], Contender]) -> tuple[Contender, int]:
        """After one call that is not counted; and how many of them fill the time."""
        contender, n, taken = maker(), 1, 0.0
        elapsed(contender, 1)
        while taken < seconds / 10:
            taken, _ = elapsed(contender, n)
            n *= 4
        n //= 4
        return contender, min(contender.most, max(1, math.ceil(seconds * n / max(taken, 1e-9))))

    for name, maker in makers.items():
        if (found := guarded(name, prepared, maker)) is not None:
            contenders[name], results[name] = found, Measured([], [])
    for _ in range(setting.rounds):
        for name, (contender, n) in list(contenders.items()):
            if (taken := guarded(name, elapsed, contender, n)) is not None:
                each = 1e3 / (n * contender.units)
                results[name].whole.append(taken[0] * each)
                results[name].alone.append(taken[1] * each)
    return results


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median and extremes."""
    return {"ms": median(values), "low": min(values), "high": max(values)}
