"""What the three estimators share: parameters, learning from rows, and passes over new rows."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from gruforecast.data.tokens import TokenEncoder
from gruforecast.estimators import parameters
from gruforecast.estimators.callbacks import (
    CallbackSupportMixin,
    FitTask,
    with_callbacks,
    write_line,
)
from gruforecast.estimators.context import Context
from gruforecast.estimators.preparing import fit_encoder, split_rows, warn_of_new_gaps
from gruforecast.estimators.reading import read_samples, read_steps, read_weights
from gruforecast.estimators.rows import Samples, Steps
from gruforecast.estimators.targets import Targets, target_scaling
from gruforecast.network import Network, Specification, Windows
from gruforecast.training import Dataset, TrainingOptions, TrainingState, train


@dataclass(kw_only=True, eq=False, repr=False)
class RecurrentEstimator(CallbackSupportMixin, BaseEstimator):
    """Parameters and passes that the estimators share."""

    lookback: int | None = None
    context: str = "auto"
    cell: str = "gru"
    hidden_size: int = 32
    num_layers: int = 1
    bidirectional: bool = False
    reset_after: bool = True
    layer_norm: bool = False
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    normalize: str = "standard"
    missing: str = "mask"
    optimizer: str = "adam"
    learning_rate: float = 5e-3
    learning_rate_schedule: str = "constant"
    momentum: float = 0.9
    batch_size: int = 64
    max_iter: int = 100
    clip_norm: float | None = 1.0
    clip_value: float | None = None
    alpha: float = 0.0
    l1_ratio: float = 0.0
    early_stopping: bool | str = "auto"
    validation_fraction: float = 0.1
    n_iter_no_change: int = 10
    tol: float = 1e-4
    warm_start: bool = False
    n_jobs: int | None = None
    dtype: str = "float32"
    random_state: Any = None
    verbose: int = 0

    _rules: ClassVar[dict[str, parameters.Rule]] = parameters.SHARED
    _doc_link_module = "gruforecast"
    _doc_link_template = parameters.documentation()

    @property
    def weights_(self) -> dict[str, np.ndarray]:
        """The network's parameters by name: views that ``network_`` reads."""
        return dict(self.network_.weights)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing != "error"
        tags.input_tags.three_d_array = self.lookback is None
        tokens = getattr(self, "embedding_size", None) is not None
        tags.input_tags.categorical = tags.input_tags.string = tokens
        tags.target_tags.required = True
        return tags

    def _read_targets(
        self, y: Any, rows: Samples | Steps, settings: Any, reset: bool, classes: Any
    ) -> Targets:
        """What the network learns; with ``reset`` what y is like is learnt, else checked."""
        raise NotImplementedError

    # Learning.

    @with_callbacks
    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        groups: Any,
        *,
        one_epoch: bool,
        classes: Any = None,
    ) -> Any:
        """Learn all epochs from the start or, with ``one_epoch``, one epoch more."""
        settings = self._settings()
        goes_on = hasattr(self, "network_") and (one_epoch or settings.warm_start)
        rows = self._read(X, groups, settings, reset=not goes_on)
        targets = self._read_targets(y, rows, settings, not goes_on, classes)
        weights = (read_weights(sample_weight, rows.n) * targets.weights)[rows.order]
        values = targets.values[rows.order]
        split = split_rows(rows, targets, values, weights, settings, validate=not one_epoch)
        if not goes_on:
            self._encoder = fit_encoder(*rows.for_scaling(split, weights), settings)
            self._seed = parameters.draw_seed(settings.random_state)
        context = self._context if goes_on and one_epoch else Context("auto", {})
        material = rows.material(self._encoder, context, warn=False)
        if not goes_on:
            part, scale = split.training, settings.normalize != "none"
            self._target_scaling = target_scaling(
                values[part], weights[part], targets.loss, scale=scale
            )
        scaled = self._target_scaling.apply(values)
        network = self._make_network(targets.n_outputs, settings, goes_on)

        def dataset(numbers: np.ndarray) -> Dataset:
            windows = material.windows(numbers, settings.dtype, targets.withheld)
            return Dataset(windows, scaled[numbers], weights[numbers])

        training = dataset(split.training)
        validation = dataset(split.validation) if len(split.validation) else None
        self.network_, self._fitted = network, settings
        self._context: Context = rows.context(material, context)
        validated = validation is not None
        options = parameters.training_options(
            settings, targets.loss, self._seed, validated=validated
        )
        if one_epoch:
            run = self._one_epoch(training, options)
        else:
            run = self._all_epochs(training, validation, options, X, y, sample_weight)
        self._run = run.checkpoint if one_epoch else None
        self.n_iter_ = run.n_epochs
        self.loss_curve_ = run.loss_curve
        self.validation_loss_curve_ = run.validation_curve if validated else None
        self.best_loss_, self.best_iter_ = run.best_loss, run.best_epoch
        self.stopping_reason_ = run.stopping_reason
        return self

    def _all_epochs(
        self, training: Dataset, validation: Dataset | None, options: TrainingOptions,
        X: Any, y: Any, sample_weight: Any,
    ) -> Any:  # fmt: skip
        """A whole run, with scikit-learn's callbacks told about every epoch."""
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        task = FitTask(self, options.max_epochs, self._snapshot, X=X, y=y, metadata=metadata)
        callbacks: list[Callable[..., Any]] = [task.epoch_done]
        if self.verbose:
            callbacks.insert(0, write_line)
        run = train(
            self.network_, training, options, validation=validation, callbacks=callbacks,
            n_threads=parameters.n_threads(self.n_jobs),
        )  # fmt: skip
        task.done()
        return run

    def _one_epoch(self, training: Dataset, options: TrainingOptions) -> Any:
        """One epoch more of a run that has no planned end; the optimiser goes on where it was."""
        if options.make_schedule().depends_on_total:
            raise ValueError(
                f"learning_rate_schedule: expected one that needs no last epoch for partial_fit, "
                f"got {options.learning_rate_schedule!r}; choose constant, step, exponential or "
                f"plateau."
            )
        earlier: TrainingState | None = getattr(self, "_run", None)
        done = 0 if earlier is None else earlier.epoch
        options = replace(options, max_epochs=done + 1)
        if earlier is not None:
            kinds = ("optimizer", "learning_rate_schedule")
            if all(getattr(options, kind) == getattr(earlier.options, kind) for kind in kinds):
                earlier = replace(earlier, options=options, flat=self.network_.flat)
            else:
                earlier, options = None, replace(options, max_epochs=1)
        n_threads = parameters.n_threads(self.n_jobs)
        return train(self.network_, training, options, resume_from=earlier, n_threads=n_threads)

    def _make_network(self, n_outputs: int, settings: Any, goes_on: bool) -> Network:
        """A new network, or the one to go on with if the parameters still describe it."""
        encoder = self._encoder
        tables = encoder.sizes if isinstance(encoder, TokenEncoder) else []
        spec = parameters.specification(
            settings, encoder.width, n_outputs, [(n, settings.embedding_size) for n in tables]
        )
        if not goes_on:
            return Network(spec, seed=self._seed)
        for name in (f.name for f in fields(Specification)):
            before, now = (getattr(s, name) for s in (self.network_.specification, spec))
            if before != now:
                raise ValueError(
                    f"{name}: expected {before!r} as in the network to go on with, got {now!r}; "
                    f"keep it, or start anew with fit and warm_start=False."
                )
        return self.network_

    def _snapshot(self) -> dict[str, Any]:
        """What makes a copy of this estimator one whose fit ended here."""
        return {"network_": copy.deepcopy(self.network_)}

    # Passes over new rows.

    def _apply(
        self,
        X: Any,
        groups: Any,
        run: Callable[[Network, Windows, int], np.ndarray],
        n_steps: int | None = None,
    ) -> np.ndarray:
        """What ``run`` makes of the window of every row, in the caller's order.

        With ``n_steps`` shorter windows are filled up at their start.
        """
        check_is_fitted(self)
        settings = SimpleNamespace(**vars(self._fitted))
        settings.context, settings.n_jobs = self.context, self.n_jobs
        parameters.check_parameters({"context": self.context, "n_jobs": self.n_jobs}, self._rules)
        rows = self._read(X, groups, settings, reset=False)
        context = replace(self._context, rule=self.context)
        material = rows.material(self._encoder, context, warn=True)
        if n_steps is not None:
            if n_steps < material.n_steps:
                raise ValueError(
                    f"X: expected windows of up to {n_steps} steps as in fit, got "
                    f"{material.n_steps}; shorten them, or use states='last'."
                )
            material = material._replace(n_steps=n_steps)
        windows = material.windows(np.arange(rows.n), settings.dtype)
        result = run(self.network_, windows, parameters.n_threads(self.n_jobs))
        out = np.empty(result.shape, np.float64)
        out[rows.order] = result
        return out

    def _raw(self, X: Any, groups: Any) -> np.ndarray:
        """Raw outputs of the head (n, K)."""
        return self._apply(X, groups, lambda net, w, n: net.predict(w, n_threads=n))

    def _settings(self) -> SimpleNamespace:
        return parameters.check_parameters(self.get_params(deep=False), self._rules)

    def _read(self, X: Any, groups: Any, settings: Any, *, reset: bool) -> Samples | Steps:
        """X as windows, or as steps when there is a lookback."""
        tokens = getattr(settings, "embedding_size", None) is not None
        how = {"reset": reset, "missing": settings.missing, "tokens": tokens}
        if settings.lookback is None:
            rows: Samples | Steps = read_samples(self, X, **how)
        else:
            rows = read_steps(self, X, groups, settings.lookback, **how)
        if not reset and settings.missing == "mask":
            warn_of_new_gaps(self._encoder, rows.values)
        return rows
