"""Forecast time series with gated recurrent networks, without a deep-learning framework.

``GRUForecaster``, ``GRUClassifier`` and ``GRUEncoder`` are scikit-learn estimators. The engine
below them is ``gruforecast.network`` (what a network is) and ``gruforecast.training`` (how it
learns); ``gruforecast.metrics`` measures how good forecasts are. Importing this package loads none
of Numba, scikit-learn, pandas and Matplotlib.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0.dev0"

_MODULES = ("metrics", "model_selection", "network", "training")
_NAMES = {
    "BacktestDisplay": "plotting.backtest",
    "ForecastDisplay": "plotting.forecast",
    "GRUClassifier": "estimators",
    "GRUEncoder": "estimators",
    "GRUForecaster": "forecasting.forecaster",
    "ModelFormatError": "foundations.tree",
    "ResidualDisplay": "plotting.residuals",
    "TrainingDisplay": "plotting.training",
    "backtest": "forecasting.backtest",
    "cache_info": "diagnostics.cache",
    "from_long": "forecasting.long",
    "load": "forecasting.loading",
    "load_seattle": "data.samples",
    "make_market": "data.synthetic",
    "make_supervised": "data.supervised",
    "make_weather": "data.synthetic",
    "warmup": "diagnostics.warmup",
}

__all__ = ["__version__", *_MODULES, *_NAMES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
