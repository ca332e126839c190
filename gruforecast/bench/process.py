"""A contender in a process of its own, as the one that measures sees it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from types import TracebackType
from typing import NamedTuple

from gruforecast.bench.workloads import Workload

# The paths of this process: the child finds the same package, installed or not.
CODE = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from gruforecast.bench.measuring import serve
serve(sys.argv[2])
"""


class Answer(NamedTuple):
    """Milliseconds, and the processors that other programs used meanwhile."""

    milliseconds: float
    others: float


class Contender:
    """A process that measures one contender whenever it is asked to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._complaints = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-c", CODE, json.dumps(sys.path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
        )

    def __enter__(self) -> Contender:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """The end of its input ends it; after an error nobody waits for it."""
        if error is not None:
            self._process.kill()
        self._process.communicate()
        self._complaints.close()

    def measure(self, workload: Workload, threads: int, rows: int | None) -> Answer:
        """A training step, or the prediction of all windows of so many rows."""
        order = {"workload": workload, "threads": threads, "rows": rows}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ChildProcessError(
                f"{self.name}: expected milliseconds from its process, got {self._last_words()!r}; "
                f"mend it, or leave it out of peers."
            )
        return self._read(line)

    def _read(self, line: str) -> Answer:
        """What an answer says; a contender that computes nonsense is none."""
        taken, value, others = json.loads(line)
        if not math.isfinite(value):
            raise ChildProcessError(
                f"{self.name}: expected a finite loss or prediction, got {value}; "
                f"leave it out of peers."
            )
        return Answer(taken, others)

    def _last_words(self) -> str:
        """The last line that it wrote about what went wrong."""
        self._process.wait()
        self._complaints.seek(0)
        lines = self._complaints.read().strip().splitlines()
        return lines[-1] if lines else "nothing"
