"""Kernels compiled ahead of their first use, and what is known of their folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import gruforecast
from gruforecast.diagnostics.cache import CacheInfo
from gruforecast.foundations import jit

ROOT = Path(__file__).resolve().parent.parent
AHEAD = """
import gruforecast
assert gruforecast.cache_info().n_files == 0
calls = []
seconds = gruforecast.warmup(progress=lambda *call: calls.append(call))
assert calls == [(i, 5, label) for i, label in enumerate([*seconds, ""])], calls
print(gruforecast.cache_info().n_files)
"""
USUAL = """
import numpy as np
import gruforecast
before = gruforecast.cache_info().n_files
quick = {"max_iter": 1, "random_state": 0}
temperature = gruforecast.make_weather(n_days=12)["temperature"]
gruforecast.GRUForecaster(**quick).fit(temperature).forecast()
model = gruforecast.GRUForecaster(horizon=4, calendar=("hour",), **quick).fit(temperature)
model.forecast(6, level=(80, 95)), model.predict(temperature), model.score(temperature)
gruforecast.GRUForecaster(horizon=2, **quick).fit(temperature[:60]).forecast(level=80)
X, y = temperature.to_numpy()[:-1, None], temperature.to_numpy()[1:]
gruforecast.GRUForecaster(lookback=24, **quick).fit(X, y).predict(X)
gruforecast.GRUForecaster(**quick).fit(np.hstack([X[:-1], X[1:]]), np.c_[y[1:], y[1:]])
gruforecast.GRUClassifier(lookback=24, **quick).fit(X, y > y.mean()).predict_proba(X)
gruforecast.GRUEncoder(lookback=24, **quick).fit(X).transform(X)
print(before, gruforecast.cache_info().n_files)
"""


def run(code, folder):
    """The numbers that a fresh process prints which keeps its kernels in this folder."""
    settings = {"NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore::UserWarning", "-c", code],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [int(number) for number in done.stdout.split()]


def test_after_a_warmup_the_usual_things_compile_nothing(tmp_path):
    (compiled,) = run(AHEAD, tmp_path)
    assert compiled > 30
    assert run(USUAL, tmp_path) == [compiled, compiled]


def test_a_warmup_knows_the_cells_and_precisions():
    assert gruforecast.warmup(()) == {}
    seconds = gruforecast.warmup("gru")
    assert [*seconds] == [*gruforecast.warmup(["gru"], dtype="float32")]
    assert all(taken > 0 for taken in seconds.values())
    with pytest.raises(ValueError, match="cells: expected one of gru, lstm, rnn, got 'gur'"):
        gruforecast.warmup(("gru", "gur"))
    with pytest.raises(ValueError, match="dtype: expected one of float32, float64, got 'int8'"):
        gruforecast.warmup(dtype="int8")


def test_the_cache_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(jit, "cache_folder", lambda: tmp_path)
    (tmp_path / "one.nbc").write_bytes(bytes(1_500_000))
    (tmp_path / "two.nbc").write_bytes(bytes(500_000))
    (tmp_path / "two.nbc.unfinished").write_bytes(bytes(9))
    info = gruforecast.cache_info()
    assert info == (tmp_path, 2, 2_000_000, True, jit.source_stamp())
    assert repr(info).endswith(f"2 files, 2.0 MB, writable, source {jit.source_stamp()})")


def test_no_folder_is_no_error(monkeypatch):
    monkeypatch.setattr(jit, "cache_folder", lambda: None)
    info = gruforecast.cache_info()
    assert info == CacheInfo(None, 0, 0, False, jit.source_stamp())
    assert "no folder, 0 files, 0.0 MB, not writable" in repr(info)
