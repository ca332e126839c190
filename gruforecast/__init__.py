"""Forecast time series with gated recurrent networks, without a deep-learning framework.

The engine's parts are ``gruforecast.network`` (what a network is) and ``gruforecast.training``
(how it learns). Importing this package loads neither Numba nor pandas nor Matplotlib.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__version__ = "0.1.0.dev0"

_MODULES = ("network", "training")

__all__ = ["__version__", *_MODULES]


def __getattr__(name: str) -> ModuleType:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
