"""The benchmark of accuracy: floors by hand, and every protocol on small made-up files."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.benchmarks import accuracy
from tests.benchmarks.on_accuracy import data, ett, floors, panels, prices, report, single
from tests.benchmarks.on_accuracy.core import OURS, Goal, Measured, Row
from tests.benchmarks.on_accuracy.report import Records

ROOT = Path(__file__).resolve().parents[1]
NAN = np.nan


class TestFloors:
    values = np.array([1.0, 2.0, NAN, 4.0, 6.0, 5.0])

    def test_gaps_are_filled_by_the_value_before(self):
        assert floors.carried(self.values).tolist() == [1, 2, 2, 4, 6, 5]
        assert floors.carried(np.array([NAN, 3.0, NAN])).tolist() == [3, 3, 3]

    def test_what_happened(self):
        found = floors.actuals(self.values, np.array([0, 4]), 2)
        np.testing.assert_equal(found, [[2, NAN], [5, NAN]])

    def test_last_value_drift_and_mean(self):
        origins = np.array([2, 4])
        assert floors.last_value(self.values, origins, 2).tolist() == [[2, 2], [6, 6]]
        assert floors.drift(self.values, origins, 2).tolist() == [[2.5, 3], [7.25, 8.5]]
        assert floors.training_mean(self.values, origins, 1, 4).tolist() == [[7 / 3], [7 / 3]]

    def test_seasons(self):
        origins = np.array([5])
        repeat = floors.mean_of_seasons(self.values, origins, 3, season=2, n_seasons=1)
        assert repeat.tolist() == [[6, 5, 6]]
        mean = floors.mean_of_seasons(self.values, origins, 3, season=2)
        assert mean.tolist() == [[3.5, 11 / 3, 3.5]]  # of 6, missing, 1 and of 5, 4, 2
        young = floors.mean_of_seasons(self.values, np.array([0]), 3, season=4)
        assert young.tolist() == [[1, 1, 1]]

    def test_no_floor_looks_ahead(self):
        changed = np.where(np.arange(6) > 3, 99.0, self.values)
        ridge = floors.Ridge(2, 1).fit([self.values[:4]])
        for forecast in (
            lambda v: floors.last_value(v, np.array([3]), 2),
            lambda v: floors.drift(v, np.array([3]), 2),
            lambda v: floors.mean_of_seasons(v, np.array([3]), 2, 2),
            lambda v: ridge.forecast(v, np.array([3])),
        ):
            assert forecast(changed).tolist() == forecast(self.values).tolist()

    def test_ridge_goes_on_as_training_did(self):
        waves = [np.sin(0.4 * np.arange(300)), 50 + 7 * np.cos(0.4 * np.arange(250))]
        ridge = floors.Ridge(8, 3).fit([w[:200] for w in waves])
        for wave in waves:
            origins = np.arange(200, 240)
            error = ridge.forecast(wave, origins) - floors.actuals(wave, origins, 3)
            assert np.abs(error).max() < 0.1 * wave.std()

    def test_ridge_is_the_solution_of_its_normal_equations(self):
        values = np.random.default_rng(0).normal(size=30)
        scaled = values / values.std()
        windows = [scaled[i : i + 5] - scaled[i + 2] for i in range(26)]
        x, y = np.array([w[:3] for w in windows]), np.array([w[3:] for w in windows])
        wanted = np.linalg.solve(x.T @ x + 0.01 * 26 * np.eye(3), x.T @ y)
        np.testing.assert_allclose(floors.Ridge(3, 2).fit([values]).weights, wanted)


class TestNaive2:
    def test_a_season_is_told_from_noise(self):
        noise = np.random.default_rng(0).normal(size=96)
        season = np.tile([0.0, 1, 3, 2, 0, -2], 16)
        assert floors.is_seasonal(season + 0.3 * noise, 6)
        assert not floors.is_seasonal(noise, 6)
        assert not floors.is_seasonal(season[:17], 6)  # fewer than three seasons
        assert not floors.is_seasonal(np.ones(96), 6)

    def test_the_bound_is_that_of_bartlett(self):
        values = np.random.default_rng(1).normal(size=40).cumsum()
        centred = values - values.mean()
        r = [sum(centred[k:] * centred[: 40 - k]) / sum(centred**2) for k in range(1, 8)]
        for season in range(2, 8):
            bound = 1.645 * np.sqrt((1 + 2 * sum(v**2 for v in r[: season - 1])) / 40)
            assert floors.is_seasonal(values, season) == (abs(r[season - 1]) > bound)

    @pytest.mark.parametrize("pattern", [[0.5, 1.5], [0.4, 1.6, 1.0]])
    def test_factors_and_forecast_by_hand(self, pattern):
        values = 10 * np.tile(pattern, 8)
        np.testing.assert_allclose(floors.seasonal_factors(values, len(pattern)), pattern)
        made = floors.naive2(values[:-1], 4, len(pattern))  # the last place of a season comes next
        np.testing.assert_allclose(made, 10 * np.resize(np.roll(pattern, 1), 4))

    def test_without_a_season_it_is_the_last_value(self):
        assert floors.naive2(np.array([1.0, 5.0, 2.0]), 2, 24).tolist() == [2, 2]

    def test_measures(self):
        assert floors.smape(np.array([100.0, 0]), np.array([300.0, 0])) == 50
        assert floors.naive_error(np.array([1.0, 2, 4, 7]), 2) == 4


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".gz"):
        with gzip.open(path, "wt", encoding="utf-8") as file:
            file.write(text)
    else:
        path.write_text(text, encoding="utf-8")


def wave(n, season=12, seed=0):
    """A season with noise, far above zero."""
    noise = np.random.default_rng(seed).normal(size=n)
    return 50 + 10 * np.sin(2 * np.pi * np.arange(n) / season) + noise


def stamps(n, freq, start="2001-01-01", form="%Y-%m-%d"):
    return pd.date_range(start, periods=n, freq=freq).strftime(form)


def write_all(folder):
    """Files in the formats of the real ones, none longer than need be."""
    hours = stamps(400, "h", form="%Y-%m-%d %H:%M:%S")
    table = pd.DataFrame({f"c{k}": wave(400, 24, k) for k in range(7)}, index=hours)
    write(folder, "ett/ETTh1.csv.gz", table.to_csv(index_label="date"))
    rows = [pd.Series(wave(n, 24, n), name=f"H{n}") for n in (250, 300, 260)]
    table = pd.DataFrame(rows)
    table.columns = [f"V{k + 2}" for k in table.columns]
    write(folder, "m4/Hourly-train.csv.gz", table.to_csv(index_label="V1"))
    values = np.concatenate([wave(200, 7, seed) for seed in range(3)])
    values[[5, 70, 190, 300]] = NAN
    table = pd.DataFrame({"series": np.repeat(["a", "b", "c"], 200), "t": [*range(200)] * 3})
    write(folder, "nn5/nn5_train.csv.gz", table.assign(value=values).to_csv(index=False))
    hours = stamps(4700, "h", "2021-03-25", "%Y-%m-%d %H:%M:%S")
    table = pd.DataFrame({"so2": 1.0, "o3": wave(4700, 24)}, index=hours)
    name = "air_quality/air_quality_valencia_no_missing_2019_2021.csv.gz"
    write(folder, name, table.to_csv(index_label="datetime"))
    walk = 1 + 0.01 * np.random.default_rng(0).normal(size=(500, 8)).cumsum(axis=0)
    write(
        folder,
        "exchange_rate/exchange_rate.txt.gz",
        pd.DataFrame(walk).to_csv(header=False, index=False),
    )
    for k, ticker in enumerate(data.TICKERS):
        form = "%m/%d/%Y" if ticker in ("AAPL", "KO") else "%Y-%m-%d"
        days = stamps(200, "B", form=form)[::-1]  # newest first
        table = pd.DataFrame({"Adj Close": 100 + wave(200, 300, k)}, index=days)
        write(folder, f"stocks/{ticker}_2007_2015.csv.gz", table.to_csv(index_label="Date"))
    for name in data.UCR:
        for part in ("TRAIN", "TEST"):
            text = "#about\n@problemName made up\n@data\n"
            n_channels = 6 if name == "BasicMotions" else 1
            for k in range(12):
                channel = ",".join(f"{v:.3f}" for v in wave(8, 4 + k % 2, k))
                text += ":".join([*[channel] * n_channels, str(k % 2)]) + "\n"
            write(folder, f"ucr/{name}_{part}.ts.gz", text)
    write_others(folder)


def write_others(folder):
    def classic(name, columns, index=True):
        table = pd.DataFrame(columns)
        write(folder, f"classic/{name}.csv", table.to_csv(index=False))

    months = stamps(120, "MS", form="%Y-%m")
    for name in ("AirPassengers", "monthly-milk", "monthly-sunspots"):
        classic(name, {"Month": months, "value": wave(120)})
    gaps = np.delete(np.arange(120), [7, 50, 51])
    classic("monthly-milk-incomplete", {"Month": months[gaps], "value": wave(120)[gaps]})
    classic("wineind", {"Y": wave(120), "date": stamps(120, "MS")})
    classic("ausbeer", {"Y": wave(80, 4), "date": stamps(80, "QS")})
    days = pd.date_range("2004-01-01", periods=120).delete(59)  # a day of a leap year
    classic("temps", {"Date": days.strftime("%m/%d/%Y"), "value": wave(119, 7)})
    classic("taylor", {"Y": wave(600, 48)})
    ill = wave(300, 52).round(3).astype(str)
    ill[10] = "X"
    classic("ILINet", {"DATE": stamps(300, "7D"), "ill": ill})
    half_hours = stamps(600, "30min", "2012-01-01", "%Y-%m-%dT%H:%M:%SZ")
    table = pd.DataFrame({"Time": half_hours, "Demand": wave(600, 48)})
    write(folder, "electricity/vic_electricity_2012_2013.csv.gz", table.to_csv(index=False))
    hours = stamps(300, "h", form="%Y-%m-%d %H:%M:%S")
    table = pd.DataFrame({"date_time": hours, "users": wave(300, 24)})
    write(folder, "bikes/bike_sharing.csv.gz", table.to_csv(index=False))
    table = pd.DataFrame({"date": stamps(120, "D"), "temp_max": wave(120, 7)})
    write(folder, "weather/seattle-weather.csv.gz", table.to_csv(index=False))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("data")
    write_all(made)
    return made


@pytest.fixture
def _small_ett(monkeypatch):
    for name, value in {
        "TRAIN": 240, "VALIDATED": 320, "ROWS": 400, "LOOKBACK": 8, "HORIZONS": (2, 4)
    }.items():  # fmt: skip
        monkeypatch.setattr(ett, name, value)


def run(folder, out, *words):
    accuracy.main(["--data", str(folder), "--quick", "--out", str(out), *words])
    return out.read_text(encoding="utf-8")


EXPECTED = {  # rows of its table
    "etth1": ["MSE, 2 steps", "MAE, mean of the four", "minutes of training, all four"],
    "m4": ["sMAPE", "MASE", "OWA", "minutes of training"],
    "nn5": ["MAE", "minutes of training"],
    "ozone": ["MAE, 5 steps, one fold after another", "MAE, 1 step"],
    "exchange": ["RSE, step 3", "MAE, step 24", "skill_ over the last value"],
    "stocks": ["AAPL: skill on test", "XOM: skill claimed", "fits, all stocks and seeds"],
    "ucr": [f"{name}: accuracy" for name in data.UCR],
    "others": [f"{name}: skill over the best floor" for name in data.SEASONS],
}


@pytest.mark.parametrize("name", accuracy.PROTOCOLS)
@pytest.mark.usefixtures("_small_ett")
def test_every_protocol_writes_its_table(name, folder, tmp_path, capsys):
    out = tmp_path / "table.md"
    text = run(folder, out, "--only", name, "--seeds", "0")
    assert f"## {accuracy.PROTOCOLS[name].title}\n" in text
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in text.splitlines()}
    for metric in EXPECTED[name]:
        assert "**" in lines[metric]
        assert "nan" not in lines[metric]
    records = [json.loads(line) for line in out.with_suffix(".jsonl").read_text().splitlines()]
    assert {one["protocol"] for one in records} == {name}
    assert {one["seed"] for one in records if one["who"] == OURS} == {0}
    assert all(np.isfinite(list(one["values"].values())).all() for one in records)
    assert "seed 0" in capsys.readouterr().out
    again = run(folder, out, "--only", name, "--seeds", "0", "--resume")
    assert "seed 0" not in capsys.readouterr().out
    assert again == text


def test_forecasts_stand_at_their_rows(folder, monkeypatch):
    """A perfect model has no error: each forecast is compared with what it is of."""
    for module in (ett, panels, prices, single):
        monkeypatch.setattr(module, "model_of", Oracle)
        monkeypatch.setattr(module, "fitted", lambda model, table: (model.fit(table), {}))
    every = {
        "m4": (data.m4_hourly, ("sMAPE", "MASE", "OWA")), "nn5": (data.nn5, ("MAE",)),
        "ozone": (data.ozone, (single.FOLDS, single.EVERY)),
        "exchange": (data.exchange_rates, [f"RSE, step {k}" for k in prices.STEPS]),
    }  # fmt: skip
    for name, (read, metrics) in every.items():
        Oracle.truth = read(folder)
        for case in accuracy.PROTOCOLS[name].cases(folder):
            found = case.ours(0, True)
            assert [found[metric] for metric in metrics] == pytest.approx([0] * len(metrics)), name


class Oracle:
    """It knows the series, and forecasts from the rows it is passed as an estimator does."""

    truth = None

    def __init__(self, kind, seed, quick, horizon, **fixed):
        self.horizon = horizon
        self.skill_ = pd.DataFrame({"skill": [0.0]}, index=["last value"])

    def fit(self, table):
        self.n_train = len(table)
        return self

    def predict(self, rows):
        whole = self.truth.to_numpy()
        first = len(whole) - len(rows)
        at = first + np.arange(len(rows))[:, None] + np.arange(1, self.horizon + 1)
        return np.moveaxis(whole[np.minimum(at, len(whole) - 1)], 1, -1)

    def forecast(self, steps):
        if isinstance(self.truth, dict):
            made = {name: pd.Series(values[-steps:]) for name, values in self.truth.items()}
            return pd.concat(made).to_frame("mean")
        return self.truth.iloc[self.n_train : self.n_train + steps]


@pytest.mark.usefixtures("_small_ett")
def test_validation_rows_of_etth1_do_not_train(folder, monkeypatch):
    models, fit = [], ett.fitted
    monkeypatch.setattr(ett, "fitted", lambda *given: models.append(given[0]) or fit(*given))
    table = data.ett(folder)
    case = ett.ETTH1.cases(folder)[0]
    for changed in (False, True):
        if changed:
            table.iloc[ett.TRAIN :] = 3 * table.iloc[ett.TRAIN :].to_numpy()[::-1]
        monkeypatch.setattr(ett.data, "ett", lambda _: table)
        case.ours(0, True)
    one, other = models  # validation rows tell which epoch is kept, and how much of it
    assert one.loss_curve_ == other.loss_curve_
    assert one.validation_loss_curve_ != other.validation_loss_curve_
    baselines = [model._state.encoder.baseline for model in models]
    assert baselines[0].means == baselines[1].means
    assert models[0].validation_fraction * ett.VALIDATED == ett.VALIDATED - ett.TRAIN


@pytest.mark.usefixtures("_small_ett")
def test_errors_of_etth1_are_plain_means(folder):
    table = ett._scaled(folder)
    assert table.iloc[: ett.TRAIN].to_numpy().std(axis=0) == pytest.approx(np.ones(7))
    found = ett._floors(folder, 4)["last value"]
    values = table.to_numpy()
    errors = [
        values[t + h, c] - values[t, c]
        for t in range(ett.VALIDATED - 1, ett.ROWS - 4)
        for h in range(1, 5)
        for c in range(7)
    ]
    assert found == pytest.approx(
        {"MSE": np.mean(np.square(errors)), "MAE": np.mean(np.abs(errors))}
    )


def test_what_lacks_its_data_is_skipped_in_one_line(folder, tmp_path, capsys):
    run(tmp_path, tmp_path / "table.md", "--only", "m4", "ucr")
    lines = capsys.readouterr().out.splitlines()
    assert sum("m4: skipped" in line and "is missing" in line for line in lines) == 1
    assert sum("skipped" in line for line in lines) == 1 + len(data.UCR)


def test_returns_are_in_order_and_of_single_days(tmp_path):
    table = "Date,Adj Close\n1/3/2011,12\n10/5/2010,11\n10/4/2010,10\n"
    write(tmp_path, "stocks/AAPL_2007_2015.csv.gz", table)
    found = data.log_returns(tmp_path, "AAPL")
    assert found.index.tolist() == [pd.Timestamp("2010-10-05")]  # not over months without prices
    assert found.tolist() == pytest.approx([np.log(1.1)])


def record(case, seed, **values):
    return {"case": case, "who": OURS, "seed": seed, "values": values | {"minutes": 1.0}}


def test_claims_of_skill_are_counted():
    said = {prices.CLAIMED: 0.1, prices.SHOWN: -0.01, "MAE": 1.0}
    shown = {prices.CLAIMED: 0.1, prices.SHOWN: 0.05, "MAE": 1.0}
    modest = {prices.CLAIMED: 0.01, prices.SHOWN: -0.3, "MAE": 1.0}
    records = [record("AAPL", 0, **said), record("AAPL", 1, **shown), record("KO", 0, **modest)]
    rows = {row.metric: row for row in prices.STOCKS.rows(Measured(records))}
    assert rows["fits, all stocks and seeds"].ours == (3,)
    assert rows["... whose test shows skill"].ours == (1,)
    assert rows["... that claim more than 2 %"].ours == (2,)
    wrong = rows["... of these, where the test shows less than 0"]
    assert (wrong.ours, wrong.holds) == ((1,), False)


class TestTable:
    def test_mean_spread_and_goal(self):
        row = Row("error", (1.0, 2.0, 1.5), {"floor": 3.0}, {"theirs": 0.04}, Goal("<=", 1.5))
        assert report.cells(row) == (
            "error", "**1.500** ± 0.500", "floor 3", "theirs 0.04", "≤ 1.500", "yes",
        )  # fmt: skip
        assert Row("error", (2.0,), goal=Goal("<", 2.0)).holds is False
        assert Row("error", (2.0,), goal=Goal(">=", 2.0)).holds is True
        assert Row("error", (), goal=Goal("<", 2.0)).holds is None

    @pytest.mark.parametrize(
        ("value", "text"),
        [(0.01712, "0.0171"), (0.3834, "0.383"), (9.5614, "9.561"), (1035.2, "1035"), (5.0, "5"),
         (-0.0061, "-0.0061"), (0.0, "0")],
    )  # fmt: skip
    def test_numbers(self, value, text):
        assert report.number(value) == text

    def test_a_stated_floor_that_is_missed_is_named(self):
        protocol = prices.EXCHANGE
        floor = {"case": "all", "who": "last value", "seed": None}
        found = {f"RSE, step {k}": v for k, v in zip(prices.STEPS, prices.STATED, strict=True)}
        good = Measured([floor | {"values": found}])
        assert [near for *_, near in report.reproduced(protocol, good)] == [True] * 4
        bad = Measured([floor | {"values": found | {"RSE, step 3": 0.02}}])
        assert [near for *_, near in report.reproduced(protocol, bad)] == [False, *[True] * 3]


def test_records_survive_a_cut_and_the_last_counts(tmp_path):
    path = tmp_path / "records.jsonl"
    for value in (1.0, 2.0):
        Records(path, quick=False).add("p", "c", OURS, 0, {"MAE": value})
    Records(path, quick=True).add("p", "c", OURS, 1, {"MAE": 9.0})
    with open(path, "a", encoding="utf-8") as file:
        file.write('{"protocol": "p", "ca')
    read = Records(path, quick=False)
    assert read.of("p").ours("c", "MAE") == (2.0,)
    assert not read.has("p", "c", OURS, 1)


def test_runs_are_merged_into_one_table(folder, tmp_path):
    for name in ("nn5", "m4"):
        run(folder, tmp_path / f"{name}.md", "--only", name, "--seeds", "0")
    words = ["--only", "--merge", *(str(tmp_path / f"{name}.jsonl") for name in ("nn5", "m4"))]
    both = run(folder, tmp_path / "both.md", *words)
    assert both.startswith("QUICK")
    assert [line for line in both.splitlines() if line.startswith("## ")] == [
        f"## {accuracy.PROTOCOLS[name].title}" for name in ("m4", "nn5")
    ]


def test_it_runs_as_a_file(tmp_path):
    file = str(ROOT / "tests/benchmarks/accuracy.py")
    words = ["--data", str(tmp_path), "--out", str(tmp_path / "table.md"), "--only", "nn5"]
    done = subprocess.run(
        [sys.executable, file, *words], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "nn5: skipped" in done.stdout
