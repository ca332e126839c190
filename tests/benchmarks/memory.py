"""Peak resident memory of a training run on a long series of overlapping windows.

    python -m tests.benchmarks.memory [--threads N] [--json FILE]

A series of 200,000 rows x 8 features in float32, windows of 168 steps that start at every row
(an array of them would take about 1 GiB), a GRU of 64, mini-batches of 64. The process holds the
data set of all windows and trains one epoch on 6,400 of them, spread over the whole series.

The peak is ``ru_maxrss``. It counts from what was resident before the series was made, after
imports and a run on a tiny series with the same kernels; a process before that one has compiled
them, so that no compiler's peak hides the run's. Goal: at most 3 times the series and the
network's own buffers (workspaces of all workers, lanes of gradients, optimiser, weights).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROWS, FEATURES, STEPS, HIDDEN, BATCH = 200_000, 8, 168, 64, 64
N_TRAINED = 6_400
SERIES_FACTOR = 3
MIB = 2.0**20


def peak_bytes() -> int:
    """Largest resident size so far."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def resident_bytes() -> int:
    """Resident size now where the system tells, else the largest so far."""
    status = Path("/proc/self/status")
    if not status.exists():
        return peak_bytes()
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return 1024 * int(line.split()[1])


def array_bytes(thing: Any, seen: dict[int, Any]) -> int:
    """Memory of all arrays inside, each counted once, views not at all beside their owner."""
    import numpy as np

    if isinstance(thing, np.ndarray):
        while isinstance(thing.base, np.ndarray):
            thing = thing.base
        if id(thing) in seen:
            return 0
        seen[id(thing)] = thing
        return int(thing.nbytes)
    if isinstance(thing, dict):
        thing = list(thing.values())
    if isinstance(thing, list | tuple):
        return sum(array_bytes(item, seen) for item in thing)
    if type(thing).__module__.startswith("gruforecast.network.workspace"):
        return array_bytes(vars(thing), seen)
    return 0


def train_on(rows: int, steps: int, batch: int, n_trained: int, threads: int) -> Any:
    """One epoch on windows spread over a series; returns the data set of all its windows."""
    import numpy as np

    from gruforecast.network import Network, Specification, Windows
    from gruforecast.training import Dataset, TrainingOptions, train

    series = np.random.default_rng(0).standard_normal((rows, FEATURES), dtype=np.float32)
    n_all = rows - steps
    every = Dataset(Windows(series, np.arange(n_all), steps), series[steps:, 0])
    assert len(every) == n_all
    assert every.windows.series is series, "the series was copied"
    starts = np.linspace(0, n_all - 1, n_trained).astype(np.int64)
    data = Dataset(Windows(series, starts, steps), series[starts + steps, 0])
    network = Network(Specification(n_features=FEATURES, hidden_size=HIDDEN), seed=0)
    options = TrainingOptions(batch_size=batch, max_epochs=1, clip_norm=1.0)
    train(network, data, options, n_threads=threads)
    return every


def buffer_bytes(threads: int) -> int:
    """What the network, its optimiser and the workers of a run hold, by adding up the arrays."""
    import numpy as np

    from gruforecast.foundations.threads import Workers
    from gruforecast.network import Network, Specification
    from gruforecast.training import make_loss
    from gruforecast.training.gradients import BatchGradients, shard_size

    network = Network(Specification(n_features=FEATURES, hidden_size=HIDDEN), seed=0)
    size = shard_size(network, BATCH, STEPS)
    gradients = BatchGradients(network, make_loss("squared_error"), BATCH, size, Workers(1))
    n_busy = min(threads, len(gradients.lanes))
    workspaces = [gradients._workspace(worker, size, STEPS) for worker in range(n_busy)]
    seen: dict[int, Any] = {}
    parts = [workspaces, gradients.lanes, network.flat, gradients.weights]
    around = 6 * np.zeros_like(network.flat).nbytes  # gradient, mask, decay, last finite, Adam's 2
    return sum(array_bytes(part, seen) for part in parts) + around


def child(threads: int) -> None:
    """The measured process; prints what it found."""
    train_on(64, 4, 32, 60, threads)
    start, start_peak = resident_bytes(), peak_bytes()
    every = train_on(ROWS, STEPS, BATCH, N_TRAINED, threads)
    peak = peak_bytes()
    assert len(every) == ROWS - STEPS
    answer = {
        "windows_held": len(every),
        "series": every.windows.series.nbytes,
        "buffers": buffer_bytes(threads),
        "growth": peak - start,
        "growth_of_peak": peak - start_peak,
        "start": start,
    }
    print(json.dumps(answer))


def run_child(threads: int) -> dict[str, Any]:
    """What a fresh process finds."""
    command = [sys.executable, "-m", "tests.benchmarks.memory", "--threads", str(threads)]
    done = subprocess.run(
        [*command, "--child"],
        cwd=Path(__file__).resolve().parents[2],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    answer["threads"] = threads
    answer["limit"] = SERIES_FACTOR * answer["series"] + answer["buffers"]
    answer["met"] = answer["growth"] <= answer["limit"]
    return answer


def table(answer: dict[str, Any]) -> str:
    """The numbers in MiB."""
    rows = [
        ("resident before the series", "start"),
        ("growth to the peak", "growth"),
        ("growth of the peak itself", "growth_of_peak"),
        ("series", "series"),
        ("buffers of network and workers", "buffers"),
        (f"limit: {SERIES_FACTOR} x series + buffers", "limit"),
    ]
    title = f"MiB, {answer['threads']} thread(s), {answer['windows_held']:,} windows held"
    lines = [title, *(f"{label:40}{answer[key] / MIB:10.1f}" for label, key in rows)]
    return "\n".join([*lines, f"{'goal':40}{'met' if answer['met'] else 'MISSED':>10}"])


def main() -> None:
    from gruforecast.foundations.threads import available_threads

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=available_threads())
    parser.add_argument("--json", metavar="FILE", help="- is stdout")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.threads)
        return
    run_child(arguments.threads)  # compiles
    answer = run_child(arguments.threads)
    text = json.dumps(answer, indent=1)
    if arguments.json == "-":
        print(text)
    elif arguments.json:
        Path(arguments.json).write_text(text + "\n")
    print(table(answer), file=sys.stderr if arguments.json == "-" else sys.stdout)


if __name__ == "__main__":
    main()
