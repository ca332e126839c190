"""Category embeddings: values and gradients by reference and torch, the same bits, bad input."""

import pickle

import numpy as np
import pytest
import torch
from torch.nn import functional

from gruforecast.network import Network, Specification, Windows
from gruforecast.network.parameters import Layout
from gruforecast.training import Dataset, TrainingOptions, loss_and_gradients, train
from tests import reference, test_gradients
from tests.helpers import small_network, wavy_series
from tests.test_gradients import CELLS, KEY, avoid_kinks, check_differences, compare, package_masks
from tests.test_torch_parity import torch_parameters

EMBEDDINGS = ((5, 3), (4, 2))
ABSENT = 3  # a category of the first table that no row holds


def mixed_series(n_rows, n_numeric=2, dtype="float64", seed=0):
    """Numeric columns, then two columns of categories, some of them none."""
    rng = np.random.default_rng(seed)
    first = rng.choice([-7, -1, 0, 1, 2, 4], n_rows)
    second = rng.integers(-1, 4, n_rows)
    numeric = wavy_series(n_rows, n_numeric, seed)
    return np.column_stack([numeric, first, second]).astype(dtype)


def embedding_network(n_numeric=2, **choices):
    return small_network(n_features=n_numeric + 2, **{"embeddings": EMBEDDINGS} | choices)


class Problem(test_gradients.Problem):
    """The reference looks the categories up; numeric columns and tables may be changed."""

    def reference_last(self, arrays):
        n_numeric = self.network.specification.n_numeric
        rows = self.x.copy()
        rows[:, :, :n_numeric] = arrays["x"][:, :, :n_numeric]
        return super().reference_last(arrays | {"x": reference.embedded(arrays, rows)})


def make_problem(cell, num_layers, n_numeric, flags, n=19, steps=4):
    rng = np.random.default_rng(1)
    network = embedding_network(
        n_numeric, num_layers=num_layers, hidden_size=4, bidirectional="bidirectional" in flags,
        layer_norm="norm" in flags, dropout=0.3 * ("dropout" in flags), **CELLS[cell],
    )  # fmt: skip
    for name, view in network.weights.items():
        view[...] = rng.normal(1.0 if "gain" in name else 0.0, 0.5, view.shape)
    lengths = rng.integers(1, steps + 1, n) if "ragged" in flags else np.full(n, steps)
    series = mixed_series(n * steps, n_numeric)
    starts = np.arange(1, n + 1) * steps - lengths
    windows = Windows(series, starts, steps, lengths=lengths, dtype="float64")
    x = series.reshape(n, steps, -1).swapaxes(0, 1)  # category numbers also where masked
    data = Dataset(windows, np.zeros((n, 1)), rng.uniform(0.5, 2.0, n))
    masks = package_masks(network.specification, n, steps)
    problem = Problem(network, data, "squared_error", np.ascontiguousarray(x), masks)
    avoid_kinks(problem, rng)
    return problem


PLAIN = [
    (cell, num_layers, n_numeric, flags)
    for cell in CELLS
    for num_layers in (1, 2)
    for n_numeric in (2, 0)
    for flags in ("", "bidirectional ragged")
]
OPTIONS = [("gru_after", 2, 1, "ragged norm dropout"), ("lstm", 1, 0, "norm")]


@pytest.mark.parametrize("case", PLAIN + OPTIONS, ids=str)
def test_gradients_equal_differences_of_the_reference(case):
    problem = make_problem(*case)
    computed, expected = problem.gradients(KEY), problem.reference_loss(problem.arrays())
    assert abs(computed.loss - expected) <= 1e-12 * abs(expected)
    check_differences(problem, computed)
    assert not computed.weights["embedding0.w"][ABSENT].any()
    assert computed.weights["embedding0.w"][0].all()
    if not problem.masks:
        raw = reference.head_forward(problem.arrays(), problem.reference_last(problem.arrays()))
        predicted = problem.network.predict(problem.data.windows)
        np.testing.assert_allclose(predicted, raw, rtol=0, atol=2e-14)


def test_a_table_is_read_as_columns_would_be():
    """Forward and gradients equal those of a network whose series holds the rows by hand."""
    network, series = embedding_network(), mixed_series(60)
    wide = small_network(n_features=7)
    wide.set_weights({n: w for n, w in network.weights.items() if not n.startswith("embedding")})
    by_hand = reference.embedded(network.weights, series[:, None])[:, 0]
    assert by_hand.shape == (60, 2 + 3 + 2)
    targets, starts = series[10:, 0], np.arange(50)
    data = Dataset(Windows(series, starts, 10, dtype="float64"), targets)
    wide_data = Dataset(Windows(by_hand, starts, 10, dtype="float64"), targets)
    np.testing.assert_array_equal(network.predict(data.windows), wide.predict(wide_data.windows))
    found = loss_and_gradients(network, data, "squared_error")
    expected = loss_and_gradients(wide, wide_data, "squared_error")
    assert found.loss == expected.loss
    np.testing.assert_array_equal(found.inputs[:, :, :2], expected.inputs[:, :, :2])
    assert found.inputs.shape == (50, 10, 4)
    assert not found.inputs[:, :, 2:].any()
    rows = starts[:, None] + np.arange(10)
    for number in range(5):
        total = expected.inputs[series[rows, 2] == number][:, 2:5].sum(axis=0)
        np.testing.assert_allclose(found.weights["embedding0.w"][number], total, atol=1e-15)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
def test_network_equals_torch(dtype, tolerance):
    n, steps = 23, 6
    network = embedding_network(num_layers=2, hidden_size=5, dtype=dtype)
    network.flat[...] = np.random.default_rng(0).normal(0.0, 0.5, network.flat.size)
    series = mixed_series(n * steps, dtype=dtype)
    windows = Windows(series, np.arange(n) * steps, steps, dtype=dtype)
    data = Dataset(windows, np.random.default_rng(1).normal(size=n))
    leaves = {k: torch.tensor(w, requires_grad=True) for k, w in network.weights.items()}
    x = torch.tensor(series.reshape(n, steps, 4))
    parts, modules = [x[:, :, :2]], []
    for k, (n_categories, size) in enumerate(EMBEDDINGS):  # the last row of zeros means none
        table = functional.pad(leaves[f"embedding{k}.w"].detach(), (0, 0, 0, 1))
        assert table.shape == (n_categories + 1, size)
        modules.append(
            torch.nn.Embedding.from_pretrained(table, freeze=False, padding_idx=n_categories)
        )
        numbers = x[:, :, 2 + k].long()
        parts.append(modules[k](torch.where(numbers < 0, n_categories, numbers)))
    module = torch.nn.GRU(7, 5, 2, batch_first=True, dtype=getattr(torch, dtype))
    parameters = torch_parameters(network.specification, leaves)
    _, state = torch.func.functional_call(module, parameters, (torch.cat(parts, 2),))
    raw = state[-1] @ leaves["head.w"] + leaves["head.b"]
    functional.mse_loss(raw, torch.tensor(data.targets, dtype=raw.dtype)).backward()
    result = loss_and_gradients(network, data, "squared_error")
    found = {**result.weights, "outputs": network.predict(windows)}
    expected = {name: leaf.grad for name, leaf in leaves.items()} | {"outputs": raw.detach()}
    expected |= {f"embedding{k}.w": module.weight.grad[:-1] for k, module in enumerate(modules)}
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert value.dtype == dtype
        places = list(np.ndindex(value.shape))
        compare(name, expected[name].numpy().ravel(), value.ravel(), places, tolerance)


@pytest.mark.usefixtures("many_shards")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_bits_for_any_number_of_threads(dtype):
    series = mixed_series(420, dtype=dtype)
    lengths = np.random.default_rng(0).integers(0, 21, 400)
    windows = Windows(series, np.arange(400), 20, lengths=lengths, dtype=dtype)
    data = Dataset(windows, series[20:, 0])
    options = TrainingOptions(max_epochs=2, batch_size=160, learning_rate=0.01, l2=1e-3)
    found = []
    for n_threads in (1, 2, 4):
        network = embedding_network(hidden_size=48, num_layers=2, dropout=0.1, dtype=dtype)
        train(network, data, options, validation=data, n_threads=n_threads)
        found.append((network.flat, network.predict(windows, n_threads=n_threads)))
    for flat, predicted in found[1:]:
        np.testing.assert_array_equal(flat, found[0][0])
        np.testing.assert_array_equal(predicted, found[0][1])


@pytest.mark.parametrize("n_numeric", [2, 0])
def test_a_window_has_the_same_bits_in_any_batch(n_numeric):
    network = embedding_network(n_numeric, dtype="float32", bidirectional=True)
    series = mixed_series(400, n_numeric, "float32")
    rng = np.random.default_rng(0)
    starts, lengths = rng.integers(0, 380, 150), rng.integers(0, 21, 150)
    whole = network.predict(Windows(series, starts, 20, lengths=lengths))
    for part in (slice(7, 8), slice(3, 40), slice(0, 150, 7)):
        some = Windows(series, starts[part], 20, lengths=lengths[part])
        np.testing.assert_array_equal(network.predict(some), whole[part])


def test_tables_stand_first_start_like_scaled_columns_and_are_penalised():
    spec = Specification(4, embeddings=[[500, 3], [40, 2]])
    assert spec == Specification(4, embeddings=((500, 3), (40, 2)))
    assert hash(spec) == hash(Specification(4, embeddings=((500, 3), (40, 2))))
    assert (spec.n_numeric, spec.input_size, spec.layer_width(0)) == (2, 7, 7)
    network = Network(spec)
    assert list(network.weights)[:3] == ["embedding0.w", "embedding1.w", "layer0.w_x"]
    table = network.weights["embedding0.w"]
    assert table.shape == (500, 3)
    assert table.dtype == np.float32
    assert abs(table.var() - 1.0) < 0.1
    assert np.abs(table).max() <= np.sqrt(3)
    assert network.layout.weight_mask()[: 500 * 3 + 40 * 2].all()
    assert not [p for p in Layout(Specification(4)).parameters if "embedding" in p.name]


def test_a_copy_predicts_the_same():
    network = embedding_network()
    other = pickle.loads(pickle.dumps(network))
    windows = Windows(mixed_series(40), np.arange(30), 10, dtype="float64")
    assert other.specification == network.specification
    np.testing.assert_array_equal(other.predict(windows), network.predict(windows))


def test_categories_that_change_after_the_check_read_as_none():
    """A kernel reads nowhere else: the series is shared with the caller."""
    series = mixed_series(60)
    data = Dataset(Windows(series, np.arange(50), 10, dtype="float64"), series[10:, 0])
    network, tables = embedding_network(), []

    def change(report):
        series[:, 2] = np.where(np.arange(60) % 2, 1e15, np.nan)
        tables.append(network.weights["embedding0.w"].copy())

    options = TrainingOptions(max_epochs=2, optimizer="sgd", optimizer_options={"momentum": 0.0})
    assert np.isfinite(train(network, data, options, callbacks=[change]).loss_curve).all()
    np.testing.assert_array_equal(tables[1], tables[0])
    with pytest.raises(ValueError, match="expected whole numbers below 5 in column 2"):
        network.predict(data.windows)


def windows_with(value, column=2):
    series = mixed_series(40)
    series[17, column] = value
    return Windows(series, np.arange(10), 5, dtype="float64")  # that do not read row 17


SPECIFIED = {
    "a number": (5, "embeddings: expected a sequence of .*, got 5; pass a tuple of pairs"),
    "text": ("ab", "embeddings: expected a sequence"),
    "one pair alone": ((7, 3), r"embeddings\[0\]: expected a pair .*, got 7; pass a tuple of"),
    "three numbers": (((7, 3, 1),), r"embeddings\[0\]: expected a pair"),
    "text for a pair": (("ab",), r"embeddings\[0\]: expected a pair"),
    "no category": (((7, 3), (0, 3)), r"embeddings\[1\] n_categories: expected at least 1, got 0"),
    "no size": (((7, 0),), r"embeddings\[0\] size: expected at least 1, got 0"),
    "size float": (((7, 2.0),), r"embeddings\[0\] size: expected a whole number, got 2.0"),
    "more than columns": (((7, 3),) * 3, "expected at most n_features=2, .*, got 3; count their"),
}
READ = {
    "too large": (
        windows_with(5),
        r"below 5 in column 2, .* of embeddings\[0\], got 5.0 at row 17",
    ),
    "not whole": (windows_with(1.5, 3), r"below 4 in column 3, .*\[1\], got 1.5 at row 17; number"),
    "negative, not whole": (windows_with(-0.5), "got -0.5 at row 17; number them from 0"),
}


@pytest.mark.parametrize("case", SPECIFIED)
def test_a_specification_that_cannot_be_is_refused(case):
    embeddings, message = SPECIFIED[case]
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        Specification(2, embeddings=embeddings)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("case", READ)
def test_a_category_without_a_row_is_refused(case):
    windows, message = READ[case]
    network, data = embedding_network(), Dataset(windows, np.zeros(10))
    before = network.flat.copy()
    for action in (
        lambda: network.predict(windows),
        lambda: network.encode(windows),
        lambda: train(network, data, TrainingOptions(max_epochs=1)),
        lambda: loss_and_gradients(network, data, "squared_error"),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            action()
        assert str(caught.value).endswith(".")
    np.testing.assert_array_equal(network.flat, before)
