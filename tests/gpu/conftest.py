"""Where there is no GPU one file says so for all."""

from gruforecast.foundations.device import count_gpus, has_compiler

collect_ignore = [] if count_gpus() and has_compiler() else ["test_estimators.py"]
