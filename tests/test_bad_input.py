"""Bad input gets one sentence that says what to do, before any kernel runs."""

import numpy as np
import pytest

from gruforecast.network import Network, Specification, Windows
from gruforecast.training import Dataset, TrainingOptions, evaluate, make_loss, train
from tests.helpers import next_row_data, small_network

SERIES = np.zeros((20, 2))
X = np.zeros((5, 4, 2))


def specification(**choices):
    return Specification(**{"n_features": 2} | choices)


def windows(series=SERIES, starts=(0, 1), n_steps=4, **choices):
    return Windows(series, starts, n_steps, **choices)


def with_nan(at=(3, 1), value=np.nan):
    series = SERIES.copy()
    series[at] = value
    return series


CASES = {
    "cell, near": (lambda: specification(cell="gur"), "did you mean 'gru'"),
    "cell, far": (lambda: specification(cell="transformer"), "expected one of gru, lstm, rnn"),
    "cell, no string": (lambda: specification(cell=3), "got 3; choose one"),
    "hidden size zero": (lambda: specification(hidden_size=0), "hidden_size: expected at least 1"),
    "hidden size float": (lambda: specification(hidden_size=8.0), "expected a whole number"),
    "hidden size bool": (lambda: specification(hidden_size=True), "expected a whole number"),
    "no features": (lambda: specification(n_features=0), "n_features: expected at least 1"),
    "no outputs": (lambda: specification(n_outputs=0), "n_outputs: expected at least 1"),
    "layers": (lambda: specification(num_layers=-1), "num_layers: expected at least 1, got -1"),
    "flag": (lambda: specification(bidirectional="yes"), "bidirectional: expected True or False"),
    "dropout of all": (lambda: specification(dropout=1.0), r"expected a finite number in \[0, 1\)"),
    "dropout below zero": (lambda: specification(recurrent_dropout=-0.1), "got -0.1"),
    "dropout NaN": (lambda: specification(dropout=np.nan), "got nan"),
    "dense sizes": (lambda: specification(dense_sizes=8), r"pass a tuple such as \(32,\)"),
    "dense size": (lambda: specification(dense_sizes=(8, 0)), r"dense_sizes\[1\]: expected at lea"),
    "dtype": (lambda: specification(dtype="float16"), "expected one of float32, float64"),
    "seed": (lambda: Network(specification(), seed=-1), "seed: expected at least 0"),
    "gate": (lambda: Network(specification(), gate_bias={"f": 1.0}), "expected gates of the gru"),
    "gate value": (lambda: Network(specification(), gate_bias={"z": "a"}), "expected a number"),
    "weights, missing": (
        lambda: Network(specification()).set_weights({}),
        "expected an array named 'head.b', got none",
    ),
    "weights, unknown": (
        lambda: small_network().set_weights(dict(small_network().weights, w=1)),
        "got 'w'; drop it",
    ),
    "weights, shape": (
        lambda: small_network().set_weights(
            dict(small_network().weights, **{"head.w": np.zeros((1, 8))})
        ),
        r"head.w: expected shape \(8, 1\), got \(1, 8\)",
    ),
    "series 1-D": (lambda: windows(series=np.zeros(20)), r"expected shape \(rows, n_features\)"),
    "series empty": (lambda: windows(series=np.zeros((0, 2))), "at least one entry along axis 0"),
    "series no columns": (lambda: windows(series=np.zeros((9, 0))), "at least one entry along ax"),
    "series text": (lambda: windows(series=np.array([["a"]])), "expected numbers, got an array"),
    "series objects": (lambda: windows(series=SERIES.astype(object)), "dtype object; convert"),
    "series NaN": (lambda: windows(series=with_nan()), r"got nan at \(3, 1\); fill, scale or"),
    "series infinite": (lambda: windows(series=with_nan(value=np.inf)), r"got inf at \(3, 1\)"),
    "series too large": (lambda: windows(series=with_nan(value=1e39)), r"float32, got 1e\+39 at"),
    "window dtype": (lambda: windows(dtype="int32"), "expected one of float32, float64"),
    "no windows": (lambda: windows(starts=[]), "starts: expected at least one entry"),
    "starts 2-D": (lambda: windows(starts=[[0]]), r"starts: expected shape \(n_windows,\)"),
    "starts floats": (lambda: windows(starts=[0.0]), "starts: expected whole numbers"),
    "starts negative": (lambda: windows(starts=[0, -1]), "got window 1 from row -1 with 4 rows"),
    "starts late": (lambda: windows(starts=[17]), "inside the 20 rows of the series, got window 0"),
    "steps": (lambda: windows(n_steps=0), "n_steps: expected at least 1"),
    "steps float": (lambda: windows(n_steps=2.5), "n_steps: expected a whole number"),
    "starts that overflow": (lambda: windows(starts=[2**63 - 3]), "got window 0 from row 92233720"),
    "starts beyond int64": (lambda: windows(starts=np.array([2**64 - 1])), "expected row numbers"),
    "lengths long": (
        lambda: windows(lengths=[4, 5]),
        "expected 0 to n_steps=4, got 5 for window 1",
    ),
    "lengths negative": (lambda: windows(lengths=[-1, 1]), "got -1 for window 0"),
    "lengths, number": (lambda: windows(lengths=[1]), r"one per window, shape \(2,\), got \(1,\)"),
    "lengths floats": (lambda: windows(lengths=[1.0, 2.0]), "lengths: expected whole numbers"),
    "state shape": (
        lambda: small_network(n_features=2, dtype="float32").predict(
            windows(initial_state=np.zeros((1, 2, 9)))
        ),
        r"initial_state: expected shape \(1, 2, 8\)",
    ),
    "state of others": (
        lambda: windows(initial_state=np.zeros((1, 3, 8))),
        r"initial_state: expected shape \(layers \* directions, 2, state size\), got \(1, 3, 8\)",
    ),
    "array 2-D": (lambda: Windows.from_array(X[0]), r"expected shape \(n_windows, n_steps, n_fea"),
    "array lengths": (lambda: Windows.from_array(X, lengths=[9] * 5), "expected 0 to n_steps=4"),
    "array lengths, number": (lambda: Windows.from_array(X, lengths=[1]), "one per window"),
    "not windows": (lambda: small_network().predict(X), "got ndarray; make them with Windows"),
    "features": (
        lambda: small_network(dtype="float32").predict(windows()),
        "expected 1 features, got 2; use the columns",
    ),
    "precision": (lambda: small_network(n_features=2).predict(windows()), "pass dtype='float64'"),
    "threads": (
        lambda: small_network(n_features=2, dtype="float32").predict(windows(), n_threads=0),
        "n_threads: expected at least 1",
    ),
    "data of no windows": (lambda: Dataset(X, [0.0]), "got ndarray; make them with Windows"),
    "targets, number": (lambda: Dataset(windows(), [0.0]), r"targets: expected shape \(2,\), got"),
    "targets 3-D": (lambda: Dataset(windows(), np.zeros((2, 1, 1))), "targets: expected shape"),
    "targets infinite": (lambda: Dataset(windows(), [0, np.inf]), "got inf in row 1"),
    "targets text": (lambda: Dataset(windows(), ["a", "b"]), "targets: expected numbers"),
    "targets all missing": (lambda: Dataset(windows(), [np.nan] * 2), "at least one that is not"),
    "weights negative": (lambda: Dataset(windows(), [0, 1], [1, -1]), "got -1.0 in row 1"),
    "weights NaN": (
        lambda: Dataset(windows(), [0, 1], [1, np.nan]),
        "weights: expected numbers that are finite",
    ),
    "weights of zero": (lambda: Dataset(windows(), [0, 1], [0, 0]), "has a weight above 0"),
    "weights, number": (lambda: Dataset(windows(), [0, 1], [1]), r"weights: expected shape \(2,\)"),
    "loss, near": (lambda: TrainingOptions(loss="squard_error"), "did you mean 'squared_error'"),
    "loss option": (
        lambda: make_loss("huber", quantiles=(0.5,)),
        "expected delta, got 'quantiles'",
    ),
    "loss no option": (lambda: make_loss("poisson", delta=1), "expected no options, got 'delta'"),
    "delta": (lambda: make_loss("huber", delta=0), r"delta: expected a finite number in \(0"),
    "quantile": (lambda: make_loss("quantile", quantiles=(0.5, 1.0)), r"expected .* in \(0, 1\)"),
    "quantile order": (lambda: make_loss("quantile", quantiles=(0.9, 0.1)), "expected rising"),
    "optimizer": (lambda: TrainingOptions(optimizer="adamm"), "did you mean 'adam"),
    "momentum": (
        lambda: TrainingOptions(optimizer="sgd", optimizer_options={"momentum": 1.0}),
        r"momentum: expected a finite number in \[0, 1\)",
    ),
    "optimizer option": (
        lambda: TrainingOptions(optimizer_options={"momentum": 0.5}),
        "optimizer 'adam': expected beta1, beta2, epsilon, got 'momentum'",
    ),
    "schedule": (lambda: TrainingOptions(learning_rate_schedule="cosin"), "did you mean 'cosine'"),
    "schedule option": (
        lambda: TrainingOptions(schedule_options={"floor": 0.1}),
        "learning_rate_schedule 'constant': expected no options, got 'floor'",
    ),
    "learning rate": (lambda: TrainingOptions(learning_rate=-0.1), "learning_rate: expected a fin"),
    "learning rate zero": (lambda: TrainingOptions(learning_rate=0), r"in \(0, inf\)"),
    "learning rate text": (lambda: TrainingOptions(learning_rate="fast"), "expected a number"),
    "batch": (lambda: TrainingOptions(batch_size=0), "batch_size: expected at least 1"),
    "epochs": (lambda: TrainingOptions(max_epochs=0), "max_epochs: expected at least 1"),
    "clip": (lambda: TrainingOptions(clip_norm=0), "clip_norm: expected a finite number"),
    "penalty": (lambda: TrainingOptions(l2=-1), "l2: expected a finite number"),
    "patience": (lambda: TrainingOptions(patience=0), "patience: expected at least 1"),
    "shuffle": (lambda: TrainingOptions(shuffle=1), "shuffle: expected True or False"),
    "outputs of a loss": (
        lambda: train(small_network(), next_row_data(), TrainingOptions(loss="gaussian")),
        "expected n_outputs = 2 per target .* n_outputs=2",
    ),
    "negative counts": (
        lambda: train(small_network(), next_row_data(), TrainingOptions(loss="poisson")),
        "values of at least 0 for loss 'poisson'",
    ),
    "patience alone": (
        lambda: train(small_network(), next_row_data(), TrainingOptions(patience=3)),
        r"patience: expected None without a validation set, got 3",
    ),
    "callback": (
        lambda: train(small_network(), next_row_data(), callbacks=print),
        r"callbacks: expected a list of functions, .* pass \[function\]",
    ),
    "options as a dict": (
        lambda: train(small_network(), next_row_data(), {"loss": "huber"}),
        "options: expected TrainingOptions, got dict",
    ),
    "options of a loss": (
        lambda: TrainingOptions(loss_options=None),
        "loss_options: expected a dict of options, got None",
    ),
    "data as windows": (
        lambda: train(small_network(), windows()),
        "data: expected Dataset, got Windows",
    ),
    "specification": (lambda: Network(5), "specification: expected Specification, got int"),
    "gate biases": (lambda: Network(specification(), gate_bias=5), "pass a dict such as"),
    "gate bias too large": (
        lambda: Network(specification(), gate_bias={"z": 1e40}),
        r"gate_bias\['z'\]: expected a finite number in \[-1000, 1000\]",
    ),
    "flat shape": (lambda: setattr(small_network(), "flat", 5.0), r"flat: expected shape \(257,\)"),
    "flat NaN": (
        lambda: setattr(small_network(), "flat", np.full(257, np.nan)),
        "flat: expected numbers that are finite",
    ),
    "cell in capitals": (lambda: specification(cell="GRU"), "did you mean 'gru'"),
    "targets too large": (lambda: Dataset(windows(), [0, 1e300]), r"got 1e\+300 in row 1"),
    "network": (
        lambda: train(None, next_row_data()),
        "network: expected Network, got NoneType",
    ),
    "resume from a result": (
        lambda: train(small_network(), next_row_data(), resume_from=3),
        "resume_from: expected TrainingState, got int; pass result.checkpoint",
    ),
    "masked array": (
        lambda: Dataset(windows(), np.ma.masked_invalid([0.0, np.nan])),
        r"got a masked one; pass targets.filled\(numpy.nan\)",
    ),
    "loss by a wrong name": (
        lambda: evaluate(small_network(), next_row_data(), "hubr"),
        "did you mean 'huber'",
    ),
    "option, near": (lambda: make_loss("huber", detla=1.0), "did you mean 'delta'"),
    "classes": (
        lambda: train(
            small_network(n_features=2, n_outputs=2, dtype="float32"),
            Dataset(windows(), [0, 2]),
            TrainingOptions(loss="cross_entropy"),
        ),
        "expected one column of class numbers 0 to 1, got 2",
    ),
    "half a class": (
        lambda: train(
            small_network(n_features=2, n_outputs=2, dtype="float32"),
            Dataset(windows(), [0, 0.5]),
            TrainingOptions(loss="cross_entropy"),
        ),
        "got 0.5; number the classes",
    ),
}


def test_what_the_caller_changes_later_does_not_matter():
    starts, targets = np.arange(2), np.zeros(2)
    data = Dataset(windows(starts=starts), targets)
    starts += 10**6
    targets[...] = np.inf
    np.testing.assert_array_equal(data.windows.starts, [0, 1])
    np.testing.assert_array_equal(data.targets, 0.0)
    with pytest.raises(ValueError, match="read-only"):
        data.windows.starts[0] = 10**6


@pytest.mark.parametrize("case", CASES)
def test_the_message_says_what_to_do(case):
    action, message = CASES[case]
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        action()
    text = str(caught.value)
    assert text.endswith((".", "?"))
    assert "\n" not in text
    assert "expected" in text
