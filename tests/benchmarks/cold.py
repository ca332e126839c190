"""Time of the first use in a fresh process: imports, first training step, first prediction.

    python -m tests.benchmarks.cold [--repetitions 3] [--json FILE]

Every repetition makes a folder for the kernels' machine code and runs two processes with it: one
finds it empty and compiles, the next finds everything there. The first training step is a call
of ``train`` for one mini-batch of a GRU, the first prediction one of ``Network.predict``, both
beyond the imports. Goals: 6 s with an empty folder and 0.5 s with a full one, for the training
step and, harder, for both together. The interpreter's own start is in none of the times, Python's
bytecode is there in all of them, and ``import gruforecast`` must load none of the libraries
that are slow to import (else the exit status is 1).
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
UNWANTED = ("numba", "pandas", "matplotlib")
GOALS = {"empty": 6.0, "warm": 0.5}  # seconds of each of the following
GOAL_PARTS = ("step", "step and predict")
PARTS = ("import", "imports", "step", "predict", "step and predict", "everything")
LABELS = {
    "import": "import gruforecast",
    "imports": "then gruforecast.training and .network",
    "step": "first training step",
    "predict": "first prediction",
    "step and predict": "step and prediction",
    "everything": "everything",
}

CHILD = """
import sys, time
marks = [time.perf_counter()]
import gruforecast
marks.append(time.perf_counter())
loaded = [name for name in {unwanted!r} if name in sys.modules]
import gruforecast.network
import gruforecast.training
marks.append(time.perf_counter())
import json
import numpy as np
from gruforecast.network import Network, Specification, Windows
from gruforecast.training import Dataset, TrainingOptions, train
series = np.random.default_rng(0).standard_normal((112, 8), dtype=np.float32)
windows = Windows(series, np.arange(64), 48)
data = Dataset(windows, series[48:, 0])
network = Network(Specification(n_features=8, hidden_size=64), seed=0)
train(network, data, TrainingOptions(batch_size=64, max_epochs=1, clip_norm=1.0))
marks.append(time.perf_counter())
network.predict(windows)
marks.append(time.perf_counter())
print(json.dumps({{"marks": marks, "loaded": loaded}}))
"""


def run_child(folder: str) -> dict[str, Any]:
    """Seconds of every part in a fresh process that keeps machine code in the folder."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"NUMBA_CACHE_DIR": folder, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, "-c", CHILD.format(unwanted=UNWANTED)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answer = json.loads(done.stdout)
    marks = answer["marks"]
    times = [after - before for before, after in itertools.pairwise(marks)]
    values = dict(zip(PARTS, [*times, sum(times[2:]), sum(times)], strict=True))
    return {"times": values, "loaded": answer["loaded"]}


def measure(n_repetitions: int) -> dict[str, list[dict[str, Any]]]:
    """Pairs of processes: with an empty folder, then with what the first left there."""
    with tempfile.TemporaryDirectory() as folder:
        run_child(folder)  # bytecode and the disk's own cache
    runs: dict[str, list[dict[str, Any]]] = {"empty": [], "warm": []}
    for _ in range(n_repetitions):
        with tempfile.TemporaryDirectory() as folder:
            for state in runs:
                runs[state].append(run_child(folder))
    return runs


def summarise(runs: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Medians, goals, and what ``import gruforecast`` loaded."""
    medians = {
        state: {part: median(run["times"][part] for run in of_state) for part in PARTS}
        for state, of_state in runs.items()
    }
    loaded = sorted(
        {name for of_state in runs.values() for run in of_state for name in run["loaded"]}
    )
    return {
        "repetitions": len(runs["empty"]),
        "seconds": medians,
        "runs": {state: [run["times"] for run in of_state] for state, of_state in runs.items()},
        "goals": GOALS,
        "met": {
            part: {state: medians[state][part] <= goal for state, goal in GOALS.items()}
            for part in GOAL_PARTS
        },
        "unwanted_imports": loaded,
    }


def table(report: dict[str, Any]) -> str:
    """Seconds of every part with an empty and with a full folder."""
    seconds = report["seconds"]
    lines = [f"Seconds in a fresh process, medians of {report['repetitions']} repetition(s)"]
    lines.append(f"{'':40}{'empty':>10}{'warm':>10}")
    for part in PARTS:
        values = "".join(f"{seconds[state][part]:10.3f}" for state in GOALS)
        lines.append(f"{LABELS[part]:40}{values}")
    lines.append("goal".ljust(40) + "".join(f"{goal:10g}" for goal in GOALS.values()))
    for part, met in report["met"].items():
        verdicts = "".join(f"{'met' if met[state] else 'MISSED':>10}" for state in GOALS)
        lines.append(f"- {LABELS[part]}".ljust(40) + verdicts)
    loaded = ", ".join(report["unwanted_imports"]) or "none"
    lines.append(f"import gruforecast loads of {', '.join(UNWANTED)}: {loaded}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--json", metavar="FILE", help="- is stdout")
    arguments = parser.parse_args()
    report = summarise(measure(arguments.repetitions))
    text = json.dumps(report, indent=1)
    if arguments.json == "-":
        print(text)
    elif arguments.json:
        Path(arguments.json).write_text(text + "\n")
    print(table(report), file=sys.stderr if arguments.json == "-" else sys.stdout)
    return 1 if report["unwanted_imports"] else 0


if __name__ == "__main__":
    sys.exit(main())
