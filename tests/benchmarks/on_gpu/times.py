"""A training step and the forward pass alone, beside PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.benchmarks.on_gpu import ours as ours
from tests.benchmarks.on_gpu.measure import Contender, in_turn, spread
from tests.benchmarks.on_gpu.tasks import Emit, Setting, Size, in_words

OURS = "gruforecast"
SECONDS = {"step": 0.2, "forward": 0.1}  # of each measurement


def times(setting: Setting, emit: Emit, size: Size) -> None:
    """Both for one size."""
    told: dict[str, Any] = dict(zip(size._fields, size, strict=True))
    own = {"step": ours.training_steps, "forward": ours.forward}
    problems = []
    for what in ("step", "forward"):

        def failed(name: str, error: BaseException, what: str = what) -> None:
            emit("without", what=what, who=name, **told, reason=in_words(error))
            if name == OURS:
                problems.append(error)

        makers = {OURS: lambda what=what: own[what](size, setting)}
        makers |= peers(what, size, setting, failed)
        found = in_turn(makers, setting, failed, SECONDS[what])
        operations, n_bytes = size.operations, size.bytes
        if what == "forward":
            operations, n_bytes = operations / 3 * setting.n_batches, None
        for name, measured in found.items():
            values = spread(measured.whole)
            alone = spread(measured.alone)["ms"] if name == OURS else None
            emit(
                "time", what=what, who=name, **told, **values, rounds=len(measured.whole),
                alone_ms=alone, gflops=operations / values["ms"] / 1e6,
                gbytes=n_bytes and n_bytes / values["ms"] / 1e6,
            )  # fmt: skip
    if problems:
        raise problems[0]


def peers(
    what: str, size: Size, setting: Setting, failed: Callable[[str, BaseException], None]
) -> dict[str, Callable[[], Contender]]:
    """Those of PyTorch, if it is there."""
    try:
        from tests.benchmarks.on_gpu.peers import makers
    except ImportError as error:
        failed("cudnn", error)
        return {}
    series = ours.make_series(size, setting.n_batches * size.batch + size.steps)
    return makers(what, size, series, setting)
