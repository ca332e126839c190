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
from gruforecast.estimators.preparing import (
    State,
    check_endless,
    check_same_task,
    split_rows,
    warn_of_new_gaps,
)
from gruforecast.estimators.reading import read_samples, read_steps, read_weights
from gruforecast.estimators.rows import Samples, Steps
from gruforecast.estimators.targets import Targets
from gruforecast.network import Network, Specification, Windows
from gruforecast.training import Dataset, TrainingOptions, train


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
        tokens = getattr(self, "embedding_size", None) is not None
        tags.input_tags.allow_nan = tokens or self.missing != "error"
        tags.input_tags.three_d_array = self.lookback is None
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
        if one_epoch:
            check_endless(settings)
        goes_on = hasattr(self, "network_") and (one_epoch or settings.warm_start)
        if goes_on:
            check_same_task(self._state.settings, settings)
        rows = self._read(X, groups, settings, reset=not goes_on)
        targets = self._read_targets(y, rows, settings, not goes_on, classes)
        weights = read_weights(sample_weight, rows.n)[rows.order]
        values = targets.values[rows.order]
        split = split_rows(rows, targets, values, weights, settings, validate=not one_epoch)
        weights = weights * targets.class_weights(rows.order[split.training])[rows.order]
        if goes_on:
            state = replace(self._state, settings=settings)
        else:
            state = State.learn(rows, values, weights, split, targets.loss, settings)
        context = replace(state.context if one_epoch else Context.empty(), rule=settings.context)
        material = rows.material(state.encoder, context, warn=False)
        scaled = state.target_scaling.apply(values)

        def dataset(numbers: np.ndarray) -> Dataset:
            windows = material.windows(numbers, settings.dtype, targets.withheld)
            return Dataset(windows, scaled[numbers], weights[numbers])

        training = dataset(split.training)
        validation = dataset(split.validation) if len(split.validation) else None
        validated = validation is not None
        options = parameters.training_options(settings, targets.loss, state.seed, validated)
        network = self._make_network(state, targets.n_outputs, goes_on)
        # From here on the estimator is fitted, so that callbacks can use it as it learns.
        self.network_ = network
        self._state: State = replace(state, context=rows.context(material, context))
        if one_epoch:
            run = self._one_epoch(training, options)
        else:
            task = FitTask(
                self,
                options.max_epochs,
                lambda: self._snapshot(groups),
                X=X,
                y=y,
                metadata={} if sample_weight is None else {"sample_weight": sample_weight},
            )
            run = self._all_epochs(training, validation, options, task)
        self.n_iter_ = run.n_epochs
        self.loss_curve_ = run.loss_curve
        self.validation_loss_curve_ = run.validation_curve if validated else None
        self.best_loss_, self.best_iter_ = run.best_loss, run.best_epoch
        self.stopping_reason_ = run.stopping_reason
        return self

    def _all_epochs(
        self,
        training: Dataset,
        validation: Dataset | None,
        options: TrainingOptions,
        task: FitTask,
    ) -> Any:
        """A whole run, with scikit-learn's callbacks told about every epoch."""
        callbacks: list[Callable[..., Any]] = [task.epoch_done]
        if self.verbose:
            callbacks.insert(0, write_line)
        n_threads = parameters.n_threads(self.n_jobs)
        run = train(
            self.network_, training, options, validation=validation, callbacks=callbacks,
            n_threads=n_threads,
        )  # fmt: skip
        self._state = replace(self._state, run=None)
        task.done()
        return run

    def _one_epoch(self, training: Dataset, options: TrainingOptions) -> Any:
        """One epoch more of a run without a planned end; the optimiser goes on where it was."""
        earlier = self._state.run
        done = 0 if earlier is None else earlier.epoch
        if earlier is not None and earlier.options.is_like(options):
            options = replace(options, max_epochs=done + 1)
            earlier = replace(earlier, options=options, flat=self.network_.flat)
        else:
            earlier, options = None, replace(options, max_epochs=1)
        n_threads = parameters.n_threads(self.n_jobs)
        run = train(
            self.network_, training, options, resume_from=earlier, n_threads=n_threads,
            callbacks=[write_line] if self.verbose else [],
        )  # fmt: skip
        self._state = replace(self._state, run=run.checkpoint)
        return run

    def _make_network(self, state: State, n_outputs: int, goes_on: bool) -> Network:
        """A new network, or the one to go on with if the parameters still describe it."""
        settings, encoder = state.settings, state.encoder
        tables = encoder.sizes if isinstance(encoder, TokenEncoder) else []
        spec = parameters.specification(
            settings, encoder.width, n_outputs, [(n, settings.embedding_size) for n in tables]
        )
        if not goes_on:
            return Network(spec, seed=state.seed)
        for name in (f.name for f in fields(Specification)):
            before, now = (getattr(s, name) for s in (self.network_.specification, spec))
            if before != now:
                raise ValueError(
                    f"{name}: expected {before!r} as in the network to go on with, got {now!r}; "
                    f"keep it, or start anew with fit and warm_start=False."
                )
        return copy.deepcopy(self.network_)

    def _snapshot(self, groups: Any) -> dict[str, Any]:
        """What makes a copy of this estimator one whose fit ended here.

        Scorers ask it about the training rows without naming their series, so it knows these.
        """
        return {"network_": copy.deepcopy(self.network_), "_groups": groups}

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
        settings = SimpleNamespace(**vars(self._state.settings))
        settings.context, settings.n_jobs = self.context, self.n_jobs
        parameters.check_parameters({"context": self.context, "n_jobs": self.n_jobs}, self._rules)
        groups = getattr(self, "_groups", None) if groups is None else groups
        rows = self._read(X, groups, settings, reset=False)
        context = replace(self._state.context, rule=self.context)
        material = rows.material(self._state.encoder, context, warn=True)
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
            warn_of_new_gaps(self._state.encoder, rows.values)
        return rows
