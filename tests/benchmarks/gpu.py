"""One GPU in one command: checks, times beside cuDNN, hundreds of models side by side.

    PYTHONPATH=. python -m tests.benchmarks.gpu --out FOLDER [--minutes 8] [--emulate]

Run it from the root of a checkout on a machine with an NVIDIA GPU and nothing else to do; the
package need not be installed, but NumPy, SciPy, Numba, numba-cuda, pandas, scikit-learn,
threadpoolctl, joblib, rich and, for the comparison, PyTorch with CUDA must be. Nothing is
downloaded and no setting of the card is touched. FOLDER gets ``results.json`` (every record),
``results.csv`` (the times), ``table.txt`` and ``log.txt``; the last 40 lines of the output carry
the result. The exit code is 1 when a check or a part of this program fails.

A process of its own does the work, one task after the other, the most valuable first. When a task
fails the others go on; when one crashes, hangs or spoils the GPU for its process, another process
takes over. Tasks for which no time is left are skipped and named. Times are those of a clock that
is read while the GPU has nothing to do, around whole launches (of the package) or many steps in a
row (of PyTorch); contenders take turns, and medians over the rounds count.

``--emulate`` runs all of it without a GPU, on tiny sizes: kernels as plain Python, PyTorch on the
CPU in place of cuDNN. It shows that the program works; its times mean nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from tests.benchmarks.on_gpu.report import Results
from tests.benchmarks.on_gpu.tasks import SECTIONS, Task, all_tasks

ROOT = Path(__file__).resolve().parents[2]
GRACE = 5.0  # seconds that a task may go on when the time is up


class Worker:
    """A process that carries out tasks; what libraries print goes to the log."""

    def __init__(self, options: list[str], log: IO[str]) -> None:
        command = [sys.executable, "-m", "tests.benchmarks.on_gpu.worker", *options]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT
        )
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._answers.put(line)
        self._answers.put(None)

    def do(self, task: Task, seconds: float) -> Iterator[dict[str, Any]]:
        """Answers as they come: records, and at the end whether the task was done."""
        assert self.process.stdin is not None
        end = time.monotonic() + seconds
        with contextlib.suppress(OSError):  # it has ended, as its answers will say
            self.process.stdin.write(json.dumps(task.name) + "\n")
            self.process.stdin.flush()
        while True:
            try:
                line = self._answers.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                reason = f"did not end within {seconds:.0f} s"
                yield {"done": reason, "is_lost": True}
                return
            if line is None:
                code = self.process.wait()
                yield {"done": f"its process ended with code {code}", "is_lost": True}
                return
            try:
                answer = json.loads(line)
            except ValueError:  # a line that was cut off: the process has ended
                continue
            yield answer
            if "done" in answer:
                return

    def stop(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            print("a process that was killed has not ended after 20 s", flush=True)
            return
        self._listener.join(10)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):  # what was not sent is lost
                pipe.close()


class Supervisor:
    """Hands out tasks while there is time."""

    def __init__(self, arguments: argparse.Namespace, results: Results, log: IO[str]) -> None:
        self.options = ["--tolerance", str(arguments.tolerance)]
        if arguments.emulate:
            self.options.append("--emulate")
        self.results, self.log = results, log
        self.start = time.monotonic()
        self.end = self.start + 60 * arguments.minutes
        self.worker: Worker | None = None

    def run(self, tasks: list[Task]) -> None:
        for task in tasks:
            left = self.end - time.monotonic()
            if left < task.need:
                self.results.skipped.append(task.name)
                continue
            began = time.monotonic()
            reason = self._do(task, min(task.limit, left + GRACE))
            now = time.monotonic()
            bad = [r["what"] for r in self.results.bad_checks() if r["task"] == task.name]
            reason = reason or (f"expected less error in {', '.join(bad)}" if bad else None)
            told = "ok" if reason is None else f"FAILED: {reason}"
            print(f"{now - self.start:5.0f} s  {task.name}: {told} ({now - began:.1f} s)"[:200])
            sys.stdout.flush()
            self.results.save()

    def _do(self, task: Task, seconds: float) -> str | None:
        """Why a task was not done."""
        if self.worker is None:
            self.worker = Worker(self.options, self.log)
        self.log.write(f"\n== {task.name}\n")
        self.log.flush()
        answer: dict[str, Any] = {}
        for answer in self.worker.do(task, seconds):
            if "record" in answer:
                self.results.records.append({"task": task.name, **answer["record"]})
        reason: str | None = answer["done"]
        if reason is not None:
            self.results.failed[task.name] = reason
        if answer["is_lost"]:
            self.stop()
        return reason

    def stop(self) -> None:
        if self.worker is not None:
            self.worker.stop()
            self.worker = None


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--minutes", type=float, default=8.0, help="tasks start within this time")
    parser.add_argument("--emulate", action="store_true", help="tiny sizes without a GPU")
    parser.add_argument("--only", nargs="*", choices=SECTIONS, default=SECTIONS)
    parser.add_argument(
        "--tolerance", type=float, default=1.0, help="factor on the errors that checks accept"
    )
    arguments = parser.parse_args(words)
    folder = arguments.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    results = Results(folder, emulated=arguments.emulate)
    with open(folder / "log.txt", "w", encoding="utf-8") as log:
        supervisor = Supervisor(arguments, results, log)
        try:
            supervisor.run([t for t in all_tasks(arguments.emulate) if t.section in arguments.only])
        except KeyboardInterrupt:
            results.failed["the run"] = "interrupted"
        finally:
            supervisor.stop()
            results.seconds = time.monotonic() - supervisor.start
            results.save()
            print(results.table(), flush=True)
    return 1 if results.has_failed() else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped by a signal"))
    sys.exit(main())
