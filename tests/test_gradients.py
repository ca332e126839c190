"""Loss and every gradient against the reference and its differences.

N windows, T steps, F features, H hidden, L layers, D directions, K outputs, k targets.
"""

import itertools
from typing import NamedTuple

import numpy as np
import pytest

from gruforecast.foundations.random import derive_key, dropout, dropout_mask
from gruforecast.foundations.threads import Workers
from gruforecast.network import Network, Specification, Windows
from gruforecast.training import Dataset, loss_and_gradients, make_loss
from gruforecast.training.gradients import BatchGradients
from tests import reference

CELLS = {
    "gru_after": {"cell": "gru", "reset_after": True},
    "gru_before": {"cell": "gru", "reset_after": False},
    "lstm": {"cell": "lstm"},
    "rnn": {"cell": "rnn"},
}
LOSSES = ["squared_error", "absolute_error", "huber", "quantile", "gaussian", "student_t"]
LOSSES += ["poisson", "cross_entropy"]
WIDTHS = {"gaussian": 2, "student_t": 3, "quantile": 3}  # outputs per target where not 1
LOSS_OPTIONS = {"huber": {"delta": 0.7}, "quantile": {"quantiles": (0.05, 0.4, 0.9)}}
FLAGS = ["bidirectional", "norm", "ragged", "state", "dropout", "recurrent"]
KEY = (11, 3)

# Cell, layers, dense sizes, flags, (N, T, F, H), loss. The first twelve hold all pairs of options;
# "norm" without "recurrent" and the reverse in one cell each, as every such kernel compiles anew.
CASES = [
    ("gru_after", 1, (5, 3), "", (17, 4, 1, 3), "squared_error"),
    ("gru_after", 2, (), "bidirectional ragged state dropout", (19, 5, 3, 4), "gaussian"),
    ("gru_after", 3, (4,), "norm state recurrent", (6, 3, 2, 5), "quantile"),
    ("gru_before", 3, (5, 3), " ".join(FLAGS), (8, 3, 2, 4), "huber"),
    ("gru_before", 2, (4,), "dropout", (33, 4, 4, 2), "student_t"),
    ("gru_before", 1, (), "bidirectional norm ragged recurrent", (18, 7, 3, 6), "poisson"),
    ("lstm", 2, (4,), "bidirectional norm recurrent", (7, 4, 2, 3), "cross_entropy"),
    ("lstm", 3, (), "ragged state dropout", (9, 6, 1, 2), "student_t"),
    ("lstm", 1, (5, 3), "state recurrent", (34, 2, 5, 4), "absolute_error"),
    ("rnn", 1, (4,), "bidirectional norm ragged state", (19, 4, 3, 5), "gaussian"),
    ("rnn", 3, (), "norm dropout recurrent", (8, 5, 2, 4), "squared_error"),
    ("rnn", 2, (5, 3), "bidirectional ragged dropout", (17, 3, 2, 6), "quantile"),
    ("gru_after", 1, (), "norm state dropout recurrent", (5, 1, 2, 3), "gaussian"),
    ("gru_before", 2, (1,), "bidirectional ragged state", (11, 5, 1, 1), "squared_error"),
    ("lstm", 1, (), "norm ragged state recurrent", (5, 2, 2, 1), "huber"),
    ("lstm", 1, (), "ragged state", (16, 7, 1, 1), "huber"),
    ("rnn", 2, (), "bidirectional", (32, 2, 1, 1), "poisson"),
]
SMALL = [(cell, 1, (), "ragged state", (9, 3, 2, 3), loss) for cell in CELLS for loss in LOSSES]
MANY = ("rnn", 2, (4,), " ".join(FLAGS), (70, 3, 2, 4), "huber")  # more than one shard


class Problem(NamedTuple):
    """A network and its data, as the package and as the reference take them."""

    network: Network
    data: Dataset
    loss: str
    x: np.ndarray  # (T, N, F), not zero where masked
    masks: dict[str, np.ndarray]

    def arrays(self):
        """What the loss is a function of: the named parameters, x and the initial state."""
        spec, state = self.network.specification, self.data.windows.initial_state
        shape = (spec.num_layers * spec.n_directions, len(self.data), spec.state_size)
        state = np.zeros(shape) if state is None else state
        return {**self.network.weights, "x": self.x, "initial_state": state}

    def reference_last(self, arrays):
        """Last states (N, H*D)."""
        spec = self.network.specification
        options = {"cell": spec.cell, "n_layers": spec.num_layers, "layer_norm": spec.layer_norm}
        options |= {"bidirectional": spec.bidirectional, "reset_after": spec.reset_after}
        options |= {"lengths": self.data.windows.lengths, **self.masks}
        layers = {name: value for name, value in arrays.items() if name.startswith("layer")}
        state = arrays["initial_state"]
        return reference.network_forward(layers, arrays["x"], initial_state=state, **options)[1]

    def reference_raw(self, arrays):
        """Outputs (N, K)."""
        return reference.head_forward(arrays, self.reference_last(arrays))

    def reference_loss(self, arrays):
        raw = self.reference_raw(arrays)
        data, options = self.data, LOSS_OPTIONS.get(self.loss, {})
        return reference.loss_value(self.loss, raw, data.targets, data.weights, **options)

    def gradients(self, key=KEY):
        loss = make_loss(self.loss, **LOSS_OPTIONS.get(self.loss, {}))
        return loss_and_gradients(self.network, self.data, loss, key=key)


def make_problem(case, dtype="float64"):
    """Random weights; windows that overlap, with missing targets and weights of zero."""
    cell, layers, dense, flags, (n, steps, n_features, hidden), loss = case
    rng, flags = np.random.default_rng(0), flags.split()
    n_targets = 1 if loss == "cross_entropy" else 2
    spec = Specification(
        n_features, 3 if loss == "cross_entropy" else n_targets * WIDTHS.get(loss, 1),
        num_layers=layers, hidden_size=hidden, dense_sizes=dense, dtype=dtype, **CELLS[cell],
        bidirectional="bidirectional" in flags, layer_norm="norm" in flags,
        dropout=0.3 * ("dropout" in flags), recurrent_dropout=0.4 * ("recurrent" in flags),
    )  # fmt: skip
    network = Network(spec)
    for name, view in network.weights.items():
        view[...] = rng.normal(1.0 if "gain" in name else 0.0, 0.5, view.shape)
    series, starts = rng.normal(size=(n + steps, n_features)), rng.integers(0, n + 1, n)
    lengths = rng.integers(1, steps + 1, n) if "ragged" in flags else np.full(n, steps)
    lengths[n // 2] = 0 if "ragged" in flags else steps
    x = rng.normal(size=(steps, n, n_features))
    for i, length in enumerate(lengths):
        x[steps - length :, i] = series[starts[i] : starts[i] + length]
    shape = (layers * spec.n_directions, n, spec.state_size)
    state = rng.normal(size=shape) if "state" in flags else None
    windows = Windows(series, starts, steps, lengths=lengths, initial_state=state, dtype=dtype)
    weights = rng.uniform(0.5, 2.0, n)
    weights[1::4] = 0.0
    data = Dataset(windows, np.zeros((n, n_targets)), weights)
    problem = Problem(network, data, loss, x, package_masks(spec, n, steps))
    avoid_kinks(problem, rng)
    data.targets[2::5, 0] = np.nan
    return problem


def package_masks(spec, n, steps):
    """The masks that the package draws from KEY, as the reference takes them."""
    masks, count = {}, spec.num_layers * spec.n_directions
    if spec.dropout:
        masks["dropout_masks"] = np.ones((spec.num_layers - 1, steps, n, spec.encoding_size))
        for gap, mask in enumerate(masks["dropout_masks"]):
            dropout(mask, derive_key(*KEY, 0, gap), 0, spec.dropout, mask)
    if rate := spec.recurrent_dropout:
        keys = (derive_key(*KEY, 1, number) for number in range(count))
        drawn = [dropout_mask(key, 0, rate, (n, spec.hidden_size), np.float64) for key in keys]
        masks["recurrent_masks"] = np.stack(drawn)
    return masks


def avoid_kinks(problem, rng):
    """Set targets and biases of dense layers so that loss and relu are smooth nearby.

    A difference that crosses a kink says nothing about the gradient on one side of it.
    """
    arrays, targets = problem.arrays(), problem.data.targets
    values = problem.reference_last(arrays)
    for k in range(len(problem.network.specification.dense_sizes)):
        values = values @ arrays[f"dense{k}.w"]
        ordered, quarter = np.sort(values, axis=0), len(values) // 4
        gaps = np.diff(ordered, axis=0)[quarter : len(values) - quarter]
        at = gaps.argmax(axis=0)[None] + quarter  # the widest gap in the middle
        low, high = (np.take_along_axis(ordered, at + i, axis=0)[0] for i in (0, 1))
        arrays[f"dense{k}.b"][...] = -0.5 * (low + high)
        values = np.maximum(values + arrays[f"dense{k}.b"], 0.0)
    if problem.loss in ("poisson", "cross_entropy"):
        targets[...] = rng.integers(0, 3, targets.shape)
        return
    raw = problem.reference_raw(arrays)
    near = np.ones(targets.shape, bool)
    while near.any():
        targets[near] = rng.normal(size=near.sum())
        error = np.abs(raw.reshape(*targets.shape, -1) - targets[..., None])
        kink = 0.7 if problem.loss == "huber" else 0.0
        smooth = problem.loss in ("squared_error", "gaussian", "student_t")
        near = (np.abs(error - kink).min(axis=2) < 0.05) & (not smooth)


def compare(name, expected, computed, places, tolerance):
    """Errors relative to the largest expected value."""
    worst = np.argmax(np.abs(computed - expected))
    got, wanted = float(computed[worst]), float(expected[worst])
    assert abs(got - wanted) <= tolerance * np.abs(expected).max(), (
        f"{name}{places[worst]}: got {got!r}, expected {wanted!r}"
    )


def check_differences(problem, computed, n_entries=4):
    """Every array: n_entries and the largest, or all of a small array; then all along one line.

    The line goes along random signs / sqrt(size): no entry is left out. Errors are relative to
    the largest difference of the same array. Rounding leaves up to 1e-10 in a difference, so the
    largest must be above 1e-4; where the loss does not depend on an array, its gradient must be
    exactly zero. Layer norm of a state near zero bends within sqrt(1e-5): its step is smaller.
    """
    x, state = computed.inputs.swapaxes(0, 1), computed.initial_state
    gradients = {**computed.weights, "x": x, "initial_state": state}
    check_gradients(problem, gradients, n_entries, 1e-7)


def check_gradients(problem, gradients, n_entries, tolerance):
    """As ``check_differences``, of arrays by name."""
    rng, arrays = np.random.default_rng(1), problem.arrays()
    step = 3e-6 if problem.network.specification.layer_norm else 1e-3
    assert gradients.keys() == arrays.keys()
    for name, array in arrays.items():
        assert gradients[name].shape == array.shape
        assert np.isfinite(gradients[name]).all(), name
        signs = rng.choice([-1.0, 1.0], array.shape) / np.sqrt(array.size)

        def along(distance, name=name, array=array, signs=signs):
            return problem.reference_loss(arrays | {name: array + distance * signs})

        def at(value, name=name):
            return problem.reference_loss(arrays | {name: value})

        gradient, chosen = gradients[name].ravel(), np.arange(array.size)
        if array.size > n_entries + 2:
            chosen = np.append(rng.choice(array.size, n_entries), np.abs(gradient).argmax())
        differences = reference.fourth_order_gradient(at, array, chosen, step)
        line = reference.fourth_order_gradient(along, np.zeros(1), [0], step)
        expected = np.append(differences, line)
        if np.abs(expected).max() < 1e-10:
            assert not gradient.any(), name
            continue
        assert np.abs(expected).max() > 1e-4, name
        places = [*(tuple(map(int, np.unravel_index(i, array.shape))) for i in chosen), "(line)"]
        values = np.append(gradient[chosen], gradient @ signs.ravel())
        compare(name, expected, values, places, tolerance)


@pytest.mark.parametrize("case", CASES + SMALL, ids=str)
def test_gradients_equal_differences_of_the_reference(case):
    problem = make_problem(case)
    computed, expected = problem.gradients(), problem.reference_loss(problem.arrays())
    assert abs(computed.loss - expected) <= 1e-12 * abs(expected)
    windows = problem.data.windows
    masked = np.arange(windows.n_steps) < windows.first[:, None]
    assert masked.any() == ("ragged" in case[3])
    assert not computed.inputs[masked].any()
    check_differences(problem, computed)


def test_cases_cover_all_pairs_of_options():
    rows = []
    for cell, layers, dense, flags, _, _ in CASES[:12]:
        on = set(flags.split()) - ({"dropout"} if layers == 1 else set())
        rows.append((cell, f"{layers} layers", dense, *((flag, flag in on) for flag in FLAGS)))
    choices = [set(column) for column in zip(*rows, strict=True)]
    possible = {p for a, b in itertools.combinations(choices, 2) for p in itertools.product(a, b)}
    covered = {pair for row in rows for pair in itertools.combinations(row, 2)}
    assert possible - covered == {("1 layers", ("dropout", True))}


@pytest.mark.parametrize("case", [CASES[1], CASES[8]], ids=str)
def test_without_a_key_there_is_no_dropout(case):
    problem = make_problem(case)._replace(masks={})
    expected = problem.reference_loss(problem.arrays())
    assert abs(problem.gradients(key=None).loss - expected) <= 1e-12 * abs(expected)


def test_shards_add_up_to_the_whole():
    problem = make_problem(MANY)
    whole, loss = problem.gradients(), make_loss("huber", delta=0.7)
    with Workers(1) as workers:
        shards = BatchGradients(problem.network, loss, 70, 16, workers)
        total, weight = shards.compute(problem.data, np.arange(70), KEY)
    assert abs(total / weight - whole.loss) <= 1e-12 * whole.loss
    for name, value in problem.network.layout.views(shards.lanes.sum(axis=0)).items():
        np.testing.assert_allclose(value, whole.weights[name], rtol=1e-9, atol=1e-13)
