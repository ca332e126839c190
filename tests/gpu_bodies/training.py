"""Runs of training: steps, schedules, early stopping, and many models side by side."""

import numpy as np
import pytest

from gruforecast.training import TrainingOptions
from tests.gpu_bodies.cards import changed, counted, with_blocks
from tests.gpu_bodies.problems import data_of, network_of
from tests.gpu_bodies.trials import (
    Trial,
    assert_alike,
    assert_same,
    check,
    make_trial,
    of_card,
    of_cpu,
)
from tests.helpers import next_row_data, small_network
from tests.test_training import ALL_CHOICES, reference_losses

CYCLE = {"learning_rate_schedule": "one_cycle", "max_epochs": 4}
PLATEAU = {
    "learning_rate_schedule": "plateau", "schedule_options": {"patience": 1, "tol": 0.1},
    "optimizer": "sgd", "max_epochs": 4,
}  # fmt: skip
EARLY = {"max_epochs": 40, "patience": 2, "learning_rate": 0.3, "tol": 0.01}
DEEP = {"num_layers": 2, "bidirectional": True, "dropout": 0.3, "recurrent_dropout": 0.3}


def mixed_trials():
    """Models that have nothing in common."""
    return [
        make_trial(),
        make_trial(n=9, n_steps=5, seed=1, cell="lstm", hidden_size=6, options=CYCLE),
        make_trial(n=17, seed=2, flags="future", cell="rnn", options={"learning_rate": 0.1}),
        make_trial(n_validated=0, seed=3, loss="quantile", layer_norm=True, hidden_size=5),
        make_trial(n=6, seed=4, flags="embeddings ragged", loss="cross_entropy", options=PLATEAU),
        make_trial(seed=5, reset_after=False, loss="gaussian", options=EARLY),
        make_trial(n=5, n_steps=1, seed=6, options={"batch_size": 64, "max_epochs": 1}),
    ]


def _nothing(report):
    """A callback."""


def small_trial(choices, n_rows=24):
    """Next rows of a wavy series, as the loop of the reference takes them."""
    given = {"max_epochs": 4, "learning_rate": 0.02, "batch_size": 8, "seed": 3} | choices
    data = data_of(data_of(next_row_data(n_rows, 3), "float32"), "float64")
    network = network_of(small_network(hidden_size=3, dtype="float32"), "float64")
    return Trial(network, data, TrainingOptions(**given))


class Training:
    @pytest.mark.parametrize("choices", ALL_CHOICES, ids=lambda c: "-".join(map(str, c.values())))
    def test_losses_equal_those_of_a_numpy_loop(self, card, tolerance, choices):
        trial = small_trial(choices)
        losses, weights = reference_losses(
            network_of(trial.network, "float64"), trial.data, trial.options
        )
        (run,) = of_card(card, trial)
        np.testing.assert_allclose(run.result.loss_curve, losses, rtol=tolerance)
        np.testing.assert_allclose(run.network.flat, weights, rtol=tolerance, atol=tolerance)

    @pytest.mark.parametrize("options", [EARLY, EARLY | {"patience": 4, "optimizer": "sgd"}])
    def test_early_stopping_gives_back_the_best_weights(self, card, tolerance, options):
        (run,) = check(card, make_trial(options=options), tolerance=tolerance)
        assert run.result.stopping_reason == "early_stopping"
        assert run.result.best_epoch < run.result.n_epochs - 1
        np.testing.assert_array_equal(run.network.flat, run.result.checkpoint.best_flat)
        assert (run.network.flat != run.result.checkpoint.flat).any()

    def test_tolerance_shortens_the_wait(self, card, tolerance):
        options = {"max_epochs": 8, "patience": 3, "learning_rate": 1e-3, "tol": 1.0}
        trial = make_trial(options=options)
        (run,) = check(card, trial._replace(validation=trial.data), tolerance=tolerance)
        assert run.result.n_epochs == 4  # each epoch is better than the last, but not by 1
        assert run.result.best_epoch == 4

    @pytest.mark.parametrize("options", [CYCLE, PLATEAU], ids=["one_cycle", "plateau"])
    def test_schedules_with_a_validation_set(self, card, tolerance, options):
        check(card, make_trial(options=options), tolerance=tolerance)

    @pytest.mark.parametrize("options", [{}, DEEP])
    def test_a_validation_set_of_longer_windows_and_more_of_them(self, card, tolerance, options):
        trial, other = make_trial(n=9, **options), make_trial(n=41, n_steps=5, seed=1, **options)
        check(card, trial._replace(validation=other.data), tolerance=tolerance)

    def test_a_gradient_whose_square_is_beyond_single_precision_is_clipped(self, card, tolerance):
        trial = make_trial(n=5, options={"optimizer": "sgd", "max_epochs": 1, "clip_norm": 1.0})
        trial.data.windows.series[:, 1] = 2.0**66
        trial.network.weights["layer0.w_x"][1] = 0.0
        check(card, trial._replace(validation=None), tolerance=tolerance)

    @pytest.mark.parametrize(("cell", "size"), [("gru", 256), ("lstm", 128)])
    def test_large_networks(self, card, tolerance, cell, size):
        """More than a card without a special permission holds in shared memory."""
        choices = {"cell": cell, "hidden_size": size, "reset_after": False}
        trial = make_trial(n=4, n_steps=2, n_validated=0, options={"max_epochs": 1}, **choices)
        least = 12_288 * card.real.itemsize  # numbers that 48 KiB hold in single precision
        with changed(card, shared_limit=max(card.shared_limit, least)):
            check(card, trial, tolerance=tolerance)

    def test_a_student_t_of_many_degrees(self, card, tolerance):
        trial = make_trial(n=5, loss="student_t", options={"max_epochs": 1})
        for at, degrees in ((2, 2.0**14), (5, 7.75)):
            trial.network.weights["head.w"][:, at] = 0.0
            trial.network.weights["head.b"][at] = degrees
        check(card, trial._replace(validation=None), tolerance=tolerance)

    @pytest.mark.parametrize("n_blocks", [1, 3, 40])
    def test_models_of_all_kinds_side_by_side(self, card, tolerance, n_blocks):
        with with_blocks(card, n_blocks):
            check(card, *mixed_trials(), tolerance=tolerance)

    @pytest.mark.parametrize("n_blocks", [1, 2, 3])
    def test_a_team_of_blocks(self, card, tolerance, n_blocks):
        trial = make_trial(
            n=70, n_validated=40, options={"batch_size": 37, "clip_norm": 0.1, "l1": 0.01}, **DEEP
        )
        with with_blocks(card, n_blocks):
            check(card, trial, tolerance=tolerance)

    def test_two_teams_of_three_blocks(self, card, tolerance):
        trials = [make_trial(n=30, seed=k, options={"batch_size": 12}) for k in range(2)]
        with with_blocks(card, 6):
            check(card, *trials, tolerance=tolerance)

    def test_the_same_bits_each_time(self, card):
        deep = make_trial(n=30, seed=9, options={"batch_size": 16, "max_epochs": 2}, **DEEP)
        trials, found = [deep, *mixed_trials()[:4]], []
        for number in range(3):
            with changed(card, seed=number), with_blocks(card, 11):  # in another order
                found.append(of_card(card, *trials))
        for runs in found[1:]:
            for run, expected in zip(runs, found[0], strict=True):
                assert_same(run, expected)

    def test_epochs_one_by_one_are_the_epochs_of_one_launch(self, card, monkeypatch):
        trials = [make_trial(options=EARLY), make_trial(seed=1, **DEEP)]
        with counted(card) as launches:
            expected = of_card(card, *trials)
        assert len(launches) == 1
        with counted(card) as launches:
            watched = of_card(card, *(t._replace(callbacks=[_nothing]) for t in trials))
        assert len(launches) == expected[0].result.n_epochs
        some, name = [], "gruforecast.training.cuda.launch.MOST_POSITIONS"
        for most in (1, 2 * 13 * len(trials)):
            monkeypatch.setattr(name, most)
            with counted(card) as launches:
                some.append(of_card(card, *trials))
            assert 1 < len(launches) <= expected[0].result.n_epochs
        for runs in (watched, *some):
            for run, other in zip(runs, expected, strict=True):
                assert_same(run, other)

    def test_stop_and_resume_equals_one_run(self, card):
        trials = [
            make_trial(n=11, options=CYCLE, **DEEP),
            make_trial(seed=1, options=PLATEAU),
            make_trial(seed=2, n_validated=0, options={"max_epochs": 4}),
        ]
        whole = of_card(card, *trials)
        stops = [trial._replace(callbacks=[lambda report: report.epoch == 2]) for trial in trials]
        halves = of_card(card, *stops)
        assert {half.result.stopping_reason for half in halves} == {"callback"}
        assert {half.result.n_epochs for half in halves} == {2}
        rest = [
            trial._replace(checkpoint=half.result.checkpoint)
            for trial, half in zip(trials, halves, strict=True)
        ]
        for run, expected in zip(of_card(card, *rest), whole, strict=True):
            assert_same(run, expected)

    def test_a_run_that_is_over_stays_over(self, card, tolerance):
        trials = [make_trial(options=EARLY), make_trial(seed=1)]
        over = of_card(card, *trials)
        again = [
            trial._replace(checkpoint=run.result.checkpoint)
            for trial, run in zip(trials, over, strict=True)
        ]
        fresh = make_trial(seed=2, options={"max_epochs": 5})
        *still, run = of_card(card, *again, fresh._replace(callbacks=[_nothing]))
        for one, other in zip(still, over, strict=True):
            assert_same(one, other)
        assert_alike(run, of_cpu(fresh), tolerance)
