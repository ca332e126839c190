"""Scikit-learn's callbacks, which exist since its version 1.9: a fit is a task, so is an epoch."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from gruforecast.training import EpochReport

__all__ = ["CallbackSupportMixin", "FitTask", "with_callbacks", "write_line"]

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Older versions have no callbacks to support."""

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """The method as it is."""
        return method


class FitTask:
    """Tells the callbacks of an estimator about its fit; does nothing without their support.

    ``fitted`` makes the attributes that an estimator needs to predict as if the fit had ended.
    """

    def __init__(
        self, estimator: Any, n_epochs: int, fitted: Callable[[], dict[str, Any]], **data: Any
    ) -> None:
        self.estimator, self.n_epochs, self.fitted, self.data = estimator, n_epochs, fitted, data
        self.epoch: Any = None
        self.n_done = 0
        if hasattr(estimator, "_init_callback_context"):
            self.root = estimator._init_callback_context(max_subtasks=n_epochs)
            self.root.call_on_fit_task_begin(estimator=estimator, **data)
            self._begin()

    @property
    def is_watched(self) -> bool:
        """Whether there are callbacks to tell about epochs."""
        return bool(getattr(self.estimator, "_skl_callbacks", None))

    def epoch_done(self, report: EpochReport) -> bool:
        """End the task of an epoch and begin the next; True when a callback wishes to stop."""
        if self.epoch is None:
            return False
        stop = self.epoch.call_on_fit_task_end(
            estimator=self.estimator, reconstruction_attributes=self.fitted, **self.data
        )
        self.n_done, self.epoch = self.n_done + 1, None
        if not stop and self.n_done < self.n_epochs:
            self._begin()
        return bool(stop)

    def done(self) -> None:
        """End the task of the fit, and that of an epoch that was begun but did not run."""
        if self.epoch is not None:
            self.epoch.call_on_fit_task_end(estimator=self.estimator)
        if hasattr(self, "root"):
            self.root.call_on_fit_task_end(
                estimator=self.estimator, reconstruction_attributes=self.fitted, **self.data
            )

    def _begin(self) -> None:
        self.epoch = self.root.subcontext(task_name="epoch")
        self.epoch.call_on_fit_task_begin(
            estimator=self.estimator, reconstruction_attributes=self.fitted, **self.data
        )


def write_line(report: EpochReport) -> None:
    """One line per epoch on the standard output, for ``verbose``."""
    line = f"epoch {report.epoch:>4}  loss {report.loss:.6g}"
    if report.validation_loss is not None:
        line += f"  validation {report.validation_loss:.6g}"
    sys.stdout.write(line + "\n")
