"""Networks with all options, their windows and targets, and what the reference makes of them.

N windows, T steps, F features, H hidden, D directions, K outputs, k targets, S steps ahead.

All numbers are ones of float32, so that a card that has no others computes the same problem.
"""

from dataclasses import replace

import numpy as np

from gruforecast.network import Network, Specification, Windows
from gruforecast.training import Dataset
from tests import reference, test_gradients
from tests.test_gradients import CELLS, WIDTHS, avoid_kinks, package_masks

FLAGS = ["bidirectional", "norm", "ragged", "dropout", "recurrent"]
FLAGS += ["embeddings", "future", "normalised"]
EMBEDDINGS = ((3, 2), (4, 5))  # of the last two features
N_AHEAD, N_KNOWN = 3, 2  # steps whose rows are known, and numbers of such a row


class Problem(test_gradients.Problem):
    """The same of all that a GPU can do."""

    def arrays(self):
        """The named parameters."""
        return dict(self.network.weights)

    def reference_states(self, arrays):
        """Every state (T, N, H*D) and the last ones (N, H*D)."""
        spec, x = self.network.specification, self.x
        if spec.embeddings:
            x = reference.embedded(arrays, x)
        return reference.network_forward(
            {name: value for name, value in arrays.items() if name.startswith("layer")}, x,
            cell=spec.cell, n_layers=spec.num_layers, bidirectional=spec.bidirectional,
            reset_after=spec.reset_after, layer_norm=spec.layer_norm,
            lengths=self.data.windows.lengths, **self.masks,
        )  # fmt: skip

    def reference_last(self, arrays):
        return self.reference_states(arrays)[1]

    def reference_raw(self, arrays):
        last, windows = self.reference_last(arrays), self.data.windows
        if windows.future is None:
            return reference.head_forward(arrays, last)
        return reference.future_forward(arrays, last, rows_ahead(windows))


def rows_ahead(windows):
    """What is known of the future (N, S, C)."""
    return windows.future[windows.future_starts[:, None] + np.arange(N_AHEAD)]


def rounded(values):
    """The next numbers of float32, in float64."""
    return np.asarray(values, np.float32).astype(np.float64)


def make_problem(case):
    """Random weights; windows that overlap, missing targets and weights of zero."""
    cell, layers, dense, flags, (n, steps, n_features, hidden), loss = case
    rng, flags = np.random.default_rng(0), flags.split()
    n_targets = N_AHEAD if "future" in flags else 1 if loss == "cross_entropy" else 2
    ahead = {"n_future_steps": N_AHEAD, "n_future_features": N_KNOWN, "future_size": 5}
    spec = Specification(
        n_features, 3 if loss == "cross_entropy" else n_targets * WIDTHS.get(loss, 1),
        num_layers=layers, hidden_size=hidden, dense_sizes=dense, dtype="float64", **CELLS[cell],
        bidirectional="bidirectional" in flags, layer_norm="norm" in flags,
        dropout=0.3 * ("dropout" in flags), recurrent_dropout=0.4 * ("recurrent" in flags),
        embeddings=EMBEDDINGS if "embeddings" in flags else (),
        **(ahead if "future" in flags else {}),
    )  # fmt: skip
    network = Network(spec)
    for name, view in network.weights.items():
        view[...] = rng.normal(1.0 if "gain" in name else 0.0, 0.5, view.shape)
    windows, x = make_windows(spec, n, steps, flags, rng)
    weights = rounded(rng.uniform(0.5, 2.0, n))
    weights[1::4] = 0.0
    data = Dataset(windows, np.zeros((n, n_targets)), weights)
    problem = Problem(network, data, loss, x, package_masks(spec, n, steps))
    avoid_kinks(problem, rng)
    if "future" in flags:
        centre_positions(problem)
        avoid_kinks(problem, rng)  # of the loss, whose outputs lie elsewhere now
    network.flat[...] = rounded(network.flat)
    data.targets[...] = rounded(data.targets)
    data.targets[2::5, 0] = np.nan
    return problem


def make_windows(spec, n, steps, flags, rng):
    """Windows, and what they read (T, N, F), which is not zero where masked."""
    n_rows, n_tables = n + steps, len(spec.embeddings)
    lengths = rng.integers(0, steps + 1, n) if "ragged" in flags else np.full(n, steps)
    if "ragged" in flags:
        lengths[n // 2] = 0
    series = rounded(rng.normal(size=(n_rows, spec.n_features)))
    x, starts = rng.normal(size=(steps, n, spec.n_features)), rng.integers(0, n + 1, n)
    for k, (n_categories, _) in enumerate(spec.embeddings):
        series[:, k - n_tables] = rng.integers(-1, n_categories, n_rows)  # -1 is none
        x[:, :, k - n_tables] = rng.integers(0, n_categories, (steps, n))
    for i, length in enumerate(lengths):
        x[steps - length :, i] = series[starts[i] : starts[i] + length]
    parts = {}
    if "normalised" in flags:
        offsets, factors = rounded(rng.normal(size=n)), rounded(rng.uniform(0.5, 2.0, n))
        x[:, :, 0] = (x[:, :, 0] - offsets) * factors
        parts |= {"offsets": offsets, "factors": factors}
    if spec.n_future_steps:
        future = rounded(rng.normal(size=(n + N_AHEAD, N_KNOWN)))
        parts |= {"future": future, "future_starts": rng.permutation(n)}
    return Windows(series, starts, steps, lengths=lengths, dtype="float64", **parts), x


def centre_positions(problem):
    """Put the kink of every unit of the head over future rows where few windows are."""
    arrays, rows = problem.arrays(), rows_ahead(problem.data.windows)
    from_state = reference.head_input(arrays, problem.reference_last(arrays))
    values = (from_state @ arrays["future.w_state"])[:, None] + rows @ arrays["future.w_future"]
    values, quarter = np.sort(values, axis=0), len(values) // 4
    gaps = np.diff(values, axis=0)[quarter : len(values) - quarter]
    at = gaps.argmax(axis=0)[None] + quarter  # the widest gap in the middle
    low, high = (np.take_along_axis(values, at + i, axis=0)[0] for i in (0, 1))
    arrays["future.position"][...] = -0.5 * (low + high)


def network_of(network, dtype):
    """The same network in another type."""
    copy = Network(replace(network.specification, dtype=str(dtype)))
    copy.flat[...] = network.flat
    return copy


def windows_of(windows, dtype):
    """The same windows in another type."""
    return Windows(
        windows.series.astype(dtype), windows.starts, windows.n_steps, lengths=windows.lengths,
        dtype=str(dtype), future=windows.future, future_starts=windows.future_starts,
        offsets=windows.offsets, factors=windows.factors,
    )  # fmt: skip


def data_of(data, dtype):
    """The same data set in another type."""
    return Dataset(windows_of(data.windows, dtype), data.targets, data.weights)
