"""From series to dated forecasts: calendars, horizons, intervals, backtests and metrics."""
