"""The training loop against a NumPy loop, and what it promises: resume, stop, guard."""

import tracemalloc

import numpy as np
import pytest

from gruforecast.network import Windows
from gruforecast.training import (
    Dataset,
    TrainingOptions,
    loss_and_gradients,
    make_loss,
    train,
)
from tests import reference, reference_training
from tests.helpers import next_row_data, small_network

ALL_CHOICES = [
    {"optimizer": "sgd"},
    {"optimizer": "sgd", "optimizer_options": {"momentum": 0.5, "nesterov": False}},
    {"optimizer": "rmsprop", "clip_norm": 0.1},
    {"optimizer": "adagrad", "clip_value": 0.01},
    {"optimizer": "adam", "l1": 0.01, "l2": 0.02},
    {"optimizer": "adamw", "l2": 0.3, "clip_norm": 0.5, "clip_value": 0.2},
    {"learning_rate_schedule": "step", "schedule_options": {"step_epochs": 2, "factor": 0.3}},
    {"learning_rate_schedule": "exponential", "schedule_options": {"factor": 0.7}},
    {"learning_rate_schedule": "cosine", "schedule_options": {"floor": 0.1}},
    {"learning_rate_schedule": "one_cycle", "schedule_options": {"warm_up": 0.4}},
    {"learning_rate_schedule": "plateau", "schedule_options": {"patience": 1, "tol": 0.05}},
    {"shuffle": False, "batch_size": 50},
]


def reference_losses(network, data, options):
    """Ten epochs of the same run with the reference's optimiser, schedule and penalties."""
    flat = network.flat.copy()
    mask = network.layout.weight_mask()
    decoupled = options.optimizer == "adamw"
    optimizer = reference_training.OPTIMIZERS[options.optimizer](
        **options.optimizer_options, **({"decay": options.l2 * mask} if decoupled else {})
    )
    plateau = (
        reference_training.Plateau(options.learning_rate, **options.schedule_options)
        if (options.learning_rate_schedule == "plateau")
        else None
    )
    n_batches = -(-len(data) // options.batch_size)
    losses, rate, step = [], options.learning_rate, 0
    for epoch in range(options.max_epochs):
        order = np.arange(len(data))
        if options.shuffle:
            np.random.default_rng((options.seed, epoch)).shuffle(order)
        total = 0.0
        for start in range(0, len(order), options.batch_size):
            batch = order[start : start + options.batch_size]
            network.flat[...] = flat
            loss, gradient = batch_loss_and_gradient(network, data, batch)
            total += loss * len(batch)
            gradient = reference_training.add_penalties(
                gradient, flat, mask, options.l1, 0.0 if decoupled else options.l2
            )
            gradient = reference_training.clip(gradient, options.clip_value, options.clip_norm)
            if plateau is None:
                rate = reference_training.schedule_value(
                    options.learning_rate_schedule,
                    options.learning_rate,
                    step,
                    n_batches * options.max_epochs,
                    epoch,
                    options.max_epochs,
                    **options.schedule_options,
                )
            flat = optimizer.step(flat, gradient, rate)
            step += 1
        losses.append(total / len(data))
        if plateau is not None:
            rate = plateau.update(losses[-1])
    return losses, flat


def batch_loss_and_gradient(network, data, batch):
    """Loss of a batch by the reference, its gradient by the tested backward pass."""
    windows = data.windows
    x = np.stack([windows.series[s : s + windows.n_steps] for s in windows.starts[batch]], axis=1)
    _, last = reference.network_forward(network.weights, x, cell="gru", n_layers=1)
    raw = reference.head_forward(network.weights, last)
    loss = reference.loss_value("squared_error", raw, data.targets[batch])
    part = Dataset(
        Windows(windows.series, windows.starts[batch], windows.n_steps, dtype="float64"),
        data.targets[batch],
    )
    found = loss_and_gradients(network, part, make_loss("squared_error"))
    return loss, np.concatenate([g.ravel() for g in found.weights.values()])


@pytest.mark.parametrize("choices", ALL_CHOICES, ids=lambda c: "-".join(map(str, c.values())))
def test_ten_losses_equal_those_of_a_numpy_loop(choices):
    data = next_row_data(n_rows=100)
    options = TrainingOptions(
        **{"max_epochs": 10, "learning_rate": 0.02, "batch_size": 40, "seed": 3} | choices
    )
    expected, weights = reference_losses(small_network(), data, options)
    network = small_network()
    result = train(network, data, options)
    np.testing.assert_allclose(result.loss_curve, expected, rtol=1e-9)
    np.testing.assert_allclose(network.flat, weights, rtol=1e-7, atol=1e-10)


def test_missing_targets_and_zero_weights_do_not_train():
    complete = next_row_data(n_rows=72)
    targets = complete.targets.copy()
    targets[::3] = np.nan
    weights = np.ones(len(targets))
    weights[1::3] = 0.0
    present = np.arange(2, len(targets), 3)
    some = Dataset(complete.windows, targets, weights)
    only = Dataset(
        Windows(complete.windows.series, present, 12, dtype="float64"), complete.targets[present]
    )
    loss = make_loss("squared_error")
    network = small_network()
    found, expected = (loss_and_gradients(network, part, loss) for part in (some, only))
    assert found.loss == pytest.approx(expected.loss, rel=1e-13)
    for name, gradient in expected.weights.items():
        np.testing.assert_allclose(found.weights[name], gradient, rtol=1e-10, atol=1e-14)


def test_a_batch_without_targets_leaves_the_weights_as_they_are():
    complete = next_row_data(n_rows=44)
    targets = np.full(len(complete), np.nan)
    targets[-1] = 0.5
    data = Dataset(complete.windows, targets)
    options = TrainingOptions(
        batch_size=16, shuffle=False, max_epochs=1, optimizer="sgd", learning_rate=0.1
    )
    last = Dataset(Windows(complete.windows.series, [31], 12, dtype="float64"), [0.5])
    network, expected = small_network(), small_network()
    seen = train(network, data, options)
    only = train(expected, last, options)
    assert seen.loss_curve == pytest.approx(only.loss_curve, rel=1e-12)
    np.testing.assert_allclose(network.flat, expected.flat, rtol=1e-12)


def test_reports_tell_callbacks_what_happened():
    reports = []
    data = next_row_data(n_rows=60)
    options = TrainingOptions(
        max_epochs=3, batch_size=24, learning_rate_schedule="cosine", learning_rate=1.0
    )
    train(small_network(), data, options, validation=data, callbacks=[reports.append])
    assert [r.epoch for r in reports] == [1, 2, 3]
    assert all(r.gradient_norm > 0 and r.validation_loss > 0 for r in reports)
    of_last_steps = 0.5 * (1 + np.cos(np.pi * np.array([1, 3, 5]) / 6))
    np.testing.assert_allclose([r.learning_rate for r in reports], of_last_steps)


def test_windows_are_never_materialised():
    n_rows, n_features, n_steps = 20_000, 8, 168
    series = np.random.default_rng(0).standard_normal((n_rows, n_features)).astype("float32")
    starts = np.arange(0, n_rows - n_steps, 4)
    windows = Windows(series, starts, n_steps)
    assert windows.series is series
    data = Dataset(windows, series[starts, 0])
    network = small_network(n_features=n_features, dtype="float32")
    train(network, data, TrainingOptions(max_epochs=1))  # compiles
    network.predict(windows)
    tracemalloc.start()
    train(network, data, TrainingOptions(max_epochs=1))
    network.predict(windows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    materialised = len(starts) * n_steps * n_features * 4
    assert peak < 0.2 * materialised


def test_a_network_learns_to_repeat_an_input_of_long_ago():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 20, 1)).astype("float32")
    data = Dataset(Windows.from_array(x), x[:, 4, 0])
    network = small_network(hidden_size=24, dtype="float32")
    options = TrainingOptions(
        max_epochs=150, learning_rate=0.02, learning_rate_schedule="one_cycle", clip_norm=1.0
    )
    result = train(network, data, options)
    assert result.loss_curve[-1] < 0.05 * np.var(x[:, 4])
