"""Outputs, last states and every state of networks, against the reference."""

import itertools

import numpy as np
import pytest

from gruforecast.network.cuda import inference
from tests.gpu_bodies.cards import in_place, with_blocks, with_shared
from tests.gpu_bodies.problems import make_problem, network_of, windows_of
from tests.test_gradients import CELLS

# Cell, layers, dense sizes, flags, (N, T, F, H), loss. The first ten hold all pairs of options.
CASES = [
    ("gru_before", 1, (5, 3), "bidirectional norm future", (9, 3, 1, 3), "huber"),
    ("lstm", 2, (), "ragged dropout recurrent embeddings", (7, 4, 5, 5), "gaussian"),
    ("gru_after", 2, (), "bidirectional recurrent normalised", (33, 2, 2, 3), "quantile"),
    ("rnn", 2, (4,), "bidirectional norm ragged dropout embeddings normalised", (5, 3, 4, 8),
     "cross_entropy"),
    ("gru_after", 1, (5, 3), "ragged embeddings future normalised", (19, 4, 3, 5), "gaussian"),
    ("rnn", 1, (), "recurrent future", (17, 3, 3, 13), "absolute_error"),
    ("lstm", 2, (), "norm dropout future normalised", (6, 3, 2, 3), "poisson"),
    ("gru_before", 2, (), "ragged dropout recurrent embeddings normalised", (18, 3, 4, 5),
     "student_t"),
    ("lstm", 1, (5, 3), "bidirectional ragged recurrent normalised", (5, 5, 5, 8), "huber"),
    ("gru_after", 2, (), "norm dropout recurrent embeddings future", (5, 4, 4, 8),
     "squared_error"),
    ("gru_before", 2, (), "bidirectional norm ragged dropout recurrent", (7, 3, 2, 5), "quantile"),
    ("lstm", 2, (), "bidirectional norm ragged dropout recurrent", (6, 3, 2, 5), "student_t"),
    ("gru_after", 1, (), "ragged", (5, 6, 1, 13), "poisson"),
    ("gru_after", 1, (), "", (1, 2, 1, 1), "squared_error"),
    ("gru_before", 1, (), "", (1, 1, 2, 13), "squared_error"),
    ("lstm", 1, (), "ragged", (33, 2, 1, 1), "student_t"),
    ("rnn", 2, (4,), "bidirectional dropout recurrent", (34, 2, 1, 1), "absolute_error"),
]  # fmt: skip
SIZES = [  # that do and do not fill tiles of four, of all cells
    (cell, 1, (), "ragged" * (n > 1), (n, 3, 1 + (n + hidden) % 5, hidden), "squared_error")
    for (cell, hidden), n in zip(
        itertools.product(CELLS, (1, 3, 5, 8, 13)), itertools.cycle((1, 5, 33)), strict=False
    )
]  # fmt: skip
WIDE = ("gru_after", 1, (), "ragged", (33, 2, 2, 20), "squared_error")
LIMITS = [5500, 4500]  # numbers of shared memory: too few for its weights, or for 32 windows too


def found_by(card, problem, what, shape):
    """What a card makes of the windows of a problem."""
    network = network_of(problem.network, card.real)
    windows = windows_of(problem.data.windows, card.real)
    out = np.full(shape, np.nan, card.real)
    with in_place(card):
        inference.run(network, windows, out, gpu=0, what=what)
    return out


def check(card, problem, tolerance):
    """Everything that a network can be asked for; in passes that do not train, without dropout."""
    problem = problem._replace(masks={})
    arrays = problem.arrays()
    every, last = problem.reference_states(arrays)
    for what, expected in (
        ("outputs", problem.reference_raw(arrays)), ("last", last), ("every", every.swapaxes(0, 1)),
    ):  # fmt: skip
        found = found_by(card, problem, what, expected.shape)
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance, err_msg=what)


class Networks:
    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_options(self, card, tolerance, case):
        check(card, make_problem(case), tolerance)

    @pytest.mark.parametrize("case", SIZES, ids=str)
    def test_sizes(self, card, tolerance, case):
        check(card, make_problem(case), tolerance)

    @pytest.mark.parametrize("n_numbers", LIMITS)
    def test_weights_outside_of_shared_memory(self, card, tolerance, n_numbers):
        with with_shared(card, n_numbers), with_blocks(card, 2):
            check(card, make_problem(WIDE), tolerance)
