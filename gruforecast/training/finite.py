"""What to say when numbers are no longer finite."""

from __future__ import annotations

import numpy as np

from gruforecast.training.dataset import Dataset

ADVICE = "scale the series, lower learning_rate or set clip_norm."


class NotFiniteWarning(RuntimeWarning):
    """Training stopped because the loss, the gradient or the weights were no longer finite."""


def describe(data: Dataset, epoch: int, batch: int, what: str, norm: float) -> str:
    """Where it was, and what was odd; ``norm`` is that of the last finite gradient."""
    windows = data.windows
    row, column = np.unravel_index(np.argmax(np.abs(windows.series)), windows.series.shape)
    names = windows.row_numbers
    name = row if names is None else names[row]
    where = f"row {name}" if name >= 0 else "a row kept from before"
    scaled = ""
    if windows.factors is not None:
        at = int(np.argmax(windows.factors))
        scaled = f", largest factor {windows.factors[at]:.3g} of window {at}"
    return (
        f"epoch {epoch}, batch {batch}: expected finite numbers, but {what} (norm of the last "
        f"finite gradient {norm:.3g}, largest input {windows.series[row, column]:.3g} in {where}, "
        f"feature {column}{scaled})"
    )


def advise(what: str, *, has_best: bool) -> str:
    """The whole sentence, with the weights that come back and what to do."""
    kept = "best" if has_best else "last finite"
    return f"{what}; training stopped and the {kept} weights come back: {ADVICE}"
