"""Noise on inputs and shifts in time: in training alone, and the same for any threads."""

import numpy as np
import pytest

from gruforecast.network import Network, Specification, Windows
from gruforecast.network.windows import load_windows
from gruforecast.training import Dataset, TrainingOptions, evaluate, train
from gruforecast.training.disturbance import Disturbance

KEY = (7, 2)
N, T, WIDTH = 90, 23, 3


def windows(dtype="float64"):
    """Two numeric columns, one of categories; ragged, one without a row."""
    rng = np.random.default_rng(0)
    series = np.column_stack([np.arange(400.0), rng.normal(size=400), rng.integers(0, 3, 400)])
    lengths = rng.integers(1, T + 1, N)
    lengths[:40], lengths[50] = T, 0
    return Windows(series, rng.integers(0, 400 - T, N), T, lengths=lengths, dtype=dtype)


def read(members, noise=(0.0, 0.0), shift=0.0, position=0, key=KEY):
    """Rows of some windows (T', N, F) as training reads them."""
    rows = np.zeros((-(-T // WIDTH), len(members), WIDTH, 3))
    load_windows(windows(), members, 2, rows)
    Disturbance(np.array(noise), shift).apply(rows, windows(), members, position, key)
    return rows.swapaxes(1, 2).reshape(-1, len(members), 3)


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.35, 1.0])
def test_windows_are_moved_and_their_ends_repeat(shift):
    plain, moved = read(np.arange(N)), read(np.arange(N), shift=shift)
    seen = []
    for i, length in enumerate(windows().lengths):
        first = len(plain) - length
        np.testing.assert_array_equal(moved[:first, i], plain[:first, i])
        reach = int(np.floor(shift * length + 1e-9))
        steps = np.arange(first, len(plain))
        fitting = [
            by
            for by in range(-reach, reach + 1)
            if (moved[steps, i] == plain[np.clip(steps + by, first, len(plain) - 1), i]).all()
        ]
        assert fitting, i
        seen += fitting if length == T else []
    reach = int(np.floor(shift * T + 1e-9))
    assert {-reach, reach} <= set(seen)
    assert abs(np.mean(seen)) <= 0.4 * reach


def test_noise_has_the_deviation_asked_for_and_leaves_categories():
    plain, noisy = read(np.arange(N)), read(np.arange(N), noise=(0.2, 0.0))
    np.testing.assert_array_equal(noisy[..., 1:], plain[..., 1:])
    steps = np.arange(len(plain))[:, None] >= len(plain) - windows().lengths
    noise = (noisy - plain)[..., 0]
    assert not noise[~steps].any()
    assert abs(noise[steps].mean()) < 0.02
    assert noise[steps].std() == pytest.approx(0.2, rel=0.1)
    assert np.unique(noise[steps].round(12)).size == steps.sum()
    other = read(np.arange(N), noise=(0.2, 0.0), key=(7, 3))
    assert abs(np.corrcoef((other - plain)[..., 0][steps], noise[steps])[0, 1]) < 0.1


def test_what_is_drawn_depends_on_the_place_in_the_batch_alone():
    every = read(np.arange(N), (0.3, 0.1), 0.2)
    part = read(np.arange(30, 47), (0.3, 0.1), 0.2, position=30)
    np.testing.assert_array_equal(part, every[:, 30:47])


def problem(seed=1):
    table = windows("float32")
    data = Dataset(table, np.random.default_rng(1).normal(size=N))
    spec = Specification(3, hidden_size=4, segment_length=WIDTH, embeddings=((3, 2),))
    return Network(spec, seed=seed), data


@pytest.mark.usefixtures("many_shards")
def test_training_has_the_same_bits_for_any_threads_and_when_it_goes_on():
    options = TrainingOptions(
        max_epochs=4, batch_size=70, input_noise=(0.2, 0.1), time_shift=0.2, seed=3
    )
    found = []
    for n_threads in (1, 2):
        network, data = problem()
        train(network, data, options, n_threads=n_threads)
        found.append(network.flat)
    network, data = problem()
    earlier = train(network, data, TrainingOptions(**vars(options) | {"max_epochs": 2}))
    train(network, data, options, resume_from=earlier.checkpoint)
    plain, data = problem()
    train(plain, data, TrainingOptions(**vars(options) | {"input_noise": 0.0, "time_shift": 0.0}))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], network.flat)
    assert (plain.flat != found[0]).any()


def test_neither_validation_nor_prediction_is_disturbed():
    network, data = problem()
    options = TrainingOptions(max_epochs=3, learning_rate=1e-30, input_noise=5.0, time_shift=0.5)
    run = train(network, data, options, validation=data)
    loss = evaluate(network, data, "squared_error")
    assert run.validation_curve == [loss] * 3
    assert loss not in run.loss_curve


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_noise": -0.1}, "input_noise: expected a finite number .*, got -0.1"),
        ({"input_noise": (0.1, -1)}, r"input_noise\[1\]: expected a finite number .*, got -1"),
        ({"input_noise": "much"}, "input_noise: expected a number, got 'much'"),
        ({"time_shift": 1.5}, "time_shift: expected .* in .*1., got 1.5"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        TrainingOptions(**options)


def test_noise_is_for_each_numeric_column():
    network, data = problem()
    with pytest.raises(
        ValueError, match="input_noise: expected one number for each of the 2 numeric"
    ):
        train(network, data, TrainingOptions(input_noise=(0.1, 0.1, 0.1)))
