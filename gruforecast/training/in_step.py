"""Runs on the CPU, side by side and in step: an epoch of each before the next one of any.

Threads are shared out among the runs, and each run has the same bits for any number of them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from gruforecast.foundations.threads import Workers, single_threaded_blas
from gruforecast.training.epochs import NotFinite, Run
from gruforecast.training.finite import advise
from gruforecast.training.gradients import BatchGradients, count_lanes, shard_size
from gruforecast.training.job import Job, Outcome
from gruforecast.training.state import EpochReport
from gruforecast.training.wanted import check_wanted

Epoch = Iterator[None]
_END: Any = object()


def train_on_cpu(jobs: Sequence[Job], n_threads: int) -> list[Outcome]:
    """Epoch after epoch; a callback's error is raised as it comes, between epochs."""
    n_at_once = min(n_threads, len(jobs))
    with single_threaded_blas(), ExitStack() as threads:
        members = [_Member(job, n_threads // n_at_once, threads) for job in jobs]
        try:
            with Workers(n_at_once) as crew:
                while active := [member for member in members if member.reason is None]:
                    check_wanted()
                    _make_epochs([member.epoch() for member in active], crew)
                    for member in active:
                        member.tell()
        finally:
            outcomes = [member.end() for member in members]
    return outcomes


def _make_epochs(epochs: Sequence[Epoch], crew: Workers) -> None:
    """Make them all; a thread takes up whichever waits the longest, part by part."""
    waiting, ended = deque(epochs), threading.Event()

    def serve(number: int, worker: int) -> None:
        try:
            while not ended.is_set() and (epoch := _first(waiting)) is not None:
                if next(epoch, _END) is not _END:
                    waiting.append(epoch)
        except BaseException:
            ended.set()
            raise

    try:
        crew.run(serve, crew.n_threads)
    finally:  # an interruption of the thread that waits for the others
        ended.set()


def _first(waiting: deque[Epoch]) -> Epoch | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None


class _Member:
    """One of the runs."""

    def __init__(self, job: Job, n_threads: int, threads: ExitStack) -> None:
        self.job, self.n_threads, self.state = job, n_threads, job.state
        network, options = job.network, job.options
        batch_size = min(options.batch_size, len(job.data))
        size = shard_size(network, batch_size, job.data.windows.n_steps)
        n_lanes = count_lanes(size, batch_size)
        workers = threads.enter_context(Workers(min(n_threads, n_lanes)))
        disturbance = options.make_disturbance(network.specification.n_numeric)
        loss = options.make_loss()
        gradients = BatchGradients(network, loss, batch_size, size, workers, disturbance)
        self.run = Run(network, job.data, options, gradients, job.state)
        self.report: EpochReport | None = None  # of an epoch that nobody was told of yet
        self.message: str | None = None
        self.reason = job.state.why_stop()

    def epoch(self) -> Epoch:
        """One more, part by part."""
        try:
            self.report = yield from self.run.epoch(self.job.validation, self.n_threads)
        except NotFinite as problem:
            self.reason, self.state = "not_finite", self.run.epoch_start
            self.message = advise(str(problem), has_best=self.state.best_flat is not None)

    def tell(self) -> None:
        """Tell callbacks about the epoch, after which the run may be over."""
        report, self.report = self.report, None
        if report is not None:
            self.reason = "callback" if self.job.is_ended_by(report) else self.state.why_stop()

    def end(self) -> Outcome:
        """The network gets the best weights, or keeps the last."""
        checkpoint = self.state.checkpoint()
        if self.state.best_flat is not None:
            self.job.network.flat = self.state.best_flat
        return Outcome(self.reason or "interrupted", checkpoint, self.message)
