"""What is chosen for series where the caller leaves it open: rules and where they change."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from gruforecast import GRUForecaster
from gruforecast.estimators.parameters import ROWS
from gruforecast.forecasting import choices
from gruforecast.forecasting.choices import Facts, choose_horizon, choose_lookback, settle

pytestmark = pytest.mark.filterwarnings("ignore::gruforecast.forecasting.skill.EchoWarning")

OPEN = dict.fromkeys(("hidden_size", "learning_rate", "batch_size", "max_iter", "n_iter_no_change"))
OPEN |= {"n_estimators": None}
OPEN |= dict.fromkeys(("loss", "learning_rate_schedule", "segment_length", "decoder"), "auto")


def settled(season=24, horizon=24, lookback=168, n_rows=10_000, n_windows=10_000, **chosen):
    settings = SimpleNamespace(**OPEN | {"baseline": "auto", "normalize": "auto"} | chosen)
    settings.reasons = settle(settings, Facts(season, horizon, lookback, n_rows, n_windows))
    return settings


def test_every_choice_has_a_reason_and_what_is_given_stays():
    found = settled()
    assert set(found.reasons) == set(OPEN)
    assert all(isinstance(why, str) and why for why in found.reasons.values())
    given = {
        "loss": "huber", "hidden_size": 7, "learning_rate": 0.5, "batch_size": 9, "max_iter": 11,
        "learning_rate_schedule": "cosine", "n_iter_no_change": 3, "segment_length": 1,
        "decoder": "direct", "n_estimators": 3,
    }  # fmt: skip
    found = settled(**given)
    assert not found.reasons
    assert {name: getattr(found, name) for name in given} == given


@pytest.mark.parametrize(
    ("season", "longest", "horizon"),
    [(24, 240, 24), (24, 239, 23), (7, 70, 7), (7, 69, 6), (None, 100, 10), (None, 99, 9),
     (1, 30, 1), (12, 15, 1), (12, 2, 1)],
)  # fmt: skip
def test_horizon(season, longest, horizon):
    assert choose_horizon(season, longest)[0] == horizon


def test_lookback():
    n = choices.SEASONS_READ
    assert choose_lookback(24, 24, 4 * 24 * n)[0] == 24 * n
    assert choose_lookback(24, 24, 4 * 24 * n - 1)[0] == 24 * n - 1
    assert choose_lookback(24, 12 * n + 1, 10**6)[0] == 24 * n + 2
    assert choose_lookback(None, 3, 10**6)[0] == max(choices.LEAST_LOOKBACK, n)
    assert choose_lookback(None, 30, 10**6)[0] == 60
    assert choose_lookback(7, 7, 3)[0] == 1


@pytest.mark.parametrize(
    ("season", "lookback", "length"),
    [(24, 168, 24), (24, 48, 24), (24, 47, 12), (7, 49, 7), (4, 8, 4), (4, 6, 1), (12, 16, 6),
     (48, 336, 24), (168, 700, 24), (52, 364, 13), (53, 371, 46), (23, 161, 23), (29, 203, 25),
     (None, 16, 2), (None, 80, 10), (1, 80, 10), (None, 7, 1), (24, 1, 1)],
)  # fmt: skip
def test_segments_are_seasons_or_even_parts_of_long_ones(season, lookback, length):
    found = settled(season=season, lookback=lookback).segment_length
    assert found == length
    assert 1 <= found <= lookback


def test_epochs_make_so_many_steps():
    size = 128
    n_least = -(-choices.N_STEPS // choices.MOST_EPOCHS) * size  # from which fewer epochs do
    assert settled(n_windows=1).max_iter == choices.MOST_EPOCHS
    assert settled(n_windows=n_least).max_iter == choices.MOST_EPOCHS
    assert settled(n_windows=n_least + 1).max_iter < choices.MOST_EPOCHS
    assert settled(n_windows=choices.N_STEPS * size).max_iter == 1
    assert settled(n_windows=10**9).max_iter == 1
    few = settled(n_windows=10**4, batch_size=1000)
    assert few.max_iter == min(choices.MOST_EPOCHS, choices.N_STEPS // 10)


def test_units_by_windows():
    assert settled(n_windows=choices.MANY_WINDOWS).hidden_size == choices.LARGE
    assert settled(n_windows=choices.MANY_WINDOWS - 1).hidden_size == choices.SMALL


def test_rows_with_a_y_keep_their_own_choices():
    X = np.random.default_rng(0).standard_normal((60, 2))
    model = GRUForecaster(max_iter=2, random_state=0).fit(X.reshape(30, 2, 2), X[::2, 0])
    settings = model._state.settings
    assert {name: getattr(settings, name) for name in ROWS} == ROWS | {"max_iter": 2}
    assert settings.loss == "squared_error"


def test_a_fit_is_what_was_suggested():
    rows = pd.Series(np.sin(np.arange(150.0)), pd.date_range("2024-01-01", periods=150, freq="D"))
    given = {"random_state": 0, "max_iter": 2, "hidden_size": 4}
    found = GRUForecaster.suggest(rows, **given)
    assert set(given) <= set(found)
    assert not set(given) & set(found.reasons)
    assert all(name in repr(found) for name in found.reasons)
    wanted = GRUForecaster(**given).fit(rows)
    model = GRUForecaster(**found).fit(rows)
    pd.testing.assert_frame_equal(model.forecast(9, 80), wanted.forecast(9, 80))
    for name in found.reasons:
        expected = "auto" if name == "normalize" else getattr(wanted._state.settings, name)
        assert found[name] == expected
