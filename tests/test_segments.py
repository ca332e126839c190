"""Rows read in segments, states that are pooled, and segments ahead decoded in parallel.

N windows, T rows, W rows of a segment, M segments ahead, K outputs.
"""

import numpy as np
import pytest

from gruforecast.foundations.random import derive_key, dropout
from gruforecast.network import Network, Specification, Windows
from gruforecast.network.decoder import KEY as DECODER
from gruforecast.network.pooling import Pooling
from gruforecast.network.stack import Shard, Stack
from gruforecast.training import Dataset, TrainingOptions, loss_and_gradients, train
from tests import reference

KEY = (11, 3)
# name: (W, M, K, T, options)
CASES = {
    "segments": (3, 0, 2, 6, {}),
    "decoder": (1, 2, 4, 3, {}),
    "both": (3, 2, 6, 7, {}),
    "cut": (2, 3, 7, 6, {"num_layers": 2, "dense_sizes": (4,)}),
    "before": (2, 2, 4, 5, {"reset_after": False, "layer_norm": True}),
    "lstm": (2, 2, 4, 5, {"cell": "lstm", "num_layers": 2, "dropout": 0.4}),
    "normed": (2, 3, 6, 6, {"layer_norm": True, "num_layers": 2}),
    "lstm, normed": (2, 2, 4, 5, {"cell": "lstm", "layer_norm": True}),
    "rnn": (4, 3, 6, 9, {"cell": "rnn", "bidirectional": True, "num_layers": 2}),
    "embeddings": (3, 2, 5, 6, {"embeddings": ((3, 2), (2, 1))}),
    "future": (2, 2, 6, 6, {"n_future_steps": 6, "n_future_features": 2, "future_size": 3}),
    "future, dense": (
        2, 0, 6, 6, {"n_future_steps": 3, "n_future_features": 1, "dense_sizes": (3,)}
    ),
    "lags": (2, 2, 5, 6, {"n_lags": 4, "embeddings": ((2, 1),)}),
    "lags alone": (1, 0, 3, 4, {"n_lags": 7}),
    "dropout": (2, 3, 6, 6, {"dropout": 0.5, "embeddings": ((4, 2),)}),
    "pooled": (1, 0, 2, 5, {"pooling": "all"}),
    "pooled, both": (3, 0, 2, 8, {"pooling": "all", "bidirectional": True}),
    "pooled, before": (
        2, 0, 3, 6,
        {"pooling": "all", "reset_after": False, "layer_norm": True, "num_layers": 2,
         "dropout": 0.4},
    ),
    "pooled, lstm": (
        1, 0, 3, 4, {"pooling": "all", "cell": "lstm", "num_layers": 2, "bidirectional": True}
    ),
    "pooled, rnn": (2, 0, 3, 6, {"pooling": "all", "cell": "rnn", "dense_sizes": (5,)}),
    "pooled, future": (
        1, 0, 4, 4,
        {"pooling": "all", "n_future_steps": 2, "n_future_features": 1, "n_lags": 2,
         "embeddings": ((3, 2),)},
    ),
}  # fmt: skip
cases = pytest.mark.parametrize("case", CASES)


def make(case, dtype="float64"):
    """A network with random weights and ragged windows, one of them empty."""
    case = CASES[case] if isinstance(case, str) else case
    width, n_decoded, n_outputs, n_steps, options = case
    rng, n = np.random.default_rng(5), 11
    tables = options.get("embeddings", ())
    spec = Specification(
        2 + len(tables), n_outputs, hidden_size=4, segment_length=width, decoder_steps=n_decoded,
        dtype=dtype, **options,
    )  # fmt: skip
    network = Network(spec, seed=1)
    for name, view in network.weights.items():
        view[...] = rng.normal(1.0 if "gain" in name else 0.0, 0.5, view.shape)
    series = rng.normal(size=(40, 2 + len(tables)))
    for k, (n_categories, _) in enumerate(tables):
        series[:, 2 + k] = rng.integers(-1, n_categories, 40)
    starts = rng.integers(0, 40 - n_steps, n)
    lengths = rng.integers(1, n_steps + 1, n)
    lengths[3:6], lengths[7] = n_steps, 0
    known = {}
    if spec.n_future_steps:
        known["future"] = rng.normal(size=(30, spec.n_future_features))
        known["future_starts"] = rng.integers(0, 20, n)
    windows = Windows(series, starts, n_steps, lengths=lengths, dtype=dtype, **known)
    data = Dataset(windows, rng.normal(size=(n, n_outputs)), rng.uniform(0.5, 2.0, n))
    return network, data


def rows_of(windows):
    """What each window reads (T, N, F), with no category where masked."""
    x = np.zeros((windows.n_steps, len(windows), windows.n_features))
    for i, (start, length) in enumerate(zip(windows.starts, windows.lengths, strict=True)):
        x[windows.n_steps - length :, i] = windows.series[start : start + length]
    return x


def reference_raw(network, weights, windows, x, masked):
    """Outputs (N, K) as the reference computes them; ``masked`` draws the masks of KEY."""
    spec, n = network.specification, len(windows)
    lengths, n_tables = windows.lengths, len(spec.embeddings)
    rows = x.copy()
    masked_rows = np.arange(windows.n_steps)[:, None] < windows.n_steps - lengths
    rows[masked_rows, spec.n_numeric :] = -1
    read = reference.embedded(weights, rows)
    width = spec.segment_length
    steps = -(-lengths // width)
    if width > 1:
        read = reference.read_segments(weights, read, lengths, width)
    finals = []
    options = {"cell": spec.cell, "n_layers": spec.num_layers, "layer_norm": spec.layer_norm}
    options |= {"bidirectional": spec.bidirectional, "reset_after": spec.reset_after}
    layers = {name: value for name, value in weights.items() if name.startswith("layer")}
    masks = draw(spec, len(read), n, KEY) if masked else None
    states, last = reference.network_forward(
        layers, read, lengths=steps, finals=finals, dropout_masks=masks, **options
    )
    if spec.pooling == "all":
        last = reference.pooled(states, last, steps)
    if not spec.decoder_steps:
        raw = reference.head_forward(weights, last)
    else:
        newest = windows.series[np.maximum(windows.starts + lengths - 1, 0), spec.n_numeric :]
        categories = np.where(lengths[:, None] > 0, newest, -1)
        assert categories.shape == (n, n_tables)
        head_mask = None
        if masked and spec.dropout:
            key = derive_key(*KEY, DECODER, 0, spec.num_layers)
            head_mask = np.ones((1, n * spec.decoder_steps, spec.encoding_size))
            dropout(head_mask, key, 0, spec.dropout, head_mask)
            head_mask = head_mask.reshape(n, spec.decoder_steps, -1)
            gaps = draw(spec, 1, n * spec.decoder_steps, (*KEY, DECODER))
            gaps = gaps.reshape(len(gaps), n, spec.decoder_steps, spec.encoding_size)
        parts = []
        for m in range(spec.decoder_steps):
            own = dict(weights) | {"decoder.steps": weights["decoder.steps"][m : m + 1]}
            of_gaps = {"dropout_masks": gaps[:, None, :, m]} if head_mask is not None else {}
            of_head = None if head_mask is None else head_mask[:, m : m + 1]
            parts.append(
                reference.decode(
                    own, np.stack(finals), categories, None, of_head, **options, **of_gaps
                )
            )
        raw = np.concatenate(parts, axis=1)[:, : spec.n_outputs]
    if spec.n_future_steps:
        future = windows.future[windows.future_starts[:, None] + np.arange(spec.n_future_steps)]
        own = {k: v for k, v in weights.items() if k.startswith(("future", "dense"))}
        if spec.decoder_steps:
            own = {k: v for k, v in own.items() if k.startswith("future")}
        read_by_head = reference.head_input(own, last)
        zeros = {"head.w": np.zeros((read_by_head.shape[1], raw.shape[1])), "head.b": 0.0}
        own = {k: v for k, v in own.items() if k.startswith("future")}
        raw = raw + reference.future_forward(own | zeros, read_by_head, future)
    if spec.n_lags:
        lags = np.zeros((n, spec.n_lags))
        n_read = min(spec.n_lags, windows.n_steps)
        lags[:, -n_read:] = np.where(masked_rows, 0.0, x[:, :, 0]).T[:, -n_read:]
        raw = raw + lags @ weights["shortcut.w"]
    return raw


def draw(spec, n_steps, n, key):
    """Masks of the gaps between layers (L-1, T, N, H*D)."""
    masks = np.ones((spec.num_layers - 1, n_steps, n, spec.encoding_size))
    for gap, mask in enumerate(masks):
        if spec.dropout:
            dropout(mask, derive_key(*key, 0, gap), 0, spec.dropout, mask)
    return masks


@cases
def test_outputs_equal_the_reference(case):
    network, data = make(case)
    expected = reference_raw(network, network.weights, data.windows, rows_of(data.windows), False)
    np.testing.assert_allclose(network.predict(data.windows), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_states_that_recurrent_dropout_makes_differ_are_not_shared(cell):
    network, data = make((2, 3, 6, 6, {"recurrent_dropout": 0.4, "cell": cell}))
    found = loss_and_gradients(network, data, "squared_error", key=KEY)
    for name in ("layer0.w_h", "decoder.steps"):
        weights = network.weights[name]
        for at in ((0, 0), (1, 3), (2, 2)):
            values = []
            for step in (1e-5, -1e-5):
                weights[at] += step
                values.append(loss_and_gradients(network, data, "squared_error", key=KEY).loss)
                weights[at] -= step
            slope = (values[0] - values[1]) / 2e-5
            assert found.weights[name][at] == pytest.approx(slope, rel=1e-5, abs=1e-8)


@cases
def test_gradients_equal_differences_of_the_reference(case):
    network, data = make(case)
    windows, x = data.windows, rows_of(data.windows)
    data.targets[...] += reference_raw(network, network.weights, windows, x, True)
    found = loss_and_gradients(network, data, "squared_error", key=KEY)

    def loss(weights, x):
        raw = reference_raw(network, weights, windows, x, True)
        return reference.loss_value("squared_error", raw, data.targets, data.weights)

    assert found.loss == pytest.approx(loss(network.weights, x), rel=1e-9)
    assert found.weights.keys() == network.weights.keys()
    arrays, rng = dict(network.weights) | {"x": x}, np.random.default_rng(0)
    gradients = dict(found.weights) | {"x": found.inputs.swapaxes(0, 1)}
    for name, gradient in gradients.items():
        scale = np.abs(gradient).max()
        assert scale > 0, name
        along = rng.choice([-1.0, 1.0], gradient.shape)  # every entry at once
        if name == "x":
            along[:, :, network.specification.n_numeric :] = 0.0

        def moved(step, name=name, along=along):
            changed = {key: np.array(value) for key, value in arrays.items()}
            changed[name] += step * along
            return loss(changed, changed["x"])

        step = 1e-6
        slope = (moved(step) - moved(-step)) / (2 * step)
        wanted = (gradient * along).sum()
        assert slope == pytest.approx(wanted, abs=1e-6 * np.abs(gradient).sum()), name


@cases
def test_a_window_has_the_same_bits_with_any_others(case):
    network, data = make(case, "float32")
    whole = data.windows
    every = network.predict(whole, n_threads=2)
    for i in range(len(whole)):
        known = {}
        if whole.future is not None:
            known = {"future": whole.future, "future_starts": whole.future_starts[i : i + 1]}
        one = Windows(
            whole.series, whole.starts[i : i + 1], whole.n_steps, lengths=whole.lengths[i : i + 1],
            **known,
        )  # fmt: skip
        np.testing.assert_array_equal(network.predict(one)[0], every[i])


@pytest.mark.usefixtures("many_shards")
@pytest.mark.parametrize("case", ["both", "dropout", "embeddings", "pooled, both"])
def test_training_learns_with_the_same_bits_for_any_threads(case):
    networks = []
    for n_threads in (1, 2):
        network, data = make(case, "float32")
        options = TrainingOptions(max_epochs=30, learning_rate=0.02, batch_size=4)
        run = train(network, data, options, n_threads=n_threads)
        assert run.loss_curve[-1] < 0.7 * run.loss_curve[0]
        networks.append(network.flat)
    np.testing.assert_array_equal(*networks)


def test_outputs_start_at_zero():
    spec = make("lags")[0].specification
    network, (_, data) = Network(spec, from_zero=True), make("lags")
    assert not network.predict(data.windows).any()
    other = Network(spec)
    names = {
        name for name, value in other.weights.items() if (value != network.weights[name]).any()
    }
    assert names == {"head.w"}


def test_every_output_depends_on_the_newest_row_and_its_place():
    network, data = make("both")
    network.weights["segment.b"][...] = 3.0  # no unit is off
    windows = data.windows
    series = windows.series.copy()
    newest = windows.starts[4] + windows.lengths[4] - 1
    series[newest, 0] += 1.0
    changed = Windows(series, windows.starts[4:5], windows.n_steps, dtype="float64")
    before, after = network.predict(windows)[4], network.predict(changed)[0]
    assert (before != after).all()
    assert len(set(before.round(12))) == len(before)


def test_of_equal_states_the_first_is_the_largest():
    spec = Specification(1, hidden_size=2, pooling="all")
    pooling = Pooling(spec, Stack(spec, 3, 4, keep=True))
    pooling.d_read[:, 2:4] = 1.0
    shard = Shard(np.zeros(3, np.int64), np.array([0, 2, 4]))
    pooling.forward(shard)
    pooling.backward(shard)
    expected = np.zeros((4, 3, 2))
    expected[0, 0] = expected[2, 1] = 1.0
    np.testing.assert_array_equal(pooling.stack.d_top[0], expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"segment_length": 0}, "segment_length: expected at least 1, got 0"),
        ({"pooling": "mean"}, "pooling: expected one of all, last, got 'mean'"),
        (
            {"pooling": "all", "decoder_steps": 2},
            "pooling: expected 'last' as a decoder goes on from the last state, got 'all'; choose",
        ),
        ({"decoder_steps": -1}, "decoder_steps: expected at least 0, got -1"),
    ],
)
def test_wrong_sizes_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Specification(1, 4, **options)
