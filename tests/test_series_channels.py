"""Series that are forecast from all series of their table."""

import numpy as np
import pandas as pd
import pytest

import gruforecast
from gruforecast import GRUForecaster, backtest
from gruforecast.data.context import TruncatedHistoryWarning

N, CUT, HORIZON, LOOKBACK = 240, 180, 4, 8
INDEX = pd.date_range("2024-03-01", periods=N, freq="h")


def small(**changes):
    choices = {"horizon": HORIZON, "lookback": LOOKBACK, "hidden_size": 4, "max_iter": 2}
    choices |= {"random_state": 0, "normalize": "standard", "channels": "mixed"}
    choices |= {"baseline": "none", "season": 5}
    return GRUForecaster(**choices | changes)


def table(n=N):
    """b tells a three steps later."""
    rng = np.random.default_rng(0)
    b = rng.standard_normal(n)
    a = 2 + np.roll(b, 3) + 0.01 * rng.standard_normal(n)
    return pd.DataFrame({"a": a, "b": b, "c": 2 * rng.standard_normal(n)}, INDEX[:n])


def test_others_tell_what_a_series_does_not():
    rows = table()[["a", "b"]]
    errors = {}
    choices = {"horizon": 2, "max_iter": 150, "hidden_size": 16, "learning_rate": 0.01}
    choices |= {"decoder": "direct", "segment_length": 1, "early_stopping": False}
    for channels in ("independent", "mixed"):
        model = small(channels=channels, **choices)
        found = model.fit(rows[:CUT]).predict(rows[CUT:])[:-2, 0]
        wanted = np.stack([rows["a"][CUT + h : N - 2 + h] for h in (1, 2)], axis=1)
        errors[channels] = np.abs(found - wanted).mean()
    assert errors["mixed"] < 0.5 * errors["independent"]


@pytest.mark.parametrize("normalize", ["none", "standard", "last", "window"])
@pytest.mark.parametrize("seasonal", ["none", "difference"])
def test_each_window_holds_all_series_and_no_later_row(normalize, seasonal):
    rows = table()
    model = small(normalize=normalize, seasonal=seasonal).fit(rows[:CUT])
    wanted = model.predict(rows)
    at = CUT + 20
    for name in rows:
        moved = rows.copy()
        moved.loc[moved.index[at], name] += 3 * rows[name].std()
        change = (model.predict(moved) != wanted).any(axis=2)
        assert not change[:at].any()
        assert change[at : at + LOOKBACK].all()
        reach = LOOKBACK + (5 if seasonal == "difference" else 0)
        assert not change[at + reach :, [s for s in range(3) if rows.columns[s] != name]].any()


@pytest.mark.parametrize("kind", ["table", "array", "long"])
def test_any_split_into_calls_gives_the_same_bits(kind):
    rows = table()
    long = rows.stack().swaplevel().sort_index()

    def part(begin, end):
        if kind == "long":
            times = long.index.get_level_values(1)
            return long[(times >= INDEX[begin]) & (times <= INDEX[end - 1])]
        return rows[begin:end] if kind == "table" else rows.to_numpy()[begin:end]

    model = small(season=24, calendar=()).fit(part(0, CUT))
    wanted = small(season=24, calendar=()).fit(rows[:CUT]).predict(rows)
    for n in (1, 2, LOOKBACK, 33, N - CUT):
        found = model.forecast(last=part(CUT, CUT + n)).to_numpy()
        end = wanted[CUT + n - 1]
        np.testing.assert_array_equal(found, end.reshape(-1, 1) if kind == "long" else end.T)
    ahead = model.forecast(3 * HORIZON, level=80).to_numpy()
    assert np.isfinite(ahead).all()


def test_forecasts_beyond_the_horizon_go_on_from_those_of_all_series():
    rows = table()
    model = small(intervals="conformal").fit(rows)
    found = model.forecast(2 * HORIZON)
    first = found[:HORIZON]
    pd.testing.assert_frame_equal(model.forecast(last=first), found[HORIZON:], check_freq=False)


def test_late_series_and_missing_values():
    rows = table()
    rows.iloc[:100, 1] = np.nan
    rows.iloc[150:160, 2] = np.nan
    rows.iloc[-1, 0] = np.nan
    model = small(series_embedding_size=2).fit(rows[:CUT])
    assert np.isfinite(model.predict(rows)[101:]).all()
    assert np.isfinite(model.forecast(last=rows[CUT:], level=80).to_numpy()).all()
    made = backtest(small(max_iter=1), rows, HORIZON, stride=20)
    assert np.isfinite(made["mean"]).all()
    assert np.isfinite(model.score(rows[CUT:]))


def test_files_and_warm_starts(tmp_path):
    rows = table()
    model = small(warm_start=True).fit(rows[:CUT])
    model.save(tmp_path / "model.gru")
    again = gruforecast.load(tmp_path / "model.gru")
    pd.testing.assert_frame_equal(again.forecast(6), model.forecast(6))
    pd.testing.assert_frame_equal(again.fit(rows).forecast(), model.fit(rows).forecast())
    with pytest.raises(ValueError, match="channels: expected 'mixed' as in the fit to go on with"):
        model.set_params(channels="independent").fit(rows)


def test_a_new_series_may_join_but_none_may_leave():
    rows = table()
    model = small().fit(rows[:CUT])
    wanted = model.forecast(last=rows[CUT:])
    found = model.forecast(last=rows[CUT:].assign(new=np.arange(60.0)))
    pd.testing.assert_frame_equal(found[["a", "b", "c"]], wanted)
    assert np.isfinite(found["new"]).all()
    with pytest.raises(ValueError, match="series: expected all series of fit, .* none for 'b'"):
        model.forecast(last=rows.loc[INDEX[CUT] :, ["a", "c"]])
    with pytest.warns(TruncatedHistoryWarning):
        model.predict(rows[CUT + 5 :])


def test_what_is_refused():
    rows = table()
    with pytest.raises(ValueError, match="channels: expected 'independent' for a single series"):
        small().fit(rows["a"])
    ragged = pd.concat({"a": rows["a"], "b": rows["b"][:-3]})
    with pytest.raises(ValueError, match="channels: expected 'independent' for series whose st"):
        small().fit(ragged)
    with pytest.raises(ValueError, match="channels: expected 'independent' with a y"):
        small(normalize="auto").fit(rows.to_numpy(), rows["a"])
    model = small().fit(pd.concat({name: rows[name][:CUT] for name in rows}))
    last = pd.concat(
        {name: rows[name][CUT : CUT + n] for name, n in zip("abc", (5, 5, 4), strict=True)}
    )
    with pytest.raises(ValueError, match="series: expected series that end at the same stamp"):
        model.forecast(last=last)
