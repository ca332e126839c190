"""Records as a table, and what has to be said beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

from gruforecast.bench.contenders import PEERS, SUBJECT
from gruforecast.bench.records import QUIET, Record

Column = tuple[str, Callable[[Record], str]]
VERDICTS = {True: "met", False: "missed", None: "not judged"}


def table(records: Sequence[Record]) -> tuple[list[str], list[list[str]]]:
    """Headers and rows of text; milliseconds are medians, ratios have their range over rounds."""
    columns = _columns(records)
    headers = [header for header, _ in columns]
    return headers, [[text(record) for _, text in columns] for record in records]


def notes(records: Sequence[Record]) -> list[str]:
    """Sentences: what is measured, in which versions, what is missing and what disturbed."""
    if not records:
        return []
    rounds = len(records[0]["milliseconds"][SUBJECT])
    rows = next((f"{r['rows']:,}" for r in records if r["rows"] is not None), None)
    what = "a training step" if rows is None else f"a training step, or of predicting {rows} rows"
    said = dict.fromkeys(text for record in records for text in record["contenders"].values())
    lines = [f"Milliseconds of {what}: medians of {rounds} round(s).", f"{', '.join(said)}."]
    lines += [f"{name} is not installed: left out." for name in records[0]["left_out"]]
    most = max(record["others"] or 0.0 for record in records)
    if most > QUIET:
        lines.append(
            f"Other programs used up to {most:.1f} processors meanwhile: "
            f"measure again when nothing else runs."
        )
    return lines


def _columns(records: Sequence[Record]) -> list[Column]:
    """Those that these records fill."""
    columns: list[Column] = [
        ("what", lambda r: r["what"]),
        ("B,T,F,H", lambda r: ",".join(map(str, r["workload"].values()))),
        ("threads", lambda r: str(r["threads"])),
        (f"{SUBJECT} ms", partial(_time, name=SUBJECT)),
    ]
    for peer in PEERS:
        if any(peer in record["milliseconds"] for record in records):
            columns.append((f"{peer} ms", partial(_time, name=peer)))
            columns.append((f"{peer} / ours", partial(_ratio, peer=peer)))
    if any(record["goal"] is not None and "torch" in record["ratios"] for record in records):
        columns.append(("goal", _goal))
    return [
        *columns,
        ("GFLOP/s", lambda r: f"{r['gflops']:.1f}"),
        ("product", lambda r: f"{r['product_gflops']:.0f}"),
        ("share", lambda r: f"{r['share']:.0%}"),
        ("others", lambda r: "-" if r["others"] is None else f"{r['others']:.2f}"),
    ]


def _time(record: Record, name: str) -> str:
    if name not in record["milliseconds"]:
        return "-"
    ms = median(record["milliseconds"][name])
    return f"{ms:.3g}" if ms < 1000 else f"{ms:.0f}"


def _ratio(record: Record, peer: str) -> str:
    values = record["ratios"].get(peer)
    if not values:
        return "-"
    spread = f" ({min(values):.1f}-{max(values):.1f})" if len(values) > 1 else ""
    return f"{median(values):.1f}{spread}"


def _goal(record: Record) -> str:
    if record["goal"] is None:
        return ""
    return f"{record['goal']:g} {VERDICTS[record['met']]}"
