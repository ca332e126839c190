"""What a report of a problem says."""

import json
from pathlib import Path

import pytest

import gruforecast
from gruforecast.diagnostics import report
from gruforecast.diagnostics.cache import shorten
from gruforecast.diagnostics.report import info_lines, system_info
from gruforecast.foundations import jit


def test_the_home_folder_is_not_shown(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert shorten(tmp_path / ".cache" / "x") == str(Path("~/.cache/x"))
    assert shorten(f"{tmp_path}/a:{tmp_path}/b") == "~/a:~/b"
    assert shorten("/elsewhere") == "/elsewhere"
    monkeypatch.setattr(jit, "cache_folder", lambda: tmp_path / "kernels")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "kernels"))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    info = system_info()
    assert info["environment"]["NUMBA_CACHE_DIR"] == info["cache"]["folder"]
    assert info["environment"]["OMP_NUM_THREADS"] == "3"
    assert str(tmp_path) not in json.dumps(info)
    assert str(tmp_path) not in repr(gruforecast.cache_info())


def test_a_report_is_complete():
    info = json.loads(json.dumps(system_info()))
    assert info["versions"]["gruforecast"] == gruforecast.__version__
    assert None not in [info["versions"][name] for name in report.LIBRARIES]
    assert info["machine"]["cores usable"] >= 1
    called = [library["called by the kernels"] for library in info["blas"].values()]
    assert called.count(True) == 1 or "not known" in called


def test_a_report_reads_well():
    info = {
        "versions": {"numpy": "2.0", "pyarrow": None},
        "blas": {"libblas.so": {"threads": 2, "called by the kernels": True}},
        "environment": {},
    }
    assert info_lines(info) == [
        "versions",
        "  numpy       2.0",
        "  pyarrow     none",
        "blas",
        "  libblas.so  threads 2, called by the kernels yes",
        "environment",
        "  none",
    ]


@pytest.mark.parametrize(
    ("paths", "used"),
    [
        (["/x/numpy.libs/a.so", "/x/scipy.libs/b.so"], "/x/scipy.libs/b.so"),
        (["/usr/lib/libblas.so"], "/usr/lib/libblas.so"),
        (["/usr/lib/a.so", "/usr/lib/b.so"], None),
        ([], None),
    ],
)
def test_the_blas_of_the_kernels_is_found(paths, used):
    assert report._used_by_kernels(paths) == used


def test_a_gpu_is_named_with_what_it_lacks(monkeypatch):
    assert system_info()["device"] == {"cpu": "used", "cuda": None} or report.gpu_names()
    monkeypatch.setattr(report, "gpu_names", lambda: ["H100", "L4"])
    monkeypatch.setattr(report, "has_compiler", lambda: True)
    assert system_info()["device"]["cuda"] == "cuda:0 H100, cuda:1 L4"
    monkeypatch.setattr(report, "has_compiler", lambda: False)
    assert "L4, not usable without pip install" in system_info()["device"]["cuda"]


def test_a_report_without_any_folder(monkeypatch):
    monkeypatch.setattr(jit, "cache_folder", lambda: None)
    assert "  folder" in "\n".join(info_lines(system_info()))
    assert system_info()["cache"]["folder"] is None
