"""Epochs and steps of one run on the CPU."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from typing import NoReturn

import numpy as np

from gruforecast.network import Network
from gruforecast.training.dataset import Dataset, total_weight
from gruforecast.training.finite import describe
from gruforecast.training.gradients import BatchGradients, check_fit, combine
from gruforecast.training.losses import Loss, as_loss
from gruforecast.training.options import TrainingOptions
from gruforecast.training.state import EpochReport, TrainingState

PARTS = 8  # of an epoch, after each of which a thread may take up another run


class NotFinite(Exception):
    """Says where and what."""


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
    """The epochs and steps of one network."""

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

    def epoch(
        self, validation: Dataset | None, n_threads: int
    ) -> Generator[None, None, EpochReport]:
        """One pass over the data, part by part, scored on the validation set."""
        state, total, weight, largest = self.state, 0.0, 0.0, 0.0
        of_part = -(-self.n_batches // PARTS)
        self.epoch_start = state.checkpoint()
        for number, batch in enumerate(self.batches()):
            if number and number % of_part == 0:
                yield
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
        raise NotFinite(describe(self.data, self.state.epoch + 1, batch, what, self.norm))
