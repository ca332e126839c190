"""The speed benchmark: processes that answer, and what is made of their answers."""

import itertools
import json
from statistics import median

import pytest

from gruforecast import bench
from gruforecast.bench import measuring
from gruforecast.bench.contenders import MODULES, PEERS, contender, with_keras
from gruforecast.bench.process import Answer, Contender
from gruforecast.bench.records import make_record
from gruforecast.bench.workloads import WORKLOADS, Work, Workload
from gruforecast.foundations.threads import available_threads

TINY = Workload(8, 4, 2, 4)


def records_of(rounds, **changes):
    """One record of workload 0 on two threads, out of (milliseconds, others) by contender."""
    choices = {"judged": True, "contenders": {name: f"{name} 1" for name in MODULES}}
    choices |= {"left_out": [], "threads": 2, "rows": None, **changes}
    answers = [{name: Answer(*answer) for name, answer in each.items()} for each in rounds]
    return [
        make_record(WORKLOADS[0], choices.pop("threads"), choices.pop("rows"), answers, **choices)
    ]


def line(records):
    """The only row of the table, by header."""
    headers, rows = bench.table(records)
    (row,) = rows
    return dict(zip(headers, row, strict=True))


def test_a_run_without_peers():
    calls = []
    records = bench.run(1, [0], [], progress=lambda *call: calls.append(call))
    threads = [*dict.fromkeys((available_threads(), 1))]
    assert [record["threads"] for record in records] == threads
    assert [call[:2] for call in calls] == [(i, len(threads)) for i in range(len(threads) + 1)]
    for record in json.loads(json.dumps(records)):
        assert [*record["milliseconds"]] == ["gruforecast"]
        assert record["milliseconds"]["gruforecast"][0] > 0
        assert 0 < record["share"] == pytest.approx(record["gflops"] / record["product_gflops"])
    headers, rows = bench.table(records)
    assert headers[:4] == ["what", "B,T,F,H", "threads", "gruforecast ms"]
    assert [row[:3] for row in rows] == [["step", "32,24,1,16", str(n)] for n in threads]


@pytest.mark.parametrize("rows", [None, 40])
@pytest.mark.parametrize("name", ["gruforecast", "product", *PEERS])
def test_a_contender_answers(name, rows):
    if contender(name).installed() is None:
        pytest.skip(f"{name} is not installed")
    with Contender(name) as process:
        assert process.measure(TINY, 1, rows).milliseconds > 0


def test_a_process_that_fails_says_why():
    message = "nobody: expected milliseconds .* got \"KeyError: 'nobody'\""
    with Contender("nobody") as process, pytest.raises(ChildProcessError, match=message):
        process.measure(TINY, 1, None)


def test_an_answer_is_read():
    with Contender("product") as process:
        assert process._read("[1.5, 0.2, 0.1]\n") == Answer(1.5, 0.1)
        with pytest.raises(ChildProcessError, match="product: expected a finite loss .* got nan"):
            process._read("[1.5, NaN, 0.1]\n")


def test_a_peer_that_is_not_installed_is_left_out(monkeypatch):
    monkeypatch.setattr(contender("jax"), "installed", lambda: None)
    records = bench.run(1, [0], ["jax"])
    assert records[0]["left_out"] == ["jax"]
    assert "jax ms" not in bench.table(records)[0]
    assert "jax is not installed: left out." in bench.notes(records)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "rounds: expected at least 1, got 0"),
        ((1, [7]), "workloads: expected numbers up to 6, got 7"),
        ((1, [-1]), "workloads: expected at least 0, got -1"),
        ((1, [0], ["torhc"]), "peers: expected one of .* did you mean 'torch'?"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        bench.run(*arguments)


def test_medians_ratios_and_shares():
    times = [(1.0, 20.0, 10.0), (2.0, 60.0, 10.0), (1.0, 22.0, 5.0)]
    names = ("gruforecast", "torch", "product")
    rounds = [dict(zip(names, [(ms, 0.1) for ms in row], strict=True)) for row in times]
    (record,) = records = records_of(rounds)
    assert record["ratios"] == {"torch": [20.0, 30.0, 22.0]}
    assert record["met"] is True
    rates = [1e-6 * 6 * 32 * 24 * 17 * 48 / ms for ms in (1.0, 2.0, 1.0)]
    products = [2e-6 * 1024**3 / ms for ms in (10.0, 10.0, 5.0)]
    assert record["gflops"] == pytest.approx(median(rates))
    shares = [a / b for a, b in zip(rates, products, strict=True)]
    assert record["share"] == pytest.approx(median(shares))
    assert line(records) == {
        "what": "step", "B,T,F,H": "32,24,1,16", "threads": "2", "gruforecast ms": "1",
        "torch ms": "22", "torch / ours": "22.0 (20.0-30.0)", "goal": "20 met", "GFLOP/s": "3.8",
        "product": "215", "share": "1%", "others": "0.10",
    }  # fmt: skip
    assert bench.notes(records) == [
        "Milliseconds of a training step: medians of 3 round(s).",
        "gruforecast 1, torch 1, product 1.",
    ]


def test_a_goal_is_judged_when_nothing_disturbs():
    slow = {"gruforecast": (1.0, 0.0), "torch": (3.0, 0.0), "product": (10.0, 0.0)}
    assert line(records_of([slow]))["goal"] == "20 missed"
    disturbed = records_of([{**slow, "torch": (300.0, 1.8)}])
    assert line(disturbed)["goal"] == "20 not judged"
    assert bench.notes(disturbed)[-1].startswith("Other programs used up to 0.6 processors")
    assert "goal" not in line(records_of([slow], judged=False))
    predicted = records_of([slow], rows=20_000)
    assert "goal" not in line(predicted)
    assert bench.notes(predicted)[0].startswith(
        "Milliseconds of a training step, or of predicting 20,000 rows"
    )
    silent = {name: (ms, float("nan")) for name, (ms, _) in slow.items()}
    assert line(records_of([silent]))["others"] == "-"
    assert bench.notes([]) == []


def test_a_measurement_counts_steps(monkeypatch):
    """A clock that only work moves on: each call of four steps takes a second."""
    clock = itertools.count()
    now = [0.0]
    monkeypatch.setattr(measuring.time, "perf_counter", lambda: now[0])

    def call():
        now[0] += 1.0
        return next(clock)

    assert measuring.measure(Work(call, 4), least=3) == (250.0, 1.0)
    assert measuring.measure(Work(call), least=3) == (1000.0, 6.0)


def test_keras_runs_on_what_is_there(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    found = {"keras", "torch"}
    monkeypatch.setattr(with_keras, "find_spec", lambda name: name if name in found else None)
    monkeypatch.setattr(with_keras, "describe", lambda name: name if name in found else None)
    assert with_keras.installed() == "keras on torch"
    assert with_keras.limits_threads()
    found.add("jax")
    assert with_keras.installed() == "keras on jax"
    assert not with_keras.limits_threads()
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert with_keras.installed() is None
