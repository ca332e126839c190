"""Segments, segments ahead, shortcuts and pooled states: what the CPU makes of them in float64."""

from types import SimpleNamespace

import numpy as np
import pytest

from gruforecast.training import loss_and_gradients
from tests import test_segments
from tests.gpu_bodies.cards import with_blocks, with_shared
from tests.gpu_bodies.gradients import step_of
from tests.gpu_bodies.network import found_by
from tests.gpu_bodies.problems import data_of, rounded
from tests.gpu_bodies.trials import check, make_trial

# Rows of a segment, segments ahead, outputs, rows, options: all that goes together.
ALL = {"num_layers": 2, "bidirectional": True, "dropout": 0.3, "recurrent_dropout": 0.4}
FUTURE = {"n_future_steps": 3, "n_future_features": 2, "future_size": 5}
MORE = {
    "all, before": (
        3, 2, 6, 7,
        {**ALL, "layer_norm": True, "reset_after": False, "embeddings": ((3, 2),), "n_lags": 3},
    ),
    "all, lstm": (2, 3, 6, 7, {**ALL, **FUTURE, "cell": "lstm", "dense_sizes": (5,), "n_lags": 9}),
    "three layers": (2, 3, 6, 7, {**FUTURE, "num_layers": 3, "dropout": 0.3}),
    "rnn, recurrent": (
        1, 3, 7, 4, {"cell": "rnn", "bidirectional": True, "recurrent_dropout": 0.4}
    ),
    "one segment": (5, 1, 1, 4, {"reset_after": False, "recurrent_dropout": 0.4}),
}  # fmt: skip
CASES = test_segments.CASES | MORE
DISTURBED = [{"input_noise": (0.3, 0.0)}, {"time_shift": 0.6}]
DISTURBED += [{"input_noise": 0.2, "time_shift": 1.0}]


def make_problem(case):
    """As ``tests.test_segments`` makes it, of numbers of float32."""
    network, data = test_segments.make(CASES[case])
    network.flat[...] = rounded(network.flat)
    data = data_of(data_of(data, "float32"), "float64")
    return SimpleNamespace(network=network, data=data, loss="squared_error")


class Segments:
    @pytest.mark.parametrize("case", list(CASES)[::4])  # gradients begin with outputs, too
    def test_networks(self, card, tolerance, case):
        problem = make_problem(case)
        network, windows = problem.network, problem.data.windows
        for what, expected in (
            ("outputs", network.predict(windows)),
            ("last", network.encode(windows)),
            ("every", network.encode(windows, every_step=True)),
        ):
            found = found_by(card, problem, what, expected.shape)
            np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance, err_msg=what)

    @pytest.mark.parametrize("case", CASES)
    def test_gradients(self, card, tolerance, case):
        problem = make_problem(case)
        with with_blocks(card, 2):
            loss, gradients = step_of(card, problem)
        expected = loss_and_gradients(
            problem.network, problem.data, problem.loss, key=test_segments.KEY
        )
        assert abs(loss - expected.loss) <= tolerance * expected.loss
        for name, gradient in expected.weights.items():
            largest = np.abs(gradient).max()
            np.testing.assert_allclose(
                gradients[name], gradient, rtol=0, atol=10 * tolerance * largest, err_msg=name
            )

    @pytest.mark.parametrize("n_blocks", [1, 3])
    @pytest.mark.parametrize("cell", ["gru", "lstm"])
    def test_training_with_longer_windows_to_validate(self, card, tolerance, n_blocks, cell):
        choices = {"segment_length": 2, "decoder_steps": 2, "cell": cell, "n_lags": 4, **ALL}
        flags = "ragged normalised embeddings"
        trial = make_trial(n=23, n_steps=4, flags=flags, options={"batch_size": 18}, **choices)
        other = make_trial(n=9, n_steps=7, seed=1, flags=flags, **choices)
        with with_blocks(card, n_blocks):
            check(card, trial._replace(validation=other.data), make_trial(), tolerance=tolerance)

    @pytest.mark.parametrize("options", DISTURBED, ids=str)
    @pytest.mark.parametrize("shape", [{}, {"segment_length": 2, "decoder_steps": 2, "n_lags": 4}])
    def test_windows_that_are_disturbed(self, card, tolerance, options, shape):
        flags = "ragged normalised" + " embeddings" * ("time_shift" in options)
        options = options | {"batch_size": 18}
        trial = make_trial(n=23, n_steps=5, flags=flags, options=options, **shape)
        other = make_trial(n=9, n_steps=8, seed=1, flags=flags, **shape)
        with with_blocks(card, 3):
            check(card, trial._replace(validation=other.data), tolerance=tolerance)

    def test_weights_outside_of_shared_memory(self, card, tolerance):
        trial = make_trial(
            n=33, n_validated=0, hidden_size=20, segment_length=2, decoder_steps=2,
            options={"max_epochs": 1, "batch_size": 33},
        )  # fmt: skip
        with with_shared(card, 5500), with_blocks(card, 1):
            check(card, trial, tolerance=tolerance)
