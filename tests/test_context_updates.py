"""What is kept of the training rows: never changed by prediction, chunk by chunk, what for."""

import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import TimeSeriesSplit

from gruforecast import GRUClassifier, GRUEncoder, GRUForecaster
from gruforecast.data.context import TruncatedHistoryWarning
from tests.test_context import (
    BERLIN,
    LOOKBACK,
    array,
    check_cold,
    continued,
    dates,
    fitted,
    forecaster,
    predicted,
    table,
    target,
)


@pytest.mark.parametrize("context", ["auto", "train", "none"])
@pytest.mark.parametrize("make", [np.asarray, lambda rows: table(dates("2024-01-01", len(rows)))])
def test_a_prediction_changes_nothing(context, make):
    X = make(array())
    model = fitted(X[:20], context=context)
    before = pickle.dumps(model)
    first = model.predict(X[20:])
    for new in (X[20:25], X[:5], X, np.asarray(X[30:])):
        model.predict(new)
        assert pickle.dumps(model) == before
    np.testing.assert_array_equal(model.predict(X[20:]), first)
    np.testing.assert_array_equal(pickle.loads(before).predict(X[20:]), first)


@pytest.mark.filterwarnings("ignore::gruforecast.data.context.TruncatedHistoryWarning")
def test_a_prediction_that_warns_changes_nothing():
    X = table(pd.MultiIndex.from_product([list("xy"), dates("2024-01-01", 20)]))
    known = X.index.get_level_values(0) == "x"
    model = fitted(X[known][:10])
    before = pickle.dumps(model)
    for new in (X, X[known][12:], X[~known]):
        model.predict(new)
        assert pickle.dumps(model) == before


@pytest.mark.parametrize("indexed", [False, True])
def test_one_call_equals_row_by_row(indexed):
    X = table(dates("2024-01-01", 34))
    X = X if indexed else X.to_numpy()
    model = fitted(X[:20])
    whole = model.predict(X[20:])
    for end in range(21, 35):
        np.testing.assert_array_equal(model.predict(X[20:end]), whole[: end - 20])
        np.testing.assert_array_equal(model.predict(X[:end])[20:], whole[: end - 20])
        last = predicted(model, X[end - LOOKBACK : end], "none")[-1]
        assert last == whole[end - 21]


MODELS = {}  # one for each lookback, of two series that take few different values


def of_few_values(lookback):
    if lookback not in MODELS:
        rng = np.random.default_rng(0)
        X, names = rng.choice([0.0, 1.0, np.nan], (16, 1)), list("abbaabab" * 2)
        MODELS[lookback] = forecaster(lookback=lookback).fit(X, target(16), groups=names)
        MODELS[lookback].seen = {name: X[[n == name for n in names]] for name in "ab"}
    return MODELS[lookback]


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    lookback=st.integers(1, 5),
    begin=st.lists(st.integers(0, 6), min_size=2, max_size=2),
    values=st.lists(st.sampled_from([0.0, 1.0, np.nan]), min_size=6, max_size=6),
    names=st.lists(st.sampled_from("ab"), min_size=1, max_size=12),
)
def test_rows_that_begin_as_training_did_are_told_apart_without_the_rows_after_them(
    lookback, begin, values, names
):
    """Each series begins with some of its training rows; no call knows more than a shorter one."""
    model, names = of_few_values(lookback), np.array(names)
    X = np.empty((len(names), 1))
    for name, n in zip("ab", begin, strict=True):
        own = np.flatnonzero(names == name)
        long = np.concatenate([model.seen[name][:n, 0], values, values])
        X[own, 0] = long[: len(own)]
    whole = model.predict(X, groups=names)
    for end in range(1, len(names) + 1):
        part = model.predict(X[:end], groups=names[:end])
        np.testing.assert_array_equal(part, whole[:end])
    for name in set(names):
        own = names == name
        alone = model.predict(X[own], groups=names[own])
        np.testing.assert_array_equal(alone, whole[own])
        if len(alone) <= begin["ab".index(name)]:
            cold = predicted(model, X[own], "none", groups=names[own])
            np.testing.assert_array_equal(alone, cold)


def test_classes_and_states_see_the_training_rows():
    X = array(30)
    choices = {"lookback": LOOKBACK, "hidden_size": 4, "max_iter": 2, "random_state": 0}
    classifier = GRUClassifier(**choices).fit(X[:20], target(20) > 0)
    encoder = GRUEncoder(states="all", **choices).fit(X[:20], target(20))
    for model, run in ((classifier, "predict_proba"), (encoder, "transform")):
        whole = getattr(model, run)(X)
        np.testing.assert_array_equal(getattr(model, run)(X[20:]), whole[20:])


def learnt(*chunks, **choices):
    """A model that learnt (X, y, groups) of every chunk with partial_fit."""
    model = forecaster(**choices)
    for X, y, *groups in chunks:
        model.partial_fit(X, y, **({"groups": groups[0]} if groups else {}))
    return model


@pytest.mark.parametrize("size", [0, 1, 2, 9])
def test_a_chunk_sees_the_chunks_before_as_history(size):
    """As if their last rows were there once more, without a target; however short a chunk is."""
    rows, y, new = array(32), target(32), array(6, seed=5)
    begin = 11 + size
    before = [(rows[:11], y[:11]), (rows[11:begin], y[11:begin])][: 2 if size else 1]
    model = learnt(*before, (rows[begin:], y[begin:]))
    longer = np.concatenate([np.full(LOOKBACK - 1, np.nan), y[begin:]])
    same = learnt(*before, (rows[begin - LOOKBACK + 1 :], longer))
    np.testing.assert_array_equal(model.network_.flat, same.network_.flat)
    np.testing.assert_array_equal(model.predict(new), continued(model, rows, new))
    brief = learnt(*before)
    np.testing.assert_array_equal(brief.predict(new), continued(brief, rows[:begin], new))


@pytest.mark.parametrize("make", [np.asarray, lambda rows: table(dates("2024-01-01", len(rows)))])
def test_the_first_rows_of_all_chunks_are_known_as_such(make):
    X, y = make(array(32)), target(32)
    model = learnt((X[:20], y[:20]), (X[20:26], y[20:26]), (X[26:], y[26:]))
    for rows in (X, X[:20], X[:5]):
        check_cold(model, rows)


@pytest.mark.parametrize("sizes", [(12, 8), (12, 1, 1, 6), (9, 2, 2, 2, 5), (12, 6, 2), (18, 1, 1)])
@pytest.mark.parametrize("index", [dates("2024-01-01", 30), dates("2024-01-01", 30, "B"),
                                   dates("2024-03-22", 30, tz=BERLIN), pd.RangeIndex(100, 130),
                                   pd.period_range("2024-01", periods=30, freq="M")])  # fmt: skip
def test_chunks_that_follow_each_other_by_their_stamps(sizes, index):
    X, y = table(index), target(30)
    ends = np.cumsum((0, *sizes))
    chunks = [slice(a, b) for a, b in itertools.pairwise(ends)]
    stamped = learnt(*((X[part], y[part]) for part in chunks))
    plain = learnt(*((X[part].to_numpy(), y[part]) for part in chunks))
    np.testing.assert_array_equal(stamped.network_.flat, plain.network_.flat)
    expected = continued(plain, X[:20], X[20:])
    np.testing.assert_array_equal(plain.predict(X[20:].to_numpy()), expected)
    np.testing.assert_array_equal(stamped.predict(X[20:]), expected)


def test_a_chunk_that_does_not_follow_starts_cold():
    X, y = table(dates("2024-01-01", 40)), target(40)
    rows, names = X.to_numpy(), np.array(["a"] * 20 + ["b"] * 12)
    first = X[:20], y[:20]
    cold = learnt((rows[:20], y[:20], names[:20]), (rows[23:35], y[23:35], names[20:]))
    warm = learnt((rows[:20], y[:20], names[:20]), (rows[23:35], y[23:35], names[:12]))
    model = learnt(first, (X[23:35], y[23:35]))
    np.testing.assert_array_equal(model.network_.flat, cold.network_.flat)
    assert (model.network_.flat != warm.network_.flat).any()
    np.testing.assert_array_equal(model.predict(X[35:]), continued(model, X[23:35], X[35:]))
    with pytest.warns(TruncatedHistoryWarning, match="^3 of 15 rows"):
        model.predict(X[20:35])


@pytest.mark.parametrize("make", [np.asarray, lambda rows: table(dates("2024-01-01", len(rows)))])
def test_the_same_rows_again_are_another_epoch(make):
    X, y = make(array(30)), target(30)
    epochs = learnt(*[(X, y)] * 3)
    whole = forecaster(max_iter=3, early_stopping=False).fit(X, y)
    assert epochs.loss_curve_ == whole.loss_curve_
    np.testing.assert_array_equal(epochs.network_.flat, whole.network_.flat)
    np.testing.assert_array_equal(epochs.predict(X), whole.predict(X))


def test_series_that_go_on_in_a_chunk_and_series_that_do_not():
    rows, y, names = array(40), target(40), np.array(list("ab" * 10 + "ac" * 10))
    model = learnt((rows[:20], y[:20], names[:20]), (rows[20:], y[20:], names[20:]))
    new, of = array(6, seed=5), np.array(list("aabbcc"))
    found = model.predict(new, groups=of)
    for name in "abc":
        expected = continued(model, rows[names == name], new[of == name])
        np.testing.assert_array_equal(found[of == name], expected)


def test_a_new_fit_forgets_the_rows_of_the_last_one():
    X, y = table(dates("2024-01-01", 40)), target(40)
    for warm_start in (False, True):
        model = fitted(X[:20], warm_start=warm_start).fit(X[5:15], y[5:15])
        np.testing.assert_array_equal(model.predict(X[15:]), continued(model, X[5:15], X[15:]))
        np.testing.assert_array_equal(model.predict(X[5:9]), predicted(model, X[5:9], "none"))
        with pytest.warns(TruncatedHistoryWarning, match="^3 of 20 rows"):
            model.predict(X[20:])


def test_a_search_over_folds_finds_the_lookback_that_the_series_needs():
    """The mean of the last 48 rows, foretold for folds of 24 rows.

    Folds that start cold never see a full window, and less of a long one than of a short one.
    """
    rng = np.random.default_rng(3)
    x = 3 * np.arange(700) / 700 + 0.7 * rng.normal(size=700)
    X, y = x[:, None], np.convolve(x, np.ones(48) / 48)[:700]
    errors = {"auto": [], "none": []}
    for lookback in (12, 24, 48):
        model = GRUForecaster(
            lookback=lookback, hidden_size=4, max_iter=15, learning_rate=0.03, random_state=0
        )
        of_folds = {"auto": [], "none": []}
        for train, test in TimeSeriesSplit(5, test_size=24).split(X):
            model.fit(X[train], y[train])
            for context, found in of_folds.items():
                found.append(np.mean((predicted(model, X[test], context) - y[test]) ** 2))
        for context, found in of_folds.items():
            errors[context].append(np.mean(found))
    warm, cold = errors["auto"], errors["none"]
    assert warm[0] > warm[1] > warm[2], errors
    assert cold[2] > 1.3 * cold[0], errors
    assert cold[2] > 5 * warm[2], errors
