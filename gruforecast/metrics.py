"""How good forecasts are, one by one and beside the simplest ones."""

from gruforecast.forecasting.comparison import skill
from gruforecast.forecasting.metrics import (
    coverage,
    crps,
    mae,
    mase,
    pinball,
    rmse,
    rmsse,
    smape,
    winkler,
)

__all__ = [
    "coverage", "crps", "mae", "mase", "pinball", "rmse", "rmsse", "skill", "smape", "winkler"
]  # fmt: skip
