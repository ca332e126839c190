"""The process that one contender runs in.

``serve`` waits for orders on its standard input, one JSON object a line, and answers each with the
milliseconds of a step, the last value that it gave and the processors that other programs used
meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import time
from pathlib import Path

from gruforecast.bench.contenders import contender
from gruforecast.bench.workloads import Work, Workload

SECONDS = 0.3  # at least, of one measurement
MIN_STEPS = 3


def serve(name: str) -> None:
    """Answer orders until standard input ends; what a library prints is no answer."""
    module, answers = contender(name), sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        for line in sys.stdin:
            order = json.loads(line)
            w, threads, rows = Workload(*order["workload"]), order["threads"], order["rows"]
            start, others = time.perf_counter(), _others_seconds()
            if rows is None:
                block, least = module.step(w, threads), MIN_STEPS
            else:
                block, least = module.predict(w, threads, rows), 1
            with block as work:
                taken, value = measure(work, least)
            others = (_others_seconds() - others) / (time.perf_counter() - start)
            answers.write(json.dumps([taken, value, others]) + "\n")
            answers.flush()


def measure(work: Work, least: int) -> tuple[float, float]:
    """Milliseconds of a step, after one call that is not counted, and the last value."""
    _elapsed(work, 1)
    n, (taken, value) = 1, _elapsed(work, 1)
    while taken < SECONDS / 10:
        n *= 4
        taken, value = _elapsed(work, n)
    if taken < SECONDS or n * work.n_steps < least:
        n = max(math.ceil(least / work.n_steps), math.ceil(SECONDS * n / taken))
        taken, value = _elapsed(work, n)
    return 1e3 * taken / (n * work.n_steps), value


def _elapsed(work: Work, n: int) -> tuple[float, float]:
    """Seconds of n calls, and the value of the last one."""
    start = time.perf_counter()
    for _ in range(n):
        value = work.call()
    value = float(value)  # waits for work that is still under way
    return time.perf_counter() - start, value


def _others_seconds() -> float:
    """Processor time of all other programs so far; NaN where the system does not say."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return math.nan
    busy = sum(map(int, stat.read_text().split()[1:4])) / os.sysconf("SC_CLK_TCK")
    return busy - time.process_time()
