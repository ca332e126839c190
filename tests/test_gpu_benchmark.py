"""The benchmark of GPUs, run on an emulated one: it loses nothing when something fails."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

if not sys.platform.startswith("linux"):
    pytest.skip("kernels for a GPU are emulated on Linux", allow_module_level=True)
pytest.importorskip("numba_cuda", reason="expected numba-cuda; install the extra test")
pytest.importorskip("greenlet", reason="expected greenlet; install the extra test")
pytest.importorskip("torch", reason="expected torch; install the extra test")

from tests.benchmarks import gpu
from tests.benchmarks.on_gpu.report import GRAPH, OURS, Results
from tests.benchmarks.on_gpu.tasks import Task, all_tasks

ROOT = Path(__file__).resolve().parents[1]
FILES = {"results.json", "results.csv", "table.txt", "log.txt"}
HEADINGS = [
    "teams: ms of a step", "forward pass of", "checks: ", "training step, ms",
    "many models side by side", "goal (the least",
]  # fmt: skip


def run(folder, monkeypatch, tasks, *words):
    """The exit code and the results of some tasks."""
    monkeypatch.setattr(gpu, "all_tasks", lambda emulated: tasks)
    code = gpu.main(["--emulate", "--out", str(folder), *words])
    return code, json.loads((folder / "results.json").read_text())


def task(wanted, **changes):
    (found,) = [task for task in all_tasks(True) if task.name == wanted]
    return Task(**{**vars(found), **changes})


def test_a_whole_run(tmp_path):
    command = [sys.executable, "-m", "tests.benchmarks.gpu", "--emulate", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout) < 12_000
    places = [done.stdout.index(heading) for heading in HEADINGS]
    assert places == sorted(places)
    assert done.stdout.count("EMULATED: kernels ran as Python on tiny sizes") == 2  # first and last
    assert done.stdout.splitlines()[-1].startswith("EMULATED")
    assert {path.name for path in tmp_path.iterdir()} == FILES
    results = json.loads((tmp_path / "results.json").read_text())
    kinds = {record["kind"] for record in results["records"]}
    assert kinds >= {"machine", "ceiling", "check", "time", "search", "loop", "team", "overhead"}
    assert not results["failed"]
    assert not results["skipped"]
    assert (tmp_path / "table.txt").read_text() in done.stdout
    with open(tmp_path / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["who"] for row in rows if row["kind"] == "time"} >= {OURS, "cudnn"}
    assert all(float(row["ms"]) > 0 for row in rows if row["kind"] in ("time", "team"))


def test_a_check_that_fails_is_named_and_the_others_go_on(tmp_path, monkeypatch, capsys):
    names = "check of rnn 4,2,1,4", "overhead"
    code, results = run(
        tmp_path, monkeypatch, [task(name) for name in names], "--tolerance", "0"
    )  # fmt: skip
    table = capsys.readouterr().out
    assert code == 1
    assert "CHECK FAILED check of rnn 4,2,1,4: gradient, error" in table
    assert "FAILED: 0 of 7 checks hold, 0 tasks failed" in table
    assert [record["task"] for record in results["records"]][-1] == "overhead"


def test_another_process_takes_over(tmp_path, monkeypatch, capsys):
    """A task that takes too long, one that is not there, and one that nobody has time for."""
    tasks = [
        task("compiling", limit=0.0), task("overhead", name="unknown"), task("overhead"),
        task("ceilings", need=1e9),
    ]  # fmt: skip
    code, results = run(tmp_path, monkeypatch, tasks)
    assert code == 1
    assert results["failed"] == {
        "compiling": "did not end within 0 s", "unknown": "KeyError: 'unknown'",
    }  # fmt: skip
    assert [record["kind"] for record in results["records"]] == ["overhead"]
    assert results["skipped"] == ["ceilings"]
    table = capsys.readouterr().out
    assert "FAILED compiling: did not end within 0 s" in table
    assert "skipped, out of time: ceilings" in table


def test_a_process_that_dies(tmp_path):
    with open(tmp_path / "log", "w") as log:
        worker = gpu.Worker(["--emulate"], log)
        worker.process.kill()
        answers = list(worker.do(task("overhead"), 60))
        worker.stop()
    assert answers == [{"done": "its process ended with code -9", "is_lost": True}]


def test_goals(tmp_path):
    """The least ratio of all sizes, against the fastest at equal precision, and what lacks."""
    results = Results(tmp_path, emulated=False)

    def time(hidden, who, ms):
        size = {"batch": 64, "steps": 48, "features": 8, "hidden": hidden}
        results.records.append({"kind": "time", "what": "step", "who": who, "ms": ms, **size})

    for hidden, ours in ((32, 1.0), (64, 2.0)):
        time(hidden, OURS, ours)
        time(hidden, "cudnn", 5.0)
        time(hidden, GRAPH, 3.0)
        time(hidden, "cudnn tf32 graph", 0.5)
    loop = {"kind": "loop", "who": "cudnn", "seconds": 1.0}
    results.records += [{**loop, "name": "H=64", "ratio": 80.0}, {**loop, "name": "mixed"}]
    lines = "\n".join(results._goals())
    assert "H<=64, cuDNN eager of equal precision           2      2.5  met, 1.25 times" in lines
    assert "H<=64, cuDNN fastest of equal precision         2      1.5  missed by 25%" in lines
    assert "H=128, cuDNN eager of equal precision           1        -  not measured" in lines
    assert "loop over cudnn                              50       80  met, 1.60 times" in lines
    assert "loop over cudnn graph                        50        -  not measured" in lines
