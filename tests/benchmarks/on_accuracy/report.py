"""Records on disk, and the table that is made of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.benchmarks.on_accuracy.core import Goal, Measured, Protocol, Row, Values

HEADER = ("", "gruforecast", "simple forecasts", "published", "goal", "holds")
TOLERANCE = 1.001  # units of the last digit in which a floor is stated


class Records:
    """Lines of JSON, each written when it was measured; the last of its kind counts."""

    def __init__(self, path: Path, *, quick: bool) -> None:
        self.path, self.quick = path, quick
        self._found: dict[tuple[Any, ...], dict[str, Any]] = {}
        if path.exists():
            self.read(path)

    def read(self, path: Path) -> None:
        """Those of a file, but for quick ones among others and a line that was cut off."""
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                one = json.loads(line)
            except json.JSONDecodeError:
                continue
            if one["quick"] == self.quick:
                self._found[_key(one)] = one

    def add(self, protocol: str, case: str, who: str, seed: int | None, values: Values) -> None:
        """Keep a record, on disk at once."""
        plain = {name: float(value) for name, value in values.items()}
        one: dict[str, Any] = {
            "protocol": protocol, "case": case, "who": who, "seed": seed, "values": plain,
            "quick": self.quick,
        }  # fmt: skip
        self._found[_key(one)] = one
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(one) + "\n")

    def has(self, protocol: str, case: str, who: str, seed: int | None) -> bool:
        """Whether this was measured."""
        return (protocol, case, who, seed) in self._found

    def of(self, protocol: str) -> Measured:
        """What was measured of a protocol."""
        return Measured([one for one in self._found.values() if one["protocol"] == protocol])


def _key(one: dict[str, Any]) -> tuple[Any, ...]:
    return one["protocol"], one["case"], one["who"], one["seed"]


def number(value: float) -> str:
    """Three decimals, but three digits that count of small numbers and four of large ones."""
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    if abs(value) < 0.1:
        return f"{value:.3g}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"


def _ours(row: Row) -> str:
    if not row.ours:
        return ""
    spread = f" ± {number(row.spread)}" if len(row.ours) > 1 else ""
    return f"**{number(row.mean)}**{spread}"


def _list(values: Values) -> str:
    return ", ".join(f"{who} {number(value)}" for who, value in values.items())


def _goal(goal: Goal | None) -> str:
    return (
        ""
        if goal is None
        else f"{ {'<=': '≤', '>=': '≥'}.get(goal.sense, '<') } {number(goal.bound)}"
    )


def cells(row: Row) -> tuple[str, ...]:
    """A line of the table."""
    holds = {None: "", True: "yes", False: "**no**"}[row.holds]
    return row.metric, _ours(row), _list(row.floors), _list(row.published), _goal(row.goal), holds


def reproduced(protocol: Protocol, measured: Measured) -> Iterable[tuple[str, float, float, bool]]:
    """What each floor is stated to be, what it is here, and whether they agree."""
    for (case, who, metric), stated in protocol.stated.items():
        own = measured.floors(case, metric)
        if who in own:
            digit = 10.0 ** -len(f"{stated:g}".partition(".")[2])
            near = abs(own[who] - stated) <= TOLERANCE * max(digit, 1e-4)
            yield f"{who}, {metric} ({case})", stated, own[who], near


def _of_stated(protocol: Protocol, measured: Measured) -> str:
    every = list(reproduced(protocol, measured))
    if not every:
        return ""
    off = [
        f"{name} is {number(own)}, stated {number(s)}" for name, s, own, near in every if not near
    ]
    n_good = len(every) - len(off)
    text = f"{n_good} of {len(every)} numbers stated for simple forecasts are reproduced"
    return f"{text}; not so: {'; '.join(off)}." if off else f"{text}."


def section(protocol: Protocol, measured: Measured) -> str:
    """The table of a protocol in Markdown."""
    rows = [row for row in protocol.rows(measured) if row.ours or row.floors]
    if not rows:
        return ""
    lines = [HEADER, ("---",) * len(HEADER), *(cells(row) for row in rows)]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    parts = [f"## {protocol.title}", protocol.about, table, _of_stated(protocol, measured)]
    return "\n\n".join(part for part in parts if part) + "\n"


def document(protocols: Iterable[Protocol], records: Records) -> str:
    """All tables, after what holds and what does not."""
    rows, sections = [], []
    for protocol in protocols:
        measured = records.of(protocol.name)
        rows += [(protocol, row) for row in protocol.rows(measured)]
        sections.append(section(protocol, measured))
    judged = [(p, row) for p, row in rows if row.holds is not None]
    held = sum(bool(row.holds) for _, row in judged)
    summary = f"{held} of {len(judged)} goals hold."
    missed = [f"{p.name}: {row.metric}" for p, row in judged if not row.holds]
    if missed:
        summary += f" Missed: {'; '.join(missed)}."
    if records.quick:
        summary = f"QUICK: networks that hardly learnt; the numbers mean nothing. {summary}"
    how = (
        "Means over seeds ± half the distance between the best and the worst of them; fixed "
        "defaults, but for what a protocol fixes."
    )
    return "\n".join([f"{summary}\n\n{how}\n", *(one for one in sections if one)])
