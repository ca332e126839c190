"""Whether a GPU computes what the CPU does, and what cuDNN does with the same weights.

The reference is the package on the CPU in float64. Errors are ||got - expected|| / ||expected||.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gruforecast import GRUForecaster
from gruforecast.network import Network, Specification
from gruforecast.training import Dataset, TrainingOptions, train
from tests.benchmarks.on_gpu import ours as ours
from tests.benchmarks.on_gpu.tasks import Emit, Setting, Size, in_words

OUTPUTS, STATES, GRADIENT, WEIGHTS, FITTED = 1e-5, 1e-5, 3e-5, 1e-3, 1e-2  # accepted, relative
N_STEPS = 3  # of Adam


class Checks:
    """Errors and what is accepted of them."""

    def __init__(self, setting: Setting, emit: Emit) -> None:
        self.setting, self.emit = setting, emit

    def near(self, what: str, got: Any, expected: Any, accepted: float, scale: Any = None) -> None:
        """Relative error; of a change where the scale is one."""
        got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
        scale = np.linalg.norm(expected if scale is None else scale)
        difference = got - expected
        error = float(np.linalg.norm(difference) / max(float(scale), 1e-30))
        largest = float(np.abs(difference).max(initial=0.0))
        accepted *= self.setting.tolerance
        self.emit(
            "check", what=what, error=error, largest=largest, accepted=accepted,
            is_ok=error <= accepted,
        )  # fmt: skip

    def equal(self, what: str, got: np.ndarray, expected: np.ndarray) -> None:
        """The same bits."""
        n = int((got.view(np.uint32) != expected.view(np.uint32)).sum())
        self.emit(
            "check", what=what, error=n / got.size, largest=n, accepted=0.0,
            is_ok=n == 0 and self.setting.tolerance > 0,
        )  # fmt: skip


def network(setting: Setting, emit: Emit, cell: str, size: Size, options: dict[str, Any]) -> None:
    """Outputs, states, the gradient of a batch and some steps of one network."""
    checks = Checks(setting, emit)
    single = ours.make_network(size, cell=cell, n_outputs=2, **options)
    noise = np.random.default_rng(1).standard_normal(single.flat.size, np.float32)
    single.flat[...] += 0.1 * noise * (1 - single.layout.weight_mask())  # biases that are not zero
    data, data64 = (_data(size, dtype) for dtype in ("float32", "float64"))
    double = _in_float64(single)
    outputs = single.predict(data.windows, device="cuda")
    checks.near("outputs", outputs, double.predict(data64.windows), OUTPUTS)
    states = single.encode(data.windows, every_step=True, device="cuda")
    expected = double.encode(data64.windows, every_step=True)
    checks.near("states of every step", states, expected, STATES)
    gradient = _gradient(single, data, "cuda")
    checks.near("gradient", gradient, _gradient(double, data64, "cpu"), GRADIENT)
    if options.get("reset_after", True) and not options.get("dropout"):
        _beside_torch(checks, single, data, outputs, gradient)
    _steps(checks, single, double, data, data64)


def _data(size: Size, dtype: str) -> Dataset:
    """One batch of windows, with two targets each."""
    made = ours.make_data(size, size.batch, dtype)
    return Dataset(made.windows, np.c_[made.targets, -0.5 * made.targets])


def _in_float64(network: Network) -> Network:
    spec = network.specification
    options = {name: getattr(spec, name) for name in spec.__dataclass_fields__}
    return Network.of(Specification(**options | {"dtype": "float64"}), network.flat.astype(float))


def _copy(network: Network) -> Network:
    return Network.of(network.specification, network.flat.copy())


def _gradient(network: Network, data: Dataset, device: str) -> np.ndarray:
    """Of one batch: without momentum, gradient descent keeps it as it is."""
    options = TrainingOptions(optimizer="sgd", batch_size=len(data), max_epochs=1, shuffle=False)
    result = train(_copy(network), data, options, device=device)
    return np.asarray(result.checkpoint.arrays[0])


def _beside_torch(
    checks: Checks, single: Network, data: Dataset, outputs: np.ndarray, gradient: np.ndarray
) -> None:
    try:
        from tests.benchmarks.on_gpu.peers import outputs_and_gradient

        found = outputs_and_gradient(single, data, checks.setting.torch_device)
    except Exception as error:  # what PyTorch lacks is no error of the package
        checks.emit("without", what="check", who="cudnn", reason=in_words(error))
        return
    checks.near("outputs beside cuDNN", outputs, found[0], OUTPUTS)
    checks.near("gradient beside cuDNN", gradient, found[1], GRADIENT)


def _steps(
    checks: Checks, single: Network, double: Network, data: Dataset, data64: Dataset
) -> None:
    """What some steps of Adam, with clipping, change about the weights; and their losses."""
    options = TrainingOptions(
        batch_size=len(data), max_epochs=N_STEPS, clip_norm=0.5, learning_rate=0.003, seed=3
    )
    first, got, expected = double.flat.copy(), _copy(single), _copy(double)
    losses = train(got, data, options, device="cuda").loss_curve
    wanted = train(expected, data64, options).loss_curve
    change = expected.flat - first
    checks.near(f"weights after {N_STEPS} steps", got.flat, expected.flat, WEIGHTS, change)
    checks.near("losses", losses, wanted, GRADIENT)


def bits(setting: Setting, emit: Emit) -> None:
    """The same seed gives the same bits, with dropout and by teams of blocks."""
    checks = Checks(setting, emit)
    sizes = [Size(4, 2, 1, 4)] if setting.emulated else [Size(64, 24, 4, 32), Size(512, 12, 4, 16)]
    for size in sizes:
        data = ours.make_data(size, 2 * size.batch + size.batch // 2)
        options = {"num_layers": 2, "dropout": 0.1, "recurrent_dropout": 0.1}

        def trained(size: Size = size, data: Dataset = data, more: Any = options) -> Network:
            made = ours.make_network(size, **more)
            train(made, data, ours.options_of(size, 2), device="cuda")
            return made

        first, second = trained(), trained()
        checks.equal(f"same bits of weights at {size}", first.flat, second.flat)
        outputs = [one.predict(data.windows, device="cuda") for one in (first, second)]
        checks.equal(f"same bits of outputs at {size}", *outputs)


def _series(setting: Setting) -> np.ndarray:
    n = 60 if setting.emulated else 1_000
    noise = np.random.default_rng(0).normal(0.0, 0.1, n)
    return np.asarray(np.sin(0.3 * np.arange(n)) + noise)


def _forecasts(setting: Setting) -> Callable[..., GRUForecaster]:
    small = setting.emulated
    options: dict[str, Any] = {
        "lookback": 3 if small else 24, "horizon": 2 if small else 12, "random_state": 0,
        "hidden_size": 4 if small else 32, "max_iter": 1 if small else 5,
    }  # fmt: skip

    def make(device: str, **changes: Any) -> GRUForecaster:
        dtype = "float64" if device == "cpu" else "float32"
        return GRUForecaster(device=device, dtype=dtype, **options | changes)

    return make


def estimator(setting: Setting, emit: Emit) -> None:
    """``GRUForecaster(device="cuda")`` forecasts what one on the CPU does."""
    series, make = _series(setting), _forecasts(setting)
    found = [make(device).fit(series).predict(series) for device in ("cuda", "cpu")]
    Checks(setting, emit).near("forecasts", *found, FITTED)


def search(setting: Setting, emit: Emit) -> None:
    """``GRUSearchCV`` gives the scores that it gives on a CPU."""
    from sklearn.model_selection import TimeSeriesSplit

    from gruforecast.model_selection import GRUSearchCV

    series, make = _series(setting), _forecasts(setting)
    grid = {"learning_rate": [0.003, 0.01], "hidden_size": [4] if setting.emulated else [8, 32]}
    scores = []
    for device in ("cuda", "cpu"):
        found = GRUSearchCV(make(device), grid, cv=TimeSeriesSplit(2), refit=False).fit(series)
        scores.append(found.cv_results_["mean_test_score"])
    Checks(setting, emit).near("scores", *scores, FITTED)
