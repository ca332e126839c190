"""What a forecaster fitted to series knows beside its network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gruforecast.estimators import parameters
from gruforecast.forecasting.dates.cadence import Cadence
from gruforecast.forecasting.encoding import SeriesEncoder
from gruforecast.forecasting.intervals import Calibration
from gruforecast.forecasting.tails import Tail
from gruforecast.foundations.stored import stored
from gruforecast.training.losses import Loss


@stored("SeriesState")
@dataclass(frozen=True)
class SeriesState:
    """What a forecaster fitted to series knows beside its network."""

    settings: Any  # its parameters, checked
    seed: int
    cadence: Cadence
    season: int | None
    horizon: int
    lookback: int
    encoder: SeriesEncoder
    columns: dict[str, list[Any]]  # of each table beside the series
    tails: dict[Any, Tail]  # by name of the series
    naive_errors: dict[Any, float]  # the scale of MASE, by name
    largest_step: int  # between rows of training
    form: str  # of what was passed
    level_names: tuple[Any, Any]
    weights: list[float]  # how much the forecast of each network counts, the baseline for the rest
    calibration: Calibration | None = None

    @cached_property
    def loss(self) -> Loss:
        """What was trained, with its options."""
        return parameters.training_options(self.settings, self.settings.loss).make_loss()
