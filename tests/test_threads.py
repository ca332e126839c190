"""The same bits for any number of threads, several fits at once, forks, and BLAS as before."""

import multiprocessing
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from gruforecast.foundations.threads import Workers, single_threaded_blas
from gruforecast.network import Windows, inference
from gruforecast.training import TrainingOptions, train
from tests.helpers import next_row_data, small_network, wavy_series

BUSY = {"hidden_size": 48, "dropout": 0.1, "recurrent_dropout": 0.1, "num_layers": 2}


def trained_weights(n_threads=None, dtype="float32"):
    """Weights and predictions after two epochs of a network large enough to run in parallel."""
    data = next_row_data(n_rows=420, n_steps=20, dtype=dtype)
    network = small_network(dtype=dtype, **BUSY)
    options = TrainingOptions(max_epochs=2, batch_size=160, learning_rate=0.01)
    train(network, data, options, validation=data, n_threads=n_threads)
    return network.flat, network.predict(data.windows, n_threads=n_threads)


def blas_threads():
    return [part["num_threads"] for part in threadpool_info() if part["user_api"] == "blas"]


@pytest.mark.usefixtures("many_shards")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_bits_for_any_number_of_threads(dtype):
    flat, predicted = trained_weights(n_threads=1, dtype=dtype)
    for n_threads in (2, 3, 4):
        other_flat, other_predicted = trained_weights(n_threads, dtype)
        np.testing.assert_array_equal(other_flat, flat)
        np.testing.assert_array_equal(other_predicted, predicted)


@pytest.mark.parametrize("n_blas", [1, 2])
def test_the_same_bits_for_any_number_of_blas_threads(n_blas):
    expected = trained_weights(n_threads=1)[0]
    with threadpool_limits(n_blas, user_api="blas"):
        np.testing.assert_array_equal(trained_weights(n_threads=1)[0], expected)


def test_two_python_threads_train_at_once():
    expected = trained_weights(n_threads=2)[0]
    before = blas_threads()
    with ThreadPoolExecutor(3) as pool:
        results = [pool.submit(trained_weights, 2) for _ in range(6)]
        for result in results:
            np.testing.assert_array_equal(result.result()[0], expected)
    assert blas_threads() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_a_process_may_fork_after_training():
    expected = trained_weights(n_threads=2)[0]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for flat, _ in pool.map(trained_weights, [1, 2], chunksize=1):
            np.testing.assert_array_equal(flat, expected)


def test_blas_threads_and_random_state_are_as_before():
    before, state = blas_threads(), np.random.get_state()[1].copy()  # noqa: NPY002
    trained_weights(n_threads=2)
    assert blas_threads() == before
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_blas_is_restored_after_an_exception():
    before = blas_threads()

    def fail(report):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        train(small_network(), next_row_data(n_rows=40), callbacks=[fail])
    assert blas_threads() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_a_fork_inside_a_limit_gives_the_child_its_threads_back():
    before = blas_threads()
    limit = single_threaded_blas()
    limit.__enter__()
    child = os.fork()
    if child == 0:
        inherited = blas_threads() == before
        limit.__exit__(None, None, None)
        with single_threaded_blas():
            limited = set(blas_threads()) == {1}
        os._exit(0 if inherited and limited and blas_threads() == before else 1)
    limit.__exit__(None, None, None)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_nested_limits_are_released_in_any_order():
    before = blas_threads()
    first, second = single_threaded_blas(), single_threaded_blas()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert set(blas_threads()) == {1}
    second.__exit__(None, None, None)
    assert blas_threads() == before


@pytest.mark.usefixtures("many_shards")
def test_no_thread_is_left_behind():
    def names():
        return [t.name for t in threading.enumerate() if t.name.startswith("gruforecast")]

    seen = []
    data = next_row_data(n_rows=200)
    options = TrainingOptions(max_epochs=1, batch_size=128)
    train(small_network(), data, options, n_threads=4, callbacks=[lambda _: seen.extend(names())])
    assert sorted(seen) == ["gruforecast-1", "gruforecast-2", "gruforecast-3"]
    assert names() == []


def test_workers_raise_the_error_of_a_task():
    def task(number, worker):
        if number == 3:
            raise ValueError("task 3")

    with Workers(3) as workers:
        with pytest.raises(ValueError, match="task 3"):
            workers.run(task, 8)
        done = []
        workers.run(lambda number, worker: done.append(number), 8)  # it goes on afterwards
    assert sorted(done) == list(range(8))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("hidden_size", [5, 16, 70])
def test_a_window_has_the_same_bits_in_any_batch(cell, dtype, hidden_size):
    network = small_network(cell=cell, hidden_size=hidden_size, dtype=dtype, num_layers=2)
    series = wavy_series(400, dtype=dtype)
    starts = np.random.default_rng(0).integers(0, 380, 150)
    lengths = np.random.default_rng(1).integers(0, 20, 150)
    whole = network.predict(Windows(series, starts, 20, lengths=lengths, dtype=dtype))
    for part in (slice(0, 1), slice(7, 8), slice(3, 40), slice(149, 150), slice(0, 150, 7)):
        some = Windows(series, starts[part], 20, lengths=lengths[part], dtype=dtype)
        np.testing.assert_array_equal(network.predict(some), whole[part])
    low = starts.min()  # the same windows of a copy of the series that begins elsewhere
    moved = Windows(series[low:].copy(), starts - low, 20, lengths=lengths, dtype=dtype)
    np.testing.assert_array_equal(network.predict(moved), whole)


def test_windows_of_an_array_equal_those_of_a_series():
    network = small_network(n_features=3)
    series = wavy_series(90, 3)
    starts = np.arange(70)
    x = np.stack([series[s : s + 20] for s in starts])
    np.testing.assert_array_equal(
        network.predict(Windows.from_array(x, dtype="float64")),
        network.predict(Windows(series, starts, 20, dtype="float64")),
    )
    lengths = np.arange(70) % 21
    np.testing.assert_array_equal(
        network.predict(Windows.from_array(x, lengths=lengths, dtype="float64")),
        network.predict(
            Windows(series, starts + 20 - lengths, 20, lengths=lengths, dtype="float64")
        ),
    )


@pytest.mark.parametrize("what", ["predict", "last", "every"])
def test_prediction_has_the_same_bits_for_any_number_of_threads(what):
    network = small_network(hidden_size=4)
    starts = np.random.default_rng(0).permutation(5990)[:2000]  # several stretches
    windows = Windows(wavy_series(6000), starts, 10, dtype="float64")

    def run(n_threads):
        if what == "predict":
            return network.predict(windows, n_threads=n_threads)
        return network.encode(windows, every_step=what == "every", n_threads=n_threads)

    expected = run(1)
    for n_threads in (2, 3, 4):
        np.testing.assert_array_equal(run(n_threads), expected)


def test_rows_that_no_window_reads_are_left_out():
    starts = np.concatenate([np.arange(0, 90_000, 1000), [5, 7, 89_050, 99_990]])
    lengths = np.where(np.arange(len(starts)) % 3 == 0, 4, 10)
    windows = Windows(wavy_series(100_000), starts, 10, lengths=lengths, dtype="float64")
    stretches = list(inference._stretches(windows))
    read = np.concatenate([stretch.rows for stretch in stretches])
    wanted = {row for s, n in zip(starts, lengths, strict=True) for row in range(s, s + n)}
    assert sorted(read) == sorted(wanted)
    network = small_network()
    whole = network.predict(windows)
    for i in (0, 1, 50, len(starts) - 1):
        alone = Windows(windows.series, starts[[i]], 10, lengths=lengths[[i]], dtype="float64")
        np.testing.assert_array_equal(network.predict(alone), whole[[i]])
