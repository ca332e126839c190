"""Loss and every gradient of a mini-batch, against the reference and its differences."""

import numpy as np
import pytest

from gruforecast.training import TrainingOptions
from gruforecast.training.cuda import launch
from gruforecast.training.job import Job
from gruforecast.training.state import TrainingState
from tests.gpu_bodies.cards import in_place, with_blocks, with_shared
from tests.gpu_bodies.network import CASES, LIMITS, WIDE
from tests.gpu_bodies.problems import data_of, make_problem, network_of
from tests.test_gradients import CELLS, KEY, LOSS_OPTIONS, LOSSES, check_gradients

RATE = 1024.0  # a large step keeps the digits of a gradient beside the weights, a power of two all
SIZES = [
    (cell, 1, (), "ragged", (n, 3, 1 + hidden % 5, hidden), loss)
    for n, hidden, (cell, loss) in zip(
        (5, 33, 6, 17) * 3, (1, 3, 5, 8, 13, 3, 5, 8, 1, 13, 5, 8),
        [(cell, loss) for loss in LOSSES[::3] for cell in CELLS], strict=True,
    )
]  # fmt: skip


def step_of(card, problem):
    """What one step of plain gradient descent on all windows makes: loss, gradients by name."""
    network = network_of(problem.network, card.real)
    options = TrainingOptions(
        loss=problem.loss, loss_options=LOSS_OPTIONS.get(problem.loss, {}), optimizer="sgd",
        optimizer_options={"momentum": 0.0, "nesterov": False}, learning_rate=RATE,
        batch_size=len(problem.data), max_epochs=1, shuffle=False, seed=KEY[0],
    )  # fmt: skip
    state = TrainingState.start(network, options)
    state.step = KEY[1]
    job = Job(network, data_of(problem.data, card.real), options, None, state)
    with in_place(card):
        (outcome,) = launch.train_jobs([job], 0)
    assert (outcome.reason, outcome.message) == ("max_epochs", None)
    gradient = (problem.network.flat - network.flat) / RATE
    return outcome.checkpoint.loss_curve[0], problem.network.layout.views(gradient)


def check(card, problem, tolerance):
    loss, gradients = step_of(card, problem)
    expected = problem.reference_loss(problem.arrays())
    assert abs(loss - expected) <= tolerance * abs(expected)
    check_gradients(problem, gradients, 2, tolerance)


class Gradients:
    @pytest.mark.parametrize("case", CASES + SIZES, ids=str)
    def test_options(self, card, tolerance, case):
        check(card, make_problem(case), tolerance)

    @pytest.mark.parametrize("loss", LOSSES)
    def test_losses_of_missing_targets_with_weights(self, card, tolerance, loss):
        problem = make_problem(("rnn", 1, (), "", (14, 2, 1, 3), loss))
        assert np.isnan(problem.data.targets).any()
        assert np.ptp(problem.data.weights) > 0
        with with_blocks(card, 2):
            check(card, problem, tolerance)

    @pytest.mark.parametrize("n_numbers", LIMITS)
    def test_weights_outside_of_shared_memory(self, card, tolerance, n_numbers):
        with with_shared(card, n_numbers), with_blocks(card, 1):
            check(card, make_problem(WIDE), tolerance)
