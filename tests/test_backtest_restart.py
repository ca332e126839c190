"""Backtests that go on from their file after an interruption, and files of others."""

from pathlib import Path

import pandas as pd
import pytest

from gruforecast import GRUForecaster, backtest
from gruforecast.forecasting.skill import EchoWarning
from tests.test_backtest import BRIEF, H, check_equal, daily, forecaster, values, wide

pytestmark = pytest.mark.filterwarnings(f"ignore::{EchoWarning.__module__}.EchoWarning")


class Recorder(GRUForecaster):
    """Counts its forecasts; the one of that number fails."""

    cutoffs = ()
    failing = None

    def forecast(self, steps=None, level=None, covariates=None, last=None, **options):
        if len(Recorder.cutoffs) == Recorder.failing:
            raise KeyboardInterrupt
        n_newer = 0 if last is None else len(last)
        Recorder.cutoffs = (*Recorder.cutoffs, n_newer)
        return super().forecast(steps, level, covariates, last, **options)


@pytest.fixture
def recorder(monkeypatch):
    monkeypatch.setattr(Recorder, "cutoffs", ())
    monkeypatch.setattr(Recorder, "failing", None)
    return Recorder(horizon=H, **BRIEF)


@pytest.mark.parametrize("refit", [False, True, 2])
@pytest.mark.parametrize("as_path", [str, Path])
def test_going_on_after_an_error(recorder, refit, as_path, tmp_path):
    path = as_path(tmp_path / "file.csv")
    options = {"stride": 2, "initial": 48, "refit": refit, "level": (80, 95)}
    whole = backtest(recorder, wide(), H, **options)
    n = len(Recorder.cutoffs)
    for failing in range(n):
        Path(path).unlink(missing_ok=True)
        Recorder.cutoffs, Recorder.failing = (), failing
        with pytest.raises(KeyboardInterrupt):
            backtest(recorder, wide(), H, path=path, **options)
        Recorder.failing = None
        check_equal(backtest(recorder, wide(), H, path=path, **options), whole)
        assert len(Recorder.cutoffs) == n  # none twice
    Recorder.cutoffs = ()
    check_equal(backtest(recorder, wide(), H, path=path, **options), whole)
    assert not Recorder.cutoffs
    table = pd.read_csv(path, comment="#", parse_dates=["cutoff", "time"])
    assert table.columns[0] == "number"
    assert table.pop("number").tolist() == [["a", "b"].index(name) for name in whole["series"]]
    assert Path(path).read_text().count('\n0,"a","2021-') == (whole["series"] == "a").sum()
    pd.testing.assert_frame_equal(table, whole, check_dtype=False)


def test_going_on_from_every_kind_of_place(recorder, tmp_path):
    path, options = tmp_path / "file.csv", {"initial": 51, "level": 80}
    whole = backtest(recorder, daily(), H, path=path, **options)
    text = path.read_text()
    starts = [0] + [at + 1 for at, sign in enumerate(text) if sign == "\n"]
    title = starts[1]
    places = {at + more for at in starts for more in (-1, 0, 1, 7, 9)} | {title}
    for place in sorted({0, *(p for p in places if title - 1 <= p <= len(text))}):
        path.write_text(text[:place])
        Recorder.cutoffs = ()
        check_equal(backtest(recorder, daily(), H, path=path, **options), whole)
        n_done = text[:place].count("# done") - (not text[:place].endswith("\n"))
        assert 3 - len(Recorder.cutoffs) in (n_done, text[:place].count("# done"))
        assert path.read_text() == text


def test_going_on_from_within_the_title(tmp_path):
    path = tmp_path / "file.csv"
    whole = backtest(forecaster(), daily(), H, path=path)
    path.write_text(path.read_text()[:20])
    check_equal(backtest(forecaster(), daily(), H, path=path), whole)


OTHERS = {
    "data": {"series": daily() + 1},
    "stamps": {"series": daily().shift(freq="D")},
    "horizon": {"horizon": 2},
    "stride": {"stride": 1},
    "refit": {"refit": True},
    "initial": {"initial": 50},
    "level": {"level": 80},
    "parameters": {"estimator": forecaster(hidden_size=5)},
    "covariates": {"covariates": pd.DataFrame({"a": values()}, daily().index)},
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_file_of_another_backtest_is_refused(other, tmp_path):
    path = tmp_path / "file.csv"
    given = {"estimator": forecaster(), "series": daily(), "horizon": H}
    backtest(**given, path=path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="path: expected a new file or one of this very backtest"):
        backtest(**given | OTHERS[other], path=path)
    assert path.read_bytes() == before


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "file.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="which is of another .* or none; choose another path"):
        backtest(forecaster(), daily(), H, path=path)
    assert path.read_text() == "a,b\n1,2\n"


def test_tables_that_change_places_are_another_backtest(tmp_path):
    path, table = tmp_path / "file.csv", pd.DataFrame({"a": values(3)}, daily().index)
    backtest(forecaster(), daily(), H, covariates=table, path=path)
    with pytest.raises(ValueError, match="path: expected a new file"):
        backtest(forecaster(), daily(), H, past_covariates=table, path=path)


NAMES = {
    "plain": ["a", "b"],
    "numbers": [1, 2],
    "text of numbers": ["1", "02"],
    "commas and lines": ['a,"b', "x\ny"],
    "like nothing": ["nan", ""],
    "like a mark": ["# done 5", "b"],
    "dates": [pd.Timestamp("2020-01-01"), pd.Timestamp("2021-01-01")],
    "number and text": [1, "1"],
}


@pytest.mark.parametrize("kind", NAMES)
def test_names_come_back(kind, tmp_path):
    table = wide().set_axis(NAMES[kind], axis=1)
    whole = backtest(forecaster(), table, H, path=tmp_path / "file.csv")
    check_equal(backtest(forecaster(), table, H, path=tmp_path / "file.csv"), whole)


def test_a_name_with_the_sign_of_comments_is_readable(tmp_path):
    table = wide().set_axis(["shop #1", "shop #2"], axis=1)
    whole = backtest(forecaster(), table, H, path=tmp_path / "file.csv")
    read = pd.read_csv(tmp_path / "file.csv", comment="#")
    assert read["series"].tolist() == whole["series"].tolist()
