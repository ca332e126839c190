"""The simplest forecasts of series, how they are averaged, and what a network adds to them."""

import numpy as np
import pandas as pd
import pytest

import gruforecast
from gruforecast import GRUForecaster
from gruforecast.forecasting.baseline import SEASONAL, SEASONS, WITHOUT_SEASON, Baseline
from gruforecast.forecasting.block import Beside, Block
from gruforecast.forecasting.dates.cadence import Cadence
from gruforecast.forecasting.line import Line
from gruforecast.forecasting.panel import Panel
from gruforecast.forecasting.settling import read_course
from tests.helpers import wavy_series

pytestmark = pytest.mark.filterwarnings("ignore::gruforecast.forecasting.skill.EchoWarning")

KINDS = WITHOUT_SEASON + len(SEASONAL)
HORIZON, LOOKBACK, SEASON = 5, 3, 4


def dated(values, places=None):
    places = np.arange(len(values)) if places is None else np.asarray(places)
    stamps = pd.Timestamp("2024-01-01") + pd.to_timedelta(places, unit="D")
    return pd.Series(np.asarray(values, float), stamps)


def block_of(rows, horizon=HORIZON):
    panel = Panel.read(rows)
    longest = max(panel.stamps, key=len)
    cadence = Cadence.of(longest, "D")
    return Block.build(panel, cadence, horizon, Beside(), has_future=False)


def learn(block, used=None, season=SEASON, lookback=LOOKBACK):
    used = np.ones(block.panel.n, bool) if used is None else used
    return Baseline.fit(block, used, lookback, HORIZON, season)


def every_kind(baseline, block):
    """The simplest forecasts after every row (K, n, H)."""
    n_kinds = len(baseline.usual)
    simple, rows = baseline.simple(block), np.arange(block.panel.n)
    return np.stack([simple.of(rows, one) for one in np.eye(n_kinds)])


def noise(n, seed=0):
    return np.random.default_rng(seed).standard_normal(n)


# Candidates.


def test_candidates_by_numbers():
    rows = dated([10, 20, 30, 40, 14, 22, 36, 44])
    block = block_of(rows)
    last = [
        [44, 44, 44, 44, 44],
        [34, 34, 34, 34, 34],
        [27, 27, 27, 27, 27],
        [44, 44, 44, 44, 44],  # the newest few of so short a window are one
        [52, 60, 68, 76, 84],  # which lies 8 above the one before
        [52, 60, 68, 76, 84],
        [14, 22, 36, 44, 14],  # the newest season
        [12, 21, 33, 42, 12],  # the mean of two
        [14, 23, 35, 44, 14],  # the newest season has a mean of 29, all rows have one of 27
        [18, 26, 40, 48, 18],  # the newest value is 4 above that of a season ago
        [18, 26, 40, 48, 18],
        [18, 26, 40, 48, 22],  # each season 4 above the one before
        [18, 27, 39, 48, 22],  # and the mean of two at the level of the newest, too
    ]
    found = every_kind(learn(block), block)
    np.testing.assert_allclose(found[:, -1], last, rtol=1e-12)
    fifth = [  # after 22
        [22, 22, 22, 22, 22],
        [76 / 3] * 5,
        [27, 27, 27, 27, 27],
        [22, 22, 22, 22, 22],
        [30, 38, 46, 54, 62],
        [30, 38, 46, 54, 62],
        [30, 40, 14, 22, 30],
        [30, 40, 12, 21, 30],
        np.array([30, 40, 12, 21, 30]) + (106 / 4 - 136 / 6),
        [32, 42, 16, 24, 32],
        [32, 42, 16, 24, 32],
        [30, 40, 14, 22, 30],
        np.array([30, 40, 12, 21, 30]) + (106 / 4 - 136 / 6),
    ]
    np.testing.assert_allclose(found[:, 5], fifth, rtol=1e-12)


def by_hand(value_at, places, row, mean, lookback):
    """All candidates (K, H) after a row, one value after the other; None is not known."""

    def newest(place, step):
        while place >= places[0]:
            if value_at.get(place) is not None:
                return value_at[place]
            place -= step
        return np.nan

    def mean_of(last, n):
        known = [value_at.get(place) for place in range(max(last - n + 1, places[0]), last + 1)]
        known = [value for value in known if value is not None]
        return np.mean(known) if known else np.nan

    now = places[row]
    last = np.nan_to_num(newest(now, 1))
    window = [newest(place, 1) for place in places[max(0, row + 1 - lookback) : row + 1]]
    quarter = max(1, SEASON // 4)
    span = SEASON if lookback >= 2 * SEASON else lookback // 2

    def change(span):
        is_whole = now - places[0] + 1 >= 2 * span
        return mean_of(now, span) - mean_of(now - span, span) if is_whole else np.nan

    def known(value, other):
        return other if np.isnan(value) else value

    slope, growth = change(span) / span, known(change(SEASON), 0.0)
    of_some = known(change(2 * SEASON) / 2, growth)
    added = np.nan_to_num([
        mean_of(now, SEASON) - mean_of(now, SEASONS * SEASON),
        last - newest(now - SEASON, SEASON),
        mean_of(now, quarter) - mean_of(now - SEASON, quarter),
    ])  # fmt: skip
    of_season, of_seasons = [], []
    for ahead in range(1, HORIZON + 1):
        place = now + ahead
        while place > now:
            place -= SEASON
        found = [newest(place - age * SEASON, SEASON) for age in range(SEASONS)]
        found = [one for one in found if not np.isnan(one)]
        of_season.append(found[0] if found else last)
        of_seasons.append(np.mean(found) if found else last)
    of_season, of_seasons = np.array(of_season), np.array(of_seasons)
    few = known(mean_of(now, max(1, lookback // 5)), last)
    flat = [np.full(HORIZON, one) for one in (last, np.mean(window), mean, few)]
    on_line = known(mean_of(now, span) + slope * (span - 1) / 2, last)
    rising = known(slope, 0.0) * np.arange(1, HORIZON + 1)
    sloping = [last + rising, on_line + rising]
    changed = [of_seasons + added[0], of_season + added[1], of_season + added[2]]
    seasons = np.array([1, 1, 1, 1, 2])
    growing = [of_season + growth * seasons, changed[0] + of_some * seasons]
    return np.stack([*flat, *sloping, of_season, of_seasons, *changed, *growing])


PLACES = np.delete(np.arange(50), [5, 11, 12, 13, 30, 41])
MISSING = [7, 8, 19, 20, 21, 22, 33, 42]


@pytest.mark.parametrize("lookback", [3, 7, 12])
@pytest.mark.parametrize("is_seen", [True, False])
@pytest.mark.parametrize("case", ["every row", "ties", "values missing", "stamps left out"])
def test_candidates_by_loops(case, is_seen, lookback):
    places = PLACES if case == "stamps left out" else np.arange(50)
    values = 10 + np.array([3, 0, -2, 1])[places % SEASON] + noise(50)[places]
    if case == "ties":  # many changes are zero
        values = np.round(noise(50).clip(0, 1))
    elif case != "every row":
        values[MISSING] = np.nan
    block = block_of(dated(values, places))
    baseline = learn(block, lookback=lookback)
    if not is_seen:
        baseline = learn(block_of(dated(noise(60)).rename("other")), lookback=lookback)
    found = every_kind(baseline, block)
    pairs = zip(places.tolist(), values.tolist(), strict=True)
    value_at = {place: value for place, value in pairs if not np.isnan(value)}
    for row in range(len(values)):
        mean = np.nanmean(values if is_seen else values[: row + 1])
        wanted = by_hand(value_at, places, row, mean, lookback)
        np.testing.assert_allclose(found[:, row], wanted, rtol=1e-9)


def test_without_a_season_there_are_six():
    rows = dated([10, 20, 30, 46])
    for season in (None, 1):
        baseline = learn(block_of(rows), season=season)
        found = every_kind(baseline, block_of(rows))
        np.testing.assert_allclose(found[:, -1, 0], [46, 32, 26.5, 46, 62, 62])
        np.testing.assert_allclose(found[4, -1], [62, 78, 94, 110, 126])  # half a window: one row
        assert baseline.reach == LOOKBACK
    assert learn(block_of(rows), season=None, lookback=1).reach == 2
    assert learn(block_of(rows)).reach == SEASONS * SEASON


def test_trends_go_on():
    """Far enough for forecasts of more than one season, with a season and without."""
    for season, shape in ((None, [0.0] * 4), (SEASON, [0.0, 9, 1, 4])):
        wanted = 2 * np.arange(400) + np.tile(shape, 100)
        block = block_of(dated(wanted[:380]), horizon=20)
        baseline = Baseline.fit(block, np.ones(380, bool), LOOKBACK, 20, season)
        found = baseline.simple(block).of(np.array([379]), baseline.weights[None])
        np.testing.assert_allclose(found[0], wanted[380:], rtol=1e-6)


# Weights.


@pytest.mark.parametrize(
    ("values", "best"),
    [
        (noise(400).cumsum(), [0, 3]),  # a walk: its newest value
        (noise(400), [2, 7]),  # noise: a mean
        (np.tile([5.0, 0, 0, 1], 100) + np.arange(100).repeat(4), [6, 9, 10, 11, 12]),
        (np.tile([5e8, 0, 0, 1e8], 100), [6, 7, 11, 12]),
    ],
    ids=["walk", "noise", "season", "exact"],
)
def test_the_best_count_most(values, best):
    block = block_of(dated(values))
    baseline = learn(block)
    (weights,) = baseline.weights.values()
    assert weights.sum() == pytest.approx(1.0)
    assert (weights >= 0).all()
    assert int(weights.argmax()) in best
    wanted = np.lib.stride_tricks.sliding_window_view(values, HORIZON)[101:]
    rows = np.arange(100, 100 + len(wanted))
    errors = np.abs(every_kind(baseline, block)[:, rows] - wanted).mean(axis=(1, 2))
    average = baseline.simple(block).of(rows, weights)
    assert np.abs(average - wanted).mean() <= 1.03 * errors.min() + 1e-6


def test_constant_series_are_known_exactly():
    rows = dated(np.full(60, 3.75))
    block = block_of(rows)
    baseline = learn(block)
    np.testing.assert_allclose(baseline.usual, 1 / KINDS)
    model = GRUForecaster(horizon=3, max_iter=1, hidden_size=4, random_state=0).fit(rows)
    np.testing.assert_allclose(model.forecast(7)["mean"], 3.75, rtol=1e-6)


def test_unseen_series_count_them_as_the_usual_one():
    table = pd.concat({"walk": dated(noise(200).cumsum()), "noise": dated(noise(200, 1))})
    baseline = learn(block_of(table))
    np.testing.assert_allclose(baseline.usual, np.mean(list(baseline.weights.values()), axis=0))
    new = block_of(pd.concat({"new": dated(noise(30, 2)), "noise": dated(noise(200, 1))}))
    table = baseline.weights_of(new.panel)
    np.testing.assert_array_equal(table[:30], np.tile(baseline.usual, (30, 1)))
    np.testing.assert_array_equal(table[30:], np.tile(baseline.weights["noise"], (200, 1)))
    again = baseline.learn(new, np.ones(new.panel.n, bool))
    assert set(again.weights) == {"walk", "noise", "new"}
    np.testing.assert_array_equal(again.weights["noise"], baseline.weights["noise"])
    anew = baseline.learn_anew(new, np.arange(new.panel.n) < 100)
    np.testing.assert_array_equal(anew.weights["walk"], baseline.weights["walk"])
    assert (anew.weights["noise"] != baseline.weights["noise"]).any()


# What is known when.


@pytest.mark.parametrize("season", [1, SEASON])
def test_rows_that_are_not_used_teach_nothing(season):
    rows = dated(noise(120) + np.tile([3, 0, 0, 1], 30))
    used = np.arange(120) < 90
    wanted = learn(block_of(rows), used, season)
    rows.iloc[90:] = rows.iloc[90:] * 1e6 + 3
    found = learn(block_of(rows), used, season)
    np.testing.assert_array_equal(found.weights[None], wanted.weights[None])
    assert found.means == wanted.means
    rows.iloc[89] += 1.0
    assert (learn(block_of(rows), used, season).weights[None] != wanted.weights[None]).any()


@pytest.mark.parametrize("lookback", [3, 12])
@pytest.mark.parametrize("name", [None, "new"])
def test_later_rows_change_nothing_before_them(name, lookback):
    rows = dated(noise(80)).rename(name)
    rows.iloc[::7] = np.nan
    baseline = learn(block_of(dated(noise(80))), lookback=lookback)
    wanted = every_kind(baseline, block_of(rows))
    for at in (1, 20, 41, 79):
        moved = rows.copy()
        moved.iloc[at:] = moved.iloc[at:] * 1e6 + 9
        for changed in (moved, rows[:at]):
            found = every_kind(baseline, block_of(changed))
            np.testing.assert_array_equal(found[:, :at], wanted[:, :at])


@pytest.mark.parametrize("lookback", [3, 12])
def test_no_other_series_and_no_other_row_is_in_the_bits(lookback):
    one, other = dated(noise(80)), dated(noise(80, 1) * 1e12)
    block, alone = block_of(pd.concat({"a": other, "b": one})), block_of(pd.concat({"b": one}))
    baseline = learn(block, lookback=lookback)
    found, of_one = every_kind(baseline, block), every_kind(baseline, alone)
    np.testing.assert_array_equal(found[:, 80:], of_one)
    weights = baseline.weights["b"]
    wanted = baseline.simple(alone).of(np.arange(80), weights)
    for row in (0, 33, 79):
        found = baseline.simple(alone).of(np.array([row]), weights)
        np.testing.assert_array_equal(found[0], wanted[row])


# With a network.


def small(**changes):
    choices = {"horizon": HORIZON, "lookback": LOOKBACK, "hidden_size": 4, "max_iter": 2}
    return GRUForecaster(**choices | {"season": SEASON, "random_state": 0, "freq": "D"} | changes)


def wavy(n=200, seed=0):
    return dated(10 + 3 * wavy_series(n, 1, seed)[:, 0] + np.tile([1, 0, 0, 2], n)[:n])


@pytest.mark.parametrize(("early_stopping", "n_tail"), [(True, 20), (False, 0)])
def test_a_network_that_learnt_nothing_forecasts_the_baseline(early_stopping, n_tail):
    rows = wavy()
    model = small(max_iter=1, learning_rate=1e-12, early_stopping=early_stopping, n_estimators=1)
    model.fit(rows)
    baseline = learn(block_of(rows), np.arange(200) < 200 - n_tail)
    wanted = baseline.simple(block_of(rows)).of(np.arange(200), baseline.weights[None])
    np.testing.assert_allclose(model.predict(rows), wanted, rtol=1e-6)
    np.testing.assert_allclose(model.forecast()["mean"], wanted[-1], rtol=1e-6)
    assert model.skill_.loc["forecast", "mae"] <= 1.1 * model.skill_["mae"].iloc[1:].min()


def test_what_a_network_adds_is_what_the_tail_bears_out():
    def curved(n):
        t = np.arange(n)
        return dated(np.sin(0.3 * t) + 0.3 * np.sin(0.05 * t**1.2))

    choices = {"max_iter": 60, "hidden_size": 16, "lookback": 16, "season": 1}
    found = small(**choices).fit(curved(600)).skill_.loc["forecast", "mae"]
    alone = small(**choices | {"max_iter": 1, "learning_rate": 1e-12}).fit(curved(600)).skill_
    assert found < 0.5 * alone.loc["forecast", "mae"]
    walks = [dated(noise(600, seed).cumsum()) for seed in range(3)]
    errors = [small(**choices).fit(walk).skill_["mae"] for walk in walks]
    assert np.mean([own["forecast"] / own["last value"] for own in errors]) < 1.02


@pytest.mark.parametrize("early_stopping", ["auto", False])
@pytest.mark.parametrize("n_since", [10, 20, 40])
def test_a_level_that_shifted_is_the_one_to_go_on_from(n_since, early_stopping):
    values = 10 + noise(200)
    values[-n_since:] += 50
    choices = {"horizon": 7, "lookback": None, "season": 1, "max_iter": 5}
    model = small(**choices, early_stopping=early_stopping).fit(dated(values))
    found = model.forecast(7, level=80)
    np.testing.assert_allclose(found["mean"], 60, atol=5)
    assert ((found["hi-80"] - found["lo-80"]) < 150).all()  # no more than twice what was ever off


@pytest.mark.parametrize(("early_stopping", "n_tail"), [(True, 20), (False, 0)])
def test_a_warm_start_learns_the_baseline_of_its_rows(early_stopping, n_tail):
    rows = wavy()
    model = small(warm_start=True, early_stopping=early_stopping).fit(rows[:150])
    baseline = model.fit(rows)._state.encoder.baseline
    wanted = learn(block_of(rows), np.arange(200) < 200 - n_tail)
    np.testing.assert_array_equal(baseline.weights[None], wanted.weights[None])
    assert baseline.means == wanted.means


def test_a_warm_start_learns_nothing_from_the_tail():
    curves = []
    for factor in (1.0, 1000.0):
        rows = wavy()
        model = small(early_stopping=True, warm_start=True, n_iter_no_change=50).fit(rows[:150])
        rows.iloc[-20:] *= factor
        curves.append(model.fit(rows).loss_curve_)
    assert curves[0] == curves[1]


def test_a_warm_start_keeps_the_shape_that_was_chosen(monkeypatch):
    from gruforecast.forecasting import choices

    monkeypatch.setattr(choices, "MANY_WINDOWS", 180)
    model = small(hidden_size=None, warm_start=True, max_iter=1).fit(wavy(150))
    assert model.network_.specification.hidden_size == choices.SMALL
    assert model.fit(wavy(200)).network_.specification.hidden_size == choices.SMALL
    fresh = small(hidden_size=None, max_iter=1).fit(wavy(200))
    assert fresh.network_.specification.hidden_size == choices.LARGE


def test_files_hold_the_baseline(tmp_path):
    table = pd.DataFrame({"a": wavy(), "b": wavy(seed=1) * 50})
    model = small().fit(table)
    model.save(tmp_path / "model.gru")
    again = gruforecast.load(tmp_path / "model.gru")
    pd.testing.assert_frame_equal(again.forecast(9, 80), model.forecast(9, 80))
    one, other = (m._state.encoder.baseline for m in (model, again))
    assert one.means == other.means
    for name in table:
        np.testing.assert_array_equal(one.weights[name], other.weights[name])


def test_phases_last_seen_long_ago_are_kept():
    rows = wavy()
    rows.iloc[3:160:4] = np.nan
    rows.iloc[163::4] = np.nan
    rows.iloc[51] = 40.0
    model = small().fit(rows)
    np.testing.assert_array_equal(model.forecast()["mean"], model.predict(rows)[-1])
    left_out = rows.dropna()
    model = small().fit(left_out)
    np.testing.assert_array_equal(model.forecast()["mean"], model.predict(left_out)[-1])


def test_there_is_none_where_it_is_not_wanted():
    rows = wavy()
    assert small(baseline="none").fit(rows)._state.encoder.baseline is None
    for loss in ("poisson", "quantile"):
        found = small(loss=loss).fit(rows)
        assert (found._state.encoder.baseline is None) == (loss == "poisson")
        assert np.isfinite(found.forecast(9, level=80)).all(axis=None)
    with pytest.raises(ValueError, match="baseline: expected one of"):
        small(baseline="mean").fit(rows)


def test_a_warm_start_keeps_the_lookback():
    model = GRUForecaster(horizon=3, lookback=12, max_iter=1, hidden_size=4, warm_start=True)
    model.fit(wavy_series(120)).set_params(lookback=16)
    with pytest.raises(ValueError, match="lookback: expected 12 as in the fit to go on with"):
        model.fit(wavy_series(120))


def test_once_judged_networks_go_on_with_all_rows_unless_told_not_to():
    series = wavy_series(260)[:, 0]
    series[200:] += 3.0  # the tail is elsewhere
    options = {"horizon": 2, "lookback": 8, "max_iter": 20, "hidden_size": 8, "random_state": 0}
    on, off = (
        GRUForecaster(**options, early_stopping=when).fit(series).weights_
        for when in ("auto", True)
    )
    assert any((on[name] != off[name]).any() for name in on)


def test_rows_before_the_first_observation_do_not_train():
    values = 1000.0 + wavy_series(150)[:, 0]
    values[:30] = np.nan
    settings = GRUForecaster(horizon=4, lookback=12)._settings()
    tables = {"covariates": None, "past_covariates": None, "static": None}
    course = read_course(pd.Series(values), settings, None, tables)
    assert course.rows(of_tail=False).min() == 30
    for data in course.lesson(whole=False).data:
        assert np.nanmax(np.abs(data.targets)) < 10


def test_where_nothing_judges_the_baseline_forecasts():
    series = wavy_series(24)[:, 0]
    model = GRUForecaster(horizon=18, max_iter=20, random_state=0).fit(series)
    assert model.skill_ is None
    assert not any(model._state.weights)
    assert "networks add nothing" in repr(model)


def test_few_steps_of_a_long_season_are_looked_up():
    block = block_of(dated(np.arange(5000.0)), horizon=3)
    line = Line.of(block, 3, 1000)
    found = line.season_up_to(line.spread(np.arange(5000.0)), np.array([2500, 4999]))
    assert found.tolist() == [[1501.0, 1502, 1503], [4000.0, 4001, 4002]]
