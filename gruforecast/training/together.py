"""A meeting point of fits on several threads, whose networks a GPU trains all at once.

A task is counted in before its thread starts and out when it has ended. Nothing is timed: training
begins when every task that can run waits for it.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from gruforecast.training.job import Job, Outcome
from gruforecast.training.wanted import abandoned

_HERE = threading.local()  # seat: the meeting of the task that this thread runs, and its number


def train_on_gpu(jobs: Sequence[Job], gpu: int) -> list[Outcome]:
    """Train networks, together with those of other fits where this thread meets them."""
    seat = getattr(_HERE, "seat", None)
    if seat is None:
        return _train_jobs(jobs, gpu)
    together, number = seat
    outcomes: list[Outcome] = together.train(jobs, gpu, number)
    return outcomes


def _train_jobs(jobs: Sequence[Job], gpu: int) -> list[Outcome]:
    from gruforecast.training.cuda.launch import train_jobs

    return train_jobs(jobs, gpu)


@contextmanager
def _seated(seat: tuple[Together, int] | None) -> Iterator[None]:
    before, _HERE.seat = getattr(_HERE, "seat", None), seat
    try:
        yield
    finally:
        _HERE.seat = before


@dataclass(eq=False)
class _Visit:
    """A task that waits; its thread goes on when it is called: to lead a group, or to leave."""

    jobs: Sequence[Job]
    gpu: int
    number: int
    group: list[_Visit] = field(default_factory=list)  # that it leads
    called: threading.Event = field(default_factory=threading.Event)
    outcomes: list[Outcome] = field(default_factory=list)
    error: BaseException | None = None


class Together:
    """Where tasks meet, of which at most ``most`` run at once."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._n_tasks = 0  # that were expected and have not ended
        self._waiting: list[_Visit] = []
        self._given_up = False

    def expect(self) -> int:
        """Count a task in, before its thread starts; its number is its place in every group."""
        with self._lock:
            self._n_tasks += 1
            return next(self._numbers)

    def seat(self, number: int) -> AbstractContextManager[None]:
        """Training inside this block meets the others."""
        return _seated((self, number))

    def leave(self) -> None:
        """Count a task out: the others need not wait for it any more."""
        with self._lock:
            self._n_tasks -= 1
            self._begin_if_all_wait()

    def give_up(self) -> None:
        """Nobody waits for results any more: those who wait fail, and those who come later."""
        with self._lock:
            self._given_up = True
            visits, self._waiting = self._waiting, []
        for visit in visits:
            visit.error = abandoned()
            visit.called.set()

    def train(self, jobs: Sequence[Job], gpu: int, number: int) -> list[Outcome]:
        """Wait until all others wait, too; one of them trains for all."""
        visit = _Visit(jobs, gpu, number)
        with self._lock:
            if self._given_up:
                raise abandoned()
            self._waiting.append(visit)
            self._begin_if_all_wait()
        try:
            visit.called.wait()
            if visit.group:
                with _seated(None):  # who trains here, in a callback, meets nobody: all wait
                    _lead(visit.group)
        except BaseException as error:  # of training, or an interruption of the thread that waits
            with self._lock:
                if visit in self._waiting:
                    self._waiting.remove(visit)
            visit.error = error
            for other in visit.group:
                other.error = error
        finally:
            for other in visit.group:
                other.called.set()
            visit.group = []  # which holds the visit itself
        if visit.error is not None:
            raise visit.error
        return visit.outcomes

    def _begin_if_all_wait(self) -> None:
        """Call the leader of each GPU's group; whoever calls this holds the lock."""
        if len(self._waiting) < min(self._n_tasks, self.most):
            return
        visits, self._waiting = sorted(self._waiting, key=lambda visit: visit.number), []
        for gpu in {visit.gpu for visit in visits}:
            group = [visit for visit in visits if visit.gpu == gpu]
            group[0].group = group
            group[0].called.set()


def _lead(group: list[_Visit]) -> None:
    outcomes = iter(_train_jobs([job for visit in group for job in visit.jobs], group[0].gpu))
    for visit in group:
        visit.outcomes = list(itertools.islice(outcomes, len(visit.jobs)))
