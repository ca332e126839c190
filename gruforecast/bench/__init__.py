"""The speed of training and prediction, beside other libraries where they are installed."""

from gruforecast.bench.speed import run
from gruforecast.bench.tables import notes, table

__all__ = ["notes", "run", "table"]
