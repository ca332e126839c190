"""The command line: ``gruforecast`` and ``python -m gruforecast``."""
