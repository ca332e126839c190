"""``gruforecast search``: compare parameters on folds of a table in time."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from typing import Any

import numpy as np
import pandas as pd
import sklearn
from sklearn.model_selection import ParameterGrid, TimeSeriesSplit

from gruforecast.cli.console import Console
from gruforecast.cli.data import Data, add_columns
from gruforecast.cli.files import check_folder, check_output, write_table
from gruforecast.cli.model import (
    add_parameters,
    make_model,
    n_epochs,
    read_assignment,
    read_value,
    watched,
)
from gruforecast.model_selection.search import GRUSearchCV, uses_gpu

USUAL_GRID = ["cell=gru,lstm", "hidden_size=16,64"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", help="a CSV or Parquet file")
    parser.add_argument(
        "--grid", nargs="+", action="extend", metavar="NAME=VALUE,...",
        help=f"parameters and their values ({' '.join(USUAL_GRID)})",
    )  # fmt: skip
    parser.add_argument("--folds", type=int, default=3, metavar="N", help="folds in time (3)")
    parser.add_argument("--out", metavar="FILE", help="all scores as CSV or Parquet")
    parser.add_argument("--best", metavar="FILE", help="keep the best model, trained on all rows")
    add_columns(parser)
    add_parameters(parser)


def run(options: argparse.Namespace, console: Console) -> None:
    check_output(options.out)
    check_folder(options.best)
    grid = read_grid(options.grid or USUAL_GRID)
    data = Data.read(options.data, options, console)
    model = make_model(options)
    model.n_jobs = None if options.jobs is None else 1  # fits run side by side
    folds = folds_in_time(data.series, options.folds)
    n_fits = len(ParameterGrid(grid)) * len(folds) + bool(options.best)
    search = GRUSearchCV(
        model, grid, cv=folds, n_jobs=options.jobs, refit=bool(options.best), error_score="raise"
    )
    # Whoever asks a GPU after every epoch keeps it from training all fits in one go.
    silent = uses_gpu(model, grid)
    with (
        console.progress("search", n_fits * n_epochs(model)) as tracker,
        nullcontext() if silent else watched(model, tracker, n_epochs(model)),
        sklearn.config_context(enable_metadata_routing=True),
    ):
        for name in data.beside:
            model.set_fit_request(**{name: True}).set_score_request(**{name: True})
        search.fit(data.series, **data.beside)
        tracker.at(tracker.total)
    table = as_table(search.cv_results_)
    best = ", ".join(f"{name}={value}" for name, value in search.best_params_.items())
    sentence = (
        f"best: {best}, with a skill of {table.loc[0, 'skill']:.1%} over the best simple forecast "
        f"on average over {len(folds)} folds"
    )
    console.fact("verdict", sentence, sentence)
    console.result("candidates", table)
    if options.out:
        write_table(table, options.out)
        console.wrote(options.out, "scores")
    if options.best:
        search.best_estimator_.set_params(n_jobs=options.jobs).save(options.best)
        console.wrote(options.best, "model")


def read_grid(texts: list[str]) -> dict[str, list[Any]]:
    """Parameters and the values to try."""
    grid: dict[str, list[Any]] = {}
    for text in texts:
        name, value = read_assignment(text, "grid")
        if isinstance(value, str):
            value = tuple(read_value(part.strip()) for part in value.split(","))
        grid[name] = list(value) if isinstance(value, tuple) else [value]
    return grid


def folds_in_time(
    series: pd.Series | pd.DataFrame, n_folds: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows of each fold that train, and those after them that judge, for all series at once."""
    if n_folds < 1:
        raise ValueError(f"--folds: expected at least 1, got {n_folds}; pass more.")
    times = series.index.get_level_values(-1)
    every = times.unique().sort_values()
    size = len(every) // (n_folds + 1)
    if size < 1:
        raise ValueError(
            f"--folds: expected at most {len(every) - 1} with {len(every)} rows, got {n_folds}; "
            f"lower it."
        )
    if n_folds == 1:
        cuts = [(every[: len(every) - size], every[len(every) - size :])]
    else:
        cuts = [(every[a], every[b]) for a, b in TimeSeriesSplit(n_folds).split(every)]
    return [(np.flatnonzero(times.isin(a)), np.flatnonzero(times.isin(b))) for a, b in cuts]


def as_table(results: dict[str, Any]) -> pd.DataFrame:
    """Candidates, best first: parameters, mean skill, skill on each fold, seconds of a fit."""
    table = pd.DataFrame(results["params"], dtype=object)
    folds = sorted(
        (name for name in results if name.startswith("split") and name.endswith("_test_score")),
        key=lambda name: int(name[5:].split("_")[0]),
    )
    table["skill"] = results["mean_test_score"]
    for number, name in enumerate(folds, 1):
        table[f"fold {number}"] = results[name]
    table["seconds"] = results["mean_fit_time"]
    return table.sort_values("skill", ascending=False, kind="stable", ignore_index=True)
