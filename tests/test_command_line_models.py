"""The commands do what their names say, and agree with the public interface."""

import json

import numpy as np
import pandas as pd
import pytest

from gruforecast import GRUForecaster, backtest, from_long, load_seattle, metrics
from gruforecast.cli.main import main

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


class TestForecast:
    def test_it_is_that_of_the_estimator(self, weather, capsys):
        series = load_seattle()["temp_max"].tail(200)
        expected = GRUForecaster(horizon=5, **SETTINGS).fit(series).forecast(5, (80, 95))
        document = run(
            capsys, "forecast", weather, *TARGET, "--horizon", 5, "--level", 80, 95, *QUICK
        )
        made = pd.DataFrame(document["forecast"]).set_index("date")
        np.testing.assert_allclose(made, expected, rtol=1e-12)
        assert pd.to_datetime(made.index[0]) == expected.index[0]

    def test_options_are_parameters(self, weather, capsys):
        series = load_seattle()["temp_max"].tail(200)
        model = GRUForecaster(
            horizon=4, season=7, seasonal="difference", calendar=("dayofyear", "month"),
            hidden_size=4, max_iter=2, random_state=3, n_jobs=1, cell="lstm", clip_norm=None,
        )  # fmt: skip
        expected = model.fit(series).forecast()
        words = ["--horizon", 4, "--season", 7, "--calendar", "dayofyear", "month", "--seed", 3]
        words += ["--seasonal", "difference", "--jobs", 1, *QUICK, "cell=lstm", "clip_norm=None"]
        made = run(capsys, "forecast", weather, *TARGET, *words)["forecast"]
        np.testing.assert_allclose([row["mean"] for row in made], expected["mean"], rtol=1e-12)

    @pytest.mark.filterwarnings("ignore::gruforecast.forecasting.skill.EchoWarning")
    def test_covariates_of_the_future_stand_at_the_end(self, tmp_path, capsys):
        table = load_seattle().tail(200).reset_index()[["date", "temp_max", "wind", "weather"]]
        known = table.copy()
        known.loc[195:, "temp_max"] = np.nan
        path = tmp_path / "known.csv"
        known.to_csv(path, index=False)
        words = ["--covariates", "wind", "weather", *QUICK]
        made = run(capsys, "forecast", path, *words)["forecast"]
        table = table.set_index("date")
        model = GRUForecaster(horizon=5, **SETTINGS)
        beside = table[["wind", "weather"]]
        model.fit(table["temp_max"].head(195), covariates=beside.head(195))
        expected = model.forecast(5, covariates=beside.tail(5))
        np.testing.assert_allclose([row["mean"] for row in made], expected["mean"], rtol=1e-12)

    def test_covariates_without_a_future_stop_it_before_training(self, weather, capsys):
        words = [*TARGET, "--covariates", "wind", *QUICK]
        assert main(["forecast", str(weather), *words]) == 1
        err = capsys.readouterr().err
        assert "--covariates: expected rows without temp_max at the end" in err
        assert "training" not in err

    def test_several_series(self, shops, capsys):
        table = pd.read_csv(shops)
        series = from_long(table, "shop", "day", "sold", sort=True)
        expected = GRUForecaster(horizon=3, **SETTINGS).fit(series).forecast()
        made = run(capsys, "forecast", shops, "--horizon", 3, *QUICK)["forecast"]
        assert [row["shop"] for row in made] == list("aaabbbccc")
        np.testing.assert_allclose([row["mean"] for row in made], expected["mean"], rtol=1e-12)

    def test_files(self, weather, tmp_path, capsys):
        out, plot = tmp_path / "f.parquet", tmp_path / "f.png"
        pytest.importorskip("pyarrow")
        words = [*TARGET, "--horizon", 3, "--level", 80, "--out", out, "--plot", plot]
        document = run(capsys, "forecast", weather, *words, *QUICK)
        assert document["files"] == [str(out), str(plot)]
        assert pd.read_parquet(out).columns.tolist() == ["date", "mean", "lo-80", "hi-80"]
        assert plot.read_bytes().startswith(b"\x89PNG")

    def test_without_a_file_or_a_model(self, capsys):
        assert main(["forecast"]) == 1
        assert "data: expected a file to forecast" in capsys.readouterr().err


class TestKeptModels:
    @pytest.fixture
    def model(self, weather, tmp_path, capsys):
        path = tmp_path / "weather.gru"
        words = [*TARGET, "--horizon", 5, "--past-covariates", "wind", "--out", path]
        document = run(capsys, "fit", weather, *words, *QUICK)
        assert document["files"] == [str(path)]
        assert document["skill"][0]["method"] == "forecast"
        return path

    def test_it_forecasts_what_follows_its_training_rows(self, model, capsys):
        table = load_seattle().tail(200)
        expected = GRUForecaster(horizon=5, **SETTINGS)
        expected.fit(table["temp_max"], past_covariates=table[["wind"]])
        made = run(capsys, "forecast", "--model", model, "--level", 80)["forecast"]
        np.testing.assert_allclose(
            [row["hi-80"] for row in made], expected.forecast(level=80)["hi-80"], rtol=1e-12
        )

    def test_it_forecasts_what_follows_newer_rows(self, model, weather, tmp_path, capsys):
        newer = load_seattle().tail(200).reset_index()
        more = newer.tail(3).assign(date=newer["date"].tail(3) + pd.Timedelta(days=3))
        path = tmp_path / "newer.csv"
        pd.concat([newer, more]).to_csv(path, index=False)
        made = run(capsys, "forecast", path, "--model", model)["forecast"]
        assert made[0]["date"].startswith("2016-01-04")
        longer = run(capsys, "forecast", path, "--model", model, "--horizon", 8)["forecast"]
        assert len(longer) == 8
        assert longer[:5] == made

    @pytest.mark.parametrize(
        "words", [["--set", "cell=rnn"], ["--season", "7"], ["--seasonal", "auto"]]
    )
    def test_its_parameters_are_settled(self, model, weather, capsys, words):
        assert main(["forecast", str(weather), "--model", str(model), *words]) == 1
        assert "expected none with --model" in capsys.readouterr().err

    def test_a_model_of_another_kind(self, tmp_path, capsys):
        X = np.arange(30.0)[:, None]
        path = tmp_path / "rows.gru"
        GRUForecaster(lookback=3, **SETTINGS).fit(X, X[:, 0]).save(path)
        assert main(["forecast", "--model", str(path)]) == 1
        assert "--model: expected a GRUForecaster fitted to series" in capsys.readouterr().err

    def test_a_file_that_is_no_model(self, weather, capsys):
        assert main(["forecast", "--model", str(weather)]) == 1
        assert "gruforecast: error: " in capsys.readouterr().err

    def test_a_model_that_has_learnt_nothing(self, tmp_path, capsys):
        path = tmp_path / "new.gru"
        GRUForecaster().save(path)
        assert main(["forecast", "--model", str(path)]) == 1
        assert "--model: expected a GRUForecaster fitted to series" in capsys.readouterr().err

    def test_columns_of_no_table(self, model, capsys):
        assert main(["forecast", "--model", str(model), "--target", "x"]) == 1
        assert "--target: expected none with --model" in capsys.readouterr().err

    def test_no_horizon(self, model, capsys):
        assert main(["forecast", "--model", str(model), "--horizon", "0"]) == 1
        assert "steps: expected" in capsys.readouterr().err

    def test_an_interruption_before_the_first_epoch_leaves_the_old_model(
        self, model, weather, capsys, monkeypatch
    ):
        before = model.read_bytes()

        def interrupt(*given, **named):
            raise KeyboardInterrupt

        monkeypatch.setattr("gruforecast.estimators.base.train_ensemble", interrupt)
        assert main(["fit", str(weather), *TARGET, "--out", str(model), *QUICK]) == 130
        assert model.read_bytes() == before

    def test_an_interrupted_training_is_not_lost(self, weather, tmp_path, capsys, monkeypatch):
        from gruforecast.cli import model as module

        def interrupt(self, estimator, context):
            if estimator.n_iter_ == 1 and context.task_name == "epoch":
                raise KeyboardInterrupt

        pytest.importorskip("sklearn.callback")
        monkeypatch.setattr(module.FitProgress, "on_fit_task_end", interrupt)
        path = tmp_path / "part.gru"
        assert main(["fit", str(weather), *TARGET, "--out", str(path), *QUICK]) == 130
        err = capsys.readouterr().err
        assert "model after 1 epochs, without bounds" in err
        assert "100 %" not in err
        assert main(["forecast", "--model", str(path)]) == 0


class TestBacktest:
    def test_it_is_that_of_the_library(self, weather, tmp_path, capsys):
        out = tmp_path / "b.csv"
        words = ["--horizon", 7, "--level", 80, "--stride", 5, "--initial", 150, "--out", out]
        document = run(capsys, "backtest", weather, *TARGET, *words, *QUICK)
        series = load_seattle()["temp_max"].tail(200)
        model = GRUForecaster(horizon=7, **SETTINGS)
        expected = backtest(model, series, 7, 5, initial=150, level=80)
        made = pd.read_csv(out, parse_dates=["cutoff", "time"])
        np.testing.assert_allclose(made["mean"], expected["mean"], rtol=1e-12)
        skill = metrics.skill(expected, series)
        np.testing.assert_allclose([row["mae"] for row in document["skill"]], skill["mae"])
        inside = metrics.coverage(expected["actual"], expected["lo-80"], expected["hi-80"])
        assert document["coverage"]["80"] == pytest.approx(inside)

    def test_a_horizon_is_needed(self, weather, capsys):
        assert main(["backtest", str(weather), *TARGET]) == 1
        assert "--horizon: expected" in capsys.readouterr().err

    def test_pictures(self, weather, tmp_path, capsys):
        one, two = tmp_path / "one.png", tmp_path / "two.svg"
        words = ["--horizon", 7, "--plot", one, "--plot-residuals", two, *QUICK]
        run(capsys, "backtest", weather, *TARGET, *words)
        assert one.read_bytes().startswith(b"\x89PNG")
        assert b"<svg" in two.read_bytes()

    def test_training_anew_on_the_way(self, weather, capsys):
        words = ["--horizon", 7, "--initial", 170, "--refit", 2, *QUICK]
        anew = run(capsys, "backtest", weather, *TARGET, *words)["skill"]
        once = run(capsys, "backtest", weather, *TARGET, *words[:4], *QUICK)["skill"]
        assert anew[0] != once[0]
        assert [row["mae"] for row in anew[1:]] == [row["mae"] for row in once[1:]]


@pytest.mark.parametrize("words", [[], ["--stocks"]], ids=["weather", "stocks"])
def test_the_demo_from_end_to_end(words, tmp_path, capsys):
    assert main(["demo", *words, "--out", str(tmp_path / "made")]) == 0
    out, err = capsys.readouterr()
    skill = pd.read_csv(pd.io.common.StringIO(out), index_col="method")
    name = "stock" if words else "seattle"
    files = {path.name for path in (tmp_path / "made").iterdir()}
    assert files == {f"{name}.csv", f"{name}-forecast.csv", f"{name}.png"}
    assert "Next, the same with a file of yours" in err
    over_last = skill.loc["last value", "skill"]
    if words:
        assert abs(over_last) < 0.05
        assert "the skill is near zero" in err
    else:
        assert skill["mae"].idxmin() == "forecast"
        assert over_last > 0.05


def test_the_demo_goes_on_without_matplotlib(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    assert main(["demo", "--stocks", "--out", str(tmp_path)]) == 0
    err = capsys.readouterr().err
    assert "no picture: " in err
    assert "pip install 'gruforecast[plot]'" in err
    assert not (tmp_path / "stock.png").exists()
