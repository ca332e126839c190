"""A season that is taken out of series before a network reads them, and put back."""

import numpy as np
import pandas as pd
import pytest

import gruforecast
from gruforecast import GRUForecaster, backtest
from gruforecast.forecasting.block import Beside, Block
from gruforecast.forecasting.dates.cadence import Cadence
from gruforecast.forecasting.line import Line
from gruforecast.forecasting.panel import Panel
from gruforecast.forecasting.seasonality import seasonal_indices

pytestmark = pytest.mark.filterwarnings("ignore::gruforecast.forecasting.skill.EchoWarning")
N, CUT, HORIZON, LOOKBACK, SEASON = 240, 180, 7, 8, 5
KINDS = ["difference", "multiplicative"]


def small(**changes):
    choices = {"horizon": HORIZON, "lookback": LOOKBACK, "hidden_size": 4, "max_iter": 2}
    choices |= {"random_state": 0, "normalize": "last", "season": SEASON, "baseline": "none"}
    return GRUForecaster(**choices | changes)


def seasonal(n=N, seed=0, name="sold"):
    """A season that grows with its level."""
    rng = np.random.default_rng(seed)
    t = np.arange(n)
    values = (20 + 0.1 * t) * (1 + 0.3 * np.sin(2 * np.pi * t / SEASON)) + rng.uniform(0, 1, n)
    return pd.Series(values, pd.date_range("2024-03-01", periods=n, freq="h"), name=name)


def table():
    return pd.DataFrame({name: seasonal(seed=s) * 10**s for s, name in enumerate("bac")})


def silent(model):
    """Whose network says zero, whatever it reads."""
    for weights in model.weights_.values():
        weights[...] = 0.0
    return model


def with_holes(series, share=0.7, seed=2):
    kept = np.random.default_rng(seed).random(len(series)) < share
    kept[[0, 1, 2, 3, 4, -2, -1]] = True
    return series[kept]


# Lines.


@pytest.mark.parametrize("period", [1, 3, 5])
def test_a_line_holds_what_follows_each_row(period):
    rows = [with_holes(seasonal(60, s), 0.5, s) for s in range(3)]
    late = seasonal(400).iloc[[0, 1, 2, 300, 301, 340, 399]]
    long = pd.concat({str(s): one for s, one in enumerate([*rows, late])})
    panel = Panel.read(long)
    cadence = Cadence.of(seasonal(400).index)
    block = Block.build(panel, cadence, 4, Beside(), has_future=False)
    line = Line.of(block, 4, period)
    numbers = np.arange(panel.n)
    found = line.ahead(line.spread(panel.values), numbers)
    by_phase = line.carried_by_phase(line.spread(panel.values))
    seasons = line.season_up_to(by_phase, numbers)
    for name, own in long.groupby(level=0):
        own = own.droplevel(0)
        for row, stamp in zip(np.flatnonzero(panel.codes == int(name)), own.index, strict=True):
            for h in range(1, 5):
                wanted = own.get(stamp + pd.Timedelta(hours=h), np.nan)
                np.testing.assert_equal(found[row, h - 1], wanted)
            for back in range(max(0, period - 4), period):  # no more than the horizon asks for
                at = stamp - pd.Timedelta(hours=back)
                while at not in own.index and at >= own.index[0]:
                    at -= pd.Timedelta(hours=period)
                np.testing.assert_equal(seasons[row, period - 1 - back], own.get(at, np.nan))
    known = ~np.isnan(found)
    is_there = line.rows >= 0
    np.testing.assert_array_equal(line.has_ahead(is_there), known.any(axis=1))
    np.testing.assert_array_equal(line.covers(is_there, numbers[::7]), known[::7].any(axis=0))


# Indices.


def slow_indices(values, season):
    """The classical decomposition, one ratio after another."""
    ratios = [[] for _ in range(season)]
    half = season // 2
    for t in range(half, len(values) - half):
        window = values[t - half : t + half + 1].copy()
        if season % 2 == 0:
            window[[0, -1]] *= 0.5
        ratios[t % season].append(values[t] / (window.sum() / season))
    means = np.array([np.mean(own) for own in ratios])
    return means / means.mean()


@pytest.mark.parametrize("season", [2, 4, 5, 12])
def test_indices_are_those_of_the_classical_decomposition(season):
    values = seasonal(6 * season + 3).to_numpy()
    found = seasonal_indices(values, np.arange(len(values)), season)
    np.testing.assert_allclose(found, slow_indices(values, season), rtol=1e-12)
    moved = seasonal_indices(values, np.arange(len(values)) + 3, season)
    np.testing.assert_allclose(np.roll(found, 3), moved)


def test_missing_values_hardly_change_indices():
    rows = seasonal(100)
    whole = seasonal_indices(rows.to_numpy(), np.arange(100), SEASON)
    kept = np.random.default_rng(0).random(100) < 0.7
    found = seasonal_indices(rows[kept].to_numpy(), np.flatnonzero(kept), SEASON)
    np.testing.assert_allclose(found, whole, rtol=0.03)
    masked = np.where(kept, rows, np.nan)
    np.testing.assert_allclose(seasonal_indices(masked, np.arange(100), SEASON), found)


def test_indices_are_ones_where_nothing_can_be_told():
    ones = np.ones(SEASON)
    values = seasonal().to_numpy()
    for own in (values[: 2 * SEASON - 1], values - 30, np.full(20, np.nan), values[:0]):
        np.testing.assert_array_equal(seasonal_indices(own, np.arange(len(own)), SEASON), ones)


# Forecasts.


@pytest.mark.parametrize("form", ["series", "table", "holes"])
def test_a_network_that_says_zero_repeats_the_season(form):
    rows = {"series": seasonal(), "table": table(), "holes": with_holes(seasonal())}[form]
    model = silent(small(seasonal="difference", normalize="none").fit(rows))
    found = model.forecast(3 * HORIZON).to_numpy()
    whole = pd.DataFrame(rows).asfreq("h")
    for _ in range(3 * HORIZON):
        at, back = whole.index[-1] + pd.Timedelta(hours=1), SEASON
        while whole.iloc[-back].isna().any():
            back += SEASON
        whole.loc[at] = whole.iloc[-back].to_numpy()
    np.testing.assert_allclose(found, whole[-3 * HORIZON :])


def test_a_network_that_says_zero_scales_the_newest_value_by_phase():
    rows = seasonal()
    model = silent(small(seasonal="multiplicative", early_stopping=False).fit(rows))
    indices = seasonal_indices(rows.to_numpy(), np.arange(N), SEASON)
    steps = np.arange(N, N + 2 * HORIZON)
    level = rows.iloc[-1] / indices[(N - 1) % SEASON]
    found = model.forecast(2 * HORIZON)["mean"]
    np.testing.assert_allclose(found, level * indices[steps % SEASON], rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["series", "array", "table"])
def test_any_split_into_calls_gives_the_same_bits(kind, form):
    rows = {"series": seasonal(), "array": seasonal().to_numpy(), "table": table()}[form]
    model = small(seasonal=kind).fit(rows[:CUT])
    wanted = model.predict(rows)
    assert np.isfinite(wanted).all()
    for n in (1, 2, LOOKBACK, 33, N - CUT):
        np.testing.assert_array_equal(model.predict(rows[CUT : CUT + n]), wanted[CUT : CUT + n])
        found = model.forecast(last=rows[CUT : CUT + n]).to_numpy()
        end = wanted[CUT + n - 1]
        np.testing.assert_array_equal(found, end.T if form == "table" else end[:, None])


@pytest.mark.parametrize("kind", KINDS)
def test_so_it_does_where_values_are_missing(kind):
    rows = with_holes(seasonal())
    rows.iloc[::9] = np.nan
    cut = int((rows.index < seasonal().index[CUT]).sum())
    model = small(seasonal=kind).fit(rows[:cut])
    wanted = model.predict(rows)
    for n in (1, 5, 20):
        np.testing.assert_array_equal(model.predict(rows[cut : cut + n]), wanted[cut : cut + n])
        found = model.forecast(last=rows[cut : cut + n])["mean"]
        np.testing.assert_array_equal(found, wanted[cut + n - 1])


@pytest.mark.parametrize("kind", KINDS)
def test_later_values_do_not_change_earlier_predictions(kind):
    rows = seasonal()
    model = small(seasonal=kind).fit(rows[:CUT])
    for new in (rows, seasonal(100, 5, "new")):
        wanted = model.predict(new)
        for at in (2, 9, 10, 11, 60, len(new) - 1):
            moved = new.copy()
            moved.iloc[at:] = moved.iloc[at:] * 5 + 7
            found = model.predict(moved)
            np.testing.assert_array_equal(found[:at], wanted[:at])
            assert (found[at] != wanted[at]).any()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_learnt_from_the_tail(kind):
    rows = seasonal()
    choices = {"early_stopping": True, "n_iter_no_change": 50, "seasonal": kind}
    model = small(**choices).fit(rows)
    rows.iloc[-24:] *= 1000.0
    moved = small(**choices).fit(rows)
    assert moved.loss_curve_ == model.loss_curve_
    assert moved.validation_loss_curve_[0] > 10 * model.validation_loss_curve_[0]


def test_a_new_series_is_forecast_by_its_own_season():
    rows = seasonal()
    model = silent(small(seasonal="multiplicative").fit(rows))
    new = pd.Series(rows.to_numpy()[::-1] * 1e3, rows.index, name="new")[:60]
    indices = seasonal_indices(new.to_numpy(), np.arange(60), SEASON)
    level = new.iloc[-1] / indices[59 % SEASON]
    found = model.forecast(2 * HORIZON, last=new)["mean"]
    steps = np.arange(60, 60 + 2 * HORIZON)
    np.testing.assert_allclose(found, level * indices[steps % SEASON], rtol=1e-6)
    short = model.forecast(last=new[:9])["mean"]
    np.testing.assert_allclose(short, new.iloc[8], rtol=1e-6)


def test_bounds_grow_with_the_index_of_their_phase():
    model = small(seasonal="multiplicative", intervals="conformal").fit(seasonal())
    made = model.forecast(SEASON, level=80)
    assert ((made["lo-80"] < made["mean"]) & (made["mean"] < made["hi-80"])).all()
    indices = model._state.encoder.seasonality.indices["sold"]
    highest = np.argmax(indices[np.arange(N, N + SEASON) % SEASON])
    assert made["mean"].idxmax() == made.index[highest]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", ["quantile", "gaussian", "student_t"])
def test_losses_with_a_spread_know_the_season(kind, loss):
    model = small(seasonal=kind, loss=loss).fit(seasonal())
    made = model.forecast(2 * HORIZON, level=(50, 90))
    assert np.isfinite(made.to_numpy()).all()
    assert (made["lo-90"] <= made["lo-50"]).all()


def test_counts_are_divided_but_not_subtracted():
    rows = seasonal().round()
    model = small(seasonal="multiplicative", loss="poisson", normalize="auto").fit(rows)
    assert (model.forecast(level=80) >= 0).all(axis=None)
    with pytest.raises(ValueError, match=r"seasonal: expected 'none' or 'multiplicative' with a"):
        small(seasonal="difference", loss="poisson", normalize="auto").fit(rows)


@pytest.mark.parametrize("kind", KINDS)
def test_panels_with_short_series(kind):
    parts = {"a": seasonal(), "b": seasonal(60, 1)[30:], "c": seasonal(8, 2), "d": seasonal(3, 3)}
    long = pd.concat(parts)
    model = small(seasonal=kind).fit(long)
    made = model.forecast(2 * HORIZON, level=80)
    assert np.isfinite(made.to_numpy()).all()
    assert np.isfinite(model.predict(long)).all()
    assert np.isfinite(model.score(long))


@pytest.mark.parametrize("kind", KINDS)
def test_files_hold_the_season(kind, tmp_path):
    model = small(seasonal=kind).fit(table())
    model.save(tmp_path / "model.gru")
    again = gruforecast.load(tmp_path / "model.gru")
    pd.testing.assert_frame_equal(again.forecast(20, level=80), model.forecast(20, level=80))


@pytest.mark.parametrize("kind", [*KINDS, "auto"])
def test_backtests_and_scores(kind):
    rows = seasonal(110)
    model = small(seasonal=kind, max_iter=20)
    made = backtest(model, rows, HORIZON, stride=11, level=80)
    assert np.abs(made["mean"] - made["actual"]).mean() < rows.std() / 2
    assert np.isfinite(model.fit(rows[:90]).score(rows[90:]))


# Which kind.


def chosen(rows, **changes):
    model = small(seasonal="auto", normalize="auto", max_iter=1, **changes).fit(rows)
    return model._state.settings.seasonal


def test_auto_takes_a_season_out_of_few_rows_alone():
    few, many = seasonal(12 * SEASON), seasonal(30 * SEASON)
    assert chosen(few) != "none"
    assert chosen(many) == "none"
    assert chosen(seasonal(3 * SEASON)) == "none"
    assert chosen(few.set_axis(pd.RangeIndex(len(few))), season=None) == "none"
    assert chosen(pd.DataFrame({s: seasonal(12 * SEASON, s) for s in range(120)})) == "none"
    kept = seasonal(12 * SEASON)
    kept.iloc[::7] = np.nan
    assert chosen(kept) != "none"


def test_auto_asks_for_a_season_that_is_there():
    rng = np.random.default_rng(0)
    noise = pd.Series(10 + rng.uniform(0, 1, 60), seasonal(60).index)
    assert chosen(noise) == "none"
    walk = pd.Series(100 + np.cumsum(rng.standard_normal(60)), seasonal(60).index)
    assert chosen(walk) == "none"
    assert chosen(seasonal(60) * 0 + 5) == "none"


def test_auto_takes_the_kind_that_foretells_training_rows():
    t = np.arange(60)
    rng = np.random.default_rng(0)
    index = seasonal(60).index
    wave = np.sin(2 * np.pi * t / SEASON)
    level = 100 * np.exp(np.cumsum(rng.normal(0, 0.08, 60)))
    assert chosen(pd.Series(level * (1 + 0.5 * wave), index)) == "multiplicative"
    trend = pd.Series(200 - 3 * t + 10 * wave, index)
    assert chosen(trend) == "difference"
    assert chosen(trend - 100) == "difference"  # which is not above zero
    counts = chosen(pd.Series((level * (1 + 0.5 * wave)).round(), index), loss="poisson")
    assert counts == "multiplicative"


def test_auto_sees_nothing_of_the_tail():
    rows = seasonal(60)
    wanted = chosen(rows)
    rows.iloc[-15:] = np.random.default_rng(0).uniform(0, 1000, 15)
    assert chosen(rows) == wanted != "none"


# Going on.


@pytest.mark.parametrize("kind", KINDS)
def test_a_warm_start_keeps_phases_and_kind(kind):
    rows = seasonal()
    model = small(seasonal=kind, warm_start=True).fit(rows[:CUT])
    before = model._state.encoder.seasonality
    model.set_params(seasonal="auto").fit(rows[3:])
    after = model._state.encoder.seasonality
    assert model._state.settings.seasonal == after.kind == kind
    for name, own in before.indices.items():
        np.testing.assert_array_equal(np.roll(own, -3), after.indices[name])
    both = rows[3:].to_frame().assign(other=seasonal(seed=4)[3:])
    assert np.isfinite(model.fit(both).forecast().to_numpy()).all()
    with pytest.raises(ValueError, match=f"seasonal: expected '{kind}' as in the fit to go on"):
        model.set_params(seasonal="none").fit(rows)
    with pytest.raises(ValueError, match="season: expected 5 as in the fit to go on with, got 6"):
        model.set_params(seasonal=kind, season=6).fit(rows)


# Refusals.


def test_what_is_refused():
    rows = seasonal()
    with pytest.raises(ValueError, match="seasonal: expected one of .* got 'log'"):
        small(seasonal="log").fit(rows)
    plain = rows.set_axis(pd.RangeIndex(N))
    with pytest.raises(ValueError, match="seasonal: expected 'none' for series without a season"):
        small(seasonal="difference", season=None).fit(plain)
    with pytest.raises(ValueError, match=r"seasonal: expected values above 0 .* series 'sold'"):
        small(seasonal="multiplicative").fit(rows - 30)
    with pytest.raises(ValueError, match="seasonal: expected more than 60 rows"):
        small(seasonal="difference", season=60).fit(rows[:60])
    with pytest.raises(ValueError, match="seasonal: expected 2 seasons of rows that train"):
        small(seasonal="multiplicative", season=60).fit(rows[:110])


def test_rows_with_a_y_know_no_season():
    X = seasonal().to_numpy()[:, None]
    wanted = small(normalize="auto").fit(X[:-1], X[1:, 0]).predict(X)
    with pytest.raises(ValueError, match="seasonal: expected 'none' or 'auto' with a y"):
        small(normalize="auto", seasonal="difference").fit(X[:-1], X[1:, 0])
    found = small(normalize="auto", seasonal="auto").fit(X[:-1], X[1:, 0]).predict(X)
    np.testing.assert_array_equal(found, wanted)
