"""Bounds of forecasts: order statistics by hand, no crossing, levels and units."""

from dataclasses import replace
from fractions import Fraction
from functools import cache
from math import floor, pi, sqrt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import t as student_t

from gruforecast import GRUForecaster
from gruforecast.forecasting.intervals import Calibration, Forecasts, Part, beyond_horizon
from gruforecast.forecasting.skill import EchoWarning
from gruforecast.training.losses import make_loss

pytestmark = pytest.mark.filterwarnings(f"ignore::{EchoWarning.__module__}.EchoWarning")

H = 3
BRIEF = {"hidden_size": 4, "max_iter": 2, "random_state": 0}
HEADS = {
    "squared_error": {"loss": "squared_error"},
    "absolute_error": {"loss": "absolute_error"},
    "huber": {"loss": "huber"},
    "one quantile": {"loss": "quantile", "quantiles": (0.7,)},
    "two quantiles": {"loss": "quantile", "quantiles": (0.2, 0.9)},
    "two high quantiles": {"loss": "quantile", "quantiles": (0.6, 0.9)},
    "three quantiles": {"loss": "quantile", "quantiles": (0.1, 0.5, 0.9)},
    "gaussian": {"loss": "gaussian"},
    "student_t": {"loss": "student_t"},
    "poisson": {"loss": "poisson"},
}


def forecaster(**choices):
    return GRUForecaster(**{"horizon": H} | BRIEF | choices)


def daily(values):
    return pd.Series(values, pd.date_range("2015-01-01", periods=len(values), freq="D"))


def noisy(n=240, seed=0):
    t = np.arange(n)
    return 2 + np.sin(0.9 * t) + 0.3 * np.random.default_rng(seed).standard_normal(n)


def two_series(n=120):
    """A small one, and a large one that comes close to 0; nothing is negative."""
    rng = np.random.default_rng(5)
    table = {"small": rng.poisson(0.4, n) / 100.0, "large": 1e4 * rng.random(n) ** 3}
    return pd.DataFrame(table, pd.date_range("2020-01-01", periods=n, freq="D"))


@cache
def fitted(head, intervals="conformal"):
    return forecaster(intervals=intervals, **HEADS[head]).fit(two_series())


def learn(scores, codes=None, names=(None,), season=None):
    scores = np.asarray(scores, dtype=float)
    codes = np.zeros(len(scores), int) if codes is None else codes
    return Calibration.learn(scores, codes, np.arange(len(scores)), list(names), season)


def check_order(frame, levels=(50, 80, 95), low=-np.inf):
    """Bounds are finite, and those of a lower level lie inside those of a higher one."""
    ranks = [f"lo-{v:g}" for v in sorted(levels, reverse=True)]
    ranks += ["mean", *(f"hi-{v:g}" for v in sorted(levels))]
    values = frame[ranks].to_numpy()
    assert np.isfinite(values).all()
    assert (np.diff(values, axis=1) >= 0).all()
    assert (values >= low).all()


# Order statistics


def order_statistics(scores, level):
    """The scores between which the next one lies with at least this probability, by counting."""
    share = Fraction(100 - level) / 200
    ordered, n = sorted(scores), len(scores)
    rank = n + 1 - floor(share * (n + 1))  # the smallest k with k / (n + 1) >= 1 - share
    rank = min(rank, n)
    return min(ordered[n - rank], 0.0), max(ordered[rank - 1], 0.0)


@pytest.mark.parametrize("level", [50, 60, 80, 90, 95, 99])
@pytest.mark.parametrize("n", [99, 118, 199, 239, 478])
def test_quantiles_by_hand(n, level):
    scores = np.random.default_rng(n).standard_normal((n, 2))
    low, high = learn(scores).quantiles(level)
    for h in range(2):
        newer = scores[n // 2 :, h] if n - n // 2 >= 40 else scores[-40:, h]
        if Fraction(100 - level) / 200 * (2 * len(newer) + 1) < 1:
            continue  # a Student t helps then: below
        either = np.concatenate([newer, -newer])  # scores count with either sign
        np.testing.assert_allclose((low[h], high[h]), order_statistics(either, level), rtol=1e-12)


@pytest.mark.parametrize("n", [2, 3, 9, 19, 38, 39])
def test_few_scores_of_a_step_are_helped_by_a_student_t(n):
    scores = np.random.default_rng(n).standard_normal((n, H)) * (1 + np.arange(H))
    low, high = learn(scores).quantiles(95)
    for h in range(H):
        helped = 0.0
        if Fraction(1, 40) * (2 * n + 1) < 1:  # too few for the share beyond the bound
            size = sum(abs(row[h]) for row in scores) / n
            helped = size * sqrt(pi / 2) * student_t.ppf(0.975, df=n - 1)
        bound = max(max(abs(scores[:, h])), helped)
        if n > 19:  # that many of 2 n scores lie beyond
            bound = sorted(abs(scores[:, h]))[-((2 * n + 1) // 40)]
        assert (low[h], high[h]) == pytest.approx((-bound, bound))


def test_an_extreme_score_beyond_the_student_t_is_the_bound():
    scores = np.full((15, 1), 0.1)
    scores[[3, 11], 0] = 25.0, -30.0
    low, high = learn(scores).quantiles(95)
    helped = np.abs(scores).mean() * sqrt(pi / 2) * student_t.ppf(0.975, df=14)
    assert helped < 30
    assert (low[0], high[0]) == pytest.approx((-30.0, 30.0))


def test_bounds_of_a_fit_by_hand():
    series = daily(noisy(400))
    model = forecaster(intervals="conformal", season=1, normalize="standard", dtype="float64",
                       baseline="none", early_stopping=True).fit(series)  # fmt: skip
    made = model.predict(series)
    n, n_tail = len(series), 40
    found = model.forecast(2 * H, level=(80, 95))
    for h in range(1, H + 1):
        rows = range(n - n_tail - H, n)  # from which something in the tail is foretold
        rows = [r for r in rows if any(n - n_tail <= r + k < n for k in range(1, H + 1))]
        errors = [
            series.iloc[r + h] - made[r, h - 1] if n - n_tail <= r + h < n else np.nan for r in rows
        ]
        kept = max(len(errors) - len(errors) // 2, 40)
        newer = [e for e in errors[-kept:] if not np.isnan(e)]
        low, high = order_statistics([*newer, *(-e for e in newer)], 80)
        row = found.iloc[h - 1]
        np.testing.assert_allclose(row["lo-80"] - row["mean"], low, rtol=1e-6)
        np.testing.assert_allclose(row["hi-80"] - row["mean"], high, rtol=1e-6)


def test_coverage_on_calibration_rows_by_hand():
    scores = np.random.default_rng(0).standard_normal((240, 1)) * np.linspace(1, 2, 240)[:, None]
    older, newer = scores[:120], scores[120:, 0]
    for level, share in learn(scores).coverage.items():
        low, high = order_statistics(np.concatenate([older, -older])[:, 0], int(level))
        assert share == pytest.approx(np.mean([low <= s <= high for s in newer]))


def test_bounds_beyond_the_horizon_by_hand():
    quantiles = np.array([-1.0, 2.0, 3.0])
    expected = [-1.0, 2.0, 3.0, *(3.0 * (k / 3) ** 0.5 for k in range(4, 9))]
    np.testing.assert_allclose(beyond_horizon(quantiles, 8, 0.5), expected)
    np.testing.assert_allclose(beyond_horizon(quantiles, 2, 0.5), expected[:2])
    np.testing.assert_allclose(beyond_horizon(quantiles, 5, 0.0), [-1, 2, 3, 3, 3])


def test_errors_of_a_walk_grow_with_the_root_of_the_steps_and_those_of_noise_do_not():
    noise = np.random.default_rng(0).standard_normal((4000, 12))
    assert learn(noise.cumsum(axis=1)).growth() == pytest.approx(0.5, abs=0.05)
    assert learn(noise).growth() < 0.03
    assert learn(noise[:, :1]).growth() == 0.5


@pytest.mark.parametrize("n", [0, 1, 2])
def test_fewer_than_two_scores_of_a_step_are_no_calibration(n):
    scores = np.random.default_rng(0).standard_normal((50, 2))
    scores[: 50 - n, 1] = np.nan
    assert (learn(scores) is None) == (n < 2)


# No crossing

NUMBERS = st.floats(-1e6, 1e6, allow_subnormal=False) | st.just(0.0) | st.just(np.nan)
LEVELS = st.lists(st.integers(1, 99), min_size=1, max_size=4, unique=True)


@settings(max_examples=40, deadline=None)
@given(arrays(float, st.tuples(st.integers(1, 90), st.just(H)), elements=NUMBERS), LEVELS,
       st.sampled_from(sorted(HEADS)), st.sampled_from([None, 7]), st.booleans())  # fmt: skip
def test_bounds_never_cross(scores, levels, head, season, is_adaptive):
    codes = (np.arange(len(scores)) >= len(scores) // 2).astype(int)
    names = ["small", "large"]
    calibration = learn(scores, codes, names, season)
    if calibration is None:
        return
    model = fitted(head, "adaptive" if is_adaptive else "conformal")
    before, state = model._state, replace(model._state, calibration=calibration)
    try:
        model._state = state
        last = two_series(130).iloc[120:] if is_adaptive else None
        made = model.forecast(2 * H + 1, level=levels, last=last)
    finally:
        model._state = before
    for name in names:
        check_order(made[name], levels, 0.0 if head == "poisson" else -np.inf)


@pytest.mark.parametrize("head", HEADS)
def test_bounds_of_a_fit_never_cross(head):
    low = 0.0 if head == "poisson" else -np.inf
    tables = two_series(160)
    for intervals in ("conformal", "adaptive"):
        model = fitted(head, intervals)
        for last in (None, tables.iloc[120:] * 3):
            made = model.forecast(4 * H, level=(80, 50, 95), last=last)
            for name in tables:
                check_order(made[name], low=low)


@pytest.mark.parametrize("n", [8, 12, 20, 30, 50])
def test_short_series(n):
    check_order(forecaster(horizon=2).fit(daily(noisy(n))).forecast(7, level=(50, 80, 95)))


def test_spread_of_a_student_t_is_finite():
    zero, one = np.zeros((1, 1)), np.ones((1, 1))
    said = [Part(1.0, np.array([[0.0, 0, -60]]), zero, one)]
    made = Forecasts.of(make_loss("student_t"), said, zero, one)
    assert np.isfinite(made.above).all()


# Levels and units


def test_columns_follow_the_levels():
    model = forecaster().fit(daily(noisy()))
    frame = model.forecast(level=(95, 80.0, np.int64(50), 97.5))
    names = "mean lo-95 hi-95 lo-80 hi-80 lo-50 hi-50 lo-97.5 hi-97.5"
    assert list(frame.columns) == names.split()
    assert (frame.dtypes == np.float64).all()
    for level in (80, [80], np.array([80]), 80.0, np.float32(80)):
        pd.testing.assert_frame_equal(
            frame[["mean", "lo-80", "hi-80"]], model.forecast(level=level)
        )
    assert list(model.forecast(level=[]).columns) == ["mean"]


@pytest.mark.parametrize(
    ("level", "kind", "message"),
    [
        (0.8, ValueError, "level: expected percentages, got 0.8; pass 80 if you mean that."),
        (100, ValueError, r"level: expected a finite number in (0, 100), got 100"),
        ((80, 80.0), ValueError, "level: expected every level once"),
        ("80", TypeError, "level: expected a number, got '80'"),
        (True, TypeError, "level: expected a number, got True"),
        (np.nan, ValueError, "level: expected a finite number"),
    ],
)
def test_odd_levels(level, kind, message):
    model = forecaster().fit(daily(noisy(60)))
    with pytest.raises(kind, match=message.replace("(0", r"\(0").replace("100)", r"100\)")):
        model.forecast(level=level)


def test_too_short_to_calibrate():
    model = forecaster().fit(daily(noisy(4)))
    assert len(model.forecast()) == H
    with pytest.raises(ValueError, match="level: expected a fit with rows enough to find out how"):
        model.forecast(level=80)


@pytest.mark.parametrize("normalize", ["standard", "last", "window"])
@pytest.mark.parametrize("loss", ["squared_error", "quantile", "student_t"])
def test_bounds_are_in_units_of_the_series(normalize, loss):
    series, made = daily(noisy(200)), []
    for changed in (series, 1000 * series - 7e4):
        model = forecaster(normalize=normalize, loss=loss, dtype="float64").fit(changed[:170])
        made.append(model.forecast(7, level=(80, 95), last=changed[170:]))
    np.testing.assert_allclose(made[1], 1000 * made[0] - 7e4, rtol=1e-8)
