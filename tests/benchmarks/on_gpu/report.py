"""What ``tests.benchmarks.gpu`` writes and prints of its records."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OURS, EAGER, GRAPH, TF32, TF32_GRAPH = (
    "gruforecast", "cudnn", "cudnn graph", "cudnn tf32", "cudnn tf32 graph",
)  # fmt: skip
PEERS = (EAGER, GRAPH, TF32, TF32_GRAPH)
SAME_PRECISION = (EAGER, GRAPH)
COLUMNS = (
    "emulated", "task", "kind", "what", "name", "who", "batch", "steps", "features", "hidden",
    "team", "n_rows", "n_blocks", "ms", "low", "high", "rounds", "alone_ms", "gflops", "seconds",
    "ratio",
)  # fmt: skip
TIMES = ("time", "team", "search", "loop")  # kinds of records in the table of times
FEW = 6  # lines about what failed, at most, of a kind


EMULATED = (
    "EMULATED: kernels ran as Python on tiny sizes, PyTorch on the CPU in place of cuDNN; the "
    "times mean nothing"
)


class Results:
    """All records so far, and what became of tasks."""

    def __init__(self, folder: Path, emulated: bool) -> None:
        self.folder, self.emulated, self.seconds = folder, emulated, 0.0
        self.records: list[dict[str, Any]] = []
        self.failed: dict[str, str] = {}
        self.skipped: list[str] = []

    def of(self, kind: str, **wanted: Any) -> list[dict[str, Any]]:
        """Records of a kind with these values."""
        return [
            record
            for record in self.records
            if record["kind"] == kind and all(record.get(k) == v for k, v in wanted.items())
        ]

    def bad_checks(self) -> list[dict[str, Any]]:
        return self.of("check", is_ok=False)

    def has_failed(self) -> bool:
        return bool(self.failed or self.bad_checks())

    def save(self) -> None:
        """Write all files; each is there whole at any time."""
        about = {"emulated": self.emulated, "seconds": self.seconds}
        everything = {**about, "failed": self.failed, "skipped": self.skipped}
        everything["records"] = self.records
        self._write("results.json", json.dumps(_finite(everything), indent=1))
        self._write("table.txt", self.table() + "\n")
        unfinished = self.folder / "results.csv.part"
        with open(unfinished, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
            writer.writeheader()
            told = {"emulated": self.emulated}
            writer.writerows(told | record for kind in TIMES for record in self.of(kind))
        os.replace(unfinished, self.folder / "results.csv")

    def _write(self, name: str, text: str) -> None:
        unfinished = self.folder / f"{name}.part"
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, self.folder / name)

    def table(self) -> str:
        """The result; what matters most comes last."""
        parts = (
            self._card, self._teams, self._forward, self._checks, self._steps, self._search,
            self._goals, self._end,
        )  # fmt: skip
        head = [EMULATED] if self.emulated else []
        return "\n".join([*head, *(line for part in parts for line in part())])

    def _time(self, what: str, size: tuple[int, ...], who: str) -> dict[str, Any] | None:
        found = [record for record in self.of("time", what=what, who=who) if _size(record) == size]
        return found[-1] if found else None

    def sizes(self, what: str) -> list[tuple[int, ...]]:
        return [*dict.fromkeys(_size(record) for record in self.of("time", what=what))]

    def ratio(self, what: str, size: tuple[int, ...], peers: tuple[str, ...]) -> float:
        """How many times longer the fastest of some peers takes; NaN where one lacks."""
        own = self._time(what, size, OURS)
        theirs = [found["ms"] for who in peers if (found := self._time(what, size, who))]
        return min(theirs) / own["ms"] if own and theirs else math.nan

    def _teams(self) -> Iterator[str]:
        if self.of("team"):
            yield "\nteams: ms of a step on the GPU alone, by blocks x windows of a shard"
        for size in dict.fromkeys(_size(record) for record in self.of("team")):
            cells = [
                f"{r['team']}x{r['n_rows']} {_number(r['ms'])}"
                for r in self.of("team")
                if _size(r) == size
            ]
            yield f"  {_name(size)}: " + ", ".join(dict.fromkeys(cells))

    def _forward(self) -> Iterator[str]:
        yield from self._times("forward", "forward pass of 16 batches, ms")

    def _steps(self) -> Iterator[str]:
        yield from self._times(
            "step", "training step, ms; alone: in launches; product, copy: shares of these rates"
        )

    def _times(self, what: str, title: str) -> Iterator[str]:
        heads = (
            "ours", "alone", "cuDNN", "graph", "tf32", "tf32gr", "x eager", "x fp32", "x all",
            "GFLOP/s", "product", "copy",
        )  # fmt: skip
        yield f"\n{title}\n{'B,T,F,H':<14}" + "".join(f" {head:>7}" for head in heads)
        for size in self.sizes(what):
            own = self._time(what, size, OURS) or {}
            cells = [_number(own.get("ms")), _number(own.get("alone_ms"))]
            cells += [_number((self._time(what, size, who) or {}).get("ms")) for who in PEERS]
            for peers in ((EAGER,), SAME_PRECISION, PEERS):
                cells.append(_number(self.ratio(what, size, peers)))
            cells.append(_number(own.get("gflops")))
            cells.append(_share(own.get("gflops"), self.ceiling("float32 product")))
            cells.append(_share(own.get("gbytes"), self.ceiling("copy")))
            yield f"{_name(size):<14}" + "".join(f" {cell:>7}" for cell in cells)

    def _checks(self) -> Iterator[str]:
        checks, bad = self.of("check"), self.bad_checks()
        yield f"\nchecks: {len(checks) - len(bad)} of {len(checks)} hold; largest relative errors:"
        for what in dict.fromkeys(r["what"].split(" at ")[0] for r in checks):
            own = [r for r in checks if r["what"].split(" at ")[0] == what]
            error, accepted = max(r["error"] for r in own), own[0]["accepted"]
            yield f"  {what:<28}{error:>9.1e}   (accepted {accepted:.0e})"

    def _search(self) -> Iterator[str]:
        yield "\nmany models side by side; loops over cuDNN models, extrapolated from some steps"
        for record in self.of("search"):
            loops = ", ".join(
                f"{r['who']} {_number(r['seconds'])} s = {_number(r['ratio'])}x"
                for r in self.of("loop", name=record["name"])
            )
            share = _share(record["gflops"], self.ceiling("float32 product"))
            yield (
                f"  {record['name']}, {record['n_models']} models x {record['n_steps']} steps: "
                f"{_number(record['seconds'])} s, {_number(record['alone_s'])} in the launch of "
                f"{record['n_blocks']} blocks; {_number(record['gflops'])} GFLOP/s ({share})"
            )
            yield f"    {loops or 'no loop was measured'}"

    def ceiling(self, what: str) -> float:
        found = self.of("ceiling", what=what)
        return float(found[-1]["value"]) if found else math.nan

    def _card(self) -> Iterator[str]:
        yield ""
        for r in self.of("machine"):
            versions = ", ".join(f"{k} {v}" for k, v in r["versions"].items() if v)
            yield f"Python {r['python']}, CUDA {r['cuda_of_torch']} and cuDNN {r['cudnn']} of torch"
            yield versions
        cells = [f"{r['what']} {_number(r['value'])} {r['unit']}" for r in self.of("ceiling")]
        cells += [
            f"a tiny predict {r['call_us']:.0f} us, its launch {r['launch_us']:.0f} us"
            for r in self.of("overhead")
        ]
        cells += [
            f"from disk: train {r['train']:.2f} s, predict {r['predict']:.2f} s"
            for r in self.of("loading")
        ]
        yield "measured: " + ("; ".join(cells) or "-")
        for r in self.of("kernel"):
            yield (
                f"{r['name']} kernel: compiled in {r['cold_s']:.1f} s, {r['registers']} registers, "
                f"{r['local_bytes']} bytes local, at once by KB shared: {r['at_once']}"
            )

    def goals(self) -> list[tuple[str, float, float]]:
        """What was wanted: its name, the ratio, and the least that was reached."""
        found = []
        for name, wanted, least, most in (("H<=64", 2.0, 0, 64), ("H=128", 1.0, 128, 128)):
            sizes = [size for size in self.sizes("step") if least <= size[3] <= most]
            for told, peers in (("eager", (EAGER,)), ("fastest", SAME_PRECISION)):
                ratios = [self.ratio("step", size, peers) for size in sizes]
                title = f"step, one model, {name}, cuDNN {told} of equal precision"
                found.append((title, wanted, _least(ratios)))
        for who in SAME_PRECISION:
            loops = [r for r in self.of("loop", who=who) if r["name"] != "mixed"]
            reached = _least([r["ratio"] for r in loops])
            found.append((f"500 models, H<=64, loop over {who}", 50.0, reached))
        return found

    def _goals(self) -> Iterator[str]:
        yield f"\n{'goal (the least of all sizes)':<58}{'wanted':>8}{'reached':>9}"
        for title, wanted, reached in self.goals():
            if math.isnan(reached):
                verdict = "not measured"
            elif self.emulated:
                verdict = "emulated"
            elif reached >= wanted:
                verdict = f"met, {reached / wanted:.2f} times"
            else:
                verdict = f"missed by {1 - reached / wanted:.0%}"
            told = "-" if self.emulated else _number(reached)
            yield f"{title:<58}{wanted:>8.0f}{told:>9}  {verdict}"

    def _end(self) -> Iterator[str]:
        missing = dict.fromkeys(f"{r['who']}: {r['reason']}" for r in self.of("without"))
        lines = [f"without {line}" for line in missing][:FEW]
        bad = [
            f"CHECK FAILED {r['task']}: {r['what']}, error {r['error']:.1e}, accepted "
            f"{r['accepted']:.0e}"
            for r in self.bad_checks()
        ]
        lines += bad[:FEW]
        if len(bad) > FEW:
            lines.append(f"... and {len(bad) - FEW} more checks failed; see results.json")
        lines += [f"FAILED {name}: {why}" for name, why in self.failed.items()][:FEW]
        if self.skipped:
            lines.append(f"skipped, out of time: {', '.join(self.skipped)}")
        lines += [f"GPU: {record['gpu']}" for record in self.of("machine")]
        n, n_bad = len(self.of("check")), len(bad)
        verdict = "FAILED" if self.has_failed() else "OK"
        lines.append(
            f"{verdict}: {n - n_bad} of {n} checks hold, {len(self.failed)} tasks failed, "
            f"{len(self.skipped)} skipped; {self.seconds:.0f} s; files in {self.folder}/"
        )
        if self.emulated:
            lines.append(EMULATED)
        yield ""
        for line in lines:
            yield line[:200]


def _size(record: dict[str, Any]) -> tuple[int, ...]:
    return record["batch"], record["steps"], record["features"], record["hidden"]


def _name(size: tuple[int, ...]) -> str:
    return ",".join(map(str, size))


def _number(value: float | None) -> str:
    """Three digits."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _share(value: float | None, of: float) -> str:
    return "-" if value is None or math.isnan(of) else f"{value / of:.1%}"


def _least(values: list[float]) -> float:
    """NaN where nothing is known."""
    known = [value for value in values if not math.isnan(value)]
    return min(known) if known else math.nan


def _finite(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
