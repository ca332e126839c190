"""Kernels compiled ahead, by small fits of every usual kind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from gruforecast.cells import CELLS
from gruforecast.estimators import GRUClassifier, GRUEncoder
from gruforecast.forecasting.forecaster import GRUForecaster
from gruforecast.foundations.checks import check_choice, check_precision

Progress = Callable[[int, int, str], object]
ROWS = 128
QUICK: dict[str, Any] = {"hidden_size": 4, "max_iter": 1, "random_state": 0, "n_jobs": 1}


def warmup(
    cells: Iterable[str] = ("gru",), *, dtype: str = "float32", progress: Progress | None = None
) -> dict[str, float]:
    """Compile ahead what a first fit, forecast or prediction needs.

    Afterwards estimators with these cells start at once, in this process and in later ones: one
    forward and one backward pass of a layer, the default loss and optimiser, series with dates,
    covariates and intervals, classes and tokens. What is chosen beyond that (further layers, layer
    normalisation, another loss or optimiser) is still compiled by the first fit that asks for it.

    Parameters
    ----------
    cells : sequence of str, default ("gru",)
        Out of "gru", "lstm" and "rnn".
    dtype : str, default "float32"
        Or "float64".
    progress : function of (done, total, label), optional
        Called before each piece of work with the number of those that are done, and once after
        the last.

    Returns
    -------
    dict of str to float
        Seconds that each piece took; hardly any for what was compiled before.

    Examples
    --------
    >>> import gruforecast
    >>> list(gruforecast.warmup())
    ['gru: rows and targets', 'gru: series', 'gru: classes', 'gru: tokens', 'gru: states']
    """
    if isinstance(cells, str):
        cells = (cells,)
    names = [check_choice("cells", cell, CELLS) for cell in cells]
    dtype = check_precision(dtype)
    pieces = [(f"{cell}: {label}", cell, use) for cell in names for label, use in USES.items()]
    seconds = {}
    for done, (label, cell, use) in enumerate(pieces):
        if progress is not None:
            progress(done, len(pieces), label)
        start = time.perf_counter()
        use({**QUICK, "cell": cell, "dtype": dtype})
        seconds[label] = time.perf_counter() - start
    if progress is not None:
        progress(len(pieces), len(pieces), "")
    return seconds


def _wave() -> np.ndarray:
    """A series (ROWS,) that any network learns, so that nobody is warned of anything."""
    noise = np.random.default_rng(0).standard_normal(ROWS)
    return np.asarray(np.sin(0.5 * np.arange(ROWS)) + 0.1 * noise)


def _rows(settings: dict[str, Any]) -> None:
    """Verb 1 of the forecaster: X and y."""
    X, y = _wave()[:-1, None], _wave()[1:]
    GRUForecaster(lookback=6, **settings).fit(X, y).predict(X)


def _series(settings: dict[str, Any]) -> None:
    """Verb 2: windows that are scaled as one or one by one, with what is known ahead or not."""
    stamps = pd.date_range("2024-01-01", periods=ROWS, freq="h")
    series = pd.Series(_wave(), stamps)
    for normalize in ("standard", "window"):
        for calendar in ((), ("hour",)):
            model = GRUForecaster(
                lookback=6, horizon=2, normalize=normalize, calendar=calendar, **settings
            )
            model.fit(series).forecast(2, level=80)


def _classes(settings: dict[str, Any]) -> None:
    X = _wave()[:, None]
    GRUClassifier(lookback=6, **settings).fit(X, X[:, 0] > 0).predict_proba(X)


def _tokens(settings: dict[str, Any]) -> None:
    X = np.arange(4 * ROWS).reshape(ROWS, 4) % 3
    GRUClassifier(embedding_size=2, **settings).fit(X, X[:, -1]).predict(X)


def _states(settings: dict[str, Any]) -> None:
    X = _wave()[:, None]
    GRUEncoder(lookback=6, **settings).fit(X).transform(X)


USES: dict[str, Callable[[dict[str, Any]], None]] = {
    "rows and targets": _rows,
    "series": _series,
    "classes": _classes,
    "tokens": _tokens,
    "states": _states,
}
