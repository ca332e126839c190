"""The command line as a user meets it: streams, exit codes, errors of one sentence."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gruforecast import GRUForecaster
from gruforecast.cli import main as command
from gruforecast.cli.console import Console
from gruforecast.cli.main import COMMANDS, main

QUICK = ["--set", "hidden_size=4", "max_iter=2"]


@pytest.fixture
def sales(tmp_path):
    """A CSV of 90 days with a week's wave."""
    days = pd.date_range("2024-01-01", periods=90, freq="D")
    rng = np.random.default_rng(0)
    sold = 50 + 10 * np.sin(2 * np.pi * np.arange(90) / 7) + rng.normal(0, 1, 90)
    path = tmp_path / "sales.csv"
    pd.DataFrame({"day": days, "sold": sold}).to_csv(path, index=False)
    return path


def run(*words):
    return main([str(word) for word in words])


class Screen(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self):
        return True


class TestStreams:
    def test_in_a_pipe_the_result_is_csv_and_all_else_is_on_standard_error(self, sales, capsys):
        assert run("forecast", sales, "--level", 80, *QUICK) == 0
        out, err = capsys.readouterr()
        table = pd.read_csv(io.StringIO(out), parse_dates=["day"])
        assert table.columns.tolist() == ["day", "mean", "lo-80", "hi-80"]
        assert table["day"].iloc[0] == pd.Timestamp("2024-03-31")
        assert len(table) == 7
        assert "sold by day" in err
        assert "training: 100 %" in err
        assert "\x1b" not in out + err

    def test_on_a_terminal_the_result_is_a_table_and_progress_a_bar(self, sales, monkeypatch):
        out, err = Screen(), Screen()
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        assert run("forecast", sales, *QUICK) == 0
        assert "2024-03-31" in out.getvalue()
        assert "━" in out.getvalue()
        assert "━" in err.getvalue()
        assert "epoch" in err.getvalue() or not hasattr(GRUForecaster(), "set_callbacks")

    def test_a_long_result_is_cut_on_a_terminal_alone(self, monkeypatch):
        out = Screen()
        monkeypatch.setattr(sys, "stdout", out)
        Console("forecast").result("forecast", pd.DataFrame({"mean": np.arange(100.0)}))
        assert "60 more rows" in out.getvalue()

    def test_json_is_one_document_with_everything(self, sales, capsys, tmp_path):
        path = tmp_path / "forecast.csv"
        assert run("forecast", sales, "--json", "--out", path, "--level", 80, *QUICK) == 0
        out, err = capsys.readouterr()
        document = json.loads(out)
        assert document["command"] == "forecast"
        assert document["files"] == [str(path)]
        assert document["columns"] == {"target": ["sold"], "time": "day", "id": None}
        assert len(document["forecast"]) == 7
        assert list(document["forecast"][0]) == ["day", "mean", "lo-80", "hi-80"]
        assert "mean absolute error" in document["verdict"]
        assert err == ""

    def test_json_writes_missing_numbers_as_null(self, sales, capsys):
        assert run("backtest", sales, "--horizon", 7, "--json", *QUICK) == 0
        document = json.loads(capsys.readouterr().out)
        assert document["skill"][0]["method"] == "forecast"
        assert document["skill"][0]["skill"] is None
        assert 0 <= document["coverage"]["80"] <= 1

    def test_warnings_are_notes(self, tmp_path, capsys):
        rng = np.random.default_rng(1)
        prices = 100 + np.cumsum(rng.normal(size=200))
        path = tmp_path / "prices.csv"
        pd.DataFrame({"price": prices}).to_csv(path, index=False)
        assert run("forecast", path, "--horizon", 1, *QUICK) == 0
        err = capsys.readouterr().err
        assert "note: no column of dates was found" in err
        assert "Warning" not in err


class TestFailures:
    def test_an_error_is_one_sentence_without_a_traceback(self, tmp_path, capsys):
        assert run("forecast", tmp_path / "nothing.csv") == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err == f"gruforecast: error: {tmp_path / 'nothing.csv'}: No such file or directory\n"

    def test_debug_shows_the_traceback(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            run("forecast", tmp_path / "nothing.csv", "--debug")

    def test_with_json_the_error_is_a_document_too(self, tmp_path, capsys):
        assert run("forecast", tmp_path / "nothing.csv", "--json") == 1
        assert "No such file" in json.loads(capsys.readouterr().out)["error"]

    @pytest.mark.parametrize("words", [[], ["fly"], ["forecast", "--fly"], ["fit"]])
    def test_a_wrong_command_line_exits_with_2(self, words, capsys):
        assert run(*words) == 2
        assert "usage: gruforecast" in capsys.readouterr().err

    def test_what_a_parameter_must_be_is_said_by_the_estimator(self, sales, capsys):
        assert run("forecast", sales, "--set", "hidden_size=0") == 1
        err = capsys.readouterr().err
        assert "hidden_size: expected" in err
        assert "Traceback" not in err

    def test_a_parameter_that_is_none(self, sales, capsys):
        assert run("forecast", sales, "--set", "hidden_sise=4") == 1
        assert "did you mean 'hidden_size'?" in capsys.readouterr().err

    def test_levels_are_checked_before_any_work_is_done(self, sales, capsys):
        assert run("forecast", sales, "--level", 100, *QUICK) == 1
        err = capsys.readouterr().err
        assert "level: expected" in err
        assert "training" not in err

    def test_a_parameter_that_is_no_number(self, sales, capsys):
        words = ["--grid", "cell=gru", "--set", "max_iter=many"]
        assert run("search", sales, *words) == 1
        assert "max_iter: expected" in capsys.readouterr().err

    def test_an_import_that_fails_is_told_as_an_error(self, sales, capsys, monkeypatch):
        monkeypatch.setitem(sys.modules, "gruforecast.cli.backtest", None)
        assert run("backtest", sales) == 1
        assert capsys.readouterr().err.startswith("gruforecast: error: import of")

    def test_options_may_be_given_again(self, sales, capsys):
        assert run("forecast", sales, *QUICK, "--set", "cell=sell") == 1
        assert "cell: expected" in capsys.readouterr().err
        assert run("forecast", sales, "--set", "cell=sell", *QUICK) == 1
        assert "cell: expected" in capsys.readouterr().err

    def test_a_parameter_given_twice(self, sales, capsys):
        assert run("forecast", sales, "--horizon", 3, "--set", "horizon=4") == 1
        assert "--set: expected horizon once, got it again" in capsys.readouterr().err

    @pytest.mark.parametrize("option", ["--out", "--plot"])
    @pytest.mark.parametrize(("name", "match"), [("x.txt", "ends in"), ("no/x", "a folder that")])
    def test_files_that_cannot_be_written_stop_it_before_any_work(
        self, sales, tmp_path, capsys, option, name, match
    ):
        name += {"--out": ".csv", "--plot": ".png"}[option] if "/" in name else ""
        assert run("forecast", sales, option, tmp_path / name, *QUICK) == 1
        err = capsys.readouterr().err
        assert match in err
        assert "training" not in err

    def test_a_defect_says_so_and_exits_with_3(self, sales, capsys, monkeypatch):
        def fail(*given):
            raise ZeroDivisionError("division by zero")

        monkeypatch.setattr("gruforecast.cli.forecast.run", fail)
        assert run("forecast", sales) == 3
        assert "unexpected ZeroDivisionError: division by zero; this is a defect" in (
            capsys.readouterr().err
        )

    def test_an_interruption_exits_with_130(self, sales, capsys, monkeypatch):
        def interrupt(*given):
            raise KeyboardInterrupt

        monkeypatch.setattr("gruforecast.cli.forecast.run", interrupt)
        assert run("forecast", sales) == 130
        assert "interrupted" in capsys.readouterr().err

    def test_a_missing_library_is_named_with_its_extra(self, sales, tmp_path, capsys, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        assert run("forecast", sales, "--plot", tmp_path / "x.png", *QUICK) == 1
        err = capsys.readouterr().err
        assert "pip install 'gruforecast[plot]'" in err
        assert err.count("\n") == 1
        monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
        assert run("forecast", sales, "--out", tmp_path / "x.parquet", *QUICK) == 1
        assert "pip install 'gruforecast[parquet]'" in capsys.readouterr().err


def test_a_pipe_that_is_closed_is_no_error(sales):
    code = (
        f"{sys.executable} -m gruforecast forecast {sales} --set hidden_size=4 max_iter=2 | true; "
        "exit ${PIPESTATUS[0]}"
    )
    root = Path(command.__file__).parents[2]
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr
    assert "BrokenPipe" not in done.stderr


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_explains_itself(name, capsys):
    assert run(name, "--help") == 0
    out = capsys.readouterr().out
    assert "exit codes" in out
    assert "--json" in out


@pytest.mark.parametrize("name", list(COMMANDS))
def test_the_documentation_has_every_option(name, capsys):
    page = (Path(__file__).parents[1] / "docs" / "api" / "command-line.md").read_text()
    run(name, "--help")
    options = set(re.findall(r"(?<![\w-])--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert f"`{name}" in page
    assert [option for option in sorted(options) if option not in page] == []


def test_help_is_quick():
    code = "import sys; from gruforecast.cli.main import main; main(['--help']); " + (
        "assert not {'numpy', 'pandas', 'rich', 'sklearn', 'numba'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_package_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "gruforecast", "--version"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("gruforecast ")
