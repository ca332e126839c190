"""What GRUForecaster does with series: forecasts of what follows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from gruforecast.estimators import parameters
from gruforecast.estimators.forecaster import RowForecaster
from gruforecast.estimators.preparing import Plan
from gruforecast.estimators.saving import Learnt
from gruforecast.forecasting.arguments import (
    as_tables,
    read_future,
    read_levels,
    read_newer,
    refuse,
)
from gruforecast.forecasting.dates.calendar import check_names
from gruforecast.forecasting.fitting import plan_series
from gruforecast.forecasting.forecasts import (
    Fitted,
    as_frame,
    bounds_ahead,
    forecast_ahead,
    forecast_every_row,
    walk_forward,
)
from gruforecast.forecasting.lookups import of_forecast
from gruforecast.forecasting.panel import Panel
from gruforecast.forecasting.scaling import OF_WINDOWS
from gruforecast.forecasting.state import SeriesState
from gruforecast.forecasting.tails import Joined, join, training_rows
from gruforecast.foundations.checks import check_integer
from gruforecast.training.losses import Loss

SERIES_ATTRIBUTES = ("skill_", "coverage_", "horizon_", "lookback_", "season_")
ROW_ATTRIBUTES = (  # of an earlier fit with a y
    "n_outputs_", "n_features_in_", "feature_names_in_", "_is_flat", "_reads_3d", "_groups"
)  # fmt: skip
_COUNT = parameters.optional(partial(check_integer, low=1))


class OfBounds(Learnt, total=False):
    """Attributes that a fit to series long enough leaves."""

    coverage_: dict[float, float] | None


class LearntFromSeries(OfBounds):
    """Attributes that every fit to series leaves."""

    _state: SeriesState
    skill_: pd.DataFrame | None
    horizon_: int
    lookback_: int
    season_: int | None


@dataclass(kw_only=True, eq=False, repr=False)
class SeriesForecaster(RowForecaster):
    """A forecaster of rows that forecasts series, too."""

    segment_length: int | str = "auto"
    decoder: str = "auto"
    normalize: str = "auto"
    baseline: str = "auto"
    horizon: int | None = None
    season: int | None = None
    seasonal: str = "none"
    channels: str = "independent"
    freq: Any = None
    calendar: Sequence[str] | str = "auto"
    calendar_encoding: str = "cyclic"
    series_embedding_size: int | None = None
    handle_unknown: str = "error"
    intervals: str = "adaptive"

    _learnt = (*RowForecaster._learnt, LearntFromSeries)
    _rules: ClassVar[dict[str, parameters.Rule]] = RowForecaster._rules | {
        "segment_length": parameters.count_or_auto,
        "decoder": parameters.choice("auto", "parallel", "direct", "recursive"),
        "normalize": parameters.choice("auto", "none", "standard", "last", "window"),
        "baseline": parameters.choice("auto", "none"),
        "horizon": _COUNT,
        "season": _COUNT,
        "seasonal": parameters.choice("none", "difference", "multiplicative", "auto"),
        "channels": parameters.choice("independent", "mixed"),
        "freq": lambda name, value: value,
        "calendar": parameters.or_auto(
            lambda name, value: check_names(() if value is None else value)
        ),
        "calendar_encoding": parameters.choice("cyclic", "embedded"),
        "series_embedding_size": _COUNT,
        "handle_unknown": parameters.choice("error", "ignore"),
        "intervals": parameters.choice("conformal", "adaptive"),
    }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        return tags

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        """The parameters and, after a fit to series, what it was and what it is worth."""
        text = str(super().__repr__(N_CHAR_MAX))
        state = getattr(self, "_state", None)
        if not isinstance(state, SeriesState):
            return text
        n = len(state.tails)
        text += (
            f"\n  fitted to {n} series, {state.cadence.description}, horizon {state.horizon}, "
            f"lookback {state.lookback}"
        )
        if not any(state.weights):
            text += "\n  networks add nothing: the forecast is the average of simple ones"
        if (skill := getattr(self, "skill_", None)) is not None:
            found = skill["skill"].replace(-np.inf, np.nan).dropna()  # exact ones have no error
            shares = [f"{v:.1%} over {name}" for name, v in found.items()]
            text += f"\n  skill {', '.join(shares)}" if shares else ""
        if coverage := getattr(self, "coverage_", None):
            inside = [f"{share:.1%} in the {level:g} % band" for level, share in coverage.items()]
            text += f"\n  coverage on calibration rows: {', '.join(inside)} (newer half, by older)"
        return text

    def forecast(
        self,
        steps: int | None = None,
        level: Any = None,
        covariates: Any = None,
        last: Any = None,
        *,
        past_covariates: Any = None,
        static: Any = None,
        future_index: Any = None,
    ) -> pd.DataFrame:
        """The values to come, on the stamps to come.

        Parameters
        ----------
        steps : int, optional
            How many; ``horizon_`` by default, or as many as ``future_index`` has. More than the
            horizon are forecast from forecasts.
        level : float or sequence of float, optional
            Percentages, such as (80, 95): bounds between which so many values will lie.
        covariates : DataFrame or array, optional
            What is known of the ``steps``, and of the rows of ``last``; as in ``fit``.
        last : optional
            Newer observations of the series, in the form of ``fit``, or series that training has
            not seen. Nothing is learnt from them. Without it forecasts follow the training rows.
        past_covariates, static : optional
            Of ``last``, as in ``fit``.
        future_index : Index, optional
            The stamps to come, where these do not follow from the index of the series.

        Returns
        -------
        DataFrame
            "mean", and "lo-80", "hi-80" and so on for each level. For a wide table one column per
            series, or (series, statistic) with levels; for a MultiIndex rows (series, time).
        """
        fitted, state = self._fitted("forecast")
        if steps is None:
            has_length = hasattr(future_index, "__len__")
            steps = len(future_index) if has_length else state.settings.horizon
        steps = check_integer("steps", steps, low=1)
        levels = read_levels(level)
        future_index = read_future(future_index, steps)
        if last is None:
            refuse({"past_covariates": past_covariates}, "they are of last, which is None")
            panel = training_rows(state.tails, state.form, state.level_names)
            joined = Joined(panel, np.zeros(panel.n, bool), list(state.tails.values()))
        else:
            joined = self._join(read_newer(last, state), state, of_last=True)
        given = as_tables(covariates, past_covariates, static)

        def following() -> pd.Index:
            if future_index is not None:
                return future_index
            return state.cadence.future(joined.panel.stamps[0][-1], steps)

        beside = of_forecast(joined, state.tails, state.columns, given, following)
        ahead = forecast_ahead(fitted, joined, beside, steps, future_index)
        columns = {"mean": ahead.forecasts.mean}
        if levels:
            bounds = bounds_ahead(fitted, joined, beside, ahead, levels)
            for one in levels:
                columns[f"lo-{one:g}"], columns[f"hi-{one:g}"] = bounds[one]
        return as_frame(joined.panel, ahead, columns)

    def _prepare(
        self, X: Any, y: Any, sample_weight: Any, groups: Any, *, one_epoch: bool,
        classes: Any = None, **tables: Any,
    ) -> Plan:  # fmt: skip
        if y is not None:
            if self.normalize in OF_WINDOWS:
                raise ValueError(
                    f"normalize: expected 'auto', 'standard' or 'none' with a y, got "
                    f"{self.normalize!r}; choose one, or make y a difference from the newest value."
                )
            if self.channels == "mixed":
                raise ValueError(
                    "channels: expected 'independent' with a y, got 'mixed'; choose it, as all "
                    "columns of X tell of y anyway."
                )
            if self.seasonal not in ("none", "auto"):
                raise ValueError(
                    f"seasonal: expected 'none' or 'auto' with a y, got {self.seasonal!r}; choose "
                    f"one, or take the season out of y before."
                )
            for name in SERIES_ATTRIBUTES:
                self.__dict__.pop(name, None)
            return super()._prepare(X, y, sample_weight, groups, one_epoch=one_epoch)
        if one_epoch:
            raise ValueError(
                "y: expected targets for partial_fit, got None; call fit with warm_start=True to "
                "go on with series, or forecast(last=...) to use newer observations."
            )
        settings = self._settings()
        state, earlier = getattr(self, "_state", None), None
        if settings.warm_start and isinstance(state, SeriesState):
            earlier = state, self.networks_
        plan = plan_series(X, settings, earlier, tables)
        state = plan.state
        for name in ROW_ATTRIBUTES:
            self.__dict__.pop(name, None)
        self.__dict__.update(
            skill_=None, horizon_=state.horizon, lookback_=state.lookback, season_=state.season
        )
        return plan

    def _predict_series(self, X: Any, tables: dict[str, Any]) -> np.ndarray:
        """Forecasts after every row, in the caller's order."""
        fitted, state = self._fitted("predict")
        panel = read_newer(X, state)
        joined = self._join(panel, state)
        beside = of_forecast(joined, state.tails, state.columns, tables, None)
        found = forecast_every_row(fitted, joined, beside)
        out = np.empty_like(found)
        out[panel.order] = found
        return out.reshape(*panel.shape, -1) if panel.form == "wide" else out

    def _score_series(self, X: Any, tables: dict[str, Any]) -> float:
        """Skill of all forecasts of values in X."""
        fitted, state = self._fitted("score")
        joined = self._join(read_newer(X, state), state)
        beside = of_forecast(joined, state.tails, state.columns, tables, None)
        contest, mean = walk_forward(fitted, joined, beside)
        return contest.score(mean)

    def _fitted(self, method: str) -> tuple[Fitted, SeriesState]:
        check_is_fitted(self)
        if not isinstance(self._state, SeriesState):
            raise ValueError(
                f"{method}: expected a fit to series, without y, got one with a y; use predict, or "
                f"fit(series)."
            )
        return Fitted(self._state, self.networks_, parameters.hardware(self)), self._state

    def _join(self, panel: Panel, state: SeriesState, *, of_last: bool = False) -> Joined:
        """New rows behind the training rows that they follow."""
        settings = parameters.check_parameters({"context": self.context}, self._rules)
        if state.settings.missing == "error":
            panel.check_complete()
        least = np.nanmin(panel.values, initial=np.inf)
        if least < state.loss.low:
            raise ValueError(
                f"series: expected values of at least {state.loss.low:g} with "
                f"loss={state.loss.name!r}, got {least:g}; correct them."
            )
        is_used = settings.context != "none"
        return join(
            panel, state.tails, state.cadence, state.largest_step, state.encoder.reach, use=is_used,
            of_last=of_last,
        )  # fmt: skip

    def _loss(self) -> Loss:
        if isinstance(getattr(self, "_state", None), SeriesState):
            raise ValueError(
                "predict_quantiles and predict_distribution: expected a fit with a y, got one to "
                "series; use forecast(level=...)."
            )
        return super()._loss()
