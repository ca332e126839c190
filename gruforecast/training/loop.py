"""The training loop."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NoReturn

import numpy as np

from gruforecast.foundations.checks import check_type, warn_caller
from gruforecast.foundations.threads import Workers, single_threaded_blas
from gruforecast.network import Network
from gruforecast.network.network import resolve_threads
from gruforecast.network.placement import gpu_for
from gruforecast.training.dataset import Dataset, total_weight
from gruforecast.training.finite import NotFiniteWarning, advise, describe
from gruforecast.training.gradients import BatchGradients, check_fit, combine, count_lanes
from gruforecast.training.job import Callback, Job, Outcome
from gruforecast.training.losses import Loss, as_loss
from gruforecast.training.options import TrainingOptions
from gruforecast.training.state import EpochReport, TrainingResult, TrainingState
from gruforecast.training.together import train_on_gpu
from gruforecast.training.wanted import check_wanted


class _NotFinite(Exception):
    """Says where and what."""


def train(
    network: Network,
    data: Dataset,
    options: TrainingOptions | None = None,
    *,
    validation: Dataset | None = None,
    callbacks: Sequence[Callback] = (),
    resume_from: TrainingState | None = None,
    n_threads: int | None = None,
    device: str = "cpu",
) -> TrainingResult:
    """Train a network in place.

    The result has the same bits for any number of threads. With a validation set the best
    weights come back, also after an exception; when the loss is no longer finite, the last weights
    with a finite loss do, with a ``NotFiniteWarning``.

    Parameters
    ----------
    network : Network
    data : Dataset
    options : TrainingOptions, optional
    validation : Dataset, optional
        Scored after every epoch.
    callbacks : sequence of functions of an EpochReport
        Called after every epoch; the run stops when one returns True.
    resume_from : TrainingState, optional
        The ``checkpoint`` of an earlier result: the run goes on bit for bit.
    n_threads : int, optional
        As many as there are processors by default.
    device : str, default "cpu"
        "cpu"; "cuda", "cuda:1" and so on for a GPU, which takes float32; "auto" for the first GPU
        if there is one that can be used.

    Returns
    -------
    TrainingResult

    Examples
    --------
    >>> import numpy as np
    >>> from gruforecast.network import Network, Specification, Windows
    >>> from gruforecast.training import Dataset, TrainingOptions, train
    >>> series = np.sin(0.3 * np.arange(500.0)).reshape(-1, 1)
    >>> data = Dataset(Windows(series, np.arange(460), n_steps=20), series[20:480])
    >>> network = Network(Specification(n_features=1, hidden_size=16), seed=0)
    >>> result = train(network, data, TrainingOptions(max_epochs=5, learning_rate=0.01))
    >>> result.loss_curve[-1] < 0.05
    True
    """
    options = TrainingOptions() if options is None else options
    _check_arguments(network, data, options, validation, callbacks, resume_from)
    windows = [part.windows for part in (data, validation) if part is not None]
    gpu = gpu_for(device, network.specification.dtype, *windows)
    if resume_from is None:
        state = TrainingState.start(network, options)
    else:
        state = resume_from.resume(network, options, validated=validation is not None)
    job = Job(network, data, options, validation, state, callbacks)
    if gpu is None:
        outcome = _train_on_cpu(job, resolve_threads(n_threads))
    else:
        outcome = train_on_gpu(job, gpu)
    if outcome.error is not None:
        raise outcome.error
    if outcome.message is not None:
        warn_caller(outcome.message, NotFiniteWarning)
    return TrainingResult.of(outcome.checkpoint, outcome.reason)


def _train_on_cpu(job: Job, n_threads: int) -> Outcome:
    """Epoch after epoch; a callback's error is raised as it comes."""
    network, options, state, message = job.network, job.options, job.state, None
    batch_size = min(options.batch_size, len(job.data))
    n_workers = min(n_threads, count_lanes(network.specification.hidden_size, batch_size))
    with single_threaded_blas(), Workers(n_workers) as workers:
        gradients = BatchGradients(network, options.make_loss(), batch_size, workers)
        run = Run(network, job.data, options, gradients, state)
        try:
            while (reason := state.why_stop()) is None:
                check_wanted()
                report = run.epoch(job.validation, n_threads)
                if job.is_ended_by(report):
                    reason = "callback"
                    break
        except _NotFinite as problem:
            reason, state = "not_finite", run.epoch_start
            message = advise(str(problem), has_best=state.best_flat is not None)
        finally:
            checkpoint = state.checkpoint()
            if state.best_flat is not None:
                network.flat = state.best_flat
    return Outcome(reason, checkpoint, message)


def _check_arguments(
    network: Network,
    data: Dataset,
    options: TrainingOptions,
    validation: Dataset | None,
    callbacks: Sequence[Callback],
    resume_from: TrainingState | None,
) -> None:
    check_type("options", options, TrainingOptions, "pass TrainingOptions(...)")
    loss = options.make_loss()
    check_fit(network, data, loss)
    if validation is not None:
        check_fit(network, validation, loss)
    elif options.patience is not None:
        raise ValueError(
            f"patience: expected None without a validation set, got {options.patience}; "
            f"pass validation=Dataset(...) or drop it."
        )
    if not isinstance(callbacks, Sequence) or not all(map(callable, callbacks)):
        raise TypeError(
            f"callbacks: expected a list of functions, got {callbacks!r}; pass [function]."
        )
    if resume_from is not None:
        check_type("resume_from", resume_from, TrainingState, "pass result.checkpoint")


def evaluate(
    network: Network, data: Dataset, loss: Loss | str, *, n_threads: int | None = None
) -> float:
    """Mean loss of a data set, without penalties and dropout."""
    loss = as_loss(loss)
    check_fit(network, data, loss)
    raw = network.predict(data.windows, n_threads=n_threads)
    unused = np.empty_like(raw)
    total = loss.kernel(raw, data.targets, data.weights, loss.options, 0.0, unused)
    return float(total / total_weight(data.targets, data.weights))


class Run:
    """One call of ``train``: the epochs and steps."""

    def __init__(
        self,
        network: Network,
        data: Dataset,
        options: TrainingOptions,
        gradients: BatchGradients,
        state: TrainingState,
    ) -> None:
        self.network, self.data, self.options = network, data, options
        self.gradients, self.state = gradients, state
        self.optimizer = optimizer = options.make_optimizer()
        self.mask = network.layout.weight_mask()
        self.decay = self.mask * (options.l2 if optimizer.decoupled else 0.0)
        self.l2 = 0.0 if optimizer.decoupled else options.l2
        self.g = np.zeros_like(network.flat)
        self.last_finite = network.flat.copy()  # the loss was finite with these weights
        self.n_batches = -(-len(data) // options.batch_size)
        self.norm = self.rate = 0.0  # of the last step
        self.epoch_start = state  # a checkpoint as soon as an epoch begins

    def epoch(self, validation: Dataset | None, n_threads: int) -> EpochReport:
        """One pass over the data, scored on the validation set."""
        state, total, weight, largest = self.state, 0.0, 0.0, 0.0
        self.epoch_start = state.checkpoint()
        for number, batch in enumerate(self.batches()):
            batch_total, batch_weight = self.step(number, batch)
            total, weight = total + batch_total, weight + batch_weight
            largest = max(largest, self.norm)
        if not np.isfinite(self.network.flat).all():
            self._give_up("the weights are no longer finite", self.n_batches)
        scored = None
        if validation is not None:
            scored = evaluate(self.network, validation, self.gradients.loss, n_threads=n_threads)
            if not math.isfinite(scored):
                self._give_up(f"the loss of the validation set became {scored}", self.n_batches)
        state.record(total / weight, scored)
        return EpochReport(state.epoch, total / weight, scored, self.rate, largest, state)

    def step(self, number: int, batch: np.ndarray) -> tuple[float, float]:
        """One mini-batch: gradient, penalties, clipping, update."""
        state, options, flat = self.state, self.options, self.network.flat
        key = (options.seed, state.step)
        total, weight = self.gradients.compute(self.data, batch, key)
        if not math.isfinite(total):
            self._give_up(f"the loss became {total}", number + 1)
        norm = combine(
            self.gradients.lanes,
            flat,
            self.mask,
            options.l1,
            self.l2,
            options.value_limit,
            options.norm_limit,
            self.g,
        )
        if not math.isfinite(norm):
            self._give_up(f"the norm of the gradient became {norm}", number + 1)
        self.norm = norm
        self.last_finite[...] = flat
        self.rate = state.rate(state.step, state.epoch, self.n_batches)
        state.step += 1
        self.optimizer.update(flat, self.g, state.arrays, self.rate, state.step, self.decay)
        return total, weight

    def batches(self) -> Iterator[np.ndarray]:
        """Positions in the data set; the order depends on seed and epoch alone."""
        order = self.state.order(len(self.data), self.state.epoch)
        for start in range(0, len(order), self.options.batch_size):
            yield order[start : start + self.options.batch_size]

    def _give_up(self, what: str, batch: int) -> NoReturn:
        """Go back to the last weights with a finite loss and say what was odd."""
        self.network.flat = self.last_finite
        raise _NotFinite(describe(self.data, self.state.epoch + 1, batch, what, self.norm))
