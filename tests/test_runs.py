"""How a run ends and goes on: checkpoints, early stopping, callbacks, losses that explode."""

import pickle

import numpy as np
import pytest

from gruforecast.network import Windows
from gruforecast.training import (
    Dataset,
    NotFiniteWarning,
    TrainingOptions,
    evaluate,
    make_loss,
    train,
)
from tests.helpers import next_row_data, small_network


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
