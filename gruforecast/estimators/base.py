"""What the three estimators share: parameters, learning from rows, and passes over new rows."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from gruforecast.data.context import Context
from gruforecast.data.rows import Material, Samples, Steps
from gruforecast.data.tokens import TokenEncoder
from gruforecast.estimators import parameters
from gruforecast.estimators.callbacks import (
    CallbackSupportMixin,
    FitTask,
    with_callbacks,
    write_line,
)
from gruforecast.estimators.ensemble import (
    Ensemble,
    make_networks,
    one_epoch_more,
    options_of_each,
)
from gruforecast.estimators.preparing import (
    Plan,
    State,
    check_columns,
    check_endless,
    split_rows,
    unchanged_on_error,
)
from gruforecast.estimators.reading import read_weights
from gruforecast.estimators.rows import read_rows
from gruforecast.estimators.saving import Saving
from gruforecast.estimators.targets import Targets
from gruforecast.network import Network, Specification, Windows
from gruforecast.network.placement import gpu_for
from gruforecast.training import Dataset, EpochReport, TrainingState, train_ensemble


@dataclass(kw_only=True, eq=False, repr=False)
class RecurrentEstimator(Ensemble, Saving, CallbackSupportMixin, BaseEstimator):
    """Parameters and passes that the estimators share."""

    lookback: int | None = None
    context: str = "auto"
    cell: str = "gru"
    hidden_size: int | None = None
    num_layers: int = 1
    bidirectional: bool = False
    reset_after: bool = True
    layer_norm: bool = False
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    normalize: str = "standard"
    missing: str = "mask"
    optimizer: str = "adam"
    learning_rate: float | None = None
    learning_rate_schedule: str = "auto"
    momentum: float = 0.9
    batch_size: int | None = None
    max_iter: int | None = None
    clip_norm: float | None = 1.0
    clip_value: float | None = None
    alpha: float = 0.0
    l1_ratio: float = 0.0
    early_stopping: bool | str = "auto"
    validation_fraction: float = 0.1
    n_iter_no_change: int | None = None
    tol: float = 1e-4
    warm_start: bool = False
    n_jobs: int | None = None
    device: str = "cpu"
    dtype: str = "float32"
    random_state: Any = None
    verbose: int = 0

    _rules: ClassVar[dict[str, parameters.Rule]] = parameters.SHARED
    _choices: ClassVar[dict[str, Any]] = parameters.ROWS  # where the caller leaves them open
    _doc_link_module = "gruforecast"

    @property
    def _doc_link_template(self) -> str:
        return parameters.documentation()

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

    def _settle(
        self, settings: Any, rows: Samples | Steps, n_training: int, earlier: Any, *, endless: bool
    ) -> None:
        """Choose what ``_choices`` leaves open, as the rows that train suggest."""

    def _disturbance(
        self, settings: Any, material: Material, training: np.ndarray
    ) -> dict[str, Any]:
        """What is done to the windows that train, as training options."""
        return {}

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_state")

    # Learning.

    @with_callbacks
    def _fit(self, X: Any, y: Any, sample_weight: Any, groups: Any, **beside: Any) -> None:
        """Learn all epochs; scikit-learn's callbacks are told about every one.

        A failure before training leaves the estimator as it was. From then on it is fitted, with
        what it learnt so far, so that callbacks can use it and an interruption loses nothing.
        """
        with unchanged_on_error(self):
            plan = self._prepare(X, y, sample_weight, groups, one_epoch=False, **beside)
            hardware = parameters.hardware(self)
            gpu = gpu_for(hardware["device"], plan.state.settings.dtype)
        self._state, self.stopping_reason_ = plan.state, "interrupted"
        self.networks_ = plan.networks
        self._store(TrainingState.start(plan.networks[0], plan.options[0]), plan.validated)
        task = FitTask(
            self,
            plan.options[0].max_epochs,
            lambda: self._snapshot(groups),
            X=X,
            y=y,
            metadata={} if sample_weight is None else {"sample_weight": sample_weight},
        )

        def after_epoch(report: EpochReport) -> bool:
            if report.member == 0:
                self._store(report.state, plan.validated)
            if self.verbose:
                write_line(report)
            return task.epoch_done(report)

        # A GPU that nobody asks after every epoch makes many of them in a launch.
        asked = gpu is None or self.verbose or task.is_watched
        runs = train_ensemble(
            plan.networks, plan.training, plan.options, validation=plan.validation,
            callbacks=[after_epoch] if asked else [], **hardware,
        )  # fmt: skip
        self._store(runs[0].checkpoint, plan.validated)
        self.stopping_reason_ = runs[0].stopping_reason
        review, plan = plan.review, plan._replace(training=[])  # which nothing needs any more
        if review is not None:
            self.__dict__.update(review(plan.networks, runs))
        task.done()

    def _partial_fit(
        self, X: Any, y: Any, sample_weight: Any, groups: Any, classes: Any = None
    ) -> None:
        """One epoch more of a run without a planned end; a failure leaves all as it was."""
        with unchanged_on_error(self):
            plan = self._prepare(X, y, sample_weight, groups, one_epoch=True, classes=classes)
            options, earlier = one_epoch_more(plan.networks, plan.options, plan.state.runs)
            results = train_ensemble(
                plan.networks, plan.training, options, resume_from=earlier,
                callbacks=[write_line] if self.verbose else [], **parameters.hardware(self),
            )  # fmt: skip
            self._state = replace(plan.state, runs=[one.checkpoint for one in results])
            self.networks_ = plan.networks
            self._store(results[0].checkpoint, False)
            self.stopping_reason_ = results[0].stopping_reason

    def _prepare(
        self, X: Any, y: Any, sample_weight: Any, groups: Any, *, one_epoch: bool,
        classes: Any = None,
    ) -> Plan:  # fmt: skip
        """From what the caller brings to data sets, options and a network to train."""
        settings = self._settings()
        parameters.settle(settings, self._choices)
        if one_epoch:
            check_endless(settings)
        earlier = None
        if isinstance(getattr(self, "_state", None), State) and (one_epoch or settings.warm_start):
            earlier = self._state
        rows = read_rows(self, X, groups, settings, earlier)
        targets = self._read_targets(y, rows, settings, earlier is None, classes)
        weights = read_weights(sample_weight, rows.n)[rows.order]
        values = targets.values[rows.order]
        split = split_rows(rows, targets, values, weights, settings, validate=not one_epoch)
        self._settle(settings, rows, len(split.training), earlier, endless=one_epoch)
        weights = weights * targets.class_weights(rows.order[split.training])[rows.order]
        if earlier is None:
            if not targets.withheld:  # of X without y a column may lack all values
                check_columns(values[split.training])
            state = State.learn(rows, values, weights, split, targets.loss, settings)
        else:
            state = earlier.with_settings(settings, targets.loss)
        context = state.context if one_epoch else Context({})
        material = rows.material(state.encoder, context, settings.context, warn=False)
        scaled = state.target_scaling.apply(values)

        def dataset(numbers: np.ndarray) -> Dataset:
            windows = material.windows(numbers, settings.dtype, targets.withheld)
            return Dataset(windows, scaled[numbers], weights[numbers])

        validated = len(split.validation) > 0
        beside = self._disturbance(settings, material, rows.order[split.training])
        options = options_of_each(settings, targets.loss, state.seed, validated, **beside)
        spec = self._specification(state, targets.n_outputs)
        return Plan(
            training=[dataset(split.training)] * len(options),
            validation=[dataset(split.validation)] * len(options) if validated else None,
            options=options,
            networks=make_networks(
                [spec] * len(options), options, None if earlier is None else self.networks_
            ),
            state=replace(state, context=rows.context(material, context)),
        )

    def _store(self, run: TrainingState, validated: bool) -> None:
        """What the run of the first network has shown so far."""
        self.n_iter_ = run.epoch
        self.loss_curve_ = list(run.loss_curve)
        self.validation_loss_curve_ = list(run.validation_curve) if validated else None
        self.best_loss_, self.best_iter_ = run.best_loss, run.best_epoch

    def _specification(self, state: State, n_outputs: int) -> Specification:
        """The network that the parameters describe."""
        settings, encoder = state.settings, state.encoder
        tables = encoder.sizes if isinstance(encoder, TokenEncoder) else []
        return parameters.specification(
            settings, encoder.width, n_outputs, [(n, settings.embedding_size) for n in tables]
        )

    def _snapshot(self, groups: Any) -> dict[str, Any]:
        """What makes a copy of this estimator one whose fit ended here.

        Scorers ask it about the training rows without naming their series, so it knows these.
        """
        return {"networks_": copy.deepcopy(self.networks_), "_groups": groups}

    # Passes over new rows.

    def _apply(
        self,
        X: Any,
        groups: Any,
        run: Callable[[Network, Windows, parameters.Hardware], np.ndarray],
        n_steps: int | None = None,
    ) -> Iterator[np.ndarray]:
        """What ``run`` makes of the window of every row, in the caller's order, for each network.

        With ``n_steps`` shorter windows are filled up at their start.
        """
        check_is_fitted(self)
        settings = parameters.check_parameters({"context": self.context}, self._rules)
        groups = getattr(self, "_groups", None) if groups is None else groups
        rows = read_rows(self, X, groups, self._state.settings, self._state)
        material = rows.material(
            self._state.encoder, self._state.context, settings.context, warn=True
        )
        if n_steps is not None:
            if n_steps < material.n_steps:
                raise ValueError(
                    f"X: expected windows of up to {n_steps} steps as in fit, got "
                    f"{material.n_steps}; shorten them, or use states='last'."
                )
            material = material._replace(n_steps=n_steps)
        windows = material.windows(np.arange(rows.n), self._state.settings.dtype)
        for network in self.networks_:
            result = run(network, windows, parameters.hardware(self))
            out = np.empty(result.shape, np.float64)
            out[rows.order] = result
            yield out

    def _raw(self, X: Any, groups: Any) -> Iterator[np.ndarray]:
        """Raw outputs of each network's head (n, K)."""
        return self._apply(X, groups, lambda net, w, hardware: net.predict(w, **hardware))

    def _settings(self) -> SimpleNamespace:
        return parameters.check_parameters(self.get_params(deep=False), self._rules)
