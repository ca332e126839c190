"""How good forecasts are: the same names as in ``gruforecast.forecasting.metrics``."""

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
    "coverage", "crps", "mae", "mase", "pinball", "rmse", "rmsse", "smape", "winkler"
]  # fmt: skip
