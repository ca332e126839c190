"""``gruforecast info``: versions, threads, devices and the cache, for reports of bugs."""

from __future__ import annotations

import argparse

from gruforecast.cli.console import Console
from gruforecast.diagnostics.report import info_lines, system_info


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing to choose."""


def run(options: argparse.Namespace, console: Console) -> None:
    info = system_info()
    console.text("info", "\n".join(info_lines(info)), info)
