"""What was measured, as plain values that can be written as JSON."""

from __future__ import annotations

import math
from statistics import mean, median
from typing import TypedDict

from gruforecast.bench.contenders import PRODUCT, SUBJECT
from gruforecast.bench.process import Answer
from gruforecast.bench.workloads import PRODUCT_SIZE, Workload

QUIET = 0.2  # processors that others may use on the mean before a line is worth nothing


class Record(TypedDict):
    """One workload on so many threads: a training step, or a prediction of all windows."""

    what: str  # step or predict
    workload: dict[str, int]  # B, T, F, H
    rows: int | None  # of the series that is predicted from
    threads: int
    milliseconds: dict[str, list[float]]  # of each contender, round by round
    ratios: dict[str, list[float]]  # how often our time fits in each peer's
    gflops: float  # median rate of ours
    product_gflops: float  # of the matrix product
    share: float  # median over rounds of ours in the matrix product's
    others: float | None  # processors that other programs used; None where the system is silent
    goal: float | None  # for the ratio to torch
    met: bool | None  # None without a goal, without torch, and when other programs disturbed
    contenders: dict[str, str]  # name and version
    left_out: list[str]  # peers that are not installed


def make_record(
    workload: Workload,
    threads: int,
    rows: int | None,
    rounds: list[dict[str, Answer]],
    *,
    judged: bool,
    contenders: dict[str, str],
    left_out: list[str],
) -> Record:
    """Everything that follows from the answers of all rounds."""
    names = list(rounds[0])
    times = {name: [answers[name].milliseconds for answers in rounds] for name in names}
    ours, product = times[SUBJECT], times.pop(PRODUCT)
    ratios = {
        name: [a / b for a, b in zip(values, ours, strict=True)]
        for name, values in times.items()
        if name != SUBJECT
    }
    others = mean(answer.others for answers in rounds for answer in answers.values())
    goal = workload.goal if judged and rows is None else None
    rates = [1e-6 * _operations(workload, rows) / ms for ms in ours]
    product_rates = [2e-6 * PRODUCT_SIZE**3 / ms for ms in product]
    return Record(
        what="step" if rows is None else "predict",
        workload=dict(zip("BTFH", workload[:4], strict=True)),
        rows=rows,
        threads=threads,
        milliseconds=times,
        ratios=ratios,
        gflops=median(rates),
        product_gflops=median(product_rates),
        share=median(a / b for a, b in zip(rates, product_rates, strict=True)),
        others=None if math.isnan(others) else others,
        goal=goal,
        met=_verdict(goal, ratios.get("torch"), others),
        contenders={name: contenders[name] for name in names},
        left_out=left_out,
    )


def _operations(workload: Workload, rows: int | None) -> float:
    """Of a step, or of all predictions."""
    if rows is None:
        return workload.operations
    return workload._replace(batch=rows - workload.steps + 1).operations / 3


def _verdict(goal: float | None, ratios: list[float] | None, others: float) -> bool | None:
    if goal is None or ratios is None or others > QUIET:
        return None
    return median(ratios) >= goal
