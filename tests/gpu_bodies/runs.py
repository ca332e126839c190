"""How runs on a card end: numbers that are not finite, callbacks, errors, too little memory."""

import re

import numpy as np
import pytest

from gruforecast.training.cuda import launch
from tests.gpu_bodies.cards import changed, counted, in_place, with_blocks, with_shared
from tests.gpu_bodies.network import found_by
from tests.gpu_bodies.problems import make_problem
from tests.gpu_bodies.trials import assert_alike, assert_same, job_of, make_trial, of_card, of_cpu

SGD = {"optimizer": "sgd", "shuffle": False}


def large(card, power):
    """10 ** power in float64, about the same share of what float32 can hold in that."""
    return float(np.float32(10.0 ** (power * 38 // 308))) if card.real == "f4" else 10.0**power


def with_target(data, value):
    """Make the first target so large."""
    data.targets[0] = value
    return data


def loss_of_first_batch(card):
    trial = make_trial(options=SGD)
    with_target(trial.data, large(card, 200))
    return trial, "epoch 1, batch 1: .* the loss became inf"


def loss_of_second_batch(card):
    trial = make_trial(options=SGD | {"learning_rate": large(card, 250)})
    return trial, "epoch 1, batch 2: .* the loss became (inf|nan)"


def norm(card):
    trial = make_trial(options=SGD)
    with_target(trial.data, large(card, 150))
    power = 155 if card.real == "f4" else 60  # beyond what a GPU rescues by scaling, too
    trial.network.weights["head.w"][...] = large(card, power)
    return trial, "epoch 1, batch 1: .* the norm of the gradient became inf"


def weights(card):
    trial = make_trial(options=SGD | {"learning_rate": large(card, 307), "batch_size": 64})
    with_target(trial.data, 1e5)
    return trial, "epoch 1, batch 1: .* the weights are no longer finite"


def weights_of_first_batch(card):
    trial = make_trial(options=SGD | {"learning_rate": large(card, 307)})
    with_target(trial.data, 1e5)
    return trial, "epoch 1, batch 2: .* the loss became (inf|nan)"


def validation(card):
    trial = make_trial(options=SGD)
    with_target(trial.validation, large(card, 200))
    return trial, "epoch 1, batch 3: .* the loss of the validation set became inf"


NOT_FINITE = [
    loss_of_first_batch, loss_of_second_batch, norm, weights, weights_of_first_batch, validation,
]  # fmt: skip


def numbers_of(report):
    """All that a callback is told."""
    state = report.state
    return np.concatenate(
        [
            [report.epoch, report.loss, report.validation_loss],
            [report.learning_rate, report.gradient_norm, state.step, state.best_loss],
            state.flat, state.arrays.ravel(), state.best_flat,
        ]
    )  # fmt: skip


class Runs:
    @pytest.mark.parametrize("make", NOT_FINITE, ids=lambda make: make.__name__)
    def test_numbers_that_are_not_finite(self, card, make):
        trial, message = make(card)
        before = trial.network.flat.copy()
        (run,) = of_card(card, trial)
        assert run.result.stopping_reason == "not_finite"
        assert run.result.loss_curve == run.result.validation_curve == []
        np.testing.assert_array_equal(run.result.checkpoint.flat, before)
        assert not run.result.checkpoint.arrays.any()
        assert re.match(message, run.message)
        if make is not validation:
            np.testing.assert_array_equal(run.network.flat, before)
        if card.real == "f8":
            expected = of_cpu(trial)
            assert_alike(run, expected, 1e-12)
            assert run.message == expected.message

    def test_after_some_epochs_the_last_complete_one_is_kept_and_the_best_weights_come_back(
        self, card
    ):
        trial = make_trial(options={"max_epochs": 5})
        (half,) = of_card(card, trial._replace(callbacks=[lambda report: report.epoch == 2]))
        checkpoint = half.result.checkpoint
        checkpoint.flat[-1] = large(card, 250)
        (run,) = of_card(card, trial._replace(checkpoint=checkpoint))
        assert run.result.stopping_reason == "not_finite"
        assert run.message.startswith("epoch 3, batch 1: ")
        assert "the best weights come back" in run.message
        assert run.result.checkpoint.epoch == 2
        assert run.result.loss_curve == half.result.loss_curve
        np.testing.assert_array_equal(run.result.checkpoint.flat, checkpoint.flat)
        np.testing.assert_array_equal(run.result.checkpoint.arrays, checkpoint.arrays)
        np.testing.assert_array_equal(run.network.flat, half.network.flat)

    def test_what_explodes_does_not_touch_the_others(self, card, tolerance):
        exploding, _ = loss_of_second_batch(card)
        exploding = make_trial(n=40, hidden_size=13, layer_norm=True)._replace(
            options=exploding.options
        )
        others = [make_trial(seed=1, layer_norm=True, hidden_size=5), make_trial(seed=2)]
        with with_blocks(card, 1):
            *runs, odd = of_card(card, *others, exploding)
        assert odd.result.stopping_reason == "not_finite"
        for run, trial in zip(runs, others, strict=True):
            assert_alike(run, of_cpu(trial), tolerance)

    def test_a_batch_without_targets(self, card, tolerance):
        trial = make_trial(options={"shuffle": False})
        trial.data.targets[5:10] = np.nan
        (run,) = of_card(card, trial)
        assert_alike(run, of_cpu(trial), tolerance)

    def test_callbacks_are_told_what_those_of_the_cpu_are(self, card, tolerance):
        trial = make_trial(options={"learning_rate_schedule": "cosine", "clip_norm": 1e-3})
        told = []
        for train in (lambda trial: of_card(card, trial), of_cpu):
            told.append([])
            train(trial._replace(callbacks=[lambda report: told[-1].append(numbers_of(report))]))
        assert len(told[0]) == 3
        for found, expected in zip(*told, strict=True):
            np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)

    @pytest.mark.parametrize("error", [RuntimeError("wished for"), KeyboardInterrupt()])
    def test_an_error_of_a_callback_ends_its_own_run(self, card, error):
        def fail(report):
            if report.epoch == 2:
                raise error

        trials = [make_trial(seed=seed, options={"max_epochs": 4}) for seed in range(3)]
        expected = of_card(card, *trials)
        wishes = [[fail], [lambda report: report.epoch == 3], ()]
        first, second, third = of_card(
            card, *(t._replace(callbacks=wish) for t, wish in zip(trials, wishes, strict=True))
        )
        assert first.error is error
        assert first.result.loss_curve == expected[0].result.loss_curve[:2]
        np.testing.assert_array_equal(first.network.flat, first.result.checkpoint.best_flat)
        assert second.error is None
        assert (second.result.stopping_reason, second.result.n_epochs) == ("callback", 3)
        assert_same(third, expected[2])

    def test_after_an_error_of_the_card_the_best_weights_come_back(self, card):
        trial, best, launched = make_trial(), [], []
        run = card.launch

        def break_down(*arguments, **options):
            launched.append(arguments)
            if len(launched) == 3:
                raise RuntimeError("the card is gone")
            run(*arguments, **options)

        def note(report):
            best[:] = [report.state.best_flat.copy()]

        job = job_of(trial._replace(callbacks=[note]), card.real)
        broken, error = changed(card, launch=break_down), pytest.raises(RuntimeError, match="gone")
        with broken, in_place(card), error:
            launch.train_jobs([job], 0)
        np.testing.assert_array_equal(job.network.flat, best[0])
        assert (job.network.flat != trial.network.flat).any()

    def test_little_memory_makes_fewer_blocks(self, card, tolerance):
        trials = [make_trial(n=30, seed=seed, options={"batch_size": 30}) for seed in range(2)]
        message = "device: expected ([0-9]+) free bytes on the GPU .* got 999; free some, shorten"
        with with_blocks(card, 8), counted(card) as n_blocks:
            expected = of_card(card, *trials)
            with changed(card, free_memory=lambda: 999):
                refused = of_card(card, *trials)
            assert [type(run.error) for run in refused] == [MemoryError] * 2
            need = 8 * int(re.match(message, str(refused[0].error))[1])  # of a team of four blocks
            with changed(card, free_memory=lambda: 2 * need):
                found = of_card(card, *trials)
        assert n_blocks == [8, 4]
        for run, other in zip(found, expected, strict=True):
            assert_alike(run, other, tolerance)

    def test_states_that_do_not_fit_shared_memory(self, card):
        problem = make_problem(("lstm", 1, (), "", (3, 2, 1, 300), "squared_error"))
        message = "hidden_size: expected units whose states fit the GPU's .* got 300; lower it"
        with with_shared(card, 4096), pytest.raises(ValueError, match=message):
            found_by(card, problem, "last", (3, 300))
        trials = [make_trial(), make_trial(hidden_size=300), make_trial(seed=1)]
        with with_shared(card, 4096):
            one, refused, other = of_card(card, *trials)
        assert re.match(message, str(refused.error))
        assert (refused.network.flat == trials[1].network.flat).all()
        for run in (one, other):  # the others do not suffer
            assert (run.error, run.result.stopping_reason) == (None, "max_epochs")
