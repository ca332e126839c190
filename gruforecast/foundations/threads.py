"""The package's own threads, and BLAS kept at one thread while they run.

Tasks are numbered by the problem, never by the number of threads, and write to places of their
own: whoever runs a task, its result is the same.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from queue import SimpleQueue
from types import TracebackType
from typing import Any

Task = Callable[[int, int], None]  # (number of the task, number of the worker)


def available_threads() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Workers:
    """Runs numbered tasks on ``n_threads`` threads, the calling one included.

    Threads live from ``with Workers(n) as workers:`` to the end of the block, so that any number
    of fits can run at once and a process can fork after each.
    """

    def __init__(self, n_threads: int) -> None:
        self.n_threads = n_threads
        self._jobs: list[SimpleQueue[Any]] = [SimpleQueue() for _ in range(n_threads - 1)]
        self._results: SimpleQueue[BaseException | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Workers:
        for number, jobs in enumerate(self._jobs, start=1):
            thread = threading.Thread(
                target=self._serve, args=(number, jobs), name=f"gruforecast-{number}", daemon=True
            )
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for jobs in self._jobs:
            jobs.put(None)
        for thread in self._threads:
            thread.join()

    def run(self, task: Task, n_tasks: int) -> None:
        """Call ``task(i, worker)`` for i in 0..n_tasks-1; the first error is raised here."""
        helpers = self._jobs[: n_tasks - 1]
        numbers = itertools.count()  # next() on it is atomic
        for jobs in helpers:
            jobs.put((task, numbers, n_tasks))
        errors = [_work(task, numbers, n_tasks, 0)]
        errors += [self._results.get() for _ in helpers]
        for error in errors:
            if error is not None:
                raise error

    def _serve(self, number: int, jobs: SimpleQueue[Any]) -> None:
        _limit_blas_here()
        while (job := jobs.get()) is not None:
            task, numbers, n_tasks = job
            self._results.put(_work(task, numbers, n_tasks, number))


def _work(task: Task, numbers: Iterator[int], n_tasks: int, worker: int) -> BaseException | None:
    try:
        while (number := next(numbers)) < n_tasks:
            task(number, worker)
    except BaseException as error:
        return error
    return None


@lru_cache(maxsize=1)
def blas_controller() -> Any:
    """Asks and sets the BLAS libraries that are loaded, SciPy's among them."""
    import scipy.linalg.cython_blas  # noqa: F401  the library must be loaded to be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def _limit_blas_here() -> None:
    """Some BLAS builds (OpenMP) count threads per calling thread."""
    for library in blas_controller().lib_controllers:
        library.set_num_threads(1)


class _BlasLimit:
    """Counts who needs one-threaded BLAS: the first limits it, the last restores it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.users = 0
        self.limits: Any = None

    def acquire(self) -> None:
        with self.lock:
            if self.users == 0:
                self.limits = blas_controller().limit(limits=1)
            self.users += 1

    def release(self) -> None:
        with self.lock:
            if self.users == 0:  # the block was entered before a fork
                return
            self.users -= 1
            if self.users == 0:
                self.limits.restore_original_limits()

    def forget(self) -> None:
        """In a forked child only the forking thread lives on: give BLAS its threads back."""
        if self.users and self.limits is not None:
            self.limits.restore_original_limits()
        self.lock, self.users = threading.Lock(), 0


_BLAS_LIMIT = _BlasLimit()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_BLAS_LIMIT.forget)


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """BLAS uses one thread inside this block, in whatever way the block ends."""
    _BLAS_LIMIT.acquire()
    try:
        yield
    finally:
        _BLAS_LIMIT.release()
