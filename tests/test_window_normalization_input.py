"""Windows that are normalised one by one: what they hold, and what is refused in one sentence."""

import numpy as np
import pytest

from gruforecast.network import Windows
from gruforecast.training import (
    Dataset,
    NotFiniteWarning,
    TrainingOptions,
    evaluate,
    loss_and_gradients,
    train,
)
from tests.helpers import small_network, wavy_series
from tests.test_embeddings import embedding_network, mixed_series


def made(n=3, dtype="float64", **parts):
    """Windows of 4 steps, of a series of nine rows."""
    parts = {"offsets": [1.0, 2.0, 3.0], "factors": [1, 2, 3]} | parts
    return Windows(wavy_series(9), np.arange(n), 4, dtype=dtype, **parts)


def test_windows_own_their_numbers_and_say_so():
    offsets, factors = np.array([1.0, 2.0, 3.0]), np.ones(3)
    windows = made(offsets=offsets, factors=factors)
    offsets[0] = factors[0] = 7.0
    assert windows.offsets.tolist() == [1.0, 2.0, 3.0]
    assert windows.factors.tolist() == [1.0, 1.0, 1.0]
    assert not windows.offsets.flags.writeable
    assert not windows.factors.flags.writeable
    assert made(dtype="float32").offsets.dtype == made(dtype="float32").factors.dtype == "float32"
    assert repr(windows).endswith("series of 9 rows x 1 features, normalised one by one, float64)")
    plain = Windows(wavy_series(9), [0], 4)
    assert plain.offsets is plain.factors is None
    assert "normalised" not in repr(plain)


REFUSED = {
    "offsets alone": (
        {"factors": None},
        "factors: expected an array beside offsets, got None; pass both or neither",
    ),
    "factors alone": (
        {"offsets": None},
        "offsets: expected an array beside factors, got None; pass both or neither",
    ),
    "offsets NaN": (
        {"offsets": [0.0, np.nan, 0.0]},
        r"offsets: expected numbers that are finite in float64, got nan at \(1,\); fill",
    ),
    "offsets large": (
        {"offsets": [0.0, 0.0, -1e39], "dtype": "float32"},
        r"offsets: expected numbers that are finite in float32, got -1e\+39 at \(2,\)",
    ),
    "offsets text": ({"offsets": ["a", "b", "c"]}, "offsets: expected numbers, got an array of"),
    "offsets 2-D": ({"offsets": np.ones((3, 1))}, r"offsets: expected shape \(n_windows,\), got"),
    "a number": ({"offsets": 1.0}, r"offsets: expected shape \(n_windows,\), got \(\); reshape"),
    "offsets, too few": (
        {"offsets": [1.0, 2.0]},
        r"offsets: expected one per window, shape \(3,\), got \(2,\); pass as many offsets",
    ),
    "factors, too many": (
        {"factors": np.ones(4)},
        r"factors: expected one per window, shape \(3,\), got \(4,\); pass as many factors",
    ),
    "factors infinite": ({"factors": [1.0, np.inf, 1.0]}, r"factors: .* got inf at \(1,\); fill"),
    "factors zero": (
        {"factors": [1, 2, 0]},
        "factors: expected numbers that are positive in float64, got 0 for window 2; pass one ov",
    ),
    "factors negative": ({"factors": [1, -2.0, 0]}, "factors: .* got -2.0 for window 1; pass"),
    "factors small": (
        {"factors": [1.0, 1e-50, 1.0], "dtype": "float32"},
        "factors: expected numbers that are positive in float32, got 1e-50 for window 1",
    ),
    "factors masked": (
        {"factors": np.ma.masked_less([1.0, 2.0, 3.0], 2.0)},
        "factors: expected an array without a mask, got a masked one",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused(case):
    parts, message = REFUSED[case]
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        made(**parts)
    assert str(caught.value).endswith(".")


def test_categories_alone_are_not_normalised():
    network, series = embedding_network(0), mixed_series(9, 0)
    windows = Windows(series, [0, 1], 4, dtype="float64", offsets=[0, 0], factors=[1, 1])
    data = Dataset(windows, np.zeros(2))
    for action in (
        lambda: network.predict(windows),
        lambda: network.encode(windows),
        lambda: train(network, data, TrainingOptions(max_epochs=1)),
        lambda: evaluate(network, data, "squared_error"),
        lambda: loss_and_gradients(network, data, "squared_error"),
    ):
        message = "windows: expected a numeric first column to normalise, got category numbers in "
        with pytest.raises(ValueError, match=message + "all 2 columns; pass no .*to Windows.$"):
            action()


def test_a_loss_that_is_not_finite_names_the_largest_factor():
    windows = made(factors=[1.0, 1e300, 1.0], offsets=[0.0, 1e10, 0.0])
    network = small_network(dtype="float64")
    with pytest.warns(NotFiniteWarning, match=r"largest factor 1e\+300 of window 1"):
        train(network, Dataset(windows, [1e200, 1.0, 1.0]), TrainingOptions(max_epochs=1))
