"""Models in files: a loaded one says, knows and goes on learning what the saved one would."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import gruforecast
from gruforecast import GRUClassifier, GRUEncoder, GRUForecaster
from tests.helpers import wavy_series
from tests.saving import again, assert_alike, assert_same

QUICK = {"hidden_size": 4, "max_iter": 2, "random_state": 0}
ROWS = wavy_series(90, 3)
X, Y = ROWS[:-1], ROWS[1:, 0]
DAYS = pd.date_range("2024-03-01", periods=89, tz="Europe/Berlin")
TABLE = pd.DataFrame(np.where(X < -1.4, np.nan, X), DAYS, ["a", "b", "c"])
NAMES = np.where(Y > 0, "up", "down")
GROUPS = np.repeat(["x", "y", "z"], [40, 30, 19])
WORDS = [["good", "film"], ["bad"], ["not", "good"]] * 10
LABELS = [1, 0, 0] * 10


def windows(n=40):
    return wavy_series(n * 6, 1).reshape(n, 6)


MODELS = {
    "windows": (GRUForecaster(**QUICK), windows(), Y[:40], {}),
    "rows": (GRUForecaster(lookback=5, **QUICK), TABLE, Y, {}),
    "groups": (GRUForecaster(lookback=5, **QUICK), X, Y, {"groups": GROUPS}),
    "two outputs": (GRUForecaster(lookback=5, dtype="float64", **QUICK), X, ROWS[1:, :2], {}),
    "quantiles": (GRUForecaster(lookback=5, loss="quantile", **QUICK), X, Y, {}),
    "array of quantiles": (
        GRUForecaster(loss="quantile", quantiles=np.array([0.2, 0.5]), **QUICK), X, Y, {}
    ),
    "student_t": (GRUForecaster(loss="student_t", cell="lstm", **QUICK), X, Y, {}),
    "early stopping": (
        GRUForecaster(lookback=5, early_stopping=True, num_layers=2, bidirectional=True,
                      layer_norm=True, **QUICK), X, Y, {},
    ),
    "numpy's types": (
        GRUForecaster(lookback=np.int64(5), alpha=np.float32(0.1), dtype=np.float32,
                      layer_norm=np.True_, **QUICK), X, Y, {},
    ),
    "names": (GRUClassifier(lookback=5, **QUICK), TABLE, NAMES, {}),
    "objects": (
        GRUClassifier(class_weight={"up": 2.0, "down": 1.0}, **QUICK), X, NAMES.astype(object), {}
    ),
    "flags": (GRUClassifier(class_weight={True: 2.0, False: 1}, **QUICK), X, Y > 0, {}),
    "words": (GRUClassifier(embedding_size=3, **QUICK), WORDS, LABELS, {}),
    "numbered words": (
        GRUClassifier(embedding_size=3, handle_unknown="ignore", **QUICK),
        [[1, 2], [7], [2, 1]] * 10, LABELS, {},
    ),
    "states": (GRUEncoder(lookback=5, states="all", **QUICK), X, Y, {}),
    "states of labels": (GRUEncoder(**QUICK), X, NAMES, {}),
    "states without y": (GRUEncoder(lookback=5, **QUICK), TABLE, None, {}),
}  # fmt: skip


def answers(model, x, y, options):
    """All that a model says about rows."""
    names = ("predict", "predict_proba", "decision_function", "transform")
    said = {name: getattr(model, name)(x, **options) for name in names if hasattr(model, name)}
    if hasattr(model, "score"):
        said["score"] = model.score(x, y, **options)
    if getattr(model, "loss", "") in ("quantile", "student_t"):
        said["quantiles"] = model.predict_quantiles(x, **options)
    return said


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_says_the_same(name, tmp_path):
    model, x, y, options = MODELS[name]
    model = clone(model).fit(x, y, **options)
    loaded = again(model, tmp_path)
    assert_alike(loaded, model)
    assert_same(answers(loaded, x, y, options), answers(model, x, y, options))
    copied = pickle.loads(pickle.dumps(loaded))
    assert_same(answers(copied, x, y, options), answers(model, x, y, options))
    refitted = clone(loaded).fit(x, y, **options)
    assert_same(answers(refitted, x, y, options), answers(model, x, y, options))


@pytest.mark.parametrize("name", ["rows", "names", "words", "states of labels"])
def test_a_warm_start_goes_on_alike(name, tmp_path):
    model, x, y, options = MODELS[name]
    model = clone(model).set_params(warm_start=True).fit(x, y, **options)
    loaded = again(model, tmp_path)
    assert_same(loaded.fit(x, y).weights_, model.fit(x, y).weights_)
    assert_alike(loaded, model)


RUNS = {
    "adam": {},
    "sgd": {"optimizer": "sgd", "learning_rate_schedule": "step"},
    "rmsprop": {"optimizer": "rmsprop", "learning_rate_schedule": "exponential"},
    "adagrad": {"optimizer": "adagrad", "learning_rate_schedule": "plateau", "dtype": "float64"},
}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_in_parts_goes_on_alike(name, tmp_path):
    model, table = GRUForecaster(lookback=5, **QUICK, **RUNS[name]), pd.DataFrame(X, DAYS)
    for rows in range(0, 50, 10):
        model.partial_fit(table[rows : rows + 10], Y[rows : rows + 10])
    loaded = again(model, tmp_path)
    for rows in range(50, 80, 10):
        for one in (loaded, model):
            one.partial_fit(table[rows : rows + 10], Y[rows : rows + 10])
    assert_alike(loaded, model)
    assert_same(loaded.predict(table[80:]), model.predict(table[80:]))


@pytest.mark.parametrize("cls", [GRUForecaster, GRUClassifier, GRUEncoder])
def test_an_unfitted_model_is_stored_too(cls, tmp_path):
    model = cls(lookback=7, alpha=0.5, early_stopping=True)
    loaded = again(model, tmp_path)
    assert_alike(loaded, model)
    assert loaded.get_params() == model.get_params()
    assert not hasattr(loaded, "network_")


MAKERS = {
    "Generator": np.random.default_rng,
    "RandomState": np.random.RandomState,
    "MT19937": lambda seed: np.random.Generator(np.random.MT19937(seed)),
    "RandomState of PCG64": lambda seed: np.random.RandomState(np.random.PCG64(seed)),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_random_numbers_go_on_where_they_were(make, tmp_path):
    model = GRUForecaster(**QUICK | {"random_state": make(3)}).fit(X, Y)
    loaded = again(model, tmp_path)
    assert_alike(loaded, model)
    assert_same(loaded.fit(X, Y).weights_, model.fit(X, Y).weights_)
    normal = [one.random_state.normal(size=3) for one in (loaded, model)]
    np.testing.assert_array_equal(*normal)


def test_generators_of_other_kinds_are_refused(tmp_path):
    model = GRUForecaster(random_state=np.random.Generator(np.random.Philox(0)))
    with pytest.raises(TypeError, match="random_state: expected PCG64 or MT19937, got Philox; con"):
        model.save(tmp_path / "model.gru")
    assert not list(tmp_path.iterdir())


def test_the_form_of_output_is_kept(tmp_path):
    model = GRUEncoder(**QUICK).set_output(transform="pandas").fit(TABLE, Y)
    assert_same(again(model, tmp_path).transform(TABLE), model.transform(TABLE))
    unfitted = again(GRUEncoder(**QUICK).set_output(transform="pandas"), tmp_path)
    assert_same(unfitted.fit(TABLE, Y).transform(TABLE), model.transform(TABLE))


class Saver:
    """A callback of scikit-learn that saves the model after every epoch."""

    def __init__(self, path):
        self.path = path

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        estimator.save(self.path)


def test_a_model_can_be_saved_while_it_learns_and_forgets_its_callbacks(tmp_path):
    pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")
    model = GRUForecaster(**QUICK).set_callbacks(Saver(tmp_path / "epoch.gru")).fit(X, Y)
    epoch = gruforecast.load(tmp_path / "epoch.gru")
    assert epoch.n_iter_ == 2
    assert_same(epoch.predict(X), model.predict(X))
    assert_alike(again(model, tmp_path), model)


def test_a_subclass_is_refused_for_loading_would_not_know_it(tmp_path):
    class Own(GRUForecaster):
        pass

    with pytest.raises(TypeError, match="model: expected an estimator of gruforecast itself, got "):
        Own().save(tmp_path / "model.gru")


def test_what_no_file_can_hold_is_named(tmp_path):
    model = GRUClassifier(class_weight={frozenset("a"): 1.0})
    with pytest.raises(
        TypeError, match="parameters.class_weight.keys.0: expected what a file can "
    ):
        model.save(tmp_path / "model.gru")
    with pytest.raises(TypeError, match=r"quantiles: expected numbers, .*, got an array of comp"):
        GRUForecaster(quantiles=np.array([1j])).save(tmp_path / "model.gru")
    with pytest.raises(TypeError, match="dtype: expected one of float, float32, float64, got the"):
        GRUForecaster(dtype=int).save(tmp_path / "model.gru")
