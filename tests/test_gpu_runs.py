"""A fit on an emulated GPU as its user sees it: attributes, files, lines, callbacks and errors."""

import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

if not sys.platform.startswith("linux"):
    pytest.skip("kernels for a GPU are tested on Linux", allow_module_level=True)
pytest.importorskip("numba_cuda", reason="expected numba-cuda; install the extra cuda")
pytest.importorskip("greenlet", reason="expected greenlet; install the extra test")

from gruforecast import GRUClassifier, GRUEncoder, GRUForecaster, load
from gruforecast.foundations import device
from gruforecast.training import NotFiniteWarning
from gruforecast.training.cuda import launch
from tests.cards import CardInPlace, output
from tests.helpers import wavy_series

SERIES = wavy_series(61, 2)
X, Y = SERIES[:-1], SERIES[1:, 0]
QUICK = {"hidden_size": 3, "max_iter": 4, "learning_rate": 0.02, "random_state": 0, "lookback": 3}
try:
    from sklearn.callback import ScoringMonitor
except ImportError:
    ScoringMonitor = None
needs_callbacks = pytest.mark.skipif(
    ScoringMonitor is None, reason="callbacks exist since scikit-learn 1.9"
)
ESTIMATORS = [GRUForecaster, GRUClassifier, GRUEncoder]


@pytest.fixture
def gpu(monkeypatch):
    return CardInPlace(monkeypatch)


def pair(cls=GRUForecaster, **choices):
    """The same estimator for a GPU and for a CPU, not fitted yet."""
    return (cls(**QUICK | choices | {"device": name}) for name in ("cuda", "cpu"))


def target(cls):
    return Y > 0 if cls is GRUClassifier else Y


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_what_is_fitted_is_of_the_host(gpu, cls, early_stopping, tmp_path):
    there, here = (model.fit(X, target(cls)) for model in pair(cls, early_stopping=early_stopping))
    assert {*vars(there)} == {*vars(here)}
    for name in ("n_iter_", "best_iter_", "stopping_reason_", "n_features_in_"):
        assert getattr(there, name) == getattr(here, name)
        assert type(getattr(there, name)) is type(getattr(here, name))
    for name in ("best_loss_", "loss_curve_", "validation_loss_curve_"):
        found, expected = getattr(there, name), getattr(here, name)
        assert type(found) is type(expected)
        if found is not None:
            assert {type(x) for x in np.ravel(found).tolist()} == {float}
            np.testing.assert_allclose(found, expected, rtol=1e-4)
    for name, weights in here.weights_.items():
        found = there.weights_[name]
        assert (type(found), found.dtype, found.flags.writeable) == (np.ndarray, "float32", True)
        np.testing.assert_allclose(found, weights, rtol=1e-3, atol=1e-3)
    expected = output(there, X)
    np.testing.assert_array_equal(output(pickle.loads(pickle.dumps(there)), X), expected)
    there.save(tmp_path / "model.gru")
    np.testing.assert_array_equal(output(load(tmp_path / "model.gru"), X), expected)
    np.testing.assert_array_equal(output(clone(there).fit(X, target(cls)), X), expected)


def test_several_epochs_are_one_launch(gpu):
    GRUForecaster(device="cuda", **QUICK).fit(X, Y)
    assert gpu.n_launches == 1
    GRUForecaster(device="cuda", learning_rate_schedule="plateau", **QUICK).fit(X, Y)
    assert gpu.n_launches == 1 + 4  # rates follow from losses


def test_launches_grow_until_they_take_long(gpu, monkeypatch):
    expected = GRUForecaster(device="cuda", **QUICK).fit(X, Y).loss_curve_
    monkeypatch.setattr(launch, "FIRST", 1)
    for seconds, n in ((np.inf, 3), (0.0, 4)):  # 1, 2 and 1 epochs; 4 times one
        monkeypatch.setattr(launch, "SECONDS", seconds)
        before = gpu.n_launches
        assert GRUForecaster(device="cuda", **QUICK).fit(X, Y).loss_curve_ == expected
        assert gpu.n_launches == before + n


def test_lines_of_every_epoch(gpu, capsys):
    for early_stopping in (False, True):
        lines = []
        for model in pair(verbose=1, early_stopping=early_stopping):
            model.fit(X, Y)
            lines.append([line.split() for line in capsys.readouterr().out.splitlines()])
        assert [line[::2] for line in lines[0]] == [line[::2] for line in lines[1]]
        numbers = np.array([[line[1::2] for line in each] for each in lines], float)
        np.testing.assert_allclose(*numbers, rtol=1e-4)
        assert numbers[0, :, 0].tolist() == [1, 2, 3, 4]
    assert gpu.n_launches == 8


@needs_callbacks
@pytest.mark.parametrize("early_stopping", [False, True])
def test_callbacks_of_scikit_learn(gpu, early_stopping):
    scores = []
    for model in pair(early_stopping=early_stopping):
        monitor = ScoringMonitor(scoring="r2")
        model.set_callbacks(monitor).fit(X, Y)
        rows = monitor.get_logs().data
        assert [row["task_name"] for row in rows].count("epoch") == 4
        scores.append([row["r2"] for row in rows])
        assert scores[-1][-1] == model.score(X, Y)  # at the end of the fit
    assert gpu.n_launches == 4
    np.testing.assert_allclose(*scores, rtol=1e-4, atol=1e-4)


class Meddling:
    """Stops a fit, or fails, after its second epoch."""

    def __init__(self, error=None):
        self.error, self.n_epochs, self.n_fits = error, 0, [0, 0]

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, **given):
        self.n_fits[0] += context.task_name == "fit"

    def on_fit_task_end(self, estimator, context, **given):
        self.n_fits[1] += context.task_name == "fit"
        self.n_epochs += context.task_name == "epoch"
        if self.n_epochs == 2 and self.error is not None:
            raise self.error
        return self.n_epochs == 2


@needs_callbacks
def test_a_callback_that_stops_the_fit(gpu):
    there, here = (model.set_callbacks(Meddling()).fit(X, Y) for model in pair())
    assert there.stopping_reason_ == here.stopping_reason_ == "callback"
    assert there.n_iter_ == len(there.loss_curve_) == 2
    np.testing.assert_allclose(there.predict(X), here.predict(X), rtol=1e-3, atol=1e-3)


@needs_callbacks
@pytest.mark.parametrize("error", [ZeroDivisionError("odd"), KeyboardInterrupt()])
def test_a_callback_that_fails_leaves_a_model_of_the_epochs_so_far(gpu, error):
    models = []
    for model in pair():
        with pytest.raises(type(error)):
            model.set_callbacks(Meddling(error)).fit(X, Y)
        assert model.stopping_reason_ == "interrupted"
        assert model.n_iter_ == len(model.loss_curve_) == 2
        models.append(model)
    there, here = (model.predict(X) for model in models)
    np.testing.assert_allclose(there, here, rtol=1e-3, atol=1e-3)


def test_an_interruption_of_a_launch_leaves_a_model(gpu, monkeypatch):
    launch = gpu.card.launch

    def interrupted(*args, **choices):
        launch(*args, **choices)
        raise KeyboardInterrupt

    model = GRUForecaster(device="cuda", **QUICK)
    monkeypatch.setattr(gpu.card, "launch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    monkeypatch.undo()
    assert model.stopping_reason_ == "interrupted"
    assert np.isfinite(model.set_params(device="cpu").predict(X)).all()


def test_going_on(gpu):
    there, here = pair(warm_start=True)
    for _ in range(2):
        np.testing.assert_allclose(
            there.fit(X, Y).loss_curve_, here.fit(X, Y).loss_curve_, rtol=1e-4
        )
    np.testing.assert_allclose(there.predict(X), here.predict(X), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("cls", [GRUForecaster, GRUClassifier])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_epochs_one_by_one(gpu, cls, optimizer):
    there, here = pair(cls, optimizer=optimizer, batch_size=16)
    for first in (0, 20, 40):
        part = slice(first, first + 20)
        there.partial_fit(X[part], target(cls)[part])
        here.partial_fit(X[part], target(cls)[part])
        np.testing.assert_allclose(there.loss_curve_, here.loss_curve_, rtol=1e-4)
    assert there.n_iter_ == 3
    there.set_params(device="cpu").partial_fit(X, target(cls))  # the optimiser goes on, too
    here.set_params(device="cuda").partial_fit(X, target(cls))
    np.testing.assert_allclose(there.loss_curve_, here.loss_curve_, rtol=1e-4)
    np.testing.assert_allclose(output(there, X), output(here, X), rtol=1e-3, atol=1e-3)
    again = pickle.loads(pickle.dumps(here)).partial_fit(X, target(cls))
    np.testing.assert_array_equal(output(again, X), output(here.partial_fit(X, target(cls)), X))


def test_early_stopping(gpu):
    choices = {"max_iter": 40, "learning_rate": 0.3, "n_iter_no_change": 2, "early_stopping": True}
    there, here = (model.fit(X, Y) for model in pair(**choices))
    assert gpu.n_launches == 1
    assert there.stopping_reason_ == here.stopping_reason_ == "early_stopping"
    assert there.n_iter_ == here.n_iter_ == len(there.loss_curve_) < 40
    assert there.best_iter_ == here.best_iter_ == there.n_iter_ - 2
    assert there.best_loss_ == there.validation_loss_curve_[there.best_iter_ - 1]
    np.testing.assert_allclose(there.predict(X), here.predict(X), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("verbose", [0, 1])
def test_an_exploding_loss(gpu, early_stopping, verbose):
    choices = {"optimizer": "sgd", "learning_rate": 1e30, "clip_norm": None, "verbose": verbose}
    messages = []
    for model in pair(early_stopping=early_stopping, batch_size=16, **choices):
        with pytest.warns(NotFiniteWarning, match="batch .*: expected finite.*lower") as caught:
            model.fit(X, Y)
        assert caught[0].filename == __file__
        assert model.stopping_reason_ == "not_finite"
        assert model.n_iter_ == len(model.loss_curve_) < 4
        assert np.isfinite(model.predict(X)).all()
        messages.append(str(caught[0].message))
    assert messages[0].split(":")[0] == messages[1].split(":")[0]  # the same epoch and batch


def test_the_row_of_a_huge_input_is_named(gpu):
    huge = X.copy()
    huge[37, 1] = 1e20
    choices = {"optimizer": "sgd", "learning_rate": 1e30, "clip_norm": None, "normalize": "none"}
    for model in pair(**choices):
        with pytest.warns(NotFiniteWarning, match=r"epoch \d.* 1e\+20 in row 37, "):
            model.fit(huge, Y)


def test_a_gpu_takes_single_precision(gpu):
    model = GRUForecaster(device="cuda", dtype="float64", **QUICK)
    with pytest.raises(ValueError, match="^dtype: expected 'float32' on a GPU, got 'float64'; ch"):
        model.fit(X, Y)
    assert not hasattr(model, "network_")
    model = GRUForecaster(device="auto", dtype="float64", **QUICK).fit(X, Y)
    assert not gpu.trained
    assert model.network_.flat.dtype == "float64"
    model.predict(X)
    assert not gpu.card.n_launches


def test_devices_that_lack(gpu, monkeypatch):
    with pytest.raises(RuntimeError, match="^device: .*got 'cuda:3' where there is one"):
        GRUForecaster(device="cuda:3", **QUICK).fit(X, Y)
    model = GRUForecaster(device="cuda", **QUICK).fit(X, Y)
    monkeypatch.setattr(device, "has_compiler", lambda: False)
    for call in (model.predict, lambda x: clone(model).fit(x, Y)):
        with pytest.raises(RuntimeError, match=r"numba-cuda.*pip install 'gruforecast\[cuda\]'"):
            call(X)
    monkeypatch.setattr(device, "count_gpus", lambda: 0)
    for call in (model.predict, lambda x: clone(model).fit(x, Y)):
        with pytest.raises(RuntimeError, match=r"an NVIDIA GPU .*install 'gruforecast\[cuda\]'"):
            call(X)
    before = gpu.card.n_launches
    here = GRUForecaster(**QUICK).fit(X, Y)
    there = GRUForecaster(device="auto", **QUICK).fit(X, Y)
    np.testing.assert_array_equal(there.predict(X), here.predict(X))
    assert gpu.card.n_launches == before


@pytest.mark.parametrize("n_jobs", [1, 3, -1])
def test_jobs_do_not_matter(gpu, n_jobs):
    models = [GRUForecaster(device="cuda", n_jobs=n, **QUICK).fit(X, Y) for n in (None, n_jobs)]
    np.testing.assert_array_equal(*[model.predict(X) for model in models])


def test_tools_of_scikit_learn(gpu):
    found, expected = (
        cross_val_predict(make_pipeline(StandardScaler(), model), X, Y, cv=3, n_jobs=1)
        for model in pair()
    )
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    assert gpu.trained == [1, 1, 1]
    there = next(pair()).set_params(lookback=None).fit(X, Y)
    frame = pd.DataFrame(X)
    alone = np.concatenate([there.predict(frame.to_numpy()[i : i + 1]) for i in range(60)])
    np.testing.assert_array_equal(alone, there.predict(X))
