"""Pictures of forecasts, trainings, residuals and backtests, as scikit-learn draws its own."""
