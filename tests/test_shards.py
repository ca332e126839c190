"""How a batch is cut into shards, which threads take up."""

import numpy as np
import pytest

from gruforecast.foundations.threads import Workers
from gruforecast.network import Network, Specification
from gruforecast.training import TrainingOptions, make_loss, train
from gruforecast.training.gradients import (
    LEAST_SHARD,
    MAX_LANES,
    WORTH_SHARING,
    BatchGradients,
    count_lanes,
    operations,
    shard_size,
)
from tests.helpers import next_row_data, small_network

SEGMENTS = {"segment_length": 4, "decoder_steps": 2, "n_outputs": 8, "n_lags": 16}


def network(hidden_size, **choices):
    return Network(Specification(n_features=8, hidden_size=hidden_size, **choices), seed=0)


def test_operations_are_those_of_the_layers():
    of_layers = 3 * 32 * (8 + 32)
    assert operations(network(32), 10) == pytest.approx(3 * 2 * 10 * of_layers, rel=0.05)
    of_segments = network(32, **SEGMENTS)  # four of the window and two ahead, or one and two
    assert operations(of_segments, 16) == 2 * operations(of_segments, 4)


@pytest.mark.parametrize("hidden_size", [8, 32, 63, 64, 128])
@pytest.mark.parametrize("n_steps", [1, 8, 48, 336])
@pytest.mark.parametrize("batch_size", [1, 20, 128, 131, 511, 512, 2048])
def test_a_batch_is_halved_while_parts_are_worth_a_thread(hidden_size, n_steps, batch_size):
    one = network(hidden_size)
    size = shard_size(one, batch_size, n_steps)
    n = -(-batch_size // size)
    worth = 2 * WORTH_SHARING / operations(one, n_steps)  # windows, of a layer and a head
    least = 2 * LEAST_SHARD if hidden_size < 64 and batch_size >= 512 else LEAST_SHARD
    assert 1 <= size <= batch_size
    assert n == 1 or batch_size / n >= max(worth, least)
    assert batch_size / (2 * n) < max(worth, least)
    assert count_lanes(size, batch_size) == min(n, MAX_LANES)


def test_more_parts_make_larger_shards():
    plain, parts = network(64), network(64, **SEGMENTS)
    assert operations(parts, 24) > 1e5
    n_plain = 3072 // shard_size(plain, 3072, 6)
    n_parts = 3072 // shard_size(parts, 3072, 6 * 4)
    assert n_parts * operations(plain, 6) < n_plain * operations(parts, 24)


@pytest.mark.usefixtures("many_shards")
def test_the_smallest_batches_are_shared_out_where_tests_ask_for_it(monkeypatch):
    found = []
    plain = BatchGradients.__init__

    def noted(self, network, loss, batch_size, shard_size, workers, disturbance=None):
        plain(self, network, loss, batch_size, shard_size, workers, disturbance)
        found.append((len(self.lanes), workers.n_threads))

    monkeypatch.setattr(BatchGradients, "__init__", noted)
    options = TrainingOptions(max_epochs=1, batch_size=4)
    train(small_network(), next_row_data(n_rows=40), options, n_threads=2)
    assert found == [(4, 2)]


@pytest.mark.usefixtures("many_shards")
def test_a_batch_with_fewer_shards_adds_nothing_of_the_one_before():
    network, data = small_network(), next_row_data(n_rows=70)
    with Workers(2) as workers:
        gradients = BatchGradients(network, make_loss("huber"), 40, 10, workers)
        gradients.compute(data, np.arange(40))
        gradients.compute(data, np.arange(12))
        found = gradients.lanes.sum(axis=0)
        alone = BatchGradients(network, make_loss("huber"), 40, 40, workers)
        alone.compute(data, np.arange(12))
    np.testing.assert_allclose(found, alone.lanes[0], rtol=1e-9, atol=1e-14)
