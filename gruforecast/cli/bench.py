"""``gruforecast bench``: time training beside other libraries that are installed."""

from __future__ import annotations

import argparse

import pandas as pd

from gruforecast import bench
from gruforecast.cli.console import Console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="to take medians of (7)")
    parser.add_argument(
        "--workloads", nargs="+", type=int, metavar="I", help="which of the seven, from 0 (all)"
    )
    parser.add_argument(
        "--peers", nargs="*", metavar="NAME", help="of torch, jax, keras (those installed)"
    )
    parser.add_argument("--predict", action="store_true", help="time prediction, too")


def run(options: argparse.Namespace, console: Console) -> None:
    with console.progress("measuring", 1) as tracker:
        records = bench.run(
            options.rounds, options.workloads, options.peers, options.predict, tracker.follow
        )
    headers, rows = bench.table(records)
    if console.as_json:
        console.text("records", "", records)
    else:
        console.result("table", pd.DataFrame(rows, columns=headers))
    for sentence in bench.notes(records):
        console.note(sentence)
