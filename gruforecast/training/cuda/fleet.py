"""Models of one launch: how many blocks train each, and what the GPU is sent once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from gruforecast.foundations.cuda.card import Card
from gruforecast.foundations.random import derive_key
from gruforecast.network.cuda.fields import DEVIATIONS, REACH
from gruforecast.network.cuda.layout import WIDE, WideLayout, filled
from gruforecast.network.cuda.learning import LearningProgram
from gruforecast.network.cuda.packing import Plan, Pool, check_places, fitting_program, n_that_fit
from gruforecast.network.cuda.program import Program
from gruforecast.network.cuda.stack import MOST_ROWS, number_of
from gruforecast.network.specification import Specification
from gruforecast.training.cuda import fields as f
from gruforecast.training.cuda import losses, optimizers
from gruforecast.training.cuda.kernel import SIGNATURE, train_kernel
from gruforecast.training.dataset import Dataset
from gruforecast.training.job import Job


def program_maker(card: Card) -> Callable[[Job, int], Program]:
    """What makes programs for jobs and at most so many rows; those of equal jobs are the same."""
    limit = card.prepare(train_kernel, SIGNATURE) // card.real.itemsize

    @cache
    def make(spec: Specification, n_steps: int, n_drawn: int, rows: int) -> Program:
        wide = WideLayout(spec)

        def kind(n_rows: int) -> Program:
            return LearningProgram(spec, wide, n_steps, n_rows, limit, n_drawn)

        return fitting_program(kind, rows)

    def of_job(job: Job, rows: int) -> Program:
        sets = [job.data] if job.validation is None else [job.data, job.validation]
        n_steps = max(one.windows.n_steps for one in sets)
        return make(job.network.specification, n_steps, job.data.windows.n_steps, rows)

    return of_job


def refusal(card: Card, program: Callable[[Job, int], Program], job: Job) -> Exception | None:
    """Why a job cannot be trained even by one block with the fewest rows, if it cannot."""
    try:
        _numbers(job)
        for data in (job.data, job.validation):
            if data is not None:
                check_places(data.windows)
        least = program(job, WIDE)
        n_that_fit(card, least.work_size + least.wide.size)
    except (ValueError, MemoryError) as problem:
        return problem
    return None


class Fleet:
    """The models of some jobs on a GPU.

    With fewer models than multiprocessors a team of blocks trains each, and a shard has fewer
    windows, so that there are shards for all.
    """

    def __init__(
        self, card: Card, jobs: Sequence[Job], program: Callable[[Job, int], Program]
    ) -> None:
        self.card, self.jobs = card, jobs
        self.n_arrays = [len(job.state.arrays) for job in jobs]
        largest = max(_batch_size(job) for job in jobs)
        self.team_size = max(1, min(card.n_multiprocessors // len(jobs), -(-largest // WIDE)))
        self.programs = [program(job, self._n_rows(job)) for job in jobs]
        self.wide = [one.wide for one in self.programs]
        self.shared_bytes = max(p.shared_size for p in self.programs) * card.real.itemsize
        self.work_size = max(p.work_size for p in self.programs)
        self.stride = max(wide.size for wide in self.wide)
        self.plan = self._plan()
        with card.allocating:
            self.sent = self.plan.send(card)
            self.state = card.send(self._first_state())
            self.n_teams = self._count_teams()
            n_lanes = self.n_blocks * (self.stride + 1)  # of gradients, and a note for each block
            self.work = card.zeros(self.n_blocks * self.work_size + n_lanes, card.real)

    @property
    def n_blocks(self) -> int:
        return self.n_teams * self.team_size

    def _n_rows(self, job: Job) -> int:
        """Windows of a shard: enough for one block, or few, so that there are shards for a team."""
        return min(MOST_ROWS, filled(-(-_batch_size(job) // self.team_size)))

    def _count_teams(self) -> int:
        """As many as there are models and room for: all blocks of a team must run at once."""
        at_once = self.card.n_at_once(train_kernel, SIGNATURE, self.shared_bytes)
        of_block = self.work_size + self.stride + WIDE
        room = n_that_fit(self.card, of_block * self.team_size)
        return max(1, min(len(self.jobs), at_once // self.team_size, room))

    def _plan(self) -> Plan:
        """Records, programs and data of all models."""
        plan = Plan(len(self.jobs), f.RECORD, self.card.real)
        self.places, size = [], 0  # of each model's state
        for number, job in enumerate(self.jobs):
            self.places.append(size)
            size += f.n_kept(self.n_arrays[number]) * self.wide[number].size
            plan.set_model(number, self._record(plan, number, job))
        return plan

    def _record(self, plan: Plan, number: int, job: Job) -> dict[int, int]:
        options, program, wide = job.options, self.programs[number], self.wide[number]
        optimizer, loss = options.make_optimizer(), options.make_loss()
        l2 = 0.0 if optimizer.decoupled else options.l2
        decay = options.l2 if optimizer.decoupled else 0.0
        limits = (options.l1, l2, decay, options.value_limit, options.norm_limit, options.tol)
        mask = wide.widen(job.network.layout.weight_mask())
        key = int(derive_key(options.seed))
        return (
            plan.describe(program, self.places[number])
            | _numbers(job)
            | _disturbance(plan, job)
            | {
                f.TRAINING: _add(plan, job.data),
                f.VALIDATION: -1 if job.validation is None else _add(plan, job.validation),
                f.BATCH: _batch_size(job),
                f.KEY: key - (1 << 64) if key >= 1 << 63 else key,  # the same bits with a sign
                f.PATIENCE: options.patience or 0,
                f.LOSS_OPTIONS: plan.data.add(loss.options),
                f.N_LOSS_OPTIONS: len(loss.options),
                f.OPTIMIZER_OPTIONS: plan.data.add(optimizers.numbers_of(optimizer)),
                f.N_ARRAYS: self.n_arrays[number],
                f.LIMITS: plan.data.add(limits),
                f.MASK: plan.data.add(mask),
                f.PROGRESS: number * f.OF_MODEL,
            }
        )

    def _first_state(self) -> np.ndarray:
        """Weights, arrays of the optimiser and the best weights of every model."""
        n_kept = [f.n_kept(n_arrays) for n_arrays in self.n_arrays]
        whole = np.zeros(self.places[-1] + n_kept[-1] * self.wide[-1].size, self.card.real)
        for number, (job, wide) in enumerate(zip(self.jobs, self.wide, strict=True)):
            begin, n = self.places[number], n_kept[number]
            kept = whole[begin : begin + n * wide.size].reshape(n, wide.size)
            state, n_arrays = job.state, self.n_arrays[number]
            kept[0] = kept[f.previous.py_func(n_arrays)] = wide.widen(state.flat)
            for a, array in enumerate(state.arrays):
                kept[1 + a] = wide.widen(array)
            if state.best_flat is not None:
                kept[f.best.py_func(n_arrays)] = wide.widen(state.best_flat)
        return whole

    def launch(
        self, rates: Pool, orders: Pool, report_size: int, progress: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Train all models on; returns the report and the progress made."""
        card = self.card
        report = card.zeros(max(report_size, WIDE), card.real)
        made = card.send(progress)
        card.launch(
            train_kernel, self.n_blocks, *self.sent, card.send(orders.joined()),
            card.send(rates.joined()), self.state, self.work, report, made,
            card.zeros(2 * self.n_teams + 1, np.int64), len(self.jobs), self.team_size,
            self.work_size, self.stride, shared_bytes=self.shared_bytes,
        )  # fmt: skip
        return card.receive(report), card.receive(made)

    def receive(self, number: int) -> np.ndarray:
        """The state of a model, array by array, without what fills it up."""
        place, wide, n = self.places[number], self.wide[number], f.n_kept(self.n_arrays[number])
        kept = self.card.receive(self.state, place, place + n * wide.size)
        return np.asarray(kept.reshape(n, wide.size)[:, wide.places])


def _batch_size(job: Job) -> int:
    return min(job.options.batch_size, len(job.data))


def _numbers(job: Job) -> dict[int, int]:
    """What kernels call the loss and the optimiser of a job."""
    loss, optimizer = job.options.loss, job.options.optimizer
    kind = type(job.options.make_optimizer())
    return {
        f.LOSS: number_of("loss", loss, losses.KINDS, loss),
        f.OPTIMIZER: number_of("optimizer", kind, optimizers.KINDS, optimizer),
    }


def _disturbance(plan: Plan, job: Job) -> dict[int, int]:
    """Where the deviations of noise stand, and for windows of 0, 1, ... rows how far they move."""
    found: dict[int, int] = {}
    done = job.options.make_disturbance(job.network.specification.n_numeric)
    if done is not None and done.noise.any():
        found[DEVIATIONS] = plan.data.add(done.noise)
    if done is not None and done.shift:
        lengths = range(job.data.windows.n_steps + 1)
        found[REACH] = plan.places.add([done.reach(n) for n in lengths])
    return found


def _add(plan: Plan, data: Dataset) -> int:
    return plan.add_dataset(data.windows, data.targets, data.weights)
