"""Networks that see rows differently, and how the tail says what each of them counts."""

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

from gruforecast import GRUForecaster
from gruforecast.forecasting import fitting
from gruforecast.forecasting.intervals import Forecasts, Part
from gruforecast.forecasting.judging import (
    DOUBTFUL,
    ENOUGH_HORIZONS,
    SURE,
    _certainty,
    _cross_fitted,
    _find,
    judge,
)
from gruforecast.forecasting.settling import read_course
from gruforecast.forecasting.views import View, usual_weights, views_of
from gruforecast.training import make_loss
from tests.helpers import wavy_series

pytestmark = pytest.mark.filterwarnings("ignore::gruforecast.forecasting.skill.EchoWarning")

LONG = 1000.0  # horizons of a tail
NO_TABLES = {"covariates": None, "past_covariates": None, "static": None}


def noise(n, seed=0):
    return np.random.default_rng(seed).standard_normal(n)


def small(**choices):
    usual = {"horizon": 4, "lookback": 8, "hidden_size": 4, "max_iter": 3, "random_state": 0}
    return GRUForecaster(**usual | choices)


def views(model):
    return model._state.encoder.views(len(model.networks_))


# Who sees what.


def test_views_come_in_turn():
    first, second, third = View("last", True), View("last", False), View("window", False)
    kinds = ("last", "window")
    wanted = [first, second, third, first, second]
    assert views_of(5, kinds, has_baseline=True) == wanted
    assert views_of(2, kinds, has_baseline=False) == [second, second]
    assert usual_weights(wanted) == [0.25, 0.25, 0.0, 0.25, 0.25]


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        (noise(400).cumsum(), ("last", "window")),  # levels of a walk do not come back
        (noise(400), ("standard", "last")),
        (lfilter([1.0], [1.0, -0.6], noise(400)), ("last", "standard")),
    ],
    ids=["walk", "noise", "what comes back"],
)
def test_units_beside_the_usual_ones(values, kinds):
    model = small().fit(values)
    assert model._state.encoder.kinds == kinds
    assert [view.normalize for view in views(model)] == [kinds[0], kinds[0], kinds[1]]
    assert [view.of_baseline for view in views(model)] == [True, False, False]
    lags = [network.specification.n_lags for network in model.networks_]
    assert lags == [8, 0, 0]


@pytest.mark.parametrize("normalize", ["none", "standard", "last", "window"])
def test_units_that_are_asked_for_are_those_of_all_networks(normalize):
    model = small(normalize=normalize).fit(wavy_series(200)[:, 0])
    assert {view.normalize for view in views(model)} == {normalize}
    assert len(model.networks_) == (1 if normalize == "none" else 2)  # it knows no level


@pytest.mark.parametrize("n", [1, 2, 3])
def test_units_that_no_network_has_are_not_measured(n):
    model = small(n_estimators=n).fit(wavy_series(200)[:, 0])
    kinds = model._state.encoder.kinds
    assert set(kinds) == {view.normalize for view in views(model)}
    suggestion = GRUForecaster.suggest(wavy_series(200)[:, 0], n_estimators=n)
    assert suggestion["normalize"] == (kinds[0] if len(kinds) == 1 else "auto")


def test_a_warm_start_sees_as_before():
    """Also where other networks judge those that learn from all rows."""
    values = noise(260).cumsum()
    model = small(early_stopping=False, warm_start=True).fit(values[:200])
    before = views(model)
    assert {view.normalize for view in before} == {"last", "window"}
    settings = model._settings()
    course = read_course(values, settings, model._state, NO_TABLES)
    assert course.views(course.lesson(whole=False).encoder) == before
    assert views(model.fit(values)) == before


@pytest.mark.parametrize("choices", [{"baseline": "none"}, {"loss": "poisson"}])
def test_without_a_baseline_there_is_one_network(choices):
    model = small(**choices).fit(np.abs(noise(200)))
    assert len(model.networks_) == 1
    assert model._state.weights == [1.0]


# What each counts.


def test_forecasts_are_sums_by_weights():
    loss, zero = make_loss("absolute_error"), np.array([[10.0, 20.0]])
    two = np.full((1, 1), 2.0)
    parts = [
        Part(0.25, np.array([[1.0, 3.0]], np.float32), zero, two),
        Part(0.5, np.array([[2.0, -1.0]], np.float32), np.array([[4.0]]), two / 2),
    ]
    found = Forecasts.of(loss, parts, zero, two)
    wanted = 0.25 * np.array([12.0, 26.0]) + 0.5 * np.array([6.0, 3.0]) + 0.25 * zero[0]
    np.testing.assert_allclose(found.mean[0], wanted)
    for none in ([], [one._replace(weight=0.0) for one in parts]):
        np.testing.assert_array_equal(Forecasts.of(loss, none, zero, two).mean, zero)


def test_a_view_is_left_out_where_that_pays_more_than_luck():
    wanted = noise(2000).reshape(-1, 4)
    good, other = (wanted + 0.5 * noise(2000, seed).reshape(-1, 4) for seed in (1, 2))
    poor = wanted + 3 * noise(2000, 3).reshape(-1, 4)

    def find(*added, **choices):
        stretch = np.arange(500) // 4
        usual = {"n_horizons": LONG, "n_stretches": 125, "shrinks": True}
        return _find(wanted, added, stretch, **usual | choices)

    assert find(good, other) in ([0.5, 0.5], [0.45, 0.45])
    assert find(good, other, poor) == [*find(good, other), 0.0]
    worse = wanted + 0.56 * noise(2000, 4).reshape(-1, 4)
    assert min(find(good, worse)) > 0
    assert find(wanted, -10 * wanted) == [1.0, 0.0]
    assert sum(find(noise(2000, 5).reshape(-1, 4))) < 0.2  # nothing but luck
    assert find(poor, shrinks=False) == [1.0]  # the share is not asked for
    half = (ENOUGH_HORIZONS + 1) / 2
    np.testing.assert_allclose(find(wanted, wanted, n_horizons=half), 0.25)
    assert find(good, other, n_horizons=1.0) == [0.0, 0.0]


def test_gains_that_come_and_go_are_luck():
    gains = np.repeat([1.0, -0.5, 1.0, -0.5], 5)[:, None] * np.ones(3)
    stretch = np.arange(20) // 5
    steady = np.repeat([1.0, 0.9, 1.1, 1.0], 5)[:, None] * np.ones(3)
    each = np.array([1.0, -0.5, 1.0, -0.5])
    expected = each.mean() / (each.std(ddof=1) / 2)
    assert _certainty(gains, stretch) == pytest.approx(expected)
    assert expected < DOUBTFUL
    assert _certainty(steady, stretch) > SURE
    assert _certainty(gains, np.zeros(20, int)) == 0.0  # one stretch tells nothing of luck
    steady[5:10] = np.nan
    assert _certainty(steady, stretch) > SURE


def test_a_part_of_the_tail_stands_for_all_of_it():
    gains = np.array([1.0, -0.2, 1.4, 0.1, 1.0, -0.2, 1.4, 0.1])[:, None]
    stretch, wanted = np.arange(8), np.full((8, 1), 9.0)

    def find(rows, n_stretches):
        choices = {"n_horizons": LONG, "n_stretches": n_stretches, "shrinks": True}
        return _find(wanted[rows], [gains[rows]], stretch[rows], **choices)[0]

    part, certainty = slice(4), _certainty(gains[:4], stretch[:4])
    assert DOUBTFUL < certainty < SURE
    slope = 1 / (SURE - DOUBTFUL)
    assert find(part, 4) == pytest.approx((certainty - DOUBTFUL) * slope)
    assert find(part, 5) == pytest.approx((certainty * np.sqrt(5 / 4) - DOUBTFUL) * slope)
    assert find(part, 40) == 1.0


def test_each_half_is_shown_by_the_weights_of_the_other():
    wanted, is_newer = np.ones((8, 2)), np.arange(8) >= 4
    added = [np.ones((8, 2)), np.ones((8, 2))]
    added[0][is_newer] = 7.0  # right in the older half alone
    added[1][~is_newer] = 7.0

    def find(wanted, added, stretch):
        return _find(wanted, added, stretch, n_horizons=LONG, n_stretches=8, shrinks=True)

    stretch = np.arange(8)
    shown = _cross_fitted(wanted, added, stretch, is_newer, find)
    np.testing.assert_allclose(shown, 7.0)
    wanted[is_newer] = np.nan  # nothing to learn from
    np.testing.assert_allclose(_cross_fitted(wanted, added, stretch, is_newer, find)[:4], 1.0)


def test_a_forecast_is_what_the_networks_say_by_their_weights():
    series = pd.Series(100 + 20 * wavy_series(300)[:, 0])
    model = small(max_iter=30, hidden_size=8).fit(series)
    weights, expected = model._state.weights, model.predict(series)
    assert sum(weights) > 0.5
    one_by_one = []
    for k in range(len(weights)):
        model._state.__dict__["weights"] = [float(k == other) for other in range(len(weights))]
        one_by_one.append(model.predict(series))
    model._state.__dict__["weights"] = [0.0] * len(weights)
    baseline = model.predict(series)
    total = (1 - sum(weights)) * baseline
    total += sum(weight * one for weight, one in zip(weights, one_by_one, strict=True))
    np.testing.assert_allclose(expected, total, rtol=1e-6)


@pytest.mark.parametrize("loss", ["quantile", "gaussian"])
def test_spreads_have_no_baseline_so_networks_count_in_full(loss):
    model = small(loss=loss).fit(wavy_series(200)[:, 0])
    assert sum(model._state.weights) == pytest.approx(1.0)
    frame = model.forecast(level=80)
    assert (frame["lo-80"] <= frame["mean"]).all()
    assert (frame["mean"] <= frame["hi-80"]).all()


def test_each_network_goes_on_with_its_own_best_epoch(monkeypatch):
    seen, train = [], fitting.train_ensemble

    def spy(networks, data, options, **hardware):
        seen.append((networks, [one.max_epochs for one in options]))
        return train(networks, data, options, **hardware)

    runs = []

    def judged(*arguments):
        review = judge(*arguments)
        return review._replace(weights=[0.5, 0.0, 0.25], goes_on=True)

    monkeypatch.setattr(fitting, "train_ensemble", spy)
    monkeypatch.setattr(fitting, "judge", judged)
    reviewer = fitting._reviewer

    def noting(*arguments):
        review = reviewer(*arguments)

        def noted(networks, found):
            runs.extend(found)
            return review(networks, found)

        return noted

    monkeypatch.setattr(fitting, "_reviewer", noting)
    model = small(max_iter=12).fit(wavy_series(300)[:, 0])
    wanted = [
        ([model.networks_[k]], [-(-runs[k].best_epoch // 4)])
        for k in (0, 2)  # the other one counts nothing
        if runs[k].best_epoch > 0
    ]
    assert wanted
    assert seen == wanted
