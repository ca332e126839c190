"""The command ``search``, and what is said of a forecast's worth."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from gruforecast import GRUForecaster, load, load_seattle
from gruforecast.cli import search
from gruforecast.cli.main import main
from gruforecast.cli.model import verdict
from gruforecast.cli.search import read_grid
from gruforecast.foundations import device

QUICK = ["--set", "hidden_size=4", "max_iter=2"]
SETTINGS = {"hidden_size": 4, "max_iter": 2, "random_state": 0}


@pytest.fixture
def weather(tmp_path):
    path = tmp_path / "weather.csv"
    load_seattle().tail(200).to_csv(path)
    return path


@pytest.fixture
def shops(tmp_path):
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=60, freq="D").astype(str)
    table = pd.DataFrame(
        {
            "day": np.tile(days, 3),
            "shop": np.repeat(["a", "b", "c"], 60),
            "sold": rng.poisson(20, 180),
        }
    )
    path = tmp_path / "shops.csv"
    table.to_csv(path, index=False)
    return path


def run(capsys, *words):
    """The document of a command."""
    code = main([str(word) for word in words] + ["--json"])
    out = capsys.readouterr().out
    assert code == 0, out
    return json.loads(out)


TARGET = ["--target", "temp_max"]


def test_a_gpu_that_is_not_there_is_no_defect(weather, capsys, monkeypatch):
    monkeypatch.setattr(device, "count_gpus", lambda: 0)
    words = ["--horizon", "3", *TARGET, "--device", "cuda"]
    for command in (
        ["search", str(weather), "--grid", "lookback=7,14"],
        ["forecast", str(weather)],
    ):
        assert main([*command, *words]) == 1
        assert (
            "error: device: expected an NVIDIA GPU for 'cuda', got none;" in capsys.readouterr().err
        )


class TestSearch:
    @pytest.mark.filterwarnings("ignore::gruforecast.forecasting.skill.EchoWarning")
    def test_candidates_are_compared_and_the_best_is_kept(self, weather, tmp_path, capsys):
        out, kept = tmp_path / "s.csv", tmp_path / "best.gru"
        words = ["--grid", "cell=gru,rnn", "lookback=7,14", "--folds", 2, "--horizon", 3]
        words += ["--out", out, "--best", kept]
        document = run(capsys, "search", weather, *TARGET, *words, *QUICK)
        table = pd.DataFrame(document["candidates"])
        assert table.columns.tolist() == [
            "cell", "lookback", "skill", "fold 1", "fold 2", "seconds"
        ]  # fmt: skip
        assert len(table) == 4
        assert table["skill"].is_monotonic_decreasing
        np.testing.assert_allclose(table[["fold 1", "fold 2"]].mean(axis=1), table["skill"])
        assert f"cell={table['cell'][0]}, lookback={table['lookback'][0]}" in document["verdict"]
        made = run(capsys, "forecast", "--model", kept)["forecast"]
        series = load_seattle()["temp_max"].tail(200)
        best = GRUForecaster(
            horizon=3, cell=table["cell"][0], lookback=int(table["lookback"][0]), **SETTINGS
        ).fit(series)
        np.testing.assert_allclose([row["mean"] for row in made], best.forecast()["mean"])

    @pytest.mark.parametrize(
        ("text", "values"),
        [
            ("lookback=None,4", [None, 4]),
            ("cell=gru, lstm", ["gru", "lstm"]),
            ("quantiles=[0.1,0.5]", [[0.1, 0.5]]),
            ("alpha=0.1", [0.1]),
            ("bidirectional=true,false", [True, False]),
        ],
    )
    def test_values_are_read_as_python_writes_them(self, text, values):
        assert read_grid([text]) == {text.partition("=")[0]: values}

    def test_numbers_stay_whole(self, weather, capsys):
        words = ["--grid", "lookback=None,4", "--folds", 1, "--horizon", 3]
        document = run(capsys, "search", weather, *TARGET, *words, *QUICK)
        assert {row["lookback"] for row in document["candidates"]} == {None, 4}
        assert "lookback=4," in document["verdict"] or "lookback=None," in document["verdict"]

    def test_folds_are_in_time_for_all_series_at_once(self, shops, capsys):
        words = ["--grid", "cell=gru", "--folds", 2, "--horizon", 3, *QUICK]
        table = run(capsys, "search", shops, *words)["candidates"]
        assert np.isfinite(table[0]["skill"])

    @pytest.mark.parametrize("jobs", [1, 3])
    def test_fits_side_by_side_are_the_same(self, weather, tmp_path, capsys, jobs):
        words = ["--grid", "cell=gru,rnn", "--folds", 2, "--horizon", 3, *QUICK]
        table = run(capsys, "search", weather, *TARGET, *words)["candidates"]
        words += ["--jobs", jobs, "--device", "cpu", "--best", tmp_path / "best.gru"]
        again = run(capsys, "search", weather, *TARGET, *words)["candidates"]
        assert [row["skill"] for row in again] == [row["skill"] for row in table]
        best = load(tmp_path / "best.gru")
        assert (best.n_jobs, best.device) == (jobs, "cpu")

    def test_progress_counts_fits_that_run_at_once(self, weather, capsys):
        words = ["--grid", "cell=gru,rnn", "--folds", 2, "--horizon", 3, "--jobs", 4, *QUICK]
        assert main(["search", str(weather), *TARGET, *map(str, words)]) == 0
        told = capsys.readouterr().err
        shares = [int(share) for share in re.findall(r"search: (\d+) %", told)]
        assert shares == sorted(shares)
        assert shares[-1] == 100

    def test_a_gpu_is_not_asked_after_every_epoch(self, weather, capsys, monkeypatch):
        watched = []
        monkeypatch.setattr(search, "uses_gpu", lambda model, grid: True)
        monkeypatch.setattr(search, "watched", lambda *arguments: watched.append(arguments))
        words = ["--grid", "cell=gru", "--folds", 1, "--horizon", 3, *QUICK]
        assert run(capsys, "search", weather, *TARGET, *words)["candidates"]
        assert not watched

    def test_with_covariates(self, weather, capsys):
        words = ["--covariates", "wind", "--grid", "cell=gru", "--folds", 1, "--horizon", 3]
        table = run(capsys, "search", weather, *TARGET, *words, *QUICK)["candidates"]
        assert np.isfinite(table[0]["skill"])

    @pytest.mark.parametrize(
        ("words", "match"),
        [
            (["--grid", "cell"], "--grid: expected NAME=VALUE"),
            (["--grid", "sell=gru"], "did you mean 'cell'"),
            (["--folds", "0"], "--folds: expected at least 1"),
            (["--folds", "500"], "--folds: expected at most 199"),
        ],
    )
    def test_what_is_wrong_is_said(self, weather, capsys, words, match):
        assert main(["search", str(weather), *TARGET, *words, *QUICK]) == 1
        assert match in capsys.readouterr().err


class TestVerdict:
    @staticmethod
    def table(mae, mase):
        frame = pd.DataFrame({"mae": mae, "mase": mase}, index=["forecast", "last value", "drift"])
        by = frame["mase"].fillna(frame["mae"])
        frame["skill"] = 1 - by.iloc[0] / by
        frame.loc["forecast", "skill"] = np.nan
        return frame

    def test_of_one_series_errors_are_in_its_units(self):
        text = verdict(self.table([2.0, 4.0, 5.0], [0.5, 1.0, 1.25]), "rows")
        assert text == (
            "mean absolute error 2 on rows, last value 4: the forecast errs 50% less than the best "
            "simple one"
        )

    def test_of_many_the_best_is_that_in_units_of_the_naive_error(self):
        text = verdict(self.table([5.0, 9.0, 6.0], [1.4, 0.8, 1.6]), "rows")
        assert "mean absolute scaled error 1.4 on rows, last value 0.8" in text
        assert "errs 75% more than the best simple one; use that" in text

    def test_much_worse_is_said_in_times(self):
        assert "5.0 times as much as" in verdict(self.table([5.0, 1.0, 2.0], [5.0, 1.0, 2.0]), "r")

    def test_little_is_none(self):
        assert "no skill" in verdict(self.table([1.0, 1.01, 2.0], [1.0, 1.01, 2.0]), "rows")

    @pytest.mark.parametrize("own", [0.0, 1.0])
    def test_a_constant_series_has_nothing_to_compare_with(self, own):
        with np.errstate(all="ignore"):
            assert "nothing to compare" in verdict(self.table([own, 0.0, 0.0], [np.nan] * 3), "r")
