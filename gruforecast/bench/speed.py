"""Time of a training step and of ``predict``, beside other libraries, in turn on one machine.

A step: one GRU layer, last state -> linear(1) -> squared error, gradient clipped by its global
norm, Adam; the windows of the mini-batch are gathered from a series by their start rows (Keras
gets an array of windows). A prediction: every window of a series. All threads of the machine, then
one against one; what cannot be limited from inside (JAX, and Keras on it) is left out there.

A round measures every contender once, for at least 0.3 s (a step: and three steps), and beside
them the rate of a float32 matrix product (1024 x 1024) with as many BLAS threads. Times are
medians over the rounds, ratios medians of the ratios of single rounds, the share is that of the
matrix product's rate. Work of a step: 6 B T (F + H) 3H operations, of a prediction a third.

Every contender runs in a process of its own that waits for a line on its standard input while
the others work, so that no library's threads and settings touch another's. (In turn in one
common process the same times came out, within 8 % either way.) Other programs on the machine
do disturb: torch's threads wait for each other at every product, and one busy program on two
cores makes its small steps more than a hundred times slower. The last column says how many
processors others used meanwhile: 0.1 is threads of the contender before coming to rest; above
0.2 no goal is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import NamedTuple

from gruforecast.bench.contenders import PEERS, PRODUCT, SUBJECT, contender
from gruforecast.bench.process import Answer, Contender
from gruforecast.bench.records import Record, make_record
from gruforecast.bench.workloads import PREDICT_ROWS, WORKLOADS, Workload
from gruforecast.foundations.checks import check_choice, check_integer
from gruforecast.foundations.threads import available_threads

Progress = Callable[[int, int, str], object]


class Job(NamedTuple):
    """A line of the table."""

    workload: Workload
    threads: int
    rows: int | None

    @property
    def label(self) -> str:
        what = "training step" if self.rows is None else "prediction"
        return f"{what} {','.join(map(str, self.workload[:4]))}, {self.threads} thread(s)"

    @property
    def on_all_threads(self) -> bool:
        return self.threads == available_threads()

    def is_open_to(self, name: str) -> bool:
        """Whether a contender can be told to use so many threads."""
        return self.on_all_threads or bool(contender(name).limits_threads())


def run(
    rounds: int = 7,
    workloads: Iterable[int] | None = None,
    peers: Iterable[str] | None = None,
    predict: bool = False,
    progress: Progress | None = None,
) -> list[Record]:
    """Measure the chosen workloads, with all threads and with one.

    Parameters
    ----------
    rounds : int, default 7
    workloads : iterable of int, optional
        Numbers in ``gruforecast.bench.workloads.WORKLOADS``; all by default.
    peers : iterable of str, optional
        Out of "torch", "jax" and "keras"; all by default. Those that are not installed are left
        out, and named in ``left_out`` of every record.
    predict : bool, default False
        Measure predictions, too.
    progress : function of (done, total, label), optional
        Called before every round with the number of those that are done, and once after the last.

    Returns
    -------
    list of Record
        A dict of plain values for each line of the table, as ``json.dumps`` takes it.
    """
    n_rounds = check_integer("rounds", rounds, low=1)
    numbers = range(len(WORKLOADS)) if workloads is None else workloads
    chosen = [_workload(number) for number in numbers]
    names = [check_choice("peers", name, PEERS) for name in (PEERS if peers is None else peers)]
    described = {name: contender(name).installed() for name in (SUBJECT, *names, PRODUCT)}
    found = {name: text for name, text in described.items() if text is not None}
    jobs = [
        Job(workload, threads, rows)
        for rows in ((None, PREDICT_ROWS) if predict else (None,))
        for threads in dict.fromkeys((available_threads(), 1))
        for workload in chosen
    ]
    report = progress or (lambda done, total, label: None)
    total = len(jobs) * n_rounds
    records: list[Record] = []
    with ExitStack() as stack:
        processes = [stack.enter_context(Contender(name)) for name in found]
        for job in jobs:
            taking_part = [process for process in processes if job.is_open_to(process.name)]
            answers: list[dict[str, Answer]] = []
            for _ in range(n_rounds):
                report(len(records) * n_rounds + len(answers), total, job.label)
                answers.append({process.name: process.measure(*job) for process in taking_part})
            records.append(
                make_record(
                    *job,
                    answers,
                    judged=job.on_all_threads,
                    contenders=found,
                    left_out=[name for name in names if name not in found],
                )
            )
    report(total, total, "")
    return records


def _workload(number: int) -> Workload:
    last = len(WORKLOADS) - 1
    if check_integer("workloads", number, low=0) > last:
        raise ValueError(f"workloads: expected numbers up to {last}, got {number}; lower it.")
    return WORKLOADS[number]
