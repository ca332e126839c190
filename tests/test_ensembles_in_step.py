"""Networks that train in step: callbacks, interruptions, losses that are not finite."""

import threading
from contextlib import contextmanager

import numpy as np
import pytest
from sklearn.base import clone

from gruforecast import GRUForecaster
from gruforecast.estimators import base
from gruforecast.estimators.ensemble import seeds_of
from gruforecast.training import NotFiniteWarning, TrainingOptions, train, train_ensemble
from gruforecast.training.epochs import Run
from tests.helpers import next_row_data, small_network, wavy_series
from tests.test_callbacks import Recorder, needs_callbacks

SERIES = wavy_series(121, 2)
X, Y = SERIES[:-1], SERIES[1:, 0]
QUICK = {"hidden_size": 4, "max_iter": 4, "learning_rate": 0.02, "random_state": 5, "n_jobs": 2}
DATA = next_row_data(60, dtype="float32")


def forecaster(n_estimators=3, **choices):
    return GRUForecaster(**QUICK | {"n_estimators": n_estimators, "batch_size": 16} | choices)


def flats(model):
    return [network.flat.copy() for network in model.networks_]


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def options(seed, **choices):
    return TrainingOptions(**{"max_epochs": 3, "batch_size": 16, "seed": seed} | choices)


# The engine.


@pytest.mark.usefixtures("many_shards")
@pytest.mark.parametrize("n_threads", [1, 2, 7])
def test_each_network_is_trained_as_if_alone(n_threads):
    runs = [options(seed, patience=1, max_epochs=9, learning_rate=0.1) for seed in range(5)]
    networks = [small_network(seed, "float32") for seed in range(5)]
    found = train_ensemble(networks, DATA, runs, validation=DATA, n_threads=n_threads)
    assert len({result.n_epochs for result in found}) > 1
    for seed, (network, result) in enumerate(zip(networks, found, strict=True)):
        alone = small_network(seed, "float32")
        expected = train(alone, DATA, runs[seed], validation=DATA)
        np.testing.assert_array_equal(network.flat, alone.flat)
        assert result.validation_curve == expected.validation_curve
        assert result.stopping_reason == expected.stopping_reason


def test_a_run_goes_on_where_it_ended():
    networks, whole = ([small_network(seed, "float32") for seed in range(3)] for _ in range(2))
    found = train_ensemble(networks, DATA, [options(s, max_epochs=1) for s in range(3)])
    states = [result.checkpoint for result in found]
    train_ensemble(networks, DATA, [options(s) for s in range(3)], resume_from=states)
    train_ensemble(whole, DATA, [options(s) for s in range(3)])
    assert_same([n.flat for n in networks], [n.flat for n in whole])


def test_callbacks_are_told_once_an_epoch_by_the_first_that_goes_on():
    heard = []
    runs = [options(0, max_epochs=2), options(1, max_epochs=4), options(2, max_epochs=3)]
    networks = [small_network(seed, "float32") for seed in range(3)]
    train_ensemble(networks, DATA, runs, callbacks=[lambda r: heard.append((r.epoch, r.member))])
    assert heard == [(1, 0), (2, 0), (3, 1), (4, 1)]


def test_a_callback_ends_all_after_the_same_epoch():
    networks, shorter = ([small_network(seed, "float32") for seed in range(3)] for _ in range(2))
    runs = [options(seed) for seed in range(3)]
    found = train_ensemble(networks, DATA, runs, callbacks=[lambda report: report.epoch == 2])
    assert [result.stopping_reason for result in found] == ["callback"] * 3
    train_ensemble(shorter, DATA, [options(seed, max_epochs=2) for seed in range(3)])
    assert_same([n.flat for n in networks], [n.flat for n in shorter])


@pytest.mark.parametrize("n", [0, 1, 3])
def test_options_for_each_network(n):
    networks = [small_network(seed, "float32") for seed in range(n and 2)]
    with pytest.raises(ValueError, match="options: expected one for each of some networks, got "):
        train_ensemble(networks, DATA, [options(seed) for seed in range(n)])


@pytest.mark.parametrize("what", ["data", "validation"])
def test_data_for_each_network(what):
    networks = [small_network(seed, "float32") for seed in range(2)]
    given = {"data": DATA, "options": [options(seed) for seed in range(2)]} | {what: [DATA] * 3}
    with pytest.raises(ValueError, match=f"{what}: expected one for all .*, got 3 for 2; pass"):
        train_ensemble(networks, **given)


def test_an_error_ends_the_others_and_all_threads(monkeypatch):
    before, step = threading.active_count(), Run.step

    def fails(self, number, batch):
        if self.options.seed == 2 and self.state.step == 5:
            raise MemoryError("no room")
        return step(self, number, batch)

    monkeypatch.setattr(Run, "step", fails)
    networks = [small_network(seed, "float32") for seed in range(4)]
    with pytest.raises(MemoryError, match="no room"):
        train_ensemble(networks, DATA, [options(s) for s in range(4)], n_threads=3)
    assert threading.active_count() == before
    assert all(np.isfinite(network.flat).all() for network in networks)


# Estimators.


@needs_callbacks
def test_callbacks_see_all_networks_of_an_epoch():
    recorder = Recorder()
    model = forecaster().set_callbacks(recorder).fit(X, Y)
    assert recorder.open == []
    assert len(recorder.models) == 4
    for n_epochs, seen in enumerate(recorder.models, start=1):
        alone = forecaster(max_iter=n_epochs).fit(X, Y)
        np.testing.assert_array_equal(seen.predict(X), alone.predict(X))
    np.testing.assert_array_equal(recorder.last.predict(X), model.predict(X))


@needs_callbacks
def test_a_callback_stops_the_fit():
    model = forecaster().set_callbacks(Recorder(stop_after=2)).fit(X, Y)
    assert model.stopping_reason_ == "callback"
    assert model.n_iter_ == 2
    assert_same(flats(model), flats(forecaster(max_iter=2).fit(X, Y)))


@needs_callbacks
def test_a_callback_that_fails():
    model = forecaster().set_callbacks(Recorder(fail_after=2))
    with pytest.raises(OSError, match="disk full"):
        model.fit(X, Y)
    assert_same(flats(model), flats(forecaster(max_iter=2).fit(X, Y)))


def test_a_line_per_epoch_as_long_as_one_trains(capsys):
    choices = {"early_stopping": True, "max_iter": 40, "n_iter_no_change": 2, "tol": 1e-3}
    model = forecaster(5, verbose=1, **choices).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    seeds = seeds_of(5, 5)
    epochs = [forecaster(1, random_state=s, **choices).fit(X, Y).n_iter_ for s in seeds]
    assert [line.split()[1] for line in lines] == [str(e + 1) for e in range(max(epochs))]
    assert model.n_iter_ == epochs[0]
    for line, loss in zip(lines, model.loss_curve_, strict=False):
        assert line.split()[3] == f"{loss:.6g}"


def test_an_interruption_between_epochs_loses_nothing(monkeypatch):
    def interrupt(report):
        if report.epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(base, "write_line", interrupt)
    model = forecaster(verbose=1)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    assert model.stopping_reason_ == "interrupted"
    assert model.n_iter_ == 2
    assert_same(flats(model), flats(forecaster(max_iter=2).fit(X, Y)))


@contextmanager
def interrupted(monkeypatch):
    """The main thread is interrupted in the midst of the third epoch, or a later one."""
    step = Run.step

    def interrupt(self, number, batch):
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and self.state.epoch >= 2 and number == 1:
            raise KeyboardInterrupt
        return step(self, number, batch)

    with monkeypatch.context() as patched:
        patched.setattr(Run, "step", interrupt)
        with pytest.raises(KeyboardInterrupt):
            yield


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("n_jobs", [1, 2, 8])
def test_an_interruption_within_an_epoch(n_jobs, early_stopping, monkeypatch):
    before = threading.active_count()
    model = forecaster(early_stopping=early_stopping, n_jobs=n_jobs, max_iter=60)
    with interrupted(monkeypatch):
        model.fit(X, Y)
    assert threading.active_count() == before
    assert model.stopping_reason_ == "interrupted"
    assert 2 <= model.n_iter_ < 60
    assert np.isfinite(model.predict(X)).all()
    if early_stopping:  # the best weights come back
        whole = [model.n_iter_, model.n_iter_ + 1]  # a network may have ended the epoch
        known = [flats(forecaster(early_stopping=True, max_iter=n).fit(X, Y)) for n in whole]
        for member, found in enumerate(flats(model)):
            assert any((found == one[member]).all() for one in known)
    model.set_params(max_iter=2).fit(X, Y)
    assert_same(flats(model), flats(clone(model).fit(X, Y)))


@pytest.mark.parametrize("early_stopping", [False, True])
def test_one_that_explodes_is_named_and_leaves_the_others_alone(early_stopping, monkeypatch):
    choices = {"early_stopping": early_stopping}
    expected, shorter = (flats(forecaster(max_iter=n, **choices).fit(X, Y)) for n in (4, 2))
    step, second = Run.step, seeds_of(5, 3)[1]

    def explodes(self, number, batch):
        if self.options.seed == second and self.state.epoch == 2:
            self._give_up("the loss became nan", number + 1)
        return step(self, number, batch)

    monkeypatch.setattr(Run, "step", explodes)
    model = forecaster(**choices)
    with pytest.warns(
        NotFiniteWarning, match="^network 2 of 3, epoch 3, batch 1: expected"
    ) as seen:
        model.fit(X, Y)
    assert len(seen) == 1
    assert seen[0].filename == __file__
    found = flats(model)
    assert_same([found[0], found[2]], [expected[0], expected[2]])
    assert np.isfinite(found[1]).all()
    if early_stopping:
        np.testing.assert_array_equal(found[1], shorter[1])
    assert model.stopping_reason_ == "max_epochs"
    assert np.isfinite(model.predict(X)).all()
