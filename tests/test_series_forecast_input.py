"""What a forecaster that knows series refuses, and how it says so."""

import copy

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from gruforecast.data.context import TruncatedHistoryWarning
from tests.test_series_input import (
    DAYS,
    LATER,
    OTHER_INDEX,
    SERIES,
    STATIC,
    TABLE,
    VALUES,
    WIDE,
    N,
    refused,
    small,
)

NEXT = LATER[N:]
TRUNCATED = f"{TruncatedHistoryWarning.__module__}.TruncatedHistoryWarning"
FITTED = {}


def fitted(name="plain"):
    """A copy of a forecaster that was fitted once."""
    if not FITTED:
        aware = SERIES.tz_localize("UTC")
        both = pd.concat({"a": SERIES, "b": SERIES + 1}, names=["id", "day"])
        FITTED.update(
            plain=small().fit(SERIES),
            zone=small().fit(aware),
            rows=small(lookback=4).fit(VALUES[:, None], VALUES),
            covariates=small().fit(SERIES, covariates=TABLE[:N]),
            past=small().fit(SERIES, past_covariates=TABLE[:N]),
            static=small().fit(WIDE, static=STATIC),
            long=small().fit(both, covariates=TABLE[["x"]]),
            counts=small(loss="poisson").fit(SERIES.abs()),
            quantiles=small(loss="quantile").fit(SERIES),
        )
    return copy.copy(FITTED[name])


@pytest.mark.filterwarnings(f"ignore::{TRUNCATED}")
@pytest.mark.parametrize("name", ["plain", "long"])
def test_rows_that_say_nothing_and_follow_nothing(name):
    far = pd.date_range(SERIES.index[-1] + pd.Timedelta(days=900), periods=9)
    rows = pd.Series(np.nan, far, name=SERIES.name)
    what = "the series"
    if name == "long":
        rows, what = pd.concat({"c": rows, "b": rows + 1}, names=["id", "day"]), "series 'c'"
    covariates = {"covariates": pd.DataFrame({"x": 0.0}, pd.date_range(far[0], periods=30))}
    beside = covariates if name == "long" else {}
    problem = f"at least one observation, or rows that follow .* got only missing values in {what}"
    with pytest.raises(ValueError, match="last: expected " + problem):
        fitted(name).forecast(last=rows, **beside)
    with pytest.raises(ValueError, match="series: expected " + problem):
        fitted(name).predict(rows, **beside)
    follows = pd.Series(np.nan, SERIES.index[-1:] + pd.Timedelta(days=1), name=SERIES.name)
    assert np.isfinite(fitted().forecast(last=follows)).to_numpy().all()


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"steps": 0}, ValueError, "steps: expected at least 1, got 0; raise it"),
        ({"steps": 1.5}, TypeError, "steps: expected a whole number, got 1.5; pass an int"),
        ({"steps": True}, TypeError, "steps: expected a whole number, got True; pass an int"),
        ({"level": 0.8}, ValueError, "level: expected percentages, got 0.8; pass 80 if you mean "),
        ({"level": (80, 0.95)}, ValueError, "percentages, got 0.95; pass 95 if you mean that"),
        ({"level": 0}, ValueError, "level: expected a finite number in \\(0, 100\\), got 0; choos"),
        ({"level": 100}, ValueError, "level: expected a finite number in \\(0, 100\\), got 100"),
        ({"level": (80, 120)}, ValueError, "in \\(0, 100\\), got 120; choose one inside"),
        ({"level": np.nan}, ValueError, "in \\(0, 100\\), got nan; choose one inside"),
        ({"level": (80, 95, 80)}, ValueError, "every level once, got \\[80, 95, 80\\]; drop doubl"),
        ({"level": "80"}, TypeError, "level: expected a number, got '80'; pass a float"),
        ({"level": (80, (90, 95))}, TypeError, "level: expected a num"),
        ({"future_index": NEXT[:3], "steps": 4}, ValueError, "expected 4 stamps, one for each"),
        ({"future_index": 5}, TypeError, "future_index: expected"),
        ({"future_index": NEXT[[0, 0, 1, 2]]}, ValueError, "future_inde"),
        ({"future_index": NEXT[:4][::-1]}, ValueError, "future_index: e"),
        ({"future_index": DAYS[:4]}, ValueError, "future_index: expecte"),
        ({"covariates": TABLE}, ValueError, "covariates: expected None, as fit had none, got a ta"),
        ({"static": STATIC}, ValueError, "static: expected None, as fit had none, got a table; pa"),
        ({"past_covariates": TABLE}, ValueError, "past_covariates: expected None, as they are of "),
        ({"past_covariates": TABLE, "last": SERIES}, ValueError, "past_covariates: expected None,"),
    ],
)  # fmt: skip
def test_arguments(arguments, error, match):
    refused(fitted(), lambda m: m.forecast(**arguments), error, match)


@pytest.mark.parametrize(
    ("last", "error", "match"),
    [
        (SERIES[:0], ValueError, "series: expected at least one row, got none"),
        (SERIES[::-1], ValueError, "stamps that rise from row to row, got 2024-02-28 .* after "),
        (SERIES.iloc[[0, 1, 1]], ValueError, "index: expected every stamp once, got 2024-01-02"),
        (SERIES.mask(SERIES > 0.9, np.inf), ValueError, "series: expected finite numbers or NaN"),
        (SERIES.set_axis(np.arange(5, N + 5)), ValueError, "training rows .*, got .*5.?; use"),
        (SERIES.to_period("D"), ValueError, "training rows .*, got Period\\('2024-01-01', 'D'\\);"),
        (SERIES.tz_localize("UTC"), ValueError, "got Timestamp\\(.* tz='UTC'\\); use the same typ"),
        (SERIES.set_axis(DAYS.astype(str)), TypeError, "index: expected dates, periods or whole n"),
        (SERIES.set_axis(DAYS - pd.Timedelta("19h")), ValueError, "like those of the training row"),
        pytest.param(
            SERIES.set_axis(DAYS + pd.Timedelta("5h")), ValueError, "like those of the training r",
            marks=pytest.mark.filterwarnings(f"ignore::{TRUNCATED}"),
        ),
        (SERIES.set_axis(pd.date_range(DAYS[-1], periods=N, freq="7h")), ValueError, "like those "),
        (np.zeros((3, 3, 3)), ValueError, "series: expected a Series, .* got 3 dimensions"),
        (np.ma.masked_array(VALUES, False), TypeError, "series: expected an array without a mask"),
    ],
)  # fmt: skip
def test_newer_rows(last, error, match):
    refused(fitted(), lambda m: m.forecast(last=last), error, match)
    refused(fitted(), lambda m: m.predict(last), error, match)
    refused(fitted(), lambda m: m.score(last), error, match)


def test_newer_rows_that_are_merely_numbered_follow_the_training_rows():
    model, newer = fitted(), SERIES[10:16].set_axis(NEXT[:6])
    for last in (newer.reset_index(drop=True), newer.to_numpy(), newer.tolist()):
        there = model.forecast(4, level=80, last=newer)
        pd.testing.assert_frame_equal(model.forecast(4, level=80, last=last), there)
        np.testing.assert_array_equal(model.predict(last), model.predict(newer))
        assert model.score(last) == model.score(newer)


@pytest.mark.parametrize("form", ["numbered", "array"])
def test_merely_numbered_rows_that_repeat_training_are_its_rows(form):
    """But not for forecast, whose rows are always newer ones."""
    model = fitted()
    rows = SERIES.reset_index(drop=True) if form == "numbered" else VALUES
    np.testing.assert_array_equal(model.predict(rows), model.predict(SERIES))
    assert model.score(rows) == model.score(SERIES)
    there = SERIES.set_axis(DAYS + pd.Timedelta(days=N))
    pd.testing.assert_frame_equal(model.forecast(4, last=rows), model.forecast(4, last=there))


def test_rows_in_the_middle_of_training_have_a_truncated_history():
    match = "^27 rows have a truncated history, as they do not follow the training rows directly"
    found = fitted().forecast(4, last=SERIES[10:38])  # as many as forecasts are made from
    assert found.index.equals(DAYS[38:42])
    for end in (14, 37):
        with pytest.warns(TruncatedHistoryWarning, match="^1 rows have a truncated history"):
            fitted().forecast(4, last=SERIES[10:end])
    with pytest.warns(TruncatedHistoryWarning, match=match):
        fitted().predict(SERIES[10:40])
    fitted().forecast(4, last=SERIES[:30])  # from the first training row on: nothing is cut off
    fitted().forecast(4, last=SERIES[-2:])  # follows rows that were kept


def test_newer_rows_without_the_time_zone_of_training():
    match = "tz='UTC'\\)\\), got Timestamp\\('2024-01-01 00:00:00'\\); .* a time zone in both or in"
    refused(fitted("zone"), lambda m: m.forecast(last=SERIES), ValueError, match)


def test_missing_newer_values():
    model = small(missing="error").fit(SERIES)
    match = "series: expected no missing value with missing='error', got one at 2024-01-01 .*; fill"
    refused(model, lambda m: m.forecast(last=SERIES.where(SERIES > 0.2)), ValueError, match)


@pytest.mark.parametrize(
    ("trained", "name"),
    [
        (SERIES, None),
        (SERIES.rename("load"), "load"),
        (WIDE[["a"]], "a"),
        (SERIES.rename("load"), None),
        (SERIES, "load"),
        (WIDE[["a"]], None),
    ],
)
def test_newer_rows_of_the_only_series_follow_its_training_rows(trained, name):
    model = small().fit(trained)
    newer = SERIES[-2:].set_axis(NEXT[:2]).rename(name)
    both = pd.concat([SERIES, newer]).rename(getattr(trained, "name", "a"))
    there = model.forecast(last=both)
    np.testing.assert_array_equal(model.forecast(last=newer), there)


def test_newer_values_below_the_floor_of_the_loss():
    newer = -1 - SERIES.abs().set_axis(DAYS + pd.Timedelta(days=N))
    match = "series: expected values of at least 0 with loss='poisson', got -"
    refused(fitted("counts"), lambda m: m.forecast(last=newer), ValueError, match)


@pytest.mark.parametrize(
    ("table", "error", "match"),
    [
        (TABLE.iloc[[N, N + 1, N + 3]], ValueError, "expected a row for 2024-03-03 .*, got none"),
        (TABLE.iloc[N : N + 2], ValueError, "expected a row for 2024-03-03 .*, got none .*; add i"),
        (TABLE[["x"]], ValueError, "the columns \\['x', 'c'\\] as in fit, got \\['x'\\]; add colu"),
        (TABLE.assign(c="w"), ValueError, "column 'c' that training has seen, got 'w'; train "
         "with it or set handle_unknown='ignore'"),
        (TABLE.assign(c=3), ValueError, "of column 'c' that training has seen, got 3; train with"),
        (TABLE.assign(x=-np.inf), ValueError, "got -inf in column 'x' at .*; correct it or make i"),
        (TABLE.iloc[[N, N, *range(N, N + 4)]], ValueError, "covariates: expected every stamp once"),
        (TABLE[N:].tz_localize("UTC"), ValueError, OTHER_INDEX + "datetime64\\[.., UTC\\]; conver"),
        (np.ones((3, 2)), ValueError, "array of 4 rows, one for each stamp, got 3; pass as many"),
        (np.ones((4, 1)), ValueError, "covariates: expected the columns \\['x', 'c'\\] as in fit"),
        (np.ones((4, 2, 2)), ValueError, "covariates: expected a table, got an array of 3 dimensi"),
        (None, ValueError, "expected rows with the columns \\['x', 'c'\\], as fit had them, for "
         "2024-03-01 00:00:00 to 2024-03-04 00:00:00, got None; pass covariates="),
        ("x", TypeError, "covariates: expected a DataFrame, got str; make one of it"),
        ({"x": [1.0]}, TypeError, "covariates: expected a DataFrame, got dict; make one of it"),
        (TABLE.assign(x="much"), TypeError, "covariates: expected .* 'x'"
        ),
        (TABLE.assign(x="3"), TypeError, "covariates: expected .* 'x'"),
    ],
)  # fmt: skip
def test_covariates(table, error, match):
    refused(fitted("covariates"), lambda m: m.forecast(4, covariates=table), error, match)


def test_covariates_of_steps_beyond_the_horizon():
    match = "covariates: expected a row for 2024-03-09 00:00:00, got none"
    refused(fitted("covariates"), lambda m: m.forecast(9, covariates=TABLE), ValueError, match)


def test_covariates_of_newer_rows():
    newer = SERIES[:3].set_axis(NEXT[:3])
    lacking = "expected rows with the columns .'x', 'c'., as fit had them, for 2024-03-01 .* to "
    match = f"past_covariates: {lacking}2024-03-03 00:00:00, got None; pass past_covariates="
    refused(fitted("past"), lambda m: m.forecast(last=newer), ValueError, match)
    refused(fitted("past"), lambda m: m.predict(newer), ValueError, match)
    match = f"^covariates: {lacking}2024-03-03 00:00:00, got None; pass covariates="
    refused(fitted("covariates"), lambda m: m.predict(newer), ValueError, match)
    refused(fitted("covariates"), lambda m: m.score(newer), ValueError, match)


def test_series_that_training_has_not_seen():
    match = "static: expected a row for series 'z', got none; add it to the index"
    new = WIDE.rename(columns={"b": "z"})
    refused(fitted("static"), lambda m: m.forecast(last=new), ValueError, match)
    table = STATIC.set_axis(["a", "z"]).assign(kind="huge")
    match = "static: expected categories of column 'kind' that training has seen, got 'huge'"
    refused(fitted("static"), lambda m: m.forecast(last=new, static=table), ValueError, match)
    match = "static: expected the columns \\['size', 'kind'\\] as in fit, got \\['size'\\]; add col"
    refused(fitted("static"), lambda m: m.forecast(static=STATIC[["size"]]), ValueError, match)
    new = pd.concat({"z": SERIES})
    match = "covariates: expected rows with the columns .'x'., as fit had them, .*, got None; pass"
    refused(fitted("long"), lambda m: m.forecast(last=new), ValueError, match)
    match = "covariates: expected a DataFrame whose index tells .*, got an array; make one of it"
    refused(fitted("long"), lambda m: m.forecast(covariates=np.ones(4)), ValueError, match)


def test_methods_of_the_other_verb():
    match = "y: expected targets for partial_fit, got None; call fit with warm_start=True to go on"
    for model in (small(), fitted()):
        refused(model, lambda m: m.partial_fit(SERIES), ValueError, match)
    match = "forecast: expected a fit to series, without y, got one with a y; use predict, or fit"
    refused(fitted("rows"), lambda m: m.forecast(4), ValueError, match)
    with pytest.raises(NotFittedError, match="This GRUForecaster instance is not fitted yet"):
        small().forecast(4)
    match = "groups: expected None, as fit had no y; name series by a MultiIndex, got ndarray; drop"
    refused(fitted(), lambda m: m.predict(SERIES, groups=VALUES), ValueError, match)


@pytest.mark.parametrize("name", ["covariates", "past_covariates", "static"])
def test_tables_after_a_fit_with_a_y(name):
    X, beside = VALUES[:, None], {name: TABLE}
    match = f"{name}: expected None, as fit had a y; put such columns into X, got DataFrame; drop"
    refused(fitted("rows"), lambda m: m.predict(X, **beside), ValueError, match)
    refused(fitted("rows"), lambda m: m.score(X, VALUES, **beside), ValueError, match)


@pytest.mark.parametrize("name", ["y", "sample_weight", "groups"])
def test_score_of_a_series(name):
    match = f"{name}: expected None, as fit had no y, so X is the series, got ndarray; drop it"
    refused(fitted(), lambda m: m.score(SERIES, **{name: VALUES}), ValueError, match)


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("plain", "predict_quantiles"),
        ("plain", "predict_distribution"),
        ("quantiles", "predict_quantiles"),
        ("counts", "predict_quantiles"),
        ("counts", "predict_distribution"),
    ],
)
def test_distributions_of_rows(name, method):
    match = "expected a fit with a y, got one to series; use forecast\\(level=...\\)"
    refused(fitted(name), lambda m: getattr(m, method)(SERIES.abs()), ValueError, match)


def test_a_fit_with_a_y_forgets_the_series():
    model = small().fit(SERIES)
    model.set_params(lookback=4).fit(VALUES[:, None], VALUES)
    assert not {"skill_", "horizon_", "lookback_", "season_"} & set(vars(model))


def test_partial_fit_with_a_y_forgets_the_series():
    model = small().fit(SERIES)
    model.partial_fit(VALUES[:, None], VALUES)
    assert not {"skill_", "horizon_", "lookback_", "season_"} & set(vars(model))


def test_a_failed_call_changes_no_forecast():
    model = small(random_state=1).fit(SERIES)
    before = model.forecast(4, level=80)
    with pytest.raises(ValueError, match="sort_index"):
        model.fit(SERIES[::-1])
    with pytest.raises(ValueError, match="sort_index"):
        model.forecast(last=SERIES[::-1])
    pd.testing.assert_frame_equal(model.forecast(4, level=80), before)
