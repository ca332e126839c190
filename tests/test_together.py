"""Fits on several threads that meet to be trained all at once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from gruforecast.foundations import device
from gruforecast.training import TrainingOptions, train
from gruforecast.training import together as meeting
from gruforecast.training.job import Outcome
from gruforecast.training.together import Together
from tests.helpers import next_row_data, small_network

DATA = next_row_data(60, dtype="float32")


@pytest.fixture
def calls(monkeypatch):
    """The seeds of the networks that a GPU trained at once, by call."""
    made = []

    def train_jobs(jobs, gpu):
        made.append((gpu, [job.options.seed for job in jobs]))
        outcomes = []
        for job in jobs:
            result = train(job.network, job.data, job.options, resume_from=job.state)
            outcomes.append(Outcome(result.stopping_reason, result.checkpoint))
        return outcomes

    monkeypatch.setattr(device, "count_gpus", lambda: 2)
    monkeypatch.setattr(device, "has_compiler", lambda: True)
    monkeypatch.setattr(device, "capability", lambda number: 9.0)
    monkeypatch.setattr(meeting, "_train_jobs", train_jobs)
    return made


def fit(seed, on="cuda"):
    """One training; its losses."""
    options = TrainingOptions(max_epochs=1, seed=seed)
    return train(small_network(seed, "float32"), DATA, options, device=on).loss_curve


def run(tasks, most=64, n_threads=None):
    """Results, or errors, of tasks that meet."""
    together = Together(most)
    numbers = [together.expect() for _ in tasks]

    def one(number, task):
        try:
            with together.seat(number):
                return task()
        except Exception as error:
            return error
        finally:
            together.leave()

    with ThreadPoolExecutor(n_threads or len(tasks)) as pool:
        found = [pool.submit(one, *pair) for pair in zip(numbers, tasks, strict=True)]
        return [future.result(timeout=60) for future in found]


def fits(seeds, **choices):
    return [lambda seed=seed: fit(seed, **choices) for seed in seeds]


def test_all_fits_are_trained_in_one_call_in_their_order(calls):
    found = run(fits(range(40)))
    assert calls == [(0, list(range(40)))]
    assert found == [fit(seed, "cpu") for seed in range(40)]


def test_alone_a_fit_waits_for_nobody(calls):
    assert fit(3) == fit(3, "cpu")
    assert calls == [(0, [3])]


def test_fewer_threads_than_fits_make_several_groups(calls):
    run(fits(range(10)), most=4, n_threads=4)
    assert [len(seeds) for _, seeds in calls] == [4, 4, 2]
    assert [seeds[0] for _, seeds in calls] == [0, 4, 8]


def test_each_gpu_trains_its_own(calls):
    run([*fits(range(3)), *fits([5, 6], on="cuda:1")])
    assert sorted(calls) == [(0, [0, 1, 2]), (1, [5, 6])]


def test_who_trains_twice_meets_the_others_twice(calls):
    def twice(seed):
        return fit(seed) + fit(seed + 100)

    run([lambda seed=seed: twice(seed) for seed in range(6)])
    assert calls == [(0, list(range(6))), (0, list(range(100, 106)))]
    calls.clear()
    run([*fits(range(3)), lambda: twice(3)])
    assert calls == [(0, [0, 1, 2, 3]), (0, [103])]


def test_who_fails_or_trains_elsewhere_is_not_waited_for(calls):
    def fails():
        raise ArithmeticError("before training")

    found = run([*fits(range(5)), fails, *fits([7], on="cpu"), lambda: None])
    assert calls == [(0, list(range(5)))]
    assert isinstance(found[5], ArithmeticError)
    assert found[6] == fit(7, "cpu")


def test_the_last_to_end_lets_the_others_begin(calls):
    together = Together(8)
    number, _ = together.expect(), together.expect()

    def one():
        with together.seat(number):
            return fit(0)

    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(one)
        while not together._waiting:
            threading.Event().wait(0.001)
        assert not calls
        together.leave()  # the other has ended
        assert found.result(timeout=60) == fit(0, "cpu")


def test_what_a_callback_trains_meets_nobody(calls, monkeypatch):
    """Callbacks of all are called where one trains for all, who wait for it."""
    train_jobs, inner = meeting._train_jobs, []

    def with_callbacks(jobs, gpu):
        if len(jobs) > 1:
            inner.append(fit(9))
        return train_jobs(jobs, gpu)

    monkeypatch.setattr(meeting, "_train_jobs", with_callbacks)
    run(fits(range(3)))
    assert inner == [fit(9, "cpu")]
    assert calls == [(0, [9]), (0, [0, 1, 2])]


def test_an_error_of_training_reaches_all(calls, monkeypatch):
    def broken(jobs, gpu):
        raise MemoryError("no room on the GPU")

    monkeypatch.setattr(meeting, "_train_jobs", broken)
    found = run(fits(range(8)))
    assert [str(error) for error in found] == ["no room on the GPU"] * 8


def test_an_error_of_one_is_its_own(calls, monkeypatch):
    def of_second(jobs, gpu):
        errors = [None, ArithmeticError("of a callback"), None]
        states = [job.state.checkpoint() for job in jobs]
        return [Outcome("callback", s, error=e) for s, e in zip(states, errors, strict=True)]

    monkeypatch.setattr(meeting, "_train_jobs", of_second)
    found = run(fits(range(3)))
    assert [isinstance(each, ArithmeticError) for each in found] == [False, True, False]


def test_who_waits_is_let_go_when_nobody_wants_the_results(calls):
    together = Together(8)
    numbers = [together.expect() for _ in range(3)]  # the third never comes

    def one(number):
        with together.seat(number):
            return fit(number)

    with ThreadPoolExecutor(2) as pool:
        found = [pool.submit(one, number) for number in numbers[:2]]
        while len(together._waiting) < 2:
            threading.Event().wait(0.001)
        together.give_up()
        for future in found:
            with pytest.raises(RuntimeError, match="training: expected a search that goes on"):
                future.result(timeout=60)
    with pytest.raises(RuntimeError, match="training: expected a search that goes on"):
        one(numbers[2])
    assert not calls


@pytest.mark.parametrize("when", ["it waits", "it trains"])
def test_an_interruption_lets_the_others_go(calls, monkeypatch, when):
    """A thread that is interrupted where it waits, or where it trains for the others."""
    train_jobs = meeting._train_jobs
    main = threading.current_thread()
    wait = threading.Event.wait

    def interrupted(*args, **choices):
        if threading.current_thread() is main:
            raise KeyboardInterrupt
        return (wait if when == "it waits" else train_jobs)(*args, **choices)

    together = Together(8)
    mine, other = together.expect(), together.expect()

    def one():
        try:
            with together.seat(other):
                return fit(1)
        except KeyboardInterrupt:
            return "interrupted"
        finally:
            together.leave()

    with ThreadPoolExecutor(1) as pool:
        future = None
        if when == "it trains":
            monkeypatch.setattr(meeting, "_train_jobs", interrupted)
            future = pool.submit(one)
        else:
            monkeypatch.setattr(threading.Event, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt), together.seat(mine):
            fit(0)
        monkeypatch.setattr(threading.Event, "wait", wait)
        together.leave()
        future = future or pool.submit(one)
        expected = "interrupted" if when == "it trains" else fit(1, "cpu")
        assert future.result(timeout=60) == expected


def test_a_thread_keeps_no_seat_after_its_task(calls):
    together = Together(8)
    number = together.expect()
    with pytest.raises(ZeroDivisionError), together.seat(number):
        raise ZeroDivisionError
    together.expect()  # who never comes
    assert fit(2) == fit(2, "cpu")
    np.testing.assert_equal(calls, [(0, [2])])
