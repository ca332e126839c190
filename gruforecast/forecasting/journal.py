"""The file of a backtest: what was forecast from each cutoff, so that it can go on."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

TITLE = "# gruforecast backtest "
DONE = "# done "


def fingerprint(estimator: Any, series: Any, tables: dict[str, Any], *choices: Any) -> str:
    """What tells one backtest from another."""
    digest = hashlib.sha256()
    digest.update(type(estimator).__name__.encode())
    digest.update(repr(sorted(estimator.get_params().items())).encode())
    digest.update(repr(choices).encode())
    for what, table in {"series": series, **tables}.items():
        frame = table if isinstance(table, (pd.Series, pd.DataFrame)) else pd.DataFrame(table)
        names = getattr(frame, "columns", getattr(frame, "name", None))
        index = frame.index
        digest.update(repr((what, names, index.names, index.dtype, index[:1])).encode())
        digest.update(pd.util.hash_pandas_object(frame).to_numpy().tobytes())
    return digest.hexdigest()[:16]


class Journal:
    """Forecasts by cutoff, kept in a CSV file if there is a path.

    The file tells what it belongs to in its first line; a line after the rows of a cutoff says
    that they are complete. What follows the last such line is of an interruption and is dropped.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None, mark: str, index: pd.Index, names: list[Any]
    ) -> None:
        self.path = None if path is None else Path(path)
        self.mark, self.index, self.names = mark, index, names
        self.done: dict[int, pd.DataFrame] = {}
        if self.path is not None and self.path.exists() and self.path.stat().st_size:
            self._read(self.path)

    def add(self, cutoff: int, rows: pd.DataFrame) -> None:
        """Keep the forecasts of a cutoff."""
        if self.path is not None:
            is_first = not self.done
            numbers = [self._number(name) for name in rows["series"]]
            numbered = rows.assign(series=rows["series"].map(str))
            numbered.insert(0, "number", numbers)  # names of different series may look alike
            text = numbered.to_csv(index=False, header=is_first, quoting=csv.QUOTE_NONNUMERIC)
            text += f"{DONE}{cutoff}\n"
            with self.path.open("w" if is_first else "a", encoding="utf-8", newline="") as file:
                file.write((f"{TITLE}{self.mark}\n" if is_first else "") + text)
                file.flush()
                os.fsync(file.fileno())
        self.done[cutoff] = rows

    def _number(self, name: Any) -> int:
        """The number of a series."""
        return next(at for at, own in enumerate(self.names) if own is name or own == name)

    def _read(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        title, end, body = text.partition("\n")
        if not end and (TITLE + self.mark).startswith(title):
            return  # interrupted while it was begun
        if title != TITLE + self.mark:
            raise ValueError(
                f"path: expected a new file or one of this very backtest, got {path}, which is of "
                f"another (other data, parameters, horizon, stride, refit or level) or none; "
                f"choose another path or remove it."
            )
        lines = body.splitlines(keepends=True)
        complete = [
            at for at, line in enumerate(lines) if line.startswith(DONE) and line.endswith("\n")
        ]
        if not complete:
            return
        begin, header = 1, lines[0]
        for at in complete:
            text_rows = io.StringIO(header + "".join(lines[begin:at]))
            rows = pd.read_csv(text_rows, dtype=str, keep_default_na=False)
            self.done[int(lines[at][len(DONE) :])] = self._restored(rows)
            begin = at + 1
        kept = title + "\n" + "".join(lines[: complete[-1] + 1])
        if kept != text:
            path.write_text(kept, encoding="utf-8", newline="")

    def _restored(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Names and stamps of the types that they had."""
        names = [self.names[int(number)] for number in rows.pop("number")]
        rows["series"] = pd.Series(names, index=rows.index).infer_objects()
        for column in ("cutoff", "time"):
            rows[column] = _as_stamps(rows[column], self.index)
        for column in rows.columns.difference(["series", "cutoff", "time"]):
            kind = np.int64 if column == "step" else np.float64
            rows[column] = rows[column].replace("", "nan").to_numpy(dtype=object).astype(kind)
        return rows


def _as_stamps(text: pd.Series, like: pd.Index) -> pd.Index:
    """Text as stamps of the type that an index has."""
    if isinstance(like, pd.PeriodIndex):
        return pd.PeriodIndex(text, freq=like.freq)
    if isinstance(like, pd.TimedeltaIndex):
        return pd.TimedeltaIndex(text).as_unit(like.unit)
    if isinstance(like, pd.DatetimeIndex):
        if like.tz is None:
            return pd.DatetimeIndex(pd.to_datetime(text)).as_unit(like.unit)
        return (
            pd.DatetimeIndex(pd.to_datetime(text, utc=True)).tz_convert(like.tz).as_unit(like.unit)
        )
    return pd.Index(text.astype(np.int64))
