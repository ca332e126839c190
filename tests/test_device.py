"""Names of devices, what is said where there is none, and how a device reaches the engine."""

import sys
import types

import numpy as np
import pytest
from sklearn.base import clone

from gruforecast import GRUClassifier, GRUEncoder, GRUForecaster, load
from gruforecast.foundations import device
from gruforecast.foundations.device import check_device, count_gpus, gpu_names, resolve_device
from gruforecast.network import Network, Specification, Windows
from gruforecast.training import NotFiniteWarning, TrainingOptions, train
from gruforecast.training import together as meeting
from gruforecast.training.job import Outcome
from tests.helpers import next_row_data, small_network, wavy_series

SERIES = wavy_series(121, 2)
X, Y = SERIES[:-1], SERIES[1:, 0]
QUICK = {"hidden_size": 4, "max_iter": 3, "random_state": 0}


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(device, "count_gpus", lambda: 2)
    monkeypatch.setattr(device, "has_compiler", lambda: True)
    monkeypatch.setattr(device, "capability", lambda number: 9.0)


@pytest.fixture
def gpu(two_gpus, monkeypatch):
    """GPUs whose work the CPU does; what they were asked for."""
    asked = []

    def train_jobs(jobs, gpu):
        asked.extend(("train", gpu, len(job.callbacks)) for job in jobs)
        return [meeting_on_cpu(job) for job in jobs]

    def run(network, windows, out, *, gpu, what="outputs"):
        asked.append((what, gpu))
        if what == "outputs":
            out[...] = network.predict(windows)
        else:
            out[...] = network.encode(windows, every_step=what == "every")

    monkeypatch.setattr(meeting, "_train_jobs", train_jobs)
    module = types.ModuleType("gruforecast.network.cuda.inference")
    module.run = run
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return asked


def meeting_on_cpu(job):
    result = train(
        job.network, job.data, job.options, validation=job.validation, callbacks=job.callbacks,
        resume_from=job.state,
    )  # fmt: skip
    return Outcome(result.stopping_reason, result.checkpoint)


# Names.


@pytest.mark.parametrize("name", ["cpu", "auto", "cuda", "cuda:0", "cuda:12", np.str_("cuda")])
def test_names_of_devices(name):
    assert check_device("device", name) == name


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:-1", "cuda:x", "CPU", "cuda:1 ", None, 0])
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="device: expected 'cpu', 'cuda', 'cuda:N'.*, got .*; ch"):
        check_device("device", name)


def test_a_name_stands_for_a_number(two_gpus):
    numbers = [resolve_device(name) for name in ("cpu", "cuda", "cuda:0", "cuda:1", "auto")]
    assert numbers == [None, 0, 0, 1, 0]


def test_a_gpu_that_is_too_old(two_gpus, monkeypatch):
    monkeypatch.setattr(device, "capability", lambda number: (7.0, 7.5)[number])
    assert [resolve_device(name) for name in ("auto", "cuda:1")] == [None, 1]
    with pytest.raises(RuntimeError, match="device: expected .* capability 7.5 or more, got 'cuda"):
        resolve_device("cuda")


def test_auto_is_the_cpu_where_a_gpu_or_the_package_lacks(two_gpus, monkeypatch):
    monkeypatch.setattr(device, "has_compiler", lambda: False)
    assert resolve_device("auto") is None
    monkeypatch.setattr(device, "has_compiler", lambda: True)
    monkeypatch.setattr(device, "count_gpus", lambda: 0)
    assert resolve_device("auto") is None


def test_what_lacks_is_said(two_gpus, monkeypatch):
    with pytest.raises(RuntimeError, match="got 'cuda:2' where there are GPUs 'cuda:0' to 'cuda:1"):
        resolve_device("cuda:2")
    monkeypatch.setattr(device, "count_gpus", lambda: 1)
    with pytest.raises(RuntimeError, match="got 'cuda:1' where there is one GPU, 'cuda:0'; choose"):
        resolve_device("cuda:1")
    monkeypatch.setattr(device, "has_compiler", lambda: False)
    with pytest.raises(RuntimeError, match=r"package numba-cuda .* install 'gruforecast\[cuda\]'"):
        resolve_device("cuda")
    monkeypatch.setattr(device, "count_gpus", lambda: 0)
    with pytest.raises(RuntimeError, match=r"an NVIDIA GPU for 'cuda:1', got none; .*\[cuda\]'"):
        resolve_device("cuda:1")


class Driver:
    """As much of NVIDIA's library as is called."""

    def __init__(self, name, error=0):
        self.error = error

    def cuInit(self, flags):
        return self.error

    def cuDeviceGetCount(self, count):
        count._obj.value = 2
        return 0

    def cuDeviceGetName(self, text, length, number):
        text.value = b"GPU %d" % number


def test_the_driver_is_asked(monkeypatch):
    library = "WinDLL" if sys.platform == "win32" else "CDLL"
    monkeypatch.setattr(device.ctypes, library, Driver, raising=False)
    assert (count_gpus(), gpu_names()) == (2, ["GPU 0", "GPU 1"])
    monkeypatch.setattr(device.ctypes, library, lambda name: Driver(name, error=3), raising=False)
    assert (count_gpus(), gpu_names()) == (0, [])

    def missing(name):
        raise OSError(name)

    monkeypatch.setattr(device.ctypes, library, missing, raising=False)
    assert (count_gpus(), gpu_names()) == (0, [])


# The engine.


def test_a_gpu_takes_what_it_can(two_gpus):
    data, network = next_row_data(dtype="float64"), small_network()
    with pytest.raises(ValueError, match="dtype: expected 'float32' on a GPU, got 'float64'; ch"):
        network.predict(data.windows, device="cuda")
    with pytest.raises(ValueError, match="dtype: expected 'float32' on a GPU, got 'float64'; ch"):
        train(network, data, device="cuda:1")
    single = Network(Specification(n_features=1, hidden_size=4))
    begun = Windows(SERIES[:, :1], [0, 1], 5, initial_state=np.ones((1, 2, 4)))
    with pytest.raises(ValueError, match="initial_state: expected None on a GPU, got an array;"):
        single.encode(begun, device="cuda")
    expected = network.predict(data.windows)
    np.testing.assert_array_equal(network.predict(data.windows, device="auto"), expected)
    np.testing.assert_array_equal(single.predict(begun, device="auto"), single.predict(begun))


def test_a_wrong_device_leaves_the_network_as_it_was(two_gpus):
    data, network = next_row_data(), small_network()
    run = train(network, data, TrainingOptions(max_epochs=1))
    kept = network.flat[...] = network.flat + 1
    with pytest.raises(RuntimeError, match="device: expected a GPU that this machine has"):
        train(network, data, device="cuda:5", resume_from=run.checkpoint)
    np.testing.assert_array_equal(network.flat, kept)
    with pytest.raises(ValueError, match="device: expected 'cpu', 'cuda', 'cuda:N'"):
        train(network, data, device="tpu")


def test_what_a_gpu_found_is_told_where_train_was_called(two_gpus, monkeypatch):
    data, network = next_row_data(dtype="float32"), small_network(dtype="float32")

    def outcome(**parts):
        made = lambda jobs, gpu: [Outcome("not_finite", jobs[0].state.checkpoint(), **parts)]  # noqa: E731
        monkeypatch.setattr(meeting, "_train_jobs", made)

    outcome(message="epoch 1: it became nan")
    with pytest.warns(NotFiniteWarning, match="it became nan") as caught:
        result = train(network, data, device="cuda")
    assert (result.stopping_reason, caught[0].filename) == ("not_finite", __file__)
    outcome(error=ArithmeticError("of a callback"))
    with pytest.raises(ArithmeticError, match="of a callback"):
        train(network, data, device="cuda")


# Estimators.


def test_fit_and_predictions_run_where_the_parameter_says(gpu):
    model = GRUForecaster(lookback=4, device="cuda:1", **QUICK).fit(X, Y)
    assert gpu == [("train", 1, 0)]  # nobody asks it after every epoch
    here = GRUForecaster(lookback=4, **QUICK).fit(X, Y)
    np.testing.assert_array_equal(model.predict(X), here.predict(X))
    assert gpu[1:] == [("outputs", 1)]
    np.testing.assert_array_equal(model.set_params(device="cpu").predict(X), here.predict(X))
    here.set_params(device="cuda").predict(X)
    assert gpu[2:] == [("outputs", 0)]
    assert clone(here).get_params()["device"] == "cuda"


def test_the_other_estimators(gpu):
    GRUClassifier(lookback=4, device="cuda", **QUICK).fit(X, Y > 0).predict(X)
    GRUEncoder(lookback=4, device="cuda", states="all", **QUICK).fit(X, Y).transform(X)
    GRUForecaster(lookback=4, device="cuda", **QUICK).partial_fit(X, Y)
    assert [what for what, *_ in gpu] == ["train", "outputs", "train", "every", "train"]


def test_a_gpu_that_is_watched_is_asked_after_every_epoch(gpu, capsys):
    GRUForecaster(lookback=4, device="cuda", verbose=1, **QUICK).fit(X, Y)
    assert gpu == [("train", 0, 1)]
    assert len(capsys.readouterr().out.splitlines()) == 3
    callbacks = pytest.importorskip("sklearn.callback")
    model = GRUForecaster(lookback=4, device="cuda", **QUICK)
    model.set_callbacks(callbacks.ScoringMonitor(scoring="r2")).fit(X, Y)
    assert gpu[1] == ("train", 0, 1)


def test_a_series_is_learnt_and_judged_on_the_device(gpu):
    model = GRUForecaster(horizon=3, device="cuda", **QUICK).fit(SERIES[:, 0])
    done = [what for what, *_ in gpu]
    assert done[:6] == [*["train"] * 3, *["outputs"] * 3]
    assert 1 <= done[6:].count("train") == len(done) - 6 <= 3  # judged, some go on
    here = GRUForecaster(horizon=3, **QUICK).fit(SERIES[:, 0])
    assert model.forecast(5, level=80).equals(here.forecast(5, level=80))
    n_used = np.count_nonzero(model._state.weights)
    assert [what for what, *_ in gpu[len(done) :]] == ["outputs"] * 2 * n_used
    model.set_params(device="cpu").forecast()
    assert len(gpu) == len(done) + 2 * n_used


def test_a_file_keeps_the_device_and_loads_without_it(gpu, monkeypatch, tmp_path):
    model = GRUForecaster(lookback=4, device="cuda", **QUICK).fit(X, Y)
    model.save(tmp_path / "model.gru")
    monkeypatch.setattr(device, "count_gpus", lambda: 0)
    again = load(tmp_path / "model.gru")
    with pytest.raises(RuntimeError, match="or set device='cpu'"):
        again.predict(X)
    again.set_params(device="cpu").predict(X)


def test_a_device_that_lacks_leaves_an_estimator_as_it_was(monkeypatch):
    monkeypatch.setattr(device, "count_gpus", lambda: 0)
    model = GRUForecaster(lookback=4, **QUICK).fit(X, Y)
    expected = model.predict(X)
    for method in ("fit", "partial_fit"):
        with pytest.raises(RuntimeError, match="device: expected an NVIDIA GPU"):
            getattr(model.set_params(device="cuda"), method)(X[:50], Y[:50])
        np.testing.assert_array_equal(model.set_params(device="cpu").predict(X), expected)
    with pytest.raises(RuntimeError, match="device: expected an NVIDIA GPU"):
        GRUForecaster(horizon=3, device="cuda", **QUICK).fit(SERIES[:, 0])
    with pytest.raises(ValueError, match="device: expected 'cpu'"):
        model.set_params(device="gpu").fit(X, Y)
