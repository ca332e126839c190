"""``gruforecast warmup``: compile ahead what a first fit would compile."""

from __future__ import annotations

import argparse

import pandas as pd

from gruforecast.cells import CELLS
from gruforecast.cli.console import Console
from gruforecast.diagnostics.cache import cache_info
from gruforecast.diagnostics.warmup import warmup


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cells", nargs="+", choices=list(CELLS), default=["gru"], help="which (gru)"
    )
    parser.add_argument(
        "--dtype", choices=["float32", "float64"], default="float32", help="of numbers (float32)"
    )


def run(options: argparse.Namespace, console: Console) -> None:
    with console.progress("compiling", 1) as tracker:
        seconds = warmup(options.cells, dtype=options.dtype, progress=tracker.follow)
    table = pd.DataFrame({"seconds": seconds}).rename_axis("what")
    console.result("seconds", table)
    console.note(str(cache_info()))
