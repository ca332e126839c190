"""What several commands share about models: options, progress, and what a fit was worth."""

from __future__ import annotations

import argparse
import ast
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from gruforecast.cli.console import Console, Tracker
from gruforecast.cli.data import Data
from gruforecast.forecasting.forecaster import GRUForecaster
from gruforecast.foundations.checks import closest

LEAST_SKILL = 0.02  # less than this is none
PARTS = 100  # of a fit whose epochs a rule chooses


def add_parameters(parser: argparse.ArgumentParser) -> None:
    """The options that make a forecaster."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--horizon", type=int, metavar="N", help="rows to forecast (default: one season)"
    )
    group.add_argument("--season", type=int, metavar="N", help="rows until a season repeats")
    group.add_argument(
        "--seasonal", metavar="KIND",
        help="how it is taken out: none, difference, multiplicative or auto (none)",
    )  # fmt: skip
    group.add_argument("--freq", metavar="FREQ", help="frequency of the dates, as pandas names it")
    group.add_argument(
        "--calendar", nargs="+", action="extend", metavar="PART",
        help="inputs made from the dates, as hour, dayofweek, dayofyear",
    )  # fmt: skip
    group.add_argument("--seed", type=int, metavar="N", help="of all that is random (0)")
    group.add_argument("--jobs", type=int, metavar="N", help="threads (default: all)")
    group.add_argument(
        "--device", metavar="NAME", help="cpu, cuda, cuda:1 and so on, or auto (cpu)"
    )
    group.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="NAME=VALUE", dest="parameters",
        help="any other parameter of GRUForecaster, as lookback=48 cell=lstm",
    )  # fmt: skip


def make_model(options: argparse.Namespace, horizon: int | None = None) -> GRUForecaster:
    """The forecaster that the options describe; ``horizon`` is for when they name none."""
    named = {
        "horizon": options.horizon,
        "season": options.season,
        "seasonal": options.seasonal,
        "freq": options.freq,
        "calendar": options.calendar,
        "random_state": options.seed,
        "n_jobs": options.jobs,
        "device": options.device,
    }
    chosen = {name: value for name, value in named.items() if value is not None}
    for text in options.parameters:
        name, value = read_assignment(text, "set")
        if name in chosen:
            raise ValueError(f"--set: expected {name} once, got it again; drop one.")
        chosen[name] = value
    return GRUForecaster(**{"horizon": horizon, "random_state": 0, **chosen})


def n_epochs(model: GRUForecaster) -> int:
    """How many a fit runs at most, or parts of it where it will choose that itself."""
    return model.max_iter if isinstance(model.max_iter, int) else PARTS


def read_assignment(text: str, option: str) -> tuple[str, Any]:
    """A parameter's name and value of NAME=VALUE."""
    name, equals, value = text.partition("=")
    known = GRUForecaster().get_params()
    if not equals or name not in known:
        got = text if equals else f"{text} without a value"
        raise ValueError(
            f"--{option}: expected NAME=VALUE with a parameter of GRUForecaster, got {got}; "
            f"{closest(name, known) or 'see its documentation.'}"
        )
    return name, read_value(value)


def read_value(text: str) -> Any:
    """A number, a flag, a tuple or None as Python writes it; else text."""
    words = {"true": True, "false": False}  # "none" is a choice of many parameters
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


class FitProgress:
    """Scikit-learn's callback that tells a tracker about epochs, of fits that may run side by side.

    ``per_fit`` is how many of its steps a fit takes; 0 where it counts something else.
    """

    def __init__(self, tracker: Tracker, per_fit: int) -> None:
        self.tracker, self.per_fit = tracker, per_fit
        self.lock = threading.Lock()
        self.counted: dict[int, int] = {}  # steps of each fit that runs

    def setup(self, estimator: Any, context: Any) -> None:
        """A fit begins."""
        with self.lock:
            self.counted[id(estimator)] = 0
        self.count(estimator, 0, "the first epoch compiles what was not used before")

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """An epoch begins."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """An epoch, or the fit, has ended."""
        if context.task_name != "epoch":  # the fit, perhaps before its last epoch
            self.count(estimator, self.per_fit, f"{estimator.n_iter_} epochs")
            return
        detail = f"epoch {estimator.n_iter_}, loss {estimator.loss_curve_[-1]:.3g}"
        if estimator.validation_loss_curve_:
            detail += f", validation {estimator.validation_loss_curve_[-1]:.3g}"
        most = estimator._state.settings.max_iter
        self.count(estimator, self.per_fit * min(estimator.n_iter_, most) // most, detail)

    def teardown(self, estimator: Any, context: Any) -> None:
        """A fit has ended, or was interrupted."""
        with self.lock:
            self.counted.pop(id(estimator), None)

    def count(self, estimator: Any, done: int, detail: str) -> None:
        """So many steps of a fit are done."""
        with self.lock:
            new = done - self.counted.get(id(estimator), 0)
            self.counted[id(estimator)] = done
            self.tracker.at(self.tracker.done + new, detail)


@contextmanager
def watched(model: GRUForecaster, tracker: Tracker, per_fit: int = 0) -> Iterator[None]:
    """Whatever this model, or a clone of it, fits is told to a tracker."""
    if not hasattr(model, "set_callbacks"):  # before scikit-learn 1.9: only the end is known
        yield
        if per_fit:
            tracker.at(tracker.total)
        return
    model.set_callbacks(FitProgress(tracker, per_fit))
    try:
        yield
    finally:
        model.set_callbacks()


def fit(model: GRUForecaster, data: Data, console: Console) -> None:
    """Train a model, and show how it goes."""
    n = n_epochs(model)
    with console.progress("training", n) as tracker, watched(model, tracker, n):
        model.fit(data.series, **data.beside)


def worth(model: GRUForecaster) -> tuple[pd.DataFrame | None, str]:
    """What a fit was worth beside the simplest forecasts, and that in a sentence."""
    if model.skill_ is None:
        return None, "too few rows to judge the forecast by some that did not train"
    return model.skill_, verdict(model.skill_, "rows that did not train")


def verdict(table: pd.DataFrame, where: str) -> str:
    """Whether forecasts beat the simplest ones, in a sentence."""
    skill = table["skill"].iloc[1:].dropna()
    if skill.empty or not np.isfinite(skill.min()):
        return f"nothing to compare on {where}: a simple forecast makes no error at all"
    best, share = str(skill.idxmin()), float(skill.min())
    by_mae = 1.0 - table.loc["forecast", "mae"] / table.loc[best, "mae"]
    by, what = ("mae", "mean absolute error")
    if not np.isclose(by_mae, share):  # of several series, in units of each one's naive error
        by, what = ("mase", "mean absolute scaled error")
    own, other = table.loc["forecast", by], table.loc[best, by]
    text = f"{what} {own:.4g} on {where}, {best} {other:.4g}"
    if share > LEAST_SKILL:
        return f"{text}: the forecast errs {share:.0%} less than the best simple one"
    if share > -LEAST_SKILL:
        return f"{text}: no skill beyond the best simple forecast"
    much = f"{-share:.0%} more than" if share > -1 else f"{1 - share:.1f} times as much as"
    return f"{text}: the forecast errs {much} the best simple one; use that"
