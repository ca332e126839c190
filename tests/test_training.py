"""The training loop against a NumPy loop, and what it promises: resume, stop, guard."""

import pickle
import tracemalloc

import numpy as np
import pytest

from gruforecast.network import Windows
from gruforecast.training import (
    Dataset,
    NotFiniteWarning,
    TrainingOptions,
    evaluate,
    loss_and_gradients,
    make_loss,
    train,
)
from tests import reference
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
    optimizer = reference.OPTIMIZERS[options.optimizer](
        **options.optimizer_options, **({"decay": options.l2 * mask} if decoupled else {})
    )
    plateau = (
        reference.Plateau(options.learning_rate, **options.schedule_options)
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
            gradient = reference.add_penalties(
                gradient, flat, mask, options.l1, 0.0 if decoupled else options.l2
            )
            gradient = reference.clip(gradient, options.clip_value, options.clip_norm)
            if plateau is None:
                rate = reference.schedule_value(
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


@pytest.mark.parametrize(
    "choices",
    [
        {"optimizer": "adam", "learning_rate_schedule": "one_cycle"},
        {"optimizer": "sgd", "learning_rate_schedule": "plateau"},
    ],
)
def test_stop_and_resume_equals_one_run(choices):
    data, validation = next_row_data(), next_row_data(seed=5)
    options = TrainingOptions(max_epochs=6, **choices)
    spec = {"num_layers": 2, "dropout": 0.2, "recurrent_dropout": 0.2}
    whole = small_network(**spec)
    at_once = train(whole, data, options, validation=validation)

    first = small_network(**spec)
    half = train(
        first, data, options, validation=validation, callbacks=[lambda report: report.epoch == 3]
    )
    assert (half.n_epochs, half.stopping_reason) == (3, "callback")
    checkpoint = pickle.loads(pickle.dumps(half.checkpoint))
    second = small_network(seed=99, **spec)
    rest = train(second, data, options, validation=validation, resume_from=checkpoint)
    assert rest.loss_curve == at_once.loss_curve
    assert rest.validation_curve == at_once.validation_curve
    np.testing.assert_array_equal(second.flat, whole.flat)
    np.testing.assert_array_equal(rest.checkpoint.arrays, at_once.checkpoint.arrays)


def test_a_checkpoint_of_another_run_is_refused():
    data = next_row_data(n_rows=60)
    checkpoint = train(small_network(), data, TrainingOptions(max_epochs=1)).checkpoint
    with pytest.raises(ValueError, match="learning_rate=0.5 where it has 0.001"):
        train(
            small_network(),
            data,
            TrainingOptions(max_epochs=2, learning_rate=0.5),
            resume_from=checkpoint,
        )
    message = "a network with recurrent_dropout=0.5, got 0.0"
    with pytest.raises(ValueError, match=message):
        train(small_network(recurrent_dropout=0.5), data, resume_from=checkpoint)
    cycle = {"learning_rate_schedule": "one_cycle"}
    checkpoint = train(small_network(), data, TrainingOptions(max_epochs=1, **cycle)).checkpoint
    with pytest.raises(ValueError, match="max_epochs=2 where it has 1"):
        train(small_network(), data, TrainingOptions(max_epochs=2, **cycle), resume_from=checkpoint)


def test_options_given_as_other_types_are_the_same_options():
    data = next_row_data(n_rows=60)
    network = small_network(n_outputs=2, dropout=0.1, num_layers=2)
    options = TrainingOptions(
        loss="quantile",
        loss_options={"quantiles": np.array([0.2, 0.8])},
        max_epochs=np.int64(1),
        seed=np.int32(3),
        learning_rate=np.float32(0.5),
    )
    checkpoint = train(network, data, options).checkpoint
    plain = TrainingOptions(
        loss="quantile",
        loss_options={"quantiles": [0.2, 0.8]},
        max_epochs=2,
        seed=3,
        learning_rate=0.5,
    )
    assert train(network, data, plain, resume_from=checkpoint).n_epochs == 2


def test_early_stopping_restores_the_best_weights():
    data, validation = next_row_data(n_rows=80), next_row_data(n_rows=60, seed=9)
    options = TrainingOptions(max_epochs=200, learning_rate=0.3, patience=4, batch_size=16)
    network = small_network()
    result = train(network, data, options, validation=validation)
    assert result.stopping_reason == "early_stopping"
    assert result.n_epochs == result.best_epoch + 4
    assert result.best_loss == min(result.validation_curve)
    score = evaluate(network, validation, make_loss("squared_error"))
    assert score == result.best_loss


def test_a_run_that_is_over_stays_over():
    data, validation = next_row_data(n_rows=80), next_row_data(n_rows=60, seed=9)
    options = TrainingOptions(max_epochs=60, learning_rate=0.3, patience=2, batch_size=16)
    result = train(small_network(), data, options, validation=validation)
    again = train(
        small_network(), data, options, validation=validation, resume_from=result.checkpoint
    )
    assert (again.n_epochs, again.stopping_reason) == (result.n_epochs, "early_stopping")


def test_tolerance_shortens_the_wait():
    data = next_row_data(n_rows=80)
    options = TrainingOptions(max_epochs=50, learning_rate=1e-4, patience=3, tol=1.0)
    result = train(small_network(), data, options, validation=data)
    assert result.n_epochs == 4  # each epoch is better than the last, but not by 1
    assert result.best_epoch == 4


@pytest.mark.filterwarnings("ignore::gruforecast.training.NotFiniteWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_loss_that_explodes_gives_back_finite_weights(dtype):
    data = next_row_data(dtype=dtype)
    options = TrainingOptions(learning_rate=1e38 if dtype == "float32" else 1e300, optimizer="sgd")
    network = small_network(dtype=dtype)
    start = network.flat.copy()
    result = train(network, data, options)
    assert result.stopping_reason == "not_finite"
    assert np.isfinite(network.flat).all()
    np.testing.assert_array_equal(network.flat, start)  # the first update was the fatal one


def test_the_checkpoint_of_a_run_that_exploded_is_its_last_complete_epoch():
    data = next_row_data(n_rows=100)
    options = TrainingOptions(max_epochs=4, batch_size=30)
    whole, broken = small_network(), small_network()
    expected = train(whole, data, options)

    def explode(report):
        if report.epoch == 2:
            broken.weights["head.b"][...] = 1e300

    with pytest.warns(NotFiniteWarning, match="epoch 3, batch 1: .* loss became inf"):
        result = train(broken, data, options, callbacks=[explode])
    assert (result.n_epochs, result.checkpoint.step) == (2, 6)
    result.checkpoint.flat[-1] = train(
        small_network(), data, TrainingOptions(max_epochs=2, batch_size=30)
    ).checkpoint.flat[-1]
    resumed = train(broken, data, options, resume_from=result.checkpoint)
    assert resumed.loss_curve == expected.loss_curve


def test_a_validation_loss_that_is_not_finite_stops_the_run():
    data = next_row_data(n_rows=60)
    validation = next_row_data(n_rows=60)
    validation.targets[3] = 1e200
    with pytest.warns(NotFiniteWarning, match="loss of the validation set became inf"):
        result = train(small_network(), data, validation=validation)
    assert result.stopping_reason == "not_finite"


def test_the_guard_names_epoch_and_reason():
    series = np.zeros((50, 2))
    series[17, 1] = 1e200
    targets = np.zeros(40)
    targets[5] = 1e200  # its square is not finite
    data = Dataset(Windows(series, np.arange(40), 10, dtype="float64"), targets)
    network = small_network(n_features=2)
    message = r"epoch 1, batch 1: .* loss became inf .* largest input 1e\+200 in row 17, feature 1"
    with pytest.warns(NotFiniteWarning, match=message):
        result = train(network, data, TrainingOptions(shuffle=False))
    assert result.n_epochs == 0
    assert result.loss_curve == []


def test_weights_that_explode_in_the_last_step_are_caught():
    data = next_row_data(n_rows=30, dtype="float32")
    network = small_network(dtype="float32")
    options = TrainingOptions(
        max_epochs=1, learning_rate=3e38, optimizer="sgd", batch_size=64, clip_norm=1e4
    )
    with pytest.warns(NotFiniteWarning, match="weights are no longer finite"):
        train(network, data, options)
    assert np.isfinite(network.flat).all()


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


@pytest.mark.parametrize(("wish", "n_epochs"), [(True, 1), (np.True_, 1), (0.5, 2), (None, 2)])
def test_only_true_stops_the_run(wish, n_epochs):
    data = next_row_data(n_rows=40)
    options = TrainingOptions(max_epochs=2)
    result = train(small_network(), data, options, callbacks=[lambda report: wish])
    assert result.n_epochs == n_epochs


def test_an_exception_leaves_the_best_weights():
    data, validation = next_row_data(n_rows=80), next_row_data(n_rows=60, seed=9)
    best, losses = [], []

    def interrupt(report):
        losses.append(report.validation_loss)
        if report.validation_loss == min(losses):
            best[:] = [report.state.flat.copy()]
        elif report.epoch > 5:
            raise KeyboardInterrupt

    network = small_network()
    options = TrainingOptions(max_epochs=500, learning_rate=0.3, batch_size=16)
    with pytest.raises(KeyboardInterrupt):
        train(network, data, options, validation=validation, callbacks=[interrupt])
    np.testing.assert_array_equal(network.flat, best[0])


@pytest.mark.parametrize("first_validated", [True, False])
def test_validation_begins_and_ends_with_a_run(first_validated):
    data = next_row_data(n_rows=60)
    sets = (data, None) if first_validated else (None, data)
    options = TrainingOptions(max_epochs=1)
    checkpoint = train(small_network(), data, options, validation=sets[0]).checkpoint
    with pytest.raises(ValueError, match="expected validation as in the run of the checkpoint"):
        train(small_network(), data, options, validation=sets[1], resume_from=checkpoint)


def test_windows_are_never_materialised():
    n_rows, n_features, n_steps = 20_000, 8, 168
    series = np.random.default_rng(0).standard_normal((n_rows, n_features)).astype("float32")
    starts = np.arange(0, n_rows - n_steps, 4)
    windows = Windows(series, starts, n_steps)
    assert windows.series is series
    data = Dataset(windows, series[starts, 0])
    network = small_network(n_features=n_features, dtype="float32")
    train(network, data, TrainingOptions(max_epochs=1))  # compiles
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
