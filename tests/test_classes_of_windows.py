"""What GRUClassifier chooses for whole windows, and what it leaves alone."""

import pickle

import numpy as np
import pytest

import gruforecast
from gruforecast import GRUClassifier, GRUEncoder

BRIEF = {"hidden_size": 4, "max_iter": 2, "random_state": 0}
NAMES = (
    "bidirectional", "segment_length", "pooling", "input_noise", "time_shift", "batch_size",
    "max_iter", "learning_rate_schedule",
)  # fmt: skip
AS_STEPS = (False, 1, "last", 0.0, 0.0, 64, 100, "constant")


def windows(n=50, n_steps=60, seed=0):
    """A bump is somewhere in a window; its class is whether it is narrow or wide."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    width, place = np.where(y, 4.0, 2.0), rng.uniform(10, n_steps - 10, n)
    X = np.exp(-(((np.arange(n_steps) - place[:, None]) / width[:, None]) ** 2))
    return X + 0.1 * rng.normal(size=X.shape), y


def chosen(model):
    return tuple(getattr(model._state.settings, name) for name in NAMES)


def plan(model, X, y):
    return model._prepare(X, y, None, None, one_epoch=False)


@pytest.mark.parametrize(
    ("n", "n_steps", "expected"),
    [
        (50, 60, (True, 3, "all", 0.2, 0.05, 13, 100, "one_cycle")),
        (28, 286, (True, 12, "all", 0.2, 0.05, 14, 200, "one_cycle")),
        (999, 24, (True, 1, "all", 0.2, 0.05, 16, 20, "one_cycle")),
        (2000, 25, (True, 2, "all", 0.2, 0.05, 63, 20, "one_cycle")),
    ],
)
def test_choices_for_windows(n, n_steps, expected):
    model = GRUClassifier(hidden_size=1, early_stopping=False, random_state=0)
    found = plan(model, *windows(n, n_steps)).state.settings
    assert tuple(getattr(found, name) for name in NAMES) == expected
    assert model.get_params()["segment_length"] == "auto"
    assert model.get_params()["bidirectional"] is None


def test_what_is_set_is_kept():
    options = {
        "bidirectional": False, "segment_length": 5, "pooling": "last", "input_noise": 0.1,
        "time_shift": 0.0, "batch_size": 7, "max_iter": 3, "learning_rate_schedule": "cosine",
    }  # fmt: skip
    model = GRUClassifier(hidden_size=2, random_state=0, **options).fit(*windows())
    assert dict(zip(NAMES, chosen(model), strict=True)) == options
    spec = model.network_.specification
    assert (spec.bidirectional, spec.segment_length, spec.pooling) == (False, 5, "last")
    assert model.n_iter_ == 3
    found = plan(GRUClassifier(batch_size=10, random_state=0), *windows()).state.settings
    assert (found.batch_size, found.max_iter) == (10, 80)


def test_steps_and_tokens_are_read_as_before():
    X, y = windows(60)
    model = GRUClassifier(lookback=8, hidden_size=2, random_state=0)
    assert tuple(vars(plan(model, X, y).state.settings)[name] for name in NAMES) == AS_STEPS
    words = [["good", "film"], ["bad"]] * 20
    model = GRUClassifier(embedding_size=2, hidden_size=2, random_state=0)
    found = plan(model, words, [1, 0] * 20)
    assert tuple(vars(found.state.settings)[name] for name in NAMES) == AS_STEPS
    assert (found.options[0].input_noise, found.options[0].time_shift) == (0.0, 0.0)
    asked = GRUClassifier(embedding_size=2, pooling="all", bidirectional=True, **BRIEF)
    spec = asked.fit(words, [1, 0] * 20).network_.specification
    assert (spec.pooling, spec.bidirectional, spec.segment_length) == ("all", True, 1)
    other = GRUEncoder(**BRIEF).fit(X, y).network_.specification
    assert (other.pooling, other.bidirectional, other.segment_length) == ("last", False, 1)


def test_noise_is_for_numbers_that_are_neither_ages_nor_indicators():
    rng = np.random.default_rng(0)
    X = np.stack(
        [
            rng.normal(5, 3, (40, 6)),
            rng.integers(0, 2, (40, 6)),
            np.full((40, 6), 7.0),
            rng.normal(0, 2, (40, 6)),
        ],
        axis=2,
    )
    X[rng.random((40, 6)) < 0.3, 3] = np.nan
    y = np.arange(40) % 2
    for normalize, scale in {"standard": 1.0, "none": X[:, :, 0].std()}.items():
        found = (
            plan(GRUClassifier(normalize=normalize, random_state=0), X, y).options[0].input_noise
        )
        assert found[:1] == pytest.approx((0.2 * scale,), rel=1e-4)
        assert found[1:3] + found[4:] == (0.0, 0.0, 0.0)
        assert found[3] > 0.1
    with pytest.raises(ValueError, match="input_noise: expected None or 0 for tokens, got 0.1"):
        GRUClassifier(embedding_size=2, input_noise=0.1).fit([["a"], ["b"]], [0, 1])


def test_it_learns_from_few_windows_what_is_anywhere_in_them():
    X, y = windows()
    new, known = windows(200, seed=1)
    model = GRUClassifier(random_state=0).fit(X, y)
    assert model.score(new, known) > 0.9
    one = model.predict_proba(new[3:4])
    np.testing.assert_array_equal(one, model.predict_proba(new)[3:4])


def test_networks_pickles_and_files_say_the_same(tmp_path):
    X, y = windows()
    model = GRUClassifier(n_estimators=2, **BRIEF).fit(X, y)
    alone = GRUClassifier(**BRIEF).fit(X, y)
    np.testing.assert_array_equal(model.network_.flat, alone.network_.flat)
    model.save(tmp_path / "model.gru")
    for again in (pickle.loads(pickle.dumps(model)), gruforecast.load(tmp_path / "model.gru")):
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
        assert again.get_params()["time_shift"] is None


def test_a_fit_that_goes_on_keeps_the_shape():
    X, y = windows()
    X = X[:, :, None]
    for n_jobs in (1, 2):
        model = GRUClassifier(n_jobs=n_jobs, **BRIEF)
        model.partial_fit(X, y).partial_fit(X[:, :20], y)
        assert model.network_.specification.segment_length == 3
        assert model._state.settings.learning_rate_schedule == "constant"
        assert model.n_iter_ == 2
    model = GRUClassifier(warm_start=True, **BRIEF).fit(X, y)
    model.fit(X[:, :20], y)
    assert model.network_.specification.segment_length == 3
    with pytest.raises(ValueError, match="segment_length: expected 3 as in the network to go on"):
        model.set_params(segment_length=2).fit(X, y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"segment_length": 0}, "segment_length: expected at least 1, got 0"),
        ({"segment_length": "all"}, "segment_length: expected a whole number.*, got 'all'"),
        ({"pooling": "mean"}, "pooling: expected one of all, auto, last, got 'mean'"),
        ({"input_noise": -1}, "input_noise: expected a finite number .*, got -1"),
        ({"time_shift": 2}, "time_shift: expected a finite number .*, got 2"),
        ({"bidirectional": "yes"}, "bidirectional: expected .*, got 'yes'"),
    ],
)
def test_wrong_values_are_named(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        GRUClassifier(**options).fit(*windows())
