"""Training jobs on a GPU: launches of some epochs each, and what they mean for the runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from gruforecast.foundations.cuda.card import FAILURES as CARD_FAILURES
from gruforecast.foundations.cuda.card import Card, open_card
from gruforecast.network.cuda.packing import Pool
from gruforecast.training.cuda import fields as f
from gruforecast.training.cuda.fleet import Fleet, program_maker, refusal
from gruforecast.training.cuda.optimizers import numbers_of_steps
from gruforecast.training.dataset import total_weight
from gruforecast.training.finite import advise, describe
from gruforecast.training.job import Job, Outcome
from gruforecast.training.schedules import Schedule
from gruforecast.training.state import EpochReport
from gruforecast.training.wanted import check_wanted

MOST_POSITIONS = 2**25  # of windows in the orders of one launch
SECONDS = 1.0  # that a launch should take: an interruption waits for its end, some drivers do not
FIRST = 1  # epochs of a launch before one was timed
ODD = {
    f.ODD_LOSS: "the loss became {loss}",
    f.ODD_NORM: "the norm of the gradient became {norm}",
    f.ODD_WEIGHTS: "the weights are no longer finite",
    f.ODD_VALIDATION: "the loss of the validation set became {scored}",
}


def train_jobs(jobs: Sequence[Job], gpu: int) -> list[Outcome]:
    """Train networks side by side; afterwards each holds its best weights, or its last.

    A job that cannot be trained here has its error as its outcome; the others go on without it.
    """
    card = open_card(gpu)
    with card.current():
        program, runs = program_maker(card), [_Run(job) for job in jobs]
        for run in runs:
            if error := refusal(card, program, run.job):
                run.outcome = Outcome("refused", run.state, error=error)
        able = [run for run in runs if run.outcome is None or run.outcome.error is None]
        if able:
            _train(card, program, sorted(able, key=_cost, reverse=True))
    return [run.outcome for run in runs]  # type: ignore[misc]  # all runs have ended


def _cost(run: _Run) -> float:
    """What an epoch takes, about: runs whose epochs take longest begin first."""
    data = run.job.data
    return float(len(data)) * data.windows.n_steps * run.state.flat.size


def _train(card: Card, program: Any, runs: Sequence[_Run]) -> None:
    """Launch after launch, until every run has ended."""
    fleet, most = Fleet(card, [run.job for run in runs], program), FIRST
    try:
        while any(run.outcome is None for run in runs):
            check_wanted()
            begin = time.perf_counter()
            n_epochs = _launch(fleet, runs, most)
            of_epoch = (time.perf_counter() - begin) / n_epochs
            most = max(1, int(min(2 * n_epochs, SECONDS / of_epoch)))
    except CARD_FAILURES:  # there is nothing left to receive
        raise
    except BaseException:
        _end(fleet, runs)
        raise
    _end(fleet, runs)


def _end(fleet: Fleet, runs: Sequence[_Run]) -> None:
    for number, run in enumerate(runs):
        run.end(fleet.receive(number))


def _launch(fleet: Fleet, runs: Sequence[_Run], most: int) -> int:
    """Some epochs of every run that goes on; returns how many they are at most."""
    inputs, progress = _Inputs(fleet.card.real), np.zeros((len(runs), f.OF_MODEL), np.int64)
    active = [run for run in runs if run.outcome is None]
    most = max(1, min(most, MOST_POSITIONS // sum(len(run.job.data) for run in active)))
    for run, record in zip(runs, progress, strict=True):
        if run.outcome is None:
            run.prepare(record, most, inputs)
        record[f.REPORT] = inputs.report_size  # without epochs, too, it reports its scores
        inputs.report_size += int(record[f.N_EPOCHS]) * run.of_epoch + f.N_SCORES
    report, made = fleet.launch(inputs.rates, inputs.orders, inputs.report_size, progress.ravel())
    made = made.reshape(progress.shape)
    for number, (run, record) in enumerate(zip(runs, made, strict=True)):
        if run.outcome is None:
            run.account(record, report, fleet.receive(number) if run.job.callbacks else None)
    for run in active:
        run.go_on()
    return int(progress[:, f.N_EPOCHS].max())


class _Inputs:
    """What all runs of a launch put together."""

    def __init__(self, real: Any) -> None:
        self.rates, self.orders, self.report_size = Pool(real), Pool(np.int32), 0
        self.relative: dict[tuple[Any, ...], np.ndarray] = {}  # rates that models have in common


class _Run:
    """One job: what a launch is told about it, and what is made of its report."""

    def __init__(self, job: Job) -> None:
        self.job, self.state, self.options = job, job.state, job.options
        self.optimizer = job.options.make_optimizer()
        self.n_batches = -(-len(job.data) // job.options.batch_size)
        self.weight = total_weight(job.data.targets, job.data.weights)
        self.of_epoch = f.OF_BATCH * self.n_batches + 1  # numbers of the report
        self.norm = 0.0  # of the last finite gradient
        self.largest = 0.0  # of the last epoch's
        self.is_odd = False  # whether the last epoch was broken off
        self.outcome: Outcome | None = None
        self._end_if_over()

    def _end_if_over(self) -> None:
        if (reason := self.state.why_stop()) is not None:
            self.outcome = Outcome(reason, self.state)

    def _n_epochs(self, most: int) -> int:
        """One at a time where somebody looks on, or where rates depend on losses."""
        looks_on = type(self.state.schedule).epoch_done is not Schedule.epoch_done
        if looks_on or self.job.callbacks:
            return 1
        return min(most, self.options.max_epochs - self.state.epoch)

    def prepare(self, record: np.ndarray, most: int, inputs: _Inputs) -> None:
        """Write what a launch needs to know."""
        state, n_epochs = self.state, self._n_epochs(most)
        n = len(self.job.data)
        self.rates = self._rates(n_epochs, inputs.relative)
        scores = [state.best_loss, state.waited_for]
        numbers = numbers_of_steps(self.optimizer, self.rates, state.step)
        order = [state.order(n, state.epoch + e) for e in range(n_epochs)]
        record[f.N_EPOCHS] = n_epochs
        record[f.ORDERS] = inputs.orders.add(np.concatenate(order))
        record[f.RATES] = inputs.rates.add(np.concatenate([scores, numbers.ravel()]))
        record[f.STEP], record[f.WAITED] = state.step, state.waited

    def _rates(self, n_epochs: int, known: dict[tuple[Any, ...], np.ndarray]) -> np.ndarray:
        """The learning rate of every step of the next epochs."""
        state, n, options = self.state, self.n_batches, self.options
        key = (repr(state.schedule), state.step, state.epoch, n, options.max_epochs, n_epochs)
        if key not in known:
            steps = range(n_epochs * n)
            rates = [state.relative_rate(state.step + k, state.epoch + k // n, n) for k in steps]
            known[key] = np.array(rates)
        return known[key] * options.learning_rate

    def account(self, record: np.ndarray, report: np.ndarray, kept: Any) -> None:
        """Note the epochs of a launch as if they had been made one by one."""
        state, n_epochs = self.state, int(record[f.N_EPOCHS])
        begin, n = int(record[f.REPORT]), self.n_batches * f.OF_BATCH
        batches = report[begin : begin + n_epochs * n].astype(np.float64)
        batches = batches.reshape(n_epochs, self.n_batches, f.OF_BATCH)
        scored = report[begin + n_epochs * n :][: n_epochs + f.N_SCORES].astype(np.float64)
        done, is_validated = int(record[f.EPOCHS_DONE]), self.job.validation is not None
        began, best_epoch = state.epoch, state.best_epoch
        for e in range(done):
            state.step += self.n_batches
            self.norm = float(batches[e, -1, 1])
            loss = float(batches[e, :, 0].sum() / self.weight)
            state.record(loss, float(scored[e]) if is_validated else None)
        if is_validated:  # the GPU decided, in its own precision
            state.best_loss, state.waited_for = (float(x) for x in scored[n_epochs:])
            state.waited = int(record[f.WAITED])
            found = int(record[f.BEST_EPOCH])
            state.best_epoch = began + found if found else best_epoch
        if kept is not None:
            self._take(kept)
        if (status := int(record[f.STATUS])) in ODD:
            self._break_off(status, int(record[f.BATCHES_DONE]), batches[done], scored[done])
        else:
            self.largest = float(batches[done - 1, :, 1].max())

    def go_on(self) -> None:
        """After an epoch of all runs: unless a callback or the options say that this one ends."""
        if self.outcome is None and not self._stopped_by_callback():
            self._end_if_over()

    def _take(self, kept: np.ndarray) -> None:
        """Weights and arrays of the optimiser as they are now, and the best weights."""
        state = self.state
        n_arrays = len(state.arrays)
        state.flat[...], state.arrays[...] = kept[0], kept[1 : 1 + n_arrays]
        if state.best_flat is not None:
            state.best_flat[...] = kept[f.best.py_func(n_arrays)]

    def _break_off(self, status: int, n_done: int, batches: np.ndarray, scored: float) -> None:
        """The run ends with the last complete epoch, and the last finite weights."""
        self.is_odd = True
        at = min(n_done, self.n_batches)
        loss, norm = batches[at - 1]
        if status in (f.ODD_LOSS, f.ODD_NORM) and at > 1:
            self.norm = float(batches[at - 2, 1])
        elif status not in (f.ODD_LOSS, f.ODD_NORM):
            self.norm = float(norm)
        what = ODD[status].format(loss=float(loss), norm=float(norm), scored=float(scored))
        told = describe(self.job.data, self.state.epoch + 1, at, what, self.norm)
        message = advise(told, has_best=self.state.best_flat is not None)
        self.outcome = Outcome("not_finite", self.state, message)

    def _stopped_by_callback(self) -> bool:
        """Tell the callbacks about an epoch; whether one of them ends the run."""
        state, curve = self.state, self.state.validation_curve
        if not self.job.callbacks:
            return False
        scored = curve[-1] if curve else None
        report = EpochReport(
            state.epoch,
            state.loss_curve[-1],
            scored,
            float(self.rates[-1]),
            self.largest,
            state,
        )
        try:
            if self.job.is_ended_by(report):
                self.outcome = Outcome("callback", state)
        except BaseException as error:
            self.outcome = Outcome("callback", state, error=error)
        return self.outcome is not None

    def end(self, kept: np.ndarray) -> None:
        """The network gets the best weights, or the last; the run can go on from its checkpoint."""
        state, n_arrays = self.state, len(self.state.arrays)
        self._take(kept)
        checkpoint = state.checkpoint()
        if self.is_odd:
            first = f.start.py_func(n_arrays)
            checkpoint.flat[...] = kept[first]
            checkpoint.arrays[...] = kept[first + 1 : first + 1 + n_arrays]
        if state.best_flat is not None:
            self.job.network.flat = state.best_flat
        if self.outcome is not None:
            self.outcome = self.outcome._replace(checkpoint=checkpoint)
