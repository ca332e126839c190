"""What a command says: its result on standard output, everything else on standard error.

On a terminal results are tables and work in progress is a bar; in a pipe results are CSV and
progress is a few plain lines; with ``--json`` the output is one document.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TextIO

import numpy as np
import pandas as pd
from rich.console import Console as Terminal
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

MOST_ROWS = 40  # of a table on a terminal
N_LINES = 5  # that tell of progress in a pipe


class Console:
    """The two streams of a command, and what goes where.

    As a context it turns Python's warnings into notes.
    """

    def __init__(self, command: str, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.document: dict[str, Any] = {"command": command, "files": [], "notes": []}
        self._out, self._err = sys.stdout, sys.stderr
        self._screens = {stream: Terminal(file=stream) for stream in (self._out, self._err)}

    def __enter__(self) -> Console:
        self._caught = warnings.catch_warnings()
        self._caught.__enter__()
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = self._show_warning
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._caught.__exit__(kind, error, traceback)

    def note(self, text: str) -> None:
        """A sentence for whoever watches."""
        if self.as_json:
            self.document["notes"].append(text)
        else:
            keep = "\n" in text or not self._err.isatty()  # lines to be copied stay whole
            self._screens[self._err].print(text, markup=False, highlight=False, soft_wrap=keep)

    def wrote(self, path: Any, what: str) -> None:
        """A file was written."""
        self.document["files"].append(str(path))
        if not self.as_json:
            self.note(f"{what}: {path}")

    def result(self, name: str, table: pd.DataFrame, *, title: str = "") -> None:
        """What was asked for: a table, CSV, or a part of the document."""
        if self.as_json:
            self.document[name] = _records(table)
        elif self._out.isatty():
            terminal = self._screens[self._out]
            shown = table if len(table) <= MOST_ROWS + 1 else table.head(MOST_ROWS)
            terminal.print(_rich(shown, title))
            if n_more := len(table) - len(shown):
                terminal.print(f"... {n_more} more rows: use --out, or a pipe", highlight=False)
        else:
            self._write(table.to_csv(index=not _is_numbered(table), lineterminator="\n"))

    def text(self, name: str, lines: str, values: Any) -> None:
        """A result that reads better as lines than as a table."""
        if self.as_json:
            self.document[name] = values
        else:
            self._write(lines.rstrip("\n") + "\n")

    def fact(self, name: str, value: Any, sentence: str) -> None:
        """A number beside the result, told in a sentence."""
        if self.as_json:
            self.document[name] = value
        else:
            self.note(sentence)

    def finish(self) -> None:
        """The document, if one was asked for."""
        if self.as_json:
            self._write(json.dumps(self.document, indent=1, default=_plain, allow_nan=False) + "\n")

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Tracker]:
        """Work in ``total`` steps."""
        if self.as_json or not self._err.isatty():
            yield Tracker(label, total, None if self.as_json else self._err)
            return
        columns: list[ProgressColumn] = [
            TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
            TimeElapsedColumn(), TextColumn("{task.fields[detail]}"),
        ]  # fmt: skip
        with Progress(*columns, console=self._screens[self._err]) as bars:
            task = bars.add_task(label, total=total, detail="")
            yield Bar(label, total, bars, task)

    def _write(self, text: str) -> None:
        self._out.write(text)

    def _show_warning(self, message: Warning | str, *place: Any, **more: Any) -> None:
        self.note(f"note: {' '.join(str(message).split())}")


class Tracker:
    """Progress as a few plain lines, or as nothing when there is no stream."""

    def __init__(self, label: str, total: int, stream: TextIO | None = None) -> None:
        self.label, self.total, self.done, self.detail = label, max(total, 1), 0, ""
        self._stream, self._told = stream, 0

    def at(self, done: int, detail: str = "") -> None:
        """So many steps are done."""
        self.done, self.detail = done, detail
        if (share := N_LINES * done // self.total) > self._told:
            self._told = share
            self._show(detail)

    def follow(self, done: int, total: int, detail: str | None = None) -> None:
        """So many of so many steps are done; without a detail the last one stays."""
        self.total = max(total, 1)
        self.at(done, self.detail if detail is None else detail)

    def _show(self, detail: str) -> None:
        if self._stream is not None:
            shown = f"  {detail}" if detail else ""
            self._stream.write(f"{self.label}: {100 * self.done // self.total} %{shown}\n")
            self._stream.flush()


class Bar(Tracker):
    """Progress as a bar on a terminal."""

    def __init__(self, label: str, total: int, bars: Progress, task: Any) -> None:
        super().__init__(label, total)
        self._bars, self._task = bars, task

    def at(self, done: int, detail: str = "") -> None:
        self.done, self.detail = done, detail
        self._bars.update(self._task, completed=done, total=self.total, detail=detail)


def _is_numbered(table: pd.DataFrame) -> bool:
    """Whether the index only counts rows."""
    return isinstance(table.index, pd.RangeIndex) and table.index.name is None


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values; what is missing is None."""
    flat = table if _is_numbered(table) else table.reset_index()
    flat = flat.set_axis([_joined(column) for column in flat.columns], axis=1).astype(object)
    return [
        {str(k): v for k, v in row.items()}
        for row in flat.where(flat.notna(), None).to_dict("records")
    ]


def _plain(value: Any) -> Any:
    """What JSON has no word for."""
    if isinstance(value, np.generic):
        return value.item()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _joined(name: Any) -> str:
    parts = name if isinstance(name, tuple) else (name,)
    return " ".join(str(part) for part in parts if str(part))


def _rich(table: pd.DataFrame, title: str) -> Table:
    """A table for eyes: numbers to four digits."""
    drawn = Table(title=title or None, title_justify="left", header_style="bold")
    is_numbered = _is_numbered(table)
    if not is_numbered:
        drawn.add_column(_joined(tuple(str(n or "") for n in table.index.names)))
    for column in table.columns:
        is_number = pd.api.types.is_numeric_dtype(table[column])
        drawn.add_column(_joined(column), justify="right" if is_number else "left")
    columns = [_cells(table.iloc[:, number]) for number in range(table.shape[1])]
    labels = [] if is_numbered else [[_cell(label) for label in table.index]]
    for row in zip(*labels, *columns, strict=True):
        drawn.add_row(*row)
    return drawn


def _cells(column: pd.Series) -> list[str]:
    """Floats of a column to as many places as its largest needs for four digits."""
    if not pd.api.types.is_float_dtype(column):
        return [_cell(value) for value in column]
    largest = column.abs().replace(np.inf, np.nan).max()
    places = 3 - int(np.floor(np.log10(largest))) if largest > 0 else 3
    return ["" if pd.isna(v) else f"{v:,.{min(max(places, 0), 6)}f}" for v in column]


def _cell(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(_cell(part) for part in value)
    if isinstance(value, pd.Timestamp):
        is_day = value == value.normalize()
        form = "%Y-%m-%d" if is_day and value.tz is None else "%Y-%m-%d %H:%M%z"
        return str(value.strftime(form))
    return str(value)
