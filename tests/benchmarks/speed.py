"""Time of a training step and of ``predict``, beside torch and JAX, in turn on one machine.

    python -m tests.benchmarks.speed [--rounds 7] [--workloads 0 1] [--peers torch jax]
                                     [--predict] [--json FILE]

A step: one GRU layer, last state -> linear(1) -> squared error, gradient clipped by its global
norm, Adam; the windows of the mini-batch are gathered from a series by their start rows. All
threads of the machine, then one against one; JAX cannot be limited from inside and is left out
there. ``--predict`` adds the prediction of every window of 168 steps of a series of 100,000 rows.

A round measures every contender once, for at least 0.3 s and 3 steps (a prediction: once), and
beside them the rate of a float32 matrix product (1024 x 1024) with as many BLAS threads. Times
are medians over the rounds, ratios medians of the ratios of single rounds, the share is that of
the matrix product's rate. Work of a step: 6 B T (F + H) 3H operations, of a prediction a third.

Every contender runs in a process of its own that waits for a line on its standard input while
the others work, so that no library's threads and settings touch another's. (In turn in one
common process the same times came out, within 8 % either way.) Other programs on the machine
do disturb: torch's threads wait for each other at every product, and one busy program on two
cores makes its small steps more than a hundred times slower. The last column says how many
processors others used meanwhile: 0.1 is threads of the contender before coming to rest; above
0.2 no goal is judged.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import mean, median
from typing import Any

from gruforecast.foundations.threads import available_threads
from tests.benchmarks.contenders import PREDICT, PREDICT_ROWS, PRODUCT_SIZE, WORKLOADS, Workload

SUBJECT, PRODUCT = "gruforecast", "product"
PEERS = ("torch", "jax")
PREDICT_ROUNDS = 3  # at most
QUIET = 0.2  # processors that others may use on the mean before a line is worth nothing


class Contender:
    """A process that measures one contender whenever it is asked to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.contenders", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[2],
        )

    def close(self) -> None:
        """The end of its input ends it."""
        self.process.communicate()

    def measure(self, workload: Workload, threads: int, rows: int | None) -> tuple[float, float]:
        """Milliseconds of a step, or of predicting so many rows; processors that others used."""
        order = {"workload": workload, "threads": threads, "rows": rows}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.name}: its process ended without an answer")
        taken, value, others = json.loads(answer)
        if value != value:
            raise RuntimeError(f"{self.name}: computed NaN")
        return taken, others


class Result:
    """Milliseconds of every contender and round for one workload on so many threads."""

    def __init__(self, workload: Workload, threads: int, rows: int | None, goal: bool) -> None:
        self.workload, self.threads, self.rows = workload, threads, rows
        self.goal = workload.goal if goal else None
        self.rounds: dict[str, list[float]] = {}
        self.others: list[float] = []

    def measure(self, contenders: list[Contender], n_rounds: int) -> None:
        """All rounds, the contenders in turn."""
        for _ in range(n_rounds):
            for contender in contenders:
                taken, others = contender.measure(self.workload, self.threads, self.rows)
                self.rounds.setdefault(contender.name, []).append(taken)
                self.others.append(others)

    @property
    def operations(self) -> float:
        """Of a step, or of all predictions."""
        if self.rows is None:
            return self.workload.operations
        n_windows = self.rows - self.workload.steps + 1
        return self.workload._replace(batch=n_windows).operations / 3

    def milliseconds(self, name: str) -> float | None:
        return median(self.rounds[name]) if name in self.rounds else None

    def ratios(self, peer: str) -> list[float]:
        """How often our time fits in the peer's, round by round."""
        if peer not in self.rounds:
            return []
        return [a / b for a, b in zip(self.rounds[peer], self.rounds[SUBJECT], strict=True)]

    @property
    def product_rates(self) -> list[float]:
        return [2e-6 * PRODUCT_SIZE**3 / ms for ms in self.rounds[PRODUCT]]

    @property
    def rate(self) -> float:
        """GFLOP/s of ours."""
        return median([1e-6 * self.operations / ms for ms in self.rounds[SUBJECT]])

    @property
    def share(self) -> float:
        """Of the matrix product's rate of the same round."""
        pairs = zip(self.rounds[SUBJECT], self.product_rates, strict=True)
        return median([1e-6 * self.operations / ms / rate for ms, rate in pairs])

    @property
    def met(self) -> bool | None:
        """None without a goal, without torch, and when other programs disturbed."""
        ratios = self.ratios("torch")
        if self.goal is None or not ratios or mean(self.others) > QUIET:
            return None
        return median(ratios) >= self.goal

    def summary(self) -> dict[str, Any]:
        """Everything as plain values."""
        w = self.workload
        return {
            "what": "step" if self.rows is None else "predict",
            "workload": dict(zip("BTFH", w[:4], strict=True)),
            "rows": self.rows,
            "threads": self.threads,
            "milliseconds": {name: self.milliseconds(name) for name in self.rounds},
            "rounds": self.rounds,
            "ratio": {peer: median(self.ratios(peer)) for peer in PEERS if peer in self.rounds},
            "gflops": self.rate,
            "product_gflops": median(self.product_rates),
            "share_of_product": self.share,
            "others": mean(self.others),
            "goal": self.goal,
            "met": self.met,
        }


VERDICTS = {True: "met", False: "MISSED", None: "not judged"}
HEADER = [
    "B,T,F,H", "ours ms", "torch ms", "torch/ours (range)", "goal", "", "jax ms", "jax/ours",
    "GFLOP/s", "product", "share", "others",
]  # fmt: skip


def row(result: Result) -> list[str]:
    """A line of the table."""

    def time(name: str) -> str:
        ms = result.milliseconds(name)
        return "-" if ms is None else f"{ms:.4g}" if ms < 1e4 else f"{ms:.0f}"

    def ratio(peer: str) -> str:
        values = result.ratios(peer)
        return f"{median(values):.2f}" if values else "-"

    against = result.ratios("torch")
    spread = f" ({min(against):.1f}-{max(against):.1f})" if against else ""
    return [
        ",".join(map(str, result.workload[:4])),
        time(SUBJECT),
        time("torch"),
        ratio("torch") + spread,
        "" if result.goal is None else f"{result.goal:g}",
        "" if result.goal is None else VERDICTS[result.met],
        time("jax"),
        ratio("jax"),
        f"{result.rate:.1f}",
        f"{median(result.product_rates):.0f}",
        f"{result.share:.0%}",
        f"{mean(result.others):.2f}",
    ]


def table(title: str, results: list[Result]) -> str:
    """Title, header and lines, columns right-aligned."""
    lines = [HEADER, *map(row, results)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = [
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    ]
    return "\n".join([title, *padded])


def sections(results: list[Result]) -> str:
    """A table for every kind of work and number of threads."""
    kinds = list(dict.fromkeys((r.rows, r.threads) for r in results))
    tables = []
    for rows, threads in kinds:
        what = "Training step" if rows is None else f"Predict, {rows:,} rows"
        chosen = [r for r in results if (r.rows, r.threads) == (rows, threads)]
        n_rounds = len(chosen[0].rounds[SUBJECT])
        title = f"{what}, {threads} thread(s), medians of {n_rounds} round(s)"
        tables.append(table(title, chosen))
    return "\n\n".join(tables)


def choose_peers(wanted: list[str]) -> list[str]:
    """Those that are installed; a line for each that is not."""
    found = [peer for peer in wanted if importlib.util.find_spec(peer) is not None]
    for peer in wanted:
        if peer not in found:
            print(f"{peer} is not installed: left out", file=sys.stderr)
    return found


def run(arguments: argparse.Namespace, peers: list[str]) -> list[Result]:
    """All workloads, with all threads and with one."""
    everything = available_threads()
    jobs = [
        Result(WORKLOADS[i], threads, None, threads == everything)
        for threads in dict.fromkeys((everything, 1))
        for i in arguments.workloads
    ]
    if arguments.predict:
        jobs += [
            Result(PREDICT, threads, PREDICT_ROWS, False)
            for threads in dict.fromkeys((everything, 1))
        ]
    contenders = [Contender(name) for name in (SUBJECT, *peers, PRODUCT)]
    try:
        for job in jobs:
            skips_jax = job.rows is not None or (job.threads == 1 and everything > 1)
            taking_part = [c for c in contenders if not (skips_jax and c.name == "jax")]
            n_rounds = arguments.rounds if job.rows is None else PREDICT_ROUNDS
            job.measure(taking_part, min(n_rounds, arguments.rounds))
            print("  ".join(row(job)), file=sys.stderr, flush=True)
    finally:
        for contender in contenders:
            contender.close()
    return jobs


def versions() -> dict[str, str]:
    """Of Python and of what was measured."""
    found = {"python": platform.python_version()}
    for name in ("numpy", "scipy", "numba", *PEERS):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    numbers = range(len(WORKLOADS))
    parser.add_argument("--workloads", type=int, nargs="*", choices=numbers, default=[*numbers])
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=[*PEERS])
    parser.add_argument("--predict", action="store_true", help="measure predict, too")
    parser.add_argument("--json", metavar="FILE", help="- is stdout")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    results = run(arguments, choose_peers(arguments.peers))
    if arguments.json:
        report = {
            "threads": available_threads(),
            "versions": versions(),
            "results": [result.summary() for result in results],
        }
        text = json.dumps(report, indent=1)
        if arguments.json == "-":
            print(text)
        else:
            Path(arguments.json).write_text(text + "\n")
    print(sections(results), file=sys.stderr if arguments.json == "-" else sys.stdout)


if __name__ == "__main__":
    main()
