"""The head over future rows refuses what cannot be, with one sentence that says what to do."""

import numpy as np
import pytest

from gruforecast.network import Specification, Windows
from gruforecast.training import Dataset, TrainingOptions, loss_and_gradients, train
from tests.helpers import small_network, wavy_series
from tests.test_future_head import future_network


def specified(**choices):
    ahead = {"n_future_steps": 3, "n_future_features": 2}
    return Specification(**{"n_features": 1, "n_outputs": 6} | ahead | choices)


def made(**choices):
    """Two windows with a future of 8 rows, of one series of nine."""
    parts = {"future": np.zeros((8, 2)), "future_starts": [0, 5], "dtype": "float64"}
    return Windows(wavy_series(9), [0, 1], 4, **parts | choices)


def rows_with(value):
    rows = np.zeros((8, 2))
    rows[3, 1] = value
    return rows


MADE = {
    "steps": (lambda: specified(n_future_steps=-1), "n_future_steps: expected at least 0, got -1"),
    "steps float": (lambda: specified(n_future_steps=2.0), "n_future_steps: expected a whole"),
    "columns below": (lambda: specified(n_future_features=-2), "n_future_features: expected at l"),
    "columns none": (
        lambda: specified(n_future_features=0),
        "n_future_features: expected at least 1 for n_future_steps=3, got 0; pass the number",
    ),
    "columns alone": (
        lambda: specified(n_future_steps=0),
        "n_future_features: expected 0 as n_future_steps is 0, got 2; set n_future_steps or",
    ),
    "size": (lambda: specified(future_size=0), "future_size: expected at least 1, got 0; raise"),
    "outputs": (
        lambda: specified(n_outputs=7),
        "n_outputs: expected a multiple of n_future_steps=3, got 7; pass as many outputs for",
    ),
    "future alone": (
        lambda: made(future_starts=None),
        "future_starts: expected an array beside future, got None; pass both or neither",
    ),
    "starts alone": (
        lambda: made(future=None),
        "future: expected an array beside future_starts, got None; pass both or neither",
    ),
    "future 1-D": (lambda: made(future=np.zeros(8)), r"future: expected shape \(rows, n_future_f"),
    "future empty": (lambda: made(future=np.zeros((0, 2))), "future: expected at least one entry"),
    "future text": (lambda: made(future=[["a"]]), "future: expected numbers, got an array of dt"),
    "future NaN": (lambda: made(future=rows_with(np.nan)), r"future: .* got nan at \(3, 1\); fill"),
    "future large": (
        lambda: made(future=rows_with(1e39), dtype="float32"),
        r"future: expected numbers that are finite in float32, got 1e\+39 at \(3, 1\)",
    ),
    "starts floats": (lambda: made(future_starts=[0.0, 1.0]), "future_starts: expected whole num"),
    "starts 2-D": (lambda: made(future_starts=[[0, 1]]), r"future_starts: expected shape \(n_win"),
    "starts, number": (
        lambda: made(future_starts=[0]),
        r"future_starts: expected one per window, shape \(2,\), got \(1,\); pass as many future_s",
    ),
    "starts negative": (
        lambda: made(future_starts=[0, -1]),
        "future_starts: expected rows 0 to 7 of future, got -1 for window 1; correct it or add",
    ),
    "starts late": (lambda: made(future_starts=[8, 0]), "rows 0 to 7 .* got 8 for window 0"),
    "starts beyond": (lambda: made(future_starts=[2**63 - 1, 0]), "got 9223372036854775807 for"),
}
READ = {
    "no future": (
        lambda: made(future=None, future_starts=None),
        "windows: expected rows known in the future for n_future_steps=3 of the network, got none",
    ),
    "columns": (
        lambda: made(future=np.zeros((8, 3))),
        "windows: expected 2 future features, got 3; use the columns",
    ),
    "ends late": (
        lambda: made(future_starts=[5, 6]),
        "future_starts: expected n_future_steps=3 rows from each inside the 8 rows of future, got "
        "window 1 from row 6; move it or add rows",
    ),
    "too short": (
        lambda: made(future=np.zeros((2, 2)), future_starts=[0, 0]),
        "inside the 2 rows of future, got window 0 from row 0",
    ),
}


@pytest.mark.parametrize("case", MADE)
def test_what_cannot_be_is_refused(case):
    action, message = MADE[case]
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        action()
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("case", [*READ, "no head"])
def test_windows_that_do_not_fit_are_refused(case):
    network = small_network() if case == "no head" else future_network()
    make, message = READ.get(
        case, (made, "windows: expected no rows known in the future, got 8; pass none to Windows")
    )
    windows = make()
    data, before = Dataset(windows, np.zeros((2, network.specification.n_outputs))), network.flat
    before = before.copy()
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
