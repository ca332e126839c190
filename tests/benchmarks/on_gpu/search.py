"""Many models side by side, beside a loop over models, and teams of blocks for one model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple

from gruforecast.training.cuda.fleet import Fleet, program_maker
from gruforecast.training.cuda.launch import train_jobs
from gruforecast.training.dataset import Dataset
from gruforecast.training.job import Job
from gruforecast.training.state import TrainingState
from tests.benchmarks.on_gpu import ours as ours
from tests.benchmarks.on_gpu.measure import Contender, elapsed, in_turn
from tests.benchmarks.on_gpu.tasks import Emit, Setting, Size, in_words
from tests.benchmarks.on_gpu.times import peers

N_MODELS, N_WINDOWS, N_EPOCHS, STEPS, FEATURES, BATCH = 500, 5_000, 3, 48, 8, 32
LOOKBACKS, UNITS, RATES = (24, 48, 96), (16, 32, 64), (1e-3, 3e-3, 1e-2)
ENOUGH = 20.0  # seconds of searches
SECONDS = 0.1  # of each measurement of a peer, or less where there are many


class Plan(NamedTuple):
    """How large a search is."""

    n_models: int = N_MODELS
    n_windows: int = N_WINDOWS
    n_epochs: int = N_EPOCHS

    @property
    def n_steps(self) -> int:
        """Of one model."""
        return self.n_epochs * -(-self.n_windows // BATCH)


def _plan(setting: Setting) -> Plan:
    return Plan(4, 2 * BATCH, 1) if setting.emulated else Plan()


def search(setting: Setting, emit: Emit, hidden: int) -> None:
    """Models that differ in seed and learning rate."""
    plan = _plan(setting)
    size = Size(BATCH, 2 if setting.emulated else STEPS, FEATURES, hidden)
    _search(setting, emit, f"H={hidden}", plan, [size] * plan.n_models)


def mixed(setting: Setting, emit: Emit) -> None:
    """Models that differ in look-back and hidden units, too."""
    plan = _plan(setting)
    lookbacks, units = ((2, 3), (4,)) if setting.emulated else (LOOKBACKS, UNITS)
    kinds = [Size(BATCH, steps, FEATURES, hidden) for steps in lookbacks for hidden in units]
    sizes = [kinds[k % len(kinds)] for k in range(plan.n_models)]
    _search(setting, emit, "mixed", plan, sizes)


def _search(setting: Setting, emit: Emit, name: str, plan: Plan, sizes: Sequence[Size]) -> None:
    data = {size: ours.make_data(size, plan.n_windows) for size in dict.fromkeys(sizes)}

    def run(n_models: int, n_epochs: int) -> float:
        jobs = [
            make_job(size, data[size], seed, n_epochs) for seed, size in enumerate(sizes[:n_models])
        ]
        ours.LAUNCHES.clear()
        start = time.perf_counter()
        train_jobs(jobs, 0)
        return time.perf_counter() - start

    if not setting.emulated:
        run(min(8, plan.n_models), 1)
    whole: list[float] = []
    alone: list[float] = []
    while len(whole) < (1 if setting.emulated else 3) and sum(whole) < ENOUGH:
        whole.append(run(plan.n_models, plan.n_epochs))
        alone.append(sum(launch.seconds for launch in ours.LAUNCHES))
    launch = ours.LAUNCHES[0]
    operations = sum(plan.n_steps * size.operations for size in sizes)
    told = {
        "name": name, **plan._asdict(), "n_steps": plan.n_steps, "seconds": median(whole),
        "alone_s": median(alone), "n_launches": len(ours.LAUNCHES), "n_blocks": launch.n_blocks,
        "shared_bytes": launch.shared_bytes, "gflops": operations / median(whole) / 1e9,
    }  # fmt: skip
    emit("search", **told)
    for who, seconds in _loops(setting, emit, name, plan, sizes).items():
        emit("loop", name=name, who=who, seconds=seconds, ratio=seconds / told["seconds"])


def make_job(size: Size, data: Dataset, seed: int, n_epochs: int) -> Job:
    """One of many models."""
    network = ours.make_network(size, seed)
    rate = RATES[seed % len(RATES)]
    options = ours.options_of(size, n_epochs, seed=seed, learning_rate=rate)
    return Job(network, data, options, None, TrainingState.start(network, options))


def _loops(
    setting: Setting, emit: Emit, name: str, plan: Plan, sizes: Sequence[Size]
) -> dict[str, float]:
    """Seconds of all steps of all models one after the other, from some steps of each kind."""
    total: dict[str, float] = {}
    lost: set[str] = set()

    def failed(who: str, error: BaseException) -> None:
        lost.add(who)
        emit("without", what=f"loop of {name}", who=who, reason=in_words(error))

    kinds = [*dict.fromkeys(sizes)]
    for size in kinds:
        makers = peers("step", size, setting, failed)
        found = in_turn(makers, setting, failed, max(0.03, SECONDS / len(kinds)))
        for who, measured in found.items():
            n = plan.n_steps * sizes.count(size)
            total[who] = total.get(who, 0.0) + n * measured.ms / 1e3
    return {who: seconds for who, seconds in total.items() if who not in lost}


def teams(setting: Setting, emit: Emit, size: Size) -> None:
    """Steps of one model by teams of different sizes and shards of different numbers of windows."""
    data = ours.make_data(size, setting.n_batches * size.batch)
    card = ours.open_watched(0)
    most = min(2 * card.n_multiprocessors, -(-size.batch // 4))
    for team in _team_sizes(most, size.batch):
        share = -(-size.batch // team)
        for rows in (4, 8, 16, 32):
            if rows > 4 and rows // 2 >= share:
                break
            with ours.changed(rows=rows, n_multiprocessors=team):
                try:
                    _team(setting, emit, size, data, {"team": team, "rows": rows})
                except Exception as error:
                    reason = in_words(error)
                    emit("without", what=f"team of {team}", who=f"{rows} rows", reason=reason)


def _team_sizes(most: int, batch: int) -> list[int]:
    """Powers of two, and the most; not so few that a step takes long."""
    least = max(1, batch // 64)
    powers = [2**k for k in range(12) if least <= 2**k < most]
    return [*powers, most]


def _team(setting: Setting, emit: Emit, size: Size, data: Dataset, told: dict[str, Any]) -> None:
    card = ours.open_watched(0)
    fleet = Fleet(card, [make_job(size, data, 0, 1)], program_maker(card))
    told |= {
        "team": fleet.team_size, "n_rows": fleet.programs[0].n_rows, "n_blocks": fleet.n_blocks,
        "shared_bytes": fleet.shared_bytes, "work_bytes": 4 * fleet.work_size,
    }  # fmt: skip
    del fleet
    contender = ours.training_steps(size, setting)
    elapsed(contender, 1)
    alone = elapsed(contender, 1)[1]
    n = 1 if setting.emulated else max(1, min(30, round(0.05 / alone)))
    taken = [_alone(contender, n) for _ in range(1 if setting.emulated else 3)]
    emit("team", **dict(zip(size._fields, size, strict=True)), **told, ms=median(taken))


def _alone(contender: Contender, n: int) -> float:
    """Milliseconds of a step on the GPU alone."""
    return 1e3 * elapsed(contender, n)[1] / (n * contender.units)
