"""Runs of training that a card and the CPU make alike, the CPU in float64.

All numbers are ones of float32, so that a card that has no others starts with the same.
"""

import copy
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gruforecast.network import Network, Specification
from gruforecast.training import (
    Dataset,
    NotFiniteWarning,
    TrainingOptions,
    TrainingResult,
    evaluate,
    train,
)
from gruforecast.training.cuda import launch
from gruforecast.training.job import Callback, Job
from gruforecast.training.state import TrainingState
from tests.gpu_bodies.cards import in_place
from tests.gpu_bodies.problems import (
    EMBEDDINGS,
    N_AHEAD,
    N_KNOWN,
    data_of,
    make_windows,
    network_of,
    rounded,
)
from tests.test_gradients import LOSS_OPTIONS, WIDTHS


class Trial(NamedTuple):
    """What is trained, and from where on; nothing of it changes."""

    network: Network
    data: Dataset
    options: TrainingOptions
    validation: Dataset | None = None
    callbacks: Sequence[Callback] = ()
    checkpoint: TrainingState | None = None


class Run(NamedTuple):
    """How it went."""

    network: Network
    result: TrainingResult
    message: str | None
    error: BaseException | None = None


def make_trial(
    n=13, n_steps=3, n_validated=6, flags="", seed=0, loss="squared_error", options=None, **choices
):
    """A network of three units on windows of noise; some targets are missing."""
    rng, flags = np.random.default_rng(seed), flags.split()
    n_targets = N_AHEAD if "future" in flags else 1 if loss == "cross_entropy" else 2
    if "future" in flags:
        choices |= {"n_future_steps": N_AHEAD, "n_future_features": N_KNOWN, "future_size": 5}
    if "embeddings" in flags:
        choices |= {"n_features": 3, "embeddings": EMBEDDINGS}
    n_outputs = 3 if loss == "cross_entropy" else n_targets * WIDTHS.get(loss, 1)
    choices = {"n_features": 2, "hidden_size": 3, "n_outputs": n_outputs} | choices
    network = Network(Specification(dtype="float64", **choices), seed=seed)
    network.flat[...] = rounded(network.flat)

    def dataset(n):
        targets = rng.normal(size=(n, n_targets))
        if loss in ("poisson", "cross_entropy"):
            targets = rng.integers(0, 3, targets.shape).astype("float64")
        targets[rng.random(targets.shape) < 0.2] = np.nan
        targets[0] = 1.0
        windows, _ = make_windows(network.specification, n, n_steps, flags, rng)
        return Dataset(windows, rounded(targets), rounded(rng.uniform(0.5, 2.0, n)))

    options = {"loss": loss, "max_epochs": 3, "batch_size": 5, "seed": seed} | (options or {})
    options = {"learning_rate": 0.02, "loss_options": LOSS_OPTIONS.get(loss, {})} | options
    data = dataset(n)
    return Trial(network, data, TrainingOptions(**options), dataset(n_validated or 1))._replace(
        **({} if n_validated else {"validation": None})
    )


def of_card(card, *trials):
    """Train all at once on a card."""
    jobs = [job_of(trial, card.real) for trial in trials]
    with in_place(card):
        outcomes = launch.train_jobs(jobs, 0)
    runs = []
    for job, (reason, checkpoint, message, error) in zip(jobs, outcomes, strict=True):
        runs.append(Run(job.network, TrainingResult.of(checkpoint, reason), message, error))
    return runs


def job_of(trial, dtype):
    network = network_of(trial.network, dtype)
    data, validation = (one and data_of(one, dtype) for one in (trial.data, trial.validation))
    if trial.checkpoint is None:
        state = TrainingState.start(network, trial.options)
        if validation is not None:
            loss = trial.options.make_loss()
            state.record_start(evaluate(network, validation, loss, n_threads=1))
    else:
        state = trial.checkpoint.resume(network, trial.options, validated=validation is not None)
    return Job(network, data, trial.options, validation, state, trial.callbacks)


def of_cpu(trial):
    """Train one on the CPU."""
    network = copy.deepcopy(trial.network)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", NotFiniteWarning)
        result = train(
            network, trial.data, trial.options, validation=trial.validation,
            resume_from=trial.checkpoint, callbacks=trial.callbacks, n_threads=1,
        )  # fmt: skip
    messages = [str(one.message) for one in caught]
    return Run(network, result, messages[0] if messages else None)


def assert_alike(found, expected, tolerance):
    """Two runs that went the same way, with numbers that are so near."""
    one, other = found.result, expected.result
    for name in ("n_epochs", "best_epoch", "stopping_reason"):
        assert getattr(one, name) == getattr(other, name), name
    for name in ("step", "epoch", "waited", "best_epoch"):
        assert getattr(one.checkpoint, name) == getattr(other.checkpoint, name), name
    assert (found.message is None) == (expected.message is None)
    numbers = [
        (found.network.flat, expected.network.flat), (one.loss_curve, other.loss_curve),
        (one.validation_curve, other.validation_curve), (one.best_loss, other.best_loss),
    ]  # fmt: skip
    for name in ("flat", "arrays", "best_flat", "waited_for"):
        pair = [getattr(result.checkpoint, name) for result in (one, other)]
        assert (pair[0] is None) == (pair[1] is None), name
        if pair[0] is not None:
            numbers.append(tuple(pair))
    for pair in numbers:
        np.testing.assert_allclose(*pair, rtol=tolerance, atol=tolerance)


def assert_same(found, expected):
    """Two runs with the same bits."""
    assert_alike(found, expected, 0.0)
    assert found.message == expected.message


def check(card, *trials, tolerance):
    """Trained all at once on a card, each as the CPU trains it alone."""
    runs = of_card(card, *trials)
    for run, trial in zip(runs, trials, strict=True):
        assert_alike(run, of_cpu(trial), tolerance)
    return runs
