"""A recurrent network: named weights, predictions, states and gradients."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from gruforecast.foundations.checks import check_array, check_integer, check_type
from gruforecast.foundations.stored import register
from gruforecast.foundations.threads import available_threads, single_threaded_blas
from gruforecast.network import inference
from gruforecast.network.embedding import check_categories
from gruforecast.network.future import check_future
from gruforecast.network.parameters import Layout, NetworkWeights, initialise
from gruforecast.network.placement import gpu_for
from gruforecast.network.specification import Specification
from gruforecast.network.windows import Windows, check_windows


class Network:
    """Recurrent layers and a head, with all parameters in one flat vector.

    Parameters
    ----------
    specification : Specification
    seed : int, default 0
        Of the starting weights.
    gate_bias : dict of str to float, optional
        Value that the bias of a gate starts with, by the gate's letter: z, r, n of the GRU,
        i, f, o, g of the LSTM, h of the RNN.
    from_zero : bool, default False
        Start with outputs of zero, whatever is read.

    Examples
    --------
    >>> import numpy as np
    >>> from gruforecast.network import Network, Specification, Windows
    >>> network = Network(Specification(n_features=1, n_outputs=2, hidden_size=8), seed=0)
    >>> series = np.sin(np.arange(100.0)).reshape(-1, 1)
    >>> network.predict(Windows(series, starts=np.arange(80), n_steps=20)).shape
    (80, 2)
    """

    def __init__(
        self,
        specification: Specification,
        *,
        seed: int = 0,
        gate_bias: Mapping[str, float] | None = None,
        from_zero: bool = False,
    ) -> None:
        advice = "pass Specification(n_features=...)"
        check_type("specification", specification, Specification, advice)
        if gate_bias is not None:
            check_type("gate_bias", gate_bias, Mapping, "pass a dict such as {'z': -1.0}")
        self.specification = specification
        self.layout = Layout(specification)
        self._flat = np.zeros(self.layout.size, specification.numpy_dtype)
        rng = np.random.default_rng(check_integer("seed", seed, low=0))
        with single_threaded_blas():
            initialise(self.layout, self.flat, rng, gate_bias, from_zero=from_zero)

    def __repr__(self) -> str:
        return f"Network({self.specification}, {self._flat.size} parameters)"

    def __getstate__(self) -> dict[str, Any]:
        """What a copy needs: the rest is made anew."""
        return {"specification": self.specification, "flat": self.flat}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.specification, self._flat = state["specification"], state["flat"]
        self.layout = Layout(self.specification)

    @classmethod
    def of(cls, specification: Specification, flat: np.ndarray) -> Network:
        """The network with these parameters (P,)."""
        dtype = specification.numpy_dtype
        # Counted layer by layer only where there are numbers for them all.
        size = Layout(specification).size if specification.num_layers <= flat.size else None
        if flat.shape != (size,) or flat.dtype != dtype:
            raise ValueError(
                f"flat: expected {size} numbers of {dtype}, got shape {flat.shape} of "
                f"{flat.dtype}; pass those of this specification."
            )
        network = cls.__new__(cls)
        network.__setstate__({"specification": specification, "flat": flat})
        return network

    @property
    def flat(self) -> np.ndarray:
        """All parameters (P,); assigning to it copies the values."""
        return self._flat

    @flat.setter
    def flat(self, values: np.ndarray) -> None:
        shape, dtype = self._flat.shape, self._flat.dtype
        self._flat[...] = check_array("flat", values, shape=shape, dtype=dtype)

    @property
    def weights(self) -> Mapping[str, np.ndarray]:
        """The named parts of ``flat``: write to the arrays, ``weights["head.b"][...] = 1.0``."""
        return MappingProxyType(self.layout.views(self._flat))

    def set_weights(self, values: Mapping[str, np.ndarray]) -> None:
        """Replace all parameters by the named arrays."""
        self.layout.load(self.flat, values)

    def predict(
        self, windows: Windows, *, n_threads: int | None = None, device: str = "cpu"
    ) -> np.ndarray:
        """Raw outputs of the head (N, n_outputs), the same bits for any batch and any threads.

        ``device`` is "cpu", "cuda", "cuda:1" and so on, or "auto"; a GPU takes float32.
        """
        out = np.empty((len(windows), self.specification.n_outputs), self.flat.dtype)
        return self._run(windows, out, "outputs", n_threads, device)

    def encode(
        self,
        windows: Windows,
        *,
        every_step: bool = False,
        n_threads: int | None = None,
        device: str = "cpu",
    ) -> np.ndarray:
        """Last state (N, H*D) of each window, or the state after every step (N, T, H*D)."""
        steps = (self.specification.n_segments(windows.n_steps),) if every_step else ()
        shape = (len(windows), *steps, self.specification.encoding_size)
        what = "every" if every_step else "last"
        return self._run(windows, np.empty(shape, self.flat.dtype), what, n_threads, device)

    def bound_weights(self) -> NetworkWeights:
        """The weights as the passes read them, with transposes; refresh those after a change."""
        return self.layout.bind(self.flat, transposes=True)

    def check_windows(self, windows: Any) -> None:
        """Windows that this network can read."""
        windows = check_windows(windows)
        spec = self.specification
        if windows.n_features != spec.n_features:
            raise ValueError(
                f"windows: expected {spec.n_features} features, got {windows.n_features}; "
                f"use the columns that the network was made for."
            )
        if windows.series.dtype != spec.numpy_dtype:
            raise TypeError(
                f"windows: expected a series of {spec.dtype}, got {windows.series.dtype}; "
                f"pass dtype={spec.dtype!r} to Windows."
            )
        if windows.factors is not None and spec.n_numeric == 0:
            raise ValueError(
                f"windows: expected a numeric first column to normalise, got category numbers in "
                f"all {spec.n_features} columns; pass no offsets and factors to Windows."
            )
        check_categories(windows.series, spec.embeddings)
        check_future(windows, spec)
        if windows.initial_state is not None:
            expected = (spec.num_layers * spec.n_directions, len(windows), spec.state_size)
            if windows.initial_state.shape != expected:
                raise ValueError(
                    f"initial_state: expected shape {expected} (layers * directions, windows, "
                    f"state size), got {windows.initial_state.shape}; reshape it."
                )

    def _run(
        self, windows: Windows, out: np.ndarray, what: str, n_threads: int | None, device: str
    ) -> np.ndarray:
        self.check_windows(windows)
        gpu = gpu_for(device, self.specification.dtype, windows)
        if gpu is not None:
            from gruforecast.network.cuda.inference import run as run_on_gpu

            run_on_gpu(self, windows, out, gpu=gpu, what=what)
            return out
        weights = self.layout.bind(self.flat, transposes=False)
        inference.run(
            self.specification,
            weights,
            windows,
            out,
            n_threads=resolve_threads(n_threads),
            what=what,
        )
        return out


register("Network", Network, Network.__getstate__, Network.of)


def resolve_threads(n_threads: int | None) -> int:
    """A number of threads: as many as there are processors when None."""
    if n_threads is None:
        return available_threads()
    return check_integer("n_threads", n_threads, low=1)
