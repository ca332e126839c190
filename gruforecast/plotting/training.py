"""TrainingDisplay: the loss of training and validation, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gruforecast.plotting.reading import load_style

LOG_RATIO = 8.0  # of the largest to the smallest loss, from which on a logarithm helps


class TrainingDisplay:
    """Training and validation loss per epoch, with the best epoch marked.

    Use ``from_estimator``.

    Parameters
    ----------
    training : sequence of float
        Loss of each epoch.
    validation : sequence of float, optional
    best_iter : int, optional
        The epoch with the lowest loss, from 1; with validation its weights were kept.
    loss : str, optional
        Its name.

    Attributes
    ----------
    ax_ : Axes
    figure_ : Figure

    Examples
    --------
    >>> from gruforecast import GRUForecaster, TrainingDisplay, make_weather
    >>> temperature = make_weather(n_days=60)["temperature"]
    >>> model = GRUForecaster(horizon=24, max_iter=3, random_state=0).fit(temperature)
    >>> display = TrainingDisplay.from_estimator(model)
    >>> len(display.ax_.lines[0].get_xdata())
    3
    """

    def __init__(
        self,
        *,
        training: Sequence[float],
        validation: Sequence[float] | None = None,
        best_iter: int | None = None,
        loss: str | None = None,
    ) -> None:
        self.training, self.validation = training, validation
        self.best_iter, self.loss = best_iter, loss

    @classmethod
    def from_estimator(cls, model: Any, *, ax: Any = None) -> TrainingDisplay:
        """Draw how a fitted estimator learnt.

        Parameters
        ----------
        model : GRUForecaster, GRUClassifier or GRUEncoder
            Fitted.
        ax : Axes or Figure, optional
            Where to draw; by default a new figure.

        Returns
        -------
        TrainingDisplay
        """
        if not hasattr(type(model), "weights_"):
            raise TypeError(
                f"model: expected GRUForecaster, GRUClassifier or GRUEncoder, got "
                f"{type(model).__name__}; pass one, or the best_estimator_ of a search."
            )
        curve = getattr(model, "loss_curve_", None)
        if not curve:
            raise ValueError(
                f"model: expected a fitted {type(model).__name__}, got one that has learnt no "
                f"epoch; call fit before."
            )
        loss = str(getattr(model._state.settings, "loss", "cross_entropy"))
        return cls(
            training=curve,
            validation=model.validation_loss_curve_,
            best_iter=model.best_iter_ or None,
            loss=loss.replace("_", " "),
        ).plot(ax)

    def plot(self, ax: Any = None) -> TrainingDisplay:
        """Draw, on a new figure or on what ``ax`` is: Axes or a figure."""
        style = load_style(type(self).__name__)
        (ax,), figure = style.make_axes(ax, 1, (6.4, 4.0))
        style.tidy(ax)
        training = np.asarray(self.training, dtype=np.float64)
        epochs = np.arange(1, len(training) + 1)
        ends = {"marker": "o", "markersize": 3.5} if len(training) < 3 else {}
        handles = ax.plot(
            epochs, training, color=style.BLUE, linewidth=1.6, label="training", **ends
        )
        curve = training
        if self.validation is not None:
            curve = np.asarray(self.validation, dtype=np.float64)
            handles += ax.plot(
                epochs[: len(curve)], curve, color=style.VERMILLION, linewidth=1.6,
                linestyle=style.DASHES, label="validation", **ends,
            )  # fmt: skip
        if self.best_iter is not None and self.best_iter <= len(curve):
            handles.append(self._mark(style, ax, curve[self.best_iter - 1]))
        drawn = np.concatenate([training, curve])
        drawn = drawn[np.isfinite(drawn)]
        if len(drawn) and drawn.min() > 0 and drawn.max() > LOG_RATIO * drawn.min():
            style.dress_log(ax)
        else:
            style.dress_values(ax)
        style.dress_counts(ax)
        ax.set_xlabel("epoch", fontsize="small")
        style.name_values(ax, "mean loss" + (f" ({self.loss})" if self.loss else ""))
        style.place_legend([ax], figure, handles)
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def _mark(self, style: Any, ax: Any, loss: float) -> Any:
        """The epoch with the lowest loss."""
        ax.axvline(self.best_iter, color=style.ink(), alpha=0.35, linewidth=0.8, linestyle=":")
        (mark,) = ax.plot(
            [self.best_iter], [loss], color=style.ink(), marker="o", markersize=6.5,
            fillstyle="none", markeredgewidth=1.3, linestyle="none", zorder=4,
            label=f"best: {loss:.4g} in epoch {self.best_iter}",
        )  # fmt: skip
        return mark
